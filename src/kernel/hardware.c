#include "kernel/hardware.h"

#include "kernel/hash.h"
#include "kernel/kind.h"
#include "kernel/machine.h"
#include "kernel/service.h"

#include "persona/identity.h"

enum { HOUR_MS = 3600000, USED_INODES = 27640 };

const struct hardware hardware_default = {
    .kind = &kind_server,
    .sysname_z = "Linux",
    .release_z = "6.1.0-56-amd64",
    .version_z = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)",
    .arch_z = "x86_64",
    .proc_version_z =
        "Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian "
        "12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP "
        "PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)",
    .root_uuid_z = "6f3b0a52-1c77-4c9e-9d0b-5a4c8f2e71d3",
    .cmdline_before_z = "BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-amd64 root=UUID=",
    .cmdline_behind_z = " ro quiet",
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
    .mem_size = 2097152,
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
    .volume = {.gib = 40,
               .disk_id = 0x5e1f2a91,
               .uuid_z = "6f3b0a52-1c77-4c9e-9d0b-5a4c8f2e71d3",
               .hash_seed_z = "c2a5e1d4-8b3f-4f60-9a7c-1e2d3b4a5f60",
               .made_s = 1793290000,
               .mounted_s = 1793294722,
               .used_blocks = 231136,
               .used_inodes = 27635},
    .max_locked = 257806336,
    .max_processes = 7719,
    .threads_max = 15439,
    .pid_max = KERNEL_PID_MAX,
    .threads = 93,
};

/* Something that is the same for a while: 0 to `range` - 1. */
static uint64_t drift(const struct persona_identity *p, int64_t now_ms, uint64_t what,
                      uint64_t range)
{
    uint64_t hour = (uint64_t)(now_ms / HOUR_MS);
    return hash_bytes(hour * 16 + what, span_of(p->seed, sizeof(p->seed))) % range;
}

static void set_memory(const struct persona_identity *p, int64_t now_ms, struct hardware *h)
{
    h->mem_size = (uint64_t)p->memory_mib * 1024;
    h->mem_total = h->mem_size - p->memory_reserved_kib;
    uint64_t used = p->memory_used_kib + 4 * drift(p, now_ms, 0, 1500);
    h->mem_available = h->mem_total - used;
    h->mem_buffers = p->memory_buffers_kib + 4 * drift(p, now_ms, 1, 300);
    h->mem_cached = p->memory_cached_kib + 4 * drift(p, now_ms, 2, 2000);
    if (h->mem_cached > h->mem_available * 6 / 10)
        h->mem_cached = h->mem_available * 6 / 10 / 4 * 4;
    h->mem_sreclaimable = h->mem_cached / 16 / 4 * 4;
    h->mem_slab = h->mem_sreclaimable + 28904;
    /* Not all that is cached can be had: the low watermarks stay. */
    uint64_t reclaimable = h->mem_buffers + h->mem_cached + h->mem_sreclaimable;
    h->mem_free = (h->mem_available - reclaimable * 84 / 100) / 4 * 4;
}

/* A device as it was sold, with 64 to 256 MiB; what it does changes little. */
static void small_of(const struct persona_identity *p, int64_t now_ms, struct hardware *h)
{
    uint64_t size = UINT64_C(65536) << p->seed[0] % 3;
    uint64_t more = 4 * drift(p, now_ms, 0, 200) + 4 * (uint64_t)p->seed[1];
    h->mem_total = h->mem_total - h->mem_size + size;
    h->mem_free = h->mem_free - h->mem_size + size - more;
    h->mem_available = h->mem_available - h->mem_size + size - more;
    h->mem_size = size;
    h->disk_free -= p->seed[2] % 64;
    h->disk_available = h->disk_free;
    for (size_t i = 0; i < PERSONA_LOADS; i++)
        h->load_hundredths[i] = p->load_hundredths[i];
}

void hardware_of(const struct kind *kind, const struct persona_identity *p, int64_t now_ms,
                 struct hardware *h)
{
    const struct persona_disk disk = persona_disk_of(p->disk_gib);
    *h = *kind->hardware;
    h->kind = kind;
    h->boot_id_z = p->boot_id_z;
    if (kind->is_small) {
        small_of(p, now_ms, h);
        return;
    }
    h->root_uuid_z = p->root_uuid_z;
    h->cpus = p->cpus;
    h->threads += (uint32_t)service_table_of(h)->count - (uint32_t)services_of_server.count;
    h->cpu_vendor_z = p->cpu->vendor_z;
    h->cpu_name_z = p->cpu->name_z;
    h->cpu_mhz_z = p->cpu_mhz_z;
    h->bogomips_z = p->bogomips_z;
    h->cpu_flags_z = p->cpu->flags_z;
    h->cpu_bugs_z = p->cpu->bugs_z;
    h->cpu_family = p->cpu->family;
    h->cpu_model = p->cpu->model;
    h->cpu_stepping = p->cpu->stepping;
    h->cache_kib = p->cpu->cache_kib;
    h->cpu_microcode_z = p->cpu->microcode_z;
    set_memory(p, now_ms, h);
    for (size_t i = 0; i < PERSONA_LOADS; i++)
        h->load_hundredths[i] = p->load_hundredths[i];
    /* Logs grow: a few pages an hour. */
    int64_t hours = (now_ms - p->boot_ms) / HOUR_MS;
    h->disk_blocks = disk.blocks;
    h->disk_free = disk.blocks - p->disk_used_kib / 4 - (uint64_t)(hours > 0 ? hours * 3 : 0);
    h->disk_available = h->disk_free - disk.reserved;
    h->disk_inodes = disk.inodes;
    h->disk_inodes_free = disk.inodes - USED_INODES;
    h->volume = (struct persona_volume){.gib = p->disk_gib,
                                        .disk_id = p->disk_id,
                                        .uuid_z = p->root_uuid_z,
                                        .hash_seed_z = p->hash_seed_z,
                                        .made_s = p->installed_ms / 1000,
                                        .mounted_s = p->boot_ms / 1000 + 1,
                                        .used_blocks = p->disk_used_kib / 4,
                                        .used_inodes = USED_INODES};
    /* An eighth of memory may be locked, and a thread takes 128 KiB of it (fork.c). */
    h->max_locked = (h->mem_total - 28) / 8 * 1024;
    h->threads_max = (h->mem_total - HARDWARE_BOOT_KIB) / 128;
    h->max_processes = h->threads_max / 2;
}
