#include "kernel/records.h"

#include "kernel/facts.h"
#include "kernel/fs.h"
#include "kernel/inotify.h"
#include "kernel/livelog.h"
#include "kernel/login.h"
#include "kernel/machine.h"
#include "kernel/overlay.h"
#include "kernel/program.h"
#include "kernel/tty.h"

#include "persona/journal.h"
#include "persona/past.h"

#include <stdio.h>

enum { NS_PER_MS = 1000000, PATH_SIZE = 128 };
static const int64_t EVERY_NS = INT64_C(3000000000), SOON_NS = 50000000;
enum { READ_COST = 200000, BYTE_COST = 2, PACKED_COST = 40 }; /* in instructions: measured */

/* What the records are made of, with what it borrows. */
struct now {
    struct persona_now persona;
    struct persona_visit
        inner[FACTS_VISITS_MAX + KERNEL_LOGINS_MAX]; /* earlier ones, and from within */
    char address_z[NET_TEXT_BYTES];
};

/* The terminals of a login's programs. */
static uint64_t open_ttys(const struct kernel *k, const struct login *l)
{
    uint64_t bits = 0;
    for (int i = 0; i < KERNEL_PROGRAMS_MAX; i++) {
        const struct program *p = k->programs[i];
        if (p != NULL && p->tty != NULL && login_at(k, p->login) == l &&
            tty_number(p->tty) < PERSONA_TTY_SPAN)
            bits |= UINT64_C(1) << tty_number(p->tty);
    }
    return bits;
}

static struct persona_visit visit_of(const struct kernel *k, const struct login *l)
{
    return (struct persona_visit){
        .user = span_z(l->user_z),
        .address = span_z(l->from_z),
        .uid = l->uid,
        .number = l->number,
        .port = l->port,
        .sshd = l->monitor,
        .manager = l->manager,
        .at_ms = l->at_ns / NS_PER_MS,
        .until_ms = l->until_ns / NS_PER_MS,
        .ttys = l->until_ns != 0 ? l->ttys : open_ttys(k, l),
    };
}

/* By the time at which they began. */
static void add_inner(const struct kernel *k, struct now *now)
{
    now->persona.inner_count = facts_visits(k, now->inner);
    for (int i = 0; i < KERNEL_LOGINS_MAX; i++) {
        const struct login *l = login_at(k, i);
        if (l == NULL)
            continue;
        const struct persona_visit v = visit_of(k, l);
        size_t at = now->persona.inner_count++;
        for (; at > 0 && now->inner[at - 1].at_ms > v.at_ms; at--)
            now->inner[at] = now->inner[at - 1];
        now->inner[at] = v;
    }
    now->persona.inner = now->inner;
}

/* What the identity and the visits tell. */
static bool now_of(const struct vfs *vfs, struct now *now)
{
    const struct kernel *k = vfs->kernel;
    if (k == NULL || k->identity == NULL)
        return false;
    struct persona_now *p = &now->persona;
    *p = (struct persona_now){.identity = k->identity, .time_ms = k->now_ns / NS_PER_MS};
    p->cron_ms = k->cron_ns / NS_PER_MS;
    p->lines = livelog_lines(k->livelog, &p->line_count);
    add_inner(k, now);
    if (k->login.monitor == 0)
        return true;
    p->visit = visit_of(k, &k->login);
    p->visit.address = span_of(now->address_z, net_ip_text(&vfs->net.peer, now->address_z));
    p->visit.port = vfs->net.peer_port;
    return true;
}

bool records_are_there(const struct vfs *vfs, enum persona_record record, uint32_t age)
{
    struct now now;
    return now_of(vfs, &now) ? persona_record_is_there(record, age, &now.persona) : age == 0;
}

bool records_read(const struct vfs *vfs, enum persona_record record, uint32_t age,
                  struct buffer *out, int64_t *written_ns, int64_t *size)
{
    struct now now;
    int64_t written_ms = 0;
    if (!now_of(vfs, &now))
        return false;
    if (vfs->kernel->records_due_ns == INT64_MAX)
        vfs->kernel->records_due_ns = vfs->kernel->now_ns + EVERY_NS;
    int rc = persona_record_write(record, age, &now.persona, out, &written_ms);
    bool is_growing = record == PERSONA_RECORD_JOURNAL && age == 0;
    uint64_t len = buffer_len(out);
    kernel_charge(vfs->kernel, READ_COST + len * (age > 1 ? PACKED_COST : BYTE_COST));
    *written_ns = written_ms * NS_PER_MS;
    *size = is_growing ? JOURNAL_FILE_BYTES : (int64_t)len;
    return rc == 0;
}

/* What is written all the time. False: nobody has it open. */
static bool refresh(const struct vfs_at *at, const char *path_z)
{
    struct walk_found found;
    bool is_open = false, has_grown = false;
    if (walk(at, span_z(path_z), WALK_FOLLOW, &found) != 0)
        return false;
    if (found.node.fs != NULL && (found.node.fs->flags & FS_IMAGE) != 0)
        is_open = overlay_refresh_record(&found.node, &has_grown);
    if (has_grown)
        inotify_tell(found.node, found.dir, walk_name(&found), IN_MODIFY);
    walk_done(&found);
    return is_open;
}

void records_tick(struct kernel *k, bool is_said)
{
    static const char *const paths[] = {"/var/log/auth.log", "/var/log/syslog", "/var/log/cron.log",
                                        "/var/log/user.log"};
    struct creds root = {.cap_effective = UINT64_MAX};
    struct vfs_at at = {.cred = &root};
    char journal_z[PATH_SIZE];
    bool any = false;
    if (k->identity == NULL || k->records_due_ns == INT64_MAX)
        return;
    if (is_said && k->records_due_ns > k->now_ns + SOON_NS)
        k->records_due_ns = k->now_ns + SOON_NS;
    if (k->now_ns < k->records_due_ns || (at.fs = fs_context_new(k->vfs)) == NULL)
        return;
    (void)snprintf(journal_z, sizeof(journal_z), "/var/log/journal/%s/system.journal",
                   k->identity->machine_id_z);
    any = refresh(&at, journal_z);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        any |= refresh(&at, paths[i]);
    k->records_due_ns = any ? k->now_ns + EVERY_NS : INT64_MAX;
    fs_context_drop(at.fs);
}
