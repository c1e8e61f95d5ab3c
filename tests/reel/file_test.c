/* Files through the pool, on a real reactor and in virtual time: the same calls. */
#include "helper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Memory that there cannot be is asked for below. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static struct counting_allocator counts;

struct scene {
    struct reel_reactor *r;
    char dir[64], path[96], other[96];
    bool is_virtual;
    int fds;
};

static struct scene scene;

static int open_scene(void **state, bool is_virtual)
{
    const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
    scene = (struct scene){.dir = "/tmp/reel-file-XXXXXX", .is_virtual = is_virtual};
    scene.r = is_virtual ? reel_test_reactor_new(&options, 0) : reel_reactor_new(&options);
    if (!scene.r || !mkdtemp(scene.dir))
        return -1;
    snprintf(scene.path, sizeof(scene.path), "%s/file", scene.dir);
    snprintf(scene.other, sizeof(scene.other), "%s/other", scene.dir);
    scene.fds = count_fds();
    *state = &scene;
    return 0;
}

static int set_up(void **state)
{
    return open_scene(state, false);
}

static int set_up_virtual(void **state)
{
    return open_scene(state, true);
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(count_fds(), scene.fds);
    reel_reactor_free(scene.r);
    assert_int_equal(counts.live, 0);
    unlink(scene.path);
    unlink(scene.other);
    return rmdir(scene.dir);
}

struct answer {
    int calls;
    struct reel_result result;
};

static void keep(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    struct answer *answer = context;
    answer->calls++;
    answer->result = *result;
    reel_result_take(result);
}

/* Waits for it, with the loop; 0 or its error. */
static int get(struct reel_deferred *d, struct reel_result *result)
{
    struct answer answer = {0};
    int err = reel_deferred_done(d, keep, &answer);
    if (err < 0)
        return err;
    for (int i = 0; i < 10000 && !answer.calls; i++)
        if (scene.is_virtual)
            reel_test_advance(scene.r, 1);
        else
            assert_true(reel_run_once(scene.r, REEL_SECOND) >= 0);
    assert_int_equal(answer.calls, 1);
    if (result)
        *result = answer.result;
    else
        reel_result_release(&answer.result);
    return answer.result.error;
}

static struct reel_file *open_file(int flags)
{
    struct reel_result result = {0};
    assert_int_equal(get(reel_file_open(scene.r, NULL, scene.path, flags, 0600), &result), 0);
    struct reel_file *file = result.pointer;
    assert_true(fcntl(reel_file_fd(file), F_GETFD) & FD_CLOEXEC);
    return file;
}

static void expect_read(struct reel_file *file, int64_t offset, size_t len, const char *text_z)
{
    struct reel_result result = {0};
    assert_int_equal(get(reel_file_read(file, offset, len), &result), 0);
    assert_int_equal(result.number, strlen(text_z));
    assert_string_equal(result.pointer, text_z); /* the zero byte behind it */
    free(result.pointer);
}

static void expect_content(const char *path_z, const char *text_z)
{
    struct reel_result result = {0};
    assert_int_equal(get(reel_file_read_all(scene.r, NULL, path_z, 1000), &result), 0);
    assert_int_equal(result.number, strlen(text_z));
    assert_string_equal(result.pointer, text_z);
    reel_result_release(&result);
}

static void an_open_file_is_written_and_read(void **state)
{
    (void)state;
    struct reel_result result = {0};
    char text[] = "hello, disk";
    struct reel_file *file = open_file(O_RDWR | O_CREAT);
    struct reel_deferred *d = reel_file_write(file, -1, text, sizeof(text) - 1);
    memset(text, 'x', sizeof(text)); /* it was copied */
    assert_int_equal(get(d, &result), 0);
    assert_int_equal(result.number, 11);
    assert_int_equal(get(reel_file_write(file, 7, "DISK and more", 13), NULL), 0);
    assert_int_equal(get(reel_file_sync(file), NULL), 0);
    expect_read(file, 0, 5, "hello");
    expect_read(file, 7, 1000, "DISK and more");
    expect_read(file, 20, 10, "");
    expect_read(file, 0, 0, "");
    expect_read(file, -1, 4, " and"); /* it stands where the first write ended */
    assert_int_equal(get(reel_file_close(file), NULL), 0);
    file = open_file(O_WRONLY | O_APPEND);
    assert_int_equal(get(reel_file_write(file, -1, "!", 1), NULL), 0);
    assert_int_equal(get(reel_file_write(file, -1, NULL, 0), NULL), 0);
    assert_int_equal(get(reel_file_read(file, 0, 1), NULL), -EBADF);
    assert_int_equal(get(reel_file_close(file), NULL), 0);
    expect_content(scene.path, "hello, DISK and more!");
}

static void whole_files_are_read_up_to_a_maximum(void **state)
{
    (void)state;
    struct reel_result result = {0};
    struct reel_reactor *r = scene.r;
    assert_int_equal(get(reel_file_append(r, NULL, scene.path, "0123456789", 10, 0600), NULL), 0);
    assert_int_equal(get(reel_file_read_all(r, NULL, scene.path, 10), &result), 0);
    assert_int_equal(result.number, 10);
    free(result.pointer);
    assert_int_equal(get(reel_file_read_all(r, NULL, scene.path, 9), NULL), -EFBIG);
    assert_int_equal(get(reel_file_read_all(r, NULL, scene.path, 0), NULL), -EFBIG);
    expect_content(scene.path, "0123456789");
    assert_int_equal(get(reel_file_read_all(r, NULL, scene.dir, 10), NULL), -EISDIR);
    assert_int_equal(get(reel_file_read_all(r, NULL, scene.other, 10), NULL), -ENOENT);
    expect_content("/dev/null", "");
    /* Long, and of a length that is not told: a line for each page that differs from the one before. */
    enum { PAGES = 400 };
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = mmap(NULL, PAGES * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    for (size_t i = 0; i < PAGES; i += 2)
        assert_int_equal(mprotect(pages + i * page, page, PROT_NONE), 0);
    assert_int_equal(get(reel_file_read_all(r, NULL, "/proc/self/maps", SIZE_MAX), &result), 0);
    assert_true(result.number > 15000);
    assert_int_equal(strlen(result.pointer), result.number);
    free(result.pointer);
    assert_int_equal(get(reel_file_read_all(r, NULL, "/proc/self/maps", 5000), NULL), -EFBIG);
    munmap(pages, PAGES * page);
}

static void names_come_and_go(void **state)
{
    (void)state;
    struct reel_result result = {0};
    struct reel_reactor *r = scene.r;
    assert_int_equal(get(reel_file_append(r, NULL, scene.path, "one", 3, 0640), &result), 0);
    assert_int_equal(result.number, 3);
    assert_int_equal(get(reel_file_append(r, NULL, scene.path, "two", 3, 0640), NULL), 0);
    assert_int_equal(get(reel_file_stat(r, NULL, scene.path), &result), 0);
    const struct stat *status = result.pointer;
    assert_int_equal(result.number, 6);
    assert_true(S_ISREG(status->st_mode));
    reel_result_release(&result);
    assert_int_equal(get(reel_file_rename(r, NULL, scene.path, scene.other), NULL), 0);
    assert_int_equal(get(reel_file_stat(r, NULL, scene.path), NULL), -ENOENT);
    expect_content(scene.other, "onetwo");
    assert_int_equal(get(reel_file_replace(r, NULL, scene.other, "new", 3, 0600), &result), 0);
    assert_int_equal(result.number, 3);
    expect_content(scene.other, "new");
    assert_int_equal(get(reel_file_unlink(r, NULL, scene.other), NULL), 0);
    assert_int_equal(get(reel_file_unlink(r, NULL, scene.other), NULL), -ENOENT);
    assert_int_equal(get(reel_file_rename(r, NULL, scene.other, scene.path), NULL), -ENOENT);
}

static void what_cannot_be_done_says_why(void **state)
{
    (void)state;
    struct reel_reactor *r = scene.r;
    char path[128];
    snprintf(path, sizeof(path), "%s/no/file", scene.dir);
    assert_int_equal(get(reel_file_open(r, NULL, path, O_RDONLY, 0), NULL), -ENOENT);
    assert_int_equal(get(reel_file_append(r, NULL, path, "x", 1, 0600), NULL), -ENOENT);
    assert_int_equal(get(reel_file_replace(r, NULL, path, "x", 1, 0600), NULL), -ENOENT);
    assert_int_equal(get(reel_file_append(r, NULL, "/dev/full", "x", 1, 0600), NULL), -ENOSPC);
    assert_int_equal(get(reel_file_replace(r, NULL, scene.dir, "x", 1, 0600), NULL), -EISDIR);
    snprintf(path, sizeof(path), "%s.new", scene.dir); /* it is cleared away */
    assert_int_equal(access(path, F_OK), -1);
    struct reel_file *file = open_file(O_RDWR | O_CREAT);
    assert_int_equal(get(reel_file_read(file, 0, (size_t)1 << 50), NULL), -ENOMEM);
    assert_int_equal(get(reel_file_read(file, 0, SIZE_MAX), NULL), -ENOMEM);
    assert_int_equal(get(reel_file_close(file), NULL), 0);
}

static void a_file_that_nobody_takes_is_closed(void **state)
{
    (void)state;
    reel_deferred_forget(reel_file_open(scene.r, NULL, scene.path, O_RDWR | O_CREAT, 0600));
    assert_int_equal(get(reel_file_stat(scene.r, NULL, scene.dir), NULL), 0);
    struct reel_deferred *d = reel_file_open(scene.r, NULL, scene.path, O_RDWR, 0);
    reel_deferred_drop(d);
    for (int i = 0; i < 10000; i++) { /* whether it was opened or not, nothing of it is left */
        struct reel_metrics metrics;
        reel_metrics(scene.r, &metrics);
        if (!metrics.deferreds)
            break;
        assert_int_equal(get(reel_file_stat(scene.r, NULL, scene.dir), NULL), 0);
    }
    assert_int_equal(count_fds(), scene.fds);
}

static void calls_on_one_file_may_be_under_way_together(void **state)
{
    (void)state;
    enum { PIECES = 50 };
    struct reel_file *file = open_file(O_RDWR | O_CREAT);
    struct reel_deferred *d[PIECES];
    char expected[PIECES + 1] = "";
    for (int i = 0; i < PIECES; i++) {
        expected[i] = (char)('0' + i);
        d[i] = reel_file_write(file, i, &expected[i], 1);
    }
    assert_int_equal(get(reel_gather(scene.r, REEL_GATHER_ALL, d, PIECES), NULL), 0);
    expect_read(file, 0, 1000, expected);
    assert_int_equal(get(reel_file_close(file), NULL), 0);
}

static int64_t read_and_write(struct reel_reactor *r, void *argument)
{
    (void)argument;
    struct reel_result result = {0};
    int err = reel_await(reel_file_open(r, NULL, scene.path, O_RDWR | O_CREAT, 0600), &result);
    if (err < 0)
        return err;
    struct reel_file *file = result.pointer;
    err = reel_await(reel_file_write(file, -1, "fiber", 5), NULL);
    if (err == 0)
        err = reel_await(reel_file_read(file, 0, 5), &result);
    if (err == 0)
        reel_result_release(&result);
    if (err == 0)
        err = reel_await(reel_file_append(r, NULL, scene.path, "s", 1, 0600), NULL);
    if (err == 0)
        err = reel_await(reel_file_replace(r, NULL, scene.path, "fibers", 6, 0600), NULL);
    int closing = reel_await(reel_file_close(file), NULL);
    return err < 0 ? err : closing;
}

static void memory_may_run_out_at_each_allocation(void **state)
{
    (void)state;
    bool whole = false;
    for (long n = 0; !whole; n++) {
        counts.fail_after = n;
        struct answer answer = {0};
        int err =
            reel_deferred_done(reel_fiber_start(scene.r, read_and_write, NULL), keep, &answer);
        for (int i = 0; i < 10000 && err == 0 && !answer.calls; i++)
            if (scene.is_virtual)
                reel_test_advance(scene.r, 1);
            else
                assert_true(reel_run_once(scene.r, REEL_SECOND) >= 0);
        counts.fail_after = -1;
        whole = err == 0 && answer.result.error == 0;
        assert_true(whole || err == -ENOMEM || answer.result.error == -ENOMEM);
        assert_int_equal(count_fds(), scene.fds);
        assert_true(n < 100);
    }
    expect_content(scene.path, "fibers");
}

static void count_call(struct reel_deferred *d, struct reel_result *result, void *context)
{
    (void)d;
    assert_true(result->error == -ECANCELED || result->pointer);
    ++*(int *)context;
}

static void the_reactors_end_closes_what_is_under_way(void **state)
{
    (void)state;
    struct counting_allocator own;
    const struct reel_reactor_options options = {.allocator = counting_allocator(&own)};
    for (int round = 0; round < 20; round++) {
        struct reel_reactor *r = reel_reactor_new(&options);
        int calls = 0;
        for (int i = 0; i < round; i++)
            reel_deferred_done(reel_file_open(r, NULL, scene.path, O_RDWR | O_CREAT, 0600),
                               count_call, &calls);
        reel_reactor_free(r);
        assert_int_equal(calls, round);
        assert_int_equal(own.live, 0);
        assert_int_equal(count_fds(), scene.fds);
    }
}

static void a_file_in_use_is_not_closed(void **state)
{
    (void)state;
    struct reel_file *file = open_file(O_RDWR | O_CREAT);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        reel_deferred_forget(reel_file_sync(file));
        reel_deferred_forget(reel_file_close(file));
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_int_equal(get(reel_file_close(file), NULL), 0);
}

int main(void)
{
#define BOTH(name)                                            \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down), \
        cmocka_unit_test_setup_teardown(name, set_up_virtual, tear_down)
    const struct CMUnitTest tests[] = {
        BOTH(an_open_file_is_written_and_read),
        BOTH(whole_files_are_read_up_to_a_maximum),
        BOTH(names_come_and_go),
        BOTH(what_cannot_be_done_says_why),
        BOTH(a_file_that_nobody_takes_is_closed),
        BOTH(calls_on_one_file_may_be_under_way_together),
        BOTH(memory_may_run_out_at_each_allocation),
        cmocka_unit_test_setup_teardown(the_reactors_end_closes_what_is_under_way, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_in_use_is_not_closed, set_up_virtual, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
