/* Runs cases on the host's processor and on ours, and compares: registers, flags, memory, faults.
 * A difference is described on standard error, with the bytes, the state before, and what differs
 * after. Test code only. */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include "x86_case.h"

struct oracle {
    struct x86_random random;
    bool is_32;                     /* 32-bit code, as in i386 programs */
    unsigned rounds;                /* how often a form is tried */
    unsigned cases, ran, different; /* ran: to the end, without a fault */
    struct oracle_bench *bench;
};

/* NULL: ptrace, or 32-bit code, is not permitted here. Asserts that all else works. One at a time: the
 * data stand at fixed addresses. */
struct oracle *oracle_new(uint64_t seed, unsigned rounds, bool is_32);
void oracle_free(struct oracle *oracle);

/* `rounds` cases of a form, until one differs. */
void oracle_try(struct oracle *oracle, const struct x86_form *form, unsigned rounds);
/* A whole stream at once; status flags in `undefined` are left out. */
void oracle_try_stream(struct oracle *oracle, const struct x86_stream *stream, uint64_t undefined);

/* Prints the counts, starts new ones, and gives how many cases were different. */
unsigned oracle_finish(struct oracle *oracle, const char *what);

#endif
