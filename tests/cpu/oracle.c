#include "oracle.h"

#include "host_cpu.h"
#include "lockstep_maps.h"

#include <asm/ldt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { REPORTS_MAX = 20, ROUNDS_OF_REP_MAX = 64, STREAM_BUDGET = 4096 };

struct oracle_bench {
    pid_t child;
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_code *code;
    struct cpu *processor;
    struct x86 *cpu;                /* the same */
    uint8_t *host_code, *host_data; /* shared with the child */
    uint8_t our_data[CASE_DATA_BYTES];
    uint64_t ignored[2][2]; /* memory that is not compared: address and length */
};

/* One run of the same on both. */
struct outcome {
    int stop;
    uint64_t fault;
    struct x86_state state;
};

static const char *stop_name(int stop)
{
    static const char *const names[] = {
        [CPU_STOP_BUDGET] = "done",       [CPU_STOP_SYSCALL] = "syscall",
        [CPU_STOP_PROBE] = "probe",       [CPU_STOP_PAGE] = "page fault",
        [CPU_STOP_ILLEGAL] = "illegal",   [CPU_STOP_DIVIDE] = "divide error",
        [CPU_STOP_BREAK] = "break",       [CPU_STOP_PROTECT] = "protection",
        [CPU_STOP_FLOAT] = "float error", [CPU_STOP_SYSCALL32] = "int80",
        [CPU_STOP_NOMEM] = "no memory",
    };
    return names[stop];
}

static int stop_of_signal(const struct host_stop *stop)
{
    switch (stop->signal) {
    case SIGTRAP: return CPU_STOP_BUDGET;
    case SIGILL: return CPU_STOP_ILLEGAL;
    case SIGFPE: return stop->code == FPE_INTDIV ? CPU_STOP_DIVIDE : CPU_STOP_FLOAT;
    case SIGSEGV: return stop->code == SI_KERNEL ? CPU_STOP_PROTECT : CPU_STOP_PAGE;
    default: return CPU_STOP_PROTECT; /* SIGBUS: the stack segment */
    }
}

static void must(int result)
{
    if (result) {
        fprintf(stderr, "the oracle itself failed: %d\n", result);
        abort();
    }
}

/* Steps until the instruction is behind: one with `rep` traps after each round. */
static void run_host(struct oracle_bench *b, const struct x86_case *c, bool rep,
                     struct outcome *out)
{
    struct host_stop stop;
    unsigned rounds = 0;
    must(host_cpu_set(b->child, &c->state));
    do {
        must(host_cpu_step(b->child, &stop));
        must(host_cpu_get(b->child, &out->state));
    } while (rep && stop.signal == SIGTRAP && out->state.rip == c->state.rip &&
             ++rounds < ROUNDS_OF_REP_MAX);
    out->fault = stop.addr;
    out->stop = stop_of_signal(&stop);
}

/* To a program these two are protection faults as others are; the first is told behind the
 * instruction. */
static enum cpu_stop as_signal(enum cpu_stop stop, struct x86_state *state)
{
    state->rip += stop == CPU_STOP_OVERFLOW;
    return stop == CPU_STOP_OVERFLOW || stop == CPU_STOP_BOUND ? CPU_STOP_PROTECT : stop;
}

static void run_ours(struct oracle_bench *b, const struct x86_case *c, bool rep,
                     struct outcome *out)
{
    struct cpu_trap trap = {0};
    uint64_t used;
    unsigned rounds = 0;
    struct x86_state *state = x86_state(b->cpu);
    *state = c->state;
    do {
        out->stop = (int)as_signal(x86_run(b->cpu, 1, &used, &trap), state);
    } while (rep && out->stop == CPU_STOP_BUDGET && state->rip == c->state.rip &&
             ++rounds < ROUNDS_OF_REP_MAX);
    out->state = *state;
    out->fault = trap.addr;
}

static bool is_writable(uint64_t addr, size_t len)
{
    return addr >= CASE_DATA && addr + len <= CASE_DATA + CASE_WRITABLE_BYTES;
}

static void put_both(struct oracle_bench *b, uint64_t addr, const void *bytes, size_t len)
{
    if (!is_writable(addr, len))
        return;
    memcpy(b->host_data + (addr - CASE_DATA), bytes, len);
    must(cpu_space_poke(b->space, addr, bytes, len));
}

static void put_code(struct oracle_bench *b, uint64_t rip, const void *bytes, size_t len)
{
    memcpy(b->host_code + (rip - CASE_CODE), bytes, len);
    must(cpu_space_poke(b->space, rip, bytes, len));
}

static void put_image(struct oracle_bench *b, uint64_t addr, struct x86_random *random)
{
    struct x86_state state;
    uint8_t image[X86_FXSAVE_BYTES];
    x86_state_random(&state, false, random);
    x86_fxsave_image(&state, image);
    put_both(b, addr, image, sizeof(image));
}

/* MXCSR's bit 17, for operands that are not aligned, is one of AMD's alone. */
static void clear_misaligned(struct oracle_bench *b, const char *text, uint64_t addr)
{
    uint64_t at = addr + 2 + (strncmp(text, "0f ae /1", 8) == 0 ? 24 : 0);
    bool loads = strncmp(text, "0f ae /1", 8) == 0 || strncmp(text, "0f ae /2", 8) == 0;
    if (!loads || !is_writable(at, 1))
        return;
    uint8_t byte = b->host_data[at - CASE_DATA] & 0xfd;
    put_both(b, at, &byte, 1);
}

static void prepare(struct oracle *o, const char *text, const struct x86_case *c)
{
    clear_misaligned(o->bench, text, c->addr);
    put_code(o->bench, c->state.rip, c->bytes, c->len);
    if (c->has_image)
        put_image(o->bench, c->addr, &o->random);
    if (!c->has_target)
        return;
    put_both(o->bench, c->addr, &c->target, 8);
    put_both(o->bench, c->state.reg[X86_RSP], &c->target, 8);
}

/* What the instruction stores and processors differ in: the x87's pointers, MXCSR's mask. */
static void choose_ignored(struct oracle_bench *b, const char *text, uint64_t addr)
{
    memset(b->ignored, 0, sizeof(b->ignored));
    if (strncmp(text, "0f ae /0", 8) == 0) {
        b->ignored[0][0] = addr + 6, b->ignored[0][1] = 18;
        b->ignored[1][0] = addr + 28, b->ignored[1][1] = 4;
    } else if (strncmp(text, "d9 /6", 5) == 0 || strncmp(text, "dd /6", 5) == 0) {
        b->ignored[0][0] = addr + 12, b->ignored[0][1] = 16;
    } else if (strncmp(text, "66 d9 /6", 8) == 0 || strncmp(text, "66 dd /6", 8) == 0) {
        b->ignored[0][0] = addr + 6, b->ignored[0][1] = 8;
    }
}

static void hide_ignored(struct oracle_bench *b)
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = b->ignored[i][0] - CASE_DATA, len = b->ignored[i][1];
        if (is_writable(b->ignored[i][0], len))
            memcpy(b->host_data + at, b->our_data + at, len);
    }
}

static bool same_memory(struct oracle_bench *b)
{
    bool same = true;
    must(cpu_space_read(b->space, CASE_DATA, b->our_data, CASE_DATA_BYTES));
    hide_ignored(b);
    if (memcmp(b->host_data, b->our_data, CASE_DATA_BYTES) == 0)
        return true;
    for (size_t i = 0; i < CASE_DATA_BYTES && same; i++) {
        same = b->host_data[i] == b->our_data[i];
        if (!same)
            fprintf(stderr, "  memory at %" PRIx64 ": host %02x, ours %02x\n", CASE_DATA + i,
                    b->host_data[i], b->our_data[i]);
    }
    must(cpu_space_poke(b->space, CASE_DATA, b->host_data, CASE_WRITABLE_BYTES));
    return false;
}

static void report_state(const struct x86_state *s)
{
    fprintf(stderr, "\n  before: rip %" PRIx64 " flags %" PRIx64 " mxcsr %x fpu %x %x %x\n", s->rip,
            s->rflags, s->mxcsr, s->fpu_control, s->fpu_status, s->fpu_tag);
    for (unsigned i = 0; i < 16; i++)
        fprintf(stderr, "  reg %u %016" PRIx64 "  xmm %016" PRIx64 " %016" PRIx64 "\n", i,
                s->reg[i], s->xmm[i][1], s->xmm[i][0]);
    for (unsigned i = 0; i < 8; i++) {
        fprintf(stderr, "  R%u ", i);
        for (unsigned k = 10; k-- > 0;)
            fprintf(stderr, "%02x", s->fpu[i][k]);
        fprintf(stderr, "\n");
    }
}

static void report(const char *what, const uint8_t *bytes, unsigned len,
                   const struct x86_state *before)
{
    fprintf(stderr, "DIFFERENT: `%s`, bytes", what);
    for (unsigned i = 0; i < len; i++)
        fprintf(stderr, " %02x", bytes[i]);
    report_state(before);
}

/* pushf pushes the trap flag that we step with. */
static void hide_trap_flag(struct oracle_bench *b, const char *text, const struct x86_state *host)
{
    uint64_t at = host->reg[X86_RSP] + 1;
    if (strncmp(text, "9c", 2) == 0 && is_writable(at, 1))
        b->host_data[at - CASE_DATA] &= 0xfe;
}

/* Of the slot that a selector is pushed into, some processors leave the upper half alone, as ours
 * does, and some clear it. */
static void hide_upper_half(struct oracle_bench *b, const struct x86_case *c, const char *text,
                            const struct x86_state *host)
{
    static const char *const pushes[] = {"06", "0e", "16", "1e", "0f a0", "0f a8"};
    uint64_t at = host->reg[X86_RSP] + 2;
    for (size_t i = 0; i < sizeof(pushes) / sizeof(pushes[0]); i++)
        if (strncmp(text, pushes[i], strlen(pushes[i])) == 0 && c->bytes[0] != 0x66)
            b->ignored[0][0] = at, b->ignored[0][1] = 2;
}

/* With an unmasked exception, which of overflow, underflow and inexact come up beside it differs
 * between processors. */
static void hide_late_flags(const struct x86_state *host, struct x86_state *ours)
{
    const uint32_t late = 0x38;
    ours->mxcsr = (ours->mxcsr & ~late) | (host->mxcsr & late);
}

/* Which byte of an operand is named differs between processors. */
static bool same_fault(uint64_t host, uint64_t ours)
{
    uint64_t apart = host < ours ? ours - host : host - ours;
    return apart < X86_FXSAVE_BYTES;
}

static bool same_stop(const struct outcome *host, const struct outcome *ours)
{
    if (host->stop != ours->stop) {
        fprintf(stderr, "  host: %s, ours: %s\n", stop_name(host->stop), stop_name(ours->stop));
        return false;
    }
    if (host->stop == CPU_STOP_PAGE && !same_fault(host->fault, ours->fault)) {
        fprintf(stderr, "  fault: host %" PRIx64 ", ours %" PRIx64 "\n", host->fault, ours->fault);
        return false;
    }
    return true;
}

static bool compare(struct oracle *o, const struct outcome *host, struct outcome *ours,
                    uint64_t undefined)
{
    bool same = same_stop(host, ours);
    if (same && host->stop == CPU_STOP_FLOAT)
        hide_late_flags(&host->state, &ours->state);
    if (!same_memory(o->bench))
        same = false;
    if (!host_cpu_same(&host->state, &ours->state, undefined))
        same = false;
    o->cases++;
    o->ran += host->stop == CPU_STOP_BUDGET;
    o->different += !same;
    return same;
}

void oracle_try(struct oracle *o, const struct x86_form *form, unsigned rounds)
{
    struct x86_case c;
    struct outcome host, ours;
    bool rep = strstr(form->text, "rep") != NULL, same = true; /* one report a form */
    for (unsigned i = 0; i < rounds && same; i++) {
        x86_case_make(&c, form->text, o->is_32, &o->random);
        prepare(o, form->text, &c);
        choose_ignored(o->bench, form->text, c.addr);
        run_host(o->bench, &c, rep, &host);
        run_ours(o->bench, &c, rep, &ours);
        if (host.stop == CPU_STOP_BUDGET) {
            hide_trap_flag(o->bench, form->text, &host.state);
            if (o->is_32)
                hide_upper_half(o->bench, &c, form->text, &host.state);
        }
        same = compare(o, &host, &ours, form->undefined);
        if (!same && o->different < REPORTS_MAX)
            report(form->text, c.bytes, c.len, &c.state);
    }
}

void oracle_try_stream(struct oracle *o, const struct x86_stream *stream, uint64_t undefined)
{
    static const uint8_t end = 0xcc; /* int3 */
    struct oracle_bench *b = o->bench;
    struct outcome host, ours;
    struct host_stop stop;
    struct cpu_trap trap = {0};
    uint64_t used;
    put_code(b, stream->state.rip, stream->bytes, stream->len);
    put_code(b, stream->state.rip + stream->len, &end, 1);
    memset(b->ignored, 0, sizeof(b->ignored));

    must(host_cpu_set(b->child, &stream->state));
    must(host_cpu_continue(b->child, &stop));
    must(host_cpu_get(b->child, &host.state));
    host.stop = stop_of_signal(&stop);
    host.fault = stop.addr;

    *x86_state(b->cpu) = stream->state;
    ours.stop = (int)x86_run(b->cpu, STREAM_BUDGET, &used, &trap);
    if (ours.stop == CPU_STOP_BREAK)
        ours.stop = CPU_STOP_BUDGET; /* the end, as the host's trap */
    ours.state = *x86_state(b->cpu);
    ours.fault = trap.addr;
    if (!compare(o, &host, &ours, undefined) && o->different < REPORTS_MAX)
        report("a stream", stream->bytes, stream->len, &stream->state);
}

unsigned oracle_finish(struct oracle *o, const char *what)
{
    unsigned different = o->different;
    printf("%s: %u cases, %u ran to their end, %u different\n", what, o->cases, o->ran, different);
    o->cases = o->ran = o->different = 0;
    return different;
}

static uint8_t *map_shared(uint64_t addr, size_t len)
{
    void *at = mmap((void *)(uintptr_t)addr, len, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    must(at == (void *)(uintptr_t)addr ? 0 : -1);
    return at;
}

static void open_ours(struct oracle_bench *b, bool is_32)
{
    const struct span none = {NULL, 0};
    const unsigned both = CPU_READ | CPU_WRITE;
    b->pool = cpu_pool_new(1024);
    b->space = cpu_space_new(b->pool);
    b->code = cpu_code_new(1 << 20);
    b->processor = cpu_new(is_32 ? &x86_32_ops : &x86_64_ops, b->code, b->space);
    must(b->processor ? 0 : -1);
    b->cpu = x86_from_cpu(b->processor);
    must(cpu_space_map(b->space, CASE_CODE, CASE_CODE_BYTES, both | CPU_EXEC, none));
    must(cpu_space_map(b->space, CASE_DATA, CASE_DATA_BYTES, both, none));
    must(cpu_space_protect(b->space, CASE_DATA + CASE_WRITABLE_BYTES, CPU_PAGE_BYTES, CPU_READ));
    must(cpu_space_poke(b->space, CASE_DATA, b->host_data, CASE_DATA_BYTES));
}

/* Takes everything but our pages from the child, that an address at random finds nothing. The child
 * itself has to do it: a system call in the code page. What stays is its thread area, where the
 * kernel writes the number of its processor. */
static void clear_child(struct oracle_bench *b)
{
    static const uint8_t system_call[] = {0x0f, 0x05};
    struct lockstep_maps *maps = calloc(1, sizeof(*maps));
    struct x86_state state = {.rflags = 0x202, .mxcsr = 0x1f80, .fpu_control = 0x37f};
    struct x86_state before;
    struct host_stop stop;
    must(host_cpu_get(b->child, &before));
    must(maps ? lockstep_maps_read(b->child, maps) : -1);
    memcpy(b->host_code, system_call, sizeof(system_call));
    for (unsigned i = 0; i < maps->count; i++) {
        const struct lockstep_region *r = &maps->region[i];
        bool cases = r->start >= CASE_CODE && r->end <= CASE_DATA + CASE_DATA_BYTES;
        if (cases || (r->start <= before.fs_base && before.fs_base < r->end))
            continue;
        state.rip = CASE_CODE;
        state.reg[X86_RAX] = SYS_munmap;
        state.reg[X86_RDI] = r->start;
        state.reg[X86_RSI] = r->end - r->start;
        must(host_cpu_set(b->child, &state));
        must(host_cpu_step(b->child, &stop));
    }
    free(maps);
}

/* The descriptors of fs and gs. False: this host runs no 32-bit code. */
static bool open_32(struct oracle_bench *b)
{
    static const uint8_t system_call[] = {0xcd, 0x80}, nop = 0x90;
    enum { SET_THREAD_AREA = 243 }; /* of i386 */
    struct x86_state state = {.rflags = 0x202, .mxcsr = 0x1f80, .fpu_control = 0x37f};
    struct host_stop stop;
    for (unsigned i = 0; i < 2; i++) {
        const struct user_desc entry = {.entry_number = X86_TLS_FIRST + i,
                                        .base_addr = (unsigned)(i ? CASE_GS_BASE : CASE_FS_BASE),
                                        .limit = 0xfffff,
                                        .seg_32bit = 1,
                                        .limit_in_pages = 1,
                                        .useable = 1};
        uint8_t kept[sizeof(entry)];
        memcpy(kept, b->host_data, sizeof(entry));
        memcpy(b->host_data, &entry, sizeof(entry));
        memcpy(b->host_code, system_call, sizeof(system_call));
        state.rip = CASE_CODE;
        state.reg[X86_RAX] = SET_THREAD_AREA;
        state.reg[X86_RBX] = CASE_DATA;
        must(host_cpu_set(b->child, &state));
        must(host_cpu_step(b->child, &stop));
        memcpy(b->host_data, kept, sizeof(entry));
    }
    struct x86_random random = {1};
    x86_state_random(&state, true, &random);
    state.rip = CASE_CODE;
    b->host_code[0] = nop;
    must(host_cpu_set(b->child, &state));
    must(host_cpu_step(b->child, &stop));
    must(host_cpu_get(b->child, &state));
    return stop.signal == SIGTRAP && state.rip == CASE_CODE + 1 && x86_state_is_32(&state);
}

static bool open_host(struct oracle_bench *b, bool is_32, struct x86_random *random)
{
    struct host_stop stop;
    b->host_code = map_shared(CASE_CODE, CASE_CODE_BYTES);
    b->host_data = map_shared(CASE_DATA, CASE_DATA_BYTES);
    x86_case_fill(b->host_data, CASE_DATA_BYTES, random);
    must(mprotect(b->host_data + CASE_WRITABLE_BYTES, CPU_PAGE_BYTES, PROT_READ));
    b->child = host_cpu_start();
    if (b->child <= 0 || host_cpu_step(b->child, &stop) != 0)
        return false;
    clear_child(b);
    bool opened = !is_32 || open_32(b);
    memset(b->host_code, 0, CASE_CODE_BYTES); /* as ours */
    return opened;
}

struct oracle *oracle_new(uint64_t seed, unsigned rounds, bool is_32)
{
    struct oracle *o = calloc(1, sizeof(*o));
    struct oracle_bench *b = calloc(1, sizeof(*b));
    must(o && b ? 0 : -1);
    o->random.state = seed;
    o->rounds = rounds;
    o->is_32 = is_32;
    o->bench = b;
    if (!open_host(b, is_32, &o->random)) {
        oracle_free(o);
        return NULL;
    }
    open_ours(b, is_32);
    return o;
}

void oracle_free(struct oracle *o)
{
    struct oracle_bench *b = o->bench;
    if (b->child > 0)
        host_cpu_stop(b->child);
    cpu_free(b->processor);
    cpu_code_free(b->code);
    cpu_space_free(b->space);
    cpu_pool_free(b->pool);
    munmap(b->host_code, CASE_CODE_BYTES);
    munmap(b->host_data, CASE_DATA_BYTES);
    free(b);
    free(o);
}
