/* What the kernel of a server said at its boot: its ring of messages, and the first lines of
 * /var/log/kern.log. */
#ifndef PERSONA_BOOT_LOG_H
#define PERSONA_BOOT_LOG_H

#include "base/buffer.h"

enum { PERSONA_BOOT_TEXT_MAX = 1024 }; /* bytes of a message */

/* The machine that boots. */
struct persona_boot {
    struct span version, cmdline, hostname;
    struct span cpu, cpu_mhz, bogomips;
    const char *cpu_bugs_z;
    uint32_t cpus, family, model, stepping;
    bool is_amd;
    uint64_t memory_kib;    /* as sold */
    uint64_t available_kib; /* of it, when the kernel has found its own place */
    uint32_t disk_gib;
    int64_t boot_s;  /* wall clock */
    uint32_t number; /* the machine's own: how long things took */
};

struct persona_boot_line {
    unsigned level; /* of syslog(3) */
    uint64_t time_us;
};

size_t persona_boot_lines(void);
/* Message number `n`: appends its text. 1; 0: not on this machine; ERR_*. */
int persona_boot_line(const struct persona_boot *boot, size_t n, struct persona_boot_line *line,
                      struct buffer *text);

#endif
