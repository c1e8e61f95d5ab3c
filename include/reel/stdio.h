/* Standard input and output as one transport. */
#ifndef REEL_STDIO_H
#define REEL_STDIO_H

#ifdef __cplusplus
extern "C" {
#endif

struct reel_factory;
struct reel_reactor;
struct reel_transport;

/* Descriptor 0 is read and descriptor 1 written, whatever they are: a terminal, pipes, files, a
 * socket. They are made non-blocking for the time, and given back as they were at the end; they are
 * not closed. reel_shutdown_write puts /dev/null in the place of descriptor 1, so that whoever reads
 * it sees the end. One at a time in a process is the caller's care. `made` comes in the next turn.
 * `out` may be NULL. 0 or -errno. */
int reel_stdio(struct reel_reactor *r, const struct reel_factory *factory,
               struct reel_transport **out);

/* The same with other descriptors. They stay the caller's, and open until `lost`. */
int reel_stdio_on(struct reel_reactor *r, int in_fd, int out_fd, const struct reel_factory *factory,
                  struct reel_transport **out);

#ifdef __cplusplus
}
#endif

#endif
