#include "record/file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* How far back a torn line may begin: more than any line has. */
#define TAIL_MAX ((size_t)4 * 1024 * 1024)

static int write_at(int fd, struct span text, uint64_t offset)
{
    while (text.len > 0) {
        ssize_t n = pwrite(fd, text.data, text.len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        offset += (uint64_t)n;
        text = span_slice(text, (size_t)n, text.len);
    }
    return 0;
}

static int read_at(int fd, uint64_t offset, size_t len, struct buffer *out)
{
    while (len > 0) {
        uint8_t *room = buffer_reserve(out, len);
        if (room == NULL)
            return len > buffer_room(out) ? ERR_FULL : ERR_NOMEM;
        ssize_t n = pread(fd, room, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        buffer_commit(out, (size_t)n);
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

int record_file_tail(const struct record_file *f, size_t len, struct buffer *out)
{
    if (len > f->size)
        len = (size_t)f->size;
    return read_at(f->fd, f->size - len, len, out);
}

/* Cuts the file after its last line feed. */
static int cut_torn_line(struct record_file *f, uint64_t *torn)
{
    struct buffer tail;
    buffer_init(&tail, TAIL_MAX);
    size_t step = 4096;
    ptrdiff_t at = -1;
    int error = 0;
    for (; at < 0; step *= 8) {
        if (step > TAIL_MAX)
            step = TAIL_MAX;
        buffer_clear(&tail);
        error = record_file_tail(f, step, &tail);
        if (error < 0)
            goto out;
        struct span s = buffer_span(&tail);
        for (at = (ptrdiff_t)s.len - 1; at >= 0 && s.data[at] != '\n'; at--)
            continue;
        if (step >= f->size || step == TAIL_MAX)
            break;
    }
    size_t cut = buffer_len(&tail) - (size_t)(at + 1);
    if (cut > 0 && ftruncate(f->fd, (off_t)(f->size - cut)) < 0) {
        error = -errno;
        goto out;
    }
    f->size -= cut;
    if (torn != NULL)
        *torn = cut;
out:
    buffer_fini(&tail);
    return error;
}

int record_file_open(struct record_file *f, int dir, const char *name_z, uint64_t *torn)
{
    struct stat st;
    int error = 0;
    if (torn != NULL)
        *torn = 0;
    *f = (struct record_file){
        .fd = openat(dir, name_z, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR)};
    if (f->fd < 0)
        return -errno;
    if (fstat(f->fd, &st) < 0)
        error = -errno;
    else
        *f =
            (struct record_file){.fd = f->fd, .size = (uint64_t)st.st_size, .modified = st.st_mtim};
    if (error == 0 && f->size > 0)
        error = cut_torn_line(f, torn);
    if (error < 0) {
        (void)close(f->fd);
        f->fd = -1;
    }
    return error;
}

int record_file_append(struct record_file *f, struct span text)
{
    int error = write_at(f->fd, text, f->size);
    if (error < 0) {
        /* Should this fail too, the next append writes over what is left, and a reader skips the
         * line that does not end. */
        (void)!ftruncate(f->fd, (off_t)f->size);
        return error;
    }
    f->size += text.len;
    f->dirty = true;
    return 0;
}

int record_file_sync(struct record_file *f)
{
    if (f->fd < 0 || !f->dirty)
        return 0;
    if (fdatasync(f->fd) < 0)
        return -errno;
    f->dirty = false;
    return 0;
}

void record_file_close(struct record_file *f)
{
    if (f->fd < 0)
        return;
    (void)close(f->fd);
    f->fd = -1;
}

int record_file_cut(struct record_file *f, uint64_t size)
{
    if (ftruncate(f->fd, (off_t)size) < 0)
        return -errno;
    f->size = size;
    f->dirty = true;
    return 0;
}

int record_file_read(int dir, const char *name_z, struct buffer *out)
{
    struct stat st;
    int fd = openat(dir, name_z, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    int error = fstat(fd, &st) < 0 ? -errno : 0;
    if (error == 0 && (uint64_t)st.st_size > buffer_room(out))
        error = ERR_FULL;
    if (error == 0)
        error = read_at(fd, 0, (size_t)st.st_size, out);
    (void)close(fd);
    return error;
}

int record_file_replace(int dir, const char *name_z, struct span text, bool durable)
{
    char temporary_z[256];
    int n = snprintf(temporary_z, sizeof(temporary_z), "%s.new", name_z);
    if (n < 0 || (size_t)n >= sizeof(temporary_z))
        return -ENAMETOOLONG;
    int fd = openat(dir, temporary_z, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    S_IRUSR | S_IWUSR);
    if (fd < 0)
        return -errno;
    int error = write_at(fd, text, 0);
    if (error == 0 && durable && fsync(fd) < 0)
        error = -errno;
    (void)close(fd);
    if (error == 0 && renameat(dir, temporary_z, dir, name_z) < 0)
        error = -errno;
    if (error < 0)
        (void)unlinkat(dir, temporary_z, 0);
    return error;
}

int record_dir_open(int dir, const char *name_z)
{
    if (mkdirat(dir, name_z, S_IRWXU) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(dir, name_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}
