#include "record/cast.h"

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
#define TEXT_MAX (8 * FRAME_TTY_MAX + HEADER_MAX)

void record_casts_init(struct record_casts *c, int dir, uint64_t size_max)
{
    memset(c, 0, sizeof(*c));
    c->dir = dir;
    c->size_max = size_max;
    buffer_init(&c->text, TEXT_MAX);
    for (size_t i = 0; i < RECORD_CASTS_MAX; i++)
        c->slots[i].file.fd = -1;
}

static void drop(struct record_cast *cast)
{
    record_file_close(&cast->file);
    *cast = (struct record_cast){.file = {.fd = -1}};
}

void record_casts_fini(struct record_casts *c)
{
    for (size_t i = 0; i < RECORD_CASTS_MAX; i++)
        drop(&c->slots[i]);
    buffer_fini(&c->text);
}

void record_casts_sync(struct record_casts *c)
{
    for (size_t i = 0; i < RECORD_CASTS_MAX; i++)
        (void)record_file_sync(&c->slots[i].file);
}

/* The slot of this name, or the free one, or the one that was idle longest. */
static struct record_cast *slot_for(struct record_casts *c, const char *name_z)
{
    struct record_cast *best = &c->slots[0];
    for (size_t i = 0; i < RECORD_CASTS_MAX; i++) {
        struct record_cast *slot = &c->slots[i];
        if (strcmp(slot->name_z, name_z) == 0)
            return slot;
        if (slot->used < best->used)
            best = slot;
    }
    drop(best);
    return best;
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

static int find(struct record_casts *c, const struct frame_tty_open *open, struct record_cast **out)
{
    char name_z[RECORD_CAST_NAME_SIZE];
    (void)snprintf(name_z, sizeof(name_z), "%.*s-%" PRIu32 ".cast", (int)open->session.len,
                   (const char *)open->session.data, open->recording);
    struct record_cast *cast = slot_for(c, name_z);
    if (cast->file.fd < 0) {
        int error = record_file_open(&cast->file, c->dir, name_z, NULL);
        if (error < 0)
            return error;
        cast->may_repeat = true;
    }
    if (cast->file.size == 0) {
        buffer_clear(&c->text);
        put_header(&c->text, open);
        int error = record_file_append(&cast->file, buffer_span(&c->text));
        if (error < 0) {
            drop(cast);
            return error;
        }
        cast->may_repeat = false;
    }
    if (cast->name_z[0] == '\0') {
        (void)span_copy_z(span_z(name_z), cast->name_z, sizeof(cast->name_z));
        cast->start_us = read_start(&cast->file);
    }
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
        buffer_clear(text);
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
        int error = json_end(&j);
        if (error == 0)
            error = buffer_put_z(text, "]\n");
        if (error < 0)
            return error;
    }
    return 0;
}

/* After a restart frames come again that the recorder wrote and did not acknowledge: one at most. */
static bool is_there_already(struct record_cast *cast, struct span lines)
{
    struct buffer tail;
    buffer_init(&tail, lines.len);
    bool same = record_file_tail(&cast->file, lines.len, &tail) == 0 &&
                span_equal(buffer_span(&tail), lines);
    buffer_fini(&tail);
    return same;
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
    bool repeated = cast->may_repeat && is_there_already(cast, lines);
    if (repeated) {
        cast->may_repeat = false;
        return 0;
    }
    if (cast->lost_records == 0 && cast->file.size + lines.len <= c->size_max)
        error = record_file_append(&cast->file, lines);
    else
        error = -EFBIG;
    if (error == -EFBIG) {
        *gap = (struct record_cast_gap){1, data->bytes.len, cast->lost_records == 0};
        cast->lost_records++;
        cast->lost_bytes += data->bytes.len;
        error = 0;
    }
    if (error == 0)
        cast->may_repeat = false;
    return error;
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
    if (error < 0)
        return error;
    *gap = (struct record_cast_gap){cast->lost_records, cast->lost_bytes, false};
    drop(cast);
    return 0;
}
