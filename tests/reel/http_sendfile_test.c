/* Files over HTTP on real sockets, where the kernel sends them. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BIG = 5000000, RECEIVED_MAX = BIG + 4096 };

struct fixture {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct reel_http_folder *folder;
    struct reel_http_site *site;
    struct reel_http_route routes[2];
    struct reel_listener *listener;
    int client, fds, logged;
    bool complete;
    uint64_t bytes; /* by the log */
};

static char dir_z[] = "/tmp/reel-sendfile-XXXXXX";
static uint8_t big[BIG];
static char received[RECEIVED_MAX + 1];
static size_t received_len;

static void path_of(char path_z[64])
{
    snprintf(path_z, 64, "%s/big.bin", dir_z);
}

static int make_file(void **state)
{
    (void)state;
    char path_z[64];
    assert_non_null(mkdtemp(dir_z));
    for (size_t i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 31 + i / 251);
    path_of(path_z);
    int fd = open(path_z, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, big, BIG), BIG);
    return close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    char path_z[64];
    path_of(path_z);
    unlink(path_z);
    return rmdir(dir_z);
}

static void on_log(void *context, const struct reel_http_entry *entry)
{
    struct fixture *f = context;
    f->logged++;
    f->complete = entry->complete;
    f->bytes = entry->bytes;
}

static int set_up_with(void **state, int64_t send_ns)
{
    static struct fixture fixture;
    struct fixture *f = *state = &fixture;
    fixture = (struct fixture){.fds = count_fds(), .client = -1};
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    const struct reel_http_options http = {.log = on_log, .log_context = f, .send_ns = send_ns};
    f->r = reel_reactor_new(&options);
    assert_int_equal(reel_http_folder_new(f->r, dir_z, NULL, &f->folder), 0);
    f->routes[0] = (struct reel_http_route){REEL_HTTP_ROUTE(NULL, "/*", reel_http_folder_handle),
                                            .context = f->folder};
    assert_int_equal(reel_http_site_new(f->r, f->routes, &http, &f->site), 0);
    f->listener = listen_local(f->r, reel_http_factory(f->site));
    f->client = connect_blocking(f->listener);
    received_len = 0;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, 0);
}

static int set_up_impatient(void **state)
{
    return set_up_with(state, 50 * REEL_MS);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->client >= 0)
        close(f->client);
    reel_reactor_free(f->r);
    reel_http_site_free(f->site);
    reel_http_folder_free(f->folder);
    assert_int_equal(f->counts.live, 0);
    assert_int_equal(count_fds(), f->fds);
    return 0;
}

static void ask(struct fixture *f, const char *text_z)
{
    assert_int_equal(send(f->client, text_z, strlen(text_z), 0), (ssize_t)strlen(text_z));
}

/* Takes what comes until so many answers are logged and there is no more, or the end. */
static void take(struct fixture *f, int answers)
{
    ssize_t n = -1;
    for (int quiet = 0; quiet < 50 && n != 0;) {
        assert_true(reel_run_once(f->r, REEL_MS) >= 0);
        n = recv(f->client, received + received_len, RECEIVED_MAX - received_len, MSG_DONTWAIT);
        received_len += n > 0 ? (size_t)n : 0;
        quiet = n > 0 || f->logged < answers ? 0 : quiet + 1;
    }
    received[received_len] = '\0';
}

/* What stands behind the first head. */
static const char *body(void)
{
    const char *end_z = strstr(received, "\r\n\r\n");
    assert_non_null(end_z);
    return end_z + 4;
}

static void a_whole_file_arrives_and_the_next_answer_behind_it(void **state)
{
    struct fixture *f = *state;
    ask(f, "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n"
           "GET /big.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=5-9\r\n\r\n");
    take(f, 2);
    assert_int_equal(strncmp(received, "HTTP/1.1 200 OK\r\n", 17), 0);
    assert_memory_equal(body(), big, BIG);
    const char *next_z = body() + BIG;
    assert_int_equal(strncmp(next_z, "HTTP/1.1 206 Partial Content\r\n", 30), 0);
    assert_memory_equal(received + received_len - 5, big + 5, 5);
    assert_int_equal(f->logged, 2);
    assert_int_equal(f->bytes, 5);
}

static void the_last_answer_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    ask(f, "GET /big.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    take(f, 1);
    assert_memory_equal(body(), big, BIG);
    assert_ptr_equal(body() + BIG, received + received_len);
    assert_true(f->complete);
    assert_int_equal(f->bytes, BIG);
    assert_int_equal(recv(f->client, received, 1, 0), 0);
}

static void ranges_are_sent_between_their_heads(void **state)
{
    struct fixture *f = *state;
    ask(f, "GET /big.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=100-1000099\r\n\r\n");
    take(f, 1);
    assert_memory_equal(body(), big + 100, 1000000);
    assert_ptr_equal(body() + 1000000, received + received_len);
    received_len = 0;
    ask(f, "GET /big.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=0-99999,2000000-2999999,-7\r\n\r\n");
    take(f, 2);
    const char *part_z = strstr(body(), "\r\n\r\n") + 4;
    assert_memory_equal(part_z, big, 100000);
    part_z = strstr(part_z + 100000, "\r\n\r\n") + 4;
    assert_memory_equal(part_z, big + 2000000, 1000000);
    part_z = strstr(part_z + 1000000, "\r\n\r\n") + 4;
    assert_memory_equal(part_z, big + BIG - 7, 7);
    assert_true(f->complete);
}

static void a_client_that_leaves_takes_nothing_along(void **state)
{
    struct fixture *f = *state;
    ask(f, "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\nGET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    while (received_len == 0) {
        run_turns(f->r, 1);
        ssize_t n = recv(f->client, received, 1000, MSG_DONTWAIT);
        received_len = n > 0 ? (size_t)n : 0;
    }
    close(f->client);
    f->client = -1;
    while (f->logged < 2)
        run_turns(f->r, 1);
    struct reel_metrics metrics;
    reel_metrics(f->r, &metrics);
    assert_int_equal(metrics.connections, 0);
}

static void one_that_reads_nothing_is_given_up(void **state)
{
    struct fixture *f = *state;
    ask(f, "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    run_until(f->r, &f->logged);
    assert_false(f->complete);
    assert_true(f->bytes > 0 && f->bytes < BIG);
}

static void a_file_that_became_shorter_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    char path_z[64];
    path_of(path_z);
    ask(f, "GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    while (received_len == 0) {
        run_turns(f->r, 1);
        ssize_t n = recv(f->client, received, 1000, MSG_DONTWAIT);
        received_len = n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(truncate(path_z, 1000), 0);
    take(f, 1);
    assert_true(received_len < BIG);
    assert_false(f->complete);
    int fd = open(path_z, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, big, BIG), BIG);
    close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_whole_file_arrives_and_the_next_answer_behind_it),
        TEST(the_last_answer_ends_the_connection),
        TEST(ranges_are_sent_between_their_heads),
        TEST(a_client_that_leaves_takes_nothing_along),
        cmocka_unit_test_setup_teardown(one_that_reads_nothing_is_given_up, set_up_impatient,
                                        tear_down),
        TEST(a_file_that_became_shorter_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
