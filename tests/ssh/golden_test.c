/* Exchanges as text: tests/golden/ssh/FILE.case says what a client sends and what it must get, in
 * order and with nothing beside. The lines:
 *
 *     = title          a new case
 *     at PLACE         where it begins: version, kexinit, keys, service, login, channel
 *     with NAME VALUE  before `at`: an option of the client: version, kex, hostkey; or the
 *                      server's profile
 *     > TOKENS         the client sends a message (compose.h says what tokens are)
 *     >> TOKENS        the client sends bytes that are no packet
 *     > eof            it shuts its side down
 *     do ACTION        the session acts on channel 0: write, stderr, eof, exit N, signal NAME, close
 *     < LINE           the next message that the client gets
 *     <~ BYTES         the bytes in the clear that the client gets after the version line
 *     < end            the server has closed, all messages have been seen
 *     ! LINE           an event of the session, after those named before
 *
 * A case without `< end` must leave the connection open. */
#include "compose.h"
#include "pair.h"
#include "ssh/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINE_MAX_BYTES = 4096 };

struct golden {
    const char *path_z;
    unsigned line;
    bool running;
    bool end_seen;
    struct pair pair;
    struct ssh_client_options options;
    const struct ssh_profile *profile;
    char option_z[3][LINE_MAX_BYTES];
};

#define FAIL(g, ...)                                    \
    do {                                                \
        print_error("%s:%u: ", (g)->path_z, (g)->line); \
        fail_msg(__VA_ARGS__);                          \
    } while (0)

/* The next line of a list of lines; empty when there is none. */
static void next_line(struct buffer *lines, char out_z[LINE_MAX_BYTES])
{
    struct span text = buffer_span(lines);
    ptrdiff_t end = span_find(text, '\n', 0);
    span_copy_z(span_slice(text, 0, end < 0 ? text.len : (size_t)end), out_z, LINE_MAX_BYTES);
    buffer_take(lines, end < 0 ? text.len : (size_t)end + 1);
}

static void expect_nothing_left(struct golden *g)
{
    char line_z[LINE_MAX_BYTES];
    next_line(&g->pair.messages, line_z);
    if (line_z[0])
        FAIL(g, "not expected: %s", line_z);
}

static void finish_case(struct golden *g)
{
    if (g->running) {
        expect_nothing_left(g);
        if (g->pair.ended != g->end_seen)
            FAIL(g, "the server has %sclosed", g->pair.ended ? "" : "not ");
        pair_fini(&g->pair);
    }
    g->running = g->end_seen = false;
    g->options = ssh_client_defaults;
    g->profile = &ssh_profile_openssh_9_2p1;
}

static void set_option(struct golden *g, const char *rest_z)
{
    static const char *const names_z[] = {"version ", "kex ", "hostkey "};
    const char **fields[] = {&g->options.version_z, &g->options.kex_z, &g->options.hostkey_z};
    for (size_t i = 0; i < ARRAY_LEN(names_z); i++)
        if (strncmp(rest_z, names_z[i], strlen(names_z[i])) == 0) {
            snprintf(g->option_z[i], LINE_MAX_BYTES, "%s", rest_z + strlen(names_z[i]));
            *fields[i] = g->option_z[i];
            return;
        }
    g->profile = strncmp(rest_z, "profile ", 8) == 0 ? ssh_profile_find(span_z(rest_z + 8)) : NULL;
    if (!g->profile)
        FAIL(g, "no such option: %s", rest_z);
}

/* The client sends nothing: its version line, if any, is the case's own. */
static void start_by_hand(struct golden *g, bool with_version)
{
    g->options.by_hand = true;
    pair_init(&g->pair, g->profile, &g->options, PAIR_RANDOM, 1);
    if (!with_version) {
        buffer_clear(&g->pair.client->sender.out);
        struct span line = ssh_out(g->pair.ssh);
        ssh_client_feed(g->pair.client, line);
        ssh_sent(g->pair.ssh, line.len);
    }
    pair_pump(&g->pair, false);
    buffer_clear(&g->pair.messages);
    buffer_clear(&g->pair.events);
}

static void start_with_keys(struct golden *g, const char *place_z)
{
    pair_init(&g->pair, g->profile, &g->options, PAIR_RANDOM, 1);
    pair_pump(&g->pair, true);
    if (strcmp(place_z, "service") == 0)
        pair_say(&g->pair, "05 \"ssh-userauth\"");
    if (strcmp(place_z, "login") == 0 || strcmp(place_z, "channel") == 0)
        pair_login(&g->pair);
    if (strcmp(place_z, "channel") == 0)
        pair_open(&g->pair);
    buffer_clear(&g->pair.messages);
    buffer_clear(&g->pair.events);
}

static void start_at(struct golden *g, const char *place_z)
{
    if (strcmp(place_z, "version") == 0 || strcmp(place_z, "kexinit") == 0)
        start_by_hand(g, place_z[0] == 'k');
    else
        start_with_keys(g, place_z);
    g->running = true;
}

static void send(struct golden *g, const char *tokens_z, bool raw)
{
    struct buffer bytes;
    buffer_init(&bytes, 4 * 1024 * 1024);
    expect_nothing_left(g);
    if (strcmp(tokens_z, "eof") == 0)
        g->pair.eof_sent = true;
    else if (!compose(tokens_z, &bytes))
        FAIL(g, "cannot compose: %s", tokens_z);
    if (raw)
        ssh_client_send_raw(g->pair.client, buffer_span(&bytes));
    else if (!g->pair.eof_sent)
        ssh_client_send_now(g->pair.client, buffer_span(&bytes));
    pair_pump(&g->pair, true);
    buffer_fini(&bytes);
}

static void act(struct golden *g, const char *action_z)
{
    struct ssh *ssh = g->pair.ssh;
    expect_nothing_left(g);
    if (strncmp(action_z, "write ", 6) == 0)
        ssh_channel_write(ssh, 0, SSH_STDOUT, span_z(action_z + 6));
    else if (strncmp(action_z, "stderr ", 7) == 0)
        ssh_channel_write(ssh, 0, SSH_STDERR, span_z(action_z + 7));
    else if (strcmp(action_z, "eof") == 0)
        ssh_channel_eof(ssh, 0);
    else if (strncmp(action_z, "exit ", 5) == 0)
        ssh_channel_exit_status(ssh, 0, (uint32_t)strtoul(action_z + 5, NULL, 10));
    else if (strncmp(action_z, "signal ", 7) == 0)
        ssh_channel_exit_signal(ssh, 0, action_z + 7, false);
    else if (strcmp(action_z, "close") == 0)
        ssh_channel_close(ssh, 0);
    else if (strcmp(action_z, "hide") == 0)
        ssh_channel_echo(ssh, 0, false);
    else if (strcmp(action_z, "disconnect") == 0)
        ssh_disconnect(ssh, 11, "bye");
    else
        FAIL(g, "no such action: %s", action_z);
    pair_pump(&g->pair, true);
}

static void expect_event(struct golden *g, const char *wanted_z)
{
    char line_z[LINE_MAX_BYTES];
    do
        next_line(&g->pair.events, line_z);
    while (line_z[0] && strcmp(line_z, wanted_z) != 0);
    if (!line_z[0])
        FAIL(g, "no such event: %s", wanted_z);
}

static void expect_message(struct golden *g, const char *wanted_z)
{
    char line_z[LINE_MAX_BYTES];
    if (strcmp(wanted_z, "end") == 0) {
        g->end_seen = true;
        return;
    }
    next_line(&g->pair.messages, line_z);
    if (strcmp(line_z, wanted_z) != 0)
        FAIL(g, "expected: %s, but got: %s", wanted_z, line_z[0] ? line_z : "nothing");
}

/* What came after the version line, before any packet was understood. */
static void expect_bytes(struct golden *g, const char *tokens_z)
{
    struct buffer wanted, *got = &g->pair.client->receiver.in;
    buffer_init(&wanted, LINE_MAX_BYTES);
    if (!compose(tokens_z, &wanted) || !span_equal(buffer_span(&wanted), buffer_span(got))) {
        char line_z[LINE_MAX_BYTES];
        span_copy_z(buffer_span(got), line_z, sizeof(line_z));
        FAIL(g, "expected: %s, but got: %s", tokens_z, line_z);
    }
    buffer_fini(&wanted);
}

static bool is_command(const char *line_z, const char *command_z, const char **rest_z)
{
    size_t len = strlen(command_z);
    *rest_z = line_z + len;
    return strncmp(line_z, command_z, len) == 0;
}

static void run_line(struct golden *g, const char *line_z)
{
    const char *rest_z;
    if (line_z[0] == '\0' || line_z[0] == '#')
        return;
    if (is_command(line_z, "= ", &rest_z))
        finish_case(g);
    else if (is_command(line_z, "with ", &rest_z))
        set_option(g, rest_z);
    else if (is_command(line_z, "at ", &rest_z))
        start_at(g, rest_z);
    else if (!g->running)
        FAIL(g, "a case begins with `at`");
    else if (is_command(line_z, ">> ", &rest_z))
        send(g, rest_z, true);
    else if (is_command(line_z, "> ", &rest_z))
        send(g, rest_z, false);
    else if (is_command(line_z, "do ", &rest_z))
        act(g, rest_z);
    else if (is_command(line_z, "<~ ", &rest_z))
        expect_bytes(g, rest_z);
    else if (is_command(line_z, "< ", &rest_z))
        expect_message(g, rest_z);
    else if (is_command(line_z, "! ", &rest_z))
        expect_event(g, rest_z);
    else
        FAIL(g, "not understood: %s", line_z);
}

static void run_file(const char *path_z)
{
    struct golden g = {
        .path_z = path_z, .options = ssh_client_defaults, .profile = &ssh_profile_openssh_9_2p1};
    char line_z[LINE_MAX_BYTES];
    FILE *file = fopen(path_z, "r");
    assert_non_null(file);
    while (fgets(line_z, sizeof(line_z), file)) {
        g.line++;
        line_z[strcspn(line_z, "\n")] = '\0';
        run_line(&g, line_z);
    }
    fclose(file);
    finish_case(&g);
}

static void the_cases_of_the_file_hold(void **state)
{
    run_file(*state);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: golden_test FILE.case\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(the_cases_of_the_file_hold, argv[1]),
    };
    return cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
}
