/* The image's reader, against a small image made by the builder: image_test SMALL_IMAGE [CORPUS].. */
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
    uint8_t *bytes; /* page-aligned */
    size_t len;
    struct persona_image *image;
    char **corpus; /* file names */
    int corpus_count;
};

static uint8_t *load(const char *path_z, size_t *len)
{
    FILE *f = fopen(path_z, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        abort();
    *len = (size_t)ftell(f);
    rewind(f);
    void *bytes = NULL;
    if (posix_memalign(&bytes, PERSONA_PAGE, *len) != 0 || fread(bytes, 1, *len, f) != *len)
        abort();
    (void)fclose(f);
    return bytes;
}

static struct persona_node node_of(const struct fixture *fx, const char *path_z)
{
    struct persona_node node = {0};
    uint32_t ino = persona_image_lookup(fx->image, span_z(path_z));
    if (ino == 0 || !persona_image_node(fx->image, ino, &node))
        fail_msg("nothing at %s", path_z);
    return node;
}

static void files_have_their_contents_and_modes(void **state)
{
    const struct fixture *fx = *state;
    struct persona_node hello = node_of(fx, "/usr/bin/hello");
    assert_int_equal(hello.mode, 0104755);
    assert_int_equal(hello.uid, 0);
    assert_true(span_equal_z(hello.data, "hello\n"));
    assert_int_equal((uintptr_t)hello.data.data % PERSONA_PAGE, 0);
    struct persona_node large = node_of(fx, "/usr/share/large");
    assert_int_equal(large.data.len, 10000);
    for (size_t i = 0; i < large.data.len; i++)
        assert_int_equal(large.data.data[i], i % 251);
    assert_int_equal(node_of(fx, "/etc/empty").data.len, 0);
    assert_int_equal(node_of(fx, "/etc/empty").mode, 0100600);
}

static void the_page_after_a_files_end_is_zero(void **state)
{
    const struct fixture *fx = *state;
    struct span data = node_of(fx, "/usr/share/large").data;
    for (size_t i = data.len; i % PERSONA_PAGE != 0; i++)
        assert_int_equal(data.data[i], 0);
}

static void packed_contents_come_back_block_by_block(void **state)
{
    const struct fixture *fx = *state;
    static uint8_t block[PERSONA_BLOCK];
    struct persona_node node = node_of(fx, "/usr/share/packed");
    assert_int_equal(node.size, 3 * PERSONA_BLOCK + 8000);
    assert_int_equal(node.data.len, 0);
    assert_true(node.packed.len > PERSONA_BLOCK && node.packed.len < node.size / 2);
    for (uint64_t i = 0; i < 2; i++) {
        assert_int_equal(persona_unpack(node.packed, node.size, i, block), PERSONA_BLOCK);
        for (size_t k = 0; k < PERSONA_BLOCK; k++)
            assert_int_equal(block[k], (i * PERSONA_BLOCK + k) % 251);
    }
    assert_int_equal(persona_unpack(node.packed, node.size, 3, block), 8000);
    assert_memory_equal(block + 7992, "the end\n", 8);
}

static void a_damaged_block_is_told_and_a_wrong_table_refused(void **state)
{
    const struct fixture *fx = *state;
    static uint8_t copy[2 * PERSONA_BLOCK], block[PERSONA_BLOCK];
    struct persona_node node = node_of(fx, "/usr/share/packed");
    assert_true(node.packed.len < sizeof(copy));
    memcpy(copy, node.packed.data, node.packed.len);
    struct span packed = span_of(copy, node.packed.len);
    copy[16] ^= 0xff; /* the first block's first byte, behind four ends */
    assert_true(persona_packed_is_good(packed, node.size));
    assert_int_equal(persona_unpack(packed, node.size, 0, block), ERR_MALFORMED);
    assert_int_equal(persona_unpack(packed, node.size, 1, block), PERSONA_BLOCK);
    assert_false(persona_packed_is_good(packed, node.size + PERSONA_BLOCK));
    assert_false(persona_packed_is_good(packed, 0));
    assert_false(persona_packed_is_good(span_slice(packed, 0, packed.len - 1), node.size));
    copy[1] ^= 0xff; /* the first block's end */
    assert_false(persona_packed_is_good(packed, node.size));
}

static void hard_links_are_one_inode_and_equal_contents_one_copy(void **state)
{
    const struct fixture *fx = *state;
    struct persona_node hello = node_of(fx, "/usr/bin/hello");
    struct persona_node same = node_of(fx, "/usr/bin/same");
    assert_int_equal(hello.ino, node_of(fx, "/usr/bin/hallo").ino);
    assert_int_equal(hello.nlink, 2);
    assert_int_not_equal(same.ino, hello.ino);
    assert_ptr_equal(same.data.data, hello.data.data);
}

static void lookup_follows_links_as_the_kernel_does(void **state)
{
    const struct fixture *fx = *state;
    uint32_t hello = node_of(fx, "/usr/bin/hello").ino;
    assert_int_equal(node_of(fx, "/bin/hello").ino, hello);
    assert_int_equal(node_of(fx, "/etc/hello").ino, hello);
    assert_int_equal(node_of(fx, "//usr/../usr//bin/hello").ino, hello);
    assert_int_equal(node_of(fx, "/../..").ino, PERSONA_ROOT);
    assert_int_equal(node_of(fx, "/bin/..").ino, node_of(fx, "/usr").ino);
    static const char *const nothing[] = {
        "/etc/loop",         "/etc/dangling",     "/nowhere",     "/etc/passwd/x", "/etc/passw",
        "/etc/passwd/../..", "/usr/bin/hello/..", "/etc/passwdd", "/nowhere/..",
    };
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++)
        assert_int_equal(persona_image_lookup(fx->image, span_z(nothing[i])), 0);
}

static void directories_list_their_names_in_order(void **state)
{
    const struct fixture *fx = *state;
    struct persona_node many = node_of(fx, "/many");
    assert_int_equal(many.children, 30);
    for (uint32_t i = 0; i < many.children; i++) {
        char expected[12];
        (void)snprintf(expected, sizeof(expected), "%02u", i);
        struct span name;
        assert_true(persona_image_entry(fx->image, many.ino, i, &name) != 0);
        assert_true(span_equal_z(name, expected));
    }
    struct persona_node root = node_of(fx, "/");
    assert_int_equal(root.nlink, 2 + 5); /* dev, etc, many, tmp, usr; bin is a link */
    assert_int_equal(root.children, 6);
    assert_int_equal(node_of(fx, "/tmp").mode, 041777);
    assert_int_equal(node_of(fx, "/tmp").parent, PERSONA_ROOT);
}

static void devices_and_pipes_are_told_apart(void **state)
{
    const struct fixture *fx = *state;
    struct persona_node null = node_of(fx, "/dev/null");
    assert_int_equal(null.mode, 020666);
    assert_int_equal(null.rdev_major, 1);
    assert_int_equal(null.rdev_minor, 3);
    assert_int_equal(null.mtime_s, 7);
    assert_int_equal(node_of(fx, "/dev/vda").mode, 060660);
    assert_int_equal(node_of(fx, "/dev/vda").rdev_major, 254);
    assert_int_equal(node_of(fx, "/dev/vda").gid, 6);
    assert_int_equal(node_of(fx, "/dev/pipe").mode, 010600);
}

static void what_is_not_there_is_zero(void **state)
{
    const struct fixture *fx = *state;
    struct persona_node node;
    struct span name;
    uint32_t beyond = persona_image_nodes(fx->image) + 1;
    uint32_t file = node_of(fx, "/etc/passwd").ino;
    assert_false(persona_image_node(fx->image, 0, &node));
    assert_false(persona_image_node(fx->image, beyond, &node));
    assert_int_equal(persona_image_find(fx->image, 0, span_z("usr")), 0);
    assert_int_equal(persona_image_find(fx->image, beyond, span_z("usr")), 0);
    assert_int_equal(persona_image_find(fx->image, file, span_z("usr")), 0);
    assert_int_equal(persona_image_find(fx->image, PERSONA_ROOT, span_z("")), 0);
    assert_int_equal(persona_image_entry(fx->image, PERSONA_ROOT, 6, &name), 0);
    assert_int_equal(persona_image_entry(fx->image, file, 0, &name), 0);
    assert_int_equal(persona_image_entry(fx->image, beyond, 0, &name), 0);
}

/* Opens a changed copy and reads all of it; the copy is as long as the bytes, so that the
 * sanitizer sees a read past them. */
static int open_and_walk(const uint8_t *bytes, size_t len)
{
    void *copy = NULL;
    assert_int_equal(posix_memalign(&copy, PERSONA_PAGE, len), 0);
    memcpy(copy, bytes, len);
    struct persona_image *image;
    int rc = persona_image_open(span_of(copy, len), &image);
    if (rc == 0)
        (void)walk_image(image);
    else
        assert_null(image);
    persona_image_close(image);
    free(copy);
    return rc;
}

static uint64_t contents_at(const struct fixture *fx)
{
    uint64_t at;
    memcpy(&at, fx->bytes + 104, sizeof(at));
    return at;
}

static void no_byte_of_header_and_tables_can_lead_outside(void **state)
{
    const struct fixture *fx = *state;
    static const uint8_t flips[] = {0x01, 0x80};
    size_t refused = 0;
    for (size_t i = 0; i < contents_at(fx); i++) {
        for (size_t f = 0; f < ARRAY_LEN(flips); f++) {
            fx->bytes[i] ^= flips[f];
            refused += open_and_walk(fx->bytes, fx->len) < 0;
            fx->bytes[i] ^= flips[f];
        }
    }
    /* Owners, times, permissions and letters may differ; structure may not. */
    assert_true(refused > contents_at(fx));
    assert_int_equal(open_and_walk(fx->bytes, fx->len), 0);
}

static void a_shorter_image_is_refused(void **state)
{
    const struct fixture *fx = *state;
    for (size_t len = 0; len < fx->len; len += len < 5000 ? 1 : PERSONA_PAGE)
        assert_true(open_and_walk(fx->bytes, len) < 0);
}

static void another_version_is_told(void **state)
{
    const struct fixture *fx = *state;
    fx->bytes[8]++;
    assert_int_equal(open_and_walk(fx->bytes, fx->len), ERR_VERSION);
    fx->bytes[8]--;
}

static void checksum_lies_in_the_header_and_covers_the_rest(void **state)
{
    const struct fixture *fx = *state;
    struct span covered;
    struct span sum = persona_image_checksum(fx->image, &covered);
    assert_int_equal(sum.len, PERSONA_SHA256_BYTES);
    assert_true(sum.data > fx->bytes && sum.data + sum.len <= covered.data);
    assert_ptr_equal(covered.data + covered.len, fx->bytes + fx->len);
}

static void corpus_leads_nowhere(void **state)
{
    const struct fixture *fx = *state;
    for (int i = 0; i < fx->corpus_count; i++) {
        size_t len;
        uint8_t *bytes = load(fx->corpus[i], &len);
        (void)open_and_walk(bytes, len);
        free(bytes);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    struct fixture fx = {.corpus = argv + 2, .corpus_count = argc - 2};
    fx.bytes = load(argv[1], &fx.len);
    if (persona_image_open(span_of(fx.bytes, fx.len), &fx.image) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(files_have_their_contents_and_modes, &fx),
        cmocka_unit_test_prestate(the_page_after_a_files_end_is_zero, &fx),
        cmocka_unit_test_prestate(packed_contents_come_back_block_by_block, &fx),
        cmocka_unit_test_prestate(a_damaged_block_is_told_and_a_wrong_table_refused, &fx),
        cmocka_unit_test_prestate(hard_links_are_one_inode_and_equal_contents_one_copy, &fx),
        cmocka_unit_test_prestate(lookup_follows_links_as_the_kernel_does, &fx),
        cmocka_unit_test_prestate(directories_list_their_names_in_order, &fx),
        cmocka_unit_test_prestate(devices_and_pipes_are_told_apart, &fx),
        cmocka_unit_test_prestate(what_is_not_there_is_zero, &fx),
        cmocka_unit_test_prestate(no_byte_of_header_and_tables_can_lead_outside, &fx),
        cmocka_unit_test_prestate(a_shorter_image_is_refused, &fx),
        cmocka_unit_test_prestate(another_version_is_told, &fx),
        cmocka_unit_test_prestate(checksum_lies_in_the_header_and_covers_the_rest, &fx),
        cmocka_unit_test_prestate(corpus_leads_nowhere, &fx),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    persona_image_close(fx.image);
    free(fx.bytes);
    return failed;
}
