#include "record/recorder.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 * 1024)
/* Reads a turn: other things on the reactor get their turn in between. */
#define READS_MAX 16

static struct recorder *of_watch(struct reel_watch *watch)
{
    return (struct recorder *)((char *)watch - offsetof(struct recorder, watch));
}

static struct recorder *of_sync(struct reel_timer *timer)
{
    return (struct recorder *)((char *)timer - offsetof(struct recorder, sync));
}

static struct recorder *of_retry(struct reel_timer *timer)
{
    return (struct recorder *)((char *)timer - offsetof(struct recorder, retry));
}

static struct recorder *of_rest(struct reel_timer *timer)
{
    return (struct recorder *)((char *)timer - offsetof(struct recorder, rest));
}

static struct recorder *of_bell(struct reel_watch *watch)
{
    return (struct recorder *)((char *)watch - offsetof(struct recorder, bell));
}

static struct recorder *of_idle(struct reel_idle *idle)
{
    return (struct recorder *)((char *)idle - offsetof(struct recorder, idle));
}

static struct recorder *of_answer(struct reel_timer *timer)
{
    return (struct recorder *)((char *)timer - offsetof(struct recorder, answer));
}

static void tell(struct recorder *recorder, const char *what_z, int error)
{
    char line_z[256];
    const char *words_z = error > -1000 ? strerrordesc_np(-error) : error_text(error);
    (void)snprintf(line_z, sizeof(line_z), "recorder: %s: %s", what_z, words_z);
    if (recorder->on_trouble != NULL)
        recorder->on_trouble(recorder, line_z);
}

static void stop_reading(struct recorder *recorder)
{
    reel_timer_stop(&recorder->rest);
    if (recorder->fd >= 0)
        reel_watch_stop(&recorder->watch);
}

/* A write failed: no more is read until it has succeeded. */
static void stall(struct recorder *recorder, int error)
{
    if (recorder->error != error)
        tell(recorder, "cannot write, will try again", error);
    recorder->error = error;
    recorder->stalled = true;
    stop_reading(recorder);
    reel_timer_start(&recorder->retry, RECORD_RETRY_MS * REEL_MS);
}

/* Sends what waits. A part of an answer is followed by the rest, so nothing else may come between. */
static void send_answers(struct recorder *recorder)
{
    while (recorder->fd >= 0 && buffer_len(&recorder->out) > 0) {
        struct span rest = buffer_span(&recorder->out);
        ssize_t n = send(recorder->fd, rest.data, rest.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            reel_timer_start(&recorder->answer, RECORD_ANSWER_MS * REEL_MS);
        if (n <= 0)
            return; /* the end of the sensor is heard where it is read */
        buffer_take(&recorder->out, (size_t)n);
    }
    buffer_shrink(&recorder->out, 0);
}

/* For all that is written, and behind other answers: when they leave no room, after them. */
static void send_ack(struct recorder *recorder)
{
    if (frame_put_ack(&recorder->out, record_store_number(recorder->store)) == 0)
        recorder->owes = false;
    send_answers(recorder);
}

static void on_answer(struct reel_timer *timer)
{
    struct recorder *recorder = of_answer(timer);
    send_answers(recorder);
    if (recorder->owes)
        send_ack(recorder);
}

/* Writes what was taken, and says so. */
static void save(struct recorder *recorder)
{
    int error = record_store_save(recorder->store);
    if (error < 0)
        stall(recorder, error);
    else if (!recorder->stalled)
        recorder->error = 0;
    if (error == 0 && recorder->owes && recorder->fd >= 0)
        send_ack(recorder);
}

static int take_frame(struct recorder *recorder, const struct frame *f)
{
    int64_t now_us = reel_wall_us(recorder->reactor);
    if (f->kind == FRAME_HELLO) {
        int error = record_store_hello(recorder->store, f->hello.boot, now_us);
        recorder->hello = error == 0;
        recorder->owes = true;
        /* One who is not told asks for everybody. */
        if (error == 0)
            (void)record_store_visitors(recorder->store, &recorder->out);
        return error;
    }
    if (!recorder->hello || f->kind == FRAME_ACK || f->kind == FRAME_VISIT ||
        f->kind == FRAME_VISITORS)
        return ERR_MALFORMED;
    if (f->kind == FRAME_VISIT_ASK &&
        record_store_answer(recorder->store, &f->visit_ask, now_us, &recorder->out) == 0)
        send_answers(recorder);
    return record_store_take(recorder->store, f, now_us);
}

/* Takes the whole frames that are there, to be saved together. */
static void take_frames(struct recorder *recorder)
{
    struct frame f;
    int64_t n = 0;
    while ((n = frame_read(buffer_span(&recorder->in), &f)) > 0) {
        int error = take_frame(recorder, &f);
        if (error == ERR_MALFORMED) {
            n = error;
            break;
        }
        if (error < 0) {
            stall(recorder, error);
            break;
        }
        recorder->owes = true;
        buffer_take(&recorder->in, (size_t)n);
    }
    if (n < 0) {
        /* Not our sensor any more: what it says is not worth a record, that it says it is. */
        tell(recorder, "the sensor sends what is no frame", (int)n);
        record_store_gap(recorder->store, 1, buffer_len(&recorder->in), (int)n);
        buffer_clear(&recorder->in);
        recorder->ended = true;
    }
}

static void begin(struct recorder *recorder);

/* The sensor is gone and all it sent is written: its sessions end. */
static void finish(struct recorder *recorder)
{
    stop_reading(recorder);
    if (recorder->fd >= 0) {
        (void)close(recorder->fd);
        recorder->fd = -1;
    }
    buffer_clear(&recorder->out);
    buffer_clear(&recorder->in); /* at most a frame that it did not finish */
    int error =
        record_store_lose(recorder->store, "the sensor died", reel_wall_us(recorder->reactor));
    if (error < 0) {
        stall(recorder, error);
        return;
    }
    recorder->ended = false;
    begin(recorder);
}

/* Reads what is there, and takes it together. A reset only says that our last answers were not read:
 * what was sent before it is still in the socket. How many bytes. */
static size_t read_frames(struct recorder *recorder)
{
    size_t sum = 0;
    bool more = true;
    for (int i = 0; i < READS_MAX && more && !recorder->stalled && !recorder->ended; i++) {
        uint8_t *room = buffer_reserve(&recorder->in, READ_SIZE);
        if (room == NULL) {
            stall(recorder, ERR_NOMEM);
            return sum;
        }
        ssize_t n = read(recorder->fd, room, READ_SIZE);
        if (n < 0 && (errno == EINTR || errno == ECONNRESET))
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            recorder->ended = true;
        else
            buffer_commit(&recorder->in, (size_t)n);
        more = n == READ_SIZE;
        sum += n > 0 ? (size_t)n : 0;
        take_frames(recorder);
    }
    if (recorder->ended && !recorder->stalled)
        finish(recorder);
    return sum;
}

/* How many bytes. */
static size_t read_some(struct recorder *recorder)
{
    size_t n = read_frames(recorder);
    save(recorder);
    recorder->urgent = n >= READ_SIZE;
    if (!reel_timer_is_active(&recorder->sync))
        reel_timer_start(&recorder->sync, RECORD_SYNC_MS * REEL_MS);
    if (record_store_has_idle_work(recorder->store))
        reel_idle_start(&recorder->idle);
    return n;
}

static void rest(struct recorder *recorder)
{
    reel_timer_start(&recorder->rest, RECORD_REST_MS * REEL_MS);
}

/* What comes gathers in the socket, which outlives the sensor, and is read together. Not when there is
 * so much that it does not fit there. */
static void on_readable(struct reel_watch *watch, uint32_t events)
{
    struct recorder *recorder = of_watch(watch);
    (void)events;
    if (recorder->urgent) {
        read_some(recorder);
        return;
    }
    stop_reading(recorder);
    rest(recorder);
}

static int watch(struct recorder *recorder)
{
    return reel_watch_start(&recorder->watch, recorder->reactor, recorder->fd, EPOLLIN,
                            on_readable);
}

/* As long as something comes, nobody has to wake us up for it. */
static void on_rested(struct reel_timer *timer)
{
    struct recorder *recorder = of_rest(timer);
    int fd = recorder->fd;
    size_t n = read_some(recorder);
    if (fd != recorder->fd || recorder->stalled)
        return;
    if (n > 0 && !recorder->urgent)
        rest(recorder);
    else if (watch(recorder) < 0)
        stall(recorder, ERR_NOMEM);
}

/* The sensor waits, for an answer or for room: what is in the socket is taken now, and saved when it
 * would have been. */
static void on_bell(struct reel_watch *watch, uint32_t events)
{
    struct recorder *recorder = of_bell(watch);
    (void)events;
    if (reel_timer_is_active(&recorder->rest))
        (void)read_frames(recorder);
    else
        recorder->urgent = true;
}

/* The next sensor, if there is one. */
static void begin(struct recorder *recorder)
{
    if (recorder->fd >= 0 || recorder->stalled || recorder->ended || recorder->next_fd < 0)
        return;
    recorder->fd = recorder->next_fd;
    recorder->next_fd = -1;
    recorder->hello = false;
    recorder->urgent = true; /* it waits for an answer to its first frame */
    recorder->owes = false;
    int error = watch(recorder);
    if (error < 0) {
        tell(recorder, "cannot listen to the sensor", error);
        (void)close(recorder->fd);
        recorder->fd = -1;
    }
}

static void on_retry(struct reel_timer *timer)
{
    struct recorder *recorder = of_retry(timer);
    recorder->stalled = false;
    take_frames(recorder);
    save(recorder);
    if (recorder->stalled)
        return;
    if (recorder->ended)
        finish(recorder);
    else if (recorder->fd >= 0 && watch(recorder) < 0)
        stall(recorder, ERR_NOMEM);
}

static void on_sync(struct reel_timer *timer)
{
    struct recorder *recorder = of_sync(timer);
    int error = record_store_sync(recorder->store);
    if (error < 0 && error != recorder->error)
        tell(recorder, "cannot bring the log to the disk", error);
    error = record_store_retain(recorder->store, reel_wall_us(recorder->reactor));
    if (error < 0)
        tell(recorder, "cannot look for what is too old", error);
}

static bool on_idle(struct reel_idle *idle)
{
    return record_store_idle(of_idle(idle)->store);
}

int recorder_listen(struct recorder *recorder, int bell)
{
    return reel_watch_start(&recorder->bell, recorder->reactor, bell, EPOLLIN | EPOLLET, on_bell);
}

int recorder_init(struct recorder *recorder, struct reel_reactor *r, struct record_store *store)
{
    memset(recorder, 0, sizeof(*recorder));
    recorder->reactor = r;
    recorder->store = store;
    recorder->fd = recorder->next_fd = -1;
    buffer_init(&recorder->in, FRAME_MAX + READ_SIZE);
    buffer_init(&recorder->out, RECORD_ANSWER_MAX);
    int error = reel_timer_init(&recorder->sync, r, on_sync);
    if (error == 0)
        error = reel_timer_init(&recorder->retry, r, on_retry);
    if (error == 0)
        error = reel_timer_init(&recorder->rest, r, on_rested);
    if (error == 0)
        error = reel_timer_init(&recorder->answer, r, on_answer);
    if (error < 0) {
        reel_timer_fini(&recorder->rest);
        reel_timer_fini(&recorder->answer);
        reel_timer_fini(&recorder->sync);
        reel_timer_fini(&recorder->retry);
        return error;
    }
    reel_idle_init(&recorder->idle, r, on_idle);
    reel_idle_start(&recorder->idle);
    return 0;
}

void recorder_fini(struct recorder *recorder)
{
    reel_timer_fini(&recorder->sync);
    reel_timer_fini(&recorder->retry);
    reel_idle_stop(&recorder->idle);
    stop_reading(recorder);
    reel_timer_fini(&recorder->rest);
    reel_timer_fini(&recorder->answer);
    buffer_fini(&recorder->out);
    reel_watch_stop(&recorder->bell);
    if (recorder->fd >= 0)
        (void)close(recorder->fd);
    if (recorder->next_fd >= 0)
        (void)close(recorder->next_fd);
    if (recorder->stalled && buffer_len(&recorder->in) > 0)
        record_store_gap(recorder->store, 1, buffer_len(&recorder->in), recorder->error);
    buffer_fini(&recorder->in);
}

void recorder_adopt(struct recorder *recorder, int fd)
{
    /* One that follows so soon has not been heard and has nothing on record. */
    if (recorder->next_fd >= 0)
        (void)close(recorder->next_fd);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    recorder->next_fd = fd;
    begin(recorder);
}

bool recorder_is_idle(const struct recorder *recorder)
{
    return recorder->fd < 0 && recorder->next_fd < 0 && !recorder->stalled && !recorder->ended;
}
