#include "reel/source_key.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

struct source_key reel_source_key(const struct reel_address *address)
{
    struct source_key key = {0};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    int family = address->length ? address->storage.ss_family : AF_UNSPEC;
    memcpy(&v4, &address->storage, sizeof(v4));
    memcpy(&v6, &address->storage, sizeof(v6));
    if (family == AF_UNIX)
        key.family = 1;
    if (family == AF_INET) {
        key.family = 4;
        memcpy(key.bytes, &v4.sin_addr, 4);
    }
    if (family == AF_INET6) {
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
        key.family = mapped ? 4 : 6;
        memcpy(key.bytes, v6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
    return key;
}

void reel_source_key_cut(struct source_key *key, int bits)
{
    for (size_t i = 0; i < sizeof(key->bytes); i++, bits -= 8) {
        unsigned kept = bits <= 0 ? 0 : bits < 8 ? 0xffu << (8 - bits) : 0xffu;
        key->bytes[i] = (uint8_t)(key->bytes[i] & kept);
    }
}
