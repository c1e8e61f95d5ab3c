#include "kernel/log_stream.h"

#include "kernel/livelog.h"
#include "kernel/machine.h"
#include "kernel/socket.h"
#include "kernel/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    IDENTIFIER_MAX = 64,
    PRIORITY_LINE = 2, /* of the head: identifier, unit, priority, whether "<3>" may stand before a
                          line, and three forwards */
    PREFIX_LINE = 3,
    HEAD_LINES = 7,
    PRIORITIES = 8,
    INFO = 6,
};

#define PATH    "/run/systemd/journal/stdout"
#define VARLINK "/run/systemd/journal/io.systemd.journal"

struct log_stream {
    bool is_varlink; /* questions of journalctl (varlink.org): each ends with a NUL */
    char identifier_z[IDENTIFIER_MAX];
    uint8_t priority;
    bool has_prefixes;
    unsigned head; /* lines of it that were read */
    size_t len;
    uint8_t line[LIVELOG_TEXT_MAX];
};

void log_stream_free(struct log_stream *stream)
{
    free(stream);
}

bool log_stream_listens(const struct task *t, struct span path)
{
    int journald = service_named(t->kernel, span_z("systemd-journal"));
    return (span_equal_z(path, PATH) || span_equal_z(path, VARLINK)) && journald >= 0 &&
           service_pid(t->kernel, (size_t)journald) != 0;
}

static struct log_stream *join(struct socket *s)
{
    struct socket *end = socket_new(s->vfs, s->family, s->type, s->protocol);
    struct log_stream *stream = end != NULL ? calloc(1, sizeof(*stream)) : NULL;
    if (end == NULL)
        return NULL;
    end->served = true;
    end->stream = stream;
    socket_join(s, end);
    if (stream == NULL)
        socket_part(s);
    else
        stream->priority = INFO;
    return stream;
}

int log_stream_connect(struct socket *s, struct span path)
{
    struct log_stream *stream = join(s);
    if (stream != NULL)
        stream->is_varlink = span_equal_z(path, VARLINK);
    return stream != NULL ? 0 : -ENOMEM;
}

struct file *log_stream_open(struct kernel *k, struct span identifier, int *error)
{
    struct socket *s = socket_new(k->vfs, AF_UNIX, SOCK_STREAM, 0);
    struct log_stream *stream = s != NULL ? join(s) : NULL;
    *error = -ENOMEM;
    if (stream == NULL) {
        if (s != NULL)
            socket_free(s);
        return NULL;
    }
    (void)span_copy_z(identifier, stream->identifier_z, sizeof(stream->identifier_z));
    stream->head = HEAD_LINES;
    stream->has_prefixes = true;
    struct file *f = socket_open(s, O_RDWR, error);
    if (f == NULL)
        socket_free(s);
    return f;
}

static void take_head(struct log_stream *stream, struct span line)
{
    if (stream->head == 0)
        (void)span_copy_z(line, stream->identifier_z, sizeof(stream->identifier_z));
    if (stream->head == PRIORITY_LINE && line.len == 1 && line.data[0] >= '0')
        stream->priority = (uint8_t)(line.data[0] - '0') % PRIORITIES;
    if (stream->head == PREFIX_LINE)
        stream->has_prefixes = span_equal_z(line, "1");
    stream->head++;
}

static void take_line(struct kernel *k, struct log_stream *stream, const struct socket_about *about)
{
    struct span line = span_of(stream->line, stream->len);
    uint8_t priority = stream->priority;
    stream->len = 0;
    if (stream->head < HEAD_LINES) {
        take_head(stream, line);
        return;
    }
    if (stream->has_prefixes && line.len > 2 && line.data[0] == '<' && line.data[2] == '>' &&
        line.data[1] >= '0' && line.data[1] < '0' + PRIORITIES) {
        priority = (uint8_t)(line.data[1] - '0');
        line = span_slice(line, 3, line.len);
    }
    livelog_stdout(k, about, span_z(stream->identifier_z), priority, line);
}

/* Whether a text has another in it. */
static bool has_text(struct span text, const char *part_z)
{
    struct span part = span_z(part_z);
    for (size_t i = 0; i + part.len <= text.len; i++)
        if (span_equal(span_slice(text, i, i + part.len), part))
            return true;
    return false;
}

/* All is written and where it belongs already. */
static void answer(struct socket *end, struct log_stream *stream)
{
    static const char done[] = "{\"parameters\":{}}",
                      unknown[] = "{\"error\":\"org.varlink.service.MethodNotFound\"}";
    static const char *const methods[] = {"Synchronize", "Rotate", "FlushToVar", "RelinquishVar"};
    struct span question = span_of(stream->line, stream->len);
    const struct socket_about about = {.pid = end->pid};
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        is_known |= has_text(question, methods[i]);
    stream->len = 0;
    (void)socket_put(end->peer,
                     is_known ? span_of(done, sizeof(done)) : span_of(unknown, sizeof(unknown)),
                     &about);
}

void log_stream_feed(struct socket *end, struct span bytes, const struct socket_about *about)
{
    struct log_stream *stream = end->stream;
    for (size_t i = 0; i < bytes.len; i++) {
        bool is_end = bytes.data[i] == (stream->is_varlink ? '\0' : '\n');
        if (!is_end)
            stream->line[stream->len++] = bytes.data[i];
        bool is_full = stream->len == sizeof(stream->line);
        if ((is_end || is_full) && stream->is_varlink)
            answer(end, stream);
        else if (is_end || is_full)
            take_line(end->vfs->kernel, stream, about);
    }
    kernel_charge(end->vfs->kernel, bytes.len);
}
