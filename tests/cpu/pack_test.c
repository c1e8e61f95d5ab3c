/* Pages that are packed are there again, to the byte, whatever became of their space; a rest gives
 * back what was promised and changes nothing that a guest could see. */
#include "cpu/space.h"
#include "cpu/space_tlb.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PAGE ((uint64_t)CPU_PAGE_BYTES)

enum { FRAMES = 512, RW = CPU_READ | CPU_WRITE, PAGES = 8, WORDS = CPU_PAGE_BYTES / 8 };

static const uint64_t base = 0x400000;

/* Linked with --wrap=malloc and calloc: there is no memory while it is set. */
static bool no_memory;
static unsigned tables_left; /* of calloc, before that */
void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_malloc(size_t n)
{
    return no_memory ? NULL : __real_malloc(n);
}
void *__wrap_calloc(size_t count, size_t n)
{
    if (no_memory && tables_left == 0)
        return NULL;
    tables_left -= no_memory;
    return __real_calloc(count, n);
}

/* What the packed pages are like: every word one more than the model's. */
struct likeness {
    struct cpu_maker maker; /* first */
    uint64_t model[PAGES][WORDS];
    bool freed;
};

struct machine {
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct likeness likeness;
};

static void make(const struct cpu_maker *maker, const uint8_t *like, uint8_t *page)
{
    uint64_t words[WORDS];
    (void)maker;
    memcpy(words, like, sizeof(words));
    for (unsigned i = 0; i < WORDS; i++)
        words[i]++;
    memcpy(page, words, sizeof(words));
}

static void forget(struct cpu_maker *maker)
{
    ((struct likeness *)maker)->freed = true;
}

static const uint8_t *like(const struct cpu_maker *maker, uint64_t addr)
{
    const struct likeness *l = (const struct likeness *)maker;
    uint64_t n = (addr - base) / PAGE;
    return n < PAGES ? (const uint8_t *)l->model[n] : NULL;
}

static int machine_open(void **state)
{
    static struct machine m;
    memset(&m, 0, sizeof(m));
    m.pool = cpu_pool_new(FRAMES);
    m.space = cpu_space_new(m.pool);
    m.likeness.maker = (struct cpu_maker){.refs = 1, .make = make, .free = forget};
    for (unsigned p = 0; p < PAGES; p++)
        for (unsigned i = 0; i < WORDS; i++)
            m.likeness.model[p][i] = UINT64_C(0x9e3779b97f4a7c15) * (p * WORDS + i + 1);
    *state = &m;
    return m.space ? 0 : -1;
}

static int machine_close(void **state)
{
    struct machine *m = *state;
    cpu_space_free(m->space);
    int left = (int)cpu_pool_used(m->pool);
    cpu_pool_free(m->pool); /* asserts that nothing is left */
    return left != 0 || m->likeness.freed || m->likeness.maker.refs != 1;
}

/* The page as the maker makes it, but for so many words from the front, each in all of its bytes. */
static void make_other(const struct machine *m, unsigned n, unsigned others, uint64_t words[WORDS])
{
    make(NULL, (const uint8_t *)m->likeness.model[n], (uint8_t *)words);
    for (unsigned i = 0; i < others; i++)
        words[i] = ~words[i];
}

static void write_page(struct machine *m, unsigned n, unsigned others)
{
    uint64_t words[WORDS];
    make_other(m, n, others, words);
    assert_int_equal(cpu_space_write(m->space, base + n * PAGE, words, sizeof(words)), 0);
}

static void map_pages(struct machine *m, unsigned access)
{
    assert_int_equal(cpu_space_map(m->space, base, PAGES * PAGE, access, span_of(NULL, 0)), 0);
}

static size_t pack(struct machine *m)
{
    size_t budget = SIZE_MAX;
    return cpu_space_pack(m->space, &m->likeness.maker, like, &budget);
}

static void assert_page(struct machine *m, struct cpu_space *space, unsigned n, unsigned others)
{
    uint64_t words[WORDS], wanted[WORDS];
    make_other(m, n, others, wanted);
    assert_int_equal(cpu_space_read(space, base + n * PAGE, words, sizeof(words)), 0);
    assert_memory_equal(words, wanted, sizeof(words));
}

static void what_is_packed_reads_as_before(void **state)
{
    struct machine *m = *state;
    map_pages(m, RW);
    for (unsigned n = 0; n < PAGES; n++)
        write_page(m, n, n * n);
    assert_int_equal(pack(m), PAGES);
    assert_int_equal(m->likeness.maker.refs, 2); /* they are one block */
    assert_int_equal(pack(m), 0);                /* there is nothing left */
    for (unsigned n = 0; n < PAGES; n++)
        assert_page(m, m->space, n, n * n);
    assert_int_equal(m->likeness.maker.refs, 1);
    assert_int_equal(pack(m), PAGES);
}

static void no_more_is_looked_at_than_is_allowed(void **state)
{
    struct machine *m = *state;
    size_t budget = 3;
    map_pages(m, RW);
    for (unsigned n = 0; n < PAGES; n++)
        write_page(m, n, n == 0 ? WORDS : 1);
    size_t packed = cpu_space_pack(m->space, &m->likeness.maker, like, &budget);
    assert_in_range(packed, 2, 3); /* the one that is like nothing may be among them */
    assert_int_equal(budget, 0);
    assert_int_equal(cpu_space_pack(m->space, &m->likeness.maker, like, &budget), 0);
    assert_int_equal(pack(m), PAGES - 1 - packed);
}

static void the_pool_counts_what_is_packed(void **state)
{
    struct machine *m = *state;
    map_pages(m, RW);
    for (unsigned n = 0; n < PAGES; n++)
        write_page(m, n, 1);
    size_t used = cpu_pool_used(m->pool);
    assert_int_equal(pack(m), PAGES);
    assert_int_equal(cpu_pool_used(m->pool), used);
    assert_int_equal(cpu_space_private_pages(m->space), PAGES);
    assert_page(m, m->space, 3, 1);
    assert_int_equal(cpu_pool_used(m->pool), used);
    assert_int_equal(cpu_space_unmap(m->space, base, PAGES * PAGE), 0);
    assert_int_equal(cpu_pool_used(m->pool), used - PAGES);
    assert_int_equal(m->likeness.maker.refs, 1);
}

static void writes_after_packing_are_seen_and_nothing_else_changes(void **state)
{
    struct machine *m = *state;
    uint64_t word = 7;
    map_pages(m, RW);
    write_page(m, 0, 0);
    write_page(m, 1, 0);
    assert_int_equal(pack(m), 2);
    assert_int_equal(cpu_space_write(m->space, base + PAGE - 8, &word, sizeof(word)), 0);
    assert_page(m, m->space, 1, 0);
    assert_int_equal(pack(m), 2);
    word = 0;
    assert_int_equal(cpu_space_read(m->space, base + PAGE - 8, &word, sizeof(word)), 0);
    assert_int_equal(word, 7);
}

static void pages_that_nothing_is_like_are_packed_when_they_are_nearly_empty(void **state)
{
    struct machine *m = *state;
    const uint64_t far = base + 64 * PAGE, word = 5;
    assert_int_equal(cpu_space_map(m->space, far, PAGE, RW, span_of(NULL, 0)), 0);
    assert_int_equal(cpu_space_write(m->space, far + 800, &word, sizeof(word)), 0);
    assert_int_equal(pack(m), 1);
    uint64_t words[WORDS], wanted[WORDS] = {[100] = 5};
    assert_int_equal(cpu_space_read(m->space, far, words, sizeof(words)), 0);
    assert_memory_equal(words, wanted, sizeof(words));
}

static void pages_that_are_too_different_stay(void **state)
{
    struct machine *m = *state;
    map_pages(m, RW);
    write_page(m, 0, 383);
    write_page(m, 1, 384);
    assert_int_equal(pack(m), 1);
    assert_page(m, m->space, 0, 383);
    assert_page(m, m->space, 1, 384);
}

static void what_has_moved_within_its_page_is_packed(void **state)
{
    struct machine *m = *state;
    uint8_t page[CPU_PAGE_BYTES], moved[CPU_PAGE_BYTES], read[CPU_PAGE_BYTES];
    map_pages(m, RW);
    make(NULL, (const uint8_t *)m->likeness.model[0], page);
    memcpy(moved, page + 3, sizeof(page) - 3);
    memcpy(moved + sizeof(page) - 3, "abc", 3);
    memcpy(moved + 100, page + 2000, 9);
    assert_int_equal(cpu_space_write(m->space, base, moved, sizeof(moved)), 0);
    assert_int_equal(pack(m), 1);
    assert_int_equal(cpu_space_read(m->space, base, read, sizeof(read)), 0);
    assert_memory_equal(read, moved, sizeof(read));
}

static void each_page_comes_back_however_the_pages_of_its_block_go(void **state)
{
    struct machine *m = *state;
    map_pages(m, RW);
    for (unsigned n = 0; n < PAGES; n++)
        write_page(m, n, 35 * n); /* more than a block's bytes */
    assert_int_equal(pack(m), PAGES);
    assert_int_equal(cpu_space_unmap(m->space, base + 2 * PAGE, PAGE), 0);
    for (unsigned n = PAGES; n-- > 0;)
        if (n != 2)
            assert_page(m, m->space, n, 35 * n);
    assert_int_equal(m->likeness.maker.refs, 1);
}

static void executable_pages_stay(void **state)
{
    struct machine *m = *state;
    map_pages(m, RW | CPU_EXEC);
    write_page(m, 0, 0);
    assert_int_equal(pack(m), 0);
}

static void what_a_clone_shares_stays(void **state)
{
    struct machine *m = *state;
    map_pages(m, RW);
    write_page(m, 0, 0);
    struct cpu_space *clone = cpu_space_clone(m->space);
    assert_int_equal(pack(m), 0);
    write_page(m, 0, 1); /* now each has its own */
    assert_int_equal(pack(m), 1);
    assert_page(m, clone, 0, 0);
    cpu_space_free(clone);
}

static void a_clone_of_what_is_packed_goes_its_own_way(void **state)
{
    struct machine *m = *state;
    const uint64_t word = 9;
    map_pages(m, RW);
    write_page(m, 0, 3);
    write_page(m, 1, 4);
    assert_int_equal(pack(m), 2);
    struct cpu_space *clone = cpu_space_clone(m->space);
    /* The clone's part of the table becomes its own while both pages are packed. */
    assert_int_equal(cpu_space_write(clone, base + 2 * PAGE, &word, sizeof(word)), 0);
    assert_page(m, clone, 0, 3);
    assert_int_equal(cpu_space_write(clone, base + PAGE, &word, sizeof(word)), 0);
    assert_page(m, m->space, 0, 3);
    assert_page(m, m->space, 1, 4);
    cpu_space_free(clone);
    assert_page(m, m->space, 1, 4);
    assert_int_equal(pack(m), 2);
}

static void both_sides_of_a_clone_may_end_with_pages_packed(void **state)
{
    struct machine *m = *state;
    map_pages(m, RW);
    write_page(m, 0, 3);
    assert_int_equal(pack(m), 1);
    struct cpu_space *clone = cpu_space_clone(m->space);
    cpu_space_free(clone);
    assert_int_equal(m->likeness.maker.refs, 2);
}

static void packed_pages_move_and_are_protected(void **state)
{
    struct machine *m = *state;
    map_pages(m, RW);
    write_page(m, 1, 5);
    assert_int_equal(pack(m), 1);
    assert_int_equal(cpu_space_protect(m->space, base + PAGE, PAGE, CPU_READ), 0);
    assert_int_equal(cpu_space_move(m->space, base, base + 32 * PAGE, PAGES * PAGE), 0);
    assert_int_equal(cpu_space_move(m->space, base + 32 * PAGE, base, PAGES * PAGE), 0);
    assert_page(m, m->space, 1, 5);
    assert_int_not_equal(cpu_space_write(m->space, base + PAGE, "x", 1), 0);
}

static void without_memory_nothing_is_packed_and_an_access_says_so(void **state)
{
    struct machine *m = *state;
    uint8_t byte;
    map_pages(m, RW);
    write_page(m, 0, 2);
    no_memory = true;
    assert_int_equal(pack(m), 0);
    no_memory = false;
    assert_int_equal(pack(m), 1);
    no_memory = true;
    assert_int_equal(cpu_space_read(m->space, base, &byte, 1), -ENOMEM);
    assert_int_equal(cpu_space_write(m->space, base, "x", 1), -ENOMEM);
    no_memory = false;
    assert_page(m, m->space, 0, 2);
}

/* ---- Rest ---- */

static void rest(struct machine *m)
{
    cpu_space_rest(m->space);
    cpu_pool_rest(m->pool);
}

/* Files, zeroes, frames and holes in one part of the table, and another part. */
static void map_all_kinds(struct machine *m, uint8_t *file, size_t len)
{
    assert_int_equal(cpu_space_map(m->space, base, len, RW, span_of(file, len)), 0);
    assert_int_equal(
        cpu_space_map(m->space, base + 16 * PAGE, 8 * PAGE, CPU_READ, span_of(NULL, 0)), 0);
    assert_int_equal(cpu_space_map(m->space, base + 60 * PAGE, 200 * PAGE, RW, span_of(NULL, 0)),
                     0);
    assert_int_equal(cpu_space_write(m->space, base + PAGE, "w", 1), 0);
    assert_int_equal(cpu_space_write(m->space, base + 150 * PAGE, "x", 1), 0);
}

static void assert_all_kinds(struct machine *m)
{
    static const struct {
        uint64_t page;
        int rc;
        uint8_t byte;
    } wanted[] = {{0, 0, 3},     {1, 0, 'w'}, {2, 0, 3},        {3, -EFAULT, 0},
                  {16, 0, 0},    {23, 0, 0},  {24, -EFAULT, 0}, {60, 0, 0},
                  {150, 0, 'x'}, {259, 0, 0}, {260, -EFAULT, 0}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        uint8_t byte = 0;
        assert_int_equal(cpu_space_read(m->space, base + wanted[i].page * PAGE, &byte, 1),
                         wanted[i].rc);
        assert_int_equal(byte, wanted[i].byte);
    }
    assert_int_equal(cpu_space_write(m->space, base + 20 * PAGE, "x", 1), -EFAULT);
    assert_int_equal(cpu_space_mapped_pages(m->space), 3 + 8 + 200);
}

static void a_table_that_rested_says_the_same(void **state)
{
    struct machine *m = *state;
    static uint8_t file[3 * CPU_PAGE_BYTES];
    memset(file, 3, sizeof(file));
    map_all_kinds(m, file, sizeof(file));
    rest(m);
    assert_all_kinds(m);
    assert_int_equal(pack(m), 1); /* a page of the file is like no other */
    rest(m);
    assert_all_kinds(m);
    assert_int_equal(file[PAGE], 3);
}

static void a_clone_s_table_may_rest_and_go_while_the_other_rests(void **state)
{
    struct machine *m = *state;
    static uint8_t file[3 * CPU_PAGE_BYTES];
    memset(file, 3, sizeof(file));
    map_all_kinds(m, file, sizeof(file));
    rest(m);
    struct cpu_space *clone = cpu_space_clone(m->space);
    cpu_space_rest(clone);
    rest(m);
    cpu_space_free(clone);
    assert_all_kinds(m);
}

static void a_machine_may_end_at_rest(void **state)
{
    struct machine *m = *state;
    static uint8_t file[3 * CPU_PAGE_BYTES];
    map_all_kinds(m, file, sizeof(file));
    (void)pack(m);
    rest(m); /* machine_close looks whether all is given back */
}

static void without_memory_a_table_goes_on_resting(void **state)
{
    struct machine *m = *state;
    static uint8_t file[3 * CPU_PAGE_BYTES];
    uint8_t byte;
    memset(file, 3, sizeof(file));
    map_all_kinds(m, file, sizeof(file));
    no_memory = true;
    rest(m); /* does not come to it */
    no_memory = false;
    assert_all_kinds(m);
    rest(m);
    for (unsigned left = 0; left < 4; left++) { /* slots, then leaves one by one */
        no_memory = true;
        tables_left = left;
        assert_int_equal(cpu_space_read(m->space, base, &byte, 1), -ENOMEM);
        no_memory = false;
    }
    assert_all_kinds(m);
}

static void a_machine_that_rested_grows_again(void **state)
{
    struct machine *m = *state;
    map_pages(m, RW);
    write_page(m, 0, 0);
    (void)cpu_space_tlb(m->space);
    rest(m);
    for (unsigned n = 0; n < PAGES; n++)
        write_page(m, n, n);
    rest(m);
    assert_int_equal(cpu_space_map(m->space, base + 64 * PAGE, 200 * PAGE, RW, span_of(NULL, 0)),
                     0);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(cpu_space_write(m->space, base + (64 + i) * PAGE, "x", 1), 0);
    for (unsigned n = 0; n < PAGES; n++)
        assert_page(m, m->space, n, n);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_open, machine_close)
    const struct CMUnitTest tests[] = {
        TEST(what_is_packed_reads_as_before),
        TEST(no_more_is_looked_at_than_is_allowed),
        TEST(the_pool_counts_what_is_packed),
        TEST(writes_after_packing_are_seen_and_nothing_else_changes),
        TEST(pages_that_nothing_is_like_are_packed_when_they_are_nearly_empty),
        TEST(pages_that_are_too_different_stay),
        TEST(what_has_moved_within_its_page_is_packed),
        TEST(each_page_comes_back_however_the_pages_of_its_block_go),
        TEST(executable_pages_stay),
        TEST(what_a_clone_shares_stays),
        TEST(a_clone_of_what_is_packed_goes_its_own_way),
        TEST(both_sides_of_a_clone_may_end_with_pages_packed),
        TEST(packed_pages_move_and_are_protected),
        TEST(without_memory_nothing_is_packed_and_an_access_says_so),
        TEST(a_table_that_rested_says_the_same),
        TEST(a_clone_s_table_may_rest_and_go_while_the_other_rests),
        TEST(a_machine_may_end_at_rest),
        TEST(without_memory_a_table_goes_on_resting),
        TEST(a_machine_that_rested_grows_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
