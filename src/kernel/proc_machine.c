/* The texts of /proc that speak of the machine. */
#include "kernel/hardware.h"
#include "kernel/inotify.h"
#include "kernel/kind.h"
#include "kernel/machine.h"
#include "kernel/namespace.h"
#include "kernel/procfs.h"

#include <stdio.h>
#include <string.h>

static const int64_t SECOND_NS = 1000000000;

static const struct hardware *hw(const struct proc_call *c)
{
    return c->vfs->hardware;
}

static int line(const struct proc_call *c, const char *text_z)
{
    return buffer_printf(c->out, "%s\n", text_z);
}

int proc_cmdline(const struct proc_call *c)
{
    return buffer_printf(c->out, "%s%s%s\n", hw(c)->cmdline_before_z, hw(c)->root_uuid_z,
                         hw(c)->cmdline_behind_z);
}

int proc_pid_max(const struct proc_call *c)
{
    return buffer_printf(c->out, "%d\n", hw(c)->pid_max);
}

int proc_version(const struct proc_call *c)
{
    return line(c, hw(c)->proc_version_z);
}

static int one_cpu(const struct proc_call *c, uint32_t number)
{
    const struct hardware *h = hw(c);
    return buffer_printf(
        c->out,
        "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\n"
        "stepping\t: %u\nmicrocode\t: %s\ncpu MHz\t\t: %s\ncache size\t: %u KB\n"
        "physical id\t: %u\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\napicid\t\t: %u\n"
        "initial apicid\t: %u\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 13\n"
        "wp\t\t: yes\nflags\t\t: %s\nbugs\t\t: %s\nbogomips\t: %s\nTLB size\t: 1024 4K pages\n"
        "clflush size\t: 64\ncache_alignment\t: 64\n"
        "address sizes\t: 40 bits physical, 48 bits virtual\npower management:\n\n",
        number, h->cpu_vendor_z, h->cpu_family, h->cpu_model, h->cpu_name_z, h->cpu_stepping,
        h->cpu_microcode_z, h->cpu_mhz_z, h->cache_kib, number, number, number, h->cpu_flags_z,
        h->cpu_bugs_z, h->bogomips_z);
}

int proc_cpuinfo(const struct proc_call *c)
{
    int error = 0;
    if (hw(c)->kind->cpuinfo_z != NULL)
        return buffer_put_z(c->out, hw(c)->kind->cpuinfo_z);
    for (uint32_t i = 0; i < hw(c)->cpus && error == 0; i++)
        error = one_cpu(c, i);
    return error;
}

int proc_meminfo(const struct proc_call *c)
{
    const struct hardware *h = hw(c);
    const uint64_t anonymous = 108268, mapped = 71836, active_anonymous = 1968;
    const uint64_t files = h->mem_buffers + h->mem_cached - h->mem_shared;
    const uint64_t active_files = files * 47 / 100 / 4 * 4, by_4k = 81780;
    const uint64_t by_2m = (h->mem_size - by_4k) / 2048 * 2048;
    const uint64_t inactive_anonymous = anonymous + h->mem_shared - active_anonymous - 452;
    const struct {
        const char *name_z;
        uint64_t kib;
    } rows[] = {
        {"MemTotal", h->mem_total},
        {"MemFree", h->mem_free},
        {"MemAvailable", h->mem_available},
        {"Buffers", h->mem_buffers},
        {"Cached", h->mem_cached},
        {"SwapCached", 0},
        {"Active", active_anonymous + active_files},
        {"Inactive", inactive_anonymous + files - active_files},
        {"Active(anon)", active_anonymous},
        {"Inactive(anon)", inactive_anonymous},
        {"Active(file)", active_files},
        {"Inactive(file)", files - active_files},
        {"Unevictable", 0},
        {"Mlocked", 0},
        {"SwapTotal", 0},
        {"SwapFree", 0},
        {"Zswap", 0},
        {"Zswapped", 0},
        {"Dirty", 84},
        {"Writeback", 0},
        {"AnonPages", anonymous},
        {"Mapped", mapped},
        {"Shmem", h->mem_shared},
        {"KReclaimable", h->mem_sreclaimable},
        {"Slab", h->mem_slab},
        {"SReclaimable", h->mem_sreclaimable},
        {"SUnreclaim", h->mem_slab - h->mem_sreclaimable},
        {"KernelStack", 1840},
        {"PageTables", 2604},
        {"SecPageTables", 0},
        {"NFS_Unstable", 0},
        {"Bounce", 0},
        {"WritebackTmp", 0},
        {"CommitLimit", h->mem_total / 8 * 4},
        {"Committed_AS", 328716},
        {"VmallocTotal", 34359738367},
        {"VmallocUsed", 17284},
        {"VmallocChunk", 0},
        {"Percpu", 808},
        {"HardwareCorrupted", 0}, /* its number is narrower: the label is long */
        {"AnonHugePages", 4096},
        {"ShmemHugePages", 0},
        {"ShmemPmdMapped", 0},
        {"FileHugePages", 0},
        {"FilePmdMapped", 0},
    };
    int error = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows) && error == 0; i++) {
        char label[24];
        (void)snprintf(label, sizeof(label), "%s:", rows[i].name_z);
        int width = strlen(label) > 16 ? 5 : 8;
        error = buffer_printf(c->out, "%-15s %*llu kB\n", label, width,
                              (unsigned long long)rows[i].kib);
    }
    if (error != 0)
        return error;
    return buffer_printf(c->out,
                         "HugePages_Total:       0\nHugePages_Free:        0\n"
                         "HugePages_Rsvd:        0\nHugePages_Surp:        0\n"
                         "Hugepagesize:       2048 kB\nHugetlb:               0 kB\n"
                         "DirectMap4k:    %8llu kB\nDirectMap2M:    %8llu kB\n"
                         "DirectMap1G:           0 kB\n",
                         (unsigned long long)by_4k, (unsigned long long)by_2m);
}

static int64_t uptime_ns(const struct proc_call *c)
{
    int64_t up = vfs_now(c->vfs) - c->vfs->boot_ns;
    return up > 0 ? up : 0;
}

int proc_uptime(const struct proc_call *c)
{
    int64_t up = uptime_ns(c) / (SECOND_NS / 100);
    int64_t idle = up * hw(c)->cpus / 100 * hw(c)->idle_percent;
    return buffer_printf(c->out, "%lld.%02lld %lld.%02lld\n", (long long)(up / 100),
                         (long long)(up % 100), (long long)(idle / 100), (long long)(idle % 100));
}

int proc_loadavg(const struct proc_call *c)
{
    unsigned running = 0;
    int32_t last = 0;
    unsigned count = proc_view_count(c->vfs, &running, &last);
    const uint32_t *load = hw(c)->load_hundredths;
    return buffer_printf(c->out, "%u.%02u %u.%02u %u.%02u %u/%u %d\n", load[0] / 100, load[0] % 100,
                         load[1] / 100, load[1] % 100, load[2] / 100, load[2] % 100,
                         running > 0 ? running : 1, count + 6, last);
}

/* CPU time in ticks since boot, shared out as on an idle machine. */
static int cpu_line(const struct proc_call *c, const char *name_z, uint64_t ticks)
{
    uint64_t idle = ticks / 100 * hw(c)->idle_percent, busy = ticks - idle;
    return buffer_printf(c->out, "%s %llu 0 %llu %llu %llu 0 %llu 0 0 0\n", name_z,
                         (unsigned long long)(busy * 33 / 100),
                         (unsigned long long)(busy * 58 / 100), (unsigned long long)idle,
                         (unsigned long long)(busy * 1 / 100),
                         (unsigned long long)(busy * 8 / 100));
}

/* Soft interrupts since boot, of all processors, in the order of /proc/softirqs. */
enum { SOFTIRQS = 10 };

static uint64_t softirqs_of(const struct proc_call *c, uint64_t counts[SOFTIRQS])
{
    uint64_t ticks = (uint64_t)(uptime_ns(c) / (SECOND_NS / 100)), sum = 0;
    const uint64_t all[SOFTIRQS] = {0, ticks / 20, 1, ticks / 2000 + 226, ticks / 900 + 125, 0,
                                    1, ticks / 30, 0, ticks / 10};
    for (size_t i = 0; i < SOFTIRQS; i++) {
        counts[i] = all[i];
        sum += all[i];
    }
    return sum;
}

int proc_softirqs(const struct proc_call *c)
{
    static const char *const names[SOFTIRQS] = {"HI",       "TIMER",   "NET_TX", "NET_RX",  "BLOCK",
                                                "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU"};
    const uint32_t cpus = hw(c)->cpus;
    uint64_t counts[SOFTIRQS];
    (void)softirqs_of(c, counts);
    int error = buffer_put_z(c->out, "                    ");
    for (uint32_t cpu = 0; cpu < cpus && error == 0; cpu++)
        error = buffer_printf(c->out, "CPU%-8u", cpu);
    for (size_t i = 0; i < SOFTIRQS && error == 0; i++) {
        error = buffer_printf(c->out, "\n%12s:", names[i]);
        for (uint32_t cpu = 0; cpu < cpus && error == 0; cpu++) {
            uint64_t share = counts[i] / cpus + (cpu < counts[i] % cpus ? 1 : 0);
            error = buffer_printf(c->out, " %10llu", (unsigned long long)share);
        }
    }
    return error == 0 ? buffer_put_z(c->out, "\n") : error;
}

int proc_stat(const struct proc_call *c)
{
    uint64_t soft[SOFTIRQS], soft_sum = softirqs_of(c, soft);
    uint64_t ticks = (uint64_t)(uptime_ns(c) / (SECOND_NS / 100));
    unsigned running = 0;
    int32_t last = 0;
    char name[16];
    proc_view_count(c->vfs, &running, &last);
    int error = cpu_line(c, "cpu ", ticks * hw(c)->cpus);
    for (uint32_t i = 0; i < hw(c)->cpus && error == 0; i++) {
        (void)snprintf(name, sizeof(name), "cpu%u", i);
        error = cpu_line(c, name, ticks);
    }
    if (error != 0)
        return error;
    error = buffer_printf(
        c->out,
        "intr %llu 211 9 0 0 0 0 2 0 1 0 0 0 144 0 0 302\nctxt %llu\nbtime %lld\nprocesses %d\n"
        "procs_running %u\nprocs_blocked 0\nsoftirq %llu",
        (unsigned long long)(ticks / 3), (unsigned long long)(ticks / 2),
        (long long)(c->vfs->boot_ns / SECOND_NS), last, running > 0 ? running : 1,
        (unsigned long long)soft_sum);
    for (size_t i = 0; i < SOFTIRQS && error == 0; i++)
        error = buffer_printf(c->out, " %llu", (unsigned long long)soft[i]);
    return error == 0 ? buffer_put_z(c->out, "\n") : error;
}

/* ---- sys ---- */

static const char *own_name(const struct proc_call *c,
                            char *(*name)(struct kernel *k, struct task *t))
{
    return name(c->kernel, c->reader);
}

int proc_hostname(const struct proc_call *c)
{
    return line(c, c->kernel != NULL ? own_name(c, namespace_hostname) : "localhost");
}

int proc_domainname(const struct proc_call *c)
{
    return line(c, c->kernel != NULL ? own_name(c, namespace_domainname) : "(none)");
}

int proc_osrelease(const struct proc_call *c)
{
    return line(c, hw(c)->release_z);
}

int proc_ostype(const struct proc_call *c)
{
    return line(c, hw(c)->sysname_z);
}

int proc_kernel_version(const struct proc_call *c)
{
    return line(c, hw(c)->version_z);
}

int proc_boot_id(const struct proc_call *c)
{
    return line(c, hw(c)->boot_id_z);
}

int proc_uuid(const struct proc_call *c)
{
    uint8_t b[16];
    c->vfs->hooks.random(c->vfs->hooks.ctx, b, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4, variant 1 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    return buffer_printf(c->out,
                         "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n",
                         b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
                         b[12], b[13], b[14], b[15]);
}

#define CONSTANT(name, text)                   \
    int proc_##name(const struct proc_call *c) \
    {                                          \
        return line(c, text);                  \
    }

CONSTANT(cap_last_cap, "40")
CONSTANT(entropy, "256")
CONSTANT(file_max, "9223372036854775807")
CONSTANT(nr_open, "1048576")
CONSTANT(ngroups_max, "65536")
CONSTANT(overflow_id, "65534")
CONSTANT(two, "2")
CONSTANT(zero, "0")

int proc_threads_max(const struct proc_call *c)
{
    return buffer_printf(c->out, "%llu\n", (unsigned long long)hw(c)->threads_max);
}

int proc_inotify_events(const struct proc_call *c)
{
    return buffer_printf(c->out, "%d\n", INOTIFY_EVENTS_MAX);
}

int proc_inotify_instances(const struct proc_call *c)
{
    return buffer_printf(c->out, "%d\n", INOTIFY_INSTANCES_MAX);
}

int proc_inotify_watches(const struct proc_call *c)
{
    return buffer_printf(c->out, "%d\n", INOTIFY_WATCHES_MAX);
}

CONSTANT(somaxconn, "4096")
CONSTANT(port_range, "32768\t60999")
CONSTANT(max_map_count, "65530")
CONSTANT(mmap_min_addr, "65536")
CONSTANT(swappiness, "60")
