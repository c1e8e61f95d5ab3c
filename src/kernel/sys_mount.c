/* mount(2), umount(2), unshare(2), setns(2). Memory file systems are made; those of which there is
 * one (proc, sysfs, devpts ...) are shown once more; a disk is always busy or not there. The only
 * namespaces are those of mounts: the others are as used up (user_namespaces(7): ENOSPC). */
#include "kernel/mount.h"
#include "kernel/namespace.h"
#include "kernel/sysfile.h"

#include "base/buffer.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_MAX = 4096,
    OPTIONS_MAX = 256,    /* of a file system's own text in the table */
    ANONYMOUS_FIRST = 43, /* minor numbers that the machine's table has not used */
    PEERS_FIRST = 400,    /* groups of shared mounts */
    UMOUNT_FORCE = 1,
    UMOUNT_DETACH = 2,
    UMOUNT_EXPIRE = 4,
    UMOUNT_ALL = 15,
};
#define MOUNT_NOUSER     (UINT64_C(1) << 31)
#define MOUNT_MAGIC      UINT64_C(0xc0ed0000)
#define MOUNT_MAGIC_MASK UINT64_C(0xffff0000)
#define PROPAGATION      (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)
/* What a mount has for itself. */
#define OWN_FLAGS \
    (FS_READ_ONLY | FS_NOSUID | FS_NODEV | FS_NOEXEC | FS_NOATIME | FS_NODIRATIME | FS_STRICTATIME)

static unsigned own_flags(uint64_t flags)
{
    static const struct {
        uint64_t theirs;
        unsigned ours;
    } table[] = {
        {MS_RDONLY, FS_READ_ONLY},       {MS_NOSUID, FS_NOSUID},   {MS_NODEV, FS_NODEV},
        {MS_NOEXEC, FS_NOEXEC},          {MS_NOATIME, FS_NOATIME}, {MS_NODIRATIME, FS_NODIRATIME},
        {MS_STRICTATIME, FS_STRICTATIME}};
    unsigned ours = 0;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        ours |= (flags & table[i].theirs) != 0 ? table[i].ours : 0;
    return ours;
}

static bool is_mount_root(struct vnode node)
{
    return node.fs != NULL && node.ino == node.fs->root && !node.fs->detached;
}

/* ---- tmpfs's own options ---- */

struct memory_options {
    uint64_t size_kib, inodes;
    uint32_t mode, uid, gid;
    char text_z[OPTIONS_MAX]; /* "rw,size=64k", as the table has it */
};

/* A number with k, m, g, or a part of the memory in %. False: it is none. */
static bool parse_size(const char *text_z, uint64_t memory_kib, uint64_t *kib)
{
    char *end_z = NULL;
    uint64_t n = strtoull(text_z, &end_z, 0);
    if (end_z == text_z)
        return false;
    switch (*end_z) {
    case '%': *kib = memory_kib / 100 * n; break;
    case 'g':
    case 'G': *kib = n << 20; break;
    case 'm':
    case 'M': *kib = n << 10; break;
    case 'k':
    case 'K': *kib = n; break;
    case '\0': *kib = (n + 1023) / 1024; return true;
    default: return false;
    }
    return end_z[1] == '\0';
}

static bool parse_number(const char *text_z, int base, uint32_t *out)
{
    char *end_z = NULL;
    unsigned long n = strtoul(text_z, &end_z, base);
    *out = (uint32_t)n;
    return end_z != text_z && *end_z == '\0' && n <= UINT32_MAX;
}

static bool parse_option(const char *option_z, const char *value_z, uint64_t memory_kib,
                         struct memory_options *o)
{
    if (strcmp(option_z, "size") == 0)
        return parse_size(value_z, memory_kib, &o->size_kib);
    if (strcmp(option_z, "mode") == 0)
        return parse_number(value_z, 8, &o->mode) && o->mode <= 07777;
    if (strcmp(option_z, "uid") == 0)
        return parse_number(value_z, 10, &o->uid);
    if (strcmp(option_z, "gid") == 0)
        return parse_number(value_z, 10, &o->gid);
    if (strcmp(option_z, "nr_inodes") == 0)
        return parse_size(value_z, memory_kib, &o->inodes);
    return strcmp(option_z, "inode64") == 0 || strcmp(option_z, "huge") == 0 ||
           strcmp(option_z, "mpol") == 0 || strcmp(option_z, "nr_blocks") == 0;
}

/* As tmpfs shows them: those that are not the usual. */
static void options_text(struct memory_options *o, bool sized)
{
    char size_z[48] = "", mode_z[24] = "", uid_z[24] = "", gid_z[24] = "";
    if (sized)
        (void)snprintf(size_z, sizeof(size_z), ",size=%lluk", (unsigned long long)o->size_kib);
    if (o->mode != 01777)
        (void)snprintf(mode_z, sizeof(mode_z), ",mode=%03o", o->mode);
    if (o->uid != 0)
        (void)snprintf(uid_z, sizeof(uid_z), ",uid=%u", o->uid);
    if (o->gid != 0)
        (void)snprintf(gid_z, sizeof(gid_z), ",gid=%u", o->gid);
    (void)snprintf(o->text_z, sizeof(o->text_z), "rw%s%s%s%s,inode64", size_z, mode_z, uid_z,
                   gid_z);
}

static int parse_options(char *data_z, uint64_t memory_kib, struct memory_options *o)
{
    *o = (struct memory_options){.size_kib = memory_kib / 2, .mode = 01777};
    uint64_t usual_kib = o->size_kib;
    char *rest_z = data_z, *option_z;
    while ((option_z = strsep(&rest_z, ",")) != NULL) {
        char *value_z = strchr(option_z, '=');
        if (value_z != NULL)
            *value_z++ = '\0';
        if (*option_z != '\0' &&
            !parse_option(option_z, value_z != NULL ? value_z : "", memory_kib, o))
            return -EINVAL;
    }
    bool sized = o->size_kib != usual_kib;
    o->size_kib = (o->size_kib + 3) / 4 * 4;
    options_text(o, sized);
    return 0;
}

/* ---- New mounts ---- */

struct request {
    struct task *t;
    char *source_z, *type_z, *data_z; /* "" when they are not given */
    uint64_t flags;
    struct vnode on;
    bool on_directory;
};

/* How it is mounted, with its texts, in one block that the file system owns. */
static const struct mount *describe(const struct request *r, const struct memory_options *o)
{
    size_t source = strlen(r->source_z) + 1, type = strlen(r->type_z) + 1,
           super = strlen(o->text_z) + 1;
    struct mount *m = calloc(1, sizeof(*m) + source + type + super);
    if (m == NULL)
        return NULL;
    char *text = (char *)(m + 1);
    m->kind = MOUNT_TMPFS;
    m->size_kib = o->size_kib;
    m->source_z = memcpy(text, r->source_z, source);
    m->type_z = memcpy(text + source, r->type_z, type);
    m->super_z = memcpy(text + source + type, o->text_z, super);
    return m;
}

static int make_memory(const struct request *r, struct fs **out)
{
    struct vfs *vfs = r->t->fs->vfs;
    struct memory_options o;
    int error = parse_options(r->data_z, vfs->hardware->mem_total, &o);
    if (error != 0)
        return error;
    struct fs *fs = overlay_new(vfs, NULL, 0);
    if (fs == NULL)
        return -ENOMEM;
    fs->mount = describe(r, &o);
    fs->owns_mount = true;
    fs->remounted = true; /* its options are its flags */
    fs->dev = FS_DEV(0, ANONYMOUS_FIRST + vfs->mount_ids);
    const struct fs_attr attr = {
        .what = FS_ATTR_MODE | FS_ATTR_OWNER, .mode = o.mode, .uid = o.uid, .gid = o.gid};
    error = fs->mount != NULL ? fs->ops->set_attr(fs, fs->root, &attr) : -ENOMEM;
    if (error == 0)
        *out = fs;
    else
        mount_free(fs);
    return error;
}

/* A file system of which the machine has one: another mount of it. */
static int show_again(const struct request *r, struct fs **out)
{
    for (struct fs *fs = r->t->fs->vfs->mounts; fs != NULL; fs = fs->next) {
        if (fs->mount == NULL || strcmp(fs->mount->type_z, r->type_z) != 0 ||
            (fs->super != fs && (fs->flags & FS_LISTED) == 0))
            continue;
        *out = mount_view(fs, fs->root);
        if (*out != NULL)
            (*out)->remounted = true;
        return *out != NULL ? 0 : -ENOMEM;
    }
    return -ENODEV;
}

/* A disk: the machine's own is mounted, and there is no other. */
static int make_disk(const struct request *r, struct fs **out)
{
    (void)out;
    struct vfs_at at = sys_at(r->t, NULL);
    struct file_stat st;
    int error = vfs_stat(&at, span_z(r->source_z), true, &st);
    if (error != 0)
        return error;
    return S_ISBLK(st.mode) ? -EBUSY : -ENOTBLK;
}

static const struct {
    const char *type_z;
    int (*make)(const struct request *r, struct fs **out);
} types[] = {
    {"tmpfs", make_memory},   {"ramfs", make_memory},      {"proc", show_again},
    {"sysfs", show_again},    {"devtmpfs", show_again},    {"devpts", show_again},
    {"mqueue", show_again},   {"cgroup2", show_again},     {"securityfs", show_again},
    {"debugfs", show_again},  {"tracefs", show_again},     {"bpf", show_again},
    {"configfs", show_again}, {"pstore", show_again},      {"hugetlbfs", show_again},
    {"fusectl", show_again},  {"binfmt_misc", show_again}, {"ext4", make_disk},
    {"ext3", make_disk},      {"ext2", make_disk},
};

static int attach(const struct request *r, struct fs *fs)
{
    struct vfs *vfs = r->t->fs->vfs;
    bool shared = r->on.fs->peers != 0;
    int error = mount_attach(fs, r->on, r->t->fs->space, UINT32_MAX);
    if (error != 0)
        mount_free(fs);
    else
        fs->peers = shared ? PEERS_FIRST + vfs->mount_ids : 0;
    return error;
}

static int64_t new_mount(const struct request *r)
{
    struct fs *fs = NULL;
    struct file_stat st;
    int error = *r->type_z == '\0' ? -EINVAL : -ENODEV;
    for (size_t i = 0; i < ARRAY_LEN(types) && error == -ENODEV; i++)
        if (strcmp(types[i].type_z, r->type_z) == 0) {
            error = types[i].make(r, &fs);
            break;
        }
    if (error != 0)
        return error;
    fs->flags = (fs->flags & ~(unsigned)OWN_FLAGS) | own_flags(r->flags);
    error = fs->ops->stat(fs, fs->root, &st);
    if (error == 0 && !r->on_directory)
        error = -ENOTDIR;
    if (error != 0) {
        mount_free(fs);
        return error;
    }
    return attach(r, fs);
}

/* ---- Bind, move, change ---- */

/* True when an inode is `top` or below it. Of a file's place nothing is known: it counts when all
 * does. */
static bool is_inode_below(struct fs *fs, uint64_t ino, uint64_t top)
{
    struct file_stat st;
    uint64_t parent = ino;
    if (top == fs->root || fs->ops->stat(fs, ino, &st) != 0 || !S_ISDIR(st.mode))
        return top == fs->root;
    do {
        ino = parent;
        if (ino == top)
            return true;
    } while (fs->ops->parent(fs, ino, &parent) == 0 && parent != ino);
    return false;
}

/* The mounts below the inode `top` of `from`, again on `to`, which shows that. */
static int bind_below(const struct request *r, struct fs *from, uint64_t top, struct fs *to)
{
    for (struct fs *fs = from->vfs->mounts; fs != NULL; fs = fs->next)
        fs->twin = fs == from ? to : NULL;
    for (struct fs *fs = from->vfs->mounts; fs != NULL; fs = fs->next) {
        struct fs *above = fs->covered.fs;
        if (above == NULL || above->twin == NULL || fs->detached || fs == to ||
            fs->space != from->space || mount_is_below(fs, to) ||
            (above == from && !is_inode_below(from, fs->covered.ino, top)))
            continue;
        fs->twin = mount_view(fs, fs->root);
        if (fs->twin == NULL)
            return -ENOMEM;
        const struct request below = {.t = r->t, .on = {.fs = above->twin, .ino = fs->covered.ino}};
        int error = attach(&below, fs->twin);
        if (error != 0)
            return error;
    }
    return 0;
}

/* What is bound or moved. 0: to be given to walk_done. */
static int find_source(const struct request *r, struct walk_found *old)
{
    struct vfs_at at = sys_at(r->t, NULL);
    if (*r->source_z == '\0')
        return -EINVAL;
    return walk(&at, span_z(r->source_z), WALK_FOLLOW, old);
}

static int64_t bind(const struct request *r)
{
    struct walk_found old;
    int error = find_source(r, &old);
    if (error != 0)
        return error;
    struct fs *fs = NULL;
    if (old.node.fs == NULL || old.node.fs->space != r->t->fs->space || r->on.fs == NULL)
        error = -EINVAL;
    else if (S_ISDIR(old.stat.mode) != r->on_directory)
        error = -ENOTDIR;
    else if ((fs = mount_view(old.node.fs, old.node.ino)) == NULL)
        error = -ENOMEM;
    if (error == 0)
        error = attach(r, fs);
    if (error == 0 && (r->flags & MS_REC) != 0)
        error = bind_below(r, old.node.fs, old.node.ino, fs);
    walk_done(&old);
    return error;
}

static int64_t move(const struct request *r)
{
    struct walk_found old;
    int error = find_source(r, &old);
    if (error != 0)
        return error;
    struct fs *fs = old.node.fs;
    if (!is_mount_root(old.node) || fs->covered.fs == NULL || fs->space != r->t->fs->space ||
        fs->covered.fs->peers != 0)
        error = -EINVAL;
    else if (S_ISDIR(old.stat.mode) != r->on_directory)
        error = -EINVAL;
    else if (mount_is_below(r->on.fs, fs))
        error = -ELOOP;
    if (error == 0)
        error = mount_move(fs, r->on);
    walk_done(&old);
    return error;
}

static int64_t set_propagation(const struct request *r)
{
    uint64_t type = r->flags & ~(uint64_t)(MS_REC | MS_SILENT);
    if ((type & (type - 1)) != 0 || (type & PROPAGATION) == 0 || !is_mount_root(r->on))
        return -EINVAL;
    for (struct fs *fs = r->t->fs->vfs->mounts; fs != NULL; fs = fs->next) {
        bool below = (r->flags & MS_REC) != 0 && fs->space == r->on.fs->space && !fs->detached &&
                     mount_is_below(fs, r->on.fs);
        if (fs != r->on.fs && !below)
            continue;
        if (type != MS_SHARED)
            fs->peers = 0;
        else if (fs->peers == 0)
            fs->peers = PEERS_FIRST + fs->id;
    }
    return 0;
}

/* The disk cannot become read-only: there are always files that are written. */
static int64_t remount(const struct request *r)
{
    struct fs *fs = r->on.fs;
    unsigned flags = own_flags(r->flags);
    const unsigned atime = FS_NOATIME | FS_NODIRATIME | FS_STRICTATIME;
    if (!is_mount_root(r->on))
        return -EINVAL;
    if ((flags & FS_READ_ONLY) != 0 && (r->flags & MS_BIND) == 0 &&
        (fs->super->flags & FS_DISK) != 0)
        return -EBUSY;
    if ((flags & atime) == 0 && (r->flags & MS_RELATIME) == 0)
        flags |= fs->flags & atime;
    fs->flags = (fs->flags & ~(unsigned)OWN_FLAGS) | flags;
    fs->remounted = true;
    if ((r->flags & MS_BIND) == 0)
        fs->super->flags = (fs->super->flags & ~(unsigned)FS_READ_ONLY) | (flags & FS_READ_ONLY);
    fs->vfs->mounts_changed = true;
    return 0;
}

static int64_t change_mounts(const struct request *r)
{
    if (!creds_capable(&r->t->creds, CAP_SYS_ADMIN))
        return -EPERM;
    /* Nothing is mounted on what is in another namespace's tree, or in none: an open directory leads
     * there. */
    if ((r->flags & MOUNT_NOUSER) != 0 || r->on.fs == NULL || r->on.fs->detached ||
        r->on.fs->space != r->t->fs->space)
        return -EINVAL;
    if ((r->flags & MS_REMOUNT) != 0)
        return remount(r);
    if ((r->flags & MS_BIND) != 0)
        return bind(r);
    if ((r->flags & PROPAGATION) != 0)
        return set_propagation(r);
    if ((r->flags & MS_MOVE) != 0)
        return move(r);
    return new_mount(r);
}

/* A text that may be left out: "" then. */
static int read_text(struct task *t, uint64_t addr, char *out_z, size_t size)
{
    out_z[0] = '\0';
    if (addr == 0)
        return 0;
    int64_t len = task_read_z(t, addr, out_z, size);
    return len == -ENAMETOOLONG ? -EINVAL : len < 0 ? (int)len : 0;
}

/* The data is a page, not a string: what of it can be read. */
static void read_data(struct task *t, uint64_t addr, char out_z[TEXT_MAX])
{
    memset(out_z, 0, TEXT_MAX);
    if (addr != 0 && task_read_z(t, addr, out_z, TEXT_MAX - 1) < 0)
        out_z[0] = '\0';
}

int64_t sys_mount(struct task *t, const uint64_t arg[6])
{
    char source_z[TEXT_MAX], type_z[TEXT_MAX], data_z[TEXT_MAX];
    struct walk_found found;
    int error = read_text(t, arg[2], type_z, sizeof(type_z));
    if (error == 0)
        error = read_text(t, arg[0], source_z, sizeof(source_z));
    if (error != 0)
        return error;
    read_data(t, arg[4], data_z);
    error = sys_walk(t, (uint64_t)AT_FDCWD, arg[1], true, false, &found);
    if (error != 0)
        return error;
    const struct request r = {
        .t = t,
        .source_z = source_z,
        .type_z = type_z,
        .data_z = data_z,
        .flags = (arg[3] & MOUNT_MAGIC_MASK) == MOUNT_MAGIC ? arg[3] & ~MOUNT_MAGIC_MASK : arg[3],
        .on = found.node,
        .on_directory = S_ISDIR(found.stat.mode)};
    int64_t result = change_mounts(&r);
    walk_done(&found);
    mount_reap(t->fs->vfs);
    return result;
}

/* ---- umount ---- */

static int64_t unmount(struct task *t, struct vnode node, uint64_t flags)
{
    struct fs *fs = node.fs;
    if (!creds_capable(&t->creds, CAP_SYS_ADMIN))
        return -EPERM;
    if (!is_mount_root(node) || fs->space != t->fs->space)
        return -EINVAL;
    if ((flags & UMOUNT_EXPIRE) != 0 && (flags & (UMOUNT_FORCE | UMOUNT_DETACH)) != 0)
        return -EINVAL;
    if (fs->covered.fs == NULL) /* "/" */
        return (flags & UMOUNT_DETACH) != 0 ? -EINVAL : -EBUSY;
    if ((flags & UMOUNT_DETACH) == 0 && (fs->covers > 0 || fs->users > 0))
        return -EBUSY;
    if ((flags & UMOUNT_EXPIRE) != 0 && !fs->expired) {
        fs->expired = true;
        return -EAGAIN;
    }
    mount_detach(fs);
    return 0;
}

int64_t sys_umount2(struct task *t, const uint64_t arg[6])
{
    struct walk_found found;
    uint64_t flags = (uint32_t)arg[1];
    if ((flags & ~(uint64_t)UMOUNT_ALL) != 0)
        return -EINVAL;
    int error = sys_walk(t, (uint64_t)AT_FDCWD, arg[0], (flags & 8) == 0, false, &found);
    if (error != 0)
        return error;
    int64_t result = found.node.fs != NULL ? unmount(t, found.node, flags) : -EINVAL;
    walk_done(&found);
    mount_reap(t->fs->vfs);
    return result;
}

/* ---- Namespaces ---- */

int mounts_unshare(struct task *t)
{
    struct vfs *vfs = t->fs->vfs;
    struct fs_context *own = fs_context_clone(t->fs);
    if (own == NULL)
        return -ENOMEM;
    struct mount_space *space = mount_space_copy(vfs, own->space, namespace_number(t->kernel));
    int error = space != NULL ? 0 : vfs->mount_count >= VFS_MOUNTS_MAX ? -ENOSPC : -ENOMEM;
    struct vnode root = own->root, cwd = own->cwd;
    if (error == 0) {
        root.fs = root.fs->twin != NULL ? root.fs->twin : root.fs;
        cwd.fs = cwd.fs->twin != NULL ? cwd.fs->twin : cwd.fs;
        error = fs_context_set(&own->root, root);
    }
    if (error == 0)
        error = fs_context_set(&own->cwd, cwd);
    if (error == 0) {
        struct mount_space *old = own->space;
        own->space = space;
        fs_context_drop(t->fs);
        t->fs = own;
        space = old;
        own = NULL;
    }
    mount_space_drop(vfs, space);
    fs_context_drop(own);
    return error;
}

int64_t mounts_enter(struct task *t, struct mount_space *space)
{
    const struct vnode top = {.fs = mount_space_top(t->fs->vfs, space)};
    if (!creds_capable(&t->creds, CAP_SYS_CHROOT))
        return -EPERM;
    if (t->fs->holders > 1)
        return -EINVAL;
    if (top.fs == NULL)
        return -EINVAL;
    const struct vnode root = {.fs = top.fs, .ino = top.fs->root};
    int error = fs_context_set(&t->fs->root, root);
    if (error == 0)
        error = fs_context_set(&t->fs->cwd, root);
    if (error != 0)
        return error;
    struct mount_space *old = t->fs->space;
    t->fs->space = mount_space_hold(space);
    mount_space_drop(t->fs->vfs, old);
    return 0;
}

static int unshare_files(struct task *t)
{
    struct fd_table *own = fd_table_is_shared(t->files) ? fd_table_clone(t->files) : t->files;
    if (own == NULL)
        return -ENOMEM;
    if (own != t->files)
        fd_table_drop(t->files);
    t->files = own;
    return 0;
}

static int unshare_context(struct task *t)
{
    if (t->fs->holders == 1)
        return 0;
    struct fs_context *own = fs_context_clone(t->fs);
    if (own == NULL)
        return -ENOMEM;
    fs_context_drop(t->fs);
    t->fs = own;
    return 0;
}

#define MISSING_NAMESPACES                                           \
    (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP | \
     UINT64_C(0x80) /* CLONE_NEWTIME */)
#define OTHER_NAMESPACES (MISSING_NAMESPACES | CLONE_NEWUTS | CLONE_NEWIPC)

int namespaces_check(const struct task *t, uint64_t flags)
{
    const uint64_t all = OTHER_NAMESPACES | CLONE_NEWNS;
    if ((flags & all) == 0)
        return 0;
    if ((flags & all) != CLONE_NEWUSER && (flags & CLONE_NEWUSER) == 0 &&
        !creds_capable(&t->creds, CAP_SYS_ADMIN))
        return -EPERM;
    return (flags & MISSING_NAMESPACES) != 0 ? -ENOSPC : 0;
}

int64_t sys_unshare(struct task *t, const uint64_t arg[6])
{
    uint64_t flags = arg[0];
    const uint64_t threads = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
    if ((flags &
         ~(OTHER_NAMESPACES | CLONE_NEWNS | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | threads)) != 0)
        return -EINVAL;
    if ((flags & (threads | CLONE_NEWUSER)) != 0 && t->process->threads > 1)
        return -EINVAL;
    int error = namespaces_check(t, flags);
    if (error == 0 && (flags & CLONE_FILES) != 0)
        error = unshare_files(t);
    if (error == 0 && (flags & CLONE_FS) != 0)
        error = unshare_context(t);
    if (error == 0 && (flags & CLONE_NEWNS) != 0)
        error = mounts_unshare(t);
    return error != 0 ? error : namespace_unshare(t, flags);
}

int64_t sys_setns(struct task *t, const uint64_t arg[6])
{
    struct file *f = fd_table_find(t->files, (int32_t)arg[0]);
    return f != NULL ? namespace_enter(t, f, (uint32_t)arg[1]) : -EBADF;
}
