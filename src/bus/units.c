/* Units as they are now, and what the visitor's own unit files say. */
#include "bus/bus.h"

#include "base/error.h"
#include "bus/call.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const struct bus_unit bus_units[] = {
#define BUS_UNIT(name, description, active, sub, process, file_state, documents) \
    {name, description, active, sub, process, file_state, documents},
#include "bus/units.def"
#undef BUS_UNIT
};
const size_t bus_units_count = ARRAY_LEN(bus_units);
static_assert(ARRAY_LEN(bus_units) <= BUS_UNITS_MAX, "a bit for each unit");

enum { UNIT_FILE_MAX = 65536, BOOTED_US = 1400000, LAST_US = 20000 };

static const char *const folders[] = {"/etc/systemd/system", "/run/systemd/system",
                                      "/lib/systemd/system"};

bool bus_unit_text(const struct bus_host *host, const char *text_z, char *out_z, size_t size)
{
    const char *place = strchr(text_z, '%');
    if (place == NULL)
        (void)span_copy_z(span_z(text_z), out_z, size);
    else
        (void)snprintf(out_z, size, "%.*s%u%s", (int)(place - text_z), text_z, host->login.uid,
                       place + 1);
    return place == NULL || host->login.user_z != NULL;
}

static const struct bus_unit *find(const struct bus_host *host, struct span name)
{
    char name_z[BUS_NAME_MAX];
    for (size_t i = 0; i < bus_units_count; i++)
        if (bus_unit_text(host, bus_units[i].name_z, name_z, sizeof(name_z)) &&
            span_equal_z(name, name_z))
            return &bus_units[i];
    return NULL;
}

bool bus_unit_is_known(struct span name)
{
    bool is_known = false;
    for (size_t i = 0; i < bus_units_count && !is_known; i++)
        is_known = span_equal_z(name, bus_units[i].name_z);
    return is_known;
}

/* The value behind KEY= on a line of its own. */
static bool value_of(struct span text, const char *key_z, char *out_z, size_t size)
{
    struct span key = span_z(key_z);
    while (text.len > 0) {
        ptrdiff_t end = span_find(text, '\n', 0);
        size_t len = end < 0 ? text.len : (size_t)end;
        if (span_starts_with(text, key)) {
            (void)span_copy_z(span_slice(text, key.len, len), out_z, size);
            return true;
        }
        text = span_slice(text, len + 1, text.len);
    }
    return false;
}

/* The template of an instance: getty@.service of getty@tty1.service. */
static void template_of(const char *name_z, char *out_z, size_t size)
{
    const char *at = strchr(name_z, '@'), *dot = strrchr(name_z, '.');
    if (at == NULL || dot == NULL || dot < at)
        (void)snprintf(out_z, size, "%s", name_z);
    else
        (void)snprintf(out_z, size, "%.*s@%s", (int)(at - name_z), name_z, dot);
}

/* Another name of a unit is a link: sshd.service leads to ssh.service. */
static struct span real_name(const struct bus_host *host, struct span name)
{
    char path_z[BUS_PATH_MAX], target_z[BUS_PATH_MAX];
    for (size_t i = 0; i < ARRAY_LEN(folders) && find(host, name) == NULL; i++) {
        (void)snprintf(path_z, sizeof(path_z), "%s/%.*s", folders[i], (int)name.len,
                       (const char *)name.data);
        if (!host->target(host->ctx, path_z, target_z, sizeof(target_z)))
            continue;
        const char *slash = strrchr(target_z, '/');
        const struct bus_unit *unit = find(host, span_z(slash != NULL ? slash + 1 : target_z));
        if (unit != NULL)
            return span_z(unit->name_z);
    }
    return name;
}

/* By the link that says that it is wanted. */
static const char *file_state(const struct bus_host *host, const struct bus_state *s,
                              struct span text)
{
    char wanted_z[BUS_NAME_MAX], link_z[2 * BUS_PATH_MAX], target_z[BUS_PATH_MAX];
    const char *state_z = s->unit != NULL ? s->unit->file_state_z : "static";
    bool is_fixed =
        s->unit != NULL && strcmp(state_z, "enabled") != 0 && strcmp(state_z, "disabled") != 0;
    if (host->target(host->ctx, s->path_z, target_z, sizeof(target_z)) &&
        strcmp(target_z, "/dev/null") == 0)
        return "masked";
    if (is_fixed || !value_of(text, "WantedBy=", wanted_z, sizeof(wanted_z)))
        return state_z;
    wanted_z[strcspn(wanted_z, " ")] = '\0';
    (void)snprintf(link_z, sizeof(link_z), "/etc/systemd/system/%s.wants/%s", wanted_z, s->name_z);
    return host->target(host->ctx, link_z, target_z, sizeof(target_z)) ? "enabled" : "disabled";
}

/* Its file, of whoever wrote it. */
static bool find_file(const struct bus_host *host, struct bus_state *s)
{
    char name_z[BUS_NAME_MAX];
    struct buffer text;
    bool is_there = false;
    template_of(s->name_z, name_z, sizeof(name_z));
    buffer_init(&text, UNIT_FILE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(folders) && !is_there; i++) {
        (void)snprintf(s->path_z, sizeof(s->path_z), "%s/%s", folders[i], name_z);
        is_there = host->read(host->ctx, s->path_z, &text) == 0;
    }
    if (!is_there)
        s->path_z[0] = '\0';
    else if (s->unit == NULL && !value_of(buffer_span(&text), "Description=", s->description_z,
                                          sizeof(s->description_z)))
        (void)span_copy_z(span_z(s->name_z), s->description_z, sizeof(s->description_z));
    if (is_there)
        s->file_state_z = file_state(host, s, buffer_span(&text));
    buffer_fini(&text);
    return is_there;
}

static void set_active(const struct bus_host *host, struct bus_state *s)
{
    size_t index = (size_t)(s->unit - bus_units);
    bool has_process = s->unit->process_z[0] != '\0';
    bool was_switched = (host->off[index / 64] >> (index % 64) & 1) != 0;
    bool begins_on = strcmp(s->unit->active_z, "active") == 0;
    bool on = has_process ? (s->pid = host->pid(host->ctx, s->unit->process_z, &s->since_us)) != 0
                          : begins_on != was_switched;
    s->active_z = on ? "active" : "inactive";
    s->sub_z = on == begins_on ? s->unit->sub_z : on ? "active" : "dead";
    if (on && !begins_on)
        s->sub_z = "exited";
    bool is_last =
        strcmp(s->name_z, "multi-user.target") == 0 || strcmp(s->name_z, "graphical.target") == 0;
    if (!has_process && begins_on)
        s->since_us =
            host->boot_us + (is_last ? host->started_us - LAST_US : host->kernel_us + BOOTED_US);
}

void bus_state_of(const struct bus_host *host, struct span name, struct bus_state *s)
{
    /* A slash would lead out of the folders. */
    bool is_name = span_find(name, '/', 0) < 0;
    if (is_name)
        name = real_name(host, name);
    *s = (struct bus_state){.unit = find(host, name),
                            .load_z = "not-found",
                            .active_z = "inactive",
                            .sub_z = "dead",
                            .file_state_z = ""};
    (void)span_copy_z(name, s->name_z, sizeof(s->name_z));
    (void)span_copy_z(name, s->description_z, sizeof(s->description_z));
    bool has_file = is_name && find_file(host, s);
    s->is_run = host->run != NULL && host->run(host->ctx, s->name_z, &s->run);
    if (s->unit == NULL && !has_file && !s->is_run)
        return;
    bool is_masked = strcmp(s->file_state_z, "masked") == 0;
    s->load_z = is_masked ? "masked" : "loaded";
    if (s->unit == NULL && s->is_run) {
        s->active_z = s->run.active_z;
        s->sub_z = s->run.sub_z;
        s->pid = s->run.main;
        s->since_us = s->run.active_us;
    }
    if (s->unit == NULL)
        return;
    (void)bus_unit_text(host, s->unit->description_z, s->description_z, sizeof(s->description_z));
    if (!has_file)
        s->file_state_z = s->unit->file_state_z;
    set_active(host, s);
}

void bus_state_set(const struct bus_host *host, const struct bus_state *s, bool on)
{
    if (s->unit == NULL)
        return;
    size_t index = (size_t)(s->unit - bus_units);
    bool is_on = strcmp(s->active_z, "active") == 0;
    if (s->unit->process_z[0] != '\0') {
        if (on && !is_on)
            host->start(host->ctx, s->unit->process_z);
        else if (!on && is_on)
            host->stop(host->ctx, s->unit->process_z);
    } else if (on != is_on && strstr(s->name_z, ".service") != NULL) {
        host->off[index / 64] ^= UINT64_C(1) << (index % 64);
    }
}

/* ---- Control groups ---- */

void bus_unit_group(const struct bus_host *host, const char *name_z, char out_z[BUS_PATH_MAX])
{
    const char *dot = strrchr(name_z, '.');
    out_z[0] = '\0';
    if (strcmp(name_z, "init.scope") == 0)
        (void)snprintf(out_z, BUS_PATH_MAX, "/init.scope");
    else if (strncmp(name_z, "getty@", 6) == 0)
        (void)snprintf(out_z, BUS_PATH_MAX, "/system.slice/system-getty.slice/%s", name_z);
    else if (strncmp(name_z, "user@", 5) == 0 || strncmp(name_z, "session-", 8) == 0)
        (void)snprintf(out_z, BUS_PATH_MAX, "/user.slice/user-%u.slice/%s", host->login.uid,
                       name_z);
    else if (dot != NULL && strcmp(dot, ".service") == 0)
        (void)snprintf(out_z, BUS_PATH_MAX, "/system.slice/%s", name_z);
    else if (dot != NULL && strcmp(dot, ".slice") == 0 && strcmp(name_z, "-.slice") != 0)
        (void)snprintf(out_z, BUS_PATH_MAX, "/%s", name_z);
}

void bus_process_group(const char *process_z, char out_z[BUS_PATH_MAX])
{
    const struct bus_unit *unit = NULL;
    for (size_t i = 0; i < bus_units_count && unit == NULL; i++)
        if (strcmp(bus_units[i].process_z, process_z) == 0)
            unit = &bus_units[i];
    if (unit == NULL)
        (void)snprintf(out_z, BUS_PATH_MAX, "/");
    else if (strcmp(unit->name_z, "systemd-udevd.service") == 0)
        (void)snprintf(out_z, BUS_PATH_MAX, "/system.slice/%s/udev", unit->name_z);
    else
        bus_unit_group(&(struct bus_host){0}, unit->name_z, out_z);
}
