/* Child processes: their descriptors, and their end. */
#include <reel/process.h>

#include "reel/fdio.h"
#include "reel/part.h"
#include "reel/spawn.h"

#include <reel/signal.h>

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The parent's end of one of the child's descriptors. */
struct process_pipe {
    struct stream_end end;
    struct reel_process *process;
    struct reel_transport *transport; /* NULL: over */
    int number;                       /* -1: the terminal, 0 to 2 */
};

struct reel_process {
    struct source source; /* the pidfd */
    struct reel_reactor *reactor;
    const struct reel_process_protocol *protocol;
    void *shared;
    struct reactor_part part;
    struct reel_signal child_signal; /* where there is no pidfd */
    struct reel_timer kill_timer;
    struct reel_call call; /* `exited` and `ended` are told from here */
    struct reel_process_status status;
    pid_t pid;
    pid_t parent; /* whose child it is: after a fork there is another process with this struct */
    int pidfd;    /* -1: none */
    bool exited, exited_told, called, leads_group, kill_at_end;
    size_t open_pipes, pipe_count;
    struct process_pipe pipes[];
};

/* What is opened for a child, until it has been started or not. */
struct birth_fds {
    struct spawn spawn;
    int parent[REEL_CHILD_FDS_MAX + 1]; /* this side's ends, in the order of `pipes` */
    int own[REEL_CHILD_FDS_MAX + 3];    /* the child's ends, closed in any case */
    size_t parent_count, own_count;
};

static void process_free(struct reel_process *p)
{
    reel_timer_fini(&p->kill_timer);
    list_remove(&p->part.link);
    reel_memory_free(p->reactor, p);
}

static void forget_pidfd(struct reel_process *p)
{
    reel_signal_stop(&p->child_signal);
    if (p->pidfd < 0)
        return;
    p->reactor->backend->remove(p->reactor, p->pidfd, &p->source);
    close(p->pidfd);
    p->pidfd = -1;
}

static void tell_ended(struct reel_process *p)
{
    if (p->protocol && p->protocol->ended)
        p->protocol->ended(p, &p->status);
    process_free(p);
}

static void on_call(struct reel_call *call)
{
    struct reel_process *p = CONTAINER_OF(call, struct reel_process, call);
    p->called = false;
    if (!p->exited)
        return;
    if (!p->exited_told) {
        p->exited_told = true;
        if (p->protocol && p->protocol->exited)
            p->protocol->exited(p, &p->status);
    }
    if (p->open_pipes == 0)
        tell_ended(p);
}

/* From the loop, when all that happens at this moment has happened. */
static void check_end(struct reel_process *p)
{
    if (p->called || !p->exited || (p->exited_told && p->open_pipes))
        return;
    p->called = true;
    p->call.fn = on_call;
    reel_defer(p->reactor, &p->call);
}

static void on_pipe_over(struct stream_end *end, struct reel_transport *t)
{
    (void)t;
    struct process_pipe *pipe = CONTAINER_OF(end, struct process_pipe, end);
    pipe->transport = NULL;
    pipe->process->open_pipes--;
    check_end(pipe->process);
}

static void note_status(struct reel_process *p, const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED) {
        p->status.code = info->si_status;
    } else {
        p->status.signal = info->si_status;
        p->status.dumped = info->si_code == CLD_DUMPED;
    }
}

/* Asks whether it has exited; it is waited for then, and its number may be given to another. */
static void reap(struct reel_process *p)
{
    siginfo_t info = {.si_pid = 0};
    if (p->exited)
        return;
    int n = waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG);
    if (n < 0 && errno == ECHILD)
        p->status.lost = true;
    else if (n < 0 || info.si_pid == 0)
        return;
    else
        note_status(p, &info);
    p->exited = true;
    reel_timer_stop(&p->kill_timer);
    forget_pidfd(p);
    check_end(p);
}

static void on_pidfd(void *source, uint32_t events)
{
    (void)events;
    reap(CONTAINER_OF(source, struct reel_process, source));
}

static void on_child_signal(struct reel_signal *signal)
{
    reap(CONTAINER_OF(signal, struct reel_process, child_signal));
}

static void on_kill_timer(struct reel_timer *timer)
{
    reel_process_kill(CONTAINER_OF(timer, struct reel_process, kill_timer), SIGKILL);
}

static void part_info(const struct reactor_part *part, struct reel_handle_info *out)
{
    const struct reel_process *p = CONTAINER_OF(part, struct reel_process, part);
    const char *name_z = p->protocol ? p->protocol->name_z : NULL;
    *out = (struct reel_handle_info){REEL_HANDLE_PROCESS, name_z ? name_z : "process", p->pidfd, p};
}

/* The pipes are over by now. One that is not known to have ended is left to itself. */
static void part_end(struct reactor_part *part)
{
    struct reel_process *p = CONTAINER_OF(part, struct reel_process, part);
    bool ours = p->parent == getpid();
    if (!p->exited && p->kill_at_end && ours && reel_process_kill(p, SIGKILL) == 0)
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    if (!p->exited)
        p->status.lost = true;
    forget_pidfd(p);
    tell_ended(p);
}

static int part_after_fork(struct reactor_part *part)
{
    (void)part; /* the children stay the parent's: here nothing is heard of them */
    return 0;
}

static const struct reel_child_fd *find_fd(const struct reel_process_options *options, int number)
{
    for (size_t i = 0; i < options->fd_count; i++)
        if (options->fds[i].number == number)
            return &options->fds[i];
    return NULL;
}

static bool has_transport(const struct reel_child_fd *fd)
{
    return fd->kind == REEL_CHILD_READS || fd->kind == REEL_CHILD_WRITES ||
           fd->kind == REEL_CHILD_SOCKET;
}

static bool are_fds_sound(const struct reel_process_options *options)
{
    if (options->fd_count > REEL_CHILD_FDS_MAX - 3)
        return false;
    for (size_t i = 0; i < options->fd_count; i++) {
        const struct reel_child_fd *fd = &options->fds[i];
        if (fd->number < 0 || fd->number > 65535 || find_fd(options, fd->number) != fd)
            return false;
        if (options->pty && fd->number <= 2)
            return false;
        if (has_transport(fd) && !fd->factory)
            return false;
    }
    return true;
}

static void put_child_fd(struct birth_fds *b, int number, int fd, bool own)
{
    b->spawn.fds[b->spawn.fd_count++] = (struct spawn_fd){number, fd};
    if (own)
        b->own[b->own_count++] = fd;
}

static int open_null(struct birth_fds *b, int number)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    put_child_fd(b, number, fd, true);
    return 0;
}

static int open_pair(struct birth_fds *b, const struct reel_child_fd *fd)
{
    int ends[2];
    int n = fd->kind == REEL_CHILD_SOCKET ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
                                          : pipe2(ends, O_CLOEXEC);
    if (n < 0)
        return -errno;
    int child = fd->kind == REEL_CHILD_READS ? 0 : 1;
    b->parent[b->parent_count++] = ends[1 - child];
    put_child_fd(b, fd->number, ends[child], true);
    return 0;
}

static int open_same(struct birth_fds *b, const struct reel_child_fd *fd)
{
    for (size_t i = 0; i < b->spawn.fd_count; i++) {
        if (b->spawn.fds[i].number == fd->fd) {
            put_child_fd(b, fd->number, b->spawn.fds[i].fd, false);
            return 0;
        }
    }
    return -EBADF;
}

static int open_one(struct birth_fds *b, const struct reel_child_fd *fd)
{
    switch (fd->kind) {
    case REEL_CHILD_READS:
    case REEL_CHILD_WRITES:
    case REEL_CHILD_SOCKET: return open_pair(b, fd);
    case REEL_CHILD_SAME: return open_same(b, fd);
    case REEL_CHILD_INHERIT:
        if (fcntl(fd->fd, F_GETFD) < 0)
            return -errno;
        put_child_fd(b, fd->number, fd->fd, false);
        return 0;
    default: return open_null(b, fd->number);
    }
}

static int open_terminal(struct birth_fds *b, const struct reel_process_options *options)
{
    const struct winsize size = {.ws_row = options->rows ? options->rows : 24,
                                 .ws_col = options->columns ? options->columns : 80};
    int ends[2];
    if (openpty(&ends[0], &ends[1], NULL, NULL, &size) < 0)
        return -errno;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    b->parent[b->parent_count++] = ends[0];
    put_child_fd(b, 0, ends[1], true);
    put_child_fd(b, 1, ends[1], false);
    put_child_fd(b, 2, ends[1], false);
    b->spawn.terminal = true;
    return 0;
}

static int open_fds(struct birth_fds *b, const struct reel_process_options *options)
{
    int err = options->pty ? open_terminal(b, options) : 0;
    for (int number = 0; number <= 2 && err == 0 && !options->pty; number++)
        if (!find_fd(options, number))
            err = open_null(b, number);
    for (size_t i = 0; i < options->fd_count && err == 0; i++)
        err = open_one(b, &options->fds[i]);
    return err;
}

/* A transport for each of this side's ends; not begun yet. */
static int prepare_pipe(struct reel_process *p, int *fd, int number,
                        const struct reel_factory *factory)
{
    struct process_pipe *pipe = &p->pipes[p->pipe_count];
    struct reel_transport *t = NULL;
    int err = reel_fd_stream_prepare(p->reactor, *fd, factory, &t);
    if (!t)
        return err;
    *fd = -1; /* the transport's from here on */
    struct stream_extra *extra = reel_stream_extra(t);
    if (!extra) {
        reel_fd_stream_undo(t);
        return -ENOMEM;
    }
    *pipe = (struct process_pipe){{.over = on_pipe_over}, p, t, number};
    extra->end = &pipe->end;
    p->pipe_count++;
    return 0;
}

static int prepare_pipes(struct reel_process *p, struct birth_fds *b,
                         const struct reel_process_options *options)
{
    size_t at = 0;
    int err = 0;
    if (options->pty)
        err = prepare_pipe(p, &b->parent[at++], -1, options->pty_factory);
    for (size_t i = 0; i < options->fd_count && err == 0; i++)
        if (has_transport(&options->fds[i]))
            err =
                prepare_pipe(p, &b->parent[at++], options->fds[i].number, options->fds[i].factory);
    return err;
}

static struct reel_process *process_new(struct reel_reactor *r, size_t pipe_count)
{
    static const struct source_ops source_ops = {on_pidfd};
    struct reel_process *p =
        reel_memory_new_zeroed(r, sizeof(*p) + pipe_count * sizeof(struct process_pipe));
    if (!p)
        return NULL;
    if (reel_timer_init(&p->kill_timer, r, on_kill_timer) < 0) {
        reel_memory_free(r, p);
        return NULL;
    }
    p->source.ops = &source_ops;
    p->reactor = r;
    p->parent = getpid();
    p->pidfd = -1;
    return p;
}

/* Before the child is there: a signal that comes at once must not be missed. */
static int watch_signal(struct reel_process *p)
{
    return reel_signal_start(&p->child_signal, p->reactor, SIGCHLD, on_child_signal);
}

static int watch_pidfd(struct reel_process *p)
{
    p->pidfd = pidfd_open(p->pid, 0);
    if (p->pidfd < 0)
        return -errno;
    fcntl(p->pidfd, F_SETFD, FD_CLOEXEC);
    int err = p->reactor->backend->add(p->reactor, p->pidfd, EPOLLIN, &p->source);
    if (err < 0) {
        close(p->pidfd);
        p->pidfd = -1;
    }
    return err;
}

static int give_birth(struct reel_process *p, const struct birth_fds *b, bool by_signal)
{
    int err = by_signal ? watch_signal(p) : 0;
    if (err == 0)
        err = reel_spawn(&b->spawn, &p->pid);
    if (err == 0 && !by_signal && watch_pidfd(p) < 0) {
        err = watch_signal(p);
        if (err == 0) {
            reap(p); /* it may be gone already */
        } else {
            kill(p->pid, SIGKILL);
            waitpid(p->pid, NULL, 0);
        }
    }
    return err;
}

static void undo(struct reel_process *p)
{
    for (size_t i = 0; i < p->pipe_count; i++)
        reel_fd_stream_undo(p->pipes[i].transport);
    forget_pidfd(p);
    process_free(p);
}

static void begin(struct reel_process *p)
{
    static const struct part_ops ops = {part_info, part_end, part_after_fork};
    reel_part_join(p->reactor, &p->part, &ops);
    p->open_pipes = p->pipe_count;
    for (size_t i = 0; i < p->pipe_count; i++)
        reel_stream_start(p->pipes[i].transport);
}

static int start(struct reel_process *p, struct birth_fds *b,
                 const struct reel_process_options *options)
{
    const char *const alone[] = {options->file_z, NULL};
    b->spawn.options = options;
    b->spawn.arguments = options->arguments ? options->arguments : alone;
    b->spawn.environment =
        options->environment ? options->environment : (const char *const *)environ;
    int err = open_fds(b, options);
    if (err == 0)
        err = prepare_pipes(p, b, options);
    if (err == 0)
        err = give_birth(p, b, options->by_signal);
    for (size_t i = 0; i < b->own_count; i++)
        close(b->own[i]);
    for (size_t i = 0; i < b->parent_count; i++)
        if (b->parent[i] >= 0)
            close(b->parent[i]); /* no transport has it */
    return err;
}

int reel_process_start(struct reel_reactor *r, const struct reel_process_options *options,
                       const struct reel_process_protocol *protocol, void *shared,
                       struct reel_process **out)
{
    if (r->ending)
        return -ECANCELED;
    if (r->wake_fd < 0)
        return -EOPNOTSUPP;
    if (!options->file_z || !are_fds_sound(options) || (options->pty && !options->pty_factory))
        return -EINVAL;
    struct reel_process *p = process_new(r, options->fd_count + options->pty);
    struct birth_fds *b = p ? reel_memory_new_zeroed(r, sizeof(*b)) : NULL;
    int err = b ? start(p, b, options) : -ENOMEM;
    reel_memory_free(r, b);
    if (err < 0) {
        if (p)
            undo(p);
        return err;
    }
    p->protocol = protocol;
    p->shared = shared;
    p->leads_group = options->new_group || options->new_session || options->pty;
    p->kill_at_end = options->kill_at_end;
    begin(p);
    if (out)
        *out = p;
    return 0;
}

void *reel_process_shared(const struct reel_process *p)
{
    return p->shared;
}

struct reel_reactor *reel_process_reactor(const struct reel_process *p)
{
    return p->reactor;
}

pid_t reel_process_pid(const struct reel_process *p)
{
    return p->pid;
}

struct reel_transport *reel_process_transport(const struct reel_process *p, int number)
{
    for (size_t i = 0; i < p->pipe_count; i++) {
        int own = p->pipes[i].number;
        if (own == number || (own < 0 && number >= 0 && number <= 2))
            return p->pipes[i].transport;
    }
    return NULL;
}

int reel_process_kill(struct reel_process *p, int signal)
{
    if (p->exited)
        return -ESRCH;
    int n = p->pidfd >= 0 ? pidfd_send_signal(p->pidfd, signal, NULL, 0) : kill(p->pid, signal);
    return n < 0 ? -errno : 0;
}

int reel_process_kill_group(struct reel_process *p, int signal)
{
    if (!p->leads_group)
        return -EPERM;
    if (p->exited)
        return -ESRCH; /* the group's number may be another's by now */
    return kill(-p->pid, signal) < 0 ? -errno : 0;
}

int reel_process_stop(struct reel_process *p, int64_t grace_ns)
{
    int err = reel_process_kill(p, SIGTERM);
    if (err == 0)
        reel_timer_start(&p->kill_timer, grace_ns);
    return err;
}

int reel_process_resize(struct reel_process *p, uint16_t rows, uint16_t columns)
{
    const struct winsize size = {.ws_row = rows, .ws_col = columns};
    if (p->pipe_count == 0 || p->pipes[0].number >= 0 || !p->pipes[0].transport)
        return -ENOTTY;
    return ioctl(p->pipes[0].transport->fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

const char *reel_process_status_text(const struct reel_process_status *status, char *out_z,
                                     size_t size)
{
    const char *name_z = status->signal ? sigabbrev_np(status->signal) : NULL;
    if (status->lost)
        snprintf(out_z, size, "ended, nobody knows how");
    else if (name_z)
        snprintf(out_z, size, "was killed by SIG%s%s", name_z,
                 status->dumped ? " and left a core file" : "");
    else if (status->signal)
        snprintf(out_z, size, "was killed by signal %d", status->signal);
    else
        snprintf(out_z, size, "exited with code %d", status->code);
    return out_z;
}
