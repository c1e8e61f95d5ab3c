/* What the kernel saw, as records. */
#include "session/bait.h"
#include "session/connection.h"
#include "session/text.h"

enum { WAIT_SIGNAL = 0x7f };

static struct span last_part(struct span path)
{
    for (size_t i = path.len; i > 0; i--)
        if (path.data[i - 1] == '/')
            return span_slice(path, i, path.len);
    return path;
}

/* When it was, in the machine's own measures, and who did it. */
static void put_seen(struct session_connection *c, struct event *e, const struct kernel_event *k)
{
    int64_t session_ms = k->time_ms - c->start_us / 1000;
    if (e->type != EVENT_PROCESS_EXEC && e->type != EVENT_PROCESS_EXIT) {
        if (k->pid > 0)
            event_number(e, FIELD_PID, k->pid);
        if (k->exe.len > 0)
            event_text(e, FIELD_PROGRAM, k->exe);
    }
    event_number(e, FIELD_INSTRUCTIONS, (int64_t)k->instructions);
    event_number(e, FIELD_SESSION_MS, session_ms > 0 ? session_ms : 0);
    session_put(c, e);
}

static void on_exec(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_PROCESS_EXEC);
    event_number(&e, FIELD_PID, k->pid);
    event_number(&e, FIELD_PPID, k->ppid);
    event_number(&e, FIELD_UID, k->uid);
    event_text(&e, FIELD_PATH, k->text);
    event_list(&e, FIELD_ARGV, k->args, k->argc);
    if (k->envc > 0)
        event_list(&e, FIELD_ENV, k->env, k->envc);
    put_seen(c, &e, k);
}

static void on_exited(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_PROCESS_EXIT);
    event_number(&e, FIELD_PID, k->pid);
    event_number(&e, FIELD_PPID, k->ppid);
    if (k->exe.len > 0)
        event_text(&e, FIELD_PATH, k->exe);
    int signal = k->status & WAIT_SIGNAL;
    if (signal != 0)
        event_number(&e, FIELD_SIGNAL, signal);
    else
        event_number(&e, FIELD_STATUS, k->status >> 8 & 0xff);
    event_number(&e, FIELD_DURATION_MS, k->duration_ms);
    put_seen(c, &e, k);
}

static void on_line(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_COMMAND_INPUT);
    event_text(&e, FIELD_INPUT, k->text);
    put_seen(c, &e, k);
}

static void on_input(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_COMMAND_INPUT_REALM);
    event_text(&e, FIELD_INPUT, k->text);
    event_text(&e, FIELD_REALM, last_part(k->exe));
    put_seen(c, &e, k);
}

static void on_heredoc(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_SHELL_HEREDOC);
    event_text(&e, FIELD_DATA, k->text);
    put_seen(c, &e, k);
}

/* ---- Files ---- */

static void upload(struct event *e, struct span path)
{
    event_text(e, FIELD_FILENAME, last_part(path));
    event_text(e, FIELD_DESTFILE, path);
}

/* As Cowrie names it, when it was kept: by who wrote it. */
static struct event file_event(struct session_connection *c, const struct kernel_event *k,
                               bool kept)
{
    struct span program = last_part(k->exe);
    enum event_type type = !kept                                  ? EVENT_FILE_WRITE
                           : span_equal_z(program, "sftp-server") ? EVENT_FILE_UPLOAD_SFTP
                           : span_equal_z(program, "scp")         ? EVENT_FILE_UPLOAD_SCP
                           : k->redirected                        ? EVENT_FILE_DOWNLOAD_REDIR
                                                                  : EVENT_FILE_WRITE;
    struct event e = session_event(c, type);
    if (type == EVENT_FILE_WRITE)
        event_text(&e, FIELD_PATH, k->text);
    else if (type == EVENT_FILE_DOWNLOAD_REDIR)
        event_text(&e, FIELD_DESTFILE, k->text);
    else
        upload(&e, k->text);
    event_number(&e, FIELD_SIZE, k->number);
    return e;
}

void session_tell_file(struct session_connection *c, const struct kernel_event *k,
                       const uint8_t *shasum)
{
    char outfile_z[sizeof("artefacts/") + SESSION_SHASUM_SIZE] = "artefacts/";
    char *hex_z = outfile_z + sizeof("artefacts/") - 1;
    struct event e = file_event(c, k, shasum != NULL);
    if (shasum != NULL) {
        session_text_hex(span_of(shasum, SESSION_SHA256_BYTES), hex_z);
        event_text_z(&e, FIELD_SHASUM, hex_z);
        event_text_z(&e, FIELD_OUTFILE, outfile_z);
    }
    put_seen(c, &e, k);
}

static void on_delete(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_FILE_DELETE);
    event_text(&e, FIELD_PATH, k->text);
    put_seen(c, &e, k);
}

static void on_chmod(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_FILE_CHMOD);
    event_text(&e, FIELD_PATH, k->text);
    event_number(&e, FIELD_MODE, k->number);
    put_seen(c, &e, k);
}

/* ---- The network ---- */

void session_tell_bait(struct session_connection *c, const char *type_z, struct span name)
{
    struct event e = session_event(c, EVENT_BAIT_TOUCHED);
    event_text_z(&e, FIELD_TYPE, type_z);
    event_text(&e, FIELD_NAME, name);
    session_put(c, &e);
}

static void put_bait(struct session_connection *c, const struct kernel_event *k, const char *type_z,
                     struct span name)
{
    struct event e = session_event(c, EVENT_BAIT_TOUCHED);
    event_text_z(&e, FIELD_TYPE, type_z);
    event_text(&e, FIELD_NAME, name);
    put_seen(c, &e, k);
}

/* A host may be bait, by its name or its address. */
static void tell_host(struct session_connection *c, const struct kernel_event *k)
{
    const struct session_bait_item *host = session_bait_host(c->host->config.bait, k->text);
    if (host != NULL)
        put_bait(c, k, "host", host->name);
}

static void on_connect(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_CONNECT_TRIED);
    event_text(&e, FIELD_DST_IP, k->text);
    event_number(&e, FIELD_DST_PORT, k->number);
    event_text_z(&e, FIELD_TRANSPORT, k->datagram ? "udp" : "tcp");
    put_seen(c, &e, k);
    tell_host(c, k);
}

/* The type of a record, RFC 1035, section 3.2.2, as people write it. */
static void on_resolve(struct session_connection *c, const struct kernel_event *k)
{
    static const char *const types[] = {
        [1] = "A",   [2] = "NS",   [5] = "CNAME", [6] = "SOA", [12] = "PTR",
        [15] = "MX", [16] = "TXT", [28] = "AAAA", [33] = "SRV"};
    struct event e = session_event(c, EVENT_NAME_ASKED);
    bool known = k->number >= 0 && k->number < (int64_t)ARRAY_LEN(types) && types[k->number];
    event_text(&e, FIELD_NAME, k->text);
    event_text_z(&e, FIELD_TYPE, known ? types[k->number] : "other");
    put_seen(c, &e, k);
    tell_host(c, k);
}

static void on_firewall(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_FIREWALL_CHANGED);
    event_number(&e, FIELD_CHANGES, k->number);
    event_text(&e, FIELD_DATA, k->text);
    put_seen(c, &e, k);
}

/* ---- Refusals and bounds ---- */

static void on_refused(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_SYSCALL_REFUSED);
    event_text(&e, FIELD_SYSCALL, k->text);
    event_number(&e, FIELD_NUMBER, k->number);
    put_seen(c, &e, k);
}

static void on_limit(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_SESSION_LIMIT);
    event_text(&e, FIELD_LIMIT, k->text);
    session_put(c, &e);
}

static void on_lost(struct session_connection *c, const struct kernel_event *k)
{
    session_put_gap(c, k->number);
}

void session_seen(struct session_connection *c, const struct kernel_event *event)
{
    switch (event->type) {
    case KERNEL_EXEC: on_exec(c, event); break;
    case KERNEL_EXIT: on_exited(c, event); break;
    case KERNEL_DONE:
        if (!session_channel_done(c, event->program, event->status))
            (void)session_inner_done(c, event->program, event->status);
        break;
    case KERNEL_LINE: on_line(c, event); break;
    case KERNEL_INPUT: on_input(c, event); break;
    case KERNEL_HEREDOC: on_heredoc(c, event); break;
    case KERNEL_FILE: session_file_start(c, event); break;
    case KERNEL_DELETE: on_delete(c, event); break;
    case KERNEL_CHMOD: on_chmod(c, event); break;
    case KERNEL_CONNECT: on_connect(c, event); break;
    case KERNEL_RESOLVE: on_resolve(c, event); break;
    case KERNEL_REFUSED: on_refused(c, event); break;
    case KERNEL_WATCHED: put_bait(c, event, "file", event->text); break;
    case KERNEL_FILTER: on_firewall(c, event); break;
    case KERNEL_LIMIT: on_limit(c, event); break;
    case KERNEL_LOST: on_lost(c, event); break;
    }
}
