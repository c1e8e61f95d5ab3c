/* The calls of each kind of program, by number and name, and what their arguments mean; how the records of
 * an input (syscalls.c) are laid out. */
#ifndef FUZZ_CALL_NUMBERS_H
#define FUZZ_CALL_NUMBERS_H

#include "call_types.h"
#include "kernel/abi.h"

#include <string.h>

enum {
    HEAD_BYTES = 6, /* processor, what it does at its end, and four for the visitor */
    RECORD_BYTES = 26,
    NUMBERS = 512,      /* of calls */
    DATA_RECORD = 0xfe, /* its first byte: no call, but changes of what pointers point at */
};

struct call {
    uint16_t number;
    const char *name_z;
};

#define SYSCALL(number, name, text) {number, #name},
static const struct call calls_x86_64[] = {
#include "kernel/syscalls.def"
};
#undef SYSCALL
#define NUMBER(number, name) {number, #name},
#define NAME(number, name)   {number, #name},
static const struct call calls_i386[] = {
#include "kernel/abi_i386.def"
};
static const struct call calls_arm[] = {
#include "kernel/abi_arm.def"
};
static const struct call calls_mips[] = {
#include "kernel/abi_mips.def"
};
#undef NUMBER
#undef NAME

static const struct processor {
    const struct abi *abi;
    const struct call *calls;
    size_t count;
    uint16_t base; /* of the numbers */
} processors[] = {
    {&abi_x86_64, calls_x86_64, ARRAY_LEN(calls_x86_64), 0},
    {&abi_i386, calls_i386, ARRAY_LEN(calls_i386), 0},
    {&abi_arm, calls_arm, ARRAY_LEN(calls_arm), 0},
    {&abi_mips, calls_mips, ARRAY_LEN(calls_mips), 4000},
    {&abi_mipsel, calls_mips, ARRAY_LEN(calls_mips), 4000},
};

/* Calls of 32-bit programs that x86-64 knows by another name. */
static const struct {
    const char *name_z, *handler_z;
} same_calls[] = {
#define CALL(name, handler, ...) {#name, #handler},
#define SPECIAL(name)
#include "kernel/abi_calls.def"
#undef CALL
#undef SPECIAL
};

static const struct call_types *types_named(const char *name_z)
{
    for (size_t i = 0; i < ARRAY_LEN(call_types); i++)
        if (strcmp(call_types[i].name_z, name_z) == 0)
            return &call_types[i];
    return NULL;
}

/* Anything, for a call that is not in the table. */
static const struct call_types *types_of(const char *name_z)
{
    static const struct call_types anything = {"", {{ARG_ANY, 0}}};
    const struct call_types *types = types_named(name_z);
    for (size_t i = 0; i < ARRAY_LEN(same_calls) && types == NULL; i++)
        if (strcmp(same_calls[i].name_z, name_z) == 0)
            types = types_named(same_calls[i].handler_z);
    return types != NULL ? types : &anything;
}

#endif
