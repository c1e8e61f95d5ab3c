/* Child processes. Their descriptors are transports like any other: line protocols, watermarks and
 * limits work on them. A child is given exactly the descriptors that were asked for, nothing else of
 * the parent's. That it ended is known by a pidfd, on old kernels by SIGCHLD. */
#ifndef REEL_PROCESS_H
#define REEL_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_deferred;
struct reel_factory;
struct reel_process;
struct reel_reactor;
struct reel_transport;

/* How a child ended: one of the two is not 0, or it exited with code 0. */
struct reel_process_status {
    int code;    /* of exit */
    int signal;  /* that killed it */
    bool dumped; /* core */
    bool lost;   /* nobody knows: another part of the program waited for it */
};

/* Any function may be NULL. They come from the loop, in this order: `exited`, `ended`. */
struct reel_process_protocol {
    const char *name_z;

    /* The child is gone. Output that it left in pipes may still come. */
    void (*exited)(struct reel_process *p, const struct reel_process_status *status);

    /* It is gone, and all its pipes are closed: no more output. A grandchild that holds a pipe open
     * delays this. The last call: the process object is freed after it. Also when the reactor is
     * freed, perhaps without `exited` and with status->lost then. */
    void (*ended)(struct reel_process *p, const struct reel_process_status *status);
};

enum reel_child_kind {
    REEL_CHILD_NULL,    /* /dev/null */
    REEL_CHILD_READS,   /* a pipe: the child reads, the transport writes */
    REEL_CHILD_WRITES,  /* a pipe: the child writes, the transport reads */
    REEL_CHILD_SOCKET,  /* a Unix stream socket: both ways, and descriptors can be passed */
    REEL_CHILD_INHERIT, /* the descriptor `fd` of the parent */
    REEL_CHILD_SAME,    /* the same as the child's descriptor `fd`, named earlier (2>&1) */
};

/* One descriptor of the child. */
struct reel_child_fd {
    int number; /* in the child */
    enum reel_child_kind kind;
    const struct reel_factory *factory; /* pipes and sockets: of the transport on this side */
    int fd;                             /* INHERIT, SAME */
};

/* Room for a child's descriptors: at most three fewer in `fds`, and 0, 1 and 2. */
#define REEL_CHILD_FDS_MAX 64

/* Zero fields take the defaults. All is copied or used before reel_process_start returns, but for
 * factories and protocol. */
struct reel_process_options {
    const char *file_z;              /* with a slash: a path; without: looked for in PATH */
    const char *const *arguments;    /* argv, ends with NULL; NULL: the file alone */
    const char *const *environment;  /* "A=B", ends with NULL; NULL: the parent's */
    const char *directory_z;         /* to work in; NULL: the parent's */
    const struct reel_child_fd *fds; /* NULL: 0, 1 and 2 are /dev/null */
    size_t fd_count;
    bool
        pty; /* 0, 1 and 2 are a new terminal, whose session the child leads; `fds` may add others */
    const struct reel_factory *pty_factory; /* of the terminal's other end */
    uint16_t rows, columns;                 /* of the terminal; 0: 24, 80 */
    bool new_session;                       /* setsid */
    bool new_group; /* a process group of its own: reel_process_kill_group */
    bool set_ids;   /* go to uid and gid, and to no other groups */
    uid_t uid;
    gid_t gid;
    int death_signal; /* sent to the child when the thread that started it dies; 0: none */
    bool kill_at_end; /* SIGKILL when the reactor is freed; else the child lives on */
    bool by_signal;   /* SIGCHLD instead of a pidfd */
};

/* Starts a child. No callback from inside this call. 0, or -errno of whatever failed, up to and
 * including exec (-ENOENT: no such program; -EACCES ...): then there is no child and no callback.
 * `protocol` may be NULL, `out` too. `shared` is for reel_process_shared. */
int reel_process_start(struct reel_reactor *r, const struct reel_process_options *options,
                       const struct reel_process_protocol *protocol, void *shared,
                       struct reel_process **out);

/* The pointer given at the start; its reactor; its number, also after it has exited. */
void *reel_process_shared(const struct reel_process *p);
struct reel_reactor *reel_process_reactor(const struct reel_process *p);
pid_t reel_process_pid(const struct reel_process *p);

/* The transport of the child's descriptor `number` (a terminal: 0, 1 and 2 alike); NULL when it has
 * none, or it is closed. */
struct reel_transport *reel_process_transport(const struct reel_process *p, int number);

/* A signal to the child, by pidfd: never to a stranger. 0, -ESRCH when it has exited, or -errno. */
int reel_process_kill(struct reel_process *p, int signal);
/* To its whole process group (new_group, new_session or pty). */
int reel_process_kill_group(struct reel_process *p, int signal);

/* SIGTERM now, SIGKILL after `grace_ns` unless it has exited by then. 0 or -errno. */
int reel_process_stop(struct reel_process *p, int64_t grace_ns);

/* The size of its terminal; the child hears SIGWINCH. 0, -ENOTTY or -errno. */
int reel_process_resize(struct reel_process *p, uint16_t rows, uint16_t columns);

/* What a program said. */
struct reel_process_output {
    struct reel_process_status status;
    uint8_t *out, *err; /* standard output and error; not NUL-terminated; NULL when empty */
    size_t out_len, err_len;
};

/* Runs a program to its end: Twisted's getProcessOutputAndValue. `input` (NULL: /dev/null) is copied
 * and written to its standard input. The options' `fds` and `pty` are not used. The deferred's object is a
 * struct reel_process_output, whatever the status. Errors: those of reel_process_start; -EMSGSIZE:
 * output and errors were more than `max` bytes together (0: REEL_PROCESS_OUTPUT_MAX_DEFAULT), and it
 * was killed; -ENOMEM. Cancelling kills it. NULL: out of memory. */
struct reel_deferred *reel_process_output(struct reel_reactor *r,
                                          const struct reel_process_options *options,
                                          const void *input, size_t input_len, size_t max);

#define REEL_PROCESS_OUTPUT_MAX_DEFAULT ((size_t)1 << 20)

/* "exited with code 1", "was killed by SIGTERM". Written to out_z, cut to `size`. Returns out_z. */
const char *reel_process_status_text(const struct reel_process_status *status, char *out_z,
                                     size_t size);

#ifdef __cplusplus
}
#endif

#endif
