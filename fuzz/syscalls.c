/* Any sequence of system calls, with arguments that are likely to mean something: the input is
 * read as a list of calls, put into a small program as a table, and the program makes them. */
#include "machine.h"

#include <elf.h>
#include <string.h>

enum {
    SLICE = 20000,
    SLICES = 20,
    CALLS_MAX = 64,
    ARGUMENTS = 6,
    WORDS = 1 + ARGUMENTS,
    SCRATCH = 8192,
    PROGRAM_BYTES = 16384,
    CODE_AT = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
    COUNT_AT = 9, /* in the code: the number of calls */
};
static const uint64_t base = 0x400000;

/* For each word of the table: rax, rdi, rsi, rdx, r10, r8, r9 are loaded, and `syscall`; in the end
 * exit(0). The table follows the code. */
static const uint8_t code[] = {
    0x4c, 0x8d, 0x3d, 0x35, 0x00, 0x00, 0x00, 0x41, 0xbe, 0x44, 0x33, 0x22, 0x11, 0x49, 0x8b,
    0x07, 0x49, 0x8b, 0x7f, 0x08, 0x49, 0x8b, 0x77, 0x10, 0x49, 0x8b, 0x57, 0x18, 0x4d, 0x8b,
    0x57, 0x20, 0x4d, 0x8b, 0x47, 0x28, 0x4d, 0x8b, 0x4f, 0x30, 0x0f, 0x05, 0x49, 0x83, 0xc7,
    0x38, 0x41, 0xff, 0xce, 0x75, 0xda, 0xb8, 0x3c, 0x00, 0x00, 0x00, 0x31, 0xff, 0x0f, 0x05,
};

struct input {
    const uint8_t *data;
    size_t len;
};

static uint32_t take(struct input *in, size_t bytes)
{
    uint32_t value = 0;
    for (size_t i = 0; i < bytes && in->len > 0; i++, in->data++, in->len--)
        value = value << 8 | *in->data;
    return value;
}

/* An argument: a small number, flags, a place in the program's memory, or something wild. */
static uint64_t argument(struct input *in)
{
    uint32_t kind = take(in, 1), value = take(in, 1);
    switch (kind & 15) {
    case 0:
    case 1:
    case 2:
    case 3: return value & 15;
    case 4: return value;
    case 5:
    case 6:
    case 7: return base + SCRATCH + value * 16;
    case 8: return UINT64_C(1) << (value & 63);
    case 9: return ~(uint64_t)value;
    case 10: return value * 4096;
    case 11: return base + PROGRAM_BYTES - value;
    case 12: return take(in, 4);
    case 13: return UINT64_C(0x7fffffffffff) - value;
    case 14: return UINT64_MAX - ((uint64_t)value << 40);
    default: return 0;
    }
}

static size_t build(struct input *in, uint8_t program[PROGRAM_BYTES])
{
    Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_EXEC,
                    .e_machine = EM_X86_64,
                    .e_entry = base + CODE_AT,
                    .e_phoff = sizeof(h),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 1};
    Elf64_Phdr p = {.p_type = PT_LOAD,
                    .p_flags = PF_R | PF_W | PF_X,
                    .p_vaddr = base,
                    .p_filesz = PROGRAM_BYTES,
                    .p_memsz = PROGRAM_BYTES};
    uint32_t count = 0;
    memset(program, 0, PROGRAM_BYTES);
    memcpy(program, &h, sizeof(h));
    memcpy(program + sizeof(h), &p, sizeof(p));
    uint8_t *table = program + CODE_AT + sizeof(code);
    for (; count < CALLS_MAX && in->len > 2; count++) {
        uint64_t words[WORDS] = {take(in, 2) & 0x1ff};
        for (size_t i = 1; i < WORDS; i++)
            words[i] = argument(in);
        memcpy(table + count * sizeof(words), words, sizeof(words));
    }
    memcpy(program + CODE_AT, code, sizeof(code));
    memcpy(program + CODE_AT + COUNT_AT, &count, sizeof(count));
    /* What pointers point at: what is left of the input, and some names. */
    static const char names[] =
        "/x\0/tmp\0/proc/self/maps\0/dev/tty\0/dev/ptmx\0.\0/proc/self/fd/0";
    memcpy(program + SCRATCH, names, sizeof(names));
    size_t rest = in->len < 2048 ? in->len : 2048;
    if (rest > 0)
        memcpy(program + SCRATCH + 256, in->data, rest);
    return count;
}

static void run(struct machine *m, bool terminal)
{
    static const struct kernel_terminal tty = {.columns = 80, .rows = 24};
    struct span argv[] = {SPAN_LIT("x")};
    struct kernel_spawn s = {.argv = argv,
                             .argc = 1,
                             .path = SPAN_LIT("/x"),
                             .cwd = SPAN_LIT("/"),
                             .terminal = terminal ? &tty : NULL};
    int program = kernel_spawn(m->kernel, &s);
    assert(program == 0);
    int64_t clock_ms = now_ms;
    for (int i = 0; i < SLICES; i++) {
        machine_run(m, program, SLICE, clock_ms);
        kernel_put(m->kernel, program, span_of("in\x03\x1a\nput", 8));
        int64_t deadline = kernel_deadline(m->kernel);
        clock_ms += 7;
        if (deadline > clock_ms && deadline < clock_ms + 100000)
            clock_ms = deadline;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t program[PROGRAM_BYTES];
    struct input in = {data, size};
    struct machine m;
    machine_open(&m);
    bool terminal = take(&in, 1) & 1;
    if (build(&in, program) > 0) {
        machine_put_program(&m, span_of(program, sizeof(program)));
        run(&m, terminal);
    }
    machine_close(&m);
    return 0;
}
