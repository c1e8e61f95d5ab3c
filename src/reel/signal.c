#include <reel/signal.h>

#include "reel/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static sigset_t watched_set(const struct reel_reactor *r)
{
    sigset_t set;
    sigemptyset(&set);
    for (struct reel_link *link = r->signals.next; link != &r->signals; link = link->next) {
        const struct reel_signal *signal = CONTAINER_OF(link, struct reel_signal, link);
        sigaddset(&set, signal->number);
    }
    return set;
}

static struct reel_signal *next_to_tell(const struct reel_reactor *r, uint32_t number)
{
    for (struct reel_link *link = r->signals.next; link != &r->signals; link = link->next) {
        struct reel_signal *signal = CONTAINER_OF(link, struct reel_signal, link);
        if ((uint32_t)signal->number == number && signal->round != r->signal_round)
            return signal;
    }
    return NULL;
}

/* Any of them may stop any other in its callback, so each search begins anew. */
static void tell(struct reel_reactor *r, const struct signalfd_siginfo *info)
{
    r->signal_round++;
    struct reel_signal *signal = NULL;
    while ((signal = next_to_tell(r, info->ssi_signo))) {
        signal->round = r->signal_round;
        signal->sender_pid = info->ssi_pid;
        signal->fire(signal);
    }
}

static void on_events(void *source, uint32_t events)
{
    (void)events;
    struct reel_reactor *r = CONTAINER_OF(source, struct reel_reactor, signal_source);
    struct signalfd_siginfo info;
    while (r->signal_fd >= 0 && read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        tell(r, &info);
}

static int open_signalfd(struct reel_reactor *r)
{
    static const struct source_ops ops = {on_events};
    sigset_t none;
    sigemptyset(&none);
    int fd = signalfd(-1, &none, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    r->signal_source.ops = &ops;
    int err = r->backend->add(r, fd, EPOLLIN, &r->signal_source);
    if (err < 0) {
        close(fd);
        return err;
    }
    r->signal_fd = fd;
    return 0;
}

static int update_signalfd(struct reel_reactor *r)
{
    sigset_t set = watched_set(r);
    return signalfd(r->signal_fd, &set, 0) < 0 ? -errno : 0;
}

static bool is_catchable(int number)
{
    return number >= 1 && number < SIGNAL_NUMBERS && number != SIGKILL && number != SIGSTOP;
}

static bool is_watched(const struct reel_reactor *r, int number)
{
    sigset_t set = watched_set(r);
    return sigismember(&set, number) == 1;
}

static int block(struct reel_reactor *r, int number)
{
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, number);
    int error = pthread_sigmask(SIG_BLOCK, &one, &before);
    if (error == 0)
        r->signal_was_blocked[number] = sigismember(&before, number) == 1;
    return -error;
}

static void unblock(struct reel_reactor *r, int number)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    if (!r->signal_was_blocked[number])
        pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

int reel_signal_start(struct reel_signal *signal, struct reel_reactor *r, int number,
                      void (*fire)(struct reel_signal *signal))
{
    *signal = (struct reel_signal){
        .fire = fire, .number = number, .reactor = r, .round = r->signal_round};
    if (!is_catchable(number))
        return -EINVAL;
    if (r->ending)
        return -ECANCELED;
    int err = r->signal_fd < 0 ? open_signalfd(r) : 0;
    if (err < 0)
        return err;
    bool first = !is_watched(r, number);
    if (first)
        err = block(r, number);
    if (err < 0)
        return err;
    list_put(&r->signals, &signal->link);
    err = update_signalfd(r);
    if (err < 0) {
        list_remove(&signal->link);
        if (first)
            unblock(r, number);
    }
    return err;
}

void reel_signal_stop(struct reel_signal *signal)
{
    if (!link_is_in_list(&signal->link))
        return;
    struct reel_reactor *r = signal->reactor;
    list_remove(&signal->link);
    if (is_watched(r, signal->number))
        return;
    update_signalfd(r);
    unblock(r, signal->number);
}

void reel_signals_fini(struct reel_reactor *r)
{
    while (!list_is_empty(&r->signals))
        reel_signal_stop(CONTAINER_OF(r->signals.next, struct reel_signal, link));
    if (r->signal_fd >= 0)
        close(r->signal_fd);
    r->signal_fd = -1;
}

int reel_signals_after_fork(struct reel_reactor *r)
{
    if (r->signal_fd < 0)
        return 0;
    close(r->signal_fd);
    r->signal_fd = -1;
    int err = open_signalfd(r);
    return err < 0 ? err : update_signalfd(r);
}

static void stop_reactor(struct reel_signal *signal)
{
    reel_stop(signal->reactor);
}

int reel_stop_on_signals(struct reel_signal signals[2], struct reel_reactor *r)
{
    int err = reel_signal_start(&signals[0], r, SIGINT, stop_reactor);
    if (err < 0)
        return err;
    err = reel_signal_start(&signals[1], r, SIGTERM, stop_reactor);
    if (err < 0)
        reel_signal_stop(&signals[0]);
    return err;
}
