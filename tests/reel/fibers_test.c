/* The guide's server of fibers as a process: fibers_test FIBERS-PROGRAM. */
#include "helper.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program_z;

enum { VISITORS = 20 };

static void expect_until_eof(int fd, const char *want_z)
{
    char in[256];
    size_t len = 0;
    ssize_t n = 0;
    while ((n = read(fd, in + len, sizeof(in) - 1 - len)) > 0)
        len += (size_t)n;
    assert_int_equal(n, 0);
    in[len] = 0;
    assert_string_equal(in, want_z);
    close(fd);
}

/* Twenty at a time; every other one leaves in the middle; it stops in the middle of one more. */
static void the_guides_fibers_tell_each_visitor(void **state)
{
    (void)state;
    static const char text[] = "one\ntwo\n\nthree";
    char dir[] = "/tmp/reel-fibers-XXXXXX", path[64], endpoint[80], file[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    snprintf(file, sizeof(file), "%s/text", dir);
    snprintf(endpoint, sizeof(endpoint), "unix:%s", path);
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    pid_t pid = fork();
    if (pid == 0) {
        execl(program_z, program_z, endpoint, file, (char *)NULL);
        _exit(127);
    }
    int fds[VISITORS];
    for (int i = 0; i < VISITORS; i++)
        fds[i] = connect_when_it_listens(path);
    for (int i = 0; i < VISITORS; i += 2) {
        char in[4];
        assert_int_equal(recv(fds[i], in, 4, MSG_WAITALL), 4);
        assert_memory_equal(in, "one\n", 4);
        close(fds[i]);
    }
    for (int i = 1; i < VISITORS; i += 2)
        expect_until_eof(fds[i], text);
    unlink(file); /* nothing to tell */
    expect_until_eof(connect_when_it_listens(path), "");
    int last = connect_when_it_listens(path);
    kill(pid, SIGTERM);
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(last);
    unlink(path);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    program_z = argc > 1 ? argv[1] : "";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guides_fibers_tell_each_visitor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
