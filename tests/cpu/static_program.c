#include "static_program.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    PAGE = CPU_PAGE_BYTES,
    FRAMES = 4096,
    CODE_BYTES = 16 << 20,
    OUTPUT_MAX = 1 << 20,
    BUDGET = 400 * 1000 * 1000,
    STACK_TOP = 0x7fff0000,
    STACK_BYTES = 64 * PAGE,
    HEAP_AT = 0x30000000,
    HEAP_BYTES = 512 * PAGE,
    HEADERS_MAX = 32,
};

struct process {
    const struct program_kind *kind;
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_code *code;
    struct cpu *cpu;
    uint32_t heap_end;
    char *output;
    size_t output_len;
};

static uint32_t order32(const struct process *p, uint32_t value)
{
    return p->kind->big_endian ? __builtin_bswap32(value) : value;
}

static uint16_t order16(const struct process *p, uint16_t value)
{
    return p->kind->big_endian ? __builtin_bswap16(value) : value;
}

static uint8_t *read_file(const char *path_z, size_t *len)
{
    FILE *f = fopen(path_z, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *len = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*len);
    assert_int_equal(fread(bytes, 1, *len, f), *len);
    fclose(f);
    return bytes;
}

static void load_segment(struct process *p, const uint8_t *file, const Elf32_Phdr *h)
{
    uint32_t addr = order32(p, h->p_vaddr), start = addr / PAGE * PAGE;
    uint32_t end = (addr + order32(p, h->p_memsz) + PAGE - 1) / PAGE * PAGE;
    unsigned all = CPU_READ | CPU_WRITE | CPU_EXEC;
    assert_int_equal(cpu_space_map(p->space, start, end - start, all, span_of(NULL, 0)), 0);
    assert_int_equal(
        cpu_space_poke(p->space, addr, file + order32(p, h->p_offset), order32(p, h->p_filesz)), 0);
}

/* The loaded program's start. */
static uint32_t load(struct process *p, const uint8_t *file)
{
    Elf32_Ehdr header;
    memcpy(&header, file, sizeof(header));
    unsigned count = order16(p, header.e_phnum);
    assert_true(count <= HEADERS_MAX);
    for (unsigned i = 0; i < count; i++) {
        Elf32_Phdr h;
        memcpy(&h, file + order32(p, header.e_phoff) + i * sizeof(h), sizeof(h));
        if (order32(p, h.p_type) == PT_LOAD)
            load_segment(p, file, &h);
    }
    return order32(p, header.e_entry);
}

/* argc, argv, environment, auxiliary vector. */
static uint32_t make_stack(struct process *p, uint32_t headers, uint16_t header_count)
{
    const uint32_t name = STACK_TOP - 64, random = STACK_TOP - 48, sp = STACK_TOP - 512;
    const uint32_t words[] = {1,         name,
                              0,         0,
                              AT_PHDR,   headers,
                              AT_PHNUM,  header_count,
                              AT_PHENT,  sizeof(Elf32_Phdr),
                              AT_PAGESZ, PAGE,
                              AT_RANDOM, random,
                              AT_SECURE, 0,
                              AT_HWCAP,  p->kind->hwcap,
                              AT_NULL,   0};
    assert_int_equal(cpu_space_map(p->space, STACK_TOP - STACK_BYTES, STACK_BYTES,
                                   CPU_READ | CPU_WRITE, span_of(NULL, 0)),
                     0);
    assert_int_equal(
        cpu_space_map(p->space, HEAP_AT, HEAP_BYTES, CPU_READ | CPU_WRITE, span_of(NULL, 0)), 0);
    assert_int_equal(cpu_space_poke(p->space, name, "program", 8), 0);
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        uint32_t word = order32(p, words[i]);
        assert_int_equal(cpu_space_poke(p->space, sp + 4 * i, &word, 4), 0);
    }
    return sp;
}

static void open_process(struct process *p, const struct program_kind *kind, const char *path_z)
{
    size_t len;
    uint8_t *file = read_file(path_z, &len);
    *p = (struct process){.kind = kind, .heap_end = HEAP_AT, .output = malloc(OUTPUT_MAX)};
    p->pool = cpu_pool_new(FRAMES);
    p->space = cpu_space_new(p->pool);
    p->code = cpu_code_new(CODE_BYTES);
    p->cpu = cpu_new(kind->ops, p->code, p->space);
    Elf32_Ehdr header;
    memcpy(&header, file, sizeof(header));
    uint32_t entry = load(p, file), base = entry & kind->base_mask;
    uint32_t headers = base + order32(p, header.e_phoff);
    p->cpu->ops->start(p->cpu, entry, make_stack(p, headers, order16(p, header.e_phnum)));
    if (kind->prepare != NULL)
        kind->prepare(p->cpu, p->space);
    free(file);
}

static void close_process(struct process *p)
{
    cpu_free(p->cpu);
    cpu_space_free(p->space);
    cpu_code_free(p->code);
    cpu_pool_free(p->pool);
    free(p->output);
}

static int64_t do_brk(struct process *p, uint32_t to)
{
    if (to >= HEAP_AT && to <= HEAP_AT + HEAP_BYTES)
        p->heap_end = to;
    return p->heap_end;
}

static int64_t do_write(struct process *p, uint32_t addr, uint32_t len)
{
    assert_true(len <= OUTPUT_MAX - p->output_len);
    if (cpu_space_read(p->space, addr, p->output + p->output_len, len) < 0)
        return -EFAULT;
    p->output_len += len;
    return len;
}

/* False: the program has ended. */
static bool serve(struct process *p)
{
    const struct program_kind *kind = p->kind;
    struct cpu_call call;
    int64_t result = -ENOSYS;
    p->cpu->ops->call(p->cpu, &call);
    if (call.number == kind->exit || call.number == kind->exit_group)
        return false;
    if (call.number == kind->write) {
        result = do_write(p, (uint32_t)call.arg[1], (uint32_t)call.arg[2]);
    } else if (call.number == kind->brk) {
        result = do_brk(p, (uint32_t)call.arg[0]);
    } else if (call.number == kind->set_tls) {
        p->cpu->ops->set_tls(p->cpu, call.arg[0]);
        result = 0;
    } else if (kind->mprotect != 0 && call.number == kind->mprotect) {
        result = 0;
    }
    p->cpu->ops->set_result(p->cpu, result);
    return true;
}

static void run_process(struct process *p)
{
    uint64_t used, all = 0;
    struct cpu_trap trap;
    while (all < BUDGET) {
        enum cpu_stop stop = cpu_run(p->cpu, BUDGET - all, &used, &trap);
        all += used;
        if (stop != CPU_STOP_SYSCALL) {
            print_error("stop %d at %x, address %x\n", stop, (unsigned)p->cpu->ops->pc(p->cpu),
                        (unsigned)trap.addr);
            fail();
        }
        if (!serve(p))
            return;
    }
    fail_msg("the budget is used up");
}

static size_t output_of_qemu(const char *qemu_z, const char *program_z, char *out)
{
    char command[4096];
    snprintf(command, sizeof(command), "'%s' '%s'", qemu_z, program_z);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(out, 1, OUTPUT_MAX, pipe);
    assert_int_equal(pclose(pipe), 0);
    return len;
}

void program_prints_as_under_qemu(const struct program_kind *kind, const char *qemu_z,
                                  const char *program_z)
{
    struct process p;
    char *wanted = malloc(OUTPUT_MAX);
    size_t len = output_of_qemu(qemu_z, program_z, wanted);
    assert_true(len > 0);
    open_process(&p, kind, program_z);
    run_process(&p);
    if (p.output_len != len || memcmp(p.output, wanted, len) != 0)
        print_error("%s: %.*s\ninstead of\n%.*s\n", program_z, (int)p.output_len, p.output,
                    (int)len, wanted);
    assert_int_equal(p.output_len, len);
    assert_memory_equal(p.output, wanted, len);
    close_process(&p);
    free(wanted);
}
