#include "lured/recording.h"

#include "base/error.h"
#include "lured/channel.h"
#include "record/recorder.h"

#include <errno.h>
#include <reel/signal.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct recording {
    const struct recording_start *start;
    struct reel_reactor *reactor;
    struct record_store *store;
    struct recorder recorder;
    struct reel_signal terminate;
    struct reel_watch channel;
    struct reel_timer patience;
    struct reel_hook turn;
    bool stopping;
};

static int complain(const char *what_z, int error)
{
    (void)fprintf(stderr, "lured: recorder: %s: %s\n", what_z,
                  error > -1000 ? strerror(-error) : error_text(error));
    return 1;
}

static void on_trouble(struct recorder *recorder, const char *line_z)
{
    (void)recorder;
    (void)fprintf(stderr, "lured: %s\n", line_z);
}

static void stop(struct recording *r)
{
    if (r->stopping)
        return;
    r->stopping = true;
    reel_timer_start(&r->patience, RECORDING_STOP_MS * REEL_MS);
}

static void on_terminate(struct reel_signal *signal)
{
    stop((struct recording *)((char *)signal - offsetof(struct recording, terminate)));
}

static void on_patience(struct reel_timer *timer)
{
    struct recording *r =
        (struct recording *)((char *)timer - offsetof(struct recording, patience));
    reel_stop(r->reactor);
}

static void on_channel(struct reel_watch *watch, uint32_t events)
{
    struct recording *r = (struct recording *)((char *)watch - offsetof(struct recording, channel));
    int fd = -1;
    (void)events;
    int message = channel_receive(r->start->channel, &fd);
    if (message == -EAGAIN)
        return;
    if (message == CHANNEL_SENSOR && fd >= 0) {
        recorder_adopt(&r->recorder, fd);
        return;
    }
    reel_watch_stop(watch);
    stop(r);
}

static void on_turn(struct reel_hook *hook)
{
    struct recording *r = (struct recording *)((char *)hook - offsetof(struct recording, turn));
    if (r->stopping && recorder_is_idle(&r->recorder))
        reel_stop(r->reactor);
}

static int open_all(struct recording *r)
{
    static const struct reel_reactor_options options = {.backend_z = "epoll"}; /* see sensor.c */
    int error = 0;
    r->store = record_store_open(&r->start->dirs, &r->start->options, &error);
    if (r->store == NULL)
        return error;
    r->reactor = reel_reactor_new(&options);
    if (r->reactor == NULL)
        return -errno;
    error = recorder_init(&r->recorder, r->reactor, r->store);
    r->recorder.on_trouble = on_trouble;
    if (error == 0)
        error = recorder_listen(&r->recorder, r->start->bell);
    if (error == 0)
        error = reel_timer_init(&r->patience, r->reactor, on_patience);
    if (error == 0)
        error = reel_signal_start(&r->terminate, r->reactor, SIGTERM, on_terminate);
    if (error == 0)
        error = reel_watch_start(&r->channel, r->reactor, r->start->channel, EPOLLIN, on_channel);
    reel_before_sleep_start(&r->turn, r->reactor, on_turn);
    return error;
}

int recording_main(const struct recording_start *start)
{
    const char *step_z = NULL;
    struct recording *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return complain("start", -ENOMEM);
    r->start = start;
    /* First the user, then the files, so that they are his. */
    int error = sandbox_enter(&start->sandbox, &step_z);
    if (error == 0) {
        step_z = "data directory";
        error = open_all(r);
    }
    int status = error < 0 ? complain(step_z, error) : 0;
    if (error == 0) {
        recorder_adopt(&r->recorder, start->sensor);
        (void)reel_run(r->reactor);
        recorder_fini(&r->recorder);
    }
    reel_timer_fini(&r->patience);
    reel_reactor_free(r->reactor);
    record_store_close(r->store);
    free(r);
    return status;
}
