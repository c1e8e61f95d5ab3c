/* /proc as a file system: its tree. */
#include "kernel/procfs.h"

#include "kernel/capability.h"
#include "kernel/fdtable.h"
#include "kernel/machine.h"
#include "kernel/mm.h"
#include "kernel/namespace.h"

#include "persona/image.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The two tables of procfs.def. Index 0 of each is its own top directory. */
static const struct proc_entry machine_entries[] = {
    {"", PROC_KIND_DIR, 0555, NULL},
    {"self", PROC_KIND_LINK, 0777, NULL},
    {"thread-self", PROC_KIND_LINK, 0777, NULL},
    {"mounts", PROC_KIND_LINK, 0777, NULL},
    {"net", PROC_KIND_LINK, 0777, NULL},
#define PROC(path, mode, fn) {path, PROC_KIND_TEXT, mode, proc_##fn},
#define PROC_DIR(path)       {path, PROC_KIND_DIR, 0555, NULL},
#define PROC_PID(path, mode, fn)
#define PROC_PID_DIR(path)
#define PROC_LINK(path)
#include "kernel/procfs.def"
#undef PROC
#undef PROC_DIR
#undef PROC_PID
#undef PROC_PID_DIR
#undef PROC_LINK
};

static const struct proc_entry process_entries[] = {
    {"", PROC_KIND_DIR, 0555, NULL},
#define PROC(path, mode, fn)
#define PROC_DIR(path)
#define PROC_PID(path, mode, fn) {path, PROC_KIND_TEXT, mode, proc_##fn},
#define PROC_PID_DIR(path)       {path, PROC_KIND_DIR, 0555, NULL},
#define PROC_LINK(path)          {path, PROC_KIND_LINK, 0777, NULL},
#include "kernel/procfs.def"
#undef PROC
#undef PROC_DIR
#undef PROC_PID
#undef PROC_PID_DIR
#undef PROC_LINK
};

static const uint64_t IMAGE_BIT = UINT64_C(1) << 62;

uint64_t proc_ino_of(struct proc_place p)
{
    if (p.image_ino != 0)
        return IMAGE_BIT | p.image_ino;
    return 1 + (((uint64_t)(uint32_t)p.pid << 32) | ((uint64_t)p.entry << 24) | p.number);
}

struct proc_place proc_place_of(uint64_t ino)
{
    if ((ino & IMAGE_BIT) != 0)
        return (struct proc_place){.image_ino = (uint32_t)ino};
    ino--;
    return (struct proc_place){.pid = (int32_t)(ino >> 32),
                               .entry = (size_t)(ino >> 24 & 0xff),
                               .number = (uint32_t)ino & 0xffffff};
}

const struct proc_entry *proc_entry_of(struct proc_place p)
{
    if (p.pid == 0)
        return p.entry < ARRAY_LEN(machine_entries) ? &machine_entries[p.entry] : NULL;
    return p.entry < ARRAY_LEN(process_entries) ? &process_entries[p.entry] : NULL;
}

bool proc_is_named(const struct proc_entry *e, const char *name_z)
{
    return e != NULL && span_equal_z(span_z(name_z), e->path_z);
}

/* ---- Looking up ---- */

static bool number_of(struct span name, int32_t *out)
{
    int32_t n = 0;
    if (name.len == 0 || name.len > 8 || name.data[0] == '0')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < '0' || name.data[i] > '9')
            return false;
        n = n * 10 + (name.data[i] - '0');
    }
    *out = n;
    return true;
}

bool proc_is_below(const char *dir_z, const char *path_z, struct span *name)
{
    struct span dir = span_z(dir_z), path = span_z(path_z);
    size_t from = dir.len > 0 ? dir.len + 1 : 0;
    if (path.len <= from || !span_starts_with(path, dir) || (dir.len > 0 && path_z[dir.len] != '/'))
        return false;
    *name = span_slice(path, from, path.len);
    return span_find(*name, '/', 0) < 0;
}

const struct proc_entry *proc_table_of(int32_t pid, size_t *count)
{
    *count = pid == 0 ? ARRAY_LEN(machine_entries) : ARRAY_LEN(process_entries);
    return pid == 0 ? machine_entries : process_entries;
}

int proc_find_in_table(struct proc_place dir, const struct proc_entry *e, struct span name,
                       uint64_t *ino)
{
    size_t count = 0;
    const struct proc_entry *table = proc_table_of(dir.pid, &count);
    for (size_t i = 1; i < count; i++) {
        struct span below;
        if (proc_is_below(e->path_z, table[i].path_z, &below) && span_equal(below, name)) {
            *ino = proc_ino_of((struct proc_place){.pid = dir.pid, .entry = i});
            return 0;
        }
    }
    return -ENOENT;
}

uint32_t proc_image_directory(const struct procfs *p, const struct proc_entry *e)
{
    struct span path = span_z(e->path_z);
    uint32_t ino = p->image_root;
    for (size_t from = 0; ino != 0 && from < path.len;) {
        ptrdiff_t slash = span_find(path, '/', from);
        size_t to = slash >= 0 ? (size_t)slash : path.len;
        ino = persona_image_find(p->image, ino, span_slice(path, from, to));
        from = to + 1;
    }
    return ino;
}

static int find_in_image(const struct procfs *p, uint32_t dir, struct span name, uint64_t *ino)
{
    uint32_t found = dir != 0 ? persona_image_find(p->image, dir, name) : 0;
    *ino = proc_ino_of((struct proc_place){.image_ino = found});
    return found != 0 ? 0 : -ENOENT;
}

struct file *proc_open_of(const struct proc_view *view, int32_t fd)
{
    bool has = view->task != NULL && view->task->files != NULL;
    return has ? fd_table_find(view->task->files, fd) : NULL;
}

/* Numbers: processes at the top, descriptors and threads in their directories. */
static int find_number(struct fs *fs, struct proc_place dir, const struct proc_entry *e, int32_t n,
                       uint64_t *ino)
{
    struct proc_view view;
    struct proc_place found = {.pid = n};
    if (dir.pid == 0) {
        *ino = proc_ino_of(found);
        return dir.entry == 0 && proc_view_find(fs->vfs, n, &view) ? 0 : -ENOENT;
    }
    if (!proc_view_find(fs->vfs, dir.pid, &view))
        return -ENOENT;
    if (proc_is_named(e, "task")) {
        *ino = proc_ino_of(found);
        return n == dir.pid ? 0 : -ENOENT;
    }
    if ((!proc_is_named(e, "fd") && !proc_is_named(e, "fdinfo")) ||
        (proc_open_of(&view, n) == NULL && proc_service_next(fs->vfs, &view, n) != n))
        return -ENOENT;
    *ino = proc_ino_of(
        (struct proc_place){.pid = dir.pid, .entry = dir.entry, .number = (uint32_t)n + 1});
    return 0;
}

static int procfs_find(struct fs *fs, struct task *t, uint64_t dir_ino, struct span name,
                       uint64_t *ino)
{
    (void)t;
    const struct procfs *p = (const struct procfs *)fs->super;
    struct proc_place dir = proc_place_of(dir_ino);
    int32_t n = 0;
    if (dir.image_ino != 0)
        return find_in_image(p, dir.image_ino, name, ino);
    const struct proc_entry *e = proc_entry_of(dir);
    if (e == NULL)
        return -ENOENT;
    if (span_equal_z(name, "0") && (proc_is_named(e, "fd") || proc_is_named(e, "fdinfo")))
        return find_number(fs, dir, e, 0, ino);
    if (number_of(name, &n))
        return find_number(fs, dir, e, n, ino);
    if (proc_find_in_table(dir, e, name, ino) == 0)
        return 0;
    return dir.pid == 0 ? find_in_image(p, proc_image_directory(p, e), name, ino) : -ENOENT;
}

static int procfs_parent(struct fs *fs, uint64_t dir_ino, uint64_t *parent)
{
    struct proc_place dir = proc_place_of(dir_ino);
    const struct proc_entry *e = proc_entry_of(dir);
    struct persona_node node;
    const struct procfs *p = (const struct procfs *)fs->super;
    *parent = fs->root;
    if (dir.image_ino != 0) {
        if (persona_image_node(p->image, dir.image_ino, &node) && node.parent != p->image_root)
            *parent = proc_ino_of((struct proc_place){.image_ino = node.parent});
        return 0;
    }
    if (e == NULL)
        return -ENOENT;
    const char *slash = strrchr(e->path_z, '/');
    if (dir.pid != 0 && dir.entry != 0)
        *parent = proc_ino_of((struct proc_place){.pid = dir.pid});
    if (slash == NULL)
        return 0;
    size_t count = 0;
    const struct proc_entry *table = proc_table_of(dir.pid, &count);
    for (size_t i = 1; i < count; i++)
        if (span_equal_z(span_of(e->path_z, (size_t)(slash - e->path_z)), table[i].path_z))
            *parent = proc_ino_of((struct proc_place){.pid = dir.pid, .entry = i});
    return 0;
}

static int64_t image_name_of(const struct procfs *p, uint32_t ino, char *out, size_t size)
{
    struct persona_node node;
    struct span text;
    uint32_t found = 0;
    if (!persona_image_node(p->image, ino, &node))
        return -ENOENT;
    for (uint32_t i = 0; (found = persona_image_entry(p->image, node.parent, i, &text)) != 0; i++)
        if (found == ino)
            return (int64_t)span_copy_z(text, out, size);
    return -ENOENT;
}

static int64_t procfs_name_of(struct fs *fs, uint64_t dir, uint64_t ino, char *out, size_t size)
{
    (void)dir;
    struct proc_place place = proc_place_of(ino);
    if (place.image_ino != 0)
        return image_name_of((const struct procfs *)fs->super, place.image_ino, out, size);
    const struct proc_entry *e = proc_entry_of(place);
    if (e == NULL)
        return -ENOENT;
    if (place.number != 0)
        return snprintf(out, size, "%u", place.number - 1);
    if (place.pid != 0 && place.entry == 0)
        return snprintf(out, size, "%d", place.pid);
    const char *slash = strrchr(e->path_z, '/');
    return snprintf(out, size, "%s", slash != NULL ? slash + 1 : e->path_z);
}

/* ---- stat ---- */

int proc_image_stat(const struct procfs *p, uint32_t ino, struct file_stat *out)
{
    struct persona_node node;
    if (!persona_image_node(p->image, ino, &node))
        return -ENOENT;
    out->mode = node.mode;
    out->nlink = node.nlink;
    return 0;
}

/* What only the process's owner may look at. */
static bool is_private(const struct proc_entry *e, struct proc_place place)
{
    return proc_is_named(e, "fd") || proc_is_named(e, "map_files") || place.number != 0;
}

static void stat_of_process(struct proc_place place, const struct proc_entry *e,
                            const struct proc_view *view, struct file_stat *out)
{
    out->uid = view->uid;
    out->gid = view->gid;
    if (place.entry == 0)
        out->nlink = 9;
    if (e->kind == PROC_KIND_DIR && is_private(e, place))
        out->mode = S_IFDIR | 0500;
    if (place.number == 0)
        return;
    out->nlink = 1;
    const struct file *f = proc_open_of(view, (int32_t)place.number - 1);
    uint32_t access = f != NULL ? f->flags & O_ACCMODE : O_RDWR;
    out->mode =
        S_IFLNK | 0100 | (access != O_WRONLY ? 0400u : 0) | (access != O_RDONLY ? 0200u : 0);
    out->size = 64;
    if (proc_is_named(e, "fdinfo")) {
        out->mode = S_IFREG | 0444;
        out->size = 0;
    }
}

static int procfs_stat(struct fs *fs, uint64_t ino, struct file_stat *out)
{
    static const uint32_t types[] = {
        [PROC_KIND_TEXT] = S_IFREG, [PROC_KIND_DIR] = S_IFDIR, [PROC_KIND_LINK] = S_IFLNK};
    struct proc_place place = proc_place_of(ino);
    struct proc_view view;
    int64_t now = vfs_now(fs->vfs);
    *out = (struct file_stat){.dev = fs->dev, .ino = ino, .blksize = 1024};
    out->atime_ns = out->mtime_ns = out->ctime_ns = out->btime_ns = now;
    if (place.image_ino != 0)
        return proc_image_stat((const struct procfs *)fs->super, place.image_ino, out);
    const struct proc_entry *e = proc_entry_of(place);
    if (e == NULL)
        return -ENOENT;
    out->mode = types[e->kind] | e->mode;
    out->nlink = e->kind == PROC_KIND_DIR ? 2 : 1;
    if (place.pid == 0) {
        if (place.entry == 0) {
            out->nlink = 4 + proc_view_count(fs->vfs, &(unsigned){0}, &(int32_t){0});
            out->atime_ns = out->mtime_ns = out->ctime_ns = fs->vfs->boot_ns;
        }
        return 0;
    }
    if (!proc_view_find(fs->vfs, place.pid, &view))
        return -ENOENT;
    stat_of_process(place, e, &view, out);
    return 0;
}

/* ---- Links ---- */

static struct vnode top_of(const struct fs *fs)
{
    return (struct vnode){.fs = fs->vfs->top, .ino = fs->vfs->top->root};
}

static int64_t path_of_node(struct fs *fs, struct vnode node, char *out, size_t size)
{
    return vfs_path_of(fs->vfs, top_of(fs), node, out, size);
}

/* A service's program, with one holder; NULL: a kernel thread, or not there. */
static struct file *open_program(struct fs *fs, const struct proc_view *view)
{
    const struct creds root = {.cap_permitted = CAPABILITY_ALL, .cap_effective = CAPABILITY_ALL};
    const struct vfs_at at = {.fs = fs_context_new(fs->vfs), .cred = &root};
    struct span path = proc_view_program(fs->vfs, view);
    struct file *f = NULL;
    if (at.fs != NULL && path.len > 0)
        (void)vfs_open(&at, path, O_RDONLY, 0, &f);
    if (at.fs != NULL)
        fs_context_drop(at.fs);
    return f;
}

/* Its program; its directories are where everybody's top is. */
static int64_t read_service_link(struct fs *fs, const struct proc_entry *e,
                                 const struct proc_view *view, char *out, size_t size)
{
    if (view->process != NULL)
        return -ENOENT;
    if (!proc_is_named(e, "exe"))
        return path_of_node(fs, top_of(fs), out, size);
    struct file *f = open_program(fs, view);
    int64_t n = f != NULL ? file_path(f, out, size) : -ENOENT;
    file_drop(f);
    return n;
}

/* The name below ns/; NULL: another link. */
static const char *namespace_name(const struct proc_entry *e)
{
    return strncmp(e->path_z, "ns/", 3) == 0 ? e->path_z + 3 : NULL;
}

static int64_t read_process_link(struct fs *fs, const struct proc_entry *e,
                                 const struct proc_view *view, char *out, size_t size)
{
    if (namespace_name(e) != NULL)
        return namespace_text(view->task, namespace_name(e), out, size);
    if (view->task == NULL)
        return read_service_link(fs, e, view, out, size);
    if (proc_is_named(e, "exe"))
        return view->task->mm != NULL && view->task->mm->exe != NULL
                   ? file_path(view->task->mm->exe, out, size)
                   : -ENOENT;
    if (view->task->fs == NULL)
        return -ENOENT;
    return path_of_node(fs, proc_is_named(e, "cwd") ? view->task->fs->cwd : view->task->fs->root,
                        out, size);
}

static int64_t procfs_readlink(struct fs *fs, struct task *t, uint64_t ino, char *out, size_t size)
{
    struct proc_place place = proc_place_of(ino);
    struct proc_view view;
    struct persona_node node;
    if (place.image_ino != 0)
        return persona_image_node(((const struct procfs *)fs->super)->image, place.image_ino, &node)
                   ? (int64_t)span_copy_z(node.data, out, size)
                   : -ENOENT;
    const struct proc_entry *e = proc_entry_of(place);
    if (place.pid == 0) {
        if (proc_is_named(e, "mounts") || proc_is_named(e, "net"))
            return snprintf(out, size, "self/%s", e->path_z);
        if (t == NULL)
            return -ENOENT;
        return proc_is_named(e, "self")
                   ? snprintf(out, size, "%d", t->process->pid)
                   : snprintf(out, size, "%d/task/%d", t->process->pid, t->process->pid);
    }
    if (!proc_view_find(fs->vfs, place.pid, &view))
        return -ENOENT;
    if (!proc_may_see(t, &view))
        return -EACCES;
    if (place.number == 0)
        return read_process_link(fs, e, &view, out, size);
    struct file *f = proc_open_of(&view, (int32_t)place.number - 1);
    return f != NULL ? file_path(f, out, size)
                     : proc_service_link(fs->vfs, &view, (int32_t)place.number - 1, out, size);
}

bool proc_may_see(const struct task *t, const struct proc_view *view)
{
    return t == NULL || (t->creds.fsuid == view->uid) || creds_capable(&t->creds, CAP_SYS_PTRACE);
}

static int follow_service(struct fs *fs, const struct proc_entry *e, const struct proc_view *view,
                          struct file **out, struct vnode *node)
{
    if (view->process != NULL)
        return -ENOENT;
    if (!proc_is_named(e, "exe")) {
        *node = top_of(fs);
        return 0;
    }
    *out = open_program(fs, view);
    return *out != NULL ? 0 : -ENOENT;
}

static int procfs_follow(struct fs *fs, struct task *t, uint64_t ino, struct file **out,
                         struct vnode *node)
{
    struct proc_place place = proc_place_of(ino);
    struct proc_view view;
    const struct proc_entry *e = proc_entry_of(place);
    if (place.image_ino != 0 || place.pid == 0 || !proc_view_find(fs->vfs, place.pid, &view))
        return -ENOENT;
    if (!proc_may_see(t, &view))
        return -EACCES;
    if (namespace_name(e) != NULL)
        return namespace_open(fs->vfs, view.task, namespace_name(e), out);
    if (view.task == NULL && place.number != 0)
        return proc_service_open(fs->vfs, &view, (int32_t)place.number - 1, out);
    if (view.task == NULL)
        return follow_service(fs, e, &view, out, node);
    struct file *f = NULL;
    if (place.number != 0)
        f = proc_open_of(&view, (int32_t)place.number - 1);
    else if (proc_is_named(e, "exe"))
        f = view.task->mm != NULL ? view.task->mm->exe : NULL;
    else if (view.task->fs != NULL) {
        *node = proc_is_named(e, "cwd") ? view.task->fs->cwd : view.task->fs->root;
        return 0;
    }
    if (f == NULL)
        return -ENOENT;
    *out = file_hold(f);
    return 0;
}

static void procfs_usage(struct fs *fs, struct fs_usage *out)
{
    (void)fs;
    *out = (struct fs_usage){.type = 0x9fa0, .block_size = 4096};
}

static int procfs_set_attr(struct fs *fs, uint64_t ino, const struct fs_attr *attr)
{
    (void)fs, (void)ino;
    return (attr->what & (FS_ATTR_MODE | FS_ATTR_OWNER)) != 0 ? -EPERM : 0;
}

static int procfs_truncate(struct fs *fs, uint64_t ino, int64_t size)
{
    (void)fs, (void)ino, (void)size;
    return 0;
}

static void procfs_free(struct fs *fs)
{
    free(fs);
}

static const struct fs_ops procfs_ops = {
    .stat = procfs_stat,
    .find = procfs_find,
    .parent = procfs_parent,
    .name_of = procfs_name_of,
    .readdir = proc_readdir,
    .readlink = procfs_readlink,
    .follow = procfs_follow,
    .open = proc_open,
    .set_attr = procfs_set_attr,
    .truncate = procfs_truncate,
    .usage = procfs_usage,
    .free = procfs_free,
};

struct fs *procfs_new(struct vfs *vfs, const struct persona_image *image, uint32_t image_root)
{
    struct procfs *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->fs =
        (struct fs){.ops = &procfs_ops, .vfs = vfs, .root = proc_ino_of((struct proc_place){0})};
    p->fs.super = &p->fs;
    p->image = image;
    p->image_root = image != NULL ? image_root : 0;
    return &p->fs;
}
