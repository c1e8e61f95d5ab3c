/* The rules of the packet filter: copies, users, names, bounds. What programs make of them: tests/guest/firewall. */
#include "kernel/nlattr.h"
#include "kernel/ruleset_expr.h"
#include "kernel/xtables.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Allocations that are left before one fails; negative: none does. */
static int allocations_left = -1;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return allocations_left >= 0 && allocations_left-- == 0 ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return allocations_left >= 0 && allocations_left-- == 0 ? NULL : __real_calloc(count, size);
}

struct rules {
    struct ruleset r;
    struct ruleset_table *table;
};

static struct ruleset_node *add_chain(struct rules *s, const char *name_z)
{
    struct ruleset_node *chain = ruleset_node_add(&s->r, s->table, RULESET_CHAIN, span_z(name_z));
    assert_non_null(chain);
    chain->handle = ++s->table->last_handle;
    return chain;
}

static void open_rules(struct rules *s)
{
    ruleset_init(&s->r);
    s->table = ruleset_table_add(&s->r, NFPROTO_IPV4, span_z("filter"));
    assert_non_null(s->table);
}

/* A rule that is a jump; NULL: an empty one. */
static int make_jump(struct ruleset_making *m, const char *to_z)
{
    struct buffer list;
    size_t expression, data, value, verdict;
    buffer_init(&list, 4096);
    (void)nlattr_begin(&list, NFTA_LIST_ELEM, &expression);
    (void)nlattr_put_z(&list, NFTA_EXPR_NAME, "immediate");
    (void)nlattr_begin(&list, NFTA_EXPR_DATA, &data);
    (void)nlattr_put_be32(&list, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    (void)nlattr_begin(&list, NFTA_IMMEDIATE_DATA, &value);
    (void)nlattr_begin(&list, NFTA_DATA_VERDICT, &verdict);
    (void)nlattr_put_be32(&list, NFTA_VERDICT_CODE, (uint32_t)NFT_JUMP);
    (void)nlattr_put_z(&list, NFTA_VERDICT_CHAIN, to_z);
    (void)nlattr_end(&list, verdict);
    (void)nlattr_end(&list, value);
    (void)nlattr_end(&list, data);
    (void)nlattr_end(&list, expression);
    int error = ruleset_make_list(m, NFTA_RULE_EXPRESSIONS, buffer_span(&list));
    buffer_fini(&list);
    return error;
}

static int add_jump(struct rules *s, struct ruleset_node *from, const char *to_z)
{
    struct ruleset_making m;
    ruleset_making_init(&m, s->table, from);
    int error = make_jump(&m, to_z);
    struct ruleset_entry *rule = error == 0 ? ruleset_made(&m) : NULL;
    ruleset_making_fini(&m);
    return error == 0 ? ruleset_entry_add(&s->r, s->table, from, from->count, rule) : error;
}

static void make_base(struct ruleset_node *chain, const char *type_z, uint32_t number)
{
    chain->flags = NFT_CHAIN_BASE;
    chain->hook.number = number;
    (void)snprintf(chain->hook.type_z, sizeof(chain->hook.type_z), "%s", type_z);
}

static void a_chain_is_in_use_while_a_rule_leads_to_it(void **state)
{
    (void)state;
    struct rules s;
    open_rules(&s);
    struct ruleset_node *a = add_chain(&s, "a"), *b = add_chain(&s, "b");
    assert_int_equal(add_jump(&s, a, "nosuch"), -ENOENT);
    assert_int_equal(add_jump(&s, a, "b"), 0);
    assert_int_equal(a->use, 1);
    assert_int_equal(b->use, 1);
    ruleset_entry_remove(&s.r, s.table, a, 0);
    assert_int_equal(a->use, 0);
    assert_int_equal(b->use, 0);
    ruleset_fini(&s.r);
    assert_int_equal(s.r.bytes, 0);
}

static void nothing_leads_to_a_base_chain(void **state)
{
    (void)state;
    struct rules s;
    open_rules(&s);
    struct ruleset_node *a = add_chain(&s, "a");
    make_base(add_chain(&s, "input"), "filter", NF_INET_LOCAL_IN);
    assert_int_equal(add_jump(&s, a, "input"), -EOPNOTSUPP);
    ruleset_fini(&s.r);
}

static void a_renamed_chain_is_renamed_in_rules(void **state)
{
    (void)state;
    struct rules s;
    open_rules(&s);
    struct ruleset_node *a = add_chain(&s, "a"), *b = add_chain(&s, "b");
    assert_int_equal(add_jump(&s, a, "b"), 0);
    assert_int_equal(ruleset_node_rename(b, span_z("longer")), 0);
    assert_int_equal(ruleset_renamed(&s.r, s.table, b, span_z("b")), 0);
    struct span rule = ruleset_entry_span(a->entries[0]);
    assert_non_null(memmem(rule.data, rule.len, "longer", sizeof("longer")));
    assert_int_equal(b->use, 1);
    ruleset_fini(&s.r);
    assert_int_equal(s.r.bytes, 0);
}

static void a_copy_shares_rules_and_changes_alone(void **state)
{
    (void)state;
    struct rules s;
    struct ruleset copy;
    open_rules(&s);
    struct ruleset_node *a = add_chain(&s, "a");
    (void)add_chain(&s, "b");
    assert_int_equal(add_jump(&s, a, "b"), 0);
    assert_int_equal(ruleset_copy(&s.r, &copy, 0), 0);
    assert_int_equal(copy.bytes, s.r.bytes);
    struct ruleset_table *table = ruleset_table_find(&copy, NFPROTO_IPV4, span_z("filter"));
    struct ruleset_node *theirs = ruleset_node_find(table, RULESET_CHAIN, span_z("a"));
    assert_ptr_equal(theirs->entries[0], a->entries[0]);
    ruleset_entry_remove(&copy, table, theirs, 0);
    assert_int_equal(a->count, 1);
    assert_int_equal(a->entries[0]->holders, 1);
    ruleset_fini(&copy);
    ruleset_fini(&s.r);
}

static void a_copy_without_memory_is_none(void **state)
{
    (void)state;
    struct rules s;
    struct ruleset copy;
    open_rules(&s);
    struct ruleset_node *a = add_chain(&s, "a");
    (void)add_chain(&s, "b");
    assert_int_equal(add_jump(&s, a, "b"), 0);
    int error = -ENOMEM, failed = 0;
    for (; error != 0 && failed < 100; failed++) {
        allocations_left = failed;
        error = ruleset_copy(&s.r, &copy, 0);
        allocations_left = -1;
        assert_true(error == 0 || error == -ENOMEM);
    }
    assert_int_equal(error, 0);
    assert_true(failed > 5);
    assert_int_equal(a->entries[0]->holders, 2);
    ruleset_fini(&copy);
    assert_int_equal(a->entries[0]->holders, 1);
    ruleset_fini(&s.r);
}

static void circles_and_deep_ways_are_refused_below_base_chains(void **state)
{
    (void)state;
    struct rules s;
    char name_z[8] = "a", next_z[8];
    open_rules(&s);
    struct ruleset_node *chain = add_chain(&s, name_z), *first = chain;
    for (char letter = 'b'; letter < 'b' + RULESET_DEPTH_MAX - 1; letter++) {
        (void)snprintf(next_z, sizeof(next_z), "%c", letter);
        struct ruleset_node *next = add_chain(&s, next_z);
        assert_int_equal(add_jump(&s, chain, next_z), 0);
        assert_int_equal(add_jump(&s, chain, next_z),
                         0); /* many ways, and each is looked at once */
        chain = next;
    }
    make_base(first, "filter", NF_INET_LOCAL_IN);
    assert_int_equal(ruleset_check(&s.r), 0);
    (void)add_chain(&s, "deeper");
    assert_int_equal(add_jump(&s, chain, "deeper"), 0);
    assert_int_equal(ruleset_check(&s.r), -EMLINK);
    ruleset_entry_remove(&s.r, s.table, chain, chain->count - 1);
    assert_int_equal(add_jump(&s, chain, "c"), 0);
    assert_int_equal(ruleset_check(&s.r), -EMLINK);
    first->flags = 0; /* nobody comes there */
    assert_int_equal(ruleset_check(&s.r), 0);
    ruleset_fini(&s.r);
}

static void there_are_only_so_many(void **state)
{
    (void)state;
    struct rules s;
    size_t count = 1;
    open_rules(&s);
    while (ruleset_table_add(&s.r, NFPROTO_IPV6, span_z("x")) != NULL)
        count++;
    assert_int_equal(count, RULESET_TABLES_MAX);
    struct ruleset_node *chain = add_chain(&s, "a");
    for (count = 1; ruleset_node_add(&s.r, s.table, RULESET_CHAIN, span_z("x")) != NULL;)
        count++;
    assert_int_equal(count, RULESET_NODES_MAX);
    struct ruleset_entry *e = NULL;
    int error = 0;
    for (count = 0; error == 0; count++) {
        e = ruleset_entry_new(span_of(NULL, 0), NULL, 0);
        error = ruleset_entry_add(&s.r, s.table, chain, 0, e);
    }
    ruleset_entry_drop(e);
    assert_int_equal(error, -ENOMEM);
    assert_int_equal(count, RULESET_ENTRIES_MAX + 1);
    ruleset_fini(&s.r);
}

static void a_batch_has_only_so_many_steps(void **state)
{
    (void)state;
    struct rules s;
    struct ruleset copy;
    char old_z[16] = "b", name_z[16];
    int error = 0, renamed = 0;
    open_rules(&s);
    struct ruleset_node *a = add_chain(&s, "a"), *b = add_chain(&s, "b");
    for (int i = 0; i < 4000; i++)
        assert_int_equal(add_jump(&s, a, "b"), 0);
    while (error == 0 && renamed < 100000) {
        (void)snprintf(name_z, sizeof(name_z), "b%d", renamed++);
        assert_int_equal(ruleset_node_rename(b, span_z(name_z)), 0);
        error = ruleset_renamed(&s.r, s.table, b, span_z(old_z));
        memcpy(old_z, name_z, sizeof(old_z));
    }
    assert_int_equal(error, -ENOMEM);
    assert_in_range(renamed, 64, 1024);
    make_base(a, "filter", NF_INET_LOCAL_IN);
    assert_int_equal(ruleset_check(&s.r), -ENOMEM);
    assert_int_equal(ruleset_copy(&s.r, &copy, 0), 0);
    assert_int_equal(ruleset_check(&copy), 0);
    ruleset_fini(&copy);
    ruleset_fini(&s.r);
}

static void matches_are_known_by_family_and_revision(void **state)
{
    (void)state;
    assert_int_equal(xtables_best(NFPROTO_IPV4, span_z("tcp"), false, 0), 0);
    assert_int_equal(xtables_best(NFPROTO_IPV4, span_z("conntrack"), false, 2), 3);
    assert_int_equal(xtables_best(NFPROTO_IPV4, span_z("conntrack"), false, 0), -EPROTONOSUPPORT);
    assert_int_equal(xtables_best(NFPROTO_IPV4, span_z("nosuch"), false, 0), -ENOENT);
    assert_int_equal(xtables_best(NFPROTO_IPV6, span_z("icmp"), false, 0), -ENOENT);
    assert_null(xtables_find(NFPROTO_IPV4, span_z("DNAT"), false, 2));
    assert_non_null(xtables_find(NFPROTO_IPV4, span_z("DNAT"), true, 2));
    assert_null(xtables_find(NFPROTO_IPV4, span_z("DNAT"), true, UINT32_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_is_in_use_while_a_rule_leads_to_it),
        cmocka_unit_test(nothing_leads_to_a_base_chain),
        cmocka_unit_test(a_renamed_chain_is_renamed_in_rules),
        cmocka_unit_test(a_copy_shares_rules_and_changes_alone),
        cmocka_unit_test(a_copy_without_memory_is_none),
        cmocka_unit_test(circles_and_deep_ways_are_refused_below_base_chains),
        cmocka_unit_test(there_are_only_so_many),
        cmocka_unit_test(a_batch_has_only_so_many_steps),
        cmocka_unit_test(matches_are_known_by_family_and_revision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
