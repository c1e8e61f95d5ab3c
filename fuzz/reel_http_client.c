/* Reaches src/reel/http_client/: a server's bytes over a wire whose pieces the first byte chooses. The
 * request has exactly one end, and a body above its maximum is never handed out. */
#include <reel/reel.h>

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct reel_wire wire;
    const uint8_t *data;
    size_t size;
    int ends, dials;
    struct reel_test_peer *peers[16];
};

enum { BODY_MAX = 1000 };

static int dial(const struct reel_dialer *dialer, struct reel_reactor *r, struct reel_dial *dial)
{
    struct run *run = dialer->context;
    if (run->dials == 16)
        return -1;
    struct reel_test_peer **peer = &run->peers[run->dials++];
    int err = reel_test_peer_new(r, dial->factory, &run->wire, peer, &dial->transport);
    if (err == 0)
        reel_test_send(*peer, run->data, run->size);
    return err;
}

static void on_end(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct run *run = context;
    const struct reel_http_response *response = result->pointer;
    (void)d;
    run->ends++;
    if (result->error)
        return;
    assert(response->len <= BODY_MAX && response->status >= 200 && response->status < 600);
    assert(response->len == 0 || response->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct run run = {.wire = {.chunk_max = data[0]}, .data = data + 1, .size = size - 1};
    const struct reel_dialer dialer = {dial, &run};
    const struct reel_http_client_options options = {.dialer = &dialer, .response_max = BODY_MAX};
    struct reel_reactor *r = reel_test_reactor_new(NULL, 0);
    struct reel_http_client *client = NULL;
    if (!r || reel_http_client_new(r, &options, &client) < 0)
        return 0;
    const struct reel_http_ask ask = {.url_z = "http://a/"};
    reel_deferred_done(reel_http_fetch(client, &ask), on_end, &run);
    reel_test_advance(r, REEL_SECOND);
    for (int i = 0; i < run.dials; i++)
        reel_test_send_eof(run.peers[i]);
    reel_test_advance(r, 1000 * REEL_SECOND);
    assert(run.ends == 1);
    reel_http_client_free(client);
    reel_test_advance(r, 0);
    for (int i = 0; i < run.dials; i++)
        reel_test_peer_free(run.peers[i]);
    reel_test_advance(r, 0);
    reel_reactor_free(r);
    return 0;
}
