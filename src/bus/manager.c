/* org.freedesktop.systemd1: the manager and its units (org.freedesktop.systemd1(5)). */
#include "base/error.h"
#include "bus/call.h"

#include <stdio.h>
#include <string.h>

#define MANAGER   "org.freedesktop.systemd1.Manager"
#define UNIT      "org.freedesktop.systemd1.Unit"
#define SERVICE   "org.freedesktop.systemd1.Service"
#define TIMER     "org.freedesktop.systemd1.Timer"
#define UNITS_AT  "/org/freedesktop/systemd1/unit/"
#define NO_UNIT   "org.freedesktop.systemd1.NoSuchUnit"
#define NO_JOB    "org.freedesktop.systemd1.JobTypeNotApplicable"
#define MASKED    "org.freedesktop.systemd1.UnitMasked"
#define NEVER_US  UINT64_MAX
#define SECOND_US INT64_C(1000000)
#define DAY_US    (INT64_C(86400) * SECOND_US)

enum {
    VERSION_UNITS = 202, /* those of the table, and devices and aliases that it leaves out */
    TEXTS_MAX =
        128, /* of an array that are looked at: each costs a look at files, or at all units */
};

/* ---- Names ---- */

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void bus_unit_path(const char *name_z, char out_z[BUS_PATH_MAX])
{
    int n = snprintf(out_z, BUS_PATH_MAX, "%s", UNITS_AT);
    for (size_t i = 0; name_z[i] != '\0' && n + 4 < BUS_PATH_MAX; i++)
        n += is_plain(name_z[i]) ? snprintf(out_z + n, 2, "%c", name_z[i])
                                 : snprintf(out_z + n, 4, "_%02x", (unsigned char)name_z[i]);
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool bus_unit_name(struct span path, char out_z[BUS_NAME_MAX])
{
    struct span start = span_z(UNITS_AT);
    size_t n = 0;
    if (!span_starts_with(path, start))
        return false;
    for (size_t i = start.len; i < path.len; i++) {
        int high = i + 2 < path.len ? hex(path.data[i + 1]) : -1;
        int low = i + 2 < path.len ? hex(path.data[i + 2]) : -1;
        if (n + 1 >= BUS_NAME_MAX)
            return false;
        if (path.data[i] == '_' && high >= 0 && low >= 0) {
            out_z[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out_z[n++] = (char)path.data[i];
        }
    }
    out_z[n] = '\0';
    return n > 0;
}

/* glob(7) without brackets. Only the last star is tried again: what one before it took does not matter,
 * and no pattern takes longer than its length times the text's. */
static bool matches(const char *pattern_z, const char *text_z)
{
    const char *star_z = NULL, *taken_z = NULL;
    while (*text_z != '\0') {
        if (*pattern_z == '*') {
            star_z = ++pattern_z;
            taken_z = text_z;
        } else if (*pattern_z != '\0' && (*pattern_z == '?' || *pattern_z == *text_z)) {
            pattern_z++;
            text_z++;
        } else if (star_z != NULL) {
            pattern_z = star_z;
            text_z = ++taken_z;
        } else {
            return false;
        }
    }
    while (*pattern_z == '*')
        pattern_z++;
    return *pattern_z == '\0';
}

/* Whether one of an array of texts, at in->at, matches; none at all: yes. */
static bool array_matches(struct wire_in in, const char *text_z, bool is_state,
                          const struct bus_state *s)
{
    char pattern_z[BUS_NAME_MAX];
    size_t end = wire_in_array(&in, 4);
    bool any = in.at >= end;
    for (int i = 0; !in.failed && in.at < end && !any; i++) {
        if (i == TEXTS_MAX)
            break;
        (void)span_copy_z(wire_in_text(&in), pattern_z, sizeof(pattern_z));
        any = is_state ? strcmp(pattern_z, s->load_z) == 0 || strcmp(pattern_z, s->active_z) == 0 ||
                             strcmp(pattern_z, s->sub_z) == 0
                       : matches(pattern_z, text_z);
    }
    return any && !in.failed;
}

static void skip_array(struct wire_in *in)
{
    in->at = wire_in_array(in, 4);
}

/* ---- Control groups ---- */

static void put_process(struct bus_call *c, const char *group_z, int32_t pid)
{
    const char *args_z = pid > 0 ? c->host->args_z(c->host->ctx, pid) : NULL;
    if (args_z == NULL)
        return;
    wire_align(&c->w, 8);
    wire_text(&c->w, group_z);
    wire_u32(&c->w, (uint32_t)pid);
    wire_text(&c->w, args_z);
}

/* Of the visitor's session, of his service manager, or both: by the unit that is asked for. */
static void put_login_processes(struct bus_call *c, struct span name)
{
    const struct bus_login *l = &c->host->login;
    char scope_z[BUS_NAME_MAX], slice_z[BUS_NAME_MAX], user_z[BUS_NAME_MAX], group_z[BUS_PATH_MAX];
    if (l->user_z == NULL)
        return;
    (void)snprintf(scope_z, sizeof(scope_z), "session-%u.scope", l->number);
    (void)snprintf(slice_z, sizeof(slice_z), "user-%u.slice", l->uid);
    (void)snprintf(user_z, sizeof(user_z), "user@%u.service", l->uid);
    bool all = name.len == 0 || span_equal_z(name, "-.slice") || span_equal_z(name, slice_z) ||
               span_equal_z(name, "user.slice");
    if (all || span_equal_z(name, scope_z)) {
        (void)snprintf(group_z, sizeof(group_z), "/user.slice/%s/%s", slice_z, scope_z);
        put_process(c, group_z, l->monitor);
        put_process(c, group_z, l->worker);
        for (int32_t pid = 0; (pid = c->host->next_program(c->host->ctx, pid)) != 0;)
            put_process(c, group_z, pid);
    }
    if (all || span_equal_z(name, user_z)) {
        (void)snprintf(group_z, sizeof(group_z), "/user.slice/%s/%s/init.scope", slice_z, user_z);
        put_process(c, group_z, l->manager);
        put_process(c, group_z, l->own_pam);
    }
}

/* Of units whose programs are real. */
static void put_run_processes(struct bus_call *c, struct span name, bool all)
{
    const struct bus_host *h = c->host;
    char group_z[BUS_PATH_MAX];
    for (const char *unit_z = ""; h->next_run != NULL;) {
        unit_z = h->next_run(h->ctx, unit_z);
        if (unit_z == NULL)
            return;
        if (!all && !span_equal_z(name, unit_z))
            continue;
        bus_unit_group(h, unit_z, group_z);
        for (int32_t pid = 0; (pid = h->next_of_unit(h->ctx, unit_z, pid)) != 0;)
            put_process(c, group_z, pid);
    }
}

/* GetUnitProcesses(unit) -> a(sus): of one unit, or of all below a slice. */
static void get_processes(struct bus_call *c)
{
    struct span name = wire_in_text(&c->in);
    bool all = span_equal_z(name, "-.slice") || name.len == 0;
    bool is_system = span_equal_z(name, "system.slice");
    char group_z[BUS_PATH_MAX];
    int64_t since_us;
    c->signature_z = "a(sus)";
    struct wire_array rows = wire_begin(&c->w, 8);
    for (size_t i = 0; i < bus_units_count; i++) {
        const struct bus_unit *u = &bus_units[i];
        bool is_of_slice = is_system && strcmp(u->name_z, "init.scope") != 0;
        struct bus_run run;
        bool is_run = c->host->run != NULL && c->host->run(c->host->ctx, u->name_z, &run);
        if (u->process_z[0] == '\0' || is_run ||
            (!all && !is_of_slice && !span_equal_z(name, u->name_z)))
            continue;
        bus_process_group(u->process_z, group_z);
        put_process(c, group_z, c->host->pid(c->host->ctx, u->process_z, &since_us));
    }
    put_run_processes(c, name, all || is_system);
    put_login_processes(c, name);
    wire_end(&c->w, rows);
}

/* ---- A unit's properties ---- */

/* How long its start took: its own on each machine, the same each time it is asked for. */
static int64_t start_took_us(const struct bus_call *c, const char *name_z)
{
    enum { LEAST_US = 4000, RANGE_US = 120000, LONG_US = 9 };
    uint32_t hash = 2166136261; /* FNV-1a */
    for (const char *t = c->host->machine_id_z; *t != '\0'; t++)
        hash = (hash ^ (uint8_t)*t) * 16777619;
    for (const char *t = name_z; *t != '\0'; t++)
        hash = (hash ^ (uint8_t)*t) * 16777619;
    int64_t took = LEAST_US + (hash >> 8) % RANGE_US;
    return strstr(name_z, ".service") == NULL ? took / 10 : hash % 8 == 0 ? took * LONG_US : took;
}

static void put_times(struct bus_call *c, const struct bus_state *s)
{
    static const char *const names[] = {"StateChangeTimestamp", "InactiveExitTimestamp",
                                        "ActiveEnterTimestamp"};
    bool on = strcmp(s->active_z, "active") == 0;
    if (s->is_run && s->unit == NULL) {
        bus_run_times(c, &s->run);
        return;
    }
    int64_t boot_us = c->host->boot_us, took_us = start_took_us(c, s->name_z);
    int64_t earliest_us = boot_us + c->host->kernel_us;
    char mono_z[64];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int64_t since = s->since_us;
        if (i == 1) /* it began earlier, but not before the machine */
            since = since - took_us > earliest_us ? since - took_us : earliest_us;
        since = since < earliest_us ? earliest_us : since;
        bus_u64(c, UNIT, names[i], on ? (uint64_t)since : 0);
        (void)snprintf(mono_z, sizeof(mono_z), "%sMonotonic", names[i]);
        bus_u64(c, UNIT, mono_z, on ? (uint64_t)(since - boot_us) : 0);
    }
    bus_u64(c, UNIT, "ActiveExitTimestamp", 0);
    bus_u64(c, UNIT, "ActiveExitTimestampMonotonic", 0);
    bus_u64(c, UNIT, "InactiveEnterTimestamp", 0);
    bus_u64(c, UNIT, "InactiveEnterTimestampMonotonic", 0);
    bus_bool(c, UNIT, "ConditionResult", on);
    bus_bool(c, UNIT, "AssertResult", on);
    bus_u64(c, UNIT, "ConditionTimestamp", on ? (uint64_t)s->since_us : 0);
    bus_u64(c, UNIT, "AssertTimestamp", on ? (uint64_t)s->since_us : 0);
}

/* Of what has a group and no process of its own: slices, sessions. */
static void put_group(struct bus_call *c, const struct bus_state *s)
{
    static const struct {
        const char *end_z, *interface_z;
    } kinds[] = {{".slice", "org.freedesktop.systemd1.Slice"},
                 {".scope", "org.freedesktop.systemd1.Scope"}};
    char group_z[BUS_PATH_MAX];
    bus_unit_group(c->host, s->name_z, group_z);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strstr(s->name_z, kinds[i].end_z) != NULL)
            bus_text(c, kinds[i].interface_z, "ControlGroup", group_z);
}

/* When timers elapse, as the logs have it (persona/logs.c): seconds of the day, and the week's day
 * when it is not every day. */
static const struct {
    const char *name_z, *unit_z;
    int second, again; /* a second time in the day; 0: none */
    int weekday;       /* Monday is 1; 0: each */
} timers[] = {
    {"logrotate.timer", "logrotate.service", 0, 0, 0},
    {"dpkg-db-backup.timer", "dpkg-db-backup.service", 0, 0, 0},
    {"man-db.timer", "man-db.service", 0, 0, 0},
    {"apt-daily-upgrade.timer", "apt-daily-upgrade.service", 22921, 0, 0},
    {"apt-daily.timer", "apt-daily.service", 34861, 75781, 0},
    {"systemd-tmpfiles-clean.timer", "systemd-tmpfiles-clean.service", 36781, 0, 0},
    {"e2scrub_all.timer", "e2scrub_all.service", 11401, 0, 7},
    {"fstrim.timer", "fstrim.service", 4861, 0, 1},
};

static int64_t next_time(const struct bus_host *host, int second, int weekday)
{
    int64_t day = host->now_us / DAY_US;
    int64_t at_us = day * DAY_US + second * SECOND_US;
    while (at_us <= host->now_us || (weekday != 0 && (at_us / DAY_US + 3) % 7 + 1 != weekday))
        at_us += DAY_US;
    return at_us;
}

static void put_timer(struct bus_call *c, const struct bus_state *s)
{
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        if (strcmp(s->name_z, timers[i].name_z) != 0)
            continue;
        int64_t next_us = next_time(c->host, timers[i].second, timers[i].weekday);
        int64_t last_us = next_us - (timers[i].weekday != 0 ? 7 : 1) * DAY_US;
        if (timers[i].again != 0) {
            int64_t other_us = next_time(c->host, timers[i].again, timers[i].weekday);
            last_us = (next_us > other_us ? next_us : other_us) - DAY_US;
            next_us = next_us < other_us ? next_us : other_us;
        }
        bus_words(c, UNIT, "Triggers", timers[i].unit_z);
        bus_u64(c, TIMER, "NextElapseUSecRealtime", (uint64_t)next_us);
        bus_u64(c, TIMER, "NextElapseUSecMonotonic", NEVER_US);
        bus_u64(c, TIMER, "LastTriggerUSec", last_us > c->host->boot_us ? (uint64_t)last_us : 0);
        bus_text(c, TIMER, "Result", "success");
    }
}

static void put_triggered_by(struct bus_call *c, const struct bus_state *s)
{
    const char *timer_z = "";
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        if (strcmp(s->name_z, timers[i].unit_z) == 0)
            timer_z = timers[i].name_z;
    bus_words(c, UNIT, "TriggeredBy", timer_z);
}

static void unit_properties(struct bus_call *c)
{
    char name_z[BUS_NAME_MAX];
    struct bus_state s;
    if (!bus_unit_name(c->message->path, name_z))
        return;
    bus_state_of(c->host, span_z(name_z), &s);
    bool is_there = strcmp(s.load_z, "loaded") == 0;
    bus_text(c, UNIT, "Id", s.name_z);
    if (bus_wants(c, UNIT, "Names", "as")) {
        struct wire_array names = wire_begin(&c->w, 4);
        wire_text(&c->w, s.name_z);
        wire_end(&c->w, names);
    }
    bus_text(c, UNIT, "Following", "");
    bus_text(c, UNIT, "Description", s.description_z);
    bus_text(c, UNIT, "LoadState", s.load_z);
    bus_text(c, UNIT, "ActiveState", s.active_z);
    bus_text(c, UNIT, "SubState", s.sub_z);
    bus_text(c, UNIT, "FragmentPath", s.path_z);
    bus_text(c, UNIT, "SourcePath", "");
    bus_words(c, UNIT, "DropInPaths", "");
    bus_words(c, UNIT, "Documentation", s.unit != NULL ? s.unit->documents_z : "");
    bus_text(c, UNIT, "UnitFileState", s.file_state_z);
    bus_text(c, UNIT, "UnitFilePreset", s.path_z[0] != '\0' ? "enabled" : "");
    bus_bool(c, UNIT, "NeedDaemonReload", false);
    bus_bool(c, UNIT, "Transient", false);
    bus_bool(c, UNIT, "CanStart", is_there);
    bus_bool(c, UNIT, "CanStop", is_there);
    bus_bool(c, UNIT, "CanReload", s.pid != 0);
    if (bus_wants(c, UNIT, "LoadError", "(ss)")) {
        char text_z[BUS_NAME_MAX + 32];
        (void)snprintf(text_z, sizeof(text_z), "Unit %s not found.", s.name_z);
        wire_align(&c->w, 8);
        wire_text(&c->w, is_there ? "" : NO_UNIT);
        wire_text(&c->w, is_there ? "" : text_z);
    }
    if (bus_wants(c, UNIT, "Job", "(uo)")) {
        wire_align(&c->w, 8);
        wire_u32(&c->w, 0);
        wire_text(&c->w, "/");
    }
    put_times(c, &s);
    if (strstr(s.name_z, ".service") != NULL && is_there)
        bus_service_properties(c, &s);
    put_group(c, &s);
    put_timer(c, &s);
    bus_words(c, UNIT, "Triggers", "");
    put_triggered_by(c, &s);
}

/* ---- The manager's properties ---- */

/* What systemd does first when it runs. */
static void put_steps(struct bus_call *c)
{
    static const struct {
        const char *name_z;
        int64_t after_us;
    } steps[] = {
        {"SecurityStartTimestamp", 5210},    {"SecurityFinishTimestamp", 7940},
        {"GeneratorsStartTimestamp", 98400}, {"GeneratorsFinishTimestamp", 187300},
        {"UnitsLoadStartTimestamp", 187330}, {"UnitsLoadFinishTimestamp", 301880},
    };
    char mono_z[64];
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int64_t up_us = c->host->kernel_us + steps[i].after_us;
        bus_u64(c, MANAGER, steps[i].name_z, (uint64_t)(c->host->boot_us + up_us));
        (void)snprintf(mono_z, sizeof(mono_z), "%sMonotonic", steps[i].name_z);
        bus_u64(c, MANAGER, mono_z, (uint64_t)up_us);
    }
}

static void manager_properties(struct bus_call *c)
{
    const struct bus_host *h = c->host;
    bus_text(c, MANAGER, "Version", "252.39-1~deb12u2");
    bus_text(c, MANAGER, "Features",
             "+PAM +AUDIT +SELINUX +APPARMOR +IMA +SMACK +SECCOMP +GCRYPT -GNUTLS +OPENSSL +ACL "
             "+BLKID +CURL +ELFUTILS +FIDO2 +IDN2 -IDN +IPTC +KMOD +LIBCRYPTSETUP +LIBFDISK +PCRE2 "
             "-PWQUALITY +P11KIT +QRENCODE +TPM2 +BZIP2 +LZ4 +XZ +ZLIB +ZSTD -BPF_FRAMEWORK "
             "-XKBCOMMON +UTMP +SYSVINIT default-hierarchy=unified");
    bus_text(c, MANAGER, "Virtualization", "kvm");
    bus_text(c, MANAGER, "Architecture", "x86-64");
    bus_text(c, MANAGER, "Tainted", "");
    bus_text(c, MANAGER, "SystemState", "running");
    bus_u32(c, MANAGER, "NNames", VERSION_UNITS);
    bus_u32(c, MANAGER, "NFailedUnits", 0);
    bus_u32(c, MANAGER, "NJobs", 0);
    bus_text(c, MANAGER, "ControlGroup", "");
    bus_u64(c, MANAGER, "KernelTimestamp", (uint64_t)h->boot_us);
    bus_u64(c, MANAGER, "KernelTimestampMonotonic", 0);
    bus_u64(c, MANAGER, "UserspaceTimestamp", (uint64_t)(h->boot_us + h->kernel_us));
    bus_u64(c, MANAGER, "UserspaceTimestampMonotonic", (uint64_t)h->kernel_us);
    put_steps(c);
    bus_u64(c, MANAGER, "FinishTimestamp", (uint64_t)(h->boot_us + h->started_us));
    bus_u64(c, MANAGER, "FinishTimestampMonotonic", (uint64_t)h->started_us);
    bus_bool(c, MANAGER, "NeedDaemonReload", false);
}

/* ---- Below them ---- */

static void no_properties(struct bus_call *c)
{
    (void)c;
}

static void unit_child(const struct bus_call *c, struct buffer *xml)
{
    (void)c;
    (void)buffer_put_z(xml, " <node name=\"unit\"/>\n");
}

static void unit_children(const struct bus_call *c, struct buffer *xml)
{
    char name_z[BUS_NAME_MAX], path_z[BUS_PATH_MAX];
    for (size_t i = 0; i < bus_units_count; i++) {
        if (!bus_unit_text(c->host, bus_units[i].name_z, name_z, sizeof(name_z)))
            continue;
        bus_unit_path(name_z, path_z);
        (void)buffer_printf(xml, " <node name=\"%s\"/>\n", path_z + strlen(UNITS_AT));
    }
}

const struct bus_object bus_manager_objects[] = {
    {"/org/freedesktop/systemd1", false, manager_properties, bus_manager_methods, unit_child},
    {"/org/freedesktop/systemd1/unit", false, no_properties, NULL, unit_children},
    {UNITS_AT, true, unit_properties, NULL, NULL},
    {NULL, false, NULL, NULL, NULL},
};

/* ---- Lists ---- */

static void put_row(struct bus_call *c, const struct bus_state *s)
{
    char path_z[BUS_PATH_MAX];
    bus_unit_path(s->name_z, path_z);
    wire_align(&c->w, 8);
    wire_text(&c->w, s->name_z);
    wire_text(&c->w, s->description_z);
    wire_text(&c->w, s->load_z);
    wire_text(&c->w, s->active_z);
    wire_text(&c->w, s->sub_z);
    wire_text(&c->w, "");
    wire_text(&c->w, path_z);
    wire_u32(&c->w, 0);
    wire_text(&c->w, "");
    wire_text(&c->w, "/");
}

/* What a login brings beside the table: its session. */
static void put_session_row(struct bus_call *c, struct wire_in states, struct wire_in patterns)
{
    const struct bus_login *l = &c->host->login;
    struct bus_state s = {.load_z = "loaded", .active_z = "active", .sub_z = "running"};
    if (l->user_z == NULL)
        return;
    (void)snprintf(s.name_z, sizeof(s.name_z), "session-%u.scope", l->number);
    (void)snprintf(s.description_z, sizeof(s.description_z), "Session %u of User %s", l->number,
                   l->user_z);
    if (array_matches(states, "", true, &s) && array_matches(patterns, s.name_z, false, &s))
        put_row(c, &s);
}

/* Those of unit files that the table does not have: what runs, or has failed. */
static void put_run_rows(struct bus_call *c, struct wire_in states, struct wire_in patterns)
{
    struct bus_state s;
    const struct bus_host *h = c->host;
    for (const char *name_z = ""; h->next_run != NULL;) {
        name_z = h->next_run(h->ctx, name_z);
        if (name_z == NULL)
            return;
        bus_state_of(h, span_z(name_z), &s);
        if (s.unit == NULL && strcmp(s.active_z, "inactive") != 0 &&
            array_matches(states, "", true, &s) && array_matches(patterns, s.name_z, false, &s))
            put_row(c, &s);
    }
}

/* ListUnits, ListUnitsFiltered(as), ListUnitsByPatterns(as, as) -> a(ssssssouso) */
static void list_units(struct bus_call *c)
{
    struct bus_state s;
    char name_z[BUS_NAME_MAX];
    struct wire_in none = {.bytes = SPAN_LIT("\0\0\0\0")}, states = none, patterns = none;
    if (!span_equal_z(c->message->member, "ListUnits"))
        states = c->in;
    if (span_equal_z(c->message->member, "ListUnitsByPatterns")) {
        patterns = c->in;
        skip_array(&patterns);
    }
    c->signature_z = "a(ssssssouso)";
    struct wire_array rows = wire_begin(&c->w, 8);
    for (size_t i = 0; i < bus_units_count; i++) {
        if (!bus_unit_text(c->host, bus_units[i].name_z, name_z, sizeof(name_z)))
            continue;
        bus_state_of(c->host, span_z(name_z), &s);
        if (array_matches(states, "", true, &s) && array_matches(patterns, s.name_z, false, &s))
            put_row(c, &s);
    }
    put_run_rows(c, states, patterns);
    put_session_row(c, states, patterns);
    wire_end(&c->w, rows);
}

/* Files of the administrator's that no package brings. */
static void put_own_files(struct bus_call *c, struct wire_in patterns)
{
    struct bus_state s;
    char name_z[BUS_NAME_MAX];
    const struct bus_host *h = c->host;
    for (size_t n = 0; n < TEXTS_MAX && h->entry != NULL &&
                       h->entry(h->ctx, "/etc/systemd/system", n, name_z, sizeof(name_z));
         n++) {
        const char *dot = strrchr(name_z, '.');
        if (dot == NULL || (strcmp(dot, ".service") != 0 && strcmp(dot, ".timer") != 0))
            continue;
        bus_state_of(h, span_z(name_z), &s);
        if (s.unit != NULL || strcmp(s.name_z, name_z) != 0 || s.path_z[0] == '\0' ||
            (c->message->body.len > 0 && !array_matches(patterns, s.name_z, false, &s)))
            continue;
        wire_align(&c->w, 8);
        wire_text(&c->w, s.path_z);
        wire_text(&c->w, s.file_state_z);
    }
}

static void list_files(struct bus_call *c)
{
    struct bus_state s;
    char name_z[BUS_NAME_MAX];
    struct wire_in patterns = c->in;
    skip_array(&patterns);
    c->signature_z = "a(ss)";
    struct wire_array rows = wire_begin(&c->w, 8);
    for (size_t i = 0; i < bus_units_count; i++) {
        if (!bus_unit_text(c->host, bus_units[i].name_z, name_z, sizeof(name_z)))
            continue;
        bus_state_of(c->host, span_z(name_z), &s);
        if (s.path_z[0] == '\0' ||
            (c->message->body.len > 0 && !array_matches(patterns, s.name_z, false, &s)))
            continue;
        wire_align(&c->w, 8);
        wire_text(&c->w, s.path_z);
        wire_text(&c->w, s.file_state_z);
    }
    put_own_files(c, patterns);
    wire_end(&c->w, rows);
}

/* ---- Units by name ---- */

static void get_unit(struct bus_call *c)
{
    struct bus_state s;
    char path_z[BUS_PATH_MAX];
    bus_state_of(c->host, wire_in_text(&c->in), &s);
    bool must_run = span_equal_z(c->message->member, "GetUnit");
    if (must_run && strcmp(s.load_z, "not-found") == 0) {
        bus_refuse(c, NO_UNIT, "Unit %s not loaded.", s.name_z);
        return;
    }
    bus_unit_path(s.name_z, path_z);
    c->signature_z = "o";
    wire_text(&c->w, path_z);
}

/* ---- Without effect here ---- */

static void nothing(struct bus_call *c)
{
    c->signature_z = "";
}

static void reload(struct bus_call *c)
{
    c->host->say(c->host->ctx, "systemd", "Reloading.");
    c->signature_z = "";
}

/* KillUnit(name, whom, signal) */
static void kill_unit(struct bus_call *c)
{
    struct bus_state s;
    struct bus_run run;
    bus_state_of(c->host, wire_in_text(&c->in), &s);
    bool only_main = span_equal_z(wire_in_text(&c->in), "main");
    int signo = (int)wire_in_u32(&c->in);
    c->signature_z = "";
    if (strcmp(s.load_z, "not-found") == 0)
        bus_refuse(c, NO_UNIT, "Unit %s not loaded.", s.name_z);
    else if (c->host->run != NULL && c->host->run(c->host->ctx, s.name_z, &run))
        c->host->signal(c->host->ctx, s.name_z, only_main, signo);
    else if (s.pid != 0)
        c->host->stop(c->host->ctx, s.unit->process_z);
}

const struct bus_method bus_manager_methods[] = {
    {MANAGER, "ListUnits", false, list_units},
    {MANAGER, "ListUnitsFiltered", false, list_units},
    {MANAGER, "ListUnitsByPatterns", false, list_units},
    {MANAGER, "ListUnitFiles", false, list_files},
    {MANAGER, "ListUnitFilesByPatterns", false, list_files},
    {MANAGER, "GetUnit", false, get_unit},
    {MANAGER, "LoadUnit", false, get_unit},
    {MANAGER, "GetUnitFileState", false, bus_get_file_state},
    {MANAGER, "GetUnitProcesses", false, get_processes},
    {MANAGER, "GetDefaultTarget", false, bus_get_default},
    {MANAGER, "StartUnit", true, bus_change_unit},
    {MANAGER, "StopUnit", true, bus_change_unit},
    {MANAGER, "RestartUnit", true, bus_change_unit},
    {MANAGER, "TryRestartUnit", true, bus_change_unit},
    {MANAGER, "ReloadUnit", true, bus_change_unit},
    {MANAGER, "ReloadOrRestartUnit", true, bus_change_unit},
    {MANAGER, "ReloadOrTryRestartUnit", true, bus_change_unit},
    {MANAGER, "KillUnit", true, kill_unit},
    {MANAGER, "EnableUnitFiles", true, bus_change_files},
    {MANAGER, "EnableUnitFilesWithFlags", true, bus_change_files},
    {MANAGER, "DisableUnitFiles", true, bus_change_files},
    {MANAGER, "DisableUnitFilesWithFlags", true, bus_change_files},
    {MANAGER, "MaskUnitFiles", true, bus_mask_files},
    {MANAGER, "UnmaskUnitFiles", true, bus_mask_files},
    {MANAGER, "SetDefaultTarget", true, bus_set_default},
    {MANAGER, "Subscribe", false, nothing},
    {MANAGER, "Unsubscribe", false, nothing},
    {MANAGER, "Reload", true, reload},
    {MANAGER, "Reexecute", true, nothing},
    {MANAGER, "ResetFailed", true, nothing},
    {MANAGER, "ResetFailedUnit", true, nothing},
    {NULL, NULL, false, NULL},
};
