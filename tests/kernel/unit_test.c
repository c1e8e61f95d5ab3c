/* Units that do not come to rest: what they do is paid for, and they leave the others their turns. */
#include "cpu/cpu.h"
#include "kernel/machine.h"
#include "kernel/unit.h"
#include "persona/image.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_BYTES = 1 << 20, SLICE = 20000, TURNS = 200 };

/* An end costs as much as a process that could not be executed, a step a look through the file. */
enum { RUN_COST = 260000, TURN_MAX = SLICE + RUN_COST + 5 * UNIT_FILE_MAX + 1000 };

static const int64_t start_ms = 1700000000000;

#define FOR_EVER                                                                 \
    "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=0\n" \
    "ExecStart=/nowhere\n"

struct machine {
    struct persona_image *image;
    struct cpu_code *code;
    struct kernel *kernel;
};

static struct span whole_image;

static int open_machine(void **state)
{
    struct machine *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    assert_int_equal(persona_image_open(whole_image, &m->image), 0);
    m->code = cpu_code_new(CODE_BYTES);
    const struct kernel_config config = {.image = m->image,
                                         .code = m->code,
                                         .limits = {.instructions = UINT64_MAX,
                                                    .memory_pages = 1000,
                                                    .processes = 20,
                                                    .files = 200,
                                                    .overlay_bytes = 1 << 20,
                                                    .overlay_nodes = 1000,
                                                    .stream_bytes = 65536,
                                                    .events = 1000},
                                         .seed = {1, 2, 3},
                                         .hostname = span_z("tested"),
                                         .boot_ms = start_ms - 1000000};
    m->kernel = kernel_new(&config, start_ms);
    assert_non_null(m->kernel);
    *state = m;
    return 0;
}

static int close_machine(void **state)
{
    struct machine *m = *state;
    kernel_free(m->kernel);
    cpu_code_free(m->code);
    persona_image_close(m->image);
    free(m);
    return 0;
}

/* The most that a turn took, in instructions. */
static uint64_t turns(struct kernel *k)
{
    uint64_t most = 0;
    for (int i = 0; i < TURNS; i++) {
        uint64_t before = k->instructions;
        (void)kernel_run(k, SLICE, k->now_ns / 1000000);
        uint64_t used = k->instructions - before;
        most = used > most ? used : most;
    }
    return most;
}

static struct unit *begin(struct kernel *k, const char *name_z, const char *text_z)
{
    struct unit *u = unit_load(k, name_z, span_z(text_z));
    assert_non_null(u);
    assert_int_equal(unit_wish(k, u, UNIT_WISH_START, 0), 1);
    return u;
}

static void a_unit_that_starts_for_ever_pays_for_it(void **state)
{
    const struct machine *m = *state;
    const struct unit *u = begin(m->kernel, "ever.service", FOR_EVER);
    uint64_t before = m->kernel->instructions;
    assert_in_range(turns(m->kernel), 1, TURN_MAX);
    assert_true(u->restarts > 0);
    assert_true(u->restarts <= (m->kernel->instructions - before) / RUN_COST);
}

static void units_that_start_for_ever_take_turns(void **state)
{
    const struct machine *m = *state;
    const struct unit *first = begin(m->kernel, "a.service", FOR_EVER);
    const struct unit *last = begin(m->kernel, "b.service", FOR_EVER);
    (void)turns(m->kernel);
    assert_true(first->restarts > 0);
    assert_in_range(last->restarts, first->restarts - 1, first->restarts + 1);
}

static void a_file_of_commands_without_end_is_gone_through_a_step_a_turn(void **state)
{
    static const char head_z[] = "[Service]\nType=oneshot\n", line_z[] = "ExecStart=-/n\n";
    static char text_z[UNIT_FILE_MAX];
    const struct machine *m = *state;
    size_t len = sizeof(head_z) - 1;
    memcpy(text_z, head_z, len);
    for (; len + sizeof(line_z) <= sizeof(text_z); len += sizeof(line_z) - 1)
        memcpy(text_z + len, line_z, sizeof(line_z));
    (void)begin(m->kernel, "long.service", text_z);
    assert_in_range(turns(m->kernel), 1, TURN_MAX);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_unit_that_starts_for_ever_pays_for_it, open_machine,
                                        close_machine),
        cmocka_unit_test_setup_teardown(units_that_start_for_ever_take_turns, open_machine,
                                        close_machine),
        cmocka_unit_test_setup_teardown(
            a_file_of_commands_without_end_is_gone_through_a_step_a_turn, open_machine,
            close_machine),
    };
    static _Alignas(4096) uint8_t bytes[1 << 24];
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (f == NULL)
        return EXIT_FAILURE;
    whole_image = span_of(bytes, fread(bytes, 1, sizeof(bytes), f));
    (void)fclose(f);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
