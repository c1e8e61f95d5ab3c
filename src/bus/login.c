/* What logind answers on the system bus (org.freedesktop.login1(5)): the visitor's session. */
#include "bus/call.h"

#include <stdio.h>
#include <string.h>

#define MANAGER "org.freedesktop.login1.Manager"
#define SESSION "org.freedesktop.login1.Session"
#define USER    "org.freedesktop.login1.User"
#define SEAT    "org.freedesktop.login1.Seat"
#define AT      "/org/freedesktop/login1"
#define SEAT0   AT "/seat/seat0"

enum { NUMBER_MAX = 16 };

static const struct bus_login *login_of(const struct bus_call *c)
{
    return c->host->login.user_z != NULL ? &c->host->login : NULL;
}

static void session_path(const struct bus_login *l, char out_z[BUS_PATH_MAX])
{
    /* As sd_bus_path_encode has it: a digit that comes first is escaped. */
    char digits_z[NUMBER_MAX];
    (void)snprintf(digits_z, sizeof(digits_z), "%u", l->number);
    (void)snprintf(out_z, BUS_PATH_MAX, AT "/session/_3%c%s", digits_z[0], digits_z + 1);
}

static void user_path(const struct bus_login *l, char out_z[BUS_PATH_MAX])
{
    (void)snprintf(out_z, BUS_PATH_MAX, AT "/user/_%u", l->uid);
}

/* ---- Lists ---- */

static void list_sessions(struct bus_call *c)
{
    const struct bus_login *l = login_of(c);
    char path_z[BUS_PATH_MAX], number_z[NUMBER_MAX];
    c->signature_z = "a(susso)";
    struct wire_array rows = wire_begin(&c->w, 8);
    if (l != NULL) {
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
    const struct bus_login *l = login_of(c);
    char path_z[BUS_PATH_MAX];
    c->signature_z = "a(uso)";
    struct wire_array rows = wire_begin(&c->w, 8);
    if (l != NULL) {
        user_path(l, path_z);
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
    wire_text(&c->w, SEAT0);
    wire_end(&c->w, rows);
}

static void list_none(struct bus_call *c)
{
    c->signature_z = "a(ssssuu)";
    wire_end(&c->w, wire_begin(&c->w, 8));
}

/* ---- One of them ---- */

static void put_path(struct bus_call *c, const char *path_z)
{
    c->signature_z = "o";
    wire_text(&c->w, path_z);
}

/* GetSession(number); "auto" and "self" are the caller's. */
static void get_session(struct bus_call *c)
{
    const struct bus_login *l = login_of(c);
    char path_z[BUS_PATH_MAX], number_z[NUMBER_MAX] = "";
    struct span name = wire_in_text(&c->in);
    if (l != NULL)
        (void)snprintf(number_z, sizeof(number_z), "%u", l->number);
    bool is_own = span_equal_z(name, "auto") || span_equal_z(name, "self") || name.len == 0;
    if (l == NULL || (!is_own && !span_equal_z(name, number_z))) {
        bus_refuse(c, "org.freedesktop.login1.NoSuchSession", "No session '%.*s' known",
                   (int)name.len, (const char *)name.data);
        return;
    }
    session_path(l, path_z);
    put_path(c, path_z);
}

static void get_session_of_process(struct bus_call *c)
{
    const struct bus_login *l = login_of(c);
    char path_z[BUS_PATH_MAX];
    int32_t pid = (int32_t)wire_in_u32(&c->in), at = 0;
    bool is_his = l != NULL && (pid == 0 || pid == l->monitor || pid == l->worker);
    while (l != NULL && !is_his && (at = c->host->next_program(c->host->ctx, at)) != 0)
        is_his = at == pid;
    if (!is_his || l == NULL) {
        bus_refuse(c, "org.freedesktop.login1.NoSessionForPID",
                   "PID %d does not belong to any known session", pid);
        return;
    }
    session_path(l, path_z);
    put_path(c, path_z);
}

static void get_user(struct bus_call *c)
{
    const struct bus_login *l = login_of(c);
    char path_z[BUS_PATH_MAX];
    uint32_t uid = wire_in_u32(&c->in);
    if (l == NULL || l->uid != uid) {
        bus_refuse(c, "org.freedesktop.login1.NoSuchUser",
                   "User ID %u is not logged in or lingering", uid);
        return;
    }
    user_path(l, path_z);
    put_path(c, path_z);
}

static void get_seat(struct bus_call *c)
{
    struct span name = wire_in_text(&c->in);
    if (!span_equal_z(name, "seat0") && !span_equal_z(name, "auto") && name.len > 0)
        bus_refuse(c, "org.freedesktop.login1.NoSuchSeat", "No seat '%.*s' known", (int)name.len,
                   (const char *)name.data);
    else
        put_path(c, SEAT0);
}

/* ---- Properties ---- */

static void put_pair(struct bus_call *c, const char *interface_z, const char *name_z,
                     const char *text_z, const char *path_z)
{
    if (!bus_wants(c, interface_z, name_z, "(so)"))
        return;
    wire_align(&c->w, 8);
    wire_text(&c->w, text_z);
    wire_text(&c->w, path_z);
}

/* The one session, or none. */
static void put_sessions(struct bus_call *c, const char *interface_z, bool has_one)
{
    char number_z[NUMBER_MAX], path_z[BUS_PATH_MAX];
    const struct bus_login *l = login_of(c);
    if (!bus_wants(c, interface_z, "Sessions", "a(so)"))
        return;
    struct wire_array rows = wire_begin(&c->w, 8);
    if (l != NULL && has_one) {
        (void)snprintf(number_z, sizeof(number_z), "%u", l->number);
        session_path(l, path_z);
        wire_align(&c->w, 8);
        wire_text(&c->w, number_z);
        wire_text(&c->w, path_z);
    }
    wire_end(&c->w, rows);
}

static void put_since(struct bus_call *c, const char *interface_z, const struct bus_login *l)
{
    bus_u64(c, interface_z, "Timestamp", (uint64_t)l->at_us);
    bus_u64(c, interface_z, "TimestampMonotonic", (uint64_t)(l->at_us - c->host->boot_us));
}

static void session_properties(struct bus_call *c)
{
    const struct bus_login *l = login_of(c);
    char number_z[NUMBER_MAX], scope_z[32], path_z[BUS_PATH_MAX];
    if (l == NULL)
        return;
    (void)snprintf(number_z, sizeof(number_z), "%u", l->number);
    (void)snprintf(scope_z, sizeof(scope_z), "session-%u.scope", l->number);
    user_path(l, path_z);
    bus_text(c, SESSION, "Id", number_z);
    if (bus_wants(c, SESSION, "User", "(uo)")) {
        wire_align(&c->w, 8);
        wire_u32(&c->w, l->uid);
        wire_text(&c->w, path_z);
    }
    bus_text(c, SESSION, "Name", l->user_z);
    put_since(c, SESSION, l);
    bus_u32(c, SESSION, "VTNr", 0);
    put_pair(c, SESSION, "Seat", "", "/");
    bus_text(c, SESSION, "TTY", l->tty_z);
    bus_text(c, SESSION, "Display", "");
    bus_bool(c, SESSION, "Remote", true);
    bus_text(c, SESSION, "RemoteHost", l->address_z);
    bus_text(c, SESSION, "RemoteUser", "");
    bus_text(c, SESSION, "Service", "sshd");
    bus_text(c, SESSION, "Desktop", "");
    bus_text(c, SESSION, "Scope", scope_z);
    bus_u32(c, SESSION, "Leader", (uint32_t)l->monitor);
    bus_u32(c, SESSION, "Audit", l->number);
    bus_text(c, SESSION, "Type", "tty");
    bus_text(c, SESSION, "Class", "user");
    bus_bool(c, SESSION, "Active", true);
    bus_text(c, SESSION, "State", "active");
    bus_bool(c, SESSION, "IdleHint", false);
    bus_u64(c, SESSION, "IdleSinceHint", 0);
    bus_u64(c, SESSION, "IdleSinceHintMonotonic", 0);
    bus_bool(c, SESSION, "LockedHint", false);
}

static void user_properties(struct bus_call *c)
{
    const struct bus_login *l = login_of(c);
    char text_z[BUS_NAME_MAX], path_z[BUS_PATH_MAX];
    if (l == NULL)
        return;
    bus_u32(c, USER, "UID", l->uid);
    bus_u32(c, USER, "GID", l->uid);
    bus_text(c, USER, "Name", l->user_z);
    put_since(c, USER, l);
    (void)snprintf(text_z, sizeof(text_z), "/run/user/%u", l->uid);
    bus_text(c, USER, "RuntimePath", text_z);
    (void)snprintf(text_z, sizeof(text_z), "user@%u.service", l->uid);
    bus_text(c, USER, "Service", text_z);
    (void)snprintf(text_z, sizeof(text_z), "user-%u.slice", l->uid);
    bus_text(c, USER, "Slice", text_z);
    (void)snprintf(text_z, sizeof(text_z), "%u", l->number);
    session_path(l, path_z);
    put_pair(c, USER, "Display", text_z, path_z);
    bus_text(c, USER, "State", "active");
    put_sessions(c, USER, true);
    bus_bool(c, USER, "IdleHint", false);
    bus_u64(c, USER, "IdleSinceHint", 0);
    bus_bool(c, USER, "Linger", false);
}

static void seat_properties(struct bus_call *c)
{
    bus_text(c, SEAT, "Id", "seat0");
    put_pair(c, SEAT, "ActiveSession", "", "/");
    bus_bool(c, SEAT, "CanTTY", true);
    bus_bool(c, SEAT, "CanGraphical", false);
    put_sessions(c, SEAT, false);
    bus_bool(c, SEAT, "IdleHint", true);
    bus_u64(c, SEAT, "IdleSinceHint", 0);
}

static void manager_properties(struct bus_call *c)
{
    bool on = login_of(c) != NULL;
    bus_bool(c, MANAGER, "EnableWallMessages", false);
    bus_text(c, MANAGER, "WallMessage", "");
    bus_u32(c, MANAGER, "NAutoVTs", 6);
    bus_bool(c, MANAGER, "KillUserProcesses", false);
    bus_bool(c, MANAGER, "IdleHint", false);
    bus_text(c, MANAGER, "BlockInhibited", "");
    bus_text(c, MANAGER, "DelayInhibited", "");
    bus_text(c, MANAGER, "HandlePowerKey", "poweroff");
    bus_text(c, MANAGER, "HandleLidSwitch", "suspend");
    bus_text(c, MANAGER, "IdleAction", "ignore");
    bus_bool(c, MANAGER, "PreparingForShutdown", false);
    if (bus_wants(c, MANAGER, "ScheduledShutdown", "(st)")) {
        wire_align(&c->w, 8);
        wire_text(&c->w, c->host->end_us == 0     ? ""
                         : c->host->end_is_reboot ? "reboot"
                                                  : "poweroff");
        wire_u64(&c->w, c->host->end_us != 0 ? (uint64_t)c->host->end_us : UINT64_MAX);
    }
    bus_bool(c, MANAGER, "Docked", false);
    bus_u64(c, MANAGER, "SessionsMax", 8192);
    bus_u64(c, MANAGER, "NCurrentSessions", on ? 1 : 0);
}

/* ---- What changes something ---- */

/* pam_systemd asks for one in su and sudo too, where there is one already. */
static void create_session(struct bus_call *c)
{
    bus_refuse(c, "org.freedesktop.login1.SessionBusy",
               "Already running in a session or user slice");
}

/* Reboot(interactive), PowerOff(...): everybody is out. The same for whoever ends his session. */
static void end_of_machine(struct bus_call *c)
{
    c->signature_z = "";
    c->host->end_of_machine(c->host->ctx);
}

static void nothing(struct bus_call *c)
{
    c->signature_z = "";
}

static uint64_t u64_of(struct wire_in *in)
{
    uint64_t low = wire_in_u32(in);
    return low | (uint64_t)wire_in_u32(in) << 32;
}

/* ScheduleShutdown(type, usec): "reboot", "poweroff" ..., and when by the wall clock. */
static void schedule(struct bus_call *c)
{
    bool is_reboot = span_equal_z(wire_in_text(&c->in), "reboot");
    c->in.at = (c->in.at + 7) / 8 * 8;
    uint64_t at_us = u64_of(&c->in);
    c->signature_z = "";
    if (c->host->schedule_end != NULL && !c->in.failed && at_us < INT64_MAX / 1000)
        c->host->schedule_end(c->host->ctx, (int64_t)at_us, is_reboot);
}

/* CancelScheduledShutdown() -> whether there was one */
static void cancel_schedule(struct bus_call *c)
{
    c->signature_z = "b";
    wire_u32(&c->w, c->host->end_us != 0);
    if (c->host->schedule_end != NULL)
        c->host->schedule_end(c->host->ctx, 0, false);
}

static void can(struct bus_call *c)
{
    bool is_sleep = span_equal_z(c->message->member, "CanSuspend") ||
                    span_equal_z(c->message->member, "CanHibernate");
    c->signature_z = "s";
    wire_text(&c->w, is_sleep ? "na" : "yes");
}

/* SetUserLinger(uid, on, interactive): -1 is the caller. */
static void set_linger(struct bus_call *c)
{
    const struct bus_login *l = login_of(c);
    char path_z[BUS_PATH_MAX];
    uint32_t uid = wire_in_u32(&c->in);
    bool on = wire_in_u32(&c->in) != 0;
    c->signature_z = "";
    if (l == NULL || (uid != l->uid && uid != UINT32_MAX))
        return;
    (void)snprintf(path_z, sizeof(path_z), "/var/lib/systemd/linger/%s", l->user_z);
    if (on)
        (void)c->host->write(c->host->ctx, path_z, span_of(NULL, 0));
    else
        (void)c->host->unlink(c->host->ctx, path_z);
}

static void children(const struct bus_call *c, struct buffer *xml)
{
    const struct bus_login *l = login_of(c);
    char path_z[BUS_PATH_MAX];
    (void)buffer_put_z(xml, " <node name=\"seat/seat0\"/>\n");
    if (l == NULL)
        return;
    session_path(l, path_z);
    (void)buffer_printf(xml, " <node name=\"%s\"/>\n", path_z + strlen(AT "/"));
    user_path(l, path_z);
    (void)buffer_printf(xml, " <node name=\"%s\"/>\n", path_z + strlen(AT "/"));
}

const struct bus_object bus_login_objects[] = {
    {AT, false, manager_properties, bus_login_methods, children},
    {AT "/session/", true, session_properties, NULL, NULL},
    {AT "/user/", true, user_properties, NULL, NULL},
    {SEAT0, false, seat_properties, NULL, NULL},
    {NULL, false, NULL, NULL, NULL},
};

const struct bus_method bus_login_methods[] = {
    {MANAGER, "ListSessions", false, list_sessions},
    {MANAGER, "ListUsers", false, list_users},
    {MANAGER, "ListSeats", false, list_seats},
    {MANAGER, "ListInhibitors", false, list_none},
    {MANAGER, "GetSession", false, get_session},
    {MANAGER, "GetSessionByPID", false, get_session_of_process},
    {MANAGER, "GetUser", false, get_user},
    {MANAGER, "GetSeat", false, get_seat},
    {MANAGER, "CreateSession", true, create_session},
    {MANAGER, "ReleaseSession", true, nothing},
    {MANAGER, "TerminateSession", true, end_of_machine},
    {MANAGER, "KillSession", true, end_of_machine},
    {MANAGER, "TerminateUser", true, end_of_machine},
    {MANAGER, "KillUser", true, end_of_machine},
    {MANAGER, "SetWallMessage", true, nothing},
    {MANAGER, "ScheduleShutdown", true, schedule},
    {MANAGER, "CancelScheduledShutdown", true, cancel_schedule},
    {MANAGER, "CanReboot", false, can},
    {MANAGER, "CanPowerOff", false, can},
    {MANAGER, "CanHalt", false, can},
    {MANAGER, "CanSuspend", false, can},
    {MANAGER, "CanHibernate", false, can},
    {MANAGER, "SetUserLinger", true, set_linger},
    {MANAGER, "LockSession", true, nothing},
    {MANAGER, "UnlockSession", true, nothing},
    {MANAGER, "LockSessions", true, nothing},
    {MANAGER, "UnlockSessions", true, nothing},
    {MANAGER, "FlushDevices", true, nothing},
    {MANAGER, "Reboot", true, end_of_machine},
    {MANAGER, "RebootWithFlags", true, end_of_machine},
    {MANAGER, "PowerOff", true, end_of_machine},
    {MANAGER, "PowerOffWithFlags", true, end_of_machine},
    {MANAGER, "Halt", true, end_of_machine},
    {MANAGER, "HaltWithFlags", true, end_of_machine},
    {NULL, NULL, false, NULL},
};
