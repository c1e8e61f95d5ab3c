/* Tables and chains of nf_tables. */
#include "kernel/nfnetlink.h"
#include "kernel/nlattr.h"
#include "kernel/ruleset_expr.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>

enum {
    USERDATA_MAX = 256,                /* NFT_USERDATA_MAXLEN */
    TABLE_FLAGS = NFT_TABLE_F_DORMANT, /* a table that goes with its maker's socket is not there */
    CHAIN_FLAGS = NFT_CHAIN_BASE | NFT_CHAIN_BINDING,
    PRIORITY_CONNTRACK = -200, /* NF_IP_PRI_CONNTRACK: address translation comes behind it */
    CHAIN_NAME_BYTES = 32,     /* of one that has none */
};

/* What is kept as it came: the attributes of the request that are named. */
static int keep_about(struct netlink_call *c, struct ruleset_entry **place, uint16_t userdata)
{
    struct ruleset_making m;
    struct span value = nfnetlink_find(c, userdata);
    if (value.len == 0)
        return 0;
    if (value.len > USERDATA_MAX)
        return nfnetlink_bad(c, userdata, -ERANGE);
    ruleset_making_init(&m, NULL, NULL);
    int error = ruleset_make(&m, userdata, value);
    if (error == 0)
        error = ruleset_keep(c->rules, place, ruleset_made(&m));
    ruleset_making_fini(&m);
    return error;
}

/* ---- Tables ---- */

static bool is_family(uint8_t family)
{
    return family == NFPROTO_INET || family == NFPROTO_IPV4 || family == NFPROTO_ARP ||
           family == NFPROTO_NETDEV || family == NFPROTO_BRIDGE || family == NFPROTO_IPV6;
}

static int put_table(struct netlink_call *c, const struct ruleset_table *table)
{
    nfnetlink_begin(c, NFT_MSG_NEWTABLE, table->family);
    netlink_put_z(c, NFTA_TABLE_NAME, table->name_z);
    nfnetlink_put_be32(c, NFTA_TABLE_FLAGS, table->flags);
    nfnetlink_put_be32(c, NFTA_TABLE_USE, table->use);
    nfnetlink_put_be64(c, NFTA_TABLE_HANDLE, table->handle);
    nfnetlink_put_made(c, table->about);
    return netlink_end(c);
}

int nfnetlink_get_table(struct netlink_call *c)
{
    int error = 0;
    if (!c->is_dump) {
        struct ruleset_table *table = nfnetlink_table(c, NFTA_TABLE_NAME, &error);
        return table != NULL ? put_table(c, table) : error;
    }
    for (const struct ruleset_table *t = c->rules->tables; t != NULL && error == 0; t = t->next)
        if (nfnetlink_wants(c, t, 0))
            error = put_table(c, t);
    return error;
}

static int change_table(struct netlink_call *c, struct ruleset_table *table)
{
    uint32_t flags = table->flags;
    if (nfnetlink_has(c, NLM_F_EXCL))
        return nfnetlink_bad(c, NFTA_TABLE_NAME, -EEXIST);
    if (nfnetlink_has(c, NLM_F_REPLACE))
        return -EOPNOTSUPP;
    if (nfnetlink_be32(c, NFTA_TABLE_FLAGS, &flags) && (flags & ~(uint32_t)TABLE_FLAGS) != 0)
        return -EINVAL;
    table->flags = flags;
    return 0;
}

static int new_table(struct netlink_call *c)
{
    struct span name;
    uint32_t flags = 0;
    uint8_t family = nfnetlink_family(c);
    if (!is_family(family))
        return -EOPNOTSUPP;
    int error = nfnetlink_name(c, NFTA_TABLE_NAME, &name);
    if (error != 0)
        return error;
    struct ruleset_table *table = ruleset_table_find(c->rules, family, name);
    if (table != NULL)
        return change_table(c, table);
    if (nfnetlink_be32(c, NFTA_TABLE_FLAGS, &flags) && (flags & ~(uint32_t)TABLE_FLAGS) != 0)
        return -EOPNOTSUPP;
    table = ruleset_table_add(c->rules, family, name);
    if (table == NULL)
        return -ENOMEM;
    table->flags = flags;
    table->handle = ++c->rules->last_handle;
    return keep_about(c, &table->about, NFTA_TABLE_USERDATA);
}

/* All of a family, or of all: nothing is missing. */
static int delete_tables(struct netlink_call *c)
{
    for (struct ruleset_table *t = c->rules->tables, *next = NULL; t != NULL; t = next) {
        next = t->next;
        if (nfnetlink_wants(c, t, NFTA_TABLE_NAME))
            ruleset_table_remove(c->rules, t);
    }
    return 0;
}

static int delete_table(struct netlink_call *c)
{
    uint64_t handle = 0;
    int error = 0;
    bool by_handle = nfnetlink_be64(c, NFTA_TABLE_HANDLE, &handle);
    struct ruleset_table *table = c->rules->tables;
    if (nfnetlink_family(c) == NFPROTO_UNSPEC ||
        (nfnetlink_find(c, NFTA_TABLE_NAME).data == NULL && !by_handle))
        return delete_tables(c);
    if (!by_handle) {
        table = nfnetlink_table(c, NFTA_TABLE_NAME, &error);
        if (table == NULL)
            return error;
    }
    while (by_handle && table != NULL &&
           (table->handle != handle || table->family != nfnetlink_family(c)))
        table = table->next;
    if (table == NULL)
        return nfnetlink_bad(c, NFTA_TABLE_HANDLE, -ENOENT);
    if (nfnetlink_has(c, NLM_F_NONREC) && table->use > 0)
        return -EBUSY;
    ruleset_table_remove(c->rules, table);
    return 0;
}

/* ---- Chains: what is said of them ---- */

static bool is_base(const struct ruleset_node *chain)
{
    return (chain->flags & NFT_CHAIN_BASE) != 0;
}

/* Which of a family's hooks chains of a type may be at, a bit each. */
static unsigned hooks_of(uint8_t family, struct span type)
{
    enum {
        INET = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD |
               1 << NF_INET_LOCAL_OUT | 1 << NF_INET_POST_ROUTING,
        ARP = 1 << 0 | 1 << 1, /* NF_ARP_IN, NF_ARP_OUT */
        NETDEV = 1 << NF_NETDEV_INGRESS | 1 << NF_NETDEV_EGRESS,
    };
    bool is_ip = family == NFPROTO_IPV4 || family == NFPROTO_IPV6 || family == NFPROTO_INET;
    if (span_equal_z(type, "filter"))
        return family == NFPROTO_NETDEV ? NETDEV
               : family == NFPROTO_ARP  ? ARP
               : family == NFPROTO_INET ? INET | 1 << NF_INET_INGRESS
                                        : INET;
    if (span_equal_z(type, "nat") && is_ip)
        return INET & ~(1U << NF_INET_FORWARD);
    return span_equal_z(type, "route") && is_ip ? 1 << NF_INET_LOCAL_OUT : 0;
}

static bool has_device(const struct netlink_call *c, const struct ruleset_hook *hook)
{
    uint8_t family = nfnetlink_family(c);
    return family == NFPROTO_NETDEV || (family == NFPROTO_INET && hook->number == NF_INET_INGRESS);
}

/* The one device whose packets it sees; of several there are no chains. */
static int read_device(struct netlink_call *c, struct span hook, struct ruleset_hook *out)
{
    struct span name = nlattr_find_text(hook, NFTA_HOOK_DEV);
    struct span list = nlattr_find(hook, NFTA_HOOK_DEVS), rest = list;
    struct nlattr_item item;
    if (name.data == NULL && nlattr_next(&rest, &item))
        name = nlattr_find_text(list, item.type);
    if (name.data == NULL || rest.len > 0)
        return name.data == NULL ? -EINVAL : -EOPNOTSUPP;
    if (name.len >= sizeof(out->device_z) || net_link_named(c->net, name) == NULL)
        return -ENOENT;
    span_copy_z(name, out->device_z, sizeof(out->device_z));
    return 0;
}

static int read_hook(struct netlink_call *c, struct ruleset_hook *out)
{
    struct span nest = nfnetlink_find(c, NFTA_CHAIN_HOOK), counters;
    struct span type = nfnetlink_text(c, NFTA_CHAIN_TYPE);
    uint32_t priority = 0;
    *out = (struct ruleset_hook){.policy = NF_ACCEPT};
    if (!nlattr_find_be32(nest, NFTA_HOOK_HOOKNUM, &out->number) ||
        !nlattr_find_be32(nest, NFTA_HOOK_PRIORITY, &priority))
        return -ENOENT;
    out->priority = (int32_t)priority;
    if (type.data == NULL)
        type = span_z("filter");
    unsigned hooks = hooks_of(nfnetlink_family(c), type);
    if (hooks == 0)
        return nfnetlink_bad(c, NFTA_CHAIN_TYPE, -ENOENT);
    if (out->number > 7 || (hooks >> out->number & 1) == 0)
        return -EOPNOTSUPP;
    if (span_equal_z(type, "nat") && out->priority <= PRIORITY_CONNTRACK)
        return -EOPNOTSUPP;
    int error = has_device(c, out) ? read_device(c, nest, out) : 0;
    if (error != 0)
        return error;
    span_copy_z(type, out->type_z, sizeof(out->type_z));
    counters = nfnetlink_find(c, NFTA_CHAIN_COUNTERS);
    out->has_counters = counters.data != NULL;
    (void)nlattr_find_be64(counters, NFTA_COUNTER_PACKETS, &out->packets);
    (void)nlattr_find_be64(counters, NFTA_COUNTER_BYTES, &out->bytes);
    return 0;
}

static void put_hook(struct netlink_call *c, const struct ruleset_hook *hook)
{
    size_t at = nfnetlink_nest(c, NFTA_CHAIN_HOOK);
    nfnetlink_put_be32(c, NFTA_HOOK_HOOKNUM, hook->number);
    nfnetlink_put_be32(c, NFTA_HOOK_PRIORITY, (uint32_t)hook->priority);
    if (hook->device_z[0] != 0) {
        size_t list = nfnetlink_nest(c, NFTA_HOOK_DEVS);
        netlink_put_z(c, NFTA_DEVICE_NAME, hook->device_z);
        nfnetlink_nest_end(c, list);
        netlink_put_z(c, NFTA_HOOK_DEV, hook->device_z);
    }
    nfnetlink_nest_end(c, at);
    nfnetlink_put_be32(c, NFTA_CHAIN_POLICY, hook->policy);
    netlink_put_z(c, NFTA_CHAIN_TYPE, hook->type_z);
    if (!hook->has_counters)
        return;
    at = nfnetlink_nest(c, NFTA_CHAIN_COUNTERS);
    nfnetlink_put_be64(c, NFTA_COUNTER_PACKETS, hook->packets);
    nfnetlink_put_be64(c, NFTA_COUNTER_BYTES, hook->bytes);
    nfnetlink_nest_end(c, at);
}

static int put_chain(struct netlink_call *c, const struct ruleset_table *table,
                     const struct ruleset_node *chain)
{
    nfnetlink_begin(c, NFT_MSG_NEWCHAIN, table->family);
    netlink_put_z(c, NFTA_CHAIN_TABLE, table->name_z);
    nfnetlink_put_be64(c, NFTA_CHAIN_HANDLE, chain->handle);
    netlink_put_z(c, NFTA_CHAIN_NAME, chain->name_z);
    if (is_base(chain))
        put_hook(c, &chain->hook);
    if (chain->flags != 0)
        nfnetlink_put_be32(c, NFTA_CHAIN_FLAGS, chain->flags);
    nfnetlink_put_be32(c, NFTA_CHAIN_USE, chain->use);
    nfnetlink_put_made(c, chain->about);
    return netlink_end(c);
}

int nfnetlink_get_chain(struct netlink_call *c)
{
    int error = 0;
    if (!c->is_dump) {
        struct ruleset_table *table = nfnetlink_table(c, NFTA_CHAIN_TABLE, &error);
        if (table == NULL)
            return error;
        const struct ruleset_node *chain =
            ruleset_node_find(table, RULESET_CHAIN, nfnetlink_text(c, NFTA_CHAIN_NAME));
        return chain != NULL ? put_chain(c, table, chain)
                             : nfnetlink_bad(c, NFTA_CHAIN_NAME, -ENOENT);
    }
    return nfnetlink_dump(c, RULESET_CHAIN, 0, put_chain);
}

/* ---- Chains: changes ---- */

static int add_chain(struct netlink_call *c, struct ruleset_table *table, uint32_t flags)
{
    char own_z[CHAIN_NAME_BYTES];
    struct ruleset_hook hook = {.policy = NF_ACCEPT};
    struct span name = nfnetlink_find(c, NFTA_CHAIN_NAME);
    bool is_hooked = nfnetlink_find(c, NFTA_CHAIN_HOOK).data != NULL;
    int error = is_hooked && (flags & NFT_CHAIN_BINDING) != 0           ? -EOPNOTSUPP
                : !is_hooked && (flags & NFT_CHAIN_BASE) != 0           ? -EINVAL
                : name.data == NULL && (flags & NFT_CHAIN_BINDING) == 0 ? -EINVAL
                : is_hooked                                             ? read_hook(c, &hook)
                                                                        : 0;
    if (error == 0 && name.data != NULL)
        error = nfnetlink_name(c, NFTA_CHAIN_NAME, &name);
    if (error != 0)
        return error;
    if (name.data == NULL) {
        (void)snprintf(own_z, sizeof(own_z), "__chain%llu",
                       (unsigned long long)++c->rules->last_chain);
        name = span_z(own_z);
    }
    struct ruleset_node *chain = ruleset_node_add(c->rules, table, RULESET_CHAIN, name);
    if (chain == NULL)
        return -ENOMEM;
    (void)nfnetlink_be32(c, NFTA_CHAIN_POLICY, &hook.policy);
    (void)nfnetlink_be32(c, NFTA_CHAIN_ID, &chain->id);
    chain->hook = hook;
    chain->flags = flags | (is_hooked ? NFT_CHAIN_BASE : 0);
    chain->handle = ++table->last_handle;
    return keep_about(c, &chain->about, NFTA_CHAIN_USERDATA);
}

static int rename_chain(struct netlink_call *c, struct ruleset_table *table,
                        struct ruleset_node *chain)
{
    struct span name;
    char old_z[RULESET_NAME_MAX + 1];
    int error = nfnetlink_name(c, NFTA_CHAIN_NAME, &name);
    if (error != 0)
        return error;
    if (ruleset_node_find(table, RULESET_CHAIN, name) != NULL)
        return nfnetlink_bad(c, NFTA_CHAIN_NAME, -EEXIST);
    span_copy_z(span_z(chain->name_z), old_z, sizeof(old_z));
    error = ruleset_node_rename(chain, name);
    return error == 0 ? ruleset_renamed(c->rules, table, chain, span_z(old_z)) : error;
}

static int change_chain(struct netlink_call *c, struct ruleset_table *table,
                        struct ruleset_node *chain, uint16_t named_by, uint32_t flags)
{
    struct ruleset_hook hook;
    int error = 0;
    if ((chain->flags & NFT_CHAIN_BINDING) != 0)
        return -EINVAL;
    if (nfnetlink_has(c, NLM_F_EXCL))
        return nfnetlink_bad(c, named_by, -EEXIST);
    if (nfnetlink_has(c, NLM_F_REPLACE) ||
        ((flags ^ chain->flags) & ~(uint32_t)NFT_CHAIN_BASE) != 0)
        return -EOPNOTSUPP;
    if (nfnetlink_find(c, NFTA_CHAIN_HOOK).data != NULL) {
        if (!is_base(chain))
            return nfnetlink_bad(c, named_by, -EEXIST);
        error = read_hook(c, &hook);
        if (error != 0)
            return error;
        if (hook.number != chain->hook.number || hook.priority != chain->hook.priority ||
            strcmp(hook.type_z, chain->hook.type_z) != 0 ||
            strcmp(hook.device_z, chain->hook.device_z) != 0)
            return nfnetlink_bad(c, named_by, -EEXIST);
    }
    struct span counters = nfnetlink_find(c, NFTA_CHAIN_COUNTERS);
    if (counters.data != NULL && !is_base(chain))
        return -EOPNOTSUPP;
    if (named_by == NFTA_CHAIN_HANDLE && nfnetlink_find(c, NFTA_CHAIN_NAME).data != NULL)
        error = rename_chain(c, table, chain);
    if (error == 0 && counters.data != NULL) {
        chain->hook.has_counters = true;
        (void)nlattr_find_be64(counters, NFTA_COUNTER_PACKETS, &chain->hook.packets);
        (void)nlattr_find_be64(counters, NFTA_COUNTER_BYTES, &chain->hook.bytes);
    }
    if (error == 0)
        (void)nfnetlink_be32(c, NFTA_CHAIN_POLICY, &chain->hook.policy);
    return error;
}

/* The chain that a request is about; *named_by is the attribute. */
static struct ruleset_node *find_chain(const struct netlink_call *c, struct ruleset_table *table,
                                       uint16_t *named_by)
{
    return nfnetlink_node(c, table, RULESET_CHAIN, NFTA_CHAIN_HANDLE, NFTA_CHAIN_NAME, named_by);
}

static int check_policy(struct netlink_call *c, const struct ruleset_node *chain)
{
    uint32_t policy = NF_ACCEPT;
    if (!nfnetlink_be32(c, NFTA_CHAIN_POLICY, &policy))
        return 0;
    if (chain != NULL ? !is_base(chain) : nfnetlink_find(c, NFTA_CHAIN_HOOK).data == NULL)
        return nfnetlink_bad(c, NFTA_CHAIN_POLICY, -EOPNOTSUPP);
    return policy == NF_ACCEPT || policy == NF_DROP ? 0 : -EINVAL;
}

static int new_chain(struct netlink_call *c)
{
    int error = 0;
    uint16_t named_by = 0;
    struct ruleset_table *table = nfnetlink_table(c, NFTA_CHAIN_TABLE, &error);
    if (table == NULL)
        return error;
    struct ruleset_node *chain = find_chain(c, table, &named_by);
    if (chain == NULL && named_by == NFTA_CHAIN_HANDLE)
        return nfnetlink_bad(c, NFTA_CHAIN_HANDLE, -ENOENT);
    if (nfnetlink_find(c, NFTA_CHAIN_NAME).data == NULL && named_by != NFTA_CHAIN_HANDLE &&
        nfnetlink_find(c, NFTA_CHAIN_ID).data == NULL)
        return -EINVAL;
    error = check_policy(c, chain);
    if (error != 0)
        return error;
    uint32_t flags = chain != NULL ? chain->flags : 0;
    (void)nfnetlink_be32(c, NFTA_CHAIN_FLAGS, &flags);
    if ((flags & ~(uint32_t)CHAIN_FLAGS) != 0)
        return -EOPNOTSUPP;
    return chain != NULL ? change_chain(c, table, chain, named_by, flags)
                         : add_chain(c, table, flags);
}

static int delete_chain(struct netlink_call *c)
{
    int error = 0;
    uint16_t named_by = 0;
    struct ruleset_table *table = nfnetlink_table(c, NFTA_CHAIN_TABLE, &error);
    if (table == NULL)
        return error;
    struct ruleset_node *chain = find_chain(c, table, &named_by);
    if (chain == NULL)
        return nfnetlink_bad(c, named_by, -ENOENT);
    if ((chain->flags & NFT_CHAIN_BINDING) != 0)
        return -EOPNOTSUPP;
    if (nfnetlink_has(c, NLM_F_NONREC) && chain->use > 0)
        return -EBUSY;
    while (chain->count > 0)
        ruleset_entry_remove(c->rules, table, chain, chain->count - 1);
    if (chain->use > 0)
        return nfnetlink_bad(c, named_by, -EBUSY);
    ruleset_node_remove(c->rules, table, chain);
    return 0;
}

static const struct nfnetlink_change changes[] = {
    {NFT_MSG_NEWTABLE, "add table", 0, new_table},
    {NFT_MSG_DELTABLE, "delete table", 0, delete_table},
    {NFT_MSG_NEWCHAIN, "add chain", NFTA_CHAIN_NAME, new_chain},
    {NFT_MSG_DELCHAIN, "delete chain", NFTA_CHAIN_NAME, delete_chain},
};

const struct nfnetlink_change *nfnetlink_table_changes(size_t *count)
{
    *count = ARRAY_LEN(changes);
    return changes;
}
