/* Models: what a visitor's shell at its prompt is nearly like.
 *
 * A start on a terminal that comes again (snapshot.h) is run once on a machine of our own, with
 * digits of its own, until it waits for input: the pages it has then are the model. Those of a
 * visitor's shell differ from them by where its parts lie and by few words. So once his machine is
 * quiet, they are packed: a page is kept as the words that are not as the model tells, and made
 * again, byte for byte, when it is touched. Whatever he did, packing loses nothing; a bad model only
 * saves less. Nothing that a visitor typed is ever in a model. A program that has none is packed as
 * what is not zero in it. */
#ifndef KERNEL_MODEL_H
#define KERNEL_MODEL_H

#include "kernel/snapshot.h"

enum {
    MODEL_PAGES_MAX = 1024,            /* beside the stack */
    MODEL_STACK_MAX = 256 << 10,       /* bytes */
    MODEL_INSTRUCTIONS_MAX = 400 << 20 /* to its prompt */
};

struct model;
/* A machine with the start, which is borrowed. NULL: no memory, or it does not start. */
struct model *model_new(const struct snapshot_start *start);
void model_free(struct model *model);
/* Goes on for about so many instructions. 1: there is more to do; 0: it is ready; -errno: there is
 * no model of it. */
int model_run(struct model *model, uint64_t budget);
/* All that is kept of the memory; borrowed. */
struct span model_contents(const struct model *model);

/* Packs a memory, with its model if there is one; of `*budget` pages those it looked at are taken. 0;
 * -EAGAIN: there will be a model later; -ENOMEM. */
int model_pack(struct mm *mm, size_t *budget);

#endif
