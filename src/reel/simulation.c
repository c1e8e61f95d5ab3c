/* A simulated network: its hosts, its paths, its chance. */
#include "reel/simulated.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

enum {
    FIRST_PORT = 32768, /* of those that nobody asked for, as Linux has it */
    LAST_PORT = 60999,
};

struct rule {
    struct reel_link link;
    const struct reel_simulated_host *from, *to; /* NULL: any */
    struct reel_path path;
};

struct cut {
    struct reel_link link;
    const struct reel_simulated_host *a, *b; /* `b` NULL: all others */
};

/* SplitMix64 (Steele, Lea, Flood 2014): any seed is a good one. */
static uint64_t draw_64(struct reel_simulation *s)
{
    s->chance += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = s->chance;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t reel_simulation_draw(struct reel_simulation *s, uint32_t below)
{
    return below ? (uint32_t)(draw_64(s) % below) : 0;
}

bool reel_simulation_chance(struct reel_simulation *s, uint32_t ppm)
{
    return ppm && draw_64(s) % 1000000 < ppm;
}

int64_t reel_simulation_after(struct reel_simulation *s, const struct reel_path *path,
                              int64_t from_ns)
{
    int64_t jitter_ns =
        path->jitter_ns > 0 ? (int64_t)(draw_64(s) % ((uint64_t)path->jitter_ns + 1)) : 0;
    return from_ns + path->delay_ns + jitter_ns;
}

/* FNV-1a. */
static void digest(struct reel_simulation *s, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        s->digest = (s->digest ^ bytes[i]) * UINT64_C(0x100000001b3);
}

void reel_simulation_note(struct reel_simulation *s, const struct reel_address *from,
                          const struct reel_address *to, const struct iovec *parts, size_t len)
{
    digest(s, &s->reactor->now_ns, sizeof(s->reactor->now_ns));
    digest(s, &from->storage, from->length);
    digest(s, &to->storage, to->length);
    digest(s, &len, sizeof(len));
    for (size_t n = 0; len > 0; len -= n, parts++) {
        n = parts->iov_len < len ? parts->iov_len : len;
        digest(s, parts->iov_base, n);
    }
}

uint64_t reel_simulation_digest(const struct reel_simulation *s)
{
    return s->digest;
}

static const struct reel_simulated_host *host_at(const struct reel_link *link)
{
    return CONTAINER_OF(link, struct reel_simulated_host, link);
}

static void set_port(struct reel_address *address, uint16_t port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address->storage.ss_family == AF_INET) {
        memcpy(&v4, &address->storage, sizeof(v4));
        v4.sin_port = htons(port);
        memcpy(&address->storage, &v4, sizeof(v4));
    } else {
        memcpy(&v6, &address->storage, sizeof(v6));
        v6.sin6_port = htons(port);
        memcpy(&address->storage, &v6, sizeof(v6));
    }
}

bool reel_simulation_same(const struct reel_address *a, const struct reel_address *b)
{
    return a->length == b->length && memcmp(&a->storage, &b->storage, a->length) == 0;
}

struct reel_simulated_host *reel_simulation_find(const struct reel_simulation *s,
                                                 const struct reel_address *address)
{
    struct reel_address wanted = *address;
    set_port(&wanted, 0);
    for (const struct reel_link *link = s->hosts.next; link != &s->hosts; link = link->next) {
        const struct reel_simulated_host *host = host_at(link);
        for (int i = 0; i < host->address_count; i++)
            if (reel_simulation_same(&host->addresses[i], &wanted))
                return (struct reel_simulated_host *)host;
    }
    return NULL;
}

static bool is_any(const struct reel_address *address)
{
    static const struct in6_addr any = IN6ADDR_ANY_INIT;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address->storage.ss_family == AF_INET) {
        memcpy(&v4, &address->storage, sizeof(v4));
        return v4.sin_addr.s_addr == htonl(INADDR_ANY);
    }
    memcpy(&v6, &address->storage, sizeof(v6));
    return memcmp(&v6.sin6_addr, &any, sizeof(any)) == 0;
}

static const struct reel_address *address_of(const struct reel_simulated_host *host, int family)
{
    for (int i = 0; i < host->address_count; i++)
        if (host->addresses[i].storage.ss_family == family)
            return &host->addresses[i];
    return NULL;
}

int reel_simulation_place(struct reel_simulation *s, const struct reel_address *own, int family,
                          struct simulated_place *out)
{
    if (family != AF_INET && family != AF_INET6)
        return -EOPNOTSUPP;
    bool given = own && own->length > 0;
    if (given && own->storage.ss_family != family)
        return -EAFNOSUPPORT;
    uint16_t port = given ? reel_address_port(own) : 0;
    *out = (struct simulated_place){0};
    if (given && !is_any(own)) {
        out->host = reel_simulation_find(s, own);
        out->address = *own;
    } else if (s->in_use && address_of(s->in_use, family)) {
        out->host = s->in_use;
        out->address = *address_of(s->in_use, family);
    }
    if (!out->host)
        return -EADDRNOTAVAIL;
    if (port == 0) {
        uint16_t last = out->host->last_port;
        port = last < FIRST_PORT || last == LAST_PORT ? FIRST_PORT : (uint16_t)(last + 1);
        out->host->last_port = port;
    }
    set_port(&out->address, port);
    return 0;
}

static int bind_listener(struct network *network, struct reel_address *address)
{
    struct reel_simulation *s = CONTAINER_OF(network, struct reel_simulation, network);
    struct simulated_place place;
    int err = 0;
    bool is_taken = true;
    for (int tries = 0; is_taken && err == 0 && tries <= LAST_PORT - FIRST_PORT; tries++) {
        err = reel_simulation_place(s, address, address->storage.ss_family, &place);
        is_taken = err == 0 && reel_listener_find(s->reactor, &place.address);
        if (is_taken && reel_address_port(address))
            break;
    }
    if (err == 0 && is_taken)
        err = -EADDRINUSE;
    if (err == 0)
        *address = place.address;
    return err;
}

const struct reel_path *reel_simulation_path(const struct reel_simulation *s,
                                             const struct reel_simulated_host *from,
                                             const struct reel_simulated_host *to)
{
    static const struct reel_path perfect = {0};
    const struct reel_path *best = &perfect;
    int best_score = -1;
    for (const struct reel_link *link = s->rules.next; link != &s->rules; link = link->next) {
        const struct rule *rule = CONTAINER_OF(link, struct rule, link);
        bool holds = (!rule->from || rule->from == from) && (!rule->to || rule->to == to);
        int score = 2 * (rule->from != NULL) + (rule->to != NULL);
        if (holds && score > best_score) {
            best = &rule->path;
            best_score = score;
        }
    }
    return best;
}

static struct rule *find_rule(const struct reel_simulation *s,
                              const struct reel_simulated_host *from,
                              const struct reel_simulated_host *to)
{
    for (const struct reel_link *link = s->rules.next; link != &s->rules; link = link->next) {
        struct rule *rule = CONTAINER_OF(link, struct rule, link);
        if (rule->from == from && rule->to == to)
            return rule;
    }
    return NULL;
}

int reel_simulation_set_path(struct reel_simulation *s, const struct reel_simulated_host *from,
                             const struct reel_simulated_host *to, const struct reel_path *path)
{
    struct rule *rule = find_rule(s, from, to);
    if (!rule) {
        if (s->rule_count == REEL_SIMULATION_PATHS_MAX)
            return -ENOSPC;
        rule = reel_memory_new_zeroed(s->reactor, sizeof(*rule));
        if (!rule)
            return -ENOMEM;
        rule->from = from;
        rule->to = to;
        list_put(&s->rules, &rule->link);
        s->rule_count++;
    }
    rule->path = *path;
    return 0;
}

static bool is_between(const struct cut *cut, const struct reel_simulated_host *a,
                       const struct reel_simulated_host *b)
{
    return (cut->a == a && cut->b == b) || (cut->a == b && cut->b == a);
}

bool reel_simulation_is_cut(const struct reel_simulation *s, const struct reel_simulated_host *a,
                            const struct reel_simulated_host *b)
{
    for (const struct reel_link *link = s->cuts.next; link != &s->cuts; link = link->next) {
        const struct cut *cut = CONTAINER_OF(link, struct cut, link);
        if (a != b && (is_between(cut, a, b) || (!cut->b && (cut->a == a || cut->a == b))))
            return true;
    }
    return false;
}

static struct cut *find_cut(const struct reel_simulation *s, const struct reel_simulated_host *a,
                            const struct reel_simulated_host *b)
{
    for (const struct reel_link *link = s->cuts.next; link != &s->cuts; link = link->next) {
        struct cut *cut = CONTAINER_OF(link, struct cut, link);
        if (is_between(cut, a, b))
            return cut;
    }
    return NULL;
}

int reel_simulation_cut(struct reel_simulated_host *a, struct reel_simulated_host *b)
{
    struct reel_simulation *s = a->simulation;
    if (find_cut(s, a, b))
        return 0;
    if (s->cut_count == REEL_SIMULATION_PATHS_MAX)
        return -ENOSPC;
    struct cut *cut = reel_memory_new_zeroed(s->reactor, sizeof(*cut));
    if (!cut)
        return -ENOMEM;
    cut->a = a;
    cut->b = b;
    list_put(&s->cuts, &cut->link);
    s->cut_count++;
    reel_simulation_hold_cut(s);
    return 0;
}

void reel_simulation_heal(struct reel_simulated_host *a, struct reel_simulated_host *b)
{
    struct reel_simulation *s = a->simulation;
    struct cut *cut = find_cut(s, a, b);
    if (!cut)
        return;
    list_remove(&cut->link);
    reel_memory_free(s->reactor, cut);
    s->cut_count--;
    reel_simulation_hold_cut(s);
}

int reel_simulation_add_address(struct reel_simulated_host *host, const char *address_z)
{
    struct reel_address address;
    if (reel_address_set(&address, address_z, 0) < 0 || is_any(&address))
        return -EINVAL;
    if (reel_simulation_find(host->simulation, &address))
        return -EADDRINUSE;
    if (host->address_count == REEL_SIMULATION_ADDRESSES_MAX)
        return -ENOSPC;
    host->addresses[host->address_count++] = address;
    return 0;
}

static struct reel_simulated_host *host_new(struct reel_simulation *s, const char *address_z)
{
    if (s->host_count == REEL_SIMULATION_HOSTS_MAX) {
        errno = ENOSPC;
        return NULL;
    }
    struct reel_simulated_host *host = reel_memory_new_zeroed(s->reactor, sizeof(*host));
    if (!host) {
        errno = ENOMEM;
        return NULL;
    }
    host->simulation = s;
    int err = reel_simulation_add_address(host, address_z);
    if (err < 0) {
        reel_memory_free(s->reactor, host);
        errno = -err;
        return NULL;
    }
    list_put(&s->hosts, &host->link);
    s->host_count++;
    if (!s->in_use)
        s->in_use = host;
    return host;
}

struct reel_simulated_host *reel_simulation_host(struct reel_simulation *s, const char *address_z)
{
    struct reel_address address;
    if (reel_address_set(&address, address_z, 0) < 0) {
        errno = EINVAL;
        return NULL;
    }
    struct reel_simulated_host *host = reel_simulation_find(s, &address);
    return host ? host : host_new(s, address_z);
}

void reel_simulation_use(struct reel_simulated_host *host)
{
    host->simulation->in_use = host;
}

static void simulation_free(struct network *network)
{
    struct reel_simulation *s = CONTAINER_OF(network, struct reel_simulation, network);
    struct reel_reactor *r = s->reactor;
    struct reel_link *link = NULL;
    while ((link = list_take(&s->hosts)))
        reel_memory_free(r, CONTAINER_OF(link, struct reel_simulated_host, link));
    while ((link = list_take(&s->rules)))
        reel_memory_free(r, CONTAINER_OF(link, struct rule, link));
    while ((link = list_take(&s->cuts)))
        reel_memory_free(r, CONTAINER_OF(link, struct cut, link));
    r->network = NULL;
    reel_memory_free(r, s);
}

struct reel_simulation *reel_simulation_new(struct reel_reactor *r, uint64_t seed)
{
    if (r->backend != &reel_backend_virtual || r->network) {
        errno = r->network ? EEXIST : EINVAL;
        return NULL;
    }
    struct reel_simulation *s = reel_memory_new_zeroed(r, sizeof(*s));
    if (!s) {
        errno = ENOMEM;
        return NULL;
    }
    s->network = (struct network){
        .bind = bind_listener,
        .connect = reel_simulation_connect,
        .open_datagram = reel_simulation_open_datagram,
        .free = simulation_free,
    };
    s->reactor = r;
    s->chance = seed;
    s->digest = UINT64_C(0xcbf29ce484222325);
    struct reel_link *const lists[] = {&s->hosts, &s->rules, &s->cuts, &s->ends, &s->datagrams};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        list_init(lists[i]);
    r->network = &s->network;
    return s;
}
