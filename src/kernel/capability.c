#include "kernel/capability.h"

#include "kernel/fs.h"
#include "kernel/syscalls.h"
#include "kernel/xattr.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>

#define BIT(cap) (UINT64_C(1) << (cap))

/* What goes with the file system's user ID. */
static const uint64_t file_set = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) |
                                 BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_LINUX_IMMUTABLE) |
                                 BIT(CAP_MKNOD) | BIT(CAP_MAC_OVERRIDE);

static bool has_bit(const struct creds *c, unsigned bit)
{
    return (c->securebits >> bit & 1) != 0;
}

/* ---- User IDs ---- */

void capability_on_uids(struct creds *c, const struct creds *old)
{
    bool was_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
    bool is_root = c->uid == 0 || c->euid == 0 || c->suid == 0;
    if (has_bit(c, SECURE_NO_SETUID_FIXUP))
        return;
    if (was_root && !is_root) {
        if (!has_bit(c, SECURE_KEEP_CAPS))
            c->cap_permitted = c->cap_effective = 0;
        c->cap_ambient = 0;
    }
    if (old->euid == 0 && c->euid != 0)
        c->cap_effective = 0;
    if (old->euid != 0 && c->euid == 0)
        c->cap_effective = c->cap_permitted;
}

void capability_on_fsuid(struct creds *c, const struct creds *old)
{
    if (has_bit(c, SECURE_NO_SETUID_FIXUP))
        return;
    if (old->fsuid == 0 && c->fsuid != 0)
        c->cap_effective &= ~file_set;
    if (old->fsuid != 0 && c->fsuid == 0)
        c->cap_effective |= c->cap_permitted & file_set;
}

/* ---- execve ---- */

/* The file keeps them with the low byte first. */
static uint32_t word_of(struct span value, size_t word)
{
    const uint8_t *at = value.data + 4 * word;
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* struct vfs_cap_data: a word with the revision, then permitted and inheritable, low halves first. */
int capability_parse(struct span value, struct capability_file *out)
{
    static const size_t sizes[] = {0, XATTR_CAPS_SZ_1, XATTR_CAPS_SZ_2, XATTR_CAPS_SZ_3};
    uint32_t head = value.len >= 4 ? word_of(value, 0) : 0;
    uint32_t revision = (head & VFS_CAP_REVISION_MASK) >> VFS_CAP_REVISION_SHIFT;
    if (revision == 0 || revision >= ARRAY_LEN(sizes) || value.len != sizes[revision])
        return -EINVAL;
    out->there = true;
    out->effective = (head & VFS_CAP_FLAGS_EFFECTIVE) != 0;
    out->permitted = word_of(value, 1);
    out->inheritable = word_of(value, 2);
    if (revision > 1) {
        out->permitted |= (uint64_t)word_of(value, 3) << 32;
        out->inheritable |= (uint64_t)word_of(value, 4) << 32;
    }
    return 0;
}

int capability_of_file(struct file *f, struct capability_file *out)
{
    *out = (struct capability_file){.there = false};
    struct fs *fs = f->node.fs;
    if (fs == NULL || fs->ops->attributes == NULL || (fs->flags & FS_NOSUID) != 0)
        return 0;
    struct xattr **list = fs->ops->attributes(fs, f->node.ino);
    if (list == NULL)
        return -ENOMEM;
    const struct xattr *x = xattr_find(*list, span_z("security.capability"));
    return x != NULL ? capability_parse(xattr_value(x), out) : 0;
}

int capability_exec(struct creds *c, const struct capability_file *file, bool setid,
                    bool no_new_privs, bool *secure)
{
    uint64_t permitted = 0, old = c->cap_permitted;
    bool effective = file->there && file->effective;
    if (file->there)
        permitted = (file->permitted & c->cap_bounding) | (file->inheritable & c->cap_inheritable);
    if (effective && (file->permitted & ~permitted) != 0)
        return -EPERM;
    bool root_rules = !has_bit(c, SECURE_NOROOT) && !(file->there && c->euid == 0 && c->uid != 0);
    if (root_rules && (c->euid == 0 || c->uid == 0))
        permitted = c->cap_bounding | c->cap_inheritable;
    if (root_rules && c->euid == 0)
        effective = true;
    if (no_new_privs)
        permitted &= old;
    if (file->there || setid)
        c->cap_ambient = 0;
    c->cap_permitted = permitted | c->cap_ambient;
    c->cap_effective = effective ? c->cap_permitted : c->cap_ambient;
    c->securebits &= ~issecure_mask(SECURE_KEEP_CAPS);
    *secure = setid || (c->uid != 0 && (effective || (c->cap_permitted & ~c->cap_ambient) != 0));
    return 0;
}

/* ---- capget and capset ---- */

static int64_t read_header(struct task *t, uint64_t addr, struct __user_cap_header_struct *h,
                           size_t *words)
{
    if (task_read(t, addr, h, sizeof(*h)) != 0)
        return -EFAULT;
    switch (h->version) {
    case _LINUX_CAPABILITY_VERSION_1: *words = 1; return 0;
    case _LINUX_CAPABILITY_VERSION_2:
    case _LINUX_CAPABILITY_VERSION_3: *words = 2; return 0;
    default: break;
    }
    h->version = _LINUX_CAPABILITY_VERSION_3;
    return task_write(t, addr, h, sizeof(*h)) != 0 ? -EFAULT : -EINVAL;
}

int64_t sys_capget(struct task *t, const uint64_t arg[6])
{
    struct __user_cap_header_struct h;
    struct __user_cap_data_struct data[2];
    size_t words = 0;
    int64_t error = read_header(t, arg[0], &h, &words);
    if (error != 0)
        return arg[1] == 0 && error == -EINVAL ? 0 : error;
    if (h.pid < 0)
        return -EINVAL;
    const struct task *of = h.pid == 0 ? t : task_find(t->kernel, h.pid);
    if (of == NULL)
        return -ESRCH;
    for (unsigned i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(of->creds.cap_effective >> (32 * i));
        data[i].permitted = (uint32_t)(of->creds.cap_permitted >> (32 * i));
        data[i].inheritable = (uint32_t)(of->creds.cap_inheritable >> (32 * i));
    }
    return task_write(t, arg[1], data, words * sizeof(data[0]));
}

int64_t sys_capset(struct task *t, const uint64_t arg[6])
{
    struct __user_cap_header_struct h;
    struct __user_cap_data_struct data[2];
    struct creds *c = &t->creds;
    size_t words = 0;
    int64_t error = read_header(t, arg[0], &h, &words);
    if (error != 0)
        return error;
    if (h.pid != 0 && h.pid != t->tid)
        return -EPERM;
    memset(data, 0, sizeof(data));
    if (task_read(t, arg[1], data, words * sizeof(data[0])) != 0)
        return -EFAULT;
    uint64_t effective = (data[0].effective | (uint64_t)data[1].effective << 32) & CAPABILITY_ALL;
    uint64_t permitted = (data[0].permitted | (uint64_t)data[1].permitted << 32) & CAPABILITY_ALL;
    uint64_t inheritable =
        (data[0].inheritable | (uint64_t)data[1].inheritable << 32) & CAPABILITY_ALL;
    uint64_t may_inherit = c->cap_inheritable | c->cap_bounding;
    if (!creds_capable(c, CAP_SETPCAP))
        may_inherit &= c->cap_inheritable | c->cap_permitted;
    if ((permitted & ~c->cap_permitted) != 0 || (effective & ~permitted) != 0 ||
        (inheritable & ~may_inherit) != 0)
        return -EPERM;
    c->cap_effective = effective;
    c->cap_permitted = permitted;
    c->cap_inheritable = inheritable;
    c->cap_ambient &= permitted & inheritable;
    return 0;
}

/* ---- prctl ---- */

static int64_t ambient(struct creds *c, const uint64_t arg[6])
{
    uint64_t what = arg[1], cap = arg[2];
    bool more = (arg[3] | arg[4]) != 0;
    if (what == PR_CAP_AMBIENT_CLEAR_ALL) {
        if (more || cap != 0)
            return -EINVAL;
        c->cap_ambient = 0;
        return 0;
    }
    if (more || cap > CAP_LAST_CAP)
        return -EINVAL;
    switch (what) {
    case PR_CAP_AMBIENT_IS_SET: return (c->cap_ambient & BIT(cap)) != 0;
    case PR_CAP_AMBIENT_LOWER: c->cap_ambient &= ~BIT(cap); return 0;
    case PR_CAP_AMBIENT_RAISE:
        if ((c->cap_permitted & c->cap_inheritable & BIT(cap)) == 0 ||
            has_bit(c, SECURE_NO_CAP_AMBIENT_RAISE))
            return -EPERM;
        c->cap_ambient |= BIT(cap);
        return 0;
    default: return -EINVAL;
    }
}

static int64_t drop_bounding(struct creds *c, uint64_t cap)
{
    if (!creds_capable(c, CAP_SETPCAP))
        return -EPERM;
    if (cap > CAP_LAST_CAP)
        return -EINVAL;
    c->cap_bounding &= ~BIT(cap);
    return 0;
}

/* A lock holds its bit and itself. */
static int64_t set_securebits(struct creds *c, uint64_t bits)
{
    uint64_t locks = c->securebits & SECURE_ALL_LOCKS;
    if (((locks >> 1) & (c->securebits ^ bits)) != 0 || (locks & ~bits) != 0 ||
        (bits & ~(uint64_t)(SECURE_ALL_LOCKS | SECURE_ALL_BITS)) != 0 ||
        !creds_capable(c, CAP_SETPCAP))
        return -EPERM;
    c->securebits = (uint32_t)bits;
    return 0;
}

static int64_t set_keep(struct creds *c, uint64_t keep)
{
    if (keep > 1)
        return -EINVAL;
    if (has_bit(c, SECURE_KEEP_CAPS_LOCKED))
        return -EPERM;
    c->securebits &= ~issecure_mask(SECURE_KEEP_CAPS);
    c->securebits |= (uint32_t)keep << SECURE_KEEP_CAPS;
    return 0;
}

int64_t capability_prctl(struct task *t, const uint64_t arg[6])
{
    struct creds *c = &t->creds;
    switch ((int)arg[0]) {
    case PR_SET_KEEPCAPS: return set_keep(c, arg[1]);
    case PR_GET_KEEPCAPS: return has_bit(c, SECURE_KEEP_CAPS);
    case PR_CAPBSET_READ:
        return arg[1] > CAP_LAST_CAP ? -EINVAL : (int64_t)(c->cap_bounding >> arg[1] & 1);
    case PR_CAPBSET_DROP: return drop_bounding(c, arg[1]);
    case PR_CAP_AMBIENT: return ambient(c, arg);
    case PR_SET_SECUREBITS: return set_securebits(c, arg[1]);
    case PR_GET_SECUREBITS: return c->securebits;
    default: return -ENOSYS;
    }
}
