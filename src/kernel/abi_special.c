/* Calls that need code: files, memory, limits, select. */
#include "kernel/abi_special.h"

#include "cpu/cpu.h"
#include "kernel/abi_spec.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

/* ---- Numbers of MIPS ---- */

struct flag {
    uint32_t ours, theirs;
};

static uint64_t map_flags(const struct flag *flags, size_t n, uint64_t value, bool in)
{
    uint64_t gone = 0, come = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t from = in ? flags[i].theirs : flags[i].ours;
        gone |= from;
        if ((value & from) != 0)
            come |= in ? flags[i].ours : flags[i].theirs;
    }
    return (value & ~gone) | come;
}

uint64_t abi_map_in(const struct abi *abi, uint64_t flags)
{
    static const struct flag mips[] = {
        {MAP_ANONYMOUS, 0x800},   {MAP_GROWSDOWN, 0x1000}, {MAP_DENYWRITE, 0x2000},
        {MAP_EXECUTABLE, 0x4000}, {MAP_LOCKED, 0x8000},    {MAP_NORESERVE, 0x400},
        {MAP_POPULATE, 0x10000},  {MAP_NONBLOCK, 0x20000}, {MAP_STACK, 0x40000},
        {MAP_HUGETLB, 0x80000},
    };
    if (abi->family == ABI_MIPS)
        flags = map_flags(mips, ARRAY_LEN(mips), flags, true);
    return flags & ~(uint64_t)MAP_32BIT;
}

static const struct flag mips_actions[] = {
    {SA_NOCLDSTOP, 1},          {SA_NOCLDWAIT, 0x10000},  {SA_SIGINFO, 8},
    {SA_ONSTACK, 0x08000000},   {SA_RESTART, 0x10000000}, {SA_NODEFER, 0x40000000},
    {0x80000000U, 0x80000000U},
};

uint64_t abi_action_flags_in(const struct abi *abi, uint64_t flags)
{
    if (abi->family != ABI_MIPS)
        return flags;
    return map_flags(mips_actions, ARRAY_LEN(mips_actions), flags, true);
}

uint64_t abi_action_flags_out(const struct abi *abi, uint64_t flags)
{
    if (abi->family != ABI_MIPS)
        return flags;
    return map_flags(mips_actions, ARRAY_LEN(mips_actions), flags, false);
}

int abi_resource_in(const struct abi *abi, int resource)
{
    static const uint8_t mips[] = {[5] = RLIMIT_NOFILE,
                                   [6] = RLIMIT_AS,
                                   [7] = RLIMIT_RSS,
                                   [8] = RLIMIT_NPROC,
                                   [9] = RLIMIT_MEMLOCK};
    bool differs = abi->family == ABI_MIPS && resource >= 5 && resource <= 9;
    return differs ? mips[resource] : resource;
}

uint64_t abi_socket_type_in(const struct abi *abi, uint64_t type)
{
    enum { STREAM = 1, DGRAM = 2, KIND = 15, MIPS_NONBLOCK = 0x80, NONBLOCK = 04000 };
    if (abi->family != ABI_MIPS)
        return type;
    uint64_t kind = type & KIND, flags = type & ~(uint64_t)KIND;
    if (kind == STREAM || kind == DGRAM)
        kind = STREAM + DGRAM - kind;
    if ((flags & MIPS_NONBLOCK) != 0)
        flags = (flags & ~(uint64_t)MIPS_NONBLOCK) | NONBLOCK;
    return kind | flags;
}

/* ---- Files ---- */

int64_t abi_statfs64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return abi_run(t, sys_statfs, SPEC(W, OUT(STATFS64)), WORDS(raw[0], raw[2]));
}

int64_t abi_fstatfs64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return abi_run(t, sys_fstatfs, SPEC(I, OUT(STATFS64)), WORDS(raw[0], raw[2]));
}

int64_t abi__llseek(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    const uint64_t arg[6] = {raw[0], raw[1] << 32 | raw[2], raw[4]};
    int64_t result = sys_lseek(t, arg);
    return result < 0 ? result : abi_put(t, L_OFF64, raw[3], &result);
}

static int64_t vector_at(struct task *t, abi_handler handler, const uint64_t raw[ABI_RAW_ARGS])
{
    const uint64_t arg[6] = {raw[0], raw[1], raw[2], raw[4] << 32 | raw[3], 0, raw[5]};
    return handler(t, arg);
}

int64_t abi_preadv(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return vector_at(t, sys_preadv, raw);
}

int64_t abi_pwritev(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return vector_at(t, sys_pwritev, raw);
}

int64_t abi_preadv2(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return vector_at(t, sys_preadv2, raw);
}

int64_t abi_pwritev2(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return vector_at(t, sys_pwritev2, raw);
}

int64_t abi_fadvise64_64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return abi_run(t, sys_fadvise64, SPEC(I, P, P, I), raw);
}

int64_t abi_fadvise64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    if (t->call_abi->family == ABI_MIPS)
        return abi_fadvise64_64(t, raw);
    return abi_run(t, sys_fadvise64, SPEC(I, P, W, I), raw);
}

int64_t abi_arm_fadvise64_64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return abi_run(t, sys_fadvise64, SPEC(I, P, P, I),
                   WORDS(raw[0], 0, raw[2], raw[3], raw[4], raw[5], raw[1]));
}

int64_t abi_arm_sync_file_range(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return abi_run(t, sys_sync_file_range, SPEC(I, P, P, W),
                   WORDS(raw[0], 0, raw[2], raw[3], raw[4], raw[5], raw[1]));
}

/* The second descriptor is a second result, where there are such. */
int64_t abi_pipe(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    if (t->cpu->ops->set_second == NULL)
        return abi_run(t, sys_pipe, SPEC(OUTS(INT32, 2)), raw);
    uint64_t addr;
    int32_t fd[2];
    struct abi_window *w = abi_window_reset(t);
    int error = abi_window_take(w, sizeof(fd), &addr);
    if (error != 0)
        return error;
    int64_t result = sys_pipe(t, (const uint64_t[6]){addr});
    if (result < 0)
        return result;
    abi_window_read(w, addr, fd, sizeof(fd));
    t->cpu->ops->set_second(t->cpu, (uint64_t)fd[1]);
    return fd[0];
}

/* ---- Directories ---- */

enum { DIRENT64_HEAD = 19, DIRENT_HEAD = 10, DIRENTS_MAX = 32768 };

/* Reads entries of ours into the window. */
static int64_t read_entries(struct task *t, const uint64_t raw[ABI_RAW_ARGS], uint8_t **bytes)
{
    uint64_t addr, size = (uint32_t)raw[2] < DIRENTS_MAX ? (uint32_t)raw[2] : DIRENTS_MAX;
    struct abi_window *w = abi_window_reset(t);
    int error = abi_window_take(w, (size_t)size, &addr);
    if (error != 0)
        return error;
    int64_t n = sys_getdents64(t, (const uint64_t[6]){raw[0], addr, size});
    *bytes = n > 0 ? abi_window_at(w, addr, (size_t)n) : NULL;
    return n;
}

static void put_number(const struct abi *abi, uint8_t *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (abi->big_endian ? bytes - 1 - i : i)));
}

int64_t abi_getdents64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    const struct abi *abi = t->call_abi;
    uint8_t *bytes = NULL;
    int64_t n = read_entries(t, raw, &bytes);
    if (n <= 0 || bytes == NULL)
        return n;
    for (int64_t at = 0; at < n;) {
        uint64_t ino, next;
        uint16_t len;
        memcpy(&ino, bytes + at, 8);
        memcpy(&next, bytes + at + 8, 8);
        memcpy(&len, bytes + at + 16, 2);
        put_number(abi, bytes + at, ino, 8);
        put_number(abi, bytes + at + 8, next, 8);
        put_number(abi, bytes + at + 16, len, 2);
        at += len;
    }
    return task_write(t, raw[1], bytes, (size_t)n) != 0 ? -EFAULT : n;
}

/* struct linux_dirent: the type is the entry's last byte. Shorter than ours, so it fits in place. */
int64_t abi_getdents(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    const struct abi *abi = t->call_abi;
    uint8_t *bytes = NULL;
    int64_t n = read_entries(t, raw, &bytes);
    size_t used = 0;
    if (n <= 0 || bytes == NULL)
        return n;
    for (int64_t at = 0; at < n;) {
        uint64_t ino, next;
        uint16_t len;
        memcpy(&ino, bytes + at, 8);
        memcpy(&next, bytes + at + 8, 8);
        memcpy(&len, bytes + at + 16, 2);
        uint8_t type = bytes[at + 18], *out = bytes + used;
        size_t name = strlen((const char *)bytes + at + DIRENT64_HEAD) + 1;
        size_t made = (DIRENT_HEAD + name + 1 + 3) & ~(size_t)3;
        memmove(out + DIRENT_HEAD, bytes + at + DIRENT64_HEAD, name);
        memset(out + DIRENT_HEAD + name, 0, made - DIRENT_HEAD - name);
        put_number(abi, out, ino, 4);
        put_number(abi, out + 4, next, 4);
        put_number(abi, out + 8, made, 2);
        out[made - 1] = type;
        used += made;
        at += len;
    }
    return task_write(t, raw[1], bytes, used) != 0 ? -EFAULT : (int64_t)used;
}

/* ---- Memory ---- */

static int64_t map_memory(struct task *t, const uint64_t raw[ABI_RAW_ARGS], uint64_t offset)
{
    const uint64_t arg[6] = {
        raw[0], raw[1], raw[2], abi_map_in(t->call_abi, raw[3]), (uint64_t)(int32_t)raw[4], offset};
    return sys_mmap(t, arg);
}

int64_t abi_mmap2(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return map_memory(t, raw, raw[5] * CPU_PAGE_BYTES);
}

int64_t abi_mmap(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return map_memory(t, raw, raw[5]);
}

/* All six in memory. */
int64_t abi_old_mmap(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t all[ABI_RAW_ARGS] = {0};
    for (unsigned i = 0; i < 6; i++)
        if (abi_get(t, L_WORD, raw[0] + (size_t)4 * i, &all[i]) != 0)
            return -EFAULT;
    return map_memory(t, all, all[5]);
}

/* ---- Waiting ---- */

struct sets {
    uint64_t guest[3], ours[3];
    unsigned words; /* of 32 bits */
};

static int sets_in(struct task *t, struct sets *s)
{
    struct abi_window *w = &t->kernel->window;
    for (unsigned i = 0; i < 3; i++) {
        if (s->guest[i] == 0)
            continue;
        int error = abi_window_take(w, (size_t)((s->words + 1) & ~1U) * 4, &s->ours[i]);
        for (unsigned k = 0; k < s->words && error == 0; k++) {
            uint32_t word = 0;
            error = abi_get(t, L_INT32, s->guest[i] + (size_t)4 * k, &word);
            if (error == 0)
                error = abi_window_write(w, s->ours[i] + (size_t)4 * k, &word, 4);
        }
        if (error != 0)
            return error;
    }
    return 0;
}

static int sets_out(struct task *t, const struct sets *s)
{
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < s->words && s->guest[i] != 0; k++) {
            uint32_t word = 0;
            abi_window_read(&t->kernel->window, s->ours[i] + (size_t)4 * k, &word, 4);
            if (abi_put(t, L_INT32, s->guest[i] + (size_t)4 * k, &word) != 0)
                return -EFAULT;
        }
    }
    return 0;
}

/* select and pselect: `mask` is the guest's address of the set of signals, 0: none. */
static int64_t select_with(struct task *t, abi_handler handler, const uint64_t raw[ABI_RAW_ARGS],
                           enum abi_layout timeout, uint64_t mask)
{
    enum { FDS_MAX = 1 << 16 };
    struct abi_window *w = abi_window_reset(t);
    struct sets s = {.guest = {raw[1], raw[2], raw[3]}};
    uint64_t time = 0, pair = 0, set_at = 0, set;
    struct timespec span; /* or timeval: the same size */
    int64_t count = (int32_t)raw[0] < FDS_MAX ? (int32_t)raw[0] : FDS_MAX;
    if (count < 0)
        return -EINVAL;
    s.words = (unsigned)(count + 31) / 32;
    int error = sets_in(t, &s);
    if (error == 0 && raw[4] != 0) {
        error = abi_window_take(w, sizeof(span), &time);
        if (error == 0)
            error = abi_get(t, timeout, raw[4], &span);
        if (error == 0)
            error = abi_window_write(w, time, &span, sizeof(span));
    }
    if (error == 0 && mask != 0) {
        error = abi_window_take(w, 16 + sizeof(set), &pair);
        if (error == 0)
            error = abi_get(t, L_SIGSET, mask, &set);
        set_at = pair + 16;
        if (error == 0) {
            abi_window_write(w, pair, (const uint64_t[2]){set_at, sizeof(set)}, 16);
            abi_window_write(w, set_at, &set, sizeof(set));
        }
    }
    if (error != 0)
        return error;
    const uint64_t arg[6] = {(uint64_t)count, s.ours[0], s.ours[1], s.ours[2], time, pair};
    int64_t result = handler(t, arg);
    if (result < 0)
        return result;
    error = sets_out(t, &s);
    if (error == 0 && time != 0) {
        abi_window_read(w, time, &span, sizeof(span));
        (void)abi_put(t, timeout, raw[4], &span); /* as Linux: a time that cannot be told is not */
    }
    return error != 0 ? error : result;
}

int64_t abi__newselect(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return select_with(t, sys_select, raw, L_TIMEVAL, 0);
}

int64_t abi_old_select(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t all[ABI_RAW_ARGS] = {0};
    for (unsigned i = 0; i < 5; i++)
        if (abi_get(t, L_WORD, raw[0] + (size_t)4 * i, &all[i]) != 0)
            return -EFAULT;
    return abi__newselect(t, all);
}

static int64_t pselect_for(struct task *t, const uint64_t raw[ABI_RAW_ARGS],
                           enum abi_layout timeout)
{
    uint64_t mask = 0, size = 0;
    if (raw[5] != 0 &&
        (abi_get(t, L_WORD, raw[5], &mask) != 0 || abi_get(t, L_WORD, raw[5] + 4, &size) != 0))
        return -EFAULT;
    if (mask != 0 && size != t->call_abi->set_bytes)
        return -EINVAL;
    return select_with(t, sys_pselect6, raw, timeout, mask);
}

int64_t abi_pselect6(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return pselect_for(t, raw, L_TIMESPEC);
}

int64_t abi_pselect6_time64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return pselect_for(t, raw, L_TIMESPEC64);
}

/* ---- Limits and the rest ---- */

int64_t abi_getrlimit(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    int resource = abi_resource_in(t->call_abi, (int)raw[0]);
    return abi_run(t, sys_getrlimit, SPEC(I, OUT(RLIMIT)), WORDS((uint64_t)resource, raw[1]));
}

int64_t abi_setrlimit(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    int resource = abi_resource_in(t->call_abi, (int)raw[0]);
    return abi_run(t, sys_setrlimit, SPEC(I, IN(RLIMIT)), WORDS((uint64_t)resource, raw[1]));
}

int64_t abi_prlimit64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    int resource = abi_resource_in(t->call_abi, (int)raw[1]);
    return abi_run(t, sys_prlimit64, SPEC(I, I, IN(RLIMIT64), OUT(RLIMIT64)),
                   WORDS(raw[0], (uint64_t)resource, raw[2], raw[3]));
}

int64_t abi_nice(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    int64_t nice = (int64_t)t->nice + (int32_t)raw[0];
    return sys_setpriority(t, (const uint64_t[6]){0, 0, (uint64_t)nice});
}

int64_t abi_stime(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t addr, seconds;
    if (abi_get(t, L_WORD, raw[0], &seconds) != 0)
        return -EFAULT;
    struct abi_window *w = abi_window_reset(t);
    const int64_t value[2] = {(int32_t)seconds, 0};
    int error = abi_window_take(w, sizeof(value), &addr);
    if (error != 0)
        return error;
    abi_window_write(w, addr, value, sizeof(value));
    return sys_settimeofday(t, (const uint64_t[6]){addr, 0});
}

int64_t abi_uname(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    char machine_z[sizeof(((struct utsname *)NULL)->machine)] = {0};
    int64_t error = sys_uname(t, raw);
    if (error != 0 || t->call_abi->machine_z == NULL)
        return error;
    span_copy_z(span_z(t->call_abi->machine_z), machine_z, sizeof(machine_z));
    return task_write(t, raw[0] + offsetof(struct utsname, machine), machine_z, sizeof(machine_z));
}
