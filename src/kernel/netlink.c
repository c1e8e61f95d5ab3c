#include "kernel/netlink.h"

#include "kernel/nfnetlink.h"
#include "kernel/syssocket.h"
#include "kernel/task.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

enum {
    ANSWER_MAX = SOCKET_NETLINK_BYTES, /* bytes of one answer */
    REQUESTS_MAX = 64,   /* taken of one send, and of what fills a socket; those behind are lost */
    REQUEST_COST = 5000, /* instructions: a request walks whole tables */
    PART_BYTES = 16384,  /* of a dump that come with one read */
    ALIGN = 4,
};

struct protocol {
    int number;
    const struct netlink_request *(*requests[2])(size_t *count);
};

static const struct protocol protocols[] = {
    {NETLINK_ROUTE, {netlink_route_requests, netlink_change_requests}},
    {NETLINK_SOCK_DIAG, {netlink_diag_requests, NULL}},
    {NETLINK_NETFILTER, {nfnetlink_requests, NULL}},
    {NETLINK_KOBJECT_UEVENT, {NULL, NULL}},
    {NETLINK_AUDIT, {NULL, NULL}},
    {NETLINK_GENERIC, {NULL, NULL}},
    {NETLINK_SELINUX, {NULL, NULL}},
    {NETLINK_CRYPTO, {NULL, NULL}},
    {NETLINK_CONNECTOR, {NULL, NULL}},
};

static const struct protocol *find_protocol(int number)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
        if (protocols[i].number == number)
            return &protocols[i];
    return NULL;
}

int netlink_may_open(int protocol)
{
    return find_protocol(protocol) != NULL ? 0 : -EPROTONOSUPPORT;
}

/* ---- Making messages ---- */

static size_t aligned(size_t n)
{
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static void put_padded(struct netlink_call *c, const void *bytes, size_t len)
{
    static const uint8_t zeros[ALIGN];
    if (buffer_put(c->out, span_of(bytes, len)) != 0 ||
        buffer_put(c->out, span_of(zeros, aligned(len) - len)) != 0)
        c->is_short = true;
}

void netlink_begin(struct netlink_call *c, uint16_t type, const void *body, size_t len)
{
    const struct nlmsghdr header = {.nlmsg_type = type,
                                    .nlmsg_flags = c->is_dump ? NLM_F_MULTI : 0,
                                    .nlmsg_seq = c->header->nlmsg_seq,
                                    .nlmsg_pid = c->s->netlink_port};
    c->message = buffer_len(c->out);
    c->is_short = false;
    put_padded(c, &header, sizeof(header));
    put_padded(c, body, len);
}

void netlink_put(struct netlink_call *c, uint16_t type, const void *bytes, size_t len)
{
    const struct rtattr attribute = {.rta_len = (uint16_t)(RTA_LENGTH(0) + len), .rta_type = type};
    put_padded(c, &attribute, sizeof(attribute));
    put_padded(c, bytes, len);
}

void netlink_put_u8(struct netlink_call *c, uint16_t type, uint8_t value)
{
    netlink_put(c, type, &value, sizeof(value));
}

void netlink_put_u32(struct netlink_call *c, uint16_t type, uint32_t value)
{
    netlink_put(c, type, &value, sizeof(value));
}

void netlink_put_z(struct netlink_call *c, uint16_t type, const char *text_z)
{
    netlink_put(c, type, text_z, strlen(text_z) + 1);
}

void netlink_put_ip(struct netlink_call *c, uint16_t type, const struct net_ip *ip)
{
    struct span bytes = net_ip_span(ip);
    netlink_put(c, type, bytes.data, bytes.len);
}

int netlink_end(struct netlink_call *c)
{
    uint32_t len = (uint32_t)(buffer_len(c->out) - c->message);
    if (c->is_short) {
        buffer_truncate(c->out, c->message);
        return -ENOBUFS;
    }
    memcpy(c->out->data + c->out->start + c->message, &len, sizeof(len));
    return 0;
}

/* ---- Reading requests ---- */

bool netlink_body(const struct netlink_call *c, void *out, size_t len)
{
    memset(out, 0, len);
    memcpy(out, c->body.data, c->body.len < len ? c->body.len : len);
    return c->body.len >= len;
}

struct span netlink_find(const struct netlink_call *c, size_t skip, uint16_t type)
{
    struct span rest = span_slice(c->body, aligned(skip), c->body.len);
    while (rest.len >= sizeof(struct rtattr)) {
        struct rtattr a;
        memcpy(&a, rest.data, sizeof(a));
        if (a.rta_len < sizeof(a) || a.rta_len > rest.len)
            break;
        if ((a.rta_type & NLA_TYPE_MASK) == type)
            return span_slice(rest, sizeof(a), a.rta_len);
        rest = span_slice(rest, aligned(a.rta_len), rest.len);
    }
    return (struct span){NULL, 0};
}

struct span netlink_find_text(const struct netlink_call *c, size_t skip, uint16_t type)
{
    struct span found = netlink_find(c, skip, type);
    ptrdiff_t end = span_find(found, 0, 0);
    return end >= 0 ? span_slice(found, 0, (size_t)end) : found;
}

uint32_t netlink_find_u32(const struct netlink_call *c, size_t skip, uint16_t type)
{
    uint32_t value = 0;
    struct span found = netlink_find(c, skip, type);
    if (found.len >= sizeof(value))
        memcpy(&value, found.data, sizeof(value));
    return value;
}

bool netlink_find_ip(const struct netlink_call *c, size_t skip, uint16_t type, uint8_t family,
                     struct net_ip *out)
{
    struct span found = netlink_find(c, skip, type);
    if (family == AF_INET && found.len >= 4)
        *out = net_ip4(found.data);
    else if (family == AF_INET6 && found.len >= NET_IP_BYTES)
        memcpy(out->bytes, found.data, NET_IP_BYTES);
    else
        return false;
    return family == AF_INET || !net_ip_is4(out);
}

/* ---- Answers ---- */

int netlink_deliver(struct socket *s, struct span bytes)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct socket_about about = {.from = {.len = sizeof(kernel)}};
    memcpy(about.from.bytes, &kernel, sizeof(kernel));
    int64_t n = socket_put(s, bytes, &about);
    return n < 0 ? (int)n : 0;
}

/* Whole messages of an answer, as many as go together. */
static int deliver_all(struct socket *s, struct span all)
{
    int error = 0;
    size_t n = 0;
    for (size_t at = 0; at < all.len && error == 0; at += n) {
        for (n = 0; at + n < all.len;) {
            uint32_t len = 0;
            memcpy(&len, all.data + at + n, sizeof(len));
            if (n > 0 && n + len > PART_BYTES)
                break;
            n += aligned(len);
        }
        error = netlink_deliver(s, span_slice(all, at, at + n));
    }
    return error;
}

/* What is said beside an error: where in the request the attribute stands that it is about. */
static void put_place(struct netlink_call *c, size_t message, struct nlmsghdr *header)
{
    const uint32_t at =
        (uint32_t)(sizeof(*header) + (size_t)(c->bad.data - c->body.data) - sizeof(struct rtattr));
    header->nlmsg_flags |= NLM_F_ACK_TLVS;
    netlink_put_u32(c, NLMSGERR_ATTR_OFFS, at);
    memcpy(c->out->data + c->out->start + message, header, sizeof(*header));
}

int netlink_put_error(struct netlink_call *c, int error)
{
    struct nlmsgerr answer = {.error = error, .msg = *c->header};
    bool whole = error != 0 && c->s->value[OPTION_CAP_ACK] == 0;
    bool has_place = error != 0 && c->bad.data != NULL && c->s->value[OPTION_EXT_ACK] != 0;
    c->is_dump = false;
    netlink_begin(c, NLMSG_ERROR, &answer, sizeof(answer));
    if (whole)
        put_padded(c, c->body.data, c->body.len);
    struct nlmsghdr header = {.nlmsg_type = NLMSG_ERROR,
                              .nlmsg_flags = whole ? 0 : NLM_F_CAPPED,
                              .nlmsg_seq = c->header->nlmsg_seq,
                              .nlmsg_pid = c->s->netlink_port};
    if (!c->is_short && !whole)
        memcpy(c->out->data + c->out->start + c->message, &header, sizeof(header));
    if (!c->is_short && has_place)
        put_place(c, c->message, &header);
    return netlink_end(c);
}

/* 0; -ENOBUFS: the dump has left no room, and what is there now is not whole. */
static int put_done(struct netlink_call *c)
{
    static const int32_t good = 0;
    c->is_dump = true;
    netlink_begin(c, NLMSG_DONE, &good, sizeof(good));
    return netlink_end(c);
}

static const struct netlink_request *find_request(int protocol, uint16_t type)
{
    const struct protocol *p = find_protocol(protocol);
    for (size_t table = 0; table < ARRAY_LEN(p->requests); table++) {
        size_t count = 0;
        const struct netlink_request *r =
            p->requests[table] != NULL ? p->requests[table](&count) : NULL;
        for (size_t i = 0; i < count; i++)
            if (r[i].type == type)
                return &r[i];
    }
    return NULL;
}

/* Of rtnetlink, each group of four is NEW, DEL, GET, SET: all but GET change something. */
static bool is_change(int protocol, uint16_t type)
{
    return protocol == NETLINK_ROUTE && (type & 3) != 2;
}

/* What the answer is to a request that is not there. */
static int unknown(int protocol)
{
    switch (protocol) {
    case NETLINK_SOCK_DIAG:
    case NETLINK_NETFILTER: return -EINVAL;
    case NETLINK_AUDIT: return -ECONNREFUSED;
    case NETLINK_GENERIC: return -ENOENT;
    default: return -EOPNOTSUPP;
    }
}

static int answer(struct netlink_call *c)
{
    const struct nlmsghdr *h = c->header;
    const struct netlink_request *r = find_request(c->s->protocol, h->nlmsg_type);
    bool changes = c->s->protocol == NETLINK_NETFILTER ||
                   (r != NULL ? r->changes : is_change(c->s->protocol, h->nlmsg_type));
    if (changes && !creds_capable(&c->t->creds, CAP_NET_ADMIN))
        return -EPERM;
    if (c->s->protocol == NETLINK_NETFILTER) {
        c->rules = nfnetlink_rules(c->net);
        if (c->rules == NULL)
            return -ENOMEM;
    }
    if (r == NULL && c->is_dump && c->s->protocol == NETLINK_ROUTE)
        return 0; /* there is nothing of that kind */
    return r != NULL ? r->fn(c) : unknown(c->s->protocol);
}

/* `*made` grows by how long the answer was, delivered or not. */
static int request(struct task *t, struct socket *s, const struct nlmsghdr *header,
                   struct span body, size_t *made)
{
    struct buffer out;
    struct netlink_call c = {.t = t,
                             .s = s,
                             .net = &s->vfs->net,
                             .header = header,
                             .body = body,
                             .out = &out,
                             .is_dump = (header->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP &&
                                        !is_change(s->protocol, header->nlmsg_type)};
    bool is_dump = c.is_dump;
    buffer_init(&out, ANSWER_MAX);
    int error = answer(&c);
    if (error == 0 && is_dump)
        error = put_done(&c);
    *made += buffer_len(&out);
    if (error != 0)
        buffer_clear(&out);
    bool acknowledged = error != 0 || (!is_dump && (header->nlmsg_flags & NLM_F_ACK) != 0);
    int lost = deliver_all(s, buffer_span(&out));
    if (acknowledged && lost == 0) { /* a message of its own */
        buffer_clear(&out);
        out.max = SOCKET_BYTES; /* the request stands in it, however long that is */
        lost = netlink_put_error(&c, error);
        if (lost == 0)
            lost = deliver_all(s, buffer_span(&out));
    }
    buffer_fini(&out);
    return lost;
}

/* ---- The socket ---- */

/* The number that it is spoken to by: the process's own, or, when a socket has that, another. */
static int name_itself(const struct task *t, struct socket *s, uint32_t wanted)
{
    struct sockaddr_nl name = {.nl_family = AF_NETLINK,
                               .nl_pid = wanted != 0 ? wanted : (uint32_t)t->process->pid};
    for (const struct socket *each = s->vfs->sockets; each != NULL; each = each->next) {
        if (each == s || !each->named || each->family != AF_NETLINK ||
            each->protocol != s->protocol || each->netlink_port != name.nl_pid)
            continue;
        if (wanted != 0)
            return -EADDRINUSE;
        name.nl_pid = (uint32_t)-4096 - (uint32_t)(s->ino & 0xffffff);
    }
    s->netlink_port = name.nl_pid;
    s->name.len = sizeof(name);
    memcpy(s->name.bytes, &name, sizeof(name));
    s->named = true;
    return 0;
}

int netlink_bind(struct task *t, struct socket *s, const struct socket_name *name)
{
    struct sockaddr_nl wanted;
    memcpy(&wanted, name->bytes, sizeof(wanted));
    bool free_groups = s->protocol == NETLINK_ROUTE || s->protocol == NETLINK_KOBJECT_UEVENT ||
                       s->protocol == NETLINK_GENERIC || s->protocol == NETLINK_SELINUX;
    if (wanted.nl_groups != 0 && !free_groups && !creds_capable(&t->creds, CAP_NET_ADMIN))
        return -EPERM;
    if (s->named)
        return wanted.nl_pid == s->netlink_port || wanted.nl_pid == 0 ? 0 : -EINVAL;
    return name_itself(t, s, wanted.nl_pid);
}

int64_t netlink_send(struct task *t, struct socket *s, struct span bytes)
{
    struct span rest = bytes;
    size_t made = 0;
    if (!s->named && name_itself(t, s, 0) != 0)
        return -EADDRINUSE;
    if (s->protocol == NETLINK_KOBJECT_UEVENT)
        return -ECONNREFUSED;
    if (s->protocol == NETLINK_NETFILTER && nfnetlink_is_batch(bytes))
        return nfnetlink_batch(t, s, bytes);
    nfnetlink_start(&s->vfs->net);
    for (int taken = 0;
         rest.len >= sizeof(struct nlmsghdr) && taken < REQUESTS_MAX && made < SOCKET_NETLINK_BYTES;
         taken++) {
        struct nlmsghdr h;
        memcpy(&h, rest.data, sizeof(h));
        kernel_charge(t->kernel, REQUEST_COST);
        if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > rest.len)
            break;
        struct span body = span_slice(rest, sizeof(h), h.nlmsg_len);
        bool asks = (h.nlmsg_flags & NLM_F_REQUEST) != 0 && h.nlmsg_type >= NLMSG_MIN_TYPE;
        int error = asks ? request(t, s, &h, body, &made) : 0;
        if (error != 0)
            s->error = ENOBUFS;
        rest = span_slice(rest, aligned(h.nlmsg_len), rest.len);
    }
    kernel_charge(t->kernel, made / KERNEL_COPY_BYTES);
    nfnetlink_stop(t->kernel, &s->vfs->net);
    return (int64_t)bytes.len;
}
