/* A real peer on both sides: python3-websockets. websocket_peer_test PEER-PROGRAM. */
#include "helper.h"

#include <reel/http.h>
#include <reel/websocket.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program_z;

struct side {
    int opened, closed, messages;
    uint16_t code;
    char text[64], words[64], protocol[16];
    struct reel_websocket *ws;
    bool echoes;
};

static void on_opened(struct reel_websocket *ws)
{
    struct side *side = reel_websocket_shared(ws);
    const char *protocol_z = reel_websocket_protocol(ws);
    side->opened++;
    snprintf(side->protocol, sizeof(side->protocol), "%s", protocol_z ? protocol_z : "");
}

static void on_message(struct reel_websocket *ws, enum reel_websocket_kind kind,
                       const uint8_t *data, size_t len)
{
    struct side *side = reel_websocket_shared(ws);
    side->messages++;
    snprintf(side->text, sizeof(side->text), "%.*s", (int)(len < 50 ? len : 50),
             (const char *)data);
    if (side->echoes)
        assert_int_equal(reel_websocket_send(ws, kind, data, len), 0);
}

static void on_closed(struct reel_websocket *ws, const struct reel_websocket_end *end)
{
    struct side *side = reel_websocket_shared(ws);
    side->closed++;
    side->code = end->code;
    side->ws = NULL;
    snprintf(side->words, sizeof(side->words), "%.*s", (int)end->len, end->text);
}

static const struct reel_websocket_handler handler = {
    .opened = on_opened, .message = on_message, .closed = on_closed};
static const struct reel_websocket_options options = {.protocols_z = "chat"};

static FILE *start(const char *argument_z, pid_t *pid)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    *pid = fork();
    if (*pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl("/usr/bin/python3", "python3", program_z, argument_z, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    return fdopen(fds[0], "r");
}

static void our_client_speaks_with_their_server(void **state)
{
    (void)state;
    struct side side = {0};
    struct reel_reactor *r = reel_reactor_new(NULL);
    pid_t pid = 0;
    char line[64], url[64];
    FILE *peer = start(NULL, &pid);
    assert_non_null(fgets(line, sizeof(line), peer));
    snprintf(url, sizeof(url), "ws://127.0.0.1:%lu/x", strtoul(line, NULL, 10));
    const struct reel_websocket_client client = {.url_z = url};
    assert_int_equal(reel_websocket_connect(r, &client, &handler, &options, &side, &side.ws), 0);
    run_until(r, &side.opened);
    assert_string_equal(side.protocol, "chat");
    static const char *const texts[] = {"hello", "", "\xe2\x82\xac"};
    for (size_t i = 0; i < 3; i++) {
        side.messages = 0;
        reel_websocket_send(side.ws, REEL_WEBSOCKET_TEXT, texts[i], strlen(texts[i]));
        run_until(r, &side.messages);
        assert_string_equal(side.text, texts[i]);
    }
    reel_websocket_send(side.ws, REEL_WEBSOCKET_TEXT, "close", 5);
    run_until(r, &side.closed);
    assert_int_equal(side.code, 4001);
    assert_string_equal(side.words, "as you say");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    fclose(peer);
    reel_reactor_free(r);
}

static void on_request(struct reel_http_request *q, void *context)
{
    reel_websocket_accept(q, &handler, &options, context, NULL);
}

static void our_server_speaks_with_their_client(void **state)
{
    (void)state;
    struct side side = {.echoes = true};
    const struct reel_http_route routes[] = {{NULL, "/ws", on_request, &side, 0}, {0}};
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct reel_http_site *site = NULL;
    assert_int_equal(reel_http_site_new(r, routes, NULL, &site), 0);
    struct reel_listener *l = listen_local(r, reel_http_factory(site));
    char url[64], said[1024] = "";
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u/ws", reel_listener_port(l));
    pid_t pid = 0;
    FILE *peer = start(url, &pid);
    int status = -1;
    for (int turns = 0; turns < 60000 && waitpid(pid, &status, WNOHANG) == 0; turns++)
        reel_run_once(r, REEL_MS);
    size_t len = fread(said, 1, sizeof(said) - 1, peer);
    said[len] = '\0';
    assert_string_equal(said, "protocol chat\nsame True\nsame True\nsame True\nsame True\n"
                              "same True\nin parts\npong\nclosed 4002 done\norigin 403\n"
                              "too big 1009\n");
    assert_int_equal(status, 0);
    run_turns(r, 5);
    assert_int_equal(side.opened, 2);
    assert_int_equal(side.closed, 2);
    fclose(peer);
    reel_listener_close(l);
    reel_http_site_free(site);
    reel_reactor_free(r);
}

int main(int argc, char **argv)
{
    program_z = argc > 1 ? argv[1] : "";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_client_speaks_with_their_server),
        cmocka_unit_test(our_server_speaks_with_their_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
