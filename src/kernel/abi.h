/* The system-call interface of programs that are not x86-64's: numbers, arguments and structures of
 * 32-bit processors of either byte order.
 *
 * Handlers (sys_NAME) know one interface alone: x86-64's, which is the host's. A foreign call is
 * turned into it. What a structure holds is laid out anew in the window, a stretch of addresses that
 * no guest has, and the handler is given the window's address; what it wrote there is laid out back
 * for the guest when it returns. Strings and plain bytes stay where they are. A parked call is
 * translated again when it goes on.
 *
 * Three kinds of tables say everything but the few calls that need code (abi_special.c):
 * abi_NAME.def (a number's call), abi_calls.def (a call's arguments), abi_layout.c (a structure's
 * fields). Source: Linux, arch/NAME/include/uapi; the psABI supplements. */
#ifndef KERNEL_ABI_H
#define KERNEL_ABI_H

#include "cpu/cpu.h"
#include "kernel/machine.h"

struct mm;
struct signal_action;
struct signal_info;

enum {
    ABI_RAW_ARGS = 8,
};

enum abi_family { ABI_X86_64, ABI_I386, ABI_ARM, ABI_MIPS };

struct abi_call;
struct abi {
    const char *name_z;
    enum abi_family family;
    const struct cpu_ops *cpu;
    /* Which ELF files: e_ident[EI_CLASS], e_ident[EI_DATA], e_machine. */
    uint8_t elf_class, elf_data;
    uint16_t elf_machine;
    bool big_endian;
    bool aligned64; /* 64-bit values stand at multiples of 8, and in even pairs of registers */
    uint8_t word_bytes;
    uint8_t set_bytes; /* of a set of signals */
    /* The address space. */
    uint64_t space_end;
    uint64_t dyn_base;
    uint64_t map_gap;                                            /* below the end, for the stack */
    uint8_t stack_random_bits, map_random_bits, dyn_random_bits; /* in pages */
    uint32_t brk_random_bytes;
    /* What a new program is told. */
    const char *platform_z; /* AT_PLATFORM; NULL: none */
    const char *machine_z;  /* uname; NULL: the machine's own */
    uint64_t hwcap;
    uint32_t signal_stack_least; /* AT_MINSIGSTKSZ; 0: not told */
    /* The frame of a signal's handler. */
    int (*frame_push)(struct task *t, const struct signal_info *info,
                      const struct signal_action *action);
    int (*frame_pop)(struct task *t, bool with_info);
    /* Where the words of a call lie that no register has; NULL: in registers alone. */
    void (*more_args)(struct task *t, uint64_t raw[ABI_RAW_ARGS]);
    /* After exec has laid out the memory; NULL: nothing to add. 0 or -errno. */
    int (*prepare)(struct mm *mm);
};

extern const struct abi abi_x86_64, abi_i386, abi_arm, abi_mips, abi_mipsel;

/* True for what is not x86-64's own interface. */
static inline bool abi_is_foreign(const struct abi *abi)
{
    return abi->family != ABI_X86_64;
}

/* The ABI of an ELF file's first bytes (at least 20); NULL: none of ours. */
const struct abi *abi_find(struct span header);

/* ---- Calls ---- */

/* How an argument is passed. The layouts are abi_layout.h's. */
enum abi_kind {
    ABI_ARG_NONE,
    ABI_ARG_INT,   /* sign-extended */
    ABI_ARG_WORD,  /* zero-extended: addresses of bytes and strings, sizes, flags */
    ABI_ARG_PAIR,  /* 64 bits in two words */
    ABI_ARG_IN,    /* a structure that the handler reads; 0 stays 0 */
    ABI_ARG_OUT,   /* that it writes */
    ABI_ARG_INOUT, /* both */
    ABI_ARG_ID,    /* a user or group of 16 bits; 65535 is -1 */
    ABI_ARG_SET,   /* the size of a set of signals */
    ABI_ARG_SIGNO, /* a signal's number */
    ABI_ARG_OPEN,  /* flags of open */
};

struct abi_arg {
    uint8_t kind;
    uint8_t layout;
    uint8_t count; /* 0: one structure; else so many; 128 + i: as many as argument i says */
};

typedef int64_t (*abi_handler)(struct task *t, const uint64_t arg[6]);
/* A call that needs code: `raw` are the guest's words as they are. */
typedef int64_t (*abi_special)(struct task *t, const uint64_t raw[ABI_RAW_ARGS]);

struct abi_call {
    const char *name_z;
    abi_handler handler;
    abi_special special; /* when handler is NULL */
    struct abi_arg arg[6];
};

/* The call that the task is in; NULL: the number has none, or it is not there. */
const struct abi_call *abi_call_find(const struct abi *abi, uint64_t number);
const char *abi_call_name(const struct abi *abi, uint64_t number);
/* Executes a foreign call, the first time or again. As a handler's answer, in the guest's error
 * numbers. */
int64_t abi_execute(struct task *t, const struct abi_call *call);
/* A handler with arguments as abi_calls.def would give them. */
int64_t abi_run(struct task *t, abi_handler handler, const struct abi_arg spec[6],
                const uint64_t raw[ABI_RAW_ARGS]);

/* ---- Words of the guest ---- */

static inline uint32_t abi_swap32(const struct abi *abi, uint32_t value)
{
    return abi->big_endian ? __builtin_bswap32(value) : value;
}

static inline uint64_t abi_swap64(const struct abi *abi, uint64_t value)
{
    return abi->big_endian ? __builtin_bswap64(value) : value;
}

/* The ABI of the task's program. */
const struct abi *task_abi(const struct task *t);

/* Signal numbers of the guest and ours. */
int abi_signo_in(const struct abi *abi, int signo);
int abi_signo_out(const struct abi *abi, int signo);
uint64_t abi_set_in(const struct abi *abi, uint64_t set);
uint64_t abi_set_out(const struct abi *abi, uint64_t set);
/* An answer of ours as the guest knows it: error numbers. */
int64_t abi_result(const struct abi *abi, int64_t result);
/* Flags of open(2). */
uint64_t abi_open_in(const struct abi *abi, uint64_t flags);
uint64_t abi_open_out(const struct abi *abi, uint64_t flags);

#endif
