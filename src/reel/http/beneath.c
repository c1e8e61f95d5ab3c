/* Opening what lies below a folder, and nothing else. The kernel sees to it (openat2 with
 * RESOLVE_BENEATH); where it cannot, the path is walked and no link is followed. */
#include "reel/http/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_native(int fd, const char *path_z, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long opened = syscall(SYS_openat2, fd, path_z, &how, sizeof(how));
    return opened < 0 ? -errno : (int)opened;
}

bool reel_beneath_is_native(int fd)
{
    int opened = open_native(fd, ".", O_PATH | O_CLOEXEC);
    if (opened >= 0)
        close(opened);
    return opened >= 0;
}

/* The name up to the next slash. False: there are no more, or it is too long. */
static bool next_name(const char **path_z, char name_z[NAME_MAX + 1])
{
    *path_z += strspn(*path_z, "/");
    size_t len = strcspn(*path_z, "/");
    if (len == 0 || len > NAME_MAX)
        return false;
    memcpy(name_z, *path_z, len);
    name_z[len] = '\0';
    *path_z += len;
    return true;
}

static int open_walking(int fd, const char *path_z, int flags)
{
    char name_z[NAME_MAX + 1];
    int at = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (at < 0)
        return -errno;
    while (next_name(&path_z, name_z)) {
        bool last = !path_z[strspn(path_z, "/")];
        bool folder = !last || *path_z == '/';
        int opened = -1;
        if (strcmp(name_z, "..") == 0)
            errno = EXDEV;
        else
            opened = openat(at, name_z,
                            (last ? flags : O_PATH | O_CLOEXEC) | O_NOFOLLOW |
                                (folder ? O_DIRECTORY : 0));
        int err = errno;
        close(at);
        if (opened < 0)
            return -err;
        at = opened;
        if (last)
            break;
    }
    return at;
}

static int open_at(const struct reel_http_folder *folder, const char *path_z, int flags)
{
    if (*path_z == '/')
        return -EXDEV;
    if (!*path_z)
        path_z = ".";
    return folder->walks ? open_walking(folder->fd, path_z, flags)
                         : open_native(folder->fd, path_z, flags);
}

static bool is_servable(const struct stat *status)
{
    return S_ISREG(status->st_mode) || S_ISDIR(status->st_mode);
}

/* First a look without opening: to open a device may do things. */
int reel_beneath_open(const struct reel_http_folder *folder, const char *path_z,
                      struct stat *status)
{
    int fd = open_at(folder, path_z, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return fd;
    int err = fstat(fd, status) < 0 ? -errno : is_servable(status) ? 0 : -ENOENT;
    close(fd);
    if (err < 0)
        return err;
    fd = open_at(folder, path_z, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, status) < 0 || !is_servable(status))) {
        close(fd);
        return -ENOENT;
    }
    return fd;
}
