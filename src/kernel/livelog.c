#include "kernel/livelog.h"

#include "kernel/file.h"
#include "kernel/fs.h"
#include "kernel/machine.h"
#include "kernel/overlay.h"
#include "kernel/socket.h"
#include "kernel/task.h"
#include "kernel/unit.h"
#include "kernel/vfs.h"

#include "persona/past.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NS_PER_US = 1000 };
enum {
    KERN = 0,
    USER = 1,
    DAEMON = 3,
    AUTH = 4,
    INFO = 6,
    NOTICE = 5,
    ERROR = 3,
    FACILITIES = 24,
    PRIORITIES = 8
};
enum { TAG_MAX = 128, TEXTS = 6, COMM_MAX = 15 }; /* spans of a line that it owns */

#define FOLDER "/run/systemd/journal"

struct livelog {
    struct persona_line lines[LIVELOG_LINES_MAX];
    uint8_t *texts[LIVELOG_LINES_MAX]; /* of each line, owned */
    size_t count;
};

/* ---- Keeping ---- */

static struct span *text_of(struct persona_line *line, size_t index)
{
    struct span *const all[TEXTS] = {&line->tag, &line->text, &line->comm,
                                     &line->exe, &line->args, &line->object};
    return index < TEXTS ? all[index] : NULL;
}

void livelog_free(struct livelog *log)
{
    for (size_t i = 0; log != NULL && i < log->count; i++)
        free(log->texts[i]);
    free(log);
}

const struct persona_line *livelog_lines(const struct livelog *log, size_t *count)
{
    *count = log != NULL ? log->count : 0;
    return log != NULL ? log->lines : NULL;
}

static void forget_oldest(struct livelog *log)
{
    enum { GONE = LIVELOG_LINES_MAX / 4 };
    for (size_t i = 0; i < GONE; i++)
        free(log->texts[i]);
    log->count -= GONE;
    memmove(log->lines, log->lines + GONE, log->count * sizeof(log->lines[0]));
    memmove(log->texts, log->texts + GONE, log->count * sizeof(log->texts[0]));
}

/* Out of memory a line is lost, as it is where journald has none. */
static struct persona_line *keep(struct kernel *k, const struct persona_line *from)
{
    struct persona_line line = *from;
    size_t len = 0, at = 0;
    if (k->livelog == NULL)
        k->livelog = calloc(1, sizeof(*k->livelog));
    if (k->livelog == NULL)
        return NULL;
    if (k->livelog->count == LIVELOG_LINES_MAX)
        forget_oldest(k->livelog);
    line.text.len = line.text.len < LIVELOG_TEXT_MAX ? line.text.len : LIVELOG_TEXT_MAX;
    for (size_t i = 0; i < TEXTS; i++)
        len += text_of(&line, i)->len;
    uint8_t *texts = malloc(len + 1);
    if (texts == NULL)
        return NULL;
    for (size_t i = 0; i < TEXTS; i++) {
        struct span *text = text_of(&line, i);
        if (text->len > 0)
            memcpy(texts + at, text->data, text->len);
        *text = span_of(texts + at, text->len);
        at += text->len;
    }
    k->livelog->texts[k->livelog->count] = texts;
    k->livelog->lines[k->livelog->count] = line;
    return &k->livelog->lines[k->livelog->count++];
}

/* ---- Files that somebody has changed ---- */

static const struct {
    const char *path_z;
    enum persona_record record;
} files[] = {
    {"/var/log/auth.log", PERSONA_RECORD_AUTH}, {"/var/log/syslog", PERSONA_RECORD_SYSLOG},
    {"/var/log/cron.log", PERSONA_RECORD_CRON}, {"/var/log/kern.log", PERSONA_RECORD_KERN},
    {"/var/log/user.log", PERSONA_RECORD_USER},
};

/* A file that is no longer what the records tell gets the line as rsyslogd appends it. */
static void append(const struct vfs_at *at, const char *path_z, struct span text)
{
    struct file *f = NULL;
    struct walk_found found;
    if (walk(at, span_z(path_z), WALK_FOLLOW, &found) != 0)
        return;
    bool is_changed = found.node.fs != NULL && overlay_is_changed_record(&found.node);
    walk_done(&found);
    if (!is_changed || vfs_open(at, span_z(path_z), O_WRONLY | O_APPEND, 0, &f) != 0)
        return;
    (void)file_pwrite(f, NULL, text.data, text.len, 0);
    f->changed = false;
    file_drop(f);
}

static void tell_files(struct kernel *k, const struct persona_line *line)
{
    struct creds root = {.cap_effective = UINT64_MAX};
    struct vfs_at at = {.cred = &root};
    if (line->is_unlogged || k->identity == NULL || (at.fs = fs_context_new(k->vfs)) == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct buffer text;
        buffer_init(&text, (size_t)8 * LIVELOG_TEXT_MAX);
        if (persona_line_write(files[i].record, k->identity, line, &text) == 0 &&
            buffer_len(&text) > 0)
            append(&at, files[i].path_z, buffer_span(&text));
        buffer_fini(&text);
    }
    fs_context_drop(at.fs);
}

static bool is_running(const struct kernel *k, const char *name_z)
{
    int index = service_named(k, span_z(name_z));
    return index >= 0 && service_pid(k, (size_t)index) != 0;
}

static void say(struct kernel *k, struct persona_line *line)
{
    line->at_us = k->now_ns / NS_PER_US;
    line->is_unlogged = !is_running(k, "rsyslogd");
    const struct persona_line *kept = keep(k, line);
    k->log_said = true;
    if (kept != NULL)
        tell_files(k, kept);
}

/* ---- Who says it ---- */

static void set_sender(const struct kernel *k, const struct socket_about *about,
                       struct persona_line *line)
{
    const struct process *p = process_find(k, about->pid);
    line->pid = about->pid;
    line->uid = about->uid;
    line->gid = about->gid;
    line->session = k->login.number;
    line->owner = k->login.uid;
    if (p == NULL)
        return;
    if (p->unit != NULL) {
        line->session = line->owner = 0;
        line->unit = span_z(p->unit->name_z);
    }
    if (p->leader != NULL)
        line->comm = span_z(p->leader->comm_z);
    line->exe = span_z(p->exe_z != NULL ? p->exe_z : "");
}

/* The command line with blanks between its words. */
static void set_args(const struct kernel *k, int32_t pid, char *room, size_t size,
                     struct persona_line *line)
{
    const struct process *p = process_find(k, pid);
    size_t n = p != NULL && p->args != NULL && p->args_len > 0 ? p->args_len - 1 : 0;
    n = n < size ? n : size;
    for (size_t i = 0; i < n; i++)
        room[i] = (char)(p->args[i] == 0 ? ' ' : p->args[i]);
    line->args = span_of(room, n);
}

/* ---- The two languages ---- */

static struct span trimmed(struct span text)
{
    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == ' ' ||
                            text.data[text.len - 1] == 0))
        text.len--;
    return text;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* A number that the text begins with; it is taken off. -1: none. */
static int take_number(struct span *text)
{
    int value = -1;
    size_t n = 0;
    for (; n < text->len && n < 9 && is_digit(text->data[n]); n++)
        value = (value < 0 ? 0 : value) * 10 + (text->data[n] - '0');
    *text = span_slice(*text, n, text->len);
    return value;
}

/* "Nov 22 13:50:48 ", as glibc's syslog(3) puts it. */
static struct span without_date(struct span text)
{
    enum { DATE = 16 };
    static const char form[] = "aaa 00 00:00:00 ";
    for (size_t i = 0; i < DATE; i++) {
        uint8_t c = i < text.len ? text.data[i] : 0;
        bool fits = form[i] == '0'   ? is_digit(c) || (i == 4 && c == ' ')
                    : form[i] == 'a' ? c >= 'A' && c <= 'z'
                                     : c == (uint8_t)form[i];
        if (!fits)
            return text;
    }
    return span_slice(text, DATE, text.len);
}

/* "name[number]: " or "name: " */
static struct span take_tag(struct span text, struct persona_line *line)
{
    size_t end = 0;
    while (end < text.len && end < TAG_MAX && text.data[end] != ' ' && text.data[end] != '\t')
        end++;
    if (end < 2 || end > text.len || text.data[end - 1] != ':')
        return text;
    struct span tag = span_slice(text, 0, end - 1);
    ptrdiff_t bracket = span_find(tag, '[', 0);
    if (bracket > 0 && tag.data[tag.len - 1] == ']') {
        struct span number = span_slice(tag, (size_t)bracket + 1, tag.len - 1);
        line->tag_pid = take_number(&number);
        line->tag_pid = line->tag_pid < 0 ? 0 : line->tag_pid;
        tag = span_slice(tag, 0, (size_t)bracket);
    }
    line->tag = tag;
    return span_slice(text, end < text.len ? end + 1 : end, text.len);
}

/* RFC 3164, section 4, as it is spoken on this machine. */
static void read_syslog(struct span text, struct persona_line *line)
{
    line->way = PERSONA_BY_SYSLOG;
    line->facility = USER;
    line->priority = NOTICE;
    if (text.len > 2 && text.data[0] == '<') {
        struct span rest = span_slice(text, 1, text.len);
        int number = take_number(&rest);
        if (number >= 0 && number < FACILITIES * PRIORITIES && rest.len > 0 &&
            rest.data[0] == '>') {
            line->facility = (uint8_t)(number / PRIORITIES);
            line->priority = (uint8_t)(number % PRIORITIES);
            text = span_slice(rest, 1, rest.len);
        }
    }
    if (line->facility == KERN) /* nobody but the kernel */
        line->facility = USER;
    line->text = trimmed(take_tag(without_date(text), line));
}

/* One field of systemd's own format (systemd's JOURNAL_NATIVE_PROTOCOL); false: no more of them. */
static bool take_field(struct span *in, struct span *name, struct span *value)
{
    ptrdiff_t end = in->len > 0 ? span_find(*in, '\n', 0) : -1;
    struct span line = span_slice(*in, 0, end < 0 ? in->len : (size_t)end);
    ptrdiff_t equals = line.len > 0 ? span_find(line, '=', 0) : -1;
    if (in->len == 0)
        return false;
    *in = span_slice(*in, line.len + 1, in->len);
    if (equals >= 0) {
        *name = span_slice(line, 0, (size_t)equals);
        *value = span_slice(line, (size_t)equals + 1, line.len);
        return true;
    }
    uint64_t len = 0;
    for (size_t i = 8; i-- > 0 && in->len >= 8;)
        len = len << 8 | in->data[i];
    if (in->len < 8 || len > in->len - 8)
        return false;
    *name = line;
    *value = span_slice(*in, 8, 8 + (size_t)len);
    *in = span_slice(*in, 8 + (size_t)len + 1, in->len);
    return true;
}

static uint8_t facility_of(int number)
{
    return number >= 0 && number < FACILITIES ? (uint8_t)number : USER;
}

static void read_journal(struct span in, struct persona_line *line)
{
    struct span name, value;
    line->way = PERSONA_BY_JOURNAL;
    line->facility = USER;
    line->priority = INFO;
    line->tag = line->comm;
    line->tag_pid = line->pid;
    while (take_field(&in, &name, &value)) {
        struct span digits = value;
        if (span_equal_z(name, "MESSAGE"))
            line->text = trimmed(value);
        else if (span_equal_z(name, "SYSLOG_IDENTIFIER"))
            line->tag = span_slice(value, 0, TAG_MAX);
        else if (span_equal_z(name, "PRIORITY"))
            line->priority = (uint8_t)(take_number(&digits) & (PRIORITIES - 1));
        else if (span_equal_z(name, "SYSLOG_FACILITY"))
            line->facility = facility_of(take_number(&digits));
    }
}

/* ---- The sockets ---- */

/* What a program says that seems to have said it long ago. */
static bool is_hushed(const struct kernel *k, int32_t pid)
{
    const struct process *p = process_find(k, pid);
    if (p == NULL || p->unit == NULL || p->unit->hushed == 0)
        return false;
    p->unit->hushed--;
    return true;
}

static const struct {
    const char *path_z;
    enum livelog_socket socket;
} sockets[] = {
    {FOLDER "/dev-log", LIVELOG_SYSLOG},
    {FOLDER "/socket", LIVELOG_JOURNAL},
};

enum livelog_socket livelog_find(const struct task *t, struct span path)
{
    struct kernel *k = t->kernel;
    struct vfs_at at = {.fs = t->fs, .cred = &t->creds};
    struct file_stat named, own;
    if (!is_running(k, "systemd-journal") || vfs_stat(&at, path, true, &named) != 0)
        return LIVELOG_NONE;
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++)
        if (vfs_stat(&at, span_z(sockets[i].path_z), true, &own) == 0 && own.ino == named.ino &&
            own.dev == named.dev)
            return sockets[i].socket;
    return LIVELOG_NONE;
}

void livelog_take(struct kernel *k, enum livelog_socket socket, struct span bytes,
                  const struct socket_about *about)
{
    char args[TAG_MAX * 2];
    struct persona_line line = {.priority = INFO};
    set_sender(k, about, &line);
    set_args(k, about->pid, args, sizeof(args), &line);
    if (socket == LIVELOG_SYSLOG)
        read_syslog(bytes, &line);
    else
        read_journal(bytes, &line);
    if (line.text.len > 0 && !is_hushed(k, about->pid))
        say(k, &line);
}

void livelog_stdout(struct kernel *k, const struct socket_about *about, struct span identifier,
                    uint8_t priority, struct span text)
{
    char args[TAG_MAX * 2];
    struct persona_line line = {
        .way = PERSONA_BY_STDOUT, .facility = DAEMON, .priority = priority, .text = trimmed(text)};
    set_sender(k, about, &line);
    set_args(k, about->pid, args, sizeof(args), &line);
    line.tag = identifier.len > 0 ? identifier : line.comm;
    line.tag_pid = line.pid;
    if (line.text.len > 0)
        say(k, &line);
}

void livelog_daemon(struct kernel *k, const char *daemon_z, const char *text_z)
{
    char exe_z[TAG_MAX];
    struct persona_line line = {.text = span_z(text_z)};
    persona_line_of_manager(&line);
    if (!span_equal_z(line.tag, daemon_z)) {
        (void)snprintf(exe_z, sizeof(exe_z), "/usr/lib/systemd/%s", daemon_z);
        line.tag = span_z(daemon_z);
        line.comm = span_slice(line.tag, 0, COMM_MAX);
        line.exe = line.args = span_z(exe_z);
        line.unit = span_of(NULL, 0);
        line.pid = line.tag_pid = kernel_new_pid(k);
    }
    say(k, &line);
}

void livelog_child(struct kernel *k, int32_t pid, const char *path_z, const char *text_z)
{
    const char *slash = strrchr(path_z, '/');
    char comm_z[COMM_MAX + 1];
    struct persona_line line = {.text = span_z(text_z)};
    persona_line_of_manager(&line);
    (void)snprintf(comm_z, sizeof(comm_z), "(%.8s)", slash != NULL ? slash + 1 : path_z);
    line.priority = ERROR;
    line.pid = line.tag_pid = pid;
    line.comm = span_z(comm_z);
    line.args = span_z(comm_z);
    say(k, &line);
}

void livelog_service(struct kernel *k, size_t index, int32_t pid, const char *text_z)
{
    const struct service *s = &service_table(k)->row[index];
    struct persona_line line = {.way = PERSONA_BY_SYSLOG,
                                .facility = AUTH,
                                .priority = INFO,
                                .pid = pid,
                                .tag_pid = pid,
                                .tag = span_z(s->name_z),
                                .text = span_z(text_z),
                                .comm = span_z(s->name_z),
                                .exe = SPAN_LIT("/usr/sbin/sshd"),
                                .args = span_z(s->args_z),
                                .unit = SPAN_LIT("ssh.service")};
    say(k, &line);
}
