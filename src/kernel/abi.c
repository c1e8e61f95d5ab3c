#include "kernel/abi.h"

#include "cpu/arm.h"
#include "cpu/mips.h"
#include "cpu/x86.h"
#include "kernel/mm.h"
#include "kernel/sigframe.h"
#include "kernel/task.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

/* Address spaces and their randomness as Linux has them (arch_mmap_rnd, ELF_ET_DYN_BASE, STACK_TOP,
 * arch_randomize_brk); the gap is mmap_base's for the default stack. */
const struct abi abi_x86_64 = {
    .name_z = "x86-64",
    .family = ABI_X86_64,
    .cpu = &x86_64_ops,
    .elf_class = ELFCLASS64,
    .elf_data = ELFDATA2LSB,
    .elf_machine = EM_X86_64,
    .aligned64 = true,
    .word_bytes = 8,
    .set_bytes = 8,
    .space_end = CPU_SPACE_END,
    .dyn_base = UINT64_C(0x555555554000),
    .map_gap = UINT64_C(17) << 30,
    .stack_random_bits = 22,
    .map_random_bits = 28,
    .dyn_random_bits = 28,
    .brk_random_bytes = 0x02000000,
    .platform_z = "x86_64",
    .hwcap = 0x078bfbff, /* CPUID leaf 1, EDX: what the interpreter has; glibc must know no more */
    .signal_stack_least = 1016,
    .frame_push = sigframe_push,
    .frame_pop = sigframe_pop,
};

const struct abi abi_i386 = {
    .name_z = "i386",
    .family = ABI_I386,
    .cpu = &x86_32_ops,
    .elf_class = ELFCLASS32,
    .elf_data = ELFDATA2LSB,
    .elf_machine = EM_386,
    .word_bytes = 4,
    .set_bytes = 8,
    .space_end = 0xffffe000,
    .dyn_base = 0x56555000,
    .map_gap = UINT64_C(0x8800000), /* 128 MiB and the stack's randomness */
    .stack_random_bits = 11,
    .map_random_bits = 8,
    .dyn_random_bits = 8,
    .brk_random_bytes = 0x02000000,
    .platform_z = "i686",
    .hwcap = 0x078bfbff,
    .signal_stack_least = 956,
    .frame_push = sigframe_i386_push,
    .frame_pop = sigframe_i386_pop,
};

/* EABI, soft and hard floating point alike: the processor is an ARMv7 with VFPv3. */
const struct abi abi_arm = {
    .name_z = "arm",
    .family = ABI_ARM,
    .cpu = &arm_ops,
    .elf_class = ELFCLASS32,
    .elf_data = ELFDATA2LSB,
    .elf_machine = EM_ARM,
    .aligned64 = true,
    .word_bytes = 4,
    .set_bytes = 8,
    .space_end = 0xbf000000,
    .dyn_base = 0x00400000,
    .map_gap = UINT64_C(0x8800000),
    .stack_random_bits = 11,
    .map_random_bits = 8,
    .dyn_random_bits = 8,
    .brk_random_bytes = 0x02000000,
    .platform_z = "v7l",
    .machine_z = "armv7l",
    .hwcap = ARM_HWCAP,
    .frame_push = sigframe_arm_push,
    .frame_pop = sigframe_arm_pop,
    .prepare = sigframe_arm_prepare,
};

/* o32: the words of a call behind the fourth lie on the stack, above room for the first four. */
static void mips_more_args(struct task *t, uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t sp = t->cpu->ops->sp(t->cpu);
    for (unsigned i = 4; i < ABI_RAW_ARGS; i++) {
        uint32_t word = 0;
        (void)task_read_u32(t, sp + UINT64_C(4) * i,
                            &word); /* most calls have no more: then it is 0 */
        raw[i] = word;
    }
}

/* Both byte orders. Linux tells no platform, and no capabilities before release 6. */
#define MIPS_ABI                                                                                   \
    .family = ABI_MIPS, .elf_class = ELFCLASS32, .elf_machine = EM_MIPS, .aligned64 = true,        \
    .word_bytes = 4, .set_bytes = 16, .space_end = 0x7fff8000, .dyn_base = 0x55550000,             \
    .map_gap = UINT64_C(0x8800000), .stack_random_bits = 11, .map_random_bits = 8,                 \
    .dyn_random_bits = 8, .brk_random_bytes = 0x00800000, .machine_z = "mips",                     \
    .frame_push = sigframe_mips_push, .frame_pop = sigframe_mips_pop, .more_args = mips_more_args, \
    .prepare = sigframe_mips_prepare

const struct abi abi_mips = {
    .name_z = "mips", .cpu = &mips_be_ops, .elf_data = ELFDATA2MSB, .big_endian = true, MIPS_ABI};
const struct abi abi_mipsel = {
    .name_z = "mipsel", .cpu = &mips_le_ops, .elf_data = ELFDATA2LSB, MIPS_ABI};

static const struct abi *const abis[] = {&abi_x86_64, &abi_i386, &abi_arm, &abi_mips, &abi_mipsel};

const struct abi *abi_find(struct span header)
{
    if (header.len < 20 || memcmp(header.data, ELFMAG, SELFMAG) != 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(abis); i++) {
        const struct abi *abi = abis[i];
        bool big = abi->elf_data == ELFDATA2MSB;
        unsigned machine = (unsigned)header.data[big ? 19 : 18] | header.data[big ? 18 : 19] << 8;
        if (header.data[EI_CLASS] == abi->elf_class && header.data[EI_DATA] == abi->elf_data &&
            machine == abi->elf_machine)
            return abi;
    }
    return NULL;
}

const struct abi *task_abi(const struct task *t)
{
    return t->mm->abi;
}

/* ---- Signals: MIPS has its own numbers up to 31 ---- */

static const uint8_t mips_signals[32] = {
    0,       SIGHUP,  SIGINT,  SIGQUIT, SIGILL,    SIGTRAP, SIGABRT, SIGSTKFLT,
    SIGFPE,  SIGKILL, SIGBUS,  SIGSEGV, SIGSYS,    SIGPIPE, SIGALRM, SIGTERM,
    SIGUSR1, SIGUSR2, SIGCHLD, SIGPWR,  SIGWINCH,  SIGURG,  SIGIO,   SIGSTOP,
    SIGTSTP, SIGCONT, SIGTTIN, SIGTTOU, SIGVTALRM, SIGPROF, SIGXCPU, SIGXFSZ};

int abi_signo_in(const struct abi *abi, int signo)
{
    return abi->family == ABI_MIPS && signo > 0 && signo < 32 ? mips_signals[signo] : signo;
}

int abi_signo_out(const struct abi *abi, int signo)
{
    if (abi->family != ABI_MIPS || signo <= 0 || signo > 31)
        return signo;
    int out = 1;
    while (out < 31 && mips_signals[out] != signo)
        out++;
    return out;
}

static uint64_t map_set(const struct abi *abi, uint64_t set,
                        int (*map)(const struct abi *abi, int signo))
{
    if (abi->family != ABI_MIPS)
        return set;
    uint64_t out = set & ~UINT64_C(0x7fffffff);
    for (int signo = 1; signo < 32; signo++)
        if ((set & SIGNAL_BIT(signo)) != 0)
            out |= SIGNAL_BIT(map(abi, signo));
    return out;
}

uint64_t abi_set_in(const struct abi *abi, uint64_t set)
{
    return map_set(abi, set, abi_signo_in);
}

uint64_t abi_set_out(const struct abi *abi, uint64_t set)
{
    return map_set(abi, set, abi_signo_out);
}

/* ---- Errors: those of MIPS, where they differ ---- */

static const uint8_t mips_errors[] = {
    [EDEADLK] = 45,          [ENAMETOOLONG] = 78,   [ENOLCK] = 46,        [ENOSYS] = 89,
    [ENOTEMPTY] = 93,        [ELOOP] = 90,          [ENOMSG] = 35,        [EIDRM] = 36,
    [ENODATA] = 61,          [ETIME] = 62,          [EPROTO] = 71,        [EBADMSG] = 77,
    [EOVERFLOW] = 79,        [EBADFD] = 81,         [ELIBACC] = 83,       [ELIBBAD] = 84,
    [EILSEQ] = 88,           [EUSERS] = 94,         [ENOTSOCK] = 95,      [EDESTADDRREQ] = 96,
    [EMSGSIZE] = 97,         [EPROTOTYPE] = 98,     [ENOPROTOOPT] = 99,   [EPROTONOSUPPORT] = 120,
    [ESOCKTNOSUPPORT] = 121, [EOPNOTSUPP] = 122,    [EPFNOSUPPORT] = 123, [EAFNOSUPPORT] = 124,
    [EADDRINUSE] = 125,      [EADDRNOTAVAIL] = 126, [ENETDOWN] = 127,     [ENETUNREACH] = 128,
    [ENETRESET] = 129,       [ECONNABORTED] = 130,  [ECONNRESET] = 131,   [ENOBUFS] = 132,
    [EISCONN] = 133,         [ENOTCONN] = 134,      [EUCLEAN] = 135,      [ESHUTDOWN] = 143,
    [ETOOMANYREFS] = 144,    [ETIMEDOUT] = 145,     [ECONNREFUSED] = 146, [EHOSTDOWN] = 147,
    [EHOSTUNREACH] = 148,    [EALREADY] = 149,      [EINPROGRESS] = 150,  [ESTALE] = 151,
    [ECANCELED] = 158,       [ENOMEDIUM] = 159,     [ENOKEY] = 161,       [EOWNERDEAD] = 165,
    [ENOTRECOVERABLE] = 166,
};
enum { MIPS_EDQUOT = 1133 };

int64_t abi_result(const struct abi *abi, int64_t result)
{
    if (abi->family != ABI_MIPS || result >= 0 || result < -EDQUOT - 200)
        return result;
    if (result == -EDQUOT)
        return -MIPS_EDQUOT;
    size_t error = (size_t)-result;
    return error < ARRAY_LEN(mips_errors) && mips_errors[error] != 0 ? -mips_errors[error] : result;
}

/* ---- Flags of open ---- */

struct flag {
    uint32_t ours, theirs;
};

enum { LARGEFILE = 0100000 }; /* O_LARGEFILE: glibc has it as 0 where all files are */

static const struct flag arm_open[] = {
    {O_DIRECTORY, 040000}, {O_NOFOLLOW, 0100000}, {O_DIRECT, 0200000}, {LARGEFILE, 0400000}};
static const struct flag mips_open[] = {
    {O_APPEND, 0x8},     {O_DSYNC, 0x10},    {O_NONBLOCK, 0x80}, {O_CREAT, 0x100},
    {O_TRUNC, 0x200},    {O_EXCL, 0x400},    {O_NOCTTY, 0x800},  {O_ASYNC, 0x1000},
    {LARGEFILE, 0x2000}, {04000000, 0x4000}, {O_DIRECT, 0x8000},
};

static uint64_t map_open(const struct flag *flags, size_t n, uint64_t value, bool in)
{
    uint64_t gone = 0, come = 0;
    for (size_t i = 0; i < n; i++) {
        gone |= in ? flags[i].theirs : flags[i].ours;
        if ((value & (in ? flags[i].theirs : flags[i].ours)) != 0)
            come |= in ? flags[i].ours : flags[i].theirs;
    }
    return (value & ~gone) | come;
}

static uint64_t map_open_of(const struct abi *abi, uint64_t flags, bool in)
{
    if (abi->family == ABI_ARM)
        return map_open(arm_open, ARRAY_LEN(arm_open), flags, in);
    if (abi->family == ABI_MIPS)
        return map_open(mips_open, ARRAY_LEN(mips_open), flags, in);
    return flags;
}

uint64_t abi_open_in(const struct abi *abi, uint64_t flags)
{
    return map_open_of(abi, flags, true);
}

uint64_t abi_open_out(const struct abi *abi, uint64_t flags)
{
    return map_open_of(abi, flags, false);
}
