#include "record/roster.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An end of a chain. */
#define NONE       UINT32_MAX
#define ROOM_LEAST UINT32_C(64)

struct record_roster_entry {
    char session_z[FRAME_SESSION_MAX + 1]; /* empty: free */
    uint32_t next;                         /* of its bucket, or of those that are free or leaving */
};

/* ---- The table in memory ---- */

static uint32_t *bucket_of(const struct record_roster *r, struct span session)
{
    uint32_t hash = 2166136261U; /* FNV-1a: the names are drawn by ourselves */
    for (size_t i = 0; i < session.len; i++)
        hash = (hash ^ session.data[i]) * 16777619U;
    return &r->buckets[hash & (r->room - 1)];
}

static uint32_t find(const struct record_roster *r, struct span session)
{
    uint32_t at = r->room == 0 ? NONE : *bucket_of(r, session);
    while (at != NONE && !span_equal_z(session, r->entries[at].session_z))
        at = r->entries[at].next;
    return at;
}

static void link_entry(struct record_roster *r, uint32_t at)
{
    uint32_t *bucket = bucket_of(r, span_z(r->entries[at].session_z));
    r->entries[at].next = *bucket;
    *bucket = at;
}

static int grow(struct record_roster *r)
{
    uint32_t room = r->room == 0 ? ROOM_LEAST : 2 * r->room;
    if (room > RECORD_ROSTER_MAX)
        return ERR_FULL;
    struct record_roster_entry *entries = reallocarray(r->entries, room, sizeof(*entries));
    if (entries == NULL)
        return ERR_NOMEM;
    r->entries = entries;
    uint32_t *buckets = reallocarray(r->buckets, room, sizeof(*buckets));
    if (buckets == NULL)
        return ERR_NOMEM;
    r->buckets = buckets;
    r->room = room;
    memset(buckets, 0xff, room * sizeof(*buckets));
    for (uint32_t i = 0; i < r->count; i++)
        if (r->entries[i].session_z[0] != '\0')
            link_entry(r, i);
    return 0;
}

static void put_free(struct record_roster *r, uint32_t at)
{
    r->entries[at].session_z[0] = '\0';
    r->entries[at].next = r->free;
    r->free = at;
}

/* A slot at the end, free. */
static int add_slot(struct record_roster *r)
{
    int error = r->count == r->room ? grow(r) : 0;
    if (error == 0)
        put_free(r, r->count++);
    return error;
}

static void take_slot(struct record_roster *r, uint32_t at, struct span session)
{
    r->free = r->entries[at].next;
    (void)span_copy_z(session, r->entries[at].session_z, sizeof(r->entries[at].session_z));
    link_entry(r, at);
}

static void unlink_entry(struct record_roster *r, uint32_t at)
{
    uint32_t *link = bucket_of(r, span_z(r->entries[at].session_z));
    while (*link != at)
        link = &r->entries[*link].next;
    *link = r->entries[at].next;
    r->entries[at].session_z[0] = '\0';
    r->entries[at].next = r->leaving;
    r->leaving = at;
}

/* ---- The file ---- */

static int write_slot(const struct record_roster *r, uint32_t at, struct span bytes)
{
    ssize_t n = pwrite(r->fd, bytes.data, bytes.len, (off_t)(at * RECORD_ROSTER_SLOT));
    if (n == (ssize_t)bytes.len)
        return 0;
    return n < 0 ? -errno : -ENOSPC;
}

/* The last slot may be shorter. */
static ssize_t read_slot(const struct record_roster *r, uint32_t at,
                         uint8_t slot[RECORD_ROSTER_SLOT])
{
    ssize_t n = pread(r->fd, slot, RECORD_ROSTER_SLOT, (off_t)(at * RECORD_ROSTER_SLOT));
    return n < 0 ? -errno : n;
}

static struct span session_in(struct span slot)
{
    ptrdiff_t blank = span_find(slot, ' ', 0);
    struct span session = span_slice(slot, 0, blank < 0 ? 0 : (size_t)blank);
    return frame_session_is_good(session) ? session : span_of(NULL, 0);
}

static int load(struct record_roster *r)
{
    uint8_t slot[RECORD_ROSTER_SLOT];
    ssize_t n = 0;
    for (uint32_t at = 0; (n = read_slot(r, at, slot)) > 0; at++) {
        struct span session = session_in(span_of(slot, (size_t)n));
        int error = add_slot(r);
        if (error < 0)
            return error;
        if (session.len > 0 && find(r, session) == NONE)
            take_slot(r, at, session);
    }
    return (int)n;
}

int record_roster_open(struct record_roster *r, int dir, const char *name_z)
{
    *r = (struct record_roster){.free = NONE, .leaving = NONE};
    r->fd = openat(dir, name_z, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (r->fd < 0)
        return -errno;
    int error = load(r);
    if (error < 0)
        record_roster_close(r);
    return error;
}

void record_roster_close(struct record_roster *r)
{
    if (r->fd >= 0)
        (void)close(r->fd);
    free(r->entries);
    free(r->buckets);
    *r = (struct record_roster){.fd = -1, .free = NONE, .leaving = NONE};
}

int record_roster_add(struct record_roster *r, struct span session, struct span line)
{
    uint8_t memory[RECORD_ROSTER_SLOT];
    struct buffer slot = {.data = memory, .cap = sizeof(memory), .max = sizeof(memory)};
    uint32_t at = find(r, session);
    bool known = at != NONE;
    if (!known && r->free == NONE) {
        int error = add_slot(r);
        if (error < 0)
            return error;
    }
    if (!known)
        at = r->free;
    (void)buffer_put(&slot, session);
    (void)buffer_put_u8(&slot, ' ');
    (void)buffer_put(&slot, span_slice(line, 0, buffer_room(&slot)));
    int error = write_slot(r, at, buffer_span(&slot));
    if (error == 0 && !known)
        take_slot(r, at, session);
    return error;
}

void record_roster_remove(struct record_roster *r, struct span session)
{
    uint32_t at = find(r, session);
    if (at != NONE)
        unlink_entry(r, at);
}

int record_roster_settle(struct record_roster *r)
{
    static const uint8_t NOTHING = '\0';
    int error = 0;
    while (r->leaving != NONE && error == 0) {
        uint32_t at = r->leaving;
        uint32_t next = r->entries[at].next;
        error = write_slot(r, at, span_of(&NOTHING, 1));
        if (error == 0) {
            put_free(r, at);
            r->leaving = next;
        }
    }
    return error;
}

int record_roster_line(const struct record_roster *r, struct span session, struct buffer *line)
{
    uint8_t slot[RECORD_ROSTER_SLOT];
    uint32_t at = find(r, session);
    if (at == NONE)
        return ERR_STATE;
    ssize_t n = read_slot(r, at, slot);
    if (n < 0)
        return (int)n;
    struct span rest = span_slice(span_of(slot, (size_t)n), session.len + 1, (size_t)n);
    ptrdiff_t end = span_find(rest, '\n', 0);
    return buffer_put(line, span_slice(rest, 0, end < 0 ? rest.len : (size_t)end));
}

const char *record_roster_any_z(const struct record_roster *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->entries[i].session_z[0] != '\0')
            return r->entries[i].session_z;
    return NULL;
}
