/* Snapshots: the state of a program some way into its life, kept once and cloned by exec, instead
 * of computing the same again for every visitor.
 *
 * What a program has done before it looks at anything new is a function of few inputs: where its
 * parts lie, random bytes, its process number, the time, the digits of the peer's address. A
 * snapshot is learned from several runs of the same start with different inputs (snapshot_learn.c):
 * every word that differs between them must be explained by an input (snapshot_explain.c), in live
 * memory, registers and kernel tables alike, and the explanation must give each of the runs byte by
 * byte. Otherwise an earlier point is tried, or there is no snapshot. Only what lies below the
 * stack's red zone may differ: it is dead, and a signal would write over it at any time.
 *
 * What is left of addresses between bytes that were written over is explained like them, as far as
 * the runs tell; where they leave a choice, it is taken to lead where most others lead, for nobody uses
 * it as an address. Of a shell on a terminal a few cells of the stack may stay unexplained: functions
 * leave things in each other's frames.
 *
 * A clone (snapshot_clone.c) is of the same program, with the same arguments, environment,
 * credentials and directory; only the digits of SSH_CLIENT, SSH_CONNECTION and XDG_SESSION_ID may be
 * others. Files that the start looked at must be as they were. */
#ifndef KERNEL_SNAPSHOT_H
#define KERNEL_SNAPSHOT_H

#include "kernel/exec.h"
#include "kernel/mm.h"
#include "kernel/signal.h"
#include "kernel/tty.h"
#include "kernel/vfs.h"

enum {
    SNAPSHOT_ENTRIES_MAX = 512,          /* learned or to be learned */
    SNAPSHOT_KEY_MAX = 8192,             /* bytes of arguments, environment, ... */
    SNAPSHOT_PATCHES_MAX = 65536,        /* words of one snapshot that depend on inputs */
    SNAPSHOT_PAGES_MAX = 1024,           /* changed pages of one */
    SNAPSHOT_STACK_MAX = 131072,         /* bytes of stack below the first frame */
    SNAPSHOT_DURATION_LEAST = 1 << 10,   /* of ld.so's work, in counts of the processor ... */
    SNAPSHOT_DURATION_MOST = 1 << 24,    /* ... which no address is as small as */
    SNAPSHOT_AREAS_MAX = 256,            /* mappings */
    SNAPSHOT_FILES_MAX = 64,             /* that are mapped */
    SNAPSHOT_CHECKS_MAX = 512,           /* names looked up */
    SNAPSHOT_CALLS_MAX = 2048,           /* system calls of the start */
    SNAPSHOT_INSTRUCTIONS_MAX = 8000000, /* of the start */
    SNAPSHOT_PROMPT_MAX = 100000000,     /* of one on a terminal, until it waits for input */
    SNAPSHOT_MEMORY_MAX = 1024,          /* frames of a machine that learns */
    SNAPSHOT_RANDOMS = 4,                /* getrandom calls */
    SNAPSHOT_TIMES = 12,                 /* looks at the clock */
    SNAPSHOT_CHILDREN = 4,               /* processes that it forks */
    SNAPSHOT_LEFT_MAX = 16,              /* cells of its stack that are not explained */
    SNAPSHOT_LEGS_MAX = 4,               /* cloned later, after calls that were made */
    SNAPSHOT_REFUSALS = 4,               /* calls that are not there */
};

/* ---- Inputs (snapshot_explain.c) ---- */

enum snapshot_symbol {
    SNAPSHOT_ZERO,
    SNAPSHOT_PROGRAM, /* its lowest address; here and below: addresses */
    SNAPSHOT_MAPPINGS,
    SNAPSHOT_HEAP,
    SNAPSHOT_FRAME, /* the stack pointer at the start */
    SNAPSHOT_STACK, /* the stack's top */
    SNAPSHOT_ADDRESSES,

    SNAPSHOT_CANARY = SNAPSHOT_ADDRESSES, /* as glibc takes them from AT_RANDOM */
    SNAPSHOT_GUARD,
    SNAPSHOT_PID,
    SNAPSHOT_PPID,
    SNAPSHOT_RANDOM,
    SNAPSHOT_SECONDS = SNAPSHOT_RANDOM + SNAPSHOT_RANDOMS,
    SNAPSHOT_PARTS = SNAPSHOT_SECONDS + SNAPSHOT_TIMES, /* micro- or nanoseconds */
    SNAPSHOT_CHILD = SNAPSHOT_PARTS + SNAPSHOT_TIMES,   /* their process numbers */
    SNAPSHOT_SYMBOLS = SNAPSHOT_CHILD + SNAPSHOT_CHILDREN,
};

/* How many of the inputs that come from calls are known by now. */
struct snapshot_seen {
    unsigned times, randoms, children;
};

enum snapshot_text {
    SNAPSHOT_CLIENT,     /* the value of SSH_CLIENT */
    SNAPSHOT_CONNECTION, /* of SSH_CONNECTION */
    SNAPSHOT_SESSION,    /* of XDG_SESSION_ID */
    SNAPSHOT_PID_TEXT,   /* decimal */
    SNAPSHOT_PPID_TEXT,
    SNAPSHOT_TEXTS,
};

struct snapshot_inputs {
    uint64_t value[SNAPSHOT_SYMBOLS];
    struct span text[SNAPSHOT_TEXTS]; /* borrowed */
};

/* How a few bytes come from the inputs. */
enum snapshot_form {
    SNAPSHOT_ADD,     /* the symbol + addend */
    SNAPSHOT_HIGH,    /* the upper half of that, 4 bytes */
    SNAPSHOT_MANGLED, /* that, as PTR_MANGLE of glibc makes it */
    SNAPSHOT_ROTATED, /* the same before there is a guard */
    SNAPSHOT_LINKED,  /* that, as PROTECT_PTR of glibc makes it for the place where it stands */
    SNAPSHOT_PAGE,    /* the number of the symbol's page + addend */
    SNAPSHOT_WORDS,   /* the number of words up to the symbol + addend */
    SNAPSHOT_XOR,     /* the symbol ^ addend */
    SNAPSHOT_SEED,    /* of bash's random numbers: time `addend`'s, processes, an address */
    SNAPSHOT_TEXT,    /* bytes of a text from `addend` on */
    SNAPSHOT_LEFT,    /* as in the first run: it is no use to anybody */
};

struct snapshot_patch {
    uint32_t at;     /* first byte, counted from the piece's start */
    uint8_t form;    /* enum snapshot_form */
    uint8_t symbol;  /* or the text's number */
    uint8_t skip;    /* of the eight bytes (least significant first): the first that is meant */
    uint8_t len;     /* how many */
    uint64_t addend; /* SNAPSHOT_SEED: the time's number in the upper half */
};

struct snapshot_patches {
    struct snapshot_patch *list; /* owned */
    size_t count, room;
};

/* The same piece of memory as one run has it. */
struct snapshot_view {
    const uint8_t *bytes;
    uint64_t addr; /* of the first byte: a multiple of 8 */
    const struct snapshot_inputs *inputs;
};

/* Appends the patches that make any of the views of the first one. `len` is a multiple of 8; words
 * that lie before `dead` need no explanation, and so many cells of 4 bytes behind it as `left` says. 0,
 * -EDOM (something is not explained), -ENOMEM, -E2BIG. */
int snapshot_explain(const struct snapshot_view *views, size_t count, size_t len, size_t dead,
                     unsigned left, struct snapshot_patches *out);
/* Makes the bytes, which are those of the first view, what they are with these inputs. */
void snapshot_patch_bytes(const struct snapshot_patch *patches, size_t count,
                          const struct snapshot_inputs *inputs, uint64_t addr, uint8_t *bytes);

/* ---- One snapshot ---- */

struct snapshot_area {
    uint64_t offset, len; /* start, counted from the symbol */
    uint8_t symbol;
    unsigned access, access_max;
    enum mm_kind kind;
    int file; /* index of snapshot_program.files; -1: anonymous */
    uint64_t file_offset;
};

struct snapshot_page {
    uint64_t offset; /* from the symbol */
    uint8_t symbol;
    bool is_kept; /* of a leg's beginning: as in the program before it */
    uint32_t patch_first, patch_count;
};

/* A name that was looked up, and what was there. */
struct snapshot_check {
    char *path_z; /* owned */
    bool follow;
    int error; /* 0: `stat` */
    struct file_stat stat;
};

/* A file that is mapped. */
struct snapshot_file {
    char *path_z;      /* owned */
    uint64_t dir, ino; /* of the image's: it is there until something changes. 0: only its path */
};

/* What the kernel keeps of a program, as words that can be explained. */
enum snapshot_fact {
    SNAPSHOT_CLEAR_TID,
    SNAPSHOT_ROBUST_LIST,
    SNAPSHOT_BLOCKED,
    SNAPSHOT_BREAK,
    SNAPSHOT_FACTS,
};

struct snapshot_program {
    struct snapshot_patches patches; /* of all pieces, one after another */
    struct snapshot_file *files;     /* [0] is the program itself */
    size_t file_count;
    struct snapshot_area *areas;
    size_t area_count;
    struct snapshot_page *pages;
    uint8_t *page_bytes; /* owned, a page each */
    size_t page_count;
    uint8_t *stack; /* owned: the bytes below the first frame */
    size_t stack_bytes;
    uint32_t stack_patch_first, stack_patch_count;
    uint8_t *state; /* owned: of the processor */
    size_t state_bytes;
    uint32_t state_patch_first, state_patch_count;
    uint64_t facts[SNAPSHOT_FACTS];
    uint32_t facts_patch_first, facts_patch_count;
    struct signal_action actions[SIGNAL_MAX];
    uint32_t actions_patch_first, actions_patch_count;
    struct snapshot_check *checks;
    size_t check_count;
    size_t calls;                          /* that the start has made */
    uint64_t instructions, charged;        /* what the start has cost */
    uint64_t objects;                      /* numbers of sockets that it used up */
    int64_t time_after_ns[SNAPSHOT_TIMES]; /* its looks at the clock, since the start */
    bool time_in_us[SNAPSHOT_TIMES];
    struct snapshot_seen seen;
    uint64_t doors;                       /* what is open, and the terminal: as a hash */
    uint64_t refusals[SNAPSHOT_REFUSALS]; /* numbers of calls that are not there */
    unsigned refusal_count;
    bool is_spawned; /* learned as one: signals are set as well */
    size_t bytes;    /* of memory, all of it */
};
void snapshot_program_fini(struct snapshot_program *p);

/* A clone goes on by itself where it makes calls that no snapshot can have behind it: it forks, asks
 * its terminal. When it then stands where all runs of the lesson stood, in memory, registers and
 * tables, it is made what they became (snapshot_follow.c). */
struct snapshot_leg {
    struct snapshot_program from, to;
};
void snapshot_legs_free(struct snapshot_leg *legs, size_t count);

enum snapshot_state { SNAPSHOT_WANTED, SNAPSHOT_READY, SNAPSHOT_NONE };

struct snapshot {
    struct snapshot *next;
    unsigned refs;       /* the store, and each clone's memory */
    uint64_t hash, used; /* when it was found last */
    struct span key;     /* of key_bytes, which is owned */
    uint8_t *key_bytes;
    enum snapshot_state state;
    unsigned misses;
    struct snapshot_start *start; /* how to run it, while it or its model is wanted */
    struct snapshot_program program;
    struct snapshot_leg *legs; /* owned */
    size_t leg_count;
    enum snapshot_state model_state; /* of a start on a terminal; else SNAPSHOT_NONE */
    struct model *model;             /* owned; NULL: none yet */
};
void snapshot_drop(struct snapshot *s);

/* What is known of who starts it. */
enum snapshot_starter {
    SNAPSHOT_BY_PROGRAM,  /* nothing */
    SNAPSHOT_ON_PIPES,    /* kernel_spawn: signals, process group, descriptors are as always */
    SNAPSHOT_ON_TERMINAL, /* the same */
};

/* All that a run of the same start needs: owned copies. */
struct snapshot_start {
    const struct persona_image *image;
    struct cpu_code *code;
    struct kernel_limits limits;
    const uint32_t *watched; /* as in kernel_config */
    size_t watched_count;
    char hostname_z[KERNEL_HOSTNAME_MAX + 1];
    int64_t boot_ns, now_ns;
    const struct persona_identity *identity; /* or NULL */
    struct exec_strings args, env;
    char *path_z, *cwd_z;
    struct creds creds;
    enum snapshot_starter starter;
    struct tty_size window; /* of the terminal ... */
    struct tty_modes modes; /* ... and how it is set */
    int32_t pid, ppid;
};
void snapshot_start_free(struct snapshot_start *start);

/* ---- Finding and cloning ---- */

/* What is known of the start that is about to be executed: x->known, borrowed until it has begun; and
 * x->snapshot, the same when it may be cloned. NULL: it must run (and may be learned). */
void snapshot_find(struct exec *x, bool secure);

/* True when what the program has looked at is as it was when it was learned. */
bool snapshot_holds(const struct snapshot_program *p, struct task *t);

/* Makes the new program's memory and processor, which exec has just set up for the task, what they
 * are at the snapshot. 0; -EDOM with nothing changed: it must run; -errno with both in pieces. */
int snapshot_clone(struct snapshot *s, const struct exec *x);
/* What the program has in its registers and tables with these inputs. */
void snapshot_state_of(const struct snapshot_program *p, const struct snapshot_inputs *inputs,
                       uint8_t *state);
void snapshot_facts_of(const struct snapshot_program *p, const struct snapshot_inputs *inputs,
                       uint64_t facts[SNAPSHOT_FACTS]);
void snapshot_actions_of(const struct snapshot_program *p, const struct snapshot_inputs *inputs,
                         struct signal_action actions[SIGNAL_MAX]);
/* What a clone's memory was made with. NULL: it is no clone. */
const struct snapshot_inputs *snapshot_inputs_of(const struct mm *mm);
/* How many system calls a real start would have made by now; 0: it is no clone. */
size_t snapshot_calls_of(const struct mm *mm);
/* And the rest of the task, once it is the new program. */
void snapshot_finish(struct snapshot *s, struct task *t);

/* The task, which has just become the snapshot's program, is looked at after each call. */
void snapshot_follow_start(struct snapshot *s, struct task *t);
/* A call of it is over (task.follower is there). */
void snapshot_follow(struct task *t);
void snapshot_unfollow(struct task *t);
/* Notes what the call has brought in, if it has. False: it cannot be noted. */
bool snapshot_see(struct task *t, struct snapshot_inputs *inputs, struct snapshot_seen *seen);
/* What is open, and how the terminal is set. */
uint64_t snapshot_doors(const struct task *t);
/* No signal waits, and it has no other stack for them. */
bool snapshot_is_quiet(const struct task *t);
struct x86_state;
/* What nobody can build on behind a system call: r11 is destroyed by it, and compilers count the
 * flags as destroyed, too. They hold the parity of some address. */
void snapshot_hide_flags(struct x86_state *state, const struct x86_state *like);
/* Makes a clone what it becomes, where it stands. `inputs` with what it has seen since it was made.
 * 0; -errno: its memory is in pieces. */
int snapshot_go_on(struct snapshot *s, const struct snapshot_leg *leg,
                   const struct snapshot_inputs *inputs, struct task *t);

/* ---- Learning ---- */

struct snapshot_lesson;
/* `start` is borrowed. `hint`: the calls of another snapshot of the same program; 0: there is none. */
struct snapshot_lesson *snapshot_lesson_new(const struct snapshot_start *start, size_t hint);
void snapshot_lesson_free(struct snapshot_lesson *lesson);
/* What a lesson leads to. */
struct snapshot_course {
    struct snapshot_program program;
    struct snapshot_leg *legs; /* owned */
    size_t leg_count;
};
/* Goes on for about so many instructions. 1: there is more to do; 0: *out is filled; -errno: there
 * is no snapshot of it. */
int snapshot_lesson_run(struct snapshot_lesson *lesson, uint64_t budget,
                        struct snapshot_course *out);

/* ---- Shared by the files ---- */

enum {
    SNAPSHOT_NUMBER_BYTES = 12,
    SNAPSHOT_REACH = 16 << 20, /* all that counts from an address lies so near to it */
    SNAPSHOT_AROUND = 1 << 20, /* what was mapped and is gone lay so near to what is mapped */
};
/* The number in decimal, in the caller's memory. */
struct span snapshot_number_text(int32_t number, char out_z[SNAPSHOT_NUMBER_BYTES]);
/* Sets the addresses and secrets from the new program's memory, before its first instruction. 0 or
 * -EFAULT. */
int snapshot_inputs_read(struct snapshot_inputs *inputs, const struct mm *mm, uint64_t sp);
/* True when a multiple of 4 GiB may lie between one of the addresses and something that counts from
 * it: then a carry comes into its upper half (SNAPSHOT_HIGH). */
bool snapshot_inputs_carry(const struct snapshot_inputs *inputs);
/* The texts in the environment: SNAPSHOT_CLIENT to SNAPSHOT_SESSION. */
void snapshot_texts_find(struct span text[SNAPSHOT_TEXTS], const struct exec_strings *env);
/* What `path_z` names now, as a check keeps it. */
void snapshot_look(struct task *t, struct snapshot_check *check);

#endif
