#include "kernel/abi.h"
#include "kernel/elf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

static Elf64_Ehdr good_header(void)
{
    return (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                        .e_type = ET_EXEC,
                        .e_machine = EM_X86_64,
                        .e_entry = 0x401000,
                        .e_phoff = 64,
                        .e_phentsize = sizeof(Elf64_Phdr),
                        .e_phnum = 2};
}

static int parse_header(const Elf64_Ehdr *h, struct elf_header *out)
{
    return elf_header_parse(span_of(h, sizeof(*h)), out);
}

static void a_header_is_read(void **state)
{
    (void)state;
    Elf64_Ehdr h = good_header();
    struct elf_header out;
    assert_int_equal(parse_header(&h, &out), 0);
    assert_false(out.is_dyn);
    assert_int_equal(out.entry, 0x401000);
    assert_int_equal(out.segments_at, 64);
    assert_int_equal(out.segment_count, 2);
    h.e_type = ET_DYN;
    assert_int_equal(parse_header(&h, &out), 0);
    assert_true(out.is_dyn);
}

static void a_short_header_is_no_program(void **state)
{
    (void)state;
    Elf64_Ehdr h = good_header();
    struct elf_header out;
    for (size_t len = 0; len < sizeof(h); len++)
        assert_int_equal(elf_header_parse(span_of(&h, len), &out), -ENOEXEC);
}

static void a_foreign_header_is_no_program(void **state)
{
    (void)state;
    struct elf_header out;
    Elf64_Ehdr h = good_header();
    h.e_ident[1] = 'F';
    assert_int_equal(parse_header(&h, &out), -ENOEXEC);
    h = good_header();
    h.e_ident[EI_CLASS] = ELFCLASS32;
    assert_int_equal(parse_header(&h, &out), -ENOEXEC);
    h = good_header();
    h.e_machine = EM_AARCH64;
    assert_int_equal(parse_header(&h, &out), -ENOEXEC);
    h = good_header();
    h.e_type = ET_CORE;
    assert_int_equal(parse_header(&h, &out), -ENOEXEC);
    h = good_header();
    h.e_phentsize++;
    assert_int_equal(parse_header(&h, &out), -ENOEXEC);
    h = good_header();
    h.e_phnum = 0;
    assert_int_equal(parse_header(&h, &out), -ENOEXEC);
    h.e_phnum = ELF_SEGMENTS_MAX + 1;
    assert_int_equal(parse_header(&h, &out), -ENOEXEC);
    h = good_header();
    h.e_phoff = UINT64_MAX;
    assert_int_equal(parse_header(&h, &out), -ENOEXEC);
}

static Elf64_Phdr good_load(void)
{
    return (Elf64_Phdr){.p_type = PT_LOAD,
                        .p_flags = PF_R | PF_X,
                        .p_offset = 0x10,
                        .p_vaddr = 0x400010,
                        .p_filesz = 0x1800,
                        .p_memsz = 0x2800,
                        .p_align = 0x1000};
}

static int parse(const Elf64_Phdr *table, size_t count, struct elf_image *out)
{
    *out = (struct elf_image){
        .header = {.abi = &abi_x86_64, .segments_at = 64, .segment_count = (uint16_t)count}};
    return elf_segments_parse(span_of(table, count * sizeof(*table)), out);
}

static void segments_span_a_range_of_pages(void **state)
{
    (void)state;
    struct elf_image image;
    Elf64_Phdr table[] = {good_load(), good_load(), {.p_type = PT_GNU_STACK, .p_flags = PF_X}};
    table[1].p_vaddr = 0x600010;
    table[1].p_flags = PF_R | PF_W;
    table[1].p_align = 0x200000;
    assert_int_equal(parse(table, 3, &image), 0);
    assert_int_equal(image.load_count, 2);
    assert_int_equal(image.low, 0x400000);
    assert_int_equal(image.high, 0x603000);
    assert_int_equal(image.align, 0x200000);
    assert_int_equal(image.loads[0].access, CPU_READ | CPU_EXEC);
    assert_int_equal(image.loads[1].access, CPU_READ | CPU_WRITE);
    assert_true(image.exec_stack);
    assert_int_equal(image.phdr_vaddr, 0x600040); /* in the last load that has them */
}

static void hostile_segments_are_refused(void **state)
{
    (void)state;
    struct elf_image image;
    Elf64_Phdr p = good_load();
    p.p_filesz = p.p_memsz + 1;
    assert_int_equal(parse(&p, 1, &image), -EINVAL);
    p = good_load();
    p.p_memsz = UINT64_MAX;
    assert_int_equal(parse(&p, 1, &image), -EINVAL);
    p = good_load();
    p.p_vaddr = UINT64_MAX - 0xfef;
    assert_int_equal(parse(&p, 1, &image), -EINVAL);
    p = good_load();
    p.p_offset = UINT64_MAX & ~UINT64_C(0xfef);
    assert_int_equal(parse(&p, 1, &image), -EINVAL);
    p = good_load();
    p.p_offset++;
    assert_int_equal(parse(&p, 1, &image), -EINVAL);
    p = good_load();
    p.p_align = UINT64_C(1) << 63;
    assert_int_equal(parse(&p, 1, &image), 0);
    assert_int_equal(image.align, CPU_PAGE_BYTES);
    p.p_type = PT_NOTE;
    assert_int_equal(parse(&p, 1, &image), -ENOEXEC);
}

static void too_many_segments_are_refused(void **state)
{
    (void)state;
    static Elf64_Phdr table[ELF_LOADS_MAX + 1];
    struct elf_image image;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        table[i] = good_load();
        table[i].p_vaddr += i * 0x10000;
    }
    assert_int_equal(parse(table, ELF_LOADS_MAX, &image), 0);
    assert_int_equal(parse(table, ELF_LOADS_MAX + 1, &image), -ENOEXEC);
}

static void an_interpreter_has_a_sensible_length(void **state)
{
    (void)state;
    struct elf_image image;
    Elf64_Phdr table[] = {{.p_type = PT_INTERP, .p_offset = 0x238, .p_filesz = 28}, good_load()};
    assert_int_equal(parse(table, 2, &image), 0);
    assert_int_equal(image.interp_at, 0x238);
    assert_int_equal(image.interp_bytes, 28);
    table[0].p_filesz = 1;
    assert_int_equal(parse(table, 2, &image), -ENOEXEC);
    table[0].p_filesz = ELF_INTERP_MAX + 1;
    assert_int_equal(parse(table, 2, &image), -ENOEXEC);
    table[0].p_filesz = 28;
    table[0].p_offset = UINT64_MAX;
    assert_int_equal(parse(table, 2, &image), -ENOEXEC);
}

static void a_table_cut_short_is_refused(void **state)
{
    (void)state;
    Elf64_Phdr table[2] = {good_load(), good_load()};
    struct elf_image image = {.header = {.abi = &abi_x86_64, .segment_count = 2}};
    for (size_t len = 0; len < sizeof(table); len += 7) {
        image = (struct elf_image){.header = {.abi = &abi_x86_64, .segment_count = 2}};
        assert_int_equal(elf_segments_parse(span_of(table, len), &image), -ENOEXEC);
    }
}

/* ---- Exported symbols, in a space of four pages ---- */

enum { AT = 0x10000, SYMBOLS = 0x10100, STRINGS = 0x10300, HASH = 0x10400, SPACE_BYTES = 0x4000 };

static uint32_t hash_of(const char *name_z)
{
    uint32_t hash = 5381;
    for (; *name_z != '\0'; name_z++)
        hash = hash * 33 + (uint8_t)*name_z;
    return hash;
}

static struct cpu_space *space_with_symbols(struct cpu_pool *pool)
{
    struct cpu_space *space = cpu_space_new(pool);
    struct span none = {NULL, 0};
    const char strings[] = "\0other\0readline";
    Elf64_Dyn dynamic[] = {{DT_SYMTAB, {SYMBOLS - AT}},
                           {DT_STRTAB, {STRINGS - AT}},
                           {DT_GNU_HASH, {HASH - AT}},
                           {DT_NULL, {0}}};
    Elf64_Sym symbols[3] = {{.st_name = 0},
                            {.st_name = 1, .st_info = STT_FUNC, .st_shndx = 1, .st_value = 0x11},
                            {.st_name = 7, .st_info = STT_FUNC, .st_shndx = 1, .st_value = 0x22}};
    /* One bucket, symbols from 1 on, one bloom word; chains: the last has bit 0 set. */
    uint32_t hash[] = {1, 1, 1, 0, 0, 0, 1, hash_of("other") & ~1U, hash_of("readline") | 1};
    assert_non_null(space);
    assert_int_equal(cpu_space_map(space, AT, SPACE_BYTES, CPU_READ, none), 0);
    cpu_space_poke(space, AT, dynamic, sizeof(dynamic));
    cpu_space_poke(space, SYMBOLS, symbols, sizeof(symbols));
    cpu_space_poke(space, STRINGS, strings, sizeof(strings));
    cpu_space_poke(space, HASH, hash, sizeof(hash));
    return space;
}

static void an_exported_symbol_is_found(void **state)
{
    (void)state;
    struct cpu_pool *pool = cpu_pool_new(64);
    struct cpu_space *space = space_with_symbols(pool);
    assert_int_equal(elf_find_symbol(space, AT, AT, "readline"), AT + 0x22);
    assert_int_equal(elf_find_symbol(space, AT, AT, "other"), AT + 0x11);
    assert_int_equal(elf_find_symbol(space, AT, AT, "nothing"), 0);
    assert_int_equal(elf_find_symbol(space, 0x500000, AT, "readline"), 0);
    cpu_space_free(space);
    cpu_pool_free(pool);
}

static void hostile_tables_give_no_symbol(void **state)
{
    (void)state;
    struct cpu_pool *pool = cpu_pool_new(64);
    struct cpu_space *space = space_with_symbols(pool);
    uint32_t zero = 0, huge = UINT32_MAX;
    cpu_space_poke(space, HASH, &zero, sizeof(zero)); /* no buckets */
    assert_int_equal(elf_find_symbol(space, AT, AT, "readline"), 0);
    cpu_space_free(space);
    space = space_with_symbols(pool);
    cpu_space_poke(space, HASH + 8, &huge, sizeof(huge)); /* a bloom filter beyond everything */
    assert_int_equal(elf_find_symbol(space, AT, AT, "readline"), 0);
    cpu_space_free(space);
    space = space_with_symbols(pool);
    cpu_space_poke(space, HASH + 32, &zero, sizeof(zero)); /* a chain without an end */
    assert_int_equal(elf_find_symbol(space, AT, AT, "readline"), 0);
    cpu_space_free(space);
    cpu_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_read),
        cmocka_unit_test(a_short_header_is_no_program),
        cmocka_unit_test(a_foreign_header_is_no_program),
        cmocka_unit_test(segments_span_a_range_of_pages),
        cmocka_unit_test(hostile_segments_are_refused),
        cmocka_unit_test(too_many_segments_are_refused),
        cmocka_unit_test(an_interpreter_has_a_sensible_length),
        cmocka_unit_test(a_table_cut_short_is_refused),
        cmocka_unit_test(an_exported_symbol_is_found),
        cmocka_unit_test(hostile_tables_give_no_symbol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
