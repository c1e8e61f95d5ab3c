#include "reel/bind.h"
#include "reel/fdio.h"
#include "reel/network.h"

#include <reel/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* How long accepting rests when descriptors or memory ran out. */
#define REST_NS (100 * REEL_MS)

struct reel_listener {
    struct source source;
    struct reel_reactor *reactor;
    const struct reel_factory *factory;
    const struct reel_filter_use *filters;
    void (*freed)(void *context);
    void *freed_context;
    struct reel_link link;
    struct reel_timer rest;
    struct reel_address address; /* in memory; length 0: the descriptor knows */
    int fd;
    int accept_max;
    int burst;     /* connections to take at the next event */
    uint64_t turn; /* of the last event */
    bool paused, resting, closed;
};

static void register_events(struct reel_listener *l)
{
    if (l->fd < 0)
        return; /* shut */
    bool listening = !l->paused && !l->resting;
    l->reactor->backend->change(l->reactor, l->fd, listening ? EPOLLIN : 0, &l->source);
}

static void rest(struct reel_listener *l)
{
    l->resting = true;
    reel_timer_start(&l->rest, REST_NS);
    register_events(l);
}

static void on_rested(struct reel_timer *timer)
{
    struct reel_listener *l = CONTAINER_OF(timer, struct reel_listener, rest);
    l->resting = false;
    register_events(l);
}

/* No descriptor is left. The peers in front would wait without an end, so those that are there are
 * taken by the reserve and dropped; then accepting rests, for to look again at once would spin. */
static void drop_waiting(struct reel_listener *l)
{
    struct reel_reactor *r = l->reactor;
    for (int i = 0; i < l->accept_max && r->reserve_fd >= 0; i++) {
        close(r->reserve_fd);
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            close(fd);
        r->reserve_fd = fcntl(r->wake_fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            break;
        r->metrics.refused++;
    }
    rest(l);
}

static void set_socket_options(int fd, const struct reel_options *options)
{
    const int one = 1;
    if (!options->delay)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (options->keep_alive)
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

static void begin(struct reel_listener *l, int fd, const struct reel_address *peer)
{
    struct reel_reactor *r = l->reactor;
    struct reel_transport *t = NULL;
    const struct fd_birth birth = {
        .fd = fd, .accepted = true, .peer = peer, .filters = l->filters, .factory = l->factory};
    bool wanted = !l->factory->accepts || l->factory->accepts(l->factory, peer);
    if (!wanted || reel_fd_stream_new(r, &birth, &t) < 0) {
        r->metrics.refused++;
        close(fd);
        return;
    }
    t->readable = true; /* often the first bytes are here already */
    r->metrics.accepted++;
    reel_stream_make(t);
}

/* False: nothing more to accept now. */
static bool accept_one(struct reel_listener *l)
{
    struct reel_address peer = {.length = sizeof(peer.storage)};
    int fd = accept4(l->fd, (struct sockaddr *)&peer.storage, &peer.length,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        begin(l, fd, &peer);
        return true;
    }
    switch (errno) {
    case EAGAIN: return false;
    case EMFILE:
    case ENFILE: drop_waiting(l); return false;
    case ENOBUFS:
    case ENOMEM: rest(l); return false;
    default: return true; /* that one failed on the way (accept(2), "Error handling") */
    }
}

/* As many as came last: the call that would only say that there are no more is saved, and if there
 * are, epoll tells again. Events turn by turn mean a crowd, and more are taken at a time. */
static void on_events(void *source, uint32_t events)
{
    (void)events;
    struct reel_listener *l = CONTAINER_OF(source, struct reel_listener, source);
    uint64_t turn = l->reactor->metrics.turns;
    int taken = 0;
    while (taken < l->burst && !l->closed && !l->paused && accept_one(l))
        taken++;
    if (taken < l->burst)
        l->burst = taken ? taken : 1;
    else if (turn == l->turn + 1)
        l->burst = 2 * taken < l->accept_max ? 2 * taken : l->accept_max;
    l->turn = turn;
}

static int register_listener(struct reel_listener *l)
{
    static const struct source_ops ops = {on_events};
    l->source.ops = &ops;
    return l->reactor->backend->add(l->reactor, l->fd, EPOLLIN, &l->source);
}

static struct reel_listener *listener_new(struct reel_reactor *r, int fd,
                                          const struct reel_listen_options *options,
                                          const struct reel_factory *factory)
{
    struct reel_listener *l = reel_memory_new_zeroed(r, sizeof(*l));
    if (!l)
        return NULL;
    if (reel_timer_init(&l->rest, r, on_rested) < 0) {
        reel_memory_free(r, l);
        return NULL;
    }
    l->reactor = r;
    l->factory = factory;
    if (options) {
        l->filters = options->filters;
        l->freed = options->freed;
        l->freed_context = options->freed_context;
    }
    l->fd = fd;
    l->accept_max =
        options && options->accept_max > 0 ? options->accept_max : REEL_ACCEPT_MAX_DEFAULT;
    l->burst = 1;
    return l;
}

int reel_listen_fd(struct reel_reactor *r, int fd, const struct reel_listen_options *options,
                   const struct reel_factory *factory, struct reel_listener **out)
{
    if (r->ending)
        return -ECANCELED;
    int listens = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &(socklen_t){sizeof(listens)}) < 0)
        return -errno;
    if (!listens) /* it would be ready for ever, and never have a connection */
        return -EINVAL;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    struct reel_listener *l = listener_new(r, fd, options, factory);
    if (!l)
        return -ENOMEM;
    int err = register_listener(l);
    if (err < 0) {
        reel_timer_fini(&l->rest);
        reel_memory_free(r, l);
        return err;
    }
    /* What a TCP listener is set to, its connections inherit: no call for each of them. */
    set_socket_options(fd, &factory->options);
    list_put(&r->listeners, &l->link);
    if (out)
        *out = l;
    return 0;
}

static int set_options(int fd, int family, const struct reel_listen_options *options)
{
    const int one = 1, v6_only = options->v6_only;
    if (family == AF_UNIX)
        return 0;
    if (*options->device_z) {
        int err = reel_fd_bind_device(fd, options->device_z);
        if (err < 0)
            return err;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
        return -errno;
    if (options->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
        return -errno;
    if (family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) < 0)
        return -errno;
    return 0;
}

static int listen_in_memory(struct reel_reactor *r, const struct reel_address *address,
                            const struct reel_listen_options *options,
                            const struct reel_factory *factory, struct reel_listener **out)
{
    struct reel_address bound = *address;
    if (r->ending)
        return -ECANCELED;
    int err = r->network->bind(r->network, &bound);
    if (err < 0)
        return err;
    struct reel_listener *l = listener_new(r, -1, options, factory);
    if (!l)
        return -ENOMEM;
    l->address = bound;
    list_put(&r->listeners, &l->link);
    if (out)
        *out = l;
    return 0;
}

struct reel_listener *reel_listener_find(struct reel_reactor *r, const struct reel_address *address)
{
    for (struct reel_link *link = r->listeners.next; link != &r->listeners; link = link->next) {
        struct reel_listener *l = CONTAINER_OF(link, struct reel_listener, link);
        if (l->address.length && l->address.length == address->length &&
            memcmp(&l->address.storage, &address->storage, address->length) == 0)
            return l;
    }
    return NULL;
}

bool reel_listener_is_paused(const struct reel_listener *l)
{
    return l->paused;
}

int reel_listener_accept(struct reel_listener *l, const struct stream_io *io,
                         const struct reel_address *peer, struct reel_transport **out)
{
    struct reel_reactor *r = l->reactor;
    const struct fd_birth birth = {
        .fd = -1, .accepted = true, .peer = peer, .filters = l->filters, .factory = l->factory};
    bool wanted = !l->factory->accepts || l->factory->accepts(l->factory, peer);
    int err = wanted ? reel_stream_born(r, io, &birth, out) : -ECONNREFUSED;
    if (err < 0)
        r->metrics.refused++;
    else
        r->metrics.accepted++;
    return err;
}

int reel_listen_at(struct reel_reactor *r, const struct reel_address *address,
                   const struct reel_listen_options *options, const struct reel_factory *factory,
                   struct reel_listener **out)
{
    static const struct reel_listen_options defaults = {0};
    if (r->network)
        return listen_in_memory(r, address, options, factory, out);
    if (r->wake_fd < 0)
        return -EOPNOTSUPP;
    options = options ? options : &defaults;
    int family = address->storage.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int err = set_options(fd, family, options);
    if (err == 0)
        err = reel_bind(fd, address, options->mode);
    if (err == 0 && listen(fd, options->backlog > 0 ? options->backlog : SOMAXCONN) < 0)
        err = -errno;
    if (err == 0)
        err = reel_listen_fd(r, fd, options, factory, out);
    if (err < 0)
        close(fd);
    return err;
}

int reel_listener_address(const struct reel_listener *l, struct reel_address *out)
{
    if (l->address.length) {
        *out = l->address;
        return 0;
    }
    *out = (struct reel_address){.length = sizeof(out->storage)};
    return getsockname(l->fd, (struct sockaddr *)&out->storage, &out->length) < 0 ? -errno : 0;
}

uint16_t reel_listener_port(const struct reel_listener *l)
{
    struct reel_address address;
    return reel_listener_address(l, &address) == 0 ? reel_address_port(&address) : 0;
}

int reel_listener_fd(const struct reel_listener *l)
{
    return l->fd;
}

void reel_listener_pause(struct reel_listener *l)
{
    l->paused = true;
    register_events(l);
}

void reel_listener_resume(struct reel_listener *l)
{
    l->paused = false;
    register_events(l);
}

static void shut(struct reel_listener *l)
{
    reel_timer_fini(&l->rest);
    l->address.length = 0;
    if (l->fd < 0)
        return;
    l->reactor->backend->remove(l->reactor, l->fd, &l->source);
    close(l->fd);
    l->fd = -1;
}

void reel_listeners_shut(struct reel_reactor *r)
{
    for (struct reel_link *link = r->listeners.next; link != &r->listeners; link = link->next)
        shut(CONTAINER_OF(link, struct reel_listener, link));
}

/* The memory stays to the end of the turn: an event for it may be waiting. */
void reel_listener_close(struct reel_listener *l)
{
    if (!l || l->closed)
        return;
    l->closed = true;
    shut(l);
    list_remove(&l->link);
    list_put(&l->reactor->dead_listeners, &l->link);
}

void reel_listener_info(const struct reel_link *link, struct reel_handle_info *out)
{
    const struct reel_listener *l = CONTAINER_OF(link, struct reel_listener, link);
    const char *name_z = l->factory->protocol->name_z;
    *out = (struct reel_handle_info){REEL_HANDLE_LISTENER, name_z ? name_z : "listener", l->fd, l};
}

void reel_listeners_bury(struct reel_reactor *r)
{
    struct reel_link *link = NULL;
    while ((link = list_take(&r->dead_listeners))) {
        struct reel_listener *l = CONTAINER_OF(link, struct reel_listener, link);
        if (l->freed)
            l->freed(l->freed_context);
        reel_memory_free(r, l);
    }
}

void reel_listeners_fini(struct reel_reactor *r)
{
    while (!list_is_empty(&r->listeners))
        reel_listener_close(CONTAINER_OF(r->listeners.next, struct reel_listener, link));
    reel_listeners_bury(r);
}

int reel_listeners_after_fork(struct reel_reactor *r)
{
    int err = 0;
    for (struct reel_link *link = r->listeners.next; link != &r->listeners; link = link->next) {
        struct reel_listener *l = CONTAINER_OF(link, struct reel_listener, link);
        if (err == 0 && l->fd >= 0)
            err = register_listener(l);
        if (err == 0)
            register_events(l);
    }
    return err;
}
