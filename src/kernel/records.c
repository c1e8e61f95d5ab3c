#include "kernel/records.h"

#include "kernel/fs.h"
#include "kernel/livelog.h"
#include "kernel/machine.h"
#include "kernel/program.h"
#include "kernel/tty.h"

#include "persona/journal.h"
#include "persona/past.h"

enum { NS_PER_MS = 1000000 };
enum { READ_COST = 200000, BYTE_COST = 2, PACKED_COST = 40 }; /* in instructions: measured */

/* The terminals of the visitor's programs. */
static uint64_t open_ttys(const struct kernel *k)
{
    uint64_t bits = 0;
    for (int i = 0; i < KERNEL_PROGRAMS_MAX; i++) {
        const struct program *p = k->programs[i];
        if (p != NULL && p->tty != NULL && tty_number(p->tty) < PERSONA_TTY_SPAN)
            bits |= UINT64_C(1) << tty_number(p->tty);
    }
    return bits;
}

/* What the identity and the visit tell; the address stands in `address_z`. */
static bool now_of(const struct vfs *vfs, char address_z[NET_TEXT_BYTES], struct persona_now *now)
{
    const struct kernel *k = vfs->kernel;
    if (k == NULL || k->identity == NULL)
        return false;
    *now = (struct persona_now){.identity = k->identity, .time_ms = k->now_ns / NS_PER_MS};
    now->cron_ms = k->cron_ns / NS_PER_MS;
    now->lines = livelog_lines(k->livelog, &now->line_count);
    if (k->login.monitor == 0)
        return true;
    size_t n = net_ip_text(&vfs->net.peer, address_z);
    now->visit = (struct persona_visit){.user = span_z(k->login.user_z),
                                        .address = span_of(address_z, n),
                                        .uid = k->login.uid,
                                        .number = k->login.number,
                                        .port = vfs->net.peer_port,
                                        .sshd = k->login.monitor,
                                        .manager = k->login.manager,
                                        .at_ms = k->login.at_ns / NS_PER_MS,
                                        .ttys = open_ttys(k)};
    return true;
}

bool records_are_there(const struct vfs *vfs, enum persona_record record, uint32_t age)
{
    char address_z[NET_TEXT_BYTES];
    struct persona_now now;
    return now_of(vfs, address_z, &now) ? persona_record_is_there(record, age, &now) : age == 0;
}

bool records_read(const struct vfs *vfs, enum persona_record record, uint32_t age,
                  struct buffer *out, int64_t *written_ns, int64_t *size)
{
    char address_z[NET_TEXT_BYTES];
    struct persona_now now;
    int64_t written_ms = 0;
    if (!now_of(vfs, address_z, &now))
        return false;
    int rc = persona_record_write(record, age, &now, out, &written_ms);
    bool is_growing = record == PERSONA_RECORD_JOURNAL && age == 0;
    uint64_t len = buffer_len(out);
    kernel_charge(vfs->kernel, READ_COST + len * (age > 1 ? PACKED_COST : BYTE_COST));
    *written_ns = written_ms * NS_PER_MS;
    *size = is_growing ? JOURNAL_FILE_BYTES : (int64_t)len;
    return rc == 0;
}
