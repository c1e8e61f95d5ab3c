/* Children of guest programs: waiting until they wait, and for their end. */
#ifndef GUEST_CHILDREN_H
#define GUEST_CHILDREN_H

#include "guest.h"

#include <sys/wait.h>

static inline void join(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    printf("child: %d\n", WEXITSTATUS(status));
}

/* Until the child sleeps, in the call that it was made for. */
static inline void park(pid_t pid)
{
    char path[32], stat[256];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    for (char state = 0; state != 'S';) {
        usleep(5000);
        FILE *f = fopen(path, "r");
        if (f == NULL || fgets(stat, sizeof(stat), f) == NULL)
            return;
        state = strrchr(stat, ')')[2];
        fclose(f);
    }
}

#endif
