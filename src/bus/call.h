/* A call on its way through the bus: what was asked, and the answer that is being made. For the
 * files of this folder only. */
#ifndef BUS_CALL_H
#define BUS_CALL_H

#include "bus/bus.h"
#include "bus/wire.h"

enum { BUS_ERROR_TEXT = 512 };

/* Somebody on the system bus. */
struct bus_name {
    const char *name_z, *unique_z; /* ":1.2"; "": made when it is called */
    const char *process_z;         /* comm; "": runs only then */
    const char *path_z;            /* its objects are below */
    uint32_t uid;
};
const struct bus_name *bus_name_find(struct span name);

struct bus_call {
    struct bus *bus;
    const struct bus_name *name; /* who is called */
    const struct bus_host *host;
    const struct wire_message *message;
    uint32_t uid;      /* the caller's */
    struct wire_in in; /* what it gave */
    struct wire w;     /* the answer's body */
    const char *signature_z;
    const char *error_z; /* name of an error; NULL: none */
    char text_z[BUS_ERROR_TEXT];

    /* Properties: one, or all of an interface (empty: of every one). */
    struct span interface, property;
    bool is_found;
    bool is_noting; /* only what there is, into notes: "INTERFACE NAME SIGNATURE" lines */
    struct buffer notes;
};

const char *bus_client(const struct bus *bus); /* the client's unique name */
void bus_refuse_name(struct bus_call *c, struct span name);

__attribute__((format(printf, 3, 4))) void bus_refuse(struct bus_call *c, const char *error_z,
                                                      const char *format_z, ...);
/* A signal to the caller, sent behind the answer. */
void bus_signal(struct bus_call *c, const char *path_z, const char *interface_z,
                const char *member_z, const char *signature_z, struct span body);

/* True when this property is wanted: its value follows, with this signature. */
bool bus_wants(struct bus_call *c, const char *interface_z, const char *name_z,
               const char *signature_z);
void bus_text(struct bus_call *c, const char *interface_z, const char *name_z, const char *text_z);
void bus_path(struct bus_call *c, const char *interface_z, const char *name_z, const char *text_z);
void bus_words(struct bus_call *c, const char *interface_z, const char *name_z, const char *text_z);
void bus_u32(struct bus_call *c, const char *interface_z, const char *name_z, uint32_t value);
void bus_u64(struct bus_call *c, const char *interface_z, const char *name_z, uint64_t value);
void bus_bool(struct bus_call *c, const char *interface_z, const char *name_z, bool value);

struct bus_method;

/* An object with properties: the path that begins so has them. */
struct bus_object {
    const char *path_z;
    bool is_prefix;
    void (*properties)(struct bus_call *c);
    const struct bus_method *methods;                               /* or NULL: end with NULL */
    void (*children)(const struct bus_call *c, struct buffer *xml); /* or NULL */
};
/* The object that is called; NULL: there is none. */
const struct bus_object *bus_object_find(const struct bus_call *c);
void bus_introspect(struct bus_call *c);

struct bus_method {
    const char *interface_z, *member_z;
    bool is_roots; /* others are asked for a password, which they cannot give */
    void (*fn)(struct bus_call *c);
};
/* End with NULL. */
extern const struct bus_object bus_manager_objects[], bus_daemon_objects[], bus_login_objects[];
extern const struct bus_method bus_manager_methods[], bus_name_methods[], bus_peer_methods[];
extern const struct bus_method bus_host_methods[], bus_time_methods[], bus_login_methods[];

/* The control group of a unit; "": it has none. */
void bus_unit_group(const struct bus_host *host, const char *name_z, char out_z[BUS_PATH_MAX]);
/* Of the manager: jobs.c, service.c, unit_files.c. */
#define BUS_SYSTEMD "org.freedesktop.systemd1"
void bus_job_path(uint32_t job, char out_z[BUS_NAME_MAX]);
/* What JobRemoved says, as its body: (uoss); the caller ends it. */
void bus_job_removed(struct buffer *body, uint32_t job, const char *unit_z, const char *result_z);
void bus_change_unit(struct bus_call *c);
void bus_service_properties(struct bus_call *c, const struct bus_state *s);
/* Times of a unit that really runs. */
void bus_run_times(struct bus_call *c, const struct bus_run *run);
void bus_get_file_state(struct bus_call *c);
void bus_get_default(struct bus_call *c);
void bus_change_files(struct bus_call *c);
void bus_mask_files(struct bus_call *c);
void bus_set_default(struct bus_call *c);

/* ssh_2eservice for ssh.service, and back. */
void bus_unit_path(const char *name_z, char out_z[BUS_PATH_MAX]);
bool bus_unit_name(struct span path, char out_z[BUS_NAME_MAX]);

#endif
