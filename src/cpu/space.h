/* A guest's address space: pages of 4 KiB behind a page table, copied on write.
 *
 * A page is backed by bytes that somebody else keeps and nobody writes (a file of the machine's
 * image: no copy, shared by all sessions), by the one zero page, or by a frame of the pool. Every
 * access is checked against the page's protection. Nothing here knows of files or processes: the
 * kernel keeps the list of mappings, this is the hardware's view. */
#ifndef CPU_SPACE_H
#define CPU_SPACE_H

#include "base/span.h"

enum { CPU_PAGE_BYTES = 4096 };

enum cpu_access {
    CPU_READ = 1,
    CPU_WRITE = 2,
    CPU_EXEC = 4,
    CPU_SHARED = 8, /* a mapping flag: a clone shares the page instead of copying it on write */
};

/* Addresses end here, as on x86-64 with four levels (user half). */
#define CPU_SPACE_END UINT64_C(0x7ffffffff000)

/* The frames of one machine (all processes of a session), with their maximum. */
struct cpu_pool;
struct cpu_pool *cpu_pool_new(size_t max_frames); /* NULL: out of memory */
void cpu_pool_free(struct cpu_pool *pool);        /* every space must be gone */
size_t cpu_pool_used(const struct cpu_pool *pool);

struct cpu_space;
struct cpu_space *cpu_space_new(struct cpu_pool *pool);
void cpu_space_free(struct cpu_space *space);

/* A piece of the work of cpu_space_free, which must follow: a large space takes long. How many pages
 * went; `*done` says that cpu_space_free has nothing left to do. */
size_t cpu_space_shrink(struct cpu_space *space, bool *done);

/* What fork does: the same contents, pages shared until one side writes. NULL: out of memory. */
struct cpu_space *cpu_space_clone(struct cpu_space *space);

/* Maps `len` bytes at `addr` (both whole pages), over whatever was there. `backing` is NULL for
 * zeroed pages, else the first of the file's bytes: it must stay alive and unchanged as long as any
 * space that maps it. When `backing` ends inside the last page (`backing.len` < `len`), the rest of
 * that page and all further pages read as zero. 0, -ENOMEM, -EINVAL. */
int cpu_space_map(struct cpu_space *space, uint64_t addr, uint64_t len, unsigned access,
                  struct span backing);
int cpu_space_unmap(struct cpu_space *space, uint64_t addr, uint64_t len);
int cpu_space_protect(struct cpu_space *space, uint64_t addr, uint64_t len, unsigned access);
/* Moves pages with their contents (mremap); the target range is replaced. */
int cpu_space_move(struct cpu_space *space, uint64_t from, uint64_t to, uint64_t len);
bool cpu_space_is_mapped(struct cpu_space *space, uint64_t addr, uint64_t len);

/* ---- Objects: pages that are somebody else's, a file's, and the same for all who map them ---- */

/* Tells the frame of the object's page that is mapped at `addr`, which is touched for the first time,
 * or written for the first time. 0; -EFAULT: there is no such page; -ENOMEM. It may map other
 * pages, of any space. */
typedef int (*cpu_space_fetch_fn)(void *pager, uint64_t addr, bool write, uint32_t *frame);
/* Who is asked; a clone must be told its own. */
void cpu_space_set_pager(struct cpu_space *space, cpu_space_fetch_fn fetch, void *pager);
/* Maps pages of an object as cpu_space_map maps; `access` with CPU_SHARED. */
int cpu_space_map_object(struct cpu_space *space, uint64_t addr, uint64_t len, unsigned access);

/* The object's side. A frame made of the bytes of a page, which must be from malloc and are the
 * pool's from now on; its number, or 0 and they stay the caller's: the pool is used up. */
uint32_t cpu_pool_adopt(struct cpu_pool *pool, uint8_t *bytes);
/* It is about to be written by other means: code decoded from it is forgotten. */
void cpu_pool_touch(struct cpu_pool *pool, uint32_t frame);
/* Gives it back; mappings may still have it. */
void cpu_pool_drop(struct cpu_pool *pool, uint32_t frame);
/* The bytes of one that nobody has mapped any more, the caller's again; NULL: somebody has. */
uint8_t *cpu_pool_take_back(struct cpu_pool *pool, uint32_t frame);

/* ---- Snapshots: pages that are like somebody else's ---- */

/* Who makes pages when they are first touched. Counted: each space that has such pages, and its
 * clones, are holders; the last one frees it. */
struct cpu_maker {
    unsigned refs;
    /* The contents of the page for which cpu_space_give_page was given `like`. */
    void (*make)(const struct cpu_maker *maker, const uint8_t *like, uint8_t page[CPU_PAGE_BYTES]);
    void (*free)(struct cpu_maker *maker);
};
/* The space holds it from now on (one at most in its life). */
void cpu_space_set_maker(struct cpu_space *space, struct cpu_maker *maker);
struct cpu_maker *cpu_space_maker(const struct cpu_space *space); /* NULL: none */
/* The mapped page at `addr` has from now on the bytes `like` (which nobody changes, and which live
 * as long as the maker), copied when it is written; `made`: what the maker makes of them. 0,
 * -EFAULT, -ENOMEM. */
int cpu_space_give_page(struct cpu_space *space, uint64_t addr, const uint8_t *like, bool made);
/* Every page that has bytes of its own, with its address, in no order; NULL: they are packed. */
typedef void (*cpu_space_page_fn)(void *context, uint64_t addr, const uint8_t *bytes);
void cpu_space_each_own(struct cpu_space *space, cpu_space_page_fn fn, void *context);

/* ---- Packing: pages that are nearly like somebody else's ---- */

/* What the maker's `make` is to be given for the page at `addr`; NULL: nothing is like it. */
typedef const uint8_t *(*cpu_space_like_fn)(const struct cpu_maker *maker, uint64_t addr);
/* Gives back the memory of pages that are this space's alone and differ in little from what the maker
 * makes: that is kept, and the page is made again when it is touched. What is like it
 * lives as long as the maker. A packed page counts for the pool's maximum as before, so that no
 * guest can tell. Looks at `*budget` pages at most and takes those it looked at from it. How many
 * were packed; where memory is wanting none are. */
size_t cpu_space_pack(struct cpu_space *space, struct cpu_maker *maker, cpu_space_like_fn like,
                      size_t *budget);

/* Nobody will run here for a while: gives back what a run needs; page tables are kept as runs. */
void cpu_space_rest(struct cpu_space *space);
void cpu_pool_rest(struct cpu_pool *pool);

/* The kernel's copies from and to the guest. 0, or -EFAULT when a byte is not mapped or the
 * protection forbids it (bytes before it may have been copied). */
int cpu_space_read(struct cpu_space *space, uint64_t addr, void *out, size_t len);
int cpu_space_write(struct cpu_space *space, uint64_t addr, const void *bytes, size_t len);
/* Writes whatever the protection says: the loader, relocations of ours, a debugger. */
int cpu_space_poke(struct cpu_space *space, uint64_t addr, const void *bytes, size_t len);
/* Reads up to and with the NUL. The string's length, -EFAULT, or -ENAMETOOLONG when no NUL stands
 * in the first `size` bytes. */
int64_t cpu_space_read_z(struct cpu_space *space, uint64_t addr, char *out_z, size_t size);

/* Frames that belong to this space alone, and pages mapped in all. */
size_t cpu_space_private_pages(struct cpu_space *space);
size_t cpu_space_mapped_pages(struct cpu_space *space);

#endif
