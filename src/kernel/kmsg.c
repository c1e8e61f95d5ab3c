#include "kernel/kmsg.h"

#include "kernel/fs.h"
#include "kernel/kind.h"
#include "kernel/syscalls.h"

#include "persona/boot_log.h"
#include "persona/identity.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    FACILITY_USER = 8, /* LOG_USER */
    LEVEL_USUAL = 4,   /* printk's default */
    READ = 2,          /* actions of syslog(2) */
    READ_ALL = 3,
    READ_CLEAR = 4,
    CLEAR = 5,
    CONSOLE_LEVEL = 8,
    SIZE_UNREAD = 9,
    SIZE_BUFFER = 10,
    US_PER_S = 1000000,
    NS_PER_US = 1000,
    DEFAULT_DISK_GIB = 40,
    LINES_BYTES_MAX = 2 * KMSG_BYTES_MAX, /* with their beginnings */
};

struct message {
    unsigned priority;
    uint64_t time_us;
    size_t at, len; /* in the text */
};

struct kmsg {
    struct buffer text;
    struct message *messages;
    size_t count, room;
    size_t cleared, read; /* syslog(2)'s: messages before these are over */
};

/* ---- The ring ---- */

static int add(struct kmsg *ring, unsigned priority, uint64_t time_us, struct span text)
{
    if (ring->count >= KMSG_MESSAGES_MAX)
        return -ENOSPC;
    if (ring->count == ring->room) {
        size_t room = ring->room != 0 ? ring->room * 2 : persona_boot_lines() + 16;
        struct message *messages = realloc(ring->messages, room * sizeof(*messages));
        if (messages == NULL)
            return -ENOMEM;
        ring->messages = messages;
        ring->room = room;
    }
    size_t at = buffer_len(&ring->text);
    if (buffer_put(&ring->text, text) != 0)
        return -ENOMEM;
    ring->messages[ring->count++] = (struct message){priority, time_us, at, text.len};
    return 0;
}

static struct persona_boot boot_of(const struct kernel *k, struct span cmdline)
{
    const struct hardware *h = &k->hardware;
    const struct persona_identity *p = k->identity;
    return (struct persona_boot){
        .version = span_z(h->proc_version_z),
        .cmdline = cmdline,
        .hostname = span_z(p != NULL ? p->hostname_z : k->hostname_z),
        .cpu = span_z(h->cpu_name_z),
        .cpu_mhz = span_z(h->cpu_mhz_z),
        .bogomips = span_z(h->bogomips_z),
        .cpu_bugs_z = h->cpu_bugs_z,
        .cpus = h->cpus,
        .family = h->cpu_family,
        .model = h->cpu_model,
        .stepping = h->cpu_stepping,
        .is_amd = strcmp(h->cpu_vendor_z, "AuthenticAMD") == 0,
        .memory_kib = h->mem_size,
        .available_kib = h->mem_total - HARDWARE_BOOT_KIB,
        .disk_gib = p != NULL ? p->disk_gib : DEFAULT_DISK_GIB,
        .boot_s = k->boot_ns / NS_PER_US / US_PER_S,
        .number = p != NULL ? (uint32_t)p->seed[0] << 8 | p->seed[1] : 0,
    };
}

static int fill(const struct kernel *k, struct kmsg *ring)
{
    const struct hardware *h = &k->hardware;
    struct buffer cmdline, text;
    buffer_init(&cmdline, PERSONA_BOOT_TEXT_MAX);
    buffer_init(&text, PERSONA_BOOT_TEXT_MAX);
    int rc =
        buffer_printf(&cmdline, "%s%s%s", h->cmdline_before_z, h->root_uuid_z, h->cmdline_behind_z);
    const struct persona_boot boot = boot_of(k, buffer_span(&cmdline));
    for (size_t n = 0; n < persona_boot_lines() && rc >= 0; n++) {
        struct persona_boot_line line;
        buffer_clear(&text);
        rc = persona_boot_line(&boot, n, &line, &text);
        if (rc > 0)
            rc = add(ring, line.level, line.time_us, buffer_span(&text));
    }
    buffer_fini(&cmdline);
    buffer_fini(&text);
    return rc < 0 ? -ENOMEM : 0;
}

void kmsg_free(struct kernel *k)
{
    if (k->kmsg == NULL)
        return;
    buffer_fini(&k->kmsg->text);
    free(k->kmsg->messages);
    free(k->kmsg);
    k->kmsg = NULL;
}

/* Made when it is first wanted; a device's is empty. NULL: no memory. */
static struct kmsg *ring_of(struct kernel *k)
{
    if (k->kmsg != NULL)
        return k->kmsg;
    k->kmsg = calloc(1, sizeof(*k->kmsg));
    if (k->kmsg == NULL)
        return NULL;
    buffer_init(&k->kmsg->text, KMSG_BYTES_MAX);
    if (!k->hardware.kind->is_small && fill(k, k->kmsg) != 0)
        kmsg_free(k);
    return k->kmsg;
}

static struct span text_of(const struct kmsg *ring, const struct message *m)
{
    return span_slice(buffer_span(&ring->text), m->at, m->at + m->len);
}

/* ---- /dev/kmsg: a record a message; f->private is the next ---- */

static int64_t kmsg_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    (void)t, (void)at;
    const struct kmsg *ring = f->object;
    struct buffer record;
    if (f->private >= ring->count)
        return -EAGAIN;
    const struct message *m = &ring->messages[f->private];
    struct span text = text_of(ring, m);
    buffer_init(&record, KMSG_BYTES_MAX);
    int rc = buffer_printf(&record, "%u,%llu,%llu,-;", m->priority, (unsigned long long)f->private,
                           (unsigned long long)m->time_us);
    for (size_t i = 0; i < text.len && rc == 0; i++) {
        uint8_t c = text.data[i];
        rc = c < ' ' || c >= 127 || c == '\\' ? buffer_printf(&record, "\\x%02x", c)
                                              : buffer_put_u8(&record, c);
    }
    if (rc == 0)
        rc = buffer_put_u8(&record, '\n');
    struct span bytes = buffer_span(&record);
    int64_t result = rc != 0 ? -ENOMEM : bytes.len > len ? -EINVAL : (int64_t)bytes.len;
    if (result > 0) {
        memcpy(out, bytes.data, bytes.len);
        f->private ++;
    }
    buffer_fini(&record);
    return result;
}

/* "<priority>text"; the priority's facility is never the kernel's. */
static int64_t kmsg_write(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at)
{
    (void)t, (void)at;
    struct kmsg *ring = f->object;
    struct span text = span_of(bytes, len);
    unsigned priority = FACILITY_USER | LEVEL_USUAL, given = 0;
    size_t i = 1;
    if (len > KMSG_LINE_MAX)
        return -EINVAL;
    while (len > 0 && text.data[0] == '<' && i < len && text.data[i] >= '0' &&
           text.data[i] <= '9' && given < 1000)
        given = given * 10 + (unsigned)(text.data[i++] - '0');
    if (i > 1 && i < len && text.data[i] == '>') {
        priority = (given >> 3 != 0 ? given : FACILITY_USER | given) & 0xff;
        text = span_slice(text, i + 1, len);
    }
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    uint64_t now_us = (uint64_t)(vfs_now(f->vfs) - f->vfs->boot_ns) / NS_PER_US;
    (void)add(ring, priority, now_us, text);
    vfs_wake(f->vfs, f->key);
    return (int64_t)len;
}

static unsigned kmsg_poll(struct file *f)
{
    const struct kmsg *ring = f->object;
    return (f->private < ring->count ? POLLIN | POLLRDNORM : 0u) | POLLOUT | POLLWRNORM;
}

static int64_t kmsg_seek(struct file *f, int64_t offset, int whence)
{
    const struct kmsg *ring = f->object;
    if (offset != 0)
        return -ESPIPE;
    switch (whence) {
    case SEEK_SET: f->private = 0; return 0;
    case SEEK_DATA: f->private = ring->cleared; return 0;
    case SEEK_END: f->private = ring->count; return 0;
    default: return -EINVAL;
    }
}

static const struct file_ops kmsg_ops = {
    .read = kmsg_read, .write = kmsg_write, .poll = kmsg_poll, .seek = kmsg_seek};

int kmsg_open(struct task *t, struct file *f)
{
    if (t == NULL)
        return -EPERM;
    if ((f->flags & O_ACCMODE) != O_WRONLY && !creds_capable(&t->creds, CAP_SYSLOG))
        return -EPERM;
    struct kmsg *ring = ring_of(t->kernel);
    if (ring == NULL)
        return -ENOMEM;
    f->ops = &kmsg_ops;
    f->object = ring;
    f->key = ring;
    return 0;
}

/* ---- syslog(2): lines ---- */

static int put_line(const struct kmsg *ring, const struct message *m, struct buffer *out)
{
    struct span text = text_of(ring, m);
    return buffer_printf(
        out, "<%u>[%5llu.%06llu] %.*s\n", m->priority, (unsigned long long)(m->time_us / US_PER_S),
        (unsigned long long)(m->time_us % US_PER_S), (int)text.len, (const char *)text.data);
}

static int put_all(const struct kmsg *ring, size_t from, struct buffer *out)
{
    int rc = 0;
    buffer_clear(out);
    for (; from < ring->count && rc == 0; from++)
        rc = put_line(ring, &ring->messages[from], out);
    return rc;
}

/* The messages from `from` on, from the first of which on all fit. */
static int put_last(const struct kmsg *ring, size_t from, size_t room, struct buffer *out)
{
    int rc = put_all(ring, from, out);
    if (rc != 0 || buffer_len(out) <= room)
        return rc;
    for (size_t over = buffer_len(out) - room, gone = 0; gone < over && rc == 0; from++) {
        buffer_clear(out);
        rc = put_line(ring, &ring->messages[from], out);
        gone += buffer_len(out);
    }
    return rc == 0 ? put_all(ring, from, out) : rc;
}

static int64_t read_all(struct task *t, struct kmsg *ring, const uint64_t arg[6])
{
    struct buffer text;
    if (arg[1] == 0 || (int)arg[2] < 0)
        return -EINVAL;
    buffer_init(&text, LINES_BYTES_MAX);
    int error = put_last(ring, ring->cleared, (size_t)arg[2], &text) != 0 ? -ENOMEM : 0;
    struct span bytes = buffer_span(&text);
    kernel_charge(t->kernel, bytes.len);
    if (error == 0 && bytes.len > 0)
        error = task_write(t, arg[1], bytes.data, bytes.len);
    buffer_fini(&text);
    return error != 0 ? error : (int64_t)bytes.len;
}

/* What nobody has read: one message, and those behind it that fit. */
static int64_t read_next(struct task *t, struct kmsg *ring, const uint64_t arg[6])
{
    struct buffer text;
    size_t taken = 0;
    if (arg[1] == 0 || (int)arg[2] < 0)
        return -EINVAL;
    if (arg[2] == 0)
        return 0;
    if (ring->read >= ring->count)
        return task_wait(t, ring);
    buffer_init(&text, LINES_BYTES_MAX);
    size_t whole = 0;
    while (ring->read + taken < ring->count &&
           put_line(ring, &ring->messages[ring->read + taken], &text) == 0 &&
           buffer_len(&text) <= (size_t)arg[2]) {
        whole = buffer_len(&text);
        taken++;
    }
    int error = whole > 0 ? task_write(t, arg[1], buffer_span(&text).data, whole) : 0;
    if (error == 0)
        ring->read += taken;
    buffer_fini(&text);
    return error != 0 ? error : (int64_t)whole;
}

static int64_t size_unread(const struct kmsg *ring)
{
    struct buffer text;
    buffer_init(&text, LINES_BYTES_MAX);
    for (size_t n = ring->read; n < ring->count; n++)
        (void)put_line(ring, &ring->messages[n], &text);
    int64_t size = (int64_t)buffer_len(&text);
    buffer_fini(&text);
    return size;
}

/* Debian lets only root see it (dmesg_restrict). */
int64_t sys_syslog(struct task *t, const uint64_t arg[6])
{
    int action = (int)arg[0];
    if (!creds_capable(&t->creds, CAP_SYSLOG))
        return -EPERM;
    if (action < 0 || action > SIZE_BUFFER)
        return -EINVAL;
    struct kmsg *ring = ring_of(t->kernel);
    if (ring == NULL)
        return -ENOMEM;
    int64_t result = 0;
    switch (action) {
    case READ: return read_next(t, ring, arg);
    case READ_ALL: return read_all(t, ring, arg);
    case READ_CLEAR:
        result = read_all(t, ring, arg);
        ring->cleared = result >= 0 ? ring->count : ring->cleared;
        return result;
    case CLEAR: ring->cleared = ring->count; return 0;
    case CONSOLE_LEVEL: return (int)arg[2] < 1 || (int)arg[2] > 8 ? -EINVAL : 0;
    case SIZE_UNREAD: return size_unread(ring);
    case SIZE_BUFFER: return KMSG_BYTES_MAX;
    default: return 0;
    }
}
