#include "reel/websocket/handshake.h"

#include "http/token.h"
#include "reel/base64.h"
#include "reel/text.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

bool reel_ws_is_key(const char *key, size_t len)
{
    if (len != WS_KEY_LEN || memcmp(key + len - 2, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < len - 2; i++) {
        char lower = (char)(key[i] | 32);
        bool is_digit = key[i] >= '0' && key[i] <= '9';
        if (!is_digit && !(lower >= 'a' && lower <= 'z') && key[i] != '+' && key[i] != '/')
            return false;
    }
    return true;
}

void reel_ws_accept_key(const char *key, char out_z[WS_ACCEPT_LEN + 1])
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[WS_KEY_LEN + sizeof(magic) - 1];
    uint8_t hash[EVP_MAX_MD_SIZE] = {0};
    memcpy(text, key, WS_KEY_LEN);
    memcpy(text + WS_KEY_LEN, magic, sizeof(magic) - 1);
    EVP_Digest(text, sizeof(text), hash, NULL, EVP_sha1(), NULL);
    out_z[reel_base64(out_z, hash, 20)] = '\0';
}

bool reel_ws_choose_protocol(const char *ours_z, const char *theirs, size_t len,
                             char out_z[WS_PROTOCOL_MAX])
{
    struct span rest = text_z(ours_z), ours;
    while (http_list_next(&rest, &ours)) {
        struct span list = text_of(theirs, len), their;
        while (http_list_next(&list, &their)) {
            if (!text_equal(ours, their) || ours.len >= WS_PROTOCOL_MAX)
                continue;
            text_copy_z(ours, out_z);
            return true;
        }
    }
    return false;
}

bool reel_ws_is_same_origin(const char *origin, size_t origin_len, const char *host,
                            size_t host_len)
{
    const char *at = origin_len ? memmem(origin, origin_len, "://", 3) : NULL;
    if (!at)
        return false;
    at += 3;
    return origin_len - (size_t)(at - origin) == host_len && strncasecmp(at, host, host_len) == 0;
}
