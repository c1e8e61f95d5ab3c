/* The file side of a kernel: vfs_new with the kernel's limits, clock, randomness and events. */
#include "kernel/events.h"
#include "kernel/fs.h"
#include "kernel/hardware.h"
#include "kernel/machine.h"
#include "kernel/program.h"
#include "kernel/task.h"
#include "kernel/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static int64_t hook_now(void *ctx)
{
    return kernel_realtime_ns(ctx);
}

static void hook_wake(void *ctx, const void *key)
{
    kernel_wake(ctx, key);
}

static void hook_random(void *ctx, void *out, size_t len)
{
    struct kernel *k = ctx;
    crypto_rng_bytes(&k->rng, out, len);
}

static void hook_signal_group(void *ctx, int32_t group, int signo)
{
    signal_raise_group(ctx, group, signo);
}

static void hook_session_lost(void *ctx, int32_t sid)
{
    struct kernel *k = ctx;
    for (struct process *p = k->processes; p != NULL; p = p->next)
        if (p->session != NULL && p->session->sid == sid)
            p->session->tty = NULL;
}

/* Its contents are pulled later: until then no guest runs that could change them. */
static void tell_later(struct kernel *k, struct file *f)
{
    f->next_told = NULL;
    if (k->told_last != NULL)
        k->told_last->next_told = file_hold(f);
    else
        k->told_first = file_hold(f);
    k->told_last = f;
}

/* A closed file's contents as they are, though it was not opened for reading. */
static int64_t read_written(struct file *f, void *out, size_t len, int64_t at)
{
    uint32_t flags = f->flags;
    f->flags = O_RDONLY;
    int64_t n = file_pread(f, NULL, out, len, at);
    f->flags = flags;
    return n;
}

static void hook_written(void *ctx, struct file *f)
{
    struct kernel *k = ctx;
    char path[VFS_PATH_MAX + 16];
    uint8_t bytes[KERNEL_FILE_BYTES];
    struct file_stat st = {0};
    const struct process *p = process_find(k, f->writer_pid);
    int64_t len = file_path(f, path, sizeof(path));
    if (len < 0 || f->writer_pid == 0 || file_stat(f, &st) != 0)
        return;
    struct kernel_event event = {
        .type = KERNEL_FILE,
        .program = p != NULL ? p->program : -1,
        .pid = f->writer_pid,
        .ppid = p != NULL ? process_ppid(p) : 0,
        .uid = f->writer_uid,
        .text = span_of(path, (size_t)len),
        .exe = span_z(p != NULL && p->exe_z != NULL ? p->exe_z : ""),
        .number = st.size,
        .redirected = f->redirected,
    };
    bool whole = st.size <= KERNEL_FILE_BYTES;
    int64_t n = whole ? read_written(f, bytes, sizeof(bytes), 0) : 0;
    event.data = span_of(bytes, n > 0 ? (size_t)n : 0);
    if (kernel_emit(k, NULL, &event) && !whole)
        tell_later(k, f);
}

int64_t kernel_file_read(struct kernel *k, uint64_t at, void *out, size_t len)
{
    if (!k->telling)
        return -EBADF;
    return at <= INT64_MAX ? read_written(k->told_first, out, len, (int64_t)at) : 0;
}

static int read_regular(struct file *f, struct buffer *out)
{
    uint8_t piece[4096];
    struct file_stat st = {0};
    int64_t n = file_stat(f, &st);
    if (n == 0 && (!S_ISREG(st.mode) || st.size < 0))
        return -EINVAL;
    for (int64_t at = 0; n >= 0; at += n) {
        n = file_pread(f, NULL, piece, sizeof(piece), at);
        if (n == 0)
            return 0;
        if (n > 0 && (uint64_t)n > buffer_room(out))
            return -EFBIG;
        if (n > 0 && buffer_put(out, span_of(piece, (size_t)n)) < 0)
            return -ENOMEM;
    }
    return (int)n;
}

int kernel_read_file(struct kernel *k, const char *path_z, struct buffer *out)
{
    struct creds root = {.cap_effective = UINT64_MAX};
    struct vfs_at at = {.fs = fs_context_new(k->vfs), .cred = &root};
    struct file_stat st = {0};
    struct file *f = NULL;
    size_t before = buffer_len(out);
    int err = at.fs != NULL ? vfs_stat(&at, span_z(path_z), true, &st) : -ENOMEM;
    if (err == 0 && !S_ISREG(st.mode)) /* opening something else may wait, or do something */
        err = -EINVAL;
    if (err == 0)
        err = vfs_open(&at, span_z(path_z), O_RDONLY, 0, &f);
    if (err == 0)
        err = read_regular(f, out);
    if (err < 0)
        buffer_truncate(out, before);
    file_drop(f);
    if (at.fs != NULL)
        fs_context_drop(at.fs);
    return err;
}

int kernel_write_file(struct kernel *k, const struct kernel_spawn *user, const char *path_z,
                      struct span bytes)
{
    enum { OWNER_ONLY = 0600 };
    struct creds creds = {.uid = 0};
    program_creds(user, &creds);
    struct vfs_at at = {.fs = fs_context_new(k->vfs), .cred = &creds};
    struct file *f = NULL;
    int64_t n = at.fs != NULL ? 0 : -ENOMEM;
    if (n == 0)
        (void)vfs_unlink(&at, span_z(path_z)); /* what it was may wait, or lead elsewhere */
    if (n == 0)
        n = vfs_open(&at, span_z(path_z), O_WRONLY | O_CREAT | O_EXCL, OWNER_ONLY, &f);
    if (n == 0)
        n = file_pwrite(f, NULL, bytes.data, bytes.len, 0);
    file_drop(f);
    if (at.fs != NULL)
        fs_context_drop(at.fs);
    return n < 0 ? (int)n : 0;
}

int kernel_file_owner(struct kernel *k, const char *path_z, struct kernel_owner *out)
{
    enum { PERMISSIONS = 07777 };
    const struct creds root = {.cap_effective = UINT64_MAX};
    struct vfs_at at = {.fs = fs_context_new(k->vfs), .cred = &root};
    struct file_stat st = {0};
    int err = at.fs != NULL ? vfs_stat(&at, span_z(path_z), true, &st) : -ENOMEM;
    *out = (struct kernel_owner){.uid = st.uid, .gid = st.gid, .mode = st.mode & PERMISSIONS};
    if (at.fs != NULL)
        fs_context_drop(at.fs);
    return err;
}

static void told(struct kernel *k)
{
    struct file *f = k->told_first;
    k->telling = false;
    k->told_first = f->next_told;
    if (k->told_first == NULL)
        k->told_last = NULL;
    file_drop(f);
}

int kernel_next(struct kernel *k, struct kernel_event *event)
{
    if (k->telling)
        told(k);
    int there = events_next(k->events, event);
    k->telling = there == 1 && event->type == KERNEL_FILE && event->number > KERNEL_FILE_BYTES;
    return there;
}

void kernel_forget_told(struct kernel *k)
{
    while (k->told_first != NULL)
        told(k);
}

static void hook_limit(void *ctx, const char *name_z)
{
    kernel_emit_limit(ctx, NULL, name_z);
}

static void hook_watched(void *ctx, struct task *t, struct file *f)
{
    char path[VFS_PATH_MAX + 16];
    int64_t len = file_path(f, path, sizeof(path));
    const struct kernel_event event = {.type = KERNEL_WATCHED,
                                       .text = span_of(path, len > 0 ? (size_t)len : 0)};
    kernel_emit(ctx, t, &event);
}

static void hook_deleted(void *ctx, struct task *t, struct span path)
{
    const struct kernel_event event = {.type = KERNEL_DELETE, .text = path};
    kernel_emit(ctx, t, &event);
}

int vfs_boot(struct kernel *k)
{
    const struct vfs_config config = {
        .image = k->image,
        .hardware = &k->hardware,
        .kernel = k,
        .overlay_bytes = k->limits.overlay_bytes,
        .overlay_nodes = k->limits.overlay_nodes,
        .files = k->limits.files,
        .boot_ns = k->boot_ns,
        .hooks = {.ctx = k,
                  .now_ns = hook_now,
                  .wake = hook_wake,
                  .random = hook_random,
                  .signal_group = hook_signal_group,
                  .session_lost = hook_session_lost,
                  .on_written = hook_written,
                  .on_limit = hook_limit,
                  .on_watched = hook_watched,
                  .on_deleted = hook_deleted},
        .watched = k->watched,
        .watched_count = k->watched_count,
    };
    k->vfs = vfs_new(&config);
    return k->vfs != NULL ? 0 : -ENOMEM;
}
