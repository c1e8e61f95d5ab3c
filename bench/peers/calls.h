/* What timers and calls from another thread cost in a library, as a table of what the library does.
 * calls.c has the program, `PROGRAM [DIVISOR]`: it prints a line "NAME NANOSECONDS" for each row. With
 * a divisor there are fewer calls, to see that it runs. */
#ifndef BENCH_CALLS_H
#define BENCH_CALLS_H

#include <stddef.h>
#include <stdint.h>

struct calls {
    size_t timer_size;
    void (*open)(void);
    /* Calls `fn` where the library's time of the turn is in force. */
    void (*inside)(void (*fn)(void));
    /* A timer that calls calls_fired; zeroed before. */
    void (*timer_init)(void *timer);
    void (*timer_start)(void *timer, int64_t delay_ns); /* also: again */
    void (*timer_stop)(void *timer);
    /* Turns until calls_stop. */
    void (*run)(void);
    void (*stop)(void);
    /* From another thread: `count` posts to the loop, which calls calls_posted when it has seen the
     * last one. */
    void (*post)(size_t count);
    /* Two loops in two threads wake each other, `count` times there and back. */
    void (*ping_pong)(size_t count);
};

extern const struct calls calls;

void calls_fired(void);
void calls_posted(void);

#endif
