/* What stands in call_types.def: kinds of arguments, sets of values and flags, and structures, which lie
 * filled in the program's memory (call_data.h). */
#ifndef FUZZ_CALL_TYPES_H
#define FUZZ_CALL_TYPES_H

#include "base/span.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

enum arg_kind {
    ARG_ANY,
    ARG_FD,
    ARG_DIR, /* a descriptor, or AT_FDCWD */
    ARG_PATH,
    ARG_BUF,
    ARG_LEN,
    ARG_INT, /* small */
    ARG_OFF,
    ARG_MODE,
    ARG_ADDR,  /* of pages */
    ARG_PAGES, /* so many bytes of them */
    ARG_STACK,
    ARG_PID,
    ARG_SIG,
    ARG_ID,
    ARG_CLOCK,
    ARG_SET_SIZE,
    ARG_POINTER, /* any structure, or a number */
    ARG_STRUCT,
    ARG_ONE,  /* of a set */
    ARG_BITS, /* of a set, some */
};

enum call_struct {
    STRUCT_zero,
    STRUCT_ones,
    STRUCT_length,
    STRUCT_timespec,
    STRUCT_timeval,
    STRUCT_itimerspec,
    STRUCT_itimerval,
    STRUCT_utimbuf,
    STRUCT_rlimit,
    STRUCT_flock,
    STRUCT_pollfd,
    STRUCT_epoll,
    STRUCT_stack,
    STRUCT_sigevent,
    STRUCT_open_how,
    STRUCT_clone_args,
    STRUCT_sched_attr,
    STRUCT_cap,
    STRUCT_sigset,
    STRUCT_winsize,
    STRUCT_termios,
    STRUCT_address, /* an Internet address; the others follow */
    STRUCT_address6,
    STRUCT_address_unix,
    STRUCT_address_abstract,
    STRUCT_address_netlink,
    STRUCT_address_syslog,
    STRUCT_address_journal,
    STRUCT_address_bus,
    STRUCT_address_names,
    STRUCT_address_far,
    STRUCT_ifreq,
    STRUCT_rtentry,
    STRUCT_arpreq,
    STRUCT_netlink_dump,
    STRUCT_netlink_diag,
    STRUCT_control,
    STRUCT_fd_set,
    STRUCT_siginfo,
    STRUCT_fstype,
    STRUCT_mount_options,
    STRUCT_xattr, /* a name; the others follow */
    STRUCT_xattr_caps,
    STRUCT_xattr_list,
    STRUCT_file_caps,
    STRUCT_queue,
    STRUCT_mq_attr,
    STRUCT_sembuf,
    STRUCT_thread_area,
    STRUCT_icmp,
    STRUCT_syslog_line,
    STRUCT_journal_fields,
    STRUCT_bus_greeting,
    STRUCT_names_query,
    STRUCT_number,
    STRUCT_iovec, /* from here on: words, with addresses */
    STRUCT_msghdr,
    STRUCT_argv,
    STRUCT_sigaction,
    STRUCT_set_and_size,
    STRUCT_robust,
    STRUCT_ifconf,
    STRUCT_COUNT,
    STRUCT_WORDS = STRUCT_iovec,
};

#define NUMBERS(name, ...) static const uint32_t values_##name[] = {__VA_ARGS__};
#define VALUE_SETS(SET_OF)                                                                         \
    SET_OF(any, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 0x400, 0x800, 0x1000, 0x2000, 0x4000,       \
           0x8000, 0x10000, 0x1000000, 0x2000000, 0x20000000, 0x40000000, 0x80000000)              \
    SET_OF(small, 0, 1, 2, 4, 8, 16, 32, 64, 128, 0x800, 0x1000)                                   \
    SET_OF(open, 0, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC, O_APPEND, O_NONBLOCK,    \
           O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_PATH, O_TMPFILE, O_CREAT | O_RDWR)                \
    SET_OF(at, 0, AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH,             \
           AT_NO_AUTOMOUNT, 0x2000, 0x4000)                                                        \
    SET_OF(whence, SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE, 7)                          \
    SET_OF(flock, LOCK_SH, LOCK_EX, LOCK_UN, LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, 0)              \
    SET_OF(node, S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK, S_IFDIR, S_IFREG | 0777)            \
    SET_OF(device, 0, 0x103, 0x105, 0x107, 0x109, 0x500, 0x501, 0x502, 0x8800, 0x801)              \
    SET_OF(mount, 0, MS_RDONLY, MS_NOSUID, MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE,       \
           MS_SHARED, MS_NOEXEC, MS_REMOUNT | MS_BIND)                                             \
    SET_OF(rwf, 0, 1, 2, 4, 8, 16)                                                                 \
    SET_OF(memfd, 0, 1, 2, 4, 8, 16)                                                               \
    SET_OF(fcntl, F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW,         \
           F_SETOWN, F_GETOWN, 36, 37, 38, F_SETSIG, F_GETSIG, 15, 16, F_SETLEASE, F_GETLEASE,     \
           F_NOTIFY, F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS, 12,    \
           13, 14)                                                                                 \
    SET_OF(ioctl, TCGETS, TCSETS, TCSETSW, TCSETSF, TCSBRK, TCXONC, TCFLSH, TIOCSCTTY, TIOCGPGRP,  \
           TIOCSPGRP, TIOCOUTQ, TIOCSTI, TIOCGWINSZ, TIOCSWINSZ, FIONREAD, TIOCNOTTY, TIOCGSID,    \
           TIOCGPTN, TIOCSPTLCK, TIOCGPTPEER, FIONBIO, FIOCLEX, FIONCLEX, FIOASYNC, TIOCPKT,       \
           TIOCEXCL, TIOCNXCL, TIOCGETD, TIOCSETD, SIOCGIFCONF, SIOCGIFFLAGS, SIOCSIFFLAGS,        \
           SIOCGIFADDR, SIOCSIFADDR, SIOCGIFNETMASK, SIOCSIFNETMASK, SIOCGIFBRDADDR,               \
           SIOCGIFHWADDR, SIOCGIFINDEX, SIOCGIFNAME, SIOCGIFMTU, SIOCSIFMTU, SIOCGIFTXQLEN,        \
           SIOCGIFMAP, SIOCGIFMETRIC, SIOCADDRT, SIOCDELRT, SIOCGARP, SIOCSARP, SIOCDARP, 0x540f,  \
           0x5410, 0x8904, 0x8905, 0x1272, 0x1260, 0x80086601, 0x40086602, 0x5409, 0x5425, 0x5405, \
           0x5406, 0x5407, 0x5408, 0x541c, 0x541d, 0x5427, 0x5428, 0x5437, 0x802c542a, 0x402c542b, \
           0x402c542c, 0x402c542d, 0x80045432, 0x40045436, 0x80045438, 0x80045439, 0x80045440,     \
           0x8906, 0x8907, 0xb701, 0xb702, 0xb703, 0xb704, 0x80081272, 0x301, 2, 1, 0x40049409,    \
           0x540d, 0x540e, 0x40087468, 0x80087467, 0x467f, 0x667e, 0x80047476, 0x40047477, 0x6601, \
           0x6602, 0x7400, 0x7401, 0x740d, 0x740e, 0x7416, 0x7472, 0x5471, 0x5472, 0x5480, 0x5486) \
    SET_OF(family, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, 0, 99)                       \
    SET_OF(socket, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM | SOCK_NONBLOCK, \
           SOCK_DGRAM | SOCK_NONBLOCK, SOCK_RAW | SOCK_CLOEXEC, SOCK_SEQPACKET | SOCK_NONBLOCK, 0) \
    SET_OF(msg, 0, MSG_DONTWAIT, MSG_PEEK, MSG_OOB, MSG_TRUNC, MSG_WAITALL, MSG_NOSIGNAL,          \
           MSG_CMSG_CLOEXEC, MSG_ERRQUEUE, MSG_WAITFORONE)                                         \
    SET_OF(level, SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_IPV6, SOL_RAW, SOL_NETLINK,         \
           IPPROTO_ICMPV6, IPPROTO_UDP, 263)                                                       \
    SET_OF(option, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 20, 21, 25, 26, 29,  \
           30, 31, 33, 36, 38, 39, 41, 49, 50, 62, 67, 70)                                         \
    SET_OF(futex, FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP,         \
           FUTEX_LOCK_PI, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET, FUTEX_WAIT_PRIVATE,                \
           FUTEX_WAKE_PRIVATE, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME,                           \
           FUTEX_CMP_REQUEUE_PRIVATE)                                                              \
    SET_OF(prot, 0, PROT_READ, PROT_WRITE, PROT_EXEC, PROT_READ | PROT_WRITE, 0x1000000,           \
           0x2000000)                                                                              \
    SET_OF(map, MAP_PRIVATE, MAP_SHARED, MAP_FIXED, MAP_ANONYMOUS, MAP_GROWSDOWN, MAP_NORESERVE,   \
           MAP_POPULATE, MAP_STACK, MAP_FIXED_NOREPLACE, MAP_PRIVATE | MAP_ANONYMOUS,              \
           MAP_SHARED | MAP_ANONYMOUS, MAP_HUGETLB, 3)                                             \
    SET_OF(advice, 0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 14, 15, 16, 18, 20, 21, 100)                   \
    SET_OF(clone, 0, SIGCHLD, CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_VFORK,         \
           CLONE_PARENT, CLONE_THREAD, CLONE_NEWNS, CLONE_SYSVSEM, CLONE_SETTLS,                   \
           CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_NEWUSER,           \
           CLONE_NEWPID, CLONE_NEWNET, CLONE_PIDFD,                                                \
           CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)                       \
    SET_OF(wait, 0, WNOHANG, WUNTRACED, WEXITED, WCONTINUED, WNOWAIT, WEXITED | WNOHANG,           \
           0x20000000, 0x40000000)                                                                 \
    SET_OF(prctl, PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE,            \
           PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP,             \
           PR_SET_SECCOMP, PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_GET_TSC, PR_GET_SECUREBITS,        \
           PR_SET_SECUREBITS, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_MM,                     \
           PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS,                    \
           PR_GET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS, PR_CAP_AMBIENT, PR_SET_VMA)                    \
    SET_OF(arch, ARCH_SET_FS, ARCH_GET_FS, ARCH_SET_GS, ARCH_GET_GS, 0x1011, 0x1012, 0x3001)       \
    SET_OF(ipc, 0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19, IPC_CREAT | 0600,                  \
           IPC_CREAT | IPC_EXCL | 0600, IPC_NOWAIT)
VALUE_SETS(NUMBERS)
#undef NUMBERS

enum call_values {
#define NAME_OF(name, ...) VALUES_##name,
    VALUE_SETS(NAME_OF)
#undef NAME_OF
};

static const struct {
    const uint32_t *of;
    size_t count;
} call_values[] = {
#define ROW(name, ...) {values_##name, ARRAY_LEN(values_##name)},
    VALUE_SETS(ROW)
#undef ROW
};

struct arg_type {
    uint8_t kind;
    uint8_t which; /* of the sets or the structures */
};

#define FD        \
    {             \
        ARG_FD, 0 \
    }
#define DIR        \
    {              \
        ARG_DIR, 0 \
    }
#define PATH        \
    {               \
        ARG_PATH, 0 \
    }
#define BUF        \
    {              \
        ARG_BUF, 0 \
    }
#define LEN        \
    {              \
        ARG_LEN, 0 \
    }
#define INT        \
    {              \
        ARG_INT, 0 \
    }
#define OFF        \
    {              \
        ARG_OFF, 0 \
    }
#define MODE        \
    {               \
        ARG_MODE, 0 \
    }
#define ADDR        \
    {               \
        ARG_ADDR, 0 \
    }
#define PAGES        \
    {                \
        ARG_PAGES, 0 \
    }
#define STACK        \
    {                \
        ARG_STACK, 0 \
    }
#define PID        \
    {              \
        ARG_PID, 0 \
    }
#define SIG        \
    {              \
        ARG_SIG, 0 \
    }
#define ID        \
    {             \
        ARG_ID, 0 \
    }
#define CLOCK        \
    {                \
        ARG_CLOCK, 0 \
    }
#define SET             \
    {                   \
        ARG_SET_SIZE, 0 \
    }
#define POINTER        \
    {                  \
        ARG_POINTER, 0 \
    }
#define S(name)                   \
    {                             \
        ARG_STRUCT, STRUCT_##name \
    }
#define ONE(name)              \
    {                          \
        ARG_ONE, VALUES_##name \
    }
#define BITS(name)              \
    {                           \
        ARG_BITS, VALUES_##name \
    }
static const struct call_types {
    const char *name_z;
    struct arg_type arg[6];
} call_types[] = {
#define CALL(name, ...) {#name, {__VA_ARGS__}},
#include "call_types.def"
#undef CALL
};
#undef FD
#undef DIR
#undef PATH
#undef BUF
#undef LEN
#undef INT
#undef OFF
#undef MODE
#undef ADDR
#undef PAGES
#undef STACK
#undef PID
#undef SIG
#undef ID
#undef CLOCK
#undef SET
#undef POINTER
#undef S
#undef ONE
#undef BITS

#endif
