/* What org.freedesktop.systemd1.Service tells of a unit (org.freedesktop.systemd1(5)). */
#include "bus/call.h"
#include "bus/unit_text.h"

#include <stdio.h>
#include <string.h>

#define SERVICE  BUS_SYSTEMD ".Service"
#define UNIT     BUS_SYSTEMD ".Unit"
#define NEVER_US UINT64_MAX

enum { COMMANDS_MAX = 16 };

/* ---- Times ---- */

static void put_time(struct bus_call *c, const char *interface_z, const char *name_z, int64_t at_us)
{
    char mono_z[BUS_NAME_MAX];
    (void)snprintf(mono_z, sizeof(mono_z), "%sMonotonic", name_z);
    bus_u64(c, interface_z, name_z, (uint64_t)at_us);
    bus_u64(c, interface_z, mono_z, at_us > 0 ? (uint64_t)(at_us - c->host->boot_us) : 0);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void bus_run_times(struct bus_call *c, const struct bus_run *run)
{
    int64_t last_us =
        later(later(run->begun_us, run->active_us), later(run->leaving_us, run->inactive_us));
    put_time(c, UNIT, "StateChangeTimestamp", last_us);
    put_time(c, UNIT, "InactiveExitTimestamp", run->begun_us);
    put_time(c, UNIT, "ActiveEnterTimestamp", run->active_us);
    put_time(c, UNIT, "ActiveExitTimestamp", run->leaving_us);
    put_time(c, UNIT, "InactiveEnterTimestamp", run->inactive_us);
    bus_bool(c, UNIT, "ConditionResult", run->begun_us > 0);
    bus_bool(c, UNIT, "AssertResult", run->begun_us > 0);
    bus_u64(c, UNIT, "ConditionTimestamp", (uint64_t)run->begun_us);
    bus_u64(c, UNIT, "AssertTimestamp", (uint64_t)run->begun_us);
}

/* ---- What its file says ---- */

static void put_type(struct bus_call *c, const struct bus_state *s, struct span text)
{
    char value_z[UNIT_VALUE_MAX];
    const char *type_z = s->pid != 0 ? "notify" : "oneshot";
    if (unit_text_last(text, "Service", "Type", value_z))
        type_z = value_z;
    else if (s->unit == NULL)
        type_z = "simple";
    bus_text(c, SERVICE, "Type", type_z);
    bus_text(c, SERVICE, "Restart",
             unit_text_last(text, "Service", "Restart", value_z) ? value_z : "no");
}

/* a(sasbttttuii): the commands of a key, and of the last one how it went. */
static void put_commands(struct bus_call *c, const struct bus_state *s, struct span text,
                         const char *key_z)
{
    char line_z[UNIT_VALUE_MAX];
    const struct unit_names names = {.name_z = s->name_z, .hostname_z = c->host->hostname_z};
    const struct bus_run *run = &s->run;
    if (!bus_wants(c, SERVICE, key_z, "a(sasbttttuii)"))
        return;
    struct wire_array rows = wire_begin(&c->w, 8);
    for (size_t n = 0; n < COMMANDS_MAX && unit_text_value(text, "Service", key_z, n, line_z);
         n++) {
        struct unit_words words;
        bool is_main = s->is_run && strcmp(key_z, "ExecStart") == 0;
        if (unit_text_words(line_z, &names, &words) == 0 && words.count > 0) {
            wire_align(&c->w, 8);
            wire_text(&c->w, (const char *)words.word[0].data);
            struct wire_array argv = wire_begin(&c->w, 4);
            for (size_t i = 0; i < words.count; i++)
                wire_text(&c->w, (const char *)words.word[i].data);
            wire_end(&c->w, argv);
            wire_u32(&c->w, words.may_fail);
            wire_u64(&c->w, is_main ? (uint64_t)run->main_start_us : 0);
            wire_u64(&c->w, is_main ? (uint64_t)(run->main_start_us - c->host->boot_us) : 0);
            wire_u64(&c->w, is_main ? (uint64_t)run->main_exit_us : 0);
            wire_u64(&c->w, is_main && run->main_exit_us > 0
                                ? (uint64_t)(run->main_exit_us - c->host->boot_us)
                                : 0);
            wire_u32(&c->w, is_main ? (uint32_t)run->main_was : 0);
            wire_u32(&c->w, is_main ? (uint32_t)run->main_code : 0);
            wire_u32(&c->w, is_main ? (uint32_t)run->main_status : 0);
        }
        unit_words_fini(&words);
    }
    wire_end(&c->w, rows);
}

static void put_file(struct bus_call *c, const struct bus_state *s)
{
    static const char *const keys[] = {"ExecStartPre", "ExecStart", "ExecStartPost",
                                       "ExecReload",   "ExecStop",  "ExecStopPost"};
    struct buffer text;
    buffer_init(&text, UNIT_TEXT_MAX);
    if (s->path_z[0] != '\0')
        (void)c->host->read(c->host->ctx, s->path_z, &text);
    put_type(c, s, buffer_span(&text));
    for (size_t i = 0; i < ARRAY_LEN(keys) && s->unit == NULL; i++)
        put_commands(c, s, buffer_span(&text), keys[i]);
    buffer_fini(&text);
}

/* ---- What it does ---- */

static void put_run(struct bus_call *c, const struct bus_run *run)
{
    bus_u32(c, SERVICE, "ExecMainPID", (uint32_t)run->main_was);
    put_time(c, SERVICE, "ExecMainStartTimestamp", run->main_start_us);
    put_time(c, SERVICE, "ExecMainExitTimestamp", run->main_exit_us);
    if (bus_wants(c, SERVICE, "ExecMainCode", "i"))
        wire_u32(&c->w, (uint32_t)run->main_code);
    if (bus_wants(c, SERVICE, "ExecMainStatus", "i"))
        wire_u32(&c->w, (uint32_t)run->main_status);
    bus_u32(c, SERVICE, "ControlPID", (uint32_t)run->control);
    bus_text(c, SERVICE, "Result", run->result_z);
    bus_u64(c, SERVICE, "TasksCurrent", run->tasks > 0 ? run->tasks : NEVER_US);
    bus_u64(c, SERVICE, "MemoryCurrent", run->tasks > 0 ? run->memory_bytes : NEVER_US);
    bus_u64(c, SERVICE, "CPUUsageNSec", run->cpu_ns);
    bus_u32(c, SERVICE, "NRestarts", run->restarts);
}

static void put_seeming(struct bus_call *c, const struct bus_state *s)
{
    bus_u32(c, SERVICE, "ExecMainPID", (uint32_t)s->pid);
    bus_u64(c, SERVICE, "ExecMainStartTimestamp", s->pid != 0 ? (uint64_t)s->since_us : 0);
    bus_u64(c, SERVICE, "ExecMainExitTimestamp", 0);
    bus_u32(c, SERVICE, "ControlPID", 0);
    bus_text(c, SERVICE, "Result", "success");
    bus_u64(c, SERVICE, "TasksCurrent", s->pid != 0 ? 1 : NEVER_US);
    bus_u32(c, SERVICE, "NRestarts", 0);
}

void bus_service_properties(struct bus_call *c, const struct bus_state *s)
{
    char group_z[BUS_PATH_MAX];
    bus_unit_group(c->host, s->name_z, group_z);
    bool on = strcmp(s->active_z, "inactive") != 0 && strcmp(s->active_z, "failed") != 0;
    bool has_processes = s->is_run ? s->run.tasks > 0 : s->pid != 0;
    put_file(c, s);
    bus_u32(c, SERVICE, "MainPID", (uint32_t)s->pid);
    bus_text(c, SERVICE, "StatusText", "");
    bus_text(c, SERVICE, "ControlGroup", on && has_processes ? group_z : "");
    bus_u64(c, SERVICE, "TasksMax", c->host->tasks_max);
    if (s->is_run)
        put_run(c, &s->run);
    else
        put_seeming(c, s);
}
