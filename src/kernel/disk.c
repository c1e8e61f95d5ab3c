#include "kernel/disk.h"

#include "base/error.h"
#include "kernel/fs.h"
#include "kernel/hardware.h"
#include "kernel/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = PERSONA_DISK_BLOCK,
    NOISE = 256,
    NOT_ALIKE = -1,
    BLOCK_COST = 2000, /* instructions, of a block however little of it is asked for */
};

struct kept {
    uint64_t index;
    uint8_t *bytes;
};

struct run {
    uint64_t from, to;
    uint32_t fill; /* the byte, or NOISE */
};

struct disk {
    struct kept kept[DISK_KEPT_MAX]; /* by index */
    size_t kept_count;
    struct run runs[DISK_RUNS_MAX]; /* the newest last: it is what counts */
    size_t run_count;
};

uint64_t disk_bytes(const struct vfs *vfs)
{
    return persona_disk_of(vfs->hardware->volume.gib).disk_kib * 1024;
}

/* ---- Reading ---- */

/* Where the block is, or where it would stand. */
static size_t place_of(const struct disk *d, uint64_t index)
{
    size_t from = 0, to = d->kept_count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (d->kept[middle].index < index)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool is_kept(const struct disk *d, size_t place, uint64_t index)
{
    return place < d->kept_count && d->kept[place].index == index;
}

static const struct run *run_of(const struct disk *d, uint64_t index)
{
    for (size_t i = d->run_count; i > 0; i--)
        if (index >= d->runs[i - 1].from && index < d->runs[i - 1].to)
            return &d->runs[i - 1];
    return NULL;
}

static void make_noise(uint64_t index, uint8_t *out)
{
    for (size_t i = 0; i < BLOCK; i += sizeof(uint64_t)) {
        uint64_t word =
            hash_bytes(index * BLOCK + i, span_of(NULL, 0)) * UINT64_C(0x9e3779b97f4a7c15);
        word = (word ^ word >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
        word ^= word >> 29;
        memcpy(out + i, &word, sizeof(word));
    }
}

static void read_block(const struct vfs *vfs, uint64_t index, uint8_t *out)
{
    const struct disk *d = vfs->disk;
    size_t place = d != NULL ? place_of(d, index) : 0;
    const struct run *run = d != NULL ? run_of(d, index) : NULL;
    if (d != NULL && is_kept(d, place, index))
        memcpy(out, d->kept[place].bytes, BLOCK);
    else if (run != NULL && run->fill == NOISE)
        make_noise(index, out);
    else if (run != NULL)
        memset(out, (int)run->fill, BLOCK);
    else
        persona_disk_block(&vfs->hardware->volume, index, out);
}

static void charge(const struct vfs *vfs)
{
    if (vfs->kernel != NULL)
        kernel_charge(vfs->kernel, BLOCK_COST);
}

void disk_read(const struct vfs *vfs, uint64_t at, uint8_t *out, size_t len)
{
    uint8_t block[BLOCK];
    while (len > 0) {
        size_t from = (size_t)(at % BLOCK), n = BLOCK - from < len ? BLOCK - from : len;
        charge(vfs);
        read_block(vfs, at / BLOCK, block);
        memcpy(out, block + from, n);
        out += n;
        at += n;
        len -= n;
    }
}

/* ---- Writing ---- */

static void forget(struct vfs *vfs, uint64_t index)
{
    struct disk *d = vfs->disk;
    size_t place = place_of(d, index);
    if (!is_kept(d, place, index))
        return;
    free(d->kept[place].bytes);
    vfs->quota.bytes -= BLOCK;
    d->kept_count--;
    memmove(&d->kept[place], &d->kept[place + 1], (d->kept_count - place) * sizeof(d->kept[0]));
}

/* Room for one more block to be kept, or NULL: it cannot be. The quota's end is not told: the disk is
 * not full. */
static uint8_t *keep(struct vfs *vfs, uint64_t index)
{
    struct disk *d = vfs->disk;
    size_t place = place_of(d, index);
    if (is_kept(d, place, index))
        return d->kept[place].bytes;
    if (d->kept_count == DISK_KEPT_MAX || vfs->quota.bytes + BLOCK > vfs->quota.bytes_max)
        return NULL;
    uint8_t *bytes = malloc(BLOCK);
    if (bytes == NULL)
        return NULL;
    vfs->quota.bytes += BLOCK;
    memmove(&d->kept[place + 1], &d->kept[place], (d->kept_count - place) * sizeof(d->kept[0]));
    d->kept[place] = (struct kept){index, bytes};
    d->kept_count++;
    return bytes;
}

static void fill(struct vfs *vfs, uint64_t index, uint32_t with)
{
    struct disk *d = vfs->disk;
    struct run *last = d->run_count > 0 ? &d->runs[d->run_count - 1] : NULL;
    forget(vfs, index);
    if (last != NULL && last->fill == with && index >= last->from && index <= last->to) {
        last->to = index == last->to ? index + 1 : last->to;
        return;
    }
    if (d->run_count == DISK_RUNS_MAX) {
        d->run_count--;
        memmove(&d->runs[0], &d->runs[1], d->run_count * sizeof(d->runs[0]));
    }
    d->runs[d->run_count++] = (struct run){index, index + 1, with};
}

/* The byte that all of a block are, or NOT_ALIKE. */
static int alike(const uint8_t *block)
{
    return memcmp(block, block + 1, BLOCK - 1) == 0 ? block[0] : NOT_ALIKE;
}

static void write_block(struct vfs *vfs, uint64_t index, const uint8_t *block)
{
    int byte = alike(block);
    uint8_t *bytes = byte == NOT_ALIKE ? keep(vfs, index) : NULL;
    if (bytes != NULL)
        memcpy(bytes, block, BLOCK);
    else
        fill(vfs, index, byte == NOT_ALIKE ? (uint32_t)NOISE : (uint32_t)byte);
}

int disk_write(struct vfs *vfs, uint64_t at, const uint8_t *bytes, size_t len)
{
    uint8_t block[BLOCK];
    if (vfs->disk == NULL)
        vfs->disk = calloc(1, sizeof(*vfs->disk));
    if (vfs->disk == NULL)
        return -EIO;
    vfs->changes++;
    while (len > 0) {
        size_t from = (size_t)(at % BLOCK), n = BLOCK - from < len ? BLOCK - from : len;
        charge(vfs);
        if (n < BLOCK)
            read_block(vfs, at / BLOCK, block);
        memcpy(block + from, bytes, n);
        write_block(vfs, at / BLOCK, block);
        bytes += n;
        at += n;
        len -= n;
    }
    return 0;
}

void disk_free(struct vfs *vfs)
{
    struct disk *d = vfs->disk;
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->kept_count; i++)
        free(d->kept[i].bytes);
    vfs->quota.bytes -= d->kept_count * BLOCK;
    free(d);
    vfs->disk = NULL;
}

/* ---- For later ---- */

int disk_save(const struct vfs *vfs, struct buffer *out)
{
    const struct disk *d = vfs->disk;
    if (d == NULL)
        return 0;
    int rc = buffer_put_u32(out, (uint32_t)d->run_count);
    for (size_t i = 0; i < d->run_count && rc == 0; i++) {
        rc = buffer_put_u64(out, d->runs[i].from);
        if (rc == 0)
            rc = buffer_put_u64(out, d->runs[i].to);
        if (rc == 0)
            rc = buffer_put_u32(out, d->runs[i].fill);
    }
    if (rc == 0)
        rc = buffer_put_u32(out, (uint32_t)d->kept_count);
    for (size_t i = 0; i < d->kept_count && rc == 0; i++) {
        rc = buffer_put_u64(out, d->kept[i].index);
        if (rc == 0)
            rc = buffer_put(out, span_of(d->kept[i].bytes, BLOCK));
    }
    return rc;
}

static int load_runs(struct disk *d, struct cursor *c)
{
    uint32_t count = cursor_u32(c);
    for (uint32_t i = 0; i < count && !c->failed; i++) {
        struct run run = {.from = cursor_u64(c)};
        run.to = cursor_u64(c);
        run.fill = cursor_u32(c);
        if (i == DISK_RUNS_MAX || run.fill > NOISE || run.from >= run.to)
            return ERR_MALFORMED;
        d->runs[d->run_count++] = run;
    }
    return 0;
}

static int load_kept(struct vfs *vfs, struct cursor *c)
{
    uint32_t count = cursor_u32(c);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t index = cursor_u64(c);
        struct span block = cursor_bytes(c, BLOCK);
        uint8_t *bytes = c->failed ? NULL : keep(vfs, index);
        if (c->failed || i == DISK_KEPT_MAX)
            return ERR_MALFORMED;
        if (bytes != NULL)
            memcpy(bytes, block.data, BLOCK);
        else
            fill(vfs, index, NOISE);
    }
    return 0;
}

int disk_load(struct vfs *vfs, struct cursor *c)
{
    if (cursor_end(c) == 0)
        return 0;
    disk_free(vfs);
    vfs->disk = calloc(1, sizeof(*vfs->disk));
    int rc = vfs->disk == NULL ? ERR_NOMEM : load_runs(vfs->disk, c);
    if (rc == 0)
        rc = load_kept(vfs, c);
    if (rc == 0 && cursor_end(c) != 0)
        rc = ERR_MALFORMED;
    if (rc != 0)
        disk_free(vfs);
    return rc;
}
