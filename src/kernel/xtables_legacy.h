/* iptables-legacy: tables of rules as one piece of memory each, read and replaced whole by options of a raw
 * socket (<linux/netfilter_ipv4/ip_tables.h>). Like those of nf_tables they are kept and given back, and filter
 * nothing. A table is there from the first question about it. */
#ifndef KERNEL_XTABLES_LEGACY_H
#define KERNEL_XTABLES_LEGACY_H

#include "kernel/socket.h"

enum {
    XTABLES_LEGACY_TABLES = 5,       /* of IPv4, and as many of IPv6 */
    XTABLES_LEGACY_BYTES = 256 << 10 /* of a table: -ENOMEM */
};

struct ipt_replace;
struct xtables_legacy;

/* Whether an option is one of these. */
bool xtables_legacy_has(const struct socket *s, int level, int name);
/* getsockopt(2) and setsockopt(2) of one, with the guest's addresses. 0 or a revision, or -errno. */
int64_t xtables_legacy_get(struct task *t, const struct socket *s, int name, uint64_t at,
                           uint64_t len_at);
int64_t xtables_legacy_set(struct task *t, const struct socket *s, int name, uint64_t at,
                           uint32_t len);
/* The names of IPv4's tables that are there, a line each, newest first. 0 or an error of the buffer. */
int xtables_legacy_names(const struct net *net, struct buffer *out);
/* Whether the entries that are to replace a table stand behind each other to the end, and each chain begins
 * and ends with one of them. */
bool xtables_legacy_is_whole(int family, const struct ipt_replace *r, const uint8_t *entries);
void xtables_legacy_free(struct xtables_legacy *all);

#endif
