/* echo: sends back what comes, to any number of clients, on one thread. */
#include <reel/reel.h>

#include "lab.h"

#include <errno.h>
#include <stdio.h>

static size_t echo_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    return reel_write(t, data, len) == 0 ? len : 0; /* what is not taken comes again */
}

static const struct reel_protocol echo = {.name_z = "echo", .data = echo_data};
static const struct reel_factory factory = {.protocol = &echo};

int main(int argc, char **argv)
{
    const char *where_z = lab_arguments(argc, argv, "0.0.0.0:8080");
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    if (!reactor)
        lab_cannot("reel_reactor_new", errno);
    struct reel_listener *listener = lab_listen(reactor, where_z, &factory);
    printf("Listening on port %d\n", reel_listener_port(listener));
    return lab_run(reactor);
}
