#include "kernel/elf.h"

#include "kernel/abi.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

_Static_assert(sizeof(Elf64_Ehdr) == ELF_HEADER_BYTES, "ELF header");
_Static_assert(sizeof(Elf64_Phdr) == ELF_SEGMENT_BYTES, "program header");

static const uint64_t page_mask = CPU_PAGE_BYTES - 1;

static uint16_t swap16(uint16_t value)
{
    return (uint16_t)(value << 8 | value >> 8);
}

/* ---- Headers of either class and byte order, as those of ELF64 ---- */

static void widen_header(const struct abi *abi, const uint8_t *bytes, Elf64_Ehdr *h)
{
    Elf32_Ehdr n;
    if (abi->elf_class == ELFCLASS64) {
        memcpy(h, bytes, sizeof(*h));
        return;
    }
    memcpy(&n, bytes, sizeof(n));
    *h = (Elf64_Ehdr){.e_type = n.e_type,
                      .e_phentsize = n.e_phentsize,
                      .e_phnum = n.e_phnum,
                      .e_phoff = abi_swap32(abi, n.e_phoff),
                      .e_entry = abi_swap32(abi, n.e_entry)};
    if (abi->big_endian) {
        h->e_type = swap16(h->e_type);
        h->e_phentsize = swap16(h->e_phentsize);
        h->e_phnum = swap16(h->e_phnum);
    }
}

static void widen_segment(const struct abi *abi, const uint8_t *bytes, Elf64_Phdr *p)
{
    Elf32_Phdr n;
    if (abi->elf_class == ELFCLASS64) {
        memcpy(p, bytes, sizeof(*p));
        return;
    }
    memcpy(&n, bytes, sizeof(n));
    *p = (Elf64_Phdr){.p_type = abi_swap32(abi, n.p_type),
                      .p_flags = abi_swap32(abi, n.p_flags),
                      .p_offset = abi_swap32(abi, n.p_offset),
                      .p_vaddr = abi_swap32(abi, n.p_vaddr),
                      .p_filesz = abi_swap32(abi, n.p_filesz),
                      .p_memsz = abi_swap32(abi, n.p_memsz),
                      .p_align = abi_swap32(abi, n.p_align)};
}

size_t elf_segment_bytes(const struct elf_header *header)
{
    return header->abi->elf_class == ELFCLASS64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
}

int elf_header_parse(struct span bytes, struct elf_header *out)
{
    Elf64_Ehdr h;
    if (bytes.len < sizeof(h))
        return -ENOEXEC;
    *out = (struct elf_header){.abi = abi_find(bytes)};
    if (out->abi == NULL)
        return -ENOEXEC;
    widen_header(out->abi, bytes.data, &h);
    if ((h.e_type != ET_EXEC && h.e_type != ET_DYN) || h.e_phentsize != elf_segment_bytes(out))
        return -ENOEXEC;
    if (h.e_phnum == 0 || h.e_phnum > ELF_SEGMENTS_MAX || h.e_phoff > INT64_MAX - 65536)
        return -ENOEXEC;
    out->is_dyn = h.e_type == ET_DYN;
    out->entry = h.e_entry;
    out->segments_at = h.e_phoff;
    out->segment_count = h.e_phnum;
    return 0;
}

static unsigned access_of(uint32_t flags)
{
    unsigned access = 0;
    if ((flags & PF_R) != 0)
        access |= CPU_READ;
    if ((flags & PF_W) != 0)
        access |= CPU_WRITE;
    if ((flags & PF_X) != 0)
        access |= CPU_EXEC;
    return access;
}

static int add_load(struct elf_image *out, const Elf64_Phdr *p)
{
    uint64_t end;
    if (out->load_count == ELF_LOADS_MAX)
        return -ENOEXEC;
    uint64_t space_end = out->header.abi->space_end;
    if (p->p_filesz > p->p_memsz || p->p_vaddr > space_end || p->p_memsz > space_end - p->p_vaddr ||
        p->p_offset > INT64_MAX - p->p_filesz)
        return -EINVAL;
    if ((p->p_vaddr & page_mask) != (p->p_offset & page_mask))
        return -EINVAL;
    end = (p->p_vaddr + p->p_memsz + page_mask) & ~page_mask;
    if (out->load_count == 0 || (p->p_vaddr & ~page_mask) < out->low)
        out->low = p->p_vaddr & ~page_mask;
    if (end > out->high)
        out->high = end;
    if (p->p_align > out->align && (p->p_align & (p->p_align - 1)) == 0 &&
        p->p_align <= UINT64_C(1) << 30)
        out->align = p->p_align;
    uint64_t table = out->header.segments_at;
    if (table >= p->p_offset && table - p->p_offset < p->p_filesz)
        out->phdr_vaddr = p->p_vaddr + (table - p->p_offset);
    out->loads[out->load_count++] = (struct elf_load){.vaddr = p->p_vaddr,
                                                      .offset = p->p_offset,
                                                      .file_bytes = p->p_filesz,
                                                      .mem_bytes = p->p_memsz,
                                                      .access = access_of(p->p_flags)};
    return 0;
}

static int add_interp(struct elf_image *out, const Elf64_Phdr *p)
{
    if (out->interp_bytes != 0)
        return 0; /* the first one counts */
    if (p->p_filesz < 2 || p->p_filesz > ELF_INTERP_MAX || p->p_offset > INT64_MAX - 65536)
        return -ENOEXEC;
    out->interp_at = p->p_offset;
    out->interp_bytes = p->p_filesz;
    return 0;
}

int elf_segments_parse(struct span table, struct elf_image *out)
{
    int error = 0;
    out->align = CPU_PAGE_BYTES;
    for (size_t i = 0; i < out->header.segment_count && error == 0; i++) {
        Elf64_Phdr p;
        size_t bytes = elf_segment_bytes(&out->header);
        if ((i + 1) * bytes > table.len)
            return -ENOEXEC;
        widen_segment(out->header.abi, table.data + i * bytes, &p);
        switch (p.p_type) {
        case PT_LOAD: error = p.p_memsz > 0 ? add_load(out, &p) : 0; break;
        case PT_INTERP: error = add_interp(out, &p); break;
        case PT_DYNAMIC: out->dynamic = p.p_vaddr; break;
        case PT_GNU_STACK: out->exec_stack = (p.p_flags & PF_X) != 0; break;
        default: break;
        }
    }
    if (error == 0 && out->load_count == 0)
        error = -ENOEXEC;
    return error;
}

/* ---- Exported symbols ---- */

enum {
    DYNAMIC_MAX = 256, /* entries looked at */
    CHAIN_MAX = 4096,  /* symbols of one bucket */
    SYMBOL_NAME_MAX = 64,
};

struct tables {
    struct cpu_space *space;
    uint64_t symbols, strings, hash;
};

static bool find_tables(struct tables *t, uint64_t dynamic, uint64_t bias)
{
    for (int i = 0; i < DYNAMIC_MAX; i++) {
        Elf64_Dyn d;
        if (cpu_space_read(t->space, dynamic + (uint64_t)i * sizeof(d), &d, sizeof(d)) != 0 ||
            d.d_tag == DT_NULL)
            break;
        switch (d.d_tag) {
        case DT_SYMTAB: t->symbols = bias + d.d_un.d_ptr; break;
        case DT_STRTAB: t->strings = bias + d.d_un.d_ptr; break;
        case DT_GNU_HASH: t->hash = bias + d.d_un.d_ptr; break;
        default: break;
        }
    }
    return t->symbols != 0 && t->strings != 0 && t->hash != 0;
}

static uint32_t gnu_hash(const char *name_z)
{
    uint32_t hash = 5381;
    for (; *name_z != '\0'; name_z++)
        hash = hash * 33 + (uint8_t)*name_z;
    return hash;
}

/* The value of symbol `index` when it has that name and is defined; else 0. */
static uint64_t symbol_value(const struct tables *t, uint32_t index, const char *name_z)
{
    char found_z[SYMBOL_NAME_MAX];
    Elf64_Sym s;
    if (cpu_space_read(t->space, t->symbols + (uint64_t)index * sizeof(s), &s, sizeof(s)) != 0 ||
        s.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(s.st_info) != STT_FUNC)
        return 0;
    if (cpu_space_read_z(t->space, t->strings + s.st_name, found_z, sizeof(found_z)) < 0)
        return 0;
    return strcmp(found_z, name_z) == 0 ? s.st_value : 0;
}

uint64_t elf_find_symbol(struct cpu_space *space, uint64_t dynamic, uint64_t bias,
                         const char *name_z)
{
    struct tables t = {.space = space};
    uint32_t head[4], index, hash = gnu_hash(name_z); /* buckets, first symbol, bloom, shift */
    if (!find_tables(&t, dynamic, bias) || cpu_space_read(space, t.hash, head, sizeof(head)) != 0 ||
        head[0] == 0)
        return 0;
    uint64_t buckets = t.hash + sizeof(head) + (uint64_t)head[2] * 8;
    uint64_t chains = buckets + (uint64_t)head[0] * 4;
    uint64_t bucket = buckets + (uint64_t)(hash % head[0]) * 4;
    if (cpu_space_read(space, bucket, &index, 4) != 0 || index < head[1])
        return 0;
    for (int i = 0; i < CHAIN_MAX; i++, index++) {
        uint32_t link;
        if (cpu_space_read(space, chains + (uint64_t)(index - head[1]) * 4, &link, 4) != 0)
            return 0;
        uint64_t value = (link | 1) == (hash | 1) ? symbol_value(&t, index, name_z) : 0;
        if (value != 0)
            return value + bias;
        if ((link & 1) != 0)
            return 0;
    }
    return 0;
}
