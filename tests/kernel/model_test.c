/* A shell at its prompt that rests: next to nothing of it is left, and nobody can tell.
 * usage: model_test IMAGE (the persona's; skipped without) */
#include "kernel/mm.h"
#include "kernel/model.h"
#include "kernel/task.h"

#include "cpu/cpu.h"
#include "cpu/pool.h"
#include "persona/image.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CODE_BYTES = 64 << 20,
    SNAPSHOT_BYTES = 64 << 20,
    BUDGET = 1000000,
    OUT_BYTES = 1 << 16,
    LEARNED_AFTER = 3, /* a start that comes again is learned */
    QUIET_MS = 2000,
    MEMORY_MAX = 4 << 20,
    SKIPPED = 77,
    HELD_SHELL_MAX = 64 << 10,  /* bytes of a shell at rest, with its machine */
    HELD_ALONE_MAX = 256 << 10, /* the same when nothing is known of it */
};
static const int64_t start_ms = INT64_C(1700000000000);

static struct persona_image *image;
static struct cpu_code *code;

/* Linked with --wrap: what the kernel has on the heap. */
static size_t heap_bytes;
void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static void *counted(void *p)
{
    heap_bytes += malloc_usable_size(p);
    return p;
}

void *__wrap_malloc(size_t n)
{
    return counted(__real_malloc(n));
}

void *__wrap_calloc(size_t count, size_t n)
{
    return counted(__real_calloc(count, n));
}

void *__wrap_realloc(void *p, size_t n)
{
    heap_bytes -= malloc_usable_size(p);
    void *moved = __real_realloc(p, n);
    return counted(moved != NULL || n == 0 ? moved : p);
}

void __wrap_free(void *p)
{
    heap_bytes -= malloc_usable_size(p);
    __real_free(p);
}

/* A visitor at his shell. */
struct visit {
    struct kernel *kernel;
    int program;
    int64_t now_ms;
    char out[OUT_BYTES];
    size_t out_len;
};

static void run(struct visit *v)
{
    struct kernel_event event;
    enum kernel_state state;
    struct span out;
    do {
        state = kernel_run(v->kernel, BUDGET, v->now_ms);
        out = kernel_out(v->kernel, v->program, KERNEL_STDOUT);
        assert_true(v->out_len + out.len < sizeof(v->out));
        if (out.len > 0)
            memcpy(v->out + v->out_len, out.data, out.len);
        v->out_len += out.len;
        kernel_sent(v->kernel, v->program, KERNEL_STDOUT, out.len);
        while (kernel_next(v->kernel, &event))
            continue;
    } while (state == KERNEL_BUSY || out.len > 0);
}

static void log_in(struct visit *v, struct kernel_snapshots *snapshots, uint32_t seed)
{
    static const struct kernel_terminal terminal = {
        .term = SPAN_LIT("xterm"), .columns = 80, .rows = 24};
    static const struct span argv[] = {SPAN_LIT("bash"), SPAN_LIT("--norc"), SPAN_LIT("-i")};
    const struct span env[] = {SPAN_LIT("HOME=/root"), SPAN_LIT("PATH=/usr/bin:/bin"),
                               SPAN_LIT("SSH_CLIENT=203.0.113.7 40312 22")};
    struct kernel_config config = {.image = image,
                                   .code = code,
                                   .snapshots = snapshots,
                                   .limits = kernel_limits_default,
                                   .hostname = SPAN_LIT("tested"),
                                   .boot_ms = start_ms - 86400000};
    memcpy(config.seed, &seed, sizeof(seed));
    *v = (struct visit){.kernel = kernel_new(&config, start_ms), .now_ms = start_ms};
    assert_non_null(v->kernel);
    const struct kernel_spawn spawn = {.argv = argv,
                                       .argc = ARRAY_LEN(argv),
                                       .path = SPAN_LIT("/bin/bash"),
                                       .env = env,
                                       .envc = ARRAY_LEN(env),
                                       .cwd = SPAN_LIT("/root"),
                                       .terminal = &terminal};
    v->program = kernel_spawn(v->kernel, &spawn);
    assert_int_equal(v->program, 0);
    run(v);
}

static void learn(struct kernel_snapshots *snapshots)
{
    static struct visit v;
    for (uint32_t seed = 0; seed < LEARNED_AFTER; seed++) {
        log_in(&v, snapshots, seed);
        kernel_free(v.kernel);
    }
    while (kernel_snapshots_work(snapshots, BUDGET))
        continue;
}

static void type(struct visit *v, const char *text_z)
{
    struct span text = span_z(text_z);
    assert_int_equal(kernel_put(v->kernel, v->program, text), text.len);
    run(v);
}

static void be_quiet(struct visit *v)
{
    assert_true(kernel_deadline(v->kernel) <= v->now_ms + QUIET_MS);
    v->now_ms += QUIET_MS;
    run(v);
    assert_true(kernel_is_at_rest(v->kernel));
}

static size_t raw_frames(const struct visit *v)
{
    const struct cpu_pool *pool = v->kernel->pool;
    size_t count = 0;
    for (uint32_t i = 1; i < pool->count; i++)
        count += pool->frames[i].data != NULL;
    return count;
}

/* ---- Memory ---- */

struct memory {
    uint8_t *bytes; /* of all pages with frames, each behind its address */
    size_t len;
    struct cpu_space *space;
};

static void note(void *context, uint64_t addr, const uint8_t *bytes)
{
    struct memory *m = context;
    (void)bytes;
    assert_true(m->len + sizeof(addr) + CPU_PAGE_BYTES <= MEMORY_MAX);
    memcpy(m->bytes + m->len, &addr, sizeof(addr));
    m->len += sizeof(addr);
    (void)cpu_space_read(m->space, addr, m->bytes + m->len, CPU_PAGE_BYTES);
    m->len += CPU_PAGE_BYTES;
}

static struct memory memory_of(const struct visit *v)
{
    struct memory m = {.bytes = calloc(1, MEMORY_MAX), .space = v->kernel->tasks->mm->space};
    assert_non_null(m.bytes);
    cpu_space_each_own(m.space, note, &m);
    return m;
}

/* ... and frees what was noted before. */
static void assert_is_still(const struct visit *v, const struct memory *before)
{
    struct memory after = memory_of(v);
    assert_int_equal(after.len, before->len);
    assert_memory_equal(after.bytes, before->bytes, before->len);
    free(before->bytes);
    free(after.bytes);
}

/* ---- Tests ---- */

static void a_shell_that_rests_keeps_little_and_has_all_of_it_again(void **state)
{
    static struct visit v;
    struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    (void)state;
    learn(snapshots);
    for (uint32_t seed = 10; seed < 13; seed++) {
        log_in(&v, snapshots, seed);
        size_t used = cpu_pool_used(v.kernel->pool), raw = raw_frames(&v);
        struct memory before = memory_of(&v);
        be_quiet(&v);
        assert_true(raw_frames(&v) < raw / 8);
        assert_int_equal(cpu_pool_used(v.kernel->pool), used);
        assert_is_still(&v, &before);
        kernel_free(v.kernel);
    }
    kernel_snapshots_free(snapshots);
}

/* The same visit each time, so that its code is decoded before the one that counts. */
static void a_shell_that_rests_takes_no_more_than_it_did(void **state)
{
    static struct visit v;
    struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    size_t held = 0;
    (void)state;
    learn(snapshots);
    for (int i = 0; i < 3; i++) {
        size_t before = heap_bytes;
        log_in(&v, snapshots, 30);
        be_quiet(&v);
        held = heap_bytes - before;
        kernel_free(v.kernel);
    }
    print_message("a shell at rest: %zu bytes\n", held);
    assert_in_range(held, 1, HELD_SHELL_MAX);
    kernel_snapshots_free(snapshots);
}

static void a_shell_of_which_nothing_is_known_rests_too(void **state)
{
    static struct visit v;
    size_t held = 0;
    (void)state;
    for (int i = 0; i < 3; i++) {
        size_t at_start = heap_bytes;
        log_in(&v, NULL, 31);
        struct memory before = memory_of(&v);
        be_quiet(&v);
        held = heap_bytes - at_start - malloc_usable_size(before.bytes);
        assert_is_still(&v, &before);
        kernel_free(v.kernel);
    }
    print_message("a shell at rest, alone: %zu bytes\n", held);
    assert_in_range(held, 1, HELD_ALONE_MAX);
}

static void what_is_typed_afterwards_is_answered_as_without_a_rest(void **state)
{
    static struct visit rests, other;
    static const char *const lines_z[] = {"x=$((6*7)); f() { echo $x; }\r", "f | tr 2 3\r",
                                          "(echo a; f) > /tmp/y; cat /tmp/y\r", "history\r"};
    struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    (void)state;
    learn(snapshots);
    log_in(&rests, snapshots, 20);
    log_in(&other, NULL, 20);
    for (size_t i = 0; i < ARRAY_LEN(lines_z); i++) {
        be_quiet(&rests);
        type(&rests, lines_z[i]);
        type(&other, lines_z[i]);
    }
    assert_int_equal(rests.out_len, other.out_len);
    assert_memory_equal(rests.out, other.out, other.out_len);
    kernel_free(rests.kernel);
    kernel_free(other.kernel);
    kernel_snapshots_free(snapshots);
}

static void a_model_may_come_after_the_shell_that_is_packed_with_it(void **state)
{
    static struct visit v;
    struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    (void)state;
    log_in(&v, snapshots, 1);
    size_t raw = raw_frames(&v);
    v.now_ms += QUIET_MS;
    run(&v);
    assert_true(raw_frames(&v) > raw / 2); /* what is nearly empty needs no model */
    assert_true(kernel_deadline(v.kernel) < INT64_MAX);
    learn(snapshots);
    v.now_ms = kernel_deadline(v.kernel);
    run(&v);
    assert_true(raw_frames(&v) < raw / 8);
    kernel_free(v.kernel);
    kernel_snapshots_free(snapshots);
}

static void nothing_a_visitor_typed_is_in_a_model(void **state)
{
    static struct visit v;
    struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    (void)state;
    learn(snapshots);
    log_in(&v, snapshots, 1);
    type(&v, "password=hunter2\r");
    be_quiet(&v);
    const struct model *model = v.kernel->tasks->mm->known->model;
    assert_non_null(model);
    struct span all = model_contents(model);
    assert_null(memmem(all.data, all.len, "hunter2", 7));
    assert_null(memmem(all.data, all.len, "40312", 5)); /* nor the digits of his address */
    assert_non_null(memmem(all.data, all.len, "SSH_CLIENT", 10));
    kernel_free(v.kernel);
    kernel_snapshots_free(snapshots);
}

static bool map_image(const char *path_z)
{
    struct stat st;
    int fd = open(path_z, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return false;
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return bytes != MAP_FAILED &&
           persona_image_open(span_of(bytes, (size_t)st.st_size), &image) == 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shell_that_rests_keeps_little_and_has_all_of_it_again),
        cmocka_unit_test(a_shell_that_rests_takes_no_more_than_it_did),
        cmocka_unit_test(a_shell_of_which_nothing_is_known_rests_too),
        cmocka_unit_test(what_is_typed_afterwards_is_answered_as_without_a_rest),
        cmocka_unit_test(a_model_may_come_after_the_shell_that_is_packed_with_it),
        cmocka_unit_test(nothing_a_visitor_typed_is_in_a_model),
    };
    if (argc < 2 || !map_image(argv[1]))
        return SKIPPED;
    code = cpu_code_new(CODE_BYTES);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cpu_code_free(code);
    persona_image_close(image);
    return failed;
}
