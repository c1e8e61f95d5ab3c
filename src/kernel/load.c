#include "kernel/load.h"

#include "kernel/abi.h"
#include "kernel/exec.h"
#include "kernel/file.h"
#include "kernel/hardware.h"
#include "kernel/kind.h"
#include "kernel/task.h"
#include "kernel/vfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t page_mask = CPU_PAGE_BYTES - 1;

static uint64_t random_pages(struct kernel *k, unsigned bits)
{
    return crypto_rng_u32(&k->rng) & ((UINT64_C(1) << bits) - 1);
}

/* ---- Headers ---- */

static int read_exact(struct file *f, void *out, size_t len, uint64_t at)
{
    int64_t n = file_pread(f, NULL, out, len, (int64_t)at);
    if (n < 0)
        return (int)n;
    return (size_t)n == len ? 0 : -ENOEXEC;
}

static int read_image(struct file *f, struct elf_image *image)
{
    uint8_t head[ELF_HEADER_BYTES];
    int error = read_exact(f, head, sizeof(head), 0);
    if (error == 0)
        error = elf_header_parse(span_of(head, sizeof(head)), &image->header);
    if (error != 0)
        return error;
    size_t bytes = (size_t)image->header.segment_count * elf_segment_bytes(&image->header);
    uint8_t *table = malloc(bytes);
    if (table == NULL)
        return -ENOMEM;
    error = read_exact(f, table, bytes, image->header.segments_at);
    if (error == 0)
        error = elf_segments_parse(span_of(table, bytes), image);
    free(table);
    return error;
}

static int open_interp(struct load *load, struct task *t)
{
    char path_z[ELF_INTERP_MAX];
    size_t len = (size_t)load->image.interp_bytes;
    struct vfs_at at = {.fs = t->fs, .cred = &t->creds, .task = t};
    int error = read_exact(load->file, path_z, len, load->image.interp_at);
    if (error != 0)
        return error == -ENOEXEC ? -EIO : error;
    if (path_z[len - 1] != '\0')
        return -ENOEXEC;
    error = vfs_open_exec(&at, span_z(path_z), true, &load->interp);
    if (error != 0)
        return error;
    error = read_image(load->interp, &load->interp_image);
    return error == -ENOEXEC ? -ELIBBAD : error;
}

/* Whether the machine's processor runs such programs, or the owner wants them run. */
static bool is_accepted(const struct kernel *k, const struct abi *abi)
{
    const struct kind *m = k->hardware.kind;
    return k->foreign_programs || abi == m->abi || abi == m->also;
}

int load_open(struct load *load, struct task *t)
{
    int error = read_image(load->file, &load->image);
    if (error == 0 && !is_accepted(t->kernel, load->image.header.abi))
        error = -ENOEXEC;
    if (error != 0 || load->image.interp_bytes == 0)
        return error;
    error = open_interp(load, t);
    if (error == 0 && load->interp_image.header.abi != load->image.header.abi)
        error = -ELIBBAD;
    return error;
}

void load_fini(struct load *load)
{
    file_drop(load->interp);
    load->interp = NULL;
}

/* ---- Mapping ---- */

static int map_anonymous(struct mm *mm, uint64_t from, uint64_t to, unsigned access)
{
    struct mm_request r = {.addr = from,
                           .len = to - from,
                           .access = access,
                           .access_max = CPU_READ | CPU_WRITE | CPU_EXEC,
                           .fixed = true};
    if (to <= from)
        return 0;
    int64_t mapped = mm_map(mm, &r);
    return mapped < 0 ? (int)mapped : 0;
}

static int map_load(struct mm *mm, struct file *f, const struct elf_load *l, uint64_t bias)
{
    static const uint8_t zero[CPU_PAGE_BYTES];
    uint64_t start = (bias + l->vaddr) & ~page_mask;
    uint64_t data_end = bias + l->vaddr + l->file_bytes;
    uint64_t end = (bias + l->vaddr + l->mem_bytes + page_mask) & ~page_mask;
    uint64_t file_end = l->file_bytes > 0 ? (data_end + page_mask) & ~page_mask : start;
    if (file_end > start) {
        struct mm_request r = {.addr = start,
                               .len = file_end - start,
                               .access = l->access,
                               .access_max = CPU_READ | CPU_WRITE | CPU_EXEC,
                               .fixed = true,
                               .file = f,
                               .offset = l->offset & ~page_mask};
        int64_t mapped = mm_map(mm, &r);
        if (mapped < 0)
            return (int)mapped;
    }
    /* What the file has behind the segment's data is not the program's. */
    if (l->mem_bytes > l->file_bytes && (l->access & CPU_WRITE) != 0 && file_end > data_end &&
        cpu_space_poke(mm->space, data_end, zero, (size_t)(file_end - data_end)) != 0)
        return -ENOMEM;
    return map_anonymous(mm, file_end, end, l->access);
}

static int map_image(struct mm *mm, struct file *f, const struct elf_image *image, uint64_t bias)
{
    int error = 0;
    if (image->low + bias < MM_MIN_ADDR || image->high - image->low > mm->space_end ||
        image->high + bias > mm->stack_top)
        return -EPERM;
    for (size_t i = 0; i < image->load_count && error == 0; i++)
        error = map_load(mm, f, &image->loads[i], bias);
    return error;
}

/* The whole of a movable image in one free range. */
static int place(const struct mm *mm, const struct elf_image *image, uint64_t *bias)
{
    uint64_t size = image->high - image->low;
    uint64_t gap = mm_find_gap(mm, size + image->align, false);
    if (gap == 0)
        return -ENOMEM;
    gap = (gap + image->align - 1) & ~(image->align - 1);
    *bias = gap - image->low;
    return 0;
}

static void set_places(struct load *load, struct mm *mm)
{
    const struct elf_image *image = &load->image;
    mm->code_start = UINT64_MAX;
    for (size_t i = 0; i < image->load_count; i++) {
        const struct elf_load *l = &image->loads[i];
        uint64_t start = l->vaddr + load->bias;
        if (start < mm->code_start)
            mm->code_start = start;
        if ((l->access & CPU_EXEC) != 0 && start + l->file_bytes > mm->code_end)
            mm->code_end = start + l->file_bytes;
        if (start > mm->data_start)
            mm->data_start = start;
        if (start + l->file_bytes > mm->data_end)
            mm->data_end = start + l->file_bytes;
    }
    uint64_t end = image->high + load->bias;
    /* A position-independent program without interpreter lies among the mappings: its heap does
     * not grow from there. */
    if (image->header.is_dyn && load->interp == NULL)
        end = mm->abi->dyn_base;
    uint64_t shift = random_pages(mm->kernel, 20) * CPU_PAGE_BYTES % mm->abi->brk_random_bytes;
    mm->brk_start = mm->brk_end = ((end + page_mask) & ~page_mask) + shift;
}

int load_map(struct load *load, struct mm *mm)
{
    struct elf_image *image = &load->image;
    int error = 0;
    if (image->header.is_dyn && load->interp != NULL) {
        uint64_t pages = random_pages(mm->kernel, mm->abi->dyn_random_bits);
        uint64_t base = mm->abi->dyn_base + exec_place(mm->kernel, pages) * CPU_PAGE_BYTES;
        load->bias = (base & ~(image->align - 1)) - image->low;
    } else if (image->header.is_dyn) {
        error = place(mm, image, &load->bias);
    }
    if (error == 0)
        error = map_image(mm, load->file, image, load->bias);
    if (error != 0)
        return error;
    load->start = image->header.entry + load->bias;
    set_places(load, mm);
    if (load->interp == NULL)
        return 0;
    error = place(mm, &load->interp_image, &load->interp_bias);
    if (error == 0)
        error = map_image(mm, load->interp, &load->interp_image, load->interp_bias);
    load->start = load->interp_image.header.entry + load->interp_bias;
    return error;
}
