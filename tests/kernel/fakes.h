/* A machine's file side without its processes: a vfs over the small image, with a clock that the
 * test moves, and records of what the hooks were told. */
#ifndef TESTS_KERNEL_FAKES_H
#define TESTS_KERNEL_FAKES_H

#include "kernel/task.h"
#include "kernel/vfs.h"

struct fake {
    struct vfs *vfs;
    struct fs_context *fs;
    struct creds root, user;
    int64_t now_ns;
    unsigned wakes;
    int signals[8]; /* the latest group signals, newest last */
    size_t signal_count;
    int32_t signal_group, lost_session;
    char written_z[256], deleted_z[256], limit_z[64];
    struct persona_image *image;
    uint8_t *image_bytes;
};

/* `image_path_z` NULL: an empty root. */
struct fake *fake_new(const char *image_path_z, uint64_t bytes, uint32_t nodes);
void fake_free(struct fake *fake);
struct vfs_at fake_at(struct fake *fake, const struct creds *cred);

/* As the calls of the same names do, as root and from the root directory. */
struct file *fake_open(struct fake *fake, const char *path_z, uint32_t flags, int *error);
int fake_write(struct fake *fake, const char *path_z, const char *text_z); /* makes or replaces */
int64_t fake_read(struct fake *fake, const char *path_z, char *out, size_t size);

#endif
