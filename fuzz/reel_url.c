/* Reaches src/reel/url.c: a URL, and what stands behind the first line end as a reference on it.
 * The parts lie in the text, and what is joined is a URL that joins to itself. */
#include <reel/url.h>

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(const char *part, size_t len, const char *text, size_t text_len)
{
    assert(len == 0 || (part >= text && part + len <= text + text_len));
    for (size_t i = 0; i < len; i++)
        assert(part[i] > ' ' && part[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char joined[REEL_URL_MAX + 1], again[REEL_URL_MAX + 1];
    const char *base = (const char *)data;
    const char *end = size ? memchr(data, '\n', size) : NULL;
    size_t base_len = end ? (size_t)(end - base) : size;
    struct reel_url url;
    if (reel_url_parse(base, base_len, &url) < 0)
        return 0;
    check_inside(url.scheme, url.scheme_len, base, base_len);
    check_inside(url.user, url.user_len, base, base_len);
    check_inside(url.host, url.host_len, base, base_len);
    check_inside(url.target, url.target_len, base, base_len);
    check_inside(url.fragment, url.fragment_len, base, base_len);
    assert(url.host_len > 0 && url.host_len <= REEL_URL_HOST_MAX);
    const char *reference = end ? end + 1 : "";
    size_t reference_len = end ? size - base_len - 1 : 0;
    int len = reel_url_join(base, base_len, reference, reference_len, joined, sizeof(joined));
    if (len < 0)
        return 0;
    assert(strlen(joined) == (size_t)len);
    int again_len = reel_url_join(base, base_len, joined, (size_t)len, again, sizeof(again));
    assert(again_len == len && memcmp(joined, again, (size_t)len) == 0);
    return 0;
}
