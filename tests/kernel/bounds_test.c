/* Programs that want to hold the machine up, or more than their share (tests/guest/hostile.c): every bound
 * holds at every moment, and no turn takes longer than it may. All in instructions, so that it does not
 * matter what runs beside. usage: bounds_test IMAGE [TURNS [SEED]]: for longer, and with other addresses and
 * slices of random lengths (script/soak hostile) */
#include "cpu/cpu.h"
#include "kernel/fs.h"
#include "kernel/machine.h"
#include "persona/image.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
    CODE_BYTES = 8 << 20,
    SLICE = 20000,
    TURNS = 400,
    /* What a turn may be longer than its slice, by the work of one call (kernel_test). */
    TURN_MAX = SLICE + 160000,
    /* And what may be decoded beyond the bound, by one instruction: a block, and a look through the
     * translation caches of all processes. */
    DECODE_MORE = 3000,
};
static const int64_t start_ms = 1700000000000;
static struct span whole_image;
static unsigned long turns = TURNS, seed;

static const struct kernel_limits limits = {
    .instructions = UINT64_MAX,
    .memory_pages = 20000,
    .processes = 220,
    .files = 2000,
    .overlay_bytes = 16 << 20,
    .overlay_nodes = 4000,
    .stream_bytes = 65536,
    .events = 1000,
};

struct machine {
    struct persona_image *image;
    struct cpu_code *code;
    struct kernel *kernel;
    uint64_t most, most_decoded;
};

static void open_machine(struct machine *m)
{
    *m = (struct machine){0};
    assert_int_equal(persona_image_open(whole_image, &m->image), 0);
    m->code = cpu_code_new(CODE_BYTES);
    assert_non_null(m->code);
    const struct kernel_config config = {.image = m->image,
                                         .code = m->code,
                                         .limits = limits,
                                         .seed = {1, 2, 3, (uint8_t)(seed >> 8), (uint8_t)seed},
                                         .hostname = span_z("tested"),
                                         .boot_ms = start_ms - 1000000};
    m->kernel = kernel_new(&config, start_ms);
    assert_non_null(m->kernel);
}

static void close_machine(struct machine *m)
{
    kernel_free(m->kernel);
    cpu_code_free(m->code);
    persona_image_close(m->image);
}

static uint64_t slice(void)
{
    return seed == 0 ? SLICE : 1 + (uint64_t)rand() % SLICE;
}

static void turn(struct machine *m, int64_t now_ms)
{
    struct kernel_event event;
    uint64_t before = m->kernel->instructions;
    kernel_run(m->kernel, slice(), now_ms);
    uint64_t used = m->kernel->instructions - before, decoded = cpu_code_work(m->code);
    m->most = used > m->most ? used : m->most;
    m->most_decoded = decoded > m->most_decoded ? decoded : m->most_decoded;
    for (int stream = KERNEL_STDOUT; stream <= KERNEL_STDERR; stream++) {
        struct span out = kernel_out(m->kernel, 0, (enum kernel_stream)stream);
        kernel_sent(m->kernel, 0, (enum kernel_stream)stream, out.len);
    }
    while (kernel_next(m->kernel, &event))
        ;
}

static void check_bounds(const struct machine *m, const char *name_z)
{
    const struct kernel *k = m->kernel;
    if (m->most > TURN_MAX)
        fail_msg("%s: a turn of %d instructions", name_z, (int)m->most);
    if (m->most_decoded > KERNEL_DECODE_MAX + DECODE_MORE)
        fail_msg("%s: %d instructions decoded in a turn", name_z, (int)m->most_decoded);
    assert_in_range(k->process_count, 0, limits.processes);
    assert_in_range(k->files_open, 0, limits.files);
    assert_in_range(k->areas, 0, KERNEL_AREAS_MAX);
    assert_in_range(cpu_pool_used(k->pool), 0, limits.memory_pages);
    assert_in_range(k->vfs->quota.bytes, 0, k->vfs->quota.bytes_max);
    assert_in_range(k->vfs->quota.nodes, 0, k->vfs->quota.nodes_max);
}

static void play(const char *name_z)
{
    struct span argv[] = {span_z("hostile"), span_z(name_z)};
    struct kernel_spawn s = {
        .argv = argv, .argc = 2, .path = span_z("/bin/guest-hostile"), .cwd = span_z("/")};
    struct machine m;
    open_machine(&m);
    assert_int_equal(kernel_spawn(m.kernel, &s), 0);
    for (unsigned long i = 0; i < turns; i++) {
        turn(&m, start_ms + (int64_t)i);
        check_bounds(&m, name_z);
    }
    /* It ran: not one of these ends by itself. */
    assert_true(m.kernel->instructions > SLICE * UINT64_C(5));
    printf("%s: %d instructions and %d decoded at most in a turn\n", name_z, (int)m.most,
           (int)m.most_decoded);
    kernel_end(m.kernel);
    assert_int_equal(m.kernel->process_count, 0);
    close_machine(&m);
}

static void no_program_gets_beyond_its_bounds(void **state)
{
    static const char *const names_z[] = {
        "rewrite", "pages",   "crowd", "flip",        "forks",   "vforks",  "memory", "giants",
        "signals", "execs",   "proc",  "maze",        "folders", "watches", "rings",  "recursion",
        "threads", "sockets", "files", "descriptors", "queues",  "cuts"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names_z); i++)
        play(names_z[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_program_gets_beyond_its_bounds),
    };
    struct stat st;
    int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
    if (fd < 0 || fstat(fd, &st) != 0) {
        fprintf(stderr, "usage: bounds_test IMAGE [TURNS [SEED]]\n");
        return 2;
    }
    turns = argc > 2 ? strtoul(argv[2], NULL, 10) : TURNS;
    seed = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    srand((unsigned)seed);
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_true(bytes != MAP_FAILED);
    whole_image = span_of(bytes, (size_t)st.st_size);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
