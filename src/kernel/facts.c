#include "kernel/facts.h"

#include "base/error.h"
#include "kernel/fs.h"
#include "kernel/machine.h"
#include "kernel/procfs.h"

#include <stdlib.h>

enum { NS_PER_MS = 1000000 };

void facts_forget(struct kernel *k)
{
    free(k->facts);
    k->facts = NULL;
    proc_forget_settings(k);
}

size_t facts_visits(const struct kernel *k, struct persona_visit out[FACTS_VISITS_MAX])
{
    const struct facts *facts = k->facts;
    size_t count = facts != NULL ? facts->count : 0;
    for (size_t i = 0; i < count; i++) {
        out[i] = facts->visits[i].visit;
        out[i].user = span_z(facts->visits[i].user_z);
        out[i].address = span_z(facts->visits[i].address_z);
    }
    return count;
}

/* ---- Saving ---- */

static int put_visit(const struct persona_visit *v, struct buffer *out)
{
    int rc = buffer_put_string(out, v->user);
    if (rc == 0)
        rc = buffer_put_string(out, v->address);
    if (rc == 0)
        rc = buffer_put_u32(out, v->uid);
    if (rc == 0)
        rc = buffer_put_u32(out, v->number);
    if (rc == 0)
        rc = buffer_put_u32(out, v->port);
    if (rc == 0)
        rc = buffer_put_u32(out, (uint32_t)v->sshd);
    if (rc == 0)
        rc = buffer_put_u32(out, (uint32_t)v->manager);
    if (rc == 0)
        rc = buffer_put_u64(out, (uint64_t)v->at_ms);
    if (rc == 0)
        rc = buffer_put_u64(out, (uint64_t)v->until_ms);
    return rc == 0 ? buffer_put_u64(out, v->ttys) : rc;
}

/* Of an entry of our own the path, of the image's its number. */
static int put_setting(uint64_t ino, const char *value_z, struct buffer *out)
{
    struct proc_place place = proc_place_of(ino);
    const struct proc_entry *e = place.image_ino == 0 ? proc_entry_of(place) : NULL;
    int rc = buffer_put_u32(out, place.image_ino);
    if (rc == 0)
        rc = buffer_put_string(out, span_z(e != NULL ? e->path_z : ""));
    return rc == 0 ? buffer_put_string(out, span_z(value_z)) : rc;
}

int facts_save(const struct kernel *k, struct buffer *out)
{
    struct persona_visit visits[FACTS_VISITS_MAX + 1];
    char address_z[NET_TEXT_BYTES + 1];
    size_t count = facts_visits(k, visits), settings = 0;
    const char *value_z;
    uint64_t ino;
    if (k->login.monitor != 0) {
        size_t n = net_ip_text(&k->vfs->net.peer, address_z);
        visits[count++] = (struct persona_visit){.user = span_z(k->login.user_z),
                                                 .address = span_of(address_z, n),
                                                 .uid = k->login.uid,
                                                 .number = k->login.number,
                                                 .port = k->vfs->net.peer_port,
                                                 .sshd = k->login.monitor,
                                                 .manager = k->login.manager,
                                                 .at_ms = k->login.at_ns / NS_PER_MS,
                                                 .ttys = k->login.ttys,
                                                 .until_ms = k->now_ns / NS_PER_MS};
    }
    size_t first = count > FACTS_VISITS_MAX ? count - FACTS_VISITS_MAX : 0;
    int rc = buffer_put_u32(out, (uint32_t)(count - first));
    for (size_t i = first; i < count && rc == 0; i++)
        rc = put_visit(&visits[i], out);
    while (proc_setting_at(k, settings, &ino, &value_z))
        settings++;
    if (rc == 0)
        rc = buffer_put_u32(out, (uint32_t)settings);
    for (size_t i = settings; i-- > 0 && rc == 0;) /* the oldest first */
        if (proc_setting_at(k, i, &ino, &value_z))
            rc = put_setting(ino, value_z, out);
    return rc;
}

/* ---- Loading ---- */

static void get_visit(struct cursor *c, struct facts_visit *v)
{
    (void)span_copy_z(cursor_string(c), v->user_z, sizeof(v->user_z));
    (void)span_copy_z(cursor_string(c), v->address_z, sizeof(v->address_z));
    v->visit.uid = cursor_u32(c);
    v->visit.number = cursor_u32(c);
    v->visit.port = (uint16_t)cursor_u32(c);
    v->visit.sshd = (int32_t)cursor_u32(c);
    v->visit.manager = (int32_t)cursor_u32(c);
    v->visit.at_ms = (int64_t)cursor_u64(c);
    v->visit.until_ms = (int64_t)cursor_u64(c);
    v->visit.ttys = cursor_u64(c);
}

/* Within the life of the machine, one after the other begun. */
static bool are_good(const struct kernel *k, const struct facts *facts)
{
    int64_t last_ms = k->boot_ns / NS_PER_MS;
    for (size_t i = 0; i < facts->count; i++) {
        const struct persona_visit *v = &facts->visits[i].visit;
        if (v->at_ms < last_ms || v->until_ms < v->at_ms || v->until_ms > k->now_ns / NS_PER_MS)
            return false;
        last_ms = v->at_ms;
    }
    return true;
}

static int get_setting(struct kernel *k, struct cursor *c)
{
    struct proc_place place = {.image_ino = cursor_u32(c)};
    struct span path = cursor_string(c), value = cursor_string(c);
    size_t count = 0;
    const struct proc_entry *table = proc_table_of(0, &count);
    while (place.image_ino == 0 && place.entry < count &&
           !span_equal_z(path, table[place.entry].path_z))
        place.entry++;
    bool is_there = place.image_ino != 0 || place.entry < count;
    if (c->failed || value.len >= PROC_SETTING_MAX)
        return ERR_MALFORMED;
    /* Of another version's table: it is as the machine has it. */
    int rc = is_there ? proc_set(k, proc_ino_of(place), span_of(NULL, 0), value) : 0;
    return rc == 0 ? 0 : ERR_NOMEM;
}

int facts_load(struct kernel *k, struct cursor *c)
{
    struct facts *facts = calloc(1, sizeof(*facts));
    uint32_t settings;
    if (facts == NULL)
        return ERR_NOMEM;
    facts->count = cursor_u32(c);
    bool good = !c->failed && facts->count <= FACTS_VISITS_MAX;
    for (size_t i = 0; good && i < facts->count; i++)
        get_visit(c, &facts->visits[i]);
    settings = cursor_u32(c);
    good = good && !c->failed && settings <= PROC_SETTINGS_MAX;
    int rc = good ? 0 : ERR_MALFORMED;
    for (uint32_t i = 0; rc == 0 && i < settings; i++)
        rc = get_setting(k, c);
    free(k->facts);
    k->facts = facts;
    if (!are_good(k, facts)) /* the clock has gone back: nobody tells of the future */
        facts->count = 0;
    return rc;
}
