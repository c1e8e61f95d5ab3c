/* What answers on the system bus beside the manager: the bus itself, hostnamed, timedated, logind. */
#include "bus/call.h"

#include <stdio.h>
#include <string.h>

#define BUS    "org.freedesktop.DBus"
#define HOST   "org.freedesktop.hostname1"
#define TIME   "org.freedesktop.timedate1"
#define LOGIN  "org.freedesktop.login1.Manager"
#define SEAT   "/org/freedesktop/login1/seat/seat0"
#define SECOND INT64_C(1000000)

/* ---- The bus ---- */

static void hello(struct bus_call *c)
{
    c->signature_z = "s";
    wire_text(&c->w, BUS_CLIENT);
}

static void nothing(struct bus_call *c)
{
    c->signature_z = "";
}

static void name_has_owner(struct bus_call *c)
{
    c->signature_z = "b";
    wire_u32(&c->w, 1);
}

static void start_service(struct bus_call *c)
{
    c->signature_z = "u";
    wire_u32(&c->w, 2); /* DBUS_START_REPLY_ALREADY_RUNNING */
}

static void list_names(struct bus_call *c)
{
    static const char *const names[] = {"org.freedesktop.DBus",
                                        "org.freedesktop.systemd1",
                                        "org.freedesktop.login1",
                                        "org.freedesktop.timesync1",
                                        ":1.0",
                                        ":1.1",
                                        ":1.2",
                                        BUS_CLIENT};
    c->signature_z = "as";
    struct wire_array rows = wire_begin(&c->w, 4);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        wire_text(&c->w, names[i]);
    wire_end(&c->w, rows);
}

/* ---- hostname1, timedate1 ---- */

static void host_properties(struct bus_call *c)
{
    const struct bus_host *h = c->host;
    bus_text(c, HOST, "Hostname", h->hostname_z);
    bus_text(c, HOST, "StaticHostname", h->hostname_z);
    bus_text(c, HOST, "PrettyHostname", "");
    bus_text(c, HOST, "DefaultHostname", "localhost");
    bus_text(c, HOST, "HostnameSource", "static");
    bus_text(c, HOST, "IconName", "computer-vm");
    bus_text(c, HOST, "Chassis", "vm");
    bus_text(c, HOST, "Deployment", "");
    bus_text(c, HOST, "Location", "");
    bus_text(c, HOST, "KernelName", "Linux");
    bus_text(c, HOST, "KernelRelease", h->release_z);
    bus_text(c, HOST, "OperatingSystemPrettyName", "Debian GNU/Linux 12 (bookworm)");
    bus_text(c, HOST, "OperatingSystemCPEName", "");
    bus_text(c, HOST, "HomeURL", "https://www.debian.org/");
    bus_text(c, HOST, "HardwareVendor", "QEMU");
    bus_text(c, HOST, "HardwareModel", "Standard PC _i440FX + PIIX, 1996_");
    bus_text(c, HOST, "FirmwareVersion", "1.16.2-debian-1.16.2-1");
}

static void time_properties(struct bus_call *c)
{
    bus_text(c, TIME, "Timezone", "Etc/UTC");
    bus_bool(c, TIME, "LocalRTC", false);
    bus_bool(c, TIME, "CanNTP", true);
    bus_bool(c, TIME, "NTP", true);
    bus_bool(c, TIME, "NTPSynchronized", true);
    bus_u64(c, TIME, "TimeUSec", (uint64_t)c->host->now_us);
    bus_u64(c, TIME, "RTCTimeUSec", (uint64_t)(c->host->now_us / SECOND * SECOND));
}

/* ---- login1 ---- */

static void session_path(const struct bus_login *l, char out_z[BUS_PATH_MAX])
{
    /* As sd_bus_path_encode has it: a digit that comes first is escaped. */
    (void)snprintf(out_z, BUS_PATH_MAX, "/org/freedesktop/login1/session/_3%u", l->number % 10);
    if (l->number >= 10) {
        char digits_z[16];
        (void)snprintf(digits_z, sizeof(digits_z), "%u", l->number);
        (void)snprintf(out_z, BUS_PATH_MAX, "/org/freedesktop/login1/session/_3%c%s", digits_z[0],
                       digits_z + 1);
    }
}

static void list_sessions(struct bus_call *c)
{
    const struct bus_login *l = &c->host->login;
    char path_z[BUS_PATH_MAX], number_z[16];
    c->signature_z = "a(susso)";
    struct wire_array rows = wire_begin(&c->w, 8);
    if (l->user_z != NULL) {
        session_path(l, path_z);
        (void)snprintf(number_z, sizeof(number_z), "%u", l->number);
        wire_align(&c->w, 8);
        wire_text(&c->w, number_z);
        wire_u32(&c->w, l->uid);
        wire_text(&c->w, l->user_z);
        wire_text(&c->w, "");
        wire_text(&c->w, path_z);
    }
    wire_end(&c->w, rows);
}

static void list_users(struct bus_call *c)
{
    const struct bus_login *l = &c->host->login;
    char path_z[64];
    c->signature_z = "a(uso)";
    struct wire_array rows = wire_begin(&c->w, 8);
    if (l->user_z != NULL) {
        (void)snprintf(path_z, sizeof(path_z), "/org/freedesktop/login1/user/_%u", l->uid);
        wire_align(&c->w, 8);
        wire_u32(&c->w, l->uid);
        wire_text(&c->w, l->user_z);
        wire_text(&c->w, path_z);
    }
    wire_end(&c->w, rows);
}

static void list_seats(struct bus_call *c)
{
    c->signature_z = "a(so)";
    struct wire_array rows = wire_begin(&c->w, 8);
    wire_align(&c->w, 8);
    wire_text(&c->w, "seat0");
    wire_text(&c->w, SEAT);
    wire_end(&c->w, rows);
}

static void session_properties(struct bus_call *c)
{
    static const char iface_z[] = "org.freedesktop.login1.Session";
    const struct bus_login *l = &c->host->login;
    char number_z[16], scope_z[32];
    if (l->user_z == NULL)
        return;
    (void)snprintf(number_z, sizeof(number_z), "%u", l->number);
    (void)snprintf(scope_z, sizeof(scope_z), "session-%u.scope", l->number);
    bus_text(c, iface_z, "Id", number_z);
    bus_text(c, iface_z, "Name", l->user_z);
    bus_text(c, iface_z, "State", "active");
    bus_text(c, iface_z, "Type", "tty");
    bus_text(c, iface_z, "Class", "user");
    bus_text(c, iface_z, "Service", "sshd");
    bus_text(c, iface_z, "Scope", scope_z);
    bus_text(c, iface_z, "TTY", "");
    bus_bool(c, iface_z, "Remote", true);
    bus_bool(c, iface_z, "Active", true);
    bus_bool(c, iface_z, "IdleHint", false);
    bus_u32(c, iface_z, "Leader", (uint32_t)l->monitor);
    bus_u64(c, iface_z, "Timestamp", (uint64_t)l->at_us);
}

/* Reboot(interactive), PowerOff(...): everybody is out. */
static void end_of_machine(struct bus_call *c)
{
    c->signature_z = "";
    c->host->end_of_machine(c->host->ctx);
}

const struct bus_object bus_daemon_objects[] = {
    {"/org/freedesktop/hostname1", false, host_properties},
    {"/org/freedesktop/timedate1", false, time_properties},
    {"/org/freedesktop/login1/session/", true, session_properties},
    {NULL, false, NULL},
};

const struct bus_method bus_daemon_methods[] = {
    {BUS, "Hello", false, hello},
    {BUS, "AddMatch", false, nothing},
    {BUS, "RemoveMatch", false, nothing},
    {BUS, "NameHasOwner", false, name_has_owner},
    {BUS, "StartServiceByName", false, start_service},
    {BUS, "ListNames", false, list_names},
    {LOGIN, "ListSessions", false, list_sessions},
    {LOGIN, "ListUsers", false, list_users},
    {LOGIN, "ListSeats", false, list_seats},
    {LOGIN, "Reboot", true, end_of_machine},
    {LOGIN, "RebootWithFlags", true, end_of_machine},
    {LOGIN, "PowerOff", true, end_of_machine},
    {LOGIN, "PowerOffWithFlags", true, end_of_machine},
    {LOGIN, "Halt", true, end_of_machine},
    {LOGIN, "HaltWithFlags", true, end_of_machine},
    {NULL, NULL, false, NULL},
};
