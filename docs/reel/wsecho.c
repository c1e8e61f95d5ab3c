#include <reel/reel.h>

static void said(struct reel_websocket *ws, enum reel_websocket_kind kind, const uint8_t *data,
                 size_t len)
{
    reel_websocket_send(ws, kind, data, len);
}

static const struct reel_websocket_handler echo = {.message = said};

static void on_echo(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_websocket_accept(q, &echo, NULL, NULL, NULL);
}

static const struct reel_http_route routes[] = {{.path_z = "/echo", .handle = on_echo}, {0}};

int main(int argc, char **argv)
{
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    struct reel_http_site *site = NULL;
    if (!reactor || reel_http_site_new(reactor, routes, NULL, &site) < 0 ||
        reel_listen(reactor, argc > 1 ? argv[1] : "tcp:8080", reel_http_factory(site), NULL) < 0)
        return 1;
    reel_run(reactor);
    reel_http_site_free(site);
    reel_reactor_free(reactor);
}
