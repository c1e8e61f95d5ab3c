/* What an installation has of its own beside the image's names: own_test SMALL_IMAGE. */
#include "persona/image.h"

#include "base/error.h"
#include "walk_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    const char *path_z;
    void *bytes;
    struct persona_image *image;
};

static int open_image(void **state)
{
    struct fixture *fx = *state;
    FILE *f = fopen(fx->path_z, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        return -1;
    size_t len = (size_t)ftell(f);
    rewind(f);
    if (posix_memalign(&fx->bytes, PERSONA_PAGE, len) != 0 || fread(fx->bytes, 1, len, f) != len)
        return -1;
    (void)fclose(f);
    return persona_image_open(span_of(fx->bytes, len), &fx->image);
}

static int close_image(void **state)
{
    struct fixture *fx = *state;
    persona_image_close(fx->image);
    free(fx->bytes);
    return 0;
}

static int put(const struct fixture *fx, const char *path_z, uint32_t mode, const char *data_z)
{
    const struct persona_new new = {.mode = mode, .uid = 5, .mtime_s = 9, .data = span_z(data_z)};
    return persona_image_put(fx->image, span_z(path_z), &new);
}

static struct persona_node node_of(const struct fixture *fx, const char *path_z)
{
    struct persona_node node = {0};
    if (!persona_image_node(fx->image, persona_image_lookup(fx->image, span_z(path_z)), &node))
        fail_msg("nothing at %s", path_z);
    return node;
}

static void a_file_is_replaced_with_its_owner_and_without(void **state)
{
    const struct fixture *fx = *state;
    struct persona_node before = node_of(fx, "/etc/passwd");
    const struct persona_new new = {.data = SPAN_LIT("mine\n")};
    assert_int_equal(persona_image_put(fx->image, span_z("/etc/passwd"), &new), 0);
    struct persona_node after = node_of(fx, "/etc/passwd");
    assert_true(span_equal_z(after.data, "mine\n"));
    assert_int_equal(after.size, 5);
    assert_int_equal(after.mode, before.mode);
    assert_int_equal(after.mtime_s, before.mtime_s);
    assert_true((uintptr_t)after.data.data % PERSONA_PAGE != 0);
    assert_int_equal(put(fx, "/etc/passwd", 0100600, "other"), 0);
    assert_int_equal(node_of(fx, "/etc/passwd").mode, 0100600);
    assert_int_equal(node_of(fx, "/etc/passwd").uid, 5);
    assert_int_equal(node_of(fx, "/etc/passwd").mtime_s, 9);
}

static void new_names_stand_in_order_and_directories_count_them(void **state)
{
    const struct fixture *fx = *state;
    uint32_t links = node_of(fx, "/many").nlink, children = node_of(fx, "/many").children;
    assert_int_equal(put(fx, "/many/055", 0100644, "x"), 0);
    assert_int_equal(put(fx, "/many/dir", 040755, ""), 0);
    assert_int_equal(put(fx, "/many/dir", 040755, ""), 0); /* again: it is there */
    assert_int_equal(put(fx, "/many/dir/link", 0120777, "../055"), 0);
    assert_int_equal(node_of(fx, "/many").children, children + 2);
    assert_int_equal(node_of(fx, "/many").nlink, links + 1);
    assert_int_equal(node_of(fx, "/many/dir").parent, node_of(fx, "/many").ino);
    assert_true(span_equal_z(node_of(fx, "/many/dir/link").data, "x"));
    struct span before = {NULL, 0}, name;
    for (uint32_t i = 0; persona_image_entry(fx->image, node_of(fx, "/many").ino, i, &name); i++) {
        assert_true(before.len == 0 || span_compare(before, name) < 0);
        before = name;
    }
    assert_true(span_equal_z(before, "dir"));
    assert_true(walk_image(fx->image) > 0);
}

static void a_name_that_is_dropped_is_gone(void **state)
{
    const struct fixture *fx = *state;
    assert_int_equal(persona_image_drop(fx->image, span_z("/many")), 0);
    assert_int_equal(persona_image_lookup(fx->image, span_z("/many/01")), 0);
    assert_int_equal(node_of(fx, "/").nlink, 2 + 4);
    assert_int_equal(persona_image_drop(fx->image, span_z("/many")), ERR_MALFORMED);
}

static void what_has_no_place_is_refused(void **state)
{
    const struct fixture *fx = *state;
    assert_int_equal(put(fx, "/nowhere/x", 0100644, ""), ERR_MALFORMED);
    assert_int_equal(put(fx, "/etc/passwd/x", 0100644, ""), ERR_MALFORMED);
    assert_int_equal(put(fx, "/etc/..", 0100644, ""), ERR_MALFORMED);
    assert_int_equal(put(fx, "/etc", 0100644, ""), ERR_MALFORMED);
    assert_int_equal(put(fx, "/etc/passwd", 040755, ""), ERR_MALFORMED);
    assert_int_equal(put(fx, "/etc/none", 0, ""), ERR_MALFORMED);
    assert_int_equal(put(fx, "/", 040755, ""), ERR_MALFORMED);
}

static void too_much_is_refused(void **state)
{
    const struct fixture *fx = *state;
    char path_z[32];
    int rc = 0;
    for (unsigned i = 0; i <= PERSONA_OWN_MAX && rc == 0; i++) {
        (void)snprintf(path_z, sizeof(path_z), "/tmp/%u", i);
        rc = put(fx, path_z, 0100644, "");
    }
    assert_int_equal(rc, ERR_FULL);
}

static void times_of_the_image_become_the_installations(void **state)
{
    const struct fixture *fx = *state;
    assert_int_equal(node_of(fx, "/dev/null").mtime_s, 7);
    const struct persona_times times = {5, 8, 1000, 900};
    persona_image_set_times(fx->image, &times);
    assert_int_equal(node_of(fx, "/dev/null").mtime_s, 1007);
    assert_int_equal(node_of(fx, "/dev/null").ctime_s, 1007);
    assert_int_equal(node_of(fx, "/dev/vda").mtime_s, 0);
    assert_int_equal(node_of(fx, "/dev/vda").ctime_s, 900);
}

static void what_the_start_makes_is_as_old_as_the_start(void **state)
{
    const struct fixture *fx = *state;
    assert_int_equal(persona_image_made_at(fx->image, span_z("/dev"), 5000), 0);
    assert_int_equal(persona_image_made_at(fx->image, span_z("/none"), 5000), 0);
    assert_int_equal(node_of(fx, "/dev").mtime_s, 5000);
    assert_int_equal(node_of(fx, "/dev/null").mtime_s, 5000);
    assert_int_equal(node_of(fx, "/dev/null").ctime_s, 5000);
    assert_int_not_equal(node_of(fx, "/etc/passwd").mtime_s, 5000);
}

int main(int argc, char **argv)
{
    struct fixture fx = {.path_z = argc > 1 ? argv[1] : ""};
#define WITH_IMAGE(f)                       \
    {                                       \
#f, f, open_image, close_image, &fx \
    }
    const struct CMUnitTest tests[] = {
        WITH_IMAGE(a_file_is_replaced_with_its_owner_and_without),
        WITH_IMAGE(new_names_stand_in_order_and_directories_count_them),
        WITH_IMAGE(a_name_that_is_dropped_is_gone),
        WITH_IMAGE(what_has_no_place_is_refused),
        WITH_IMAGE(too_much_is_refused),
        WITH_IMAGE(times_of_the_image_become_the_installations),
        WITH_IMAGE(what_the_start_makes_is_as_old_as_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
