#include <reel/systemd.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3, FDS_MAX = 1024 };

/* A number from 0 to `max`, or -1. */
static long number_of(const char *text_z, long max)
{
    long value = 0;
    if (!text_z || !*text_z)
        return -1;
    for (; *text_z; text_z++) {
        if (*text_z < '0' || *text_z > '9')
            return -1;
        value = value * 10 + (*text_z - '0');
        if (value > max)
            return -1;
    }
    return value;
}

int reel_systemd_count(void)
{
    enum { PID_MAX = 1 << 30 };
    if (number_of(getenv("LISTEN_PID"), PID_MAX) != (long)getpid())
        return 0;
    long count = number_of(getenv("LISTEN_FDS"), FDS_MAX);
    return count > 0 ? (int)count : 0;
}

int reel_systemd_fd(int index)
{
    if (index < 0 || index >= reel_systemd_count())
        return -ENOENT;
    int fd = FIRST_FD + index;
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : fd;
}

int reel_systemd_fd_named(const char *name_z)
{
    const char *names_z = getenv("LISTEN_FDNAMES");
    const size_t len = strlen(name_z);
    for (int index = 0; names_z; index++) {
        size_t part = strcspn(names_z, ":");
        if (part == len && memcmp(names_z, name_z, len) == 0)
            return reel_systemd_fd(index);
        names_z = names_z[part] ? names_z + part + 1 : NULL;
    }
    return -ENOENT;
}
