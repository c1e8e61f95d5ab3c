/* Functions that no file of this project may call: each has a bounded or re-entrant sibling.
 * Included before every source file by the build. The system headers that declare them come first,
 * for a poisoned name may not be declared again. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#undef alloca
#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strtok
#undef atoi
#pragma GCC poison strcpy strcat sprintf vsprintf strtok
#pragma GCC poison atoi atol atoll gmtime localtime ctime asctime alloca

#endif
