/* The transport's public face, but for writing (output.c). */
#include "reel/filters.h"
#include "reel/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

void *reel_state(struct reel_transport *t)
{
    return (uint8_t *)t + reel_stream_state_offset(t->io);
}

void *reel_shared(const struct reel_transport *t)
{
    return t->factory->shared;
}

struct reel_reactor *reel_reactor_of(const struct reel_transport *t)
{
    return t->reactor;
}

int reel_fd(const struct reel_transport *t)
{
    return t->fd;
}

void reel_pause_reading(struct reel_transport *t)
{
    t->paused = true;
}

void reel_resume_reading(struct reel_transport *t)
{
    t->paused = t->held_waits = t->held_until_drained = false;
    if (t->readable || t->extra)
        reel_stream_ready(t);
}

void reel_need_more(struct reel_transport *t, size_t max)
{
    t->reactor->keep_max = max ? max : REEL_KEEP_MAX_DEFAULT;
}

const uint8_t *reel_kept(const struct reel_transport *t, size_t *len)
{
    const struct stream_extra *extra = t->extra;
    if (!extra || !extra->held) {
        *len = 0;
        return NULL;
    }
    *len = extra->held_end - extra->held_start;
    return extra->held + extra->held_start;
}

bool reel_may_go_on(struct reel_transport *t)
{
    if (t->paused || t->closing || t->dying || t->handshaking)
        return false; /* what is left behind a reel_filter_push is the filter's */
    if (t->factory->options.read_while_full)
        return true;
    if (t->pending > reel_stream_queue_high(t))
        reel_flush(t);
    return !t->dying && t->pending <= reel_stream_queue_high(t);
}

int reel_shutdown_write(struct reel_transport *t)
{
    if (t->closing || t->shutting || t->dying || t->no_write)
        return -EPIPE;
    t->shutting = true;
    reel_stream_unsent(t);
    return 0;
}

void reel_close(struct reel_transport *t)
{
    if (t->closing || t->dying)
        return;
    t->closing = true;
    if (!t->made) {
        t->reset = true;
        reel_stream_die(t, -ECONNABORTED);
        return;
    }
    if (t->extra)
        reel_timer_stop(&t->extra->timer); /* from here on it is the linger time's */
    reel_stream_unsent(t);
}

void reel_abort(struct reel_transport *t)
{
    reel_abort_as(t, -ECONNABORTED);
}

void reel_abort_as(struct reel_transport *t, int reason)
{
    if (t->dying)
        return;
    t->closing = t->reset = true;
    reel_stream_die(t, reason);
}

bool reel_is_closing(const struct reel_transport *t)
{
    return t->closing || t->dying;
}

int reel_peer(const struct reel_transport *t, struct reel_address *out)
{
    *out = (struct reel_address){0};
    if (t->peer_family == AF_INET) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(t->peer_port)};
        memcpy(&v4.sin_addr, t->peer_address, sizeof(v4.sin_addr));
        memcpy(&out->storage, &v4, sizeof(v4));
        out->length = sizeof(v4);
        return 0;
    }
    if (t->peer_family == AF_INET6) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                                  .sin6_port = htons(t->peer_port),
                                  .sin6_scope_id = t->peer_scope};
        memcpy(&v6.sin6_addr, t->peer_address, sizeof(v6.sin6_addr));
        memcpy(&out->storage, &v6, sizeof(v6));
        out->length = sizeof(v6);
        return 0;
    }
    if (!t->is_socket)
        return -EOPNOTSUPP;
    out->length = sizeof(out->storage);
    return getpeername(t->fd, (struct sockaddr *)&out->storage, &out->length) < 0 ? -errno : 0;
}

int reel_host(const struct reel_transport *t, struct reel_address *out)
{
    const struct stream_io *io = reel_filters_bottom(t);
    if (io->host)
        return io->host(t, out);
    *out = (struct reel_address){.length = sizeof(out->storage)};
    if (!t->is_socket)
        return -EOPNOTSUPP;
    return getsockname(t->fd, (struct sockaddr *)&out->storage, &out->length) < 0 ? -errno : 0;
}

int reel_set_nodelay(struct reel_transport *t, bool on)
{
    if (!t->is_socket)
        return -EOPNOTSUPP;
    int value = on;
    return setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)) < 0 ? -errno : 0;
}

void reel_set_protocol(struct reel_transport *t, const struct reel_protocol *protocol)
{
    t->protocol = protocol;
}

const struct reel_protocol *reel_protocol_of(const struct reel_transport *t)
{
    return t->protocol;
}

const char *reel_reason_text(int reason)
{
    if (reason == 0)
        return "closed in order";
    const char *text_z = strerrordesc_np(reason < 0 ? -reason : reason);
    return text_z ? text_z : "unknown error";
}
