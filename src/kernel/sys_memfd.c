/* Files that are memory: memfd_create(2) and its seals; and fallocate(2), which is of use there. */
#include "kernel/mm.h"
#include "kernel/mount.h"
#include "kernel/overlay.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHIFT_BYTES_MAX = 16 << 20, /* that one call moves: -EOPNOTSUPP */
    NAME_BYTES = 250,           /* NAME_MAX less "memfd:", with the NUL */
    SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE,
};

/* ---- memfd ---- */

/* The kernel's own tmpfs, which nobody sees; made when it is first wanted. */
static struct fs *hidden_memory(struct vfs *vfs)
{
    static const struct mount how = {.source_z = "tmpfs", .type_z = "tmpfs", .super_z = "rw"};
    if (vfs->memory == NULL) {
        vfs->memory = overlay_new(vfs, NULL, 0);
        if (vfs->memory != NULL) {
            vfs->memory->mount = &how;
            vfs->memory->dev = FS_DEV(0, 1);
        }
    }
    return vfs->memory;
}

static void set_name(struct file *f, struct fs *memory, const char *name_z)
{
    struct vnode top = {.fs = f->vfs->top, .ino = f->vfs->top->root};
    (void)memory->ops->unlink(memory, f->dir.ino, span_z(f->name_z));
    free(f->name_z);
    f->name_z = kernel_copy_z(span_z(name_z));
    vnode_drop(f->dir);
    f->dir = vnode_hold(top) == 0 ? top : (struct vnode){0};
}

int memory_file(struct task *t, const char *name_z, struct file **out)
{
    char path_z[32];
    struct fs *memory = hidden_memory(t->fs->vfs);
    if (memory == NULL)
        return -ENOMEM;
    struct fs_context fs = *t->fs;
    fs.root = fs.cwd = (struct vnode){.fs = memory, .ino = memory->root};
    fs.umask = 0;
    struct creds root = t->creds;
    root.cap_effective = UINT64_MAX;
    const struct vfs_at at = {.fs = &fs, .cred = &root};
    int n = snprintf(path_z, sizeof(path_z), "/%llu", (unsigned long long)fs.vfs->next_object++);
    int error = vfs_open(&at, span_of(path_z, (size_t)n), O_RDWR | O_CREAT | O_EXCL, 0777, out);
    if (error != 0)
        return error;
    (*out)->flags = O_RDWR | 0100000; /* O_LARGEFILE */
    (*out)->changed = false;
    set_name(*out, memory, name_z);
    return 0;
}

int64_t sys_memfd_create(struct task *t, const uint64_t arg[6])
{
    char name_z[VFS_NAME_MAX + 1] = "memfd:";
    const size_t before = sizeof("memfd:") - 1;
    struct file *f = NULL;
    int64_t len = task_read_z(t, arg[0], name_z + before, NAME_BYTES);
    if ((arg[1] & ~(uint64_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB)) != 0)
        return -EINVAL;
    if (len < 0)
        return len == -ENAMETOOLONG ? -EINVAL : len;
    int error = memory_file(t, name_z, &f);
    if (error != 0)
        return error;
    *overlay_seals(f) = OVERLAY_MEMFD | ((arg[1] & MFD_ALLOW_SEALING) != 0 ? 0 : F_SEAL_SEAL);
    return sys_install(t, f, (arg[1] & MFD_CLOEXEC) != 0);
}

/* ---- Seals ---- */

static bool is_mapped_for_writing(const struct kernel *k, const struct file *f)
{
    for (const struct task *t = k->tasks; t != NULL; t = t->next)
        for (size_t i = 0; t->mm != NULL && i < t->mm->count; i++) {
            const struct mm_area *a = &t->mm->areas[i];
            if (a->file != NULL && vnode_is_same_file(a->file->node, f->node) &&
                (a->access & CPU_SHARED) != 0 && (a->access_max & CPU_WRITE) != 0)
                return true;
        }
    return false;
}

static int64_t add_seals(struct task *t, struct file *f, uint32_t *seals, uint32_t more)
{
    if ((f->flags & O_ACCMODE) == O_RDONLY)
        return -EPERM;
    if ((more & ~(uint32_t)SEALS) != 0 || (*seals & OVERLAY_MEMFD) == 0)
        return -EINVAL;
    if ((*seals & F_SEAL_SEAL) != 0)
        return -EPERM;
    if ((more & F_SEAL_WRITE) != 0 && (*seals & F_SEAL_WRITE) == 0 &&
        is_mapped_for_writing(t->kernel, f))
        return -EBUSY;
    *seals |= more;
    return 0;
}

int64_t sys_seal_command(struct task *t, struct file *f, uint64_t command, uint64_t arg)
{
    uint32_t *seals = overlay_seals(f);
    bool in_memory = seals != NULL && (f->node.fs->flags & FS_DISK) == 0;
    if (!in_memory)
        return -EINVAL;
    if (command == F_ADD_SEALS)
        return add_seals(t, f, seals, (uint32_t)arg);
    return (*seals & OVERLAY_MEMFD) != 0 ? *seals & SEALS : F_SEAL_SEAL;
}

/* ---- fallocate ---- */

static int64_t zero(struct file *f, uint64_t mode, int64_t from, int64_t end, int64_t size)
{
    const uint32_t *seals = overlay_seals(f);
    bool punches = (mode & FALLOC_FL_PUNCH_HOLE) != 0;
    bool on_disk = f->node.fs != NULL && (f->node.fs->flags & FS_DISK) != 0;
    if (f->ops->punch == NULL || (!punches && !on_disk))
        return -EOPNOTSUPP;
    if (seals != NULL && (*seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0)
        return -EPERM;
    int error = 0;
    if (from < size)
        error = f->ops->punch(f, from, end < size ? end : size);
    if (error == 0 && end > size && (mode & FALLOC_FL_KEEP_SIZE) == 0)
        error = f->ops->truncate(f, end);
    return error;
}

/* Bytes of the file, a chunk at a time, `by` further on; from the end when they go up. */
static int move_bytes(struct task *t, struct file *f, int64_t from, int64_t end, int64_t by)
{
    uint8_t chunk[SYS_CHUNK];
    for (int64_t left = end - from; left > 0;) {
        int64_t n = left < SYS_CHUNK ? left : SYS_CHUNK;
        int64_t at = by > 0 ? from + left - n : end - left;
        int64_t got = f->ops->read(f, t, chunk, (size_t)n, at);
        int64_t put = got == n ? f->ops->write(f, t, chunk, (size_t)n, at + by) : got;
        if (put != n)
            return put < 0 ? (int)put : -EIO;
        kernel_charge(t->kernel, (uint64_t)n / KERNEL_COPY_BYTES);
        left -= n;
    }
    return 0;
}

/* A range goes, or room is made: whole blocks, on the disk alone (ext4). */
static int64_t shift(struct task *t, struct file *f, uint64_t mode, int64_t from, int64_t len,
                     int64_t size)
{
    bool inserts = mode == FALLOC_FL_INSERT_RANGE;
    if (f->ops->page == NULL || (f->node.fs->flags & FS_DISK) == 0)
        return -EOPNOTSUPP;
    if (from % CPU_PAGE_BYTES != 0 || len % CPU_PAGE_BYTES != 0 ||
        (inserts ? from >= size : from + len >= size))
        return -EINVAL;
    if (size - from > SHIFT_BYTES_MAX)
        return -EOPNOTSUPP;
    int64_t error = 0;
    if (inserts) {
        error = file_check_size(t, size + len);
        if (error == 0)
            error = f->ops->truncate(f, size + len);
        if (error == 0)
            error = move_bytes(t, f, from, size, len);
        return error != 0 ? error : f->ops->punch(f, from, from + len < size ? from + len : size);
    }
    error = move_bytes(t, f, from + len, size, -len);
    return error != 0 ? error : f->ops->truncate(f, size - len);
}

int64_t sys_fallocate(struct task *t, const uint64_t arg[6])
{
    struct file *f = sys_file(t, arg[0]);
    struct file_stat st;
    int64_t from = (int64_t)arg[2], len = (int64_t)arg[3], end = 0;
    uint64_t mode = arg[1];
    if (f == NULL || (f->flags & O_PATH) != 0)
        return -EBADF;
    if (from < 0 || len <= 0)
        return -EINVAL;
    const uint64_t zeros = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    const uint64_t shifts = FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE;
    if ((mode & shifts) != 0 && mode != FALLOC_FL_COLLAPSE_RANGE && mode != FALLOC_FL_INSERT_RANGE)
        return -EINVAL;
    if ((mode & ~(zeros | shifts | FALLOC_FL_KEEP_SIZE)) != 0 || (mode & zeros) == zeros ||
        mode == FALLOC_FL_PUNCH_HOLE)
        return -EOPNOTSUPP;
    if ((f->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (f->ops->truncate == NULL)
        return f->ops->seekable ? -ENODEV : -ESPIPE;
    if (__builtin_add_overflow(from, len, &end))
        return -EFBIG;
    int error = file_stat(f, &st);
    if (error == 0 && (mode & shifts) != 0)
        return shift(t, f, mode, from, len, st.size);
    if (error == 0 && end > st.size && (mode & FALLOC_FL_KEEP_SIZE) == 0)
        error = file_check_size(t, end);
    if (error != 0 || mode == FALLOC_FL_KEEP_SIZE)
        return error;
    if ((mode & zeros) != 0)
        return zero(f, mode, from, end, st.size);
    return end > st.size ? f->ops->truncate(f, end) : 0;
}
