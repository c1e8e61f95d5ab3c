/* /proc/PID: what a process has mapped, and its memory itself. */
#include "kernel/machine.h"
#include "kernel/mm.h"
#include "kernel/procfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    KIB = 1024,
    KIB_A_PAGE = 4,
    SHARERS = 8,      /* as many seem to have mapped the same file */
    MEM_PIECE = 4096, /* of /proc/PID/mem at once */
};

static const struct mm *mm_of(const struct proc_call *c)
{
    return c->p->task != NULL ? c->p->task->mm : NULL;
}

/* ---- maps ---- */

static int put_area(const struct proc_call *c, const struct mm_area *area)
{
    char path[VFS_PATH_MAX + 16] = "";
    struct file_stat st = {0};
    if (area->file != NULL) {
        (void)file_stat(area->file, &st);
        if (file_path(area->file, path, sizeof(path)) < 0)
            path[0] = '\0';
    } else if (area->kind == MM_HEAP) {
        memcpy(path, "[heap]", 7);
    } else if (area->kind == MM_STACK) {
        memcpy(path, "[stack]", 8);
    }
    size_t before = buffer_len(c->out);
    int error = buffer_printf(
        c->out, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu", (unsigned long long)area->start,
        (unsigned long long)area->end, (area->access & CPU_READ) != 0 ? 'r' : '-',
        (area->access & CPU_WRITE) != 0 ? 'w' : '-', (area->access & CPU_EXEC) != 0 ? 'x' : '-',
        (area->access & CPU_SHARED) != 0 ? 's' : 'p', (unsigned long long)area->offset,
        FS_MAJOR(st.dev), FS_MINOR(st.dev), (unsigned long long)st.ino);
    /* The path stands in column 73. */
    for (size_t len = buffer_len(c->out) - before; path[0] != '\0' && len < 73 && error == 0; len++)
        error = buffer_put_z(c->out, " ");
    return error != 0 ? error : buffer_printf(c->out, "%s\n", path[0] != '\0' ? path : " ");
}

int proc_pid_maps(const struct proc_call *c)
{
    const struct mm *mm = mm_of(c);
    int error = 0;
    for (size_t i = 0; mm != NULL && i < mm->count && error == 0; i++)
        error = put_area(c, &mm->areas[i]);
    return error;
}

/* ---- smaps ---- */

/* How much of each mapping is there: pages of its own, and half of the others, as in VmRSS. */
struct resident {
    const struct mm *mm;
    uint64_t *own_kib; /* of each of its areas; owned */
};

static void count_page(void *context, uint64_t addr, const uint8_t *bytes)
{
    const struct resident *r = context;
    const struct mm_area *area = mm_find(r->mm, addr);
    (void)bytes;
    if (area != NULL)
        r->own_kib[area - r->mm->areas] += KIB_A_PAGE;
}

/* NULL members: out of memory, or nothing is mapped. */
static struct resident resident_of(const struct mm *mm)
{
    struct resident r = {.mm = mm};
    if (mm != NULL && mm->count > 0)
        r.own_kib = calloc(mm->count, sizeof(*r.own_kib));
    if (r.own_kib != NULL)
        cpu_space_each_own(mm->space, count_page, &r);
    return r;
}

struct sizes {
    unsigned long long size, shared, own;
};

static struct sizes sizes_of(const struct resident *r, size_t i)
{
    const struct mm_area *area = &r->mm->areas[i];
    struct sizes z = {.size = (area->end - area->start) / KIB, .own = r->own_kib[i]};
    z.shared = z.size > z.own ? (z.size - z.own) / KIB_A_PAGE / 2 * KIB_A_PAGE : 0;
    return z;
}

static int put_sizes(struct buffer *out, struct sizes z, bool is_private)
{
    return buffer_printf(
        out,
        "Rss:            %8llu kB\nPss:            %8llu kB\nPss_Dirty:      %8llu kB\n"
        "Shared_Clean:   %8llu kB\nShared_Dirty:   %8d kB\nPrivate_Clean:  %8d kB\n"
        "Private_Dirty:  %8llu kB\nReferenced:     %8llu kB\nAnonymous:      %8llu kB\n"
        "LazyFree:       %8d kB\nAnonHugePages:  %8d kB\nShmemPmdMapped: %8d kB\n"
        "FilePmdMapped:  %8d kB\nShared_Hugetlb: %8d kB\nPrivate_Hugetlb: %7d kB\n"
        "Swap:           %8d kB\nSwapPss:        %8d kB\nLocked:         %8d kB\n",
        z.own + z.shared, z.own + z.shared / SHARERS, z.own, z.shared, 0, 0, z.own,
        z.own + z.shared, is_private ? z.own : 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

static int put_flags(struct buffer *out, const struct mm_area *area)
{
    return buffer_printf(
        out, "VmFlags:%s%s%s%s mr mw me%s%s sd \n", (area->access & CPU_READ) != 0 ? " rd" : "",
        (area->access & CPU_WRITE) != 0 ? " wr" : "", (area->access & CPU_EXEC) != 0 ? " ex" : "",
        (area->access & CPU_SHARED) != 0 ? " sh" : "", area->kind == MM_STACK ? " gd" : "",
        (area->access & CPU_WRITE) != 0 ? " ac" : "");
}

int proc_pid_smaps(const struct proc_call *c)
{
    struct resident r = resident_of(mm_of(c));
    int error = 0;
    for (size_t i = 0; r.own_kib != NULL && i < r.mm->count && error == 0; i++) {
        struct sizes z = sizes_of(&r, i);
        error = put_area(c, &r.mm->areas[i]);
        if (error == 0)
            error = buffer_printf(c->out,
                                  "Size:           %8llu kB\nKernelPageSize: %8d kB\n"
                                  "MMUPageSize:    %8d kB\n",
                                  z.size, KIB_A_PAGE, KIB_A_PAGE);
        if (error == 0)
            error = put_sizes(c->out, z, (r.mm->areas[i].access & CPU_SHARED) == 0);
        if (error == 0)
            error = buffer_put_z(c->out, "THPeligible:    0\n");
        if (error == 0)
            error = put_flags(c->out, &r.mm->areas[i]);
    }
    free(r.own_kib);
    return error;
}

int proc_pid_smaps_rollup(const struct proc_call *c)
{
    struct resident r = resident_of(mm_of(c));
    struct sizes all = {0};
    int error = 0;
    for (size_t i = 0; r.own_kib != NULL && i < r.mm->count; i++) {
        struct sizes z = sizes_of(&r, i);
        all.own += z.own;
        all.shared += z.shared;
    }
    if (r.own_kib != NULL)
        error = buffer_printf(
            c->out, "%08llx-%08llx ---p 00000000 00:00 0                          [rollup]\n",
            (unsigned long long)r.mm->areas[0].start,
            (unsigned long long)r.mm->areas[r.mm->count - 1].end);
    if (r.own_kib != NULL && error == 0)
        error = put_sizes(c->out, all, true);
    free(r.own_kib);
    return error;
}

/* ---- mem ---- */

static int64_t mem_read(struct file *f, struct task *t, void *out, size_t len, int64_t at)
{
    const struct mm *mm = f->object;
    (void)t;
    if (mm == NULL)
        return 0;
    size_t n = MEM_PIECE - (size_t)((uint64_t)at % MEM_PIECE);
    n = n < len ? n : len;
    return cpu_space_read(mm->space, (uint64_t)at, out, n) == 0 ? (int64_t)n : -EIO;
}

static int64_t mem_write(struct file *f, struct task *t, const void *bytes, size_t len, int64_t at)
{
    const struct mm *mm = f->object;
    (void)t;
    if (mm == NULL)
        return 0;
    /* What is not the process's to write it gets a copy of, but not of what is shared. */
    const struct mm_area *area = mm_find(mm, (uint64_t)at);
    if (area == NULL || (area->access & (CPU_WRITE | CPU_SHARED)) == CPU_SHARED)
        return -EIO;
    size_t n = MEM_PIECE - (size_t)((uint64_t)at % MEM_PIECE);
    n = n < len ? n : len;
    return cpu_space_poke(mm->space, (uint64_t)at, bytes, n) == 0 ? (int64_t)n : -EIO;
}

static void mem_close(struct file *f)
{
    if (f->object != NULL)
        mm_drop(f->object);
}

static const struct file_ops mem_ops = {
    .seekable = true, .read = mem_read, .write = mem_write, .close = mem_close};

void proc_open_mem(const struct proc_view *view, struct file *f)
{
    /* The memory that it has now: what it may become by exec is another's. */
    struct mm *mm = view->task != NULL ? view->task->mm : NULL;
    if (mm != NULL)
        mm_hold(mm);
    f->ops = &mem_ops;
    f->object = mm;
}
