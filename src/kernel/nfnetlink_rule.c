/* Rules of nf_tables. */
#include "kernel/nfnetlink.h"
#include "kernel/nlattr.h"
#include "kernel/ruleset_expr.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>

enum { USERDATA_MAX = 256 }; /* NFT_USERDATA_MAXLEN */

static int put_rule(struct netlink_call *c, const struct ruleset_table *table,
                    const struct ruleset_node *chain, const struct ruleset_entry *rule,
                    uint64_t before)
{
    nfnetlink_begin(c, NFT_MSG_NEWRULE, table->family);
    netlink_put_z(c, NFTA_RULE_TABLE, table->name_z);
    netlink_put_z(c, NFTA_RULE_CHAIN, chain->name_z);
    nfnetlink_put_be64(c, NFTA_RULE_HANDLE, rule->handle);
    if (before != 0)
        nfnetlink_put_be64(c, NFTA_RULE_POSITION, before);
    nfnetlink_put_made(c, rule);
    return netlink_end(c);
}

static int put_rules(struct netlink_call *c, const struct ruleset_table *table,
                     const struct ruleset_node *chain)
{
    uint64_t before = 0;
    int error = 0;
    for (size_t i = 0; i < chain->count && error == 0; i++) {
        error = put_rule(c, table, chain, chain->entries[i], before);
        before = chain->entries[i]->handle;
    }
    return error;
}

static int dump_rules(struct netlink_call *c)
{
    struct span name = nfnetlink_text(c, NFTA_RULE_CHAIN);
    int error = 0;
    for (const struct ruleset_table *t = c->rules->tables; t != NULL; t = t->next)
        for (const struct ruleset_node *n = t->nodes; n != NULL && error == 0; n = n->next)
            if (n->kind == RULESET_CHAIN && nfnetlink_wants(c, t, NFTA_RULE_TABLE) &&
                (name.data == NULL || span_equal_z(name, n->name_z)))
                error = put_rules(c, t, n);
    return error;
}

/* Where in a chain the rule of a handle stands; its count: nowhere. */
static size_t place_of(const struct ruleset_node *chain, uint64_t handle)
{
    size_t at = 0;
    while (at < chain->count && chain->entries[at]->handle != handle)
        at++;
    return at;
}

static size_t place_of_id(const struct ruleset_node *chain, uint32_t id)
{
    size_t at = 0;
    while (at < chain->count && (id == 0 || chain->entries[at]->id != id))
        at++;
    return at;
}

/* The chain that the request names; or NULL and *error. */
static struct ruleset_node *find_chain(struct netlink_call *c, struct ruleset_table *table,
                                       int *error)
{
    struct span name = nfnetlink_text(c, NFTA_RULE_CHAIN);
    uint32_t id = 0;
    bool by_id = name.data == NULL && nfnetlink_be32(c, NFTA_RULE_CHAIN_ID, &id);
    struct ruleset_node *chain = by_id ? ruleset_node_by_id(table, RULESET_CHAIN, id)
                                       : ruleset_node_find(table, RULESET_CHAIN, name);
    if (chain == NULL)
        *error = name.data == NULL && !by_id
                     ? -EINVAL
                     : nfnetlink_bad(c, by_id ? NFTA_RULE_CHAIN_ID : NFTA_RULE_CHAIN, -ENOENT);
    return chain;
}

int nfnetlink_get_rule(struct netlink_call *c)
{
    uint64_t handle = 0;
    int error = 0;
    if (c->is_dump)
        return dump_rules(c);
    struct ruleset_table *table = nfnetlink_table(c, NFTA_RULE_TABLE, &error);
    const struct ruleset_node *chain = table != NULL ? find_chain(c, table, &error) : NULL;
    if (chain == NULL)
        return error;
    if (!nfnetlink_be64(c, NFTA_RULE_HANDLE, &handle))
        return -EINVAL;
    size_t at = place_of(chain, handle);
    return at < chain->count ? put_rule(c, table, chain, chain->entries[at], 0)
                             : nfnetlink_bad(c, NFTA_RULE_HANDLE, -ENOENT);
}

/* ---- Changes ---- */

struct place {
    struct ruleset_table *table;
    struct ruleset_node *chain;
    size_t at;
    uint64_t handle;
    bool replaces;
};

/* Whether there is time for looking through a chain: else -ENOMEM. */
static int may_search(const struct netlink_call *c, const struct ruleset_node *chain)
{
    return ruleset_may_step(c->rules, chain->count) ? 0 : -ENOMEM;
}

/* In the place of the one that the request names. */
static int find_replaced(struct netlink_call *c, struct place *p)
{
    if (may_search(c, p->chain) != 0)
        return -ENOMEM;
    p->at = place_of(p->chain, p->handle);
    if (p->at == p->chain->count)
        return nfnetlink_bad(c, NFTA_RULE_HANDLE, -ENOENT);
    if (nfnetlink_has(c, NLM_F_EXCL))
        return nfnetlink_bad(c, NFTA_RULE_HANDLE, -EEXIST);
    p->replaces = nfnetlink_has(c, NLM_F_REPLACE);
    return p->replaces && (p->chain->flags & NFT_CHAIN_BINDING) == 0 ? 0 : -EOPNOTSUPP;
}

/* At the end or the beginning, or behind or before one that the request names. */
static int find_new(struct netlink_call *c, struct place *p)
{
    uint64_t handle = 0;
    uint32_t id = 0;
    bool appends = nfnetlink_has(c, NLM_F_APPEND);
    if (!nfnetlink_has(c, NLM_F_CREATE) || nfnetlink_has(c, NLM_F_REPLACE))
        return -EINVAL;
    p->handle = ++p->table->last_handle;
    p->at = appends ? p->chain->count : 0;
    uint16_t by = nfnetlink_be64(c, NFTA_RULE_POSITION, &handle)  ? NFTA_RULE_POSITION
                  : nfnetlink_be32(c, NFTA_RULE_POSITION_ID, &id) ? NFTA_RULE_POSITION_ID
                                                                  : 0;
    if (by == 0)
        return 0;
    if (may_search(c, p->chain) != 0)
        return -ENOMEM;
    p->at = by == NFTA_RULE_POSITION ? place_of(p->chain, handle) : place_of_id(p->chain, id);
    if (p->at == p->chain->count)
        return nfnetlink_bad(c, by, -ENOENT);
    p->at += appends;
    return 0;
}

static int make_rule(struct netlink_call *c, struct ruleset_making *m)
{
    struct span list = nfnetlink_find(c, NFTA_RULE_EXPRESSIONS);
    struct span userdata = nfnetlink_find(c, NFTA_RULE_USERDATA);
    if (userdata.len > USERDATA_MAX)
        return nfnetlink_bad(c, NFTA_RULE_USERDATA, -ERANGE);
    int error = ruleset_make_list(m, NFTA_RULE_EXPRESSIONS, list);
    if (error != 0)
        c->bad = m->bad;
    if (error == 0 && userdata.len > 0)
        error = ruleset_make(m, NFTA_RULE_USERDATA, userdata);
    return error;
}

static int put_in_place(struct netlink_call *c, const struct place *p, struct ruleset_entry *rule)
{
    if (rule == NULL)
        return -ENOMEM;
    rule->handle = p->handle;
    (void)nfnetlink_be32(c, NFTA_RULE_ID, &rule->id);
    if (p->replaces)
        rule->handle = p->chain->entries[p->at]->handle;
    int error = ruleset_entry_add(c->rules, p->table, p->chain, p->at, rule);
    if (error != 0)
        ruleset_entry_drop(rule);
    else if (p->replaces)
        ruleset_entry_remove(c->rules, p->table, p->chain, p->at + 1);
    return error;
}

static int new_rule(struct netlink_call *c)
{
    struct ruleset_making m;
    struct place p = {.handle = 0};
    int error = 0;
    p.table = nfnetlink_table(c, NFTA_RULE_TABLE, &error);
    p.chain = p.table != NULL ? find_chain(c, p.table, &error) : NULL;
    if (p.chain == NULL)
        return error;
    /* One without a name takes rules until a rule leads to it. */
    if ((p.chain->flags & NFT_CHAIN_BINDING) != 0 && p.chain->use > p.chain->count)
        return -EOPNOTSUPP;
    error = nfnetlink_be64(c, NFTA_RULE_HANDLE, &p.handle) ? find_replaced(c, &p) : find_new(c, &p);
    if (error != 0)
        return error;
    ruleset_making_init(&m, p.table, p.chain);
    error = make_rule(c, &m);
    if (error == 0)
        error = put_in_place(c, &p, ruleset_made(&m));
    ruleset_making_fini(&m);
    return error;
}

static void delete_all(struct netlink_call *c, struct ruleset_table *table,
                       struct ruleset_node *chain)
{
    while (chain->count > 0)
        ruleset_entry_remove(c->rules, table, chain, chain->count - 1);
}

/* Of all chains; those without a name go with the rules that lead to them. */
static int delete_everywhere(struct netlink_call *c, struct ruleset_table *table)
{
    for (struct ruleset_node *n = table->nodes; n != NULL;) {
        bool is_full =
            n->kind == RULESET_CHAIN && (n->flags & NFT_CHAIN_BINDING) == 0 && n->count > 0;
        if (is_full)
            delete_all(c, table, n);
        n = is_full ? table->nodes : n->next; /* others may have gone with them */
    }
    return 0;
}

static int delete_rule(struct netlink_call *c)
{
    uint64_t handle = 0;
    uint32_t id = 0;
    int error = 0;
    struct ruleset_table *table = nfnetlink_table(c, NFTA_RULE_TABLE, &error);
    if (table == NULL)
        return error;
    if (nfnetlink_find(c, NFTA_RULE_CHAIN).data == NULL)
        return delete_everywhere(c, table);
    struct ruleset_node *chain = find_chain(c, table, &error);
    if (chain == NULL)
        return error;
    if ((chain->flags & NFT_CHAIN_BINDING) != 0)
        return -EOPNOTSUPP;
    uint16_t by = nfnetlink_be64(c, NFTA_RULE_HANDLE, &handle) ? NFTA_RULE_HANDLE
                  : nfnetlink_be32(c, NFTA_RULE_ID, &id)       ? NFTA_RULE_ID
                                                               : 0;
    if (by == 0) {
        delete_all(c, table, chain);
        return 0;
    }
    if (may_search(c, chain) != 0)
        return -ENOMEM;
    size_t at = by == NFTA_RULE_HANDLE ? place_of(chain, handle) : place_of_id(chain, id);
    if (at == chain->count)
        return nfnetlink_bad(c, by, -ENOENT);
    ruleset_entry_remove(c->rules, table, chain, at);
    return 0;
}

static const struct nfnetlink_change changes[] = {
    {NFT_MSG_NEWRULE, "add rule", NFTA_RULE_CHAIN, new_rule},
    {NFT_MSG_DELRULE, "delete rule", NFTA_RULE_CHAIN, delete_rule},
};

const struct nfnetlink_change *nfnetlink_rule_changes(size_t *count)
{
    *count = ARRAY_LEN(changes);
    return changes;
}
