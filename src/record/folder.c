#include "record/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int record_folder_read(int dir, DIR **out)
{
    /* A place of its own: each reading begins at the first name. */
    int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again < 0)
        return -errno;
    *out = fdopendir(again);
    if (*out != NULL)
        return 0;
    int error = -errno;
    (void)close(again);
    return error;
}
