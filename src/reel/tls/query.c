/* What is asked about a TLS connection. */
#include "reel/tls/tls.h"

#include "reel/list.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>

/* The topmost TLS filter, of either role. */
static struct tls_filter *find(const struct reel_transport *t)
{
    struct reel_filter *f = reel_filter_top(t);
    while (f && f->type != &reel_tls_server && f->type != &reel_tls_client)
        f = f->below;
    return f ? CONTAINER_OF(f, struct tls_filter, filter) : NULL;
}

static const struct tls_filter *find_done(const struct reel_transport *t)
{
    const struct tls_filter *tls = find(t);
    return tls && tls->done ? tls : NULL;
}

bool reel_tls_is_on(const struct reel_transport *t)
{
    return find_done(t) != NULL;
}

const char *reel_tls_version(const struct reel_transport *t)
{
    const struct tls_filter *tls = find_done(t);
    return tls ? SSL_get_version(tls->ssl) : NULL;
}

const char *reel_tls_cipher(const struct reel_transport *t)
{
    const struct tls_filter *tls = find_done(t);
    return tls ? SSL_get_cipher_name(tls->ssl) : NULL;
}

bool reel_tls_was_resumed(const struct reel_transport *t)
{
    const struct tls_filter *tls = find_done(t);
    return tls && SSL_session_reused(tls->ssl) == 1;
}

const char *reel_tls_alpn(const struct reel_transport *t, size_t *len)
{
    const struct tls_filter *tls = find_done(t);
    const unsigned char *protocol = NULL;
    unsigned int n = 0;
    if (tls)
        SSL_get0_alpn_selected(tls->ssl, &protocol, &n);
    *len = n;
    return n ? (const char *)protocol : NULL;
}

const char *reel_tls_server_name(const struct reel_transport *t)
{
    const struct tls_filter *tls = find(t);
    return tls ? tls->name_z : NULL;
}

static X509 *peer_of(const struct reel_transport *t)
{
    const struct tls_filter *tls = find_done(t);
    return tls ? SSL_get0_peer_certificate(tls->ssl) : NULL;
}

bool reel_tls_peer_is_verified(const struct reel_transport *t)
{
    const struct tls_filter *tls = find_done(t);
    return tls && SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE &&
           SSL_get0_peer_certificate(tls->ssl) && SSL_get_verify_result(tls->ssl) == X509_V_OK;
}

int reel_tls_peer_certificate(const struct reel_transport *t, uint8_t *der, size_t size)
{
    X509 *certificate = peer_of(t);
    if (!certificate)
        return -ENOENT;
    int len = i2d_X509(certificate, NULL);
    if (len < 0)
        return -ENOMEM;
    if (!der)
        return len;
    if ((size_t)len > size)
        return -ENOBUFS;
    return i2d_X509(certificate, &der);
}

int reel_tls_peer_subject(const struct reel_transport *t, char *out_z, size_t size)
{
    X509 *certificate = peer_of(t);
    if (!certificate)
        return -ENOENT;
    int err = -ENOMEM;
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0)
        goto out;
    long len = BIO_get_mem_data(bio, &text);
    snprintf(out_z, size, "%.*s", (int)len, text);
    err = 0;
out:
    BIO_free(bio);
    ERR_clear_error();
    return err;
}

int reel_tls_peer_fingerprint(const struct reel_transport *t, uint8_t out[32])
{
    X509 *certificate = peer_of(t);
    if (!certificate)
        return -ENOENT;
    return X509_digest(certificate, EVP_sha256(), out, NULL) == 1 ? 0 : -ENOMEM;
}

const char *reel_tls_error_text(const struct reel_transport *t)
{
    const struct tls_filter *tls = find(t);
    return tls && tls->text_z ? tls->text_z : "";
}

void *reel_tls_native(const struct reel_transport *t)
{
    const struct tls_filter *tls = find(t);
    return tls ? tls->ssl : NULL;
}
