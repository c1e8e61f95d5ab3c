/* A visitor's whole connection through the service, before a kernel without guests
 * (fake_kernel.c): what he sees and what is recorded. service_test MACHINE_IMAGE */
#include "visit.h"

#include "persona/image.h"
#include "session/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void start(struct visit_host *h, struct visit *v, void **state, enum visit_split split)
{
    visit_host_init(h, *state, NULL, NULL);
    visit_init(v, h, split, 1);
    visit_pump(v);
}

/* Logged in as root. */
static void start_root(struct visit_host *h, struct visit *v, void **state)
{
    start(h, v, state, VISIT_WHOLE);
    visit_login(v, "root", "123456");
    buffer_clear(&v->messages);
    buffer_clear(&v->records);
}

static void finish(struct visit_host *h, struct visit *v)
{
    visit_fini(v);
    visit_host_fini(h);
}

static void check_text(const struct buffer *b, const char *expected_z)
{
    struct span text = buffer_span(b);
    if (!span_equal_z(text, expected_z))
        fail_msg("got:\n%.*s\nexpected:\n%s", (int)text.len, (const char *)text.data, expected_z);
}

static void check_has(const struct buffer *lines, const char *prefix_z, size_t count)
{
    if (visit_count(lines, prefix_z) != count)
        fail_msg("%zu of \"%s\" in:\n%.*s", visit_count(lines, prefix_z), prefix_z,
                 (int)buffer_len(lines), (const char *)buffer_span(lines).data);
}

/* ---- What is on record ---- */

static const char command_records_z[] =
    "cowrie.session.connect | New connection: 192.0.2.7:40000 (203.0.113.87:22) "
    "[session: 1518dfe8a406]\n"
    "cowrie.client.version | Remote SSH version: SSH-2.0-TestClient_1\n"
    "cowrie.client.kex | SSH client hassh fingerprint: 3756375c080b82261f34095bbb34afc2\n"
    "lured.client.keys | Keys agreed: curve25519-sha256 ssh-ed25519 aes128-ctr hmac-sha2-256 none\n"
    "lured.client.timing | Steps of the client: 0 0 0 0 0 milliseconds\n"
    "lured.client.auth_timing | Authentication step password after 0 milliseconds\n"
    "cowrie.login.success | login attempt [root/123456] succeeded\n"
    "cowrie.session.params | \n"
    "cowrie.command.input | CMD: echo hello\n"
    "tty 0 open 0x0 'echo hello'\n"
    "cowrie.log.open | Opening TTY Log: tty/1518dfe8a406-0.cast\n"
    "lured.process.exec | EXEC [401]: echo hello\n"
    "tty 0 o 'hello\\n'\n"
    "lured.process.exit | EXIT [401]: status 0 signal -\n"
    "tty 0 close\n"
    "cowrie.log.closed | Closing TTY Log: tty/1518dfe8a406-0.cast after 0 milliseconds\n"
    "cowrie.session.closed | Connection lost after 0 milliseconds\n";

static const char command_messages_z[] = "CHANNEL_OPEN_CONFIRMATION 0 0 0 32768\n"
                                         "CHANNEL_WINDOW_ADJUST 0 2097152\n"
                                         "CHANNEL_SUCCESS 0\n"
                                         "CHANNEL_DATA 0 'hello\\n'\n"
                                         "CHANNEL_EOF 0\n"
                                         "STATUS 0\n"
                                         "CHANNEL_REQUEST 0 'exit-status' 0 +4\n"
                                         "CHANNEL_CLOSE 0\n";

static void a_command_is_answered_and_on_record(void **state)
{
    for (int split = VISIT_WHOLE; split <= VISIT_RANDOM; split++) {
        struct visit_host h;
        struct visit v;
        start(&h, &v, state, (enum visit_split)split);
        visit_login(&v, "root", "123456");
        buffer_clear(&v.messages);
        visit_exec(&v, "echo hello");
        visit_lose(&v);
        check_text(&v.output, "hello\n");
        check_text(&v.records, command_records_z);
        check_text(&v.messages, command_messages_z);
        finish(&h, &v);
    }
}

static const char shell_records_z[] =
    "cowrie.client.size | Terminal Size: 80 24\n"
    "tty 0 open 80x24 ''\n"
    "cowrie.log.open | Opening TTY Log: tty/1518dfe8a406-0.cast\n"
    "lured.process.exec | EXEC [401]: -bash\n"
    "tty 0 o 'Linux srv04 6.1.0 x86_64\\r\\n\\r\\nWelcome.\\r\\n'\n"
    "tty 0 o '$ '\n"
    "tty 0 i 'id\\r'\n"
    "cowrie.command.input | CMD: id\n"
    "tty 0 o 'id\\r\\n$ '\n"
    "cowrie.client.size | Terminal Size: 100 30\n"
    "tty 0 r '100x30'\n"
    "tty 0 o '<100x30>'\n"
    "tty 0 i 'exit\\r'\n"
    "cowrie.command.input | CMD: exit\n"
    "lured.process.exit | EXIT [401]: status 0 signal -\n"
    "tty 0 o 'logout\\r\\n'\n"
    "tty 0 close\n"
    "cowrie.log.closed | Closing TTY Log: tty/1518dfe8a406-0.cast after 0 milliseconds\n"
    "cowrie.session.closed | Connection lost after 0 milliseconds\n";

static void a_terminal_is_greeted_recorded_and_its_lines_are_told(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_say(&v, "5a \"session\" #0 #2097152 #32768");
    visit_say(&v, "62 #0 \"pty-req\" 01 \"xterm\" #80 #24 #0 #0 \"\"");
    visit_say(&v, "62 #0 \"shell\" 01");
    visit_say(&v, "5e #0 \"id\\r\"");
    visit_say(&v, "62 #0 \"window-change\" 00 #100 #30 #0 #0");
    visit_say(&v, "5e #0 \"exit\\r\"");
    visit_lose(&v);
    check_text(&v.output,
               "Linux srv04 6.1.0 x86_64\r\n\r\nWelcome.\r\n$ id\r\n$ <100x30>logout\r\n");
    check_text(&v.records, shell_records_z);
    finish(&h, &v);
}

static void the_environment_is_that_of_sshd(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_say(&v, "5a \"session\" #0 #2097152 #32768");
    visit_say(&v, "62 #0 \"env\" 01 \"LC_TEST\" \"a=b\"");
    visit_say(&v, "62 #0 \"env\" 01 \"LANG\" \"de_DE\"");
    visit_say(&v, "62 #0 \"env\" 01 \"PATH\" \"/evil\"");
    visit_say(&v, "62 #0 \"pty-req\" 01 \"vt100\" #80 #24 #0 #0 \"\"");
    visit_say(&v, "62 #0 \"exec\" 01 \"env\"");
    check_text(&v.output, "0:0 /bin/bash /root\n"
                          "LC_TEST=a=b\nLANG=C.UTF-8\nUSER=root\nLOGNAME=root\nHOME=/root\n"
                          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
                          "SHELL=/bin/bash\nTERM=vt100\nXDG_SESSION_ID=1\n"
                          "XDG_RUNTIME_DIR=/run/user/0\nXDG_SESSION_TYPE=tty\n"
                          "XDG_SESSION_CLASS=user\nMOTD_SHOWN=pam\n"
                          "SSH_CLIENT=192.0.2.7 40000 22\n"
                          "SSH_CONNECTION=192.0.2.7 40000 203.0.113.87 22\n"
                          "SSH_TTY=/dev/pts/0\n");
    check_has(&v.records, "cowrie.client.var | request_env: PATH=/evil", 1);
    finish(&h, &v);
}

static void another_account_has_its_own_identity(void **state)
{
    struct visit_host h;
    struct visit v;
    start(&h, &v, state, VISIT_WHOLE);
    visit_login(&v, "pi", "raspberry");
    visit_exec(&v, "env");
    struct span expected =
        span_z("1002:1003 /bin/bash /home/pi\ngroup 27\ngroup 29\nUSER=pi\nLOGNAME=pi\n"
               "HOME=/home/pi\nPATH=/usr/local/bin:/usr/bin:/bin:/usr/games\n");
    assert_true(span_starts_with(buffer_span(&v.output), expected));
    finish(&h, &v);
}

static void without_a_shell_it_is_sh_and_the_kernel_knows_of_a_home(void **state)
{
    struct visit_host h;
    struct visit v;
    start(&h, &v, state, VISIT_WHOLE);
    visit_login(&v, "ubuntu", "ubuntu");
    visit_exec(&v, "env");
    assert_true(span_starts_with(buffer_span(&v.output), span_z("1001:1001 /bin/sh /nowhere\n")));
    finish(&h, &v);
}

static void a_hushed_login_has_no_greeting(void **state)
{
    struct visit_host h;
    struct visit v;
    start(&h, &v, state, VISIT_WHOLE);
    visit_login(&v, "pi", "raspberry");
    visit_say(&v, "5a \"session\" #0 #2097152 #32768");
    visit_say(&v, "62 #0 \"shell\" 01");
    check_text(&v.output, "$ ");
    finish(&h, &v);
}

/* ---- The same of dropbear ---- */

static void start_dropbear(struct visit_host *h, struct visit *v, void **state)
{
    visit_host_init_as(h, &ssh_profile_dropbear_2022_83, *state, NULL, NULL);
    visit_init(v, h, VISIT_WHOLE, 1);
    visit_pump(v);
    visit_login(v, "root", "123456");
    visit_say(v, "5a \"session\" #0 #2097152 #32768");
}

static void dropbear_gives_variables_of_its_own(void **state)
{
    struct visit_host h;
    struct visit v;
    start_dropbear(&h, &v, state);
    visit_say(&v, "62 #0 \"pty-req\" 01 \"vt100\" #80 #24 #0 #0 \"\"");
    visit_say(&v, "62 #0 \"exec\" 01 \"env\"");
    check_text(&v.output, "0:0 /bin/bash /root\n"
                          "USER=root\nLOGNAME=root\nHOME=/root\nSHELL=/bin/bash\n"
                          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
                          "LANG=C.UTF-8\nTERM=vt100\nSSH_TTY=/dev/pts/0\n"
                          "SSH_CONNECTION=192.0.2.7 40000 203.0.113.87 22\n"
                          "SSH_CLIENT=192.0.2.7 40000 22\n");
    finish(&h, &v);
}

static void dropbear_greets_a_terminal_alone(void **state)
{
    for (int terminal = 0; terminal < 2; terminal++) {
        struct visit_host h;
        struct visit v;
        start_dropbear(&h, &v, state);
        if (terminal)
            visit_say(&v, "62 #0 \"pty-req\" 01 \"vt100\" #80 #24 #0 #0 \"\"");
        visit_say(&v, "62 #0 \"shell\" 01");
        check_text(&v.output, terminal ? "\r\nWelcome.\r\n$ " : "$ ");
        finish(&h, &v);
    }
}

/* Whether a client of this address would be given the version line. */
static bool is_let_in(struct visit_host *h, const char *address_z)
{
    const struct session_peer peer = {.src_ip = span_z(address_z),
                                      .dst_ip = span_z("203.0.113.87")};
    const struct service *service = &session_ssh_service;
    void *self = service->new (h->host, &peer, (const uint8_t[32]){9}, 1);
    bool in = service->out(self).len > 0;
    service->free(self);
    return in;
}

static void dropbear_lets_five_of_one_address_wait(void **state)
{
    struct visit_host h;
    struct visit v[5];
    visit_host_init_as(&h, &ssh_profile_dropbear_2022_83, *state, NULL, NULL);
    for (uint8_t i = 0; i < ARRAY_LEN(v); i++) {
        assert_true(is_let_in(&h, "192.0.2.7"));
        visit_init(&v[i], &h, VISIT_WHOLE, i);
        visit_pump(&v[i]);
    }
    assert_false(is_let_in(&h, "192.0.2.7"));
    assert_true(is_let_in(&h, "192.0.2.70"));
    visit_login(&v[2], "root", "123456");
    assert_true(is_let_in(&h, "192.0.2.7"));
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        visit_fini(&v[i]);
    visit_host_fini(&h);
}

/* ---- Logins ---- */

static void a_wrong_password_is_refused_and_a_right_one_opens(void **state)
{
    struct visit_host h;
    struct visit v;
    start(&h, &v, state, VISIT_WHOLE);
    visit_login(&v, "root", "wrong");
    visit_login(&v, "root", "\\x01\\xff\\\\");
    visit_login(&v, "root", "toor");
    check_has(&v.messages, "USERAUTH_FAILURE", 2);
    check_has(&v.messages, "USERAUTH_SUCCESS", 1);
    check_has(&v.records, "cowrie.login.failed | login attempt [root/wrong] failed", 1);
    check_has(&v.records, "cowrie.login.success | login attempt [root/toor] succeeded", 1);
    assert_int_equal(session_host_counters(h.host)->failed_logins, 2);
    assert_int_equal(session_host_counters(h.host)->logins, 1);
    finish(&h, &v);
}

static void the_sixth_failure_ends_the_connection(void **state)
{
    struct visit_host h;
    struct visit v;
    start(&h, &v, state, VISIT_WHOLE);
    for (int i = 0; i < 6; i++)
        visit_login(&v, "admin", "wrong");
    check_has(&v.messages, "DISCONNECT", 1);
    assert_int_equal(v.service->state(v.self), SERVICE_CLOSE);
    visit_lose(&v);
    check_has(&v.records, "cowrie.login.failed", 6);
    check_has(&v.records, "cowrie.session.closed", 1);
    finish(&h, &v);
}

static void an_account_that_the_machine_lacks_is_refused(void **state)
{
    struct visit_host h;
    struct visit v;
    start(&h, &v, state, VISIT_WHOLE);
    visit_login(&v, "admin", "admin");
    check_has(&v.messages, "USERAUTH_FAILURE", 1);
    finish(&h, &v);
}

static void the_first_tries_can_be_made_to_fail(void **state)
{
    struct session_limits limits = session_limits_default;
    limits.failed_tries = 2;
    struct visit_host h;
    struct visit v;
    visit_host_init(&h, *state, &limits, NULL);
    visit_init(&v, &h, VISIT_WHOLE, 1);
    for (int i = 0; i < 3; i++)
        visit_login(&v, "root", "root");
    check_has(&v.messages, "USERAUTH_FAILURE", 2);
    check_has(&v.messages, "USERAUTH_SUCCESS", 1);
    finish(&h, &v);
}

static void an_offered_key_is_recorded(void **state)
{
    struct visit_host h;
    struct visit v;
    start(&h, &v, state, VISIT_WHOLE);
    visit_say(&v, "05 \"ssh-userauth\"");
    visit_say(&v, "32 \"root\" \"ssh-connection\" \"publickey\" 00 \"ssh-ed25519\" \"key\"");
    check_has(&v.messages, "USERAUTH_FAILURE", 1);
    check_has(&v.records,
              "cowrie.client.fingerprint | public key attempt for user root of type ssh-ed25519 "
              "with fingerprint SHA256:",
              1);
    check_has(&v.records, "cowrie.login", 0);
    finish(&h, &v);
}

/* ---- Programs and channels ---- */

static void check_exec(void **state, const char *command_z, const char *output_z,
                       const char *errors_z, const char *end_z)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_exec(&v, command_z);
    check_text(&v.output, output_z);
    check_text(&v.errors, errors_z);
    check_has(&v.messages, "CHANNEL_EOF", 1);
    check_has(&v.messages, end_z, 1);
    check_has(&v.messages, "CHANNEL_CLOSE", 1);
    finish(&h, &v);
}

static void programs_end_with_a_status_or_a_signal(void **state)
{
    check_exec(state, "fail", "", "no\n", "STATUS 3");
    check_exec(state, "die", "", "", "SIGNAL TERM");
}

static void input_reaches_the_program_through_its_narrow_pipe(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_exec(&v, "cat");
    visit_say(&v, "5e #0 \"one two three four five six seven eight nine ten eleven\"");
    visit_say(&v, "5e #0 \" twelve\"");
    visit_say(&v, "60 #0");
    check_text(&v.output, "one two three four five six seven eight nine ten eleven twelve");
    check_has(&v.messages, "CHANNEL_CLOSE", 1);
    finish(&h, &v);
}

static void input_that_is_not_shown_is_hidden_on_the_wire_too(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_say(&v, "5a \"session\" #0 #2097152 #32768");
    visit_say(&v, "62 #0 \"pty-req\" 01 \"xterm\" #80 #24 #0 #0 \"\"");
    visit_say(&v, "62 #0 \"exec\" 01 \"cat\"");
    buffer_clear(&v.messages);
    visit_say(&v, "5e #0 \"a\\r\"");
    check_has(&v.messages, "IGNORE", 1);
    finish(&h, &v);
}

static void a_signal_and_a_closed_channel_end_a_program(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_exec(&v, "stay");
    visit_say(&v, "62 #0 \"signal\" 01 \"KILL\"");
    check_has(&v.messages, "SIGNAL KILL", 1);
    visit_say(&v, "61 #0");
    buffer_clear(&v.messages);
    visit_exec(&v, "stay");
    visit_say(&v, "61 #0");
    check_has(&v.messages, "SIGNAL HUP", 1);
    check_has(&v.messages, "CHANNEL_CLOSE", 1);
    finish(&h, &v);
}

static void several_channels_work_at_once(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_exec(&v, "cat");
    visit_say(&v, "5a \"session\" #1 #2097152 #32768");
    visit_say(&v, "62 #1 \"exec\" 01 \"echo second\"");
    check_text(&v.output, "second\n");
    visit_say(&v, "5e #0 \"first\"");
    visit_say(&v, "60 #0");
    check_text(&v.output, "second\nfirst");
    check_has(&v.messages, "CHANNEL_CLOSE", 2);
    check_has(&v.records, "cowrie.log.open", 2);
    check_has(&v.records, "cowrie.log.closed", 2);
    finish(&h, &v);
}

static void a_written_file_is_kept(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_exec(&v, "write");
    check_has(&v.records, "lured.file.write | File written: /tmp/x (10 bytes)", 1);
    check_has(&v.records, "artefact 10 at 0: '#!/bin/sh\\n'", 1);
    finish(&h, &v);
}

static void a_forward_is_recorded_and_refused(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_say(&v, "5a \"direct-tcpip\" #5 #2097152 #32768 \"198.51.100.1\" #25 \"127.0.0.1\" #99");
    check_has(&v.messages, "CHANNEL_OPEN_FAILURE", 1);
    check_has(&v.records,
              "cowrie.direct-tcpip.request | direct-tcp connection request to "
              "198.51.100.1:25 from 127.0.0.1:99",
              1);
    finish(&h, &v);
}

static void a_unix_socket_is_made_and_told_of_once(void **state)
{
    static const struct {
        const char *say_z;
        bool accepted;
    } steps[] = {
        {"50 \"streamlocal-forward@openssh.com\" 01 \"/tmp/a\"", true},
        {"50 \"streamlocal-forward@openssh.com\" 01 \"/tmp/a\"", false},
        {"50 \"streamlocal-forward@openssh.com\" 01 \"/etc/a\"", false},
        {"50 \"streamlocal-forward@openssh.com\" 01 \"\"", true},
        {"50 \"streamlocal-forward@openssh.com\" 01 \"/tmp/b\"", true},
        {"50 \"streamlocal-forward@openssh.com\" 01 #108 2f746d702f 103*61", false},
        {"50 \"cancel-streamlocal-forward@openssh.com\" 01 \"/tmp/a\"", true},
        {"50 \"cancel-streamlocal-forward@openssh.com\" 01 \"/tmp/a\"", false},
        {"50 \"cancel-streamlocal-forward@openssh.com\" 01 \"/tmp/b\"", true},
        {"50 \"cancel-streamlocal-forward@openssh.com\" 01 \"\"", true},
    };
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        buffer_clear(&v.messages);
        visit_say(&v, steps[i].say_z);
        check_text(&v.messages, steps[i].accepted ? "REQUEST_SUCCESS +0\n" : "REQUEST_FAILURE\n");
    }
    finish(&h, &v);
}

/* A guest connects with what the client listens at: it is offered, taken, carries bytes both ways, and
 * each side ends by itself. */
static void a_guest_that_connects_is_forwarded_to_the_client(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_say(&v, "50 \"tcpip-forward\" 01 \"localhost\" #0");
    check_has(&v.messages, "REQUEST_SUCCESS +4", 1);
    visit_say(&v, "5a \"session\" #9 #2097152 #32768");
    /* Both loopback addresses are listened at, and each has taken a number. */
    check_has(&v.messages, "CHANNEL_OPEN_CONFIRMATION 9 2 ", 1);
    visit_say(&v, "62 #2 \"exec\" 01 \"connect\"");
    check_has(&v.messages, "CHANNEL_OPEN 'forwarded-tcpip' 3 2097152 32768", 1);
    check_has(&v.records,
              "lured.forward.opened | Forwarded to the client: forwarded-tcpip localhost", 1);
    buffer_clear(&v.messages);
    visit_say(&v, "5b #3 #7 #100 #100");
    visit_say(&v, "5e #3 \"hello\"");
    check_has(&v.messages, "CHANNEL_DATA 7 'hello'", 1);
    visit_say(&v, "60 #3");
    check_has(&v.messages, "CHANNEL_EOF 7", 1);
    check_has(&v.messages, "CHANNEL_CLOSE 7", 1);
    finish(&h, &v);
}

/* Each is a session of its own among the records of this one; there is a bound, and nothing of them is left. */
static void guests_that_call_their_own_server_are_answered(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_exec(&v, "call");
    check_has(&v.records, "cowrie.session.connect | New connection: 127.0.0.1:5000", 8);
    check_has(&v.records, "lured.session.inner | A program of session 1518dfe8a406 ", 8);
    check_has(&v.records, "cowrie.client.version | Remote SSH version: SSH-2.0-Caller_1", 8);
    check_has(&v.records, "lured.session.limit | Limit reached: inner_sessions 8", 1);
    visit_lose(&v);
    check_has(&v.records, "cowrie.session.closed", 9);
    finish(&h, &v);
}

/* More than there is room for beside what the outer session has told: it waits, and so does the end. */
static void what_a_call_has_told_waits_for_the_recorder(void **state)
{
    size_t told = 0;
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_exec(&v, "call");
    struct session_connection *c = v.self;
    v.hold_records = true;
    while (session_journal_has_room(&c->journal))
        session_put_limit(c, "filled", 1);
    const struct session_journal *inner = &c->inner[0].c->journal;
    for (; buffer_len(&inner->frames) <= buffer_room(&c->journal.frames); told++)
        session_put_limit(c->inner[0].c, "told", 1);
    assert_int_equal(inner->lost, 0);
    visit_wait(&v, INT64_C(200000000)); /* longer than they may take to log in */
    v.hold_records = false;
    visit_pump(&v);
    assert_int_equal(c->journal.lost, 0);
    check_has(&v.records, "lured.session.limit | Limit reached: told", told);
    check_has(&v.records, "cowrie.session.closed", 8);
    finish(&h, &v);
}

static void a_guest_that_the_client_does_not_want_is_sent_away(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_say(&v, "50 \"streamlocal-forward@openssh.com\" 01 \"/tmp/a\"");
    visit_say(&v, "5a \"session\" #9 #2097152 #32768");
    visit_say(&v, "62 #1 \"exec\" 01 \"connect\"");
    check_has(&v.messages, "CHANNEL_OPEN 'forwarded-streamlocal@openssh.com' 2", 1);
    visit_say(&v, "5c #2 #1 \"no\" \"\"");
    visit_say(&v, "5e #2 \"x\"");
    check_has(&v.messages, "DISCONNECT 2 'data packet referred to nonexistent channel 2' ''", 1);
    finish(&h, &v);
}

static void a_client_is_joined_with_what_listens_in_the_machine(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_say(&v, "5a \"direct-tcpip\" #5 #2097152 #32768 \"localhost\" #9 \"127.0.0.1\" #99");
    check_has(&v.messages, "CHANNEL_OPEN_FAILURE 5", 1);
    visit_say(&v, "5a \"direct-tcpip\" #5 #2097152 #32768 \"localhost\" #7 \"127.0.0.1\" #99");
    check_has(&v.messages, "CHANNEL_OPEN_CONFIRMATION 5 0 2097152 32768", 1);
    visit_say(&v, "5e #0 \"hello\"");
    check_has(&v.messages, "CHANNEL_DATA 5 'hello'", 1);
    visit_say(&v, "61 #0");
    check_has(&v.messages, "CHANNEL_CLOSE 5", 1);
    finish(&h, &v);
}

static void what_breaks_the_protocol_is_recorded(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_say(&v, "5e #42 \"x\"");
    visit_lose(&v);
    check_has(&v.records, "lured.protocol.error", 1);
    check_has(&v.records, "cowrie.client.malformed_packet", 1);
    check_has(&v.records, "cowrie.session.closed", 1);
    finish(&h, &v);
}

/* ---- Flow and bounds ---- */

static void output_stops_at_the_clients_window_and_goes_on(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_say(&v, "5a \"session\" #0 #100000 #32768");
    visit_say(&v, "62 #0 \"exec\" 01 \"big\"");
    assert_int_equal(buffer_len(&v.output), 100000);
    visit_say(&v, "5d #0 #1000");
    assert_int_equal(buffer_len(&v.output), 101000);
    finish(&h, &v);
}

static void while_the_recorder_is_away_input_waits_and_nothing_is_lost(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    visit_say(&v, "5a \"session\" #0 #2000000000 #32768");
    v.hold_records = true;
    visit_say(&v, "62 #0 \"exec\" 01 \"big\"");
    size_t held = v.service->record(v.self).len;
    size_t got = buffer_len(&v.output);
    assert_true(held > 1000000 && held <= SESSION_RECORDS_MAX);
    assert_true(got > 1000000 && got < held);
    assert_false(v.service->run(v.self, 1000, v.now_us));
    assert_int_equal(v.service->feed(v.self, span_z("x"), v.now_us), 0);
    v.hold_records = false;
    v.runs = 10;
    visit_pump(&v);
    assert_true(buffer_len(&v.output) > got);
    size_t recorded = visit_count(&v.records, "tty 0 o ");
    assert_true(recorded * 32768 >= buffer_len(&v.output));
    finish(&h, &v);
}

static void check_limit(void **state, const struct session_limits *limits, const char *command_z,
                        int64_t wait_us, const char *name_z)
{
    struct visit_host h;
    struct visit v;
    visit_host_init(&h, *state, limits, NULL);
    visit_init(&v, &h, VISIT_WHOLE, 1);
    visit_login(&v, "root", "root");
    visit_exec(&v, command_z);
    if (wait_us > 0) {
        assert_int_equal(v.service->state(v.self), SERVICE_OPEN);
        assert_true(v.service->deadline_us(v.self) <= v.now_us + wait_us);
        visit_wait(&v, wait_us);
    }
    assert_int_equal(v.service->state(v.self), SERVICE_CLOSE);
    check_has(&v.records, name_z, 1);
    visit_lose(&v);
    check_has(&v.records, "cowrie.session.closed", 1);
    finish(&h, &v);
}

static void bounds_end_the_connection(void **state)
{
    struct session_limits limits = session_limits_default;
    limits.idle_ms = 15000;
    check_limit(state, &limits, "stay", 15000000,
                "lured.session.limit | Limit reached: idle_ms 15000");
    limits = session_limits_default;
    limits.total_ms = 20000;
    check_limit(state, &limits, "stay", 20000000,
                "lured.session.limit | Limit reached: total_ms 2");
    limits = session_limits_default;
    limits.output_bytes = 50000;
    check_limit(state, &limits, "big", 0, "lured.session.limit | Limit reached: output_bytes 6");
}

static void a_guest_that_never_ends_does_not_hold_the_connection(void **state)
{
    struct visit_host h;
    struct visit v;
    start_root(&h, &v, state);
    v.runs = 5;
    visit_exec(&v, "spin");
    assert_true(v.service->run(v.self, 1000, v.now_us));
    visit_say(&v, "62 #0 \"signal\" 00 \"TERM\"");
    check_has(&v.messages, "SIGNAL TERM", 1);
    finish(&h, &v);
}

/* ---- Losses and replays ---- */

/* One whole visit, cut off after so many bytes of the client. How many there were in all. */
static size_t visit_cut(void **state, size_t cut_at)
{
    struct visit_host h;
    struct visit v;
    visit_host_init(&h, *state, NULL, NULL);
    visit_init(&v, &h, VISIT_WHOLE, 1);
    v.cut_at = cut_at;
    visit_login(&v, "root", "123456");
    visit_say(&v, "5a \"session\" #0 #2097152 #32768");
    visit_say(&v, "62 #0 \"pty-req\" 01 \"xterm\" #80 #24 #0 #0 \"\"");
    visit_say(&v, "62 #0 \"shell\" 01");
    visit_say(&v, "5e #0 \"id\\r\"");
    visit_say(&v, "5e #0 \"exit\\r\"");
    if (!v.lost)
        visit_lose(&v);
    check_has(&v.records, "cowrie.session.connect", 1);
    check_has(&v.records, "cowrie.session.closed", 1);
    check_has(&v.records, "cowrie.log.closed", visit_count(&v.records, "cowrie.log.open"));
    struct span text = buffer_span(&v.records);
    size_t last = text.len - 1;
    while (last > 0 && text.data[last - 1] != '\n')
        last--;
    assert_true(
        span_starts_with(span_slice(text, last, text.len), span_z("cowrie.session.closed")));
    size_t all = v.to_server;
    finish(&h, &v);
    return all;
}

static void a_line_lost_at_any_byte_leaves_a_whole_record(void **state)
{
    size_t all = visit_cut(state, SIZE_MAX);
    assert_true(all > 800);
    for (size_t cut = 1; cut < all; cut += 5)
        assert_int_equal(visit_cut(state, cut), cut);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    struct buffer sent, raw;
    buffer_init(&sent, 1 << 20);
    buffer_init(&raw, 1 << 20);
    for (int i = 0; i < 2; i++) {
        struct visit_host h;
        struct visit v;
        start(&h, &v, state, VISIT_RANDOM);
        visit_login(&v, "root", "wrong");
        visit_login(&v, "root", "123456");
        visit_exec(&v, "echo again");
        visit_lose(&v);
        if (i == 0) {
            assert_int_equal(buffer_put(&sent, buffer_span(&v.sent)), 0);
            assert_int_equal(buffer_put(&raw, buffer_span(&v.raw)), 0);
        }
        assert_true(span_equal(buffer_span(&sent), buffer_span(&v.sent)));
        assert_true(span_equal(buffer_span(&raw), buffer_span(&v.raw)));
        finish(&h, &v);
    }
    buffer_fini(&sent);
    buffer_fini(&raw);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    void *bytes = NULL;
    struct persona_image *image = visit_load_image(argv[1], &bytes);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_command_is_answered_and_on_record, image),
        cmocka_unit_test_prestate(a_terminal_is_greeted_recorded_and_its_lines_are_told, image),
        cmocka_unit_test_prestate(the_environment_is_that_of_sshd, image),
        cmocka_unit_test_prestate(another_account_has_its_own_identity, image),
        cmocka_unit_test_prestate(without_a_shell_it_is_sh_and_the_kernel_knows_of_a_home, image),
        cmocka_unit_test_prestate(a_hushed_login_has_no_greeting, image),
        cmocka_unit_test_prestate(dropbear_gives_variables_of_its_own, image),
        cmocka_unit_test_prestate(dropbear_greets_a_terminal_alone, image),
        cmocka_unit_test_prestate(dropbear_lets_five_of_one_address_wait, image),
        cmocka_unit_test_prestate(a_wrong_password_is_refused_and_a_right_one_opens, image),
        cmocka_unit_test_prestate(the_sixth_failure_ends_the_connection, image),
        cmocka_unit_test_prestate(an_account_that_the_machine_lacks_is_refused, image),
        cmocka_unit_test_prestate(the_first_tries_can_be_made_to_fail, image),
        cmocka_unit_test_prestate(an_offered_key_is_recorded, image),
        cmocka_unit_test_prestate(programs_end_with_a_status_or_a_signal, image),
        cmocka_unit_test_prestate(input_reaches_the_program_through_its_narrow_pipe, image),
        cmocka_unit_test_prestate(input_that_is_not_shown_is_hidden_on_the_wire_too, image),
        cmocka_unit_test_prestate(a_signal_and_a_closed_channel_end_a_program, image),
        cmocka_unit_test_prestate(several_channels_work_at_once, image),
        cmocka_unit_test_prestate(a_written_file_is_kept, image),
        cmocka_unit_test_prestate(a_forward_is_recorded_and_refused, image),
        cmocka_unit_test_prestate(a_guest_that_connects_is_forwarded_to_the_client, image),
        cmocka_unit_test_prestate(guests_that_call_their_own_server_are_answered, image),
        cmocka_unit_test_prestate(what_a_call_has_told_waits_for_the_recorder, image),
        cmocka_unit_test_prestate(a_guest_that_the_client_does_not_want_is_sent_away, image),
        cmocka_unit_test_prestate(a_client_is_joined_with_what_listens_in_the_machine, image),
        cmocka_unit_test_prestate(a_unix_socket_is_made_and_told_of_once, image),
        cmocka_unit_test_prestate(what_breaks_the_protocol_is_recorded, image),
        cmocka_unit_test_prestate(output_stops_at_the_clients_window_and_goes_on, image),
        cmocka_unit_test_prestate(while_the_recorder_is_away_input_waits_and_nothing_is_lost,
                                  image),
        cmocka_unit_test_prestate(bounds_end_the_connection, image),
        cmocka_unit_test_prestate(a_guest_that_never_ends_does_not_hold_the_connection, image),
        cmocka_unit_test_prestate(a_line_lost_at_any_byte_leaves_a_whole_record, image),
        cmocka_unit_test_prestate(the_same_seed_gives_the_same_bytes, image),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    persona_image_close(image);
    free(bytes);
    return failed;
}
