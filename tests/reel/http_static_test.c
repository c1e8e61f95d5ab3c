/* Files over HTTP, in virtual time, from a folder that the test makes. */
#include "helper.h"

#include "reel/http/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define WALL_US (INT64_C(784111777) * 1000000)
#define HOST    "Host: a\r\n"

enum { BIG = 300000 };

static char dir_z[] = "/tmp/reel-static-XXXXXX";
static uint8_t big[BIG];
static char received[BIG * 2];
static size_t received_len;

struct fixture {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct reel_http_folder *folder;
    struct reel_http_site *site;
    struct reel_http_route routes[2];
    struct reel_test_peer *peer;
};

static void write_file(const char *name_z, const void *data, size_t len)
{
    char path_z[256];
    snprintf(path_z, sizeof(path_z), "%s/%s", dir_z, name_z);
    int fd = open(path_z, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    const struct timespec times[2] = {{784000000, 5}, {784000000, 5}};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static void in_dir(char path_z[256], const char *name_z)
{
    snprintf(path_z, 256, "%s/%s", dir_z, name_z);
}

static int make_folder(void **state)
{
    (void)state;
    char path_z[256];
    static char page[5000];
    assert_non_null(mkdtemp(dir_z));
    memset(page, 'p', sizeof(page));
    for (size_t i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 31 + i / 251);
    write_file("a.txt", "0123456789", 10);
    write_file("empty.txt", "", 0);
    write_file("big.bin", big, BIG);
    write_file("big.txt", big, BIG);
    write_file("page.html", page, sizeof(page));
    write_file("packed.js", page, sizeof(page));
    write_file("packed.js.gz", "packed", 6);
    write_file(".secret", "x", 1);
    write_file("we <b>&ird\".txt", "x", 1);
    in_dir(path_z, "sub");
    assert_int_equal(mkdir(path_z, 0755), 0);
    in_dir(path_z, "bare");
    assert_int_equal(mkdir(path_z, 0755), 0);
    write_file("sub/index.html", "index", 5);
    in_dir(path_z, "out");
    assert_int_equal(symlink("/etc/passwd", path_z), 0);
    in_dir(path_z, "up");
    assert_int_equal(symlink("../../etc", path_z), 0);
    in_dir(path_z, "in.txt");
    assert_int_equal(symlink("a.txt", path_z), 0);
    in_dir(path_z, "pipe");
    assert_int_equal(mkfifo(path_z, 0644), 0);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command_z[256];
    snprintf(command_z, sizeof(command_z), "rm -rf %s", dir_z);
    return system(command_z);
}

static void open_folder(struct fixture *f, const struct reel_http_folder_options *options,
                        const struct reel_wire *wire)
{
    *f = (struct fixture){0};
    struct reel_transport *t = NULL;
    const struct reel_reactor_options reactor_options = {.allocator =
                                                             counting_allocator(&f->counts)};
    f->r = reel_test_reactor_new(&reactor_options, WALL_US);
    assert_non_null(f->r);
    assert_int_equal(reel_http_folder_new(f->r, dir_z, options, &f->folder), 0);
    f->routes[0] = (struct reel_http_route){REEL_HTTP_ROUTE(NULL, "/f/*", reel_http_folder_handle),
                                            .context = f->folder};
    assert_int_equal(reel_http_site_new(f->r, f->routes, NULL, &f->site), 0);
    assert_int_equal(reel_test_peer_new(f->r, reel_http_factory(f->site), wire, &f->peer, &t), 0);
    reel_test_advance(f->r, 0);
}

static void close_folder(struct fixture *f)
{
    reel_test_peer_free(f->peer);
    reel_http_site_free(f->site);
    reel_test_advance(f->r, 0);
    reel_http_folder_free(f->folder);
    reel_reactor_free(f->r);
    assert_int_equal(f->counts.live, 0);
}

/* Asks, and leaves the answer in `received` with a NUL. */
static const char *ask(struct fixture *f, const char *request_z)
{
    char text_z[1024];
    int n = snprintf(text_z, sizeof(text_z), "%s", request_z);
    reel_test_send(f->peer, text_z, (size_t)n);
    reel_test_advance(f->r, REEL_SECOND);
    const uint8_t *data = reel_test_received(f->peer, &received_len);
    assert_true(received_len < sizeof(received));
    if (received_len)
        memcpy(received, data, received_len);
    received[received_len] = '\0';
    reel_test_drop(f->peer, received_len);
    return received;
}

static const char *get(struct fixture *f, const char *path_z, const char *fields_z)
{
    char text_z[512];
    snprintf(text_z, sizeof(text_z), "GET /f/%s HTTP/1.1\r\n" HOST "%s\r\n", path_z, fields_z);
    return ask(f, text_z);
}

static const char *body(size_t *len)
{
    const char *end_z = strstr(received, "\r\n\r\n");
    assert_non_null(end_z);
    *len = received_len - (size_t)(end_z + 4 - received);
    return end_z + 4;
}

static void assert_status(const char *answer_z, int status)
{
    char line_z[32];
    snprintf(line_z, sizeof(line_z), "HTTP/1.1 %d ", status);
    assert_memory_equal(answer_z, line_z, strlen(line_z));
}

static void assert_has(const char *answer_z, const char *part_z)
{
    if (!strstr(answer_z, part_z))
        fail_msg("no %s in %s", part_z, answer_z);
}

static void assert_body(const void *expected, size_t expected_len)
{
    size_t len = 0;
    const char *text = body(&len);
    assert_int_equal(len, expected_len);
    assert_memory_equal(text, expected, len);
}

static void a_file_is_sent_with_what_is_known_of_it(void **state)
{
    (void)state;
    struct fixture f;
    open_folder(&f, &(struct reel_http_folder_options){.max_age_ns = 60 * REEL_SECOND}, NULL);
    const char *answer_z = get(&f, "a.txt", "");
    assert_status(answer_z, 200);
    assert_has(answer_z, "Content-Type: text/plain; charset=utf-8\r\n");
    assert_has(answer_z, "Last-Modified: Sat, 05 Nov 1994 01:46:40 GMT\r\n");
    assert_has(answer_z, "Accept-Ranges: bytes\r\n");
    assert_has(answer_z, "Cache-Control: max-age=60\r\n");
    assert_has(answer_z, "ETag: \"a-5-2ebae400\"\r\n");
    assert_body("0123456789", 10);
    assert_status(get(&f, "big.bin", ""), 200);
    assert_has(received, "Content-Type: application/octet-stream\r\n");
    assert_body(big, BIG);
    assert_status(get(&f, "empty.txt", ""), 200);
    assert_body("", 0);
    assert_status(get(&f, "in.txt", ""), 200);
    assert_body("0123456789", 10);
    assert_status(ask(&f, "HEAD /f/big.bin HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_has(received, "Content-Length: 300000\r\n");
    assert_body("", 0);
    assert_status(ask(&f, "POST /f/a.txt HTTP/1.1\r\n" HOST "\r\n"), 405);
    close_folder(&f);
}

static void a_big_file_goes_to_a_slow_reader_in_slices(void **state)
{
    (void)state;
    struct fixture f;
    struct reel_metrics metrics;
    open_folder(&f, NULL, &(struct reel_wire){.buffer_max = 3000, .send_max = 700});
    reel_test_read(f.peer, false);
    get(&f, "big.bin", "");
    assert_int_equal(received_len, 0);
    reel_metrics(f.r, &metrics);
    assert_in_range(metrics.queued_bytes, 1, 200000);
    reel_test_read(f.peer, true);
    ask(&f, "");
    assert_status(received, 200);
    assert_body(big, BIG);
    close_folder(&f);
}

static void try_to_get_out(bool walks)
{
    static const struct {
        const char *path_z;
        int status;
    } cases[] = {
        {"out", 404},           {"up/passwd", 404},     {"pipe", 404},
        {".secret", 404},       {"sub/../a.txt", 400},  {"%2e%2e/a.txt", 400},
        {"..%2fetc", 400},      {"%2fetc/passwd", 400}, {"/etc/passwd", 404},
        {"a.txt%00.html", 400}, {"a.txt/", 404},        {"none", 404},
        {"bare/", 404},         {"a.txt/x", 404},       {"sub\\..\\a.txt", 404},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fixture f;
        open_folder(&f, NULL, NULL);
        f.folder->walks = walks;
        assert_status(get(&f, cases[i].path_z, ""), cases[i].status);
        assert_null(strstr(received, "root:"));
        close_folder(&f);
    }
}

static void nothing_outside_of_the_folder_is_there(void **state)
{
    (void)state;
    try_to_get_out(false);
}

static void nor_without_the_kernels_help(void **state)
{
    (void)state;
    struct fixture f;
    try_to_get_out(true);
    open_folder(&f, NULL, NULL);
    f.folder->walks = true;
    assert_status(get(&f, "a.txt", ""), 200);
    assert_status(get(&f, "sub/index.html", ""), 200);
    assert_status(get(&f, "sub/", ""), 200);
    assert_status(get(&f, "in.txt", ""), 404); /* no link is followed */
    close_folder(&f);
}

static void a_folder_shows_its_own_file_or_its_names(void **state)
{
    (void)state;
    struct fixture f;
    open_folder(&f, &(struct reel_http_folder_options){.listing = true}, NULL);
    assert_status(get(&f, "sub/", ""), 200);
    assert_body("index", 5);
    assert_status(get(&f, "sub", ""), 301);
    assert_has(received, "Location: /f/sub/\r\n");
    assert_status(get(&f, "", ""), 200);
    assert_has(received, "<a href=\"sub/\">sub/</a>");
    assert_has(received,
               "<a href=\"we%20%3Cb%3E%26ird%22.txt\">we &lt;b&gt;&amp;ird&quot;.txt</a>");
    assert_null(strstr(received, ".secret"));
    assert_null(strstr(received, "pipe"));
    assert_status(get(&f, "we%20%3Cb%3E%26ird%22.txt", ""), 200);
    close_folder(&f);
}

static void conditions_are_kept(void **state)
{
    (void)state;
    static const struct {
        const char *fields_z;
        int status;
    } cases[] = {
        {"If-None-Match: \"a-5-2ebae400\"\r\n", 304},
        {"If-None-Match: W/\"a-5-2ebae400\"\r\n", 304},
        {"If-None-Match: \"x\", \"a-5-2ebae400\"\r\n", 304},
        {"If-None-Match: *\r\n", 304},
        {"If-None-Match: \"x\"\r\n", 200},
        {"If-None-Match: \"x\"\r\nIf-Modified-Since: Sat, 05 Nov 1994 01:46:40 GMT\r\n", 200},
        {"If-Modified-Since: Sat, 05 Nov 1994 01:46:40 GMT\r\n", 304},
        {"If-Modified-Since: Saturday, 05-Nov-94 01:46:40 GMT\r\n", 304},
        {"If-Modified-Since: Sat Nov  5 01:46:40 1994\r\n", 304},
        {"If-Modified-Since: Sat, 05 Nov 1994 01:46:39 GMT\r\n", 200},
        {"If-Modified-Since: yesterday\r\n", 200},
        {"If-Unmodified-Since: Sat, 05 Nov 1994 01:46:39 GMT\r\n", 412},
        {"If-Unmodified-Since: Sat, 05 Nov 1994 01:46:40 GMT\r\n", 200},
        {"If-Match: \"x\"\r\n", 412},
        {"If-Match: W/\"a-5-2ebae400\"\r\n", 412},
        {"If-Match: \"a-5-2ebae400\"\r\n", 200},
        {"Range: bytes=2-3\r\nIf-Range: \"a-5-2ebae400\"\r\n", 206},
        {"Range: bytes=2-3\r\nIf-Range: \"x\"\r\n", 200},
        {"Range: bytes=2-3\r\nIf-Range: Sat, 05 Nov 1994 01:46:40 GMT\r\n", 206},
        {"Range: bytes=2-3\r\nIf-Range: Sat, 05 Nov 1994 01:46:41 GMT\r\n", 200},
    };
    struct fixture f;
    open_folder(&f, NULL, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_status(get(&f, "a.txt", cases[i].fields_z), cases[i].status);
    close_folder(&f);
}

static void ranges_are_cut_out(void **state)
{
    (void)state;
    static const struct {
        const char *range_z;
        int status;
        const char *body_z, *content_range_z;
    } cases[] = {
        {"bytes=2-4", 206, "234", "bytes 2-4/10"},
        {"bytes=7-", 206, "789", "bytes 7-9/10"},
        {"bytes=-2", 206, "89", "bytes 8-9/10"},
        {"bytes=-20", 206, "0123456789", "bytes 0-9/10"},
        {"bytes=5-99", 206, "56789", "bytes 5-9/10"},
        {"bytes=99-100, 1-1", 206, "1", "bytes 1-1/10"},
        {"bytes=10-", 416, NULL, "bytes */10"},
        {"bytes=-0", 416, NULL, "bytes */10"},
        {"bytes=4-2", 200, "0123456789", NULL},
        {"bytes=a-b", 200, "0123456789", NULL},
        {"bytes=0-3,2-5", 200, "0123456789", NULL},
        {"bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,9-9,9-9,9-9,9-9,9-9,9-9,9-9", 200,
         "0123456789", NULL},
        {"lines=1-2", 200, "0123456789", NULL},
        {"bytes=99999999999999999999-", 200, "0123456789", NULL},
    };
    struct fixture f;
    open_folder(&f, NULL, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text_z[256];
        snprintf(text_z, sizeof(text_z), "Range: %s\r\n", cases[i].range_z);
        assert_status(get(&f, "a.txt", text_z), cases[i].status);
        if (cases[i].body_z)
            assert_body(cases[i].body_z, strlen(cases[i].body_z));
        snprintf(text_z, sizeof(text_z), "Content-Range: %s\r\n", cases[i].content_range_z);
        assert_int_equal(strstr(received, text_z) != NULL, cases[i].content_range_z != NULL);
    }
    get(&f, "big.bin", "Range: bytes=100000-299998\r\n");
    assert_body(big + 100000, 199999);
    close_folder(&f);
}

static void several_ranges_come_as_parts(void **state)
{
    (void)state;
    static const char expected[] =
        "\r\n--reel-3f9c51d7a2e84b06\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Range: bytes 0-1/10\r\n\r\n01"
        "\r\n--reel-3f9c51d7a2e84b06\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Range: bytes 9-9/10\r\n\r\n9\r\n--reel-3f9c51d7a2e84b06--\r\n";
    char length_z[64];
    struct fixture f;
    open_folder(&f, NULL, NULL);
    assert_status(get(&f, "a.txt", "Range: bytes=0-1, -1\r\n"), 206);
    snprintf(length_z, sizeof(length_z), "Content-Length: %zu\r\n", sizeof(expected) - 1);
    assert_has(received, length_z);
    assert_has(received, "multipart/byteranges; boundary=reel-3f9c51d7a2e84b06\r\n");
    assert_body(expected, sizeof(expected) - 1);
    close_folder(&f);
}

/* Takes the chunks apart, in place. The length. */
static size_t unchunk(char *data, size_t len)
{
    size_t at = 0, n = 0;
    for (;;) {
        char *end_z = NULL;
        size_t size = strtoul(data + at, &end_z, 16);
        at = (size_t)(end_z + 2 - data);
        assert_true(at + size <= len);
        if (size == 0)
            return n;
        memmove(data + n, data + at, size);
        n += size;
        at += size + 2;
    }
}

static void what_is_worth_it_is_compressed(void **state)
{
    (void)state;
    static const struct {
        const char *path_z, *fields_z;
        bool gzip;
    } cases[] = {
        {"big.txt", "Accept-Encoding: gzip\r\n", true},
        {"page.html", "Accept-Encoding: br, gzip;q=0.5\r\n", true},
        {"page.html", "Accept-Encoding: *\r\n", true},
        {"page.html", "Accept-Encoding: gzip;q=0\r\n", false},
        {"page.html", "Accept-Encoding: gzip;q=0.5, identity\r\n", false},
        {"page.html", "Accept-Encoding: br\r\n", false},
        {"page.html", "", false},
        {"page.html", "Accept-Encoding: gzip\r\nRange: bytes=0-1\r\n", false},
        {"a.txt", "Accept-Encoding: gzip\r\n", false},
        {"big.bin", "Accept-Encoding: gzip\r\n", false},
    };
    struct fixture f;
    open_folder(&f, NULL, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        get(&f, cases[i].path_z, cases[i].fields_z);
        assert_int_equal(strstr(received, "Content-Encoding: gzip\r\n") != NULL, cases[i].gzip);
    }
    get(&f, "packed.js", "Accept-Encoding: gzip\r\n");
    assert_has(received, "Content-Length: 6\r\n");
    assert_has(received, "Vary: Accept-Encoding\r\n");
    assert_body("packed", 6);
    ask(&f, "GET /f/page.html HTTP/1.0\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n");
    assert_null(strstr(received, "Content-Encoding"));
    close_folder(&f);
}

static void a_compressed_file_is_the_same_again(void **state)
{
    (void)state;
    struct fixture f;
    size_t len = 0;
    static uint8_t plain[BIG + 1];
    open_folder(&f, NULL, &(struct reel_wire){.buffer_max = 5000});
    get(&f, "big.txt", "Accept-Encoding: gzip\r\n");
    assert_has(received, "-gz\"\r\n");
    char *data = (char *)body(&len);
    len = unchunk(data, len);
    z_stream z = {.next_in = (uint8_t *)data,
                  .avail_in = (uInt)len,
                  .next_out = plain,
                  .avail_out = sizeof(plain)};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, BIG);
    assert_memory_equal(plain, big, BIG);
    inflateEnd(&z);
    close_folder(&f);
}

static void a_file_that_shrinks_ends_the_connection(void **state)
{
    (void)state;
    struct fixture f;
    char path_z[256];
    write_file("shrinks.bin", big, BIG);
    in_dir(path_z, "shrinks.bin");
    open_folder(&f, NULL, &(struct reel_wire){.buffer_max = 1000});
    reel_test_read(f.peer, false);
    get(&f, "shrinks.bin", "");
    assert_int_equal(truncate(path_z, 10), 0);
    reel_test_read(f.peer, true);
    ask(&f, "");
    assert_true(reel_test_saw_lost(f.peer));
    unlink(path_z);
    close_folder(&f);
}

static void no_descriptor_is_left_when_the_client_goes(void **state)
{
    (void)state;
    struct fixture f;
    open_folder(&f, NULL, &(struct reel_wire){.buffer_max = 1000});
    int before = count_fds();
    reel_test_read(f.peer, false);
    get(&f, "big.bin", "");
    assert_int_equal(count_fds(), before + 1);
    reel_test_reset(f.peer);
    reel_test_advance(f.r, 0);
    assert_int_equal(count_fds(), before);
    close_folder(&f);
}

static void out_of_memory_is_survived(void **state)
{
    (void)state;
    int before = count_fds();
    for (long after = 0; after < 40; after++) {
        struct fixture f;
        open_folder(&f, &(struct reel_http_folder_options){.listing = true}, NULL);
        f.counts.fail_after = after;
        get(&f, "big.txt", "Accept-Encoding: gzip\r\n");
        get(&f, "", "");
        f.counts.fail_after = -1;
        close_folder(&f);
    }
    assert_int_equal(count_fds(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_sent_with_what_is_known_of_it),
        cmocka_unit_test(a_big_file_goes_to_a_slow_reader_in_slices),
        cmocka_unit_test(nothing_outside_of_the_folder_is_there),
        cmocka_unit_test(nor_without_the_kernels_help),
        cmocka_unit_test(a_folder_shows_its_own_file_or_its_names),
        cmocka_unit_test(conditions_are_kept),
        cmocka_unit_test(ranges_are_cut_out),
        cmocka_unit_test(several_ranges_come_as_parts),
        cmocka_unit_test(what_is_worth_it_is_compressed),
        cmocka_unit_test(a_compressed_file_is_the_same_again),
        cmocka_unit_test(a_file_that_shrinks_ends_the_connection),
        cmocka_unit_test(no_descriptor_is_left_when_the_client_goes),
        cmocka_unit_test(out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
