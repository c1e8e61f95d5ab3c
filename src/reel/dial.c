#include <reel/dial.h>

#include <reel/tcp.h>

/* A transport is there from the beginning, so `failed` is the protocol's. */
static int dial_by_name(const struct reel_dialer *dialer, struct reel_reactor *r,
                        struct reel_dial *dial)
{
    const struct reel_connect_options options = {.timeout_ns = dial->timeout_ns};
    (void)dialer;
    return reel_connect_host(r, dial->host_z, dial->port, &options, dial->factory,
                             &dial->transport);
}

const struct reel_dialer reel_dialer_by_name = {.dial = dial_by_name};

int reel_dial(const struct reel_dialer *dialer, struct reel_reactor *r, struct reel_dial *dial)
{
    dialer = dialer ? dialer : &reel_dialer_by_name;
    return dialer->dial(dialer, r, dial);
}
