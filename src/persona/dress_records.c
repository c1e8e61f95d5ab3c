/* The files of what has happened, and what logrotate and journald left of them. Names that are not
 * there yet (persona_record_is_there) are put all the same, so that inodes keep their numbers. */
#include "persona/dress.h"

#include "base/error.h"
#include "persona/journal.h"
#include "persona/past.h"

#include <stdio.h>
#include <string.h>

enum {
    ADM = 4, /* groups of personas/debian-12 */
    UTMP = 43,
    JOURNAL = 999,
    ARCHIVES = 40, /* journals: those of the next months too */
    PATH_MAX_BYTES = 256,
    CONF_MAX = 16384,
    DIR_MODE = 042755,
};

static const struct {
    const char *path_z;
    enum persona_record record;
    unsigned rotations; /* that are kept */
    uint32_t mode, gid;
} records[] = {
    {"/var/log/auth.log", PERSONA_RECORD_AUTH, 4, 0100640, ADM},
    {"/var/log/syslog", PERSONA_RECORD_SYSLOG, 4, 0100640, ADM},
    {"/var/log/cron.log", PERSONA_RECORD_CRON, 4, 0100640, ADM},
    {"/var/log/kern.log", PERSONA_RECORD_KERN, 4, 0100640, ADM},
    {"/var/log/user.log", PERSONA_RECORD_USER, 0, 0100640, ADM},
    {"/var/log/wtmp", PERSONA_RECORD_WTMP, 0, 0100664, UTMP},
    {"/var/log/btmp", PERSONA_RECORD_BTMP, 1, 0100660, UTMP},
    {"/var/log/lastlog", PERSONA_RECORD_LASTLOG, 0, 0100664, UTMP},
    {"/run/utmp", PERSONA_RECORD_UTMP, 0, 0100664, UTMP},
};

/* ERR_MALFORMED says that this image has no place for it. */
static int put(struct persona_image *image, const char *path_z, const struct persona_new *new)
{
    int rc = persona_image_put(image, span_z(path_z), new);
    return rc == ERR_MALFORMED ? 0 : rc;
}

static int put_rotated(struct persona_image *image, size_t index)
{
    char path_z[PATH_MAX_BYTES];
    struct persona_new new = {.record = records[index].record};
    bool is_there = persona_image_lookup(image, span_z(records[index].path_z)) != 0;
    if (!is_there) {
        new.mode = records[index].mode;
        new.gid = records[index].gid;
    }
    int rc = put(image, records[index].path_z, &new);
    new.mode = records[index].mode;
    new.gid = records[index].gid;
    for (new.age = 1; rc == 0 && new.age <= records[index].rotations; new.age++) {
        (void)snprintf(path_z, sizeof(path_z), "%s.%u%s", records[index].path_z, new.age,
                       new.age > 1 ? ".gz" : "");
        rc = put(image, path_z, &new);
    }
    return rc;
}

/* dpkg's logs are taken away once: nothing is installed later. */
static int put_packages(struct persona_image *image, const char *path_z, const char *old_z,
                        uint32_t mode, uint32_t gid)
{
    struct buffer text;
    struct persona_node node;
    buffer_init(&text, PERSONA_OWN_BYTES_MAX);
    int rc = persona_read_file(image, span_z(path_z), &text);
    if (rc == ERR_MALFORMED) {
        buffer_fini(&text);
        return 0;
    }
    uint32_t ino = persona_image_lookup(image, span_z(path_z));
    if (rc == 0 && persona_image_node(image, ino, &node)) {
        struct persona_new new = {.record = PERSONA_RECORD_PACKAGES, .data = buffer_span(&text)};
        rc = put(image, path_z, &new);
        new.mode = mode;
        new.gid = gid;
        new.age = 1;
        new.mtime_s = node.mtime_s;
        rc = rc == 0 ? put(image, old_z, &new) : rc;
    }
    buffer_fini(&text);
    return rc;
}

/* ---- The journal ---- */

/* Two settings of the administrator's stand where the package has its defaults. */
static int put_settings(struct persona_image *image, const struct persona_identity *p)
{
    static const char path_z[] = "/etc/systemd/journald.conf";
    struct buffer old, new;
    unsigned written, kept;
    buffer_init(&old, CONF_MAX);
    buffer_init(&new, CONF_MAX);
    persona_journal_days(p, &written, &kept);
    int rc = persona_read_file(image, span_z(path_z), &old) == 0 ? 0 : 1;
    for (struct span text = buffer_span(&old); rc == 0 && text.len > 0;) {
        ptrdiff_t end = span_find(text, '\n', 0);
        struct span line = span_slice(text, 0, end < 0 ? text.len : (size_t)end + 1);
        if (span_starts_with(line, span_z("#SystemMaxUse=")))
            rc = buffer_put_z(&new, "SystemMaxUse=64M\n");
        else if (span_starts_with(line, span_z("#MaxRetentionSec=")))
            rc = buffer_printf(&new, "MaxRetentionSec=%uday\n", kept);
        else if (span_starts_with(line, span_z("#MaxFileSec=")))
            rc = buffer_printf(&new, "MaxFileSec=%uday\n", written);
        else
            rc = buffer_put(&new, line);
        text = span_slice(text, line.len, text.len);
    }
    const struct persona_new file = {.data = buffer_span(&new),
                                     .mtime_s = p->boot_ms / 1000 + 1900};
    rc = rc == 0 ? put(image, path_z, &file) : rc > 0 ? 0 : rc;
    buffer_fini(&old);
    buffer_fini(&new);
    return rc;
}

static int put_journal(struct persona_image *image, const struct persona_identity *p)
{
    char path_z[PATH_MAX_BYTES], name_z[JOURNAL_NAME_MAX];
    struct persona_new new = {.mode = DIR_MODE, .gid = JOURNAL, .mtime_s = p->boot_ms / 1000 + 3};
    (void)snprintf(path_z, sizeof(path_z), "/var/log/journal/%s", p->machine_id_z);
    int rc = put(image, "/var/log/journal", &new);
    rc = rc == 0 ? put(image, path_z, &new) : rc;
    new.mode = 0100640;
    new.record = PERSONA_RECORD_JOURNAL;
    for (new.age = 0; rc == 0 && new.age <= ARCHIVES; new.age++) {
        persona_journal_name(p, new.age, name_z);
        (void)snprintf(path_z, sizeof(path_z), "/var/log/journal/%s/%s", p->machine_id_z, name_z);
        rc = put(image, path_z, &new);
    }
    return rc;
}

int persona_dress_records(struct persona_image *image, const struct persona_identity *p)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(records); i++)
        rc = put_rotated(image, i);
    if (rc == 0)
        rc = put_packages(image, "/var/log/dpkg.log", "/var/log/dpkg.log.1", 0100644, 0);
    if (rc == 0)
        rc = put_packages(image, "/var/log/alternatives.log", "/var/log/alternatives.log.1",
                          0100644, 0);
    if (rc == 0)
        rc = put_settings(image, p);
    return rc == 0 ? put_journal(image, p) : rc;
}
