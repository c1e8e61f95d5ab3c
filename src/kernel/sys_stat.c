/* Looking: stat and its kin, access, readlink, getdents, statfs. */
#include "kernel/inotify.h"
#include "kernel/mount.h"
#include "kernel/sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const int64_t SECOND_NS = 1000000000;

/* struct stat of x86-64. */
struct guest_stat {
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, pad;
    uint64_t rdev;
    int64_t size, blksize, blocks;
    int64_t times[6]; /* access, change of contents, of the inode: seconds, nanoseconds */
    int64_t unused[3];
};

static int64_t put_stat(struct task *t, uint64_t addr, const struct file_stat *st)
{
    const struct guest_stat out = {
        .dev = st->dev,
        .ino = st->ino,
        .nlink = st->nlink,
        .mode = st->mode,
        .uid = st->uid,
        .gid = st->gid,
        .rdev = st->rdev,
        .size = st->size,
        .blksize = st->blksize,
        .blocks = st->blocks,
        .times = {st->atime_ns / SECOND_NS, st->atime_ns % SECOND_NS, st->mtime_ns / SECOND_NS,
                  st->mtime_ns % SECOND_NS, st->ctime_ns / SECOND_NS, st->ctime_ns % SECOND_NS},
    };
    return task_write(t, addr, &out, sizeof(out));
}

static int stat_at(struct task *t, uint64_t dirfd, uint64_t addr, uint64_t flags,
                   struct file_stat *out)
{
    struct walk_found found;
    bool follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
    int error = sys_walk(t, dirfd, addr, follow, (flags & AT_EMPTY_PATH) != 0, &found);
    if (error != 0)
        return error;
    *out = found.stat;
    walk_done(&found);
    return 0;
}

static int64_t stat_path(struct task *t, uint64_t path, uint64_t addr, uint64_t flags)
{
    struct file_stat st;
    int error = stat_at(t, (uint64_t)AT_FDCWD, path, flags, &st);
    return error != 0 ? error : put_stat(t, addr, &st);
}

int64_t sys_stat(struct task *t, const uint64_t arg[6])
{
    return stat_path(t, arg[0], arg[1], 0);
}

int64_t sys_lstat(struct task *t, const uint64_t arg[6])
{
    return stat_path(t, arg[0], arg[1], AT_SYMLINK_NOFOLLOW);
}

int64_t sys_fstat(struct task *t, const uint64_t arg[6])
{
    struct file_stat st;
    struct file *f = sys_file(t, arg[0]);
    int error = f != NULL ? file_stat(f, &st) : -EBADF;
    return error != 0 ? error : put_stat(t, arg[1], &st);
}

int64_t sys_newfstatat(struct task *t, const uint64_t arg[6])
{
    struct file_stat st;
    const uint64_t known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT;
    if ((arg[3] & ~known) != 0)
        return -EINVAL;
    int error = stat_at(t, arg[0], arg[1], arg[3], &st);
    return error != 0 ? error : put_stat(t, arg[2], &st);
}

static struct statx_timestamp stamp(int64_t ns)
{
    return (struct statx_timestamp){.tv_sec = ns / SECOND_NS,
                                    .tv_nsec = (uint32_t)(ns % SECOND_NS)};
}

int64_t sys_statx(struct task *t, const uint64_t arg[6])
{
    struct file_stat st;
    const uint64_t attributes =
        STATX_ATTR_COMPRESSED | STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP;
    const uint64_t known =
        AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE;
    if ((arg[2] & ~known) != 0 || (arg[3] & 0x80000000u) != 0)
        return -EINVAL;
    int error = stat_at(t, arg[0], arg[1], arg[2], &st);
    if (error != 0)
        return error;
    const struct statx out = {
        .stx_mask = STATX_BASIC_STATS | STATX_BTIME | 0x1000, /* and the mount's id */
        .stx_blksize = st.blksize,
        .stx_attributes = st.flags & attributes,
        .stx_attributes_mask = attributes,
        .stx_nlink = st.nlink,
        .stx_uid = st.uid,
        .stx_gid = st.gid,
        .stx_mode = (uint16_t)st.mode,
        .stx_ino = st.ino,
        .stx_size = (uint64_t)st.size,
        .stx_blocks = (uint64_t)st.blocks,
        .stx_atime = stamp(st.atime_ns),
        .stx_btime = stamp(st.btime_ns),
        .stx_ctime = stamp(st.ctime_ns),
        .stx_mtime = stamp(st.mtime_ns),
        .stx_rdev_major = FS_MAJOR(st.rdev),
        .stx_rdev_minor = FS_MINOR(st.rdev),
        .stx_dev_major = FS_MAJOR(st.dev),
        .stx_dev_minor = FS_MINOR(st.dev),
    };
    return task_write(t, arg[4], &out, sizeof(out));
}

/* ---- access ---- */

static int64_t access_at(struct task *t, uint64_t dirfd, uint64_t addr, uint64_t mode,
                         uint64_t flags)
{
    struct walk_found found;
    struct sys_path p;
    struct creds creds = t->creds;
    if ((mode & ~UINT64_C(7)) != 0 ||
        (flags & ~(uint64_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    int error = sys_path_get(t, dirfd, addr, (flags & AT_EMPTY_PATH) != 0, &p);
    if (error != 0)
        return error;
    if ((flags & AT_EACCESS) == 0) { /* the real ids ask */
        creds.fsuid = creds.uid;
        creds.fsgid = creds.gid;
        creds.cap_effective = creds.uid == 0 ? creds.cap_permitted : 0;
        p.at.cred = &creds;
    }
    error = walk(&p.at, p.path,
                 ((flags & AT_SYMLINK_NOFOLLOW) == 0 ? WALK_FOLLOW : 0) |
                     ((flags & AT_EMPTY_PATH) != 0 ? WALK_EMPTY : 0),
                 &found);
    if (error != 0)
        return error;
    const struct fs *fs = found.node.fs;
    if ((mode & X_OK) != 0 && S_ISREG(found.stat.mode) && fs != NULL &&
        (fs->flags & FS_NOEXEC) != 0)
        error = -EACCES;
    else
        error = vfs_may(&creds, fs, &found.stat, (unsigned)mode);
    walk_done(&found);
    return error;
}

int64_t sys_access(struct task *t, const uint64_t arg[6])
{
    return access_at(t, (uint64_t)AT_FDCWD, arg[0], (uint32_t)arg[1], 0);
}

int64_t sys_faccessat(struct task *t, const uint64_t arg[6])
{
    return access_at(t, arg[0], arg[1], (uint32_t)arg[2], 0);
}

int64_t sys_faccessat2(struct task *t, const uint64_t arg[6])
{
    return access_at(t, arg[0], arg[1], (uint32_t)arg[2], (uint32_t)arg[3]);
}

/* ---- readlink ---- */

static int64_t read_link(struct task *t, uint64_t dirfd, uint64_t path, uint64_t addr,
                         uint64_t size)
{
    struct walk_found found;
    char target[VFS_PATH_MAX];
    if ((int32_t)size <= 0)
        return -EINVAL;
    int64_t n = sys_walk(t, dirfd, path, false, (int32_t)dirfd != AT_FDCWD, &found);
    if (n != 0)
        return n;
    if (!S_ISLNK(found.stat.mode))
        n = -EINVAL;
    else
        n = found.node.fs->ops->readlink(found.node.fs, t, found.node.ino, target, sizeof(target));
    if (n > 0) {
        n = n < (int32_t)size ? n : (int32_t)size;
        int error = task_write(t, addr, target, (size_t)n);
        n = error != 0 ? error : n;
    }
    walk_done(&found);
    return n;
}

int64_t sys_readlink(struct task *t, const uint64_t arg[6])
{
    return read_link(t, (uint64_t)AT_FDCWD, arg[0], arg[1], arg[2]);
}

int64_t sys_readlinkat(struct task *t, const uint64_t arg[6])
{
    return read_link(t, arg[0], arg[1], arg[2], arg[3]);
}

/* ---- getdents ---- */

/* struct linux_dirent64: inode, position behind it, its length, type, name. */
enum { DIRENT_HEAD = 19, DIRENT_BYTES = 32768 };

struct dirents {
    uint8_t bytes[DIRENT_BYTES];
    size_t used, size;
    int64_t next; /* position behind the last one taken */
    bool too_small;
};

static bool put_entry(void *ctx, struct span name, uint64_t ino, unsigned type, int64_t next)
{
    struct dirents *d = ctx;
    size_t len = (DIRENT_HEAD + name.len + 1 + 7) & ~(size_t)7;
    if (d->used + len > d->size) {
        d->too_small = d->used == 0;
        return false;
    }
    uint8_t *out = d->bytes + d->used;
    uint16_t len16 = (uint16_t)len;
    memset(out, 0, len);
    memcpy(out, &ino, 8);
    memcpy(out + 8, &next, 8);
    memcpy(out + 16, &len16, 2);
    out[18] = (uint8_t)type;
    memcpy(out + DIRENT_HEAD, name.data, name.len);
    d->used += len;
    d->next = next;
    return true;
}

int64_t sys_getdents64(struct task *t, const uint64_t arg[6])
{
    struct dirents d;
    struct file *f = sys_file(t, arg[0]);
    uint32_t size = (uint32_t)arg[2];
    if (f == NULL || (f->flags & O_PATH) != 0)
        return -EBADF;
    if (f->ops->readdir == NULL)
        return -ENOTDIR;
    d.used = 0;
    d.size = size < DIRENT_BYTES ? size : DIRENT_BYTES;
    d.next = f->position;
    d.too_small = false;
    int error = f->ops->readdir(f, t, f->position, put_entry, &d);
    if (error == 0 && d.too_small)
        error = -EINVAL;
    if (error == 0 && d.used > 0)
        error = task_write(t, arg[1], d.bytes, d.used);
    if (error != 0)
        return error;
    f->position = d.next;
    inotify_tell_file(f, IN_ACCESS);
    return (int64_t)d.used;
}

/* ---- statfs ---- */

/* struct statfs of x86-64. */
struct guest_statfs {
    int64_t type, block_size, blocks, free, available, files, files_free;
    int32_t id[2];
    int64_t name_max, fragment_size, flags, spare[4];
};

enum { ST_RELATIME_ = 4096, ST_VALID_ = 32 };

/* statfs(2): by which programs know what they look at. */
static const struct {
    const char *type_z;
    int64_t magic;
} magics[] = {
    {"sysfs", 0x62656572},    {"cgroup2", 0x63677270},     {"securityfs", 0x73636673},
    {"debugfs", 0x64626720},  {"tracefs", 0x74726163},     {"pstore", 0x6165676c},
    {"bpf", 0xcafe4a11},      {"mqueue", 0x19800202},      {"hugetlbfs", 0x958458f6},
    {"configfs", 0x62656570}, {"fusectl", 0x65735543},     {"autofs", 0x0187},
    {"ramfs", 0x858458f6},    {"binfmt_misc", 0x42494e4d},
};

static int64_t type_of(const struct fs *fs, int64_t usual)
{
    const char *type_z = fs->mount != NULL ? fs->mount->type_z : "";
    for (size_t i = 0; i < ARRAY_LEN(magics); i++)
        if (strcmp(type_z, magics[i].type_z) == 0)
            return magics[i].magic;
    return usual;
}

static int64_t put_statfs(struct task *t, uint64_t addr, struct fs *fs)
{
    struct fs_usage usage = {.type = 0x50495045, .block_size = 4096}; /* pipefs */
    struct guest_statfs out = {.name_max = VFS_NAME_MAX, .flags = ST_VALID_ | ST_RELATIME_};
    if (fs != NULL) {
        if (fs->ops->usage != NULL)
            fs->ops->usage(fs, &usage);
        out.flags |= vfs_is_read_only(fs) ? 1 : 0;
        out.flags |= ((fs->flags & FS_NOSUID) != 0 ? 2 : 0) |
                     ((fs->flags & FS_NODEV) != 0 ? 4 : 0) | ((fs->flags & FS_NOEXEC) != 0 ? 8 : 0);
        out.id[0] = (int32_t)fs->dev;
    }
    out.type = fs != NULL ? type_of(fs, (int64_t)usage.type) : (int64_t)usage.type;
    out.block_size = out.fragment_size = (int64_t)usage.block_size;
    out.blocks = (int64_t)usage.blocks;
    out.free = (int64_t)usage.free;
    out.available = (int64_t)usage.available;
    out.files = (int64_t)usage.files;
    out.files_free = (int64_t)usage.files_free;
    return task_write(t, addr, &out, sizeof(out));
}

int64_t sys_statfs(struct task *t, const uint64_t arg[6])
{
    struct walk_found found;
    int error = sys_walk(t, (uint64_t)AT_FDCWD, arg[0], true, false, &found);
    if (error != 0)
        return error;
    int64_t result = put_statfs(t, arg[1], found.node.fs);
    walk_done(&found);
    return result;
}

int64_t sys_fstatfs(struct task *t, const uint64_t arg[6])
{
    struct file *f = sys_file(t, arg[0]);
    return f != NULL ? put_statfs(t, arg[1], f->node.fs) : -EBADF;
}
