/* Where sockets are bound, and who bound them: devices, own addresses, systemd. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_device_takes_only_its_own(void **state)
{
    (void)state;
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct record server = {0}, client = {0};
    const struct reel_factory server_factory = {.protocol = &recording_protocol, .shared = &server};
    const struct reel_factory client_factory = {.protocol = &recording_protocol, .shared = &client};
    const struct reel_listen_options bad = {.device_z = "nosuchdev"};
    const struct reel_listen_options loopback = {.device_z = "lo"};
    struct reel_connect_options out = {.device_z = "nosuchdev"};
    struct reel_listener *l = NULL;
    struct reel_address address;
    assert_int_equal(reel_address_set(&address, "127.0.0.1", 0), 0);
    assert_int_equal(reel_listen_at(r, &address, &bad, &server_factory, &l), -ENODEV);
    assert_int_equal(reel_listen_at(r, &address, &loopback, &server_factory, &l), 0);
    assert_int_equal(reel_listener_address(l, &address), 0);
    assert_int_equal(reel_connect_with(r, &address, &out, &client_factory, NULL), -ENODEV);
    strncpy(out.device_z, "lo", sizeof(out.device_z));
    assert_int_equal(reel_connect_with(r, &address, &out, &client_factory, NULL), 0);
    run_until(r, &server.made);
    run_until(r, &client.made);
    char device[REEL_DEVICE_SIZE] = "";
    socklen_t len = sizeof(device);
    assert_int_equal(getsockopt(reel_fd(client.t), SOL_SOCKET, SO_BINDTODEVICE, device, &len), 0);
    assert_string_equal(device, "lo");
    reel_reactor_free(r);
}

static void a_client_may_choose_its_own_address(void **state)
{
    (void)state;
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct record server = {0}, client = {0};
    const struct reel_factory server_factory = {.protocol = &recording_protocol, .shared = &server};
    const struct reel_factory client_factory = {.protocol = &recording_protocol, .shared = &client};
    struct reel_connect_options out = {0};
    struct reel_address address, peer;
    char text[REEL_ADDRESS_TEXT_MAX];
    assert_int_equal(reel_listener_address(listen_local(r, &server_factory), &address), 0);
    assert_int_equal(reel_address_set(&out.local, "192.0.2.1", 0), 0);
    assert_int_equal(reel_connect_with(r, &address, &out, &client_factory, NULL), -EADDRNOTAVAIL);
    assert_int_equal(reel_address_set(&out.local, "127.0.0.77", 0), 0);
    assert_int_equal(reel_connect_with(r, &address, &out, &client_factory, NULL), 0);
    run_until(r, &server.made);
    assert_int_equal(reel_peer(server.t, &peer), 0);
    assert_string_equal(reel_address_host(&peer, text, sizeof(text)), "127.0.0.77");
    assert_int_equal(reel_connect_with(r, &address, NULL, &client_factory, NULL), 0);
    reel_reactor_free(r);
}

/* In a child, whose descriptors 3 and up are its own. */
static void in_child(void (*run)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        run();
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(condition)                                            \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            _exit(1);                                               \
        }                                                           \
    } while (0)

static void set_environment(const char *fds_z, const char *names_z)
{
    char pid_z[16];
    snprintf(pid_z, sizeof(pid_z), "%d", (int)getpid());
    setenv("LISTEN_PID", pid_z, 1);
    setenv("LISTEN_FDS", fds_z, 1);
    setenv("LISTEN_FDNAMES", names_z, 1);
}

static void find_sockets(void)
{
    CHECK(dup2(STDERR_FILENO, 3) == 3 && dup2(STDERR_FILENO, 4) == 4);
    CHECK(reel_systemd_count() == 0);
    CHECK(reel_systemd_fd(0) == -ENOENT);
    set_environment("2", "web:admin");
    CHECK(reel_systemd_count() == 2);
    CHECK(reel_systemd_fd(0) == 3 && reel_systemd_fd(1) == 4);
    CHECK(fcntl(4, F_GETFD) & FD_CLOEXEC);
    CHECK(reel_systemd_fd(2) == -ENOENT && reel_systemd_fd(-1) == -ENOENT);
    CHECK(reel_systemd_fd_named("web") == 3 && reel_systemd_fd_named("admin") == 4);
    CHECK(reel_systemd_fd_named("adm") == -ENOENT && reel_systemd_fd_named("") == -ENOENT);
    set_environment("1", "web:admin"); /* a name too many */
    CHECK(reel_systemd_fd_named("admin") == -ENOENT);
    static const char *const bad[] = {"", "x", "-1", "2x", "99999999999999999999", "0"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set_environment(bad[i], "");
        CHECK(reel_systemd_count() == 0);
    }
    set_environment("2", "");
    setenv("LISTEN_PID", "1", 1); /* meant for another process */
    CHECK(reel_systemd_count() == 0);
}

static void sockets_of_systemd_are_found(void **state)
{
    (void)state;
    in_child(find_sockets);
}

/* A server whose sockets came from systemd, and a client whose address is chosen, by strings. */
static void listen_by_systemd(void)
{
    struct reel_reactor *other = reel_reactor_new(NULL);
    struct record server = {0}, client = {0};
    const struct reel_factory server_factory = {.protocol = &recording_protocol, .shared = &server};
    const struct reel_factory client_factory = {.protocol = &recording_protocol, .shared = &client};
    struct reel_listener *l = listen_local(other, &server_factory);
    struct reel_address peer;
    char text[128];
    snprintf(text, sizeof(text), "tcp:127.0.0.1:%u:bindAddress=127.0.0.9:device=lo",
             reel_listener_port(l));
    int fd = dup(reel_listener_fd(l));
    reel_reactor_free(other);
    for (int i = 3; i < 5; i++)
        CHECK(fd == i || dup2(fd, i) == i);
    struct reel_reactor *r = reel_reactor_new(NULL);
    set_environment("2", "web:admin");
    CHECK(reel_listen(r, "systemd:domain=INET6:index=1", &server_factory, &l) == -EAFNOSUPPORT);
    CHECK(reel_listen(r, "systemd:index=2", &server_factory, &l) == -ENOENT);
    CHECK(reel_listen(r, "systemd:name=nobody", &server_factory, &l) == -ENOENT);
    CHECK(reel_listen(r, "systemd:domain=INET:name=admin", &server_factory, &l) == 0);
    CHECK(reel_connect(r, text, &client_factory, NULL) == 0);
    run_until(r, &server.made);
    CHECK(reel_peer(server.t, &peer) == 0);
    CHECK(strcmp(reel_address_host(&peer, text, sizeof(text)), "127.0.0.9") == 0);
    reel_reactor_free(r);
}

static void strings_say_it_too(void **state)
{
    (void)state;
    in_child(listen_by_systemd);
}

static void haproxy_is_a_prefix(void **state)
{
    (void)state;
    static const char header[] = "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\nhello";
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct record server = {0};
    const struct reel_factory factory = {.protocol = &recording_protocol, .shared = &server};
    struct reel_listener *l = NULL;
    struct reel_address peer;
    char text[REEL_ADDRESS_TEXT_MAX];
    assert_int_equal(reel_listen(r, "haproxy:tcp:0:interface=127.0.0.1", &factory, &l), 0);
    int fd = connect_blocking(l);
    assert_int_equal(write(fd, header, sizeof(header) - 1), sizeof(header) - 1);
    run_until(r, &server.made);
    run_turns(r, 3);
    assert_int_equal(reel_peer(server.t, &peer), 0);
    assert_string_equal(reel_address_text(&peer, text, sizeof(text)), "192.0.2.1:4711");
    assert_string_equal(server.data, "hello");
    close(fd);
    reel_reactor_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_takes_only_its_own),
        cmocka_unit_test(a_client_may_choose_its_own_address),
        cmocka_unit_test(sockets_of_systemd_are_found),
        cmocka_unit_test(strings_say_it_too),
        cmocka_unit_test(haproxy_is_a_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
