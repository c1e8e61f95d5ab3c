/* Reaches src/reel/websocket/: a client's bytes behind a good handshake, over a wire whose pieces the
 * first byte chooses, to an echo server. Each websocket that was opened is closed once. */
#include <reel/reel.h>

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int opened, closed;

static void on_opened(struct reel_websocket *ws)
{
    (void)ws;
    opened++;
}

static void on_message(struct reel_websocket *ws, enum reel_websocket_kind kind,
                       const uint8_t *data, size_t len)
{
    assert(opened == closed + 1);
    reel_websocket_send(ws, kind, data, len);
    if (len == 1)
        reel_websocket_close(ws, REEL_WEBSOCKET_NORMAL, "one byte");
}

static void on_closed(struct reel_websocket *ws, const struct reel_websocket_end *end)
{
    (void)ws;
    assert(end->len <= REEL_WEBSOCKET_TEXT_MAX && end->code >= 1000);
    closed++;
}

static const struct reel_websocket_handler handler = {
    .opened = on_opened, .message = on_message, .closed = on_closed};
static const struct reel_websocket_options options = {.message_max = 5000};

static void on_request(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_websocket_accept(q, &handler, &options, NULL, NULL);
}

static const struct reel_http_route routes[] = {{.path_z = "/", .handle = on_request}, {0}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char handshake[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
                                    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
    struct reel_http_site *site = NULL;
    struct reel_test_peer *peer = NULL;
    struct reel_transport *t = NULL;
    const struct reel_wire wire = {.chunk_max = size ? data[0] : 0};
    if (!r || reel_http_site_new(r, routes, NULL, &site) < 0 ||
        reel_test_peer_new(r, reel_http_factory(site), &wire, &peer, &t) < 0)
        return 0;
    opened = closed = 0;
    reel_test_send(peer, handshake, sizeof(handshake) - 1);
    if (size > 1)
        reel_test_send(peer, data + 1, size - 1);
    reel_test_advance(r, REEL_SECOND);
    assert(opened == 1);
    reel_test_send_eof(peer);
    reel_test_advance(r, 100 * REEL_SECOND);
    assert(closed == 1);
    reel_test_peer_free(peer);
    reel_http_site_free(site);
    reel_test_advance(r, 0);
    reel_reactor_free(r);
    return 0;
}
