#include "kernel/records.h"

#include "kernel/fs.h"
#include "kernel/machine.h"
#include "kernel/program.h"
#include "kernel/tty.h"

#include "persona/past.h"

enum { NS_PER_MS = 1000000 };

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

bool records_read(const struct vfs *vfs, enum persona_record record, struct buffer *out,
                  int64_t *written_ns)
{
    char address_z[NET_TEXT_BYTES];
    const struct kernel *k = vfs->kernel;
    int64_t written_ms = 0;
    if (k == NULL || k->identity == NULL)
        return false;
    struct persona_now now = {.identity = k->identity, .time_ms = k->now_ns / NS_PER_MS};
    if (k->login.monitor != 0) {
        size_t n = net_ip_text(&vfs->net.peer, address_z);
        now.visit = (struct persona_visit){.user = span_z(k->login.user_z),
                                           .address = span_of(address_z, n),
                                           .uid = k->login.uid,
                                           .number = k->login.number,
                                           .port = vfs->net.peer_port,
                                           .sshd = k->login.monitor,
                                           .manager = k->login.manager,
                                           .at_ms = k->login.at_ns / NS_PER_MS,
                                           .ttys = open_ttys(k)};
    }
    int rc = persona_record_write(record, &now, out, &written_ms);
    *written_ns = written_ms * NS_PER_MS;
    return rc == 0;
}
