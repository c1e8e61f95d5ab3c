/* Pipes and the doors made of them; descriptors. */
#include "fakes.h"

#include "kernel/fdtable.h"
#include "kernel/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = fake_new(NULL, 1 << 20, 200);
    return 0;
}

static int tear_down(void **state)
{
    fake_free(*state);
    return 0;
}

static void small_writes_are_whole_or_not_at_all(void **state)
{
    struct fake *fake = *state;
    static uint8_t bytes[PIPE_BYTES];
    struct file *r = NULL, *w = NULL;
    assert_int_equal(pipe_pair(fake->vfs, 0, 0, 0, &r, &w), 0);
    assert_int_equal(file_write(w, NULL, bytes, PIPE_BYTES - 100), PIPE_BYTES - 100);
    assert_int_equal(file_write(w, NULL, bytes, PIPE_ATOMIC), -EAGAIN);
    assert_int_equal(file_write(w, NULL, bytes, PIPE_ATOMIC + 1), 100); /* a large one may split */
    assert_int_equal(file_write(w, NULL, bytes, 1), -EAGAIN);
    assert_int_equal(file_poll(w) & POLLOUT, 0);
    assert_int_equal(file_read(r, NULL, bytes, sizeof(bytes)), PIPE_BYTES);
    assert_int_equal(file_read(r, NULL, bytes, 1), -EAGAIN);
    assert_int_equal(file_poll(w) & POLLOUT, POLLOUT);
    file_drop(w);
    assert_int_equal(file_read(r, NULL, bytes, 1), 0);
    assert_int_equal(file_poll(r), POLLHUP);
    file_drop(r);
}

static void a_broken_pipe_is_told(void **state)
{
    struct fake *fake = *state;
    struct file *r = NULL, *w = NULL;
    assert_int_equal(pipe_pair(fake->vfs, 0, 0, 0, &r, &w), 0);
    assert_int_equal(file_pread(r, NULL, &(char){0}, 1, 0), -ESPIPE);
    assert_int_equal(file_write(r, NULL, "x", 1), -EBADF);
    unsigned wakes = fake->wakes;
    file_drop(r);
    assert_true(fake->wakes > wakes);
    assert_int_equal(file_write(w, NULL, "x", 1), -EPIPE);
    assert_int_equal(file_poll(w) & POLLERR, POLLERR);
    file_drop(w);
}

static void a_door_in_ends_after_what_was_put(void **state)
{
    struct fake *fake = *state;
    static uint8_t bytes[PIPE_BYTES + 5];
    char text[16];
    struct pipe *door = NULL;
    struct file *end = NULL;
    assert_int_equal(pipe_door_in(fake->vfs, &door, &end), 0);
    assert_int_equal(file_read(end, NULL, text, 1), -EAGAIN);
    assert_int_equal(pipe_put(door, span_z("hello")), 5);
    pipe_put_end(door);
    assert_int_equal(pipe_put(door, span_z("late")), 0);
    assert_int_equal(file_read(end, NULL, text, sizeof(text)), 5);
    assert_int_equal(file_read(end, NULL, text, sizeof(text)), 0);
    assert_false(pipe_is_broken(door));
    file_drop(end);
    assert_true(pipe_is_broken(door));
    pipe_door_close(door);
    assert_int_equal(pipe_door_in(fake->vfs, &door, &end), 0);
    assert_int_equal(pipe_put(door, span_of(bytes, sizeof(bytes))), PIPE_BYTES);
    file_drop(end);
    assert_int_equal(pipe_put(door, span_z("x")), 1); /* lost: nobody reads */
    pipe_door_close(door);
}

static void a_door_out_holds_so_much(void **state)
{
    struct fake *fake = *state;
    static uint8_t bytes[20000];
    struct pipe *door = NULL;
    struct file *end = NULL;
    assert_int_equal(pipe_door_out(fake->vfs, 10000, &door, &end), 0);
    assert_int_equal(file_write(end, NULL, bytes, sizeof(bytes)), 10000);
    assert_int_equal(file_write(end, NULL, bytes, 1), -EAGAIN);
    pipe_sent(door, 9999);
    assert_int_equal(pipe_out(door).len, 1);
    assert_int_equal(file_write(end, NULL, "y", 1), 1);
    assert_false(pipe_is_ended(door));
    struct file *again = NULL;
    assert_int_equal(end->ops->reopen(end, O_WRONLY, &again), 0); /* /proc/self/fd/1 */
    file_drop(end);
    assert_false(pipe_is_ended(door));
    file_drop(again);
    assert_true(pipe_is_ended(door));
    assert_int_equal(pipe_out(door).len, 2);
    pipe_door_close(door);
    assert_int_equal(pipe_door_out(fake->vfs, 10000, &door, &end), 0);
    pipe_door_close(door);
    assert_int_equal(file_write(end, NULL, "x", 1), -EPIPE);
    file_drop(end);
}

static void descriptors_are_the_lowest_free(void **state)
{
    struct fake *fake = *state;
    struct fd_table *table = fd_table_new();
    struct file *f = fake_open(fake, "/dev/null", O_RDWR, NULL);
    assert_int_equal(fd_table_add(table, file_hold(f), 0, 10, false), 0);
    assert_int_equal(fd_table_add(table, file_hold(f), 5, 10, true), 5);
    assert_int_equal(fd_table_add(table, file_hold(f), 0, 10, false), 1);
    assert_int_equal(fd_table_set(table, file_hold(f), 3, 10, false), 3);
    assert_int_equal(fd_table_set(table, file_hold(f), 10, 10, false), -EBADF);
    assert_int_equal(fd_table_add(table, file_hold(f), 10, 10, false), -EMFILE);
    assert_int_equal(fd_table_close(table, 1), 0);
    assert_int_equal(fd_table_close(table, 1), -EBADF);
    assert_int_equal(fd_table_add(table, file_hold(f), 0, 1, false), -EMFILE);
    struct fd_table *copy = fd_table_clone(table);
    fd_table_close_exec(copy);
    assert_null(fd_table_find(copy, 5));
    assert_non_null(fd_table_find(table, 5));
    assert_int_equal(fd_table_next(copy, 1), 3);
    assert_int_equal(fd_table_next(copy, 4), -1);
    fd_table_drop(copy);
    fd_table_drop(table);
    assert_int_equal(f->holders, 1);
    file_drop(f);
}

static void open_descriptions_have_a_maximum(void **state)
{
    struct fake *fake = *state;
    struct file *files[100];
    int count = 0, error = 0;
    while (count < 100 && (files[count] = fake_open(fake, "/dev/null", O_RDWR, &error)) != NULL)
        count++;
    assert_int_equal(error, -ENFILE);
    assert_string_equal(fake->limit_z, "files");
    struct file *r = NULL, *w = NULL;
    assert_int_equal(pipe_pair(fake->vfs, 0, 0, 0, &r, &w), -ENFILE);
    file_drop(files[--count]);
    assert_int_equal(pipe_pair(fake->vfs, 0, 0, 0, &r, &w), -ENFILE); /* one is not two */
    while (count > 0)
        file_drop(files[--count]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(small_writes_are_whole_or_not_at_all), TEST(a_broken_pipe_is_told),
        TEST(a_door_in_ends_after_what_was_put),    TEST(a_door_out_holds_so_much),
        TEST(descriptors_are_the_lowest_free),      TEST(open_descriptions_have_a_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
