/* DNS by c-ares, on the reactor: one channel is one reading of resolv.conf. */
#ifndef REEL_DNS_H
#define REEL_DNS_H

#include "reel/list.h"

#include <reel/resolver.h>
#include <reel/timer.h>

#include <stdbool.h>

struct dns;

enum dns_kind {
    DNS_A,
    DNS_AAAA,
    DNS_PTR,
    DNS_MX,
    DNS_TXT,
    DNS_SRV,
};

/* Joins `channels`. 0, or -errno as reel_resolver_new. */
int reel_dns_new(struct reel_reactor *r, struct reel_link *channels,
                 const struct reel_resolver_options *options, struct dns **out);

/* No query comes any more: it is freed when the last one is answered. */
void reel_dns_retire(struct dns *dns);

/* At once; what is open hears -ECANCELED. NULL is fine. */
void reel_dns_free(struct dns *dns);

void reel_dns_free_all(struct reel_link *channels);

/* How many queries of all channels are not answered. */
size_t reel_dns_under_way(const struct reel_link *channels);

/* Asks. A and AAAA try the search domains; `port` goes into the addresses. NULL: out of memory. */
struct reel_deferred *reel_dns_ask(struct dns *dns, enum dns_kind kind, const char *name_z,
                                   uint16_t port);

/* Whether it can be asked for at all: its length. */
bool reel_is_name(const char *name_z);

/* A block of the reactor's memory that a result can have: it knows its reactor. NULL: out of memory.
 */
void *reel_answer_new(struct reel_reactor *r, size_t size);
void reel_answer_free(void *answer);

#endif
