/* Sending datagrams: gathered in the turn's arena as runs of equal length to one peer, flushed at the
 * turn's end. What the kernel does not take then moves to the heap and waits. */
#include "reel/dgram.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define RETRY_FIRST_NS (1 * REEL_MS)
#define RETRY_MAX_NS   (50 * REEL_MS)

static size_t queue_max(const struct reel_datagram *d)
{
    size_t max = d->factory->options.queue_max;
    return max ? max : REEL_DATAGRAM_QUEUE_MAX_DEFAULT;
}

static void account(struct reel_datagram *d, size_t more, size_t less)
{
    d->pending += more - less;
    d->reactor->metrics.queued_bytes += more - less;
}

/* What one datagram costs the queue: an empty one is not free. */
static size_t cost_of(size_t len)
{
    return len ? len : 1;
}

static void run_put(struct reel_datagram *d, struct datagram_run *run)
{
    run->next = NULL;
    *d->end = run;
    d->end = &run->next;
    d->last = run;
}

static void run_free(struct reel_datagram *d, struct datagram_run *run)
{
    for (uint16_t i = 0; i < run->fd_count; i++)
        close(run->fds[i]);
    if (run->on_heap)
        reel_memory_free(d->reactor, run);
}

static void drop_first(struct reel_datagram *d)
{
    struct datagram_run *run = d->first;
    d->first = run->next;
    if (!d->first) {
        d->end = &d->first;
        d->last = NULL;
    }
    run_free(d, run);
}

/* The first `count` datagrams of the first run are done with. */
static void consume(struct reel_datagram *d, uint32_t count)
{
    struct datagram_run *run = d->first;
    run->count -= count;
    run->tried = false;
    while (count--) {
        uint32_t left = run->len - run->start;
        uint32_t len = left < run->segment ? left : run->segment;
        run->start += len;
        account(d, 0, cost_of(len));
    }
    if (run->count == 0)
        drop_first(d);
}

static size_t align8(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static struct datagram_run *run_new(struct reel_datagram *d, size_t address_len, size_t cap,
                                    int fd_count, bool on_heap)
{
    size_t before = align8(sizeof(struct datagram_run) + address_len);
    cap = align8(cap);
    size_t size = before + cap + (size_t)fd_count * sizeof(int);
    struct datagram_run *run =
        on_heap ? reel_memory_new(d->reactor, size) : reel_arena_new(d->reactor, size);
    if (!run)
        return NULL;
    *run = (struct datagram_run){.data = (uint8_t *)run + before,
                                 .cap = (uint32_t)cap,
                                 .address_len = (uint16_t)address_len,
                                 .on_heap = on_heap};
    run->fds = (int *)(void *)(run->data + cap);
    return run;
}

static bool is_same_local(const struct datagram_local *a, const struct datagram_local *b)
{
    return a->family == b->family && a->interface == b->interface &&
           memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

/* One more datagram of `len` bytes in this run, if it is of its kind. */
static bool run_takes(const struct datagram_run *run, size_t len, const struct reel_address *to,
                      const struct datagram_local *local)
{
    size_t address_len = to ? to->length : 0;
    return !run->closed && len && len <= run->segment && run->count < DATAGRAM_RUN_MAX &&
           run->len + len <= DATAGRAM_RUN_BYTES && run->address_len == address_len &&
           (!to || memcmp(run->address, &to->storage, address_len) == 0) &&
           (local ? is_same_local(&run->local, local) : run->local.family == 0);
}

static bool run_grows(struct reel_datagram *d, struct datagram_run *run, size_t len)
{
    if (run->cap - run->len >= len)
        return true;
    size_t more = align8(len);
    if (run->on_heap || !reel_arena_extend(d->reactor, run->data + run->cap, more))
        return false;
    run->cap += (uint32_t)more;
    return true;
}

static void run_add(struct datagram_run *run, const void *data, size_t len)
{
    if (len)
        memcpy(run->data + run->len, data, len);
    run->len += (uint32_t)len;
    run->count++;
    if (len < run->segment)
        run->closed = true; /* a shorter one ends it */
}

/* A run that could not grow is followed by a larger one: its peer seems to get many. */
static size_t cap_for(const struct datagram_run *last, size_t len)
{
    enum { CAP_MAX = 16 * 1024 };
    if (!last || last->segment != len || last->count < 2)
        return len;
    size_t cap = (size_t)last->cap * 2;
    cap = cap < CAP_MAX ? cap : CAP_MAX;
    return cap > len ? cap : len;
}

static int check(struct reel_datagram *d, size_t len, const struct reel_address *to)
{
    if (d->closing || d->is_dying)
        return -EPIPE;
    if (len > d->io->data_max)
        return -EMSGSIZE;
    if (!to && !d->connected)
        return -EDESTADDRREQ;
    if (to && to->length == 0)
        return -EDESTADDRREQ;
    if (to && to->storage.ss_family != d->family)
        return -EAFNOSUPPORT;
    if (d->pending + cost_of(len) > queue_max(d)) {
        d->stats.dropped++;
        return -ENOBUFS;
    }
    return 0;
}

static void unsent(struct reel_datagram *d)
{
    if (!link_is_in_list(&d->unsent))
        list_put(&d->reactor->datagrams->unsent, &d->unsent);
}

static struct datagram_run *begin_run(struct reel_datagram *d, size_t len,
                                      const struct reel_address *to,
                                      const struct datagram_local *local, int fd_count)
{
    size_t cap = fd_count ? len : cap_for(d->last, len);
    struct datagram_run *run =
        run_new(d, to ? to->length : 0, cap, fd_count, !d->writable || fd_count);
    if (!run)
        return NULL;
    if (to)
        memcpy(run->address, &to->storage, to->length);
    if (local)
        run->local = *local;
    run->segment = (uint32_t)len;
    run->closed = len == 0 || fd_count;
    return run;
}

static int put(struct reel_datagram *d, const void *data, size_t len, const struct reel_address *to,
               const struct datagram_local *local)
{
    int err = check(d, len, to);
    if (err < 0)
        return err;
    struct datagram_run *run = d->last;
    if (!run || !run_takes(run, len, to, local) || !run_grows(d, run, len)) {
        run = begin_run(d, len, to, local, 0);
        if (!run)
            return -ENOMEM;
        run_put(d, run);
    }
    run_add(run, data, len);
    account(d, cost_of(len), 0);
    unsent(d);
    if (d->reactor->arena.used > ARENA_MAX_BYTES) {
        reel_flush_all(d->reactor);
        reel_arena_reset(d->reactor);
    }
    return 0;
}

int reel_datagram_send(struct reel_datagram *d, const void *data, size_t len,
                       const struct reel_address *to)
{
    return put(d, data, len, to, NULL);
}

int reel_datagram_reply(struct reel_datagram *d, const void *data, size_t len)
{
    const struct datagram_item *item = d->current;
    if (!item)
        return -EDESTADDRREQ;
    if (d->connected)
        return put(d, data, len, NULL, NULL);
    return put(d, data, len, item->from, item->local.family ? &item->local : NULL);
}

int reel_datagram_send_from(struct reel_datagram *d, const void *data, size_t len,
                            const struct reel_address *to, const struct reel_datagram_local *from)
{
    struct datagram_local local = {.interface = from->interface, .family = (uint8_t)d->family};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (from->address.length && from->address.storage.ss_family != d->family)
        return -EAFNOSUPPORT;
    if (from->address.length && d->family == AF_INET) {
        memcpy(&v4, &from->address.storage, sizeof(v4));
        memcpy(local.address, &v4.sin_addr, sizeof(v4.sin_addr));
    } else if (from->address.length && d->family == AF_INET6) {
        memcpy(&v6, &from->address.storage, sizeof(v6));
        memcpy(local.address, &v6.sin6_addr, sizeof(v6.sin6_addr));
    } else if (d->family == AF_UNIX) {
        return -EAFNOSUPPORT;
    }
    return put(d, data, len, to, &local);
}

static int copy_fds(struct datagram_run *run, const int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return -errno;
        run->fds[run->fd_count++] = fd;
    }
    return 0;
}

int reel_datagram_send_fds(struct reel_datagram *d, const void *data, size_t len,
                           const struct reel_address *to, const int *fds, int count)
{
    if (d->family != AF_UNIX || d->fd < 0)
        return -EOPNOTSUPP;
    if (count < 1 || count > REEL_DATAGRAM_DESCRIPTORS_MAX)
        return -EINVAL;
    int err = check(d, len, to);
    if (err < 0)
        return err;
    struct datagram_run *run = begin_run(d, len, to, NULL, count);
    if (!run)
        return -ENOMEM;
    err = copy_fds(run, fds, count);
    if (err < 0) {
        run_free(d, run);
        return err;
    }
    run_put(d, run);
    run_add(run, data, len);
    run->closed = true;
    account(d, cost_of(len), 0);
    unsent(d);
    return 0;
}

static bool as_run(const struct reel_datagram *d, const struct datagram_run *run)
{
    return run->count >= DATAGRAM_RUN_MIN && run->segment <= d->run_limit;
}

/* The front of the queue as messages. How many. */
static int gather(struct reel_datagram *d, struct datagram_message messages[DATAGRAM_BATCH])
{
    int count = 0;
    for (struct datagram_run *run = d->first; run && count < DATAGRAM_BATCH; run = run->next) {
        if (as_run(d, run)) {
            messages[count++] = (struct datagram_message){
                run, run->data + run->start, run->len - run->start, run->segment, run->count};
            continue;
        }
        uint32_t at = run->start;
        for (uint32_t i = 0; i < run->count && count < DATAGRAM_BATCH; i++) {
            uint32_t len = run->len - at < run->segment ? run->len - at : run->segment;
            messages[count++] = (struct datagram_message){run, run->data + at, len, 0, 1};
            at += len;
        }
    }
    return count;
}

/* What the kernel says of the first message. */
static void send_failed(struct reel_datagram *d, const struct datagram_message *message, int err)
{
    if (err == -EINTR)
        return;
    if (err == -EAGAIN) {
        d->writable = false;
        return;
    }
    if (message->segment) { /* this way or this length is not for runs (udp(7), UDP_SEGMENT) */
        d->run_limit = err == -EINVAL || err == -EMSGSIZE ? message->segment - 1 : 0;
        return;
    }
    if (d->connected) { /* perhaps the answer to an earlier one, and then this was not sent */
        d->refusal = err;
        reel_datagram_ready(d);
        if (!message->run->tried) {
            message->run->tried = true;
            return;
        }
    }
    d->stats.send_errors++;
    d->stats.last_error = err;
    consume(d, 1);
}

static void sent(struct reel_datagram *d, const struct datagram_message *messages, int count)
{
    for (int i = 0; i < count; i++) {
        d->stats.sent += messages[i].count;
        d->stats.sent_runs += messages[i].segment != 0;
        consume(d, messages[i].count);
    }
    d->retry_ns = d->stuck_ns = 0;
}

static void check_watermarks(struct reel_datagram *d)
{
    size_t max = queue_max(d);
    if (!d->full && d->pending > max / 2) {
        d->full = true;
        d->full_told = d->drained;
        d->drained = false;
        reel_datagram_ready(d);
    } else if (d->full && d->pending <= max / 8) {
        d->full = false;
        d->drained = d->full_told;
        reel_datagram_ready(d);
    }
}

static bool keep_run(struct reel_datagram *d, struct datagram_run *run)
{
    struct datagram_run *kept =
        run_new(d, run->address_len, run->len - run->start, run->fd_count, true);
    if (!kept)
        return false;
    memcpy(kept->address, run->address, run->address_len);
    memcpy(kept->data, run->data + run->start, run->len - run->start);
    kept->len = run->len - run->start;
    kept->count = run->count;
    kept->segment = run->segment;
    kept->tried = run->tried;
    kept->closed = true;
    kept->local = run->local;
    run_put(d, kept);
    return true;
}

/* The turn's arena will be emptied: what stays moves to the heap. No memory: dropped. */
static void keep(struct reel_datagram *d)
{
    struct datagram_run *run = d->first;
    d->first = d->last = NULL;
    d->end = &d->first;
    while (run) {
        struct datagram_run *next = run->next;
        if (run->on_heap) {
            run_put(d, run);
        } else if (!keep_run(d, run)) {
            d->stats.dropped += run->count;
            account(d, 0, run->segment ? run->len - run->start : run->count);
        }
        run = next;
    }
}

/* An unconnected Unix socket: its peers' queues are full, and nobody tells when they are not. One
 * that does not read at all must not stop the others' for ever. */
static void wait_by_timer(struct reel_datagram *d)
{
    if (d->stuck_ns >= REEL_DATAGRAM_STALE_NS) {
        d->stats.dropped++;
        consume(d, 1);
        d->stuck_ns = d->retry_ns = 0;
        d->writable = true;
        if (d->first)
            unsent(d);
        return;
    }
    d->retry_ns = d->retry_ns ? d->retry_ns * 2 : RETRY_FIRST_NS;
    d->retry_ns = d->retry_ns < RETRY_MAX_NS ? d->retry_ns : RETRY_MAX_NS;
    d->stuck_ns += d->retry_ns;
    reel_timer_start(&d->retry, d->retry_ns);
}

void reel_datagram_send_now(struct reel_datagram *d)
{
    struct datagram_message messages[DATAGRAM_BATCH];
    if (d->is_dying)
        return;
    while (d->writable && d->first) {
        int count = gather(d, messages);
        int taken = d->io->send(d, messages, count);
        d->stats.sent_calls++;
        if (taken < 0)
            send_failed(d, messages, taken);
        else
            sent(d, messages, taken);
    }
    if (d->first)
        keep(d);
    check_watermarks(d);
    if (d->first && d->family == AF_UNIX && !d->connected && d->fd >= 0 &&
        !reel_timer_is_active(&d->retry))
        wait_by_timer(d);
}

void reel_datagram_flush(struct reel_datagram *d)
{
    reel_datagram_send_now(d);
}

void reel_datagram_drop_output(struct reel_datagram *d)
{
    while (d->first) {
        d->stats.dropped += d->first->count;
        consume(d, d->first->count);
    }
}
