/* The model of the machine: one set of values that uname, sysinfo, /proc and /sys all read, so that
 * every view agrees. Each machine has one, made from its identity; the host name and boot time are
 * the kernel's own. */
#ifndef KERNEL_HARDWARE_H
#define KERNEL_HARDWARE_H

#include "base/span.h"
#include "persona/disk.h"

struct kind; /* kind.h */
struct persona_identity;

enum { HARDWARE_BOOT_KIB = 37940 }; /* of memory that is free only when the kernel has started */

struct hardware {
    const struct kind *kind;                                /* what kind of machine */
    const char *sysname_z, *release_z, *version_z, *arch_z; /* uname */
    const char *proc_version_z;                             /* /proc/version, without the newline */
    /* /proc/cmdline, without the newline, is the three of them. */
    const char *cmdline_before_z, *root_uuid_z, *cmdline_behind_z;
    const char *boot_id_z;
    uint32_t cpus;
    const char *cpu_vendor_z, *cpu_name_z, *cpu_mhz_z, *bogomips_z, *cpu_flags_z, *cpu_bugs_z;
    uint32_t cpu_family, cpu_model, cpu_stepping, cache_kib;
    const char *cpu_microcode_z;
    /* Memory in kB, as /proc/meminfo has it, and how much is plugged in. */
    uint64_t mem_size, mem_total, mem_free, mem_available, mem_buffers, mem_cached, mem_shared,
        mem_slab, mem_sreclaimable;
    uint32_t load_hundredths[3]; /* load averages * 100 */
    uint32_t idle_percent;       /* of all CPUs since boot */
    /* The root disk, in blocks of 4096 bytes and in inodes. */
    uint64_t disk_blocks, disk_free, disk_available, disk_inodes, disk_inodes_free;
    struct persona_volume volume; /* what its device shows; a small machine has none */
    uint64_t max_locked, max_processes,
        threads_max;  /* RLIMIT_MEMLOCK; RLIMIT_NPROC and SIGPENDING */
    int32_t pid_max;  /* kernel.pid_max */
    uint32_t threads; /* threads of the processes that seem to run */
};

/* A machine of personas/debian-12 without an identity. */
extern const struct hardware hardware_default;

/* Small ones of MIPS and of ARM, and what /proc/cpuinfo says of them. */
extern const struct hardware hardware_router, hardware_board;
extern const char hardware_router_cpu_z[], hardware_board_cpu_z[];

/* The machine of an identity, at `now_ms`: what is in use changes a little from hour to hour. Its
 * texts are the identity's. */
void hardware_of(const struct kind *kind, const struct persona_identity *identity, int64_t now_ms,
                 struct hardware *out);

#endif
