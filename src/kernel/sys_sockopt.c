/* Options of sockets: getsockopt(2) and setsockopt(2), by table. What an option changes elsewhere is
 * said by its place in socket.value; all others are only kept for the asking. */
#include "kernel/syssocket.h"
#include "kernel/xtables_legacy.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
    BUFFER_LEAST = 2304, /* of SO_RCVBUF, and twice of SO_SNDBUF's */
    BUFFER_MOST = 425984,
    MSS = 536,
};

enum option_kind {
    KIND_FLAG,   /* 0 or 1 */
    KIND_NUMBER, /* between least and most */
    KIND_BUFFER, /* what is set is doubled */
    KIND_ANY,    /* taken, never shown */
};

struct option {
    int level, name, family; /* family 0: all */
    enum option_kind kind;
    int place; /* in socket.value */
    int32_t first, least, most;
    int capability; /* that is needed to set it; 0: none */
};

enum {
    PLACE_KEEPALIVE = OPTION_NO_CHECK + 1,
    PLACE_BROADCAST,
    PLACE_OOBINLINE,
    PLACE_PRIORITY,
    PLACE_MARK,
    PLACE_LOWAT,
    PLACE_NODELAY,
    PLACE_IDLE,
    PLACE_INTERVAL,
    PLACE_COUNT,
    PLACE_TTL,
    PLACE_TOS,
    PLACE_V6ONLY,
    PLACE_SNDBUF,
    PLACE_RCVBUF,
    PLACE_CORK,
    PLACE_DONTROUTE,
    PLACE_FREE
};
_Static_assert((int)PLACE_FREE <= (int)SOCKET_VALUES, "a place for each option");

static const struct option options[] = {
    {SOL_SOCKET, SO_REUSEADDR, 0, KIND_FLAG, OPTION_REUSEADDR, 0, 0, 0, 0},
    {SOL_SOCKET, SO_REUSEPORT, 0, KIND_FLAG, OPTION_REUSEPORT, 0, 0, 0, 0},
    {SOL_SOCKET, SO_PASSCRED, 0, KIND_FLAG, OPTION_PASSCRED, 0, 0, 0, 0},
    {SOL_SOCKET, SO_TIMESTAMP, 0, KIND_FLAG, OPTION_TIMESTAMP, 0, 0, 0, 0},
    {SOL_SOCKET, SO_NO_CHECK, 0, KIND_FLAG, OPTION_NO_CHECK, 0, 0, 0, 0},
    {SOL_SOCKET, SO_KEEPALIVE, 0, KIND_FLAG, PLACE_KEEPALIVE, 0, 0, 0, 0},
    {SOL_SOCKET, SO_BROADCAST, 0, KIND_FLAG, PLACE_BROADCAST, 0, 0, 0, 0},
    {SOL_SOCKET, SO_OOBINLINE, 0, KIND_FLAG, PLACE_OOBINLINE, 0, 0, 0, 0},
    {SOL_SOCKET, SO_DONTROUTE, 0, KIND_FLAG, PLACE_DONTROUTE, 0, 0, 0, 0},
    {SOL_SOCKET, SO_PRIORITY, 0, KIND_NUMBER, PLACE_PRIORITY, 0, 0, 6, 0},
    {SOL_SOCKET, SO_MARK, 0, KIND_NUMBER, PLACE_MARK, 0, INT32_MIN, INT32_MAX, CAP_NET_ADMIN},
    {SOL_SOCKET, SO_RCVLOWAT, 0, KIND_NUMBER, PLACE_LOWAT, 1, 0, INT32_MAX, 0},
    {SOL_SOCKET, SO_SNDBUF, 0, KIND_BUFFER, PLACE_SNDBUF, SOCKET_BYTES, 2 * BUFFER_LEAST, 0, 0},
    {SOL_SOCKET, SO_RCVBUF, 0, KIND_BUFFER, PLACE_RCVBUF, SOCKET_BYTES, BUFFER_LEAST, 0, 0},
    {SOL_SOCKET, SO_BINDTODEVICE, 0, KIND_ANY, 0, 0, 0, 0, 0},
    {SOL_SOCKET, SO_ATTACH_FILTER, 0, KIND_ANY, 0, 0, 0, 0, 0},
    {SOL_SOCKET, SO_SNDBUFFORCE, 0, KIND_ANY, 0, 0, 0, 0, CAP_NET_ADMIN},
    {SOL_SOCKET, SO_RCVBUFFORCE, 0, KIND_ANY, 0, 0, 0, 0, CAP_NET_ADMIN},
    {IPPROTO_TCP, TCP_NODELAY, -1, KIND_FLAG, PLACE_NODELAY, 0, 0, 0, 0},
    {IPPROTO_TCP, TCP_CORK, -1, KIND_FLAG, PLACE_CORK, 0, 0, 0, 0},
    {IPPROTO_TCP, TCP_KEEPIDLE, -1, KIND_NUMBER, PLACE_IDLE, 7200, 1, 32767, 0},
    {IPPROTO_TCP, TCP_KEEPINTVL, -1, KIND_NUMBER, PLACE_INTERVAL, 75, 1, 32767, 0},
    {IPPROTO_TCP, TCP_KEEPCNT, -1, KIND_NUMBER, PLACE_COUNT, 9, 1, 127, 0},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_TCP, TCP_QUICKACK, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_TCP, TCP_SYNCNT, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_TCP, TCP_FASTOPEN, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IP, IP_TTL, -1, KIND_NUMBER, PLACE_TTL, 64, 1, 255, 0},
    {IPPROTO_IP, IP_TOS, -1, KIND_NUMBER, PLACE_TOS, 0, 0, 255, 0},
    {IPPROTO_IP, IP_RECVTTL, -1, KIND_FLAG, OPTION_RECVTTL, 0, 0, 0, 0},
    {IPPROTO_IP, IP_RECVERR, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IP, IP_OPTIONS, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IP, IP_RETOPTS, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IP, IP_PKTINFO, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IP, IP_HDRINCL, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IP, IP_MTU_DISCOVER, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IP, IP_MULTICAST_TTL, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IP, IP_MULTICAST_LOOP, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IP, IP_MULTICAST_IF, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IP, IP_ADD_MEMBERSHIP, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, -1, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IPV6, IPV6_V6ONLY, AF_INET6, KIND_FLAG, PLACE_V6ONLY, 0, 0, 0, 0},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, AF_INET6, KIND_NUMBER, PLACE_TTL, 64, -1, 255, 0},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, AF_INET6, KIND_FLAG, OPTION_RECVTTL, 0, 0, 0, 0},
    {IPPROTO_IPV6, IPV6_RECVERR, AF_INET6, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, AF_INET6, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IPV6, IPV6_TCLASS, AF_INET6, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, AF_INET6, KIND_ANY, 0, 0, 0, 0, 0},
    {IPPROTO_IPV6, IPV6_JOIN_GROUP, AF_INET6, KIND_ANY, 0, 0, 0, 0, 0},
    {SOL_RAW, 1, -1, KIND_ANY, 0, 0, 0, 0, 0},              /* ICMP_FILTER */
    {IPPROTO_ICMPV6, 1, AF_INET6, KIND_ANY, 0, 0, 0, 0, 0}, /* ICMP6_FILTER */
    {SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, AF_NETLINK, KIND_ANY, 0, 0, 0, 0, 0},
    {SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, AF_NETLINK, KIND_ANY, 0, 0, 0, 0, 0},
    {SOL_NETLINK, NETLINK_PKTINFO, AF_NETLINK, KIND_ANY, 0, 0, 0, 0, 0},
    {SOL_NETLINK, NETLINK_EXT_ACK, AF_NETLINK, KIND_FLAG, OPTION_EXT_ACK, 0, 0, 0, 0},
    {SOL_NETLINK, NETLINK_CAP_ACK, AF_NETLINK, KIND_FLAG, OPTION_CAP_ACK, 0, 0, 0, 0},
    {SOL_NETLINK, NETLINK_GET_STRICT_CHK, AF_NETLINK, KIND_ANY, 0, 0, 0, 0, 0},
    {SOL_NETLINK, NETLINK_NO_ENOBUFS, AF_NETLINK, KIND_ANY, 0, 0, 0, 0, 0},
    {SOL_PACKET, 1, AF_PACKET, KIND_ANY, 0, 0, 0, 0, 0}, /* PACKET_ADD_MEMBERSHIP */
    {SOL_PACKET, 8, AF_PACKET, KIND_ANY, 0, 0, 0, 0, 0}, /* PACKET_AUXDATA */
};

static bool has_level(const struct socket *s, int level)
{
    switch (level) {
    case SOL_SOCKET: return true;
    case IPPROTO_IP: return socket_is_inet(s);
    case IPPROTO_IPV6: return s->family == AF_INET6;
    case IPPROTO_TCP: return socket_is_inet(s) && s->type == SOCK_STREAM;
    case SOL_RAW:
    case IPPROTO_ICMPV6: return socket_is_inet(s) && s->type == SOCK_RAW;
    case SOL_NETLINK: return s->family == AF_NETLINK;
    default: return level == SOL_PACKET && s->family == AF_PACKET;
    }
}

static const struct option *find_option(const struct socket *s, int level, int name)
{
    for (size_t i = 0; has_level(s, level) && i < ARRAY_LEN(options); i++)
        if (options[i].level == level && options[i].name == name)
            return &options[i];
    return NULL;
}

/* What an unknown option, or a level that the socket does not have, is answered with. */
static int64_t unknown(const struct socket *s, int level, bool asked)
{
    if (socket_is_inet(s) && asked && !has_level(s, level))
        return -EOPNOTSUPP;
    if (has_level(s, level) || level == SOL_NETLINK)
        return -ENOPROTOOPT;
    return s->family == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
}

/* ---- Setting ---- */

static int64_t set_timeout(struct task *t, uint64_t addr, uint64_t len, int64_t *out_ns)
{
    int64_t value[2];
    if (len < sizeof(value))
        return -EINVAL;
    if (task_read(t, addr, value, sizeof(value)) != 0)
        return -EFAULT;
    if (value[1] < 0 || value[1] >= 1000000)
        return -EDOM;
    bool long_one = value[0] > INT64_MAX / 1000000000 - 1;
    *out_ns = value[0] < 0 ? -1 : long_one ? 0 : value[0] * 1000000000 + value[1] * 1000;
    return 0;
}

static int64_t set_value(struct socket *s, const struct option *o, int32_t value)
{
    switch (o->kind) {
    case KIND_FLAG: value = value != 0; break;
    case KIND_BUFFER:
        value = value < 0 || value > BUFFER_MOST / 2 ? BUFFER_MOST : 2 * value;
        value = value < o->least ? o->least : value;
        break;
    case KIND_NUMBER:
        if (value < o->least || value > o->most)
            return -EINVAL;
        break;
    case KIND_ANY: return 0;
    }
    s->value[o->place] = value;
    s->value_set |= 1U << o->place;
    return 0;
}

int64_t sys_setsockopt(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    struct socket *s = sys_socket_at(t, arg[0], &f, &error);
    int level = (int)arg[1], name = (int)arg[2];
    int32_t value = 0;
    if (s == NULL)
        return error;
    if ((int32_t)arg[4] < 0)
        return -EINVAL;
    if (level == SOL_SOCKET && name == SO_RCVTIMEO)
        return set_timeout(t, arg[3], arg[4], &s->receive_timeout_ns);
    if (level == SOL_SOCKET && name == SO_SNDTIMEO)
        return set_timeout(t, arg[3], arg[4], &s->send_timeout_ns);
    if (level == SOL_SOCKET && name == SO_LINGER)
        return (uint32_t)arg[4] < 2 * sizeof(value)               ? -EINVAL
               : task_read(t, arg[3], &value, sizeof(value)) != 0 ? -EFAULT
                                                                  : 0;
    if (xtables_legacy_has(s, level, name))
        return xtables_legacy_set(t, s, name, arg[3], (uint32_t)arg[4]);
    const struct option *o = find_option(s, level, name);
    if (o == NULL)
        return unknown(s, level, false);
    if (o->kind != KIND_ANY && (uint32_t)arg[4] < sizeof(value))
        return -EINVAL;
    if (o->kind != KIND_ANY && task_read(t, arg[3], &value, sizeof(value)) != 0)
        return -EFAULT;
    if (o->capability != 0 && !creds_capable(&t->creds, (unsigned)o->capability))
        return -EPERM;
    return set_value(s, o, value);
}

/* ---- Getting ---- */

static int64_t get_plain(struct socket *s, int name, int32_t value[4], size_t *len)
{
    *len = sizeof(int32_t);
    switch (name) {
    case SO_TYPE: value[0] = s->type; return 0;
    case SO_DOMAIN: value[0] = s->family; return 0;
    case SO_PROTOCOL: value[0] = s->family == AF_UNIX ? 0 : s->protocol; return 0;
    case SO_ACCEPTCONN: value[0] = s->listening; return 0;
    case SO_ERROR:
        value[0] = s->error;
        s->error = 0;
        if (s->due_ns != 0 && vfs_now(s->vfs) - s->vfs->boot_ns >= s->due_ns) {
            value[0] = s->due_error;
            s->due_ns = 0;
        }
        return 0;
    case SO_PEERCRED:
        *len = 3 * sizeof(int32_t);
        value[0] = s->connected && s->family == AF_UNIX ? s->peer_pid : 0;
        value[1] = s->connected && s->family == AF_UNIX ? (int32_t)s->peer_uid : -1;
        value[2] = s->connected && s->family == AF_UNIX ? (int32_t)s->peer_gid : -1;
        return 0;
    case SO_LINGER: *len = 2 * sizeof(int32_t); return 0;
    case SO_SNDLOWAT: value[0] = 1; return 0;
    default: return -ENOPROTOOPT;
    }
}

static int64_t get_timeout(int64_t ns, int32_t value[4], size_t *len)
{
    const int64_t pair[2] = {ns / 1000000000, ns % 1000000000 / 1000};
    memcpy(value, pair, sizeof(pair));
    *len = sizeof(pair);
    return 0;
}

static int64_t get_value(struct socket *s, int level, int name, int32_t value[4], size_t *len)
{
    const struct option *o = find_option(s, level, name);
    *len = sizeof(int32_t);
    if (level == SOL_SOCKET && name == SO_RCVTIMEO)
        return get_timeout(s->receive_timeout_ns, value, len);
    if (level == SOL_SOCKET && name == SO_SNDTIMEO)
        return get_timeout(s->send_timeout_ns, value, len);
    if (o == NULL && level == IPPROTO_TCP && name == TCP_MAXSEG && has_level(s, level)) {
        value[0] = MSS;
        return 0;
    }
    if (o == NULL)
        return level == SOL_SOCKET ? get_plain(s, name, value, len) : unknown(s, level, true);
    if (level == IPPROTO_IP && name == IP_OPTIONS)
        *len = 0; /* there are none */
    if (o->kind != KIND_ANY)
        value[0] = (s->value_set >> o->place & 1) != 0 ? s->value[o->place] : o->first;
    return 0;
}

int64_t sys_getsockopt(struct task *t, const uint64_t arg[6])
{
    int error = 0;
    struct file *f = NULL;
    int32_t value[4] = {0, 0, 0, 0};
    int32_t room = 0;
    size_t len = sizeof(int32_t);
    struct socket *s = sys_socket_at(t, arg[0], &f, &error);
    if (s == NULL)
        return error;
    if (xtables_legacy_has(s, (int)arg[1], (int)arg[2]))
        return xtables_legacy_get(t, s, (int)arg[2], arg[3], arg[4]);
    if (task_read(t, arg[4], &room, sizeof(room)) != 0)
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    int64_t result = get_value(s, (int)arg[1], (int)arg[2], value, &len);
    if (result != 0)
        return result;
    uint32_t told = (uint32_t)len < (uint32_t)room ? (uint32_t)len : (uint32_t)room;
    if (task_write(t, arg[3], value, told) != 0)
        return -EFAULT;
    return task_write(t, arg[4], &told, sizeof(told));
}
