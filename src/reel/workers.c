/* The parent of workers: signals, the deadline, the result. */
#include "reel/crew.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

int reel_crew_work(const struct crew_member *m, struct reel_reactor *r, int *start_error)
{
    const struct reel_workers_options *o = &m->crew->options;
    *start_error = o->start(r, m->index, o->context);
    if (*start_error < 0)
        return 0;
    int err = reel_run(r);
    if (o->finish)
        o->finish(r, m->index, o->context);
    return err;
}

void reel_crew_stop_worker(const struct crew *crew, struct reel_reactor *r)
{
    if (reel_stop_gracefully(r, crew->options.grace_ns) < 0)
        reel_stop(r);
}

static void force_all(struct crew *crew)
{
    for (int i = 0; i < crew->count; i++)
        if (crew->members[i].running)
            crew->kind->force(&crew->members[i]);
}

void reel_crew_stop(struct crew *crew, int result)
{
    if (crew->result == 0)
        crew->result = result;
    if (crew->stopping)
        return;
    crew->stopping = true;
    for (int i = 0; i < crew->count; i++) {
        struct crew_member *m = &crew->members[i];
        m->due = false;
        reel_timer_stop(&m->pause);
        if (m->running)
            crew->kind->stop(m);
    }
    reel_timer_start(&crew->deadline, crew->options.grace_ns + REEL_WORKERS_FORCE_NS);
}

static void on_interrupt(struct reel_signal *signal)
{
    struct crew *crew = CONTAINER_OF(signal, struct crew, interrupt);
    if (crew->stopping)
        force_all(crew);
    reel_crew_stop(crew, 0);
}

static void on_terminate(struct reel_signal *signal)
{
    on_interrupt(&CONTAINER_OF(signal, struct crew, terminate)->interrupt);
}

static void on_deadline(struct reel_timer *timer)
{
    force_all(CONTAINER_OF(timer, struct crew, deadline));
}

static void on_pause_over(struct reel_timer *timer)
{
    CONTAINER_OF(timer, struct crew_member, pause)->due = true;
}

/* Whoever ignores SIGCHLD hears nothing of his children. */
static void hear_of_children(struct crew *crew)
{
    const struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(SIGCHLD, &action, &crew->child_action);
}

static int open_all(struct crew *crew)
{
    struct reel_reactor *r = crew->reactor;
    hear_of_children(crew);
    int err = reel_timer_init(&crew->deadline, r, on_deadline);
    for (int i = 0; i < crew->count && err == 0; i++)
        err = reel_timer_init(&crew->members[i].pause, r, on_pause_over);
    if (err == 0)
        err = reel_signal_start(&crew->interrupt, r, SIGINT, on_interrupt);
    if (err == 0)
        err = reel_signal_start(&crew->terminate, r, SIGTERM, on_terminate);
    if (err == 0 && !crew->options.threads)
        err = reel_signal_start(&crew->child, r, SIGCHLD, reel_crew_reap);
    return err;
}

static void start_due(struct crew *crew)
{
    for (int i = 0; i < crew->count; i++) {
        struct crew_member *m = &crew->members[i];
        if (!m->due)
            continue;
        m->due = false;
        int err = crew->kind->start(m);
        if (err < 0)
            reel_crew_stop(crew, err);
    }
}

static bool is_over(const struct crew *crew)
{
    for (int i = 0; i < crew->count; i++) {
        const struct crew_member *m = &crew->members[i];
        if (m->running || m->due || reel_timer_is_active(&m->pause))
            return false;
    }
    return true;
}

/* Not reel_run: between two turns no callback is under way, and a child may be made. */
static void supervise(struct crew *crew)
{
    for (int i = 0; i < crew->count; i++)
        crew->members[i].due = true;
    start_due(crew);
    while (!is_over(crew)) {
        int err = reel_run_once(crew->reactor, -1);
        if (err < 0) {
            reel_crew_stop(crew, err);
            force_all(crew);
        }
        start_due(crew);
    }
}

static int cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

static void fill_in(struct reel_workers_options *o)
{
    if (o->count == 0) {
        int cpus = cpu_count();
        o->count = cpus < REEL_WORKERS_MAX ? cpus : REEL_WORKERS_MAX;
    }
    o->grace_ns = o->grace_ns > 0 ? o->grace_ns : REEL_WORKERS_GRACE_NS;
    o->healthy_ns = o->healthy_ns > 0 ? o->healthy_ns : REEL_WORKERS_HEALTHY_NS;
    o->pause_ns = o->pause_ns > 0 ? o->pause_ns : REEL_WORKERS_PAUSE_NS;
}

static struct crew *crew_new(struct reel_reactor *r, const struct reel_workers_options *options)
{
    const size_t count = (size_t)options->count;
    struct crew *crew =
        reel_memory_new_zeroed(r, sizeof(*crew) + count * sizeof(struct crew_member));
    if (!crew)
        return NULL;
    crew->options = *options;
    crew->kind = options->threads ? &reel_crew_threads : &reel_crew_processes;
    crew->reactor = r;
    crew->count = options->count;
    for (int i = 0; i < crew->count; i++) {
        crew->members[i].crew = crew;
        crew->members[i].index = i;
    }
    return crew;
}

static void close_all(struct crew *crew)
{
    reel_signal_stop(&crew->child);
    reel_signal_stop(&crew->terminate);
    reel_signal_stop(&crew->interrupt);
    for (int i = 0; i < crew->count; i++)
        reel_timer_fini(&crew->members[i].pause);
    reel_timer_fini(&crew->deadline);
    sigaction(SIGCHLD, &crew->child_action, NULL);
}

static int run(struct reel_reactor *r, const struct reel_workers_options *options)
{
    const size_t size = (size_t)options->count * sizeof(int);
    struct crew *crew = crew_new(r, options);
    if (!crew)
        return -ENOMEM;
    crew->errors = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int err = crew->errors == MAP_FAILED ? -errno : 0;
    if (err == 0) {
        err = open_all(crew);
        if (err == 0) {
            supervise(crew);
            err = crew->result;
        }
        close_all(crew);
        munmap(crew->errors, size);
    }
    reel_memory_free(r, crew);
    return err;
}

int reel_workers_run(const struct reel_workers_options *options)
{
    struct reel_workers_options filled = *options;
    struct reel_reactor_options parent = {.spin_ns = -1}; /* it has nothing to be quick about */
    if (!options->start || options->count < 0 || options->count > REEL_WORKERS_MAX)
        return -EINVAL;
    fill_in(&filled);
    if (options->reactor)
        parent.allocator = options->reactor->allocator;
    struct reel_reactor *r = reel_reactor_new(&parent);
    if (!r)
        return -errno;
    int err = run(r, &filled);
    reel_reactor_free(r);
    return err;
}
