#include "kernel/ruleset.h"

#include "kernel/machine.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 8 };

bool ruleset_may_step(struct ruleset *r, uint64_t steps)
{
    r->steps += steps;
    return r->steps <= RULESET_STEPS_MAX;
}

/* ---- Entries ---- */

struct ruleset_entry *ruleset_entry_new(struct span bytes, const uint64_t *refs, size_t ref_count)
{
    struct ruleset_entry *e = malloc(sizeof(*e) + ref_count * sizeof(*refs) + bytes.len);
    if (e == NULL)
        return NULL;
    *e = (struct ruleset_entry){
        .holders = 1, .hooks = RULESET_HOOKS_ALL, .ref_count = ref_count, .len = bytes.len};
    for (size_t i = 0; i < ref_count; i++)
        e->refs[i] = refs[i];
    if (bytes.len > 0)
        memcpy(e->refs + ref_count, bytes.data, bytes.len);
    return e;
}

void ruleset_entry_drop(struct ruleset_entry *e)
{
    if (e != NULL && --e->holders == 0)
        free(e);
}

struct span ruleset_entry_span(const struct ruleset_entry *e)
{
    return e != NULL ? span_of(e->refs + e->ref_count, e->len) : span_of(NULL, 0);
}

bool ruleset_entry_is_over(const struct ruleset_entry *e, int64_t now_ns)
{
    return e->expires_ns != 0 && e->expires_ns <= now_ns;
}

static size_t cost(const struct ruleset_entry *e)
{
    return e != NULL ? sizeof(*e) + e->ref_count * sizeof(e->refs[0]) + e->len : 0;
}

int ruleset_keep(struct ruleset *r, struct ruleset_entry **place, struct ruleset_entry *e)
{
    if (e == NULL || r->bytes + cost(e) > RULESET_BYTES_MAX) {
        ruleset_entry_drop(e);
        return -ENOMEM;
    }
    r->bytes += cost(e) - cost(*place);
    ruleset_entry_drop(*place);
    *place = e;
    return 0;
}

/* ---- Nodes ---- */

static void free_node(struct ruleset *r, struct ruleset_node *node)
{
    for (size_t i = 0; i < node->count; i++) {
        r->bytes -= cost(node->entries[i]);
        ruleset_entry_drop(node->entries[i]);
    }
    r->entry_count -= node->count;
    r->node_count--;
    r->bytes -= cost(node->about);
    ruleset_entry_drop(node->about);
    free(node->entries);
    free(node->name_z);
    free(node);
}

struct ruleset_node *ruleset_node_add(struct ruleset *r, struct ruleset_table *table,
                                      enum ruleset_kind kind, struct span name)
{
    struct ruleset_node **end = &table->nodes;
    struct ruleset_node *node = r->node_count < RULESET_NODES_MAX ? calloc(1, sizeof(*node)) : NULL;
    if (node == NULL)
        return NULL;
    node->name_z = kernel_copy_z(name);
    if (node->name_z == NULL) {
        free(node);
        return NULL;
    }
    node->kind = kind;
    while (*end != NULL)
        end = &(*end)->next;
    *end = node;
    table->use++;
    r->node_count++;
    return node;
}

struct ruleset_node *ruleset_node_find(struct ruleset_table *table, enum ruleset_kind kind,
                                       struct span name)
{
    for (struct ruleset_node *n = table->nodes; n != NULL; n = n->next)
        if (n->kind == kind && span_equal_z(name, n->name_z))
            return n;
    return NULL;
}

struct ruleset_node *ruleset_node_by_handle(struct ruleset_table *table, uint64_t handle)
{
    for (struct ruleset_node *n = table->nodes; n != NULL; n = n->next)
        if (n->handle == handle)
            return n;
    return NULL;
}

struct ruleset_node *ruleset_node_by_id(struct ruleset_table *table, enum ruleset_kind kind,
                                        uint32_t id)
{
    for (struct ruleset_node *n = table->nodes; n != NULL; n = n->next)
        if (n->kind == kind && n->id != 0 && n->id == id)
            return n;
    return NULL;
}

int ruleset_node_rename(struct ruleset_node *node, struct span name)
{
    char *name_z = kernel_copy_z(name);
    if (name_z == NULL)
        return -ENOMEM;
    free(node->name_z);
    node->name_z = name_z;
    return 0;
}

/* ---- Who uses what ---- */

/* It was made for one rule, which is gone. */
static bool is_orphan(const struct ruleset_node *node)
{
    if (node->kind == RULESET_SET)
        return (node->flags & NFT_SET_ANONYMOUS) != 0 && node->use == 0;
    return node->kind == RULESET_CHAIN && (node->flags & NFT_CHAIN_BINDING) != 0 &&
           node->use == node->count;
}

static void release(struct ruleset *r, struct ruleset_table *table, const struct ruleset_entry *e)
{
    for (size_t i = 0; i < e->ref_count; i++) {
        struct ruleset_node *node = ruleset_node_by_handle(table, e->refs[i]);
        if (node == NULL)
            continue;
        node->use--;
        if (is_orphan(node))
            ruleset_node_remove(r, table, node);
    }
}

void ruleset_node_remove(struct ruleset *r, struct ruleset_table *table, struct ruleset_node *node)
{
    struct ruleset_node **at = &table->nodes;
    while (*at != NULL && *at != node)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    *at = node->next; /* first: what it leads to may lead back to it */
    table->use--;
    for (size_t i = 0; i < node->count; i++)
        release(r, table, node->entries[i]);
    free_node(r, node);
}

static int make_room(struct ruleset_node *node)
{
    size_t room = node->room > 0 ? 2 * node->room : ROOM_FIRST;
    if (node->count < node->room)
        return 0;
    struct ruleset_entry **entries = realloc(node->entries, room * sizeof(struct ruleset_entry *));
    if (entries == NULL)
        return -ENOMEM;
    node->entries = entries;
    node->room = room;
    return 0;
}

int ruleset_entry_add(struct ruleset *r, struct ruleset_table *table, struct ruleset_node *node,
                      size_t at, struct ruleset_entry *e)
{
    if (r->entry_count >= RULESET_ENTRIES_MAX || r->bytes + cost(e) > RULESET_BYTES_MAX ||
        make_room(node) != 0)
        return -ENOMEM;
    memmove(node->entries + at + 1, node->entries + at,
            (node->count - at) * sizeof(struct ruleset_entry *));
    node->entries[at] = e;
    node->count++;
    r->entry_count++;
    r->bytes += cost(e);
    if (node->kind == RULESET_CHAIN)
        node->use++;
    for (size_t i = 0; i < e->ref_count; i++) {
        struct ruleset_node *used = ruleset_node_by_handle(table, e->refs[i]);
        if (used != NULL)
            used->use++;
    }
    return 0;
}

void ruleset_entry_remove(struct ruleset *r, struct ruleset_table *table, struct ruleset_node *node,
                          size_t at)
{
    struct ruleset_entry *e = node->entries[at];
    memmove(node->entries + at, node->entries + at + 1,
            (node->count - at - 1) * sizeof(struct ruleset_entry *));
    node->count--;
    r->entry_count--;
    r->bytes -= cost(e);
    if (node->kind == RULESET_CHAIN)
        node->use--;
    release(r, table, e);
    ruleset_entry_drop(e);
}

/* ---- Tables ---- */

struct ruleset_table *ruleset_table_add(struct ruleset *r, uint8_t family, struct span name)
{
    struct ruleset_table **end = &r->tables;
    struct ruleset_table *table =
        r->table_count < RULESET_TABLES_MAX ? calloc(1, sizeof(*table)) : NULL;
    if (table == NULL)
        return NULL;
    table->name_z = kernel_copy_z(name);
    if (table->name_z == NULL) {
        free(table);
        return NULL;
    }
    table->family = family;
    while (*end != NULL)
        end = &(*end)->next;
    *end = table;
    r->table_count++;
    return table;
}

void ruleset_table_remove(struct ruleset *r, struct ruleset_table *table)
{
    struct ruleset_table **at = &r->tables;
    while (*at != table)
        at = &(*at)->next;
    *at = table->next;
    while (table->nodes != NULL) {
        struct ruleset_node *node = table->nodes;
        table->nodes = node->next;
        free_node(r, node);
    }
    r->bytes -= cost(table->about);
    ruleset_entry_drop(table->about);
    free(table->name_z);
    free(table);
    r->table_count--;
}

struct ruleset_table *ruleset_table_find(struct ruleset *r, uint8_t family, struct span name)
{
    for (struct ruleset_table *t = r->tables; t != NULL; t = t->next)
        if (t->family == family && span_equal_z(name, t->name_z))
            return t;
    return NULL;
}

/* ---- The whole ---- */

void ruleset_init(struct ruleset *r)
{
    *r = (struct ruleset){.generation = 1};
}

void ruleset_fini(struct ruleset *r)
{
    while (r->tables != NULL)
        ruleset_table_remove(r, r->tables);
}

static void hold(struct ruleset *r, struct ruleset_entry *e)
{
    if (e == NULL)
        return;
    e->holders++;
    r->bytes += cost(e);
}

static int copy_entries(const struct ruleset_node *from, struct ruleset *r,
                        struct ruleset_node *node, int64_t now_ns)
{
    struct ruleset_entry **entries = malloc((from->count + 1) * sizeof(struct ruleset_entry *));
    if (entries == NULL)
        return -ENOMEM;
    node->entries = entries;
    node->room = from->count + 1;
    for (size_t i = 0; i < from->count; i++) {
        struct ruleset_entry *e = from->entries[i];
        if (ruleset_entry_is_over(e, now_ns) && e->ref_count == 0)
            continue;
        hold(r, e);
        entries[node->count++] = e;
        r->entry_count++;
    }
    return 0;
}

static int copy_nodes(const struct ruleset_table *from, struct ruleset *r,
                      struct ruleset_table *table, int64_t now_ns)
{
    for (const struct ruleset_node *each = from->nodes; each != NULL; each = each->next) {
        struct ruleset_node *node = ruleset_node_add(r, table, each->kind, span_z(each->name_z));
        if (node == NULL)
            return -ENOMEM;
        char *name_z = node->name_z;
        struct ruleset_node *next = node->next;
        *node = *each;
        node->name_z = name_z;
        node->next = next;
        node->id = 0; /* it counted in the batch that made it */
        node->entries = NULL;
        node->count = node->room = 0;
        hold(r, node->about);
        if (copy_entries(each, r, node, now_ns) != 0)
            return -ENOMEM;
    }
    return 0;
}

int ruleset_copy(const struct ruleset *from, struct ruleset *out, int64_t now_ns)
{
    ruleset_init(out);
    out->last_handle = from->last_handle;
    out->last_chain = from->last_chain;
    out->generation = from->generation;
    for (const struct ruleset_table *each = from->tables; each != NULL; each = each->next) {
        struct ruleset_table *table = ruleset_table_add(out, each->family, span_z(each->name_z));
        if (table == NULL)
            goto out;
        table->flags = each->flags;
        table->handle = each->handle;
        table->last_handle = each->last_handle;
        table->about = each->about;
        hold(out, table->about);
        if (copy_nodes(each, out, table, now_ns) != 0)
            goto out;
    }
    return 0;
out:
    ruleset_fini(out);
    return -ENOMEM;
}

void ruleset_keep_numbers(struct ruleset *r, const struct ruleset *failed)
{
    r->last_handle = failed->last_handle;
    r->last_chain = failed->last_chain;
    for (struct ruleset_table *t = r->tables; t != NULL; t = t->next)
        for (const struct ruleset_table *f = failed->tables; f != NULL; f = f->next)
            if (f->handle == t->handle)
                t->last_handle = f->last_handle;
}

/* ---- What may stand where ---- */

struct check {
    struct ruleset *r;
    struct ruleset_table *table;
    unsigned level;
};

static int check_node(struct check *c, struct ruleset_node *node);

static int check_entry(struct check *c, struct ruleset_node *node, const struct ruleset_entry *e)
{
    node->hooks &= e->hooks;
    node->needs_nat = node->needs_nat || e->needs_nat;
    if (!ruleset_may_step(c->r, 1 + e->ref_count * c->table->use))
        return -ENOMEM;
    for (size_t i = 0; i < e->ref_count; i++) {
        struct ruleset_node *to = ruleset_node_by_handle(c->table, e->refs[i]);
        if (to == NULL || (to->kind != RULESET_CHAIN && to->kind != RULESET_SET))
            continue;
        unsigned step = to->kind == RULESET_CHAIN;
        c->level += step;
        int error = check_node(c, to);
        c->level -= step;
        if (error != 0)
            return error;
        node->height = to->height + step > node->height ? to->height + step : node->height;
        node->hooks &= to->hooks;
        node->needs_nat = node->needs_nat || to->needs_nat;
    }
    return 0;
}

/* Once for each, however many ways lead there; a circle is too deep. */
static int check_node(struct check *c, struct ruleset_node *node)
{
    int error = 0;
    if (!node->is_checked) {
        node->height = 0;
        node->hooks = RULESET_HOOKS_ALL;
        node->needs_nat = false;
        for (size_t i = 0; i < node->count && error == 0 && c->level < RULESET_DEPTH_MAX; i++)
            error = check_entry(c, node, node->entries[i]);
        node->is_checked = error == 0 && c->level < RULESET_DEPTH_MAX;
    }
    return error == 0 && c->level + node->height >= RULESET_DEPTH_MAX ? -EMLINK : error;
}

int ruleset_check(struct ruleset *r)
{
    struct check c = {.r = r};
    for (c.table = r->tables; c.table != NULL; c.table = c.table->next)
        for (struct ruleset_node *n = c.table->nodes; n != NULL; n = n->next)
            n->is_checked = false;
    for (c.table = r->tables; c.table != NULL; c.table = c.table->next) {
        for (struct ruleset_node *n = c.table->nodes; n != NULL; n = n->next) {
            if (n->kind != RULESET_CHAIN || (n->flags & NFT_CHAIN_BASE) == 0)
                continue;
            int error = check_node(&c, n);
            if (error != 0)
                return error;
            if ((n->hooks >> n->hook.number & 1) == 0 ||
                (n->needs_nat && strcmp(n->hook.type_z, "nat") != 0))
                return -EOPNOTSUPP;
        }
    }
    return 0;
}
