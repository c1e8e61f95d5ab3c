/* Calls that need code: signals, and waiting for children. */
#include "kernel/abi_info.h"
#include "kernel/abi_spec.h"
#include "kernel/abi_special.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

/* ---- siginfo_t ---- */

static void put32(const struct abi *abi, uint8_t *at, uint64_t value)
{
    uint32_t word = abi_swap32(abi, (uint32_t)value);
    memcpy(at, &word, sizeof(word));
}

static bool is_fault(const struct signal_info *info)
{
    bool faults = info->signo == SIGSEGV || info->signo == SIGBUS || info->signo == SIGILL ||
                  info->signo == SIGFPE || info->signo == SIGTRAP;
    return faults && info->code > 0 && info->code < SI_KERNEL;
}

/* SI_TIMER, SI_MESGQ and SI_ASYNCIO are -2 to -4; MIPS has -3, -4, -2. */
static int code_out(const struct abi *abi, int code)
{
    if (abi->family != ABI_MIPS || code > SI_TIMER || code < SI_ASYNCIO)
        return code;
    return code == SI_ASYNCIO ? SI_TIMER : code - 1;
}

/* MIPS has si_code before si_errno. */
void abi_info_out(const struct abi *abi, const struct signal_info *info,
                  uint8_t out[SIGNAL_INFO_BYTES])
{
    bool mips = abi->family == ABI_MIPS;
    memset(out, 0, SIGNAL_INFO_BYTES);
    put32(abi, out, (uint64_t)abi_signo_out(abi, info->signo));
    put32(abi, out + (mips ? 8 : 4), (uint64_t)info->error);
    put32(abi, out + (mips ? 4 : 8), (uint64_t)code_out(abi, info->code));
    if (is_fault(info)) {
        put32(abi, out + 12, info->value);
        return;
    }
    put32(abi, out + 12, (uint64_t)info->pid);
    put32(abi, out + 16, info->uid);
    if (info->signo == SIGCHLD && info->code > 0)
        put32(
            abi, out + 20,
            (uint64_t)(info->code == CLD_EXITED ? info->status : abi_signo_out(abi, info->status)));
    else
        put32(abi, out + 20, info->value);
}

static int code_in(const struct abi *abi, int code)
{
    if (abi->family != ABI_MIPS || code > SI_TIMER || code < SI_ASYNCIO)
        return code;
    return code == SI_TIMER ? SI_ASYNCIO : code + 1;
}

static uint32_t get32(const struct abi *abi, const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return abi_swap32(abi, word);
}

/* What the guest says at `from`, in the window at `*to`. An address of 0 stays so. */
static int info_in(struct task *t, uint64_t from, uint64_t *to)
{
    const struct abi *abi = t->call_abi;
    bool mips = abi->family == ABI_MIPS;
    uint8_t guest[SIGNAL_INFO_BYTES], bytes[SIGNAL_INFO_BYTES];
    struct abi_window *w = abi_window_reset(t);
    *to = 0;
    if (from == 0)
        return 0;
    if (task_read(t, from, guest, sizeof(guest)) != 0)
        return -EFAULT;
    const struct signal_info info = {.code = code_in(abi, (int)get32(abi, guest + (mips ? 4 : 8))),
                                     .error = (int32_t)get32(abi, guest + (mips ? 8 : 4)),
                                     .pid = (int32_t)get32(abi, guest + 12),
                                     .uid = get32(abi, guest + 16),
                                     .value = get32(abi, guest + 20)};
    signal_info_encode(&info, bytes);
    int error = abi_window_take(w, sizeof(bytes), to);
    return error != 0 ? error : abi_window_write(w, *to, bytes, sizeof(bytes));
}

int64_t abi_rt_sigqueueinfo(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t info, signo = (uint64_t)abi_signo_in(t->call_abi, (int)raw[1]);
    int error = info_in(t, raw[2], &info);
    return error != 0 ? error : sys_rt_sigqueueinfo(t, (const uint64_t[6]){raw[0], signo, info});
}

int64_t abi_rt_tgsigqueueinfo(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t info, signo = (uint64_t)abi_signo_in(t->call_abi, (int)raw[2]);
    int error = info_in(t, raw[3], &info);
    return error != 0 ? error
                      : sys_rt_tgsigqueueinfo(t, (const uint64_t[6]){raw[0], raw[1], signo, info});
}

int64_t abi_pidfd_send_signal(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t info, signo = (uint64_t)abi_signo_in(t->call_abi, (int)raw[1]);
    int error = info_in(t, raw[2], &info);
    return error != 0 ? error
                      : sys_pidfd_send_signal(t, (const uint64_t[6]){raw[0], signo, info, raw[3]});
}

/* What a handler wrote into the window at `from`, for the guest at `to`. */
static int put_info(struct task *t, uint64_t from, uint64_t to)
{
    uint8_t bytes[SIGNAL_INFO_BYTES], out[SIGNAL_INFO_BYTES] = {0};
    struct signal_info info;
    abi_window_read(&t->kernel->window, from, bytes, sizeof(bytes));
    signal_info_decode(&info, bytes);
    info.status = (int32_t)info.value;
    if (info.signo != 0)
        abi_info_out(t->call_abi, &info, out);
    return task_write(t, to, out, sizeof(out));
}

/* ---- Actions ---- */

/* As rt_sigaction has it, of ours. */
struct action {
    uint64_t handler, flags, restorer, mask;
};

/* The guest's structure in words; `rt`: with a set of 64 signals. MIPS has one for both. */
static int action_in(struct task *t, uint64_t addr, bool rt, struct action *a)
{
    const struct abi *abi = t->call_abi;
    uint64_t word[4];
    bool mips = abi->family == ABI_MIPS;
    for (unsigned i = 0; i < 4; i++)
        if (abi_get(t, L_WORD, addr + (size_t)4 * i, &word[i]) != 0)
            return -EFAULT;
    if (mips)
        *a = (struct action){.handler = word[1], .flags = word[0]};
    else if (rt)
        *a = (struct action){.handler = word[0], .flags = word[1], .restorer = word[2]};
    else
        *a = (struct action){word[0], word[2], word[3], word[1]};
    a->flags = abi_action_flags_in(abi, a->flags);
    if (!mips && !rt)
        return 0;
    return abi_get(t, L_SIGSET, addr + (mips ? 8 : 12), &a->mask);
}

static int action_out(struct task *t, uint64_t addr, bool rt, const struct action *a)
{
    const struct abi *abi = t->call_abi;
    bool mips = abi->family == ABI_MIPS;
    uint64_t flags = abi_action_flags_out(abi, a->flags);
    const uint64_t of_rt[4] = {a->handler, flags, a->restorer, 0};
    const uint64_t of_old[4] = {a->handler, a->mask, flags, a->restorer};
    const uint64_t of_mips[4] = {flags, a->handler, 0, 0};
    const uint64_t *word = mips ? of_mips : rt ? of_rt : of_old;
    for (unsigned i = 0; i < (rt && !mips ? 3 : 4); i++)
        if (abi_put(t, L_WORD, addr + (size_t)4 * i, &word[i]) != 0)
            return -EFAULT;
    return mips || rt ? abi_put(t, L_SIGSET, addr + (mips ? 8 : 12), &a->mask) : 0;
}

/* `new` and `old` may be NULL. */
static int64_t set_action(struct task *t, int signo, const struct action *new, struct action *old)
{
    uint64_t addr;
    struct abi_window *w = abi_window_reset(t);
    int error = abi_window_take(w, 2 * sizeof(struct action), &addr);
    if (error != 0)
        return error;
    uint64_t old_at = addr + sizeof(struct action);
    if (new != NULL)
        abi_window_write(w, addr, new, sizeof(*new));
    const uint64_t arg[6] = {(uint64_t)signo, new != NULL ? addr : 0, old != NULL ? old_at : 0, 8};
    int64_t result = sys_rt_sigaction(t, arg);
    if (result == 0 && old != NULL)
        abi_window_read(w, old_at, old, sizeof(*old));
    return result;
}

static int64_t change_action(struct task *t, const uint64_t raw[ABI_RAW_ARGS], bool rt)
{
    struct action new, old;
    int signo = abi_signo_in(t->call_abi, (int)raw[0]);
    if (raw[1] != 0 && action_in(t, raw[1], rt, &new) != 0)
        return -EFAULT;
    int64_t result = set_action(t, signo, raw[1] != 0 ? &new : NULL, raw[2] != 0 ? &old : NULL);
    return result == 0 && raw[2] != 0 ? action_out(t, raw[2], rt, &old) : result;
}

int64_t abi_sigaction(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return change_action(t, raw, false);
}

int64_t abi_rt_sigaction(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return raw[3] == t->call_abi->set_bytes ? change_action(t, raw, true) : -EINVAL;
}

int64_t abi_signal(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    const struct action new = {.handler = raw[1], .flags = 0x80000000U | SA_NODEFER};
    struct action old;
    int64_t result = set_action(t, abi_signo_in(t->call_abi, (int)raw[0]), &new, &old);
    return result == 0 ? (int64_t)old.handler : result;
}

/* ---- Masks ---- */

static int64_t change_mask(struct task *t, const uint64_t raw[ABI_RAW_ARGS], enum abi_layout layout)
{
    uint64_t set = 0, old = 0, addr, how = (uint32_t)raw[0];
    if (t->call_abi->family == ABI_MIPS)
        how--;
    if (raw[1] != 0 && abi_get(t, layout, raw[1], &set) != 0)
        return -EFAULT;
    if (layout == L_WORD) {
        set = abi_set_in(t->call_abi, set);
        if (how == SIG_SETMASK) /* only the first 32 signals are spoken of */
            set |= t->signals.blocked & ~(uint64_t)UINT32_MAX;
    }
    struct abi_window *w = abi_window_reset(t);
    int error = abi_window_take(w, 16, &addr);
    if (error != 0)
        return error;
    abi_window_write(w, addr, &set, sizeof(set));
    const uint64_t arg[6] = {how, raw[1] != 0 ? addr : 0, addr + 8, 8};
    int64_t result = sys_rt_sigprocmask(t, arg);
    if (result != 0 || raw[2] == 0)
        return result;
    abi_window_read(w, addr + 8, &old, sizeof(old));
    if (layout == L_WORD)
        old = abi_set_out(t->call_abi, old);
    return abi_put(t, layout, raw[2], &old);
}

int64_t abi_sigprocmask(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return change_mask(t, raw, L_WORD);
}

int64_t abi_rt_sigprocmask(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return raw[3] == t->call_abi->set_bytes ? change_mask(t, raw, L_SIGSET) : -EINVAL;
}

int64_t abi_sigpending(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t set = (t->signals.pending.set | t->process->pending.set) & t->signals.blocked;
    set = abi_set_out(t->call_abi, set);
    return abi_put(t, L_WORD, raw[0], &set);
}

/* i386 and ARM pass the mask itself, third; MIPS its address. */
int64_t abi_sigsuspend(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t set = raw[2], addr;
    if (t->call_abi->family == ABI_MIPS && abi_get(t, L_SIGSET, raw[0], &set) != 0)
        return -EFAULT;
    struct abi_window *w = abi_window_reset(t);
    int error = abi_window_take(w, sizeof(set), &addr);
    if (error != 0)
        return error;
    abi_window_write(w, addr, &set, sizeof(set));
    return sys_rt_sigsuspend(t, (const uint64_t[6]){addr, 8});
}

int64_t abi_sigreturn(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    (void)raw;
    return signal_return(t, false);
}

int64_t abi_rt_sigreturn(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    (void)raw;
    return signal_return(t, true);
}

/* ---- Waiting ---- */

static int64_t timed_wait(struct task *t, const uint64_t raw[ABI_RAW_ARGS], enum abi_layout timeout)
{
    struct {
        uint64_t set;
        struct timespec time;
        uint8_t info[SIGNAL_INFO_BYTES];
    } in = {0};
    uint64_t addr;
    if (raw[3] != t->call_abi->set_bytes)
        return -EINVAL;
    if (abi_get(t, L_SIGSET, raw[0], &in.set) != 0 ||
        (raw[2] != 0 && abi_get(t, timeout, raw[2], &in.time) != 0))
        return -EFAULT;
    struct abi_window *w = abi_window_reset(t);
    int error = abi_window_take(w, sizeof(in), &addr);
    if (error != 0)
        return error;
    abi_window_write(w, addr, &in, sizeof(in));
    uint64_t info = addr + offsetof(__typeof__(in), info);
    uint64_t time = addr + offsetof(__typeof__(in), time);
    int64_t result =
        sys_rt_sigtimedwait(t, (const uint64_t[6]){addr, info, raw[2] != 0 ? time : 0, 8});
    if (result <= 0)
        return result;
    if (raw[1] != 0 && put_info(t, info, raw[1]) != 0)
        return -EFAULT;
    return abi_signo_out(t->call_abi, (int)result);
}

int64_t abi_rt_sigtimedwait(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return timed_wait(t, raw, L_TIMESPEC);
}

int64_t abi_rt_sigtimedwait_time64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return timed_wait(t, raw, L_TIMESPEC64);
}

int64_t abi_waitpid(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return abi_run(t, sys_wait4, SPEC(I, OUT(STATUS), I, W), WORDS(raw[0], raw[1], raw[2], 0));
}

int64_t abi_waitid(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t addr;
    struct rusage usage;
    struct abi_window *w = abi_window_reset(t);
    int error = abi_window_take(w, SIGNAL_INFO_BYTES + sizeof(usage), &addr);
    if (error != 0)
        return error;
    uint64_t usage_at = addr + SIGNAL_INFO_BYTES;
    const uint64_t arg[6] = {raw[0], raw[1], raw[2] != 0 ? addr : 0, raw[3],
                             raw[4] != 0 ? usage_at : 0};
    int64_t result = sys_waitid(t, arg);
    if (result == 0 && raw[2] != 0)
        result = put_info(t, addr, raw[2]);
    if (result == 0 && raw[4] != 0) {
        abi_window_read(w, usage_at, &usage, sizeof(usage));
        result = abi_put(t, L_RUSAGE, raw[4], &usage);
    }
    return result;
}
