#include <reel/reel.h>

#include <stdio.h>

static void on_answer(struct reel_deferred *d, struct reel_result *result, void *context)
{
    const struct reel_http_response *response = result->pointer;
    struct reel_reactor *reactor = context;
    (void)d;
    if (result->error)
        fprintf(stderr, "%s\n", result->why_z ? result->why_z : reel_reason_text(result->error));
    else if (response->len)
        fwrite(response->body, 1, response->len, stdout);
    reel_stop(reactor);
}

int main(int argc, char **argv)
{
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    struct reel_http_client *client = NULL;
    if (argc < 2 || !reactor || reel_http_client_new(reactor, NULL, &client) < 0)
        return 1;
    const struct reel_http_ask ask = {.url_z = argv[1]};
    if (reel_deferred_done(reel_http_fetch(client, &ask), on_answer, reactor) == 0)
        reel_run(reactor);
    reel_http_client_free(client);
    reel_reactor_free(reactor);
    return 0;
}
