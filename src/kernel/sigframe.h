/* The frames of signal handlers on the guest's stack, a file for each kind of processor. `push`: 0 or
 * -EFAULT. `pop` puts everything back from the frame of rt_sigreturn (`with_info`) or sigreturn: 0 or
 * -EFAULT. */
#ifndef KERNEL_SIGFRAME_H
#define KERNEL_SIGFRAME_H

#include "kernel/signal.h"

int sigframe_push(struct task *t, const struct signal_info *info,
                  const struct signal_action *action);
int sigframe_pop(struct task *t, bool with_info);
int sigframe_i386_push(struct task *t, const struct signal_info *info,
                       const struct signal_action *action);
int sigframe_i386_pop(struct task *t, bool with_info);
int sigframe_arm_push(struct task *t, const struct signal_info *info,
                      const struct signal_action *action);
int sigframe_arm_pop(struct task *t, bool with_info);
int sigframe_mips_push(struct task *t, const struct signal_info *info,
                       const struct signal_action *action);
int sigframe_mips_pop(struct task *t, bool with_info);
struct mm;
/* As struct abi has them. */
int sigframe_arm_prepare(struct mm *mm);
int sigframe_mips_prepare(struct mm *mm);

/* Where the handler's frame ends: its alternate stack when it wants one, else `sp` without the
 * `red_zone` bytes below it. */
uint64_t sigframe_top(const struct task *t, const struct signal_action *action, uint64_t sp,
                      uint64_t red_zone);
/* The mask that the frame keeps. */
uint64_t sigframe_mask(const struct task *t);
/* SS_AUTODISARM: the alternate stack is given up for the handler. */
void sigframe_disarm(struct task *t);
/* sigaltstack as the frame has it. */
void sigframe_stack(const struct task *t, uint64_t sp, uint64_t *addr, uint32_t *flags,
                    uint64_t *size);
/* What a frame says of it comes back; `sp` is the stack pointer that it brings. */
void sigframe_stack_back(struct task *t, uint64_t sp, uint64_t addr, uint32_t flags, uint64_t size);
void sigframe_mask_back(struct task *t, uint64_t mask);

#endif
