#include "persona/dress.h"

#include "base/error.h"
#include "crypto/rng.h"
#include "persona/date.h"
#include "persona/disk.h"
#include "persona/dmi.h"
#include "persona/history.h"
#include "persona/packed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DRESS_FILE_MAX = 1 << 20, /* a longer file is not one of these */
    DRESS_PATH_MAX = 128,
    DRESS_TEXT_MAX = 256,
    SETUP_S = 3600, /* within which the builder configured the packages */
    DAY_S = 86400,
    STAMP_LEN = 19, /* 2026-11-17 09:12:41 */
    SECTOR = 512,
};

struct dress {
    struct persona_image *image;
    struct persona_identity *identity;
    struct crypto_rng rng;
    struct buffer old, new;
    int error; /* the first */
};

/* ---- Reading and writing ---- */

static int unpack(const struct persona_node *node, struct buffer *out)
{
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i * PERSONA_BLOCK < node->size; i++) {
        uint8_t *room = buffer_reserve(out, PERSONA_BLOCK);
        if (room == NULL)
            return ERR_FULL;
        int n = persona_unpack(node->packed, node->size, i, room);
        rc = n < 0 ? n : 0;
        buffer_commit(out, n > 0 ? (size_t)n : 0);
    }
    return rc;
}

int persona_read_file(const struct persona_image *image, struct span path, struct buffer *out)
{
    struct persona_node node;
    if (!persona_image_node(image, persona_image_lookup(image, path), &node) ||
        (node.mode & 0170000) != 0100000)
        return ERR_MALFORMED;
    return node.packed.len > 0 ? unpack(&node, out) : buffer_put(out, node.data);
}

/* The file's contents in d->old, and d->new empty. False: it is not there. */
static bool load(struct dress *d, const char *path_z)
{
    buffer_clear(&d->old);
    buffer_clear(&d->new);
    return d->error == 0 && persona_read_file(d->image, span_z(path_z), &d->old) == 0;
}

static void note(struct dress *d, int rc)
{
    if (rc < 0 && d->error == 0)
        d->error = rc;
}

/* Only what there was a place for: ERR_MALFORMED says that this image has none. */
static void put(struct dress *d, const char *path_z, const struct persona_new *new)
{
    int rc = persona_image_put(d->image, span_z(path_z), new);
    if (rc != ERR_MALFORMED)
        note(d, rc);
}

static void save(struct dress *d, const char *path_z)
{
    const struct persona_new new = {.data = buffer_span(&d->new)};
    put(d, path_z, &new);
}

static void add(struct dress *d, struct span text)
{
    note(d, buffer_put(&d->new, text));
}

__attribute__((format(printf, 2, 3))) static void addf(struct dress *d, const char *format_z, ...)
{
    va_list args;
    va_start(args, format_z);
    note(d, buffer_vprintf(&d->new, format_z, args));
    va_end(args);
}

static bool next_line(struct span *text, struct span *line)
{
    ptrdiff_t end = span_find(*text, '\n', 0);
    if (text->len == 0)
        return false;
    *line = span_slice(*text, 0, end < 0 ? text->len : (size_t)end + 1); /* with its end */
    *text = span_slice(*text, line->len, text->len);
    return true;
}

/* `from` becomes `to` wherever it stands. */
static void replace(struct dress *d, const char *path_z, struct span from, struct span to)
{
    if (from.len == 0 || !load(d, path_z))
        return;
    struct span text = buffer_span(&d->old);
    while (text.len > 0 && d->error == 0) {
        bool here = span_starts_with(text, from);
        add(d, here ? to : span_slice(text, 0, 1));
        text = span_slice(text, here ? from.len : 1, text.len);
    }
    save(d, path_z);
}

/* Where a line's first word is `key`, its second word becomes `value`. */
static void set_word(struct dress *d, const char *path_z, const char *key_z, const char *value_z)
{
    struct span line, key = span_z(key_z);
    if (!load(d, path_z))
        return;
    for (struct span text = buffer_span(&d->old); next_line(&text, &line);) {
        size_t from = 0;
        while (from < line.len && (line.data[from] == ' ' || line.data[from] == '\t'))
            from++;
        struct span word = span_slice(line, from, line.len);
        bool is_it = span_starts_with(word, key) && word.len > key.len && word.data[key.len] == ' ';
        add(d, is_it ? span_slice(line, 0, from + key.len + 1) : line);
        if (is_it)
            addf(d, "%s\n", value_z);
    }
    save(d, path_z);
}

/* ---- Names and ids ---- */

static void set_text(struct dress *d, const char *path_z, const char *text_z)
{
    buffer_clear(&d->new);
    addf(d, "%s\n", text_z);
    save(d, path_z);
}

static void dress_names(struct dress *d)
{
    const char *name_z = d->identity->hostname_z;
    char old_z[PERSONA_HOSTNAME_SIZE];
    if (!load(d, "/etc/hostname"))
        return;
    struct span text = buffer_span(&d->old), line = {NULL, 0};
    if (next_line(&text, &line))
        (void)span_copy_z(span_slice(line, 0, line.len - 1), old_z, sizeof(old_z));
    else
        old_z[0] = '\0';
    set_text(d, "/etc/hostname", name_z);
    replace(d, "/run/motd.dynamic", span_z(old_z), span_z(name_z));
    if (load(d, "/etc/hosts")) {
        for (text = buffer_span(&d->old); next_line(&text, &line);) {
            if (span_starts_with(line, span_z("127.0.1.1")))
                addf(d, "127.0.1.1\t%s\n", name_z);
            else
                add(d, line);
        }
        save(d, "/etc/hosts");
    }
    set_text(d, "/etc/machine-id", d->identity->machine_id_z);
    set_text(d, "/var/lib/dbus/machine-id", d->identity->machine_id_z);
}

static void dress_network(struct dress *d)
{
    static const char path_z[] = "/etc/network/interfaces";
    const struct persona_identity *p = d->identity;
    char text_z[DRESS_TEXT_MAX];
    (void)snprintf(text_z, sizeof(text_z), "%s/24", p->address_z);
    set_word(d, path_z, "address", text_z);
    set_word(d, path_z, "gateway", p->gateway_z);
    set_word(d, path_z, "dns-nameservers", p->resolver_z[0]);
    buffer_clear(&d->new);
    for (size_t i = 0; i < PERSONA_RESOLVERS; i++)
        addf(d, "nameserver %s\n", p->resolver_z[i]);
    save(d, "/etc/resolv.conf");
    (void)snprintf(text_z, sizeof(text_z), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1],
                   p->mac[2], p->mac[3], p->mac[4], p->mac[5]);
    set_text(d, "/sys/class/net/ens3/address", text_z);
    set_text(d, "/sys/class/net/eth0/address", text_z);
}

/* ---- The disk ---- */

static void dress_disk(struct dress *d)
{
    struct persona_disk disk = persona_disk_of(d->identity->disk_gib);
    char text_z[DRESS_TEXT_MAX], old_z[PERSONA_UUID_SIZE];
    (void)snprintf(text_z, sizeof(text_z), "%llu",
                   (unsigned long long)disk.disk_kib * (1024 / SECTOR));
    set_text(d, "/sys/block/vda/size", text_z);
    (void)snprintf(text_z, sizeof(text_z), "%llu",
                   (unsigned long long)disk.partition_kib * (1024 / SECTOR));
    set_text(d, "/sys/class/block/vda1/size", text_z);
    (void)snprintf(text_z, sizeof(text_z), " 254        0 %10llu vda\n 254        1 %10llu vda1\n",
                   (unsigned long long)disk.disk_kib, (unsigned long long)disk.partition_kib);
    if (load(d, "/proc/partitions")) {
        struct span line;
        for (struct span text = buffer_span(&d->old); next_line(&text, &line);) {
            bool is_whole = span_starts_with(line, span_z(" 254        0"));
            if (is_whole)
                add(d, span_z(text_z));
            else if (!span_starts_with(line, span_z(" 254        1")))
                add(d, line);
        }
        save(d, "/proc/partitions");
    }
    if (!load(d, "/etc/fstab"))
        return;
    struct span text = buffer_span(&d->old), line;
    while (next_line(&text, &line)) {
        if (!span_starts_with(line, span_z("UUID=")))
            continue;
        (void)span_copy_z(span_slice(line, 5, 5 + PERSONA_UUID_SIZE - 1), old_z, sizeof(old_z));
        replace(d, "/etc/fstab", span_z(old_z), span_z(d->identity->root_uuid_z));
        return;
    }
}

static void dress_hardware(struct dress *d)
{
    char text_z[DRESS_TEXT_MAX];
    const struct persona_cpu *cpu = d->identity->cpu;
    (void)snprintf(text_z, sizeof(text_z), "cpu:type:x86,ven0002fam%04Xmod%04X:feature:,0000,0001",
                   cpu->family, cpu->model);
    set_text(d, "/sys/devices/system/cpu/modalias", text_z);
    set_text(d, "/sys/devices/virtual/dmi/id/product_uuid", d->identity->product_uuid_z);
}

static void dress_firmware(struct dress *d)
{
    static const char *const folders[] = {"/sys/firmware", "/sys/firmware/dmi",
                                          "/sys/firmware/dmi/tables"};
    const int64_t boot_s = d->identity->boot_ms / 1000 + 1;
    uint8_t entry[PERSONA_DMI_ENTRY];
    buffer_clear(&d->new);
    note(d, persona_dmi_tables(d->identity, &d->new));
    persona_dmi_entry(buffer_span(&d->new), entry);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        put(d, folders[i], &(struct persona_new){.mode = 040755, .mtime_s = boot_s});
    put(d, "/sys/firmware/dmi/tables/DMI",
        &(struct persona_new){.mode = 0100400, .mtime_s = boot_s, .data = buffer_span(&d->new)});
    put(d, "/sys/firmware/dmi/tables/smbios_entry_point",
        &(struct persona_new){
            .mode = 0100400, .mtime_s = boot_s, .data = span_of(entry, sizeof(entry))});
}

/* ---- Counters since boot ---- */

/* Each number above 1000 a bit more or less. */
static void dress_counters(struct dress *d, const char *path_z)
{
    if (!load(d, path_z))
        return;
    struct span text = buffer_span(&d->old);
    for (size_t i = 0; i < text.len && d->error == 0;) {
        size_t n = 0;
        uint64_t value = 0;
        while (i + n < text.len && n < 18 && text.data[i + n] >= '0' && text.data[i + n] <= '9')
            value = value * 10 + (uint64_t)(text.data[i + n++] - '0');
        uint32_t range = (uint32_t)(value / 4 + 1);
        bool is_name = i + n < text.len && text.data[i + n] == '-'; /* 65537-edge */
        if (value > 1000 && !is_name &&
            (i == 0 || text.data[i - 1] == ' ' || text.data[i - 1] == '\n') && value < 900000000)
            addf(d, "%*llu", (int)n,
                 (unsigned long long)value - value / 8 + crypto_rng_u32(&d->rng) % range);
        else
            add(d, span_slice(text, i, i + (n > 0 ? n : 1)));
        i += n > 0 ? n : 1;
    }
    save(d, path_z);
}

/* ---- Times ---- */

void persona_image_age(const struct persona_image *image, int64_t *newest_s, int64_t *made_s)
{
    struct persona_node node;
    *made_s = persona_image_node(image, PERSONA_ROOT, &node) ? node.mtime_s : 0;
    *newest_s = 0;
    for (uint32_t ino = PERSONA_ROOT; persona_image_node(image, ino, &node); ino++)
        if (node.mtime_s < *made_s && node.mtime_s > *newest_s)
            *newest_s = node.mtime_s;
}

static unsigned two_digits(const uint8_t *at)
{
    return (unsigned)(at[0] - '0') * 10 + (unsigned)(at[1] - '0');
}

/* A time as dpkg writes it, at the text's start. */
static bool parse_stamp(struct span text, int64_t *time_s)
{
    static const char form_z[] = "0000-00-00 00:00:00";
    if (text.len < STAMP_LEN)
        return false;
    for (size_t i = 0; i < STAMP_LEN; i++)
        if (form_z[i] == '0' ? text.data[i] < '0' || text.data[i] > '9'
                             : text.data[i] != (uint8_t)form_z[i])
            return false;
    const struct persona_date date = {
        .year = two_digits(text.data) * 100 + two_digits(text.data + 2),
        .month = two_digits(text.data + 5),
        .day = two_digits(text.data + 8),
        .hour = two_digits(text.data + 11),
        .minute = two_digits(text.data + 14),
        .second = two_digits(text.data + 17),
    };
    *time_s = persona_date_time(&date);
    return true;
}

/* A log of the installation: its times become this machine's. */
static void dress_log(struct dress *d, const char *path_z, int64_t by_s)
{
    if (!load(d, path_z))
        return;
    struct span text = buffer_span(&d->old);
    while (text.len > 0 && d->error == 0) {
        int64_t time_s = 0;
        bool here = parse_stamp(text, &time_s);
        struct persona_date t = persona_date_of(time_s + by_s);
        if (here)
            addf(d, "%04lld-%02u-%02u %02u:%02u:%02u", (long long)t.year, t.month, t.day, t.hour,
                 t.minute, t.second);
        else
            add(d, span_slice(text, 0, 1));
        text = span_slice(text, here ? STAMP_LEN : 1, text.len);
    }
    save(d, path_z);
}

/* What is made at each start. */
static const char *const boots[] = {"/dev", "/run", "/tmp"};

static void dress_times(struct dress *d)
{
    int64_t newest_s, made_s, installed_s = d->identity->installed_ms / 1000;
    persona_image_age(d->image, &newest_s, &made_s);
    const struct persona_times times = {made_s, made_s + SETUP_S, installed_s - made_s,
                                        installed_s};
    persona_image_set_times(d->image, &times);
    for (size_t i = 0; i < ARRAY_LEN(boots); i++)
        note(d, persona_image_made_at(d->image, span_z(boots[i]), d->identity->boot_ms / 1000 + 1));
    dress_log(d, "/var/log/dpkg.log", times.by_s);
    dress_log(d, "/var/log/alternatives.log", times.by_s);
}

/* ---- Accounts ---- */

static void random_word(struct dress *d, size_t len)
{
    static const char letters[] =
        "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < len; i++)
        addf(d, "%c", letters[crypto_rng_u32(&d->rng) % 64]);
}

/* A yescrypt hash of nothing that anybody knows; the last sign of its salt holds two bits, its own four. */
static void random_hash(struct dress *d)
{
    addf(d, "$y$j9T$");
    random_word(d, 21);
    addf(d, "%c$", "./01"[crypto_rng_u32(&d->rng) % 4]);
    random_word(d, 42);
    addf(d, "%c", "./0123456789ABCD"[crypto_rng_u32(&d->rng) % 16]);
}

static struct span field(struct span *line)
{
    ptrdiff_t colon = span_find(*line, ':', 0);
    size_t end = colon < 0 ? line->len : (size_t)colon;
    struct span found = span_slice(*line, 0, end);
    *line = span_slice(*line, end + 1, line->len);
    return found;
}

/* shadow(5): hashes of its own, and the day of the installation. */
static void dress_shadow(struct dress *d)
{
    long long day = d->identity->installed_ms / 1000 / DAY_S;
    struct span line;
    if (!load(d, "/etc/shadow"))
        return;
    for (struct span text = buffer_span(&d->old); next_line(&text, &line);) {
        struct span name = field(&line), hash = field(&line);
        (void)field(&line);
        add(d, name);
        addf(d, ":");
        if (hash.len > 0 && hash.data[0] == '$')
            random_hash(d);
        else
            add(d, hash);
        addf(d, ":%lld:", day);
        add(d, line);
    }
    save(d, "/etc/shadow");
    save(d, "/etc/shadow-");
}

/* A file with one line more. */
static void append(struct dress *d, const char *path_z, const char *line_z)
{
    if (!load(d, path_z))
        return;
    add(d, buffer_span(&d->old));
    addf(d, "%s\n", line_z);
    save(d, path_z);
}

enum { FIRST_UID = 1000, SUB_FIRST = 100000, SUB_COUNT = 65536 };

/* The number that useradd would take: one above the highest. */
static uint32_t next_uid(struct dress *d)
{
    uint32_t next = FIRST_UID;
    struct span line;
    if (!load(d, "/etc/passwd"))
        return 0;
    for (struct span text = buffer_span(&d->old); next_line(&text, &line);) {
        (void)field(&line);
        (void)field(&line);
        struct span digits = field(&line);
        uint32_t uid = 0;
        for (size_t i = 0; i < digits.len && i < 9; i++)
            uid = uid * 10 + (uint32_t)(digits.data[i] - '0');
        if (uid >= next && uid < 60000)
            next = uid + 1;
    }
    return next;
}

static void add_user_lines(struct dress *d, const char *name_z, uint32_t uid)
{
    char line_z[DRESS_TEXT_MAX];
    (void)snprintf(line_z, sizeof(line_z), "%s:x:%u:%u:,,,:/home/%s:/bin/bash", name_z, uid, uid,
                   name_z);
    append(d, "/etc/passwd", line_z);
    (void)snprintf(line_z, sizeof(line_z), "%s:x:%u:", name_z, uid);
    append(d, "/etc/group", line_z);
    (void)snprintf(line_z, sizeof(line_z), "%s:!::", name_z);
    append(d, "/etc/gshadow", line_z);
    (void)snprintf(line_z, sizeof(line_z), "%s:%u:%u", name_z,
                   SUB_FIRST + (uid - FIRST_UID) * SUB_COUNT, SUB_COUNT);
    append(d, "/etc/subuid", line_z);
    append(d, "/etc/subgid", line_z);
    if (load(d, "/etc/shadow")) {
        add(d, buffer_span(&d->old));
        addf(d, "%s:", name_z);
        random_hash(d);
        addf(d, ":%lld:0:99999:7:::\n", (long long)(d->identity->boot_ms / 1000 / DAY_S));
        save(d, "/etc/shadow");
    }
}

/* A home as useradd -m makes it. */
static void add_home(struct dress *d, const char *name_z, uint32_t uid)
{
    static const char *const files[] = {".bash_logout", ".bashrc", ".profile"};
    char path_z[DRESS_PATH_MAX];
    int64_t when_s = d->identity->boot_ms / 1000 + 600 + crypto_rng_u32(&d->rng) % 3600;
    struct persona_new new = {.mode = 040755, .uid = uid, .gid = uid, .mtime_s = when_s};
    (void)snprintf(path_z, sizeof(path_z), "/home/%s", name_z);
    put(d, path_z, &new);
    new.mode = 0100644;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        (void)snprintf(path_z, sizeof(path_z), "/etc/skel/%s", files[i]);
        if (!load(d, path_z))
            continue;
        (void)snprintf(path_z, sizeof(path_z), "/home/%s/%s", name_z, files[i]);
        new.data = buffer_span(&d->old);
        put(d, path_z, &new);
    }
}

static void add_history(struct dress *d, const char *home_z, uint32_t uid, unsigned lines)
{
    char path_z[DRESS_PATH_MAX];
    const struct persona_identity *p = d->identity;
    (void)snprintf(path_z, sizeof(path_z), "%s/.bash_history", home_z);
    buffer_clear(&d->new);
    note(d, persona_history(&d->rng, p, uid == 0, lines, &d->new));
    const struct persona_new new = {
        .mode = 0100600,
        .uid = uid,
        .gid = uid,
        .mtime_s = p->boot_ms / 1000 + 7200 + crypto_rng_u32(&d->rng) % 20000,
        .data = buffer_span(&d->new),
    };
    put(d, path_z, &new);
}

static void dress_users(struct dress *d)
{
    char home_z[DRESS_PATH_MAX];
    const char *name_z = d->identity->user_z;
    dress_shadow(d);
    uint32_t uid = next_uid(d);
    if (uid < FIRST_UID)
        return;
    d->identity->user_uid = uid;
    add_user_lines(d, name_z, uid);
    add_home(d, name_z, uid);
    (void)snprintf(home_z, sizeof(home_z), "/home/%s", name_z);
    add_history(d, home_z, uid, 12 + crypto_rng_u32(&d->rng) % 20);
    add_history(d, "/root", 0, 20 + crypto_rng_u32(&d->rng) % 40);
}

/* ---- /run ---- */

/* What systemd and its kin make in /run: directories, and sockets that they listen on. */
static const struct {
    const char *path_z;
    uint32_t mode;
} runs[] = {
    {"/run/systemd", 040755},
    {"/run/systemd/system", 040755},
    {"/run/systemd/private", 0140700},
    {"/run/systemd/notify", 0140777},
    {"/run/systemd/fsck.progress", 0140600},
    {"/run/systemd/io.system.ManagedOOM", 0140666},
    {"/run/systemd/userdb", 040755},
    {"/run/systemd/userdb/io.systemd.DynamicUser", 0140666},
    {"/run/systemd/ask-password", 040755},
    {"/run/systemd/users", 040755},
    {"/run/systemd/sessions", 040755},
    {"/run/systemd/seats", 040755},
    {"/run/systemd/units", 040755},
    {"/run/systemd/journal", 040755},
    {"/run/systemd/journal/dev-log", 0140666},
    {"/run/systemd/journal/socket", 0140666},
    {"/run/systemd/journal/stdout", 0140666},
    {"/run/systemd/journal/syslog", 0140666},
    {"/run/systemd/journal/io.systemd.journal", 0140600},
    {"/run/systemd/journal/flushed", 0100644},
    {"/run/systemd/journal/streams", 040755},
    {"/run/dbus", 040755},
    {"/run/dbus/system_bus_socket", 0140666},
    {"/run/log", 040755},
    {"/run/lock/subsys", 040755},
    {"/run/sendsigs.omit.d", 040755},
    {"/run/tmpfiles.d", 040755},
    {"/run/udev", 040755},
    {"/run/fsck", 040755},
    {"/run/credentials", 040755},
    {"/run/initramfs", 040700},
    {"/run/agetty.reload", 0100600},
    {"/run/crond.reboot", 0100000},
};

static void dress_run(struct dress *d)
{
    static const struct {
        const char *path_z, *text_z;
    } pids[] = {{"/run/crond.pid", "349\n"}, {"/run/sshd.pid", "393\n"}};
    int64_t boot_s = d->identity->boot_ms / 1000;
    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        const struct persona_new new = {.mode = runs[i].mode, .mtime_s = boot_s + 1};
        put(d, runs[i].path_z, &new);
    }
    const struct persona_new log = {
        .mode = 0120777, .mtime_s = boot_s + 1, .data = SPAN_LIT("/run/systemd/journal/dev-log")};
    put(d, "/dev/log", &log);
    for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
        const struct persona_new new = {
            .mode = 0100644, .mtime_s = boot_s + 6, .data = span_z(pids[i].text_z)};
        put(d, pids[i].path_z, &new);
    }
}

/* PrivateTmp= of the services that have it, as mkdtemp names them. */
static const char *const private[] = {"systemd-timesyncd.service", "systemd-logind.service"};

static void dress_private(struct dress *d, const char *above_z, const char *service_z)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *boot_z = d->identity->boot_id_z;
    const int64_t made_s = d->identity->boot_ms / 1000 + 3;
    buffer_clear(&d->new);
    addf(d, "%s/systemd-private-", above_z);
    for (; *boot_z != '\0'; boot_z++)
        if (*boot_z != '-')
            addf(d, "%c", *boot_z);
    addf(d, "-%s-", service_z);
    for (int i = 0; i < 6; i++)
        addf(d, "%c", letters[crypto_rng_u32(&d->rng) % (sizeof(letters) - 1)]);
    note(d, persona_image_put(d->image, buffer_span(&d->new),
                              &(struct persona_new){.mode = 040700, .mtime_s = made_s}));
    addf(d, "/tmp");
    note(d, persona_image_put(d->image, buffer_span(&d->new),
                              &(struct persona_new){.mode = 041777, .mtime_s = made_s}));
}

/* Devices have no users of their own, and no logs of systemd's. */
static bool is_server(const struct persona_image *image)
{
    return persona_image_lookup(image, span_z("/etc/skel")) != 0;
}

void persona_keep_name(const struct persona_image *image, struct persona_identity *identity)
{
    struct buffer text;
    buffer_init(&text, DRESS_FILE_MAX);
    if (!is_server(image) && persona_read_file(image, span_z("/etc/hostname"), &text) == 0) {
        struct span name = buffer_span(&text);
        ptrdiff_t end = span_find(name, '\n', 0);
        (void)span_copy_z(end < 0 ? name : span_slice(name, 0, (size_t)end), identity->hostname_z,
                          sizeof(identity->hostname_z));
    }
    buffer_fini(&text);
}

int persona_dress(struct persona_image *image, struct persona_identity *identity)
{
    struct dress d = {.image = image, .identity = identity};
    uint8_t seed[PERSONA_SEED_BYTES];
    memcpy(seed, identity->seed, sizeof(seed));
    seed[0] ^= 1; /* another stream than the identity's own */
    crypto_rng_init(&d.rng, seed);
    buffer_init(&d.old, DRESS_FILE_MAX);
    buffer_init(&d.new, DRESS_FILE_MAX);
    dress_times(&d);
    dress_names(&d);
    dress_network(&d);
    dress_disk(&d);
    dress_hardware(&d);
    if (is_server(image)) {
        dress_users(&d);
        dress_firmware(&d);
        dress_run(&d);
        note(&d, persona_dress_machine(image, identity));
        note(&d, persona_dress_records(image, identity));
    }
    dress_counters(&d, "/proc/vmstat");
    dress_counters(&d, "/proc/interrupts");
    dress_counters(&d, "/sys/class/block/vda/stat");
    if (is_server(image)) {
        for (size_t i = 0; i < 2 * ARRAY_LEN(private); i++)
            dress_private(&d, i % 2 == 0 ? "/tmp" : "/var/tmp", private[i / 2]);
    }
    buffer_fini(&d.old);
    buffer_fini(&d.new);
    crypto_rng_wipe(&d.rng);
    return d.error;
}
