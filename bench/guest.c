/* A session's machine: what a new one costs, a program in it, a shell at its prompt.
 *
 *     bench-guest IMAGE [ROUNDS [ROW]]
 *
 * Each measurement is of a machine of its own, as each visitor has one; the first runs of all, which
 * decode the code that the later ones share, do not count. "run" executes a program from its first
 * instruction, "clone" has learned its start (src/kernel/snapshot.h). Times are CPU time, the best of ROUNDS
 * (15). Memory is what the machine has on the heap, tables and frames, for nothing else is its own;
 * "at rest" when nobody has typed for a while (src/kernel/rest.h), and "key" what the next key costs until
 * it is echoed. */
#include "cpu/cpu.h"
#include "kernel/kernel.h"
#include "kernel/machine.h"
#include "persona/image.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    ROUNDS = 15,
    WARM = 10,
    CODE_BYTES = 256 << 20,
    SNAPSHOT_BYTES = 256 << 20,
    SLICE = 1000000,
    NOW_S = 1700000000,
    UPTIME_MS = 3 * 86400 * 1000,
    QUIET_MS = 20000,
};

struct host {
    struct persona_image *image;
    struct cpu_code *code;
    struct kernel_snapshots *snapshots; /* NULL: every program runs from its start */
    uint32_t seed;                      /* of the next machine: no two are alike */
};

/* What is started in a machine. */
struct job {
    struct span argv[4];
    size_t argc;
    struct span path;
    bool terminal;
    bool ordinary; /* a user's own, not root's */
};

/* Who starts it. */
struct user {
    uint32_t id;
    struct span env[3];
    struct span home;
};
static const struct user root = {
    0,
    {SPAN_LIT("USER=root"), SPAN_LIT("LOGNAME=root"), SPAN_LIT("HOME=/root")},
    SPAN_LIT("/root")};
static const struct user admin = {
    1000,
    {SPAN_LIT("USER=admin"), SPAN_LIT("LOGNAME=admin"), SPAN_LIT("HOME=/home/admin")},
    SPAN_LIT("/home/admin")};

struct cost {
    double us, key_us;
    uint64_t instructions;
    size_t heap, rest, frames; /* rest: of the heap, when it has been quiet for a while */
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void fail(const char *what_z)
{
    fprintf(stderr, "bench-guest: %s\n", what_z);
    exit(1);
}

static struct span map_file(const char *path_z)
{
    struct stat st;
    int fd = open(path_z, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        fail(path_z);
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        fail(path_z);
    close(fd);
    return span_of(bytes, (size_t)st.st_size);
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static struct kernel *machine(struct host *host)
{
    struct kernel_config config = {.image = host->image,
                                   .code = host->code,
                                   .snapshots = host->snapshots,
                                   .limits = kernel_limits_default,
                                   .hostname = SPAN_LIT("guest"),
                                   .boot_ms = INT64_C(1000) * NOW_S - UPTIME_MS};
    host->seed++;
    memcpy(config.seed, &host->seed, sizeof(host->seed));
    struct kernel *k = kernel_new(&config, INT64_C(1000) * NOW_S);
    if (k == NULL)
        fail("no memory for a machine");
    return k;
}

static int spawn(struct kernel *k, const struct job *job)
{
    const struct user *user = job->ordinary ? &admin : &root;
    const struct span env[] = {
        SPAN_LIT("LANG=C.UTF-8"),
        user->env[0],
        user->env[1],
        user->env[2],
        SPAN_LIT("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        SPAN_LIT("SHELL=/bin/bash"),
        SPAN_LIT("SSH_CLIENT=203.0.113.7 40312 22"),
        SPAN_LIT("SSH_CONNECTION=203.0.113.7 40312 192.0.2.10 22"),
    };
    static const struct kernel_terminal terminal = {
        .term = SPAN_LIT("xterm-256color"), .columns = 80, .rows = 24};
    const struct kernel_spawn s = {.argv = job->argv,
                                   .argc = job->argc,
                                   .path = job->path,
                                   .env = env,
                                   .envc = ARRAY_LEN(env),
                                   .cwd = user->home,
                                   .uid = user->id,
                                   .gid = user->id,
                                   .terminal = job->terminal ? &terminal : NULL};
    int program = kernel_spawn(k, &s);
    if (program < 0)
        fail("spawn");
    return program;
}

/* Until all wait. What is printed goes nowhere. */
static void run(struct kernel *k, int program)
{
    struct kernel_event event;
    enum kernel_state state;
    do {
        state = kernel_run(k, SLICE, INT64_C(1000) * NOW_S);
        for (int i = KERNEL_STDOUT; i <= KERNEL_STDERR; i++) {
            enum kernel_stream stream = (enum kernel_stream)i;
            struct span out = kernel_out(k, program, stream);
            if (out.len > 0)
                kernel_sent(k, program, stream, out.len);
        }
        while (kernel_next(k, &event))
            continue;
    } while (state == KERNEL_BUSY);
}

/* The first key for a while: all that it touches is made again. */
static double type_key(struct kernel *k, int program)
{
    const int64_t now_ms = INT64_C(1000) * NOW_S + QUIET_MS;
    double start = now_us();
    (void)kernel_put(k, program, span_z("x"));
    while (kernel_out(k, program, KERNEL_STDOUT).len == 0 &&
           kernel_run(k, SLICE, now_ms) == KERNEL_BUSY)
        continue;
    return now_us() - start;
}

/* One machine with one program, from nothing until it waits or is over, and its end. */
static struct cost session(struct host *host, const struct job *job)
{
    struct cost cost = {.heap = heap_bytes()};
    double start = now_us();
    struct kernel *k = machine(host);
    int program = job != NULL ? spawn(k, job) : -1;
    if (job != NULL)
        run(k, program);
    cost.us = now_us() - start;
    size_t before = cost.heap;
    cost.heap = heap_bytes() - before;
    cost.instructions = k->instructions;
    cost.frames = cpu_pool_used(k->pool);
    (void)kernel_run(k, SLICE, INT64_C(1000) * NOW_S + QUIET_MS);
    cost.rest = heap_bytes() - before;
    if (job != NULL && job->terminal)
        cost.key_us = type_key(k, program);
    start = now_us();
    kernel_free(k);
    cost.us += now_us() - start;
    return cost;
}

/* A shell that forks so many children, each of which ends at once. */
enum { FORKS_FEW = 10, FORKS_MANY = 210 };
#define FORKS(count) SPAN_LIT("i=0; while [ $i -lt " #count " ]; do (:); i=$((i+1)); done")
#define FORKING(shell, forks)                                        \
    {                                                                \
        .argv = {SPAN_LIT(shell), SPAN_LIT("-c"), forks}, .argc = 3, \
        .path = SPAN_LIT("/bin/" shell)                              \
    }
static const struct job forking[][2] = {
    {FORKING("dash", FORKS(10)), FORKING("dash", FORKS(210))},
    {FORKING("bash", FORKS(10)), FORKING("bash", FORKS(210))},
};

static const struct job true_job = {
    .argv = {SPAN_LIT("true")}, .argc = 1, .path = SPAN_LIT("/bin/true")};
static const struct job echo_job = {.argv = {SPAN_LIT("bash"), SPAN_LIT("-c"), SPAN_LIT("echo hi")},
                                    .argc = 3,
                                    .path = SPAN_LIT("/bin/bash")};
static const struct job uname_job = {
    .argv = {SPAN_LIT("bash"), SPAN_LIT("-c"), SPAN_LIT("uname -a")},
    .argc = 3,
    .path = SPAN_LIT("/bin/bash")};
static const struct job pipe_job = {
    .argv = {SPAN_LIT("bash"), SPAN_LIT("-c"), SPAN_LIT("cat /proc/cpuinfo | grep name | wc -l")},
    .argc = 3,
    .path = SPAN_LIT("/bin/bash")};
static const struct job plain_job = {.argv = {SPAN_LIT("bash"), SPAN_LIT("--norc"), SPAN_LIT("-i")},
                                     .argc = 3,
                                     .path = SPAN_LIT("/bin/bash"),
                                     .terminal = true};
static const struct job login_job = {
    .argv = {SPAN_LIT("-bash")}, .argc = 1, .path = SPAN_LIT("/bin/bash"), .terminal = true};
static const struct job user_job = {.argv = {SPAN_LIT("-bash")},
                                    .argc = 1,
                                    .path = SPAN_LIT("/bin/bash"),
                                    .terminal = true,
                                    .ordinary = true};

struct row {
    const char *what_z;
    const struct job *job; /* NULL: nothing is started */
};

static const struct row rows[] = {
    {"a machine", NULL},
    {"true", &true_job},
    {"bash -c 'echo hi'", &echo_job},
    {"bash -c 'uname -a'", &uname_job},
    {"bash -c, cat, grep and wc in a pipe", &pipe_job},
    {"bash at its prompt", &plain_job},
    {"login shell at its prompt", &login_job},
    {"a user's login shell at its prompt", &user_job},
};

/* Fork, the child's end and wait, with what the shell does around it. */
static void measure_fork(struct host *host, const struct job jobs[2], long rounds)
{
    double least_us = 0;
    uint64_t instructions = 0;
    for (long round = 0; round < rounds; round++) {
        struct cost few = session(host, &jobs[0]), many = session(host, &jobs[1]);
        double us = (many.us - few.us) / (FORKS_MANY - FORKS_FEW);
        instructions = (many.instructions - few.instructions) / (FORKS_MANY - FORKS_FEW);
        if (round == 0 || us < least_us)
            least_us = us;
    }
    printf("| a fork of %.*s, its child's end and wait | | %.0f | %llu | | | | |\n",
           (int)jobs[0].argv[0].len, (const char *)jobs[0].argv[0].data, least_us,
           (unsigned long long)instructions);
}

static void measure(struct host *host, const struct row *row, long rounds)
{
    struct cost best = session(host, row->job);
    for (int i = 0; i < WARM; i++) { /* what comes again is learned */
        (void)session(host, row->job);
        while (host->snapshots != NULL && kernel_snapshots_work(host->snapshots, SLICE))
            continue;
    }
    for (long round = 0; round < rounds; round++) {
        struct cost cost = session(host, row->job);
        /* Some rounds decode code for all, which is on the heap as well. */
        size_t rest = round == 0 || cost.rest < best.rest ? cost.rest : best.rest;
        double key_us = round == 0 || cost.key_us < best.key_us ? cost.key_us : best.key_us;
        if (round == 0 || cost.us < best.us)
            best = cost;
        best.rest = rest;
        best.key_us = key_us;
    }
    printf("| %s | %s | %.0f | %llu | %.1f | %.1f | %zu | %.0f |\n", row->what_z,
           host->snapshots != NULL ? "clone" : "run", best.us,
           (unsigned long long)best.instructions, (double)best.heap / 1024,
           (double)best.rest / 1024, best.frames, best.key_us);
}

int main(int argc, char **argv)
{
    struct host host = {.code = cpu_code_new(CODE_BYTES)};
    if (argc < 2 || host.code == NULL || persona_image_open(map_file(argv[1]), &host.image) != 0)
        fail("usage: bench-guest IMAGE [ROUNDS [ROW]]");
    long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : ROUNDS;
    printf(
        "| a new machine, and in it | start | us | instructions | KiB | at rest | frames | key |\n"
        "|---|---|---:|---:|---:|---:|---:|---:|\n");
    for (int i = 0; i < 2; i++) {
        for (size_t r = 0; r < ARRAY_LEN(rows); r++)
            if (argc < 4 || strstr(rows[r].what_z, argv[3]) != NULL)
                measure(&host, &rows[r], rounds);
        if (i == 0)
            host.snapshots = kernel_snapshots_new(SNAPSHOT_BYTES);
    }
    for (size_t i = 0; i < ARRAY_LEN(forking); i++)
        if (argc < 4 || strcmp(argv[3], "fork") == 0)
            measure_fork(&host, forking[i], rounds);
    kernel_snapshots_free(host.snapshots);
    cpu_code_free(host.code);
    persona_image_close(host.image);
    return 0;
}
