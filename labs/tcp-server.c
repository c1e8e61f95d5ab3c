/* tcp-server: prints what a client sends, answers ACK!, closes. The plainest server on the engine. */
#include <reel/reel.h>

#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void on_made(struct reel_transport *t)
{
    struct reel_address peer;
    char who[REEL_ADDRESS_TEXT_MAX];
    reel_peer(t, &peer);
    printf("%s connected\n", reel_address_text(&peer, who, sizeof(who)));
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    lab_print_line("received", (const char *)data, len);
    reel_write(t, "ACK!\n", strlen("ACK!\n"));
    reel_close(t); /* after what was written is sent */
    return len;
}

static const struct reel_protocol protocol = {.made = on_made, .data = on_data};
static const struct reel_factory factory = {.protocol = &protocol};

int main(int argc, char **argv)
{
    const char *where_z = lab_arguments(argc, argv, "0.0.0.0:9999");
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    if (!reactor)
        lab_cannot("reel_reactor_new", errno);
    struct reel_listener *listener = lab_listen(reactor, where_z, &factory);
    printf("listening on port %d\n", reel_listener_port(listener));
    return lab_run(reactor);
}
