/* PROXY headers as filters: one that takes them off, one that sends them. */
#include <reel/proxy.h>

#include <reel/transport.h>

#include <errno.h>
#include <string.h>

const struct reel_net reel_proxy_private[] = {
    {1, 0, {0}},         /* Unix sockets */
    {4, 8, {127}},       /* loopback */
    {4, 8, {10}},        /* RFC 1918 */
    {4, 12, {172, 16}},  /**/
    {4, 16, {192, 168}}, /**/
    {4, 16, {169, 254}}, /* link-local */
    {6, 128, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
    {6, 7, {0xfc}},        /* RFC 4193 */
    {6, 10, {0xfe, 0x80}}, /* link-local */
};
const size_t reel_proxy_private_count = sizeof(reel_proxy_private) / sizeof(reel_proxy_private[0]);

struct receiver {
    struct reel_filter f;
    const struct reel_proxy *proxy;
    size_t len;
    uint8_t data[REEL_PROXY_HEADER_MAX];
};

static bool is_trusted(const struct reel_proxy *proxy, const struct reel_transport *t)
{
    struct reel_address peer;
    if (reel_peer(t, &peer) < 0)
        peer.length = 0;
    if (proxy->trusted)
        return reel_nets_have(proxy->trusted, proxy->trusted_count, &peer);
    return reel_nets_have(reel_proxy_private, reel_proxy_private_count, &peer);
}

static int receiver_open(struct reel_filter *f, const void *options)
{
    static const struct reel_proxy defaults = {0};
    ((struct receiver *)f)->proxy = options ? options : &defaults;
    return 0;
}

/* The header is whole: `size` bytes. */
static int use_header(struct receiver *self, const struct reel_proxy_header *header, size_t size)
{
    struct reel_filter *f = &self->f;
    int err = reel_filter_unread(f, self->data + size, self->len - size);
    if (err == 0 && header->source.length)
        err = reel_filter_set_peer(f, &header->source);
    if (err < 0)
        return err;
    if (self->proxy->told)
        self->proxy->told(self->proxy, f->transport, header);
    return REEL_FILTER_LEAVE;
}

static int receiver_start(struct reel_filter *f)
{
    struct receiver *self = (struct receiver *)f;
    struct reel_proxy_header header;
    size_t max = self->proxy->header_max;
    max = max && max < sizeof(self->data) ? max : sizeof(self->data);
    if (!is_trusted(self->proxy, f->transport))
        return self->proxy->plain_for_others ? REEL_FILTER_LEAVE : -EACCES;
    for (;;) {
        ssize_t n = reel_filter_receive(f, self->data + self->len, sizeof(self->data) - self->len);
        if (n <= 0)
            return n < 0 ? (int)n : -EPROTO; /* gone before a header */
        self->len += (size_t)n;
        int size = reel_proxy_parse(self->data, self->len, max, &header);
        if (size < 0)
            return size;
        if (size > 0)
            return use_header(self, &header, (size_t)size);
    }
}

const struct reel_filter_type reel_proxy_filter = {
    .name_z = "proxy",
    .size = sizeof(struct receiver),
    .open = receiver_open,
    .start = receiver_start,
};

/* ---- Clients ---- */

struct sender {
    struct reel_filter f;
    struct reel_proxy_send send;
    uint8_t data[REEL_PROXY_OWN_MAX];
    size_t len, sent;
};

static int sender_open(struct reel_filter *f, const void *options)
{
    struct sender *self = (struct sender *)f;
    if (options)
        memcpy(&self->send, options, sizeof(self->send));
    const struct reel_proxy_header header = {
        .version = self->send.version ? self->send.version : 1,
        .local = self->send.source.length == 0,
        .source = self->send.source,
        .destination = self->send.destination,
    };
    self->len = reel_proxy_compose(&header, self->data);
    return 0;
}

static int sender_start(struct reel_filter *f)
{
    struct sender *self = (struct sender *)f;
    while (self->sent < self->len) {
        const struct iovec part = {self->data + self->sent, self->len - self->sent};
        ssize_t n = reel_filter_send(f, &part, 1);
        if (n < 0)
            return (int)n;
        self->sent += (size_t)n;
    }
    return REEL_FILTER_LEAVE;
}

const struct reel_filter_type reel_proxy_send_filter = {
    .name_z = "proxy sender",
    .size = sizeof(struct sender),
    .open = sender_open,
    .start = sender_start,
};
