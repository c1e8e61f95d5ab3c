/* The virtual machine that an attacker meets: Linux's system-call interface over the machine's
 * image, for programs run by src/cpu. One kernel is one machine as one visitor sees it: his
 * processes, his overlay of changed files, his terminals.
 *
 * Pure: time and randomness are arguments; guests run only inside kernel_run, for so many
 * instructions; what they print waits in doors until it is taken; what they do is told by events
 * that the caller pulls. A guest that waits is parked; nothing blocks. */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "base/buffer.h"
#include "crypto/rng.h"

struct persona_image;
struct persona_identity;
struct cpu_code;
struct kernel;

/* Starts of programs that were learned once and are cloned (snapshot.h), for all machines of the
 * process. At most about `max_bytes`; what was not used for the longest time is given up. */
struct kernel_snapshots;
struct kernel_snapshots *kernel_snapshots_new(size_t max_bytes); /* NULL: out of memory */
void kernel_snapshots_free(struct kernel_snapshots *snapshots);  /* every kernel must be gone */
/* Learns, when there is something to learn, for about so many instructions. True: there is more to
 * do. For when nobody waits. */
bool kernel_snapshots_work(struct kernel_snapshots *snapshots, uint64_t budget);
/* The same of what spares memory, not time: one run, also for when others wait, now and then. */
bool kernel_snapshots_model(struct kernel_snapshots *snapshots, uint64_t budget);

/* Bounds of one machine, by name. A guest that hits one sees what Linux would answer. */
struct kernel_limits {
    uint64_t instructions;  /* in all; then every process is killed and KERNEL_LIMIT told */
    uint32_t memory_pages;  /* frames of the pool: -ENOMEM */
    uint32_t processes;     /* -EAGAIN from fork */
    uint32_t files;         /* open descriptions: -ENFILE */
    uint64_t overlay_bytes; /* contents of changed files: -ENOSPC */
    uint32_t overlay_nodes; /* changed, new and deleted names: -ENOSPC */
    uint32_t stream_bytes;  /* output waiting to be taken, a stream: the writer is parked */
    uint32_t events;        /* events waiting to be pulled: guests pause until they are */
};
extern const struct kernel_limits kernel_limits_default;

struct kernel_config {
    const struct persona_image *image; /* borrowed, process lifetime */
    struct cpu_code *code;             /* decoded code, shared by all machines of the process */
    struct kernel_snapshots
        *snapshots; /* borrowed like these; NULL: every program runs from its start */
    struct kernel_limits limits;
    uint8_t seed[CRYPTO_RNG_SEED_BYTES];
    struct span hostname;    /* copied */
    const uint32_t *watched; /* borrowed: inodes of the image, rising; KERNEL_WATCHED is told */
    size_t watched_count;
    bool foreign_programs; /* programs of other processors than the machine's run too */
    /* What the machine is (borrowed), as its image's files have it; NULL: hardware_default. */
    const struct persona_identity *identity;
    int64_t boot_ms; /* wall-clock time of the machine's boot, without an identity */
    /* Who has logged in: the account, and logind's number of the session. Empty: root. */
    struct span user;
    uint32_t user_uid, login_number;
    struct span password; /* that let him in (copied): /etc/shadow has its hash; empty: none did */
    uint64_t earlier;     /* visitors before this one: each has used up some process numbers */
    /* The network. Text of IPv4 addresses; empty: as the image's files have it. */
    struct span address;                  /* of the machine: the visitor reached it there */
    struct span peer_address, peer_local; /* the visitor's own connection, as netstat shows it */
    uint16_t peer_port, peer_local_port;
    bool
        answers; /* who connects with the machine's SSH server from within waits for kernel_answer; else it
                     is greeted and sent away */
};

/* `now_ms` is wall-clock milliseconds since 1970 here and below. NULL: out of memory. */
struct kernel *kernel_new(const struct kernel_config *config, int64_t now_ms);
void kernel_free(struct kernel *k);

/* ---- Programs: what the visitor starts (a login shell, an exec), with its doors ---- */

struct kernel_terminal {
    struct span term; /* TERM, where the environment does not name it */
    uint16_t columns, rows;
    struct span modes; /* encoded terminal modes, RFC 4254 section 8; may be empty */
    bool keeps_speed;  /* whatever they say */
};

struct kernel_spawn {
    const struct span *argv; /* argv[0] as the program sees it */
    size_t argc;
    struct span path;       /* the file to execute */
    const struct span *env; /* NAME=value */
    size_t envc;
    struct span cwd;
    uint32_t uid, gid;
    const uint32_t *groups; /* supplementary ones beside gid; those too many are left out */
    size_t group_count;
    const struct kernel_terminal *terminal; /* NULL: three pipes */
    int login;                              /* what kernel_log_in gave; 0: the visitor's own */
};

enum kernel_stream { KERNEL_STDIN, KERNEL_STDOUT, KERNEL_STDERR };

/* Starts a program: a new session leader, with a new terminal or three pipes. A program number
 * (>= 0, the lowest free) for the doors below, or -errno of exec. */
int kernel_spawn(struct kernel *k, const struct kernel_spawn *spawn);

/* Bytes for its terminal or standard input. What was taken; less means: try later. */
size_t kernel_put(struct kernel *k, int program, struct span bytes);
/* No more input: end of file on the pipe. A terminal is not affected. */
void kernel_put_end(struct kernel *k, int program);
/* Output that waits (a terminal's is all KERNEL_STDOUT); borrowed until the next kernel call. */
struct span kernel_out(struct kernel *k, int program, enum kernel_stream stream);
void kernel_sent(struct kernel *k, int program, enum kernel_stream stream, size_t n);
/* True when no more output can come: every holder of that end has closed it. */
bool kernel_out_ended(struct kernel *k, int program, enum kernel_stream stream);
/* Nobody takes its standard output any more: who writes there gets SIGPIPE or EPIPE. A terminal is
 * not affected. */
void kernel_close_out(struct kernel *k, int program);
/* True when its terminal takes a line without showing it, as for a password (ICANON, no ECHO). */
bool kernel_hides_input(struct kernel *k, int program);
/* A window-size change (SIGWINCH to the foreground group). */
void kernel_resize(struct kernel *k, int program, uint16_t columns, uint16_t rows);
/* A signal to the program's process. 0, -EINVAL, -ESRCH (it has ended). */
int kernel_signal(struct kernel *k, int program, int signo);
/* The line is gone: terminal hung up (SIGHUP), pipes broken. */
void kernel_hangup(struct kernel *k, int program);
/* Forgets the program number: its doors are gone. Processes left behind go on without them. */
void kernel_release(struct kernel *k, int program);

/* ---- Connections: sockets of the machine that are held from outside, as sshd holds those of forwards.
 * They have program numbers too: a connection's bytes are KERNEL_STDOUT, kernel_release closes. ---- */

enum { KERNEL_ADDRESS_CHARS = 46 };

/* Where a socket is: at a port of an address of the machine's own, or at a path. */
struct kernel_place {
    bool is_path;
    bool
        is_private; /* a path to listen at: its folder is made too, mode 0700, and both go with it */
    struct span
        path; /* at most 107 bytes; one that is not absolute counts from "/", an empty one is
                         no file's (unix(7), "abstract") */
    struct span address; /* text; IPv4, or ::1 */
    uint16_t port;       /* to listen at: 0 is a free one */
};

/* Listens there with the rights of `user` (of which uid, gid and groups count). The file of a path is
 * made, mode 0600, and stays. A program number, and *port is the one that it has; or -errno. */
int32_t kernel_server_pid(struct kernel *k); /* of the process that listens: the visitor's sshd */
int kernel_listen(struct kernel *k, const struct kernel_spawn *user,
                  const struct kernel_place *place, uint16_t *port);

/* The number of a connection that a guest has made with it, and who he is (an empty address at a path).
 * -EAGAIN: none now, or too many are open; -ENOMEM. */
struct kernel_caller {
    char address_z[KERNEL_ADDRESS_CHARS];
    uint16_t port;
};
int kernel_accept(struct kernel *k, int listener, struct kernel_caller *caller);

/* A connection with what listens there in the machine, made with the rights of `user`. Its number, or
 * -errno: -ECONNREFUSED, -EADDRNOTAVAIL (the address is not the machine's), of the path, -EAGAIN. */
int kernel_dial(struct kernel *k, const struct kernel_spawn *user,
                const struct kernel_place *place);

/* ---- The machine's own SSH server, spoken to from within (login.c) ---- */

/* The number of the oldest connection that nobody has answered, and its two ends. -EAGAIN: none, or too many
 * numbers are taken; -ENOMEM. */
int kernel_answer(struct kernel *k, struct kernel_caller *peer, struct kernel_caller *local);
/* A user has logged in over it: he has two processes of sshd, above what is started for him, until
 * kernel_release. His login, for kernel_spawn (> 0); -EAGAIN: too many are on; -ENOMEM. */
struct kernel_user {
    struct span name;
    uint32_t uid, number; /* of logind's session */
};
int kernel_log_in(struct kernel *k, int connection, const struct kernel_user *user);
/* A password was wrong: the log says so. `is_valid`: the account is there. */
void kernel_log_refusal(struct kernel *k, int connection, struct span name, bool is_valid);
/* The number that the next terminal will have: /dev/pts/N. */
uint32_t kernel_next_terminal(const struct kernel *k);

/* ---- Running ---- */

enum kernel_state {
    KERNEL_BUSY, /* a guest could go on (perhaps only when events were pulled): call again */
    KERNEL_IDLE, /* all wait: for input, for a taken output, for kernel_deadline */
};
/* Executes guests for at most `budget` instructions in all. */
enum kernel_state kernel_run(struct kernel *k, uint64_t budget, int64_t now_ms);
/* No guest has run for a while, and what the machine does not need is given back. */
bool kernel_is_at_rest(const struct kernel *k);
/* The machine goes: everything is killed, without an event for each; what was written is closed and
 * told. Only kernel_next, kernel_file_read and kernel_free may follow. */
void kernel_end(struct kernel *k);
/* When the first sleeper wakes by itself; INT64_MAX: never. */
int64_t kernel_deadline(const struct kernel *k);

/* ---- Files that outlast the machine (kernel/keep.h) ---- */

/* When and whence an account was last logged in at a terminal, in the visits before this one. False: never. */
bool kernel_last_login(const struct kernel *k, uint32_t uid, int64_t *at_ms,
                       char from_z[KERNEL_ADDRESS_CHARS]);

/* Whether any file, or setting of /proc/sys, was changed since it booted or was restored. */
bool kernel_is_changed(const struct kernel *k);
/* Appends its files as bytes. 0, ERR_FULL or ERR_NOMEM, and then `out` is as before. */
int kernel_save(const struct kernel *k, struct buffer *out);
/* Before its first program: the files are those of a machine that was saved. 0; ERR_MALFORMED: no
 * such bytes, or of another image; ERR_FULL: more than its limits; ERR_NOMEM. On an error it is as
 * it was. */
int kernel_restore(struct kernel *k, struct span saved);

/* Appends a file's contents as root reads them, as they are now; only of a regular file. 0 or -errno
 * (-EFBIG: more than `out` may hold), and then `out` is as before. */
int kernel_read_file(struct kernel *k, const char *path_z, struct buffer *out);

/* Makes a file anew, mode 0600, with the rights of `user` (of which uid, gid and groups count). It is not told.
 * 0 or -errno. */
int kernel_write_file(struct kernel *k, const struct kernel_spawn *user, const char *path_z,
                      struct span bytes);
/* Whose a file is, and its permission bits; links are followed. 0 or -errno. */
struct kernel_owner {
    uint32_t uid, gid, mode;
};
int kernel_file_owner(struct kernel *k, const char *path_z, struct kernel_owner *out);

/* ---- What was seen ---- */

enum kernel_event_type {
    KERNEL_EXEC,    /* a program was executed: pid, ppid, text = path, args = argv, env */
    KERNEL_EXIT,    /* a process ended: pid, status as wait(2) reports it, duration_ms */
    KERNEL_DONE,    /* the program of a kernel_spawn ended: program, pid, status */
    KERNEL_LINE,    /* a line given to a shell: pid, program (or -1), text = the line */
    KERNEL_INPUT,   /* a line that another program read from a terminal: the same */
    KERNEL_HEREDOC, /* bash has read a here-document: text = its contents */
    KERNEL_FILE,    /* a file was written and closed: text = path, number = size; data = contents,
                       or, when they are longer than KERNEL_FILE_BYTES, kernel_file_read */
    KERNEL_DELETE,  /* a name was removed: text = path */
    KERNEL_CHMOD,   /* permissions were changed: text = path, number = the new mode */
    KERNEL_CONNECT, /* a connection was tried: text = address, number = port, datagram */
    KERNEL_RESOLVE, /* a name server was asked: text = the name, number = the record's type */
    KERNEL_REFUSED, /* a system call that is not there: number, text = its name */
    KERNEL_WATCHED, /* a watched file was opened: text = path */
    KERNEL_FILTER,  /* the packet filter was changed: text = what, a line each; number = how many */
    KERNEL_LIMIT,   /* a bound was hit: text = its name in kernel_limits */
    KERNEL_LOST,    /* there was no memory for so many events: number */
};

enum { KERNEL_FILE_BYTES = 65536 }; /* of contents that stand in an event */

struct kernel_event {
    enum kernel_event_type type;
    int64_t time_ms;
    uint64_t instructions; /* executed by the machine so far */
    int program;
    int32_t pid, ppid;
    uint32_t uid;
    int status;
    int64_t number;
    int64_t duration_ms;
    bool datagram;   /* UDP, not TCP */
    bool redirected; /* the file was a shell's redirection */
    struct span text, data;
    struct span exe; /* the program that did it, as executed */
    const struct span *args, *env;
    size_t argc, envc;
};

/* The next event. 1, or 0 when there is none. Its data is borrowed until the next kernel_next. */
int kernel_next(struct kernel *k, struct kernel_event *event);

/* Up to `len` bytes from place `at` of the file that the last event told of, if it was a
 * KERNEL_FILE whose data is not all. Guests stand still from the closing of such a file until the
 * kernel_next after its event: these are the contents that it was closed with. What was read, 0
 * at the end, or -errno. */
int64_t kernel_file_read(struct kernel *k, uint64_t at, void *out, size_t len);

#endif
