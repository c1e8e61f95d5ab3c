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
    int32_t (*next_program)(void *ctx, int32_t after_pid); /* of the visitor's; 0: no more */
    void (*end_of_machine)(void *ctx);                     /* reboot, poweroff: everybody is out */
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
};
void bus_state_of(const struct bus_host *host, struct span name, struct bus_state *out);
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
struct span bus_out(struct bus *bus); /* borrowed until the next call */
void bus_sent(struct bus *bus, size_t n);

#endif
