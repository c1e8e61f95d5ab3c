/* Reaches src/reel/tls/filter.c, name.c, error.c and src/reel/filters.c: a TLS server (with names)
 * and a client that each hear arbitrary bytes instead of a peer, in pieces, then an end. OpenSSL's
 * parsers are behind it; what is looked for is on this side: exactly one end, nothing delivered. */
#include <reel/reel.h>

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    int failed, others;
};

static void on_failed(struct reel_transport *t, int reason)
{
    struct outcome *outcome = reel_shared(t);
    assert(reason < 0);
    assert(reel_tls_error_text(t) != NULL);
    outcome->failed++;
}

static void on_other(struct reel_transport *t)
{
    ((struct outcome *)reel_shared(t))->others++;
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    (void)data;
    on_other(t);
    return len;
}

static const struct reel_protocol protocol = {
    .made = on_other, .failed = on_failed, .data = on_data, .eof = on_other};

static struct reel_tls_context *by_name(void *shared, struct reel_transport *t, const char *name_z)
{
    (void)t;
    assert(*name_z);
    return *name_z == 'a' ? *(struct reel_tls_context **)shared : NULL;
}

static void hear(struct reel_reactor *r, const struct reel_filter_use *filters, const uint8_t *data,
                 size_t size)
{
    struct outcome outcome = {0};
    const struct reel_factory factory = {
        .protocol = &protocol, .shared = &outcome, .filters = filters};
    const struct reel_wire wire = {.chunk_max = size ? data[0] : 0};
    struct reel_test_peer *peer = NULL;
    struct reel_transport *t = NULL;
    assert(reel_test_peer_new(r, &factory, &wire, &peer, &t) == 0);
    reel_test_advance(r, 0);
    if (size > 1)
        reel_test_send(peer, data + 1, size - 1);
    reel_test_advance(r, 0);
    reel_test_send_eof(peer);
    reel_test_advance(r, REEL_HANDSHAKE_DEFAULT_NS);
    assert(outcome.failed == 1 && outcome.others == 0);
    reel_test_peer_free(peer);
    reel_test_advance(r, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reel_tls_context *context = NULL, *other = NULL;
    struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
    const struct reel_tls_options options = {
        .on_name = by_name,
        .shared = &other,
        .alpn_z = "h2,http/1.1",
        .verify = REEL_TLS_VERIFY_NONE}; /* reading the system's authorities takes too long */
    if (!r || reel_tls_context_new(NULL, &other, NULL) < 0 ||
        reel_tls_context_new(&options, &context, NULL) < 0)
        abort();
    const struct reel_tls_client client = {.context = context, .name_z = "localhost"};
    const struct reel_filter_use servers[] = {{&reel_tls_server, context}, {NULL, NULL}};
    const struct reel_filter_use clients[] = {{&reel_tls_client, &client}, {NULL, NULL}};
    hear(r, servers, data, size);
    hear(r, clients, data, size);
    reel_reactor_free(r);
    reel_tls_context_free(context);
    reel_tls_context_free(other);
    return 0;
}
