/* A processor with two pages of code and two of data, for its tests. */
#ifndef TESTS_CPU_X86_MACHINE_H
#define TESTS_CPU_X86_MACHINE_H

#include "cpu/x86.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PAGE ((uint64_t)CPU_PAGE_BYTES)

enum {
    FRAMES = 64,
    CODE = 0x10000, /* two pages */
    DATA = 0x20000, /* two pages, nothing behind them */
    DATA_END = DATA + 2 * CPU_PAGE_BYTES,
    NOWHERE = 0x66000,
    RW = CPU_READ | CPU_WRITE,
    RX = CPU_READ | CPU_EXEC,
    RWX = RW | CPU_EXEC,
};

struct machine {
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_store *code;
    struct x86 *cpu;
    struct x86_state *s;
    struct cpu_trap trap;
    uint64_t used;
};

/* For each test a new one, as its *state. */
#define X86_TEST(name) cmocka_unit_test_setup_teardown(name, machine_open, machine_close)
int machine_open(void **state);
int machine_close(void **state);

void poke(struct machine *m, uint64_t addr, const void *bytes, size_t len);
uint64_t load64(struct machine *m, uint64_t addr);
/* Runs; what was used and the trap stand in the machine. */
enum cpu_stop run(struct machine *m, uint64_t budget);
/* Fifty rounds of a loop with a call, memory, and flags across blocks; then ud2. */
void load_program(struct machine *m);

#define CODE_AT(m, addr, ...)                              \
    do {                                                   \
        static const uint8_t code_bytes[] = {__VA_ARGS__}; \
        poke(m, addr, code_bytes, sizeof(code_bytes));     \
    } while (0)

#endif
