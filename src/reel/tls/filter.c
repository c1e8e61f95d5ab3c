/* TLS as a filter. OpenSSL's machine asks for bytes by a BIO whose other end is the filter below. */
#include "reel/tls/tls.h"

#include "reel/loop.h"
#include "reel/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static struct tls_filter *tls_of(struct reel_filter *f)
{
    return CONTAINER_OF(f, struct tls_filter, filter);
}

/* ---- Below: bytes of records. ---- */

/* In the older form, which says -1: SSL_shutdown takes 0 for success (OpenSSL 3.0). */
static int bio_read(BIO *bio, char *data, int len)
{
    struct tls_filter *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->below_ended)
        return 0;
    ssize_t n = reel_filter_receive(&tls->filter, (uint8_t *)data, (size_t)len);
    if (n >= 0) {
        tls->below_ended = n == 0;
        return (int)n;
    }
    if (n == -EAGAIN)
        BIO_set_retry_read(bio);
    else
        tls->io_error = (int)n;
    return -1;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct tls_filter *tls = BIO_get_data(bio);
    const struct iovec part = {(char *)data, (size_t)len};
    BIO_clear_retry_flags(bio);
    ssize_t n = reel_filter_send(&tls->filter, &part, 1);
    if (n > 0)
        return (int)n;
    if (n == -EAGAIN)
        BIO_set_retry_write(bio);
    else
        tls->io_error = n < 0 ? (int)n : -EPIPE;
    return -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number, (void)pointer;
    const struct tls_filter *tls = BIO_get_data(bio);
    if (command == BIO_CTRL_EOF)
        return tls->below_ended;
    return command == BIO_CTRL_FLUSH; /* nothing is kept here */
}

BIO_METHOD *reel_tls_bio_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "reel filter");
    if (!method)
        return NULL;
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    return method;
}

/* ---- What OpenSSL says. ---- */

static void keep_text(struct tls_filter *tls)
{
    char text_z[REEL_TLS_TEXT_MAX];
    reel_tls_describe(tls->ssl, text_z, sizeof(text_z));
    size_t size = strlen(text_z) + 1;
    if (!tls->text_z)
        tls->text_z = reel_memory_new(tls->filter.transport->reactor, size);
    else
        return; /* the first one is the cause */
    if (tls->text_z)
        memcpy(tls->text_z, text_z, size);
}

/* The end of the bytes below without the end of TLS. */
static int truncated(const struct tls_filter *tls)
{
    if (!tls->done)
        return -ECONNRESET;
    return tls->context->options.accept_truncation ? 0 : REEL_TLS_TRUNCATED;
}

static int protocol_error(struct tls_filter *tls)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    int err = REEL_TLS_FAILED;
    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        err = truncated(tls);
    else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED ||
             reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        err = REEL_TLS_REFUSED;
    if (err < 0)
        keep_text(tls);
    return err;
}

/* Of a call that did not succeed: -EAGAIN, 0 for the peer's end, or -errno that stays. */
static int result_of(struct tls_filter *tls, int result)
{
    int err = 0;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_SYSCALL: err = tls->io_error < 0 ? tls->io_error : truncated(tls); break;
    default: err = protocol_error(tls);
    }
    ERR_clear_error();
    tls->failed = err;
    return err;
}

/* ---- The handshake. ---- */

bool reel_tls_verify_clients(SSL *ssl, const struct reel_tls_context *context)
{
    const struct reel_tls_options *o = &context->options;
    int mode = SSL_VERIFY_NONE;
    if (o->verify == REEL_TLS_VERIFY_REQUEST)
        mode = SSL_VERIFY_PEER;
    else if (o->verify == REEL_TLS_VERIFY_REQUIRE)
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_set_verify(ssl, mode, NULL);
    return mode == SSL_VERIFY_NONE || o->ca_z;
}

static bool is_address(const char *name_z)
{
    uint8_t address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name_z, address) == 1 || inet_pton(AF_INET6, name_z, address) == 1;
}

/* RFC 6125: the certificate must be for the name that the user asked for. */
static int expect_name(struct tls_filter *tls)
{
    const struct reel_tls_options *o = &tls->context->options;
    bool verifies = o->verify != REEL_TLS_VERIFY_NONE;
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    SSL_set_verify(tls->ssl, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (!tls->name_z)
        return verifies && !o->any_name ? -EINVAL : 0;
    bool numeric = is_address(tls->name_z);
    if (!numeric && SSL_set_tlsext_host_name(tls->ssl, tls->name_z) != 1)
        return -EINVAL;
    if (!verifies || o->any_name)
        return 0;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    int set = numeric ? X509_VERIFY_PARAM_set1_ip_asc(param, tls->name_z)
                      : X509_VERIFY_PARAM_set1_host(param, tls->name_z, 0);
    return set == 1 ? 0 : -ENOMEM;
}

static int attach(struct tls_filter *tls)
{
    tls->ssl = reel_tls_ssl_new(tls->context, tls->is_server);
    BIO *bio = tls->ssl ? BIO_new(tls->context->bio_method) : NULL;
    if (!bio)
        return -ENOMEM;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    return 0;
}

static void release(struct tls_filter *tls)
{
    SSL_free(tls->ssl);
    reel_memory_free(tls->filter.transport->reactor, tls->text_z);
    free(tls->name_z);
    reel_tls_context_free(tls->named);
    reel_tls_context_free(tls->context);
    ERR_clear_error();
}

static int server_open(struct reel_filter *f, const void *options)
{
    struct tls_filter *tls = tls_of(f);
    ERR_clear_error();
    tls->is_server = true;
    tls->context = reel_tls_context_keep((struct reel_tls_context *)options);
    int err = attach(tls);
    if (err == 0 && !reel_tls_verify_clients(tls->ssl, tls->context))
        err = -EINVAL;
    if (err < 0)
        release(tls);
    else
        SSL_set_accept_state(tls->ssl);
    return err;
}

/* A host as users write it may have brackets or a dot at its end. */
static int copy_name(struct tls_filter *tls, const char *name_z)
{
    size_t len = strlen(name_z);
    if (len > 2 && name_z[0] == '[' && name_z[len - 1] == ']') {
        name_z++;
        len -= 2;
    } else if (len > 1 && name_z[len - 1] == '.') {
        len--;
    }
    if (len == 0 || len > TLS_NAME_MAX)
        return -EINVAL;
    tls->name_z = strndup(name_z, len);
    return tls->name_z ? 0 : -ENOMEM;
}

static int client_open(struct reel_filter *f, const void *options)
{
    struct tls_filter *tls = tls_of(f);
    const struct reel_tls_client *client = options;
    ERR_clear_error();
    tls->context = reel_tls_context_keep(client->context);
    int err = client->name_z ? copy_name(tls, client->name_z) : 0;
    if (err == 0)
        err = attach(tls);
    if (err == 0)
        err = expect_name(tls);
    if (err < 0) {
        release(tls);
        return err;
    }
    SSL_set_connect_state(tls->ssl);
    reel_tls_session_use(tls);
    return 0;
}

/* After OpenSSL is content. */
static int check_alpn(struct tls_filter *tls)
{
    const unsigned char *protocol = NULL;
    unsigned int len = 0;
    SSL_get0_alpn_selected(tls->ssl, &protocol, &len);
    if (len || !(tls->named ? tls->named : tls->context)->options.alpn_required)
        return 0;
    ERR_raise(ERR_LIB_SSL, SSL_R_NO_APPLICATION_PROTOCOL);
    keep_text(tls);
    return tls->failed = REEL_TLS_FAILED;
}

static int start(struct reel_filter *f)
{
    struct tls_filter *tls = tls_of(f);
    if (!tls->started) {
        int64_t handshake_ns = tls->context->options.handshake_ns;
        tls->started = true;
        if (handshake_ns > 0 && reel_filter_expect(f, handshake_ns) < 0)
            return -ENOMEM;
    }
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result != 1) {
        int err = result_of(tls, result);
        return err == 0 ? -ECONNRESET : err; /* a close_notify in the middle */
    }
    tls->done = true;
    return check_alpn(tls);
}

/* ---- Above: bytes of the application. ---- */

static ssize_t receive(struct reel_filter *f, uint8_t *data, size_t len)
{
    struct tls_filter *tls = tls_of(f);
    size_t got = 0;
    while (got < len && !tls->failed) {
        size_t n = 0;
        ERR_clear_error();
        int result = SSL_read_ex(tls->ssl, data + got, len - got, &n);
        got += n;
        if (result != 1) {
            int err = result_of(tls, result);
            return got ? (ssize_t)got : err; /* what is wrong or over stays so */
        }
    }
    return got ? (ssize_t)got : tls->failed;
}

/* One record: 1, or what result_of says. */
static int send_record(struct tls_filter *tls, const uint8_t *data, size_t len, size_t *sent)
{
    ERR_clear_error();
    int result = SSL_write_ex(tls->ssl, data, len, sent);
    if (result == 1)
        return 1;
    int err = result_of(tls, result);
    return err == 0 ? -EPIPE : err;
}

/* A place in an array of parts. */
struct cursor {
    const struct iovec *parts;
    int count, at;
    size_t offset;
};

/* The next record's bytes: where they lie, if they lie together, else gathered in `scratch`. 0: no
 * more. */
static size_t next_record(struct cursor c, uint8_t scratch[TLS_RECORD_BYTES], const uint8_t **data)
{
    size_t gathered = 0;
    while (c.at < c.count && c.offset == c.parts[c.at].iov_len) {
        c.at++;
        c.offset = 0;
    }
    if (c.at == c.count)
        return 0;
    const uint8_t *start = (const uint8_t *)c.parts[c.at].iov_base + c.offset;
    size_t len = c.parts[c.at].iov_len - c.offset;
    if (len >= TLS_RECORD_BYTES || c.at + 1 == c.count) {
        *data = start;
        return len < TLS_RECORD_BYTES ? len : TLS_RECORD_BYTES;
    }
    for (; c.at < c.count && gathered < TLS_RECORD_BYTES; c.at++, c.offset = 0) {
        size_t n = c.parts[c.at].iov_len - c.offset;
        n = n < TLS_RECORD_BYTES - gathered ? n : TLS_RECORD_BYTES - gathered;
        memcpy(scratch + gathered, (const uint8_t *)c.parts[c.at].iov_base + c.offset, n);
        gathered += n;
    }
    *data = scratch;
    return gathered;
}

static void advance(struct cursor *c, size_t len)
{
    while (len) {
        size_t left = c->parts[c->at].iov_len - c->offset;
        if (len < left) {
            c->offset += len;
            return;
        }
        len -= left;
        c->at++;
        c->offset = 0;
    }
}

/* OpenSSL's rule for a record that did not go out whole: it is offered again. So is ours. */
static ssize_t send_parts(struct reel_filter *f, const struct iovec *parts, int count)
{
    uint8_t scratch[TLS_RECORD_BYTES];
    struct tls_filter *tls = tls_of(f);
    struct cursor cursor = {.parts = parts, .count = count};
    const uint8_t *data = NULL;
    size_t total = 0, len = 0;
    if (tls->failed)
        return tls->failed;
    while ((len = next_record(cursor, scratch, &data)) > 0) {
        size_t sent = 0;
        int result = send_record(tls, data, len, &sent);
        if (result < 0)
            return total ? (ssize_t)total : result;
        advance(&cursor, sent);
        total += sent;
    }
    return (ssize_t)total;
}

static int shut(struct reel_filter *f)
{
    struct tls_filter *tls = tls_of(f);
    if (tls->failed)
        return 0;
    ERR_clear_error();
    int result = SSL_shutdown(tls->ssl);
    if (result >= 0)
        return 0; /* ours is out; the peer's comes as the end of what is received */
    return result_of(tls, result);
}

static void tls_close(struct reel_filter *f, bool reset)
{
    struct tls_filter *tls = tls_of(f);
    /* A connection that was lost says nothing against its session (RFC 5246 section 7.2.1). */
    (void)reset;
    if (tls->done && tls->failed != REEL_TLS_FAILED)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    release(tls);
}

const struct reel_filter_type reel_tls_server = {
    .name_z = "tls server",
    .size = sizeof(struct tls_filter),
    .open = server_open,
    .start = start,
    .receive = receive,
    .send = send_parts,
    .shut = shut,
    .close = tls_close,
};

const struct reel_filter_type reel_tls_client = {
    .name_z = "tls client",
    .size = sizeof(struct tls_filter),
    .open = client_open,
    .start = start,
    .receive = receive,
    .send = send_parts,
    .shut = shut,
    .close = tls_close,
};

int reel_tls_upgrade_server(struct reel_transport *t, struct reel_tls_context *context)
{
    return reel_filter_push(t, &reel_tls_server, context);
}

int reel_tls_upgrade_client(struct reel_transport *t, struct reel_tls_context *context,
                            const char *name_z)
{
    const struct reel_tls_client client = {.context = context, .name_z = name_z};
    return reel_filter_push(t, &reel_tls_client, &client);
}
