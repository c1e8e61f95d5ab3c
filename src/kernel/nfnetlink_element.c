/* Elements of sets and maps. */
#include "kernel/hash.h"
#include "kernel/nfnetlink.h"
#include "kernel/nlattr.h"
#include "kernel/ruleset_expr.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>

enum {
    USERDATA_MAX = 256,    /* NFT_USERDATA_MAXLEN */
    NEAREST_COST = 16,     /* steps: all of an element is read */
    MESSAGE_BYTES = 16384, /* of elements that go into one message */
    NS_IN_MS = 1000000,
    TIMEOUT_MAX_MS = INT32_MAX,
    ELEMENT_FLAGS = NFT_SET_ELEM_INTERVAL_END | NFT_SET_ELEM_CATCHALL,
};

static struct span key_of(struct span attributes, uint16_t type)
{
    return nlattr_find(nlattr_find(attributes, type), NFTA_DATA_VALUE);
}

static uint32_t flags_of(struct span attributes)
{
    uint32_t flags = 0;
    (void)nlattr_find_be32(attributes, NFTA_SET_ELEM_FLAGS, &flags);
    return flags;
}

static bool is_same(struct span a, struct span b)
{
    return flags_of(a) == flags_of(b) &&
           span_equal(key_of(a, NFTA_SET_ELEM_KEY), key_of(b, NFTA_SET_ELEM_KEY)) &&
           span_equal(key_of(a, NFTA_SET_ELEM_KEY_END), key_of(b, NFTA_SET_ELEM_KEY_END));
}

/* What an element has for a handle, so that most others are told from it at once. */
static uint64_t hash_of(struct span attributes)
{
    return hash_bytes(0, key_of(attributes, NFTA_SET_ELEM_KEY));
}

/* Where in the set the element stands that has the same key; its count: nowhere. */
static size_t place_of(const struct ruleset_node *set, struct span attributes, int64_t now_ns)
{
    uint64_t key = hash_of(attributes);
    size_t at = 0;
    while (at < set->count &&
           (set->entries[at]->handle != key || ruleset_entry_is_over(set->entries[at], now_ns) ||
            !is_same(ruleset_entry_span(set->entries[at]), attributes)))
        at++;
    return at;
}

/* Whether there is time for searching the set once more, `cost` steps an element: else -ENOMEM. */
static int may_search(const struct netlink_call *c, const struct ruleset_node *set, uint64_t cost)
{
    return ruleset_may_step(c->rules, 1 + set->count * cost) ? 0 : -ENOMEM;
}

/* The table and the set that the request names. 0 or -errno. */
static int find_set(struct netlink_call *c, bool by_id, struct ruleset_table **table,
                    struct ruleset_node **set)
{
    struct span name = nfnetlink_text(c, NFTA_SET_ELEM_LIST_SET);
    uint32_t id = 0;
    int error = 0;
    *table = nfnetlink_table(c, NFTA_SET_ELEM_LIST_TABLE, &error);
    if (*table == NULL)
        return error;
    *set = ruleset_node_find(*table, RULESET_SET, name);
    if (*set == NULL && by_id && nfnetlink_be32(c, NFTA_SET_ELEM_LIST_SET_ID, &id))
        *set = ruleset_node_by_id(*table, RULESET_SET, id);
    return *set != NULL ? 0 : name.data == NULL ? -EINVAL : -ENOENT;
}

/* ---- Questions ---- */

static void put_element(struct netlink_call *c, const struct ruleset_node *set,
                        const struct ruleset_entry *e, int64_t now_ns)
{
    size_t at = nfnetlink_nest(c, NFTA_LIST_ELEM);
    nfnetlink_put_made(c, e);
    if (e->timeout_ns != 0) {
        if (e->timeout_ns != set->set.timeout_ns)
            nfnetlink_put_be64(c, NFTA_SET_ELEM_TIMEOUT, (uint64_t)(e->timeout_ns / NS_IN_MS));
        nfnetlink_put_be64(c, NFTA_SET_ELEM_EXPIRATION,
                           (uint64_t)((e->expires_ns - now_ns) / NS_IN_MS));
    }
    nfnetlink_nest_end(c, at);
}

static size_t begin_list(struct netlink_call *c, const struct ruleset_table *table,
                         const struct ruleset_node *set)
{
    nfnetlink_begin(c, NFT_MSG_NEWSETELEM, table->family);
    netlink_put_z(c, NFTA_SET_ELEM_LIST_TABLE, table->name_z);
    netlink_put_z(c, NFTA_SET_ELEM_LIST_SET, set->name_z);
    return nfnetlink_nest(c, NFTA_SET_ELEM_LIST_ELEMENTS);
}

static int dump_elements(struct netlink_call *c, const struct ruleset_table *table,
                         const struct ruleset_node *set)
{
    int64_t now_ns = nfnetlink_now_ns(c);
    size_t list = begin_list(c, table, set);
    for (size_t i = 0; i < set->count; i++) {
        if (ruleset_entry_is_over(set->entries[i], now_ns))
            continue;
        if (buffer_len(c->out) - c->message + set->entries[i]->len > MESSAGE_BYTES) {
            nfnetlink_nest_end(c, list);
            int error = netlink_end(c);
            if (error != 0)
                return error;
            list = begin_list(c, table, set);
        }
        put_element(c, set, set->entries[i], now_ns);
    }
    nfnetlink_nest_end(c, list);
    return netlink_end(c);
}

/* Of a set of ranges, the end of one that an address lies in: the nearest element on that side. */
static size_t nearest(const struct ruleset_node *set, struct span attributes, int64_t now_ns)
{
    bool ends = (flags_of(attributes) & NFT_SET_ELEM_INTERVAL_END) != 0;
    struct span key = key_of(attributes, NFTA_SET_ELEM_KEY), best = {NULL, 0};
    size_t found = set->count;
    for (size_t i = 0; i < set->count; i++) {
        struct span each = ruleset_entry_span(set->entries[i]);
        struct span its = key_of(each, NFTA_SET_ELEM_KEY);
        int order = span_compare(its, key);
        bool is_right = ((flags_of(each) & NFT_SET_ELEM_INTERVAL_END) != 0) == ends;
        if (ruleset_entry_is_over(set->entries[i], now_ns) || (ends ? order < 0 : order > 0))
            continue;
        int nearer = found == set->count ? -1 : span_compare(its, best);
        if (found == set->count || (ends ? nearer < 0 : nearer > 0) || (nearer == 0 && is_right)) {
            found = i;
            best = its;
        }
    }
    bool is_right = found < set->count && ((flags_of(ruleset_entry_span(set->entries[found])) &
                                            NFT_SET_ELEM_INTERVAL_END) != 0) == ends;
    return is_right ? found : set->count;
}

static size_t find_element(const struct ruleset_node *set, struct span attributes, int64_t now_ns)
{
    bool is_range = (set->flags & NFT_SET_INTERVAL) != 0 && (set->flags & NFT_SET_CONCAT) == 0;
    return is_range ? nearest(set, attributes, now_ns) : place_of(set, attributes, now_ns);
}

int nfnetlink_get_element(struct netlink_call *c)
{
    struct ruleset_table *table = NULL;
    struct ruleset_node *set = NULL;
    struct nlattr_item item;
    int64_t now_ns = nfnetlink_now_ns(c);
    int error = find_set(c, false, &table, &set);
    if (set == NULL || c->is_dump)
        return set == NULL ? error : dump_elements(c, table, set);
    struct span list = nfnetlink_find(c, NFTA_SET_ELEM_LIST_ELEMENTS);
    if (list.data == NULL)
        return -EINVAL;
    while (error == 0 && nlattr_next(&list, &item)) {
        error = may_search(c, set, NEAREST_COST);
        if (error != 0)
            break;
        size_t at = find_element(set, item.value, now_ns);
        if (at == set->count) {
            c->bad = item.value;
            return -ENOENT;
        }
        size_t nest = begin_list(c, table, set);
        put_element(c, set, set->entries[at], now_ns);
        nfnetlink_nest_end(c, nest);
        error = netlink_end(c);
    }
    return error;
}

/* ---- Changes ---- */

/* What an element of the set must have and must not have. */
static int check_element(const struct ruleset_node *set, struct span attributes)
{
    uint32_t flags = flags_of(attributes);
    bool is_end = (flags & NFT_SET_ELEM_INTERVAL_END) != 0;
    bool is_rest = (flags & NFT_SET_ELEM_CATCHALL) != 0;
    struct span key = key_of(attributes, NFTA_SET_ELEM_KEY);
    struct span end = key_of(attributes, NFTA_SET_ELEM_KEY_END);
    if ((flags & ~(uint32_t)ELEMENT_FLAGS) != 0)
        return -EOPNOTSUPP;
    if ((is_end && (set->flags & NFT_SET_INTERVAL) == 0) || (is_end && is_rest) ||
        (key.data == NULL) != is_rest)
        return -EINVAL;
    if ((key.data != NULL && key.len != set->set.key_len) ||
        (end.data != NULL && end.len != set->set.key_len))
        return -EINVAL;
    return 0;
}

static int check_value(const struct ruleset_node *set, struct span attributes)
{
    bool is_end = (flags_of(attributes) & NFT_SET_ELEM_INTERVAL_END) != 0;
    struct span data = nlattr_find(attributes, NFTA_SET_ELEM_DATA);
    struct span object = nlattr_find(attributes, NFTA_SET_ELEM_OBJREF);
    struct span value = nlattr_find(data, NFTA_DATA_VALUE);
    bool is_map = (set->flags & NFT_SET_MAP) != 0;
    bool to_object = (set->flags & NFT_SET_OBJECT) != 0;
    if ((data.data != NULL) != (is_map && !is_end) ||
        (object.data != NULL) != (to_object && !is_end))
        return -EINVAL;
    if (data.data == NULL)
        return 0;
    if ((set->set.data_type == NFT_DATA_VERDICT) != (value.data == NULL))
        return -EINVAL;
    return value.data == NULL || value.len == set->set.data_len ? 0 : -EINVAL;
}

/* The expressions that the element has: its own, or those of the set. */
static int make_expressions(struct ruleset_making *m, const struct ruleset_node *set,
                            struct span attributes)
{
    struct span about = ruleset_entry_span(set->about);
    struct span one = nlattr_find(attributes, NFTA_SET_ELEM_EXPR);
    struct span list = nlattr_find(attributes, NFTA_SET_ELEM_EXPRESSIONS);
    if (one.data == NULL && list.data == NULL &&
        (flags_of(attributes) & NFT_SET_ELEM_INTERVAL_END) == 0) {
        one = nlattr_find(about, NFTA_SET_EXPR);
        list = nlattr_find(about, NFTA_SET_EXPRESSIONS);
    }
    size_t refs = m->ref_count;
    int error = one.data != NULL ? ruleset_make_stateful(m, NFTA_SET_ELEM_EXPR, one) : 0;
    if (error == 0 && list.data != NULL)
        error = ruleset_make_list(m, NFTA_SET_ELEM_EXPRESSIONS, list);
    return error == 0 && m->ref_count != refs ? -EOPNOTSUPP : error;
}

static int make_element(struct ruleset_making *m, const struct ruleset_node *set,
                        struct span attributes)
{
    static const uint16_t plain[] = {NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_KEY_END,
                                     NFTA_SET_ELEM_USERDATA};
    struct span data = nlattr_find(attributes, NFTA_SET_ELEM_DATA);
    struct span object = nlattr_find_text(attributes, NFTA_SET_ELEM_OBJREF);
    int error = 0;
    if (nlattr_find(attributes, NFTA_SET_ELEM_USERDATA).len > USERDATA_MAX)
        return -ERANGE;
    for (size_t i = 0; i < ARRAY_LEN(plain) && error == 0; i++) {
        struct span value = nlattr_find(attributes, plain[i]);
        error = value.len > 0 ? ruleset_make(m, plain[i], value) : 0;
    }
    if (error == 0 && flags_of(attributes) != 0)
        error = ruleset_make_be32(m, NFTA_SET_ELEM_FLAGS, flags_of(attributes));
    if (error == 0 && data.data != NULL)
        error = ruleset_make_data(m, NFTA_SET_ELEM_DATA, data);
    if (error == 0 && object.data != NULL)
        error = ruleset_make_object(m, NFTA_SET_ELEM_OBJREF, object, set->set.object_type);
    return error == 0 ? make_expressions(m, set, attributes) : error;
}

static int read_times(const struct ruleset_node *set, struct span attributes, int64_t now_ns,
                      struct ruleset_entry *e)
{
    uint64_t timeout_ms = 0, left_ms = 0;
    bool has_timeout = nlattr_find_be64(attributes, NFTA_SET_ELEM_TIMEOUT, &timeout_ms);
    bool has_left = nlattr_find_be64(attributes, NFTA_SET_ELEM_EXPIRATION, &left_ms);
    if ((has_timeout || has_left) && (set->flags & NFT_SET_TIMEOUT) == 0)
        return -EINVAL;
    if (timeout_ms > TIMEOUT_MAX_MS)
        timeout_ms = TIMEOUT_MAX_MS;
    e->timeout_ns = has_timeout ? (int64_t)timeout_ms * NS_IN_MS : set->set.timeout_ns;
    int64_t left_ns = has_left && left_ms > 0 && left_ms < TIMEOUT_MAX_MS
                          ? (int64_t)left_ms * NS_IN_MS
                          : e->timeout_ns;
    if (left_ns > e->timeout_ns)
        return -ERANGE;
    e->expires_ns = e->timeout_ns != 0 ? now_ns + left_ns : 0;
    return 0;
}

/* One that is there already is as good as a new one when it says the same. */
static int meet(const struct netlink_call *c, const struct ruleset_entry *old,
                const struct ruleset_entry *new)
{
    static const uint16_t values[] = {NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_OBJREF};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        if (!span_equal(nlattr_find(ruleset_entry_span(old), values[i]),
                        nlattr_find(ruleset_entry_span(new), values[i])))
            return -EEXIST;
    return nfnetlink_has(c, NLM_F_EXCL) ? -EEXIST : 0;
}

static int put_in_place(struct netlink_call *c, struct ruleset_table *table,
                        struct ruleset_node *set, struct span attributes, struct ruleset_entry *e)
{
    int64_t now_ns = nfnetlink_now_ns(c);
    int error = e != NULL ? read_times(set, attributes, now_ns, e) : -ENOMEM;
    if (error == 0)
        error = may_search(c, set, 1);
    size_t at = error == 0 ? place_of(set, attributes, now_ns) : 0;
    bool is_there = error == 0 && at < set->count;
    if (e != NULL)
        e->handle = hash_of(attributes);
    if (is_there)
        error = meet(c, set->entries[at], e);
    else if (error == 0 && set->set.size != 0 && set->count >= set->set.size)
        error = -ENFILE;
    else if (error == 0)
        error = ruleset_entry_add(c->rules, table, set, set->count, e);
    if (error != 0 || is_there)
        ruleset_entry_drop(e);
    return error;
}

static int add_element(struct netlink_call *c, struct ruleset_table *table,
                       struct ruleset_node *set, struct span attributes)
{
    struct ruleset_making m;
    int error = check_element(set, attributes);
    if (error == 0)
        error = check_value(set, attributes);
    if (error != 0)
        return error;
    ruleset_making_init(&m, table, NULL);
    error = make_element(&m, set, attributes);
    if (error == 0)
        error = put_in_place(c, table, set, attributes, ruleset_made(&m));
    ruleset_making_fini(&m);
    return error;
}

static int delete_element(struct netlink_call *c, struct ruleset_table *table,
                          struct ruleset_node *set, struct span attributes)
{
    int error = check_element(set, attributes);
    if (error == 0)
        error = may_search(c, set, 1);
    size_t at = error == 0 ? place_of(set, attributes, nfnetlink_now_ns(c)) : 0;
    if (error != 0)
        return error;
    if (at == set->count)
        return -ENOENT;
    ruleset_entry_remove(c->rules, table, set, at);
    return 0;
}

int nfnetlink_new_element(struct netlink_call *c)
{
    struct ruleset_table *table = NULL;
    struct ruleset_node *set = NULL;
    struct nlattr_item item;
    struct span list = nfnetlink_find(c, NFTA_SET_ELEM_LIST_ELEMENTS);
    int error = list.data != NULL ? find_set(c, true, &table, &set) : -EINVAL;
    if (set == NULL)
        return error;
    if (set->use > 0 && (set->flags & (NFT_SET_CONSTANT | NFT_SET_ANONYMOUS)) != 0)
        error = -EBUSY;
    while (error == 0 && nlattr_next(&list, &item)) {
        error = add_element(c, table, set, item.value);
        if (error != 0)
            c->bad = item.value;
    }
    return error;
}

int nfnetlink_delete_element(struct netlink_call *c)
{
    struct ruleset_table *table = NULL;
    struct ruleset_node *set = NULL;
    struct nlattr_item item;
    struct span list = nfnetlink_find(c, NFTA_SET_ELEM_LIST_ELEMENTS);
    int error = find_set(c, false, &table, &set);
    if (set == NULL)
        return error;
    if ((set->flags & NFT_SET_ANONYMOUS) != 0)
        error = -EOPNOTSUPP;
    if (error == 0 && set->use > 0 && (set->flags & NFT_SET_CONSTANT) != 0)
        error = -EBUSY;
    while (error == 0 && list.data == NULL && set->count > 0)
        ruleset_entry_remove(c->rules, table, set, set->count - 1);
    while (error == 0 && nlattr_next(&list, &item)) {
        error = delete_element(c, table, set, item.value);
        if (error != 0)
            c->bad = item.value;
    }
    return error;
}
