/* Who is on the system bus, and what the bus itself answers (D-Bus specification, "Message Bus Messages"). */
#include "bus/call.h"

#include <stdio.h>
#include <string.h>

#define BUS_SERVICE "org.freedesktop.DBus"
#define PEER        "org.freedesktop.DBus.Peer"

/* Those that come when they are called, and go again, have no number of their own. */
static const struct bus_name names[] = {
    {BUS_SERVICE, BUS_SERVICE, "dbus-daemon", "/", 100},
    {"org.freedesktop.timesync1", ":1.0", "systemd-timesyn", "/org/freedesktop/timesync1", 997},
    {"org.freedesktop.systemd1", ":1.1", "systemd", "/org/freedesktop/systemd1", 0},
    {"org.freedesktop.login1", ":1.2", "systemd-logind", "/org/freedesktop/login1", 0},
    {"org.freedesktop.hostname1", "", "", "/org/freedesktop/hostname1", 0},
    {"org.freedesktop.timedate1", "", "", "/org/freedesktop/timedate1", 0},
    {"org.freedesktop.locale1", "", "", "/org/freedesktop/locale1", 0},
};

const struct bus_name *bus_name_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (span_equal_z(name, names[i].name_z) ||
            (names[i].unique_z[0] != '\0' && span_equal_z(name, names[i].unique_z)))
            return &names[i];
    return NULL;
}

static int32_t pid_of(const struct bus_call *c, const struct bus_name *name)
{
    int64_t since_us;
    return name->process_z[0] != '\0' ? c->host->pid(c->host->ctx, name->process_z, &since_us) : 0;
}

/* ---- Names ---- */

static void hello(struct bus_call *c)
{
    c->signature_z = "s";
    wire_text(&c->w, bus_client(c->bus));
}

static bool is_client(const struct bus_call *c, struct span name)
{
    return span_equal_z(name, bus_client(c->bus));
}

/* The one that is asked for and runs, NULL and a refusal, or NULL: the client itself. */
static const struct bus_name *owner_of(struct bus_call *c, struct span name)
{
    const struct bus_name *found = bus_name_find(name);
    if (is_client(c, name) || (found != NULL && pid_of(c, found) != 0))
        return found;
    bus_refuse(c, BUS_SERVICE ".Error.NameHasNoOwner",
               "Could not get owner of name '%.*s': no such name", (int)name.len,
               (const char *)name.data);
    return NULL;
}

static void name_has_owner(struct bus_call *c)
{
    struct span name = wire_in_text(&c->in);
    const struct bus_name *found = bus_name_find(name);
    c->signature_z = "b";
    wire_u32(&c->w, is_client(c, name) || (found != NULL && pid_of(c, found) != 0));
}

static void get_name_owner(struct bus_call *c)
{
    const struct bus_name *found = owner_of(c, wire_in_text(&c->in));
    c->signature_z = "s";
    wire_text(&c->w, found != NULL ? found->unique_z : bus_client(c->bus));
}

static void get_user(struct bus_call *c)
{
    const struct bus_name *found = owner_of(c, wire_in_text(&c->in));
    c->signature_z = "u";
    wire_u32(&c->w, found != NULL ? found->uid : c->uid);
}

static void get_process(struct bus_call *c)
{
    const struct bus_name *found = owner_of(c, wire_in_text(&c->in));
    c->signature_z = "u";
    wire_u32(&c->w, (uint32_t)(found != NULL ? pid_of(c, found) : c->host->client_pid));
}

/* GetConnectionCredentials(name) -> a{sv} */
static void get_credentials(struct bus_call *c)
{
    const struct bus_name *found = owner_of(c, wire_in_text(&c->in));
    int32_t pid = found != NULL ? pid_of(c, found) : c->host->client_pid;
    c->signature_z = "a{sv}";
    struct wire_array dict = wire_begin(&c->w, 8);
    wire_align(&c->w, 8);
    wire_text(&c->w, "ProcessID");
    wire_signature(&c->w, "u");
    wire_u32(&c->w, (uint32_t)pid);
    wire_align(&c->w, 8);
    wire_text(&c->w, "UnixUserID");
    wire_signature(&c->w, "u");
    wire_u32(&c->w, found != NULL ? found->uid : c->uid);
    wire_end(&c->w, dict);
}

static void no_context(struct bus_call *c)
{
    bus_refuse(c, BUS_SERVICE ".Error.SELinuxSecurityContextUnknown",
               "Could not determine security context for connection");
}

static void list_names(struct bus_call *c)
{
    c->signature_z = "as";
    struct wire_array rows = wire_begin(&c->w, 4);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (pid_of(c, &names[i]) == 0)
            continue;
        wire_text(&c->w, names[i].name_z);
        if (names[i].unique_z[0] == ':')
            wire_text(&c->w, names[i].unique_z);
    }
    wire_text(&c->w, bus_client(c->bus));
    wire_end(&c->w, rows);
}

static void list_activatable(struct bus_call *c)
{
    c->signature_z = "as";
    struct wire_array rows = wire_begin(&c->w, 4);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        wire_text(&c->w, names[i].name_z);
    wire_end(&c->w, rows);
}

/* StartServiceByName(name, flags) -> whether it runs already. */
static void start_service(struct bus_call *c)
{
    enum { STARTED = 1, RUNS = 2 };
    struct span name = wire_in_text(&c->in);
    const struct bus_name *found = bus_name_find(name);
    if (found == NULL) {
        bus_refuse_name(c, name);
        return;
    }
    c->signature_z = "u";
    wire_u32(&c->w, pid_of(c, found) != 0 ? RUNS : STARTED);
}

void bus_refuse_name(struct bus_call *c, struct span name)
{
    bus_refuse(c, BUS_SERVICE ".Error.ServiceUnknown",
               "The name %.*s was not provided by any .service files", (int)name.len,
               (const char *)name.data);
}

/* RequestName(name, flags): the policy lets root own what it likes, others nothing. */
static void request_name(struct bus_call *c)
{
    struct span name = wire_in_text(&c->in);
    bus_refuse(c, BUS_SERVICE ".Error.AccessDenied",
               "Connection \"%s\" is not allowed to own the service \"%.*s\" due to security "
               "policies in the configuration file",
               bus_client(c->bus), (int)name.len, (const char *)name.data);
}

static void get_id(struct bus_call *c)
{
    c->signature_z = "s";
    wire_text(&c->w, c->host->bus_id_z);
}

static void nothing(struct bus_call *c)
{
    c->signature_z = "";
}

static void get_machine_id(struct bus_call *c)
{
    c->signature_z = "s";
    wire_text(&c->w, c->host->machine_id_z);
}

const struct bus_method bus_name_methods[] = {
    {BUS_SERVICE, "Hello", false, hello},
    {BUS_SERVICE, "AddMatch", false, nothing},
    {BUS_SERVICE, "RemoveMatch", false, nothing},
    {BUS_SERVICE, "NameHasOwner", false, name_has_owner},
    {BUS_SERVICE, "GetNameOwner", false, get_name_owner},
    {BUS_SERVICE, "GetConnectionUnixUser", false, get_user},
    {BUS_SERVICE, "GetConnectionUnixProcessID", false, get_process},
    {BUS_SERVICE, "GetConnectionCredentials", false, get_credentials},
    {BUS_SERVICE, "GetConnectionSELinuxSecurityContext", false, no_context},
    {BUS_SERVICE, "StartServiceByName", false, start_service},
    {BUS_SERVICE, "ListNames", false, list_names},
    {BUS_SERVICE, "ListActivatableNames", false, list_activatable},
    {BUS_SERVICE, "RequestName", false, request_name},
    {BUS_SERVICE, "GetId", false, get_id},
    {NULL, NULL, false, NULL},
};

/* Everybody answers these. */
const struct bus_method bus_peer_methods[] = {
    {PEER, "Ping", false, nothing},
    {PEER, "GetMachineId", false, get_machine_id},
    {"org.freedesktop.DBus.Introspectable", "Introspect", false, bus_introspect},
    {NULL, NULL, false, NULL},
};
