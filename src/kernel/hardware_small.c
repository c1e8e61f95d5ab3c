/* Small devices: a router of MIPS and a board of ARM. */
#include "kernel/hardware.h"
#include "kernel/kind.h"
#include "kernel/machine.h"

/* Memory in kB of a device that has been running for a while; all else is the same for all devices. */
#define SMALL_MEMORY                                                                       \
    .mem_size = 131072, .mem_total = 123408, .mem_free = 81104, .mem_available = 88152,    \
    .mem_buffers = 1812, .mem_cached = 14236, .mem_shared = 172, .mem_slab = 9420,         \
    .mem_sreclaimable = 2616, .load_hundredths = {2, 4, 1}, .idle_percent = 98,            \
    .disk_blocks = 1376, .disk_free = 1212, .disk_available = 1212, .disk_inodes = 0,      \
    .disk_inodes_free = 0, .max_locked = 65536, .max_processes = 957, .threads_max = 1914, \
    .pid_max = KERNEL_PID_MAX_SMALL, .threads = 29, .cpus = 1

const struct hardware hardware_router = {
    .kind = &kind_server, /* kernel_new puts the right one */
    .sysname_z = "Linux",
    .release_z = "5.10.201",
    .version_z = "#0 Tue Nov 14 08:30:12 2023",
    .arch_z = "mips",
    .proc_version_z =
        "Linux version 5.10.201 (builder@buildhost) (mipsel-linux-musl-gcc (GCC) 11.2.0, "
        "GNU ld (GNU Binutils) 2.37) #0 Tue Nov 14 08:30:12 2023",
    .cmdline_before_z = "console=ttyS0,57600 rootfstype=squashfs,jffs2",
    .root_uuid_z = "",
    .cmdline_behind_z = "",
    .boot_id_z = "3f0a1d52-6d0c-4b8e-9b0e-52f2a1c8e071",
    .cpu_vendor_z = "MIPS",
    .cpu_name_z = "MIPS 24KEc V5.0",
    .cpu_mhz_z = "580.000",
    .bogomips_z = "385.84",
    .cpu_flags_z = "",
    .cpu_bugs_z = "",
    .cpu_microcode_z = "",
    SMALL_MEMORY,
};

const char hardware_router_cpu_z[] =
    "system type\t\t: MediaTek MT7620A ver:2 eco:6\nmachine\t\t\t: MT7620A router board\n"
    "processor\t\t: 0\ncpu model\t\t: MIPS 24KEc V5.0\nBogoMIPS\t\t: 385.84\n"
    "wait instruction\t: yes\nmicrosecond timers\t: yes\ntlb_entries\t\t: 32\n"
    "extra interrupt vector\t: yes\nhardware watchpoint\t: yes, count: 4, "
    "address/irw mask: [0x0ffc, 0x0ffc, 0x0ffb, 0x0ffb]\n"
    "isa\t\t\t: mips1 mips2 mips32r1 mips32r2\nASEs implemented\t: mips16 dsp\n"
    "Options implemented\t: tlb 4kex 4k_cache prefetch mcheck ejtag llsc dc_aliases vint "
    "perf_cntr_intr_bit perf\n"
    "shadow register sets\t: 1\nkscratch registers\t: 0\npackage\t\t\t: 0\ncore\t\t\t: 0\n"
    "VCED exceptions\t\t: not available\nVCEI exceptions\t\t: not available\n\n";

const struct hardware hardware_board = {
    .kind = &kind_server,
    .sysname_z = "Linux",
    .release_z = "5.10.201",
    .version_z = "#1 PREEMPT Tue Nov 14 08:30:12 UTC 2023",
    .arch_z = "armv7l",
    .proc_version_z = "Linux version 5.10.201 (builder@buildhost) (arm-linux-gnueabihf-gcc (GCC) "
                      "11.2.0, GNU ld (GNU Binutils) 2.37) #1 PREEMPT Tue Nov 14 08:30:12 UTC 2023",
    .cmdline_before_z = "console=ttyS0,115200 root=/dev/mtdblock4 rootfstype=squashfs",
    .root_uuid_z = "",
    .cmdline_behind_z = "",
    .boot_id_z = "a5c0d8f4-2b13-4f0e-8c76-0c9f6f2ab613",
    .cpu_vendor_z = "ARM",
    .cpu_name_z = "ARMv7 Processor rev 5 (v7l)",
    .cpu_mhz_z = "1008.000",
    .bogomips_z = "48.00",
    .cpu_flags_z = "",
    .cpu_bugs_z = "",
    .cpu_microcode_z = "",
    SMALL_MEMORY,
};

/* Features: those that AT_HWCAP tells (cpu/arm.h). */
const char hardware_board_cpu_z[] =
    "processor\t: 0\nmodel name\t: ARMv7 Processor rev 5 (v7l)\nBogoMIPS\t: 48.00\n"
    "Features\t: half thumb fastmult vfp edsp vfpv3 tls idiva idivt vfpd32 \n"
    "CPU implementer\t: 0x41\nCPU architecture: 7\nCPU variant\t: 0x0\nCPU part\t: 0xc07\n"
    "CPU revision\t: 5\n\nHardware\t: Allwinner sun8i Family\nRevision\t: 0000\n"
    "Serial\t\t: 0000000000000000\n";
