/* The queue of what was seen, until the visitor's keeper pulls it. */
#ifndef KERNEL_EVENTS_H
#define KERNEL_EVENTS_H

#include "kernel/kernel.h"

struct events;

struct events *events_new(void); /* NULL: out of memory */
void events_free(struct events *events);
uint32_t events_count(const struct events *events);

/* Copies the event with everything it points to, and puts it at the end. Without memory for that
 * it is lost; how many were is told by a KERNEL_LOST behind those that are there. */
bool events_put(struct events *events, const struct kernel_event *event);

/* The oldest. Its data lives until the next call of events_next. 1, or 0 when there is none. */
int events_next(struct events *events, struct kernel_event *event);

#endif
