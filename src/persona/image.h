/* The machine's image: a read-only file tree in one block of bytes, made by tools/persona-build
 * from Debian's packages and the persona's own files, mapped once and shared by all sessions.
 * Pure: opens no file, reads the bytes it is given and trusts none of them.
 *
 * Contents of programs and libraries begin at page boundaries and the image is whole pages, so that
 * the guest's mappings use them in place: from the end of such contents to the end of that page
 * there are bytes, and the builder makes them zeros. Other contents stand close together, the long
 * ones packed (persona/packed.h).
 *
 * The format, all numbers little-endian, offsets from the start of the image:
 *
 *   header     0  magic "LUREDIMG"    8  u32 version    12  u32 zero     16  u64 bytes in all
 *             24  SHA-256 of everything from 64 on      56  u64 zero
 *             64  u64 offset, u32 count of nodes        76  u32 count of entries
 *             80  u64 offset of entries                 88  u64 offset, 96 u64 bytes of text
 *            104  u64 offset of the contents (page-aligned; they go on to the end)
 *   node      u32 mode, uid, gid, links; i64 mtime (seconds); u64 first, size; u32 parent, packed
 *             a file: offset and bytes of its contents, and how many bytes they take packed (0: in
 *             place); a link: of its target in the text;
 *             a directory: first entry and how many, and the inode above it;
 *             a device: major and minor; a pipe, a socket: zeros
 *   entry     u32 name (its offset in the text), name's bytes, inode
 *
 * Inodes count from 1, the root, each directory after the one above it; a directory's entries are
 * one run, sorted by name, the runs in the order of the directories' inodes without gaps. */
#ifndef PERSONA_IMAGE_H
#define PERSONA_IMAGE_H

#include "base/span.h"

enum {
    PERSONA_ROOT = 1, /* the root directory's inode number; 0 is "no inode" */
    PERSONA_PAGE = 4096,
    PERSONA_NAME_MAX = 255,
    PERSONA_TARGET_MAX = 4095, /* bytes of a symbolic link's target */
    PERSONA_SHA256_BYTES = 32,
};

struct persona_image;

/* Checks the header and all tables (bounds, types, order), not the contents' checksum. `bytes` is
 * borrowed for the image's life and must be page-aligned. 0, ERR_MALFORMED, ERR_VERSION, ERR_NOMEM */
int persona_image_open(struct span bytes, struct persona_image **out);
void persona_image_close(struct persona_image *image);

/* The checksum that the image says it has, and the bytes that it covers (both within the image):
 * who loads an image compares them once. */
struct span persona_image_checksum(const struct persona_image *image, struct span *covered);

/* A file whose contents are made when they are read: what has happened until then (past.h). */
enum persona_record {
    PERSONA_RECORD_NONE,
    PERSONA_RECORD_AUTH,
    PERSONA_RECORD_SYSLOG,
    PERSONA_RECORD_CRON,
    PERSONA_RECORD_KERN,
    PERSONA_RECORD_UTMP,
    PERSONA_RECORD_WTMP,
    PERSONA_RECORD_BTMP,
    PERSONA_RECORD_LASTLOG,
    PERSONA_RECORD_USER,
    PERSONA_RECORD_JOURNAL,  /* its age is that of its file: past.h */
    PERSONA_RECORD_PACKAGES, /* what dpkg logs: the image's own contents, until it is rotated */
};

struct persona_node {
    uint32_t ino;
    uint32_t mode; /* as st_mode: type and permissions */
    uint32_t uid, gid;
    uint32_t nlink;
    uint32_t rdev_major, rdev_minor; /* devices */
    int64_t mtime_s, ctime_s;
    uint64_t size;      /* a file's or a link's bytes */
    struct span data;   /* a file's contents or a link's target; else empty */
    struct span packed; /* a file's contents when they are packed (then `data` is empty) */
    uint32_t children;  /* a directory: how many entries, without . and .. */
    uint32_t parent;    /* a directory: the inode above it; the root is its own */
    enum persona_record record;
    uint32_t age; /* of a record: rotated so many times */
};

uint32_t persona_image_nodes(const struct persona_image *image); /* inodes are 1 .. this */

/* False when there is no such inode. */
bool persona_image_node(const struct persona_image *image, uint32_t ino, struct persona_node *out);

/* The inode of `name` in directory `dir`, or 0. */
uint32_t persona_image_find(const struct persona_image *image, uint32_t dir, struct span name);

/* The inode of a path from the root ("/etc/passwd"), or 0. Symbolic links on the way and at the end
 * are followed as the kernel follows them, at most 40 of them. "." and ".." are understood. */
uint32_t persona_image_lookup(const struct persona_image *image, struct span path);

/* Whether an inode is a file of records (it is one that was put there, below), and which. */
bool persona_image_record(const struct persona_image *image, uint32_t ino,
                          enum persona_record *record, uint32_t *age);

/* Entry `index` of directory `dir` (in byte order of names): its inode, or 0 past the end. */
uint32_t persona_image_entry(const struct persona_image *image, uint32_t dir, uint32_t index,
                             struct span *name);

/* ---- What one installation has of its own (own.c) ----
 *
 * Names beside or in place of those of the bytes: put there once, before the image is used, and then
 * shared like the rest. A name that is replaced gets a new inode, with a number above the others. */

enum { PERSONA_OWN_MAX = 4096, PERSONA_OWN_BYTES_MAX = 16 << 20 };

struct persona_new {
    uint32_t
        mode; /* with its type: a file, a directory or a link; 0: all but `data` as it is now */
    uint32_t uid, gid;
    int64_t mtime_s;
    struct span data; /* contents or target; copied */
    enum persona_record record;
    uint32_t age; /* of a record: rotated so many times */
};

/* The directory above must be there, and a directory is not replaced (0 when it is there already).
 * 0, ERR_MALFORMED (no such place), ERR_FULL, ERR_NOMEM. */
int persona_image_put(struct persona_image *image, struct span path, const struct persona_new *new);
/* The name goes; what is below a directory with it. 0, and the same errors. */
int persona_image_drop(struct persona_image *image, struct span path);

/* What was made when the machine was installed: times from `from_s` to `until_s` (the image's own)
 * move by `by_s`, and nothing was changed (ctime) before `installed_s`. */
struct persona_times {
    int64_t from_s, until_s, by_s, installed_s;
};
void persona_image_set_times(struct persona_image *image, const struct persona_times *times);
/* What the bytes have at `path` and below was made at `time_s`: when the machine started. The files
 * of the installation's own keep their times. 0 or ERR_NOMEM. */
int persona_image_made_at(struct persona_image *image, struct span path, int64_t time_s);

#endif
