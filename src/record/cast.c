#include "record/cast.h"

#include "base/error.h"
#include "events/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The header's place for the exact start. Players know whole seconds only. */
static const char START_US_Z[] = "\"start_us\": ";
#define HEADER_MAX ((size_t)16 * 1024)
/* Six characters a byte of JSON, base64 beside it, and the brackets. */
enum { LINES_BYTES = 8, LINES_MORE = 256 };
#define TEXT_MAX (LINES_BYTES * FRAME_TTY_MAX + HEADER_MAX)

void record_casts_init(struct record_casts *c, int dir, uint64_t size_max)
{
    memset(c, 0, sizeof(*c));
    c->dir = dir;
    c->size_max = size_max;
    (void)clock_gettime(CLOCK_REALTIME, &c->start);
    buffer_init(&c->text, TEXT_MAX);
    for (size_t i = 0; i < RECORD_CASTS_MAX; i++)
        c->slots[i].file.fd = -1;
}

/* Writes what has gathered for one. 0 or -errno. */
static int flush(struct record_casts *c, struct record_cast *cast)
{
    struct span text = buffer_span(&cast->gathered);
    int error = text.len > 0 ? record_file_append(&cast->file, text) : 0;
    if (error < 0)
        return error;
    c->gathered_bytes -= text.len;
    buffer_clear(&cast->gathered);
    return 0;
}

/* Frees the slot, and gives up what has gathered. */
static void drop(struct record_casts *c, struct record_cast *cast)
{
    c->gathered_bytes -= buffer_len(&cast->gathered);
    buffer_fini(&cast->gathered);
    record_file_close(&cast->file);
    *cast = (struct record_cast){.file = {.fd = -1}};
}

void record_casts_fini(struct record_casts *c)
{
    for (size_t i = 0; i < RECORD_CASTS_MAX; i++)
        drop(c, &c->slots[i]);
    buffer_fini(&c->text);
}

int record_casts_flush(struct record_casts *c)
{
    int error = 0;
    for (size_t i = 0; i < RECORD_CASTS_MAX && c->gathered_bytes > 0 && error == 0; i++)
        error = flush(c, &c->slots[i]);
    return error;
}

/* The slot of this name, or the free one, or the one that was idle longest. 0 or -errno. */
static int slot_for(struct record_casts *c, const char *name_z, struct record_cast **out)
{
    struct record_cast *best = &c->slots[0];
    for (size_t i = 0; i < RECORD_CASTS_MAX; i++) {
        struct record_cast *slot = &c->slots[i];
        if (strcmp(slot->name_z, name_z) == 0) {
            *out = slot;
            return 0;
        }
        if (slot->used < best->used)
            best = slot;
    }
    int error = flush(c, best);
    if (error < 0)
        return error;
    drop(c, best);
    *out = best;
    return 0;
}

/* An empty text with room for what is to be put there: no put fails for want of memory after that. */
static int clear(struct buffer *text, size_t room)
{
    buffer_clear(text);
    return buffer_reserve(text, room) != NULL ? 0 : ERR_NOMEM;
}

static void put_header(struct buffer *text, const struct frame_tty_open *open)
{
    /* In the form that players print themselves: a blank after each colon and comma. */
    (void)buffer_printf(text,
                        "{\"version\": 2, \"width\": %u, \"height\": %u, \"timestamp\": %" PRId64,
                        open->width, open->height, open->time_us / 1000000);
    (void)buffer_printf(text, ", %s%" PRId64 ", \"env\": {\"TERM\": ", START_US_Z, open->time_us);
    struct json j = json_begin(text);
    json_text(&j, open->term);
    (void)buffer_put_z(text, "}, \"title\": ");
    j.comma = false;
    json_text(&j, open->command.len > 0 ? open->command : open->session);
    (void)buffer_put_z(text, "}\n");
}

/* What the header of an existing recording says of its start. */
static int64_t read_start(const struct record_file *file)
{
    char head_z[HEADER_MAX];
    ssize_t n = pread(file->fd, head_z, sizeof(head_z) - 1, 0);
    head_z[n < 0 ? 0 : n] = '\0';
    const char *at = strstr(head_z, START_US_Z);
    return at == NULL ? 0 : strtoll(at + strlen(START_US_Z), NULL, 10);
}

/* Takes the text, to be written by the next flush. */
static int gather(struct record_casts *c, struct record_cast *cast, struct span text)
{
    int error = buffer_put(&cast->gathered, text);
    if (error == 0)
        c->gathered_bytes += text.len;
    return error;
}

static bool is_of_another(const struct record_casts *c, const struct record_file *file)
{
    const struct timespec *at = &file->modified;
    return at->tv_sec < c->start.tv_sec ||
           (at->tv_sec == c->start.tv_sec && at->tv_nsec <= c->start.tv_nsec);
}

/* Opens or creates the file. */
static int begin(struct record_casts *c, struct record_cast *cast, const char *name_z,
                 const struct frame_tty_open *open)
{
    int error = record_file_open(&cast->file, c->dir, name_z, NULL);
    if (error < 0)
        return error;
    buffer_init(&cast->gathered, RECORD_CAST_GATHER_MAX);
    if (cast->file.size > 0) {
        cast->may_repeat = is_of_another(c, &cast->file);
        cast->start_us = read_start(&cast->file);
    } else {
        error = clear(&c->text, HEADER_MAX);
        if (error == 0)
            put_header(&c->text, open);
        cast->start_us = open->time_us;
        if (error == 0)
            error = gather(c, cast, buffer_span(&c->text));
    }
    if (error < 0)
        drop(c, cast);
    else
        (void)span_copy_z(span_z(name_z), cast->name_z, sizeof(cast->name_z));
    return error;
}

static int find(struct record_casts *c, const struct frame_tty_open *open, struct record_cast **out)
{
    char name_z[RECORD_CAST_NAME_SIZE];
    struct record_cast *cast = NULL;
    (void)snprintf(name_z, sizeof(name_z), "%.*s-%" PRIu32 ".cast", (int)open->session.len,
                   (const char *)open->session.data, open->recording);
    int error = slot_for(c, name_z, &cast);
    if (error == 0 && cast->file.fd < 0)
        error = begin(c, cast, name_z, open);
    if (error < 0)
        return error;
    cast->used = ++c->clock;
    *out = cast;
    return 0;
}

int record_casts_open(struct record_casts *c, const struct frame_tty_open *open)
{
    struct record_cast *cast = NULL;
    return find(c, open, &cast);
}

static void put_base64(struct buffer *text, struct span bytes)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        group |= have > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        group |= have > 2 ? bytes.data[i + 2] : 0;
        char four[4] = {DIGITS[group >> 18 & 63], DIGITS[group >> 12 & 63],
                        have > 1 ? DIGITS[group >> 6 & 63] : '=',
                        have > 2 ? DIGITS[group & 63] : '='};
        (void)buffer_put(text, span_of(four, sizeof(four)));
    }
}

static void put_line_start(struct buffer *text, int64_t since_us, char code)
{
    if (since_us < 0)
        since_us = 0;
    (void)buffer_printf(text, "[%" PRId64 ".%06" PRId64 ", \"%c\", ", since_us / 1000000,
                        since_us % 1000000, code);
}

/* The line, or both. Whether the text is whole shows only when it is written, so it is written first
 * and, if it is not, once more after the exact bytes. */
static int make_lines(struct buffer *text, const struct frame_tty_data *data, int64_t since_us)
{
    bool lossy = false;
    for (int round = 0; round == 0 || (round == 1 && lossy); round++) {
        int error = clear(text, LINES_BYTES * data->bytes.len + LINES_MORE);
        if (error < 0)
            return error;
        if (lossy) {
            put_line_start(text, since_us, 'b');
            (void)buffer_put_z(text, "\"");
            put_base64(text, data->bytes);
            (void)buffer_put_z(text, "\"]\n");
        }
        put_line_start(text, since_us, (char)data->way);
        struct json j = json_begin(text);
        json_quote_open(&j);
        lossy = json_part_lossy(&j, data->bytes);
        json_quote_close(&j);
        error = json_end(&j);
        if (error == 0)
            error = buffer_put_z(text, "]\n");
        if (error < 0)
            return error;
    }
    return 0;
}

/* The last place in the text where these lines stand, or -1. */
static ptrdiff_t find_last(struct span text, struct span lines)
{
    for (size_t at = text.len; at-- > 0;) {
        bool begins = at == 0 || text.data[at - 1] == '\n';
        if (begins && span_starts_with(span_slice(text, at, text.len), lines))
            return (ptrdiff_t)at;
    }
    return -1;
}

/* After a restart frames come again that the recorder wrote and did not acknowledge: all of them, so
 * the file ends before the first one. 0 or a negative error. */
static int cut_repeated(struct record_cast *cast, struct span lines)
{
    struct buffer tail;
    buffer_init(&tail, RECORD_CAST_GATHER_MAX);
    int error = record_file_tail(&cast->file, tail.max, &tail);
    struct span text = buffer_span(&tail);
    ptrdiff_t at = error < 0 ? -1 : find_last(text, lines);
    if (at >= 0)
        error = record_file_cut(&cast->file, cast->file.size - (text.len - (size_t)at));
    cast->may_repeat = error < 0;
    buffer_fini(&tail);
    return error;
}

int record_casts_data(struct record_casts *c, const struct frame_tty_data *data,
                      struct record_cast_gap *gap)
{
    /* Without its opening frame, which cannot be unless the file was deleted, it starts here. */
    const struct frame_tty_open open = {.session = data->session,
                                        .recording = data->recording,
                                        .width = 80,
                                        .height = 24,
                                        .time_us = data->time_us};
    struct record_cast *cast = NULL;
    *gap = (struct record_cast_gap){0};
    int error = find(c, &open, &cast);
    if (error == 0)
        error = make_lines(&c->text, data, data->time_us - cast->start_us);
    if (error < 0)
        return error;
    struct span lines = buffer_span(&c->text);
    if (cast->may_repeat)
        error = cut_repeated(cast, lines);
    if (error < 0)
        return error;
    uint64_t size = cast->file.size + buffer_len(&cast->gathered);
    if (cast->lost_records == 0 && size + lines.len <= c->size_max)
        return gather(c, cast, lines);
    *gap = (struct record_cast_gap){1, data->bytes.len, cast->lost_records == 0};
    cast->lost_records++;
    cast->lost_bytes += data->bytes.len;
    return 0;
}

int record_casts_close(struct record_casts *c, const struct frame_tty_close *close,
                       struct record_cast_gap *gap)
{
    const struct frame_tty_open open = {.session = close->session,
                                        .recording = close->recording,
                                        .width = 80,
                                        .height = 24,
                                        .time_us = close->time_us};
    struct record_cast *cast = NULL;
    *gap = (struct record_cast_gap){0};
    int error = find(c, &open, &cast);
    if (error == 0)
        error = flush(c, cast);
    if (error < 0)
        return error;
    *gap = (struct record_cast_gap){cast->lost_records, cast->lost_bytes, false};
    drop(c, cast);
    return 0;
}
