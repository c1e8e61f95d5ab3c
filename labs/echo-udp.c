/* echo-udp: sends each datagram back to its sender, and says so. */
#include <reel/reel.h>

#include "lab.h"

#include <errno.h>
#include <stdio.h>

static void on_datagram(struct reel_datagram *d, const uint8_t *data, size_t len,
                        const struct reel_address *from)
{
    char who[REEL_ADDRESS_TEXT_MAX], what[LAB_LINE_MAX];
    size_t shown = len && data[len - 1] == '\n' ? len - 1 : len;
    printf("received %s from %s\n", lab_shown((const char *)data, shown, what),
           reel_address_text(from, who, sizeof(who)));
    reel_datagram_reply(d, data, len);
}

static const struct reel_datagram_protocol protocol = {.received = on_datagram};
static const struct reel_datagram_factory factory = {.protocol = &protocol};

int main(int argc, char **argv)
{
    const char *where_z = lab_arguments(argc, argv, "0.0.0.0:9999");
    struct reel_endpoint endpoint;
    if (reel_endpoint_parse_server(where_z, &endpoint, NULL) < 0)
        lab_cannot(where_z, EINVAL);
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    if (!reactor)
        lab_cannot("reel_reactor_new", errno);
    struct reel_datagram *socket = NULL;
    int err = reel_datagram_open(reactor, &endpoint.address, NULL, &factory, &socket);
    if (err < 0) {
        reel_reactor_free(reactor);
        lab_cannot(where_z, -err);
    }
    lab_print_listening(reel_datagram_fd(socket));
    return lab_run(reactor);
}
