/* Servers for the clients of others: peer_server KIND. Prints its port; ends with its standard input.
 * Kinds: echo; socks; socks-login (me, secret); whoami: tells the peer's address as an HTTP answer;
 * proxy: the same behind a PROXY header. */
#include <reel/reel.h>

#include <stdio.h>
#include <string.h>

static size_t echo_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    return reel_write(t, data, len) == 0 ? len : 0;
}

static const struct reel_protocol echo_protocol = {.name_z = "echo", .data = echo_data};

/* Whatever is asked, the answer is who asks. */
static void whoami_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    struct reel_address peer = {.length = 0};
    char text[REEL_ADDRESS_TEXT_MAX];
    (void)line;
    if (len > 0) /* an empty line ends an HTTP request */
        return;
    reel_peer(t, &peer);
    reel_address_text(&peer, text, sizeof(text));
    reel_print(t, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
               strlen(text), text);
    reel_close(t);
}

static const struct reel_line_protocol whoami = {
    .protocol = {.name_z = "whoami",
                 .state_size = sizeof(struct reel_line_state),
                 .data = reel_line_data},
    .line = whoami_line,
};

static bool only_me(const struct reel_socks *socks, struct reel_transport *client,
                    const char *user_z, const char *password_z)
{
    (void)socks;
    (void)client;
    return password_z && strcmp(user_z, "me") == 0 && strcmp(password_z, "secret") == 0;
}

static void on_input_end(struct reel_transport *t, int reason)
{
    (void)reason;
    reel_stop(reel_reactor_of(t));
}

static const struct reel_protocol input = {.name_z = "input", .lost = on_input_end};

int main(int argc, char **argv)
{
    const char *kind_z = argc > 1 ? argv[1] : "";
    struct reel_socks socks = {.checks = strcmp(kind_z, "socks-login") == 0 ? only_me : NULL};
    reel_socks_init(&socks);
    const struct reel_filter_use behind_proxy[] = {{&reel_proxy_filter, NULL}, {NULL, NULL}};
    const struct reel_factory echo = {.protocol = &echo_protocol};
    const struct reel_factory plain = {.protocol = &whoami.protocol};
    const struct reel_factory proxy = {.protocol = &whoami.protocol, .filters = behind_proxy};
    const struct reel_factory stdin_factory = {.protocol = &input};
    const struct {
        const char *kind_z;
        const struct reel_factory *factory;
    } kinds[] = {{"echo", &echo},
                 {"whoami", &plain},
                 {"proxy", &proxy},
                 {"socks", &socks.factory},
                 {"socks-login", &socks.factory}};
    const struct reel_factory *factory = NULL;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].kind_z, kind_z) == 0)
            factory = kinds[i].factory;
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct reel_listener *l = NULL;
    if (!factory || !r || reel_listen(r, "tcp:0:interface=127.0.0.1", factory, &l) < 0 ||
        reel_stream_adopt(r, 0, &stdin_factory, NULL) < 0)
        return 1;
    printf("%u\n", reel_listener_port(l));
    fflush(stdout);
    reel_run(r);
    reel_reactor_free(r);
}
