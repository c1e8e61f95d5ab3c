/* A page as the differences from another one. For src/cpu alone.
 *
 *     pieces, each: how many bytes before it are the same, how long it is, and whether its bytes follow
 *     (then they do) or stand elsewhere in the other page (then where)
 *
 * Numbers are of 7 bits a byte, the lowest first. Behind the last piece all is the same. */
#ifndef CPU_DELTA_H
#define CPU_DELTA_H

#include "cpu/space.h"

/* How many bytes of `out` it takes; more than `cap`: that many were not there. */
size_t cpu_delta_make(const uint8_t other[CPU_PAGE_BYTES], const uint8_t page[CPU_PAGE_BYTES],
                      uint8_t *out, size_t cap);
/* `page` is the other one before, and what the delta was made of behind. */
void cpu_delta_apply(struct span delta, uint8_t page[CPU_PAGE_BYTES]);

#endif
