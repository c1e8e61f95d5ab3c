/* /proc/PID/mounts and mountinfo: what the process's namespace has mounted, below its root. */
#include "kernel/mount.h"
#include "kernel/procfs.h"
#include "kernel/task.h"

#include <string.h>

/* Blanks and their kin in octal, as the table's readers expect. */
static int put_escaped(struct buffer *out, struct span text)
{
    int error = 0;
    for (size_t i = 0; i < text.len && error == 0; i++) {
        uint8_t c = text.data[i];
        bool plain = c != ' ' && c != '\t' && c != '\n' && c != '\\' && c != '#';
        error = plain ? buffer_put_u8(out, c) : buffer_printf(out, "\\%03o", c);
    }
    return error;
}

static struct fs_context *context_of(const struct proc_call *c)
{
    return c->p->task != NULL ? c->p->task->fs : NULL;
}

/* Where it is, seen from the process's root; false when it cannot be seen from there. */
static bool path_of(const struct proc_call *c, const struct fs *fs, char *path, struct span *out)
{
    const struct fs_context *of = context_of(c);
    struct vnode root = {.fs = c->vfs->top, .ino = c->vfs->top->root};
    if (of != NULL)
        root = of->root;
    int64_t len = vfs_path_of(c->vfs, root, (struct vnode){.fs = (struct fs *)fs, .ino = fs->root},
                              path, VFS_PATH_MAX);
    *out = span_of(path, len > 0 ? (size_t)len : 0);
    return len > 0;
}

static bool is_shown(const struct proc_call *c, const struct fs *fs)
{
    const struct fs_context *of = context_of(c);
    return !fs->detached && fs->space == (of != NULL ? of->space : c->vfs->space);
}

/* The path of its root within its file system. */
static int put_root(const struct proc_call *c, struct fs *fs)
{
    char path[VFS_PATH_MAX];
    struct fs *super = fs->super;
    struct vnode top = {.fs = super, .ino = super->root};
    int64_t len = 0;
    if ((fs->flags & FS_LISTED) == 0 && fs->root != super->root)
        len = vfs_path_of(c->vfs, top, (struct vnode){.fs = super, .ino = fs->root}, path,
                          sizeof(path));
    return len > 0 ? put_escaped(c->out, span_of(path, (size_t)len)) : buffer_put_u8(c->out, '/');
}

/* The file system's own options; what follows "rw" or "ro" alone when `all` is false. */
static int put_super(const struct proc_call *c, const struct fs *fs, bool all)
{
    const struct fs *super = fs->super;
    int error = 0;
    if (all)
        error = buffer_put_z(c->out, (super->flags & FS_READ_ONLY) != 0 ? "ro" : "rw");
    const struct mount *m = fs->mount;
    return error != 0 ? error : mount_put_super(m, m->super_z + 2, c->vfs->hardware, c->out);
}

static int put_mount(const struct proc_call *c, struct fs *fs, struct span path)
{
    int error = put_escaped(c->out, span_z(fs->mount->source_z));
    if (error == 0)
        error = buffer_put_u8(c->out, ' ');
    if (error == 0)
        error = put_escaped(c->out, path);
    if (error == 0)
        error = buffer_printf(c->out, " %s ", fs->mount->type_z);
    if (error == 0)
        error = mount_put_options(fs, c->out);
    if (error == 0)
        error = put_super(c, fs, false);
    return error != 0 ? error : buffer_put_z(c->out, " 0 0\n");
}

static int put_info(const struct proc_call *c, struct fs *fs, struct span path)
{
    uint32_t parent = fs->covered.fs != NULL ? fs->covered.fs->id : 1;
    int error =
        buffer_printf(c->out, "%u %u %u:%u ", fs->id, parent, FS_MAJOR(fs->dev), FS_MINOR(fs->dev));
    if (error == 0)
        error = put_root(c, fs);
    if (error == 0)
        error = buffer_put_u8(c->out, ' ');
    if (error == 0)
        error = put_escaped(c->out, path);
    if (error == 0)
        error = buffer_put_u8(c->out, ' ');
    if (error == 0)
        error = mount_put_options(fs, c->out);
    if (error == 0 && fs->peers != 0)
        error = buffer_printf(c->out, " shared:%u", fs->peers);
    if (error == 0)
        error = buffer_printf(c->out, " - %s ", fs->mount->type_z);
    if (error == 0)
        error = put_escaped(c->out, span_z(fs->mount->source_z));
    if (error == 0)
        error = buffer_put_u8(c->out, ' ');
    if (error == 0)
        error = put_super(c, fs, true);
    return error != 0 ? error : buffer_put_z(c->out, "\n");
}

typedef int (*put_line_fn)(const struct proc_call *c, struct fs *fs, struct span path);

static int put_all(const struct proc_call *c, put_line_fn put_line)
{
    char text[VFS_PATH_MAX];
    struct span path;
    int error = 0;
    for (struct fs *fs = c->vfs->mounts; fs != NULL && error == 0; fs = fs->next)
        if (is_shown(c, fs) && path_of(c, fs, text, &path))
            error = put_line(c, fs, path);
    return error;
}

int proc_pid_mounts(const struct proc_call *c)
{
    return put_all(c, put_mount);
}

int proc_pid_mountinfo(const struct proc_call *c)
{
    return put_all(c, put_info);
}
