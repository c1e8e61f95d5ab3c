/* Test cases for single x86-64 instructions: an encoding, registers and operands drawn at random
 * from what a form allows, edge values often. Same seed, same cases. */
#ifndef TESTS_X86_CASE_H
#define TESTS_X86_CASE_H

#include "cpu/x86.h"

/* Where a case lives. Data: pages 0 and 1 may be written, page 2 only be read, 3 is not there. */
#define CASE_CODE UINT64_C(0x10000000)
#define CASE_DATA UINT64_C(0x20000000)
enum {
    CASE_CODE_BYTES = 2 * CPU_PAGE_BYTES,
    CASE_WRITABLE_BYTES = 2 * CPU_PAGE_BYTES,
    CASE_DATA_BYTES = 3 * CPU_PAGE_BYTES,
};

/* How an instruction is written. `text` is a list of words:
 *   hex byte       of the opcode, mandatory prefixes first
 *   +r             a register in the last opcode byte
 *   /r /0 ... /7   a ModRM byte; `reg` or `mem` after it restrict it to that
 *   ib iw id iz iv an immediate of 1, 2, 4 bytes; of 2 or 4 and of 2, 4 or 8 by operand size
 *   ie             what `enter` has, without nesting
 *   low            an immediate byte below 16
 *   sizes          operands of 16, 32 or 64 bits; sizes64: 16 or 64; w: 64; w?: 32 or 64
 *   lock rep       may have that prefix
 *   align          a memory operand stands at 16 bytes, mostly
 *   code           a register, the operand or the top of the stack is an address to go to
 *   string         rsi, rdi and rcx are those of a string instruction
 *   divide         rdx is such that a division succeeds more often
 *   frame          rbp is an address of data
 *   flags          the top of the stack is flags
 *   image          the operand holds what fxrstor takes
 *   alone          not to stand among others in a stream
 *   long           64-bit code alone has it
 *   segment        the operand or the top of the stack is a selector; flat: without a base of its own;
 *                  refused: not for a stack (what loads ss keeps the host from a stop behind it)
 *   bounds         the operand holds two limits
 *   address16      addresses of 16 bits, in fs
 *   bits           the register operand is small: an index of bits
 * `undefined`: the status flags that the manual leaves undefined, and processors do differ. */
struct x86_form {
    const char *text;
    uint64_t undefined;
};

/* All integer forms, and those of 32-bit code alone; each ends with a text of NULL. */
extern const struct x86_form x86_integer_forms[];
extern const struct x86_form x86_forms_32[];
bool x86_form_is_long(const struct x86_form *form); /* not in 32-bit code */

struct x86_case {
    uint8_t bytes[16];
    unsigned len;
    struct x86_state state; /* before */
    uint64_t addr;          /* of the memory operand, when there is one */
    uint64_t target; /* `code` and others: what has to stand at addr and at the top of the stack */
    bool has_target;
    bool has_image;
};

/* Many instructions in a row. Their operands in memory have fixed addresses, so that they work
 * whatever is in the registers. */
enum { X86_STREAM_MAX = 512 };
struct x86_stream {
    uint8_t bytes[X86_STREAM_MAX];
    unsigned len;
    struct x86_state state; /* before; rip is where the bytes have to be */
};

/* The sequence of random numbers. */
struct x86_random {
    uint64_t state;
};
uint64_t x86_random_next(struct x86_random *random);
unsigned x86_random_below(struct x86_random *random, unsigned limit);

/* As Linux runs i386 programs: what a state of 32-bit code has in its selectors. fs and gs have
 * descriptors 12 and 13 of the table, with these bases. */
enum { CASE_SELECTOR_FS = 12 << 3 | 3, CASE_SELECTOR_GS = 13 << 3 | 3 };
#define CASE_FS_BASE (CASE_DATA + 0x40)
#define CASE_GS_BASE (CASE_DATA + 0x180)
static inline bool x86_state_is_32(const struct x86_state *state)
{
    return state->selector[X86_CS] == X86_SELECTOR_CODE32;
}

/* For 32-bit code, or for 64-bit code; what is added to a stream is of its kind. */
void x86_case_make(struct x86_case *c, const char *text, bool is_32, struct x86_random *random);
void x86_stream_start(struct x86_stream *stream, bool is_32, struct x86_random *random);
void x86_stream_add(struct x86_stream *stream, const char *text, struct x86_random *random);
/* A jump on some condition over three bytes, which are an instruction. */
void x86_stream_add_jump(struct x86_stream *stream, struct x86_random *random);
/* Registers at random, rsp in the data pages. */
void x86_state_random(struct x86_state *state, bool is_32, struct x86_random *random);
/* Bytes for the data pages: integers and floats, edges among them. */
void x86_case_fill(uint8_t *bytes, size_t len, struct x86_random *random);

#endif
