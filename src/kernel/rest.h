/* Rest: a machine in which no guest wants to run gives back what it does not need until one does. Nobody
 * can tell but by the memory that is free: what is packed or dropped is there again when it is touched. */
#ifndef KERNEL_REST_H
#define KERNEL_REST_H

#include "kernel/machine.h"

/* Guests have run until now. */
void kernel_stir(struct kernel *k);
/* Nobody wants to run: rests when that has been so for a while (kernel.rest_ns). */
void kernel_rest(struct kernel *k);

#endif
