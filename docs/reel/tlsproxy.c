/* TLS in front of a server that has none: tlsproxy CERTIFICATE LISTEN TO. */
#include <reel/reel.h>

#include <stdio.h>

static void on_ended(const struct reel_forward *forward, struct reel_transport *client, int reason,
                     uint64_t sent, uint64_t received)
{
    struct reel_address peer = {.length = 0};
    char text_z[REEL_ADDRESS_TEXT_MAX];
    reel_peer(client, &peer);
    printf("%s to %s: %llu bytes there, %llu back, %s\n",
           reel_address_text(&peer, text_z, sizeof(text_z)), forward->to_z,
           (unsigned long long)sent, (unsigned long long)received, reel_reason_text(reason));
}

int main(int argc, char **argv)
{
    struct reel_tls_context *context = NULL;
    struct reel_tls_error why = {"usage: tlsproxy CERTIFICATE LISTEN TO"};
    const struct reel_tls_options options = {.certificate_z = argc == 4 ? argv[1] : ""};
    if (argc != 4 || reel_tls_context_new(&options, &context, &why) < 0) {
        fprintf(stderr, "%s\n", why.text_z);
        return 1;
    }
    struct reel_forward forward = {.to_z = argv[3], .ended = on_ended};
    const struct reel_filter_use filters[] = {{&reel_tls_server, context}, {NULL, NULL}};
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    struct reel_signal signals[2];
    reel_forward_init(&forward);
    forward.factory.filters = filters;
    if (!reactor || reel_listen(reactor, argv[2], &forward.factory, NULL) < 0 ||
        reel_stop_on_signals(signals, reactor) < 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    reel_run(reactor);
    reel_reactor_free(reactor);
    reel_tls_context_free(context);
}
