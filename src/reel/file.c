#include <reel/file.h>

#include "reel/job.h"
#include "reel/loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)SSIZE_MAX / 2) /* no memory is larger */

struct reel_file {
    struct reel_reactor *r;
    struct reel_pool *pool;
    int fd;
    unsigned jobs; /* under way */
};

/* What a job needs, and behind it the bytes to write or the paths. */
struct file_job {
    struct reel_file *file; /* or NULL */
    int flags;
    mode_t mode;
    int64_t offset;
    size_t len;
    const char *path_z, *to_z; /* in `bytes` */
    uint8_t bytes[];
};

/* ---- in the threads ---- */

static int failure(struct reel_result *result)
{
    int err = -errno;
    reel_result_set_error(result, err, NULL);
    return err;
}

static ssize_t read_some(int fd, int64_t offset, uint8_t *to, size_t len)
{
    ssize_t n = 0;
    do
        n = offset < 0 ? read(fd, to, len) : pread(fd, to, len, offset);
    while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t write_some(int fd, int64_t offset, const uint8_t *data, size_t len)
{
    ssize_t n = 0;
    do
        n = offset < 0 ? write(fd, data, len) : pwrite(fd, data, len, offset);
    while (n < 0 && errno == EINTR);
    return n;
}

/* Up to `len` bytes; how many, or -1. */
static ssize_t read_whole(int fd, int64_t offset, uint8_t *to, size_t len)
{
    size_t at = 0;
    while (at < len) {
        ssize_t n = read_some(fd, offset < 0 ? -1 : offset + (int64_t)at, to + at, len - at);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        at += (size_t)n;
    }
    return (ssize_t)at;
}

/* 0 or -1. A disk that takes nothing is full. */
static int write_whole(int fd, int64_t offset, const uint8_t *data, size_t len)
{
    size_t at = 0;
    while (at < len) {
        ssize_t n = write_some(fd, offset < 0 ? -1 : offset + (int64_t)at, data + at, len - at);
        if (n == 0)
            errno = ENOSPC;
        if (n <= 0)
            return -1;
        at += (size_t)n;
    }
    return 0;
}

static void do_read(void *argument, struct reel_result *result)
{
    struct file_job *job = argument;
    uint8_t *bytes = job->len < SSIZE_MAX ? malloc(job->len + 1) : NULL;
    if (!bytes) {
        reel_result_set_error(result, -ENOMEM, NULL);
        return;
    }
    ssize_t n = read_whole(job->file->fd, job->offset, bytes, job->len);
    if (n < 0) {
        failure(result);
        free(bytes);
        return;
    }
    bytes[n] = 0;
    reel_result_set_value(result, n, bytes, free);
}

static void do_write(void *argument, struct reel_result *result)
{
    struct file_job *job = argument;
    if (write_whole(job->file->fd, job->offset, job->bytes, job->len) < 0)
        failure(result);
    else
        reel_result_set_value(result, (int64_t)job->len, NULL, NULL);
}

static void do_sync(void *argument, struct reel_result *result)
{
    struct file_job *job = argument;
    if (fsync(job->file->fd) < 0)
        failure(result);
}

static void release_file(void *pointer)
{
    struct reel_file *file = pointer;
    if (file->fd >= 0)
        close(file->fd);
    reel_memory_free(file->r, file);
}

/* After a failed close the descriptor is gone all the same. */
static void do_close(void *argument, struct reel_result *result)
{
    struct file_job *job = argument;
    int fd = job->file->fd;
    job->file->fd = -1;
    if (close(fd) < 0)
        failure(result);
}

static void do_open(void *argument, struct reel_result *result)
{
    struct file_job *job = argument;
    int fd = open(job->path_z, job->flags | O_CLOEXEC, job->mode);
    if (fd < 0) {
        failure(result);
        return;
    }
    job->file->fd = fd;
    reel_result_set_value(result, 0, job->file, release_file);
    job->file = NULL;
}

/* Reads on while it comes, for a file may grow, and those of /proc do not say how long they are.
 * One byte above `max` is room enough to know. */
static uint8_t *read_to_end(int fd, size_t max, size_t hint, size_t *len)
{
    size_t size = hint < max ? hint + 1 : max + 1;
    uint8_t *bytes = NULL;
    for (*len = 0;;) {
        uint8_t *grown = realloc(bytes, size + 1);
        if (!grown)
            break;
        bytes = grown;
        ssize_t n = read_whole(fd, -1, bytes + *len, size - *len);
        if (n < 0)
            break;
        *len += (size_t)n;
        if (*len < size)
            return bytes;
        if (size > max) {
            errno = EFBIG;
            break;
        }
        size = size < max / 4 ? 2 * size + 4096 : max;
        size = size < max ? size : max + 1;
    }
    free(bytes);
    return NULL;
}

static void do_read_all(void *argument, struct reel_result *result)
{
    struct file_job *job = argument;
    struct stat status;
    size_t len = 0;
    uint8_t *bytes = NULL;
    int fd = open(job->path_z, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &status) == 0)
        bytes = read_to_end(fd, job->len < FILE_MAX ? job->len : FILE_MAX,
                            status.st_size > 0 ? (size_t)status.st_size : 0, &len);
    if (bytes) {
        bytes[len] = 0;
        reel_result_set_value(result, (int64_t)len, bytes, free);
    } else
        failure(result);
    if (fd >= 0)
        close(fd);
}

/* 0 or -1; closes it in any case. */
static int write_and_close(int fd, const struct file_job *job, bool sync)
{
    if (fd < 0)
        return -1;
    int err = write_whole(fd, -1, job->bytes, job->len);
    if (err == 0 && sync)
        err = fsync(fd);
    int saved = errno;
    if (close(fd) < 0 && err == 0)
        return -1;
    errno = saved;
    return err;
}

static void do_append(void *argument, struct reel_result *result)
{
    struct file_job *job = argument;
    int fd = open(job->path_z, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, job->mode);
    if (write_and_close(fd, job, false) < 0)
        failure(result);
    else
        reel_result_set_value(result, (int64_t)job->len, NULL, NULL);
}

static void do_replace(void *argument, struct reel_result *result)
{
    struct file_job *job = argument;
    int fd = open(job->to_z, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, job->mode);
    if (write_and_close(fd, job, true) == 0 && rename(job->to_z, job->path_z) == 0) {
        reel_result_set_value(result, (int64_t)job->len, NULL, NULL);
        return;
    }
    failure(result);
    if (fd >= 0)
        unlink(job->to_z);
}

static void do_rename(void *argument, struct reel_result *result)
{
    struct file_job *job = argument;
    if (rename(job->path_z, job->to_z) < 0)
        failure(result);
}

static void do_unlink(void *argument, struct reel_result *result)
{
    struct file_job *job = argument;
    if (unlink(job->path_z) < 0)
        failure(result);
}

static void do_stat(void *argument, struct reel_result *result)
{
    struct file_job *job = argument;
    struct stat *status = malloc(sizeof(*status));
    if (!status)
        reel_result_set_error(result, -ENOMEM, NULL);
    else if (stat(job->path_z, status) == 0)
        reel_result_set_value(result, status->st_size, status, free);
    else {
        failure(result);
        free(status);
    }
}

/* ---- in the loop ---- */

typedef void (*job_fn)(void *argument, struct reel_result *result);

/* One that is done with its file, which lives on. */
static void release_job(void *argument)
{
    struct file_job *job = argument;
    job->file->jobs--;
}

static void release_job_and_file(void *argument)
{
    struct file_job *job = argument;
    if (job->file)
        release_file(job->file);
}

/* On an open file. NULL: out of memory. */
static struct reel_deferred *start_on(struct reel_file *file, job_fn fn, int64_t offset,
                                      const void *data, size_t len)
{
    const size_t copied = data ? len : 0;
    if (copied > SSIZE_MAX - sizeof(struct file_job))
        return NULL;
    struct reel_deferred *d =
        reel_job_new(file->r, fn, sizeof(struct file_job) + copied, release_job);
    if (!d)
        return NULL;
    struct file_job *job = reel_job_argument(d);
    job->file = file;
    job->offset = offset;
    job->len = len;
    if (copied)
        memcpy(job->bytes, data, copied);
    file->jobs++;
    reel_job_start(d, file->pool);
    return d;
}

/* One on paths: `what` says the rest. The path with a suffix, or the second path, is behind it. */
struct what {
    job_fn fn;
    const char *path_z;
    const char *to_z;  /* NULL: none */
    const char *add_z; /* `to` is `path` with this added; NULL: not */
    const void *data;
    size_t len;
    mode_t mode;
    int flags;
    struct reel_file *file;
};

static const char *put_text(uint8_t **at, const char *a_z, const char *b_z)
{
    char *begin = (char *)*at;
    const size_t a = strlen(a_z), b = strlen(b_z);
    memcpy(begin, a_z, a);
    memcpy(begin + a, b_z, b);
    begin[a + b] = 0;
    *at += a + b + 1;
    return begin;
}

static struct reel_deferred *new_job(struct reel_reactor *r, const struct what *what)
{
    const size_t copied = what->data ? what->len : 0;
    size_t texts = strlen(what->path_z) + 1;
    texts += what->to_z ? strlen(what->to_z) + 1 : 0;
    texts += what->add_z ? strlen(what->path_z) + strlen(what->add_z) + 1 : 0;
    if (copied > SSIZE_MAX - sizeof(struct file_job) - texts)
        return NULL;
    struct reel_deferred *d =
        reel_job_new(r, what->fn, sizeof(struct file_job) + copied + texts, release_job_and_file);
    if (!d)
        return NULL;
    struct file_job *job = reel_job_argument(d);
    job->file = what->file;
    job->flags = what->flags;
    job->mode = what->mode;
    job->len = what->len;
    if (copied)
        memcpy(job->bytes, what->data, copied);
    uint8_t *at = job->bytes + copied;
    job->path_z = put_text(&at, what->path_z, "");
    if (what->to_z)
        job->to_z = put_text(&at, what->to_z, "");
    if (what->add_z)
        job->to_z = put_text(&at, what->path_z, what->add_z);
    return d;
}

static struct reel_deferred *start(struct reel_reactor *r, struct reel_pool *pool,
                                   const struct what *what)
{
    struct reel_deferred *d = new_job(r, what);
    if (d)
        reel_job_start(d, pool);
    return d;
}

struct reel_deferred *reel_file_open(struct reel_reactor *r, struct reel_pool *pool,
                                     const char *path_z, int flags, mode_t mode)
{
    struct reel_file *file = reel_memory_new(r, sizeof(*file));
    if (!file)
        return NULL;
    *file = (struct reel_file){.r = r, .pool = pool, .fd = -1};
    struct reel_deferred *d =
        start(r, pool,
              &(struct what){
                  .fn = do_open, .path_z = path_z, .flags = flags, .mode = mode, .file = file});
    if (!d)
        release_file(file);
    return d;
}

struct reel_deferred *reel_file_read(struct reel_file *file, int64_t offset, size_t len)
{
    return start_on(file, do_read, offset, NULL, len);
}

struct reel_deferred *reel_file_write(struct reel_file *file, int64_t offset, const void *data,
                                      size_t len)
{
    assert(data || len == 0);
    return start_on(file, do_write, offset, data, len);
}

struct reel_deferred *reel_file_sync(struct reel_file *file)
{
    return start_on(file, do_sync, -1, NULL, 0);
}

/* A job that is refused or cancelled closes the file by its release. */
struct reel_deferred *reel_file_close(struct reel_file *file)
{
    assert(file->jobs == 0);
    struct reel_deferred *d =
        reel_job_new(file->r, do_close, sizeof(struct file_job), release_job_and_file);
    if (!d) {
        release_file(file);
        return NULL;
    }
    struct file_job *job = reel_job_argument(d);
    job->file = file;
    reel_job_start(d, file->pool);
    return d;
}

int reel_file_fd(const struct reel_file *file)
{
    return file->fd;
}

struct reel_deferred *reel_file_read_all(struct reel_reactor *r, struct reel_pool *pool,
                                         const char *path_z, size_t max)
{
    return start(r, pool, &(struct what){.fn = do_read_all, .path_z = path_z, .len = max});
}

struct reel_deferred *reel_file_append(struct reel_reactor *r, struct reel_pool *pool,
                                       const char *path_z, const void *data, size_t len,
                                       mode_t mode)
{
    return start(
        r, pool,
        &(struct what){.fn = do_append, .path_z = path_z, .data = data, .len = len, .mode = mode});
}

struct reel_deferred *reel_file_replace(struct reel_reactor *r, struct reel_pool *pool,
                                        const char *path_z, const void *data, size_t len,
                                        mode_t mode)
{
    return start(r, pool,
                 &(struct what){.fn = do_replace,
                                .path_z = path_z,
                                .add_z = ".new",
                                .data = data,
                                .len = len,
                                .mode = mode});
}

struct reel_deferred *reel_file_rename(struct reel_reactor *r, struct reel_pool *pool,
                                       const char *from_z, const char *to_z)
{
    return start(r, pool, &(struct what){.fn = do_rename, .path_z = from_z, .to_z = to_z});
}

struct reel_deferred *reel_file_unlink(struct reel_reactor *r, struct reel_pool *pool,
                                       const char *path_z)
{
    return start(r, pool, &(struct what){.fn = do_unlink, .path_z = path_z});
}

struct reel_deferred *reel_file_stat(struct reel_reactor *r, struct reel_pool *pool,
                                     const char *path_z)
{
    return start(r, pool, &(struct what){.fn = do_stat, .path_z = path_z});
}
