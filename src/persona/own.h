/* The inside of an image: the bytes' tables, and what an installation has of its own. For this
 * folder only. */
#ifndef PERSONA_OWN_H
#define PERSONA_OWN_H

#include "base/arena.h"
#include "persona/image.h"

enum {
    /* File types of st_mode; <sys/stat.h> is the host's, these are the guest's. */
    TYPE_MASK = 0170000,
    TYPE_FIFO = 0010000,
    TYPE_CHAR = 0020000,
    TYPE_DIR = 0040000,
    TYPE_BLOCK = 0060000,
    TYPE_FILE = 0100000,
    TYPE_LINK = 0120000,
    TYPE_SOCKET = 0140000,

    OWN_DIR_MARKS = 4096, /* inodes share them by what is left of a division by it */
};

struct own_entry {
    struct span name;
    uint32_t ino;
};

/* A directory whose names are not, or not all, those of the bytes. */
struct own_dir {
    uint32_t ino, count, room, nlink;
    struct own_entry *entries; /* sorted by name; owned */
};

struct persona_image {
    struct span bytes;
    struct span nodes, entries, text;
    uint32_t node_count, entry_count;
    uint64_t contents_at;

    struct persona_times times;
    uint8_t *made_late; /* a bit for each inode of the bytes: made at made_s; NULL: none; owned */
    int64_t made_s;
    struct arena arena;       /* names and contents of its own */
    struct persona_node *own; /* inodes node_count + 1 and on; owned */
    uint32_t own_count, own_room;
    struct own_dir *own_dirs; /* by inode; owned */
    uint32_t own_dir_count, own_dir_room;
    uint8_t own_dir_marks[OWN_DIR_MARKS]; /* those not 0 have a directory of own_dirs */
};

void own_init(struct persona_image *image);
void own_fini(struct persona_image *image);

/* Of an inode of the bytes: persona_image_made_at. */
bool own_is_late(const struct persona_image *image, uint32_t ino);
/* Of an inode above node_count. */
const struct persona_node *own_node(const struct persona_image *image, uint32_t ino);
/* NULL: its names are those of the bytes. */
const struct own_dir *own_dir_find(const struct persona_image *image, uint32_t ino);
uint32_t own_dir_lookup(const struct own_dir *dir, struct span name); /* 0: not there */

#endif
