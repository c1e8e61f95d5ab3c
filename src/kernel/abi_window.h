/* The window: a stretch of addresses that no guest has, where the structures of a foreign call stand
 * in our layout while it is executed (abi.h). */
#ifndef KERNEL_ABI_WINDOW_H
#define KERNEL_ABI_WINDOW_H

#include "base/span.h"

enum {
    ABI_SLOTS_MAX = 8,              /* structures that are arguments */
    ABI_WINDOW_BYTES_MAX = 1 << 20, /* of one call */
};
#define ABI_WINDOW UINT64_C(0xffffc00000000000)

struct abi_slot {
    size_t offset, bytes; /* in the window */
    uint64_t addr;        /* the guest's */
    uint32_t count;
    uint8_t layout;
    bool out, written;
};

struct abi_window {
    uint8_t *bytes;
    size_t used, cap;
    struct abi_slot slots[ABI_SLOTS_MAX];
    unsigned slot_count;
};

void abi_window_fini(struct abi_window *w);
/* Zeroed room; its address for a handler in *addr. 0, -ENOMEM, -EINVAL (more than the maximum). */
int abi_window_take(struct abi_window *w, size_t bytes, uint64_t *addr);
void *abi_window_at(struct abi_window *w, uint64_t addr, size_t len); /* NULL: outside */
int abi_window_read(struct abi_window *w, uint64_t addr, void *out, size_t len);
int abi_window_write(struct abi_window *w, uint64_t addr, const void *bytes, size_t len);

#endif
