/* Changes of files and folders, on real ones. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_MAX = 16384 };

/* Each event as "what path/name;", paths without the test's own folder. */
struct diary {
    struct reel_reactor *r;
    struct reel_inotify *in;
    char text_z[TEXT_MAX];
    int calls;
    int free_at; /* frees the object in so manieth call */
    int remove;  /* a watch to be removed in the next call */
};

static struct counting_allocator counts;
static char top_z[64];
static int fds;

static const struct {
    uint32_t bit;
    const char *name_z;
} names[] = {{IN_CREATE, "create"},    {IN_DELETE, "delete"}, {IN_CLOSE_WRITE, "written"},
             {IN_MOVED_FROM, "from"},  {IN_MOVED_TO, "to"},   {IN_DELETE_SELF, "gone"},
             {IN_MOVE_SELF, "moved"},  {IN_IGNORED, "over"},  {IN_Q_OVERFLOW, "lost"},
             {IN_ATTRIB, "attributes"}};

static void write_down(struct diary *diary, const struct reel_inotify_event *event)
{
    size_t len = strlen(diary->text_z), top_len = strlen(top_z);
    const char *path_z = event->path_z, *what_z = "?";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (event->mask & names[i].bit)
            what_z = names[i].name_z;
    if (strncmp(path_z, top_z, top_len) == 0)
        path_z += top_len;
    snprintf(diary->text_z + len, TEXT_MAX - len, "%s %s%s%s%s;", what_z, path_z,
             *event->name_z ? "/" : "", event->name_z, event->mask & IN_ISDIR ? "/" : "");
}

static void note(struct reel_inotify *in, const struct reel_inotify_event *events, size_t count)
{
    struct diary *diary = reel_inotify_shared(in);
    assert_true(count >= 1);
    diary->calls++;
    if (diary->free_at == diary->calls) {
        reel_inotify_free(in);
        reel_inotify_free(in);
        diary->in = NULL;
    }
    if (diary->remove) {
        reel_inotify_remove(in, diary->remove);
        diary->remove = 0;
    }
    for (size_t i = 0; i < count; i++)
        write_down(diary, &events[i]);
}

static int set_up(void **state)
{
    static struct diary diary;
    fds = count_fds();
    diary = (struct diary){.calls = 0};
    const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
    const struct reel_inotify_options watching = {.events = note, .shared = &diary};
    diary.r = reel_reactor_new(&options);
    snprintf(top_z, sizeof(top_z), "/tmp/reel-inotify-XXXXXX");
    assert_non_null(mkdtemp(top_z));
    assert_int_equal(reel_inotify_new(diary.r, &watching, &diary.in), 0);
    *state = &diary;
    return 0;
}

static int remove_one(const char *path_z, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path_z);
}

static int tear_down(void **state)
{
    struct diary *diary = *state;
    reel_reactor_free(diary->r);
    assert_int_equal(counts.live, 0);
    assert_int_equal(nftw(top_z, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(count_fds(), fds);
    return 0;
}

/* A path below the test's folder; the last few stay. */
static const char *at(const char *name_z)
{
    static char paths_z[4][256];
    static unsigned next;
    char *path_z = paths_z[next++ % 4];
    snprintf(path_z, sizeof(paths_z[0]), "%s%s%s", top_z, *name_z ? "/" : "", name_z);
    return path_z;
}

static void make(const char *name_z)
{
    int fd = open(at(name_z), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void make_folder(const char *name_z)
{
    assert_int_equal(mkdir(at(name_z), 0700), 0);
}

/* What has happened since the last look; events are there when the call that made them returns. */
static const char *look(struct diary *diary)
{
    static char text_z[TEXT_MAX];
    memset(diary->text_z, 0, TEXT_MAX);
    for (int i = 0; i < 6; i++)
        assert_true(reel_run_once(diary->r, 0) >= 0);
    return memcpy(text_z, diary->text_z, TEXT_MAX);
}

#define ALL (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE)

static void events_of_a_folder_come_together(void **state)
{
    struct diary *diary = *state;
    assert_true(reel_inotify_add(diary->in, top_z, ALL, false) > 0);
    make("one");
    assert_int_equal(rename(at("one"), at("two")), 0);
    assert_int_equal(unlink(at("two")), 0);
    assert_string_equal(look(diary), "create /one;written /one;from /one;to /two;delete /two;");
    assert_int_equal(diary->calls, 1);
    make_folder("sub");
    make("sub/not-seen");
    assert_string_equal(look(diary), "create /sub/;");
    assert_string_equal(look(diary), "");
}

static void a_file_alone_can_be_watched(void **state)
{
    struct diary *diary = *state;
    make("one");
    int number = reel_inotify_add(diary->in, at("one"), IN_CLOSE_WRITE, false);
    assert_true(number > 0);
    assert_int_equal(reel_inotify_add(diary->in, at("one"), IN_ATTRIB, false), -EEXIST);
    make("one");
    assert_string_equal(look(diary), "written /one;");
    assert_int_equal(unlink(at("one")), 0);
    assert_string_equal(look(diary), "over /one;");
    assert_int_equal(reel_inotify_count(diary->in), 0);
    reel_inotify_remove(diary->in, number);
}

static void one_shot_is_one(void **state)
{
    struct diary *diary = *state;
    assert_true(reel_inotify_add(diary->in, top_z, IN_CREATE | IN_ONESHOT, false) > 0);
    make("one");
    make("two");
    assert_string_equal(look(diary), "create /one;over ;");
    assert_int_equal(reel_inotify_count(diary->in), 0);
}

static void a_tree_grows(void **state)
{
    struct diary *diary = *state;
    make_folder("a");
    make_folder("a/b");
    make("a/b/old");
    assert_int_equal(symlink("/usr", at("a/link")), 0);
    assert_true(reel_inotify_add(diary->in, top_z, ALL, true) > 0);
    assert_int_equal(reel_inotify_count(diary->in), 3);
    make("a/b/new");
    assert_string_equal(look(diary), "create /a/b/new;written /a/b/new;");
    make_folder("c"); /* all of this is there before anybody looks */
    make_folder("c/d");
    make("c/d/early");
    assert_string_equal(look(diary), "create /c/;create /c/d/;create /c/d/early;");
    make("c/d/late");
    assert_string_equal(look(diary), "create /c/d/late;written /c/d/late;");
    assert_int_equal(reel_inotify_count(diary->in), 5);
}

static void a_tree_shrinks(void **state)
{
    struct diary *diary = *state;
    make_folder("a");
    make_folder("a/b");
    int number = reel_inotify_add(diary->in, top_z, ALL | IN_DELETE_SELF, true);
    assert_int_equal(rmdir(at("a/b")), 0);
    assert_int_equal(rmdir(at("a")), 0);
    assert_string_equal(look(diary), "gone /a/b;delete /a/b/;gone /a;delete /a/;");
    assert_int_equal(reel_inotify_count(diary->in), 1);
    reel_inotify_remove(diary->in, number);
    assert_int_equal(reel_inotify_count(diary->in), 0);
    make("unseen");
    assert_string_equal(look(diary), "");
}

static void folders_move(void **state)
{
    struct diary *diary = *state;
    make_folder("tree");
    make_folder("tree/a");
    make_folder("tree/a/b");
    make_folder("tree/ab");
    make("tree/a/b/file");
    assert_true(reel_inotify_add(diary->in, at("tree"), ALL, true) > 0);
    assert_int_equal(reel_inotify_count(diary->in), 4);
    assert_int_equal(rename(at("tree/a"), at("tree/z")), 0); /* within */
    assert_string_equal(look(diary), "from /tree/a/;to /tree/z/;create /tree/z/b/;"
                                     "create /tree/z/b/file;");
    make("tree/z/b/more");
    assert_string_equal(look(diary), "create /tree/z/b/more;written /tree/z/b/more;");
    assert_int_equal(reel_inotify_count(diary->in), 4);
    assert_int_equal(rename(at("tree/z"), at("out")), 0); /* out of it */
    assert_string_equal(look(diary), "from /tree/z/;");
    make("out/b/unseen");
    assert_string_equal(look(diary), "");
    assert_int_equal(reel_inotify_count(diary->in), 2);
    assert_int_equal(rename(at("out"), at("tree/in")), 0); /* and in again */
    assert_int_equal(strncmp(look(diary), "to /tree/in/;create /tree/in/b/;", 32), 0);
    assert_int_equal(reel_inotify_count(diary->in), 4);
}

static void a_tree_whose_top_goes_is_over(void **state)
{
    struct diary *diary = *state;
    make_folder("tree");
    make_folder("tree/a");
    assert_true(reel_inotify_add(diary->in, at("tree"), ALL, true) > 0);
    assert_int_equal(rename(at("tree"), at("other")), 0);
    assert_string_equal(look(diary), "over /tree;");
    assert_int_equal(reel_inotify_count(diary->in), 0);
    assert_true(reel_inotify_add(diary->in, at("other"), ALL, true) > 0);
    assert_int_equal(rmdir(at("other/a")), 0);
    assert_int_equal(rmdir(at("other")), 0);
    assert_string_equal(look(diary), "delete /other/a/;over /other;");
    assert_int_equal(reel_inotify_count(diary->in), 0);
}

static void it_may_be_freed_and_thinned_inside(void **state)
{
    struct diary *diary = *state;
    make_folder("a");
    make_folder("b");
    diary->remove = reel_inotify_add(diary->in, at("a"), ALL, true);
    assert_true(reel_inotify_add(diary->in, at("b"), ALL, true) > diary->remove);
    make("a/one");
    assert_string_equal(look(diary), "create /a/one;written /a/one;");
    make("a/two");
    diary->free_at = diary->calls + 1;
    make("b/one");
    make("b/two");
    assert_string_equal(look(diary), "create /b/one;written /b/one;create /b/two;written /b/two;");
    make("b/three");
    assert_string_equal(look(diary), "");
    assert_null(diary->in);
}

static void watches_have_a_maximum(void **state)
{
    struct diary *diary = *state;
    struct reel_inotify *in = NULL;
    const struct reel_inotify_options options = {
        .events = note, .shared = diary, .watches_max = 3, .depth_max = 2};
    assert_int_equal(reel_inotify_new(diary->r, &options, &in), 0);
    make_folder("a");
    make_folder("a/b");
    make_folder("a/b/c");
    assert_int_equal(reel_inotify_add(in, top_z, ALL, true), -ENOSPC); /* too many */
    assert_int_equal(reel_inotify_count(in), 0);
    assert_int_equal(rmdir(at("a/b/c")), 0);
    assert_true(reel_inotify_add(in, top_z, ALL, true) > 0);
    assert_int_equal(reel_inotify_add(in, "/", ALL, false), -ENOSPC);
    make_folder("a/b/deep");
    assert_string_equal(look(diary), "create /a/b/deep/;lost /a/b/deep/;");
    assert_int_equal(rmdir(at("a/b/deep")), 0);
    assert_int_equal(rmdir(at("a/b")), 0);
    look(diary);
    make_folder("a/b");
    make_folder("a/b/deep");
    assert_string_equal(look(diary), "create /a/b/;create /a/b/deep/;lost /a/b/;");
    assert_int_equal(reel_inotify_count(in), 3);
    reel_inotify_free(in);
}

static void what_cannot_be_watched_is_said(void **state)
{
    struct diary *diary = *state;
    struct reel_inotify *in = NULL;
    char long_z[5000] = "";
    memset(long_z, 'x', sizeof(long_z) - 1);
    make("file");
    make_folder("a");
    assert_int_equal(reel_inotify_add(diary->in, at("none"), ALL, false), -ENOENT);
    assert_int_equal(reel_inotify_add(diary->in, at("file"), ALL, true), -ENOTDIR);
    assert_int_equal(reel_inotify_add(diary->in, top_z, 0, false), -EINVAL);
    assert_int_equal(reel_inotify_add(diary->in, top_z, ALL | IN_ONESHOT, true), -EINVAL);
    assert_int_equal(reel_inotify_add(diary->in, long_z, ALL, false), -ENAMETOOLONG);
    assert_true(reel_inotify_add(diary->in, at("a"), ALL, false) > 0);
    assert_int_equal(reel_inotify_add(diary->in, top_z, ALL, true), -EEXIST); /* a is in it */
    assert_int_equal(reel_inotify_count(diary->in), 1);
    const struct reel_inotify_options silent = {.shared = diary};
    assert_int_equal(reel_inotify_new(diary->r, &silent, &in), -EINVAL);
    struct reel_reactor *virtual = reel_test_reactor_new(NULL, 0);
    const struct reel_inotify_options options = {.events = note};
    assert_int_equal(reel_inotify_new(virtual, &options, &in), -EOPNOTSUPP);
    reel_reactor_free(virtual);
}

static long number_in(const char *path_z)
{
    char text_z[32] = "";
    FILE *file = fopen(path_z, "re");
    assert_non_null(file);
    assert_non_null(fgets(text_z, sizeof(text_z), file));
    fclose(file);
    return strtol(text_z, NULL, 10);
}

/* More than the kernel keeps: what is there afterwards is watched, what went is told. */
static void after_an_overflow_it_begins_anew(void **state)
{
    struct diary *diary = *state;
    long events = number_in("/proc/sys/fs/inotify/max_queued_events");
    make_folder("tree");
    make_folder("gone");
    assert_true(reel_inotify_add(diary->in, at("tree"), IN_CREATE | IN_ATTRIB, true) > 0);
    assert_true(reel_inotify_add(diary->in, at("gone"), IN_CREATE, false) > 0);
    make("tree/a");
    make("tree/b");
    for (long i = 0; i <= events; i++) /* two in turn: the same event twice is told once */
        assert_int_equal(chmod(at(i % 2 ? "tree/a" : "tree/b"), 0600), 0);
    make_folder("tree/new");
    assert_int_equal(rmdir(at("gone")), 0);
    for (long i = 0; i < events && !strstr(diary->text_z, "lost "); i++) {
        memset(diary->text_z, 0, TEXT_MAX);
        assert_true(reel_run_once(diary->r, 0) >= 0);
    }
    assert_non_null(strstr(diary->text_z, "over /gone;lost ;"));
    assert_int_equal(reel_inotify_count(diary->in), 2);
    look(diary);
    make("tree/new/file");
    assert_string_equal(look(diary), "create /tree/new/file;");
}

static void too_much_in_a_turn_is_told_as_lost(void **state)
{
    struct diary *diary = *state;
    char name_z[64];
    make_folder("tree");
    make_folder("crowd");
    for (unsigned i = 0; i < REEL_INOTIFY_EVENTS_MAX + 10; i++) {
        snprintf(name_z, sizeof(name_z), "crowd/%u", i);
        make(name_z);
    }
    assert_true(reel_inotify_add(diary->in, at("tree"), IN_CREATE, true) > 0);
    assert_int_equal(rename(at("crowd"), at("tree/crowd")), 0);
    look(diary);
    assert_int_equal(diary->calls, 2);
    assert_int_equal(reel_inotify_count(diary->in), 2);
}

static void a_scene(struct diary *diary)
{
    const struct reel_inotify_options options = {.events = note, .shared = diary};
    struct reel_inotify *in = NULL;
    make_folder("tree/x");
    int err = reel_inotify_new(diary->r, &options, &in);
    if (err == 0)
        err = reel_inotify_add(in, at("tree"), IN_CREATE, true);
    assert_true(err > 0 || err == -ENOMEM);
    make_folder("tree/x/y");
    make("tree/x/y/z");
    look(diary);
    reel_inotify_free(in);
    assert_int_equal(unlink(at("tree/x/y/z")), 0);
    assert_int_equal(rmdir(at("tree/x/y")), 0);
    assert_int_equal(rmdir(at("tree/x")), 0);
}

/* What could not be told or watched is told as lost, as long as anything can be told. */
static void memory_may_run_out(void **state)
{
    struct diary *diary = *state;
    int told = 0, lost = 0;
    make_folder("tree");
    for (long n = 0; n < 40; n++) {
        diary->calls = 0;
        counts.fail_after = n;
        a_scene(diary);
        counts.fail_after = -1;
        told += strcmp(diary->text_z, "create /tree/x/y/;create /tree/x/y/z;") == 0;
        lost += strstr(diary->text_z, "lost ") != NULL;
        assert_true(told || lost || diary->calls == 0);
    }
    assert_true(told > 0);
    assert_true(lost > 0);
}

static void parent_and_child_both_hear(void **state)
{
    struct diary *diary = *state;
    make_folder("a");
    assert_true(reel_inotify_add(diary->in, top_z, IN_CREATE, true) > 0);
    pid_t pid = fork();
    if (pid == 0) {
        int err = reel_after_fork(diary->r);
        make("a/child");
        _exit(err == 0 && strcmp(look(diary), "create /a/child;") == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_string_equal(look(diary), "create /a/child;");
}

static void count_ours(void *context, const struct reel_handle_info *info)
{
    *(int *)context += info->kind == REEL_HANDLE_INOTIFY && info->fd >= 0;
}

static void it_is_among_the_handles(void **state)
{
    struct diary *diary = *state;
    int count = 0;
    reel_each_handle(diary->r, count_ours, &count);
    assert_int_equal(count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(events_of_a_folder_come_together),
        TEST(a_file_alone_can_be_watched),
        TEST(one_shot_is_one),
        TEST(a_tree_grows),
        TEST(a_tree_shrinks),
        TEST(folders_move),
        TEST(a_tree_whose_top_goes_is_over),
        TEST(it_may_be_freed_and_thinned_inside),
        TEST(watches_have_a_maximum),
        TEST(what_cannot_be_watched_is_said),
        TEST(after_an_overflow_it_begins_anew),
        TEST(too_much_in_a_turn_is_told_as_lost),
        TEST(memory_may_run_out),
        TEST(parent_and_child_both_hear),
        TEST(it_is_among_the_handles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
