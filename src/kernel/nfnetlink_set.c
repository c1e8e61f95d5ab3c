/* Sets and maps of nf_tables. Their elements: nfnetlink_element.c. */
#include "kernel/nfnetlink.h"
#include "kernel/nlattr.h"
#include "kernel/ruleset_expr.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>

enum {
    USERDATA_MAX = 256, /* NFT_USERDATA_MAXLEN */
    VERDICT_BYTES = 16, /* struct nft_verdict, which is what a map to verdicts keeps */
    NS_IN_MS = 1000000,
    TIMEOUT_MAX_MS = INT32_MAX, /* some weeks; longer ones are as long */
    NUMBERS_MAX = RULESET_NODES_MAX + 1,
    SET_FLAGS = NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | NFT_SET_INTERVAL | NFT_SET_MAP |
                NFT_SET_TIMEOUT | NFT_SET_EVAL | NFT_SET_OBJECT | NFT_SET_CONCAT | NFT_SET_EXPR,
};

static int put_set(struct netlink_call *c, const struct ruleset_table *table,
                   const struct ruleset_node *set)
{
    nfnetlink_begin(c, NFT_MSG_NEWSET, table->family);
    netlink_put_z(c, NFTA_SET_TABLE, table->name_z);
    netlink_put_z(c, NFTA_SET_NAME, set->name_z);
    nfnetlink_put_be64(c, NFTA_SET_HANDLE, set->handle);
    if (set->flags != 0)
        nfnetlink_put_be32(c, NFTA_SET_FLAGS, set->flags);
    nfnetlink_put_be32(c, NFTA_SET_KEY_TYPE, set->set.key_type);
    nfnetlink_put_be32(c, NFTA_SET_KEY_LEN, set->set.key_len);
    if ((set->flags & NFT_SET_MAP) != 0) {
        nfnetlink_put_be32(c, NFTA_SET_DATA_TYPE, set->set.data_type);
        nfnetlink_put_be32(c, NFTA_SET_DATA_LEN, set->set.data_len);
    }
    if ((set->flags & NFT_SET_OBJECT) != 0)
        nfnetlink_put_be32(c, NFTA_SET_OBJ_TYPE, set->set.object_type);
    if (set->set.timeout_ns != 0)
        nfnetlink_put_be64(c, NFTA_SET_TIMEOUT, (uint64_t)(set->set.timeout_ns / NS_IN_MS));
    nfnetlink_put_made(c, set->about);
    return netlink_end(c);
}

int nfnetlink_get_set(struct netlink_call *c)
{
    struct ruleset_table *table = NULL;
    int error = 0;
    if (!c->is_dump || nfnetlink_find(c, NFTA_SET_TABLE).data != NULL) {
        table = nfnetlink_table(c, NFTA_SET_TABLE, &error);
        if (table == NULL)
            return error;
    }
    if (!c->is_dump) {
        const struct ruleset_node *set =
            ruleset_node_find(table, RULESET_SET, nfnetlink_text(c, NFTA_SET_NAME));
        return set != NULL ? put_set(c, table, set) : -ENOENT;
    }
    return nfnetlink_dump(c, RULESET_SET, NFTA_SET_TABLE, put_set);
}

/* ---- What a set is to be ---- */

static int read_data(const struct netlink_call *c, uint32_t flags, struct ruleset_set *out)
{
    bool is_map = (flags & NFT_SET_MAP) != 0;
    if (nfnetlink_be32(c, NFTA_SET_DATA_TYPE, &out->data_type) != is_map)
        return -EINVAL;
    if (!is_map)
        return 0;
    if (out->data_type == NFT_DATA_VERDICT)
        out->data_len = VERDICT_BYTES;
    else if ((out->data_type & NFT_DATA_RESERVED_MASK) == NFT_DATA_RESERVED_MASK ||
             !nfnetlink_be32(c, NFTA_SET_DATA_LEN, &out->data_len) || out->data_len == 0 ||
             out->data_len > NFT_DATA_VALUE_MAXLEN)
        return -EINVAL;
    return 0;
}

static int read_timeout(const struct netlink_call *c, uint32_t flags, struct ruleset_set *out)
{
    uint64_t ms = 0;
    bool is_there = nfnetlink_be64(c, NFTA_SET_TIMEOUT, &ms);
    if ((is_there || nfnetlink_find(c, NFTA_SET_GC_INTERVAL).data != NULL) &&
        (flags & NFT_SET_TIMEOUT) == 0)
        return -EINVAL;
    out->timeout_ns = (int64_t)(ms < TIMEOUT_MAX_MS ? ms : TIMEOUT_MAX_MS) * NS_IN_MS;
    return 0;
}

static int read_set(const struct netlink_call *c, uint32_t *flags, struct ruleset_set *out)
{
    *out = (struct ruleset_set){.key_type = NFT_DATA_VALUE};
    *flags = 0;
    if (nfnetlink_find(c, NFTA_SET_TABLE).data == NULL ||
        nfnetlink_find(c, NFTA_SET_NAME).data == NULL ||
        nfnetlink_find(c, NFTA_SET_ID).data == NULL ||
        !nfnetlink_be32(c, NFTA_SET_KEY_LEN, &out->key_len))
        return -EINVAL;
    if (nfnetlink_be32(c, NFTA_SET_KEY_TYPE, &out->key_type) &&
        (out->key_type & NFT_DATA_RESERVED_MASK) == NFT_DATA_RESERVED_MASK)
        return -EINVAL;
    if (out->key_len == 0 || out->key_len > NFT_DATA_VALUE_MAXLEN)
        return -EINVAL;
    (void)nfnetlink_be32(c, NFTA_SET_FLAGS, flags);
    if ((*flags & ~(uint32_t)SET_FLAGS) != 0 ||
        (*flags & (NFT_SET_MAP | NFT_SET_OBJECT)) == (NFT_SET_MAP | NFT_SET_OBJECT))
        return -EOPNOTSUPP;
    int error = read_data(c, *flags, out);
    if (error == 0 &&
        nfnetlink_be32(c, NFTA_SET_OBJ_TYPE, &out->object_type) != ((*flags & NFT_SET_OBJECT) != 0))
        error = -EINVAL;
    (void)nlattr_find_be32(nfnetlink_find(c, NFTA_SET_DESC), NFTA_SET_DESC_SIZE, &out->size);
    return error == 0 ? read_timeout(c, *flags, out) : error;
}

static int make_if_there(struct netlink_call *c, struct ruleset_making *m, uint16_t type)
{
    struct span value = nfnetlink_find(c, type);
    return value.data != NULL ? ruleset_make(m, type, value) : 0;
}

/* What stays as it came, and the expressions that its elements have. */
static int make_about(struct netlink_call *c, struct ruleset_making *m)
{
    struct nlattr_item item;
    uint32_t policy = 0;
    struct span one = nfnetlink_find(c, NFTA_SET_EXPR);
    struct span list = nfnetlink_find(c, NFTA_SET_EXPRESSIONS);
    if (nfnetlink_be32(c, NFTA_SET_POLICY, &policy) && policy > NFT_SET_POL_MEMORY)
        return -EOPNOTSUPP;
    if (nfnetlink_find(c, NFTA_SET_USERDATA).len > USERDATA_MAX)
        return nfnetlink_bad(c, NFTA_SET_USERDATA, -ERANGE);
    int error = make_if_there(c, m, NFTA_SET_GC_INTERVAL);
    if (error == 0 && policy != NFT_SET_POL_PERFORMANCE)
        error = make_if_there(c, m, NFTA_SET_POLICY);
    if (error == 0)
        error = make_if_there(c, m, NFTA_SET_USERDATA);
    if (error == 0)
        error = ruleset_make(m, NFTA_SET_DESC, nfnetlink_find(c, NFTA_SET_DESC));
    if (error == 0 && one.data != NULL)
        error = ruleset_make_stateful(m, NFTA_SET_EXPR, one);
    for (struct span rest = list; error == 0 && nlattr_next(&rest, &item);)
        error = item.type == NFTA_LIST_ELEM ? 0 : -EINVAL;
    if (error == 0 && list.data != NULL)
        error = ruleset_make_list(m, NFTA_SET_EXPRESSIONS, list);
    return error == 0 && m->ref_count > 0 ? -EOPNOTSUPP : error;
}

/* The number that a name has in place of "%d"; NUMBERS_MAX: it is not such a name. */
static size_t number_in(const char *name_z, struct span before)
{
    size_t number = 0, digits = 0;
    if (!span_starts_with(span_z(name_z), before))
        return NUMBERS_MAX;
    const char *at = name_z + before.len;
    for (; at[digits] >= '0' && at[digits] <= '9' && number < NUMBERS_MAX; digits++)
        number = 10 * number + (size_t)(at[digits] - '0');
    bool is_plain = digits > 0 && at[digits] == '\0' && (digits == 1 || at[0] != '0');
    return is_plain && number < NUMBERS_MAX ? number : NUMBERS_MAX;
}

/* "__set%d": the lowest number that is free. */
static int name_it(const struct ruleset_table *table, struct span name,
                   char out_z[RULESET_NAME_MAX + 1])
{
    bool is_taken[NUMBERS_MAX + 1] = {false};
    ptrdiff_t at = span_find(name, '%', 0);
    size_t number = 0;
    span_copy_z(name, out_z, RULESET_NAME_MAX + 1);
    if (at < 0)
        return 0;
    if ((size_t)at + 2 != name.len || name.data[at + 1] != 'd' || (size_t)at + 8 > RULESET_NAME_MAX)
        return -EINVAL;
    for (const struct ruleset_node *n = table->nodes; n != NULL; n = n->next)
        if (n->kind == RULESET_SET)
            is_taken[number_in(n->name_z, span_slice(name, 0, (size_t)at))] = true;
    while (number < NUMBERS_MAX && is_taken[number])
        number++;
    (void)snprintf(out_z + at, (size_t)(RULESET_NAME_MAX - at), "%zu", number);
    return number < NUMBERS_MAX ? 0 : -ENOMEM;
}

static int add_set(struct netlink_call *c, struct ruleset_table *table, struct span name,
                   uint32_t flags, const struct ruleset_set *as)
{
    char name_z[RULESET_NAME_MAX + 1];
    struct ruleset_making m;
    int error = nfnetlink_has(c, NLM_F_CREATE) ? name_it(table, name, name_z) : -ENOENT;
    if (error != 0)
        return error;
    ruleset_making_init(&m, table, NULL);
    error = make_about(c, &m);
    struct ruleset_node *set =
        error == 0 ? ruleset_node_add(c->rules, table, RULESET_SET, span_z(name_z)) : NULL;
    if (error == 0)
        error = set != NULL ? ruleset_keep(c->rules, &set->about, ruleset_made(&m)) : -ENOMEM;
    ruleset_making_fini(&m);
    if (error != 0)
        return error;
    set->handle = ++table->last_handle;
    set->flags = flags;
    set->set = *as;
    (void)nfnetlink_be32(c, NFTA_SET_ID, &set->id);
    return 0;
}

static int new_set(struct netlink_call *c)
{
    struct ruleset_set as;
    struct span name;
    uint32_t flags = 0;
    int error = read_set(c, &flags, &as);
    if (error != 0)
        return error;
    struct ruleset_table *table = nfnetlink_table(c, NFTA_SET_TABLE, &error);
    if (table == NULL)
        return error;
    error = nfnetlink_name(c, NFTA_SET_NAME, &name);
    if (error != 0)
        return error;
    struct ruleset_node *set = ruleset_node_find(table, RULESET_SET, name);
    if (set == NULL)
        return add_set(c, table, name, flags, &as);
    if (nfnetlink_has(c, NLM_F_EXCL))
        return nfnetlink_bad(c, NFTA_SET_NAME, -EEXIST);
    if (nfnetlink_has(c, NLM_F_REPLACE) || (set->flags & NFT_SET_ANONYMOUS) != 0)
        return -EOPNOTSUPP;
    bool is_same = set->flags == flags && memcmp(&set->set, &as, sizeof(as)) == 0;
    (void)nfnetlink_be32(c, NFTA_SET_ID, &set->id);
    return is_same ? 0 : nfnetlink_bad(c, NFTA_SET_NAME, -EEXIST);
}

static int delete_set(struct netlink_call *c)
{
    uint16_t by;
    int error = 0;
    struct ruleset_table *table = nfnetlink_table(c, NFTA_SET_TABLE, &error);
    if (table == NULL)
        return error;
    struct ruleset_node *set =
        nfnetlink_node(c, table, RULESET_SET, NFTA_SET_HANDLE, NFTA_SET_NAME, &by);
    if (set == NULL)
        return nfnetlink_bad(c, by, -ENOENT);
    if (set->use > 0 || (nfnetlink_has(c, NLM_F_NONREC) && set->count > 0))
        return nfnetlink_bad(c, by, -EBUSY);
    ruleset_node_remove(c->rules, table, set);
    return 0;
}

static const struct nfnetlink_change changes[] = {
    {NFT_MSG_NEWSET, "add set", NFTA_SET_NAME, new_set},
    {NFT_MSG_DELSET, "delete set", NFTA_SET_NAME, delete_set},
    {NFT_MSG_NEWSETELEM, "add element", NFTA_SET_ELEM_LIST_SET, nfnetlink_new_element},
    {NFT_MSG_DELSETELEM, "delete element", NFTA_SET_ELEM_LIST_SET, nfnetlink_delete_element},
};

const struct nfnetlink_change *nfnetlink_set_changes(size_t *count)
{
    *count = ARRAY_LEN(changes);
    return changes;
}
