/* An echo server over TLS: tls CERTIFICATE [ENDPOINT]. SIGHUP reads the certificate again. */
#include <reel/reel.h>

#include <signal.h>
#include <stdio.h>

static struct reel_tls_context *context;

static void on_made(struct reel_transport *t)
{
    printf("%s, %s\n", reel_tls_version(t), reel_tls_cipher(t));
}

static void on_failed(struct reel_transport *t, int reason)
{
    const char *why = reel_tls_error_text(t);
    printf("no connection: %s\n", *why ? why : reel_reason_text(reason));
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    return reel_write(t, data, len) == 0 ? len : 0;
}

static void on_hangup(struct reel_signal *signal)
{
    struct reel_tls_error why;
    (void)signal;
    if (reel_tls_context_reload(context, &why) < 0)
        fprintf(stderr, "the old certificate stays: %s\n", why.text_z);
}

static const struct reel_protocol echo = {.made = on_made, .failed = on_failed, .data = on_data};

int main(int argc, char **argv)
{
    const struct reel_tls_options options = {.certificate_z = argc > 1 ? argv[1] : "site.pem"};
    struct reel_tls_error why;
    if (reel_tls_context_new(&options, &context, &why) < 0) {
        fprintf(stderr, "%s\n", why.text_z);
        return 1;
    }
    const struct reel_filter_use filters[] = {{&reel_tls_server, context}, {NULL, NULL}};
    const struct reel_factory factory = {.protocol = &echo, .filters = filters};
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    struct reel_signal hangup;
    if (!reactor || reel_listen(reactor, argc > 2 ? argv[2] : "tcp:8443", &factory, NULL) < 0)
        return 1;
    reel_signal_start(&hangup, reactor, SIGHUP, on_hangup);
    setvbuf(stdout, NULL, _IOLBF, 0);
    reel_run(reactor);
    reel_reactor_free(reactor);
    reel_tls_context_free(context);
}
