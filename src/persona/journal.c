#include "persona/journal.h"

#include "base/error.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Objects (JOURNAL_FILE_FORMAT, "Objects"): each begins with type, flags and size, at a multiple of 8. */
enum { DATA = 1, FIELD, ENTRY, DATA_TABLE, FIELD_TABLE, ENTRY_ARRAY };
enum {
    HEADER_BYTES = 264,
    OBJECT_BYTES = 16,
    DATA_BYTES = 72, /* of a compact one, before its payload */
    FIELD_BYTES = 40,
    ENTRY_BYTES = 64,
    ARRAY_BYTES = 24,
    DATA_BUCKETS = JOURNAL_FILE_BYTES * 4 / 768 / 3, /* journald's rule for the size of a file */
    FIELD_BUCKETS = 333,
    KEYED_HASH = 4,
    ZSTD = 8, /* may be there */
    COMPACT = 16,
    ONLINE = 1,
    ARCHIVED = 2,
    FILE_MAX = JOURNAL_FILE_BYTES,
};

/* What the file says of a value, by the value's number. */
struct datum {
    uint64_t hash;
    uint32_t offset, len, count; /* of its object; of entries that have it */
    uint32_t next, first;        /* in its bucket: number + 1; the first entry's offset */
};

/* An entry has a value. */
struct link {
    uint32_t datum, entry;
};

struct list {
    void *items;
    size_t count, room;
};

struct journal {
    struct journal_ids ids;
    struct buffer out;
    struct list data, fields, links, entries; /* struct datum, the same, struct link, uint32_t */
    uint32_t *data_heads, *field_heads;       /* of the buckets: number + 1 */
    uint64_t objects, data_depth, field_depth;
    uint64_t first_seqnum, last_seqnum;
    int64_t first_us, last_us, last_monotonic_us;
    uint64_t tail;
};

/* ---- Numbers in the file ---- */

static uint8_t *at(struct journal *j, uint64_t offset)
{
    return (uint8_t *)buffer_span(&j->out).data + offset; /* our own */
}

static void set32(uint8_t *to, uint64_t value)
{
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static void set64(uint8_t *to, uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static void *list_add(struct list *list, size_t size)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 64 : list->room * 2;
        void *grown = realloc(list->items, room * size);
        if (grown == NULL)
            return NULL;
        list->items = grown;
        list->room = room;
    }
    uint8_t *item = (uint8_t *)list->items + list->count++ * size;
    memset(item, 0, size);
    return item;
}

/* ---- Hashes ---- */

static uint64_t keyed_hash(const struct journal *j, struct span bytes)
{
    uint8_t sum[crypto_shorthash_siphash24_BYTES];
    uint64_t hash = 0;
    crypto_shorthash_siphash24(sum, bytes.data, bytes.len, j->ids.file);
    for (size_t i = sizeof(sum); i-- > 0;)
        hash = hash << 8 | sum[i];
    return hash;
}

static uint32_t turned(uint32_t x, unsigned by)
{
    return x << by | x >> (32 - by);
}

/* Bob Jenkins' lookup3, both halves: what an entry's own sum is made of, whatever the key. */
static uint64_t plain_hash(struct span bytes)
{
    static const uint8_t mix[6] = {4, 6, 8, 16, 19, 4}, last[7] = {14, 11, 25, 16, 4, 14, 24};
    uint32_t v[3];
    v[0] = v[1] = v[2] = 0xdeadbeef + (uint32_t)bytes.len;
    size_t from = 0;
    for (bool more = bytes.len > 0; more;) {
        size_t n = bytes.len - from < 12 ? bytes.len - from : 12;
        more = bytes.len - from > 12;
        for (size_t i = 0; i < n; i++)
            v[i / 4] += (uint32_t)bytes.data[from + i] << (i % 4 * 8);
        from += n;
        for (unsigned i = 0; more && i < 6; i++) { /* a, b, c, a, b, c in turn */
            unsigned a = i % 3, b = (i + 1) % 3, c = (i + 2) % 3;
            v[a] -= v[c];
            v[a] ^= turned(v[c], mix[i]);
            v[c] += v[b];
        }
    }
    for (unsigned i = 0; bytes.len > 0 && i < 7; i++) { /* c, a, b, c, a, b, c */
        unsigned a = (i + 2) % 3, b = (i + 1) % 3;
        v[a] ^= v[b];
        v[a] -= turned(v[b], last[i]);
    }
    return (uint64_t)v[2] << 32 | v[1];
}

/* ---- Objects ---- */

/* A new one of zeros behind the last: its offset, or negative. */
static int64_t object_new(struct journal *j, uint8_t type, size_t size)
{
    size_t offset = (buffer_len(&j->out) + 7) / 8 * 8, pad = offset - buffer_len(&j->out);
    if (offset + size > FILE_MAX)
        return ERR_FULL;
    uint8_t *room = buffer_reserve(&j->out, pad + size);
    if (room == NULL)
        return ERR_NOMEM;
    memset(room, 0, pad + size);
    room[pad] = type;
    set64(room + pad + 8, size);
    buffer_commit(&j->out, pad + size);
    j->objects++;
    j->tail = offset;
    return (int64_t)offset;
}

static const struct {
    uint8_t type;
    uint32_t buckets;
} tables[] = {{FIELD_TABLE, FIELD_BUCKETS}, {DATA_TABLE, DATA_BUCKETS}};

static uint64_t table_at(uint8_t type)
{
    uint64_t fields = HEADER_BYTES + OBJECT_BYTES;
    return type == FIELD_TABLE ? fields : fields + UINT64_C(16) * FIELD_BUCKETS + OBJECT_BYTES;
}

/* The last of a bucket's chain leads to the new one. */
static void chain(struct journal *j, uint8_t type, uint64_t bucket, uint64_t last, uint64_t offset)
{
    uint8_t *head = at(j, table_at(type) + bucket * 16);
    if (last == 0)
        set64(head, offset);
    else
        set64(at(j, last + 24), offset); /* next_hash_offset */
    set64(head + 8, offset);
}

/* The value's number, which is made when there is none; negative. */
static int64_t find_or_add(struct journal *j, uint8_t type, struct span bytes)
{
    bool is_data = type == DATA;
    struct list *list = is_data ? &j->data : &j->fields;
    uint32_t *heads = is_data ? j->data_heads : j->field_heads;
    uint64_t hash = keyed_hash(j, bytes), depth = 0, last = 0;
    uint64_t bucket = hash % (is_data ? (uint32_t)DATA_BUCKETS : (uint32_t)FIELD_BUCKETS);
    size_t before = is_data ? DATA_BYTES : FIELD_BYTES;
    uint32_t *place = &heads[bucket];
    uint32_t last_index = 0;
    for (; *place != 0; depth++) {
        struct datum *d = (struct datum *)list->items + (*place - 1);
        if (d->hash == hash && d->len == bytes.len &&
            memcmp(at(j, d->offset + before), bytes.data, bytes.len) == 0)
            return *place - 1;
        last = d->offset;
        last_index = *place;
        place = &d->next;
    }
    struct datum *d = list_add(list, sizeof(*d));
    int64_t offset = d != NULL ? object_new(j, type, before + bytes.len) : ERR_NOMEM;
    if (offset < 0 || d == NULL)
        return offset;
    *d = (struct datum){.hash = hash, .offset = (uint32_t)offset, .len = (uint32_t)bytes.len};
    if (last_index == 0)
        heads[bucket] = (uint32_t)list->count;
    else
        ((struct datum *)list->items)[last_index - 1].next = (uint32_t)list->count;
    set64(at(j, (uint64_t)offset + 16), hash);
    memcpy(at(j, (uint64_t)offset + before), bytes.data, bytes.len);
    chain(j, is_data ? DATA_TABLE : FIELD_TABLE, bucket, last, (uint64_t)offset);
    uint64_t *deepest = is_data ? &j->data_depth : &j->field_depth;
    *deepest = depth > *deepest ? depth : *deepest;
    return (int64_t)list->count - 1;
}

/* NAME=VALUE: the number of its datum. A new one is the first in its field's list. */
static int64_t datum_of(struct journal *j, struct span bytes)
{
    size_t known = j->data.count;
    int64_t datum = find_or_add(j, DATA, bytes);
    ptrdiff_t equals = span_find(bytes, '=', 0);
    if (datum < 0 || j->data.count == known || equals < 0)
        return datum;
    int64_t field = find_or_add(j, FIELD, span_slice(bytes, 0, (size_t)equals));
    if (field < 0)
        return field;
    uint8_t *head = at(j, ((struct datum *)j->fields.items)[field].offset + 32);
    uint64_t offset = ((struct datum *)j->data.items)[datum].offset;
    memcpy(at(j, offset + 32), head, 8); /* next_field_offset */
    set64(head, offset);
    return datum;
}

/* ---- Entries ---- */

struct item {
    uint32_t datum, offset;
};

static int by_offset(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int put_entry(struct journal *j, const struct journal_entry *e, const struct item *items,
                     size_t count, uint64_t sum)
{
    int64_t offset = object_new(j, ENTRY, ENTRY_BYTES + count * 4);
    uint32_t *entry = offset > 0 ? list_add(&j->entries, sizeof(*entry)) : NULL;
    if (entry == NULL)
        return offset < 0 ? (int)offset : ERR_NOMEM;
    *entry = (uint32_t)offset;
    uint8_t *to = at(j, (uint64_t)offset);
    set64(to + 16, e->seqnum);
    set64(to + 24, (uint64_t)e->realtime_us);
    set64(to + 32, (uint64_t)e->monotonic_us);
    memcpy(to + 40, j->ids.boot, JOURNAL_ID_BYTES);
    set64(to + 56, sum);
    for (size_t i = 0; i < count; i++) {
        struct link *l = list_add(&j->links, sizeof(*l));
        struct datum *d = (struct datum *)j->data.items + items[i].datum;
        if (l == NULL)
            return ERR_NOMEM;
        *l = (struct link){items[i].datum, (uint32_t)offset};
        d->first = d->count++ == 0 ? (uint32_t)offset : d->first;
        set32(to + ENTRY_BYTES + i * 4, items[i].offset);
    }
    return 0;
}

int journal_add(struct journal *j, const struct journal_entry *e)
{
    struct item items[JOURNAL_FIELDS_MAX];
    uint64_t sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < e->count; i++) {
        int64_t datum = datum_of(j, e->fields[i]);
        if (datum < 0)
            return (int)datum;
        sum ^= plain_hash(e->fields[i]);
        items[i] = (struct item){(uint32_t)datum, ((struct datum *)j->data.items)[datum].offset};
    }
    qsort(items, e->count, sizeof(items[0]), by_offset);
    for (size_t i = 0; i < e->count; i++)
        if (count == 0 || items[count - 1].offset != items[i].offset)
            items[count++] = items[i];
    int rc = put_entry(j, e, items, count, sum);
    if (rc < 0)
        return rc;
    if (j->entries.count == 1) {
        j->first_seqnum = e->seqnum;
        j->first_us = e->realtime_us;
    }
    j->last_seqnum = e->seqnum;
    j->last_us = e->realtime_us;
    j->last_monotonic_us = e->monotonic_us;
    return 0;
}

/* ---- The whole ---- */

static int put_tables(struct journal *j)
{
    uint8_t *head = buffer_reserve(&j->out, HEADER_BYTES);
    if (head == NULL)
        return ERR_NOMEM;
    memset(head, 0, HEADER_BYTES);
    buffer_commit(&j->out, HEADER_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        int64_t offset =
            object_new(j, tables[i].type, OBJECT_BYTES + (size_t)tables[i].buckets * 16);
        if (offset < 0)
            return (int)offset;
    }
    return 0;
}

struct journal *journal_new(const struct journal_ids *ids)
{
    struct journal *j = calloc(1, sizeof(*j));
    if (j == NULL)
        return NULL;
    j->ids = *ids;
    buffer_init(&j->out, FILE_MAX);
    j->data_heads = calloc(DATA_BUCKETS, sizeof(*j->data_heads));
    j->field_heads = calloc(FIELD_BUCKETS, sizeof(*j->field_heads));
    if (j->data_heads == NULL || j->field_heads == NULL || put_tables(j) < 0) {
        journal_free(j);
        return NULL;
    }
    return j;
}

void journal_free(struct journal *j)
{
    if (j == NULL)
        return;
    buffer_fini(&j->out);
    free(j->data.items);
    free(j->fields.items);
    free(j->links.items);
    free(j->entries.items);
    free(j->data_heads);
    free(j->field_heads);
    free(j);
}

/* The array of the entries of each value behind its first, by the order of the links. `next` has a
 * place for each value. */
static int put_data_arrays(struct journal *j, uint64_t *arrays, uint64_t *next)
{
    struct datum *data = j->data.items;
    const struct link *links = j->links.items;
    for (size_t i = 0; i < j->data.count; i++) {
        uint64_t more = data[i].count - 1;
        int64_t array = more > 0 ? object_new(j, ENTRY_ARRAY, ARRAY_BYTES + more * 4) : 0;
        if (array < 0)
            return (int)array;
        (*arrays) += array > 0;
        next[i] = array > 0 ? (uint64_t)array + ARRAY_BYTES : 0;
        uint8_t *to = at(j, data[i].offset);
        set64(to + 40, data[i].first);
        set64(to + 48, (uint64_t)array);
        set64(to + 56, data[i].count);
        set32(to + 64, (uint64_t)array);
        set32(to + 68, more);
    }
    for (size_t i = 0; i < j->links.count; i++) {
        uint32_t datum = links[i].datum;
        if (links[i].entry == data[datum].first)
            continue;
        set32(at(j, next[datum]), links[i].entry);
        next[datum] += 4;
    }
    return 0;
}

static int put_arrays(struct journal *j, uint64_t *arrays, uint64_t *main_array)
{
    const uint32_t *entries = j->entries.items;
    uint64_t *next = calloc(j->data.count + 1, sizeof(*next));
    int64_t array = object_new(j, ENTRY_ARRAY, ARRAY_BYTES + j->entries.count * 4);
    int rc = next == NULL ? ERR_NOMEM : array < 0 ? (int)array : 0;
    for (size_t i = 0; rc == 0 && i < j->entries.count; i++)
        set32(at(j, (uint64_t)array + ARRAY_BYTES + i * 4), entries[i]);
    *arrays = 1;
    *main_array = (uint64_t)array;
    if (rc == 0)
        rc = put_data_arrays(j, arrays, next);
    free(next);
    return rc;
}

/* JOURNAL_FILE_FORMAT, "Header". */
static void put_header(struct journal *j, bool is_archived, uint64_t arrays, uint64_t main_array)
{
    static const uint8_t signature[8] = {'L', 'P', 'K', 'S', 'H', 'H', 'R', 'H'};
    uint64_t size = (buffer_len(&j->out) + 7) / 8 * 8;
    uint8_t *h = at(j, 0);
    const uint64_t numbers[] = {
        HEADER_BYTES,
        (is_archived ? size : JOURNAL_FILE_BYTES) - HEADER_BYTES,
        table_at(DATA_TABLE),
        UINT64_C(16) * DATA_BUCKETS,
        table_at(FIELD_TABLE),
        UINT64_C(16) * FIELD_BUCKETS,
        j->tail,
        j->objects,
        j->entries.count,
        j->last_seqnum,
        j->first_seqnum,
        main_array,
        (uint64_t)j->first_us,
        (uint64_t)j->last_us,
        (uint64_t)j->last_monotonic_us,
        j->data.count,
        j->fields.count,
        0,
        arrays,
        j->data_depth,
        j->field_depth,
    };
    memcpy(h, signature, sizeof(signature));
    set32(h + 12, KEYED_HASH | ZSTD | COMPACT);
    h[16] = is_archived ? ARCHIVED : ONLINE;
    memcpy(h + 24, j->ids.file, JOURNAL_ID_BYTES);
    memcpy(h + 40, j->ids.machine, JOURNAL_ID_BYTES);
    memcpy(h + 56, j->ids.boot, JOURNAL_ID_BYTES);
    memcpy(h + 72, j->ids.seqnum, JOURNAL_ID_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        set64(h + 88 + i * 8, numbers[i]);
    set32(h + 256, main_array);
    set32(h + 260, j->entries.count);
}

int journal_finish(struct journal *j, bool is_archived, struct buffer *out)
{
    static const uint8_t zeros[8];
    uint64_t arrays, main_array;
    int rc = put_arrays(j, &arrays, &main_array);
    if (rc < 0)
        return rc;
    put_header(j, is_archived, arrays, main_array);
    rc = buffer_put(out, buffer_span(&j->out));
    size_t over = buffer_len(&j->out) % 8;
    return rc == 0 && over > 0 ? buffer_put(out, span_of(zeros, 8 - over)) : rc;
}
