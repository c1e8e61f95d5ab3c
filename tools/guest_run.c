/* Runs a program of an image in the kernel, with this process's standard streams as its doors.
 *
 * usage: guest-run [-vxstfL] [-u UID] [-c DIR] [-e NAME=VALUE]... [-n INSTRUCTIONS] [-a ARGV0]
 *                  [-h HOSTNAME] [-l SLICE] [-T SECONDS] IMAGE PROGRAM [ARGUMENT]...
 *   -v  events on standard error      -x  system calls too
 *   -s  figures at the end
 *   -t  a terminal instead of pipes (standard input is passed as typed)
 *   -f  a fixed seed, and a clock that stands but while all wait: two runs give the same bytes
 *   -T  the clock's start, in seconds since 1970 (with -f)
 *   -L  no limits but the host's, for a machine that is being made */
#include "cpu/cpu.h"
#include "cpu/space.h"
#include "kernel/abi.h"
#include "kernel/kernel.h"
#include "kernel/syscalls.h"
#include "persona/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    ENV_MAX = 64,
    ARGS_MAX = 4096,
    CODE_BYTES = 64 << 20,
    SLICE = 2000000,
    DAY_MS = 86400 * 1000,
    UPTIME_MS = 3 * DAY_MS,
    START_S = 1700000000,
};

struct options {
    bool verbose, calls, figures, terminal, fixed, unlimited;
    uint32_t uid;
    const char *cwd, *hostname;
    uint64_t instructions, slice;
    int64_t start_s;
    struct span env[ENV_MAX];
    size_t envc;
    struct span argv[ARGS_MAX];
    size_t argc;
    const char *image;
    struct span path; /* the file to run; argv[0] may be another name */
};

struct runner {
    struct options options;
    struct kernel *kernel;
    int64_t fixed_ms; /* the fixed clock */
    int program;
    bool done, input_ended;
    int status;
    struct termios saved;
    bool raw;
    size_t most_frames;
    double slowest_ms;        /* of all runs of a slice: the host's CPU time */
    const char *slowest_call; /* the last of that slice */
};

static void fail(const char *what, int error)
{
    fprintf(stderr, "guest-run: %s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(125);
}

static int64_t now_ms(const struct runner *r)
{
    struct timespec ts;
    if (r->options.fixed)
        return r->fixed_ms;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static double ms_since(const struct timespec *from)
{
    struct timespec to;
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (double)(to.tv_sec - from->tv_sec) * 1e3 + (double)(to.tv_nsec - from->tv_nsec) / 1e6;
}

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct span map_file(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        fail(path, errno);
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        fail(path, errno);
    close(fd);
    return span_of(bytes, (size_t)st.st_size);
}

/* ---- Events ---- */

static void print_event(const struct kernel_event *e)
{
    static const char *const names[] = {
        [KERNEL_EXEC] = "exec",       [KERNEL_EXIT] = "exit",       [KERNEL_DONE] = "done",
        [KERNEL_LINE] = "line",       [KERNEL_INPUT] = "input",     [KERNEL_HEREDOC] = "heredoc",
        [KERNEL_FILE] = "file",       [KERNEL_DELETE] = "delete",   [KERNEL_CHMOD] = "chmod",
        [KERNEL_CONNECT] = "connect", [KERNEL_RESOLVE] = "resolve", [KERNEL_REFUSED] = "refused",
        [KERNEL_WATCHED] = "watched", [KERNEL_FILTER] = "filter",   [KERNEL_LIMIT] = "limit",
        [KERNEL_LOST] = "lost"};
    fprintf(stderr, "[%s program=%d pid=%d ppid=%d uid=%u status=%#x number=%" PRId64 " \"%.*s\"",
            names[e->type], e->program, e->pid, e->ppid, e->uid, (unsigned)e->status, e->number,
            (int)e->text.len, (const char *)e->text.data);
    for (size_t i = 0; i < e->argc; i++)
        fprintf(stderr, " '%.*s'", (int)e->args[i].len, (const char *)e->args[i].data);
    fprintf(stderr, " at %" PRIu64 "]\n", e->instructions);
}

static void print_call(const struct task *t, int64_t result)
{
    const char *name = abi_is_foreign(t->call_abi) ? abi_call_name(t->call_abi, t->call_number)
                                                   : syscall_name(t->call_number);
    fprintf(stderr, "%d %s(%#" PRIx64, t->tid, name != NULL ? name : "?", t->call_arg[0]);
    for (size_t i = 1; i < ARRAY_LEN(t->call_arg); i++)
        fprintf(stderr, ", %#" PRIx64, t->call_arg[i]);
    if (result == SYS_WAIT)
        fprintf(stderr, ") waits\n");
    else
        fprintf(stderr, ") = %" PRId64 " at %" PRIu64 "\n", result, t->kernel->instructions);
}

static const char *last_call = "none";

static void note_call(const struct task *t, int64_t result)
{
    const char *name = syscall_name(t->call_number);
    (void)result;
    last_call = name != NULL ? name : "?";
}

static void pull_events(struct runner *r)
{
    struct kernel_event e;
    while (kernel_next(r->kernel, &e)) {
        if (r->options.verbose)
            print_event(&e);
        if (e.type == KERNEL_DONE && e.program == r->program) {
            r->done = true;
            r->status = e.status;
        }
    }
}

/* ---- Doors ---- */

static bool push_out(struct runner *r)
{
    bool any = false;
    for (int s = KERNEL_STDOUT; s <= KERNEL_STDERR; s++) {
        struct span out = kernel_out(r->kernel, r->program, (enum kernel_stream)s);
        while (out.len > 0) {
            ssize_t n = write(s, out.data, out.len);
            if (n < 0 && errno == EPIPE) {
                kernel_hangup(r->kernel, r->program);
                return true;
            }
            if (n < 0)
                fail("write", errno);
            kernel_sent(r->kernel, r->program, (enum kernel_stream)s, (size_t)n);
            any = true;
            out = kernel_out(r->kernel, r->program, (enum kernel_stream)s);
        }
    }
    return any;
}

/* Waits for input at most `wait_ms`, and passes it on. */
static void pull_in(struct runner *r, int wait_ms)
{
    static uint8_t rest[65536];
    static size_t rest_len;
    struct pollfd p = {.fd = r->input_ended || rest_len > 0 ? -1 : STDIN_FILENO, .events = POLLIN};
    if (rest_len > 0 && wait_ms != 0)
        wait_ms = 1;
    if (poll(&p, 1, wait_ms) > 0 && p.revents != 0) {
        ssize_t n = read(STDIN_FILENO, rest, sizeof(rest));
        if (n > 0)
            rest_len = (size_t)n;
        if (n <= 0) {
            r->input_ended = true;
            kernel_put_end(r->kernel, r->program);
        }
    }
    if (rest_len > 0) {
        size_t taken = kernel_put(r->kernel, r->program, span_of(rest, rest_len));
        memmove(rest, rest + taken, rest_len - taken);
        rest_len -= taken;
    }
}

/* The size of the terminal that this runs in, when it has changed. */
static void pass_size(struct runner *r)
{
    struct winsize size;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0)
        kernel_resize(r->kernel, r->program, size.ws_col, size.ws_row);
}

static bool is_over(const struct runner *r)
{
    return r->done && kernel_out_ended(r->kernel, r->program, KERNEL_STDOUT) &&
           kernel_out_ended(r->kernel, r->program, KERNEL_STDERR);
}

static void pump(struct runner *r)
{
    while (!is_over(r)) {
        double from_ms = cpu_ms();
        enum kernel_state state = kernel_run(r->kernel, r->options.slice, now_ms(r));
        double ms = cpu_ms() - from_ms;
        if (ms > r->slowest_ms) {
            r->slowest_ms = ms;
            r->slowest_call = last_call;
        }
        size_t frames = cpu_pool_used(r->kernel->pool);
        r->most_frames = frames > r->most_frames ? frames : r->most_frames;
        bool moved = push_out(r);
        pull_events(r);
        int wait_ms = 0;
        if (state == KERNEL_IDLE && !moved && !r->done) {
            int64_t left = kernel_deadline(r->kernel) - now_ms(r);
            wait_ms = left > 1000 ? 1000 : left > 0 ? (int)left : 0;
            if (r->options.fixed && left > 0 && left < DAY_MS) {
                r->fixed_ms += left;
                wait_ms = 0;
            }
        }
        if (r->done && r->options.terminal)
            break; /* what was left behind has lost its line */
        pull_in(r, wait_ms);
        if (r->options.terminal)
            pass_size(r);
    }
    push_out(r);
}

/* ---- Start ---- */

static void parse(struct options *o, int argc, char **argv)
{
    const char *name = NULL;
    int c;
    o->hostname = "guest";
    o->slice = SLICE;
    o->start_s = START_S;
    while ((c = getopt(argc, argv, "+vxstfLu:c:e:n:l:a:h:T:")) != -1) {
        switch (c) {
        case 'v': o->verbose = true; break;
        case 'x': o->calls = true; break;
        case 's': o->figures = true; break;
        case 't': o->terminal = true; break;
        case 'f': o->fixed = true; break;
        case 'L': o->unlimited = true; break;
        case 'T': o->start_s = strtoll(optarg, NULL, 10); break;
        case 'u': o->uid = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'c': o->cwd = optarg; break;
        case 'n': o->instructions = strtoull(optarg, NULL, 10); break;
        case 'l': o->slice = strtoull(optarg, NULL, 10); break;
        case 'a': name = optarg; break;
        case 'h': o->hostname = optarg; break;
        case 'e':
            if (o->envc < ENV_MAX)
                o->env[o->envc++] = span_z(optarg);
            break;
        default: exit(125);
        }
    }
    if (argc - optind < 2) {
        fprintf(
            stderr,
            "usage: guest-run [-vxstfL] [-u UID] [-c DIR] [-e NAME=VALUE] [-n COUNT] [-a ARGV0] "
            "[-h HOSTNAME] [-l SLICE] [-T SECONDS] IMAGE PROGRAM [ARGUMENT]...\n");
        exit(125);
    }
    o->image = argv[optind++];
    for (; optind < argc && o->argc < ARGS_MAX; optind++)
        o->argv[o->argc++] = span_z(argv[optind]);
    o->path = o->argv[0];
    if (name != NULL)
        o->argv[0] = span_z(name);
}

static const struct kernel_limits no_limits = {
    .instructions = UINT64_MAX,
    .memory_pages = 1 << 20,
    .processes = 1000,
    .files = 100000,
    .overlay_bytes = UINT64_C(1) << 32,
    .overlay_nodes = 1 << 20,
    .stream_bytes = 1 << 20,
    .events = 10000,
};

static struct kernel *new_kernel(const struct runner *r, const struct persona_image *image,
                                 struct cpu_code *code)
{
    struct kernel_config config = {.image = image,
                                   .code = code,
                                   .limits = kernel_limits_default,
                                   .hostname = span_z(r->options.hostname),
                                   .foreign_programs = true,
                                   .boot_ms = now_ms(r) - UPTIME_MS};
    if (r->options.unlimited)
        config.limits = no_limits;
    if (r->options.instructions != 0)
        config.limits.instructions = r->options.instructions;
    if (!r->options.fixed && getrandom(config.seed, sizeof(config.seed), 0) < 0)
        fail("getrandom", errno);
    struct kernel *k = kernel_new(&config, now_ms(r));
    if (k == NULL)
        fail("kernel_new", ENOMEM);
    if (r->options.figures)
        k->trace = note_call;
    if (r->options.calls)
        k->trace = print_call;
    return k;
}

static void spawn(struct runner *r)
{
    struct options *o = &r->options;
    static const struct kernel_terminal terminal = {
        .term = SPAN_LIT("xterm"), .columns = 80, .rows = 24};
    struct kernel_spawn s = {.argv = o->argv,
                             .argc = o->argc,
                             .path = o->path,
                             .env = o->env,
                             .envc = o->envc,
                             .cwd = span_z(o->cwd != NULL ? o->cwd : "/"),
                             .uid = o->uid,
                             .gid = o->uid,
                             .terminal = o->terminal ? &terminal : NULL};
    r->program = kernel_spawn(r->kernel, &s);
    if (r->program < 0)
        fail("spawn", r->program);
    if (o->terminal && tcgetattr(STDIN_FILENO, &r->saved) == 0) {
        struct termios raw = r->saved;
        cfmakeraw(&raw);
        r->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
}

static void figures(const struct runner *r, const struct timespec *from)
{
    fprintf(
        stderr,
        "%" PRIu64 " instructions, %.2f ms, at most %zu frames used, slowest slice %.2f ms (%s)\n",
        r->kernel->instructions, ms_since(from), r->most_frames, r->slowest_ms, r->slowest_call);
}

int main(int argc, char **argv)
{
    static struct runner r;
    struct persona_image *image = NULL;
    struct timespec from;
    parse(&r.options, argc, argv);
    r.fixed_ms = r.options.start_s * 1000;
    int error = persona_image_open(map_file(r.options.image), &image);
    struct cpu_code *code = cpu_code_new(CODE_BYTES);
    if (error != 0 || code == NULL)
        fail(r.options.image, EINVAL);
    clock_gettime(CLOCK_MONOTONIC, &from);
    r.kernel = new_kernel(&r, image, code);
    spawn(&r);
    pump(&r);
    if (r.raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &r.saved);
    if (r.options.figures)
        figures(&r, &from);
    pull_events(&r);
    kernel_free(r.kernel);
    cpu_code_free(code);
    persona_image_close(image);
    if (WIFSIGNALED(r.status))
        return 128 + WTERMSIG(r.status);
    return WEXITSTATUS(r.status);
}
