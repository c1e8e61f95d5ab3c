#include "kernel/identity.h"

#include "base/buffer.h"
#include "kernel/file.h"
#include "kernel/machine.h"
#include "kernel/task.h"
#include "kernel/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { IDENTITY_FILE_MAX = 16384 }; /* a longer file is not one of these */

/* Where Debian's installer and its programs write the machine's name. */
static const char *const carriers[] = {"/etc/hostname", "/etc/hosts", "/etc/mailname",
                                       "/run/motd.dynamic"};

static int read_whole(struct file *f, struct buffer *out)
{
    uint8_t *room = buffer_reserve(out, IDENTITY_FILE_MAX);
    if (room == NULL)
        return -ENOMEM;
    int64_t n = file_pread(f, NULL, room, IDENTITY_FILE_MAX, 0);
    if (n < 0)
        return (int)n;
    buffer_commit(out, (size_t)n);
    return 0;
}

int identity_read(const struct vfs_at *at, const char *path_z, struct buffer *out)
{
    struct file *f = NULL;
    int err = vfs_open(at, span_z(path_z), O_RDONLY, 0, &f);
    if (err == 0)
        err = read_whole(f, out);
    file_drop(f);
    return err;
}

static bool stands_alone(struct span behind)
{
    return behind.len == 0 || !((behind.data[0] >= '0' && behind.data[0] <= '9') ||
                                (behind.data[0] >= 'a' && behind.data[0] <= 'z'));
}

/* `text` with each `from` that stands alone replaced by `to`. */
static int replace_all(struct span text, struct span from, struct span to, struct buffer *out)
{
    int err = 0;
    while (err == 0 && text.len > 0) {
        bool here = from.len > 0 && span_starts_with(text, from) &&
                    stands_alone(span_slice(text, from.len, text.len));
        err = buffer_put(out, here ? to : span_slice(text, 0, 1));
        text = span_slice(text, here ? from.len : 1, text.len);
    }
    return err == 0 ? 0 : -ENOMEM;
}

/* The contents go in place of the old; nobody is told, and the times stay. */
static int write_whole(const struct vfs_at *at, struct file *f, struct span contents)
{
    struct file_stat before;
    int err = file_stat(f, &before);
    if (err == 0)
        err = vfs_truncate(at->cred, f->node, 0);
    if (err != 0)
        return err;
    int64_t n = file_pwrite(f, NULL, contents.data, contents.len, 0);
    f->changed = false;
    if (n < 0)
        return (int)n;
    return vfs_set_times(at->cred, f->node, before.atime_ns, before.mtime_ns, false);
}

int identity_replace(const struct vfs_at *at, const char *path_z, struct span from, struct span to)
{
    struct file *f = NULL;
    struct buffer old;
    struct buffer new;
    buffer_init(&old, IDENTITY_FILE_MAX);
    buffer_init(&new, (size_t)2 * IDENTITY_FILE_MAX);
    int err = vfs_open(at, span_z(path_z), O_RDWR, 0, &f);
    if (err == 0)
        err = read_whole(f, &old);
    if (err == 0)
        err = replace_all(buffer_span(&old), from, to, &new);
    if (err == 0)
        err = write_whole(at, f, buffer_span(&new));
    file_drop(f);
    buffer_fini(&old);
    buffer_fini(&new);
    return err;
}

/* The image's own name: the first line of its /etc/hostname. */
static struct span name_in_image(const struct vfs_at *at, struct buffer *store)
{
    (void)identity_read(at, "/etc/hostname", store);
    struct span text = buffer_span(store);
    ptrdiff_t end = span_find(text, '\n', 0);
    return end < 0 ? text : span_slice(text, 0, (size_t)end);
}

int identity_apply(struct kernel *k)
{
    struct creds root = {.cap_effective = UINT64_MAX};
    struct buffer store;
    buffer_init(&store, IDENTITY_FILE_MAX);
    struct vfs_at at = {.fs = fs_context_new(k->vfs), .cred = &root};
    int err = at.fs != NULL ? 0 : -ENOMEM;
    struct span name = {NULL, 0};
    if (err == 0)
        name = name_in_image(&at, &store);
    bool differs = name.len > 0 && !span_equal(name, span_z(k->hostname_z));
    for (size_t i = 0; differs && err != -ENOMEM && i < ARRAY_LEN(carriers); i++)
        err = identity_replace(&at, carriers[i], name, span_z(k->hostname_z));
    if (at.fs != NULL)
        fs_context_drop(at.fs);
    buffer_fini(&store);
    return err == -ENOMEM ? err : 0;
}
