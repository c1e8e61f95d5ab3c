/* A foreign call as one of ours: arguments by the call's row, structures by way of the window. */
#include "kernel/abi_spec.h"
#include "kernel/abi_special.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- The table ---- */

enum call_id {
#define CALL(name, handler, ...) CALL_##name,
#define SPECIAL(name)            CALL_##name,
#include "kernel/abi_calls.def"
#undef CALL
#undef SPECIAL
    CALL_COUNT
};

static const struct abi_call calls[CALL_COUNT] = {
#define CALL(name, handler, ...) [CALL_##name] = {#name, sys_##handler, NULL, {__VA_ARGS__}},
#define SPECIAL(name)            [CALL_##name] = {#name, NULL, abi_##name, {{0, 0, 0}}},
#include "kernel/abi_calls.def"
#undef CALL
#undef SPECIAL
};

#define NUMBER(number, name) [number] = &calls[CALL_##name],
#define NAME(number, name)
static const struct abi_call *const i386_calls[] = {
#include "kernel/abi_i386.def"
};
static const struct abi_call *const arm_calls[] = {
#include "kernel/abi_arm.def"
};
static const struct abi_call *const mips_calls[] = {
#include "kernel/abi_mips.def"
};
#undef NUMBER
#undef NAME

#define NUMBER(number, name) [number] = #name,
#define NAME(number, name)   [number] = #name,
static const char *const i386_names[] = {
#include "kernel/abi_i386.def"
};
static const char *const arm_names[] = {
#include "kernel/abi_arm.def"
};
static const char *const mips_names[] = {
#include "kernel/abi_mips.def"
};
#undef NUMBER
#undef NAME

enum { ARM_OWN = 0xf0000, ARM_OWN_AT = 512, MIPS_FIRST = 4000 };

struct numbers {
    const struct abi_call *const *calls;
    const char *const *names;
    size_t call_count, name_count;
};
static const struct numbers numbers[] = {
    [ABI_I386] = {i386_calls, i386_names, ARRAY_LEN(i386_calls), ARRAY_LEN(i386_names)},
    [ABI_ARM] = {arm_calls, arm_names, ARRAY_LEN(arm_calls), ARRAY_LEN(arm_names)},
    [ABI_MIPS] = {mips_calls, mips_names, ARRAY_LEN(mips_calls), ARRAY_LEN(mips_names)},
};

/* A number's place in the tables. */
static uint64_t index_of(const struct abi *abi, uint64_t number)
{
    if (abi->family == ABI_MIPS)
        return number - MIPS_FIRST;
    if (abi->family == ABI_ARM && number >= ARM_OWN)
        return number - ARM_OWN + ARM_OWN_AT;
    return number;
}

const struct abi_call *abi_call_find(const struct abi *abi, uint64_t number)
{
    uint64_t at = index_of(abi, number);
    return at < numbers[abi->family].call_count ? numbers[abi->family].calls[at] : NULL;
}

const char *abi_call_name(const struct abi *abi, uint64_t number)
{
    uint64_t at = index_of(abi, number);
    return at < numbers[abi->family].name_count ? numbers[abi->family].names[at] : NULL;
}

/* ---- The window ---- */

void abi_window_fini(struct abi_window *w)
{
    free(w->bytes);
    memset(w, 0, sizeof(*w));
}

int abi_window_take(struct abi_window *w, size_t bytes, uint64_t *addr)
{
    size_t start = (w->used + 7) & ~(size_t)7;
    if (bytes > ABI_WINDOW_BYTES_MAX || start + bytes > ABI_WINDOW_BYTES_MAX)
        return -EINVAL;
    if (w->bytes == NULL || start + bytes > w->cap) {
        size_t cap = w->cap != 0 ? w->cap : CPU_PAGE_BYTES;
        while (cap < start + bytes)
            cap *= 2;
        uint8_t *grown = realloc(w->bytes, cap);
        if (grown == NULL)
            return -ENOMEM;
        w->bytes = grown;
        w->cap = cap;
    }
    memset(w->bytes + start, 0, bytes);
    w->used = start + bytes;
    *addr = ABI_WINDOW + start;
    return 0;
}

void *abi_window_at(struct abi_window *w, uint64_t addr, size_t len)
{
    uint64_t offset = addr - ABI_WINDOW;
    bool inside = w->bytes != NULL && offset <= w->used && len <= w->used - offset;
    return inside ? w->bytes + offset : NULL;
}

int abi_window_read(struct abi_window *w, uint64_t addr, void *out, size_t len)
{
    const void *at = abi_window_at(w, addr, len);
    if (at == NULL)
        return -EFAULT;
    memcpy(out, at, len);
    return 0;
}

int abi_window_write(struct abi_window *w, uint64_t addr, const void *bytes, size_t len)
{
    void *at = abi_window_at(w, addr, len);
    size_t offset = (size_t)(addr - ABI_WINDOW);
    if (at == NULL)
        return -EFAULT;
    memcpy(at, bytes, len);
    for (unsigned i = 0; i < w->slot_count; i++)
        if (offset >= w->slots[i].offset && offset < w->slots[i].offset + w->slots[i].bytes)
            w->slots[i].written = true;
    return 0;
}

/* ---- Structures in and out ---- */

static int read_slot(struct task *t, const struct abi_slot *slot)
{
    struct abi_window *w = &t->kernel->window;
    size_t each = abi_native_bytes((enum abi_layout)slot->layout);
    size_t guest = abi_layout_bytes(t->call_abi, (enum abi_layout)slot->layout);
    for (uint32_t i = 0; i < slot->count; i++) {
        int error = abi_get(t, (enum abi_layout)slot->layout, slot->addr + i * guest,
                            w->bytes + slot->offset + i * each);
        if (error != 0)
            return error;
    }
    return 0;
}

static int write_slot(struct task *t, const struct abi_slot *slot)
{
    struct abi_window *w = &t->kernel->window;
    size_t each = abi_native_bytes((enum abi_layout)slot->layout);
    size_t guest = abi_layout_bytes(t->call_abi, (enum abi_layout)slot->layout);
    for (uint32_t i = 0; i < slot->count; i++) {
        int error = abi_put(t, (enum abi_layout)slot->layout, slot->addr + i * guest,
                            w->bytes + slot->offset + i * each);
        if (error != 0)
            return error;
    }
    return 0;
}

static int add_slot(struct task *t, const struct abi_arg *spec, uint64_t addr, uint64_t count,
                    uint64_t *out)
{
    struct abi_window *w = &t->kernel->window;
    size_t each = abi_native_bytes((enum abi_layout)spec->layout);
    if (count > ABI_WINDOW_BYTES_MAX / each)
        return -EINVAL;
    int error = abi_window_take(w, (size_t)count * each, out);
    if (error != 0)
        return error;
    struct abi_slot *slot = &w->slots[w->slot_count++];
    *slot = (struct abi_slot){.offset = (size_t)(*out - ABI_WINDOW),
                              .bytes = (size_t)count * each,
                              .addr = addr,
                              .count = (uint32_t)count,
                              .layout = spec->layout,
                              .out = spec->kind != ABI_ARG_IN};
    return spec->kind != ABI_ARG_OUT ? read_slot(t, slot) : 0;
}

/* What the handler wrote goes to the guest: of an array only what its answer counts, when it does
 * (epoll_wait, getgroups); entries that were read go back whole. */
static int64_t write_slots(struct task *t, const struct abi_arg spec[6], int64_t result)
{
    struct abi_window *w = &t->kernel->window;
    unsigned slot = 0;
    for (unsigned i = 0; i < 6; i++) {
        if (spec[i].kind < ABI_ARG_IN || spec[i].kind > ABI_ARG_INOUT || slot == w->slot_count)
            continue;
        struct abi_slot *s = &w->slots[slot];
        if (s->bytes == 0 && s->addr == 0) { /* NULL was given */
            slot++;
            continue;
        }
        bool counted = spec[i].kind == ABI_ARG_OUT && spec[i].count >= ABI_COUNT_BY_ARG;
        if (counted && result >= 0 && result < (int64_t)s->count)
            s->count = (uint32_t)result;
        int error = s->out && s->written ? write_slot(t, s) : 0;
        if (error != 0)
            return error;
        slot++;
    }
    return result;
}

/* ---- Arguments ---- */

static uint64_t pair_of(const struct abi *abi, const uint64_t *word)
{
    return abi->big_endian ? word[0] << 32 | word[1] : word[1] << 32 | word[0];
}

static int structure(struct task *t, const struct abi_arg *spec, uint64_t addr,
                     const uint64_t raw[ABI_RAW_ARGS], uint64_t *out)
{
    struct abi_window *w = &t->kernel->window;
    uint64_t count = spec->count != 0 ? spec->count : 1;
    if (spec->count >= ABI_COUNT_BY_ARG)
        count = raw[spec->count - ABI_COUNT_BY_ARG];
    *out = 0;
    if (addr != 0 && (int32_t)count >= 0)
        return add_slot(t, spec, addr, count, out);
    w->slots[w->slot_count++] = (struct abi_slot){.addr = 0};
    return 0;
}

int64_t abi_run(struct task *t, abi_handler handler, const struct abi_arg spec[6],
                const uint64_t raw[ABI_RAW_ARGS])
{
    const struct abi *abi = t->call_abi;
    uint64_t arg[6] = {0};
    unsigned at = 0;
    int error = 0;
    abi_window_reset(t);
    for (unsigned i = 0; i < 6 && error == 0 && at < ABI_RAW_ARGS; i++, at++) {
        switch (spec[i].kind) {
        case ABI_ARG_NONE: break;
        case ABI_ARG_INT: arg[i] = (uint64_t)(int32_t)raw[at]; break;
        case ABI_ARG_WORD: arg[i] = raw[at]; break;
        case ABI_ARG_PAIR:
            if (abi->aligned64 && (at & 1) != 0)
                at++;
            if (at + 1 < ABI_RAW_ARGS)
                arg[i] = pair_of(abi, &raw[at]);
            at++;
            break;
        case ABI_ARG_ID:
            arg[i] = (uint16_t)raw[at] == UINT16_MAX ? ~UINT64_C(0) : (uint16_t)raw[at];
            break;
        case ABI_ARG_SET:
            arg[i] = raw[at] == abi->set_bytes ? 8 : raw[at] == 8 ? 16 : raw[at];
            break;
        case ABI_ARG_SIGNO: arg[i] = (uint64_t)abi_signo_in(abi, (int)raw[at]); break;
        case ABI_ARG_OPEN: arg[i] = abi_open_in(abi, raw[at]); break;
        default: error = structure(t, &spec[i], raw[at], raw, &arg[i]); break;
        }
    }
    if (error != 0)
        return error;
    int64_t result = handler(t, arg);
    if (t->state == TASK_DEAD || result == SYS_WAIT || !t->in_call)
        return result;
    return write_slots(t, spec, result);
}

/* ---- Calls ---- */

int64_t abi_execute(struct task *t, const struct abi_call *call)
{
    uint64_t raw[ABI_RAW_ARGS];
    memcpy(raw, t->call_arg, sizeof(raw));
    abi_window_reset(t);
    int64_t result =
        call->handler != NULL ? abi_run(t, call->handler, call->arg, raw) : call->special(t, raw);
    abi_window_reset(t); /* outside of a foreign call nothing is there */
    return abi_result(t->call_abi, result);
}
