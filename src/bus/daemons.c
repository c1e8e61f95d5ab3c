/* What hostnamed and timedated answer on the system bus (org.freedesktop.hostname1(5), timedate1(5)),
 * and what is changed by them. */
#include "bus/call.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define HOST    "org.freedesktop.hostname1"
#define TIME    "org.freedesktop.timedate1"
#define SYNC    "org.freedesktop.timesync1.Manager"
#define INVALID "org.freedesktop.DBus.Error.InvalidArgs"
#define ZONES   "/usr/share/zoneinfo/"
#define SECOND  INT64_C(1000000)

enum { LABEL_MAX = 63, FILE_MAX = 65536, ZONE_FILE_MAX = 65536 };

static void nothing(struct bus_call *c)
{
    c->signature_z = "";
}

/* The first line of a small file; "": there is none. */
static void first_line(const struct bus_call *c, const char *path_z, char *out_z, size_t size)
{
    struct buffer text;
    buffer_init(&text, FILE_MAX);
    out_z[0] = '\0';
    if (c->host->read(c->host->ctx, path_z, &text) == 0 && buffer_len(&text) > 0) {
        struct span all = buffer_span(&text);
        ptrdiff_t end = span_find(all, '\n', 0);
        (void)span_copy_z(span_slice(all, 0, end < 0 ? all.len : (size_t)end), out_z, size);
    }
    buffer_fini(&text);
}

/* ---- hostname1 ---- */

static void host_properties(struct bus_call *c)
{
    const struct bus_host *h = c->host;
    char static_z[BUS_NAME_MAX];
    first_line(c, "/etc/hostname", static_z, sizeof(static_z));
    bus_text(c, HOST, "Hostname", h->hostname_z);
    bus_text(c, HOST, "StaticHostname", static_z);
    bus_text(c, HOST, "PrettyHostname", "");
    bus_text(c, HOST, "DefaultHostname", "localhost");
    bus_text(c, HOST, "HostnameSource", static_z[0] != '\0' ? "static" : "default");
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

/* hostname(7): labels of letters, digits and hyphens. */
static bool is_hostname(struct span name)
{
    size_t label = 0;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool is_end = i + 1 == name.len || name.data[i + 1] == '.';
        if (c == '.' ? label == 0 : !is_plain && (c != '-' || label == 0 || is_end))
            return false;
        label = c == '.' ? 0 : label + 1;
    }
    return name.len > 0 && name.len <= LABEL_MAX + 1 && label > 0;
}

/* SetHostname(name, interactive), SetStaticHostname: of the kernel, and of /etc/hostname. */
static void set_hostname(struct bus_call *c)
{
    char name_z[BUS_NAME_MAX];
    bool is_static = span_equal_z(c->message->member, "SetStaticHostname");
    struct span name = wire_in_text(&c->in);
    (void)span_copy_z(name, name_z, sizeof(name_z));
    if (name.len == 0 && is_static)
        (void)c->host->unlink(c->host->ctx, "/etc/hostname");
    else if (name.len > 0 && !is_hostname(name)) {
        bus_refuse(c, INVALID, "Invalid %shostname '%s'", is_static ? "static " : "", name_z);
        return;
    }
    if (name.len > 0 && is_static) {
        struct buffer text;
        buffer_init(&text, BUS_NAME_MAX);
        if (buffer_printf(&text, "%s\n", name_z) == 0)
            (void)c->host->write(c->host->ctx, "/etc/hostname", buffer_span(&text));
        buffer_fini(&text);
    }
    if (name.len > 0) {
        char text_z[BUS_NAME_MAX + 32];
        bool is_new = strcmp(name_z, c->host->hostname_z) != 0;
        (void)snprintf(text_z, sizeof(text_z), "Hostname set to <%s> (%s)", name_z, "static");
        c->host->set_hostname(c->host->ctx, name_z);
        if (is_new)
            c->host->say(c->host->ctx, "systemd-hostnamed", text_z);
    }
    c->signature_z = "";
}

/* ---- timedate1 ---- */

static void time_properties(struct bus_call *c)
{
    int64_t since_us;
    char zone_z[BUS_NAME_MAX];
    bool is_synchronized = c->host->pid(c->host->ctx, "systemd-timesyn", &since_us) != 0;
    first_line(c, "/etc/timezone", zone_z, sizeof(zone_z));
    bus_text(c, TIME, "Timezone", zone_z[0] != '\0' ? zone_z : "Etc/UTC");
    bus_bool(c, TIME, "LocalRTC", false);
    bus_bool(c, TIME, "CanNTP", true);
    bus_bool(c, TIME, "NTP", is_synchronized);
    bus_bool(c, TIME, "NTPSynchronized", true);
    bus_u64(c, TIME, "TimeUSec", (uint64_t)c->host->now_us);
    bus_u64(c, TIME, "RTCTimeUSec", (uint64_t)(c->host->now_us / SECOND * SECOND));
}

/* A zone by name: its file is there, and the name leads nowhere else. */
static bool is_zone(const struct bus_call *c, struct span name)
{
    char path_z[BUS_PATH_MAX];
    struct buffer text;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] == '.' || name.data[i] < '+' || (i == 0 && name.data[i] == '/'))
            return false;
    (void)snprintf(path_z, sizeof(path_z), ZONES "%.*s", (int)name.len, (const char *)name.data);
    buffer_init(&text, ZONE_FILE_MAX);
    bool is_there = name.len > 0 && c->host->read(c->host->ctx, path_z, &text) == 0 &&
                    span_starts_with(buffer_span(&text), span_z("TZif"));
    buffer_fini(&text);
    return is_there;
}

/* SetTimezone(name, interactive): the link, and Debian's file. */
static void set_timezone(struct bus_call *c)
{
    char path_z[BUS_PATH_MAX];
    struct span name = wire_in_text(&c->in);
    struct buffer text;
    if (!is_zone(c, name)) {
        bus_refuse(c, INVALID, "Invalid or not installed time zone '%.*s'", (int)name.len,
                   (const char *)name.data);
        return;
    }
    (void)snprintf(path_z, sizeof(path_z), "../usr/share/zoneinfo/%.*s", (int)name.len,
                   (const char *)name.data);
    (void)c->host->unlink(c->host->ctx, "/etc/localtime");
    (void)c->host->link(c->host->ctx, path_z, "/etc/localtime");
    buffer_init(&text, BUS_NAME_MAX);
    if (buffer_printf(&text, "%.*s\n", (int)name.len, (const char *)name.data) == 0)
        (void)c->host->write(c->host->ctx, "/etc/timezone", buffer_span(&text));
    buffer_fini(&text);
    c->signature_z = "";
}

/* SetNTP(on, interactive): its service starts or stops. */
static void set_ntp(struct bus_call *c)
{
    bool on = wire_in_u32(&c->in) != 0;
    struct bus_state s;
    bus_state_of(c->host, span_z("systemd-timesyncd.service"), &s);
    bus_state_set(c->host, &s, on);
    c->signature_z = "";
}

/* SetTime(usec, relative, interactive) */
static void set_time(struct bus_call *c)
{
    int64_t since_us;
    if (c->host->pid(c->host->ctx, "systemd-timesyn", &since_us) != 0)
        bus_refuse(c, "org.freedesktop.timedate1.AutomaticTimeSyncEnabled",
                   "Automatic time synchronization is enabled");
    c->signature_z = "";
}

/* ---- timesync1 ---- */

static void sync_properties(struct bus_call *c)
{
    bus_words(c, SYNC, "SystemNTPServers", "");
    bus_words(c, SYNC, "FallbackNTPServers",
              "0.debian.pool.ntp.org 1.debian.pool.ntp.org 2.debian.pool.ntp.org "
              "3.debian.pool.ntp.org");
    bus_text(c, SYNC, "ServerName", "0.debian.pool.ntp.org");
    bus_u64(c, SYNC, "RootDistanceMaxUSec", (uint64_t)(5 * SECOND));
    bus_u64(c, SYNC, "PollIntervalMinUSec", (uint64_t)(32 * SECOND));
    bus_u64(c, SYNC, "PollIntervalMaxUSec", (uint64_t)(2048 * SECOND));
    bus_u64(c, SYNC, "PollIntervalUSec", (uint64_t)(2048 * SECOND));
}

/* ---- locale1 ---- */

static void locale_properties(struct bus_call *c)
{
    char line_z[BUS_NAME_MAX];
    first_line(c, "/etc/default/locale", line_z, sizeof(line_z));
    bus_words(c, "org.freedesktop.locale1", "Locale", line_z);
    bus_text(c, "org.freedesktop.locale1", "X11Layout", "");
    bus_text(c, "org.freedesktop.locale1", "VConsoleKeymap", "");
}

static void no_properties(struct bus_call *c)
{
    (void)c;
}

const struct bus_object bus_daemon_objects[] = {
    {"/org/freedesktop/hostname1", false, host_properties, bus_host_methods, NULL},
    {"/org/freedesktop/timedate1", false, time_properties, bus_time_methods, NULL},
    {"/org/freedesktop/timesync1", false, sync_properties, NULL, NULL},
    {"/org/freedesktop/locale1", false, locale_properties, NULL, NULL},
    {"/org/freedesktop/DBus", false, no_properties, bus_name_methods, NULL},
    {NULL, false, NULL, NULL, NULL},
};

const struct bus_method bus_host_methods[] = {
    {HOST, "SetHostname", true, set_hostname},
    {HOST, "SetStaticHostname", true, set_hostname},
    {HOST, "SetPrettyHostname", true, nothing},
    {NULL, NULL, false, NULL},
};

const struct bus_method bus_time_methods[] = {
    {TIME, "SetTimezone", true, set_timezone},
    {TIME, "SetNTP", true, set_ntp},
    {TIME, "SetTime", true, set_time},
    {TIME, "SetLocalRTC", true, nothing},
    {NULL, NULL, false, NULL},
};
