#include "kernel/ruleset_expr.h"

#include "base/error.h"
#include "kernel/nlattr.h"
#include "kernel/xtables.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

enum {
    ANY = RULESET_HOOKS_ALL,
    PREROUTING = 1 << NF_INET_PRE_ROUTING,
    INPUT = 1 << NF_INET_LOCAL_IN,
    FORWARD = 1 << NF_INET_FORWARD,
    OUTPUT = 1 << NF_INET_LOCAL_OUT,
    POSTROUTING = 1 << NF_INET_POST_ROUTING,
    INGRESS = 1 << NF_INET_INGRESS,
    REJECT = PREROUTING | INPUT | FORWARD | OUTPUT | INGRESS,
    REDIRECT = PREROUTING | OUTPUT,
    NAT = PREROUTING | INPUT | OUTPUT | POSTROUTING,
    EXPRESSIONS_MAX = 128, /* of a rule, NFT_RULE_MAXEXPRS */
};

struct expression {
    const char *name_z, *attributes_z;
    uint8_t hooks;
    bool needs_nat;
};

static const struct expression expressions[] = {
#define EXPR(name, attributes, hooks, needs_nat) {name, attributes, hooks, needs_nat},
#include "kernel/ruleset_exprs.def"
#undef EXPR
};

/* What an expression has although it was not said: of `from` the same, else `value`. */
struct missing {
    const char *name_z;
    uint8_t type, from, unless; /* attributes; 0: none */
    uint8_t bytes;
    uint8_t value;
};

static const struct missing defaults[] = {
    {"counter", NFTA_COUNTER_BYTES, 0, 0, 8, 0},
    {"counter", NFTA_COUNTER_PACKETS, 0, 0, 8, 0},
    {"quota", NFTA_QUOTA_CONSUMED, 0, 0, 8, 0},
    {"limit", NFTA_LIMIT_BURST, 0, 0, 4, 5},
    {"log", NFTA_LOG_LEVEL, 0, NFTA_LOG_GROUP, 4, NFT_LOGLEVEL_WARNING},
    {"nat", NFTA_NAT_REG_ADDR_MAX, NFTA_NAT_REG_ADDR_MIN, 0, 0, 0},
    {"nat", NFTA_NAT_REG_PROTO_MAX, NFTA_NAT_REG_PROTO_MIN, 0, 0, 0},
    {"masq", NFTA_MASQ_REG_PROTO_MAX, NFTA_MASQ_REG_PROTO_MIN, 0, 0, 0},
    {"redir", NFTA_REDIR_REG_PROTO_MAX, NFTA_REDIR_REG_PROTO_MIN, 0, 0, 0},
};

/* Those that may stand in elements of sets. */
static const char *const stateful[] = {"connlimit", "counter", "last", "limit", "quota"};

/* ---- The parts of an entry ---- */

void ruleset_making_init(struct ruleset_making *m, struct ruleset_table *table,
                         const struct ruleset_node *chain)
{
    *m = (struct ruleset_making){.table = table, .chain = chain, .hooks = ANY};
    buffer_init(&m->out, RULESET_MADE_MAX);
}

void ruleset_making_fini(struct ruleset_making *m)
{
    buffer_fini(&m->out);
}

struct ruleset_entry *ruleset_made(const struct ruleset_making *m)
{
    struct ruleset_entry *e = ruleset_entry_new(buffer_span(&m->out), m->refs, m->ref_count);
    if (e != NULL) {
        e->hooks = m->hooks;
        e->needs_nat = m->needs_nat;
    }
    return e;
}

static int error_of(int error)
{
    return error == ERR_FULL ? -EFBIG : error != 0 ? -ENOMEM : 0;
}

int ruleset_make(struct ruleset_making *m, uint16_t type, struct span value)
{
    return error_of(nlattr_put(&m->out, type, value));
}

int ruleset_make_be32(struct ruleset_making *m, uint16_t type, uint32_t value)
{
    return error_of(nlattr_put_be32(&m->out, type, value));
}

static int begin(struct ruleset_making *m, uint16_t type, size_t *at)
{
    return error_of(nlattr_begin(&m->out, type, at));
}

static int end(struct ruleset_making *m, size_t at)
{
    return error_of(nlattr_end(&m->out, at));
}

static int make_z(struct ruleset_making *m, uint16_t type, const char *text_z)
{
    return error_of(nlattr_put_z(&m->out, type, text_z));
}

int ruleset_make_ref(struct ruleset_making *m, const struct ruleset_node *node)
{
    if (m->ref_count == RULESET_REFS_MAX)
        return -EFBIG;
    m->refs[m->ref_count++] = node->handle;
    return 0;
}

/* ---- What is named ---- */

struct ruleset_node *ruleset_object_find(struct ruleset_table *table, struct span name,
                                         uint32_t type)
{
    for (struct ruleset_node *n = table->nodes; n != NULL; n = n->next)
        if (n->kind == RULESET_OBJECT && n->type == type && span_equal_z(name, n->name_z))
            return n;
    return NULL;
}

static int make_named(struct ruleset_making *m, uint16_t type, const struct ruleset_node *node)
{
    if (node == NULL)
        return -ENOENT;
    int error = ruleset_make_ref(m, node);
    return error == 0 ? make_z(m, type, node->name_z) : error;
}

int ruleset_make_object(struct ruleset_making *m, uint16_t type, struct span name,
                        uint32_t object_type)
{
    return make_named(m, type, ruleset_object_find(m->table, name, object_type));
}

static struct ruleset_node *find_set(struct ruleset_making *m, struct span name, bool has_id,
                                     uint32_t id)
{
    struct ruleset_node *set = ruleset_node_find(m->table, RULESET_SET, name);
    return set == NULL && has_id ? ruleset_node_by_id(m->table, RULESET_SET, id) : set;
}

/* An attribute that names a set, by its name or by its number in the batch. */
static int make_set(struct ruleset_making *m, uint16_t type, struct span name, bool has_id,
                    uint32_t id)
{
    const struct ruleset_node *set = find_set(m, name, has_id, id);
    if (set != NULL && m->renamed == NULL && (set->flags & NFT_SET_ANONYMOUS) != 0 && set->use > 0)
        return -EBUSY;
    return make_named(m, type, set);
}

static struct ruleset_node *find_chain(struct ruleset_making *m, struct span verdict)
{
    struct span name = nlattr_find_text(verdict, NFTA_VERDICT_CHAIN);
    uint32_t id = 0;
    if (m->renamed != NULL && span_equal(name, m->old_name))
        return m->renamed;
    if (name.len > 0)
        return ruleset_node_find(m->table, RULESET_CHAIN, name);
    return nlattr_find_be32(verdict, NFTA_VERDICT_CHAIN_ID, &id)
               ? ruleset_node_by_id(m->table, RULESET_CHAIN, id)
               : NULL;
}

static int make_jump(struct ruleset_making *m, struct span verdict)
{
    const struct ruleset_node *chain = find_chain(m, verdict);
    if (chain == NULL && nlattr_find(verdict, NFTA_VERDICT_CHAIN).data == NULL &&
        nlattr_find(verdict, NFTA_VERDICT_CHAIN_ID).data == NULL)
        return -EINVAL;
    if (chain != NULL && (chain->flags & NFT_CHAIN_BASE) != 0)
        return -EOPNOTSUPP;
    if (chain != NULL && (chain->flags & NFT_CHAIN_BINDING) != 0 &&
        (m->chain == NULL || chain->use > chain->count) && m->renamed == NULL)
        return -EINVAL; /* it is for one rule */
    return make_named(m, NFTA_VERDICT_CHAIN, chain);
}

static int make_verdict(struct ruleset_making *m, struct span verdict)
{
    uint32_t number = 0;
    size_t at = 0;
    if (!nlattr_find_be32(verdict, NFTA_VERDICT_CODE, &number))
        return -EINVAL;
    int32_t code = (int32_t)number;
    bool jumps = code == NFT_JUMP || code == NFT_GOTO;
    if (!jumps && code != NFT_CONTINUE && code != NFT_BREAK && code != NFT_RETURN &&
        (number & NF_VERDICT_MASK) != NF_ACCEPT && (number & NF_VERDICT_MASK) != NF_DROP &&
        (number & NF_VERDICT_MASK) != NF_QUEUE)
        return -EINVAL;
    int error = begin(m, NFTA_DATA_VERDICT, &at);
    if (error == 0)
        error = ruleset_make_be32(m, NFTA_VERDICT_CODE, number);
    if (error == 0 && jumps)
        error = make_jump(m, verdict);
    return error == 0 ? end(m, at) : error;
}

int ruleset_make_data(struct ruleset_making *m, uint16_t type, struct span data)
{
    size_t at = 0;
    struct span value = nlattr_find(data, NFTA_DATA_VALUE);
    struct span verdict = nlattr_find(data, NFTA_DATA_VERDICT);
    if (value.data == NULL && verdict.data == NULL)
        return -EINVAL;
    int error = begin(m, type, &at);
    if (error == 0)
        error =
            value.data != NULL ? ruleset_make(m, NFTA_DATA_VALUE, value) : make_verdict(m, verdict);
    return error == 0 ? end(m, at) : error;
}

/* Four bytes have a register of sixteen's name where one begins. */
static int make_register(struct ruleset_making *m, uint16_t type, struct span value)
{
    uint32_t n = 0;
    if (value.len < sizeof(n))
        return -ERANGE;
    memcpy(&n, value.data, sizeof(n));
    n = __builtin_bswap32(n);
    if (n > NFT_REG_4 && (n < NFT_REG32_00 || n > NFT_REG32_15))
        return -ERANGE;
    if (n >= NFT_REG32_00 && (n - NFT_REG32_00) % 4 == 0)
        n = (n - NFT_REG32_00) / 4 + NFT_REG_1;
    return ruleset_make_be32(m, type, n);
}

/* ---- Expressions ---- */

static const struct expression *find_expression(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(expressions); i++)
        if (span_equal_z(name, expressions[i].name_z))
            return &expressions[i];
    return NULL;
}

static bool is_stateful(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(stateful); i++)
        if (span_equal_z(name, stateful[i]))
            return true;
    return false;
}

static int make_stateful_list(struct ruleset_making *m, uint16_t type, struct span list)
{
    struct nlattr_item item;
    size_t at = 0;
    int error = begin(m, type, &at);
    while (error == 0 && nlattr_next(&list, &item))
        error = ruleset_make_stateful(m, NFTA_LIST_ELEM, item.value);
    return error == 0 ? end(m, at) : error;
}

/* A set is named by its name, or by the number that the batch gave it. */
static int make_set_of(struct ruleset_making *m, const struct expression *e,
                       const struct nlattr_item *item, struct span data)
{
    const char *number = strchr(e->attributes_z, 'i');
    uint32_t id = 0;
    bool has_id =
        number != NULL && nlattr_find_be32(data, (uint16_t)(number - e->attributes_z + 1), &id);
    return make_set(m, item->type, nlattr_find_text(data, item->type), has_id, id);
}

/* The attribute of `data` that `item` is. */
static int make_attribute(struct ruleset_making *m, const struct expression *e,
                          const struct nlattr_item *item, struct span data)
{
    struct span text = nlattr_find_text(data, item->type);
    uint32_t number = 0;
    switch (e->attributes_z[item->type - 1] | 0x20) {
    case 'c': return ruleset_make(m, item->type, item->value);
    case 'r': return make_register(m, item->type, item->value);
    case 'd': return ruleset_make_data(m, item->type, item->value);
    case 's': return make_set_of(m, e, item, data);
    case 'o':
        return nlattr_find_be32(data, NFTA_OBJREF_IMM_TYPE, &number)
                   ? ruleset_make_object(m, item->type, text, number)
                   : -EINVAL;
    case 'f':
        return make_named(m, item->type, ruleset_node_find(m->table, RULESET_FLOWTABLE, text));
    case 'e': return ruleset_make_stateful(m, item->type, item->value);
    case 'l': return make_stateful_list(m, item->type, item->value);
    default: return 0; /* never given back */
    }
}

static bool is_complete(const struct expression *e, struct span data)
{
    for (size_t i = 0; e->attributes_z[i] != 0; i++)
        if (e->attributes_z[i] >= 'A' && e->attributes_z[i] <= 'Z' &&
            nlattr_find(data, (uint16_t)(i + 1)).data == NULL)
            return false;
    return true;
}

static int make_default(struct ruleset_making *m, const struct missing *d, struct span data)
{
    if (nlattr_find(data, d->type).data != NULL ||
        (d->unless != 0 && nlattr_find(data, d->unless).data != NULL))
        return 0;
    struct span from = d->from != 0 ? nlattr_find(data, d->from) : span_of(NULL, 0);
    if (d->from != 0)
        return from.data != NULL ? make_register(m, d->type, from) : 0;
    return d->bytes == 8 ? error_of(nlattr_put_be64(&m->out, d->type, d->value))
                         : ruleset_make_be32(m, d->type, d->value);
}

static int make_attributes(struct ruleset_making *m, const struct expression *e, uint16_t type,
                           struct span data)
{
    struct nlattr_item item;
    struct span rest = data;
    size_t at = 0, known = strlen(e->attributes_z);
    int error = is_complete(e, data) ? begin(m, type, &at) : -EINVAL;
    while (error == 0 && nlattr_next(&rest, &item))
        if (item.type != 0 && item.type <= known)
            error = make_attribute(m, e, &item, data);
    for (size_t i = 0; i < ARRAY_LEN(defaults) && error == 0; i++)
        if (strcmp(defaults[i].name_z, e->name_z) == 0)
            error = make_default(m, &defaults[i], data);
    return error == 0 ? end(m, at) : error;
}

/* A match or target of iptables: what the kernel has, where it may stand. */
static int check_compat(struct ruleset_making *m, const struct expression *e, struct span data)
{
    uint32_t revision = 0;
    bool is_target = strcmp(e->name_z, "target") == 0;
    if (!is_target && strcmp(e->name_z, "match") != 0)
        return 0;
    (void)nlattr_find_be32(data, NFTA_TARGET_REV, &revision);
    const struct xtables *x = xtables_find(
        m->table->family, nlattr_find_text(data, NFTA_TARGET_NAME), is_target, revision);
    if (x == NULL)
        return -ENOENT;
    if (x->table_z[0] != 0 && strcmp(x->table_z, m->table->name_z) != 0)
        return -EINVAL;
    bool is_base = m->chain != NULL && (m->chain->flags & NFT_CHAIN_BASE) != 0;
    if (is_base && (x->hooks >> m->chain->hook.number & 1) == 0)
        return -EINVAL;
    m->hooks &= x->hooks;
    return 0;
}

/* Where the expression may stand. */
static void note_place(struct ruleset_making *m, const struct expression *e, struct span data)
{
    uint32_t type = NFT_NAT_SNAT;
    m->hooks &= e->hooks;
    m->needs_nat = m->needs_nat || e->needs_nat;
    if (strcmp(e->name_z, "nat") == 0 && nlattr_find_be32(data, NFTA_NAT_TYPE, &type))
        m->hooks &= type == NFT_NAT_DNAT ? PREROUTING | OUTPUT : POSTROUTING | INPUT;
}

static int make_expression(struct ruleset_making *m, uint16_t type, struct span expression)
{
    struct span name = nlattr_find_text(expression, NFTA_EXPR_NAME);
    struct span data = nlattr_find(expression, NFTA_EXPR_DATA);
    const struct expression *e = find_expression(name);
    size_t at = 0;
    if (name.data == NULL)
        return -EINVAL;
    if (e == NULL)
        return -ENOENT;
    int error = check_compat(m, e, data);
    if (error == 0)
        error = begin(m, type, &at);
    if (error == 0)
        error = make_z(m, NFTA_EXPR_NAME, e->name_z);
    if (error == 0)
        error = make_attributes(m, e, NFTA_EXPR_DATA, data);
    note_place(m, e, data);
    return error == 0 ? end(m, at) : error;
}

int ruleset_make_stateful(struct ruleset_making *m, uint16_t type, struct span expression)
{
    struct span name = nlattr_find_text(expression, NFTA_EXPR_NAME);
    if (name.data != NULL && find_expression(name) != NULL && !is_stateful(name))
        return -EOPNOTSUPP;
    return make_expression(m, type, expression);
}

int ruleset_make_list(struct ruleset_making *m, uint16_t type, struct span list)
{
    struct nlattr_item item;
    size_t at = 0, count = 0;
    int error = begin(m, type, &at);
    while (error == 0 && nlattr_next(&list, &item)) {
        if (item.type != NFTA_LIST_ELEM || ++count > EXPRESSIONS_MAX)
            return -EINVAL;
        error = make_expression(m, NFTA_LIST_ELEM, item.value);
        if (error != 0)
            m->bad = item.value;
    }
    return error == 0 ? end(m, at) : error;
}

int ruleset_make_state(struct ruleset_making *m, uint16_t type, const char *name_z,
                       struct span data)
{
    const struct expression *e = find_expression(span_z(name_z));
    return e != NULL ? make_attributes(m, e, type, data) : -ENOENT;
}

/* ---- A chain's new name ---- */

static bool has_ref(const struct ruleset_entry *e, uint64_t handle)
{
    for (size_t i = 0; i < e->ref_count; i++)
        if (e->refs[i] == handle)
            return true;
    return false;
}

static int make_again(struct ruleset_making *m, const struct ruleset_node *node, struct span rest)
{
    struct nlattr_item item;
    int error = 0;
    bool is_set = node->kind == RULESET_SET;
    while (error == 0 && nlattr_next(&rest, &item)) {
        if (!is_set && item.type == NFTA_RULE_EXPRESSIONS)
            error = ruleset_make_list(m, item.type, item.value);
        else if (is_set && item.type == NFTA_SET_ELEM_DATA)
            error = ruleset_make_data(m, item.type, item.value);
        else
            error = ruleset_make(m, item.type, item.value);
    }
    return error;
}

static int rename_in(struct ruleset *r, struct ruleset_making *m, struct ruleset_node *node,
                     struct ruleset_entry **place)
{
    const struct ruleset_entry *old = *place;
    buffer_clear(&m->out);
    m->ref_count = 0;
    m->chain = node;
    int error = make_again(m, node, ruleset_entry_span(old));
    if (error != 0)
        return error;
    struct ruleset_entry *e = ruleset_entry_new(buffer_span(&m->out), old->refs, old->ref_count);
    if (e == NULL)
        return -ENOMEM;
    e->handle = old->handle;
    e->id = old->id;
    e->timeout_ns = old->timeout_ns;
    e->expires_ns = old->expires_ns;
    e->hooks = old->hooks;
    e->needs_nat = old->needs_nat;
    return ruleset_keep(r, place, e);
}

static int rename_all_in(struct ruleset *r, struct ruleset_making *m, struct ruleset_node *node)
{
    int error = ruleset_may_step(r, node->count) ? 0 : -ENOMEM;
    for (size_t i = 0; i < node->count && error == 0; i++) {
        const struct ruleset_entry *e = node->entries[i];
        if (!has_ref(e, m->renamed->handle))
            continue;
        if (!ruleset_may_step(r, e->len + e->ref_count * m->table->use))
            return -ENOMEM;
        error = rename_in(r, m, node, &node->entries[i]);
    }
    return error;
}

int ruleset_renamed(struct ruleset *r, struct ruleset_table *table, struct ruleset_node *chain,
                    struct span old_name)
{
    struct ruleset_making m;
    int error = 0;
    ruleset_making_init(&m, table, NULL);
    m.renamed = chain;
    m.old_name = old_name;
    for (struct ruleset_node *n = table->nodes; n != NULL && error == 0; n = n->next)
        error = rename_all_in(r, &m, n);
    ruleset_making_fini(&m);
    return error;
}
