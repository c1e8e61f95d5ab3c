/* A process's memory as a list of mappings (what /proc/PID/maps shows) over the page table of
 * cpu/space.h. Addresses are chosen as Linux chooses them: top down from below the stack, the
 * program and its heap in their own places, all shifted by the machine's randomness. */
#ifndef KERNEL_MM_H
#define KERNEL_MM_H

#include "cpu/space.h"
#include "kernel/lines.h"
#include "kernel/machine.h"

struct abi;  /* abi.h */
struct file; /* file.h */

enum {
    MM_AREAS_MAX = 8192,
    MM_PAGES_MAX = 1 << 21,     /* 8 GiB of addresses: what cpu/space.h can hold */
    MM_AUXV_MAX = 24,           /* pairs of words */
    MM_STACK_GUARD_PAGES = 256, /* stack_guard_gap */
    MM_MIN_ADDR = 65536,        /* vm.mmap_min_addr */
};

/* MM_SEGMENT: of System V's shared memory (ipc.h), which counts its mappings: none are joined. */
enum mm_kind { MM_ANY, MM_HEAP, MM_STACK, MM_SEGMENT };

struct mm_area {
    uint64_t start, end; /* whole pages */
    unsigned access;     /* CPU_READ, CPU_WRITE, CPU_EXEC; CPU_SHARED for MAP_SHARED */
    unsigned access_max; /* what mprotect may give: a file open for reading cannot be written */
    enum mm_kind kind;
    struct file *file; /* held; NULL: anonymous */
    uint64_t offset;   /* in the file, or in the shared object */
    uint64_t share_id; /* anonymous MAP_SHARED: the same number is the same memory; else 0 */
};

struct mm {
    unsigned refs;
    struct kernel *kernel;
    struct cpu_space *space;
    const struct abi *abi; /* of the program */
    uint64_t space_end;    /* its addresses are below */
    struct mm_area *areas; /* by address */
    size_t count, cap;
    uint64_t pages;    /* mapped in all, for RLIMIT_AS */
    uint64_t mmap_top; /* mappings are placed below */
    uint64_t brk_start, brk_end;
    uint64_t stack_top;
    /* Where exec put things, for /proc and the probes. */
    uint64_t code_start, code_end, data_start, data_end;
    uint64_t arg_start, arg_end, env_start, env_end;
    uint64_t auxv[2 * MM_AUXV_MAX];
    size_t auxv_count;   /* words */
    uint64_t trampoline; /* where handlers return to, when the kernel gives it; else 0 */
    uint64_t functions[LINES_FUNCTIONS]; /* addresses of what is probed in bash, or 0 */
    uint64_t frame;                      /* the stack pointer at the start */
    struct file *exe;                    /* held: /proc/PID/exe */
    struct snapshot *known;     /* held: the start, of which there may be a model; or NULL */
    struct cpu_maker *likeness; /* held: how it lies to the model; NULL: not packed yet */
    struct mm *next;            /* of kernel.dying */
    uint64_t refreshes;         /* the kernel's, when this was looked at */
};

/* An empty one, with one holder. NULL: out of memory. */
struct mm *mm_new(struct kernel *k, const struct abi *abi);
/* What fork makes. NULL: out of memory. */
struct mm *mm_clone(struct mm *mm);
void mm_hold(struct mm *mm);
/* The last holder's drop hands it to mm_bury. */
void mm_drop(struct mm *mm);
/* Gives back what has no holder any more, as much as a turn pays for; true when nothing is left. */
bool mm_bury(struct kernel *k);

struct mm_request {
    uint64_t addr; /* a hint, or the place when fixed */
    uint64_t len;  /* any; rounded up to pages */
    unsigned access, access_max;
    bool fixed;     /* MAP_FIXED: what is there is replaced */
    bool noreplace; /* MAP_FIXED_NOREPLACE: -EEXIST instead */
    bool low;       /* MAP_32BIT: below 2 GiB */
    enum mm_kind kind;
    struct file *file;                        /* borrowed; the area holds it for itself */
    uint64_t offset;                          /* whole pages */
    uint64_t address_space_limit, data_limit; /* RLIMIT_AS, RLIMIT_DATA; 0: not checked */
    uint64_t *filled; /* unless NULL: pages are made for a first piece, of so many bytes; mm_fill
                         makes the others */
};

/* The address, or -ENOMEM, -EINVAL, -EEXIST, or the file's error. */
int64_t mm_map(struct mm *mm, const struct mm_request *request);
int mm_unmap(struct mm *mm, uint64_t addr, uint64_t len);
/* -ENOMEM when a part is not mapped, -EACCES when the file forbids. */
int mm_protect(struct mm *mm, uint64_t addr, uint64_t len, unsigned access);
/* Drops contents: MADV_DONTNEED. -ENOMEM when a part is not mapped. */
int mm_discard(struct mm *mm, uint64_t addr, uint64_t len);
/* Pages `first` to `end` of the file behind `object` (file.h) are no longer what its shared mappings
 * show: they are mapped anew, before any guest runs again. */
void mm_refresh(struct kernel *k, const void *object, uint64_t first, uint64_t end);
/* Does as much of that as a turn pays for; true when nothing is left. */
bool mm_refresh_work(struct kernel *k);
/* Whether an access that failed was to a page of a file that the file does not have: SIGBUS. */
bool mm_is_beyond(const struct mm *mm, uint64_t addr, unsigned access);
/* Whether each page of the range is mapped. */
bool mm_is_covered(const struct mm *mm, uint64_t addr, uint64_t len);

/* Long ranges are worked on in pieces, so that no call holds the machine up. How many bytes from
 * `addr` on make one: at most `len`; a hole is one. */
enum { MM_PIECE_BYTES = 32 << 20, MM_FILE_PIECE_BYTES = 256 << 10 };
uint64_t mm_piece(const struct mm *mm, uint64_t addr, uint64_t len);
/* The pages of a piece of a mapping, anew. 0 or as mm_map. */
int mm_fill(struct mm *mm, uint64_t addr, uint64_t len);

enum { MM_REMAP_MAYMOVE = 1, MM_REMAP_FIXED = 2, MM_REMAP_DONTUNMAP = 4 };
enum { MM_MOVE_BYTES_MAX = 256 << 20 }; /* -ENOMEM: more cannot be moved at once */
/* What is new is filled from `*filled` on by mm_fill, when that is less than `new_len`. */
int64_t mm_remap(struct mm *mm, uint64_t addr, uint64_t old_len, uint64_t new_len, unsigned flags,
                 uint64_t new_addr, uint64_t address_space_limit, uint64_t *filled);

/* The break after the call: `addr` when it could be set, else as before. */
uint64_t mm_brk(struct mm *mm, uint64_t addr, uint64_t data_limit, uint64_t address_space_limit);

/* A fault below a stack: grows it when the limit allows. True: try again. */
bool mm_grow_stack(struct mm *mm, uint64_t addr, uint64_t stack_limit);

/* The area that holds `addr`, or NULL. Borrowed until the next change. */
const struct mm_area *mm_find(const struct mm *mm, uint64_t addr);

/* A free range of `len` bytes, or 0. */
uint64_t mm_find_gap(const struct mm *mm, uint64_t len, bool low);

#endif
