/* nfnetlink: what iptables and nft ask of the kernel's packet filter (ruleset.h), over NETLINK_NETFILTER. Changes come in
 * batches, all of which are done or none. <linux/netfilter/nfnetlink.h>, <linux/netfilter/nf_tables.h>.
 *
 * Rules are kept and given back; no packet is filtered by them, so that nobody shuts himself out. */
#ifndef KERNEL_NFNETLINK_H
#define KERNEL_NFNETLINK_H

#include "kernel/netlink.h"
#include "kernel/ruleset.h"

/* The machine's rules; NULL: out of memory. */
struct ruleset *nfnetlink_rules(struct net *net);

/* What a send asks has RULESET_STEPS_MAX steps, which its machine pays for. */
void nfnetlink_start(struct net *net);
void nfnetlink_stop(struct kernel *k, const struct net *net);

/* Questions, which are asked one by one. */
const struct netlink_request *nfnetlink_requests(size_t *count);

/* Whether what is sent is a batch; takes one. The length. */
bool nfnetlink_is_batch(struct span bytes);
int64_t nfnetlink_batch(struct task *t, struct socket *s, struct span bytes);

/* ---- Inside ---- */

/* A change of nf_tables: a message of a batch. */
struct nfnetlink_change {
    uint8_t message;    /* NFT_MSG_... */
    const char *what_z; /* for the visitor's keeper: "add rule" */
    uint16_t subject;   /* the attribute that names it beside its table; 0: none */
    netlink_fn fn;
};
const struct nfnetlink_change *nfnetlink_table_changes(size_t *count);
const struct nfnetlink_change *nfnetlink_rule_changes(size_t *count);
const struct nfnetlink_change *nfnetlink_set_changes(size_t *count);
const struct nfnetlink_change *nfnetlink_object_changes(size_t *count);

int nfnetlink_new_element(struct netlink_call *c);
int nfnetlink_delete_element(struct netlink_call *c);

/* Questions to nf_tables, by what they are about. */
int nfnetlink_get_table(struct netlink_call *c);
int nfnetlink_get_chain(struct netlink_call *c);
int nfnetlink_get_rule(struct netlink_call *c);
int nfnetlink_get_set(struct netlink_call *c);
int nfnetlink_get_element(struct netlink_call *c);
int nfnetlink_get_object(struct netlink_call *c);
int nfnetlink_get_flowtable(struct netlink_call *c);

/* The request: its family, its attributes, what it is flagged with. */
uint8_t nfnetlink_family(const struct netlink_call *c);
struct span nfnetlink_attributes(const struct netlink_call *c);
bool nfnetlink_has(const struct netlink_call *c, uint16_t flag); /* NLM_F_... */
struct span nfnetlink_find(const struct netlink_call *c, uint16_t type);
struct span nfnetlink_text(const struct netlink_call *c, uint16_t type);
bool nfnetlink_be32(const struct netlink_call *c, uint16_t type, uint32_t *out);
bool nfnetlink_be64(const struct netlink_call *c, uint16_t type, uint64_t *out);
int64_t nfnetlink_now_ns(const struct netlink_call *c);

/* `error`, which is about that attribute of the request. */
int nfnetlink_bad(struct netlink_call *c, uint16_t type, int error);
/* The table of the request's family that the attribute names; or NULL, *error: -EINVAL (there is no such attribute),
 * -ENOENT. */
struct ruleset_table *nfnetlink_table(struct netlink_call *c, uint16_t type, int *error);
/* The node of a kind that a request names, by its handle if it has that attribute, else by its name; *by is the
 * attribute. NULL: there is none. */
struct ruleset_node *nfnetlink_node(const struct netlink_call *c, struct ruleset_table *table,
                                    enum ruleset_kind kind, uint16_t handle_type,
                                    uint16_t name_type, uint16_t *by);
/* A name that is to be kept: 0, -EINVAL (it is not there), -ERANGE (too long). */
int nfnetlink_name(struct netlink_call *c, uint16_t type, struct span *out);
/* A dump is of this family, and of the table that the attribute names if it is there. */
bool nfnetlink_wants(const struct netlink_call *c, const struct ruleset_table *table,
                     uint16_t type);

/* Dumps all nodes of a kind that it wants. */
typedef int (*nfnetlink_put_fn)(struct netlink_call *c, const struct ruleset_table *table,
                                const struct ruleset_node *node);
int nfnetlink_dump(struct netlink_call *c, enum ruleset_kind kind, uint16_t type,
                   nfnetlink_put_fn put);

/* A message of the answer, as those of netlink.h. */
void nfnetlink_begin(struct netlink_call *c, uint8_t message, uint8_t family);
void nfnetlink_put(struct netlink_call *c, uint16_t type, struct span value);
void nfnetlink_put_be32(struct netlink_call *c, uint16_t type, uint32_t value);
void nfnetlink_put_be64(struct netlink_call *c, uint16_t type, uint64_t value);
void nfnetlink_put_made(struct netlink_call *c, const struct ruleset_entry *e); /* its attributes */
size_t nfnetlink_nest(struct netlink_call *c, uint16_t type);
void nfnetlink_nest_end(struct netlink_call *c, size_t at);

#endif
