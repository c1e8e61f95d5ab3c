/* Reaches src/kernel/{overlay_load,facts,disk}.c: what a visitor is said to have left, his files, then what
 * else is known of him, then his disk. What is taken is walked and changed as programs would. */
#include "machine.h"

#include "kernel/disk.h"
#include "kernel/facts.h"
#include "kernel/overlay.h"

#include <string.h>

enum { DEPTH_MAX = 32 };

static const struct creds root_user = {.cap_effective = UINT64_MAX};

struct walker {
    const struct vfs_at *at;
    char path_z[VFS_PATH_MAX];
    unsigned depth;
};

static bool see(void *ctx, struct span name, uint64_t ino, unsigned type, int64_t next)
{
    struct walker *w = ctx;
    size_t len = strlen(w->path_z);
    struct file_stat st;
    struct file *f = NULL;
    uint8_t bytes[512];
    (void)ino, (void)type, (void)next;
    if (span_equal_z(name, ".") || span_equal_z(name, ".."))
        return true;
    if (w->depth >= DEPTH_MAX || len + name.len + 2 > sizeof(w->path_z))
        return false;
    w->path_z[len] = '/';
    memcpy(w->path_z + len + 1, name.data, name.len);
    w->path_z[len + 1 + name.len] = '\0';
    w->depth++;
    if (vfs_stat(w->at, span_z(w->path_z), false, &st) == 0 && !S_ISFIFO(st.mode) &&
        vfs_open(w->at, span_z(w->path_z), O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, &f) == 0) {
        if (S_ISDIR(st.mode) && f->node.fs == w->at->fs->root.fs)
            (void)f->ops->readdir(f, NULL, 0, see, w);
        else if (S_ISREG(st.mode))
            (void)file_pread(f, NULL, bytes, sizeof(bytes), st.size / 2);
        file_drop(f);
    }
    w->depth--;
    w->path_z[len] = '\0';
    return true;
}

static void use(struct kernel *k)
{
    struct fs_context *fs = fs_context_new(k->vfs);
    assert(fs != NULL);
    const struct vfs_at at = {.fs = fs, .cred = &root_user};
    struct walker w = {.at = &at};
    struct file *f = NULL;
    if (vfs_open(&at, span_z("/"), O_RDONLY | O_DIRECTORY, 0, &f) == 0) {
        (void)f->ops->readdir(f, NULL, 0, see, &w);
        file_drop(f);
    }
    (void)vfs_unlink(&at, span_z("/a"));
    (void)vfs_rename(&at, span_z("/b"), &at, span_z("/tmp"), 0);
    (void)vfs_rmdir(&at, span_z("/d"));
    (void)vfs_make(&at, span_z("/d/e"), S_IFDIR | 0755, 0);
    fs_context_drop(fs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct machine m;
    struct overlay *loaded = NULL;
    machine_open(&m);
    struct overlay *live = overlay_of(m.kernel->vfs->top);
    const struct overlay_quota *quota = &m.kernel->vfs->quota;
    struct cursor c = cursor_of(span_of(data, size));
    if (overlay_load(live, &c, &loaded) == 0) {
        overlay_replace(live, loaded);
        if (facts_load(m.kernel, &c) == 0)
            (void)disk_load(m.kernel->vfs, &c);
        use(m.kernel);
    }
    assert(quota->bytes <= quota->bytes_max && quota->nodes <= quota->nodes_max);
    machine_close(&m);
    return 0;
}
