/* Objects of nf_tables that rules share (counters, quotas, limits ...), and flowtables. */
#include "kernel/nfnetlink.h"
#include "kernel/nlattr.h"
#include "kernel/ruleset_expr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>

enum { USERDATA_MAX = 256 }; /* NFT_USERDATA_MAXLEN */

/* The kinds that there are, and the expression whose data theirs is. */
static const char *name_of(uint32_t type)
{
    switch (type) {
    case NFT_OBJECT_COUNTER: return "counter";
    case NFT_OBJECT_QUOTA: return "quota";
    case NFT_OBJECT_LIMIT: return "limit";
    case NFT_OBJECT_CONNLIMIT: return "connlimit";
    case NFT_OBJECT_CT_HELPER:
    case NFT_OBJECT_CT_TIMEOUT:
    case NFT_OBJECT_CT_EXPECT:
    case NFT_OBJECT_SYNPROXY: return ""; /* as it came */
    default: return NULL;
    }
}

static int put_object(struct netlink_call *c, const struct ruleset_table *table,
                      const struct ruleset_node *object)
{
    nfnetlink_begin(c, NFT_MSG_NEWOBJ, table->family);
    netlink_put_z(c, NFTA_OBJ_TABLE, table->name_z);
    netlink_put_z(c, NFTA_OBJ_NAME, object->name_z);
    nfnetlink_put_be32(c, NFTA_OBJ_TYPE, object->type);
    nfnetlink_put_be32(c, NFTA_OBJ_USE, object->use);
    nfnetlink_put_be64(c, NFTA_OBJ_HANDLE, object->handle);
    nfnetlink_put_made(c, object->about);
    return netlink_end(c);
}

/* The object that a request is about; or NULL, and *error about the attribute *by. */
static struct ruleset_node *find_object(struct netlink_call *c, struct ruleset_table *table,
                                        int *error)
{
    uint64_t handle = 0;
    uint32_t type = 0;
    bool by_handle = nfnetlink_be64(c, NFTA_OBJ_HANDLE, &handle);
    struct span name = nfnetlink_text(c, NFTA_OBJ_NAME);
    *error = -EINVAL;
    if (!nfnetlink_be32(c, NFTA_OBJ_TYPE, &type) || (name.data == NULL && !by_handle))
        return NULL;
    struct ruleset_node *object =
        by_handle ? ruleset_node_by_handle(table, handle) : ruleset_object_find(table, name, type);
    if (object == NULL || object->kind != RULESET_OBJECT)
        *error = nfnetlink_bad(c, by_handle ? NFTA_OBJ_HANDLE : NFTA_OBJ_NAME, -ENOENT);
    return object != NULL && object->kind == RULESET_OBJECT ? object : NULL;
}

int nfnetlink_get_object(struct netlink_call *c)
{
    uint32_t type = 0;
    int error = 0;
    bool of_type = nfnetlink_be32(c, NFTA_OBJ_TYPE, &type) && type != NFT_OBJECT_UNSPEC;
    if (!c->is_dump) {
        struct ruleset_table *table = nfnetlink_table(c, NFTA_OBJ_TABLE, &error);
        const struct ruleset_node *object = table != NULL ? find_object(c, table, &error) : NULL;
        return object != NULL ? put_object(c, table, object) : error;
    }
    for (const struct ruleset_table *t = c->rules->tables; t != NULL; t = t->next)
        for (const struct ruleset_node *n = t->nodes; n != NULL && error == 0; n = n->next)
            if (n->kind == RULESET_OBJECT && (!of_type || n->type == type) &&
                nfnetlink_wants(c, t, NFTA_OBJ_TABLE))
                error = put_object(c, t, n);
    return error;
}

/* A node with what the request says of it, made by `make`. */
static int add_node(struct netlink_call *c, struct ruleset_table *table, enum ruleset_kind kind,
                    struct span name, const struct ruleset_making *made, struct ruleset_node **out)
{
    struct ruleset_node *node = ruleset_node_add(c->rules, table, kind, name);
    if (node == NULL)
        return -ENOMEM;
    node->handle = ++table->last_handle;
    *out = node;
    return ruleset_keep(c->rules, &node->about, ruleset_made(made));
}

/* Of which family a helper, a timeout or an expectation is, if it was not said: of its table's. */
static uint16_t family_attribute(uint32_t type)
{
    switch (type) {
    case NFT_OBJECT_CT_HELPER: return NFTA_CT_HELPER_L3PROTO;
    case NFT_OBJECT_CT_TIMEOUT: return NFTA_CT_TIMEOUT_L3PROTO;
    case NFT_OBJECT_CT_EXPECT: return NFTA_CT_EXPECT_L3PROTO;
    default: return 0;
    }
}

/* The data of an object whose kind is no expression's. */
static int make_plain(struct ruleset_making *m, uint32_t type, struct span data)
{
    const uint16_t family = htons(m->table->family);
    struct buffer whole;
    uint16_t attribute = family_attribute(type);
    buffer_init(&whole, RULESET_MADE_MAX);
    int error = buffer_put(&whole, data);
    if (error == 0 && attribute != 0 && nlattr_find(data, attribute).data == NULL)
        error = nlattr_put(&whole, attribute, span_of(&family, sizeof(family)));
    error = error == 0 ? ruleset_make(m, NFTA_OBJ_DATA, buffer_span(&whole)) : -ENOMEM;
    buffer_fini(&whole);
    return error;
}

static int new_object(struct netlink_call *c)
{
    struct ruleset_making m;
    struct ruleset_node *object = NULL;
    struct span name, data = nfnetlink_find(c, NFTA_OBJ_DATA);
    struct span userdata = nfnetlink_find(c, NFTA_OBJ_USERDATA);
    uint32_t type = 0;
    int error = 0;
    if (!nfnetlink_be32(c, NFTA_OBJ_TYPE, &type) || data.data == NULL)
        return -EINVAL;
    struct ruleset_table *table = nfnetlink_table(c, NFTA_OBJ_TABLE, &error);
    if (table == NULL)
        return error;
    error = nfnetlink_name(c, NFTA_OBJ_NAME, &name);
    if (error != 0)
        return error;
    if (ruleset_object_find(table, name, type) != NULL)
        return nfnetlink_has(c, NLM_F_EXCL)      ? nfnetlink_bad(c, NFTA_OBJ_NAME, -EEXIST)
               : nfnetlink_has(c, NLM_F_REPLACE) ? -EOPNOTSUPP
                                                 : 0;
    const char *kind_z = name_of(type);
    if (kind_z == NULL)
        return -ENOENT;
    if (userdata.len > USERDATA_MAX)
        return nfnetlink_bad(c, NFTA_OBJ_USERDATA, -ERANGE);
    ruleset_making_init(&m, table, NULL);
    error = kind_z[0] != 0 ? ruleset_make_state(&m, NFTA_OBJ_DATA, kind_z, data)
                           : make_plain(&m, type, data);
    if (error == 0 && userdata.len > 0)
        error = ruleset_make(&m, NFTA_OBJ_USERDATA, userdata);
    if (error == 0)
        error = add_node(c, table, RULESET_OBJECT, name, &m, &object);
    if (object != NULL)
        object->type = type;
    ruleset_making_fini(&m);
    return error;
}

static int delete_object(struct netlink_call *c)
{
    int error = 0;
    struct ruleset_table *table = nfnetlink_table(c, NFTA_OBJ_TABLE, &error);
    struct ruleset_node *object = table != NULL ? find_object(c, table, &error) : NULL;
    if (object == NULL)
        return error;
    if (object->use > 0)
        return nfnetlink_bad(c, NFTA_OBJ_NAME, -EBUSY);
    ruleset_node_remove(c->rules, table, object);
    return 0;
}

/* ---- Flowtables ---- */

static int put_flowtable(struct netlink_call *c, const struct ruleset_table *table,
                         const struct ruleset_node *node)
{
    nfnetlink_begin(c, NFT_MSG_NEWFLOWTABLE, table->family);
    netlink_put_z(c, NFTA_FLOWTABLE_TABLE, table->name_z);
    netlink_put_z(c, NFTA_FLOWTABLE_NAME, node->name_z);
    nfnetlink_put_be32(c, NFTA_FLOWTABLE_USE, node->use);
    nfnetlink_put_be64(c, NFTA_FLOWTABLE_HANDLE, node->handle);
    nfnetlink_put_be32(c, NFTA_FLOWTABLE_FLAGS, node->flags);
    nfnetlink_put_made(c, node->about);
    return netlink_end(c);
}

int nfnetlink_get_flowtable(struct netlink_call *c)
{
    int error = 0;
    if (!c->is_dump) {
        struct ruleset_table *table = nfnetlink_table(c, NFTA_FLOWTABLE_TABLE, &error);
        if (table == NULL)
            return error;
        const struct ruleset_node *node =
            ruleset_node_find(table, RULESET_FLOWTABLE, nfnetlink_text(c, NFTA_FLOWTABLE_NAME));
        return node != NULL ? put_flowtable(c, table, node) : -ENOENT;
    }
    return nfnetlink_dump(c, RULESET_FLOWTABLE, NFTA_FLOWTABLE_TABLE, put_flowtable);
}

/* The devices that it names are there. */
static int check_devices(struct netlink_call *c, struct span devices)
{
    struct nlattr_item item;
    while (nlattr_next(&devices, &item)) {
        ptrdiff_t end = span_find(item.value, 0, 0);
        struct span name = end >= 0 ? span_slice(item.value, 0, (size_t)end) : item.value;
        if (net_link_named(c->net, name) == NULL) {
            c->bad = item.value;
            return -ENOENT;
        }
    }
    return 0;
}

static int new_flowtable(struct netlink_call *c)
{
    struct ruleset_making m;
    struct ruleset_node *node = NULL;
    struct span name, hook = nfnetlink_find(c, NFTA_FLOWTABLE_HOOK);
    int error = 0;
    struct ruleset_table *table = nfnetlink_table(c, NFTA_FLOWTABLE_TABLE, &error);
    if (table == NULL)
        return error;
    error = hook.data != NULL ? nfnetlink_name(c, NFTA_FLOWTABLE_NAME, &name) : -EINVAL;
    if (error == 0)
        error = check_devices(c, nlattr_find(hook, NFTA_FLOWTABLE_HOOK_DEVS));
    if (error != 0)
        return error;
    if (ruleset_node_find(table, RULESET_FLOWTABLE, name) != NULL)
        return nfnetlink_has(c, NLM_F_EXCL) ? nfnetlink_bad(c, NFTA_FLOWTABLE_NAME, -EEXIST) : 0;
    ruleset_making_init(&m, table, NULL);
    error = ruleset_make(&m, NFTA_FLOWTABLE_HOOK, hook);
    if (error == 0)
        error = add_node(c, table, RULESET_FLOWTABLE, name, &m, &node);
    if (node != NULL)
        (void)nfnetlink_be32(c, NFTA_FLOWTABLE_FLAGS, &node->flags);
    ruleset_making_fini(&m);
    return error;
}

static int delete_flowtable(struct netlink_call *c)
{
    uint16_t by;
    int error = 0;
    struct ruleset_table *table = nfnetlink_table(c, NFTA_FLOWTABLE_TABLE, &error);
    if (table == NULL)
        return error;
    struct ruleset_node *node = nfnetlink_node(c, table, RULESET_FLOWTABLE, NFTA_FLOWTABLE_HANDLE,
                                               NFTA_FLOWTABLE_NAME, &by);
    if (node == NULL)
        return nfnetlink_bad(c, by, -ENOENT);
    if (node->use > 0)
        return nfnetlink_bad(c, by, -EBUSY);
    ruleset_node_remove(c->rules, table, node);
    return 0;
}

static const struct nfnetlink_change changes[] = {
    {NFT_MSG_NEWOBJ, "add object", NFTA_OBJ_NAME, new_object},
    {NFT_MSG_DELOBJ, "delete object", NFTA_OBJ_NAME, delete_object},
    {NFT_MSG_NEWFLOWTABLE, "add flowtable", NFTA_FLOWTABLE_NAME, new_flowtable},
    {NFT_MSG_DELFLOWTABLE, "delete flowtable", NFTA_FLOWTABLE_NAME, delete_flowtable},
};

const struct nfnetlink_change *nfnetlink_object_changes(size_t *count)
{
    *count = ARRAY_LEN(changes);
    return changes;
}
