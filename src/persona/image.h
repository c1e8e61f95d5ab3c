/* The machine's image: a read-only file tree in one block of bytes, made by tools/persona-build
 * from Debian's packages and the persona's own files, mapped once and shared by all sessions.
 * Pure: opens no file, reads the bytes it is given and trusts none of them.
 *
 * File contents begin at page boundaries, so that the guest's mappings use them in place. */
#ifndef PERSONA_IMAGE_H
#define PERSONA_IMAGE_H

#include "base/span.h"

enum { PERSONA_ROOT = 1 }; /* the root directory's inode number; 0 is "no inode" */

struct persona_image;

/* Checks the header and all tables (bounds, types, order), not the contents' checksum. `bytes` is
 * borrowed for the image's life and must be page-aligned. 0, ERR_MALFORMED, ERR_VERSION, ERR_NOMEM */
int persona_image_open(struct span bytes, struct persona_image **out);
void persona_image_close(struct persona_image *image);

struct persona_node {
    uint32_t ino;
    uint32_t mode; /* as st_mode: type and permissions */
    uint32_t uid, gid;
    uint32_t nlink;
    uint32_t rdev_major, rdev_minor; /* devices */
    int64_t mtime_s;
    struct span data;  /* a file's contents (page-aligned start) or a link's target; else empty */
    uint32_t children; /* a directory: how many entries, without . and .. */
    uint32_t parent;   /* a directory: the inode above it; the root is its own */
};

uint32_t persona_image_nodes(const struct persona_image *image); /* inodes are 1 .. this */

/* False when there is no such inode. */
bool persona_image_node(const struct persona_image *image, uint32_t ino, struct persona_node *out);

/* The inode of `name` in directory `dir`, or 0. */
uint32_t persona_image_find(const struct persona_image *image, uint32_t dir, struct span name);

/* Entry `index` of directory `dir` (in byte order of names): its inode, or 0 past the end. */
uint32_t persona_image_entry(const struct persona_image *image, uint32_t dir, uint32_t index,
                             struct span *name);

#endif
