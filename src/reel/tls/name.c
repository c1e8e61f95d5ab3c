/* SNI: which context a client gets by the name it asks for. The name is read in the client's hello,
 * before anything else is decided, so that versions, verification and sessions are the other
 * context's too. */
#include "reel/tls/tls.h"

#include <string.h>

bool reel_tls_lower(const char *name_z, size_t len, char out_z[TLS_NAME_MAX + 1])
{
    if (len && name_z[len - 1] == '.')
        len--;
    if (len == 0 || len > TLS_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name_z[i];
        if (c <= ' ' || c > '~')
            return false;
        out_z[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    out_z[len] = '\0';
    return true;
}

/* RFC 6066 section 3: a list of one name, of type host_name (0). */
static bool parse_server_name(const uint8_t *data, size_t len, char out_z[TLS_NAME_MAX + 1])
{
    enum { HEADER_BYTES = 5 };
    if (len < HEADER_BYTES)
        return false;
    size_t list_len = (size_t)data[0] << 8 | data[1];
    size_t name_len = (size_t)data[3] << 8 | data[4];
    if (list_len != len - 2 || data[2] != 0 || name_len != len - HEADER_BYTES)
        return false;
    return reel_tls_lower((const char *)data + HEADER_BYTES, name_len, out_z);
}

/* "*.example.org" is for one label in front. */
static bool goes_by(const char *pattern_z, const char *name_z)
{
    if (strcmp(pattern_z, name_z) == 0)
        return true;
    const char *dot_z = strchr(name_z, '.');
    return strncmp(pattern_z, "*.", 2) == 0 && dot_z && dot_z > name_z &&
           strcmp(pattern_z + 1, dot_z) == 0;
}

static struct reel_tls_context *find(struct reel_tls_context *context, struct tls_filter *tls,
                                     const char *name_z)
{
    const struct reel_tls_options *o = &context->options;
    for (const struct reel_tls_name *name = context->names; name && name->name_z; name++)
        if (goes_by(name->name_z, name_z))
            return name->context;
    return o->on_name ? o->on_name(o->shared, tls->filter.transport, name_z) : NULL;
}

static bool turn_to(SSL *ssl, struct reel_tls_context *context)
{
    pthread_mutex_lock(&context->lock);
    SSL_CTX *ctx = SSL_set_SSL_CTX(ssl, context->ctx);
    if (ctx) {
        SSL_set_min_proto_version(ssl, (int)SSL_CTX_get_min_proto_version(ctx));
        SSL_set_max_proto_version(ssl, (int)SSL_CTX_get_max_proto_version(ctx));
    }
    pthread_mutex_unlock(&context->lock);
    return ctx && SSL_set_session_id_context(ssl, context->id, sizeof(context->id)) == 1;
}

int reel_tls_on_hello(SSL *ssl, int *alert, void *arg)
{
    struct reel_tls_context *context = arg;
    struct tls_filter *tls = SSL_get_app_data(ssl);
    char name_z[TLS_NAME_MAX + 1];
    const unsigned char *data = NULL;
    size_t len = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &len) != 1 ||
        !parse_server_name(data, len, name_z))
        return SSL_CLIENT_HELLO_SUCCESS;
    if (!tls->name_z)
        tls->name_z = strdup(name_z);
    struct reel_tls_context *other = find(context, tls, name_z);
    if (!other || other == context)
        return SSL_CLIENT_HELLO_SUCCESS;
    if (!tls->named)
        tls->named = reel_tls_context_keep(other);
    if (turn_to(ssl, tls->named) && reel_tls_verify_clients(ssl, tls->named))
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}
