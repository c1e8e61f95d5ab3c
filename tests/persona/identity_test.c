/* What is drawn from seeds: plausible machines, of which no two share what should be one's own. */
#include "persona/identity.h"

#include "persona/disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { SEEDS = 256 };

#define DAY_MS  INT64_C(86400000)
#define NOW_MS  INT64_C(1795176000000)
#define MADE_MS (NOW_MS - 300 * DAY_MS)

static struct persona_identity drawn[SEEDS];

static void draw_all(int64_t made_ms)
{
    for (size_t i = 0; i < SEEDS; i++) {
        const uint8_t seed[PERSONA_SEED_BYTES] = {(uint8_t)i, 7};
        persona_identity_draw(&drawn[i], seed, PERSONA_EDITION, NOW_MS, made_ms);
    }
}

static void every_seed_gives_a_plausible_machine(void **state)
{
    (void)state;
    unsigned seen = 0; /* numbers of processors */
    draw_all(MADE_MS);
    for (size_t i = 0; i < SEEDS; i++) {
        const struct persona_identity *p = &drawn[i];
        assert_int_equal(strlen(p->sensor_z), 36);
        assert_int_equal(p->sensor_z[14], '4');
        assert_non_null(strchr("89ab", p->sensor_z[19]));
        assert_int_equal(strlen(p->machine_id_z), 32);
        assert_in_range(strlen(p->hostname_z), 3, 12);
        assert_true(p->boot_ms < NOW_MS - 3 * DAY_MS && p->boot_ms > NOW_MS - 125 * DAY_MS);
        assert_true(p->installed_ms < p->boot_ms && p->installed_ms > MADE_MS);
        assert_memory_equal(p->mac, "\x52\x54\0", 3);
        assert_in_range(p->cpu_khz, 2200000, 2900000);
        assert_true(p->memory_used_kib < (uint64_t)p->memory_mib * 1024 / 3);
        assert_true(p->cpus == 1 || p->cpus == 2 || p->cpus == 4);
        assert_true(p->cpus < 4 || p->memory_mib >= 4096);
        assert_true(p->cpus > 1 || p->memory_mib <= 2048);
        seen |= 1U << p->cpus;
        struct persona_disk disk = persona_disk_of(p->disk_gib);
        assert_true(disk.blocks * 4 > p->disk_used_kib * 4 + disk.reserved * 4);
        assert_true(disk.blocks * 4 < disk.partition_kib);
    }
    assert_int_equal(seen, 1U << 1 | 1U << 2 | 1U << 4);
}

static void an_old_seed_tells_the_same_as_ever(void **state)
{
    (void)state;
    for (size_t i = 0; i < SEEDS; i++) {
        struct persona_identity old, new;
        const uint8_t seed[PERSONA_SEED_BYTES] = {(uint8_t)i, 7};
        persona_identity_draw(&old, seed, PERSONA_TWO_CPUS, NOW_MS, MADE_MS);
        persona_identity_draw(&new, seed, PERSONA_EDITION, NOW_MS, MADE_MS);
        assert_int_equal(old.cpus, 2);
        new.cpus = old.cpus;
        assert_memory_equal(&old, &new, sizeof(old));
    }
}

static void what_is_its_own_is_nobody_elses(void **state)
{
    (void)state;
    draw_all(MADE_MS);
    for (size_t i = 0; i < SEEDS; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct persona_identity *a = &drawn[i], *b = &drawn[k];
            assert_string_not_equal(a->sensor_z, b->sensor_z);
            assert_string_not_equal(a->machine_id_z, b->machine_id_z);
            assert_string_not_equal(a->boot_id_z, b->boot_id_z);
            assert_string_not_equal(a->root_uuid_z, b->root_uuid_z);
            assert_string_not_equal(a->product_uuid_z, b->product_uuid_z);
            assert_string_not_equal(a->address_z, b->address_z);
            assert_memory_not_equal(a->mac, b->mac, sizeof(a->mac));
            assert_int_not_equal(a->boot_ms, b->boot_ms);
            assert_int_not_equal(a->disk_id, b->disk_id);
            assert_string_not_equal(a->hash_seed_z, b->hash_seed_z);
        }
    }
}

static void it_is_not_older_than_its_files(void **state)
{
    (void)state;
    draw_all(NOW_MS - 2 * DAY_MS);
    for (size_t i = 0; i < SEEDS; i++) {
        assert_true(drawn[i].boot_ms >= NOW_MS - 2 * DAY_MS);
        assert_true(drawn[i].boot_ms < NOW_MS);
    }
    draw_all(NOW_MS + DAY_MS); /* the host's clock is behind: it was booted all the same */
    for (size_t i = 0; i < SEEDS; i++)
        assert_true(drawn[i].boot_ms < NOW_MS - DAY_MS / 24);
}

static void the_reference_disk_has_the_sizes_that_mkfs_gives(void **state)
{
    (void)state;
    struct persona_disk disk = persona_disk_of(40);
    assert_int_equal(disk.disk_kib, 41943040);
    assert_int_equal(disk.partition_kib, 40894464);
    assert_int_equal(disk.blocks, 9985352);
    assert_int_equal(disk.inodes, 2555904);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_seed_gives_a_plausible_machine),
        cmocka_unit_test(an_old_seed_tells_the_same_as_ever),
        cmocka_unit_test(what_is_its_own_is_nobody_elses),
        cmocka_unit_test(it_is_not_older_than_its_files),
        cmocka_unit_test(the_reference_disk_has_the_sizes_that_mkfs_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
