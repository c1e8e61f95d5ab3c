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

static inline void machine_open_image(struct machine *m)
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
    assert(error == 0);
}

static inline void machine_boot(struct machine *m)
{
    m->code = cpu_code_new(CODE_BYTES);
    assert(m->code != NULL);
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

static inline void machine_open(struct machine *m)
{
    machine_open_image(m);
    machine_boot(m);
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

static inline void machine_make(struct machine *m, struct span path, uint32_t mode)
{
    struct creds root = {.cap_effective = UINT64_MAX};
    struct fs_context *fs = fs_context_new(m->kernel->vfs);
    struct vfs_at at = {.fs = fs, .cred = &root};
    assert(fs != NULL);
    int error = vfs_make(&at, path, mode, 0);
    assert(error == 0);
    fs_context_drop(fs);
}

/* A folder where everybody may write. */
static inline void machine_make_folder(struct machine *m, struct span path)
{
    machine_make(m, path, S_IFDIR | 01777);
}

/* What a folder of the image is to have before the machine boots; a NULL text: it is a folder. */
struct machine_file {
    const char *path_z, *text_z;
};

static inline void machine_furnish(struct machine *m, const struct machine_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool is_dir = files[i].text_z == NULL;
        const struct persona_new new = {.mode = is_dir ? S_IFDIR | 0755 : S_IFREG | 0644,
                                        .data = span_z(is_dir ? "" : files[i].text_z)};
        int error = persona_image_put(m->image, span_z(files[i].path_z), &new);
        assert(error == 0);
    }
}

/* Runs for a slice; what was printed and what has happened is forgotten. */
static inline void machine_run(struct machine *m, int program, uint64_t slice, int64_t at_ms)
{
    struct kernel_event event;
    uint8_t bytes[64];
    kernel_run(m->kernel, slice, at_ms);
    for (int stream = KERNEL_STDOUT; stream <= KERNEL_STDERR; stream++) {
        struct span out = kernel_out(m->kernel, program, (enum kernel_stream)stream);
        kernel_sent(m->kernel, program, (enum kernel_stream)stream, out.len);
    }
    while (kernel_next(m->kernel, &event))
        if (event.type == KERNEL_FILE)
            (void)kernel_file_read(m->kernel, event.data.len, bytes, sizeof(bytes));
}

#endif
