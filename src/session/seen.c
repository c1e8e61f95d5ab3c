/* What the kernel saw, as records. */
#include "session/connection.h"
#include "session/text.h"

enum { WAIT_SIGNAL = 0x7f, ARTEFACT_PART = 32 * 1024 };

static void on_exec(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_PROCESS_EXEC);
    event_number(&e, FIELD_PID, k->pid);
    event_number(&e, FIELD_PPID, k->ppid);
    event_number(&e, FIELD_UID, k->uid);
    event_text(&e, FIELD_PATH, k->text);
    event_list(&e, FIELD_ARGV, k->args, k->argc);
    session_put(c, &e);
}

static void on_exited(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_PROCESS_EXIT);
    event_number(&e, FIELD_PID, k->pid);
    event_number(&e, FIELD_PPID, k->ppid);
    int signal = k->status & WAIT_SIGNAL;
    if (signal != 0)
        event_number(&e, FIELD_SIGNAL, signal);
    else
        event_number(&e, FIELD_STATUS, k->status >> 8 & 0xff);
    session_put(c, &e);
}

static void on_line(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_COMMAND_INPUT);
    event_text(&e, FIELD_INPUT, k->text);
    session_put(c, &e);
}

/* The contents, in parts; only whole files are kept. */
static void keep(struct session_connection *c, struct span contents, const uint8_t *shasum)
{
    for (size_t at = 0; at < contents.len; at += ARTEFACT_PART) {
        struct frame_artefact part = {
            .session = c->journal.origin.session,
            .size = contents.len,
            .offset = at,
            .bytes = span_slice(contents, at, at + ARTEFACT_PART),
        };
        for (size_t i = 0; i < sizeof(part.shasum); i++)
            part.shasum[i] = shasum[i];
        session_journal_check(&c->journal, frame_put_artefact(&c->journal.frames, &part));
    }
}

static void on_file(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_FILE_WRITE);
    event_text(&e, FIELD_PATH, k->text);
    event_number(&e, FIELD_SIZE, k->number);
    if (k->pid > 0)
        event_number(&e, FIELD_PID, k->pid);
    uint8_t digest[CRYPTO_DIGEST_MAX_BYTES];
    char outfile_z[sizeof("artefacts/") + SESSION_SHASUM_SIZE] = "artefacts/";
    char *hex_z = outfile_z + sizeof("artefacts/") - 1;
    bool whole = k->number >= 0 && (uint64_t)k->number == k->data.len &&
                 k->data.len <= c->host->config.limits.recorded_file && k->data.len > 0;
    if (whole && crypto_digest_parts(c->host->suite, CRYPTO_SHA256, &k->data, 1, digest) == 0) {
        session_text_hex(span_of(digest, SESSION_SHA256_BYTES), hex_z);
        event_text_z(&e, FIELD_SHASUM, hex_z);
        event_text_z(&e, FIELD_OUTFILE, outfile_z);
        keep(c, k->data, digest);
    }
    session_put(c, &e);
}

static void on_delete(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_FILE_DELETE);
    event_text(&e, FIELD_PATH, k->text);
    if (k->pid > 0)
        event_number(&e, FIELD_PID, k->pid);
    session_put(c, &e);
}

static void on_connect(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_CONNECT_TRIED);
    event_text(&e, FIELD_DST_IP, k->text);
    event_number(&e, FIELD_DST_PORT, k->number);
    event_text_z(&e, FIELD_TRANSPORT, k->datagram ? "udp" : "tcp");
    event_number(&e, FIELD_PID, k->pid);
    session_put(c, &e);
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
    event_number(&e, FIELD_PID, k->pid);
    session_put(c, &e);
}

static void on_refused(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_SYSCALL_REFUSED);
    event_text(&e, FIELD_SYSCALL, k->text);
    event_number(&e, FIELD_NUMBER, k->number);
    event_number(&e, FIELD_PID, k->pid);
    session_put(c, &e);
}

static void on_limit(struct session_connection *c, const struct kernel_event *k)
{
    struct event e = session_event(c, EVENT_SESSION_LIMIT);
    event_text(&e, FIELD_LIMIT, k->text);
    session_put(c, &e);
}

void session_seen(struct session_connection *c, const struct kernel_event *event)
{
    switch (event->type) {
    case KERNEL_EXEC: on_exec(c, event); break;
    case KERNEL_EXIT: on_exited(c, event); break;
    case KERNEL_DONE: session_channel_done(c, event->program, event->status); break;
    case KERNEL_LINE: on_line(c, event); break;
    case KERNEL_FILE: on_file(c, event); break;
    case KERNEL_DELETE: on_delete(c, event); break;
    case KERNEL_CONNECT: on_connect(c, event); break;
    case KERNEL_RESOLVE: on_resolve(c, event); break;
    case KERNEL_REFUSED: on_refused(c, event); break;
    case KERNEL_LIMIT: on_limit(c, event); break;
    }
}
