/* Signals as events of the loop. While a signal is watched it is blocked in the calling thread and
 * read from a signalfd, so `fire` is ordinary code, not a handler. Start watching in the main thread
 * before others are made: they inherit the blocking. Several watchers of one signal on one reactor
 * are all told. After fork and before exec a child unblocks what it wants to die of. */
#ifndef REEL_SIGNAL_H
#define REEL_SIGNAL_H

#include <reel/link.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_reactor;

struct reel_signal {
    void (*fire)(struct reel_signal *signal);
    int number;          /* which; may be read in `fire` */
    uint32_t sender_pid; /* who sent it last, as told by the kernel; 0: the kernel itself */
    struct reel_reactor *reactor; /* these are the reactor's */
    struct reel_link link;
    uint32_t round;
};

/* 0, -EINVAL for a number that is none or cannot be caught, or -errno. Lives in the caller's
 * memory. */
int reel_signal_start(struct reel_signal *signal, struct reel_reactor *r, int number,
                      void (*fire)(struct reel_signal *signal));

/* The last watcher of a signal that stops puts the thread's mask back. No effect when stopped. */
void reel_signal_stop(struct reel_signal *signal);

/* SIGINT and SIGTERM stop the reactor: what most programs want. `signals` is two of them. */
int reel_stop_on_signals(struct reel_signal signals[2], struct reel_reactor *r);

#ifdef __cplusplus
}
#endif

#endif
