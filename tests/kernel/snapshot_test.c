/* Snapshots: a clone is, byte for byte, what a run of the same start becomes.
 * usage: snapshot_test IMAGE [login]   (the persona's; skipped without)
 * `login`: login shells too, which fork on their way; root's has forty million instructions to learn,
 * another user's eighty, thirty-six times. */
#include "kernel/fdtable.h"
#include "kernel/fs.h"
#include "kernel/snapshot.h"

#include "cpu/x86.h"
#include "persona/image.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    CODE_BYTES = 64 << 20,
    SNAPSHOT_BYTES = 64 << 20,
    BUDGET = 1000000,
    COMPARED = 4, /* clones of each start that are compared with a run */
    OUT_BYTES = 65536,
    SKIPPED = 77,
    RED_ZONE = 128,
    ADMIN = 1000,
    TRIES = 40, /* machines until a start was learned: process numbers have 3 to 5 digits */
};
static const int64_t start_ms = INT64_C(1700000000000);

static struct span image_bytes;
static struct persona_image *image;
static struct cpu_code *code;

/* ---- Machines ---- */

struct visit {
    struct kernel *kernel;
    int program, status;
    bool done;
    char out[OUT_BYTES];
    size_t out_len;
    char client_z[64], connection_z[96];
};

struct job {
    const char *argv_z[4];
    const char *path_z;
    bool terminal;
    bool ordinary; /* admin's, not root's */
};

static struct kernel *machine(struct kernel_snapshots *snapshots, uint32_t seed)
{
    struct kernel_config config = {.image = image,
                                   .code = code,
                                   .snapshots = snapshots,
                                   .limits = kernel_limits_default,
                                   .hostname = SPAN_LIT("tested"),
                                   .boot_ms = start_ms - 86400000};
    memcpy(config.seed, &seed, sizeof(seed));
    struct kernel *k = kernel_new(&config, start_ms + seed * INT64_C(1234567));
    assert_non_null(k);
    return k;
}

/* The digits of the peer come from the seed; where they stand does not. */
static void start(struct visit *v, const struct job *job, struct kernel_snapshots *snapshots,
                  uint32_t seed)
{
    *v = (struct visit){.kernel = machine(snapshots, seed)};
    snprintf(v->client_z, sizeof(v->client_z), "SSH_CLIENT=%u.%u.%u.%u %u 22", 100 + seed % 100,
             10 + seed % 90, 1 + seed % 9, 100 + seed * 7 % 100, 10000 + seed * 331 % 50000);
    snprintf(v->connection_z, sizeof(v->connection_z), "SSH_CONNECTION=%s 192.0.2.10 22",
             v->client_z + sizeof("SSH_CLIENT=") - 1);
    const struct span env[] = {SPAN_LIT("LANG=C.UTF-8"),
                               span_z(job->ordinary ? "USER=admin" : "USER=root"),
                               span_z(job->ordinary ? "HOME=/home/admin" : "HOME=/root"),
                               SPAN_LIT("PATH=/usr/sbin:/usr/bin:/sbin:/bin"),
                               SPAN_LIT("SHELL=/bin/bash"),
                               span_z(v->client_z),
                               span_z(v->connection_z)};
    static const struct kernel_terminal terminal = {
        .term = SPAN_LIT("xterm"), .columns = 80, .rows = 24};
    struct span argv[4];
    size_t argc = 0;
    while (argc < 4 && job->argv_z[argc] != NULL) {
        argv[argc] = span_z(job->argv_z[argc]);
        argc++;
    }
    const struct kernel_spawn spawn = {.argv = argv,
                                       .argc = argc,
                                       .path = span_z(job->path_z),
                                       .env = env,
                                       .envc = ARRAY_LEN(env),
                                       .cwd = span_z(job->ordinary ? "/home/admin" : "/root"),
                                       .uid = job->ordinary ? ADMIN : 0,
                                       .gid = job->ordinary ? ADMIN : 0,
                                       .terminal = job->terminal ? &terminal : NULL};
    v->program = kernel_spawn(v->kernel, &spawn);
    assert_int_equal(v->program, 0);
}

static void take_out(struct visit *v, enum kernel_stream stream)
{
    struct span out = kernel_out(v->kernel, v->program, stream);
    assert_true(v->out_len + out.len < sizeof(v->out));
    if (out.len > 0)
        memcpy(v->out + v->out_len, out.data, out.len);
    v->out_len += out.len;
    kernel_sent(v->kernel, v->program, stream, out.len);
}

static void finish(struct visit *v)
{
    struct kernel_event event;
    kernel_put_end(v->kernel, v->program);
    while (!v->done) {
        (void)kernel_run(v->kernel, BUDGET, 0);
        take_out(v, KERNEL_STDOUT);
        take_out(v, KERNEL_STDERR);
        while (kernel_next(v->kernel, &event)) {
            v->done |= event.type == KERNEL_DONE;
            if (event.type == KERNEL_DONE)
                v->status = event.status;
        }
    }
    take_out(v, KERNEL_STDOUT);
}

static struct task *first_task(const struct visit *v)
{
    assert_non_null(v->kernel->tasks);
    return v->kernel->tasks;
}

static bool is_clone(const struct visit *v)
{
    return snapshot_calls_of(first_task(v)->mm) > 0;
}

static void close_visit(struct visit *v)
{
    kernel_free(v->kernel);
    v->kernel = NULL;
}

/* Starts machines until the next one's program would be a clone; its seed. */
static uint32_t learn(struct kernel_snapshots *snapshots, const struct job *job, uint32_t seed)
{
    static struct visit v;
    for (int i = 0; i < TRIES; i++, seed++) {
        start(&v, job, snapshots, seed);
        bool clone = is_clone(&v);
        close_visit(&v);
        if (clone)
            return seed;
        while (kernel_snapshots_work(snapshots, BUDGET))
            continue;
    }
    fail_msg("%s was not learned", job->path_z);
    return 0;
}

static void drop_events(struct visit *v)
{
    struct kernel_event event;
    while (kernel_next(v->kernel, &event))
        continue;
}

/* ---- A run up to the same point ---- */

struct stop {
    size_t calls, target;
    const struct snapshot_inputs *inputs; /* of the clone */
    unsigned times;
};

/* The run looks at the clock a few instructions earlier or later: it sees what the clone saw. */
static void set_time(struct task *t, struct stop *stop)
{
    if (t->call_number == SYS_time) {
        t->cpu->ops->set_result(t->cpu,
                                (int64_t)stop->inputs->value[SNAPSHOT_SECONDS + stop->times++]);
        return;
    }
    const uint64_t value[2] = {stop->inputs->value[SNAPSHOT_SECONDS + stop->times],
                               stop->inputs->value[SNAPSHOT_PARTS + stop->times]};
    assert_int_equal(cpu_space_write(t->mm->space, t->call_arg[0], value, sizeof(value)), 0);
    stop->times++;
}

static bool on_call(struct task *t)
{
    struct stop *stop = t->kernel->pauser;
    if (t != t->kernel->tasks)
        return false; /* a child's */
    if (t->call_number == SYS_gettimeofday || t->call_number == SYS_time)
        set_time(t, stop);
    return ++stop->calls == stop->target;
}

static void run_to(struct visit *v, struct stop *stop)
{
    v->kernel->pause = on_call;
    v->kernel->pauser = stop;
    v->kernel->paused = stop->calls == stop->target;
    while (!v->kernel->paused) {
        assert_int_equal(kernel_run(v->kernel, BUDGET, 0), KERNEL_BUSY);
        drop_events(v);
    }
    v->kernel->pause = NULL;
    v->kernel->paused = false;
}

/* ---- Comparing ---- */

static void compare_areas(const struct mm *a, const struct mm *b)
{
    char path_a_z[VFS_PATH_MAX + 16], path_b_z[VFS_PATH_MAX + 16];
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const struct mm_area *x = &a->areas[i], *y = &b->areas[i];
        assert_int_equal(x->start, y->start);
        assert_int_equal(x->end, y->end);
        assert_int_equal(x->access, y->access);
        assert_int_equal(x->access_max, y->access_max);
        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->offset, y->offset);
        assert_int_equal(x->file != NULL, y->file != NULL);
        if (x->file == NULL)
            continue;
        assert_true(file_path(x->file, path_a_z, sizeof(path_a_z)) > 0);
        assert_true(file_path(y->file, path_b_z, sizeof(path_b_z)) > 0);
        assert_string_equal(path_a_z, path_b_z);
    }
    assert_int_equal(a->pages, b->pages);
    assert_int_equal(a->brk_start, b->brk_start);
    assert_int_equal(a->brk_end, b->brk_end);
    assert_int_equal(a->mmap_top, b->mmap_top);
    assert_memory_equal(a->functions, b->functions, sizeof(a->functions));
}

/* How long ld.so's work took, which it keeps: a clone has the learner's. */
static bool are_durations(const struct mm_area *area, const uint8_t *x, const uint8_t *y)
{
    uint64_t a, b;
    memcpy(&a, x, sizeof(a));
    memcpy(&b, y, sizeof(b));
    return area->file != NULL && a >= SNAPSHOT_DURATION_LEAST && a < SNAPSHOT_DURATION_MOST &&
           b >= SNAPSHOT_DURATION_LEAST && b < SNAPSHOT_DURATION_MOST;
}

/* What is left of an address whose first three bytes were written over: a guess says where it led, so
 * another layout may carry where the guess does not. Nobody can use it. */
static bool are_guesses(const uint8_t *x, const uint8_t *y)
{
    const uint64_t carry = UINT64_C(1) << 24;
    uint64_t a, b;
    memcpy(&a, x, sizeof(a));
    memcpy(&b, y, sizeof(b));
    return a - b == carry || b - a == carry;
}

/* What lies below the red zone of the stack is dead, and so many bytes of it are left. */
static void compare_memory(const struct mm *a, const struct mm *b, uint64_t sp, unsigned left)
{
    uint8_t x[CPU_PAGE_BYTES], y[CPU_PAGE_BYTES];
    for (size_t i = 0; i < a->count; i++) {
        const struct mm_area *area = &a->areas[i];
        for (uint64_t at = area->start; at < area->end; at += CPU_PAGE_BYTES) {
            int error = cpu_space_read(a->space, at, x, sizeof(x));
            assert_int_equal(cpu_space_read(b->space, at, y, sizeof(y)), error);
            for (size_t n = 0; n < sizeof(x) && error == 0; n++)
                if (x[n] != y[n] && !(area->kind == MM_STACK && at + n < sp - RED_ZONE) &&
                    !are_durations(area, x + n / 8 * 8, y + n / 8 * 8) &&
                    !are_guesses(x + n / 8 * 8, y + n / 8 * 8) &&
                    !(area->kind == MM_STACK && left-- > 0))
                    fail_msg("area %zu + %#llx: %02x, not %02x", i,
                             (unsigned long long)(at + n - area->start), x[n], y[n]);
        }
    }
}

static void compare_state(struct cpu *a, struct cpu *b)
{
    struct x86_state x, y;
    a->ops->save(a, &x);
    b->ops->save(b, &y);
    x.reg[X86_R11] = y.reg[X86_R11]; /* destroyed by the call, like the flags */
    x.rflags = y.rflags;
    memcpy(x.xmm, y.xmm, sizeof(x.xmm)); /* nobody's behind the call of a function */
    assert_memory_equal(&x, &y, sizeof(x));
}

static void compare_tasks(const struct task *a, const struct task *b)
{
    assert_int_equal(a->tid, b->tid);
    assert_int_equal(process_ppid(a->process), process_ppid(b->process));
    assert_string_equal(a->comm_z, b->comm_z);
    assert_memory_equal(&a->creds, &b->creds, sizeof(a->creds));
    assert_memory_equal(a->process->actions->action, b->process->actions->action,
                        sizeof(a->process->actions->action));
    assert_memory_equal(a->process->refused, b->process->refused, sizeof(a->process->refused));
    assert_int_equal(a->signals.blocked, b->signals.blocked);
    assert_int_equal(a->clear_tid, b->clear_tid);
    assert_int_equal(a->robust_list, b->robust_list);
    assert_int_equal(fd_table_next(a->files, 3), fd_table_next(b->files, 3));
    assert_int_equal(a->kernel->vfs->next_object, b->kernel->vfs->next_object);
    compare_areas(a->mm, b->mm);
    compare_state(a->cpu, b->cpu);
    bool shell = a->process->session->tty != NULL;
    compare_memory(a->mm, b->mm, a->cpu->ops->sp(a->cpu), shell ? 4 * SNAPSHOT_LEFT_MAX : 0);
}

/* ---- Tests ---- */

static const struct job jobs[] = {
    {.argv_z = {"bash", "-c", "echo hi"}, .path_z = "/bin/bash"},
    {.argv_z = {"uname", "-a"}, .path_z = "/usr/bin/uname"},
    {.argv_z = {"sh", "-c", "echo $((6 * 7))"}, .path_z = "/bin/sh"},
};

/* The clone and a run of the same start, where the clone begins and at their end. */
static void compare_with_run(struct visit *clone, const struct job *job, uint32_t seed)
{
    static struct visit run;
    struct task *t = first_task(clone);
    struct stop stop = {.target = snapshot_calls_of(t->mm), .inputs = snapshot_inputs_of(t->mm)};
    start(&run, job, NULL, seed);
    run_to(&run, &stop);
    compare_tasks(t, first_task(&run));
    finish(&run);
    finish(clone);
    assert_int_equal(clone->status, run.status);
    assert_int_equal(clone->out_len, run.out_len);
    assert_memory_equal(clone->out, run.out, run.out_len);
    close_visit(&run);
}

static void a_clone_is_what_a_run_becomes(void **state)
{
    static struct visit clone;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
        uint32_t seed = learn(snapshots, &jobs[i], 1000);
        for (int n = 0; n < COMPARED; seed++) {
            start(&clone, &jobs[i], snapshots, seed);
            if (is_clone(&clone)) {
                compare_with_run(&clone, &jobs[i], seed);
                n++;
            }
            close_visit(&clone);
        }
        kernel_snapshots_free(snapshots);
    }
}

/* One start in forty. Those that lie across it run. */
static void a_clone_may_lie_near_a_multiple_of_4_gib(void **state)
{
    static struct visit clone;
    struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    uint32_t seed = learn(snapshots, &jobs[0], 1000);
    (void)state;
    for (int n = 0; n < COMPARED; seed++) {
        start(&clone, &jobs[0], snapshots, seed);
        if (is_clone(&clone) && snapshot_inputs_carry(snapshot_inputs_of(first_task(&clone)->mm))) {
            compare_with_run(&clone, &jobs[0], seed);
            n++;
        }
        close_visit(&clone);
    }
    kernel_snapshots_free(snapshots);
}

/* ---- Shells on a terminal ---- */

static const struct job shell = {
    .argv_z = {"bash", "--norc", "-i"}, .path_z = "/bin/bash", .terminal = true};
static const struct job login_shell = {
    .argv_z = {"-bash"}, .path_z = "/bin/bash", .terminal = true};
static const struct job user_shell = {
    .argv_z = {"-bash"}, .path_z = "/bin/bash", .terminal = true, .ordinary = true};

/* kernel.pause: true when the shell has just been cloned on. */
static bool on_leg(struct task *t)
{
    const size_t *calls = t->kernel->pauser;
    return t == t->kernel->tasks && snapshot_calls_of(t->mm) != *calls;
}

/* To the next point at which the clone is cloned on. False: it waits at its prompt. */
static bool run_to_leg(struct visit *v)
{
    const struct task *t = first_task(v);
    size_t calls = snapshot_calls_of(t->mm);
    v->kernel->pause = on_leg;
    v->kernel->pauser = &calls;
    while (!v->kernel->paused && kernel_run(v->kernel, BUDGET, 0) == KERNEL_BUSY)
        drop_events(v);
    v->kernel->pause = NULL;
    v->kernel->paused = false;
    return snapshot_calls_of(t->mm) != calls;
}

static void to_prompt(struct visit *v)
{
    while (kernel_run(v->kernel, BUDGET, 0) == KERNEL_BUSY)
        drop_events(v);
}

static void type(struct visit *v, const char *line_z)
{
    assert_int_equal(kernel_put(v->kernel, v->program, span_z(line_z)), strlen(line_z));
}

static void compare_legs(const struct job *job, unsigned stations)
{
    static struct visit clone, run;
    struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    uint32_t seed = learn(snapshots, job, 1000);
    for (int n = 0; n < COMPARED; seed++) {
        start(&clone, job, snapshots, seed);
        if (is_clone(&clone)) {
            struct stop stop = {.calls = 0};
            unsigned legs = 0;
            start(&run, job, NULL, seed);
            do {
                struct task *t = first_task(&clone);
                stop.inputs = snapshot_inputs_of(t->mm);
                stop.target = snapshot_calls_of(t->mm);
                run_to(&run, &stop);
                compare_tasks(t, first_task(&run));
                legs++;
            } while (run_to_leg(&clone));
            assert_int_equal(legs, stations);
            to_prompt(&clone);
            to_prompt(&run);
            type(&clone, "echo $((6 * 7)); exit\n");
            type(&run, "echo $((6 * 7)); exit\n");
            finish(&run);
            finish(&clone);
            assert_int_equal(clone.out_len, run.out_len);
            assert_memory_equal(clone.out, run.out, run.out_len);
            close_visit(&run);
            n++;
        }
        close_visit(&clone);
    }
    kernel_snapshots_free(snapshots);
}

static void a_shell_is_cloned_to_its_prompt_leg_by_leg(void **state)
{
    (void)state;
    compare_legs(&shell, 3);
}

static void a_login_shell_is_cloned_across_what_it_forks(void **state)
{
    const bool *wanted = *state;
    if (!*wanted)
        skip();
    compare_legs(&login_shell, 3);
    compare_legs(&user_shell, 5);
}

static void a_clone_that_is_not_where_it_was_learned_runs_on(void **state)
{
    static struct visit clone, run;
    (void)state;
    struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    uint32_t seed = learn(snapshots, &shell, 1000);
    start(&clone, &shell, snapshots, seed);
    start(&run, &shell, NULL, seed);
    assert_true(is_clone(&clone));
    kernel_resize(clone.kernel, clone.program, 100, 40);
    kernel_resize(run.kernel, run.program, 100, 40);
    assert_false(run_to_leg(&clone));
    to_prompt(&clone);
    to_prompt(&run);
    type(&clone, "echo $COLUMNS; exit\n");
    type(&run, "echo $COLUMNS; exit\n");
    finish(&run);
    finish(&clone);
    assert_int_equal(clone.out_len, run.out_len);
    assert_memory_equal(clone.out, run.out, run.out_len);
    clone.out[clone.out_len] = '\0';
    assert_non_null(strstr(clone.out, "100\r\n"));
    close_visit(&run);
    close_visit(&clone);
    kernel_snapshots_free(snapshots);
}

static void programs_that_clones_start_are_clones_and_say_the_same(void **state)
{
    static const struct job job = {
        {"bash", "-c", "uname -s; cat /etc/hostname | wc -c; (echo $((1 + 2)))"},
        "/bin/bash",
        .terminal = false};
    static struct visit clone, run;
    (void)state;
    struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    uint32_t seed = learn(snapshots, &job, 1);
    for (int i = 0; i < 4; i++, seed++) {
        start(&clone, &job, snapshots, seed);
        start(&run, &job, NULL, seed);
        finish(&clone);
        finish(&run);
        while (kernel_snapshots_work(snapshots, BUDGET))
            continue;
        assert_int_equal(clone.status, 0);
        assert_int_equal(clone.out_len, run.out_len);
        assert_memory_equal(clone.out, run.out, run.out_len);
        close_visit(&clone);
        close_visit(&run);
    }
    kernel_snapshots_free(snapshots);
}

/* Another program in the same machine, after the first one is over. */
static void again(struct visit *v, const char *command_z)
{
    const struct span argv[] = {SPAN_LIT("bash"), SPAN_LIT("-c"), span_z(command_z)};
    const struct span env[] = {
        SPAN_LIT("LANG=C.UTF-8"),    SPAN_LIT("USER=root"),
        SPAN_LIT("HOME=/root"),      SPAN_LIT("PATH=/usr/sbin:/usr/bin:/sbin:/bin"),
        SPAN_LIT("SHELL=/bin/bash"), span_z(v->client_z),
        span_z(v->connection_z)};
    const struct kernel_spawn spawn = {.argv = argv,
                                       .argc = ARRAY_LEN(argv),
                                       .path = SPAN_LIT("/bin/bash"),
                                       .env = env,
                                       .envc = ARRAY_LEN(env),
                                       .cwd = SPAN_LIT("/root")};
    kernel_release(v->kernel, v->program);
    v->done = false;
    v->out_len = 0;
    v->program = kernel_spawn(v->kernel, &spawn);
    assert_int_equal(v->program, 0);
}

static void a_changed_file_means_a_run(void **state)
{
    static const struct job job = {.argv_z = {"bash", "-c", "echo hi"}, .path_z = "/bin/bash"};
    static struct visit v;
    (void)state;
    struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    uint32_t seed = learn(snapshots, &job, 1);
    start(&v, &job, snapshots, seed);
    finish(&v);
    /* The loader has looked for this file, and it was not there. */
    again(&v, "touch /etc/ld.so.preload; echo echo changed > /root/.bashrc");
    finish(&v);
    again(&v, "echo hi");
    assert_false(is_clone(&v));
    finish(&v);
    assert_int_equal(v.out_len, strlen("changed\nhi\n"));
    assert_memory_equal(v.out, "changed\nhi\n", v.out_len);
    close_visit(&v);
    kernel_snapshots_free(snapshots);
}

static void other_arguments_environment_or_users_are_another_start(void **state)
{
    static const struct job job = {.argv_z = {"bash", "-c", "echo hi"}, .path_z = "/bin/bash"};
    static const struct job other = {.argv_z = {"bash", "-c", "echo ho"}, .path_z = "/bin/bash"};
    static struct visit v;
    (void)state;
    struct kernel_snapshots *snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    uint32_t seed = learn(snapshots, &job, 1);
    start(&v, &other, snapshots, seed);
    assert_false(is_clone(&v));
    finish(&v);
    assert_memory_equal(v.out, "ho\n", 3);
    close_visit(&v);
    kernel_snapshots_free(snapshots);
}

/* ---- Written down and read back ---- */

/* What a file could keep of a program: the processor's bytes, and its memory page by page. */
struct copy {
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu *cpu;
};

static void copy_memory(struct cpu_space *to, const struct mm *from)
{
    uint8_t page[CPU_PAGE_BYTES];
    for (size_t i = 0; i < from->count; i++) {
        const struct mm_area *a = &from->areas[i];
        assert_int_equal(
            cpu_space_map(to, a->start, a->end - a->start, a->access, span_of(NULL, 0)), 0);
        for (uint64_t at = a->start; at < a->end; at += CPU_PAGE_BYTES)
            if (cpu_space_read(from->space, at, page, sizeof(page)) == 0)
                assert_int_equal(cpu_space_poke(to, at, page, sizeof(page)), 0);
    }
}

static void open_copy(struct copy *c, const struct task *t)
{
    uint8_t state[sizeof(struct x86_state)];
    c->pool = cpu_pool_new(kernel_limits_default.memory_pages);
    c->space = cpu_space_new(c->pool);
    copy_memory(c->space, t->mm);
    c->cpu = cpu_new(&x86_64_ops, code, c->space);
    t->cpu->ops->save(t->cpu, state);
    assert_int_equal(c->cpu->ops->load(c->cpu, state), 0);
}

static void close_copy(struct copy *c)
{
    cpu_free(c->cpu);
    cpu_space_free(c->space);
    cpu_pool_free(c->pool);
}

static void a_program_that_is_written_down_and_read_back_goes_on_the_same(void **state)
{
    static struct visit v;
    struct x86_state x, y;
    (void)state;
    for (uint32_t seed = 1; seed <= 5; seed++) {
        struct copy c;
        start(&v, &jobs[0], NULL, seed);
        (void)kernel_run(v.kernel, seed * 41777, 0);
        struct task *t = first_task(&v);
        open_copy(&c, t);
        for (enum cpu_stop stop = CPU_STOP_BUDGET; stop == CPU_STOP_BUDGET;) {
            uint64_t used_here, used_there;
            struct cpu_trap here, there;
            stop = cpu_run(t->cpu, 777, &used_here, &here);
            assert_int_equal(cpu_run(c.cpu, 777, &used_there, &there), stop);
            assert_int_equal(used_here, used_there);
            t->cpu->ops->save(t->cpu, &x);
            c.cpu->ops->save(c.cpu, &y);
            assert_memory_equal(&x, &y, sizeof(x));
        }
        close_copy(&c);
        close_visit(&v);
    }
}

/* ---- Explaining, alone ---- */

enum { VIEWS = 4, WORDS = 8 };

struct views {
    uint64_t words[VIEWS][WORDS];
    struct snapshot_inputs inputs[VIEWS];
    struct snapshot_view views[VIEWS];
    char text_z[VIEWS][16];
};

static void make_views(struct views *v)
{
    memset(v, 0, sizeof(*v));
    for (unsigned i = 0; i < VIEWS; i++) {
        struct snapshot_inputs *in = &v->inputs[i];
        in->value[SNAPSHOT_PROGRAM] = UINT64_C(0x555555554000) + i * UINT64_C(0x1234567000);
        in->value[SNAPSHOT_HEAP] = UINT64_C(0x560000000000) + i * UINT64_C(0x9876543000);
        in->value[SNAPSHOT_CANARY] = UINT64_C(0x71f3c5a79b2d4e00) * (i + 1);
        in->value[SNAPSHOT_GUARD] = UINT64_C(0x0123456789abcdef) * (i + 3);
        in->value[SNAPSHOT_PID] = 1000 + i * 77;
        snprintf(v->text_z[i], sizeof(v->text_z[i]), "%u.%u.%u", 10 + i, 20 + i * 3, 30 + i * 7);
        in->text[SNAPSHOT_CLIENT] = span_z(v->text_z[i]);
        v->views[i] = (struct snapshot_view){(const uint8_t *)v->words[i],
                                             UINT64_C(0x7000000000) + i * UINT64_C(0x5000), in};
    }
}

/* Everything is explained, and the first one with another's inputs is the other one. */
static void assert_explained(struct views *v)
{
    struct snapshot_patches patches = {0};
    assert_int_equal(snapshot_explain(v->views, VIEWS, sizeof(v->words[0]), 0, 0, &patches), 0);
    for (unsigned i = 0; i < VIEWS; i++) {
        uint64_t made[WORDS];
        memcpy(made, v->words[0], sizeof(made));
        snapshot_patch_bytes(patches.list, patches.count, &v->inputs[i], v->views[i].addr,
                             (uint8_t *)made);
        assert_memory_equal(made, v->words[i], sizeof(made));
    }
    free(patches.list);
}

static uint64_t rotated(uint64_t v)
{
    return v << 17 | v >> 47;
}

static void addresses_secrets_numbers_and_texts_are_explained(void **state)
{
    struct views v;
    (void)state;
    make_views(&v);
    for (unsigned i = 0; i < VIEWS; i++) {
        const uint64_t *in = v.inputs[i].value;
        v.words[i][0] = in[SNAPSHOT_PROGRAM] + 0x1234;
        v.words[i][1] = rotated((in[SNAPSHOT_HEAP] + 8) ^ in[SNAPSHOT_GUARD]);
        v.words[i][2] = (v.views[i].addr + 16) >> 12 ^ (in[SNAPSHOT_HEAP] + 0x500);
        v.words[i][3] = 5 | in[SNAPSHOT_PID] << 32;
        v.words[i][4] = 42;
        memcpy((uint8_t *)v.words[i] + 43, v.text_z[i], 8);
        v.words[i][7] = (in[SNAPSHOT_HEAP] >> 12) + 3;
    }
    assert_explained(&v);
}

static void what_has_no_cause_may_be_left_as_it_is(void **state)
{
    struct views v;
    struct snapshot_patches patches = {0};
    (void)state;
    make_views(&v);
    for (unsigned i = 0; i < VIEWS; i++)
        v.words[i][2] = (i + 1) * (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    const uint64_t first = v.words[0][2];
    assert_int_equal(snapshot_explain(v.views, VIEWS, sizeof(v.words[0]), 0, 1, &patches), -EDOM);
    patches.count = 0;
    assert_int_equal(snapshot_explain(v.views, VIEWS, sizeof(v.words[0]), 0, 2, &patches), 0);
    snapshot_patch_bytes(patches.list, patches.count, &v.inputs[1], 0, (uint8_t *)v.words[0]);
    assert_int_equal(v.words[0][2], first);
    free(patches.list);
}

static void pieces_of_addresses_are_explained(void **state)
{
    struct views v;
    (void)state;
    make_views(&v);
    for (unsigned i = 0; i < VIEWS; i++) {
        const uint64_t *in = v.inputs[i].value;
        v.words[i][0] = (in[SNAPSHOT_PROGRAM] & 0xff0000000000) | 0x2000000000; /* its top */
        v.words[i][1] = ((in[SNAPSHOT_PROGRAM] + 0x1000) & 0xffff00) | 0x31000005;
        v.words[i][3] = (in[SNAPSHOT_CANARY] & ~UINT64_C(0xff)) | 7;
    }
    assert_explained(&v);
}

static void what_has_no_cause_is_not_explained_unless_it_is_dead(void **state)
{
    struct views v;
    struct snapshot_patches patches = {0};
    (void)state;
    make_views(&v);
    for (unsigned i = 0; i < VIEWS; i++)
        v.words[i][2] = (i + 1) * (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    assert_int_equal(snapshot_explain(v.views, VIEWS, sizeof(v.words[0]), 16, 0, &patches), -EDOM);
    assert_int_equal(snapshot_explain(v.views, VIEWS, sizeof(v.words[0]), 20, 0, &patches), -EDOM);
    assert_int_equal(snapshot_explain(v.views, VIEWS, sizeof(v.words[0]), 24, 0, &patches), 0);
    assert_int_equal(patches.count, 0);
    free(patches.list);
}

static bool map_image(const char *path_z)
{
    struct stat st;
    int fd = open(path_z, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return false;
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    image_bytes = span_of(bytes, (size_t)st.st_size);
    return bytes != MAP_FAILED && persona_image_open(image_bytes, &image) == 0;
}

int main(int argc, char **argv)
{
    static bool with_login;
    with_login = argc > 2 && strcmp(argv[2], "login") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_secrets_numbers_and_texts_are_explained),
        cmocka_unit_test(pieces_of_addresses_are_explained),
        cmocka_unit_test(what_has_no_cause_is_not_explained_unless_it_is_dead),
        cmocka_unit_test(what_has_no_cause_may_be_left_as_it_is),
        cmocka_unit_test(a_program_that_is_written_down_and_read_back_goes_on_the_same),
        cmocka_unit_test(a_clone_is_what_a_run_becomes),
        cmocka_unit_test(a_clone_may_lie_near_a_multiple_of_4_gib),
        cmocka_unit_test(a_shell_is_cloned_to_its_prompt_leg_by_leg),
        cmocka_unit_test_prestate(a_login_shell_is_cloned_across_what_it_forks, &with_login),
        cmocka_unit_test(a_clone_that_is_not_where_it_was_learned_runs_on),
        cmocka_unit_test(programs_that_clones_start_are_clones_and_say_the_same),
        cmocka_unit_test(a_changed_file_means_a_run),
        cmocka_unit_test(other_arguments_environment_or_users_are_another_start),
    };
    if (argc < 2 || !map_image(argv[1]))
        return SKIPPED;
    code = cpu_code_new(CODE_BYTES);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cpu_code_free(code);
    persona_image_close(image);
    return failed;
}
