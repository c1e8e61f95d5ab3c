/* Jobs whose argument lies in the deferred's own allocation. */
#ifndef REEL_JOB_H
#define REEL_JOB_H

#include <reel/pool.h>

/* A job that is not yet given to a pool, with zeroed room for its argument. NULL: out of memory. */
struct reel_deferred *reel_job_new(struct reel_reactor *r,
                                   void (*fn)(void *argument, struct reel_result *result),
                                   size_t size, void (*release)(void *argument));
void *reel_job_argument(struct reel_deferred *d);

/* Gives it to the pool (NULL: the reactor's), or fires the deferred with the error. Once. */
void reel_job_start(struct reel_deferred *d, struct reel_pool *pool);

#endif
