/* The header of the PROXY protocol, read and written. Sections are those of proxy-protocol.txt. */
#include <reel/proxy.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const uint8_t signature[] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                    '\n', 'Q',  'U',  'I',  'T', '\n'};

enum {
    V1_MAX = 107, /* with its CRLF (2.1) */
    V2_HEAD = 16,
    V2_UNIX = 216,
    WORDS_MAX = 6,
};

static struct reel_address v4_address(const uint8_t *bytes, const uint8_t *port)
{
    struct reel_address address = {.length = sizeof(struct sockaddr_in)};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    memcpy(&v4.sin_addr, bytes, 4);
    memcpy(&v4.sin_port, port, 2);
    memcpy(&address.storage, &v4, sizeof(v4));
    return address;
}

static struct reel_address v6_address(const uint8_t *bytes, const uint8_t *port)
{
    struct reel_address address = {.length = sizeof(struct sockaddr_in6)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    memcpy(&v6.sin6_addr, bytes, 16);
    memcpy(&v6.sin6_port, port, 2);
    memcpy(&address.storage, &v6, sizeof(v6));
    return address;
}

/* ---- Version 1 (2.1) ---- */

/* Decimal, without leading zeros. */
static int parse_port(const char *text_z, uint8_t port[2])
{
    uint32_t value = 0;
    size_t digits = 0;
    for (; text_z[digits] >= '0' && text_z[digits] <= '9' && digits < 5; digits++)
        value = value * 10 + (uint32_t)(text_z[digits] - '0');
    if (digits == 0 || text_z[digits] || value > UINT16_MAX || (text_z[0] == '0' && digits > 1))
        return -EPROTO;
    port[0] = (uint8_t)(value >> 8);
    port[1] = (uint8_t)value;
    return 0;
}

static int parse_v1_address(int family, const char *host_z, const char *port_z,
                            struct reel_address *out)
{
    uint8_t bytes[16], port[2];
    if (inet_pton(family, host_z, bytes) != 1 || parse_port(port_z, port) < 0)
        return -EPROTO;
    *out = family == AF_INET ? v4_address(bytes, port) : v6_address(bytes, port);
    return 0;
}

/* At single spaces. More than there may be, or an empty one: -EPROTO. */
static int split(char *line_z, char *words_z[WORDS_MAX])
{
    int count = 0;
    for (char *at_z = line_z; at_z; count++) {
        char *space_z = strchr(at_z, ' ');
        if (count == WORDS_MAX || !*at_z || at_z == space_z)
            return -EPROTO;
        words_z[count] = at_z;
        if (space_z)
            *space_z++ = '\0';
        at_z = space_z;
    }
    return count;
}

static int parse_v1_line(char *line_z, struct reel_proxy_header *out)
{
    char *words_z[WORDS_MAX] = {NULL};
    if (strncmp(line_z, "PROXY UNKNOWN", 13) == 0 && (line_z[13] == ' ' || !line_z[13]))
        return 0; /* the rest is of no interest */
    if (split(line_z, words_z) != WORDS_MAX || strcmp(words_z[0], "PROXY") != 0)
        return -EPROTO;
    int family = strcmp(words_z[1], "TCP4") == 0   ? AF_INET
                 : strcmp(words_z[1], "TCP6") == 0 ? AF_INET6
                                                   : AF_UNSPEC;
    if (family == AF_UNSPEC || parse_v1_address(family, words_z[2], words_z[4], &out->source) < 0)
        return -EPROTO;
    return parse_v1_address(family, words_z[3], words_z[5], &out->destination);
}

static int parse_v1(const uint8_t *data, size_t len, size_t max, struct reel_proxy_header *out)
{
    char line_z[V1_MAX + 1];
    max = max < V1_MAX ? max : V1_MAX;
    const uint8_t *end = memchr(data, '\n', len < max ? len : max);
    if (!end)
        return len < max ? 0 : -EPROTO;
    size_t size = (size_t)(end - data) + 1;
    if (size < 2 || end[-1] != '\r' || memchr(data, '\0', size))
        return -EPROTO;
    memcpy(line_z, data, size - 2);
    line_z[size - 2] = '\0';
    out->version = 1;
    return parse_v1_line(line_z, out) < 0 ? -EPROTO : (int)size;
}

/* ---- Version 2 (2.2) ---- */

/* Of each address family, in the high half of the byte: bytes of addresses and ports. */
static int addresses_size(uint8_t family)
{
    if ((family & 0xf) > 2)
        return -EPROTO;
    switch (family >> 4) {
    case 0: return 0;
    case 1: return 12;
    case 2: return 36;
    case 3: return V2_UNIX;
    default: return -EPROTO;
    }
}

/* A type, two bytes of length, a value; up to the end (2.2.1). */
static bool are_tlvs(const uint8_t *data, size_t len)
{
    while (len >= 3) {
        size_t size = 3 + ((size_t)data[1] << 8 | data[2]);
        if (size > len)
            return false;
        data += size;
        len -= size;
    }
    return len == 0;
}

static int parse_v2_body(uint8_t command, uint8_t family, const uint8_t *data, size_t len,
                         struct reel_proxy_header *out)
{
    if (command == 0x20) { /* LOCAL: the rest must be skipped, whatever it is */
        out->local = true;
        return 0;
    }
    int size = addresses_size(family);
    if (command != 0x21 || size < 0 || (size_t)size > len)
        return -EPROTO;
    if (family >> 4 == 1) {
        out->source = v4_address(data, data + 8);
        out->destination = v4_address(data + 4, data + 10);
    } else if (family >> 4 == 2) {
        out->source = v6_address(data, data + 32);
        out->destination = v6_address(data + 16, data + 34);
    }
    /* What is behind an unspecified family need not be TLVs. */
    return size == 0 || are_tlvs(data + size, len - (size_t)size) ? 0 : -EPROTO;
}

static int parse_v2(const uint8_t *data, size_t len, size_t max, struct reel_proxy_header *out)
{
    if (len < V2_HEAD)
        return max < V2_HEAD ? -EPROTO : 0;
    size_t body = (size_t)data[14] << 8 | data[15];
    if (V2_HEAD + body > max)
        return -EPROTO;
    if (len < V2_HEAD + body)
        return 0;
    out->version = 2;
    int err = parse_v2_body(data[12], data[13], data + V2_HEAD, body, out);
    return err < 0 ? err : (int)(V2_HEAD + body);
}

static bool begins_like(const uint8_t *data, size_t len, const void *prefix, size_t size)
{
    return memcmp(data, prefix, len < size ? len : size) == 0;
}

int reel_proxy_parse(const uint8_t *data, size_t len, size_t max, struct reel_proxy_header *out)
{
    *out = (struct reel_proxy_header){0};
    if (len && begins_like(data, len, signature, sizeof(signature)))
        return parse_v2(data, len, max, out);
    if (len && begins_like(data, len, "PROXY ", 6))
        return parse_v1(data, len, max, out);
    return len ? -EPROTO : 0;
}

/* ---- Writing ---- */

/* Of both addresses; AF_UNSPEC: they are not to be told. */
static int family_of(const struct reel_proxy_header *header)
{
    int family = header->source.length ? header->source.storage.ss_family : AF_UNSPEC;
    bool same = header->destination.length && header->destination.storage.ss_family == family;
    return same && (family == AF_INET || family == AF_INET6) && !header->local ? family : AF_UNSPEC;
}

static void numbers_of(const struct reel_address *address, uint8_t bytes[16], uint8_t port[2])
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memcpy(&v4, &address->storage, sizeof(v4));
    memcpy(&v6, &address->storage, sizeof(v6));
    memcpy(port, &v4.sin_port, 2); /* at the same place in both */
    if (v4.sin_family == AF_INET)
        memcpy(bytes, &v4.sin_addr, 4);
    else
        memcpy(bytes, &v6.sin6_addr, 16);
}

static size_t compose_v1(const struct reel_proxy_header *header, uint8_t *out, size_t size)
{
    int family = family_of(header);
    char source_z[INET6_ADDRSTRLEN], destination_z[INET6_ADDRSTRLEN];
    uint8_t bytes[16], port[2];
    if (family == AF_UNSPEC)
        return (size_t)snprintf((char *)out, size, "PROXY UNKNOWN\r\n");
    numbers_of(&header->source, bytes, port);
    inet_ntop(family, bytes, source_z, sizeof(source_z));
    numbers_of(&header->destination, bytes, port);
    inet_ntop(family, bytes, destination_z, sizeof(destination_z));
    return (size_t)snprintf(
        (char *)out, size, "PROXY TCP%c %s %s %u %u\r\n", family == AF_INET ? '4' : '6', source_z,
        destination_z, reel_address_port(&header->source), reel_address_port(&header->destination));
}

static size_t compose_v2(const struct reel_proxy_header *header, uint8_t *out)
{
    int family = family_of(header);
    size_t size = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
    size_t body = size ? 2 * size + 4 : 0;
    uint8_t bytes[16], port[2];
    memcpy(out, signature, sizeof(signature));
    out[12] = header->local ? 0x20 : 0x21;
    out[13] = size == 4 ? 0x11 : size == 16 ? 0x21 : 0;
    out[14] = 0;
    out[15] = (uint8_t)body;
    if (size) {
        numbers_of(&header->source, bytes, port);
        memcpy(out + V2_HEAD, bytes, size);
        memcpy(out + V2_HEAD + 2 * size, port, 2);
        numbers_of(&header->destination, bytes, port);
        memcpy(out + V2_HEAD + size, bytes, size);
        memcpy(out + V2_HEAD + 2 * size + 2, port, 2);
    }
    return V2_HEAD + body;
}

size_t reel_proxy_compose(const struct reel_proxy_header *header, uint8_t out[REEL_PROXY_OWN_MAX])
{
    return header->version == 2 ? compose_v2(header, out)
                                : compose_v1(header, out, REEL_PROXY_OWN_MAX);
}
