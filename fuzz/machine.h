/* A machine for the fuzz targets of the kernel: an image that has only a root directory, small limits,
 * and the program /x, which is made of whatever bytes. */
#ifndef FUZZ_MACHINE_H
#define FUZZ_MACHINE_H

#include "cpu/cpu.h"
#include "kernel/machine.h"
#include "kernel/task.h"
#include "kernel/vfs.h"
#include "persona/image.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { IMAGE_BYTES = 4096, CODE_BYTES = 4 << 20 };
static const int64_t now_ms = 1700000000000;

struct machine {
    struct persona_image *image;
    struct cpu_code *code;
    struct kernel *kernel;
};

static inline void machine_open(struct machine *m)
{
    /* persona/image.h */
    static _Alignas(4096) const uint8_t root_image[IMAGE_BYTES] = {
        'L',           'U',           'R',
        'E',           'D',           'I',
        'M',           'G',           1,
        [0x11] = 0x10, [0x40] = 0x70, [0x48] = 1,
        [0x50] = 0xa0, [0x58] = 0xa0, [0x69] = 0x10,
        [0x70] = 0xed, [0x71] = 0x41, [0x7c] = 2,
        [0x98] = 1,
    };
    int error = persona_image_open(span_of(root_image, sizeof(root_image)), &m->image);
    m->code = cpu_code_new(CODE_BYTES);
    assert(error == 0 && m->code != NULL);
    struct kernel_config config = {.image = m->image,
                                   .code = m->code,
                                   .limits = kernel_limits_default,
                                   .hostname = span_z("fuzz"),
                                   .foreign_programs = true,
                                   .boot_ms = now_ms - 1000};
    config.limits.memory_pages = 1024;
    config.limits.processes = 16;
    config.limits.files = 100;
    config.limits.overlay_bytes = 1 << 20;
    config.limits.overlay_nodes = 100;
    m->kernel = kernel_new(&config, now_ms);
    assert(m->kernel != NULL);
}

static inline void machine_close(struct machine *m)
{
    kernel_free(m->kernel);
    cpu_code_free(m->code);
    persona_image_close(m->image);
}

static inline void machine_put_file(struct machine *m, struct span path, struct span bytes)
{
    struct creds root = {.cap_effective = UINT64_MAX};
    struct fs_context *fs = fs_context_new(m->kernel->vfs);
    struct vfs_at at = {.fs = fs, .cred = &root};
    struct file *f = NULL;
    assert(fs != NULL);
    if (vfs_open(&at, path, O_CREAT | O_WRONLY, 0755, &f) == 0) {
        file_write(f, NULL, bytes.data, bytes.len);
        file_drop(f);
    }
    fs_context_drop(fs);
}

static inline void machine_put_program(struct machine *m, struct span bytes)
{
    machine_put_file(m, span_z("/x"), bytes);
}

/* A folder where everybody may write. */
static inline void machine_make_folder(struct machine *m, struct span path)
{
    struct creds root = {.cap_effective = UINT64_MAX};
    struct fs_context *fs = fs_context_new(m->kernel->vfs);
    struct vfs_at at = {.fs = fs, .cred = &root};
    assert(fs != NULL);
    int error = vfs_make(&at, path, S_IFDIR | 01777, 0);
    assert(error == 0);
    fs_context_drop(fs);
}

/* Runs for a slice; what was printed and what has happened is forgotten. */
static inline void machine_run(struct machine *m, int program, uint64_t slice, int64_t at_ms)
{
    struct kernel_event event;
    kernel_run(m->kernel, slice, at_ms);
    for (int stream = KERNEL_STDOUT; stream <= KERNEL_STDERR; stream++) {
        struct span out = kernel_out(m->kernel, program, (enum kernel_stream)stream);
        kernel_sent(m->kernel, program, (enum kernel_stream)stream, out.len);
    }
    while (kernel_next(m->kernel, &event))
        ;
}

#endif
