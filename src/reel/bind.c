#include "reel/bind.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_stale(const struct reel_address *address, const char *path_z, int type)
{
    struct stat status;
    if (lstat(path_z, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)&address->storage, address->length) < 0 &&
                   errno == ECONNREFUSED;
    close(fd);
    return refused;
}

int reel_bind(int fd, const struct reel_address *address, uint32_t mode)
{
    const struct sockaddr *name = (const struct sockaddr *)&address->storage;
    const char *path_z = name->sa_family == AF_UNIX ? name->sa_data : "";
    int type = 0;
    socklen_t len = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
        return -errno;
    int err = bind(fd, name, address->length) < 0 ? -errno : 0;
    if (err == -EADDRINUSE && *path_z && is_stale(address, path_z, type)) {
        unlink(path_z);
        err = bind(fd, name, address->length) < 0 ? -errno : 0;
    }
    if (err == 0 && *path_z && mode && chmod(path_z, mode) < 0)
        err = -errno;
    return err;
}
