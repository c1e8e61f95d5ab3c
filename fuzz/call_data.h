/* What the pointers of a fuzzed program's calls point at: paths, and structures filled so that a call that
 * is given one goes on. They lie in the program's file, in its own layout and byte order. */
#ifndef FUZZ_CALL_DATA_H
#define FUZZ_CALL_DATA_H

#include "call_types.h"
#include "guest_code.h"
#include "kernel/abi_layout.h"

#include <linux/mqueue.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/time.h>
#include <sys/un.h>
#include <utime.h>

enum {
    PATHS_AT = GUEST_DATA_AT,
    PATHS_BYTES = 0x2000,
    STRUCTS_AT = PATHS_AT + PATHS_BYTES,
    STRUCT_BYTES = 128,
    SCRATCH_AT = STRUCTS_AT + STRUCT_COUNT * STRUCT_BYTES, /* up to the slots */
    LONG_NAME = 300,
};
_Static_assert((int)SCRATCH_AT < (int)GUEST_SLOTS_AT, "the structures end before the slots");

/* ---- Paths ---- */

#define PROC(path, mode, function)     "/proc/" path,
#define PROC_DIR(path)                 "/proc/" path,
#define PROC_PID(path, mode, function) "/proc/self/" path,
#define PROC_PID_DIR(path)             "/proc/self/" path,
#define PROC_LINK(path)                "/proc/self/" path,
#define DEVICE(path, ...)              "/dev/" path,
static const char *const call_paths[] = {
    "/x",
    "/",
    "",
    ".",
    "..",
    "/tmp",
    "/tmp/a",
    "/tmp/b",
    "/tmp/d",
    "/tmp/d/e",
    "/tmp/l",
    "a",
    "b",
    "d",
    "d/../a",
    "//tmp//d/",
    "/tmp/a/b",
    "/tmp/s",
    "/dev/pts/0",
    "/dev/pts",
    "/dev/shm/x",
    "/dev/mqueue",
    "/proc/1/stat",
    "/proc/self/fd/0",
    "/proc/self/fd/3",
    "/proc/self/fd/4",
    "/proc/thread-self/comm",
    "/proc/self/task/1/stat",
    "/proc/self/mem",
    "/proc/self/exe",
    "/proc/2/cmdline",
    "/proc/filesystems",
    "/sys",
    "/sys/class/net",
    "/sys/kernel",
    "/proc/self",
    "/proc",
    "/dev",
    "/run",
    "/tmp/d/m",
    "/mnt",
#include "kernel/devices.def"
#include "kernel/procfs.def"
};
#undef PROC
#undef PROC_DIR
#undef PROC_PID
#undef PROC_PID_DIR
#undef PROC_LINK
#undef DEVICE

/* Where they stand, one behind the other; behind them a name that is too long. */
static uint16_t call_path_at[ARRAY_LEN(call_paths) + 1];

static inline void put_paths(struct guest_code *g)
{
    size_t at = PATHS_AT;
    for (size_t i = 0; i < ARRAY_LEN(call_paths); i++) {
        size_t len = strlen(call_paths[i]) + 1;
        assert(at + len + LONG_NAME < PATHS_AT + PATHS_BYTES);
        memcpy(g->bytes + at, call_paths[i], len);
        call_path_at[i] = (uint16_t)at;
        at += len;
    }
    call_path_at[ARRAY_LEN(call_paths)] = (uint16_t)at;
    memset(g->bytes + at, 'n', LONG_NAME);
}

static inline uint64_t path_address(size_t i)
{
    return GUEST_BASE + call_path_at[i % ARRAY_LEN(call_path_at)];
}

/* ---- Structures ---- */

static inline uint64_t struct_address(unsigned which)
{
    return GUEST_BASE + STRUCTS_AT + which % STRUCT_COUNT * STRUCT_BYTES;
}

static const struct {
    struct nlmsghdr head;
    struct rtgenmsg body;
} data_dump = {{.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)),
                .nlmsg_type = RTM_GETLINK,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
               {AF_UNSPEC}};
static const struct {
    struct nlmsghdr head;
    struct unix_diag_req body;
} data_diag = {{.nlmsg_len = NLMSG_LENGTH(sizeof(struct unix_diag_req)),
                .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
               {.sdiag_family = AF_UNIX, .udiag_states = UINT32_MAX, .udiag_show = 0x3f}};
/* struct cmsghdr with two descriptors. */
static const struct {
    uint64_t len;
    int32_t level, type, fd[2];
} data_control = {24, SOL_SOCKET, SCM_RIGHTS, {3, 4}};

#define DATA(type, ...) &(const type){__VA_ARGS__}, sizeof(type)
#define TEXT(text)      text, sizeof(text) - 1, L_COUNT
/* `layout` is how the guest has it; L_COUNT: as it is. */
static const struct {
    const void *bytes;
    size_t len;
    enum abi_layout layout;
} call_data[STRUCT_WORDS] = {
    [STRUCT_zero] = {DATA(uint64_t, 0), L_COUNT},
    [STRUCT_ones] = {DATA(uint64_t, UINT64_MAX), L_COUNT},
    [STRUCT_length] = {DATA(uint64_t, 64), L_INT32},
    [STRUCT_timespec] = {DATA(struct timespec, 0, 1000000), L_TIMESPEC},
    [STRUCT_timeval] = {DATA(struct timeval, 0, 1000), L_TIMEVAL},
    [STRUCT_itimerspec] = {DATA(struct itimerspec, {0, 100000}, {0, 1000000}), L_ITIMERSPEC},
    [STRUCT_itimerval] = {DATA(struct itimerval, {0, 100}, {0, 1000}), L_ITIMERVAL},
    [STRUCT_utimbuf] = {DATA(struct utimbuf, 1, 2), L_UTIMBUF},
    [STRUCT_rlimit] = {DATA(struct rlimit, 16, 64), L_RLIMIT},
    [STRUCT_flock] = {DATA(struct flock, F_WRLCK, SEEK_SET, 0, 10, 0), L_FLOCK},
    [STRUCT_pollfd] = {&(const struct pollfd){3, POLLIN | POLLOUT, 0}, sizeof(struct pollfd),
                       L_POLLFD},
    [STRUCT_epoll] = {DATA(struct epoll_event, EPOLLIN | EPOLLOUT, {.u64 = 7}), L_EPOLL},
    [STRUCT_stack] = {DATA(stack_t, (void *)(uintptr_t)GUEST_ZERO, 0, 4096), L_STACK},
    [STRUCT_sigevent] = {&(const struct sigevent){.sigev_signo = SIGUSR1,
                                                  .sigev_notify = SIGEV_SIGNAL},
                         sizeof(struct sigevent), L_SIGEVENT},
    [STRUCT_open_how] = {DATA(struct open_how, O_RDWR, 0, RESOLVE_BENEATH), L_OPEN_HOW},
    [STRUCT_clone_args] = {DATA(struct clone_args, .exit_signal = SIGCHLD), L_CLONE_ARGS},
    [STRUCT_sched_attr] = {DATA(uint64_t, 48), L_COUNT},
    [STRUCT_cap] = {DATA(struct __user_cap_header_struct, _LINUX_CAPABILITY_VERSION_3, 0), L_COUNT},
    [STRUCT_sigset] = {DATA(uint64_t, 1U << (SIGUSR1 - 1) | 1U << (SIGALRM - 1)), L_SIGSET},
    [STRUCT_winsize] = {DATA(struct winsize, 24, 80, 0, 0), L_COUNT},
    [STRUCT_termios] = {DATA(struct termios, .c_iflag = ICRNL, .c_cc = {3, 28, 127}), L_COUNT},
    [STRUCT_address] = {DATA(struct sockaddr_in, AF_INET, 0x1600, {0x0100007f}, {0}), L_COUNT},
    [STRUCT_address6] = {DATA(struct sockaddr_in6, AF_INET6, 0x1600, 0, IN6ADDR_LOOPBACK_INIT, 0),
                         L_COUNT},
    [STRUCT_address_unix] = {DATA(struct sockaddr_un, AF_UNIX, "/tmp/s"), L_COUNT},
    [STRUCT_address_abstract] = {DATA(struct sockaddr_un, AF_UNIX, "\0abc"), L_COUNT},
    [STRUCT_address_netlink] = {DATA(struct sockaddr_nl, AF_NETLINK, 0, 0, 1), L_COUNT},
    [STRUCT_address_syslog] = {DATA(struct sockaddr_un, AF_UNIX, "/run/systemd/journal/dev-log"),
                               L_COUNT},
    [STRUCT_address_journal] = {DATA(struct sockaddr_un, AF_UNIX, "/run/systemd/journal/socket"),
                                L_COUNT},
    [STRUCT_address_bus] = {DATA(struct sockaddr_un, AF_UNIX, "/run/dbus/system_bus_socket"),
                            L_COUNT},
    [STRUCT_address_names] = {DATA(struct sockaddr_in, AF_INET, 0x3500, {0x09090909}, {0}),
                              L_COUNT},
    [STRUCT_address_far] = {DATA(struct sockaddr_in, AF_INET, 0x5000, {0x08080808}, {0}), L_COUNT},
    [STRUCT_ifreq] = {DATA(struct ifreq, {.ifrn_name = "lo"}, {.ifru_flags = 1}), L_COUNT},
    [STRUCT_rtentry] = {DATA(struct rtentry, .rt_dst = {AF_INET, "\0\0\12\0\0\0"},
                             .rt_gateway = {AF_INET, "\0\0\177\0\0\1"},
                             .rt_flags = RTF_UP | RTF_GATEWAY),
                        L_RTENTRY},
    [STRUCT_arpreq] = {DATA(struct arpreq, .arp_pa = {AF_INET, "\0\0\177\0\0\1"}, .arp_dev = "lo"),
                       L_ARPREQ},
    [STRUCT_netlink_dump] = {&data_dump, sizeof(data_dump), L_COUNT},
    [STRUCT_netlink_diag] = {&data_diag, sizeof(data_diag), L_COUNT},
    [STRUCT_control] = {&data_control, sizeof(data_control), L_COUNT},
    [STRUCT_fd_set] = {DATA(uint64_t, 0x3f), L_COUNT},
    [STRUCT_siginfo] = {DATA(siginfo_t, .si_signo = SIGUSR1, .si_code = SI_QUEUE), L_COUNT},
    [STRUCT_fstype] = {TEXT("tmpfs")},
    [STRUCT_mount_options] = {TEXT("size=64k,nr_inodes=9,mode=0700,uid=1,gid=2")},
    [STRUCT_xattr] = {TEXT("user.a")},
    [STRUCT_xattr_caps] = {TEXT("security.capability")},
    [STRUCT_xattr_list] = {TEXT("system.posix_acl_access")},
    [STRUCT_file_caps] = {TEXT("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
    [STRUCT_queue] = {TEXT("queue")},
    [STRUCT_mq_attr] = {DATA(struct mq_attr, .mq_maxmsg = 4, .mq_msgsize = 64), L_COUNT},
    [STRUCT_sembuf] = {DATA(struct sembuf, 0, -1, IPC_NOWAIT), L_COUNT},
    [STRUCT_thread_area] = {DATA(uint32_t[4], UINT32_MAX, GUEST_ZERO, 0xfffff, 0x51), L_COUNT},
    [STRUCT_icmp] = {TEXT("\10\0\367\375\0\1\0\1")},
    [STRUCT_syslog_line] = {TEXT("<13>Nov 17 09:12:41 x[12]: a line")},
    [STRUCT_journal_fields] = {TEXT("MESSAGE=a line\nPRIORITY=5\nX\n\3\0\0\0\0\0\0\0abc\n")},
    [STRUCT_bus_greeting] = {TEXT("\0AUTH EXTERNAL 30\r\nBEGIN\r\n\1\1\0\1\0\0\0\0\1\0\0\0")},
    [STRUCT_names_query] = {TEXT("\1\2\1\0\0\1\0\0\0\0\0\0\3www\3abc\3org\0\0\1\0\1")},
    [STRUCT_number] = {DATA(uint32_t, 1), L_INT32},
};

static inline void put_words(struct guest_code *g, enum call_struct which, const uint64_t *words,
                             size_t n)
{
    for (size_t i = 0; i < n; i++)
        guest_put_word(g, STRUCTS_AT + which * STRUCT_BYTES + i * g->abi->word_bytes, words[i]);
}

/* What the third argument of an ioctl points at, for those that are not content with anything. */
static const struct {
    uint32_t command;
    enum call_struct which;
} ioctl_data[] = {
    {TCSETS, STRUCT_termios},       {TCSETSW, STRUCT_termios},
    {TCSETSF, STRUCT_termios},      {0x402c542b, STRUCT_termios},
    {0x5406, STRUCT_termios},       {0x540e, STRUCT_termios},     /* of MIPS */
    {TIOCSWINSZ, STRUCT_winsize},   {0x80087467, STRUCT_winsize}, /* of MIPS */
    {TIOCPKT, STRUCT_number},       {TIOCSPTLCK, STRUCT_zero},
    {TIOCSTI, STRUCT_fstype},       {TIOCSPGRP, STRUCT_number},
    {FIONBIO, STRUCT_number},       {FIOASYNC, STRUCT_number},
    {SIOCGIFCONF, STRUCT_ifconf},   {SIOCGIFFLAGS, STRUCT_ifreq},
    {SIOCSIFFLAGS, STRUCT_ifreq},   {SIOCGIFADDR, STRUCT_ifreq},
    {SIOCSIFADDR, STRUCT_ifreq},    {SIOCGIFNETMASK, STRUCT_ifreq},
    {SIOCSIFNETMASK, STRUCT_ifreq}, {SIOCGIFBRDADDR, STRUCT_ifreq},
    {SIOCGIFHWADDR, STRUCT_ifreq},  {SIOCGIFINDEX, STRUCT_ifreq},
    {SIOCGIFNAME, STRUCT_ifreq},    {SIOCGIFMTU, STRUCT_ifreq},
    {SIOCSIFMTU, STRUCT_ifreq},     {SIOCGIFTXQLEN, STRUCT_ifreq},
    {SIOCGIFMAP, STRUCT_ifreq},     {SIOCGIFMETRIC, STRUCT_ifreq},
    {SIOCADDRT, STRUCT_rtentry},    {SIOCDELRT, STRUCT_rtentry},
    {SIOCGARP, STRUCT_arpreq},      {SIOCSARP, STRUCT_arpreq},
    {SIOCDARP, STRUCT_arpreq},
};

/* STRUCT_COUNT: any. */
static inline enum call_struct ioctl_struct(uint64_t command)
{
    for (size_t i = 0; i < ARRAY_LEN(ioctl_data); i++)
        if (ioctl_data[i].command == command)
            return ioctl_data[i].which;
    return STRUCT_COUNT;
}

#define WORDS_OF(g, which, ...)                          \
    put_words(g, which, (const uint64_t[]){__VA_ARGS__}, \
              sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* `handler` and `restorer`: places in the code. */
static inline void put_structs(struct guest_code *g, uint64_t handler, uint64_t restorer)
{
    for (unsigned i = 0; i < STRUCT_WORDS; i++) {
        uint8_t *at = g->bytes + STRUCTS_AT + i * STRUCT_BYTES;
        assert(call_data[i].len <= STRUCT_BYTES);
        if (abi_is_foreign(g->abi) && call_data[i].layout != L_COUNT)
            abi_layout_out(g->abi, call_data[i].layout, call_data[i].bytes, at);
        else
            memcpy(at, call_data[i].bytes, call_data[i].len);
    }
    uint64_t scratch = GUEST_BASE + SCRATCH_AT;
    WORDS_OF(g, STRUCT_iovec, scratch, 64, GUEST_ZERO, 4096, GUEST_CONST, 10, GUEST_ZERO + 0x1ff0,
             32);
    WORDS_OF(g, STRUCT_msghdr, 0, 0, struct_address(STRUCT_iovec), 2,
             struct_address(STRUCT_control), sizeof(data_control), 0);
    WORDS_OF(g, STRUCT_argv, path_address(0), path_address(5), path_address(6), 0);
    WORDS_OF(g, STRUCT_set_and_size, struct_address(STRUCT_sigset), g->abi->set_bytes);
    WORDS_OF(g, STRUCT_robust, struct_address(STRUCT_robust), 0, 0);
    WORDS_OF(g, STRUCT_ifconf, 4096, GUEST_ZERO);
    if (g->abi->family == ABI_MIPS)
        WORDS_OF(g, STRUCT_sigaction, SA_RESTART, handler, 0, 0, 0);
    else
        WORDS_OF(g, STRUCT_sigaction, handler, 0x04000000 /* SA_RESTORER */ | SA_SIGINFO, restorer,
                 0, 0);
}

#endif
