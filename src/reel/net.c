#include <reel/net.h>

#include "reel/source_key.h"

#include <errno.h>
#include <string.h>

enum { TEXT_MAX = 64 };

static int parse_bits(const char *text_z, int max)
{
    int bits = 0, digits = 0;
    for (; *text_z >= '0' && *text_z <= '9' && digits < 3; text_z++, digits++)
        bits = bits * 10 + (*text_z - '0');
    return digits && !*text_z && bits <= max ? bits : -EINVAL;
}

int reel_net_set(struct reel_net *out, const char *text_z)
{
    char host_z[TEXT_MAX];
    struct reel_address address;
    *out = (struct reel_net){0};
    if (strcmp(text_z, "unix") == 0) {
        out->family = 1;
        return 0;
    }
    const char *slash_z = strchr(text_z, '/');
    size_t len = slash_z ? (size_t)(slash_z - text_z) : strlen(text_z);
    if (len >= sizeof(host_z))
        return -EINVAL;
    memcpy(host_z, text_z, len);
    host_z[len] = '\0';
    if (reel_address_set(&address, host_z, 0) < 0)
        return -EINVAL;
    struct source_key key = reel_source_key(&address);
    int max = key.family == 4 ? 32 : 128;
    int bits = slash_z ? parse_bits(slash_z + 1, max) : max;
    struct source_key cut = key;
    reel_source_key_cut(&cut, bits);
    if (bits < 0 || memcmp(&cut, &key, sizeof(key)) != 0)
        return -EINVAL;
    out->family = key.family;
    out->bits = (uint8_t)bits;
    memcpy(out->bytes, key.bytes, sizeof(out->bytes));
    return 0;
}

bool reel_net_has(const struct reel_net *net, const struct reel_address *address)
{
    struct source_key key = reel_source_key(address);
    reel_source_key_cut(&key, net->bits);
    return key.family == net->family && memcmp(key.bytes, net->bytes, sizeof(key.bytes)) == 0;
}

bool reel_nets_have(const struct reel_net *nets, size_t count, const struct reel_address *address)
{
    for (size_t i = 0; i < count; i++)
        if (reel_net_has(&nets[i], address))
            return true;
    return false;
}
