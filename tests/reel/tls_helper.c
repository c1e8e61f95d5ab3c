#include "tls_helper.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Certificates. ---- */

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value_z)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value_z);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *certificate_new(EVP_PKEY *key, const char *subject_z, int from_days, int to_days)
{
    static long serial = 1000;
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_days * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_days * 86400L);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               (const unsigned char *)subject_z, -1, -1, 0);
    X509_set_pubkey(certificate, key);
    return certificate;
}

static void write_pem(struct pki *pki, const char *name_z, X509 *certificate, EVP_PKEY *key)
{
    FILE *file = fopen(pki_path(pki, name_z), "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    if (key)
        assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
}

void pki_open(struct pki *pki)
{
    *pki = (struct pki){.dir_z = "/tmp/reel-tls-XXXXXX"};
    assert_non_null(mkdtemp(pki->dir_z));
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *ca = certificate_new(key, "Test Authority", -1, 10);
    X509_set_issuer_name(ca, X509_get_subject_name(ca));
    extend(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
    extend(ca, ca, NID_subject_key_identifier, "hash");
    assert_true(X509_sign(ca, key, EVP_sha256()) > 0);
    write_pem(pki, "ca", ca, NULL);
    pki->key = key;
    pki->certificate = ca;
}

void pki_make(struct pki *pki, const char *name_z, const struct wish *wish)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *issuer = pki->certificate;
    X509 *certificate =
        certificate_new(key, wish->subject_z ? wish->subject_z : "localhost",
                        wish->from_days ? wish->from_days : -1, wish->to_days ? wish->to_days : 5);
    if (wish->by_itself)
        issuer = certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    extend(certificate, issuer, NID_subject_alt_name,
           wish->names_z ? wish->names_z : "DNS:localhost,IP:127.0.0.1");
    extend(certificate, issuer, NID_ext_key_usage, wish->for_clients ? "clientAuth" : "serverAuth");
    assert_true(X509_sign(certificate, wish->by_itself ? key : pki->key, EVP_sha256()) > 0);
    write_pem(pki, name_z, certificate, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

const char *pki_path(struct pki *pki, const char *name_z)
{
    snprintf(pki->path_z, sizeof(pki->path_z), "%s/%s.pem", pki->dir_z, name_z);
    return pki->path_z;
}

void pki_close(struct pki *pki)
{
    DIR *dir = opendir(pki->dir_z);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(pki->dir_z);
    X509_free(pki->certificate);
    EVP_PKEY_free(pki->key);
}

/* ---- An end. ---- */

static void copy_text(char *out_z, size_t size, const char *text_z)
{
    snprintf(out_z, size, "%s", text_z ? text_z : "");
}

static void look_at(struct side *s, struct reel_transport *t)
{
    size_t len = 0;
    const char *alpn = reel_tls_alpn(t, &len);
    snprintf(s->alpn_z, sizeof(s->alpn_z), "%.*s", (int)len, alpn ? alpn : "");
    copy_text(s->version_z, sizeof(s->version_z), reel_tls_version(t));
    copy_text(s->cipher_z, sizeof(s->cipher_z), reel_tls_cipher(t));
    copy_text(s->name_z, sizeof(s->name_z), reel_tls_server_name(t));
    if (reel_tls_peer_subject(t, s->subject_z, sizeof(s->subject_z)) < 0)
        s->subject_z[0] = '\0';
    s->resumed = reel_tls_was_resumed(t);
    s->verified = reel_tls_peer_is_verified(t);
    if (s->say_z)
        assert_int_equal(reel_write(t, s->say_z, strlen(s->say_z)), 0);
}

static void side_made(struct reel_transport *t)
{
    struct side *s = reel_shared(t);
    s->made++;
    s->t = t;
    look_at(s, t);
}

static void side_upgraded(struct reel_transport *t)
{
    struct side *s = reel_shared(t);
    s->upgraded++;
    look_at(s, t);
}

static size_t side_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct side *s = reel_shared(t);
    for (size_t i = 0; i < len && s->received + i + 1 < sizeof(s->data); i++)
        s->data[s->received + i] = (char)data[i];
    s->received += len;
    return s->echoes && reel_write(t, data, len) < 0 ? 0 : len;
}

static void side_eof(struct reel_transport *t)
{
    ((struct side *)reel_shared(t))->eof++;
}

static void side_ended(struct reel_transport *t, int reason)
{
    struct side *s = reel_shared(t);
    s->reason = reason;
    s->t = NULL;
    copy_text(s->error_z, sizeof(s->error_z), reel_tls_error_text(t));
}

static void side_lost(struct reel_transport *t, int reason)
{
    ((struct side *)reel_shared(t))->lost++;
    side_ended(t, reason);
}

static void side_failed(struct reel_transport *t, int reason)
{
    ((struct side *)reel_shared(t))->failed++;
    side_ended(t, reason);
}

const struct reel_protocol side_protocol = {
    .name_z = "side",
    .made = side_made,
    .failed = side_failed,
    .data = side_data,
    .eof = side_eof,
    .upgraded = side_upgraded,
    .lost = side_lost,
};

/* ---- Between them. ---- */

void between_open(struct between *b, struct reel_reactor *r, const struct reel_factory *client,
                  const struct reel_factory *server, struct reel_transport **client_t,
                  struct reel_transport **server_t)
{
    *b = (struct between){.cut_at = {-1, -1}, .flip_at = {-1, -1}};
    assert_int_equal(reel_test_peer_new(r, client, NULL, &b->peers[0], client_t), 0);
    assert_int_equal(reel_test_peer_new(r, server, NULL, &b->peers[1], server_t), 0);
}

static void dump(struct between *b, int from, const uint8_t *data, size_t len)
{
    if (!b->dump)
        return;
    fprintf(b->dump, "%c\n0000", from ? 'I' : 'O');
    for (size_t i = 0; i < len; i++)
        fprintf(b->dump, " %02x", data[i]);
    fprintf(b->dump, "\n\n");
}

/* One direction. True: something went over. */
static bool pass(struct between *b, int from)
{
    struct reel_test_peer *sender = b->peers[from], *receiver = b->peers[1 - from];
    uint8_t data[20000];
    size_t len = 0;
    const uint8_t *received = reel_test_received(sender, &len);
    bool cut = false;
    if (b->piece && len > b->piece)
        len = b->piece;
    if (len > sizeof(data))
        len = sizeof(data);
    if (b->cut_at[from] >= 0 && b->passed[from] + len >= (size_t)b->cut_at[from]) {
        len = (size_t)b->cut_at[from] - b->passed[from];
        cut = true;
    }
    if (len) {
        memcpy(data, received, len);
        size_t flip = (size_t)b->flip_at[from] - b->passed[from];
        if (b->flip_at[from] >= 0 && flip < len)
            data[flip] ^= b->flip;
        dump(b, from, data, len);
        reel_test_drop(sender, len);
        b->passed[from] += len;
        reel_test_send(receiver, data, len); /* it may be gone */
    }
    bool over = cut || ((reel_test_saw_eof(sender) || reel_test_saw_lost(sender)) && len == 0);
    if (over && !b->ended[from]) {
        b->ended[from] = true;
        reel_test_send_eof(receiver);
        return true;
    }
    return len > 0 && !cut;
}

void between_pump(struct between *b, struct reel_reactor *r)
{
    bool moved = true;
    while (moved) {
        reel_test_advance(r, 0);
        moved = !b->ended[0] && pass(b, 0);
        moved |= !b->ended[1] && pass(b, 1);
    }
    reel_test_advance(r, 0);
}

void between_close(struct between *b, struct reel_reactor *r)
{
    reel_test_peer_free(b->peers[0]);
    reel_test_peer_free(b->peers[1]);
    reel_test_advance(r, 0);
}
