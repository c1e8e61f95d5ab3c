/* reel-receiver: the same receiver, many connections on one thread, on the engine.
 * What epoll-receiver keeps and watches by hand, half a line included, is the engine's business. */
#include <reel/reel.h>

#include "lab.h"

#include <errno.h>
#include <stdio.h>

struct client {
    struct reel_line_state lines; /* comes first */
    char peer[REEL_ADDRESS_TEXT_MAX];
};

static void on_made(struct reel_transport *t)
{
    struct client *client = reel_state(t);
    struct reel_address peer;
    reel_peer(t, &peer);
    printf("%s connected\n", reel_address_text(&peer, client->peer, sizeof(client->peer)));
}

static void on_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    struct client *client = reel_state(t);
    lab_print_line(client->peer, (const char *)line, len);
}

static void on_lost(struct reel_transport *t, int reason)
{
    struct client *client = reel_state(t);
    (void)reason;
    printf("%s disconnected\n", client->peer);
}

static const struct reel_line_protocol receiver = {
    .protocol = {.state_size = sizeof(struct client),
                 .made = on_made,
                 .data = reel_line_data,
                 .eof = reel_line_eof,
                 .lost = on_lost},
    .line_max = LAB_LINE_MAX - 1,
    .line = on_line,
    .too_long = on_line,
};
static const struct reel_factory factory = {.protocol = &receiver.protocol};

int main(int argc, char **argv)
{
    const char *where_z = lab_arguments(argc, argv, "0.0.0.0:5000");
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    if (!reactor)
        lab_cannot("reel_reactor_new", errno);
    struct reel_listener *listener = lab_listen(reactor, where_z, &factory);
    lab_print_listening(reel_listener_fd(listener));
    return lab_run(reactor);
}
