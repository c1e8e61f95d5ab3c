/* How rows of abi_calls.def, and the calls that need code, write down arguments. */
#ifndef KERNEL_ABI_SPEC_H
#define KERNEL_ABI_SPEC_H

#include "kernel/abi_layout.h"

enum { ABI_COUNT_BY_ARG = 128 };

/* clang-format off */
#define NONE       {ABI_ARG_NONE, 0, 0}
#define I          {ABI_ARG_INT, 0, 0}
#define W          {ABI_ARG_WORD, 0, 0}
#define P          {ABI_ARG_PAIR, 0, 0}
#define ID         {ABI_ARG_ID, 0, 0}
#define SET        {ABI_ARG_SET, 0, 0}
#define SIG        {ABI_ARG_SIGNO, 0, 0}
#define OPEN       {ABI_ARG_OPEN, 0, 0}
#define IN(x)      {ABI_ARG_IN, L_##x, 0}
#define OUT(x)     {ABI_ARG_OUT, L_##x, 0}
#define IO(x)      {ABI_ARG_INOUT, L_##x, 0}
#define INS(x, n)  {ABI_ARG_IN, L_##x, n}
#define OUTS(x, n) {ABI_ARG_OUT, L_##x, n}
#define IOS(x, n)  {ABI_ARG_INOUT, L_##x, n}
#define N(i)       (ABI_COUNT_BY_ARG + (i))
/* clang-format on */

/* The arguments of abi_run. */
#define SPEC(...)  ((const struct abi_arg[6]){__VA_ARGS__})
#define WORDS(...) ((const uint64_t[ABI_RAW_ARGS]){__VA_ARGS__})

#endif
