/* ELF files: the headers that execve needs, checked as Linux checks them. Trusts no byte.
 *
 * Source: System V ABI, chapters 4 and 5; AMD64 supplement; elf(5). */
#ifndef KERNEL_ELF_H
#define KERNEL_ELF_H

#include "cpu/space.h"

enum {
    ELF_HEADER_BYTES = 64,
    ELF_SEGMENT_BYTES = 56,  /* at most: ELF32 has 32 */
    ELF_SEGMENTS_MAX = 1170, /* 64 KiB of program headers, as Linux */
    ELF_LOADS_MAX = 64,      /* PT_LOAD entries that we map */
    ELF_INTERP_MAX = 4096,   /* PATH_MAX */
};

struct abi; /* abi.h */

struct elf_header {
    const struct abi *abi; /* whose programs have this class, byte order and machine */
    bool is_dyn;           /* ET_DYN: may be placed anywhere */
    uint64_t entry;
    uint64_t segments_at; /* in the file */
    uint16_t segment_count;
};

struct elf_load {
    uint64_t vaddr, offset, file_bytes, mem_bytes;
    unsigned access; /* CPU_READ, CPU_WRITE, CPU_EXEC */
};

struct elf_image {
    struct elf_header header;
    struct elf_load loads[ELF_LOADS_MAX];
    size_t load_count;
    uint64_t low, high;  /* addresses that the loads span, whole pages */
    uint64_t align;      /* the largest p_align, at least a page */
    uint64_t phdr_vaddr; /* of the program headers, as seen through a load; 0: in none */
    uint64_t interp_at, interp_bytes; /* PT_INTERP: place in the file; 0: none */
    uint64_t dynamic;                 /* PT_DYNAMIC's address, 0: none */
    bool exec_stack;
};

/* Bytes of an entry of the table of segments. */
size_t elf_segment_bytes(const struct elf_header *header);

/* The first ELF_HEADER_BYTES of the file. 0 or -ENOEXEC. */
int elf_header_parse(struct span bytes, struct elf_header *out);

/* `table` is header.segment_count * elf_segment_bytes long. `out->header` is filled in before.
 * 0, -ENOEXEC, -EINVAL. */
int elf_segments_parse(struct span table, struct elf_image *out);

/* The address of an exported symbol of a loaded image, by its DT_GNU_HASH; 0: not there. `dynamic`
 * and the result are addresses in the space, `bias` is what was added to the file's addresses. */
uint64_t elf_find_symbol(struct cpu_space *space, uint64_t dynamic, uint64_t bias,
                         const char *name_z);

#endif
