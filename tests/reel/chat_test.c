/* The guide's chat server as a process: chat_test CHAT-PROGRAM. */
#include "helper.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program_z;

static void expect(int fd, const char *want_z)
{
    char in[256];
    size_t len = 0, want = strlen(want_z);
    assert_true(want < sizeof(in));
    while (len < want) {
        ssize_t n = read(fd, in + len, want - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_memory_equal(in, want_z, want);
}

static pid_t start(const char *endpoint_z, int *out)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(program_z, program_z, endpoint_z, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *out = ends[0];
    return pid;
}

static void the_guides_chat_server_tells_everybody(void **state)
{
    (void)state;
    char dir[] = "/tmp/reel-chat-XXXXXX", path[64], endpoint[80];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    snprintf(endpoint, sizeof(endpoint), "unix:%s", path);
    int out = -1;
    pid_t pid = start(endpoint, &out);
    int first = connect_when_it_listens(path);
    int second = connect_when_it_listens(path);
    expect(out, "Got new client!\nGot new client!\n");
    assert_int_equal(write(first, "hel", 3), 3);
    assert_int_equal(write(second, "second\r\n", 8), 8);
    expect(first, "second\r\n");
    expect(second, "second\r\n");
    assert_int_equal(write(first, "lo\nagain\nunfini", 15), 15);
    expect(first, "hello\nagain\n");
    expect(second, "hello\nagain\n");
    close(first);
    expect(out, "Lost a client! (closed in order)\n");
    assert_int_equal(write(second, "alone\n", 6), 6);
    expect(second, "alone\n");
    close(second);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(out);
    unlink(path);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    program_z = argc > 1 ? argv[1] : "";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guides_chat_server_tells_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
