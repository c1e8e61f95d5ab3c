/* The guide's echo server as a process: echo_test ECHO-PROGRAM. */
#include "helper.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program_z;

static void the_guides_echo_server_echoes(void **state)
{
    (void)state;
    char dir[] = "/tmp/reel-echo-XXXXXX", path[64], endpoint[80], in[16];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    snprintf(endpoint, sizeof(endpoint), "unix:%s", path);
    pid_t pid = fork();
    if (pid == 0) {
        execl(program_z, program_z, endpoint, (char *)NULL);
        _exit(127);
    }
    int fd = connect_when_it_listens(path);
    assert_int_equal(write(fd, "hello", 5), 5);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    size_t len = 0;
    for (ssize_t n = 1; n > 0; len += (size_t)n)
        n = read(fd, in + len, sizeof(in) - len);
    assert_int_equal(len, 5);
    assert_memory_equal(in, "hello", 5);
    close(fd);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    unlink(path);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    program_z = argc > 1 ? argv[1] : "";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guides_echo_server_echoes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
