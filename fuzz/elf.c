/* Any bytes as an executable file, and what it does when it runs: execve, `#!`, the interpreter of
 * an ELF file, and with mutated code whatever system calls and faults come out.
 *
 * Besides what libFuzzer does to bytes, headers are changed by their fields: programs of all our
 * processors, static and movable, with segments that lie over each other, are huge, or end nowhere,
 * with an interpreter that is another program (/y), a script (/s), the program itself, or no program. */
#include "machine.h"

#include "guest_code.h"

enum { SLICE = 20000, SLICES = 15, ELF_BYTES = 4096, SEGMENTS_MAX = 8, PATH_AT = 0xf00 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) __attribute__((weak));
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static const struct abi *const abis[] = {&abi_x86_64, &abi_i386, &abi_arm, &abi_mips, &abi_mipsel};

/* ---- Running ---- */

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

/* A program that executes /x, and else ends: what it can, over and over, for the bound of time. */
static void make_other(struct guest_code *g, const struct abi *abi)
{
    static const char name_z[] = "/x";
    const struct guest_arg exec[6] = {{GUEST_BASE + GUEST_DATA_AT, false}};
    const struct guest_arg none[6] = {{0, false}};
    bool native = abi->family == ABI_X86_64;
    unsigned base = abi->family == ABI_MIPS ? 4000 : 0;
    guest_begin(g, abi);
    memcpy(g->bytes + GUEST_DATA_AT, name_z, sizeof(name_z));
    guest_call(g, native ? 59 : base + 11, exec, 0);
    guest_call(g, native ? 60 : base + 1, none, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guest_code other;
    struct machine m;
    const struct abi *abi = size >= ELF_HEADER_BYTES ? abi_find(span_of(data, size)) : NULL;
    machine_open(&m);
    machine_put_program(&m, span_of(data, size));
    make_other(&other, abi != NULL ? abi : &abi_x86_64);
    machine_put_file(&m, span_z("/y"), span_of(other.bytes, sizeof(other.bytes)));
    machine_put_file(&m, span_z("/s"), span_z("#!/x -a b\n"));
    run(&m);
    machine_close(&m);
    return 0;
}

/* ---- Mutation by fields ---- */

struct dice {
    uint64_t state;
};

static uint32_t roll(struct dice *d, uint32_t limit)
{
    d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(d->state >> 33) % limit;
}

static uint64_t edge(struct dice *d)
{
    static const uint64_t edges[] = {0,
                                     1,
                                     2,
                                     0xfff,
                                     0x1000,
                                     0x1001,
                                     0x10000,
                                     GUEST_BASE,
                                     GUEST_BASE + 0x800,
                                     GUEST_ZERO,
                                     0x40000000,
                                     0x7fffffff,
                                     0x80000000,
                                     0xbffff000,
                                     0xfffff000,
                                     UINT32_MAX,
                                     0x7ffffffff000,
                                     0x7fffffffe000,
                                     0x7fffffffffff,
                                     INT64_MAX - 0xffff,
                                     INT64_MAX,
                                     UINT64_MAX - 0xfff,
                                     UINT64_MAX};
    uint64_t value = edges[roll(d, ARRAY_LEN(edges))];
    return roll(d, 4) == 0 ? value + roll(d, 64) * 8 - 256 : value;
}

/* A sound program: one segment with the file, and what else there may be. */
static Elf64_Phdr segment(struct dice *d, size_t len)
{
    static const uint32_t types[] = {PT_LOAD,      PT_LOAD,         PT_LOAD,    PT_INTERP,
                                     PT_GNU_STACK, PT_GNU_PROPERTY, PT_DYNAMIC, PT_TLS,
                                     PT_PHDR,      PT_NOTE,         PT_NULL,    0x70000000};
    Elf64_Phdr p = {.p_type = types[roll(d, ARRAY_LEN(types))],
                    .p_flags = roll(d, 8),
                    .p_vaddr = GUEST_BASE + roll(d, 64) * 0x800,
                    .p_filesz = roll(d, 2) ? len : roll(d, 0x3000),
                    .p_align = UINT64_C(1) << roll(d, 34)};
    p.p_offset = (p.p_vaddr & 0xfff) + roll(d, 3) * 0x1000;
    p.p_memsz = p.p_filesz + (roll(d, 2) ? roll(d, 0x8000) : 0);
    if (p.p_type == PT_INTERP) {
        p.p_offset = PATH_AT;
        p.p_filesz = 3;
    }
    return p;
}

static size_t make_program(struct guest_code *g, struct dice *d, size_t max_size)
{
    static const char *const paths[] = {"/y", "/x", "/s", "/n", "/", "//"};
    static const uint64_t numbers[] = {0, 1, 9, 12, 56, 57, 59, 60};
    size_t len = max_size < ELF_BYTES ? max_size : ELF_BYTES, count = 1 + roll(d, SEGMENTS_MAX - 1);
    const char *path_z = paths[roll(d, ARRAY_LEN(paths))];
    guest_begin(g, abis[roll(d, ARRAY_LEN(abis))]);
    size_t at = guest_header_bytes(g->abi), step = guest_segment_bytes(g->abi);
    g->at = 0x400;
    guest_header(g, roll(d, 2) ? ET_EXEC : ET_DYN, GUEST_BASE + g->at, (uint16_t)count);
    for (size_t i = 1; i < count; i++)
        guest_segment(g, at + i * step, segment(d, len));
    for (unsigned i = 0; i < 6; i++) {
        struct guest_arg arg[6];
        for (size_t k = 0; k < ARRAY_LEN(arg); k++)
            arg[k] = (struct guest_arg){roll(d, 2) ? edge(d) : roll(d, 8), false};
        guest_call(g, numbers[roll(d, ARRAY_LEN(numbers))], arg, i);
    }
    memcpy(g->bytes + PATH_AT, path_z, strlen(path_z));
    return len;
}

/* A field of the header or of a segment becomes another value, in its own width and byte order. */
static void change_field(uint8_t *data, size_t size, const struct abi *abi, struct dice *d)
{
    static const uint8_t wide[] = {24, 32, 40, 54, 56}, narrow[] = {24, 28, 32, 42, 44};
    static struct guest_code g;
    bool is_wide = abi->word_bytes == 8;
    size_t at = (is_wide ? wide : narrow)[roll(d, ARRAY_LEN(wide))], width = abi->word_bytes;
    size_t step = guest_segment_bytes(abi);
    g.abi = abi;
    if (roll(d, 4) == 0) {
        width = at >= 42 && at != 48 ? 2 : width;
    } else {
        width = is_wide && roll(d, 4) != 0 ? 8 : 4;
        at = guest_header_bytes(abi) + roll(d, SEGMENTS_MAX) * step +
             roll(d, (uint32_t)(step / width)) * width;
    }
    if (at + 8 > size || at + 8 > sizeof(g.bytes))
        return;
    memcpy(g.bytes + at, data + at, 8);
    if (width == 2)
        guest_put16(&g, at, (uint16_t)roll(d, 80));
    else if (width == 4)
        guest_put32(&g, at, (uint32_t)edge(d));
    else
        guest_put_word(&g, at, edge(d));
    memcpy(data + at, g.bytes + at, 8);
}

static void put_segment(uint8_t *data, size_t size, const struct abi *abi, struct dice *d)
{
    static struct guest_code g;
    size_t step = guest_segment_bytes(abi),
           at = guest_header_bytes(abi) + roll(d, SEGMENTS_MAX) * step;
    if (at + step > size)
        return;
    g.abi = abi;
    guest_segment(&g, at, segment(d, size));
    memcpy(data + at, g.bytes + at, step);
}

static size_t make_script(uint8_t *data, size_t max_size, struct dice *d)
{
    static const char *const scripts[] = {"#!/x\n",    "#! /y  a  b \n", "#!/s\n",  "#!\n",
                                          "#!/y\tq\n", "#!/x\0 /y\n",    "#! \t\n", "#!/n"};
    const char *text_z = scripts[roll(d, ARRAY_LEN(scripts))];
    size_t len = strlen(text_z) + 1;
    if (len > max_size)
        return 0;
    memcpy(data, text_z, len);
    return len;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static struct guest_code g;
    struct dice d = {seed};
    const struct abi *abi = size >= ELF_HEADER_BYTES ? abi_find(span_of(data, size)) : NULL;
    uint32_t what = roll(&d, 16);
    if (what == 0 || (abi == NULL && what < 8 && max_size >= ELF_BYTES)) {
        size = make_program(&g, &d, max_size);
        memcpy(data, g.bytes, size);
        return size;
    }
    if (what == 1)
        return make_script(data, max_size, &d);
    if (abi == NULL || what < 8)
        return LLVMFuzzerMutate(data, size, max_size);
    for (uint32_t times = 1 + roll(&d, 3); times > 0; times--)
        if (what < 14)
            change_field(data, size, abi, &d);
        else
            put_segment(data, size, abi, &d);
    return size;
}
