/* What is enabled, masked and started by default: links in /etc/systemd/system (org.freedesktop.systemd1(5)). */
#include "base/error.h"
#include "bus/call.h"

#include <stdio.h>
#include <string.h>

#define NO_FILE "org.freedesktop.DBus.Error.FileNotFound"
#define ETC     "/etc/systemd/system/"
#define LIB     "/lib/systemd/system/"

enum { TEXTS_MAX = 128 }; /* of an array that are looked at: each costs a look at files */

/* ---- States ---- */

void bus_get_file_state(struct bus_call *c)
{
    struct bus_state s;
    bus_state_of(c->host, wire_in_text(&c->in), &s);
    if (s.path_z[0] == '\0') {
        bus_refuse(c, NO_FILE, "No such file or directory");
        return;
    }
    c->signature_z = "s";
    wire_text(&c->w, s.file_state_z);
}

/* Where the link of the default target leads: the administrator's, or the package's. */
void bus_get_default(struct bus_call *c)
{
    char target_z[BUS_PATH_MAX];
    const struct bus_host *h = c->host;
    bool is_there = h->target(h->ctx, ETC "default.target", target_z, sizeof(target_z)) ||
                    h->target(h->ctx, LIB "default.target", target_z, sizeof(target_z));
    const char *slash = is_there ? strrchr(target_z, '/') : NULL;
    c->signature_z = "s";
    wire_text(&c->w, slash != NULL ? slash + 1 : is_there ? target_z : "graphical.target");
}

/* ---- Changes ---- */

static void put_change(struct bus_call *c, const char *what_z, const char *link_z,
                       const char *target_z)
{
    wire_align(&c->w, 8);
    wire_text(&c->w, what_z);
    wire_text(&c->w, link_z);
    wire_text(&c->w, target_z);
}

/* SetDefaultTarget(name, force) -> a(sss) */
void bus_set_default(struct bus_call *c)
{
    struct bus_state s;
    char old_z[BUS_PATH_MAX];
    const struct bus_host *h = c->host;
    bus_state_of(h, wire_in_text(&c->in), &s);
    if (s.path_z[0] == '\0') {
        bus_refuse(c, NO_FILE, "Unit file %s does not exist.", s.name_z);
        return;
    }
    c->signature_z = "a(sss)";
    struct wire_array changes = wire_begin(&c->w, 8);
    if (h->target(h->ctx, ETC "default.target", old_z, sizeof(old_z))) {
        (void)h->unlink(h->ctx, ETC "default.target");
        put_change(c, "unlink", ETC "default.target", "");
    }
    if (h->link(h->ctx, s.path_z, ETC "default.target") == 0)
        put_change(c, "symlink", ETC "default.target", s.path_z);
    wire_end(&c->w, changes);
}

/* MaskUnitFiles(names, runtime, force), UnmaskUnitFiles(names, runtime) -> a(sss) */
void bus_mask_files(struct bus_call *c)
{
    char link_z[BUS_PATH_MAX], target_z[BUS_PATH_MAX];
    const struct bus_host *h = c->host;
    bool is_mask = span_equal_z(c->message->member, "MaskUnitFiles");
    c->signature_z = "a(sss)";
    struct wire_array changes = wire_begin(&c->w, 8);
    size_t end = wire_in_array(&c->in, 4);
    for (int i = 0; !c->in.failed && c->in.at < end && i < TEXTS_MAX; i++) {
        struct span name = wire_in_text(&c->in);
        (void)snprintf(link_z, sizeof(link_z), ETC "%.*s", (int)name.len, (const char *)name.data);
        bool is_link = h->target(h->ctx, link_z, target_z, sizeof(target_z));
        bool is_masked = is_link && strcmp(target_z, "/dev/null") == 0;
        if (span_find(name, '/', 0) >= 0 || name.len == 0 || is_masked == is_mask)
            continue;
        if (is_mask && is_link) { /* another name of a unit */
            (void)h->unlink(h->ctx, link_z);
            put_change(c, "unlink", link_z, "");
        }
        int rc = is_mask ? h->link(h->ctx, "/dev/null", link_z) : h->unlink(h->ctx, link_z);
        if (rc == 0)
            put_change(c, is_mask ? "symlink" : "unlink", link_z, is_mask ? "/dev/null" : "");
    }
    wire_end(&c->w, changes);
}

static bool wanted_by(const struct bus_host *host, const struct bus_state *s, char *out_z,
                      size_t size)
{
    struct buffer text;
    bool found = false;
    buffer_init(&text, 65536);
    if (host->read(host->ctx, s->path_z, &text) == 0) {
        static const struct span key = SPAN_LIT("\nWantedBy=");
        struct span all = buffer_span(&text);
        for (size_t i = 0; i + key.len < all.len && !found; i++) {
            struct span rest = span_slice(all, i, all.len);
            if (!span_starts_with(rest, key))
                continue;
            size_t end = key.len;
            while (end < rest.len && rest.data[end] != ' ' && rest.data[end] != '\n')
                end++;
            (void)span_copy_z(span_slice(rest, key.len, end), out_z, size);
            found = end > key.len;
        }
    }
    buffer_fini(&text);
    return found;
}

/* One name of EnableUnitFiles or DisableUnitFiles; false: refused. */
static bool change_file(struct bus_call *c, struct span name, bool enable, bool *carries)
{
    struct bus_state s;
    char target_z[BUS_NAME_MAX], link_z[BUS_PATH_MAX * 2];
    bus_state_of(c->host, name, &s);
    if (s.path_z[0] == '\0') {
        bus_refuse(c, NO_FILE, "Unit file %s does not exist.", s.name_z);
        return false;
    }
    if (!wanted_by(c->host, &s, target_z, sizeof(target_z)))
        return true;
    *carries = true;
    (void)snprintf(link_z, sizeof(link_z), "/etc/systemd/system/%s.wants/%s", target_z, s.name_z);
    int rc = enable ? c->host->link(c->host->ctx, s.path_z, link_z)
                    : c->host->unlink(c->host->ctx, link_z);
    if (rc < 0) /* it is so already */
        return true;
    put_change(c, enable ? "symlink" : "unlink", link_z, enable ? s.path_z : "");
    return true;
}

void bus_change_files(struct bus_call *c)
{
    bool enable = !span_starts_with(c->message->member, span_z("Disable")), carries = false;
    size_t flag_at = buffer_len(c->w.out);
    c->signature_z = enable ? "ba(sss)" : "a(sss)";
    if (enable)
        wire_u32(&c->w, 0);
    struct wire_array changes = wire_begin(&c->w, 8);
    size_t end = wire_in_array(&c->in, 4);
    for (int i = 0; !c->in.failed && c->in.at < end && i < TEXTS_MAX; i++)
        if (!change_file(c, wire_in_text(&c->in), enable, &carries))
            return;
    wire_end(&c->w, changes);
    uint8_t *bytes = (uint8_t *)buffer_span(c->w.out).data; /* our own */
    if (enable && c->w.error == 0 && bytes != NULL)
        bytes[flag_at] = carries;
}
