/* For programs that run on Linux and in our kernel, and must print the same on both. They print
 * what system calls answer: never a number that a machine chooses (a pid, an address, a time). */
#ifndef GUEST_H
#define GUEST_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The processor's names in uname (an x86-64 Linux says its own to programs of i386) and AT_PLATFORM. */
#if defined __arm__
#define MACHINE  "armv7l"
#define PLATFORM "v7l"
#elif defined __i386__
#define MACHINE  "x86_64"
#define PLATFORM "i686"
#else
#define MACHINE  "x86_64"
#define PLATFORM "x86_64"
#endif

/* A call and its answer: a number, or the name of the error. */
#define SHOW(call)                                              \
    do {                                                        \
        errno = 0;                                              \
        long result_ = (long)(call);                            \
        if (result_ == -1 && errno != 0)                        \
            printf("%s = %s\n", #call, strerrorname_np(errno)); \
        else                                                    \
            printf("%s = %ld\n", #call, result_);               \
    } while (0)

/* A call of which only success or its error is told. */
#define TRY(call)                                                                   \
    do {                                                                            \
        errno = 0;                                                                  \
        long result_ = (long)(call);                                                \
        printf("%s: %s\n", #call, result_ == -1 ? strerrorname_np(errno) : "good"); \
    } while (0)

/* A statement that must hold. */
#define HOLDS(what) printf("%s: %s\n", #what, (what) ? "yes" : "NO")

#endif
