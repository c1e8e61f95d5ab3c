/* Any bytes as an executable file, and what it does when it runs: execve, `#!`, the interpreter of
 * an ELF file, and with mutated code whatever system calls and faults come out. */
#include "cpu/cpu.h"
#include "kernel/machine.h"
#include "kernel/task.h"
#include "kernel/vfs.h"
#include "persona/image.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>

enum {
    IMAGE_BYTES = 4096,
    CODE_BYTES = 4 << 20,
    SLICE = 20000,
    SLICES = 15,
};
static const int64_t now_ms = 1700000000000;

/* An image that has only a root directory (persona/image.h). */
static _Alignas(4096) const uint8_t root_image[IMAGE_BYTES] = {
    'L',           'U',           'R',
    'E',           'D',           'I',
    'M',           'G',           1,
    [0x11] = 0x10, [0x40] = 0x70, [0x48] = 1,
    [0x50] = 0xa0, [0x58] = 0xa0, [0x69] = 0x10,
    [0x70] = 0xed, [0x71] = 0x41, [0x7c] = 2,
    [0x98] = 1,
};

static void put_file(struct kernel *k, const uint8_t *data, size_t size)
{
    struct creds root = {.cap_effective = UINT64_MAX};
    struct fs_context *fs = fs_context_new(k->vfs);
    struct vfs_at at = {.fs = fs, .cred = &root};
    struct file *f = NULL;
    assert(fs != NULL);
    if (vfs_open(&at, span_z("/x"), O_CREAT | O_WRONLY, 0755, &f) == 0) {
        file_write(f, NULL, data, size);
        file_drop(f);
    }
    fs_context_drop(fs);
}

static void run(struct kernel *k)
{
    struct span argv[] = {SPAN_LIT("x"), SPAN_LIT("argument")};
    struct span env[] = {SPAN_LIT("A=1")};
    struct kernel_spawn s = {.argv = argv,
                             .argc = 2,
                             .path = SPAN_LIT("/x"),
                             .env = env,
                             .envc = 1,
                             .cwd = SPAN_LIT("/")};
    struct kernel_event event;
    int program = kernel_spawn(k, &s);
    for (int i = 0; i < SLICES && program >= 0; i++) {
        kernel_run(k, SLICE, now_ms + i);
        for (int stream = KERNEL_STDOUT; stream <= KERNEL_STDERR; stream++) {
            struct span out = kernel_out(k, program, (enum kernel_stream)stream);
            kernel_sent(k, program, (enum kernel_stream)stream, out.len);
        }
        kernel_put(k, program, span_of("input\n", 6));
        while (kernel_next(k, &event))
            ;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct persona_image *image = NULL;
    int error = persona_image_open(span_of(root_image, sizeof(root_image)), &image);
    assert(error == 0);
    struct kernel_config config = {.image = image,
                                   .code = cpu_code_new(CODE_BYTES),
                                   .limits = kernel_limits_default,
                                   .hostname = span_z("fuzz"),
                                   .boot_ms = now_ms - 1000};
    config.limits.memory_pages = 1024;
    config.limits.processes = 8;
    config.limits.overlay_bytes = 1 << 20;
    assert(config.code != NULL);
    struct kernel *k = kernel_new(&config, now_ms);
    assert(k != NULL);
    put_file(k, data, size);
    run(k);
    kernel_free(k);
    cpu_code_free(config.code);
    persona_image_close(image);
    return 0;
}
