/* Reaches src/reel/proxy_header.c: a header as anybody might send it. What is understood is not
 * understood from fewer bytes, and what is written for it means the same. */
#include <reel/reel.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 300 };

static void check_same(const struct reel_address *a, const struct reel_address *b)
{
    char one[REEL_ADDRESS_TEXT_MAX], two[REEL_ADDRESS_TEXT_MAX];
    assert(strcmp(reel_address_text(a, one, sizeof(one)), reel_address_text(b, two, sizeof(two))) ==
           0);
}

static void check_again(const struct reel_proxy_header *header)
{
    struct reel_proxy_header again, copy = *header;
    uint8_t out[REEL_PROXY_OWN_MAX];
    for (copy.version = 1; copy.version <= 2; copy.version++) {
        size_t size = reel_proxy_compose(&copy, out);
        assert(size <= sizeof(out));
        assert(reel_proxy_parse(out, size, MAX, &again) == (int)size);
        assert(again.version == copy.version);
        check_same(&copy.source, &again.source);
        check_same(&copy.destination, &again.destination);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reel_proxy_header header, again;
    uint8_t *copy = malloc(size + 1); /* of this size, so that a read past the end is seen */
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    int taken = reel_proxy_parse(copy, size, MAX, &header);
    assert(taken == -EPROTO || (taken >= 0 && taken <= MAX && (size_t)taken <= size));
    assert(taken != 0 || size < MAX);
    for (int cut = 0; cut < taken; cut++)
        assert(reel_proxy_parse(copy, (size_t)cut, MAX, &again) == 0);
    if (taken > 0)
        check_again(&header);
    free(copy);
    return 0;
}
