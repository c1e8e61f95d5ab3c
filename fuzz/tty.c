/* Terminals: any bytes typed, written, read, in any modes, in any order. Reaches tty.c, tty_erase.c,
 * tty_out.c, tty_modes.c and the descriptions of tty_table.c. */
#include "kernel/tty.h"
#include "kernel/hardware.h"
#include "kernel/tty_line.h"

#include "base/cursor.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t now(void *ctx)
{
    return *(int64_t *)ctx;
}

static void woken(void *ctx, const void *key)
{
    (void)ctx, (void)key;
}

static void some_bytes(void *ctx, void *out, size_t len)
{
    (void)ctx;
    memset(out, 0, len);
}

static void signalled(void *ctx, int32_t group, int signo)
{
    (void)ctx, (void)group, (void)signo;
}

static void lost(void *ctx, int32_t session)
{
    (void)ctx, (void)session;
}

static void change_modes(struct tty *tty, struct cursor *c)
{
    struct tty_modes modes = tty->modes;
    modes.iflag = cursor_u16(c);
    modes.oflag = cursor_u16(c);
    modes.lflag = cursor_u16(c) | (uint32_t)(cursor_u8(c) & 1) << 16;
    struct span cc = cursor_bytes(c, TTY_CC_COUNT);
    if (cc.len == TTY_CC_COUNT)
        memcpy(modes.cc, cc.data, TTY_CC_COUNT);
    tty_set_modes(tty, &modes);
}

static void one_step(struct tty *tty, struct file *f, struct cursor *c)
{
    uint8_t bytes[256];
    uint8_t op = cursor_u8(c);
    size_t n = cursor_u8(c);
    switch (op % 8) {
    case 0:
    case 1: tty_put(tty, cursor_bytes(c, n)); break;
    case 2: (void)file_write(f, NULL, c->rest.data, n < c->rest.len ? n : c->rest.len); break;
    case 3: (void)file_read(f, NULL, bytes, n); break;
    case 4: tty_sent(tty, n); break;
    case 5: change_modes(tty, c); break;
    case 6: tty_modes_decode(&tty->modes, cursor_bytes(c, n), true); break;
    default:
        if (n == 0)
            tty_hangup(tty);
        else if (n < 64)
            tty_flush_input(tty);
        else
            tty_resize(tty, (uint16_t)n, op);
        break;
    }
    assert(tty->tail <= tty->canon && tty->canon <= tty->head);
    assert(tty->head - tty->tail <= TTY_INPUT_MAX);
    assert(tty_input_count(tty) <= TTY_INPUT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t time_ns = 1;
    int error = 0;
    const struct vfs_config config = {
        .hardware = &hardware_default,
        .overlay_nodes = 10,
        .files = 8,
        .hooks = {.ctx = &time_ns,
                  .now_ns = now,
                  .wake = woken,
                  .random = some_bytes,
                  .signal_group = signalled,
                  .session_lost = lost},
    };
    struct vfs *vfs = vfs_new(&config);
    struct tty *tty = tty_new(vfs, 300, &error);
    tty_set_session(tty, 7, 7);
    struct file *f = tty_open(tty, O_RDWR | O_NONBLOCK, &error);
    struct cursor c = cursor_of(span_of(data, size));
    while (c.rest.len > 0 && !c.failed)
        one_step(tty, f, &c);
    tty_close_line(tty);
    file_drop(f);
    vfs_free(vfs);
    return 0;
}
