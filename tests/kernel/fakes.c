#include "fakes.h"

#include "kernel/hardware.h"
#include "kernel/lines.h"
#include "kernel/signal.h"
#include "persona/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEAK __attribute__((weak))

/* What the file side asks of tasks, for tests that have none. */
WEAK bool creds_in_group(const struct creds *c, uint32_t gid)
{
    bool found = c->fsgid == gid;
    for (uint32_t i = 0; i < c->group_count; i++)
        found = found || c->groups[i] == gid;
    return found;
}

WEAK bool creds_capable(const struct creds *c, unsigned cap)
{
    return (c->cap_effective >> cap & 1) != 0;
}

WEAK int task_read(struct task *t, uint64_t addr, void *out, size_t len)
{
    (void)t;
    memcpy(out, (const void *)(uintptr_t)addr, len);
    return 0;
}

WEAK int task_write(struct task *t, uint64_t addr, const void *bytes, size_t len)
{
    (void)t;
    memcpy((void *)(uintptr_t)addr, bytes, len);
    return 0;
}

WEAK void lines_read(struct task *t, struct span bytes, bool terminal)
{
    (void)t, (void)bytes, (void)terminal;
}

WEAK void lines_keys(struct task *t, struct span keys)
{
    (void)t, (void)keys;
}

WEAK void signal_raise_task(struct task *t, int signo)
{
    (void)t, (void)signo;
}

WEAK bool signal_is_blocked_or_ignored(const struct task *t, int signo)
{
    (void)t, (void)signo;
    return false;
}

WEAK bool group_is_orphaned(const struct kernel *k, int32_t pgid)
{
    (void)k, (void)pgid;
    return false;
}

WEAK bool group_exists(const struct kernel *k, int32_t pgid, int32_t sid)
{
    (void)k, (void)pgid, (void)sid;
    return true;
}

WEAK void task_wait_until(struct task *t, int64_t deadline_ns)
{
    (void)t, (void)deadline_ns;
}

static int64_t now(void *ctx)
{
    return ((struct fake *)ctx)->now_ns;
}

static void woken(void *ctx, const void *key)
{
    (void)key;
    ((struct fake *)ctx)->wakes++;
}

static void some_bytes(void *ctx, void *out, size_t len)
{
    (void)ctx;
    memset(out, 0x5a, len);
}

static void signalled(void *ctx, int32_t group, int signo)
{
    struct fake *fake = ctx;
    fake->signal_group = group;
    if (fake->signal_count < sizeof(fake->signals) / sizeof(fake->signals[0]))
        fake->signals[fake->signal_count++] = signo;
}

static void lost(void *ctx, int32_t session)
{
    ((struct fake *)ctx)->lost_session = session;
}

static void written(void *ctx, struct file *f)
{
    struct fake *fake = ctx;
    char path[VFS_PATH_MAX + 16];
    int64_t len = file_path(f, path, sizeof(path));
    span_copy_z(span_of(path, len > 0 ? (size_t)len : 0), fake->written_z, sizeof(fake->written_z));
}

static void limit(void *ctx, const char *name_z)
{
    struct fake *fake = ctx;
    span_copy_z(span_z(name_z), fake->limit_z, sizeof(fake->limit_z));
}

static void deleted(void *ctx, struct task *t, struct span path)
{
    (void)t;
    struct fake *fake = ctx;
    span_copy_z(path, fake->deleted_z, sizeof(fake->deleted_z));
}

static void load_image(struct fake *fake, const char *path_z)
{
    FILE *f = fopen(path_z, "rb");
    void *bytes = NULL;
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        abort();
    size_t len = (size_t)ftell(f);
    rewind(f);
    if (posix_memalign(&bytes, 4096, len) != 0 || fread(bytes, 1, len, f) != len)
        abort();
    (void)fclose(f);
    fake->image_bytes = bytes;
    if (persona_image_open(span_of(bytes, len), &fake->image) != 0)
        abort();
}

struct fake *fake_new(const char *image_path_z, uint64_t bytes, uint32_t nodes)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    if (fake == NULL)
        abort();
    fake->now_ns = INT64_C(1700000000) * 1000000000;
    fake->root.cap_effective = fake->root.cap_permitted = UINT64_MAX;
    fake->user = (struct creds){.uid = 1000,
                                .euid = 1000,
                                .suid = 1000,
                                .fsuid = 1000,
                                .gid = 1000,
                                .egid = 1000,
                                .sgid = 1000,
                                .fsgid = 1000};
    if (image_path_z != NULL)
        load_image(fake, image_path_z);
    const struct vfs_config config = {
        .image = fake->image,
        .hardware = &hardware_default,
        .overlay_bytes = bytes,
        .overlay_nodes = nodes,
        .files = 64,
        .boot_ns = fake->now_ns,
        .hooks = {.ctx = fake,
                  .now_ns = now,
                  .wake = woken,
                  .random = some_bytes,
                  .signal_group = signalled,
                  .session_lost = lost,
                  .on_written = written,
                  .on_limit = limit,
                  .on_deleted = deleted},
    };
    fake->vfs = vfs_new(&config);
    fake->fs = fake->vfs != NULL ? fs_context_new(fake->vfs) : NULL;
    if (fake->fs == NULL)
        abort();
    return fake;
}

void fake_free(struct fake *fake)
{
    fs_context_drop(fake->fs);
    vfs_free(fake->vfs);
    if (fake->image != NULL)
        persona_image_close(fake->image);
    free(fake->image_bytes);
    free(fake);
}

struct vfs_at fake_at(struct fake *fake, const struct creds *cred)
{
    return (struct vfs_at){.fs = fake->fs, .cred = cred};
}

struct file *fake_open(struct fake *fake, const char *path_z, uint32_t flags, int *error)
{
    struct file *f = NULL;
    struct vfs_at at = fake_at(fake, &fake->root);
    int result = vfs_open(&at, span_z(path_z), flags, 0666, &f);
    if (error != NULL)
        *error = result;
    return f;
}

int fake_write(struct fake *fake, const char *path_z, const char *text_z)
{
    int error = 0;
    struct file *f = fake_open(fake, path_z, O_WRONLY | O_CREAT | O_TRUNC, &error);
    if (f == NULL)
        return error;
    int64_t n = file_write(f, NULL, text_z, strlen(text_z));
    file_drop(f);
    return n < 0 ? (int)n : 0;
}

int64_t fake_read(struct fake *fake, const char *path_z, char *out, size_t size)
{
    int error = 0;
    struct file *f = fake_open(fake, path_z, O_RDONLY, &error);
    if (f == NULL)
        return error;
    int64_t n = file_read(f, NULL, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    file_drop(f);
    return n;
}
