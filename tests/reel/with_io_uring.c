/* with_io_uring PROGRAM [ARGUMENT ...]: runs a test with REEL_BACKEND=io_uring; where the kernel
 * refuses io_uring the test is skipped, by Meson's exit status for that. */
#include <reel/reel.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SKIPPED = 77 };

int main(int argc, char **argv)
{
    const struct reel_reactor_options options = {.backend_z = "io_uring", .backend_only = true};
    struct reel_reactor *r = reel_reactor_new(&options);
    if (!r) {
        printf("skipped: the kernel refuses io_uring: %s\n", strerror(errno));
        return SKIPPED;
    }
    reel_reactor_free(r);
    if (argc < 2 || setenv("REEL_BACKEND", "io_uring", 1) < 0)
        return 2;
    execv(argv[1], argv + 1);
    perror(argv[1]);
    return 2;
}
