/* URLs and references. */
#include "helper.h"

#include <reel/url.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(const char *part, size_t len, const char *want_z)
{
    if (len != strlen(want_z) || memcmp(part, want_z, len) != 0)
        fail_msg("%.*s is not %s", (int)len, part, want_z);
}

static void urls_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text_z, *scheme_z, *user_z, *host_z;
        uint16_t port;
        const char *target_z, *fragment_z;
    } cases[] = {
        {"http://example.org", "http", "", "example.org", 80, "", ""},
        {"HTTPS://example.org/", "HTTPS", "", "example.org", 443, "/", ""},
        {"ws://a:1/x?y=z#f", "ws", "", "a", 1, "/x?y=z", "f"},
        {"wss://[::1]", "wss", "", "::1", 443, "", ""},
        {"wss://[2001:db8::1]:65535?", "wss", "", "2001:db8::1", 65535, "?", ""},
        {"http://u:p@h_1/", "http", "u:p", "h_1", 80, "/", ""},
        {"http://h:/x#", "http", "", "h", 80, "/x", ""},
        {"x+y.z-1://h/#a?b", "x+y.z-1", "", "h", 0, "/", "a?b"},
        {"http://1.2.3.4?a/b@c", "http", "", "1.2.3.4", 80, "?a/b@c", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reel_url url;
        assert_int_equal(reel_url_parse(cases[i].text_z, strlen(cases[i].text_z), &url), 0);
        expect(url.scheme, url.scheme_len, cases[i].scheme_z);
        expect(url.user, url.user_len, cases[i].user_z);
        expect(url.host, url.host_len, cases[i].host_z);
        expect(url.target, url.target_len, cases[i].target_z);
        expect(url.fragment, url.fragment_len, cases[i].fragment_z);
        assert_int_equal(url.port, cases[i].port);
        assert_true(reel_url_is(&url, cases[i].scheme_z));
        assert_false(reel_url_is(&url, "htt"));
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "http",
                                      "http:",
                                      "http:/a",
                                      "//a",
                                      "http://",
                                      "http:///x",
                                      "http://a b/",
                                      "http://a/\r\nX: y",
                                      "http://a/\xc3\xa4",
                                      "http://a:x/",
                                      "http://a:65536/",
                                      "http://a:0/",
                                      "http://a:99999999999999999999/",
                                      "http://[::1/",
                                      "http://[::1]x/",
                                      "http://[::g]/",
                                      "http://[]/",
                                      "http://a@b@c/",
                                      "http://a%2eb/",
                                      "http://a,b/",
                                      "1http://a/",
                                      "http://a\\b/",
                                      "http://a/<x>",
                                      NULL};
    struct reel_url url;
    for (size_t i = 0; bad[i]; i++)
        if (reel_url_parse(bad[i], strlen(bad[i]), &url) != -EINVAL)
            fail_msg("%s is taken", bad[i]);
    char long_z[REEL_URL_MAX + 2];
    memset(long_z, 'a', sizeof(long_z));
    memcpy(long_z, "http://", 7);
    assert_int_equal(reel_url_parse(long_z, REEL_URL_MAX + 1, &url), -ENAMETOOLONG);
    assert_int_equal(reel_url_parse(long_z, 7 + REEL_URL_HOST_MAX + 1, &url), -ENAMETOOLONG);
    assert_int_equal(reel_url_parse(long_z, 7 + REEL_URL_HOST_MAX, &url), 0);
    assert_int_equal(reel_url_parse("http://a\0b/", 11, &url), -EINVAL);
}

/* RFC 3986, 5.4, and some more. */
static void references_are_joined_as_the_rfc_says(void **state)
{
    (void)state;
    static const char base_z[] = "http://a/b/c/d;p?q";
    static const struct {
        const char *reference_z, *want_z;
    } cases[] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {"g?y#s", "http://a/b/c/g?y#s"},
        {";x", "http://a/b/c/;x"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"https://x:1/../y", "https://x:1/y"},
        {"//u@x/y", "http://u@x/y"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];
        const char *ref_z = cases[i].reference_z;
        int len = reel_url_join(base_z, strlen(base_z), ref_z, strlen(ref_z), out, sizeof(out));
        assert_true(len > 0);
        assert_string_equal(out, cases[i].want_z);
        assert_int_equal(
            reel_url_join(base_z, strlen(base_z), ref_z, strlen(ref_z), out, (size_t)len),
            -ENAMETOOLONG);
    }
    char out[64];
    assert_int_equal(reel_url_join("http://a", 8, "x", 1, out, sizeof(out)), 10);
    assert_string_equal(out, "http://a/x");
    assert_int_equal(reel_url_join("http://a", 8, "mailto:x", 8, out, sizeof(out)), -EINVAL);
    assert_int_equal(reel_url_join("http://a", 8, "/a b", 4, out, sizeof(out)), -EINVAL);
    assert_int_equal(reel_url_join("a", 1, "/ab", 3, out, sizeof(out)), -EINVAL);
    assert_int_equal(reel_url_join("http://a", 8, "http:x", 6, out, sizeof(out)), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(references_are_joined_as_the_rfc_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
