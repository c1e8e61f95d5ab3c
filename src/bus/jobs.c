/* Jobs of systemd: a unit is started, stopped, or made anew (org.freedesktop.systemd1(5)). */
#include "bus/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MANAGER   BUS_SYSTEMD ".Manager"
#define NO_UNIT   BUS_SYSTEMD ".NoSuchUnit"
#define NO_JOB    BUS_SYSTEMD ".JobTypeNotApplicable"
#define MASKED    BUS_SYSTEMD ".UnitMasked"
#define SECOND_US INT64_C(1000000)

/* Its number in the answer. */
static uint32_t put_job(struct bus_call *c)
{
    char path_z[BUS_NAME_MAX];
    uint32_t number = 700 + c->message->serial * 59 + (uint32_t)(c->host->now_us / SECOND_US % 997);
    bus_job_path(number, path_z);
    c->signature_z = "o";
    wire_text(&c->w, path_z);
    return number;
}

/* The job is done at once: its number, and the news that it is over. */
static void put_done_job(struct bus_call *c, const char *name_z)
{
    struct buffer body;
    bus_job_removed(&body, put_job(c), name_z, "done");
    bus_signal(c, "/org/freedesktop/systemd1", MANAGER, "JobRemoved", "uoss", buffer_span(&body));
    buffer_fini(&body);
}

static bool ends_machine(const char *name_z)
{
    static const char *const names[] = {"reboot.target", "poweroff.target", "halt.target",
                                        "kexec.target",  "rescue.target",   "emergency.target"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name_z, names[i]) == 0)
            return true;
    return false;
}

/* What is there as long as the machine is: its first process above all. */
static bool is_perpetual(const char *name_z)
{
    static const char *const names[] = {"init.scope", "-.slice", "system.slice", "-.mount"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name_z, names[i]) == 0)
            return true;
    return false;
}

/* A line of the log about a unit: what is done, and that it is done. */
static void say(struct bus_call *c, const char *start_z, const struct bus_state *s,
                const char *end_z)
{
    char text_z[2 * BUS_NAME_MAX + 64];
    (void)snprintf(text_z, sizeof(text_z), "%s%s - %s%s", start_z, s->name_z, s->description_z,
                   end_z);
    c->host->say(c->host->ctx, "systemd", text_z);
}

static bool is_plain_unit(const struct bus_state *s)
{
    return s->unit != NULL && strstr(s->name_z, ".service") != NULL;
}

static void stop_unit(struct bus_call *c, const struct bus_state *s)
{
    char text_z[BUS_NAME_MAX + 64];
    if (is_plain_unit(s))
        say(c, "Stopping ", s, "...");
    bus_state_set(c->host, s, false);
    if (!is_plain_unit(s))
        return;
    (void)snprintf(text_z, sizeof(text_z), "%s: Deactivated successfully.", s->name_z);
    c->host->say(c->host->ctx, "systemd", text_z);
    say(c, "Stopped ", s, ".");
}

static void start_unit(struct bus_call *c, const struct bus_state *s)
{
    if (is_plain_unit(s) && s->unit->process_z[0] == '\0')
        say(c, "Starting ", s, "...");
    bus_state_set(c->host, s, true);
    if (is_plain_unit(s))
        say(c, s->unit->process_z[0] == '\0' ? "Finished " : "Started ", s, ".");
}

static void reload_unit(struct bus_call *c, const struct bus_state *s)
{
    say(c, "Reloading ", s, "...");
    say(c, "Reloaded ", s, ".");
}

/* One whose programs really run. False: it is none. */
static bool change_run(struct bus_call *c, const struct bus_state *s)
{
    struct span member = c->message->member;
    const struct bus_host *h = c->host;
    bool is_up = strcmp(s->active_z, "inactive") != 0 && strcmp(s->active_z, "failed") != 0;
    bool is_try =
        span_starts_with(member, span_z("Try")) || span_equal_z(member, "ReloadOrTryRestartUnit");
    enum bus_wish wish = span_equal_z(member, "StartUnit")    ? BUS_START
                         : span_equal_z(member, "StopUnit")   ? BUS_STOP
                         : span_equal_z(member, "ReloadUnit") ? BUS_RELOAD
                                                              : BUS_RESTART;
    const char *dot = strrchr(s->name_z, '.');
    if (h->wish == NULL || dot == NULL || strcmp(dot, ".service") != 0)
        return false;
    size_t before = buffer_len(c->w.out);
    uint32_t job = put_job(c);
    int rc = is_try && !is_up ? 0 : h->wish(h->ctx, s->name_z, s->path_z, wish, job);
    if (rc == 1)
        return true;
    buffer_truncate(c->w.out, before);
    if (rc == -ENOENT)
        return false;
    if (rc < 0)
        bus_refuse(c, "org.freedesktop.systemd1.BadUnitSetting",
                   "Unit %s has a bad unit file setting.", s->name_z);
    else
        put_done_job(c, s->name_z);
    return true;
}

/* StartUnit(name, mode) and its kin -> job */
void bus_change_unit(struct bus_call *c)
{
    struct bus_state s;
    struct span member = c->message->member;
    bool is_stop = span_equal_z(member, "StopUnit"),
         is_try = span_starts_with(member, span_z("Try"));
    struct span name = wire_in_text(&c->in);
    bus_state_of(c->host, name, &s);
    if (strcmp(s.load_z, "not-found") == 0 && !ends_machine(s.name_z)) {
        bus_refuse(c, NO_UNIT, is_stop ? "Unit %s not loaded." : "Unit %s not found.", s.name_z);
        return;
    }
    bool is_restart = span_equal_z(member, "RestartUnit") || span_equal_z(member, "TryRestartUnit");
    bool was_on = strcmp(s.active_z, "active") == 0;
    if ((is_stop || is_restart) && is_perpetual(s.name_z)) {
        bus_refuse(c, NO_JOB, "Job type %s is not applicable for unit %s.",
                   is_stop  ? "stop"
                   : is_try ? "try-restart"
                            : "restart",
                   s.name_z);
        return;
    }
    if (strcmp(s.load_z, "masked") == 0 && !is_stop) {
        bus_refuse(c, MASKED, "Unit %s is masked.", s.name_z);
        return;
    }
    if (change_run(c, &s))
        return;
    if (was_on && (is_stop || is_restart))
        stop_unit(c, &s);
    bus_state_of(c->host, name, &s);
    bool is_on = strcmp(s.active_z, "active") == 0;
    if (!is_on && !is_stop && (!is_try || was_on) && !span_equal_z(member, "ReloadUnit"))
        start_unit(c, &s);
    else if (is_on && span_starts_with(member, span_z("Reload")))
        reload_unit(c, &s);
    put_done_job(c, s.name_z);
    if (ends_machine(s.name_z) && !is_stop)
        c->host->end_of_machine(c->host->ctx);
}
