/* TLS 1.2 and 1.3, on OpenSSL, as a filter (reel/filter.h): over sockets, wires of tests, or TLS.
 *
 *     struct reel_tls_context *context = NULL;
 *     struct reel_tls_error why;
 *     reel_tls_context_new(&(struct reel_tls_options){.certificate_z = "site.pem"}, &context, &why);
 *     const struct reel_filter_use filters[] = {{&reel_tls_server, context}, {NULL, NULL}};
 *     const struct reel_factory factory = {.protocol = &echo, .filters = filters};
 *     reel_listen(reactor, "tcp:8443", &factory, NULL);
 *
 * or in one word: reel_listen(reactor, "tls:8443:cert=site.pem", ...). On a live connection
 * (STARTTLS): reel_tls_upgrade_server, reel_tls_upgrade_client.
 *
 * A client verifies: the chain by the system's authorities or those named, and that the certificate
 * is for the name that was asked for (RFC 6125). It takes an explicit option not to.
 *
 * `made` (or `upgraded`) comes after the handshake. When that fails `failed` comes, and
 * reel_tls_error_text says what was wrong. In TLS 1.3 a client is through before the server has
 * looked at the client's certificate: a refusal comes as `lost`. Reasons of `failed` and `lost`, beside
 * those of the transport:
 *
 *   REEL_TLS_FAILED     the peer broke the protocol, has nothing in common with us, or said why it
 *                       does not go on
 *   REEL_TLS_REFUSED    the peer's certificate is not accepted
 *   REEL_TLS_TRUNCATED  the connection ended without the peer's close_notify: bytes may be missing
 *
 * reel_close and reel_shutdown_write send close_notify, reel_abort does not; `eof` means that the
 * peer's close_notify came. There is no renegotiation and no compression; early data is not taken. */
#ifndef REEL_TLS_H
#define REEL_TLS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_filter_type;
struct reel_tls_context;
struct reel_transport;

#define REEL_TLS_FAILED    (-EPROTO)
#define REEL_TLS_REFUSED   (-EKEYREJECTED)
#define REEL_TLS_TRUNCATED (-ENOLINK)

/* Bytes of a sentence, with its NUL. */
#define REEL_TLS_TEXT_MAX 256

/* A sentence for people. */
struct reel_tls_error {
    char text_z[REEL_TLS_TEXT_MAX];
};

enum reel_tls_verify {
    REEL_TLS_VERIFY_DEFAULT, /* clients: REQUIRE, servers: NONE */
    REEL_TLS_VERIFY_NONE,    /* whoever it is. On a client: anybody can be in the middle. */
    REEL_TLS_VERIFY_REQUEST, /* servers: ask for a certificate; one that is shown must be good */
    REEL_TLS_VERIFY_REQUIRE, /* a good certificate, or no connection */
};

enum reel_tls_version { REEL_TLS_1_2 = 0x0303, REEL_TLS_1_3 = 0x0304 };

/* A certificate for a name, on a server with several. */
struct reel_tls_name {
    const char
        *name_z; /* "www.example.org", or "*.example.org" for one label; case does not matter */
    struct reel_tls_context *context;
};

/* Zero fields take the defaults. Everything is copied (of names and callbacks: the pointers; the
 * contexts of names are kept alive). Files are PEM and read by reel_tls_context_new and
 * reel_tls_context_reload only. */
struct reel_tls_options {
    /* Ourselves: needed by servers, shown by clients when they are asked. */
    const char *certificate_z; /* file: our certificate, then its chain; may hold the key too */
    const char *key_z;         /* file; NULL: in the certificate's */

    /* The others. */
    /* File of authorities, or a directory of them (c_rehash). NULL: for clients the system's, read when
     * the first one begins; a server that verifies must have one, or its connections fail with
     * -EINVAL. */
    const char *ca_z;
    enum reel_tls_verify verify;
    bool any_name; /* clients: the chain must be good, the name in it may be any */

    /* The protocol. */
    enum reel_tls_version min_version, max_version; /* 0: TLS 1.2, the newest */
    const char *ciphers_z;      /* TLS 1.2, OpenSSL's words; NULL: with forward secrecy and AEAD */
    const char *ciphersuites_z; /* TLS 1.3, OpenSSL's words; NULL: OpenSSL's */
    const char
        *alpn_z; /* RFC 7301, best first: "h2,http/1.1". A client that offers none of a server's
                          * is refused; one that offers nothing is not. NULL: no ALPN */
    bool alpn_required;   /* without a protocol in common there is no connection */
    int64_t handshake_ns; /* 0: as the factory says */
    bool no_resumption;
    bool accept_truncation; /* an end without close_notify is an `eof`: for protocols that know by
                             * themselves where they end */

    /* Servers: the certificate by the name that the client asks for (SNI, RFC 6066 section 3). A name
     * that is not found gets this context's own. */
    const struct reel_tls_name *names; /* ended by a NULL name; looked at before `on_name` */
    /* Another context for this name, borrowed; NULL: this one. `name_z` is lower case. */
    struct reel_tls_context *(*on_name)(void *shared, struct reel_transport *t, const char *name_z);

    /* Keys for Wireshark (the format of SSLKEYLOGFILE): whoever has them reads everything. Both may
     * be given. */
    const char *key_log_z; /* a file, created with mode 600, appended to */
    void (*on_key_line)(void *shared, const char *line_z); /* a line, without its end */

    void *shared; /* for the callbacks */
};

/* A context: certificates and settings, for any number of connections, as server or as client. It may
 * be used by several threads' reactors. It is not bound to a reactor and takes its memory from
 * malloc. 0; -EINVAL: options or files are wrong; -errno of a file; -ENOMEM. `why` (may be NULL)
 * gets a sentence. */
int reel_tls_context_new(const struct reel_tls_options *options, struct reel_tls_context **out,
                         struct reel_tls_error *why);

/* One more owner. Returns it. */
struct reel_tls_context *reel_tls_context_keep(struct reel_tls_context *context);

/* One owner less. Connections own it too, so it may be freed while there are some. NULL is fine. */
void reel_tls_context_free(struct reel_tls_context *context);

/* Reads all files again: new connections have the new certificates, those that there are go on as
 * they are, sessions can be resumed across. When something is wrong the old ones stay. Returns as
 * reel_tls_context_new. */
int reel_tls_context_reload(struct reel_tls_context *context, struct reel_tls_error *why);

/* The filters. Options in a list of filters: for the server a struct reel_tls_context, for the client
 * a struct reel_tls_client. */
extern const struct reel_filter_type reel_tls_server;
extern const struct reel_filter_type reel_tls_client;

struct reel_tls_client {
    struct reel_tls_context *context;
    const char *name_z; /* the host as the user wrote it, or a numeric address: sent as SNI (names
                         * only) and compared with the certificate. NULL: only with any_name or
                         * REEL_TLS_VERIFY_NONE, else the connection fails with -EINVAL */
};

/* On one connection: before `made` it will be TLS from the start; on a live one this is STARTTLS. What
 * was written before goes out in the clear, the rest after the handshake. What the peer sent in the
 * clear behind the upgrade's command is taken for its handshake (which then fails): never for what
 * it says under TLS. The protocol hears `upgraded`. The context's count grows; `name_z` is copied.
 * 0 or as reel_filter_push. */
int reel_tls_upgrade_server(struct reel_transport *t, struct reel_tls_context *context);
int reel_tls_upgrade_client(struct reel_transport *t, struct reel_tls_context *context,
                            const char *name_z);

/* ---- About a connection. Of several TLS layers, the topmost. Without TLS: false, NULL, 0, or
 * -ENOENT. From `made` to `lost`, and in `failed`. Texts are borrowed for the call of a callback. ---- */

bool reel_tls_is_on(const struct reel_transport *t);          /* the handshake is done */
const char *reel_tls_version(const struct reel_transport *t); /* "TLSv1.3" */
const char *reel_tls_cipher(const struct reel_transport *t);  /* "TLS_AES_256_GCM_SHA384" */
bool reel_tls_was_resumed(const struct reel_transport *t);

/* The protocol agreed on by ALPN, without a NUL. */
const char *reel_tls_alpn(const struct reel_transport *t, size_t *len);

/* The name that the client asked for. */
const char *reel_tls_server_name(const struct reel_transport *t);

/* The peer showed a certificate and it was found good. Of one that nobody verified: false. */
bool reel_tls_peer_is_verified(const struct reel_transport *t);

/* The peer's certificate: its bytes (DER) into `der` (NULL: only the size); its subject as RFC 2253
 * has it ("CN=example.org,O=Example"), cut to `size`; SHA-256 over its bytes. A length, 0, or
 * -ENOENT: it showed none; -ENOBUFS: `size` is too small. */
int reel_tls_peer_certificate(const struct reel_transport *t, uint8_t *der, size_t size);
int reel_tls_peer_subject(const struct reel_transport *t, char *out_z, size_t size);
int reel_tls_peer_fingerprint(const struct reel_transport *t, uint8_t out[32]);

/* Why it failed or was lost, as a sentence: "the certificate has expired". "" when TLS has nothing to
 * say about it. */
const char *reel_tls_error_text(const struct reel_transport *t);

/* OpenSSL's SSL, for what is not here. Not for reading, writing or closing. */
void *reel_tls_native(const struct reel_transport *t);

#ifdef __cplusplus
}
#endif

#endif
