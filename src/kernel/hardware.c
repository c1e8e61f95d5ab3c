#include "kernel/hardware.h"

#include "kernel/abi.h"

const struct hardware hardware_default = {
    .sysname_z = "Linux",
    .release_z = "6.1.0-56-amd64",
    .version_z = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)",
    .arch_z = "x86_64",
    .abis = 1U << ABI_X86_64 | 1U << ABI_I386, /* Debian's kernel has IA32_EMULATION */
    .proc_version_z =
        "Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian "
        "12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP "
        "PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)",
    .cmdline_z = "BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-amd64 "
                 "root=UUID=6f3b0a52-1c77-4c9e-9d0b-5a4c8f2e71d3 ro quiet",
    .boot_id_z = "dd581e02-5a05-4086-9468-f758884f26ac",
    .cpus = 2,
    .cpu_vendor_z = "AuthenticAMD",
    .cpu_name_z = "AMD EPYC-Rome Processor",
    .cpu_mhz_z = "2445.404",
    .bogomips_z = "4890.80",
    .cpu_flags_z =
        "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx "
        "fxsr sse sse2 syscall nx mmxext fxsr_opt pdpe1gb rdtscp lm rep_good nopl cpuid "
        "extd_apicid tsc_known_freq pni pclmulqdq ssse3 fma cx16 sse4_1 sse4_2 x2apic movbe "
        "popcnt tsc_deadline_timer aes xsave avx f16c rdrand hypervisor lahf_lm cr8_legacy abm "
        "sse4a misalignsse 3dnowprefetch osvw perfctr_core ssbd ibrs ibpb stibp vmmcall fsgsbase "
        "tsc_adjust bmi1 avx2 smep bmi2 rdseed adx smap clflushopt clwb sha_ni xsaveopt xsavec "
        "xgetbv1 xsaves clzero xsaveerptr wbnoinvd arat umip rdpid arch_capabilities",
    .cpu_bugs_z = "sysret_ss_attrs null_seg spectre_v1 spectre_v2 spec_store_bypass retbleed "
                  "smt_rsb srso",
    .cpu_family = 23,
    .cpu_model = 49,
    .cpu_stepping = 0,
    .cache_kib = 512,
    .cpu_microcode_z = "0x1000065",
    .mem_total = 2014140,
    .mem_free = 1094632,
    .mem_available = 1687204,
    .mem_buffers = 61340,
    .mem_cached = 602116,
    .mem_shared = 5880,
    .mem_slab = 70192,
    .mem_sreclaimable = 41288,
    .load_hundredths = {0, 1, 0},
    .idle_percent = 99,
    .disk_blocks = 9985352,
    .disk_free = 9754216,
    .disk_available = 9238940,
    .disk_inodes = 2555904,
    .disk_inodes_free = 2528269,
    .max_locked = 257806336,
    .max_processes = 7719,
    .threads = 93,
};
