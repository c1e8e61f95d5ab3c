#include "persona/boot_log.h"

#include "persona/date.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    uint8_t level;
    uint32_t time_us;
    const char *text_z;
} lines[] = {
#define BOOT(level, time_us, text) {level, time_us, text},
#include "persona/boot_log.def"
#undef BOOT
};

/* Where QEMU's machine has its memory: below the hole of PCI, and above 4 GiB. */
enum { PAGE_SHIFT = 12, LOW_USABLE_KIB = 632, FIRMWARE_BYTES = 0x25000 };
static const uint64_t LOW_MOST = UINT64_C(3) << 30, HIGH_FIRST = UINT64_C(4) << 30, MIB = 1 << 20;

static uint64_t hole(const struct persona_boot *b)
{
    uint64_t size = b->memory_kib * 1024;
    return size < LOW_MOST ? size : LOW_MOST;
}

static uint64_t low_end(const struct persona_boot *b)
{
    return hole(b) - FIRMWARE_BYTES;
}

/* Behind the last byte; 0: nothing is above. */
static uint64_t high_end(const struct persona_boot *b)
{
    uint64_t size = b->memory_kib * 1024;
    return size > LOW_MOST ? HIGH_FIRST + size - LOW_MOST : 0;
}

static uint64_t ram_end(const struct persona_boot *b)
{
    return high_end(b) != 0 ? high_end(b) : low_end(b);
}

static uint64_t present_kib(const struct persona_boot *b)
{
    uint64_t high = high_end(b) != 0 ? high_end(b) - HIGH_FIRST : 0;
    return LOW_USABLE_KIB + (low_end(b) - MIB + high) / 1024;
}

static uint64_t max_order(const struct persona_boot *b)
{
    uint64_t order = 0;
    while ((b->memory_kib >> 2) >> (order + 1) != 0)
        order++;
    return order + ((b->memory_kib >> 2) > UINT64_C(1) << order);
}

struct value {
    const char *name_z;
    int (*put)(const struct persona_boot *b, struct buffer *out);
};

#define TEXT(name)                                                          \
    static int put_##name(const struct persona_boot *b, struct buffer *out) \
    {                                                                       \
        return buffer_put(out, b->name);                                    \
    }
#define NUMBER(name, format, value)                                         \
    static int put_##name(const struct persona_boot *b, struct buffer *out) \
    {                                                                       \
        return buffer_printf(out, format, (unsigned long long)(value));     \
    }

TEXT(version)
TEXT(cmdline)
TEXT(hostname)
TEXT(cpu)
TEXT(cpu_mhz)
TEXT(bogomips)
NUMBER(cpus, "%llu", b->cpus)
NUMBER(family, "%llx", b->family)
NUMBER(model, "%llx", b->model)
NUMBER(stepping, "%llx", b->stepping)
NUMBER(low_last, "%016llx", low_end(b) - 1)
NUMBER(low_end, "%016llx", low_end(b))
NUMBER(low_acpi, "%016llX", low_end(b) + 0x60C)
NUMBER(hole_last, "%016llx", hole(b) - 1)
NUMBER(high_last, "%016llx", high_end(b) - 1)
NUMBER(ram_last, "%016llx", ram_end(b) - 1)
NUMBER(dma32_last, "%016llx", high_end(b) != 0 ? HIGH_FIRST - 1 : low_end(b) - 1)
NUMBER(last_pfn, "%llx", ram_end(b) >> PAGE_SHIFT)
NUMBER(node_first, "%llx", ram_end(b) - 0x2b000)
NUMBER(node_last, "%llx", ram_end(b) - 1)
NUMBER(pages, "%llu", present_kib(b) / 4 - present_kib(b) / 256)
NUMBER(available, "%llu", b->available_kib)
NUMBER(present, "%llu", present_kib(b))
NUMBER(reserved, "%llu", present_kib(b) - b->available_kib)
NUMBER(max_order, "%llu", max_order(b))
NUMBER(sectors, "%llu", (uint64_t)b->disk_gib << 21)
NUMBER(audit_s, "%llu", (uint64_t)b->boot_s)
NUMBER(rtc_s, "%llu", (uint64_t)b->boot_s)

/* Tenths of a unit as string_get_size() has them: three digits. */
static int put_size(struct buffer *out, uint64_t tenths)
{
    return tenths >= 1000 ? buffer_printf(out, "%llu", (unsigned long long)(tenths / 10))
                          : buffer_printf(out, "%llu.%llu", (unsigned long long)(tenths / 10),
                                          (unsigned long long)(tenths % 10));
}

static int put_disk_gb(const struct persona_boot *b, struct buffer *out)
{
    return put_size(out, ((uint64_t)b->disk_gib << 30) / 100000000);
}

static int put_disk_gib(const struct persona_boot *b, struct buffer *out)
{
    return put_size(out, (uint64_t)b->disk_gib * 10);
}

/* bogomips is "4890.80": as many loops a jiffy of 4 ms make it. */
static int put_lpj(const struct persona_boot *b, struct buffer *out)
{
    char text_z[16];
    span_copy_z(b->bogomips, text_z, sizeof(text_z));
    return buffer_printf(out, "%llu", (unsigned long long)(strtod(text_z, NULL) * 2000 + 0.5));
}

static int put_total(const struct persona_boot *b, struct buffer *out)
{
    char text_z[16];
    span_copy_z(b->bogomips, text_z, sizeof(text_z));
    return buffer_printf(out, "%.2f", strtod(text_z, NULL) * b->cpus);
}

static int put_cpu_list(const struct persona_boot *b, struct buffer *out)
{
    int rc = 0;
    for (uint32_t i = 1; i < b->cpus && rc == 0; i++)
        rc = buffer_printf(out, " #%u", i);
    return rc;
}

/* All processors' parts fill 2 MiB. */
static int put_percpu_unit(const struct persona_boot *b, struct buffer *out)
{
    return buffer_printf(out, "%u", (2U << 20) / b->cpus);
}

static int put_plural(const struct persona_boot *b, struct buffer *out)
{
    return b->cpus != 1 ? buffer_put_u8(out, 's') : 0;
}

static int put_policy_zone(const struct persona_boot *b, struct buffer *out)
{
    return buffer_put_z(out, high_end(b) != 0 ? "Normal" : "DMA32");
}

static int put_rtc(const struct persona_boot *b, struct buffer *out)
{
    struct persona_date d = persona_date_of(b->boot_s);
    return buffer_printf(out, "%04lld-%02u-%02uT%02u:%02u:%02u", (long long)d.year, d.month, d.day,
                         d.hour, d.minute, d.second);
}

static const struct value values[] = {
    {"audit_s", put_audit_s},
    {"available", put_available},
    {"bogomips", put_bogomips},
    {"cmdline", put_cmdline},
    {"cpu", put_cpu},
    {"cpu_list", put_cpu_list},
    {"cpus", put_cpus},
    {"disk_gb", put_disk_gb},
    {"disk_gib", put_disk_gib},
    {"dma32_last", put_dma32_last},
    {"family", put_family},
    {"high_last", put_high_last},
    {"hole_last", put_hole_last},
    {"host", put_hostname},
    {"last_pfn", put_last_pfn},
    {"low_acpi", put_low_acpi},
    {"low_end", put_low_end},
    {"low_last", put_low_last},
    {"lpj", put_lpj},
    {"max_order", put_max_order},
    {"mhz", put_cpu_mhz},
    {"model", put_model},
    {"node_first", put_node_first},
    {"node_last", put_node_last},
    {"pages", put_pages},
    {"percpu_unit", put_percpu_unit},
    {"policy_zone", put_policy_zone},
    {"present", put_present},
    {"ram_last", put_ram_last},
    {"reserved", put_reserved},
    {"rtc", put_rtc},
    {"rtc_s", put_rtc_s},
    {"s", put_plural},
    {"sectors", put_sectors},
    {"stepping", put_stepping},
    {"total_bogomips", put_total},
    {"version", put_version},
};

static int put_value(const struct persona_boot *b, struct span name, struct buffer *out)
{
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        if (span_equal_z(name, values[i].name_z))
            return values[i].put(b, out);
    return 0;
}

/* "{?what}": the message is for machines that are so. */
static bool is_so(const struct persona_boot *b, struct span what)
{
    if (span_equal_z(what, "high"))
        return high_end(b) != 0;
    if (span_equal_z(what, "low"))
        return high_end(b) == 0;
    if (span_equal_z(what, "amd"))
        return b->is_amd;
    if (span_equal_z(what, "meltdown"))
        return strstr(b->cpu_bugs_z, "cpu_meltdown") != NULL;
    return b->cpus > 1; /* smp */
}

/* A machine is a little slower than another, in all that it does. */
static uint64_t time_of(const struct persona_boot *b, uint64_t time_us)
{
    uint64_t scaled = time_us * (9200 + b->number % 1600) / 10000;
    return time_us < 10 ? time_us : scaled;
}

size_t persona_boot_lines(void)
{
    return ARRAY_LEN(lines);
}

int persona_boot_line(const struct persona_boot *b, size_t n, struct persona_boot_line *line,
                      struct buffer *text)
{
    struct span rest = span_z(lines[n].text_z);
    int rc = 0;
    *line = (struct persona_boot_line){lines[n].level, time_of(b, lines[n].time_us)};
    while (rest.len > 0 && rc == 0) {
        ptrdiff_t open = span_find(rest, '{', 0);
        if (open < 0)
            break;
        ptrdiff_t close = span_find(rest, '}', (size_t)open);
        struct span name = span_slice(rest, (size_t)open + 1, (size_t)close);
        if (name.data[0] == '?' && !is_so(b, span_slice(name, 1, name.len)))
            return 0;
        rc = buffer_put(text, span_slice(rest, 0, (size_t)open));
        if (rc == 0 && name.data[0] != '?')
            rc = put_value(b, name, text);
        rest = span_slice(rest, (size_t)close + 1, rest.len);
    }
    if (rc == 0)
        rc = buffer_put(text, rest);
    return rc < 0 ? rc : 1;
}
