#include "record/zip.h"

#include "record/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

/* The library's own default: log lines shrink some fifteenfold at a few hundred MB a second. */
#define LEVEL     3
#define NAME_SIZE 64

struct record_zip {
    ZSTD_CCtx *context;
    int dir, from, to;
    char from_z[NAME_SIZE], to_z[NAME_SIZE], temporary_z[NAME_SIZE + 8];
    size_t in_size, out_size;
    uint8_t *in, *out;
    bool ended; /* all was read */
};

struct record_zip *record_zip_new(int dir, const char *from_z, const char *to_z)
{
    struct record_zip *z = calloc(1, sizeof(*z));
    if (z == NULL)
        return NULL;
    z->dir = dir;
    z->from = z->to = -1;
    z->in_size = ZSTD_CStreamInSize();
    z->out_size = ZSTD_CStreamOutSize();
    (void)span_copy_z(span_z(from_z), z->from_z, sizeof(z->from_z));
    (void)span_copy_z(span_z(to_z), z->to_z, sizeof(z->to_z));
    (void)snprintf(z->temporary_z, sizeof(z->temporary_z), "%s.new", z->to_z);
    z->in = malloc(z->in_size);
    z->out = malloc(z->out_size);
    z->context = ZSTD_createCCtx();
    z->from = openat(dir, from_z, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    z->to = openat(dir, z->temporary_z, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                   S_IRUSR | S_IWUSR);
    if (z->in == NULL || z->out == NULL || z->context == NULL || z->from < 0 || z->to < 0 ||
        ZSTD_isError(ZSTD_CCtx_setParameter(z->context, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(z->context, ZSTD_c_checksumFlag, 1))) {
        record_zip_free(z);
        return NULL;
    }
    return z;
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Gives the library what was read; at the end until it has said all. */
static int compress(struct record_zip *z, size_t len)
{
    ZSTD_inBuffer in = {z->in, len, 0};
    ZSTD_EndDirective directive = z->ended ? ZSTD_e_end : ZSTD_e_continue;
    size_t left = 0;
    do {
        ZSTD_outBuffer out = {z->out, z->out_size, 0};
        left = ZSTD_compressStream2(z->context, &out, &in, directive);
        if (ZSTD_isError(left))
            return -EIO;
        int error = write_all(z->to, z->out, out.pos);
        if (error < 0)
            return error;
    } while (in.pos < in.size || (z->ended && left > 0));
    return 0;
}

static int finish(struct record_zip *z)
{
    if (fsync(z->to) < 0 || renameat(z->dir, z->temporary_z, z->dir, z->to_z) < 0)
        return -errno;
    (void)close(z->to);
    z->to = -1;
    (void)unlinkat(z->dir, z->from_z, 0);
    return 0;
}

int record_zip_step(struct record_zip *z, size_t step)
{
    for (size_t done = 0; done < step && !z->ended;) {
        ssize_t n = read(z->from, z->in, z->in_size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        z->ended = n == 0;
        done += (size_t)n;
        int error = compress(z, (size_t)n);
        if (error < 0)
            return error;
    }
    return z->ended ? finish(z) : 1;
}

void record_zip_free(struct record_zip *z)
{
    if (z == NULL)
        return;
    if (z->to >= 0) {
        (void)close(z->to);
        (void)unlinkat(z->dir, z->temporary_z, 0);
    }
    if (z->from >= 0)
        (void)close(z->from);
    ZSTD_freeCCtx(z->context);
    free(z->in);
    free(z->out);
    free(z);
}
