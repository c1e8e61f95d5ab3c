#include "kernel/abi_layout.h"

#include "kernel/task.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <mqueue.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <utime.h>

/* What a field is in the guest's structure. */
enum field_type {
    T_END,
    T_PAD,   /* bytes that mean nothing, and are 0 */
    T_BYTES, /* copied as they are */
    T_U8,
    T_S16,
    T_U16,
    T_S32,
    T_U32,
    T_S64,
    T_U64,
    T_LOW, /* 64 bits of which the lower 32 count: tv_nsec with padding */
    T_SET, /* a set of signals */
    T_STATUS,
    T_SIGNO,
    T_OPEN, /* flags of open */
    T_TYPES,
    T_CHECKED = 0x80, /* must not be cut */
    T_PACKED = 0x40,  /* 64 bits at a multiple of 4, whatever the processor */
    T_FLAGS = T_CHECKED | T_PACKED,
};

static const uint8_t type_bytes[T_TYPES] = {
    [T_U8] = 1,  [T_S16] = 2, [T_U16] = 2,    [T_S32] = 4,   [T_U32] = 4,  [T_S64] = 8,
    [T_U64] = 8, [T_LOW] = 8, [T_STATUS] = 4, [T_SIGNO] = 4, [T_OPEN] = 4,
};

struct field {
    uint16_t at;   /* in our structure */
    uint8_t bytes; /* there; of T_PAD and T_BYTES in the guest's too */
    uint8_t type;
};

/* A structure's fields in the guest's order; where one kind of processor has its own, instead. */
struct layout {
    uint16_t bytes; /* of ours */
    const struct field *fields;
    const struct field *own[ABI_MIPS + 1];
};

#define FIELD(type_, member, kind)                                  \
    {                                                               \
        offsetof(type_, member), sizeof(((type_ *)0)->member), kind \
    }
#define ADDRESS(type_, member)                         \
    {                                                  \
        offsetof(type_, member), sizeof(void *), T_U32 \
    }
#define PAD(n)      \
    {               \
        0, n, T_PAD \
    }
#define ONE(type_, kind)          \
    {                             \
        {0, sizeof(type_), kind}, \
        {                         \
            0, 0, T_END           \
        }                         \
    }
#define END         \
    {               \
        0, 0, T_END \
    }

static const struct field f_int32[] = ONE(int32_t, T_S32);
static const struct field f_id16[] = ONE(uint32_t, T_U16);
static const struct field f_word[] = ONE(uint64_t, T_U32);
static const struct field f_off32[] = ONE(int64_t, T_S32 | T_CHECKED);
static const struct field f_off64[] = ONE(int64_t, T_S64);
static const struct field f_set[] = ONE(uint64_t, T_SET);
static const struct field f_status[] = ONE(int32_t, T_STATUS);

static const struct field f_timespec[] = {FIELD(struct timespec, tv_sec, T_S32),
                                          FIELD(struct timespec, tv_nsec, T_S32), END};
static const struct field f_timespec64[] = {FIELD(struct timespec, tv_sec, T_S64),
                                            FIELD(struct timespec, tv_nsec, T_LOW), END};
static const struct field f_timeval[] = {FIELD(struct timeval, tv_sec, T_S32),
                                         FIELD(struct timeval, tv_usec, T_S32), END};
static const struct field f_itimerspec[] = {FIELD(struct itimerspec, it_interval.tv_sec, T_S32),
                                            FIELD(struct itimerspec, it_interval.tv_nsec, T_S32),
                                            FIELD(struct itimerspec, it_value.tv_sec, T_S32),
                                            FIELD(struct itimerspec, it_value.tv_nsec, T_S32), END};
static const struct field f_itimerspec64[] = {FIELD(struct itimerspec, it_interval.tv_sec, T_S64),
                                              FIELD(struct itimerspec, it_interval.tv_nsec, T_LOW),
                                              FIELD(struct itimerspec, it_value.tv_sec, T_S64),
                                              FIELD(struct itimerspec, it_value.tv_nsec, T_LOW),
                                              END};
static const struct field f_itimerval[] = {FIELD(struct itimerval, it_interval.tv_sec, T_S32),
                                           FIELD(struct itimerval, it_interval.tv_usec, T_S32),
                                           FIELD(struct itimerval, it_value.tv_sec, T_S32),
                                           FIELD(struct itimerval, it_value.tv_usec, T_S32), END};
static const struct field f_utimbuf[] = {FIELD(struct utimbuf, actime, T_S32),
                                         FIELD(struct utimbuf, modtime, T_S32), END};
static const struct field f_tms[] = {
    FIELD(struct tms, tms_utime, T_S32), FIELD(struct tms, tms_stime, T_S32),
    FIELD(struct tms, tms_cutime, T_S32), FIELD(struct tms, tms_cstime, T_S32), END};

#define USAGE(member) FIELD(struct rusage, member, T_S32)
static const struct field f_rusage[] = {USAGE(ru_utime.tv_sec),
                                        USAGE(ru_utime.tv_usec),
                                        USAGE(ru_stime.tv_sec),
                                        USAGE(ru_stime.tv_usec),
                                        USAGE(ru_maxrss),
                                        USAGE(ru_ixrss),
                                        USAGE(ru_idrss),
                                        USAGE(ru_isrss),
                                        USAGE(ru_minflt),
                                        USAGE(ru_majflt),
                                        USAGE(ru_nswap),
                                        USAGE(ru_inblock),
                                        USAGE(ru_oublock),
                                        USAGE(ru_msgsnd),
                                        USAGE(ru_msgrcv),
                                        USAGE(ru_nsignals),
                                        USAGE(ru_nvcsw),
                                        USAGE(ru_nivcsw),
                                        END};

#define INFO(member, kind) FIELD(struct sysinfo, member, kind)
static const struct field f_sysinfo[] = {INFO(uptime, T_S32),
                                         INFO(loads[0], T_U32),
                                         INFO(loads[1], T_U32),
                                         INFO(loads[2], T_U32),
                                         INFO(totalram, T_U32),
                                         INFO(freeram, T_U32),
                                         INFO(sharedram, T_U32),
                                         INFO(bufferram, T_U32),
                                         INFO(totalswap, T_U32),
                                         INFO(freeswap, T_U32),
                                         INFO(procs, T_U16),
                                         PAD(2),
                                         INFO(totalhigh, T_U32),
                                         INFO(freehigh, T_U32),
                                         INFO(mem_unit, T_U32),
                                         PAD(8),
                                         END};

/* Larger limits than 32 bits can say mean none. */
static const struct field f_rlimit[] = {FIELD(struct rlimit, rlim_cur, T_U32),
                                        FIELD(struct rlimit, rlim_max, T_U32), END};
static const struct field f_rlimit64[] = {FIELD(struct rlimit, rlim_cur, T_U64),
                                          FIELD(struct rlimit, rlim_max, T_U64), END};

/* ---- Files ---- */

#define STAT(member, kind) FIELD(struct stat, member, kind)
#define STAT_TIMES                                                                          \
    STAT(st_atim.tv_sec, T_S32), STAT(st_atim.tv_nsec, T_U32), STAT(st_mtim.tv_sec, T_S32), \
        STAT(st_mtim.tv_nsec, T_U32), STAT(st_ctim.tv_sec, T_S32), STAT(st_ctim.tv_nsec, T_U32)
static const struct field f_stat[] = {STAT(st_dev, T_U32),
                                      STAT(st_ino, T_U32 | T_CHECKED),
                                      STAT(st_mode, T_U16),
                                      STAT(st_nlink, T_U16),
                                      STAT(st_uid, T_U16),
                                      STAT(st_gid, T_U16),
                                      STAT(st_rdev, T_U32),
                                      STAT(st_size, T_S32 | T_CHECKED),
                                      STAT(st_blksize, T_U32),
                                      STAT(st_blocks, T_U32),
                                      STAT_TIMES,
                                      PAD(8),
                                      END};
static const struct field f_stat_mips[] = {STAT(st_dev, T_U32),
                                           PAD(12),
                                           STAT(st_ino, T_U32 | T_CHECKED),
                                           STAT(st_mode, T_U32),
                                           STAT(st_nlink, T_U32),
                                           STAT(st_uid, T_U32),
                                           STAT(st_gid, T_U32),
                                           STAT(st_rdev, T_U32),
                                           PAD(8),
                                           STAT(st_size, T_S32 | T_CHECKED),
                                           STAT_TIMES,
                                           STAT(st_blksize, T_U32),
                                           STAT(st_blocks, T_U32),
                                           PAD(56),
                                           END};
static const struct field f_stat64[] = {STAT(st_dev, T_U64),
                                        PAD(4),
                                        STAT(st_ino, T_U32),
                                        STAT(st_mode, T_U32),
                                        STAT(st_nlink, T_U32),
                                        STAT(st_uid, T_U32),
                                        STAT(st_gid, T_U32),
                                        STAT(st_rdev, T_U64),
                                        PAD(4),
                                        STAT(st_size, T_S64),
                                        STAT(st_blksize, T_U32),
                                        STAT(st_blocks, T_U64),
                                        STAT_TIMES,
                                        STAT(st_ino, T_U64),
                                        END};
static const struct field f_stat64_mips[] = {STAT(st_dev, T_U32),
                                             PAD(12),
                                             STAT(st_ino, T_U64),
                                             STAT(st_mode, T_U32),
                                             STAT(st_nlink, T_U32),
                                             STAT(st_uid, T_U32),
                                             STAT(st_gid, T_U32),
                                             STAT(st_rdev, T_U32),
                                             PAD(12),
                                             STAT(st_size, T_S64),
                                             STAT_TIMES,
                                             STAT(st_blksize, T_U32),
                                             PAD(4),
                                             STAT(st_blocks, T_S64),
                                             END};

#define SX(member, kind) FIELD(struct statx, member, kind)
#define SX_TIME(member)  SX(member.tv_sec, T_S64), SX(member.tv_nsec, T_U32), PAD(4)
static const struct field f_statx[] = {SX(stx_mask, T_U32),
                                       SX(stx_blksize, T_U32),
                                       SX(stx_attributes, T_U64),
                                       SX(stx_nlink, T_U32),
                                       SX(stx_uid, T_U32),
                                       SX(stx_gid, T_U32),
                                       SX(stx_mode, T_U16),
                                       PAD(2),
                                       SX(stx_ino, T_U64),
                                       SX(stx_size, T_U64),
                                       SX(stx_blocks, T_U64),
                                       SX(stx_attributes_mask, T_U64),
                                       SX_TIME(stx_atime),
                                       SX_TIME(stx_btime),
                                       SX_TIME(stx_ctime),
                                       SX_TIME(stx_mtime),
                                       SX(stx_rdev_major, T_U32),
                                       SX(stx_rdev_minor, T_U32),
                                       SX(stx_dev_major, T_U32),
                                       SX(stx_dev_minor, T_U32),
                                       SX(stx_mnt_id, T_U64),
                                       PAD(104),
                                       END};

#define FS(member, kind) FIELD(struct statfs, member, kind)
#define FS_ID            FS(f_fsid, T_BYTES)
static const struct field f_statfs[] = {FS(f_type, T_U32),
                                        FS(f_bsize, T_U32),
                                        FS(f_blocks, T_U32),
                                        FS(f_bfree, T_U32),
                                        FS(f_bavail, T_U32),
                                        FS(f_files, T_U32),
                                        FS(f_ffree, T_U32),
                                        FS_ID,
                                        FS(f_namelen, T_U32),
                                        FS(f_frsize, T_U32),
                                        FS(f_flags, T_U32),
                                        PAD(16),
                                        END};
static const struct field f_statfs_mips[] = {FS(f_type, T_U32),
                                             FS(f_bsize, T_U32),
                                             FS(f_frsize, T_U32),
                                             FS(f_blocks, T_U32),
                                             FS(f_bfree, T_U32),
                                             FS(f_files, T_U32),
                                             FS(f_ffree, T_U32),
                                             FS(f_bavail, T_U32),
                                             FS_ID,
                                             FS(f_namelen, T_U32),
                                             FS(f_flags, T_U32),
                                             PAD(20),
                                             END};
static const struct field f_statfs64[] = {FS(f_type, T_U32),
                                          FS(f_bsize, T_U32),
                                          FS(f_blocks, T_U64 | T_PACKED),
                                          FS(f_bfree, T_U64 | T_PACKED),
                                          FS(f_bavail, T_U64 | T_PACKED),
                                          FS(f_files, T_U64 | T_PACKED),
                                          FS(f_ffree, T_U64 | T_PACKED),
                                          FS_ID,
                                          FS(f_namelen, T_U32),
                                          FS(f_frsize, T_U32),
                                          FS(f_flags, T_U32),
                                          PAD(16),
                                          END};
static const struct field f_statfs64_mips[] = {FS(f_type, T_U32),
                                               FS(f_bsize, T_U32),
                                               FS(f_frsize, T_U32),
                                               PAD(4),
                                               FS(f_blocks, T_U64),
                                               FS(f_bfree, T_U64),
                                               FS(f_files, T_U64),
                                               FS(f_ffree, T_U64),
                                               FS(f_bavail, T_U64),
                                               FS_ID,
                                               FS(f_namelen, T_U32),
                                               FS(f_flags, T_U32),
                                               PAD(20),
                                               END};

#define LOCK(member, kind) FIELD(struct flock, member, kind)
static const struct field f_flock[] = {LOCK(l_type, T_S16),
                                       LOCK(l_whence, T_S16),
                                       LOCK(l_start, T_S32 | T_CHECKED),
                                       LOCK(l_len, T_S32 | T_CHECKED),
                                       LOCK(l_pid, T_S32),
                                       END};
static const struct field f_flock_mips[] = {LOCK(l_type, T_S16),
                                            LOCK(l_whence, T_S16),
                                            LOCK(l_start, T_S32 | T_CHECKED),
                                            LOCK(l_len, T_S32 | T_CHECKED),
                                            PAD(4),
                                            LOCK(l_pid, T_S32),
                                            PAD(16),
                                            END};
static const struct field f_flock64[] = {LOCK(l_type, T_S16),  LOCK(l_whence, T_S16),
                                         LOCK(l_start, T_S64), LOCK(l_len, T_S64),
                                         LOCK(l_pid, T_S32),   END};

static const struct field f_pollfd[] = {FIELD(struct pollfd, fd, T_S32),
                                        FIELD(struct pollfd, events, T_S16),
                                        FIELD(struct pollfd, revents, T_S16), END};
/* Its data is the program's own: two words are kept in their order by being 64 bits. */
static const struct field f_epoll[] = {FIELD(struct epoll_event, events, T_U32),
                                       FIELD(struct epoll_event, data, T_U64), END};
static const struct field f_open_how[] = {FIELD(struct open_how, flags, T_U64),
                                          FIELD(struct open_how, mode, T_U64),
                                          FIELD(struct open_how, resolve, T_U64), END};

/* ---- Processes and signals ---- */

static const struct field f_stack[] = {FIELD(stack_t, ss_sp, T_U32),
                                       FIELD(stack_t, ss_flags, T_S32),
                                       FIELD(stack_t, ss_size, T_U32), END};
static const struct field f_stack_mips[] = {FIELD(stack_t, ss_sp, T_U32),
                                            FIELD(stack_t, ss_size, T_U32),
                                            FIELD(stack_t, ss_flags, T_S32), END};
static const struct field f_sigevent[] = {FIELD(struct sigevent, sigev_value, T_U32),
                                          FIELD(struct sigevent, sigev_signo, T_SIGNO),
                                          FIELD(struct sigevent, sigev_notify, T_S32),
                                          FIELD(struct sigevent, _sigev_un._tid, T_S32),
                                          PAD(48),
                                          END};
static const struct field f_mq_attr[] = {FIELD(struct mq_attr, mq_flags, T_OPEN),
                                         FIELD(struct mq_attr, mq_maxmsg, T_S32),
                                         FIELD(struct mq_attr, mq_msgsize, T_S32),
                                         FIELD(struct mq_attr, mq_curmsgs, T_S32),
                                         PAD(16),
                                         END};
#include "kernel/abi_fields_ipc.h"
#define CLONE(member) FIELD(struct clone_args, member, T_U64)
static const struct field f_clone_args[] = {
    CLONE(flags),       CLONE(pidfd),        CLONE(child_tid),  CLONE(parent_tid),
    CLONE(exit_signal), CLONE(stack),        CLONE(stack_size), CLONE(tls),
    CLONE(set_tid),     CLONE(set_tid_size), CLONE(cgroup),     END};
static const struct field f_msghdr[] = {
    FIELD(struct msghdr, msg_name, T_U32),    FIELD(struct msghdr, msg_namelen, T_S32),
    ADDRESS(struct msghdr, msg_iov),          FIELD(struct msghdr, msg_iovlen, T_U32),
    FIELD(struct msghdr, msg_control, T_U32), FIELD(struct msghdr, msg_controllen, T_U32),
    FIELD(struct msghdr, msg_flags, T_S32),   END};

/* ---- The network ---- */

#define IFREQ(member, kind) FIELD(struct ifreq, member, kind)
#define IFREQ_NAME          IFREQ(ifr_name, T_BYTES)
#define SOCKADDR(type_, name) \
    FIELD(type_, name.sa_family, T_U16), FIELD(type_, name.sa_data, T_BYTES)
static const struct field f_ifreq_addr[] = {IFREQ_NAME, SOCKADDR(struct ifreq, ifr_addr), END};
static const struct field f_ifreq_flags[] = {IFREQ_NAME, IFREQ(ifr_flags, T_S16), PAD(14), END};
static const struct field f_ifreq_int[] = {IFREQ_NAME, IFREQ(ifr_metric, T_S32), PAD(12), END};

#define ROUTE(member, kind) FIELD(struct rtentry, member, kind)
static const struct field f_rtentry[] = {ROUTE(rt_pad1, T_U32),
                                         SOCKADDR(struct rtentry, rt_dst),
                                         SOCKADDR(struct rtentry, rt_gateway),
                                         SOCKADDR(struct rtentry, rt_genmask),
                                         ROUTE(rt_flags, T_U16),
                                         ROUTE(rt_pad2, T_S16),
                                         ROUTE(rt_pad3, T_U32),
                                         PAD(4),
                                         ROUTE(rt_metric, T_S16),
                                         ADDRESS(struct rtentry, rt_dev),
                                         ROUTE(rt_mtu, T_U32),
                                         ROUTE(rt_window, T_U32),
                                         ROUTE(rt_irtt, T_U16),
                                         END};
static const struct field f_arpreq[] = {
    SOCKADDR(struct arpreq, arp_pa),        SOCKADDR(struct arpreq, arp_ha),
    FIELD(struct arpreq, arp_flags, T_S32), SOCKADDR(struct arpreq, arp_netmask),
    FIELD(struct arpreq, arp_dev, T_BYTES), END};

#define ALL(type_, fields_)     \
    {                           \
        sizeof(type_), fields_, \
        {                       \
            NULL                \
        }                       \
    }
#define BUT_MIPS(type_, all, mips) \
    {                              \
        sizeof(type_), all,        \
        {                          \
            [ABI_MIPS] = mips      \
        }                          \
    }
static const struct layout layouts[L_COUNT] = {
    [L_INT32] = ALL(int32_t, f_int32),
    [L_ID16] = ALL(uint32_t, f_id16),
    [L_WORD] = ALL(uint64_t, f_word),
    [L_OFF32] = ALL(int64_t, f_off32),
    [L_OFF64] = ALL(int64_t, f_off64),
    [L_SIGSET] = ALL(uint64_t, f_set),
    [L_STATUS] = ALL(int32_t, f_status),
    [L_TIMESPEC] = ALL(struct timespec, f_timespec),
    [L_TIMESPEC64] = ALL(struct timespec, f_timespec64),
    [L_TIMEVAL] = ALL(struct timeval, f_timeval),
    [L_ITIMERSPEC] = ALL(struct itimerspec, f_itimerspec),
    [L_ITIMERSPEC64] = ALL(struct itimerspec, f_itimerspec64),
    [L_ITIMERVAL] = ALL(struct itimerval, f_itimerval),
    [L_UTIMBUF] = ALL(struct utimbuf, f_utimbuf),
    [L_TMS] = ALL(struct tms, f_tms),
    [L_RUSAGE] = ALL(struct rusage, f_rusage),
    [L_SYSINFO] = ALL(struct sysinfo, f_sysinfo),
    [L_RLIMIT] = ALL(struct rlimit, f_rlimit),
    [L_RLIMIT64] = ALL(struct rlimit, f_rlimit64),
    [L_STAT] = BUT_MIPS(struct stat, f_stat, f_stat_mips),
    [L_STAT64] = BUT_MIPS(struct stat, f_stat64, f_stat64_mips),
    [L_STATX] = ALL(struct statx, f_statx),
    [L_STATFS] = BUT_MIPS(struct statfs, f_statfs, f_statfs_mips),
    [L_STATFS64] = BUT_MIPS(struct statfs, f_statfs64, f_statfs64_mips),
    [L_FLOCK] = BUT_MIPS(struct flock, f_flock, f_flock_mips),
    [L_FLOCK64] = ALL(struct flock, f_flock64),
    [L_POLLFD] = ALL(struct pollfd, f_pollfd),
    [L_EPOLL] = ALL(struct epoll_event, f_epoll),
    [L_STACK] = BUT_MIPS(stack_t, f_stack, f_stack_mips),
    [L_SIGEVENT] = ALL(struct sigevent, f_sigevent),
    [L_MQ_ATTR] = ALL(struct mq_attr, f_mq_attr),
    [L_SHMID_DS] = BUT_MIPS(struct shmid_ds, f_shmid_ds, f_shmid_ds_mips),
    [L_SHMINFO] = ALL(struct shminfo, f_shminfo),
    [L_SHM_INFO] = ALL(struct shm_info, f_shm_info),
    [L_SEMID_DS] = BUT_MIPS(struct semid_ds, f_semid_ds, f_semid_ds_mips),
    [L_SEMINFO] = ALL(struct seminfo, f_seminfo),
    [L_SEMBUF] = ALL(struct sembuf, f_sembuf),
    [L_MSQID_DS] = ALL(struct msqid_ds, f_msqid_ds),
    [L_MSGINFO] = ALL(struct msginfo, f_msginfo),
    [L_OPEN_HOW] = ALL(struct open_how, f_open_how),
    [L_CLONE_ARGS] = ALL(struct clone_args, f_clone_args),
    [L_MSGHDR] = ALL(struct msghdr, f_msghdr),
    [L_IFREQ_ADDR] = ALL(struct ifreq, f_ifreq_addr),
    [L_IFREQ_FLAGS] = ALL(struct ifreq, f_ifreq_flags),
    [L_IFREQ_INT] = ALL(struct ifreq, f_ifreq_int),
    [L_RTENTRY] = ALL(struct rtentry, f_rtentry),
    [L_ARPREQ] = ALL(struct arpreq, f_arpreq),
};

/* ---- Conversion ---- */

static const struct field *fields_of(const struct abi *abi, enum abi_layout layout)
{
    const struct field *own = layouts[layout].own[abi->family];
    return own != NULL ? own : layouts[layout].fields;
}

static size_t bytes_of(const struct abi *abi, const struct field *f)
{
    unsigned type = f->type & ~(unsigned)T_FLAGS;
    if (type == T_PAD || type == T_BYTES)
        return f->bytes;
    return type == T_SET ? abi->set_bytes : type_bytes[type];
}

static size_t align_of(const struct abi *abi, const struct field *f)
{
    unsigned type = f->type & ~(unsigned)T_FLAGS;
    if (type == T_PAD || type == T_BYTES)
        return 1;
    if (type == T_SET)
        return 4;
    bool loose = !abi->aligned64 || (f->type & T_PACKED) != 0;
    return type_bytes[type] == 8 && loose ? 4 : type_bytes[type];
}

/* The next field's place at or behind `at`; the structure's alignment grows with it. */
static size_t place(const struct abi *abi, const struct field *f, size_t at, size_t *align)
{
    size_t own = align_of(abi, f);
    if (own > *align)
        *align = own;
    return (at + own - 1) & ~(own - 1);
}

size_t abi_layout_bytes(const struct abi *abi, enum abi_layout layout)
{
    size_t at = 0, align = 1;
    for (const struct field *f = fields_of(abi, layout); f->type != T_END; f++)
        at = place(abi, f, at, &align) + bytes_of(abi, f);
    return (at + align - 1) & ~(align - 1);
}

size_t abi_native_bytes(enum abi_layout layout)
{
    return layouts[layout].bytes;
}

static uint64_t get(const struct abi *abi, const uint8_t *guest, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value |= (uint64_t)guest[i] << (8 * (abi->big_endian ? n - 1 - i : i));
    return value;
}

static void put(const struct abi *abi, uint8_t *guest, size_t n, uint64_t value)
{
    for (size_t i = 0; i < n; i++)
        guest[i] = (uint8_t)(value >> (8 * (abi->big_endian ? n - 1 - i : i)));
}

/* Two words of 32 bits, the lower signals first whatever the byte order; MIPS has four. */
static uint64_t get_set(const struct abi *abi, const uint8_t *guest)
{
    uint64_t set = get(abi, guest, 4) | get(abi, guest + 4, 4) << 32;
    return abi_set_in(abi, set);
}

static void put_set(const struct abi *abi, uint8_t *guest, uint64_t set)
{
    set = abi_set_out(abi, set);
    put(abi, guest, 4, set);
    put(abi, guest + 4, 4, set >> 32);
}

/* The signal that ended or stopped a process, in the status of wait. */
static int32_t status_out(const struct abi *abi, int32_t status)
{
    int low = status & 0x7f;
    if (low == 0x7f && (status & 0xff00) != 0 && (status >> 16) == 0 && status != 0xffff)
        return (status & 0xff) | abi_signo_out(abi, status >> 8 & 0xff) << 8;
    return low == 0 || low == 0x7f ? status : (status & ~0x7f) | abi_signo_out(abi, low);
}

static uint64_t widen(unsigned type, uint64_t value)
{
    switch (type) {
    case T_S16: return (uint64_t)(int16_t)value;
    case T_S32:
    case T_LOW: return (uint64_t)(int32_t)value;
    default: return value;
    }
}

static void field_in(const struct abi *abi, const struct field *f, const uint8_t *guest,
                     uint8_t *out)
{
    unsigned type = f->type & ~(unsigned)T_FLAGS;
    uint64_t value;
    switch (type) {
    case T_PAD: return;
    case T_BYTES: memcpy(out, guest, f->bytes); return;
    case T_SET: value = get_set(abi, guest); break;
    case T_SIGNO: value = (uint64_t)abi_signo_in(abi, (int)get(abi, guest, 4)); break;
    case T_OPEN: value = abi_open_in(abi, get(abi, guest, 4)); break;
    default: value = widen(type, get(abi, guest, type_bytes[type])); break;
    }
    memcpy(out, &value, f->bytes);
}

static uint64_t native_value(const struct field *f, const uint8_t *in)
{
    uint64_t value = 0;
    memcpy(&value, in, f->bytes);
    unsigned type = f->type & ~(unsigned)T_FLAGS;
    bool is_signed = type == T_S16 || type == T_S32 || type == T_S64 || type == T_LOW;
    if (is_signed && f->bytes < 8 && (value >> (8 * f->bytes - 1)) != 0)
        value |= ~UINT64_C(0) << (8 * f->bytes);
    return value;
}

static int field_out(const struct abi *abi, const struct field *f, const uint8_t *in,
                     uint8_t *guest)
{
    unsigned type = f->type & ~(unsigned)T_FLAGS;
    if (type == T_PAD)
        return 0;
    if (type == T_BYTES) {
        memcpy(guest, in, f->bytes);
        return 0;
    }
    uint64_t value = native_value(f, in);
    size_t n = type_bytes[type];
    switch (type) {
    case T_SET: put_set(abi, guest, value); return 0;
    case T_STATUS: put(abi, guest, 4, (uint64_t)status_out(abi, (int32_t)value)); return 0;
    case T_SIGNO: put(abi, guest, 4, (uint64_t)abi_signo_out(abi, (int)value)); return 0;
    case T_OPEN: put(abi, guest, 4, abi_open_out(abi, value)); return 0;
    default: break;
    }
    uint64_t cut = n < 8 ? value & ((UINT64_C(1) << (8 * n)) - 1) : value;
    if ((f->type & T_CHECKED) != 0 && widen(type, cut) != value)
        return -EOVERFLOW;
    put(abi, guest, n, value);
    return 0;
}

/* ---- What is not said by fields alone ---- */

/* More than 32 bits mean no limit. */
static void rlimit_in(struct rlimit *r)
{
    if (r->rlim_cur == UINT32_MAX)
        r->rlim_cur = RLIM_INFINITY;
    if (r->rlim_max == UINT32_MAX)
        r->rlim_max = RLIM_INFINITY;
}

static void rlimit_out(struct rlimit *r)
{
    if (r->rlim_cur > UINT32_MAX)
        r->rlim_cur = UINT32_MAX;
    if (r->rlim_max > UINT32_MAX)
        r->rlim_max = UINT32_MAX;
}

/* As Linux: memory is told in larger units when bytes do not fit. */
static void sysinfo_out(struct sysinfo *s)
{
    unsigned long most = s->totalram > s->totalswap ? s->totalram : s->totalswap;
    while (most > UINT32_MAX && s->mem_unit < CPU_PAGE_BYTES) {
        most >>= 1;
        s->mem_unit <<= 1;
        s->totalram >>= 1;
        s->freeram >>= 1;
        s->sharedram >>= 1;
        s->bufferram >>= 1;
        s->totalswap >>= 1;
        s->freeswap >>= 1;
        s->totalhigh >>= 1;
        s->freehigh >>= 1;
    }
}

/* 16-bit ids that cannot say it are 65534. */
static void stat16_out(struct stat *s)
{
    if (s->st_uid > UINT16_MAX)
        s->st_uid = 65534;
    if (s->st_gid > UINT16_MAX)
        s->st_gid = 65534;
}

void abi_layout_in(const struct abi *abi, enum abi_layout layout, const uint8_t *guest, void *out)
{
    size_t at = 0, align = 1;
    memset(out, 0, layouts[layout].bytes);
    for (const struct field *f = fields_of(abi, layout); f->type != T_END; f++) {
        at = place(abi, f, at, &align);
        field_in(abi, f, guest + at, (uint8_t *)out + f->at);
        at += bytes_of(abi, f);
    }
    if (layout == L_RLIMIT)
        rlimit_in(out);
}

int abi_layout_out(const struct abi *abi, enum abi_layout layout, const void *in, uint8_t *guest)
{
    union {
        struct rlimit rlimit;
        struct sysinfo sysinfo;
        struct stat stat;
        struct shminfo shminfo;
    } copy;
    size_t at = 0, align = 1;
    int error = 0;
    if (layout == L_RLIMIT || layout == L_SYSINFO || layout == L_STAT || layout == L_SHMINFO) {
        memcpy(&copy, in, layouts[layout].bytes);
        in = &copy;
    }
    if (layout == L_RLIMIT)
        rlimit_out(&copy.rlimit);
    else if (layout == L_SYSINFO)
        sysinfo_out(&copy.sysinfo);
    else if (layout == L_STAT && abi->family != ABI_MIPS)
        stat16_out(&copy.stat);
    else if (layout == L_SHMINFO && abi->family == ABI_I386 && copy.shminfo.shmmax > INT32_MAX)
        copy.shminfo.shmmax = INT32_MAX; /* as a 64-bit kernel tells it */
    memset(guest, 0, abi_layout_bytes(abi, layout));
    for (const struct field *f = fields_of(abi, layout); f->type != T_END && error == 0; f++) {
        at = place(abi, f, at, &align);
        error = field_out(abi, f, (const uint8_t *)in + f->at, guest + at);
        at += bytes_of(abi, f);
    }
    return error;
}

enum { LARGEST = 512 };

int abi_get(struct task *t, enum abi_layout layout, uint64_t addr, void *out)
{
    uint8_t guest[LARGEST];
    const struct abi *abi = t->call_abi;
    int error = task_read(t, addr, guest, abi_layout_bytes(abi, layout));
    if (error == 0)
        abi_layout_in(abi, layout, guest, out);
    return error;
}

int abi_put(struct task *t, enum abi_layout layout, uint64_t addr, const void *in)
{
    uint8_t guest[LARGEST];
    const struct abi *abi = t->call_abi;
    int error = abi_layout_out(abi, layout, in, guest);
    return error != 0 ? error : task_write(t, addr, guest, abi_layout_bytes(abi, layout));
}
