/* /proc: descriptions that make their text when they are read from the start. */
#include "kernel/fdtable.h"
#include "kernel/machine.h"
#include "kernel/namespace.h"
#include "kernel/procfs.h"

#include "persona/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_COST = 3 }; /* instructions that a byte of it counts for */

struct text {
    struct proc_place place;
    struct buffer bytes;
    bool made;
};

static int fd_info(const struct proc_call *c, uint32_t fd)
{
    const struct file *f = c->p != NULL ? proc_open_of(c->p, (int32_t)fd) : NULL;
    if (f == NULL)
        return -ENOENT;
    bool cloexec = fd_table_is_close_on_exec(c->p->task->files, (int)fd);
    return buffer_printf(c->out, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n",
                         (long long)f->position, f->flags | (cloexec ? O_CLOEXEC : 0u), 27u,
                         (unsigned long long)f->node.ino);
}

static int make_text(struct file *f, struct task *t)
{
    struct text *text = f->object;
    const struct procfs *p = (const struct procfs *)f->node.fs->super;
    struct proc_view view;
    struct persona_node node;
    struct proc_call c = {
        .vfs = f->vfs, .kernel = f->vfs->kernel, .reader = t, .out = &text->bytes};
    const char *set_z = proc_setting(c.kernel, f->node.ino);
    buffer_clear(&text->bytes);
    text->made = true;
    if (set_z != NULL)
        return buffer_printf(&text->bytes, "%s\n", set_z);
    if (text->place.image_ino != 0)
        return persona_image_node(p->image, text->place.image_ino, &node)
                   ? buffer_put(&text->bytes, node.data)
                   : -ENOENT;
    const struct proc_entry *e = proc_entry_of(text->place);
    if (text->place.pid != 0) {
        if (!proc_view_find(f->vfs, text->place.pid, &view))
            return -ESRCH;
        c.p = &view;
    }
    return text->place.number != 0 ? fd_info(&c, text->place.number - 1) : e->fn(&c);
}

static int64_t text_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    struct text *text = f->object;
    if (at == 0 || !text->made) {
        int error = make_text(f, t);
        if (f->vfs->kernel != NULL)
            kernel_charge(f->vfs->kernel, buffer_len(&text->bytes) * TEXT_COST);
        if (error != 0)
            return error < -1000 ? -ENOMEM : error;
    }
    struct span rest = buffer_span(&text->bytes);
    if (at >= (int64_t)rest.len)
        return 0;
    rest = span_slice(rest, (size_t)at, (size_t)at + len);
    memcpy(out, rest.data, rest.len);
    return (int64_t)rest.len;
}

static struct span line_of(struct span bytes)
{
    while (bytes.len > 0 && (bytes.data[bytes.len - 1] == '\n' || bytes.data[bytes.len - 1] == 0))
        bytes.len--;
    return bytes;
}

/* A file of /proc/sys: of the image's own texts no others can be written. */
static bool is_setting(const struct text *text)
{
    if (text->place.image_ino != 0)
        return true;
    return text->place.pid == 0 &&
           span_starts_with(span_z(proc_entry_of(text->place)->path_z), span_z("sys/"));
}

/* Values that may be set are taken; a few have an effect. */
static int64_t text_write(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at)
{
    (void)at;
    const struct text *text = f->object;
    const struct proc_entry *e = text->place.image_ino == 0 ? proc_entry_of(text->place) : NULL;
    struct span value = line_of(span_of(bytes, len));
    struct kernel *k = f->vfs->kernel;
    struct proc_view view;
    if (t == NULL || k == NULL)
        return (int64_t)len;
    if (proc_is_named(e, "sys/kernel/hostname")) {
        span_copy_z(value, namespace_hostname(k, t), KERNEL_HOSTNAME_MAX + 1);
    } else if (proc_is_named(e, "sys/kernel/domainname")) {
        span_copy_z(value, namespace_domainname(k, t), KERNEL_HOSTNAME_MAX + 1);
    } else if (proc_is_named(e, "comm") && proc_view_find(f->vfs, text->place.pid, &view) &&
               view.task != NULL && view.task->process == t->process) {
        task_set_comm(view.task, value);
    } else if (is_setting(text)) {
        int error = make_text(f, t);
        if (error == 0)
            error = proc_set(k, f->node.ino, buffer_span(&text->bytes), value);
        return error != 0 ? error : (int64_t)len;
    }
    return (int64_t)len;
}

static void text_close(struct file *f)
{
    struct text *text = f->object;
    if (text != NULL)
        buffer_fini(&text->bytes);
    free(text);
}

static int text_truncate(struct file *f, int64_t size)
{
    (void)f, (void)size;
    return 0;
}

static const struct file_ops text_ops = {.seekable = true,
                                         .read = text_read,
                                         .write = text_write,
                                         .truncate = text_truncate,
                                         .close = text_close};

int proc_open(struct fs *fs, struct task *t, uint64_t ino, struct file *f)
{
    struct proc_place place = proc_place_of(ino);
    struct proc_view view;
    const struct proc_entry *e = proc_entry_of(place);
    if (place.pid != 0 && !proc_view_find(fs->vfs, place.pid, &view))
        return -ENOENT;
    if (place.pid != 0 && (e->mode & 0044) == 0 && !proc_may_see(t, &view))
        return -EACCES;
    if (place.pid != 0 && proc_is_named(e, "mem")) {
        proc_open_mem(&view, f);
        return 0;
    }
    struct text *text = calloc(1, sizeof(*text));
    if (text == NULL)
        return -ENOMEM;
    text->place = place;
    buffer_init(&text->bytes, PROC_TEXT_MAX);
    f->ops = &text_ops;
    f->object = text;
    f->key = text;
    return 0;
}
