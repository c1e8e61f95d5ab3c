/* Any bytes as an executable file, and what it does when it runs: execve, `#!`, the interpreter of
 * an ELF file, and with mutated code whatever system calls and faults come out. */
#include "machine.h"

enum { SLICE = 20000, SLICES = 15 };

static void run(struct machine *m)
{
    struct span argv[] = {SPAN_LIT("x"), SPAN_LIT("argument")};
    struct span env[] = {SPAN_LIT("A=1")};
    struct kernel_spawn s = {.argv = argv,
                             .argc = 2,
                             .path = SPAN_LIT("/x"),
                             .env = env,
                             .envc = 1,
                             .cwd = SPAN_LIT("/")};
    int program = kernel_spawn(m->kernel, &s);
    for (int i = 0; i < SLICES && program >= 0; i++) {
        machine_run(m, program, SLICE, now_ms + i);
        kernel_put(m->kernel, program, span_of("input\n", 6));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct machine m;
    machine_open(&m);
    machine_put_program(&m, span_of(data, size));
    run(&m);
    machine_close(&m);
    return 0;
}
