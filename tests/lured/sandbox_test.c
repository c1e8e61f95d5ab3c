/* What a process may no longer do once it has entered its sandbox: asked in a child of its own, as
 * root if the test is root, and as an ordinary user. */
#include "base/span.h"
#include "lured/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534

/* What the child has at hand: made before it enters. */
struct means {
    int folder;       /* a directory of the test's own */
    int sockets[2];   /* connected */
    int unconnected;  /* a TCP socket */
    int open_file;    /* for reading */
    char file_z[256]; /* its absolute name */
};

typedef bool (*attempt_fn)(struct means *m);

/* ---- Each true when it succeeds. ---- */

static bool opens_absolute(struct means *m)
{
    (void)m;
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool opens_dot(struct means *m)
{
    (void)m;
    return open(".", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool opens_in_folder(struct means *m)
{
    return openat(m->folder, "file", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool asks_for_signals_of_a_socket(struct means *m)
{
    return fcntl(m->sockets[0], F_SETOWN, getpid()) == 0 ||
           fcntl(m->sockets[0], F_SETSIG, SIGIO) == 0;
}

static bool reads_flags_of_a_socket(struct means *m)
{
    int flags = fcntl(m->sockets[0], F_GETFL);
    return flags >= 0 && fcntl(m->sockets[0], F_SETFL, flags) == 0;
}

static bool creates_in_folder(struct means *m)
{
    return openat(m->folder, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0;
}

static bool leaves_folder(struct means *m)
{
    return openat(m->folder, "../../etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool starts_a_program(struct means *m)
{
    char name_z[] = "true";
    char *const argv[] = {name_z, NULL};
    (void)m;
    (void)execve("/bin/true", argv, NULL); /* a success is neither of the two statuses */
    return false;
}

static bool forks(struct means *m)
{
    (void)m;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0;
}

static bool makes_a_socket(struct means *m)
{
    (void)m;
    return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static bool connects(struct means *m)
{
    struct sockaddr_in to = loopback(9);
    return connect(m->unconnected, (struct sockaddr *)&to, sizeof(to)) == 0 || errno != EPERM;
}

/* A send that opens a connection on its way. */
static bool connects_by_sending(struct means *m)
{
    struct sockaddr_in to = loopback(9);
    return sendto(m->unconnected, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&to,
                  sizeof(to)) == 1 ||
           errno != EPERM;
}

static bool connects_by_a_message(struct means *m)
{
    struct sockaddr_in to = loopback(9);
    char byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr msg = {
        .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &part, .msg_iovlen = 1};
    return sendmsg(m->unconnected, &msg, MSG_FASTOPEN | MSG_NOSIGNAL) == 1 || errno != EPERM;
}

static bool binds(struct means *m)
{
    struct sockaddr_in at = loopback(0);
    return bind(m->unconnected, (struct sockaddr *)&at, sizeof(at)) == 0;
}

static bool listens(struct means *m)
{
    return listen(m->unconnected, 1) == 0;
}

static bool kills_the_parent(struct means *m)
{
    (void)m;
    return kill(getppid(), 0) == 0;
}

static bool kills_others(struct means *m)
{
    (void)m;
    return kill(1, 0) == 0;
}

static bool traces(struct means *m)
{
    (void)m;
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool makes_code(struct means *m)
{
    (void)m;
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED;
}

static bool turns_data_into_code(struct means *m)
{
    (void)m;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool becomes_root(struct means *m)
{
    (void)m;
    return setresuid(0, 0, 0) == 0;
}

static bool reads_a_name(struct means *m)
{
    struct stat st;
    (void)m;
    return stat("/etc", &st) == 0;
}

static bool uses_io_uring(struct means *m)
{
    (void)m;
    return syscall(SYS_io_uring_setup, 4, NULL) >= 0 || errno != EPERM;
}

static bool talks_over_its_socket(struct means *m)
{
    char byte = 0;
    return write(m->sockets[0], "x", 1) == 1 && read(m->sockets[1], &byte, 1) == 1 && byte == 'x';
}

static bool has_memory_and_time(struct means *m)
{
    struct timespec now;
    uint8_t *big = malloc((size_t)8 * 1024 * 1024);
    (void)m;
    if (big == NULL)
        return false;
    memset(big, 1, (size_t)8 * 1024 * 1024);
    free(big);
    return clock_gettime(CLOCK_MONOTONIC, &now) == 0;
}

static bool reads_its_open_file(struct means *m)
{
    char byte = 0;
    return read(m->open_file, &byte, 1) == 1;
}

struct attempt {
    const char *name_z;
    attempt_fn try;
    enum { NO, YES } sensor, recorder; /* whether it may succeed */
};

static const struct attempt ATTEMPTS[] = {
    {"opens an absolute name", opens_absolute, NO, NO},
    {"asks for signals of a socket", asks_for_signals_of_a_socket, NO, NO},
    {"reads and sets flags of a socket", reads_flags_of_a_socket, YES, YES},
    {"opens the current directory", opens_dot, NO, NO},
    {"opens a file of the folder", opens_in_folder, NO, YES},
    {"makes a file in the folder", creates_in_folder, NO, YES},
    {"leaves the folder", leaves_folder, NO, NO},
    {"asks about a name", reads_a_name, NO, NO},
    {"starts a program", starts_a_program, NO, NO},
    {"forks", forks, NO, NO},
    {"makes a socket", makes_a_socket, NO, NO},
    {"connects", connects, NO, NO},
    {"connects by sending", connects_by_sending, NO, NO},
    {"connects by a message", connects_by_a_message, NO, NO},
    {"binds", binds, NO, NO},
    {"listens", listens, NO, NO},
    {"signals its parent", kills_the_parent, NO, NO},
    {"signals others", kills_others, NO, NO},
    {"traces", traces, NO, NO},
    {"maps code", makes_code, NO, NO},
    {"turns data into code", turns_data_into_code, NO, NO},
    {"becomes root", becomes_root, NO, NO},
    {"uses io_uring", uses_io_uring, NO, NO},
    {"talks over its socket", talks_over_its_socket, YES, YES},
    {"has memory and time", has_memory_and_time, YES, YES},
    {"reads a file that was open", reads_its_open_file, YES, YES},
};

static void make_means(struct means *m)
{
    char path_z[] = "/tmp/lured-sandbox-XXXXXX";
    assert_non_null(mkdtemp(path_z));
    assert_int_equal(chmod(path_z, 0777), 0);
    m->folder = open(path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)snprintf(m->file_z, sizeof(m->file_z), "%s/file", path_z);
    m->open_file = open(m->file_z, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(fchmod(m->open_file, 0666), 0);
    assert_int_equal(pwrite(m->open_file, "x", 1, 0), 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, m->sockets), 0);
    m->unconnected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(m->folder >= 0 && m->open_file >= 0 && m->unconnected >= 0);
}

static void drop_means(struct means *m)
{
    char *slash = strrchr(m->file_z, '/');
    (void)unlinkat(m->folder, "file", 0);
    (void)unlinkat(m->folder, "new", 0);
    *slash = '\0';
    (void)rmdir(m->file_z);
    const int all[] = {m->folder, m->open_file, m->sockets[0], m->sockets[1], m->unconnected};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        (void)close(all[i]);
}

enum { REFUSED = 40, SUCCEEDED = 41, NOT_ENTERED = 42 };

/* One attempt, in a child in the sandbox. */
static int status_of(const struct attempt *attempt, enum sandbox_role role, bool as_root)
{
    struct means m;
    int status = 0;
    make_means(&m);
    bool root = geteuid() == 0;
    char empty_z[] = "/tmp/lured-empty-XXXXXX";
    assert_non_null(mkdtemp(empty_z));
    int empty = open(empty_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(rmdir(empty_z), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const char *step_z = NULL;
        struct sandbox sandbox = {.role = role, .empty_root = -1};
        if (role == SANDBOX_RECORDER) {
            sandbox.folders[0] = m.folder;
            sandbox.folder_count = 1;
        }
        if (root && as_root) {
            sandbox.drop = true;
            sandbox.uid = sandbox.gid = NOBODY;
            sandbox.empty_root = empty;
        } else if (root && (setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                            setresuid(NOBODY, NOBODY, NOBODY) < 0)) {
            _exit(NOT_ENTERED);
        }
        if (sandbox_enter(&sandbox, &step_z) < 0)
            _exit(NOT_ENTERED);
        _exit(attempt->try(&m) ? SUCCEEDED : REFUSED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)close(empty);
    drop_means(&m);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void check_all(enum sandbox_role role, bool as_root)
{
    for (size_t i = 0; i < ARRAY_LEN(ATTEMPTS); i++) {
        const struct attempt *attempt = &ATTEMPTS[i];
        int may = role == SANDBOX_SENSOR ? (int)attempt->sensor : (int)attempt->recorder;
        bool succeeds = may == YES;
        int status = status_of(attempt, role, as_root);
        if (status != (succeeds ? SUCCEEDED : REFUSED))
            fail_msg("%s: status %d", attempt->name_z, status);
    }
}

static void a_sensor_that_was_root_has_no_rights(void **state)
{
    (void)state;
    check_all(SANDBOX_SENSOR, true);
}

static void a_sensor_that_was_nobody_has_no_rights(void **state)
{
    (void)state;
    check_all(SANDBOX_SENSOR, false);
}

static void a_recorder_has_its_folders_alone(void **state)
{
    (void)state;
    check_all(SANDBOX_RECORDER, true);
    check_all(SANDBOX_RECORDER, false);
}

/* The same attempts succeed before: else the tests above would say nothing. */
static void outside_of_the_sandbox_it_is_otherwise(void **state)
{
    static const char *const ALWAYS[] = {"opens an absolute name",
                                         "opens a file of the folder",
                                         "forks",
                                         "makes a socket",
                                         "binds",
                                         "maps code",
                                         "turns data into code",
                                         "asks about a name"};
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(ALWAYS); k++) {
        for (size_t i = 0; i < ARRAY_LEN(ATTEMPTS); i++) {
            struct means m;
            int status = 0;
            if (strcmp(ATTEMPTS[i].name_z, ALWAYS[k]) != 0)
                continue;
            make_means(&m);
            pid_t pid = fork();
            if (pid == 0)
                _exit(ATTEMPTS[i].try(&m) ? SUCCEEDED : REFUSED);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            drop_means(&m);
            assert_int_equal(WEXITSTATUS(status), SUCCEEDED);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sensor_that_was_root_has_no_rights),
        cmocka_unit_test(a_sensor_that_was_nobody_has_no_rights),
        cmocka_unit_test(a_recorder_has_its_folders_alone),
        cmocka_unit_test(outside_of_the_sandbox_it_is_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
