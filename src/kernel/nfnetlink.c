/* What all requests of nfnetlink share, questions, and those that are not about nf_tables' own things. */
#include "kernel/nfnetlink.h"

#include "kernel/nlattr.h"
#include "kernel/task.h"
#include "kernel/xtables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>

struct ruleset *nfnetlink_rules(struct net *net)
{
    if (net->rules == NULL) {
        net->rules = malloc(sizeof(*net->rules));
        if (net->rules != NULL)
            ruleset_init(net->rules);
    }
    return net->rules;
}

void nfnetlink_start(struct net *net)
{
    if (net->rules != NULL)
        net->rules->steps = 0;
}

void nfnetlink_stop(struct kernel *k, const struct net *net)
{
    if (net->rules != NULL)
        kernel_charge(k, net->rules->steps);
}

/* ---- The request ---- */

static struct nfgenmsg head(const struct netlink_call *c)
{
    struct nfgenmsg body;
    (void)netlink_body(c, &body, sizeof(body)); /* zeros when it is short */
    return body;
}

uint8_t nfnetlink_family(const struct netlink_call *c)
{
    return head(c).nfgen_family;
}

struct span nfnetlink_attributes(const struct netlink_call *c)
{
    return span_slice(c->body, sizeof(struct nfgenmsg), c->body.len);
}

bool nfnetlink_has(const struct netlink_call *c, uint16_t flag)
{
    return (c->header->nlmsg_flags & flag) != 0;
}

struct span nfnetlink_find(const struct netlink_call *c, uint16_t type)
{
    return nlattr_find(nfnetlink_attributes(c), type);
}

struct span nfnetlink_text(const struct netlink_call *c, uint16_t type)
{
    return nlattr_find_text(nfnetlink_attributes(c), type);
}

bool nfnetlink_be32(const struct netlink_call *c, uint16_t type, uint32_t *out)
{
    return nlattr_find_be32(nfnetlink_attributes(c), type, out);
}

bool nfnetlink_be64(const struct netlink_call *c, uint16_t type, uint64_t *out)
{
    return nlattr_find_be64(nfnetlink_attributes(c), type, out);
}

int64_t nfnetlink_now_ns(const struct netlink_call *c)
{
    return kernel_monotonic_ns(c->t->kernel);
}

int nfnetlink_bad(struct netlink_call *c, uint16_t type, int error)
{
    c->bad = nfnetlink_find(c, type);
    return error;
}

struct ruleset_table *nfnetlink_table(struct netlink_call *c, uint16_t type, int *error)
{
    struct span name = nfnetlink_text(c, type);
    struct ruleset_table *table =
        name.data != NULL ? ruleset_table_find(c->rules, nfnetlink_family(c), name) : NULL;
    if (table == NULL)
        *error = nfnetlink_bad(c, type, name.data != NULL ? -ENOENT : -EINVAL);
    return table;
}

int nfnetlink_name(struct netlink_call *c, uint16_t type, struct span *out)
{
    *out = nfnetlink_text(c, type);
    if (out->len > RULESET_NAME_MAX)
        return nfnetlink_bad(c, type, -ERANGE);
    return out->data != NULL ? 0 : -EINVAL;
}

bool nfnetlink_wants(const struct netlink_call *c, const struct ruleset_table *table, uint16_t type)
{
    uint8_t family = nfnetlink_family(c);
    struct span name = type != 0 ? nfnetlink_text(c, type) : span_of(NULL, 0);
    return (family == NFPROTO_UNSPEC || family == table->family) &&
           (name.data == NULL || span_equal_z(name, table->name_z));
}

struct ruleset_node *nfnetlink_node(const struct netlink_call *c, struct ruleset_table *table,
                                    enum ruleset_kind kind, uint16_t handle_type,
                                    uint16_t name_type, uint16_t *by)
{
    uint64_t handle = 0;
    *by = name_type;
    if (!nfnetlink_be64(c, handle_type, &handle))
        return ruleset_node_find(table, kind, nfnetlink_text(c, name_type));
    *by = handle_type;
    struct ruleset_node *node = ruleset_node_by_handle(table, handle);
    return node != NULL && node->kind == kind ? node : NULL;
}

int nfnetlink_dump(struct netlink_call *c, enum ruleset_kind kind, uint16_t type,
                   nfnetlink_put_fn put)
{
    int error = 0;
    for (const struct ruleset_table *t = c->rules->tables; t != NULL; t = t->next)
        for (const struct ruleset_node *n = t->nodes; n != NULL && error == 0; n = n->next)
            if (n->kind == kind && nfnetlink_wants(c, t, type))
                error = put(c, t, n);
    return error;
}

/* ---- The answer ---- */

static void begin(struct netlink_call *c, uint16_t type, uint8_t family, uint16_t resource)
{
    const struct nfgenmsg body = {
        .nfgen_family = family, .version = NFNETLINK_V0, .res_id = resource};
    netlink_begin(c, type, &body, sizeof(body));
}

void nfnetlink_begin(struct netlink_call *c, uint8_t message, uint8_t family)
{
    uint16_t type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message);
    begin(c, type, family, htons((uint16_t)c->rules->generation));
}

static void note(struct netlink_call *c, int error)
{
    c->is_short = c->is_short || error != 0;
}

void nfnetlink_put(struct netlink_call *c, uint16_t type, struct span value)
{
    note(c, nlattr_put(c->out, type, value));
}

void nfnetlink_put_be32(struct netlink_call *c, uint16_t type, uint32_t value)
{
    note(c, nlattr_put_be32(c->out, type, value));
}

void nfnetlink_put_be64(struct netlink_call *c, uint16_t type, uint64_t value)
{
    note(c, nlattr_put_be64(c->out, type, value));
}

void nfnetlink_put_made(struct netlink_call *c, const struct ruleset_entry *e)
{
    note(c, buffer_put(c->out, ruleset_entry_span(e)));
}

size_t nfnetlink_nest(struct netlink_call *c, uint16_t type)
{
    size_t at = 0;
    note(c, nlattr_begin(c->out, type, &at));
    return at;
}

void nfnetlink_nest_end(struct netlink_call *c, size_t at)
{
    if (!c->is_short)
        note(c, nlattr_end(c->out, at));
}

/* ---- Questions ---- */

static int get_generation(struct netlink_call *c)
{
    nfnetlink_begin(c, NFT_MSG_NEWGEN, NFPROTO_UNSPEC);
    nfnetlink_put_be32(c, NFTA_GEN_ID, c->rules->generation);
    nfnetlink_put_be32(c, NFTA_GEN_PROC_PID, (uint32_t)c->t->process->pid);
    netlink_put_z(c, NFTA_GEN_PROC_NAME, c->t->comm_z);
    return netlink_end(c);
}

/* Whether there is a match or target of iptables. */
static int get_compat(struct netlink_call *c)
{
    struct span name = nfnetlink_text(c, NFTA_COMPAT_NAME);
    uint32_t revision = 0, type = 0;
    if (name.data == NULL || !nfnetlink_be32(c, NFTA_COMPAT_REV, &revision) ||
        !nfnetlink_be32(c, NFTA_COMPAT_TYPE, &type))
        return -EINVAL;
    int best = xtables_best(nfnetlink_family(c), name, type == 1, revision);
    if (best < 0)
        return best;
    c->is_dump = true; /* it is one of many, says the kernel */
    begin(c, NFNL_SUBSYS_NFT_COMPAT << 8 | NFNL_MSG_COMPAT_GET, nfnetlink_family(c), 0);
    c->is_dump = false;
    nfnetlink_put(c, NFTA_COMPAT_NAME, nfnetlink_find(c, NFTA_COMPAT_NAME));
    nfnetlink_put_be32(c, NFTA_COMPAT_REV, (uint32_t)best);
    nfnetlink_put_be32(c, NFTA_COMPAT_TYPE, type);
    return netlink_end(c);
}

/* Connections are not tracked. */
static int get_connection(struct netlink_call *c)
{
    return c->is_dump ? 0 : -ENOENT;
}

#define NFTABLES(message) (NFNL_SUBSYS_NFTABLES << 8 | (message))

static const struct netlink_request requests[] = {
    {NFTABLES(NFT_MSG_GETTABLE), true, nfnetlink_get_table},
    {NFTABLES(NFT_MSG_GETCHAIN), true, nfnetlink_get_chain},
    {NFTABLES(NFT_MSG_GETRULE), true, nfnetlink_get_rule},
    {NFTABLES(NFT_MSG_GETSET), true, nfnetlink_get_set},
    {NFTABLES(NFT_MSG_GETSETELEM), true, nfnetlink_get_element},
    {NFTABLES(NFT_MSG_GETOBJ), true, nfnetlink_get_object},
    {NFTABLES(NFT_MSG_GETOBJ_RESET), true, nfnetlink_get_object},
    {NFTABLES(NFT_MSG_GETFLOWTABLE), true, nfnetlink_get_flowtable},
    {NFTABLES(NFT_MSG_GETGEN), true, get_generation},
    {NFNL_SUBSYS_NFT_COMPAT << 8 | NFNL_MSG_COMPAT_GET, true, get_compat},
    {NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, true, get_connection},
    {NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_GET, true, get_connection},
};

const struct netlink_request *nfnetlink_requests(size_t *count)
{
    *count = ARRAY_LEN(requests);
    return requests;
}
