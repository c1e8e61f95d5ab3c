/* The identity: drawn once, the same ever after, and another for every installation. The channel
 * between supervisor and children. */
#include "lured/channel.h"
#include "lured/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_MS  INT64_C(1795176000000)
#define DAY_MS  INT64_C(86400000)
#define MADE_MS (NOW_MS - 300 * DAY_MS)

static int delete_one(const char *path_z, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path_z);
}

static void it_is_drawn_once(void **state)
{
    char path_z[] = "/tmp/lured-identity-XXXXXX";
    struct identity first;
    struct identity second;
    struct stat st;
    const char *step_z = NULL;
    (void)state;
    assert_non_null(mkdtemp(path_z));
    int data = open(path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(
        identity_open(&first, data, &ssh_profile_openssh_9_2p1, NOW_MS, MADE_MS, &step_z), 0);
    assert_int_equal(identity_open(&second, data, &ssh_profile_openssh_9_2p1, NOW_MS + 86400000,
                                   MADE_MS, &step_z),
                     0);
    assert_memory_equal(&first.machine, &second.machine, sizeof(first.machine));
    for (int i = 0; i < IDENTITY_KEYS; i++) {
        assert_true(buffer_len(&first.keys[i]) > 0);
        assert_true(span_equal(buffer_span(&first.keys[i]), buffer_span(&second.keys[i])));
    }
    assert_int_equal(fstatat(data, "identity", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(fstatat(data, "identity/ssh_host_rsa_key", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    identity_fini(&first);
    /* The first seeds were 40 bytes long, and their machines have two processors. */
    int old = openat(data, "identity/seed", O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(old, 40), 0);
    (void)close(old);
    assert_int_equal(
        identity_open(&first, data, &ssh_profile_openssh_9_2p1, NOW_MS, MADE_MS, &step_z), 0);
    assert_int_equal(first.machine.cpus, 2);
    assert_string_equal(first.machine.sensor_z, second.machine.sensor_z);
    identity_fini(&first);
    identity_fini(&second);
    /* A seed that was damaged is not drawn anew in silence: it would be another machine. */
    int seed = openat(data, "identity/seed", O_WRONLY | O_TRUNC | O_CLOEXEC);
    (void)close(seed);
    assert_true(identity_open(&first, data, &ssh_profile_openssh_9_2p1, NOW_MS, MADE_MS, &step_z) <
                0);
    assert_string_equal(step_z, "identity: seed");
    (void)close(data);
    (void)nftw(path_z, delete_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void another_one_is_drawn_when_it_was_forgotten(void **state)
{
    char path_z[] = "/tmp/lured-identity-XXXXXX";
    struct identity first;
    struct identity second;
    const char *step_z = NULL;
    (void)state;
    assert_non_null(mkdtemp(path_z));
    int data = open(path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct ssh_profile *profile = &ssh_profile_openssh_9_2p1;
    assert_int_equal(identity_forget(data, profile), 0); /* nothing is there */
    assert_int_equal(identity_open(&first, data, profile, NOW_MS, MADE_MS, &step_z), 0);
    assert_int_equal(identity_forget(data, profile), 0);
    assert_int_equal(identity_open(&second, data, profile, NOW_MS, MADE_MS, &step_z), 0);
    assert_memory_not_equal(first.machine.seed, second.machine.seed, PERSONA_SEED_BYTES);
    for (int i = 0; i < IDENTITY_KEYS; i++)
        assert_false(span_equal(buffer_span(&first.keys[i]), buffer_span(&second.keys[i])));
    identity_fini(&first);
    identity_fini(&second);
    (void)close(data);
    (void)nftw(path_z, delete_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void a_channel_carries_words_and_descriptors(void **state)
{
    int pair[2];
    int pipe_fds[2];
    int fd = 0;
    char byte = 0;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(channel_receive(pair[1], &fd), -EAGAIN);
    assert_int_equal(channel_send(pair[0], CHANNEL_READY, -1), 0);
    assert_int_equal(channel_send(pair[0], CHANNEL_SENSOR, pipe_fds[1]), 0);
    assert_int_equal(channel_receive(pair[1], &fd), CHANNEL_READY);
    assert_int_equal(fd, -1);
    assert_int_equal(channel_receive(pair[1], &fd), CHANNEL_SENSOR);
    assert_true(fd >= 0 && fd != pipe_fds[1]);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    (void)close(fd);
    (void)close(pair[0]);
    assert_int_equal(channel_receive(pair[1], &fd), 0);
    assert_int_equal(channel_send(pair[1], CHANNEL_READY, -1), -EPIPE);
    (void)close(pair[1]);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
}

/* A child that was taken over sends two at once: none of them stays. */
static void a_second_descriptor_is_closed(void **state)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(2 * sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    char word = CHANNEL_READY;
    struct iovec iov = {&word, 1};
    const struct msghdr msg = {.msg_iov = &iov,
                               .msg_iovlen = 1,
                               .msg_control = control.bytes,
                               .msg_controllen = sizeof(control.bytes)};
    int pair[2];
    int fd = -1;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    const int two[2] = {pair[0], pair[1]};
    memcpy(CMSG_DATA(&control.header), two, sizeof(two));
    assert_int_equal(sendmsg(pair[0], &msg, 0), 1);
    assert_int_equal(channel_receive(pair[1], &fd), CHANNEL_READY);
    (void)close(fd);
    (void)close(pair[0]);
    /* A descriptor of pair[0] that is left would keep this from ending. */
    assert_int_equal(channel_receive(pair[1], &fd), 0);
    int next = dup(pair[1]);
    assert_int_equal(next, pair[0]);
    (void)close(next);
    (void)close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_drawn_once),
        cmocka_unit_test(another_one_is_drawn_when_it_was_forgotten),
        cmocka_unit_test(a_channel_carries_words_and_descriptors),
        cmocka_unit_test(a_second_descriptor_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
