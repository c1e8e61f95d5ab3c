/* The calls that need code (SPECIAL in abi_calls.def), and what their files share. */
#ifndef KERNEL_ABI_SPECIAL_H
#define KERNEL_ABI_SPECIAL_H

#include "kernel/abi.h"
#include "kernel/task.h"

#define CALL(...)
#define SPECIAL(name) int64_t abi_##name(struct task *t, const uint64_t raw[ABI_RAW_ARGS]);
#include "kernel/abi_calls.def"
#undef CALL
#undef SPECIAL

/* An empty window for the call that begins. */
static inline struct abi_window *abi_window_reset(struct task *t)
{
    t->kernel->window.used = 0;
    t->kernel->window.slot_count = 0;
    return &t->kernel->window;
}

/* Numbers and flags of the guest that differ on MIPS, as ours. */
uint64_t abi_map_in(const struct abi *abi, uint64_t flags);          /* mmap */
int abi_resource_in(const struct abi *abi, int resource);            /* RLIMIT_x */
uint64_t abi_action_flags_in(const struct abi *abi, uint64_t flags); /* SA_x */
uint64_t abi_action_flags_out(const struct abi *abi, uint64_t flags);
uint64_t abi_socket_type_in(const struct abi *abi, uint64_t type); /* SOCK_x */

/* ioctl's part for sockets: commands of 0x89. */
int64_t abi_net_ioctl(struct task *t, const uint64_t raw[ABI_RAW_ARGS]);

#endif
