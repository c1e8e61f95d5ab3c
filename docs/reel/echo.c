#include <reel/reel.h>

static size_t echo_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    return reel_write(t, data, len) == 0 ? len : 0;
}

static const struct reel_protocol echo = {.data = echo_data};
static const struct reel_factory echo_factory = {.protocol = &echo};

int main(int argc, char **argv)
{
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    if (!reactor || reel_listen(reactor, argc > 1 ? argv[1] : "tcp:8080", &echo_factory, NULL) < 0)
        return 1;
    reel_run(reactor);
    reel_reactor_free(reactor);
}
