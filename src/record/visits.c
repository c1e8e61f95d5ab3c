#include "record/visits.h"

#include "base/error.h"
#include "record/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    KEY_CHARS = 2 * FRAME_VISIT_KEY,
    NAME_SIZE = (2 + (size_t)FRAME_VISIT_PUBLIC) * (KEY_CHARS + 1) + sizeof("-p"),
};

#define PART_NAME_SIZE (FRAME_SESSION_MAX + 8)

static bool is_known_by(const uint8_t key[FRAME_VISIT_KEY])
{
    static const uint8_t nothing[FRAME_VISIT_KEY] = {0};
    return memcmp(key, nothing, FRAME_VISIT_KEY) != 0;
}

/* ---- Names ---- */

static void put_hex(const uint8_t key[FRAME_VISIT_KEY], char *out_z)
{
    for (size_t i = 0; i < FRAME_VISIT_KEY; i++)
        (void)snprintf(out_z + 2 * i, 3, "%02x", key[i]);
}

static void name_of(const struct frame_visitor *visitor, char name_z[NAME_SIZE])
{
    put_hex(visitor->address, name_z);
    name_z[KEY_CHARS] = '-';
    put_hex(visitor->login, name_z + KEY_CHARS + 1);
    char *end = name_z + (size_t)2 * KEY_CHARS + 1;
    if (visitor->passwords)
        end += snprintf(end, sizeof("-p"), "-p");
    for (size_t i = 0; i < FRAME_VISIT_PUBLIC; i++) {
        if (!is_known_by(visitor->publics[i]))
            continue;
        *end++ = '-';
        put_hex(visitor->publics[i], end);
        end += KEY_CHARS;
    }
}

static bool get_hex(const char *text_z, uint8_t key[FRAME_VISIT_KEY])
{
    for (size_t i = 0; i < FRAME_VISIT_KEY; i++) {
        unsigned value = 0;
        if (sscanf(text_z + 2 * i, "%2x", &value) != 1)
            return false;
        key[i] = (uint8_t)value;
    }
    return true;
}

/* What a name says, when it is as name_of makes it. */
static bool read_name(const char *name_z, struct frame_visitor *visitor)
{
    char again_z[NAME_SIZE];
    size_t len = strlen(name_z), at = 2 * KEY_CHARS + 1;
    if (len < at || len >= NAME_SIZE || !get_hex(name_z, visitor->address) ||
        !get_hex(name_z + KEY_CHARS + 1, visitor->login))
        return false;
    visitor->passwords = strncmp(name_z + at, "-p", 2) == 0;
    at += visitor->passwords ? 2 : 0;
    for (size_t i = 0; i < FRAME_VISIT_PUBLIC && len - at > KEY_CHARS; i++, at += KEY_CHARS + 1)
        if (!get_hex(name_z + at + 1, visitor->publics[i]))
            return false;
    name_of(visitor, again_z);
    return strcmp(name_z, again_z) == 0;
}

/* ---- The list ---- */

static int add(struct record_visits *v, const struct record_visit *visit)
{
    if (v->count == v->room) {
        size_t room = v->room > 0 ? v->room * 2 : 64;
        struct record_visit *list = realloc(v->list, room * sizeof(*list));
        if (list == NULL)
            return ERR_NOMEM;
        v->list = list;
        v->room = room;
    }
    v->list[v->count++] = *visit;
    v->bytes += visit->size;
    return 0;
}

/* Out of the list alone; another takes its place there. */
static void take_out(struct record_visits *v, size_t index)
{
    v->bytes -= v->list[index].size;
    v->list[index] = v->list[--v->count];
}

static void drop(struct record_visits *v, size_t index)
{
    char name_z[NAME_SIZE];
    name_of(&v->list[index].visitor, name_z);
    (void)unlinkat(v->dir, name_z, 0);
    take_out(v, index);
}

static bool is_same(const struct record_visit *visit, const struct frame_visitor *visitor)
{
    if (is_known_by(visitor->address))
        return memcmp(visit->visitor.address, visitor->address, FRAME_VISIT_KEY) == 0;
    return memcmp(visit->visitor.login, visitor->login, FRAME_VISIT_KEY) == 0;
}

/* The one that is replaced when this visitor leaves; `count` when there is none. */
static size_t find_same(const struct record_visits *v, const struct frame_visitor *visitor)
{
    size_t i = 0;
    while (i < v->count && !is_same(&v->list[i], visitor))
        i++;
    return i;
}

void record_visits_expire(struct record_visits *v, int64_t now_s)
{
    for (size_t i = v->count; i > 0; i--)
        if (now_s - v->list[i - 1].time_s > v->keep_s)
            drop(v, i - 1);
}

static void drop_oldest(struct record_visits *v)
{
    size_t oldest = 0;
    for (size_t i = 1; i < v->count; i++)
        if (v->list[i].time_s < v->list[oldest].time_s)
            oldest = i;
    drop(v, oldest);
}

/* ---- Opening ---- */

/* As SESSION.part. */
static bool is_part(const char *name_z)
{
    struct span name = span_z(name_z), ending = span_z(".part");
    if (name.len <= ending.len ||
        !span_equal(span_slice(name, name.len - ending.len, name.len), ending))
        return false;
    return frame_session_is_good(span_slice(name, 0, name.len - ending.len));
}

static int read_entry(struct record_visits *v, const char *name_z)
{
    struct record_visit visit = {.size = 0};
    struct stat st;
    int fd = read_name(name_z, &visit.visitor)
                 ? openat(v->dir, name_z, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
                 : -1;
    bool good = fd >= 0 && fstat(fd, &st) == 0 && v->count < RECORD_VISITS_MAX;
    if (fd >= 0)
        (void)close(fd);
    if (!good) {
        (void)unlinkat(v->dir, name_z, 0);
        return 0;
    }
    visit.size = (uint64_t)st.st_size;
    visit.time_s = st.st_mtim.tv_sec;
    return add(v, &visit);
}

int record_visits_open(struct record_visits *v, int dir, uint64_t bytes_max, int64_t keep_s,
                       int64_t now_s)
{
    *v = (struct record_visits){.dir = dir, .bytes_max = bytes_max, .keep_s = keep_s};
    DIR *d;
    int error = record_folder_read(dir, &d);
    if (error != 0)
        return error;
    for (struct dirent *e = readdir(d); e != NULL && error == 0; e = readdir(d))
        if (e->d_name[0] != '.' && !is_part(e->d_name))
            error = read_entry(v, e->d_name);
    (void)closedir(d);
    record_visits_expire(v, now_s);
    while (v->bytes > v->bytes_max)
        drop_oldest(v);
    return error;
}

void record_visits_drop_parts(struct record_visits *v)
{
    DIR *d;
    if (record_folder_read(v->dir, &d) != 0)
        return;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        if (is_part(e->d_name))
            (void)unlinkat(v->dir, e->d_name, 0);
    (void)closedir(d);
}

void record_visits_close(struct record_visits *v)
{
    free(v->list);
    *v = (struct record_visits){.dir = -1};
}

/* ---- Keeping ---- */

/* What came before this part is there. It is not when it could not be written. */
static bool continues(int fd, uint64_t offset)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (uint64_t)st.st_size >= offset;
}

/* 1: written; 0: it is a part of nothing; or -errno. */
static int write_part(const struct record_visits *v, const char *part_z,
                      const struct frame_visit_keep *keep)
{
    int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (keep->offset == 0 ? O_CREAT : 0);
    int fd = openat(v->dir, part_z, flags, 0600);
    if (fd < 0)
        return errno == ENOENT && keep->offset > 0 ? 0 : -errno;
    if (!continues(fd, keep->offset)) {
        (void)close(fd);
        return 0;
    }
    int error = keep->offset == 0 && ftruncate(fd, 0) < 0 ? -errno : 0;
    struct span rest = keep->bytes;
    for (uint64_t at = keep->offset; rest.len > 0 && error == 0;) {
        ssize_t n = pwrite(fd, rest.data, rest.len, (off_t)at);
        error = n < 0 && errno != EINTR ? -errno : 0;
        at += n > 0 ? (uint64_t)n : 0;
        rest = span_slice(rest, n > 0 ? (size_t)n : 0, rest.len);
    }
    bool whole = keep->offset + keep->bytes.len == keep->size;
    if (error == 0 && whole && fsync(fd) < 0)
        error = -errno;
    (void)close(fd);
    return error < 0 ? error : 1;
}

/* Makes room for so many bytes and one visitor more. */
static void make_room(struct record_visits *v, uint64_t size)
{
    while (v->count > 0 && (v->bytes + size > v->bytes_max || v->count >= RECORD_VISITS_MAX))
        drop_oldest(v);
}

/* The whole file takes the place of the one before, which is there until then. */
static int settle(struct record_visits *v, const char *part_z, const struct record_visit *visit)
{
    char name_z[NAME_SIZE], old_z[NAME_SIZE];
    name_of(&visit->visitor, name_z);
    size_t old = find_same(v, &visit->visitor);
    if (renameat(v->dir, part_z, v->dir, name_z) < 0)
        return -errno;
    if (old < v->count) {
        name_of(&v->list[old].visitor, old_z);
        if (strcmp(old_z, name_z) != 0)
            (void)unlinkat(v->dir, old_z, 0);
        take_out(v, old);
    }
    make_room(v, visit->size);
    return add(v, visit);
}

/* He came and changed nothing: what he left before stays, and so do the doors that it opens (meanwhile it
 * may be what another connection of his has left), under the login of today. */
static int touch(struct record_visits *v, const char *part_z, const struct record_visit *visit)
{
    char from_z[NAME_SIZE], to_z[NAME_SIZE];
    size_t old = find_same(v, &visit->visitor);
    if (old == v->count)
        return settle(v, part_z, visit);
    (void)unlinkat(v->dir, part_z, 0);
    struct frame_visitor now = v->list[old].visitor;
    memcpy(now.login, visit->visitor.login, FRAME_VISIT_KEY);
    name_of(&v->list[old].visitor, from_z);
    name_of(&now, to_z);
    if (strcmp(from_z, to_z) != 0 && renameat(v->dir, from_z, v->dir, to_z) < 0)
        return -errno;
    v->list[old].visitor = now;
    v->list[old].time_s = visit->time_s;
    return 0;
}

int record_visits_keep(struct record_visits *v, const struct frame_visit_keep *keep, int64_t now_s)
{
    char part_z[PART_NAME_SIZE];
    (void)snprintf(part_z, sizeof(part_z), "%.*s.part", (int)keep->session.len,
                   (const char *)keep->session.data);
    if (keep->size > v->bytes_max || keep->size > RECORD_VISIT_MAX)
        return 0;
    int written = write_part(v, part_z, keep);
    if (written <= 0 || keep->offset + keep->bytes.len < keep->size)
        return written < 0 ? written : 0;
    const struct record_visit visit = {
        .visitor = keep->visitor, .size = keep->size, .time_s = now_s};
    return keep->size > 0 ? settle(v, part_z, &visit) : touch(v, part_z, &visit);
}

/* ---- Finding ---- */

static bool has_public(const struct record_visit *visit, const uint8_t key[FRAME_VISIT_KEY])
{
    for (size_t i = 0; i < FRAME_VISIT_PUBLIC; i++)
        if (memcmp(visit->visitor.publics[i], key, FRAME_VISIT_KEY) == 0)
            return true;
    return false;
}

static const struct record_visit *find_public(const struct record_visits *v,
                                              const uint8_t key[FRAME_VISIT_KEY])
{
    const struct record_visit *found = NULL;
    for (size_t i = 0; i < v->count; i++)
        if (has_public(&v->list[i], key) && (found == NULL || v->list[i].time_s > found->time_s))
            found = &v->list[i];
    return found;
}

const struct record_visit *record_visits_find(struct record_visits *v,
                                              const struct frame_visitor *visitor, int64_t now_s)
{
    const struct record_visit *found = NULL;
    record_visits_expire(v, now_s);
    if (is_known_by(visitor->publics[0]))
        return find_public(v, visitor->publics[0]);
    for (size_t i = 0; i < v->count; i++) {
        const struct record_visit *at = &v->list[i];
        if (is_known_by(visitor->address) &&
            memcmp(at->visitor.address, visitor->address, FRAME_VISIT_KEY) == 0)
            return at;
        if (is_known_by(visitor->login) &&
            memcmp(at->visitor.login, visitor->login, FRAME_VISIT_KEY) == 0 &&
            (found == NULL || at->time_s > found->time_s))
            found = at;
    }
    return found;
}

static int put_parts(const struct frame_visit *answer, int fd, struct buffer *out)
{
    static const uint8_t none[1];
    uint8_t bytes[FRAME_VISIT_MAX];
    struct frame_visit part = *answer;
    int error = 0;
    part.bytes = span_of(none, 0);
    if (part.size == 0)
        return frame_put_visit(out, &part);
    while (error == 0 && part.offset < part.size) {
        ssize_t n = pread(fd, bytes, sizeof(bytes), (off_t)part.offset);
        if (n <= 0)
            return n < 0 ? -errno : ERR_TRUNCATED;
        part.bytes = span_of(bytes, (size_t)n);
        error = frame_put_visit(out, &part);
        part.offset += (uint64_t)n;
    }
    return error;
}

int record_visits_answer(struct record_visits *v, const struct frame_visit_ask *ask, int64_t now_s,
                         struct buffer *out)
{
    const struct record_visit *visit = record_visits_find(v, &ask->visitor, now_s);
    struct frame_visit answer = {.session = ask->session, .known = visit != NULL};
    char name_z[NAME_SIZE];
    size_t before = buffer_len(out);
    int fd = -1, error = 0;
    if (visit != NULL) {
        name_of(&visit->visitor, name_z);
        answer.visitor = visit->visitor;
    }
    if (visit != NULL && !ask->brief) {
        fd = openat(v->dir, name_z, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        answer.size = fd < 0 ? 0 : visit->size;
    }
    error = put_parts(&answer, fd, out);
    if (fd >= 0)
        (void)close(fd);
    if (error < 0) { /* better nothing than half a machine */
        buffer_truncate(out, before);
        answer = (struct frame_visit){
            .session = ask->session, .known = answer.known, .visitor = answer.visitor};
        error = put_parts(&answer, -1, out);
    }
    return error;
}

int record_visits_tell(const struct record_visits *v, struct buffer *out)
{
    uint8_t bytes[FRAME_VISIT_MAX];
    size_t before = buffer_len(out), at = 0;
    int error = 0;
    do {
        size_t n = 0;
        for (; at < v->count && n + sizeof(struct frame_visitor) <= sizeof(bytes);
             at++, n += sizeof(struct frame_visitor))
            memcpy(bytes + n, &v->list[at].visitor, sizeof(struct frame_visitor));
        error = frame_put_visitors(out, &(struct frame_visitors){.list = span_of(bytes, n)});
    } while (error == 0 && at < v->count);
    if (error < 0)
        buffer_truncate(out, before);
    return error;
}
