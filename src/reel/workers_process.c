/* Workers that are processes: born by fork, and born again. */
#include "reel/crew.h"

#include <reel/process.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct worker {
    struct reel_signal terminate;
    const struct crew *crew;
};

static void on_terminate(struct reel_signal *signal)
{
    struct worker *worker = CONTAINER_OF(signal, struct worker, terminate);
    reel_crew_stop_worker(worker->crew, signal->reactor);
}

/* The parent's reactor came along: it is given descriptors of its own before it is freed, so that
 * the parent's lose nothing. Its signals go, and with them what they had blocked. */
static int leave_parent(struct reel_reactor *r)
{
    int err = reel_after_fork(r);
    reel_reactor_free(r);
    return err;
}

/* The worker: its exit code. */
static int work(struct crew_member *m)
{
    struct worker worker = {.crew = m->crew};
    int *start_error = &m->crew->errors[m->index];
    *start_error = leave_parent(m->crew->reactor);
    if (*start_error < 0)
        return 1;
    struct reel_reactor *r = reel_reactor_new(m->crew->options.reactor);
    if (!r) {
        *start_error = -errno;
        return 1;
    }
    int err = reel_signal_start(&worker.terminate, r, SIGTERM, on_terminate);
    if (err < 0)
        *start_error = err;
    else
        err = reel_crew_work(m, r, start_error);
    reel_reactor_free(r);
    return err < 0 || *start_error < 0;
}

static void child_main(struct crew_member *m, pid_t parent)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &ignore, NULL); /* from a terminal all hear it; the parent sees to it */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int code = getppid() == parent ? work(m) : 1;
    fflush(NULL);
    _exit(code);
}

static void tell(const struct crew_member *m, const struct reel_process_status *status)
{
    const struct reel_workers_options *o = &m->crew->options;
    if (o->told)
        o->told(o->context, m->index, m->pid, status);
}

static void start_later(struct crew_member *m)
{
    const struct reel_workers_options *o = &m->crew->options;
    m->restarts++;
    if (o->restarts_max > 0 && m->restarts > o->restarts_max) {
        reel_crew_stop(m->crew, -ECHILD);
        return;
    }
    m->pause_ns = m->pause_ns ? 2 * m->pause_ns : o->pause_ns;
    if (m->pause_ns > REEL_WORKERS_PAUSE_MAX_NS)
        m->pause_ns = REEL_WORKERS_PAUSE_MAX_NS;
    reel_timer_start(&m->pause, m->pause_ns);
}

static int process_start(struct crew_member *m)
{
    const pid_t parent = getpid();
    fflush(NULL); /* or the child would have it to write too */
    m->crew->errors[m->index] = 0;
    m->since_ns = reel_now_ns(m->crew->reactor);
    m->pid = fork();
    if (m->pid == 0)
        child_main(m, parent);
    if (m->pid < 0 && m->lived) { /* no room for a process now: there may be later */
        start_later(m);
        return 0;
    }
    if (m->pid < 0)
        return -errno;
    m->running = true;
    tell(m, NULL);
    return 0;
}

static void process_stop(struct crew_member *m)
{
    kill(m->pid, SIGTERM); /* not waited for yet: the number is its own */
}

static void process_force(struct crew_member *m)
{
    kill(m->pid, SIGKILL);
}

static void start_again(struct crew_member *m, const struct reel_process_status *status)
{
    struct crew *crew = m->crew;
    bool first = !m->lived;
    m->lived = true;
    if (first && crew->errors[m->index] < 0) {
        reel_crew_stop(crew, crew->errors[m->index]);
        return;
    }
    if (crew->stopping || (status->code == 0 && status->signal == 0 && !status->lost))
        return;
    if (reel_now_ns(crew->reactor) - m->since_ns < crew->options.healthy_ns) {
        start_later(m);
        return;
    }
    m->restarts = 0;
    m->pause_ns = 0;
    m->due = true;
}

static void reap(struct crew_member *m)
{
    struct reel_process_status status = {.code = 0};
    int how = 0;
    pid_t pid = waitpid(m->pid, &how, WNOHANG);
    if (pid == 0 || (pid < 0 && errno != ECHILD))
        return;
    if (pid < 0)
        status.lost = true;
    else if (WIFEXITED(how))
        status.code = WEXITSTATUS(how);
    else
        status = (struct reel_process_status){.signal = WTERMSIG(how), .dumped = WCOREDUMP(how)};
    m->running = false;
    tell(m, &status);
    start_again(m, &status);
}

void reel_crew_reap(struct reel_signal *signal)
{
    struct crew *crew = CONTAINER_OF(signal, struct crew, child);
    for (int i = 0; i < crew->count; i++)
        if (crew->members[i].running)
            reap(&crew->members[i]);
}

const struct crew_kind reel_crew_processes = {process_start, process_stop, process_force};
