/* What rules and elements are made of: expressions, checked and brought into the form in which nf_tables gives
 * them back. A set or chain that a batch names by number gets its name; registers have one number; what was
 * left out has its default. */
#ifndef KERNEL_RULESET_EXPR_H
#define KERNEL_RULESET_EXPR_H

#include "kernel/ruleset.h"

#include "base/buffer.h"

struct ruleset_making {
    struct ruleset_table *table;
    const struct ruleset_node *chain; /* that the rule stands in; NULL: in none */
    /* A chain whose name has changed: `old_name` in what is read is that one. */
    struct ruleset_node *renamed;
    struct span old_name;

    struct buffer out; /* attributes */
    uint64_t refs[RULESET_REFS_MAX];
    size_t ref_count;
    uint8_t hooks;
    bool needs_nat;
    struct span bad; /* after an error: the attribute at fault, or empty */
};

void ruleset_making_init(struct ruleset_making *m, struct ruleset_table *table,
                         const struct ruleset_node *chain);
void ruleset_making_fini(struct ruleset_making *m);

/* Each appends an attribute of such a type. 0 or -errno: -ENOENT for what is not there by that name,
 * -EINVAL, -ERANGE, -EOPNOTSUPP, -EBUSY, -EFBIG, -ENOMEM. */
int ruleset_make(struct ruleset_making *m, uint16_t type, struct span value); /* as it came */
int ruleset_make_be32(struct ruleset_making *m, uint16_t type, uint32_t value);
int ruleset_make_list(struct ruleset_making *m, uint16_t type, struct span expressions);
/* An expression that counts: of a set's elements. */
int ruleset_make_stateful(struct ruleset_making *m, uint16_t type, struct span expression);
int ruleset_make_data(struct ruleset_making *m, uint16_t type,
                      struct span data); /* NFTA_DATA_... */
int ruleset_make_object(struct ruleset_making *m, uint16_t type, struct span name,
                        uint32_t object_type);
/* The data of an object, which is that of the expression of its kind: "counter". */
int ruleset_make_state(struct ruleset_making *m, uint16_t type, const char *name_z,
                       struct span data);
/* A node was named. 0 or -EFBIG. */
int ruleset_make_ref(struct ruleset_making *m, const struct ruleset_node *node);

/* A chain has another name: so have the rules and elements that lead to it. 0 or -errno. */
int ruleset_renamed(struct ruleset *r, struct ruleset_table *table, struct ruleset_node *chain,
                    struct span old_name);

/* The entry that it has become, held once; NULL: out of memory. */
struct ruleset_entry *ruleset_made(const struct ruleset_making *m);

/* The object of a name and a type; NULL: there is none. */
struct ruleset_node *ruleset_object_find(struct ruleset_table *table, struct span name,
                                         uint32_t type);

#endif
