#include "agent.h"

#include "sockets.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t take_number(int fd)
{
    int64_t number = 0;
    if (read(fd, &number, sizeof(number)) != sizeof(number))
        return -1;
    return number;
}

static void give_number(int fd, int64_t number)
{
    if (write(fd, &number, sizeof(number)) != sizeof(number))
        die("agent");
}

static void __attribute__((noreturn))
serve(int fd, const struct load_ops *ops, const struct load_shape *shape, int port)
{
    void *load = ops->open(shape, port);
    int64_t slice_ns = 0;
    give_number(fd, 0);
    while ((slice_ns = take_number(fd)) >= 0)
        give_number(fd, ops->run(load, slice_ns));
    ops->close(load);
    _exit(0); /* what this program has not yet printed is not to be printed twice */
}

static int64_t answer(const struct agent *a)
{
    int64_t number = take_number(a->fd);
    if (number < 0)
        exit(1); /* it said why */
    return number;
}

void agent_start(struct agent *a, const struct load_ops *ops, const struct load_shape *shape,
                 int port)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        die("socketpair");
    a->pid = fork();
    if (a->pid < 0)
        die("fork");
    if (a->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        serve(ends[1], ops, shape, port);
    }
    close(ends[1]);
    a->fd = ends[0];
    answer(a);
}

int64_t agent_run(const struct agent *a, int64_t slice_ns)
{
    give_number(a->fd, slice_ns);
    return answer(a);
}

void agent_stop(struct agent *a)
{
    give_number(a->fd, -1); /* closing would not be seen: later agents have the descriptor too */
    close(a->fd);
    waitpid(a->pid, NULL, 0);
    a->pid = 0;
}
