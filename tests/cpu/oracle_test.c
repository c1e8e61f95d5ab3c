/* Single instructions and streams of them, on the host's processor and on ours.
 *
 * `oracle_test [--i386] [SEED [ROUNDS [FILTER]]]`: the same seed makes the same cases. */
#include "host_cpu.h"
#include "oracle.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS_DEFAULT = 30, STREAM_INSTRUCTIONS = 24, STREAMS_A_ROUND = 40, AF = 0x10 };

static void integer_instructions_do_as_the_host(void **state)
{
    struct oracle *o = *state;
    for (const struct x86_form *form = x86_integer_forms; form->text; form++)
        if (!o->is_32 || !x86_form_is_long(form))
            oracle_try(o, form, o->rounds);
    for (const struct x86_form *form = x86_forms_32; o->is_32 && form->text; form++)
        oracle_try(o, form, o->rounds);
    assert_int_equal(oracle_finish(o, "integer"), 0);
}

/* What the host has and we do not, on purpose: SSE3 and later, by their place in the 0F map. */
static bool is_beyond_sse2(unsigned opcode, unsigned prefix)
{
    static const uint8_t beyond[][2] = {
        {0x12, 0xf3}, {0x12, 0xf2}, {0x16, 0xf3},               /* duplicating moves: SSE3 */
        {0x2b, 0xf3}, {0x2b, 0xf2},                             /* movntss, movntsd: SSE4a */
        {0x78, 0x66}, {0x78, 0xf2}, {0x79, 0x66}, {0x79, 0xf2}, /* extrq, insertq: SSE4a */
        {0x7c, 0x66}, {0x7c, 0xf2}, {0x7d, 0x66}, {0x7d, 0xf2}, /* horizontal: SSE3 */
        {0xd0, 0x66}, {0xd0, 0xf2}, {0xf0, 0xf2},               /* addsub, lddqu: SSE3 */
    };
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        if (beyond[i][0] == opcode && beyond[i][1] == prefix)
            return true;
    }
    return false;
}

static const char *vector_suffix(unsigned opcode)
{
    bool immediate =
        (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6);
    return immediate ? " ib" : "";
}

static void try_vector_opcode(struct oracle *o, unsigned opcode, unsigned prefix)
{
    char text[64], prefix_z[16] = "";
    struct x86_form form = {text, 0};
    const char *modrm_z = opcode == 0x77 ? "" : " /r align w? string";
    const char *only[] = {"", " reg"};
    if (prefix)
        snprintf(prefix_z, sizeof(prefix_z), "%02x ", prefix);
    for (unsigned i = 0; i < (opcode == 0x77 ? 1 : 2); i++) {
        snprintf(text, sizeof(text), "%s0f %02x%s%s%s", prefix_z, opcode, modrm_z, only[i],
                 vector_suffix(opcode));
        oracle_try(o, &form, o->rounds);
    }
}

static void vector_instructions_do_as_the_host(void **state)
{
    static const uint8_t ranges[][2] = {{0x10, 0x17}, {0x28, 0x2f}, {0x50, 0x7f},
                                        {0xc2, 0xc2}, {0xc4, 0xc6}, {0xd0, 0xfe}};
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    struct oracle *o = *state;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        for (unsigned opcode = ranges[i][0]; opcode <= ranges[i][1]; opcode++) {
            for (unsigned k = 0; k < 4; k++) {
                if (!is_beyond_sse2(opcode, prefixes[k]))
                    try_vector_opcode(o, opcode, prefixes[k]);
            }
        }
    }
    assert_int_equal(oracle_finish(o, "vectors"), 0);
}

/* The loads and stores of whole states. */
static void images_of_the_state_are_as_the_host_has_them(void **state)
{
    static const struct x86_form forms[] = {
        {"0f ae /0 mem align", 0}, {"0f ae /1 mem align", 0}, {"0f ae /1 mem align image", 0},
        {"0f ae /2 mem", 0},       {"0f ae /2 mem image", 0}, {"0f ae /3 mem", 0},
        {"d9 /4 mem", 0},          {"d9 /6 mem", 0},          {"dd /4 mem", 0},
        {"dd /6 mem", 0},          {"66 d9 /4 mem", 0},       {"66 d9 /6 mem", 0},
        {"66 dd /4 mem", 0},       {"66 dd /6 mem", 0},       {"d9 /5 mem", 0},
        {"d9 /7 mem", 0},          {"dd /7 mem", 0},
    };
    struct oracle *o = *state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        oracle_try(o, &forms[i], 3 * o->rounds);
    assert_int_equal(oracle_finish(o, "images"), 0);
}

/* Not here: what stores the pointers (above), and fisttp, which is of SSE3. */
static bool is_plain_x87(unsigned opcode, unsigned modrm)
{
    unsigned reg = modrm >> 3 & 7;
    bool environment = (opcode == 0xd9 || opcode == 0xdd) && (reg == 4 || reg == 6);
    bool fisttp = (opcode == 0xdb || opcode == 0xdd || opcode == 0xdf) && reg == 1;
    return modrm >= 0xc0 || !(environment || fisttp);
}

static void fpu_instructions_do_as_the_host(void **state)
{
    struct oracle *o = *state;
    for (unsigned opcode = 0xd8; opcode <= 0xdf; opcode++) {
        /* Of the forms with memory, one for each ModRM.reg: the case draws the address. */
        for (unsigned modrm = 0; modrm < 0x100; modrm += modrm < 0xc0 ? 8 : 1) {
            char text[32];
            struct x86_form form = {text, 0};
            if ((modrm >= 0x40 && modrm < 0xc0) || !is_plain_x87(opcode, modrm))
                continue;
            if (modrm < 0xc0)
                snprintf(text, sizeof(text), "%02x /%u mem", opcode, modrm >> 3);
            else
                snprintf(text, sizeof(text), "%02x %02x", opcode, modrm);
            oracle_try(o, &form, modrm < 0xc0 ? o->rounds : o->rounds / 2);
        }
    }
    const struct x86_form wait = {"9b", 0};
    oracle_try(o, &wait, o->rounds);
    assert_int_equal(oracle_finish(o, "x87"), 0);
}

/* Flags that are undefined may not be used by what follows: such forms stay out. */
static const char *stream_form(bool is_32, struct x86_random *random)
{
    static const char *const others[] = {
        "66 0f fe /r align",
        "66 0f ef /r align",
        "66 0f 6f /r align",
        "f3 0f 6f /r",
        "66 0f 7f /r align",
        "66 0f 70 /r align ib",
        "66 0f 74 /r align",
        "66 0f d7 /r reg",
        "66 0f 60 /r align",
        "66 0f 6e /r w?",
        "66 0f 7e /r w?",
        "f2 0f 10 /r",
        "f2 0f 11 /r",
        "f2 0f 58 /r",
        "f2 0f 59 /r",
        "f2 0f 5e /r",
        "f3 0f 5a /r",
        "0f 2e /r",
        "66 0f 2f /r",
        "f2 0f 2a /r w?",
        "f2 0f 2c /r w?",
        "0f c6 /r align ib",
        "66 0f 54 /r align",
        "d9 /0 mem",
        "dd /0 mem",
        "dd /3 mem",
        "db /5 mem",
        "de c1",
        "d9 c9",
        "df e9",
        "d9 e8",
        "da c1",
    };
    static const unsigned other_count = sizeof(others) / sizeof(others[0]);
    unsigned forms = 0;
    while (x86_integer_forms[forms].text)
        forms++;
    for (;;) {
        const struct x86_form *form = &x86_integer_forms[x86_random_below(random, forms)];
        if (x86_random_below(random, 4) == 0)
            return others[x86_random_below(random, other_count)];
        if (!(form->undefined & ~(uint64_t)AF) && !strstr(form->text, "alone") &&
            !strstr(form->text, "rep") && !(is_32 && x86_form_is_long(form)))
            return form->text;
    }
}

static void streams_do_as_the_host(void **state)
{
    struct oracle *o = *state;
    for (unsigned i = 0; i < STREAMS_A_ROUND * o->rounds; i++) {
        struct x86_stream stream;
        x86_stream_start(&stream, o->is_32, &o->random);
        for (unsigned k = 0; k < STREAM_INSTRUCTIONS; k++) {
            if (x86_random_below(&o->random, 6) == 0)
                x86_stream_add_jump(&stream, &o->random);
            x86_stream_add(&stream, stream_form(o->is_32, &o->random), &o->random);
        }
        oracle_try_stream(o, &stream, AF);
    }
    assert_int_equal(oracle_finish(o, "streams"), 0);
}

static struct {
    uint64_t seed;
    unsigned rounds;
    bool is_32;
} options;

static int set_up(void **state)
{
    *state = oracle_new(options.seed, options.rounds, options.is_32);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    oracle_free(*state);
    return 0;
}

int main(int argc, char **argv)
{
    pid_t child = host_cpu_start();
    if (child < 0)
        return HOST_CPU_SKIP;
    host_cpu_stop(child);
    if (argc > 1 && strcmp(argv[1], "--i386") == 0) {
        options.is_32 = true;
        argc--, argv++;
    }
    options.seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    options.rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : ROUNDS_DEFAULT;
    printf("seed %" PRIu64 ", %u rounds%s\n", options.seed, options.rounds,
           options.is_32 ? ", 32-bit code" : "");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integer_instructions_do_as_the_host),
        cmocka_unit_test(vector_instructions_do_as_the_host),
        cmocka_unit_test(images_of_the_state_are_as_the_host_has_them),
        cmocka_unit_test(fpu_instructions_do_as_the_host),
        cmocka_unit_test(streams_do_as_the_host),
    };
    if (argc > 3)
        cmocka_set_test_filter(argv[3]);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
