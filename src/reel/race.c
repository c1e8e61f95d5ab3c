#include "reel/race.h"

#include "reel/dns.h"
#include "reel/fdio.h"
#include "reel/filters.h"

#include <reel/deferred.h>
#include <reel/resolver.h>
#include <reel/testing.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum { V6, V4, FAMILIES };

static const int families[FAMILIES] = {[V6] = AF_INET6, [V4] = AF_INET};

struct attempt {
    struct race *race;
    struct reel_watch watch;
    struct reel_timer timer;           /* in virtual time, when it is answered */
    const struct reel_test_host *host; /* ... and by whom; NULL: a socket */
    struct reel_address address;
    int fd;
    bool is_on;
};

/* The answers for one family. */
struct question {
    struct race *race;
    struct reel_deferred *d; /* NULL: answered */
    struct reel_addresses *found;
    size_t next; /* of those found, to be tried */
    int error;
};

struct race {
    struct stream_end end;
    struct reel_transport *t; /* the one they run for */
    struct reel_reactor *reactor;
    struct reel_connect_options options;
    struct question questions[FAMILIES];
    struct reel_timer timer; /* before the start: the wait for IPv6; then: for an answer */
    bool started;
    int last;  /* the family tried last; -1: none */
    int error; /* of the attempts; 0: none has failed */
    size_t attempt_count;
    struct attempt attempts[REEL_CONNECT_ADDRESSES_MAX];
};

/* ---- Addresses ---- */

/* How well a destination is thought of, 0 best: the precedences of RFC 6724 2.1 below those of IPv4.
 * The rules about source addresses are left out: an address without a route fails at once. */
static int rank_of(const struct reel_address *address)
{
    struct sockaddr_in6 v6;
    if (address->storage.ss_family != AF_INET6)
        return 0;
    memcpy(&v6, &address->storage, sizeof(v6));
    const uint8_t *b = v6.sin6_addr.s6_addr;
    if (b[0] == 0x20 && b[1] == 0x02)
        return 1; /* 6to4 */
    if (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0)
        return 2;                         /* Teredo */
    return (b[0] & 0xfe) == 0xfc ? 3 : 0; /* a site's own */
}

static void sort_addresses(struct reel_addresses *found)
{
    for (size_t i = 1; i < found->count; i++) {
        struct reel_address address = found->list[i];
        size_t at = i;
        for (; at > 0 && rank_of(&found->list[at - 1]) > rank_of(&address); at--)
            found->list[at] = found->list[at - 1];
        found->list[at] = address;
    }
}

static const struct reel_address *peek(const struct race *race, int family)
{
    const struct question *q = &race->questions[family];
    const struct reel_address *local = &race->options.local;
    if (local->length && local->storage.ss_family != families[family])
        return NULL;
    return q->found && q->next < q->found->count ? &q->found->list[q->next] : NULL;
}

/* The families take turns. */
static const struct reel_address *take_address(struct race *race)
{
    const struct reel_address *next[] = {peek(race, V6), peek(race, V4)};
    int family = race->last == V6 ? V4 : V6;
    if (race->last < 0 && next[V6] && next[V4] && rank_of(next[V6]) > 0)
        family = V4;
    if (!next[family])
        family = family == V6 ? V4 : V6;
    if (!next[family] || race->attempt_count == REEL_CONNECT_ADDRESSES_MAX)
        return NULL;
    race->questions[family].next++;
    race->last = family;
    return next[family];
}

/* ---- Attempts ---- */

static void stop_attempt(struct attempt *attempt)
{
    attempt->is_on = false;
    reel_watch_stop(&attempt->watch);
    reel_timer_fini(&attempt->timer);
    if (attempt->fd >= 0)
        close(attempt->fd);
    attempt->fd = -1;
}

static void race_free(struct race *race)
{
    for (size_t i = 0; i < race->attempt_count; i++)
        stop_attempt(&race->attempts[i]);
    for (int i = 0; i < FAMILIES; i++) {
        reel_deferred_drop(race->questions[i].d);
        if (race->questions[i].found)
            reel_answer_free(race->questions[i].found);
    }
    reel_timer_fini(&race->timer);
    reel_stream_remove_end(race->t, &race->end);
    reel_memory_free(race->reactor, race);
}

static void on_over(struct stream_end *end, struct reel_transport *t)
{
    (void)t;
    race_free(CONTAINER_OF(end, struct race, end));
}

/* The others are aborted. */
static void win(struct attempt *attempt)
{
    struct reel_transport *t = attempt->race->t;
    struct reel_address address = attempt->address;
    const struct reel_test_host *host = attempt->host;
    int fd = attempt->fd;
    reel_watch_stop(&attempt->watch);
    attempt->fd = -1;
    race_free(attempt->race);
    int err = host ? reel_wire_join(t, host->server) : reel_fd_stream_connected(t, fd, &address);
    if (err < 0 && fd >= 0)
        close(fd);
    if (err < 0)
        reel_stream_die(t, err);
}

/* What says least is told only if there is nothing else. */
static void note(struct race *race, int error)
{
    bool tells_little = error == -ENETUNREACH || error == -EHOSTUNREACH || error == -EADDRNOTAVAIL;
    if (race->error == 0 || !tells_little)
        race->error = error;
}

static void go_on(struct race *race);

static void finish_attempt(struct attempt *attempt, int error)
{
    struct race *race = attempt->race;
    if (error == 0) {
        win(attempt);
        return;
    }
    stop_attempt(attempt);
    note(race, error);
    go_on(race);
}

static void on_socket(struct reel_watch *watch, uint32_t events)
{
    struct attempt *attempt = CONTAINER_OF(watch, struct attempt, watch);
    int error = 0;
    socklen_t len = sizeof(error);
    (void)events;
    if (getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    finish_attempt(attempt, -error);
}

static void on_host(struct reel_timer *timer)
{
    struct attempt *attempt = CONTAINER_OF(timer, struct attempt, timer);
    finish_attempt(attempt, attempt->host->server ? 0 : attempt->host->error);
}

static int begin_host(struct attempt *attempt)
{
    struct reel_reactor *r = attempt->race->reactor;
    char want_z[REEL_ADDRESS_TEXT_MAX];
    reel_address_host(&attempt->address, want_z, sizeof(want_z));
    for (size_t i = 0; i < r->host_count; i++)
        if (strcmp(r->hosts[i].address_z, want_z) == 0)
            attempt->host = &r->hosts[i];
    if (!attempt->host)
        return -ENETUNREACH;
    int err = reel_timer_init(&attempt->timer, r, on_host);
    if (err == 0 && (attempt->host->server || attempt->host->error))
        reel_timer_start(&attempt->timer, attempt->host->delay_ns);
    return err;
}

static int begin_socket(struct attempt *attempt)
{
    struct race *race = attempt->race;
    const struct reel_address *address = &attempt->address;
    attempt->fd =
        reel_fd_socket_new(address->storage.ss_family, &race->t->factory->options, &race->options);
    if (attempt->fd < 0)
        return attempt->fd;
    if (connect(attempt->fd, (const struct sockaddr *)&address->storage, address->length) < 0 &&
        errno != EINPROGRESS)
        return -errno;
    return reel_watch_start(&attempt->watch, race->reactor, attempt->fd, EPOLLOUT, on_socket);
}

static bool begin_attempt(struct race *race, const struct reel_address *address)
{
    struct attempt *attempt = &race->attempts[race->attempt_count++];
    *attempt = (struct attempt){.race = race, .address = *address, .fd = -1, .is_on = true};
    int err = race->reactor->wake_fd < 0 ? begin_host(attempt) : begin_socket(attempt);
    if (err < 0) {
        stop_attempt(attempt);
        note(race, err);
    }
    return err == 0;
}

/* ---- The race ---- */

static bool is_running(const struct race *race)
{
    for (int i = 0; i < FAMILIES; i++)
        if (race->questions[i].d)
            return true;
    for (size_t i = 0; i < race->attempt_count; i++)
        if (race->attempts[i].is_on)
            return true;
    return false;
}

/* Why there was nothing to try: of two answers the one that tells more. */
static int error_of(const struct race *race)
{
    int v6 = race->questions[V6].error, v4 = race->questions[V4].error;
    if (race->error)
        return race->error;
    if (!v4 && !v6)
        return -EADDRNOTAVAIL; /* there are none of the own address's family */
    return v4 && (v4 != -ENODATA || !v6) ? v4 : v6;
}

/* The next address; one that fails at once is followed by the one after it. */
static void go_on(struct race *race)
{
    const struct reel_address *address = NULL;
    race->started = true;
    reel_timer_stop(&race->timer);
    while ((address = take_address(race)))
        if (begin_attempt(race, address)) {
            reel_timer_start(&race->timer, REEL_CONNECT_ATTEMPT_DELAY_NS);
            return;
        }
    if (!is_running(race))
        reel_stream_die(race->t, error_of(race));
}

static void on_time(struct reel_timer *timer)
{
    go_on(CONTAINER_OF(timer, struct race, timer));
}

/* RFC 8305 3: IPv6 starts at once; IPv4 gives IPv6 a moment, if that is still being asked for. So does
 * an IPv6 address that is to come behind those of IPv4. */
static void on_news(struct race *race)
{
    const struct question *v6 = &race->questions[V6], *v4 = &race->questions[V4];
    bool has_good = v6->found && rank_of(&v6->found->list[0]) == 0;
    if (race->started) {
        if (!reel_timer_is_active(&race->timer))
            go_on(race);
    } else if (has_good || (!v6->d && !v4->d)) {
        go_on(race);
    } else if (v6->found || v4->found) {
        reel_timer_start(&race->timer, v6->d || v6->found ? REEL_RESOLUTION_DELAY_NS : 0);
    }
}

static void on_answer(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct question *q = context;
    (void)d;
    q->d = NULL;
    q->error = result->error;
    if (!q->error) {
        q->found = reel_result_take(result);
        sort_addresses(q->found);
    }
    on_news(q->race);
}

static int ask(struct race *race, int family, const char *host_z, uint16_t port)
{
    struct question *q = &race->questions[family];
    q->race = race;
    q->d = reel_resolve(race->reactor, host_z, port, families[family]);
    return reel_deferred_done(q->d, on_answer, q);
}

static int transport_new(struct reel_reactor *r, const struct reel_connect_options *options,
                         const struct reel_factory *factory, struct reel_transport **out)
{
    struct fd_birth birth = {
        .fd = -1, .connecting = true, .filters = options->filters, .factory = factory};
    if (r->ending)
        return -ECANCELED;
    if (r->wake_fd >= 0)
        return reel_fd_stream_new(r, &birth, out);
    if (!r->hosts && !r->names.table)
        return -EOPNOTSUPP;
    int err = reel_wire_new(r, factory, out);
    if (err == 0 && options->filters)
        err = reel_filters_add(*out, options->filters);
    if (err < 0 && *out)
        reel_fd_stream_undo(*out);
    return err;
}

/* The transport, with a race that has not begun. */
static int race_new(struct reel_reactor *r, const struct reel_connect_options *options,
                    const struct reel_factory *factory, struct race **out)
{
    static const struct reel_connect_options defaults = {0};
    struct reel_transport *t = NULL;
    options = options ? options : &defaults;
    int err = transport_new(r, options, factory, &t);
    if (err < 0)
        return err;
    struct race *race = reel_memory_new_zeroed(r, sizeof(*race));
    int64_t timeout_ns = options->timeout_ns > 0 ? options->timeout_ns : REEL_CONNECT_TIMEOUT_NS;
    if (!race || reel_stream_expect(t, timeout_ns) < 0 ||
        reel_timer_init(&race->timer, r, on_time) < 0) {
        reel_memory_free(r, race);
        reel_fd_stream_undo(t);
        return -ENOMEM;
    }
    race->end.over = on_over;
    race->t = t;
    race->reactor = r;
    race->options = *options;
    race->last = -1;
    reel_stream_add_end(t, &race->end); /* has its extras already */
    *out = race;
    return 0;
}

static int give(struct race *race, int err, struct reel_transport **out)
{
    struct reel_transport *t = race->t;
    if (err < 0) {
        race_free(race);
        reel_fd_stream_undo(t);
    } else if (out) {
        *out = t;
    }
    return err;
}

int reel_race_host(struct reel_reactor *r, const char *host_z, uint16_t port,
                   const struct reel_connect_options *options, const struct reel_factory *factory,
                   struct reel_transport **out)
{
    struct race *race = NULL;
    int err = race_new(r, options, factory, &race);
    if (err < 0)
        return err;
    err = ask(race, V6, host_z, port);
    if (err == 0)
        err = ask(race, V4, host_z, port);
    return give(race, err, out);
}

int reel_race_address(struct reel_reactor *r, const struct reel_address *address,
                      const struct reel_connect_options *options,
                      const struct reel_factory *factory, struct reel_transport **out)
{
    char host_z[REEL_ADDRESS_TEXT_MAX];
    reel_address_host(address, host_z, sizeof(host_z));
    return reel_race_host(r, host_z, reel_address_port(address), options, factory, out);
}
