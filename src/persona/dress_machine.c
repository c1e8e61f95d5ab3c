/* What the kernel shows of the hardware: as many processors as were sold, and the disk. */
#include "persona/dress_machine.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

enum {
    TEXT_MAX = 8192,
    CPUS_OF_IMAGE = 2,
    DEPTH_MAX = 4, /* of a processor's folder */
};

void dress_path(char path_z[DRESS_PATH_BYTES], const char *format_z, ...)
{
    va_list args;
    va_start(args, format_z);
    (void)vsnprintf(path_z, DRESS_PATH_BYTES, format_z, args);
    va_end(args);
}

void dress_put(struct dress_machine *m, const char *path_z, uint32_t mode, struct span data)
{
    const struct persona_new new = {.mode = mode, .mtime_s = m->boot_s, .data = data};
    int rc = persona_image_put(m->image, span_z(path_z), &new);
    if (rc != ERR_MALFORMED && m->error == 0)
        m->error = rc;
}

void dress_put_dir(struct dress_machine *m, const char *path_z)
{
    dress_put(m, path_z, 040755, span_of(NULL, 0));
}

void dress_put_link(struct dress_machine *m, const char *path_z, const char *target_z)
{
    dress_put(m, path_z, 0120777, span_z(target_z));
}

/* A text that is there gets other contents. */
static void set(struct dress_machine *m, const char *path_z, const char *text_z)
{
    if (persona_image_lookup(m->image, span_z(path_z)) != 0)
        dress_put(m, path_z, 0, span_z(text_z));
}

/* ---- Processors ---- */

/* The mask of processor `cpu` and its number are what its folder's files hold, or what all hold. */
static const char *text_of_cpu(struct span name, uint32_t cpu, char text_z[16])
{
    static const char *const masks[] = {"thread_siblings", "core_siblings", "core_cpus",
                                        "die_cpus",        "package_cpus",  "shared_cpu_map"};
    static const char *const numbers[] = {
        "thread_siblings_list", "core_siblings_list", "core_cpus_list",      "die_cpus_list",
        "package_cpus_list",    "shared_cpu_list",    "physical_package_id", "id"};
    for (size_t i = 0; i < ARRAY_LEN(masks); i++)
        if (span_equal_z(name, masks[i])) {
            (void)snprintf(text_z, 16, "%x\n", 1U << cpu);
            return text_z;
        }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (span_equal_z(name, numbers[i])) {
            (void)snprintf(text_z, 16, "%u\n", cpu);
            return text_z;
        }
    return NULL;
}

/* Another processor's folder, as that of the one whose folder is `ino`. */
static void copy_cpu(struct dress_machine *m, uint32_t ino, uint32_t cpu, const char *path_z,
                     unsigned depth)
{
    struct span name;
    struct persona_node node;
    dress_put_dir(m, path_z);
    for (uint32_t i = 0, child; (child = persona_image_entry(m->image, ino, i, &name)) != 0; i++) {
        char below_z[DRESS_PATH_BYTES], text_z[16];
        const char *own_z = text_of_cpu(name, cpu, text_z);
        dress_path(below_z, "%s/%.*s", path_z, (int)name.len, (const char *)name.data);
        if (!persona_image_node(m->image, child, &node))
            continue;
        if ((node.mode & 0170000) == 040000 && depth < DEPTH_MAX)
            copy_cpu(m, child, cpu, below_z, depth + 1);
        else if ((node.mode & 0170000) == 0100000)
            dress_put(m, below_z, node.mode, own_z != NULL ? span_z(own_z) : node.data);
    }
}

static void dress_cpu_folders(struct dress_machine *m)
{
    char path_z[DRESS_PATH_BYTES];
    const uint32_t cpus = m->identity->cpus;
    uint32_t first = persona_image_lookup(m->image, span_z("/sys/devices/system/cpu/cpu1"));
    for (uint32_t cpu = CPUS_OF_IMAGE; cpu < cpus && first != 0; cpu++) {
        dress_path(path_z, "/sys/devices/system/cpu/cpu%u", cpu);
        copy_cpu(m, first, cpu, path_z, 0);
    }
    for (uint32_t cpu = cpus; cpu < CPUS_OF_IMAGE && first != 0; cpu++) {
        dress_path(path_z, "/sys/devices/system/cpu/cpu%u", cpu);
        int rc = persona_image_drop(m->image, span_z(path_z));
        if (rc != ERR_MALFORMED && m->error == 0)
            m->error = rc;
    }
}

/* ---- /proc/interrupts: a column for each processor, and a row for each one's queue of the disk ---- */

struct interrupts_row {
    struct span name, text; /* before the counts, with the colon; behind them, with the end */
    uint64_t counts[CPUS_OF_IMAGE];
    unsigned found; /* counts; of the whole machine: one */
};

static bool is_digit(struct span line, size_t at)
{
    return at < line.len && line.data[at] >= '0' && line.data[at] <= '9';
}

static struct interrupts_row row_of(struct span line)
{
    struct interrupts_row row = {0};
    ptrdiff_t colon = span_find(line, ':', 0);
    size_t at = colon < 0 ? line.len : (size_t)colon + 1;
    row.name = span_slice(line, 0, at);
    for (; row.found < CPUS_OF_IMAGE; row.found++) {
        size_t from = at;
        while (from < line.len && line.data[from] == ' ')
            from++;
        if (!is_digit(line, from))
            break;
        for (; is_digit(line, from); from++)
            row.counts[row.found] = row.counts[row.found] * 10 + (uint64_t)(line.data[from] - '0');
        at = from;
    }
    row.text = span_slice(line, at, line.len);
    return row;
}

enum { ANY_CPU = UINT32_MAX };

/* A device's are handled by the first two processors, a queue's by `its_cpu`. */
static uint64_t count_of(const struct dress_machine *m, const struct interrupts_row *row,
                         uint32_t cpu, uint32_t its_cpu)
{
    if (its_cpu != ANY_CPU)
        return cpu == its_cpu ? row->counts[0] + row->counts[1] : 0;
    if (m->identity->cpus == 1)
        return row->counts[0] + row->counts[1];
    bool is_device = is_digit(row->name, 2);
    return is_device && cpu >= CPUS_OF_IMAGE ? 0 : row->counts[cpu % CPUS_OF_IMAGE];
}

static int put_counts(const struct dress_machine *m, const struct interrupts_row *row,
                      uint32_t its_cpu, struct buffer *out)
{
    const uint32_t columns = row->found == CPUS_OF_IMAGE ? m->identity->cpus : row->found;
    int rc = 0;
    for (uint32_t cpu = 0; cpu < columns && rc == 0; cpu++)
        rc = buffer_printf(
            out, " %10llu",
            (unsigned long long)(row->found > 1 ? count_of(m, row, cpu, its_cpu) : row->counts[0]));
    return rc;
}

/* The queues of the second processor and of those behind it. */
static int put_queues(const struct dress_machine *m, const struct interrupts_row *row,
                      unsigned number, struct buffer *out)
{
    enum { VECTOR = 65537 };
    int rc = 0;
    for (uint32_t queue = 1; queue < m->identity->cpus && rc == 0; queue++) {
        rc = buffer_printf(out, "%3u:", number + queue - 1);
        if (rc == 0)
            rc = put_counts(m, row, queue, out);
        if (rc == 0)
            rc = buffer_printf(out, "   PCI-MSI %u-edge      virtio1-req.%u\n", VECTOR + queue,
                               queue);
    }
    return rc;
}

/* `*later` is by how much the numbers behind the queues have moved. */
static int put_row(const struct dress_machine *m, struct span line, uint32_t *later,
                   struct buffer *out)
{
    static const struct span QUEUE = SPAN_LIT("virtio1-req.1\n");
    const struct interrupts_row row = row_of(line);
    unsigned number = 0;
    bool is_numbered = is_digit(row.name, 2);
    for (size_t i = 0; i < row.name.len; i++)
        number = is_digit(row.name, i) ? number * 10 + (unsigned)(row.name.data[i] - '0') : number;
    if (row.text.len >= QUEUE.len &&
        span_equal(span_slice(row.text, row.text.len - QUEUE.len, row.text.len), QUEUE)) {
        *later = m->identity->cpus - CPUS_OF_IMAGE; /* may be one less: it goes round */
        return put_queues(m, &row, number, out);
    }
    int rc = is_numbered ? buffer_printf(out, "%3u:", number + *later) : buffer_put(out, row.name);
    if (rc == 0)
        rc = put_counts(m, &row, ANY_CPU, out);
    return rc == 0 ? buffer_put(out, row.text) : rc;
}

static int put_interrupts(const struct dress_machine *m, struct span text, struct buffer *out)
{
    uint32_t later = 0;
    int rc = buffer_put_z(out, "           ");
    for (uint32_t cpu = 0; cpu < m->identity->cpus && rc == 0; cpu++)
        rc = buffer_printf(out, "CPU%-8u", cpu);
    if (rc == 0)
        rc = buffer_put_u8(out, '\n');
    for (bool is_head = true; text.len > 0 && rc == 0; is_head = false) {
        ptrdiff_t end = span_find(text, '\n', 0);
        struct span line = span_slice(text, 0, end < 0 ? text.len : (size_t)end + 1);
        text = span_slice(text, line.len, text.len);
        rc = is_head ? 0 : put_row(m, line, &later, out);
    }
    return rc;
}

static void dress_interrupts(struct dress_machine *m)
{
    static const char path_z[] = "/proc/interrupts";
    struct buffer old, new;
    buffer_init(&old, TEXT_MAX);
    buffer_init(&new, TEXT_MAX);
    if (persona_read_file(m->image, span_z(path_z), &old) == 0) {
        int rc = put_interrupts(m, buffer_span(&old), &new);
        dress_put(m, path_z, 0, buffer_span(&new));
        m->error = m->error != 0 ? m->error : rc;
    }
    buffer_fini(&old);
    buffer_fini(&new);
}

static void dress_cpus(struct dress_machine *m)
{
    static const char *const lists[] = {
        "/sys/devices/system/cpu/possible", "/sys/devices/system/cpu/present",
        "/sys/devices/system/cpu/online", "/sys/devices/system/node/node0/cpulist",
        "/proc/sys/kernel/watchdog_cpumask"};
    char text_z[16];
    const uint32_t cpus = m->identity->cpus;
    if (cpus == CPUS_OF_IMAGE)
        return;
    (void)snprintf(text_z, sizeof(text_z), cpus > 1 ? "0-%u\n" : "%u\n", cpus - 1);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        set(m, lists[i], text_z);
    (void)snprintf(text_z, sizeof(text_z), "%x\n", (1U << cpus) - 1);
    set(m, "/sys/devices/system/node/node0/cpumap", text_z);
    dress_cpu_folders(m);
    dress_interrupts(m);
}

/* ---- The disk ---- */

/* What the image's own texts leave out. */
static void dress_block_devices(struct dress_machine *m)
{
    static const struct {
        const char *folder_z, *class_z, *uevent_z, *sequence_z;
    } devices[] = {
        {"/sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda", "../../../../../../class/block",
         "MAJOR=254\nMINOR=0\nDEVNAME=vda\nDEVTYPE=disk\nDISKSEQ=10\n", "10\n"},
        {"/sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda/vda1",
         "../../../../../../../class/block",
         "MAJOR=254\nMINOR=1\nDEVNAME=vda1\nDEVTYPE=partition\nDISKSEQ=10\nPARTN=1\n", NULL},
        {"/sys/devices/pci0000:00/0000:00:01.1/ata2/host1/target1:0:0/1:0:0:0/block/sr0",
         "../../../../../../../../../class/block",
         "MAJOR=11\nMINOR=0\nDEVNAME=sr0\nDEVTYPE=disk\nDISKSEQ=12\n", "12\n"},
        {"/sys/devices/platform/floppy.0/block/fd0", "../../../../../class/block",
         "MAJOR=2\nMINOR=0\nDEVNAME=fd0\nDEVTYPE=disk\nDISKSEQ=1\n", "1\n"},
    };
    static const char *const folders[] = {"holders", "slaves"};
    char path_z[DRESS_PATH_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
        dress_path(path_z, "%s/subsystem", devices[i].folder_z);
        dress_put_link(m, path_z, devices[i].class_z);
        dress_path(path_z, "%s/uevent", devices[i].folder_z);
        set(m, path_z, devices[i].uevent_z);
        for (size_t k = 0; k < (devices[i].sequence_z != NULL ? ARRAY_LEN(folders) : 1); k++) {
            dress_path(path_z, "%s/%s", devices[i].folder_z, folders[k]);
            dress_put_dir(m, path_z);
        }
        dress_path(path_z, "%s/diskseq", devices[i].folder_z);
        if (devices[i].sequence_z != NULL)
            dress_put(m, path_z, 0100444, span_z(devices[i].sequence_z));
    }
}

int persona_dress_machine(struct persona_image *image, const struct persona_identity *identity)
{
    struct dress_machine m = {.image = image, .identity = identity};
    m.boot_s = identity->boot_ms / 1000 + 1;
    dress_cpus(&m);
    dress_block_devices(&m);
    dress_udev(&m);
    return m.error;
}
