/* Changing stacks: a few instructions on x86-64 and aarch64, ucontext elsewhere (and where
 * REEL_SWITCH_UCONTEXT is defined). */
#ifndef REEL_SWITCH_H
#define REEL_SWITCH_H

#include <stddef.h>

/* Makes a stack of `size` bytes at `low` ready: who switches to what is returned calls
 * `entry(argument)` there, which must never return. */
void *reel_switch_prepare(void *low, size_t size, void (*entry)(void *argument), void *argument);

/* Goes on at `to`; returns when somebody switches to what was stored in `from`. */
void reel_switch_stack(void **from, void *to);

#endif
