/* Datagram sockets: recvmmsg(2), sendmmsg(2) and what rides along as control messages. */
#include "reel/dgram.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* For kernel headers that are older than these. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    /* Most datagrams are short. The first bytes of each go to buffers that lie close together and stay
     * in the cache; what is longer goes on in a far buffer, which has room for the first ones too. */
    NEAR_BYTES = 2048,
    NEAR_STRIDE = NEAR_BYTES + 64, /* not all at one place of the cache */
    FAR_BYTES = 65536,
    CONTROL_IN_BYTES = CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) +
                       CMSG_SPACE(REEL_DATAGRAM_DESCRIPTORS_MAX * sizeof(int)),
    CONTROL_OUT_BYTES = CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)) +
                        CMSG_SPACE(REEL_DATAGRAM_DESCRIPTORS_MAX * sizeof(int)),
    UDP4_MAX = 65507,
    UDP6_MAX = 65527,
    UNIX_MAX = 65535,
};

/* One for all sockets of a reactor, made when the first one is opened. */
struct socket_batch {
    struct mmsghdr in[DATAGRAM_BATCH], out[DATAGRAM_BATCH];
    struct iovec in_parts[DATAGRAM_BATCH][2], out_parts[DATAGRAM_BATCH];
    struct reel_address from[DATAGRAM_BATCH];
    int used;           /* headers that the last call has written to */
    bool with_controls; /* for the next call there is room for control messages */
    _Alignas(struct cmsghdr) uint8_t control_in[DATAGRAM_BATCH][CONTROL_IN_BYTES];
    _Alignas(struct cmsghdr) uint8_t control_out[DATAGRAM_BATCH][CONTROL_OUT_BYTES];
    uint8_t near[DATAGRAM_BATCH][NEAR_STRIDE];
    uint8_t *far; /* so many times FAR_BYTES; memory that is never touched costs nothing */
};

static struct socket_batch *batch_of(struct reel_reactor *r)
{
    struct datagram_hub *hub = r->datagrams;
    if (hub->sockets)
        return hub->sockets;
    struct socket_batch *batch = reel_memory_new(r, sizeof(*batch));
    uint8_t *far = reel_memory_new(r, (size_t)DATAGRAM_BATCH * FAR_BYTES);
    if (!batch || !far) {
        reel_memory_free(r, batch);
        reel_memory_free(r, far);
        return NULL;
    }
    batch->far = far;
    batch->used = DATAGRAM_BATCH;
    batch->with_controls = false;
    for (int i = 0; i < DATAGRAM_BATCH; i++) {
        batch->in_parts[i][0] = (struct iovec){batch->near[i], NEAR_BYTES};
        batch->in_parts[i][1] =
            (struct iovec){far + (size_t)i * FAR_BYTES + NEAR_BYTES, FAR_BYTES - NEAR_BYTES};
        batch->in[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &batch->from[i].storage,
                                                    .msg_iov = batch->in_parts[i],
                                                    .msg_iovlen = 2}};
        batch->out[i] =
            (struct mmsghdr){.msg_hdr = {.msg_iov = &batch->out_parts[i], .msg_iovlen = 1}};
    }
    hub->sockets = batch;
    return batch;
}

void reel_datagram_sockets_fini(struct reel_reactor *r)
{
    struct socket_batch *batch = r->datagrams->sockets;
    if (batch)
        reel_memory_free(r, batch->far);
    reel_memory_free(r, batch);
    r->datagrams->sockets = NULL;
}

static void take_fds(const struct cmsghdr *control, struct datagram_item *item)
{
    size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd = -1;
        memcpy(&fd, CMSG_DATA(control) + i * sizeof(fd), sizeof(fd));
        if (item->fd_count < REEL_DATAGRAM_DESCRIPTORS_MAX)
            item->fds[item->fd_count++] = fd;
        else
            close(fd);
    }
}

static void take_local4(const struct cmsghdr *control, struct datagram_item *item)
{
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(control), sizeof(info));
    item->local.family = AF_INET;
    item->local.interface = (uint32_t)info.ipi_ifindex;
    memcpy(item->local.address, &info.ipi_spec_dst, sizeof(info.ipi_spec_dst));
}

static void take_local6(const struct cmsghdr *control, struct datagram_item *item)
{
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(control), sizeof(info));
    item->local.family = AF_INET6;
    item->local.interface = info.ipi6_ifindex;
    memcpy(item->local.address, &info.ipi6_addr, sizeof(info.ipi6_addr));
}

static void take_controls(struct msghdr *header, struct datagram_item *item)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control;
         control = CMSG_NXTHDR(header, control)) {
        int level = control->cmsg_level, type = control->cmsg_type;
        if (level == SOL_SOCKET && type == SCM_RIGHTS) {
            take_fds(control, item);
        } else if (level == IPPROTO_IP && type == IP_PKTINFO) {
            take_local4(control, item);
        } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
            take_local6(control, item);
        } else if (level == SOL_UDP && type == UDP_GRO) {
            int segment = 0;
            memcpy(&segment, CMSG_DATA(control), sizeof(segment));
            item->segment = segment > 0 ? (uint32_t)segment : 0;
        }
    }
}

static void take(struct socket_batch *batch, int i, struct datagram_item *item)
{
    struct mmsghdr *message = &batch->in[i];
    item->data = batch->near[i];
    item->len = message->msg_len;
    item->segment = 0;
    item->truncated = message->msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
    item->from = &batch->from[i];
    item->local = (struct datagram_local){0};
    item->fd_at = item->fd_count = 0;
    batch->from[i].length = message->msg_hdr.msg_namelen;
    if (item->len > NEAR_BYTES) {
        uint8_t *whole = batch->far + (size_t)i * FAR_BYTES;
        memcpy(whole, batch->near[i], NEAR_BYTES);
        item->data = whole;
    }
    if (message->msg_hdr.msg_controllen)
        take_controls(&message->msg_hdr, item);
}

static bool has_controls(const struct reel_datagram *d)
{
    return d->family == AF_UNIX || d->factory->options.keep_local ||
           d->factory->options.receive_runs;
}

/* The kernel writes into the headers that it uses; only these are set anew. */
static void reset_headers(struct socket_batch *batch, bool controls)
{
    int count = controls == batch->with_controls ? batch->used : DATAGRAM_BATCH;
    for (int i = 0; i < count; i++) {
        struct msghdr *header = &batch->in[i].msg_hdr;
        header->msg_namelen = sizeof(batch->from[i].storage);
        header->msg_control = controls ? batch->control_in[i] : NULL;
        header->msg_controllen = controls ? CONTROL_IN_BYTES : 0;
    }
    batch->with_controls = controls;
    batch->used = 0;
}

static int socket_receive(struct reel_datagram *d, struct datagram_item *items, int max)
{
    struct socket_batch *batch = d->reactor->datagrams->sockets;
    reset_headers(batch, has_controls(d));
    int count = recvmmsg(d->fd, batch->in, (unsigned)max, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
    if (count < 0)
        return -errno;
    batch->used = count;
    for (int i = 0; i < count; i++)
        take(batch, i, &items[i]);
    return count;
}

static struct cmsghdr *put_control(struct msghdr *header, int level, int type, const void *data,
                                   size_t len)
{
    struct cmsghdr *control =
        (struct cmsghdr *)(void *)((uint8_t *)header->msg_control + header->msg_controllen);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(control), data, len);
    header->msg_controllen += CMSG_SPACE(len);
    return control;
}

static void put_local(struct msghdr *header, const struct datagram_local *local)
{
    if (local->family == AF_INET) {
        struct in_pktinfo v4 = {.ipi_ifindex = (int)local->interface};
        memcpy(&v4.ipi_spec_dst, local->address, sizeof(v4.ipi_spec_dst));
        put_control(header, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
    } else {
        struct in6_pktinfo v6 = {.ipi6_ifindex = local->interface};
        memcpy(&v6.ipi6_addr, local->address, sizeof(v6.ipi6_addr));
        put_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
    }
}

static void put_message(struct socket_batch *batch, int i, const struct datagram_message *message)
{
    struct msghdr *header = &batch->out[i].msg_hdr;
    const struct datagram_run *run = message->run;
    batch->out_parts[i] = (struct iovec){(void *)message->data, message->len};
    header->msg_name = run->address_len ? (void *)run->address : NULL;
    header->msg_namelen = run->address_len;
    header->msg_control = batch->control_out[i];
    header->msg_controllen = 0;
    if (message->segment) {
        uint16_t segment = (uint16_t)message->segment;
        put_control(header, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
    }
    if (run->local.family)
        put_local(header, &run->local);
    if (run->fd_count)
        put_control(header, SOL_SOCKET, SCM_RIGHTS, run->fds, run->fd_count * sizeof(int));
    if (!header->msg_controllen)
        header->msg_control = NULL;
}

static int socket_send(struct reel_datagram *d, const struct datagram_message *messages, int count)
{
    struct socket_batch *batch = d->reactor->datagrams->sockets;
    for (int i = 0; i < count; i++)
        put_message(batch, i, &messages[i]);
    int n = count == 1 ? (int)sendmsg(d->fd, &batch->out[0].msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL)
                       : sendmmsg(d->fd, batch->out, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return -errno;
    return count == 1 ? 1 : n;
}

static void socket_close(struct reel_datagram *d)
{
    d->reactor->backend->remove(d->reactor, d->fd, (struct source *)&d->io);
    close(d->fd);
    d->fd = -1;
}

static int socket_host(const struct reel_datagram *d, struct reel_address *out)
{
    *out = (struct reel_address){.length = sizeof(out->storage)};
    return getsockname(d->fd, (struct sockaddr *)&out->storage, &out->length) < 0 ? -errno : 0;
}

static int socket_peer(const struct reel_datagram *d, struct reel_address *out)
{
    *out = (struct reel_address){.length = sizeof(out->storage)};
    return getpeername(d->fd, (struct sockaddr *)&out->storage, &out->length) < 0 ? -errno : 0;
}

static void on_events(void *source, uint32_t events)
{
    reel_datagram_events(CONTAINER_OF(source, struct reel_datagram, io), events);
}

#define SOCKET_IO(max)                                                                  \
    {                                                                                   \
        .source = {on_events}, .size = sizeof(struct reel_datagram), .data_max = (max), \
        .receive = socket_receive, .send = socket_send, .close = socket_close,          \
        .host = socket_host, .peer = socket_peer,                                       \
    }

static const struct datagram_io udp4_io = SOCKET_IO(UDP4_MAX);
static const struct datagram_io udp6_io = SOCKET_IO(UDP6_MAX);
static const struct datagram_io unix_io = SOCKET_IO(UNIX_MAX);

static const struct datagram_io *io_for(int family)
{
    switch (family) {
    case AF_INET: return &udp4_io;
    case AF_INET6: return &udp6_io;
    case AF_UNIX: return &unix_io;
    default: return NULL;
    }
}

int reel_datagram_socket_add(struct reel_reactor *r, int fd,
                             const struct reel_datagram_factory *factory,
                             struct reel_datagram **out)
{
    int family = 0;
    socklen_t len = sizeof(family);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0)
        return -errno;
    const struct datagram_io *io = io_for(family);
    if (!io)
        return -EAFNOSUPPORT;
    struct reel_datagram *d = reel_datagram_new(r, io, factory);
    if (!d)
        return -ENOMEM;
    d->fd = fd;
    d->family = family;
    d->writable = d->readable = true; /* unknown: the first call says */
    if (family == AF_UNIX)
        d->run_limit = 0;
    int err = batch_of(r) ? 0 : -ENOMEM;
    if (err == 0)
        err = r->backend->add(r, fd, EPOLLIN | EPOLLOUT | EPOLLET, (struct source *)&d->io);
    if (err < 0) {
        reel_datagram_discard(d);
        return err;
    }
    *out = d;
    return 0;
}
