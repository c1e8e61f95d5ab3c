/* The overlay: the image's files in place until they are changed, and what a visitor changes.
 * Shared by overlay*.c and keep.c; everybody else sees the `struct fs` of overlay_new.
 *
 * Inodes 1 .. N are the image's, new ones come after. An inode that is changed or in use has a
 * `struct inode` here; all others exist only in the image. Names: a `struct name` is a name that
 * was added to a directory, or, with ino 0, one of the image that was removed. Directories keep
 * their inode when they are renamed, so nothing below them is copied. */
#ifndef KERNEL_OVERLAY_H
#define KERNEL_OVERLAY_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "kernel/fs.h"
#include "kernel/hash.h"

#include "persona/image.h"
#include "persona/packed.h"

enum {
    OVERLAY_PAGE = 4096,
    OVERLAY_LINKS_MAX = 65000, /* ext4: -EMLINK */
    OVERLAY_MEMFD = 1 << 30,   /* memfd_create(2) made it */
};

struct name {
    struct hash_link link;       /* in overlay.names; first */
    struct name *before, *after; /* of the same directory, by cookie */
    uint64_t dir, ino;           /* ino 0: the image's entry is gone */
    int64_t cookie;              /* its place in readdir */
    uint8_t len;
    char text[];
};

/* A page of contents that is not the image's. */
struct page {
    uint64_t index;
    uint8_t *bytes;
    uint32_t
        frame;  /* while it is mapped: of the machine's pool, and the bytes are the frame's; or 0 */
    bool clean; /* mapped, and not written yet: as what is below, and charged to nobody */
};

struct inode {
    struct hash_link link; /* in overlay.inodes, key: number; first */
    uint64_t ino;
    uint32_t mode, uid, gid, nlink;
    uint64_t rdev;
    uint32_t flags; /* chattr(1) */
    uint32_t seals; /* F_SEAL_ bits, and OVERLAY_MEMFD */
    int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
    uint32_t holds; /* descriptions and current directories */
    bool kept;      /* changed or new: stays when nobody holds it */

    /* A regular file: `base` below `size`, replaced page by page; zeros where neither is. */
    int64_t size;
    struct span base;   /* the image's bytes, or a link's target; empty when they are packed */
    struct span packed; /* persona/packed.h; of the file's first `packed_size` bytes */
    uint64_t packed_size;
    int64_t base_bytes; /* how many of the image's bytes still count: fewer once truncated */
    struct page *pages; /* by index */
    size_t page_count, page_room;
    uint32_t mapped; /* shared mappings of it */

    uint64_t parent;  /* a directory: the one above */
    uint32_t entries; /* a directory: names in it, without . and .. */
    struct name *first_name, *last_name;

    char *target; /* of a new symbolic link, or the contents of a record: owned, base is its span */
    struct xattr *attributes; /* owned */
    void *object;             /* a fifo's, socket's or message queue's */
};

/* The block of packed contents that was read last. */
struct unpacked {
    const uint8_t *packed; /* of what; NULL: nothing */
    uint64_t index;
    size_t len;
    uint8_t *bytes; /* PERSONA_BLOCK; owned; made when it is first wanted */
};

struct overlay {
    struct fs fs;                      /* first */
    const struct persona_image *image; /* or NULL */
    struct hash inodes, names;
    uint64_t next_ino;
    uint64_t boot_ino;          /* next_ino when the machine had booted */
    uint64_t bytes, boot_bytes; /* of pages, now and when it had booted */
    int64_t next_cookie;
    struct unpacked unpacked;
};

static inline struct overlay *overlay_of(struct fs *fs)
{
    return (struct overlay *)fs->super;
}

/* The seals of an open regular file; NULL when it is none. */
uint32_t *overlay_seals(struct file *f);

/* The inode in memory, made from the image when it is not there yet; not kept, not held (it goes
 * away with the next overlay_forget). NULL: no such inode, or no memory. */
struct inode *overlay_inode(struct overlay *o, uint64_t ino);
/* The same if it is already in memory. */
struct inode *overlay_inode_find(const struct overlay *o, uint64_t ino);
/* It is changed from now on: counted and kept. 0, -ENOSPC. */
int overlay_keep(struct overlay *o, struct inode *i);
/* Frees what nobody holds and is not changed, or has lost its last name. */
void overlay_forget(struct overlay *o, struct inode *i);
/* A new inode, kept. -ENOSPC, -ENOMEM. */
int overlay_inode_new(struct overlay *o, const struct fs_new *new, struct inode **out);
int overlay_may_add(struct overlay *o); /* one name or inode more: 0 or -ENOSPC */

bool overlay_is(const struct fs *fs);

/* ---- Kept over a visit (overlay_save.c, overlay_load.c; keep.h) ----
 *
 * Numbers are big-endian, strings have a u32 length (base/buffer.h):
 *
 *   u64 next_ino
 *   u32 how many inodes, each: u64 ino, u32 mode uid gid nlink, u64 rdev, u32 flags, i64 atime mtime
 *       ctime btime, u64 size base_bytes parent, u32 entries, string target (of a new link),
 *       u32 how many attributes, each: string name and value,
 *       u32 how many pages, each: u64 index, string contents without the zeros at their end
 *   u32 how many names, each: u64 dir ino, string text; those of a directory in their order */

/* Appends what was changed. 0, ERR_FULL or ERR_NOMEM. */
int overlay_save(const struct overlay *o, struct buffer *out);

/* Reads it into an overlay of its own, for the same image, which may take the place of `live` if
 * that is as its machine has booted. Both count for the machine's quota. 0, ERR_MALFORMED (nothing that
 * overlay_save has written, or not for this one), ERR_FULL (beyond the quota) or ERR_NOMEM. */
int overlay_load(const struct overlay *live, struct cursor *c, struct overlay **out);
/* `saved` takes the place of what is in `live`, and is gone. */
void overlay_replace(struct overlay *live, struct overlay *saved);

/* ---- Contents (overlay_data.c) ---- */
int overlay_resize(struct overlay *o, struct inode *i, int64_t size);
void overlay_drop_pages(struct overlay *o, struct inode *i, uint64_t from);
void overlay_reread(struct overlay *o, struct inode *i); /* its pages are what is below again */
int overlay_charge(struct overlay *o);                   /* a page more: 0 or -ENOSPC */
void overlay_uncharge(struct overlay *o);
uint64_t overlay_written(const struct overlay *o); /* bytes, since it had booted */
uint64_t overlay_blocks(const struct inode *i);    /* of 512 bytes */
extern const struct file_ops overlay_file_ops;

/* ---- Names (overlay_dir.c) ---- */
struct name *overlay_name_find(const struct overlay *o, uint64_t dir, struct span text);
/* A file of records that keeps what it has: somebody has written to it. */
bool overlay_is_changed_record(const struct vnode *node);

/* An open file of records gets what has happened since. False: nobody has it open, or somebody has changed it. */
bool overlay_refresh_record(const struct vnode *node, bool *has_grown);

/* A record of its own, behind the others of the directory; counted. NULL: out of memory. */
struct name *overlay_name_add(struct overlay *o, struct inode *dir, struct span text, uint64_t ino);
int overlay_find(struct fs *fs, struct task *t, uint64_t dir, struct span text, uint64_t *ino);
int64_t overlay_name_of(struct fs *fs, uint64_t dir, uint64_t ino, char *out, size_t size);
int overlay_readdir(struct fs *fs, struct task *t, uint64_t dir, int64_t at, file_entry_fn fn,
                    void *ctx);
int overlay_make(struct fs *fs, uint64_t dir, struct span text, const struct fs_new *new,
                 uint64_t *ino);
int overlay_link(struct fs *fs, uint64_t ino, uint64_t dir, struct span text);
int overlay_unlink(struct fs *fs, uint64_t dir, struct span text);
int overlay_rename(struct fs *fs, uint64_t from_dir, struct span from, uint64_t to_dir,
                   struct span to);
int overlay_exchange(struct fs *fs, uint64_t a_dir, struct span a, uint64_t b_dir, struct span b);
void overlay_drop_names(struct overlay *o, struct inode *dir);
/* The number that programs see. */
uint64_t overlay_shown(const struct overlay *o, uint64_t ino);

#endif
