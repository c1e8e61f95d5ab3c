/* systemd's own bus, as systemctl, hostnamectl, timedatectl and loginctl speak to it: PID 1's private
 * socket, and the system bus with the services that answer there. A machine with doors: bytes in,
 * bytes out. It answers from one table of units (units.def) and from its host, and knows no more
 * methods than those tools need; another is answered as an unknown one. */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "base/buffer.h"

enum {
    BUS_UNITS_MAX = 192,
    BUS_NAME_MAX = 256, /* UNIT_NAME_MAX */
    BUS_PATH_MAX = 1024,
};

/* The visitor's login. */
struct bus_login {
    const char *user_z;            /* NULL: nobody has logged in */
    const char *address_z, *tty_z; /* whence, and his first terminal ("": none) */
    uint32_t uid, number;
    int32_t monitor, manager, own_pam, worker; /* as in the process table */
    int64_t at_us;
};

/* A unit whose programs really run, as it is now; times are wall clock, 0: never. */
struct bus_run {
    const char *active_z, *sub_z, *result_z;
    int32_t main, control;      /* processes; 0: none */
    int32_t main_was;           /* the last main one */
    int main_code, main_status; /* how that has ended: CLD_EXITED and the like, 0: it has not */
    int64_t begun_us, active_us, leaving_us, inactive_us, main_start_us, main_exit_us;
    unsigned restarts, tasks;
    uint64_t cpu_ns, memory_bytes;
};

enum bus_wish { BUS_START, BUS_STOP, BUS_RESTART, BUS_RELOAD };

/* What the machine is and does. */
struct bus_host {
    void *ctx;
    const char *hostname_z, *machine_id_z, *boot_id_z;
    const char *release_z; /* of the kernel */
    int64_t now_us, boot_us;
    int64_t kernel_us, started_us; /* since boot: systemd runs; all is started */
    uint64_t tasks_max;
    int32_t client_pid;
    const char *bus_id_z; /* of the system bus: 32 hex digits */
    struct bus_login login;
    uint64_t *off; /* BUS_UNITS_MAX bits: units without a process that were stopped */
    /* The process of a service by its name (comm): its number, 0 when it does not run; and since
     * when. */
    int32_t (*pid)(void *ctx, const char *process_z, int64_t *since_us);
    void (*start)(void *ctx, const char *process_z);
    void (*stop)(void *ctx, const char *process_z);
    const char *(*args_z)(void *ctx, int32_t pid); /* its command line */
    /* Files, by root. A whole one, appended: 0 or negative. */
    int (*read)(void *ctx, const char *path_z, struct buffer *out);
    /* Where a symbolic link leads, as it says: false when it is none. */
    bool (*target)(void *ctx, const char *path_z, char *out_z, size_t size);
    int (*link)(void *ctx, const char *target_z, const char *path_z); /* directories above too */
    int (*unlink)(void *ctx, const char *path_z);
    int (*write)(void *ctx, const char *path_z, struct span text); /* all of it */
    void (*set_hostname)(void *ctx, const char *name_z);
    /* A line in the log, of systemd or of another of its daemons. */
    void (*say)(void *ctx, const char *daemon_z, const char *text_z);
    /* Units whose programs really run: NULL where nothing does. What is wished for one, by the file that it has.
     * 0: it is so already; 1: bus_job_done follows; -ENOENT: it only seems to run; -EINVAL: nothing to start. */
    int (*wish)(void *ctx, const char *unit_z, const char *path_z, enum bus_wish wish,
                uint32_t job);
    bool (*run)(void *ctx, const char *unit_z,
                struct bus_run *out);                        /* false: it was never started */
    const char *(*next_run)(void *ctx, const char *after_z); /* "": the first; NULL: no more */
    int32_t (*next_of_unit)(void *ctx, const char *unit_z, int32_t after_pid); /* 0: no more */
    void (*signal)(void *ctx, const char *unit_z, bool only_main, int signo);
    /* The n-th name of a folder; false: there are not so many. */
    bool (*entry)(void *ctx, const char *folder_z, size_t n, char *out_z, size_t size);
    int32_t (*next_program)(void *ctx, int32_t after_pid); /* of the visitor's; 0: no more */
    int64_t end_us; /* when it goes down by itself, as somebody wished; 0: never */
    bool end_is_reboot;
    void (*schedule_end)(void *ctx, int64_t at_us, bool is_reboot); /* 0: it stays; may be NULL */
    void (*end_of_machine)(void *ctx); /* reboot, poweroff: everybody is out */
};

/* ---- Units ---- */

struct bus_unit {
    const char *name_z, *description_z, *active_z, *sub_z;
    const char *process_z;    /* "": it has none */
    const char *file_state_z; /* enabled, static ...; "": no file */
    const char *documents_z;  /* with blanks between */
};
extern const struct bus_unit bus_units[];
extern const size_t bus_units_count;

/* A text of the table, in which `%` stands for the number of the user who has logged in. False: nobody
 * has. */
bool bus_unit_text(const struct bus_host *host, const char *text_z, char *out_z, size_t size);

/* One as it is now. */
struct bus_state {
    const struct bus_unit *unit; /* NULL: not in the table */
    char name_z[BUS_NAME_MAX], description_z[BUS_NAME_MAX], path_z[BUS_PATH_MAX]; /* its file */
    const char *load_z, *active_z, *sub_z, *file_state_z;
    int32_t pid;
    int64_t since_us; /* when it became what it is; 0: never */
    bool is_run;      /* its programs are real: as `run` says */
    struct bus_run run;
};
void bus_state_of(const struct bus_host *host, struct span name, struct bus_state *out);
/* Whether it is one of the table's. */
bool bus_unit_is_known(struct span name);
/* The control group of a service's process, by its name (comm): "/" when it is of no unit. */
void bus_process_group(const char *process_z, char out_z[BUS_PATH_MAX]);
/* It is started or stopped from now on. */
void bus_state_set(const struct bus_host *host, const struct bus_state *state, bool on);

/* ---- The machine ---- */

struct bus;
/* `uid` is the client's; `number`: of its connection to the system bus; 0: it is the private socket.
 * NULL: no memory. */
struct bus *bus_new(uint32_t number, uint32_t uid);
void bus_free(struct bus *bus);
/* Takes all of it, whatever the split. 0, or a negative error: the connection is over. */
int bus_feed(struct bus *bus, const struct bus_host *host, struct span in);
/* A job that was begun is over: whoever asked, or listens, hears of it. */
void bus_job_done(struct bus *bus, uint32_t job, const char *unit_z, const char *result_z);
struct span bus_out(struct bus *bus); /* borrowed until the next call */
void bus_sent(struct bus *bus, size_t n);

#endif
