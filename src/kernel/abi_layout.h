/* Structures of the system-call interface, as fields: where each stands in ours and what it is in
 * the guest's. */
#ifndef KERNEL_ABI_LAYOUT_H
#define KERNEL_ABI_LAYOUT_H

#include "kernel/abi.h"

enum abi_layout {
    L_INT32,    /* an int, by itself or in an array */
    L_ID16,     /* a user or group of 16 bits */
    L_WORD,     /* an unsigned long */
    L_OFF32,    /* off_t of 32 bits */
    L_OFF64,    /* loff_t */
    L_SIGSET,   /* a set of signals */
    L_STATUS,   /* of wait */
    L_TIMESPEC, /* with 32 bits of seconds */
    L_TIMESPEC64,
    L_TIMEVAL,
    L_ITIMERSPEC,
    L_ITIMERSPEC64,
    L_ITIMERVAL,
    L_UTIMBUF,
    L_TMS,
    L_RUSAGE,
    L_SYSINFO,
    L_RLIMIT,
    L_RLIMIT64,
    L_STAT,
    L_STAT64,
    L_STATX,
    L_STATFS,
    L_STATFS64,
    L_FLOCK,
    L_FLOCK64,
    L_POLLFD,
    L_EPOLL,
    L_STACK,    /* stack_t */
    L_SIGEVENT, /* struct sigevent */
    L_MQ_ATTR,  /* struct mq_attr */
    L_SHMID_DS,
    L_SHMINFO,
    L_SHM_INFO,
    L_SEMID_DS,
    L_SEMINFO,
    L_SEMBUF,
    L_MSQID_DS,
    L_MSGINFO,
    L_OPEN_HOW,
    L_CLONE_ARGS,
    L_MSGHDR,
    L_IFREQ_ADDR, /* struct ifreq with an address, with flags, with an int */
    L_IFREQ_FLAGS,
    L_IFREQ_INT,
    L_RTENTRY,
    L_ARPREQ,
    L_COUNT,
};

/* Bytes of one structure, the guest's and ours. */
size_t abi_layout_bytes(const struct abi *abi, enum abi_layout layout);
size_t abi_native_bytes(enum abi_layout layout);
void abi_layout_in(const struct abi *abi, enum abi_layout layout, const uint8_t *guest, void *out);
/* 0, or -EOVERFLOW when a field that must not be cut does not fit. */
int abi_layout_out(const struct abi *abi, enum abi_layout layout, const void *in, uint8_t *guest);

/* One structure of the guest's memory. 0, -EFAULT, -EOVERFLOW. */
int abi_get(struct task *t, enum abi_layout layout, uint64_t addr, void *out);
int abi_put(struct task *t, enum abi_layout layout, uint64_t addr, const void *in);

#endif
