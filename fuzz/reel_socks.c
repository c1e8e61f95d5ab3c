/* Reaches src/reel/socks_message.c: the first byte says the stage, the rest comes from a client. What
 * is understood is not understood from fewer bytes, and its texts are texts. */
#include "reel/socks_message.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(enum socks_stage stage, const uint8_t *data, size_t len)
{
    struct socks_message message, again;
    int size = reel_socks_parse(stage, data, len, &message);
    assert(size == -EPROTO || (size >= 0 && (size_t)size <= len));
    assert(memchr(message.host_z, '\0', sizeof(message.host_z)));
    assert(memchr(message.user_z, '\0', sizeof(message.user_z)));
    assert(memchr(message.password_z, '\0', sizeof(message.password_z)));
    assert(size != 0 || len < SOCKS_MESSAGE_MAX);
    if (size <= 0)
        return;
    assert(size <= SOCKS_MESSAGE_MAX);
    for (size_t cut = 1; cut < (size_t)size; cut++)
        assert(reel_socks_parse(stage, data, cut, &again) == 0);
    if (stage == SOCKS_REQUEST && !message.bad_address)
        assert(message.host_z[0]);
    uint8_t reply[SOCKS_REPLY_MAX];
    struct reel_address address;
    if (reel_address_set(&address, message.host_z, message.port) < 0)
        address.length = 0;
    assert(reel_socks_reply(message.version, reel_socks_result(0), &address, reply) <=
           SOCKS_REPLY_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint8_t *copy = malloc(size - 1); /* of this size, so that a read past the end is seen */
    if (!copy)
        return 0;
    memcpy(copy, data + 1, size - 1);
    check((enum socks_stage)(data[0] % 3), copy, size - 1);
    free(copy);
    return 0;
}
