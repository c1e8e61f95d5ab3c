/* The firmware's tables are those of a guest of QEMU's. */
#include "persona/dmi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct buffer tables;
static uint8_t entry[PERSONA_DMI_ENTRY];

static void make(uint32_t memory_mib)
{
    struct persona_identity identity = {.cpus = 2, .memory_mib = memory_mib, .cpu = persona_cpu(0)};
    memcpy(identity.product_uuid_z, "00112233-4455-6677-8899-aabbccddeeff", 37);
    buffer_fini(&tables);
    buffer_init(&tables, PERSONA_DMI_MAX);
    assert_int_equal(persona_dmi_tables(&identity, &tables), 0);
    persona_dmi_entry(buffer_span(&tables), entry);
}

static uint8_t sum(const uint8_t *bytes, size_t len)
{
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++)
        all = (uint8_t)(all + bytes[i]);
    return all;
}

/* A recorded machine of two processors and 2 GiB: "10 structures occupying 456 bytes", at 0x000F59A0. */
static void a_small_machine_has_as_many_bytes_as_a_recorded_one(void **state)
{
    (void)state;
    make(2048);
    assert_int_equal(buffer_len(&tables), 456);
    assert_int_equal(entry[22] | entry[23] << 8, 456);
    assert_int_equal(entry[28], 10);
    assert_int_equal(entry[24] | entry[25] << 8 | entry[26] << 16, 0xf59a0);
    assert_int_equal(sum(entry, sizeof(entry)), 0);
    assert_int_equal(sum(entry + 16, 15), 0);
    buffer_fini(&tables);
}

static void much_memory_lies_on_both_sides_of_the_devices(void **state)
{
    (void)state;
    make(3072);
    assert_int_equal(entry[28], 10);
    make(4096);
    assert_int_equal(entry[28], 11);
    assert_int_equal(buffer_len(&tables), 456 + 33);
    buffer_fini(&tables);
}

static void the_first_fields_of_the_uuid_are_turned_round(void **state)
{
    static const uint8_t uuid[] = {0x33, 0x22, 0x11, 0,    0x55, 0x44, 0x77, 0x66,
                                   0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    (void)state;
    make(2048);
    assert_non_null(memmem(buffer_span(&tables).data, buffer_len(&tables), uuid, sizeof(uuid)));
    buffer_fini(&tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_machine_has_as_many_bytes_as_a_recorded_one),
        cmocka_unit_test(much_memory_lies_on_both_sides_of_the_devices),
        cmocka_unit_test(the_first_fields_of_the_uuid_are_turned_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
