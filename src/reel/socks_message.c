#include "reel/socks_message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* What is left of a message. Once `short_of` is set all that is read is zero. */
struct cursor {
    const uint8_t *at;
    size_t left;
    bool short_of;
};

static const uint8_t *take(struct cursor *c, size_t len)
{
    static const uint8_t zeros[SOCKS_TEXT_MAX];
    if (c->short_of || c->left < len) {
        c->short_of = true;
        return zeros;
    }
    const uint8_t *at = c->at;
    c->at += len;
    c->left -= len;
    return at;
}

static uint8_t take_u8(struct cursor *c)
{
    return *take(c, 1);
}

static uint16_t take_u16(struct cursor *c)
{
    const uint8_t *at = take(c, 2);
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* A byte of length, then text. False: there is a NUL in it. */
static bool take_text(struct cursor *c, char out_z[SOCKS_TEXT_MAX + 1])
{
    size_t len = take_u8(c);
    const uint8_t *at = take(c, len);
    memcpy(out_z, at, len);
    out_z[len] = '\0';
    return c->short_of || !memchr(at, '\0', len);
}

/* Text up to a NUL. False: it is longer than it may be. */
static bool take_text_z(struct cursor *c, char out_z[SOCKS_TEXT_MAX + 1])
{
    const uint8_t *end = c->short_of ? NULL : memchr(c->at, '\0', c->left);
    size_t len = end ? (size_t)(end - c->at) : c->left;
    if (len > SOCKS_TEXT_MAX)
        return false;
    memcpy(out_z, take(c, len), len);
    out_z[len] = '\0';
    take_u8(c);
    return true;
}

static bool is_name(const char *host_z)
{
    for (const char *at = host_z; *at; at++)
        if (*at <= ' ' || *at > '~')
            return false;
    return *host_z != '\0';
}

/* "SOCKS: A protocol for TCP proxy across firewalls"; 4a: an address of 0.0.0.x, and a name at the
 * end. */
static bool parse_v4(struct cursor *c, struct socks_message *out)
{
    out->command = take_u8(c);
    out->port = take_u16(c);
    const uint8_t *v4 = take(c, 4);
    bool named = !c->short_of && v4[0] == 0 && v4[1] == 0 && v4[2] == 0 && v4[3] != 0;
    if (!named)
        inet_ntop(AF_INET, v4, out->host_z, sizeof(out->host_z));
    if (!take_text_z(c, out->user_z))
        return false;
    if (!named || c->short_of)
        return true;
    return take_text_z(c, out->host_z) && (c->short_of || is_name(out->host_z));
}

static bool parse_greeting(struct cursor *c, struct socks_message *out)
{
    out->version = take_u8(c);
    if (out->version == 4)
        return parse_v4(c, out);
    size_t count = take_u8(c);
    const uint8_t *methods = take(c, count);
    out->offers_none = memchr(methods, 0, count);
    out->offers_login = memchr(methods, 2, count);
    return out->version == 5;
}

static bool parse_login(struct cursor *c, struct socks_message *out)
{
    out->version = 5;
    bool good = take_u8(c) == 1 || c->short_of;
    return good && take_text(c, out->user_z) && take_text(c, out->password_z);
}

static bool parse_address(struct cursor *c, struct socks_message *out)
{
    int type = take_u8(c);
    if (c->short_of)
        return true;
    switch (type) {
    case 1: inet_ntop(AF_INET, take(c, 4), out->host_z, sizeof(out->host_z)); return true;
    case 3: return take_text(c, out->host_z) && (c->short_of || is_name(out->host_z));
    case 4: inet_ntop(AF_INET6, take(c, 16), out->host_z, sizeof(out->host_z)); return true;
    default: out->bad_address = true; return true;
    }
}

static bool parse_request(struct cursor *c, struct socks_message *out)
{
    out->version = take_u8(c);
    if (!c->short_of && out->version != 5)
        return false;
    out->command = take_u8(c);
    take_u8(c);
    if (!parse_address(c, out))
        return false;
    if (!out->bad_address)
        out->port = take_u16(c);
    return true;
}

int reel_socks_parse(enum socks_stage stage, const uint8_t *data, size_t len,
                     struct socks_message *out)
{
    static bool (*const parsers[])(struct cursor * c, struct socks_message * out) = {
        [SOCKS_GREETING] = parse_greeting,
        [SOCKS_LOGIN] = parse_login,
        [SOCKS_REQUEST] = parse_request,
    };
    struct cursor cursor = {data, len, false};
    *out = (struct socks_message){0};
    if (!parsers[stage](&cursor, out))
        return -EPROTO;
    return cursor.short_of ? 0 : (int)(cursor.at - data);
}

enum socks_result reel_socks_result(int err)
{
    switch (-err) {
    case 0: return SOCKS_OK;
    case ENETUNREACH: return SOCKS_NET_UNREACHABLE;
    case EHOSTUNREACH:
    case ETIMEDOUT:
    case EINVAL: /* of names */
    case ENODATA:
    case ENOENT: return SOCKS_HOST_UNREACHABLE;
    case ECONNREFUSED: return SOCKS_REFUSED;
    case EACCES:
    case EPERM: return SOCKS_NOT_ALLOWED;
    default: return SOCKS_FAILED;
    }
}

static size_t reply_v4(enum socks_result result, const struct reel_address *bound, uint8_t *out)
{
    struct sockaddr_in v4 = {0};
    memset(out, 0, 8);
    out[1] = result == SOCKS_OK ? 90 : result == SOCKS_NO_LOGIN ? 93 : 91;
    if (bound->length && bound->storage.ss_family == AF_INET) {
        memcpy(&v4, &bound->storage, sizeof(v4));
        memcpy(out + 2, &v4.sin_port, 2);
        memcpy(out + 4, &v4.sin_addr, 4);
    }
    return 8;
}

size_t reel_socks_reply(int version, enum socks_result result, const struct reel_address *bound,
                        uint8_t out[SOCKS_REPLY_MAX])
{
    if (version == 4)
        return reply_v4(result, bound, out);
    struct sockaddr_in v4 = {0};
    struct sockaddr_in6 v6;
    const uint8_t head[] = {5, (uint8_t)result, 0, 1};
    memcpy(out, head, sizeof(head));
    if (bound->length && bound->storage.ss_family == AF_INET6) {
        memcpy(&v6, &bound->storage, sizeof(v6));
        out[3] = 4;
        memcpy(out + 4, &v6.sin6_addr, 16);
        memcpy(out + 20, &v6.sin6_port, 2);
        return 22;
    }
    if (bound->length && bound->storage.ss_family == AF_INET)
        memcpy(&v4, &bound->storage, sizeof(v4));
    memcpy(out + 4, &v4.sin_addr, 4);
    memcpy(out + 8, &v4.sin_port, 2);
    return 10;
}
