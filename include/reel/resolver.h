/* Names, without blocking: addresses of a host, and what else DNS knows of a name. Answers are
 * deferreds (reel/deferred.h). Connecting by name needs none of this: reel_connect and reel_dial ask
 * by themselves.
 *
 * Asked in this order: is it numeric; the hosts file; "localhost" (RFC 6761); DNS, by the servers and
 * search domains of resolv.conf. The first three answer in the same turn. Both files are read again
 * when they have changed. Nothing is cached.
 *
 * The errors of an answer, in `error`:
 *   -ENOENT        there is no such name
 *   -ENODATA       there is, but it has none of what was asked for
 *   -EINVAL        it cannot be a name
 *   -ETIMEDOUT     no server answered
 *   -ECONNREFUSED  there is no server where one should be, or all say that they cannot answer
 *   -EREMOTEIO     the server would not answer
 *   -EBADMSG       the answer makes no sense
 *   -ENOBUFS       too many queries are under way
 *   -ENOMEM, -ECANCELED (cancelled, or the resolver is freed), -EOPNOTSUPP (in virtual time, without
 *   a table) */
#ifndef REEL_RESOLVER_H
#define REEL_RESOLVER_H

#include <reel/address.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_deferred;
struct reel_reactor;
struct reel_resolver;

#define REEL_NAME_MAX                253 /* longest name, RFC 1035 2.3.4 */
#define REEL_RESOLVE_ADDRESSES_MAX   32  /* of one family, of one name */
#define REEL_RESOLVE_RECORDS_MAX     64
#define REEL_RESOLVE_TIMEOUT_NS      (INT64_C(2) * 1000000000)
#define REEL_RESOLVE_TRIES           3
#define REEL_RESOLVE_QUERIES_DEFAULT 256

/* Zero fields take the defaults. */
struct reel_resolver_options {
    const char *servers_z;    /* "192.0.2.53,[2001:db8::53]:5353"; NULL: those of resolv.conf */
    int64_t timeout_ns;       /* a server's time for the first try; each round doubles it */
    int tries;                /* of each server */
    const char *hosts_path_z; /* NULL: /etc/hosts */
    const char *resolv_conf_path_z; /* NULL: /etc/resolv.conf */
    size_t queries_max; /* under way at a time; those cancelled count until they are answered */
};

/* Each reactor has a resolver of its own with the defaults, made at first use. This makes another,
 * which lives until reel_resolver_free or the reactor's end; the options are copied. 0; -ENOMEM;
 * -EINVAL: the servers cannot be read; -EIO: resolv.conf cannot. */
int reel_resolver_new(struct reel_reactor *r, const struct reel_resolver_options *options,
                      struct reel_resolver **out);

/* What it has not answered yet hears -ECANCELED. If the reactor uses it, it uses its own again. NULL
 * is fine. */
void reel_resolver_free(struct reel_resolver *resolver);

/* All that is asked on the reactor from now on is asked of this one; NULL: of the reactor's own. */
void reel_resolver_use(struct reel_reactor *r, struct reel_resolver *resolver);

/* Addresses, the `pointer` of an answer. Released with the result. */
struct reel_addresses {
    size_t count; /* at least 1 */
    struct reel_address list[];
};

/* The addresses of a host, with `port` in each. `family`: AF_INET6, AF_INET, or AF_UNSPEC for both,
 * IPv6 first; both are asked at once then, and one of them is enough. In the order of the answer.
 * NULL: out of memory. */
struct reel_deferred *reel_resolve(struct reel_reactor *r, const char *name_z, uint16_t port,
                                   int family);

/* One record of DNS. */
struct reel_record {
    const char *text_z; /* MX, SRV: the host; PTR: the name; TXT: the text, its pieces joined */
    size_t len;         /* of the text, which may have NULs in TXT */
    uint16_t priority;  /* MX, SRV: lower ones first */
    uint16_t weight;    /* SRV: share among those of one priority */
    uint16_t port;      /* SRV */
};

struct reel_records {
    size_t count; /* at least 1 */
    struct reel_record list[];
};

enum reel_record_type {
    REEL_RECORD_PTR,
    REEL_RECORD_MX,
    REEL_RECORD_TXT,
    REEL_RECORD_SRV,
};

/* Records of a name, as it is written: no search domains. `pointer` is a struct reel_records, by
 * priority (MX, SRV; the rest is as answered). NULL: out of memory. */
struct reel_deferred *reel_resolve_records(struct reel_reactor *r, const char *name_z,
                                           enum reel_record_type type);

/* The names of an address (PTR), from the hosts file or DNS: a struct reel_records too. -EINVAL: it
 * is neither IPv4 nor IPv6. NULL: out of memory. */
struct reel_deferred *reel_resolve_address(struct reel_reactor *r,
                                           const struct reel_address *address);

/* ---- For tests: a table in place of it all, also in virtual time. ---- */

/* A line of it. A name with several addresses has several lines; the `delay_ns` of the first line of
 * the family counts. */
struct reel_name {
    const char *name_z;
    const char *address_z; /* numeric; NULL: `error` is the answer ... */
    int family;            /* ... for this family; AF_UNSPEC: for both */
    int error;             /* -errno; 0: there is no answer, ever */
    int64_t delay_ns;      /* how long the answer takes */
};

/* The reactor knows the names of the table and no others (-ENOENT); a name without a line of the
 * family asked for is -ENODATA. The table stays the caller's, until another is used; NULL: names are
 * asked for as always. */
void reel_resolver_use_table(struct reel_reactor *r, const struct reel_name *table, size_t count);

#ifdef __cplusplus
}
#endif

#endif
