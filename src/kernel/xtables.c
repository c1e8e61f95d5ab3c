#include "kernel/xtables.h"

#include <errno.h>
#include <linux/netfilter.h>

enum { IP4 = 1, IP6 = 2, BRIDGE = 4, ARP = 8, IP = IP4 | IP6, ALL = IP | BRIDGE | ARP };

enum {
    ANY = UINT8_MAX,
    PREROUTING = 1 << NF_INET_PRE_ROUTING,
    POSTROUTING = 1 << NF_INET_POST_ROUTING,
    FILTER = 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD | 1 << NF_INET_LOCAL_OUT,
    SNAT = POSTROUTING | 1 << NF_INET_LOCAL_IN,
    DNAT = PREROUTING | 1 << NF_INET_LOCAL_OUT,
    NOT_FORWARD = SNAT | DNAT,
};

static const struct xtables all[] = {
#define MATCH(name, families, revisions, table, hooks) \
    {name, false, families, revisions, table, hooks},
#define TARGET(name, families, revisions, table, hooks) \
    {name, true, families, revisions, table, hooks},
#include "kernel/xtables.def"
#undef MATCH
#undef TARGET
};

static uint8_t bit_of(uint8_t family)
{
    switch (family) {
    case NFPROTO_IPV4: return IP4;
    case NFPROTO_IPV6: return IP6;
    case NFPROTO_BRIDGE: return BRIDGE;
    case NFPROTO_ARP: return ARP;
    default: return 0;
    }
}

static const struct xtables *find(uint8_t family, struct span name, bool is_target)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].is_target == is_target && (all[i].families & bit_of(family)) != 0 &&
            span_equal_z(name, all[i].name_z))
            return &all[i];
    return NULL;
}

static bool has(const struct xtables *x, uint32_t revision)
{
    return revision < 8 && (x->revisions >> revision & 1) != 0;
}

const struct xtables *xtables_find(uint8_t family, struct span name, bool is_target,
                                   uint32_t revision)
{
    const struct xtables *x = find(family, name, is_target);
    return x != NULL && has(x, revision) ? x : NULL;
}

int xtables_best(uint8_t family, struct span name, bool is_target, uint32_t revision)
{
    const struct xtables *x = find(family, name, is_target);
    if (x == NULL)
        return -ENOENT;
    int best = 7;
    while (!has(x, (uint32_t)best))
        best--;
    return has(x, revision) ? best : -EPROTONOSUPPORT;
}
