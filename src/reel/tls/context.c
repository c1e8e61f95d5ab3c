/* Contexts: options and files become an SSL_CTX, which can be made anew while connections go on. */
#include "reel/tls/tls.h"

#include <reel/protocol.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* TLS 1.2 without forward secrecy or with a separate MAC has known weaknesses (RFC 9325). */
#define CIPHERS_DEFAULT "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL"

int reel_tls_say(struct reel_tls_error *why, int err, const char *format, ...)
{
    if (!why)
        return err;
    va_list args;
    va_start(args, format);
    vsnprintf(why->text_z, sizeof(why->text_z), format, args);
    va_end(args);
    return err;
}

/* With what OpenSSL says about it. */
static int refuse(struct reel_tls_error *why, const char *what_z, const char *file_z)
{
    char text_z[REEL_TLS_TEXT_MAX];
    unsigned long code = ERR_peek_last_error();
    const char *reason_z = ERR_reason_error_string(code);
    snprintf(text_z, sizeof(text_z), "%s", reason_z ? reason_z : "unknown reason");
    bool memory = ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
    ERR_clear_error();
    return reel_tls_say(why, memory ? -ENOMEM : -EINVAL, "%s%s%s: %s", what_z, file_z ? " " : "",
                        file_z ? file_z : "", text_z);
}

static int refuse_memory(struct reel_tls_error *why)
{
    ERR_clear_error();
    return reel_tls_say(why, -ENOMEM, "out of memory");
}

/* ---- Files. ---- */

/* OpenSSL would ask the terminal. */
static int no_password(char *out, int size, int writing, void *context)
{
    (void)out, (void)size, (void)writing, (void)context;
    return -1;
}

static int check_readable(const char *file_z, struct reel_tls_error *why)
{
    if (access(file_z, R_OK) == 0)
        return 0;
    int err = -errno;
    return reel_tls_say(why, err, "%s cannot be read: %s", file_z, strerrordesc_np(-err));
}

static int load_certificate(SSL_CTX *ctx, const struct reel_tls_options *o,
                            struct reel_tls_error *why)
{
    if (!o->certificate_z)
        return o->key_z ? reel_tls_say(why, -EINVAL, "a key needs a certificate") : 0;
    const char *key_z = o->key_z ? o->key_z : o->certificate_z;
    int err = check_readable(o->certificate_z, why);
    if (err == 0)
        err = check_readable(key_z, why);
    if (err < 0)
        return err;
    if (SSL_CTX_use_certificate_chain_file(ctx, o->certificate_z) != 1)
        return refuse(why, "there is no certificate in", o->certificate_z);
    if (SSL_CTX_use_PrivateKey_file(ctx, key_z, SSL_FILETYPE_PEM) != 1)
        return refuse(why, "there is no usable key in", key_z);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return refuse(why, "the key is not the certificate's:", key_z);
    return 0;
}

static int load_authorities(SSL_CTX *ctx, const struct reel_tls_options *o,
                            struct reel_tls_error *why)
{
    struct stat status;
    if (!o->ca_z)
        return 0; /* the system's, when a client wants them */
    int err = check_readable(o->ca_z, why);
    if (err < 0)
        return err;
    if (stat(o->ca_z, &status) == 0 && S_ISDIR(status.st_mode)) {
        if (SSL_CTX_load_verify_dir(ctx, o->ca_z) != 1)
            return refuse(why, "no authorities could be read from", o->ca_z);
        return 0;
    }
    if (SSL_CTX_load_verify_file(ctx, o->ca_z) != 1)
        return refuse(why, "no authorities could be read from", o->ca_z);
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(o->ca_z);
    if (!names)
        return refuse(why, "no authorities could be read from", o->ca_z);
    SSL_CTX_set_client_CA_list(ctx, names);
    return 0;
}

/* ---- The protocol. ---- */

static int set_versions(SSL_CTX *ctx, const struct reel_tls_options *o, struct reel_tls_error *why)
{
    int min = o->min_version ? (int)o->min_version : TLS1_2_VERSION;
    if ((o->min_version && o->min_version != REEL_TLS_1_2 && o->min_version != REEL_TLS_1_3) ||
        (o->max_version && o->max_version != REEL_TLS_1_2 && o->max_version != REEL_TLS_1_3) ||
        (o->max_version && (int)o->max_version < min))
        return reel_tls_say(why, -EINVAL, "the versions are 1.2 and 1.3, the lower one first");
    if (SSL_CTX_set_min_proto_version(ctx, min) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, (int)o->max_version) != 1)
        return refuse(why, "the version cannot be had", NULL);
    if (SSL_CTX_set_cipher_list(ctx, o->ciphers_z ? o->ciphers_z : CIPHERS_DEFAULT) != 1)
        return refuse(why, "no cipher goes by", o->ciphers_z ? o->ciphers_z : CIPHERS_DEFAULT);
    if (o->ciphersuites_z && SSL_CTX_set_ciphersuites(ctx, o->ciphersuites_z) != 1)
        return refuse(why, "no cipher suite goes by", o->ciphersuites_z);
    return 0;
}

/* RFC 7301 section 3.1: each name with a byte of length in front. */
static int parse_alpn(struct reel_tls_context *context, struct reel_tls_error *why)
{
    const char *text_z = context->options.alpn_z;
    if (!text_z)
        return context->options.alpn_required
                   ? reel_tls_say(why, -EINVAL, "ALPN is required and has no protocols")
                   : 0;
    size_t len = strlen(text_z);
    context->alpn = malloc(len + 1);
    if (!context->alpn)
        return refuse_memory(why);
    memcpy(context->alpn + 1, text_z, len);
    for (size_t start = 0; start <= len;) {
        size_t n = strcspn(text_z + start, ",");
        if (n == 0 || n > UINT8_MAX)
            return reel_tls_say(why, -EINVAL, "a protocol of ALPN has 1 to 255 bytes");
        context->alpn[start] = (uint8_t)n;
        start += n + 1;
    }
    context->alpn_len = len + 1;
    return 0;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *offered, unsigned int offered_len, void *arg)
{
    (void)ssl;
    const struct reel_tls_context *context = arg;
    unsigned char *chosen = NULL;
    int found = SSL_select_next_proto(&chosen, out_len, context->alpn,
                                      (unsigned int)context->alpn_len, offered, offered_len);
    if (found != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 section 3.2 */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void on_key_line(const SSL *ssl, const char *line_z)
{
    const struct reel_tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (context->options.on_key_line)
        context->options.on_key_line(context->options.shared, line_z);
    if (context->key_log_fd < 0)
        return;
    char line[512]; /* one write a line: several processes may share the file */
    int len = snprintf(line, sizeof(line), "%s\n", line_z);
    if (len > 0 && (size_t)len < sizeof(line) && write(context->key_log_fd, line, (size_t)len) < 0)
        return; /* a full disk is no reason to end a connection */
}

static int set_protocol(struct reel_tls_context *context, SSL_CTX *ctx, struct reel_tls_error *why)
{
    const struct reel_tls_options *o = &context->options;
    /* SSL_CTX_set_alpn_protos is 0 when all is well. */
    if (context->alpn_len) {
        if (SSL_CTX_set_alpn_protos(ctx, context->alpn, (unsigned int)context->alpn_len) != 0)
            return refuse_memory(why);
        SSL_CTX_set_alpn_select_cb(ctx, on_alpn, context);
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_client_hello_cb(ctx, reel_tls_on_hello, context);
    if (o->accept_truncation)
        SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (o->on_key_line || o->key_log_z)
        SSL_CTX_set_keylog_callback(ctx, on_key_line);
    /* A server's sessions are in its tickets: nothing grows. */
    if (o->no_resumption) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    } else {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, reel_tls_on_session);
    }
    return SSL_CTX_set_session_id_context(ctx, context->id, sizeof(context->id)) == 1
               ? 0
               : refuse_memory(why);
}

static int ctx_new(struct reel_tls_context *context, SSL_CTX **out, struct reel_tls_error *why)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    int err = ctx ? 0 : refuse_memory(why);
    if (err == 0) {
        SSL_CTX_set_app_data(ctx, context);
        SSL_CTX_set_default_passwd_cb(ctx, no_password);
        err = set_versions(ctx, &context->options, why);
    }
    if (err == 0)
        err = set_protocol(context, ctx, why);
    if (err == 0)
        err = load_certificate(ctx, &context->options, why);
    if (err == 0)
        err = load_authorities(ctx, &context->options, why);
    ERR_clear_error();
    if (err < 0)
        SSL_CTX_free(ctx);
    else
        *out = ctx;
    return err;
}

/* ---- The context. ---- */

static bool copy_text(const char **text_z)
{
    if (*text_z)
        *text_z = strdup(*text_z);
    return *text_z != NULL;
}

/* False: out of memory; then what was not copied is NULL. */
static bool copy_options(struct reel_tls_context *context, const struct reel_tls_options *options)
{
    struct reel_tls_options *o = &context->options;
    *o = *options;
    o->names = NULL;
    const char **const texts[] = {&o->certificate_z,  &o->key_z,  &o->ca_z,     &o->ciphers_z,
                                  &o->ciphersuites_z, &o->alpn_z, &o->key_log_z};
    bool copied = true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        bool given = *texts[i] != NULL;
        if (!copy_text(texts[i]) && given)
            copied = false;
    }
    return copied;
}

static int copy_names(struct reel_tls_context *context, const struct reel_tls_name *names,
                      struct reel_tls_error *why)
{
    size_t count = 0;
    char lower_z[TLS_NAME_MAX + 1];
    while (names && names[count].name_z)
        count++;
    if (count == 0)
        return 0;
    context->names = calloc(count + 1, sizeof(*context->names));
    if (!context->names)
        return refuse_memory(why);
    for (size_t i = 0; i < count; i++) {
        if (!reel_tls_lower(names[i].name_z, strlen(names[i].name_z), lower_z))
            return reel_tls_say(why, -EINVAL, "a name has 1 to %d bytes", TLS_NAME_MAX);
        context->names[i].name_z = strdup(lower_z);
        if (!context->names[i].name_z)
            return refuse_memory(why);
        context->names[i].context = reel_tls_context_keep(names[i].context);
    }
    return 0;
}

static int open_key_log(struct reel_tls_context *context, struct reel_tls_error *why)
{
    const char *file_z = context->options.key_log_z;
    if (!file_z)
        return 0;
    context->key_log_fd =
        open(file_z, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (context->key_log_fd >= 0)
        return 0;
    int err = -errno;
    return reel_tls_say(why, err, "%s cannot be written: %s", file_z, strerrordesc_np(-err));
}

static int fill(struct reel_tls_context *context, const struct reel_tls_options *options,
                struct reel_tls_error *why)
{
    if (!copy_options(context, options))
        return refuse_memory(why);
    int err = copy_names(context, options->names, why);
    if (err == 0)
        err = parse_alpn(context, why);
    if (err == 0)
        err = open_key_log(context, why);
    if (err == 0 && !(context->bio_method = reel_tls_bio_new()))
        err = refuse_memory(why);
    if (err == 0 && RAND_bytes(context->id, sizeof(context->id)) != 1)
        err = refuse(why, "there is no randomness", NULL);
    return err < 0 ? err : ctx_new(context, &context->ctx, why);
}

int reel_tls_context_new(const struct reel_tls_options *options, struct reel_tls_context **out,
                         struct reel_tls_error *why)
{
    static const struct reel_tls_options defaults = {0};
    if (why)
        why->text_z[0] = '\0';
    struct reel_tls_context *context = calloc(1, sizeof(*context));
    if (!context)
        return refuse_memory(why);
    atomic_init(&context->owners, 1);
    pthread_mutex_init(&context->lock, NULL);
    context->key_log_fd = -1;
    context->newest = &context->oldest;
    int err = fill(context, options ? options : &defaults, why);
    if (err < 0)
        reel_tls_context_free(context);
    else
        *out = context;
    return err;
}

struct reel_tls_context *reel_tls_context_keep(struct reel_tls_context *context)
{
    atomic_fetch_add(&context->owners, 1);
    return context;
}

static void free_options(struct reel_tls_options *o)
{
    const char *const texts[] = {o->certificate_z,  o->key_z,  o->ca_z,     o->ciphers_z,
                                 o->ciphersuites_z, o->alpn_z, o->key_log_z};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free((char *)texts[i]);
}

void reel_tls_context_free(struct reel_tls_context *context)
{
    if (!context || atomic_fetch_sub(&context->owners, 1) > 1)
        return;
    reel_tls_sessions_clear(context);
    SSL_CTX_free(context->ctx);
    BIO_meth_free(context->bio_method);
    for (struct reel_tls_name *name = context->names; name && name->name_z; name++) {
        free((char *)name->name_z);
        reel_tls_context_free(name->context);
    }
    free(context->names);
    free_options(&context->options);
    free(context->alpn);
    if (context->key_log_fd >= 0)
        close(context->key_log_fd);
    pthread_mutex_destroy(&context->lock);
    free(context);
}

/* So that tickets given out before a reload are good after it. */
static void copy_ticket_keys(SSL_CTX *from, SSL_CTX *to)
{
    uint8_t keys[256];
    long size = SSL_CTX_get_tlsext_ticket_keys(from, NULL, 0);
    if (size <= 0 || (size_t)size > sizeof(keys))
        return;
    if (SSL_CTX_get_tlsext_ticket_keys(from, keys, (int)size) == 1)
        SSL_CTX_set_tlsext_ticket_keys(to, keys, (int)size);
    OPENSSL_cleanse(keys, sizeof(keys));
}

int reel_tls_context_reload(struct reel_tls_context *context, struct reel_tls_error *why)
{
    SSL_CTX *fresh = NULL;
    if (why)
        why->text_z[0] = '\0';
    int err = ctx_new(context, &fresh, why);
    if (err < 0)
        return err;
    copy_ticket_keys(context->ctx, fresh);
    pthread_mutex_lock(&context->lock);
    SSL_CTX *stale = context->ctx;
    context->ctx = fresh;
    context->has_system_ca = false;
    pthread_mutex_unlock(&context->lock);
    SSL_CTX_free(stale);
    return 0;
}

/* Reading them takes a tenth of a second: servers do without. With the lock. */
static bool load_system_ca(struct reel_tls_context *context)
{
    const struct reel_tls_options *o = &context->options;
    if (o->ca_z || o->verify == REEL_TLS_VERIFY_NONE || context->has_system_ca)
        return true;
    context->has_system_ca = SSL_CTX_set_default_verify_paths(context->ctx) == 1;
    return context->has_system_ca;
}

SSL *reel_tls_ssl_new(struct reel_tls_context *context, bool is_server)
{
    pthread_mutex_lock(&context->lock);
    SSL *ssl = is_server || load_system_ca(context) ? SSL_new(context->ctx) : NULL;
    pthread_mutex_unlock(&context->lock);
    return ssl;
}
