/* Putting an ELF program, and its interpreter, into a new memory. */
#ifndef KERNEL_LOAD_H
#define KERNEL_LOAD_H

#include "kernel/elf.h"
#include "kernel/mm.h"

struct task;

struct load {
    struct file *file;   /* the program; borrowed */
    struct file *interp; /* its interpreter, NULL: none; owned by load_fini */
    struct elf_image image, interp_image;
    uint64_t bias;        /* added to the program's addresses */
    uint64_t interp_bias; /* AT_BASE */
    uint64_t start;       /* where execution begins */
};

/* Reads the headers of the program and its interpreter. `load->file` is set. 0, or -errno while the
 * old program can still go on. */
int load_open(struct load *load, struct task *t);

/* Maps both into `mm`, and sets its places (code, data, break). 0 or -errno. */
int load_map(struct load *load, struct mm *mm);

void load_fini(struct load *load);

#endif
