/* Unix sockets that have a name in the file system. */
#ifndef GUEST_UNIX_NAMES_H
#define GUEST_UNIX_NAMES_H

#include "guest.h"

#include <sys/socket.h>
#include <sys/un.h>

/* A new socket of that name. */
static int named(const char *path, int type)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type, 0);
    memcpy(name.sun_path, path, strlen(path));
    TRY(bind(fd, (struct sockaddr *)&name, sizeof(name)));
    return fd;
}

/* What connect(2) to that name answers. */
static int joins(int fd, const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path));
    return connect(fd, (struct sockaddr *)&name, sizeof(name));
}

#endif
