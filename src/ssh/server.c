#include "ssh/server.h"

#include "base/error.h"
#include "ssh/names.h"

#include <stdlib.h>
#include <string.h>

typedef bool (*is_built)(const struct ssh_server *server, struct span name);

/* Names that are no methods, but tell what the server can do. */
static bool is_marker(struct span name)
{
    static const char *const markers_z[] = {"kex-strict-s-v00@openssh.com", "ext-info-s",
                                            "kexguess2@matt.ucc.asn.au"};
    for (size_t i = 0; i < ARRAY_LEN(markers_z); i++)
        if (span_equal_z(name, markers_z[i]))
            return true;
    return false;
}

static bool kex_is_built(const struct ssh_server *server, struct span name)
{
    const struct ssh_kex_method *method = ssh_kex_method_find(name);
    if (method && method->kind == SSH_KEX_GEX)
        return server->moduli.count > 0;
    return method || is_marker(name);
}

static bool hostkey_is_there(const struct ssh_server *server, struct span name)
{
    const struct ssh_signature *signature = ssh_signature_find(name);
    return signature && server->hostkeys[signature->type];
}

static bool cipher_is_built(const struct ssh_server *server, struct span name)
{
    (void)server;
    return ssh_cipher_find(name) != NULL;
}

static bool mac_is_built(const struct ssh_server *server, struct span name)
{
    (void)server;
    return ssh_mac_find(name) != NULL;
}

static bool compression_is_built(const struct ssh_server *server, struct span name)
{
    (void)server;
    return span_equal_z(name, "none") || span_equal_z(name, "zlib@openssh.com");
}

/* Copies the names that are built, in their order. */
static int filter(const struct ssh_server *server, const char *names_z, is_built built,
                  char out_z[SSH_NAMES_MAX_BYTES])
{
    struct span list = span_z(names_z), name;
    size_t len = 0;
    while (ssh_names_next(&list, &name)) {
        if (!built(server, name))
            continue;
        if (len + 1 + name.len + 1 > SSH_NAMES_MAX_BYTES)
            return ERR_FULL;
        if (len)
            out_z[len++] = ',';
        memcpy(out_z + len, name.data, name.len);
        len += name.len;
    }
    out_z[len] = '\0';
    return 0;
}

static int filter_all(struct ssh_server *server)
{
    const struct ssh_profile *profile = server->profile;
    int err = filter(server, profile->kex_z, kex_is_built, server->kex_z);
    if (err == 0)
        err = filter(server, profile->hostkey_z, hostkey_is_there, server->hostkey_z);
    if (err == 0)
        err = filter(server, profile->cipher_z, cipher_is_built, server->cipher_z);
    if (err == 0)
        err = filter(server, profile->mac_z, mac_is_built, server->mac_z);
    if (err == 0)
        err = filter(server, profile->compression_z, compression_is_built, server->compression_z);
    return err;
}

static int load_key(struct ssh_server *server, struct span pem)
{
    int err;
    struct ssh_hostkey *key = ssh_hostkey_load(pem, &err);
    if (!key)
        return err;
    enum ssh_hostkey_type type = ssh_hostkey_type(key);
    if (server->hostkeys[type]) {
        ssh_hostkey_free(key);
        return ERR_MALFORMED;
    }
    server->hostkeys[type] = key;
    return 0;
}

static int derive_timing_secret(struct ssh_server *server, const struct span *keys_pem,
                                size_t key_count)
{
    uint8_t digest[CRYPTO_DIGEST_MAX_BYTES];
    int err = crypto_digest_parts(server->suite, CRYPTO_SHA512, keys_pem, key_count, digest);
    for (size_t i = 0; err == 0 && i < 8; i++)
        server->timing_secret = server->timing_secret << 8 | digest[i];
    crypto_wipe(digest, sizeof(digest));
    return err;
}

static int set_up(struct ssh_server *server, const struct span *keys_pem, size_t key_count)
{
    int err = 0;
    server->suite = crypto_suite_new();
    if (!server->suite)
        return ERR_CRYPTO;
    for (size_t i = 0; err == 0 && i < key_count; i++)
        err = load_key(server, keys_pem[i]);
    if (err == 0)
        err = derive_timing_secret(server, keys_pem, key_count);
    return err < 0 ? err : filter_all(server);
}

struct ssh_server *ssh_server_new(const struct ssh_profile *profile, const struct span *keys_pem,
                                  size_t key_count, int *err)
{
    struct ssh_server *server = calloc(1, sizeof(*server));
    int code = ERR_NOMEM;
    if (server) {
        server->profile = profile;
        code = set_up(server, keys_pem, key_count);
    }
    if (code < 0) {
        ssh_server_free(server);
        server = NULL;
    }
    if (err)
        *err = code;
    return server;
}

void ssh_server_set_key_log(struct ssh_server *server, bool on)
{
    server->key_log = on;
}

void ssh_server_set_waits(struct ssh_server *server, bool on)
{
    server->waits = on;
}

const struct ssh_profile *ssh_server_profile(const struct ssh_server *server)
{
    return server->profile;
}

bool ssh_server_drops(const struct ssh_server *server, uint32_t startups, uint32_t of_one,
                      struct crypto_rng *rng)
{
    const struct ssh_profile *p = server->profile;
    if (p->startups_of_one > 0 && of_one >= p->startups_of_one)
        return true;
    if (p->startups_full == 0 || startups < p->startups_begin)
        return false;
    if (startups >= p->startups_full)
        return true;
    uint32_t chance = p->startups_rate + (100 - p->startups_rate) * (startups - p->startups_begin) /
                                             (p->startups_full - p->startups_begin);
    return crypto_rng_u32(rng) % 100 < chance;
}

int ssh_server_set_moduli(struct ssh_server *server, struct span text)
{
    ssh_moduli_parse(text, &server->moduli);
    return filter_all(server);
}

void ssh_server_free(struct ssh_server *server)
{
    if (!server)
        return;
    for (size_t i = 0; i < SSH_HOSTKEY_TYPES; i++)
        ssh_hostkey_free(server->hostkeys[i]);
    crypto_suite_free(server->suite);
    free(server);
}
