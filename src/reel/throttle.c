/* Throttles: buckets of tokens, and a filter that pays for its bytes.
 *
 * A bucket is one point in time: when it would have been empty had all bytes come at its rate (GCRA).
 * Who finds it empty joins its line. Its timer wakes as many from the front as it has pieces for;
 * one who does not come then has lost his place, and nobody waits for him. */
#include <reel/policy.h>

#include "reel/filters.h"

#include <errno.h>

enum { PIECES_A_SECOND = 20 };

struct throttle;

/* Of a filter, one direction, one bucket. */
struct payer {
    struct throttle *throttle;
    struct reel_bucket *bucket; /* NULL: this one costs nothing */
    struct reel_link link;
    bool called; /* may ask without a place in the line */
};

struct direction {
    struct reel_bucket own;
    struct payer own_payer, shared_payer;
};

struct throttle {
    struct reel_filter f;
    struct direction in, out;
};

static uint64_t burst_of(const struct reel_rate *rate)
{
    return rate->burst ? rate->burst : rate->rate;
}

/* What is worth a wake-up. */
static uint64_t piece_of(const struct reel_rate *rate)
{
    uint64_t piece = rate->rate / PIECES_A_SECOND, burst = burst_of(rate);
    piece = piece < burst ? piece : burst;
    return piece ? piece : 1;
}

static int64_t ns_for(const struct reel_bucket *bucket, uint64_t bytes)
{
    return (int64_t)((double)bytes * 1e9 / (double)bucket->rate.rate);
}

static uint64_t tokens(const struct reel_bucket *bucket, int64_t now_ns)
{
    uint64_t burst = burst_of(&bucket->rate);
    if (bucket->empty_ns <= now_ns)
        return burst;
    double used = (double)(bucket->empty_ns - now_ns) * (double)bucket->rate.rate / 1e9;
    return used < (double)burst ? burst - (uint64_t)used : 0;
}

static void wake_later(struct reel_bucket *bucket)
{
    if (list_is_empty(&bucket->waiting) || reel_timer_is_active(&bucket->timer))
        return;
    uint64_t full = burst_of(&bucket->rate) - piece_of(&bucket->rate);
    reel_timer_start_at(&bucket->timer, bucket->empty_ns - ns_for(bucket, full) + 1);
}

static void on_tokens(struct reel_timer *timer)
{
    struct reel_bucket *bucket = CONTAINER_OF(timer, struct reel_bucket, timer);
    uint64_t pieces = tokens(bucket, reel_now_ns(timer->reactor)) / piece_of(&bucket->rate);
    struct reel_link *link = NULL;
    for (; pieces && (link = list_take(&bucket->waiting)); pieces--) {
        struct payer *payer = CONTAINER_OF(link, struct payer, link);
        payer->called = true;
        reel_filter_wake(&payer->throttle->f);
    }
    wake_later(bucket);
}

int reel_bucket_init(struct reel_bucket *bucket, struct reel_reactor *r, struct reel_rate rate)
{
    *bucket = (struct reel_bucket){.rate = rate};
    list_init(&bucket->waiting);
    return reel_timer_init(&bucket->timer, r, on_tokens);
}

void reel_bucket_fini(struct reel_bucket *bucket)
{
    reel_timer_fini(&bucket->timer);
}

/* How much may pass; 0: none, and there will be a wake. */
static uint64_t ask(struct payer *payer, int64_t now_ns)
{
    struct reel_bucket *bucket = payer->bucket;
    if (!bucket || !bucket->rate.rate)
        return UINT64_MAX;
    uint64_t left = tokens(bucket, now_ns), piece = piece_of(&bucket->rate);
    bool others = !list_is_empty(&bucket->waiting);
    if (left >= piece && (payer->called || !others))
        return others ? piece : left;
    payer->called = false;
    if (!link_is_in_list(&payer->link))
        list_put(&bucket->waiting, &payer->link);
    wake_later(bucket);
    return 0;
}

static void pay(struct payer *payer, int64_t now_ns, size_t len)
{
    struct reel_bucket *bucket = payer->bucket;
    if (!bucket || !bucket->rate.rate)
        return;
    payer->called = false;
    if (bucket->empty_ns < now_ns)
        bucket->empty_ns = now_ns;
    bucket->empty_ns += ns_for(bucket, len);
}

static size_t may_pass(struct direction *d, size_t len)
{
    int64_t now_ns = d->own_payer.throttle->f.transport->reactor->now_ns;
    uint64_t own = ask(&d->own_payer, now_ns);
    if (own == 0)
        return 0;
    uint64_t shared = ask(&d->shared_payer, now_ns);
    uint64_t least = own < shared ? own : shared;
    return len < least ? len : (size_t)least;
}

static void passed(struct direction *d, ssize_t n)
{
    int64_t now_ns = d->own_payer.throttle->f.transport->reactor->now_ns;
    if (n <= 0)
        return;
    pay(&d->own_payer, now_ns, (size_t)n);
    pay(&d->shared_payer, now_ns, (size_t)n);
}

static ssize_t throttle_receive(struct reel_filter *f, uint8_t *data, size_t len)
{
    struct throttle *self = (struct throttle *)f;
    len = may_pass(&self->in, len);
    if (len == 0)
        return -EAGAIN;
    ssize_t n = reel_filter_receive(f, data, len);
    passed(&self->in, n);
    return n;
}

static ssize_t throttle_send(struct reel_filter *f, const struct iovec *parts, int count)
{
    struct throttle *self = (struct throttle *)f;
    struct iovec some[FIRST_PARTS_MAX];
    int used = reel_parts_first(parts, count, may_pass(&self->out, SIZE_MAX), some);
    if (used == 0)
        return -EAGAIN;
    ssize_t n = reel_filter_send(f, some, used);
    passed(&self->out, n);
    return n;
}

static int direction_init(struct throttle *self, struct direction *d, struct reel_rate rate,
                          struct reel_bucket *shared)
{
    d->own_payer = (struct payer){.throttle = self, .bucket = &d->own};
    d->shared_payer = (struct payer){.throttle = self, .bucket = shared};
    return reel_bucket_init(&d->own, self->f.transport->reactor, rate);
}

static void direction_fini(struct direction *d)
{
    list_remove(&d->own_payer.link);
    list_remove(&d->shared_payer.link);
    reel_bucket_fini(&d->own);
}

static void throttle_close(struct reel_filter *f, bool reset)
{
    struct throttle *self = (struct throttle *)f;
    (void)reset;
    direction_fini(&self->in);
    direction_fini(&self->out);
}

static int throttle_open(struct reel_filter *f, const void *options)
{
    struct throttle *self = (struct throttle *)f;
    const struct reel_throttle *rates = options;
    int err = direction_init(self, &self->in, rates->in, rates->shared_in);
    if (err == 0)
        err = direction_init(self, &self->out, rates->out, rates->shared_out);
    if (err < 0)
        throttle_close(f, true);
    return err;
}

const struct reel_filter_type reel_throttle_filter = {
    .name_z = "throttle",
    .size = sizeof(struct throttle),
    .open = throttle_open,
    .receive = throttle_receive,
    .send = throttle_send,
    .close = throttle_close,
};
