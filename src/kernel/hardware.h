/* The model of the machine: one set of values that uname, sysinfo, /proc and /sys all read, so that
 * every view agrees. Constant for a persona; the host name and boot time are the kernel's own. */
#ifndef KERNEL_HARDWARE_H
#define KERNEL_HARDWARE_H

#include "base/span.h"

struct hardware {
    const char *sysname_z, *release_z, *version_z, *arch_z; /* uname */
    const char *proc_version_z;                             /* /proc/version, without the newline */
    const char *cmdline_z;                                  /* /proc/cmdline, without the newline */
    const char *boot_id_z;
    uint32_t cpus;
    uint32_t abis; /* whose programs it runs: a bit for each enum abi_family */
    const char *cpu_vendor_z, *cpu_name_z, *cpu_mhz_z, *bogomips_z, *cpu_flags_z, *cpu_bugs_z;
    uint32_t cpu_family, cpu_model, cpu_stepping, cache_kib;
    const char *cpu_microcode_z;
    /* Memory in kB, as /proc/meminfo has it. */
    uint64_t mem_total, mem_free, mem_available, mem_buffers, mem_cached, mem_shared, mem_slab,
        mem_sreclaimable;
    uint32_t load_hundredths[3]; /* load averages * 100 */
    uint32_t idle_percent;       /* of all CPUs since boot */
    /* The root disk, in blocks of 4096 bytes and in inodes. */
    uint64_t disk_blocks, disk_free, disk_available, disk_inodes, disk_inodes_free;
    uint64_t max_locked, max_processes; /* RLIMIT_MEMLOCK; RLIMIT_NPROC and SIGPENDING */
    uint32_t threads;                   /* threads of the processes that seem to run */
};

/* The machine of personas/debian-12. */
extern const struct hardware hardware_default;

#endif
