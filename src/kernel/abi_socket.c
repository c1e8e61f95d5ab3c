/* Calls that need code: sockets. An address begins with its family in the guest's byte order; a
 * message is a structure of addresses; options are ints but for a few. */
#include "kernel/abi_spec.h"
#include "kernel/abi_special.h"
#include "kernel/syscalls.h"
#include "kernel/syssocket.h"

#include <errno.h>
#include <linux/net.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { NAME_MAX_BYTES = 128, CONTROL_MAX_BYTES = 4096, OPTION_MAX_BYTES = 256 };

/* ---- Addresses ---- */

static void swap16(uint8_t *at)
{
    uint8_t first = at[0];
    at[0] = at[1];
    at[1] = first;
}

static void swap32(uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, 4);
    word = __builtin_bswap32(word);
    memcpy(at, &word, 4);
}

/* Ports and IP addresses are in the network's order for everybody. */
static void swap_name(const struct abi *abi, uint8_t *name, size_t len, bool in)
{
    if (!abi->big_endian || len < 2)
        return;
    uint16_t family;
    if (in)
        swap16(name);
    memcpy(&family, name, 2);
    if (!in)
        swap16(name);
    if (family == AF_INET6 && len >= 28)
        swap32(name + 24);
    if (family == AF_NETLINK && len >= 12) {
        swap32(name + 4);
        swap32(name + 8);
    }
}

/* The guest's address in the window. 0 or -errno. */
static int name_in(struct task *t, uint64_t from, uint64_t len, uint64_t *to)
{
    uint8_t name[NAME_MAX_BYTES] = {0};
    if (len > sizeof(name))
        return -EINVAL;
    if (task_read(t, from, name, (size_t)len) != 0)
        return -EFAULT;
    swap_name(t->call_abi, name, (size_t)len, true);
    int error = abi_window_take(&t->kernel->window, sizeof(name), to);
    return error != 0 ? error : abi_window_write(&t->kernel->window, *to, name, sizeof(name));
}

/* Room in the window for an address that a handler tells, with its length. */
struct told {
    uint64_t name, len;             /* in the window; 0: not wanted */
    uint64_t guest_name, guest_len; /* the guest's */
    uint32_t room;
};

static int told_begin(struct task *t, struct told *n, uint64_t name, uint64_t len)
{
    *n = (struct told){.guest_name = name, .guest_len = len};
    if (name == 0 || len == 0)
        return 0;
    if (abi_get(t, L_INT32, len, &n->room) != 0)
        return -EFAULT;
    if ((int32_t)n->room < 0)
        return -EINVAL;
    uint32_t most = n->room < NAME_MAX_BYTES ? n->room : NAME_MAX_BYTES;
    int error = abi_window_take(&t->kernel->window, NAME_MAX_BYTES + 8, &n->name);
    n->len = n->name + NAME_MAX_BYTES;
    return error != 0 ? error : abi_window_write(&t->kernel->window, n->len, &most, sizeof(most));
}

static int told_end(struct task *t, const struct told *n)
{
    uint8_t name[NAME_MAX_BYTES];
    uint32_t len;
    if (n->name == 0)
        return 0;
    abi_window_read(&t->kernel->window, n->name, name, sizeof(name));
    abi_window_read(&t->kernel->window, n->len, &len, sizeof(len));
    uint32_t copied = len < n->room ? len : n->room;
    if (copied > sizeof(name))
        copied = sizeof(name);
    swap_name(t->call_abi, name, copied, false);
    if (task_write(t, n->guest_name, name, copied) != 0)
        return -EFAULT;
    return abi_put(t, L_INT32, n->guest_len, &len);
}

/* ---- Sockets ---- */

int64_t abi_socket(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return sys_socket(t,
                      (const uint64_t[6]){raw[0], abi_socket_type_in(t->call_abi, raw[1]), raw[2]});
}

int64_t abi_socketpair(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return abi_run(t, sys_socketpair, SPEC(I, W, I, OUTS(INT32, 2)),
                   WORDS(raw[0], abi_socket_type_in(t->call_abi, raw[1]), raw[2], raw[3]));
}

static int64_t with_name(struct task *t, abi_handler handler, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t name;
    abi_window_reset(t);
    if ((int32_t)raw[2] < 0)
        return -EINVAL;
    int error = name_in(t, raw[1], raw[2], &name);
    return error != 0 ? error : handler(t, (const uint64_t[6]){raw[0], name, raw[2]});
}

int64_t abi_bind(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return with_name(t, sys_bind, raw);
}

int64_t abi_connect(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return with_name(t, sys_connect, raw);
}

static int64_t tells_name(struct task *t, abi_handler handler, const uint64_t raw[ABI_RAW_ARGS],
                          uint64_t flags)
{
    struct told n;
    abi_window_reset(t);
    int error = told_begin(t, &n, raw[1], raw[2]);
    if (error != 0)
        return error;
    int64_t result = handler(t, (const uint64_t[6]){raw[0], n.name, n.len, flags});
    error = result >= 0 ? told_end(t, &n) : 0;
    return error != 0 ? error : result;
}

int64_t abi_accept(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return tells_name(t, sys_accept, raw, 0);
}

int64_t abi_accept4(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return tells_name(t, sys_accept4, raw, abi_socket_type_in(t->call_abi, raw[3]));
}

int64_t abi_getsockname(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return tells_name(t, sys_getsockname, raw, 0);
}

int64_t abi_getpeername(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return tells_name(t, sys_getpeername, raw, 0);
}

/* ---- Bytes ---- */

int64_t abi_sendto(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t name = 0;
    abi_window_reset(t);
    if (raw[4] != 0 && (int32_t)raw[5] < 0)
        return -EINVAL;
    int error = raw[4] != 0 ? name_in(t, raw[4], raw[5], &name) : 0;
    const uint64_t arg[6] = {raw[0], raw[1], raw[2], raw[3], name, raw[5]};
    return error != 0 ? error : sys_sendto(t, arg);
}

int64_t abi_recvfrom(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    struct told n;
    abi_window_reset(t);
    int error = told_begin(t, &n, raw[4], raw[5]);
    if (error != 0)
        return error;
    const uint64_t arg[6] = {raw[0], raw[1], raw[2], raw[3], n.name, n.len};
    int64_t result = sys_recvfrom(t, arg);
    error = result >= 0 ? told_end(t, &n) : 0;
    return error != 0 ? error : result;
}

int64_t abi_send(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return sys_sendto(t, (const uint64_t[6]){raw[0], raw[1], raw[2], raw[3]});
}

int64_t abi_recv(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    return sys_recvfrom(t, (const uint64_t[6]){raw[0], raw[1], raw[2], raw[3]});
}

/* ---- Messages ---- */

/* struct cmsghdr: a word, two ints; ours is four bytes longer, and aligned to 8. Their data are ints
 * (descriptors, credentials). */
enum { GUEST_HEAD = 12, OUR_HEAD = 16 };

static size_t align_to(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

static void copy_ints(const struct abi *abi, uint8_t *to, const uint8_t *from, size_t len)
{
    memcpy(to, from, len);
    for (size_t i = 0; abi->big_endian && i + 4 <= len; i += 4)
        swap32(to + i);
}

static int64_t control_in(const struct abi *abi, const uint8_t *from, size_t len, uint8_t *to)
{
    size_t at = 0, made = 0;
    while (at + GUEST_HEAD <= len) {
        uint32_t head[3];
        copy_ints(abi, (uint8_t *)head, from + at, sizeof(head));
        if (head[0] < GUEST_HEAD || head[0] > len - at)
            return -EINVAL;
        size_t data = head[0] - GUEST_HEAD;
        if (made + OUR_HEAD + align_to(data, 8) > (size_t)2 * CONTROL_MAX_BYTES)
            return -EINVAL;
        uint64_t all = OUR_HEAD + data;
        uint32_t level = abi->family == ABI_MIPS && head[1] == 0xffff ? SOL_SOCKET : head[1];
        memcpy(to + made, &all, 8);
        memcpy(to + made + 8, &level, 4);
        memcpy(to + made + 12, &head[2], 4);
        copy_ints(abi, to + made + OUR_HEAD, from + at + GUEST_HEAD, data);
        made += align_to(OUR_HEAD + data, 8);
        at += align_to(head[0], 4);
    }
    return (int64_t)made;
}

static size_t control_out(const struct abi *abi, const uint8_t *from, size_t len, uint8_t *to)
{
    size_t at = 0, made = 0;
    while (at + OUR_HEAD <= len) {
        uint64_t all;
        uint32_t head[3];
        memcpy(&all, from + at, 8);
        memcpy(&head[1], from + at + 8, 8);
        if (all < OUR_HEAD || all > len - at)
            break;
        size_t data = (size_t)all - OUR_HEAD;
        head[0] = (uint32_t)(GUEST_HEAD + data);
        if (abi->family == ABI_MIPS && head[1] == SOL_SOCKET)
            head[1] = 0xffff;
        copy_ints(abi, to + made, (const uint8_t *)head, sizeof(head));
        copy_ints(abi, to + made + GUEST_HEAD, from + at + OUR_HEAD, data);
        made += align_to(head[0], 4);
        at += align_to((size_t)all, 8);
    }
    return made;
}

/* The message in the window; its iov stays the guest's. */
struct message {
    struct msghdr guest, ours;
    uint64_t addr, control;
};

static int message_in(struct task *t, uint64_t addr, bool sends, struct message *m)
{
    struct abi_window *w = abi_window_reset(t);
    uint8_t control[CONTROL_MAX_BYTES], made[2 * CONTROL_MAX_BYTES];
    if (abi_get(t, L_MSGHDR, addr, &m->guest) != 0)
        return -EFAULT;
    m->ours = m->guest;
    uint64_t name = 0, name_len = m->guest.msg_namelen;
    int error = 0;
    if ((int32_t)name_len < 0)
        return -EINVAL;
    if (name_len > NAME_MAX_BYTES)
        name_len = NAME_MAX_BYTES;
    if (m->guest.msg_name != NULL && sends)
        error = name_in(t, (uint64_t)(uintptr_t)m->guest.msg_name, name_len, &name);
    else if (m->guest.msg_name != NULL)
        error = abi_window_take(w, NAME_MAX_BYTES, &name);
    m->ours.msg_name = (void *)(uintptr_t)name;
    m->ours.msg_namelen = (socklen_t)name_len;
    size_t len = m->guest.msg_controllen;
    if (len > sizeof(control)) {
        if (sends)
            return -ENOBUFS;
        len = sizeof(control);
    }
    m->control = 0;
    if (error == 0 && m->guest.msg_control != NULL && len > 0) {
        error = abi_window_take(w, sizeof(made), &m->control);
        m->ours.msg_controllen = len * 4 / 3; /* a descriptor more does not fit the guest's */
        if (error == 0 && sends) {
            int64_t n = -EFAULT;
            if (task_read(t, (uint64_t)(uintptr_t)m->guest.msg_control, control, len) == 0)
                n = control_in(t->call_abi, control, len, made);
            if (n < 0)
                return (int)n;
            m->ours.msg_controllen = (size_t)n;
            abi_window_write(w, m->control, made, (size_t)n);
        }
    }
    m->ours.msg_control = (void *)(uintptr_t)m->control;
    if (error == 0)
        error = abi_window_take(w, sizeof(m->ours), &m->addr);
    return error != 0 ? error : abi_window_write(w, m->addr, &m->ours, sizeof(m->ours));
}

static int message_out(struct task *t, uint64_t addr, struct message *m)
{
    struct abi_window *w = &t->kernel->window;
    uint8_t name[NAME_MAX_BYTES], control[2 * CONTROL_MAX_BYTES], made[2 * CONTROL_MAX_BYTES];
    abi_window_read(w, m->addr, &m->ours, sizeof(m->ours));
    uint32_t len = m->ours.msg_namelen;
    if (m->guest.msg_name != NULL) {
        uint32_t room = m->guest.msg_namelen < len ? m->guest.msg_namelen : len;
        room = room < sizeof(name) ? room : sizeof(name);
        abi_window_read(w, (uint64_t)(uintptr_t)m->ours.msg_name, name, sizeof(name));
        swap_name(t->call_abi, name, room, false);
        if (task_write(t, (uint64_t)(uintptr_t)m->guest.msg_name, name, room) != 0)
            return -EFAULT;
    }
    size_t n = 0;
    if (m->control != 0 && m->ours.msg_controllen <= sizeof(control)) {
        abi_window_read(w, m->control, control, m->ours.msg_controllen);
        n = control_out(t->call_abi, control, m->ours.msg_controllen, made);
        if (n > m->guest.msg_controllen)
            n = m->guest.msg_controllen;
        if (task_write(t, (uint64_t)(uintptr_t)m->guest.msg_control, made, n) != 0)
            return -EFAULT;
    }
    struct msghdr back = m->guest;
    back.msg_namelen = m->guest.msg_name != NULL ? len : 0;
    back.msg_controllen = n;
    back.msg_flags = m->ours.msg_flags;
    return abi_put(t, L_MSGHDR, addr, &back);
}

int64_t abi_sendmsg(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    struct message m;
    int error = message_in(t, raw[1], true, &m);
    return error != 0 ? error : sys_sendmsg(t, (const uint64_t[6]){raw[0], m.addr, raw[2]});
}

int64_t abi_recvmsg(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    struct message m;
    int error = message_in(t, raw[1], false, &m);
    if (error != 0)
        return error;
    int64_t result = sys_recvmsg(t, (const uint64_t[6]){raw[0], m.addr, raw[2]});
    error = result >= 0 ? message_out(t, raw[1], &m) : 0;
    return error != 0 ? error : result;
}

/* struct mmsghdr: a struct msghdr and a count. */
enum { MMSG_BYTES = 32, MMSG_COUNT_AT = 28 };

int64_t abi_sendmmsg(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    static const struct sys_messages kind = {
        .one = abi_sendmsg, .bytes = MMSG_BYTES, .count_at = MMSG_COUNT_AT};
    return sys_each_message(t, raw, &kind);
}

static int get_time(struct task *t, uint64_t addr, struct timespec *out)
{
    return abi_get(t, L_TIMESPEC, addr, out);
}

static int put_time(struct task *t, uint64_t addr, const struct timespec *time)
{
    return abi_put(t, L_TIMESPEC, addr, time);
}

static int get_time64(struct task *t, uint64_t addr, struct timespec *out)
{
    return abi_get(t, L_TIMESPEC64, addr, out);
}

static int put_time64(struct task *t, uint64_t addr, const struct timespec *time)
{
    return abi_put(t, L_TIMESPEC64, addr, time);
}

int64_t abi_recvmmsg(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    static const struct sys_messages kind = {abi_recvmsg, MMSG_BYTES, MMSG_COUNT_AT, get_time,
                                             put_time};
    return sys_each_message(t, raw, &kind);
}

int64_t abi_recvmmsg_time64(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    static const struct sys_messages kind = {abi_recvmsg, MMSG_BYTES, MMSG_COUNT_AT, get_time64,
                                             put_time64};
    return sys_each_message(t, raw, &kind);
}

/* ---- Options ---- */

static const struct option {
    uint32_t ours, mips;
} mips_options[] = {
    {SO_REUSEADDR, 0x0004}, {SO_KEEPALIVE, 0x0008}, {SO_DONTROUTE, 0x0010}, {SO_BROADCAST, 0x0020},
    {SO_LINGER, 0x0080},    {SO_OOBINLINE, 0x0100}, {SO_REUSEPORT, 0x0200}, {SO_TYPE, 0x1008},
    {SO_ERROR, 0x1007},     {SO_SNDBUF, 0x1001},    {SO_RCVBUF, 0x1002},    {SO_SNDLOWAT, 0x1003},
    {SO_RCVLOWAT, 0x1004},  {SO_SNDTIMEO, 0x1005},  {SO_RCVTIMEO, 0x1006},  {SO_ACCEPTCONN, 0x1009},
    {SO_PROTOCOL, 0x1028},  {SO_DOMAIN, 0x1029},    {SO_PASSCRED, 17},      {SO_PEERCRED, 18},
};

static void option_in(const struct abi *abi, uint64_t *level, uint64_t *name)
{
    if (abi->family != ABI_MIPS || *level != 0xffff)
        return;
    *level = SOL_SOCKET;
    for (size_t i = 0; i < ARRAY_LEN(mips_options); i++) {
        if (mips_options[i].mips == *name) {
            *name = mips_options[i].ours;
            return;
        }
    }
}

static bool is_time(uint64_t level, uint64_t name)
{
    return level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO);
}

/* With 64 bits of seconds, as ours; it has a number of its own. */
static uint64_t time64_option(uint64_t level, uint64_t name)
{
    enum { RCVTIMEO_NEW = 66, SNDTIMEO_NEW = 67 };
    if (level == SOL_SOCKET && name == RCVTIMEO_NEW)
        return SO_RCVTIMEO;
    return level == SOL_SOCKET && name == SNDTIMEO_NEW ? SO_SNDTIMEO : name;
}

int64_t abi_setsockopt(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t level = raw[1], name = raw[2], len = raw[4], addr = 0;
    uint8_t value[OPTION_MAX_BYTES] = {0};
    struct abi_window *w = abi_window_reset(t);
    option_in(t->call_abi, &level, &name);
    if ((int32_t)len < 0)
        return -EINVAL;
    if (is_time(level, name)) {
        struct timeval span;
        if (len < 8)
            return -EINVAL;
        if (abi_get(t, L_TIMEVAL, raw[3], &span) != 0)
            return -EFAULT;
        memcpy(value, &span, sizeof(span));
        len = sizeof(span);
    } else {
        if (len > sizeof(value))
            len = sizeof(value);
        if (task_read(t, raw[3], value, (size_t)len) != 0)
            return -EFAULT;
        copy_ints(t->call_abi, value, value, (size_t)len);
    }
    int error = abi_window_take(w, sizeof(value), &addr);
    if (error != 0)
        return error;
    abi_window_write(w, addr, value, sizeof(value));
    return sys_setsockopt(
        t, (const uint64_t[6]){raw[0], level, time64_option(level, name), addr, len});
}

int64_t abi_getsockopt(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    uint64_t level = raw[1], name = raw[2], addr;
    uint8_t value[OPTION_MAX_BYTES];
    uint32_t room, len;
    struct timeval span;
    struct abi_window *w = abi_window_reset(t);
    option_in(t->call_abi, &level, &name);
    if (abi_get(t, L_INT32, raw[4], &room) != 0)
        return -EFAULT;
    if ((int32_t)room < 0)
        return -EINVAL;
    int error = abi_window_take(w, sizeof(value) + 8, &addr);
    if (error != 0)
        return error;
    len = room < sizeof(value) ? room : sizeof(value);
    if (is_time(level, name))
        len = sizeof(span);
    abi_window_write(w, addr + sizeof(value), &len, sizeof(len));
    const uint64_t arg[6] = {raw[0], level, time64_option(level, name), addr, addr + sizeof(value)};
    int64_t result = sys_getsockopt(t, arg);
    if (result < 0)
        return result;
    abi_window_read(w, addr, value, sizeof(value));
    abi_window_read(w, addr + sizeof(value), &len, sizeof(len));
    if (is_time(level, name)) {
        memcpy(&span, value, sizeof(span));
        len = 8;
        error = room < len ? -EINVAL : abi_put(t, L_TIMEVAL, raw[3], &span);
    } else {
        if (level == SOL_SOCKET && name == SO_TYPE) {
            uint32_t type;
            memcpy(&type, value, sizeof(type));
            type = (uint32_t)abi_socket_type_in(t->call_abi, type); /* its own inverse */
            memcpy(value, &type, sizeof(type));
        }
        len = len < sizeof(value) ? len : sizeof(value);
        copy_ints(t->call_abi, value, value, len);
        error = task_write(t, raw[3], value, len);
    }
    return error != 0 ? error : abi_put(t, L_INT32, raw[4], &len);
}

/* ---- socketcall: which call, and the address of its words ---- */

int64_t abi_socketcall(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    static const struct {
        abi_special special;
        unsigned words;
    } calls[] = {
        [SYS_SOCKET] = {abi_socket, 3},
        [SYS_BIND] = {abi_bind, 3},
        [SYS_CONNECT] = {abi_connect, 3},
        [SYS_LISTEN] = {NULL, 2},
        [SYS_ACCEPT] = {abi_accept, 3},
        [SYS_GETSOCKNAME] = {abi_getsockname, 3},
        [SYS_GETPEERNAME] = {abi_getpeername, 3},
        [SYS_SOCKETPAIR] = {abi_socketpair, 4},
        [SYS_SEND] = {abi_send, 4},
        [SYS_RECV] = {abi_recv, 4},
        [SYS_SENDTO] = {abi_sendto, 6},
        [SYS_RECVFROM] = {abi_recvfrom, 6},
        [SYS_SHUTDOWN] = {NULL, 2},
        [SYS_SETSOCKOPT] = {abi_setsockopt, 5},
        [SYS_GETSOCKOPT] = {abi_getsockopt, 5},
        [SYS_SENDMSG] = {abi_sendmsg, 3},
        [SYS_RECVMSG] = {abi_recvmsg, 3},
        [SYS_ACCEPT4] = {abi_accept4, 4},
        [SYS_SENDMMSG] = {abi_sendmmsg, 4},
        [SYS_RECVMMSG] = {abi_recvmmsg, 5},
    };
    uint64_t words[ABI_RAW_ARGS] = {0};
    if (raw[0] < SYS_SOCKET || raw[0] >= ARRAY_LEN(calls))
        return -EINVAL;
    for (unsigned i = 0; i < calls[raw[0]].words; i++)
        if (abi_get(t, L_WORD, raw[1] + (size_t)4 * i, &words[i]) != 0)
            return -EFAULT;
    if (raw[0] == SYS_LISTEN)
        return sys_listen(t, words);
    if (raw[0] == SYS_SHUTDOWN)
        return sys_shutdown(t, words);
    return calls[raw[0]].special != NULL ? calls[raw[0]].special(t, words) : -EINVAL;
}
