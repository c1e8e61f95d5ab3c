#include "record/reader.h"

#include "base/error.h"
#include "record/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define CHUNK    ((size_t)64 * 1024)
#define TEXT_MAX ((size_t)4 * 1024 * 1024)

struct record_reader {
    int dir;
    uint32_t *numbers; /* of closed segments, and those still to be read */
    int count, at;
    int fd;       /* of the segment being read; -1: none */
    bool current; /* it is the current one, which grows */
    ino_t inode;
    ZSTD_DCtx *zstd; /* it is compressed */
    struct buffer packed, text;
    size_t given; /* bytes of `text` that the last line took */
};

struct record_reader *record_reader_new(int dir, bool only_current, int *error)
{
    struct record_reader *r = calloc(1, sizeof(*r));
    *error = ERR_NOMEM;
    if (r == NULL)
        return NULL;
    r->dir = dir;
    r->fd = -1;
    buffer_init(&r->packed, CHUNK);
    buffer_init(&r->text, TEXT_MAX);
    *error = only_current ? 0 : record_segment_list(dir, &r->numbers);
    if (*error < 0) {
        record_reader_free(r);
        return NULL;
    }
    r->count = *error;
    *error = 0;
    return r;
}

static void close_segment(struct record_reader *r)
{
    if (r->fd >= 0)
        (void)close(r->fd);
    r->fd = -1;
    ZSTD_freeDCtx(r->zstd);
    r->zstd = NULL;
    buffer_clear(&r->packed);
}

void record_reader_free(struct record_reader *reader)
{
    if (reader == NULL)
        return;
    close_segment(reader);
    buffer_fini(&reader->packed);
    buffer_fini(&reader->text);
    free(reader->numbers);
    free(reader);
}

static int open_named(struct record_reader *r, const char *name_z)
{
    struct stat st;
    r->fd = openat(r->dir, name_z, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (r->fd < 0)
        return -errno;
    if (fstat(r->fd, &st) == 0)
        r->inode = st.st_ino;
    return 0;
}

static int open_closed(struct record_reader *r, uint32_t number)
{
    char name_z[RECORD_SEGMENT_NAME_SIZE];
    record_segment_name(number, false, name_z);
    if (open_named(r, name_z) == 0)
        return 0;
    record_segment_name(number, true, name_z);
    int error = open_named(r, name_z);
    if (error == 0) {
        r->zstd = ZSTD_createDCtx();
        error = r->zstd == NULL ? ERR_NOMEM : 0;
    }
    return error;
}

/* The next closed segment, or the current one; 0 also when there is none yet. */
static int open_next(struct record_reader *r)
{
    r->current = r->at >= r->count;
    if (!r->current)
        return open_closed(r, r->numbers[r->at++]);
    int error = open_named(r, RECORD_SEGMENT_NAME);
    return error == -ENOENT ? 0 : error;
}

/* Reads into a buffer: 1, 0 at the end, or a negative error. */
static int fill(int fd, struct buffer *b)
{
    uint8_t *room = buffer_reserve(b, CHUNK);
    if (room == NULL)
        return ERR_FULL;
    ssize_t n = read(fd, room, CHUNK);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    buffer_commit(b, (size_t)n);
    return 1;
}

static int fill_packed(struct record_reader *r)
{
    if (buffer_len(&r->packed) == 0) {
        int got = fill(r->fd, &r->packed);
        if (got <= 0)
            return got;
    }
    uint8_t *room = buffer_reserve(&r->text, CHUNK);
    if (room == NULL)
        return ERR_FULL;
    ZSTD_inBuffer in = {buffer_span(&r->packed).data, buffer_len(&r->packed), 0};
    ZSTD_outBuffer out = {room, CHUNK, 0};
    if (ZSTD_isError(ZSTD_decompressStream(r->zstd, &out, &in)))
        return ERR_MALFORMED;
    buffer_take(&r->packed, in.pos);
    buffer_commit(&r->text, out.pos);
    return 1;
}

/* At the end of the current segment: was it closed, and has another taken its place? */
static bool was_rotated(const struct record_reader *r)
{
    struct stat st;
    return fstatat(r->dir, RECORD_SEGMENT_NAME, &st, 0) == 0 && st.st_ino != r->inode;
}

static int read_more(struct record_reader *r)
{
    if (r->fd < 0) {
        int error = open_next(r);
        if (error < 0 || r->fd < 0) {
            close_segment(r);
            return error;
        }
    }
    int got = r->zstd != NULL ? fill_packed(r) : fill(r->fd, &r->text);
    if (got == 0 && r->current && was_rotated(r)) {
        /* Once more: it may have grown before it was closed. */
        got = fill(r->fd, &r->text);
        if (got == 0)
            close_segment(r);
        return got < 0 ? got : 1;
    }
    if (got == 0 && !r->current) {
        close_segment(r);
        return 1;
    }
    if (got < 0) {
        close_segment(r);
        buffer_clear(&r->text);
    }
    return got;
}

int record_reader_next(struct record_reader *reader, struct span *line)
{
    size_t searched = 0;
    buffer_take(&reader->text, reader->given);
    reader->given = 0;
    for (;;) {
        struct span text = buffer_span(&reader->text);
        ptrdiff_t end = span_find(text, '\n', searched);
        if (end >= 0) {
            *line = span_slice(text, 0, (size_t)end);
            reader->given = (size_t)end + 1;
            return 1;
        }
        searched = text.len;
        int got = read_more(reader);
        if (got <= 0)
            return got;
    }
}
