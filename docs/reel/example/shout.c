/* Says all lines again, louder: shout [ENDPOINT]. SIGTERM ends it when its visitors are done. */
#include <reel/reel.h>

#include <ctype.h>
#include <signal.h>
#include <stdio.h>

static void shout_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    char loud[REEL_PRINT_MAX];
    size_t n = len < sizeof(loud) ? len : sizeof(loud);
    for (size_t i = 0; i < n; i++)
        loud[i] = (char)toupper(line[i]);
    reel_line_write(t, loud, n);
}

static const struct reel_line_protocol shout = {
    .protocol = {.name_z = "shout",
                 .state_size = sizeof(struct reel_line_state),
                 .data = reel_line_data},
    .line_max = REEL_PRINT_MAX,
    .line = shout_line,
};
static const struct reel_factory factory = {.protocol = &shout.protocol};

static void on_term(struct reel_signal *signal)
{
    reel_stop_gracefully(signal->reactor, 10 * REEL_SECOND);
}

int main(int argc, char **argv)
{
    const char *endpoint_z = argc > 1 ? argv[1] : "tcp:8080";
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    struct reel_listener *listener = NULL;
    struct reel_signal term;
    if (!reactor)
        return 1;
    int err = reel_listen(reactor, endpoint_z, &factory, &listener);
    if (err == 0)
        err = reel_signal_start(&term, reactor, SIGTERM, on_term);
    if (err == 0) {
        printf("shouting at port %d\n", reel_listener_port(listener));
        fflush(stdout);
        err = reel_run(reactor);
    }
    if (err < 0)
        fprintf(stderr, "shout: %s: %s\n", endpoint_z, reel_reason_text(err));
    reel_reactor_free(reactor);
    return err < 0;
}
