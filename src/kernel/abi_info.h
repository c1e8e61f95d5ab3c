/* siginfo_t of 32-bit programs. */
#ifndef KERNEL_ABI_INFO_H
#define KERNEL_ABI_INFO_H

#include "kernel/abi.h"
#include "kernel/signal.h"

void abi_info_out(const struct abi *abi, const struct signal_info *info,
                  uint8_t out[SIGNAL_INFO_BYTES]);

#endif
