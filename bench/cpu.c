/* The interpreters: instructions a second, decoding, what a clone and its copies cost.
 *
 *     bench-cpu [ROUNDS]
 *
 * Times are CPU time, the best of ROUNDS (5): others on the machine make it slower, nothing makes it
 * faster. */
#include "cpu/arm.h"
#include "cpu/mips.h"
#include "cpu/x86.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PAGE = CPU_PAGE_BYTES,
    ROUNDS = 5,
    CODE_AT = 0x400000,
    DATA_AT = 0x10000000,
    DATA_PAGES = 1024,
    SHELL_PAGES = 600, /* of a shell with its libraries */
    COPIED_PAGES = 30, /* that a child writes to before it becomes another program */
    POOL_FRAMES = 4096,
    DECODED_PAGES = 64,
    CODE_STORE = 64 << 20,
};

/* Compiled from: for (round = 0; round < 20; round++) { a sieve of Eratosthenes over 1 MiB at rdi,
 * the sum of what is left, the CRC-32 of the first 64 KiB, bit by bit }; syscall. */
static const uint8_t sieve_and_crc[] __attribute__((aligned(PAGE))) = {
    0x49, 0x89, 0xfa, 0x41, 0xbb, 0x14, 0x00, 0x00, 0x00, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x4c, 0x8d,
    0x87, 0x00, 0x00, 0x10, 0x00, 0x4c, 0x8d, 0x8f, 0x00, 0x00, 0x01, 0x00, 0xe9, 0x83, 0x00, 0x00,
    0x00, 0x83, 0xc1, 0x01, 0x89, 0xca, 0x0f, 0xaf, 0xd1, 0x81, 0xfa, 0xff, 0xff, 0x0f, 0x00, 0x77,
    0x24, 0x89, 0xce, 0x41, 0x80, 0x3c, 0x32, 0x00, 0x74, 0xe7, 0x81, 0xfa, 0xff, 0xff, 0x0f, 0x00,
    0x77, 0xdf, 0x89, 0xd6, 0x41, 0xc6, 0x04, 0x32, 0x00, 0x01, 0xca, 0x81, 0xfa, 0xff, 0xff, 0x0f,
    0x00, 0x76, 0xef, 0xeb, 0xcc, 0x4c, 0x89, 0xd2, 0x0f, 0xb6, 0x0a, 0x48, 0x01, 0xc8, 0x48, 0x83,
    0xc2, 0x01, 0x4c, 0x39, 0xc2, 0x75, 0xf1, 0xba, 0xff, 0xff, 0xff, 0xff, 0xeb, 0x09, 0x48, 0x83,
    0xc7, 0x01, 0x4c, 0x39, 0xcf, 0x74, 0x22, 0x0f, 0xb6, 0x0f, 0x31, 0xca, 0xb9, 0x08, 0x00, 0x00,
    0x00, 0x89, 0xd6, 0xd1, 0xee, 0x83, 0xe2, 0x01, 0xf7, 0xda, 0x81, 0xe2, 0x20, 0x83, 0xb8, 0xed,
    0x31, 0xf2, 0x83, 0xe9, 0x01, 0x75, 0xea, 0xeb, 0xd5, 0x89, 0xd2, 0x48, 0x01, 0xd0, 0x41, 0x83,
    0xeb, 0x01, 0x74, 0x21, 0x4c, 0x89, 0xd7, 0x4c, 0x89, 0xd2, 0xc6, 0x02, 0x01, 0x48, 0x83, 0xc2,
    0x01, 0x4c, 0x39, 0xc2, 0x75, 0xf4, 0xb9, 0x02, 0x00, 0x00, 0x00, 0xba, 0x04, 0x00, 0x00, 0x00,
    0xe9, 0x6c, 0xff, 0xff, 0xff, 0x0f, 0x05,
};

/* The same for ARM; the bytes are at r0, the stack at sp. */
static const uint32_t arm_sieve_and_crc[PAGE / 4] __attribute__((aligned(PAGE))) = {
    0xe92d4ff0, 0xe2803001, 0xe1a06000, 0xe24dd00c, 0xe280ccff, 0xe3a01000, 0xe240037f, 0xe3a0b014,
    0xe28cc0ff, 0xe58d3004, 0xe240063f, 0xe3083320, 0xe34e3db8, 0xe246a001, 0xe3a0e001, 0xe1a07001,
    0xe1a0200a, 0xe1a0400a, 0xe5e4e001, 0xe1500004, 0x1afffffc, 0xe59d5004, 0xe2858001, 0xe5d54001,
    0xe3a05002, 0xe3540000, 0x1a000025, 0xe2855001, 0xe0040595, 0xe3540601, 0x2a00000b, 0xe5f89001,
    0xe3590000, 0x0afffff8, 0xe7c67004, 0xe0844005, 0xe3540601, 0x2afffff4, 0xe7c67004, 0xe0844005,
    0xe3540601, 0x3afffff7, 0xeaffffef, 0xe1a0400a, 0xe5f45001, 0xe0811005, 0xe1500004, 0x1afffffb,
    0xe3e05000, 0xe5f24001, 0xe3a08008, 0xe0255004, 0xe7a04055, 0xe2588001, 0xe0044003, 0xe02450a5,
    0x1afffffa, 0xe15c0002, 0x1afffff5, 0xe0811005, 0xe25bb001, 0x1affffd1, 0xe1a00001, 0xef000000,
    0xe8bd8ff0, 0xe3a04004, 0xe7c67004, 0xe0844005, 0xe3540601, 0x3affffdf, 0xeaffffd3, 0xebfffffe,
    0xef000000,
};

/* The same for MIPS32, little endian; the bytes are at $a0. */
static const uint32_t mips_sieve_and_crc[PAGE / 4] __attribute__((aligned(PAGE))) = {
    0x3c0d0010, 0x3c090001, 0x3c06edb8, 0x240e0014, 0x00001025, 0x248f0002, 0x008d4021, 0x240a0001,
    0x00894821, 0x00806025, 0x34c68320, 0x01803825, 0x01801825, 0xa06a0000, 0x24630001, 0x1503fffd,
    0x00000000, 0x91e30000, 0x1460002d, 0x24040002, 0x24840001, 0x70841802, 0x006d282b, 0x10a00010,
    0x01845821, 0x91650000, 0x10a0fff9, 0x00000000, 0x01835821, 0x00641821, 0x006d282b, 0x10a0fff4,
    0xa1600000, 0x01835821, 0x00641821, 0x006d282b, 0x14a0fff7, 0xa1600000, 0x1000ffee, 0x24840001,
    0x01801825, 0x90640000, 0x24630001, 0x1503fffd, 0x00441021, 0x2404ffff, 0x90e30000, 0x24050008,
    0x00832026, 0x30830001, 0x00031823, 0x00042042, 0x24a5ffff, 0x00661824, 0x14a0fffa, 0x00832026,
    0x24e70001, 0x1527fff4, 0x00000000, 0x25ceffff, 0x15c0ffce, 0x00441021, 0x0000000c, 0x00000000,
    0x24030004, 0x01835821, 0x00641821, 0x006d282b, 0x14a0ffdc, 0xa1600000, 0x1000ffce, 0x24840001,
};

struct machine {
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_store *code;
    struct x86 *cpu;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void machine_open(struct machine *m)
{
    m->pool = cpu_pool_new(POOL_FRAMES);
    m->space = m->pool ? cpu_space_new(m->pool) : NULL;
    m->code = x86_store_new(CODE_STORE);
    m->cpu = m->space && m->code ? x86_new(m->code, m->space) : NULL;
    if (!m->cpu || cpu_space_map(m->space, DATA_AT, (uint64_t)DATA_PAGES * PAGE,
                                 CPU_READ | CPU_WRITE, span_of(NULL, 0)) < 0)
        exit(1);
}

static void machine_close(struct machine *m)
{
    x86_free(m->cpu);
    cpu_space_free(m->space);
    cpu_store_free(m->code);
    cpu_pool_free(m->pool);
}

static uint64_t run(struct machine *m, uint64_t rip)
{
    uint64_t used = 0;
    struct cpu_trap trap;
    struct x86_state *s = x86_state(m->cpu);
    s->rip = rip;
    s->reg[X86_RDI] = DATA_AT;
    s->reg[X86_RSP] = DATA_AT + (uint64_t)DATA_PAGES * PAGE;
    if (x86_run(m->cpu, UINT64_MAX, &used, &trap) != CPU_STOP_SYSCALL)
        exit(1);
    return used;
}

/* Millions of instructions a second. */
static double integer_code(void)
{
    struct machine m;
    machine_open(&m);
    cpu_space_map(m.space, CODE_AT, PAGE, CPU_READ | CPU_EXEC,
                  span_of(sieve_and_crc, sizeof(sieve_and_crc)));
    double start = now_s();
    uint64_t used = run(&m, CODE_AT);
    double spent = now_s() - start;
    machine_close(&m);
    return (double)used / spent / 1e6;
}

/* The same on another processor, with cpu.h's table. */
static double integer_code_on(const struct cpu_ops *ops, const uint32_t *instructions)
{
    struct cpu_pool *pool = cpu_pool_new(POOL_FRAMES);
    struct cpu_space *space = pool ? cpu_space_new(pool) : NULL;
    struct cpu_code *code = cpu_code_new(CODE_STORE);
    struct cpu *cpu = space && code ? cpu_new(ops, code, space) : NULL;
    struct cpu_trap trap;
    uint64_t used = 0;
    if (!cpu ||
        cpu_space_map(space, CODE_AT, PAGE, CPU_READ | CPU_EXEC, span_of(instructions, PAGE)) < 0 ||
        cpu_space_map(space, DATA_AT, (uint64_t)DATA_PAGES * PAGE, CPU_READ | CPU_WRITE,
                      span_of(NULL, 0)) < 0)
        exit(1);
    ops->start(cpu, CODE_AT, DATA_AT + (uint64_t)DATA_PAGES * PAGE);
    if (ops == &arm_ops)
        arm_state(cpu)->reg[0] = DATA_AT;
    else
        mips_state(cpu)->reg[MIPS_A0] = DATA_AT;
    double start = now_s();
    if (cpu_run(cpu, UINT64_MAX, &used, &trap) != CPU_STOP_SYSCALL)
        exit(1);
    double spent = now_s() - start;
    cpu_free(cpu);
    cpu_space_free(space);
    cpu_code_free(code);
    cpu_pool_free(pool);
    return (double)used / spent / 1e6;
}

static double mips_integer_code(void)
{
    return integer_code_on(&mips_le_ops, mips_sieve_and_crc);
}

static double arm_integer_code(void)
{
    return integer_code_on(&arm_ops, arm_sieve_and_crc);
}

/* Millions of instructions a second that are executed once: add rax, [rdi + 8], page after page. */
static double decoding(void)
{
    static const uint8_t add[] = {0x48, 0x03, 0x47, 0x08}, system_call[] = {0x0f, 0x05};
    static uint8_t code[(size_t)DECODED_PAGES * PAGE + sizeof(system_call)];
    const size_t end = sizeof(code) - sizeof(system_call);
    struct machine m;
    machine_open(&m);
    for (size_t i = 0; i < end; i += sizeof(add))
        memcpy(code + i, add, sizeof(add));
    memcpy(code + end, system_call, sizeof(system_call));
    cpu_space_map(m.space, CODE_AT, (uint64_t)(DECODED_PAGES + 1) * PAGE, CPU_READ | CPU_EXEC,
                  span_of(code, sizeof(code)));
    double start = now_s();
    uint64_t used = run(&m, CODE_AT);
    double spent = now_s() - start;
    machine_close(&m);
    return (double)used / spent / 1e6;
}

static void touch(struct cpu_space *space, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++)
        if (cpu_space_write(space, DATA_AT + (uint64_t)i * PAGE, "x", 1) < 0)
            exit(1);
}

/* Microseconds for a clone of a shell's space, with so many pages written in it, and its end. */
static double clones(unsigned copied)
{
    enum { TIMES = 200 };
    struct machine m;
    machine_open(&m);
    touch(m.space, SHELL_PAGES);
    double start = now_s();
    for (unsigned i = 0; i < TIMES; i++) {
        struct cpu_space *clone = cpu_space_clone(m.space);
        if (!clone)
            exit(1);
        touch(clone, copied);
        cpu_space_free(clone);
    }
    double spent = now_s() - start;
    machine_close(&m);
    return spent / TIMES * 1e6;
}

static double clone_alone(void)
{
    return clones(0);
}

static double clone_and_copies(void)
{
    return clones(COPIED_PAGES);
}

struct row {
    const char *what_z;
    const char *unit_z;
    bool more_is_better;
    double (*measure)(void);
};

static const struct row rows[] = {
    {"integer code: sieve, CRC", "million instructions/s", true, integer_code},
    {"MIPS, integer code: sieve, CRC", "million instructions/s", true, mips_integer_code},
    {"ARM, integer code: sieve, CRC", "million instructions/s", true, arm_integer_code},
    {"code executed for the first time", "million instructions/s", true, decoding},
    {"clone of 600 pages, and its end", "us", false, clone_alone},
    {"the same, 30 pages written", "us", false, clone_and_copies},
};

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double best = rows[i].measure();
        for (long round = 1; round < rounds; round++) {
            double value = rows[i].measure();
            if (rows[i].more_is_better ? value > best : value < best)
                best = value;
        }
        printf("%-36s %10.1f %s\n", rows[i].what_z, best, rows[i].unit_z);
    }
    return 0;
}
