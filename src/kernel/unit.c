#include "kernel/unit.h"

#include "kernel/bus_host.h"
#include "kernel/livelog.h"
#include "kernel/machine.h"
#include "kernel/task.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const int64_t NS_PER_US = 1000, NS_PER_S = 1000000000;

enum {
    TEXT_SIZE = 2 * BUS_NAME_MAX + 128,
    RESTART_MS = 100, /* DefaultRestartSec= */
    STOP_S = 90,      /* DefaultTimeoutStopSec= */
    STEP_COST = 1000, /* instructions a step takes ... */
    BYTE_COST = 5,    /* ... and for each byte of the file, which it looks through */
};

/* ---- The table ---- */

struct unit *unit_find(const struct kernel *k, struct span name)
{
    struct unit *u = k->units;
    while (u != NULL && !span_equal_z(name, u->name_z))
        u = u->next;
    return u;
}

static struct unit *unit_new(struct kernel *k, const char *name_z)
{
    struct unit **link = &k->units;
    size_t count = 0;
    for (; *link != NULL; link = &(*link)->next)
        count++;
    struct unit *u = count < UNITS_MAX ? calloc(1, sizeof(*u)) : NULL;
    if (u == NULL)
        return NULL;
    (void)span_copy_z(span_z(name_z), u->name_z, sizeof(u->name_z));
    buffer_init(&u->text, UNIT_FILE_MAX);
    u->result_z = "success";
    u->main_status = -1;
    u->due_ns = INT64_MAX;
    *link = u;
    return u;
}

struct unit *unit_load(struct kernel *k, const char *name_z, struct span text)
{
    char value_z[UNIT_VALUE_MAX];
    struct unit *u = unit_find(k, span_z(name_z));
    if (u == NULL)
        u = unit_new(k, name_z);
    if (u == NULL)
        return NULL;
    kernel_charge(k, (uint64_t)BYTE_COST * text.len);
    buffer_clear(&u->text);
    if (buffer_put(&u->text, text) < 0)
        return NULL;
    bool has_one = unit_text_last(text, "Unit", "Description", value_z);
    (void)span_copy_z(span_z(has_one ? value_z : name_z), u->description_z,
                      sizeof(u->description_z));
    return u;
}

void units_free(struct kernel *k)
{
    while (k->units != NULL) {
        struct unit *u = k->units;
        k->units = u->next;
        buffer_fini(&u->text);
        free(u);
    }
}

bool unit_is_active(const struct unit *u)
{
    return u->state == UNIT_RUNNING || u->state == UNIT_EXITED || u->state == UNIT_RELOAD;
}

/* ---- What its file says ---- */

static bool value_is(const struct unit *u, const char *key_z, const char *value_z)
{
    char own_z[UNIT_VALUE_MAX];
    return unit_text_last(buffer_span(&u->text), "Service", key_z, own_z) &&
           strcmp(own_z, value_z) == 0;
}

static bool has(const struct unit *u, const char *key_z)
{
    char own_z[UNIT_VALUE_MAX];
    return unit_text_value(buffer_span(&u->text), "Service", key_z, 0, own_z);
}

static bool is_true(const struct unit *u, const char *key_z)
{
    char own_z[UNIT_VALUE_MAX];
    return unit_text_last(buffer_span(&u->text), "Service", key_z, own_z) &&
           unit_text_is_true(own_z);
}

static int64_t time_ns(const struct unit *u, const char *key_z, int64_t otherwise_ns)
{
    char own_z[UNIT_VALUE_MAX];
    int64_t us =
        unit_text_last(buffer_span(&u->text), "Service", key_z, own_z) ? unit_text_us(own_z) : -1;
    return us < 0 ? otherwise_ns : us > INT64_MAX / NS_PER_US / 4 ? INT64_MAX / 4 : us * NS_PER_US;
}

static bool is_oneshot(const struct unit *u)
{
    char own_z[UNIT_VALUE_MAX];
    bool has_type = unit_text_last(buffer_span(&u->text), "Service", "Type", own_z);
    return has_type ? strcmp(own_z, "oneshot") == 0 : !has(u, "ExecStart");
}

static bool is_forking(const struct unit *u)
{
    return value_is(u, "Type", "forking");
}

/* ---- The log ---- */

__attribute__((format(printf, 2, 3))) static void say(struct kernel *k, const char *format_z, ...)
{
    char text_z[TEXT_SIZE];
    va_list args;
    va_start(args, format_z);
    (void)vsnprintf(text_z, sizeof(text_z), format_z, args);
    va_end(args);
    livelog_daemon(k, "systemd", text_z);
}

static void say_about(struct kernel *k, const struct unit *u, const char *what_z, const char *end_z)
{
    say(k, "%s %s - %s%s", what_z, u->name_z, u->description_z, end_z);
}

/* As systemd names a status: those of the C library, of the init scripts, and its own. */
static const char *status_name(int status)
{
    static const struct {
        int status;
        const char *name_z;
    } names[] = {{0, "SUCCESS"},        {1, "FAILURE"},      {2, "INVALIDARGUMENT"},
                 {3, "NOTIMPLEMENTED"}, {4, "NOPERMISSION"}, {5, "NOTINSTALLED"},
                 {6, "NOTCONFIGURED"},  {7, "NOTRUNNING"},   {200, "CHDIR"},
                 {203, "EXEC"},         {217, "USER"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].status == status)
            return names[i].name_z;
    return "n/a";
}

static const char *signal_name(int signo)
{
    static const char *const names[] = {"",     "HUP",  "INT",  "QUIT", "ILL",  "TRAP",
                                        "ABRT", "BUS",  "FPE",  "KILL", "USR1", "SEGV",
                                        "USR2", "PIPE", "ALRM", "TERM"};
    return (size_t)signo < ARRAY_LEN(names) ? names[signo] : "n/a";
}

static void say_end(struct kernel *k, const struct unit *u, const char *which_z, int status)
{
    if (WIFSIGNALED(status))
        say(k, "%s: %s process exited, code=%s, status=%d/%s", u->name_z, which_z,
            WCOREDUMP(status) ? "dumped" : "killed", WTERMSIG(status),
            signal_name(WTERMSIG(status)));
    else
        say(k, "%s: %s process exited, code=exited, status=%d/%s", u->name_z, which_z,
            WEXITSTATUS(status), status_name(WEXITSTATUS(status)));
}

/* ---- Its processes ---- */

static struct process *next_of(const struct unit *u, struct process *p)
{
    while (p != NULL && (p->unit != u || p->zombie))
        p = p->next;
    return p;
}

void unit_signal(struct kernel *k, struct unit *u, bool only_main, int signo)
{
    for (struct process *p = next_of(u, k->processes); p != NULL; p = next_of(u, p->next))
        if (!only_main || p->pid == u->main)
            signal_raise_process(p, signo);
}

void unit_process_ended(const struct process *p)
{
    struct unit *u = p->unit;
    u->touched = true;
    u->ended_instructions += p->user_instructions + p->child_instructions;
    if (p->pid == u->main)
        u->main_end = (struct unit_end){true, p->status};
    else if (p->pid == u->control)
        u->control_end = (struct unit_end){true, p->status};
}

/* ---- States ---- */

static void enter(struct unit *u, enum unit_state state)
{
    u->state = state;
    u->step = 0;
    u->due_ns = INT64_MAX;
    u->touched = true;
}

static void finish_job(struct kernel *k, struct unit *u, const char *result_z)
{
    uint32_t job = u->job;
    u->job = 0;
    if (job != 0)
        bus_host_job_done(k, job, u->name_z, result_z);
}

static void leave(struct kernel *k, struct unit *u)
{
    if (unit_is_active(u))
        u->leaving_ns = k->now_ns;
}

static void set_result(struct unit *u, int status)
{
    if (strcmp(u->result_z, "success") == 0)
        u->result_z = !WIFSIGNALED(status) ? "exit-code"
                      : WCOREDUMP(status)  ? "core-dump"
                                           : "signal";
}

/* An end that is no failure (systemd.service(5), SuccessExitStatus=). */
static bool is_clean(const struct unit *u, int status)
{
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status) == 0;
    int signo = WTERMSIG(status);
    return !is_oneshot(u) &&
           (signo == SIGHUP || signo == SIGINT || signo == SIGTERM || signo == SIGPIPE);
}

/* Restart=, for how it has ended. */
static bool restarts(const struct unit *u)
{
    bool good = strcmp(u->result_z, "success") == 0,
         by_status = strcmp(u->result_z, "exit-code") == 0;
    if (u->stopping || strcmp(u->result_z, "start-limit-hit") == 0)
        return false;
    return value_is(u, "Restart", "always") || (good && value_is(u, "Restart", "on-success")) ||
           (!good && value_is(u, "Restart", "on-failure")) ||
           (!good && !by_status && value_is(u, "Restart", "on-abnormal")) ||
           (!good && !by_status && value_is(u, "Restart", "on-abort"));
}

/* All its processes are gone. */
static void enter_dead(struct kernel *k, struct unit *u)
{
    bool good = strcmp(u->result_z, "success") == 0, was_starting = u->job != 0 && !u->stopping;
    leave(k, u);
    u->main = u->control = 0;
    u->inactive_ns = k->now_ns;
    if (good)
        say(k, "%s: Deactivated successfully.", u->name_z);
    else
        say(k, "%s: Failed with result '%s'.", u->name_z, u->result_z);
    if (was_starting && !good)
        say_about(k, u, "Failed to start", ".");
    else if (was_starting)
        say_about(k, u, "Finished", ".");
    if (u->stopping)
        say_about(k, u, "Stopped", ".");
    bool again = u->again;
    enter(u, good ? UNIT_DEAD : UNIT_FAILED);
    if (restarts(u)) {
        finish_job(k, u, good ? "done" : "failed");
        enter(u, UNIT_RESTART);
        u->due_ns =
            kernel_monotonic_ns(k) + time_ns(u, "RestartSec", RESTART_MS * (NS_PER_S / 1000));
        return;
    }
    u->stopping = u->again = false;
    if (again) {
        uint32_t job = u->job;
        u->job = 0;
        (void)unit_wish(k, u, UNIT_WISH_START, job);
        return;
    }
    finish_job(k, u, good || !was_starting ? "done" : "failed");
}

static void enter_sigterm(struct kernel *k, struct unit *u)
{
    leave(k, u);
    enter(u, UNIT_SIGTERM);
    u->due_ns = kernel_monotonic_ns(k) + time_ns(u, "TimeoutStopSec", STOP_S * NS_PER_S);
    if (!value_is(u, "KillMode", "none"))
        unit_signal(k, u, value_is(u, "KillMode", "process") || value_is(u, "KillMode", "mixed"),
                    SIGTERM);
}

static void enter_running(struct kernel *k, struct unit *u)
{
    enter(u, u->main != 0 ? UNIT_RUNNING : UNIT_EXITED);
    u->active_ns = k->now_ns;
    say_about(k, u, is_oneshot(u) ? "Finished" : "Started", ".");
    finish_job(k, u, "done");
}

/* The main process of a forking service is what is left in its group. */
static void guess_main(struct kernel *k, struct unit *u)
{
    const struct process *p = next_of(u, k->processes);
    u->main = p != NULL ? p->pid : 0;
    u->main_was = u->main != 0 ? u->main : u->main_was;
    u->main_status = -1;
    u->main_start_ns = k->now_ns;
}

static void main_started(struct kernel *k, struct unit *u)
{
    u->main_was = u->main;
    u->main_status = -1;
    u->main_start_ns = k->now_ns;
    u->main_exit_ns = 0;
}

/* ---- Starting ---- */

static bool is_too_often(struct kernel *k, struct unit *u)
{
    int64_t now_ns = kernel_monotonic_ns(k);
    int64_t *oldest = &u->starts_ns[u->starts % UNIT_START_LIMIT];
    char value_z[UNIT_VALUE_MAX];
    bool is_off = unit_text_last(buffer_span(&u->text), "Unit", "StartLimitIntervalSec", value_z) &&
                  unit_text_us(value_z) == 0;
    if (!is_off && u->starts >= UNIT_START_LIMIT &&
        now_ns - *oldest < UNIT_START_LIMIT_S * NS_PER_S)
        return true;
    *oldest = now_ns;
    u->starts++;
    return false;
}

static void refuse_start(struct kernel *k, struct unit *u)
{
    const char *why_z = strcmp(u->result_z, "success") != 0 ? u->result_z : "start-limit-hit";
    say(k, "%s: Start request repeated too quickly.", u->name_z);
    say(k, "%s: Failed with result '%s'.", u->name_z, why_z);
    say_about(k, u, "Failed to start", ".");
    u->result_z = why_z;
    u->inactive_ns = k->now_ns;
    enter(u, UNIT_FAILED);
    finish_job(k, u, "failed");
}

static void begin(struct kernel *k, struct unit *u)
{
    if (is_too_often(k, u)) {
        refuse_start(k, u);
        return;
    }
    u->stopping = u->again = false;
    u->result_z = "success";
    u->begun_ns = k->now_ns;
    u->main = u->control = 0;
    u->main_end.there = u->control_end.there = false;
    if (is_oneshot(u) || is_forking(u) || has(u, "ExecStartPre"))
        say_about(k, u, "Starting", "...");
    enter(u, UNIT_START_PRE);
}

/* The next command of the state, or what follows when there are no more. */
static void go_on_start(struct kernel *k, struct unit *u)
{
    if (u->state == UNIT_START_PRE && unit_run(k, u, "ExecStartPre", u->step, UNIT_CONTROL) == 0)
        enter(u, UNIT_START);
    if (u->state == UNIT_START && is_forking(u)) {
        if (u->step > 0 || unit_run(k, u, "ExecStart", 0, UNIT_CONTROL) == 0)
            enter(u, UNIT_START_POST);
    } else if (u->state == UNIT_START && (u->step == 0 || is_oneshot(u))) {
        int rc = unit_run(k, u, "ExecStart", u->step, UNIT_MAIN);
        if (rc != 0)
            main_started(k, u);
        if (rc == 0 || !is_oneshot(u))
            enter(u, UNIT_START_POST);
    }
    if (u->state == UNIT_START_POST &&
        unit_run(k, u, "ExecStartPost", u->step, UNIT_CONTROL) == 0) {
        if (is_forking(u) && u->main == 0)
            guess_main(k, u);
        if (u->main != 0 || is_true(u, "RemainAfterExit"))
            enter_running(k, u);
        else
            enter_dead(k, u);
    }
}

/* ---- Ends of processes ---- */

static bool is_starting(const struct unit *u)
{
    return u->state == UNIT_START_PRE || u->state == UNIT_START || u->state == UNIT_START_POST;
}

static void stop_now(struct kernel *k, struct unit *u)
{
    if (next_of(u, k->processes) != NULL)
        enter_sigterm(k, u);
    else
        enter_dead(k, u);
}

static void control_ended(struct kernel *k, struct unit *u)
{
    int status = u->control_end.status;
    bool good = u->control_may_fail || is_clean(u, status);
    u->control = 0;
    u->control_end.there = false;
    if (!good) {
        say_end(k, u, "Control", status);
        set_result(u, status);
    }
    u->step++;
    if (u->state == UNIT_RELOAD && !good) {
        enter(u, UNIT_RUNNING);
        finish_job(k, u, "failed");
    } else if (!good && is_starting(u)) {
        stop_now(k, u);
    } else if (is_starting(u)) {
        go_on_start(k, u);
    }
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void main_ended(struct kernel *k, struct unit *u)
{
    int status = u->main_end.status;
    bool good = u->main_may_fail || is_clean(u, status);
    u->main = 0;
    u->main_end.there = false;
    u->main_status = status;
    u->main_exit_ns = later(k->now_ns, u->main_start_ns + UNIT_LEAST_NS);
    if (!good) {
        say_end(k, u, "Main", status);
        set_result(u, status);
    }
    if (u->state == UNIT_START && good) { /* oneshot */
        u->step++;
        go_on_start(k, u);
    } else if (u->state == UNIT_RUNNING && good && is_true(u, "RemainAfterExit")) {
        enter(u, UNIT_EXITED);
    } else if (u->state == UNIT_RUNNING || u->state == UNIT_START || u->state == UNIT_RELOAD ||
               u->state == UNIT_START_POST) {
        stop_now(k, u);
    }
}

/* ---- Time ---- */

static void time_is_over(struct kernel *k, struct unit *u)
{
    u->due_ns = INT64_MAX;
    if (u->state == UNIT_RESTART) {
        u->restarts++;
        say(k, "%s: Scheduled restart job, restart counter is at %u.", u->name_z, u->restarts);
        say_about(k, u, "Stopped", ".");
        begin(k, u);
    } else if (u->state == UNIT_SIGTERM) {
        say(k, "%s: State 'stop-sigterm' timed out. Killing.", u->name_z);
        u->result_z = "timeout";
        unit_signal(k, u, false, SIGKILL);
    }
}

static void step(struct kernel *k, struct unit *u)
{
    u->touched = false;
    kernel_charge(k, STEP_COST + (uint64_t)BYTE_COST * buffer_len(&u->text));
    if (u->control_end.there)
        control_ended(k, u);
    if (u->main_end.there)
        main_ended(k, u);
    if (u->due_ns <= kernel_monotonic_ns(k))
        time_is_over(k, u);
    if (is_starting(u) && u->control == 0 && u->main == 0)
        go_on_start(k, u);
    if (u->state == UNIT_STOP && u->control == 0 &&
        unit_run(k, u, "ExecStop", u->step, UNIT_CONTROL) == 0)
        stop_now(k, u);
    if (u->state == UNIT_RELOAD && u->control == 0 &&
        unit_run(k, u, "ExecReload", u->step, UNIT_CONTROL) == 0) {
        enter(u, UNIT_RUNNING);
        say_about(k, u, "Reloaded", ".");
        finish_job(k, u, "done");
    }
    bool only_main = value_is(u, "KillMode", "process") || value_is(u, "KillMode", "none");
    if (u->state == UNIT_SIGTERM &&
        (next_of(u, k->processes) == NULL || (only_main && u->main == 0)))
        enter_dead(k, u);
}

void units_tick(struct kernel *k)
{
    int64_t now_ns = kernel_monotonic_ns(k);
    uint64_t charged = k->charged;
    for (struct unit *u = k->units; u != NULL; u = u->next)
        while (u->touched || u->due_ns <= now_ns) {
            step(k, u);
            if (k->charged - charged >= KERNEL_QUANTUM)
                break;
        }
}

bool units_are_touched(const struct kernel *k)
{
    bool any = false;
    for (const struct unit *u = k->units; u != NULL; u = u->next)
        any |= u->touched;
    return any;
}

int64_t units_deadline(const struct kernel *k)
{
    int64_t first = INT64_MAX;
    for (const struct unit *u = k->units; u != NULL; u = u->next)
        if (u->due_ns < first)
            first = u->due_ns;
    return first;
}

/* ---- What is asked for ---- */

static void begin_stop(struct kernel *k, struct unit *u)
{
    bool was_active = unit_is_active(u);
    u->stopping = true;
    say_about(k, u, "Stopping", "...");
    leave(k, u);
    if (was_active)
        enter(u, UNIT_STOP);
    else
        stop_now(k, u);
}

static int wish_stop(struct kernel *k, struct unit *u, bool again)
{
    if (u->state == UNIT_DEAD || u->state == UNIT_FAILED)
        return 0;
    u->again = again;
    u->stopping = true;
    if (u->state == UNIT_RESTART)
        enter_dead(k, u);
    else if (u->state != UNIT_STOP && u->state != UNIT_SIGTERM)
        begin_stop(k, u);
    return 1;
}

int unit_wish(struct kernel *k, struct unit *u, enum unit_wish wish, uint32_t job)
{
    bool is_down = u->state == UNIT_DEAD || u->state == UNIT_FAILED;
    if (wish == UNIT_WISH_STOP && is_down)
        return 0;
    if (wish != UNIT_WISH_STOP && !has(u, "ExecStart") && !is_oneshot(u))
        return -EINVAL;
    if (wish == UNIT_WISH_START && unit_is_active(u))
        return 0;
    finish_job(k, u, "canceled"); /* the one before is no longer wanted */
    u->job = job;
    if (wish == UNIT_WISH_STOP)
        return wish_stop(k, u, false);
    if (wish == UNIT_WISH_RESTART && !is_down)
        return wish_stop(k, u, true);
    if (wish == UNIT_WISH_RELOAD) {
        enter(u, UNIT_RELOAD);
        say_about(k, u, "Reloading", "...");
        return 1;
    }
    begin(k, u);
    return 1;
}
