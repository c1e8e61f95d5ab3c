/* The packet filter as nf_tables keeps it: tables of chains of rules, of sets of elements, of objects. What a rule
 * says is kept as the attributes in which it is given back; nothing is filtered by it.
 *
 * A batch of changes is made on a copy, which then takes the place of the ruleset or is thrown away. Rules and
 * elements never change once they are made, so that a copy shares them. */
#ifndef KERNEL_RULESET_H
#define KERNEL_RULESET_H

#include "base/span.h"

enum {
    /* Bounds of a machine: -ENOMEM. */
    RULESET_TABLES_MAX = 64,
    RULESET_NODES_MAX = 1024,   /* chains, sets, objects and flowtables of all tables */
    RULESET_ENTRIES_MAX = 8192, /* rules and elements of all */
    RULESET_BYTES_MAX = 1536 << 10,
    /* Steps of one batch, or of what one send asks: entries that were passed in searches, mostly. To fill a set
     * with RULESET_ENTRIES_MAX elements takes 34 million. */
    RULESET_STEPS_MAX = 64 << 20,
    RULESET_REFS_MAX = 32,         /* of a rule */
    RULESET_MADE_MAX = 32768,      /* bytes of a rule or an element: -EFBIG */
    RULESET_NAME_MAX = 255,        /* NFT_NAME_MAXLEN, without the NUL */
    RULESET_TYPE_BYTES = 16,       /* of a base chain's type, "filter", and its device */
    RULESET_DEPTH_MAX = 16,        /* NFT_JUMP_STACK_SIZE: -EMLINK */
    RULESET_HOOKS_ALL = UINT8_MAX, /* a bit a hook */
};

enum ruleset_kind { RULESET_CHAIN, RULESET_SET, RULESET_OBJECT, RULESET_FLOWTABLE };

/* What a rule or an element is made of, before it has its place. */
struct ruleset_entry {
    unsigned holders;
    uint64_t handle;    /* of a rule; an element has a hash of its key */
    uint32_t id;        /* that the batch gave it; 0: none */
    int64_t timeout_ns; /* of an element; 0: it stays */
    int64_t expires_ns;
    uint8_t hooks;  /* in base chains of which hooks it may stand */
    bool needs_nat; /* and only in those of type nat */
    size_t ref_count, len;
    uint64_t refs[]; /* handles in its table, of what it names; its bytes are behind them */
};

struct ruleset_set {
    uint32_t key_type, key_len, data_type, data_len, object_type, size;
    int64_t timeout_ns; /* that its elements have; 0: none */
};

struct ruleset_hook {
    uint32_t number, policy;
    int32_t priority;
    char type_z[RULESET_TYPE_BYTES], device_z[RULESET_TYPE_BYTES];
    bool has_counters;
    uint64_t packets, bytes;
};

struct ruleset_node {
    struct ruleset_node *next;
    enum ruleset_kind kind;
    uint64_t handle;
    uint32_t id; /* that the batch gave it; 0: none */
    uint32_t use;
    uint32_t flags; /* NFT_CHAIN_..., NFT_SET_... */
    uint32_t type;  /* of an object */
    char *name_z;
    struct ruleset_entry *about; /* attributes that are given back as they came; held */
    struct ruleset_entry **entries;
    size_t count, room;
    struct ruleset_hook hook; /* of a base chain */
    struct ruleset_set set;
    /* For ruleset_check: what all that it leads to asks of a base chain, and how deep that goes. */
    bool is_checked, needs_nat;
    uint8_t hooks;
    unsigned height;
};

struct ruleset_table {
    struct ruleset_table *next;
    uint8_t family; /* NFPROTO_... */
    uint32_t flags;
    uint64_t handle, last_handle;
    char *name_z;
    struct ruleset_entry *about; /* held */
    struct ruleset_node *nodes;
    uint32_t use; /* how many nodes */
};

struct ruleset {
    struct ruleset_table *tables; /* oldest first */
    uint64_t last_handle, last_chain;
    uint32_t generation;
    size_t table_count, node_count, entry_count, bytes;
    uint64_t steps; /* done since the copy was made, or the question asked */
};

void ruleset_init(struct ruleset *r);
void ruleset_fini(struct ruleset *r);
/* 0 or -ENOMEM. What has expired stays behind. The copy is to be freed. */
int ruleset_copy(const struct ruleset *from, struct ruleset *out, int64_t now_ns);
/* A batch failed: numbers that it drew are not drawn again. */
void ruleset_keep_numbers(struct ruleset *r, const struct ruleset *failed);

/* Whether so many steps more are within RULESET_STEPS_MAX: else it is -ENOMEM. */
bool ruleset_may_step(struct ruleset *r, uint64_t steps);

/* The entry with one holder; NULL: out of memory. */
struct ruleset_entry *ruleset_entry_new(struct span bytes, const uint64_t *refs, size_t ref_count);
void ruleset_entry_drop(struct ruleset_entry *e); /* takes NULL */
struct span ruleset_entry_span(const struct ruleset_entry *e);
/* Puts it in place of what is there; it passes, good or not. 0 or -ENOMEM. */
int ruleset_keep(struct ruleset *r, struct ruleset_entry **place, struct ruleset_entry *e);
bool ruleset_entry_is_over(const struct ruleset_entry *e, int64_t now_ns);

/* A new one at the end, or NULL: a bound, or out of memory. */
struct ruleset_table *ruleset_table_add(struct ruleset *r, uint8_t family, struct span name);
void ruleset_table_remove(struct ruleset *r,
                          struct ruleset_table *table); /* with all that is in it */
struct ruleset_table *ruleset_table_find(struct ruleset *r, uint8_t family, struct span name);

struct ruleset_node *ruleset_node_add(struct ruleset *r, struct ruleset_table *table,
                                      enum ruleset_kind kind, struct span name);
/* With its entries; nobody else may refer to it. */
void ruleset_node_remove(struct ruleset *r, struct ruleset_table *table, struct ruleset_node *node);
struct ruleset_node *ruleset_node_find(struct ruleset_table *table, enum ruleset_kind kind,
                                       struct span name);
struct ruleset_node *ruleset_node_by_handle(struct ruleset_table *table, uint64_t handle);
struct ruleset_node *ruleset_node_by_id(struct ruleset_table *table, enum ruleset_kind kind,
                                        uint32_t id);
/* 0 or -ENOMEM. */
int ruleset_node_rename(struct ruleset_node *node, struct span name);

/* At place `at`; what it refers to has one more user. The entry passes when it is 0; -ENOMEM. */
int ruleset_entry_add(struct ruleset *r, struct ruleset_table *table, struct ruleset_node *node,
                      size_t at, struct ruleset_entry *e);
/* What was made for it alone goes with it: anonymous sets, chains without a name. */
void ruleset_entry_remove(struct ruleset *r, struct ruleset_table *table, struct ruleset_node *node,
                          size_t at);

/* Whether what base chains lead to may stand there: 0, -EMLINK (chains too deep, or in a circle), -EOPNOTSUPP; -ENOMEM:
 * too many steps. */
int ruleset_check(struct ruleset *r);

#endif
