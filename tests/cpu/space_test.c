/* The address space: mapping, protection, copies on write, sharing, and the pool's maximum. */
#include "cpu/space.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE ((uint64_t)CPU_PAGE_BYTES)

enum { FRAMES = 512, RW = CPU_READ | CPU_WRITE };

static const uint64_t base = 0x400000;

struct machine {
    struct cpu_pool *pool;
    struct cpu_space *space;
};

static int machine_open(void **state)
{
    static struct machine m;
    m.pool = cpu_pool_new(FRAMES);
    m.space = m.pool ? cpu_space_new(m.pool) : NULL;
    *state = &m;
    return m.space ? 0 : -1;
}

static int machine_close(void **state)
{
    struct machine *m = *state;
    cpu_space_free(m->space);
    int left = (int)cpu_pool_used(m->pool);
    cpu_pool_free(m->pool); /* asserts that nothing is left */
    return left;
}

static void map(struct cpu_space *space, uint64_t addr, unsigned pages, unsigned access)
{
    assert_int_equal(cpu_space_map(space, addr, (uint64_t)pages * PAGE, access, span_of(NULL, 0)),
                     0);
}

static uint32_t get(struct cpu_space *space, uint64_t addr)
{
    uint32_t value = 0xbad;
    assert_int_equal(cpu_space_read(space, addr, &value, sizeof(value)), 0);
    return value;
}

static void put(struct cpu_space *space, uint64_t addr, uint32_t value)
{
    assert_int_equal(cpu_space_write(space, addr, &value, sizeof(value)), 0);
}

static void new_pages_read_as_zero_and_cost_nothing(void **state)
{
    struct machine *m = *state;
    map(m->space, base, 100, RW);
    assert_int_equal(get(m->space, base), 0);
    assert_int_equal(get(m->space, base + 99 * PAGE + PAGE - 4), 0);
    assert_int_equal(cpu_pool_used(m->pool), 0);
    assert_int_equal(cpu_space_mapped_pages(m->space), 100);
    assert_int_equal(cpu_space_private_pages(m->space), 0);
}

static void a_write_takes_one_frame_of_its_own(void **state)
{
    struct machine *m = *state;
    map(m->space, base, 4, RW);
    put(m->space, base + PAGE, 7);
    put(m->space, base + PAGE + 8, 8);
    assert_int_equal(get(m->space, base + PAGE), 7);
    assert_int_equal(get(m->space, base), 0);
    assert_int_equal(get(m->space, base + 2 * PAGE), 0);
    assert_int_equal(cpu_space_private_pages(m->space), 1);
}

static void copies_go_over_page_borders(void **state)
{
    struct machine *m = *state;
    uint8_t in[3 * PAGE], out[3 * PAGE];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 7 + i / 256);
    map(m->space, base, 4, RW);
    assert_int_equal(cpu_space_write(m->space, base + 100, in, sizeof(in)), 0);
    assert_int_equal(cpu_space_read(m->space, base + 100, out, sizeof(out)), 0);
    assert_memory_equal(in, out, sizeof(in));
    assert_int_equal(cpu_space_read(m->space, base, out, 0), 0);
    assert_int_equal(cpu_space_read(m->space, 0, out, 0), 0);
}

static void what_is_not_mapped_faults(void **state)
{
    struct machine *m = *state;
    uint8_t byte = 0, bytes[16];
    map(m->space, base, 1, RW);
    assert_int_equal(cpu_space_read(m->space, base - 1, &byte, 1), -EFAULT);
    assert_int_equal(cpu_space_read(m->space, base + PAGE, &byte, 1), -EFAULT);
    assert_int_equal(cpu_space_read(m->space, base + PAGE - 8, bytes, 16), -EFAULT);
    assert_int_equal(cpu_space_write(m->space, base + PAGE - 8, bytes, 16), -EFAULT);
    assert_int_equal(cpu_space_read(m->space, 0, &byte, 1), -EFAULT);
    assert_int_equal(cpu_space_read(m->space, CPU_SPACE_END, &byte, 1), -EFAULT);
    assert_int_equal(cpu_space_read(m->space, UINT64_MAX, &byte, 1), -EFAULT);
    assert_int_equal(cpu_space_read(m->space, UINT64_MAX - 4095, &byte, 1), -EFAULT);
    assert_int_equal(cpu_space_read(m->space, base | (UINT64_C(1) << 47), &byte, 1), -EFAULT);
    assert_int_equal(cpu_space_poke(m->space, base + PAGE, &byte, 1), -EFAULT);
}

static void every_slot_of_the_translation_cache_starts_empty(void **state)
{
    struct machine *m = *state;
    uint8_t byte;
    for (uint64_t page = 0; page < 1024; page++) {
        assert_int_equal(cpu_space_read(m->space, page * PAGE, &byte, 1), -EFAULT);
        assert_int_equal(cpu_space_write(m->space, page * PAGE, &byte, 1), -EFAULT);
    }
}

static void ranges_must_be_whole_pages_of_the_lower_half(void **state)
{
    struct machine *m = *state;
    struct span none = {NULL, 0};
    assert_int_equal(cpu_space_map(m->space, base + 1, PAGE, RW, none), -EINVAL);
    assert_int_equal(cpu_space_map(m->space, base, PAGE + 1, RW, none), -EINVAL);
    assert_int_equal(cpu_space_map(m->space, base, 0, RW, none), -EINVAL);
    assert_int_equal(cpu_space_map(m->space, CPU_SPACE_END, PAGE, RW, none), -EINVAL);
    assert_int_equal(cpu_space_map(m->space, CPU_SPACE_END - PAGE, 2 * PAGE, RW, none), -EINVAL);
    assert_int_equal(cpu_space_map(m->space, base, UINT64_MAX - PAGE + 1, RW, none), -EINVAL);
    assert_int_equal(cpu_space_unmap(m->space, base, 0), -EINVAL);
    assert_int_equal(cpu_space_protect(m->space, base, PAGE / 2, RW), -EINVAL);
    map(m->space, CPU_SPACE_END - PAGE, 1, RW);
    map(m->space, 0, 1, RW);
    put(m->space, CPU_SPACE_END - 4, 5);
    put(m->space, 0, 6);
    assert_int_equal(get(m->space, CPU_SPACE_END - 4), 5);
}

static void protection_is_kept_for_each_kind_of_access(void **state)
{
    struct machine *m = *state;
    uint8_t byte = 1;
    map(m->space, base, 4, RW);
    put(m->space, base, 1);
    put(m->space, base + PAGE, 2);
    assert_int_equal(cpu_space_protect(m->space, base, 2 * PAGE, CPU_READ), 0);
    assert_int_equal(cpu_space_write(m->space, base, &byte, 1), -EFAULT);
    assert_int_equal(get(m->space, base), 1);
    assert_int_equal(cpu_space_protect(m->space, base, PAGE, 0), 0);
    assert_int_equal(cpu_space_read(m->space, base, &byte, 1), -EFAULT);
    assert_true(cpu_space_is_mapped(m->space, base, PAGE));
    assert_int_equal(cpu_space_protect(m->space, base, PAGE, CPU_EXEC), 0);
    assert_int_equal(get(m->space, base), 1); /* as on the processor */
    assert_int_equal(cpu_space_protect(m->space, base, PAGE, CPU_WRITE), 0);
    put(m->space, base, 3);
    assert_int_equal(get(m->space, base), 3);
    assert_int_equal(cpu_space_protect(m->space, base + 3 * PAGE, 2 * PAGE, RW), -ENOMEM);
    assert_int_equal(get(m->space, base + PAGE), 2);
}

static void a_poke_asks_no_protection(void **state)
{
    struct machine *m = *state;
    uint8_t byte = 9, got = 0;
    map(m->space, base, 2, CPU_READ | CPU_EXEC);
    assert_int_equal(cpu_space_poke(m->space, base + PAGE - 1, "\1\2", 2), 0);
    assert_int_equal(get(m->space, base + PAGE), 2);
    assert_int_equal(cpu_space_write(m->space, base, &byte, 1), -EFAULT); /* still forbidden */
    assert_int_equal(cpu_space_read(m->space, base + PAGE - 1, &got, 1), 0);
    assert_int_equal(got, 1);
}

static void backing_is_read_in_place_and_never_written(void **state)
{
    struct machine *m = *state;
    uint8_t file[2 * PAGE], before[2 * PAGE];
    memset(file, 0x55, sizeof(file));
    memcpy(before, file, sizeof(file));
    assert_int_equal(cpu_space_map(m->space, base, 2 * PAGE, RW, span_of(file, sizeof(file))), 0);
    assert_int_equal(cpu_pool_used(m->pool), 0);
    assert_int_equal(get(m->space, base + PAGE), 0x55555555);
    put(m->space, base + PAGE, 1);
    assert_int_equal(get(m->space, base + PAGE), 1);
    assert_int_equal(get(m->space, base + PAGE + 4), 0x55555555);
    assert_int_equal(cpu_pool_used(m->pool), 1);
    assert_memory_equal(file, before, sizeof(file));
}

static void backing_that_ends_in_a_page_goes_on_with_zeroes(void **state)
{
    struct machine *m = *state;
    enum { LEN = CPU_PAGE_BYTES + 10 };
    uint8_t file[LEN], got[16];
    memset(file, 0x66, sizeof(file));
    assert_int_equal(cpu_space_map(m->space, base, 4 * PAGE, RW, span_of(file, sizeof(file))), 0);
    assert_int_equal(cpu_space_read(m->space, base + LEN - 8, got, 16), 0);
    assert_memory_equal(got, "\x66\x66\x66\x66\x66\x66\x66\x66\0\0\0\0\0\0\0\0", 16);
    assert_int_equal(get(m->space, base + 2 * PAGE - 4), 0);
    assert_int_equal(get(m->space, base + 3 * PAGE), 0);
    put(m->space, base + PAGE, 1);
    assert_int_equal(file[PAGE], 0x66);
}

static void backing_longer_than_the_mapping_is_cut(void **state)
{
    struct machine *m = *state;
    uint8_t file[2 * PAGE], byte;
    memset(file, 0x77, sizeof(file));
    assert_int_equal(cpu_space_map(m->space, base, PAGE, RW, span_of(file, sizeof(file))), 0);
    assert_int_equal(get(m->space, base + PAGE - 4), 0x77777777);
    assert_int_equal(cpu_space_read(m->space, base + PAGE, &byte, 1), -EFAULT);
}

static void a_mapping_replaces_what_was_there(void **state)
{
    struct machine *m = *state;
    map(m->space, base, 8, RW);
    for (unsigned i = 0; i < 8; i++)
        put(m->space, base + i * PAGE, i + 1);
    map(m->space, base + 2 * PAGE, 3, CPU_READ);
    assert_int_equal(cpu_pool_used(m->pool), 5);
    assert_int_equal(get(m->space, base + 2 * PAGE), 0);
    assert_int_equal(get(m->space, base + 5 * PAGE), 6);
    assert_int_equal(cpu_space_write(m->space, base + 2 * PAGE, "x", 1), -EFAULT);
    assert_int_equal(cpu_space_mapped_pages(m->space), 8);
}

static void unmapping_gives_frames_back(void **state)
{
    struct machine *m = *state;
    uint8_t byte;
    map(m->space, base, 200, RW);
    for (unsigned i = 0; i < 200; i++)
        put(m->space, base + i * PAGE, i);
    assert_int_equal(cpu_space_unmap(m->space, base + PAGE, 150 * PAGE), 0);
    assert_int_equal(cpu_pool_used(m->pool), 50);
    assert_int_equal(cpu_space_read(m->space, base + PAGE, &byte, 1), -EFAULT);
    assert_int_equal(cpu_space_read(m->space, base + 150 * PAGE, &byte, 1), -EFAULT);
    assert_int_equal(get(m->space, base + 151 * PAGE), 151);
    assert_int_equal(cpu_space_unmap(m->space, 0, CPU_SPACE_END), 0);
    assert_int_equal(cpu_space_mapped_pages(m->space), 0);
    assert_int_equal(cpu_space_unmap(m->space, 0, CPU_SPACE_END), 0);
}

static void a_long_range_is_unmapped_to_its_very_ends(void **state)
{
    struct machine *m = *state;
    map(m->space, base, 300, RW);
    uint64_t start = base + PAGE, end = base + 299 * PAGE;
    put(m->space, base, 1);
    put(m->space, end, 2);
    /* Far more leaves than the table has: goes by the table, not by the addresses. */
    assert_int_equal(cpu_space_unmap(m->space, end + PAGE, UINT64_C(1) << 40), 0);
    assert_int_equal(cpu_space_mapped_pages(m->space), 300);
    assert_int_equal(cpu_space_unmap(m->space, 0, base), 0);
    assert_int_equal(cpu_space_mapped_pages(m->space), 300);
    assert_int_equal(cpu_space_unmap(m->space, start, end - start), 0);
    assert_int_equal(cpu_space_mapped_pages(m->space), 2);
    assert_int_equal(get(m->space, base), 1);
    assert_int_equal(get(m->space, end), 2);
}

static void is_mapped_wants_every_page(void **state)
{
    struct machine *m = *state;
    map(m->space, base, 3, 0);
    map(m->space, base + 4 * PAGE, 1, RW);
    assert_true(cpu_space_is_mapped(m->space, base, 3 * PAGE));
    assert_true(cpu_space_is_mapped(m->space, base + 5, 3 * PAGE - 5));
    assert_false(cpu_space_is_mapped(m->space, base, 5 * PAGE));
    assert_false(cpu_space_is_mapped(m->space, base + 3 * PAGE - 1, 2));
    assert_false(cpu_space_is_mapped(m->space, base - 1, 2));
    assert_false(cpu_space_is_mapped(m->space, 0, CPU_SPACE_END));
    assert_false(cpu_space_is_mapped(m->space, CPU_SPACE_END, 1));
    assert_true(cpu_space_is_mapped(m->space, 12345, 0));
}

static void a_clone_has_the_contents_and_goes_its_own_way(void **state)
{
    struct machine *m = *state;
    map(m->space, base, 100, RW);
    for (unsigned i = 0; i < 100; i++)
        put(m->space, base + i * PAGE, i);
    struct cpu_space *clone = cpu_space_clone(m->space);
    assert_non_null(clone);
    assert_int_equal(cpu_pool_used(m->pool), 100);
    assert_int_equal(cpu_space_private_pages(m->space), 0);
    put(m->space, base, 1000);
    put(clone, base + PAGE, 2000);
    assert_int_equal(cpu_pool_used(m->pool), 102);
    assert_int_equal(get(m->space, base), 1000);
    assert_int_equal(get(clone, base), 0);
    assert_int_equal(get(m->space, base + PAGE), 1);
    assert_int_equal(get(clone, base + PAGE), 2000);
    assert_int_equal(get(clone, base + 99 * PAGE), 99);
    cpu_space_free(clone);
    assert_int_equal(cpu_pool_used(m->pool), 100);
    put(m->space, base + PAGE, 3);
    assert_int_equal(cpu_pool_used(m->pool), 100); /* nobody shares it any more: no copy */
}

static void a_clone_has_its_own_mappings(void **state)
{
    struct machine *m = *state;
    uint8_t byte;
    map(m->space, base, 10, RW);
    put(m->space, base, 1);
    struct cpu_space *clone = cpu_space_clone(m->space);
    assert_int_equal(cpu_space_unmap(clone, base, PAGE), 0);
    assert_int_equal(cpu_space_protect(clone, base + PAGE, PAGE, CPU_READ), 0);
    map(m->space, base + 2 * PAGE, 1, 0);
    assert_int_equal(get(m->space, base), 1);
    put(m->space, base + PAGE, 2);
    assert_int_equal(cpu_space_read(clone, base, &byte, 1), -EFAULT);
    assert_int_equal(cpu_space_write(clone, base + PAGE, "x", 1), -EFAULT);
    put(clone, base + 2 * PAGE, 3);
    cpu_space_free(clone);
}

static void clones_of_clones_keep_apart(void **state)
{
    struct machine *m = *state;
    struct cpu_space *line[5];
    map(m->space, base, 1, RW);
    for (unsigned i = 0; i < 5; i++) {
        line[i] = cpu_space_clone(i ? line[i - 1] : m->space);
        put(line[i], base + 4 * i, i + 1);
    }
    for (unsigned i = 0; i < 5; i++)
        for (unsigned j = 0; j < 5; j++)
            assert_int_equal(get(line[i], base + 4 * j), j <= i ? j + 1 : 0);
    assert_int_equal(get(m->space, base), 0);
    for (unsigned i = 0; i < 5; i++)
        cpu_space_free(line[i]);
}

static void shared_pages_are_one_in_all_clones(void **state)
{
    struct machine *m = *state;
    map(m->space, base, 3, RW | CPU_SHARED);
    put(m->space, base, 1);
    struct cpu_space *clone = cpu_space_clone(m->space);
    put(clone, base, 2);
    put(clone, base + PAGE, 3); /* was not touched before the clone */
    put(m->space, base + 2 * PAGE, 4);
    assert_int_equal(get(m->space, base), 2);
    assert_int_equal(get(m->space, base + PAGE), 3);
    assert_int_equal(get(clone, base + 2 * PAGE), 4);
    assert_int_equal(cpu_pool_used(m->pool), 3);
    cpu_space_free(clone);
    assert_int_equal(get(m->space, base + PAGE), 3);
}

static void pages_move_with_their_contents(void **state)
{
    struct machine *m = *state;
    uint64_t to = base + 1000 * PAGE;
    uint8_t byte;
    map(m->space, base, 100, RW);
    for (unsigned i = 0; i < 100; i += 3)
        put(m->space, base + i * PAGE, i + 1);
    map(m->space, to, 2, RW);
    put(m->space, to, 77);
    assert_int_equal(cpu_space_move(m->space, base, to, 100 * PAGE), 0);
    assert_int_equal(get(m->space, to), 1);
    assert_int_equal(get(m->space, to + 99 * PAGE), 100);
    assert_int_equal(get(m->space, to + 98 * PAGE), 0);
    assert_int_equal(cpu_space_read(m->space, base, &byte, 1), -EFAULT);
    assert_int_equal(cpu_pool_used(m->pool), 34);
    assert_int_equal(cpu_space_move(m->space, to, to + PAGE, 2 * PAGE), -EINVAL);
}

static void strings_are_read_with_their_end(void **state)
{
    struct machine *m = *state;
    char out[32];
    map(m->space, base, 1, RW);
    assert_int_equal(cpu_space_write(m->space, base, "hello", 6), 0);
    assert_int_equal(cpu_space_read_z(m->space, base, out, sizeof(out)), 5);
    assert_string_equal(out, "hello");
    assert_int_equal(cpu_space_read_z(m->space, base, out, 6), 5);
    assert_int_equal(cpu_space_read_z(m->space, base, out, 5), -ENAMETOOLONG);
    assert_int_equal(cpu_space_read_z(m->space, base, out, 0), -ENAMETOOLONG);
    assert_int_equal(cpu_space_write(m->space, base + PAGE - 3, "abc", 3), 0);
    assert_int_equal(cpu_space_read_z(m->space, base + PAGE - 3, out, 3), -ENAMETOOLONG);
    assert_int_equal(cpu_space_read_z(m->space, base + PAGE - 3, out, 4), -EFAULT);
    map(m->space, base + PAGE, 1, RW);
    assert_int_equal(cpu_space_read_z(m->space, base + PAGE - 3, out, 4), 3);
    assert_string_equal(out, "abc");
}

static void the_pool_has_an_end(void **state)
{
    struct machine *m = *state;
    map(m->space, base, FRAMES + 10, RW);
    uint64_t addr = base;
    int rc = 0;
    while (rc == 0) {
        rc = cpu_space_write(m->space, addr, "x", 1);
        addr += PAGE;
    }
    assert_int_equal(rc, -ENOMEM);
    assert_true(cpu_pool_used(m->pool) > FRAMES - 20);
    assert_true(cpu_pool_used(m->pool) < FRAMES); /* tables are charged too */
    put(m->space, base, 5);                       /* what is there goes on working */
    assert_int_equal(get(m->space, addr), 0);
    assert_int_equal(cpu_space_unmap(m->space, base, PAGE), 0);
    assert_int_equal(cpu_space_write(m->space, addr, "x", 1), 0);
}

static void a_failed_mapping_changes_nothing(void **state)
{
    struct machine *m = *state;
    map(m->space, base, 400, RW);
    for (unsigned i = 0; i < 400; i++)
        put(m->space, base + i * PAGE, i);
    static uint8_t file[PAGE];
    uint64_t huge = UINT64_C(1) << 33;
    assert_int_equal(cpu_space_map(m->space, base, huge, RW, span_of(file, 100)), -ENOMEM);
    for (unsigned i = 0; i < 400; i++)
        assert_int_equal(get(m->space, base + i * PAGE), i);
    assert_int_equal(cpu_space_map(m->space, base, UINT64_C(1) << 46, RW, span_of(file, 0)),
                     -ENOMEM);
    assert_int_equal(get(m->space, base), 0);
}

static void reserving_much_costs_little(void **state)
{
    struct machine *m = *state;
    uint64_t gib = UINT64_C(1) << 30;
    assert_int_equal(cpu_space_map(m->space, gib, gib, 0, span_of(NULL, 0)), 0);
    assert_int_equal(cpu_pool_used(m->pool), 0);
    assert_int_equal(cpu_space_protect(m->space, gib + 5 * PAGE, PAGE, RW), 0);
    put(m->space, gib + 5 * PAGE, 1);
    assert_int_equal(cpu_space_read(m->space, gib + 6 * PAGE, &(uint8_t){0}, 1), -EFAULT);
    assert_int_equal(cpu_space_mapped_pages(m->space), gib / PAGE);
    assert_int_equal(cpu_space_unmap(m->space, gib, gib), 0);
    assert_int_equal(cpu_space_mapped_pages(m->space), 0);
}

static void scattered_pages_are_charged(void **state)
{
    struct machine *m = *state;
    /* Each page costs a table: the pool's end comes although no page is ever written. */
    int rc = 0;
    uint64_t i = 0;
    while (rc == 0 && i < 100000)
        rc = cpu_space_map(m->space, ++i << 20, PAGE, RW, span_of(NULL, 0));
    assert_int_equal(rc, -ENOMEM);
    assert_true(i > 500 && i < 4 * FRAMES);
    for (uint64_t j = 1; j < i; j++)
        assert_int_equal(get(m->space, j << 20), 0);
    for (uint64_t j = 1; j < i; j += 2)
        assert_int_equal(cpu_space_unmap(m->space, j << 20, PAGE), 0);
    for (uint64_t j = 1; j < i; j++)
        assert_int_equal(cpu_space_is_mapped(m->space, j << 20, 1), j % 2 == 0);
}

static void a_clone_without_memory_is_refused(void **state)
{
    struct machine *m = *state;
    map(m->space, base, FRAMES, RW | CPU_SHARED);
    assert_null(cpu_space_clone(m->space)); /* shared pages want their frames at once */
    assert_int_equal(get(m->space, base), 0);
    put(m->space, base, 1);
}

/* ---- Pages like somebody else's ---- */

struct counting_maker {
    struct cpu_maker base;
    unsigned made, freed;
};

static void make_odd(const struct cpu_maker *maker, const uint8_t *like, uint8_t *page)
{
    struct counting_maker *m = (struct counting_maker *)(uintptr_t)maker;
    memcpy(page, like, CPU_PAGE_BYTES);
    page[0] |= 1;
    m->made++;
}

static void count_free(struct cpu_maker *maker)
{
    ((struct counting_maker *)maker)->freed++;
}

static void given_pages_are_made_once_when_they_are_touched(void **state)
{
    static uint8_t like[2 * CPU_PAGE_BYTES] __attribute__((aligned(8)));
    struct counting_maker maker = {.base = {.make = make_odd, .free = count_free}};
    struct machine *m = *state;
    memset(like, 0x40, sizeof(like));
    map(m->space, base, 2, RW);
    cpu_space_set_maker(m->space, &maker.base);
    assert_int_equal(cpu_space_give_page(m->space, base, like, true), 0);
    assert_int_equal(cpu_space_give_page(m->space, base + PAGE, like + PAGE, false), 0);
    assert_int_equal(cpu_space_give_page(m->space, base + 2 * PAGE, like, false), -EFAULT);
    struct cpu_space *clone = cpu_space_clone(m->space);
    assert_non_null(clone);
    assert_int_equal(cpu_pool_used(m->pool), 0);
    assert_int_equal(get(m->space, base), 0x40404041);
    assert_int_equal(get(m->space, base + PAGE), 0x40404040);
    assert_int_equal(maker.made, 1);
    assert_int_equal(cpu_pool_used(m->pool), 1);
    put(m->space, base, 7);
    put(m->space, base + PAGE, 8);
    assert_int_equal(get(clone, base), 0x40404041);
    assert_int_equal(get(clone, base + PAGE), 0x40404040);
    assert_int_equal(maker.made, 1); /* for both: they shared it */
    assert_int_equal(like[PAGE], 0x40);
    cpu_space_free(clone);
    assert_int_equal(maker.freed, 0);
    cpu_space_set_maker(m->space, NULL);
    assert_int_equal(maker.freed, 1);
}

struct object {
    struct cpu_pool *pool;
    uint32_t frame; /* of its one page */
    unsigned reads, writes;
};

static int fetch(void *pager, uint64_t addr, bool write, uint32_t *frame)
{
    struct object *o = pager;
    if (addr >= base + PAGE)
        return -EFAULT;
    *(write ? &o->writes : &o->reads) += 1;
    *frame = o->frame;
    return 0;
}

static void an_object_s_pages_are_one_for_all_who_map_it(void **state)
{
    struct machine *m = *state;
    uint8_t *bytes = calloc(1, PAGE);
    struct object o = {.pool = m->pool, .frame = cpu_pool_adopt(m->pool, bytes)};
    struct cpu_space *other = cpu_space_new(m->pool);
    cpu_space_set_pager(m->space, fetch, &o);
    cpu_space_set_pager(other, fetch, &o);
    assert_int_equal(cpu_space_map_object(m->space, base, 2 * PAGE, RW | CPU_SHARED), 0);
    assert_int_equal(cpu_space_map_object(other, base, 2 * PAGE, RW | CPU_SHARED), 0);
    struct cpu_space *clone = cpu_space_clone(m->space);
    assert_int_equal(o.reads, 0); /* a clone touches nothing */
    put(m->space, base + 8, 77);
    put(m->space, base + 12, 78);
    assert_int_equal(o.writes, 1); /* the first write is told, once */
    bytes[16] = 79;
    assert_int_equal(get(other, base + 8), 77);
    assert_int_equal(get(other, base + 16), 79);
    assert_int_equal(get(clone, base + 12), 78);
    uint32_t value = 0;
    assert_int_equal(cpu_space_read(other, base + PAGE, &value, sizeof(value)), -EFAULT);
    assert_null(cpu_pool_take_back(m->pool, o.frame));
    cpu_space_free(clone);
    cpu_space_free(other);
    assert_int_equal(cpu_space_unmap(m->space, base, 2 * PAGE), 0);
    assert_ptr_equal(cpu_pool_take_back(m->pool, o.frame), bytes);
    free(bytes);
}

int main(void)
{
#define SPACE_TEST(name) cmocka_unit_test_setup_teardown(name, machine_open, machine_close)
    const struct CMUnitTest tests[] = {
        SPACE_TEST(new_pages_read_as_zero_and_cost_nothing),
        SPACE_TEST(a_write_takes_one_frame_of_its_own),
        SPACE_TEST(copies_go_over_page_borders),
        SPACE_TEST(what_is_not_mapped_faults),
        SPACE_TEST(every_slot_of_the_translation_cache_starts_empty),
        SPACE_TEST(ranges_must_be_whole_pages_of_the_lower_half),
        SPACE_TEST(protection_is_kept_for_each_kind_of_access),
        SPACE_TEST(a_poke_asks_no_protection),
        SPACE_TEST(backing_is_read_in_place_and_never_written),
        SPACE_TEST(backing_that_ends_in_a_page_goes_on_with_zeroes),
        SPACE_TEST(backing_longer_than_the_mapping_is_cut),
        SPACE_TEST(a_mapping_replaces_what_was_there),
        SPACE_TEST(unmapping_gives_frames_back),
        SPACE_TEST(a_long_range_is_unmapped_to_its_very_ends),
        SPACE_TEST(is_mapped_wants_every_page),
        SPACE_TEST(a_clone_has_the_contents_and_goes_its_own_way),
        SPACE_TEST(a_clone_has_its_own_mappings),
        SPACE_TEST(clones_of_clones_keep_apart),
        SPACE_TEST(shared_pages_are_one_in_all_clones),
        SPACE_TEST(pages_move_with_their_contents),
        SPACE_TEST(strings_are_read_with_their_end),
        SPACE_TEST(the_pool_has_an_end),
        SPACE_TEST(a_failed_mapping_changes_nothing),
        SPACE_TEST(reserving_much_costs_little),
        SPACE_TEST(scattered_pages_are_charged),
        SPACE_TEST(a_clone_without_memory_is_refused),
        SPACE_TEST(an_object_s_pages_are_one_for_all_who_map_it),
        SPACE_TEST(given_pages_are_made_once_when_they_are_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
