/* Pipes: pipe(2), fifos, and the doors of a program without a terminal. */
#ifndef KERNEL_PIPE_H
#define KERNEL_PIPE_H

#include "kernel/file.h"

enum {
    PIPE_BYTES = 65536,         /* capacity, as on Linux */
    PIPE_ATOMIC = 4096,         /* PIPE_BUF: up to here a write is all or nothing */
    PIPES_BYTES_MAX = 16 << 20, /* of a machine's pipes; new ones beyond it hold PIPE_ATOMIC */
};

struct pipe;

/* pipe2(2): both ends, one holder each; `flags` O_NONBLOCK, O_DIRECT, O_CLOEXEC are looked at by
 * the caller for descriptors. 0, -ENFILE, -ENOMEM. */
int pipe_pair(struct vfs *vfs, uint32_t flags, uint32_t uid, uint32_t gid, struct file **reader,
              struct file **writer);

/* A door: a pipe with one end outside. The guest's end is *end; the pipe stays until the outside
 * lets go of it and the guest has closed its end.
 * in: the guest reads what the outside puts; out: the outside takes what the guest writes, at most
 * `max` bytes waiting. 0, -ENFILE, -ENOMEM. */
int pipe_door_in(struct vfs *vfs, struct pipe **door, struct file **end);
int pipe_door_out(struct vfs *vfs, size_t max, struct pipe **door, struct file **end);
void pipe_door_close(struct pipe *door); /* the outside is gone: EOF, or EPIPE. Takes NULL */

bool pipe_is(const struct file *f);
/* What waits in it; borrowed until the next change. */
struct span pipe_peek(const struct file *f);

size_t pipe_put(struct pipe *door, struct span bytes); /* what was taken */
void pipe_put_end(struct pipe *door);                  /* end of file after what is in it */
struct span pipe_out(struct pipe *door);               /* borrowed until the next kernel call */
void pipe_sent(struct pipe *door, size_t n);
/* No guest holds the writing end any more (bytes may still wait). */
bool pipe_is_ended(const struct pipe *door);
/* No guest holds the reading end any more: what is put is lost. */
bool pipe_is_broken(const struct pipe *door);

#endif
