/* A real relay: aiosmtpd with STARTTLS and passwords. smtp_peer_test RELAY-PROGRAM. */
#include "tls_helper.h"

#include <reel/deferred.h>
#include <reel/mail.h>
#include <reel/smtp.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program_z;

struct fixture {
    struct pki pki;
    struct reel_reactor *r;
    struct reel_tls_context *tls;
    FILE *relay; /* what it prints */
    pid_t pid;
    uint16_t port;
    int results;
    struct reel_smtp_result result; /* without the pointers' targets */
    char reply[128], why[128];
    int recipient_codes[4];
};

static void start_relay(struct fixture *f)
{
    int fds[2];
    pki_make(&f->pki, "relay", &(struct wish){0});
    const char *certificate_z = pki_path(&f->pki, "relay");
    assert_int_equal(pipe(fds), 0);
    f->pid = fork();
    if (f->pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl("/usr/bin/python3", "python3", program_z, certificate_z, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    f->relay = fdopen(fds[0], "r");
    char line[32];
    assert_non_null(fgets(line, sizeof(line), f->relay));
    f->port = (uint16_t)strtoul(line, NULL, 10);
    assert_true(f->port > 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    pki_open(&f->pki);
    start_relay(f);
    f->r = reel_reactor_new(NULL);
    struct reel_tls_error why;
    const struct reel_tls_options options = {.ca_z = pki_path(&f->pki, "ca")};
    if (reel_tls_context_new(&options, &f->tls, &why) < 0)
        fail_msg("%s", why.text_z);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    fclose(f->relay);
    reel_reactor_free(f->r);
    reel_tls_context_free(f->tls);
    pki_close(&f->pki);
    free(f);
    return 0;
}

static void on_result(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct fixture *f = context;
    (void)d;
    f->results++;
    assert_int_equal(result->error, 0);
    const struct reel_smtp_result *smtp = result->pointer;
    f->result = *smtp;
    snprintf(f->reply, sizeof(f->reply), "%s", smtp->reply.text_z);
    snprintf(f->why, sizeof(f->why), "%s", smtp->why_z ? smtp->why_z : "");
    for (size_t i = 0; i < smtp->recipient_count && i < 4; i++)
        f->recipient_codes[i] = smtp->recipients[i].reply.code;
}

static void send_mail(struct fixture *f, const struct reel_smtp_relay *wanted)
{
    static const char *const to_z[] = {"to@example.org", "nobody@example.org", "later@example.org"};
    const struct reel_mail mail = {
        .from_z = "from@example.org",
        .to_z = to_z,
        .to_count = 1,
        .subject_z = "Gr\xc3\xbc\xc3\x9f"
                     "e",
        .text_z = ".\n..two\nend",
        .date_s = 1000000000,
        .id_z = "1",
    };
    char text[2048];
    int64_t len = reel_mail_write(&mail, text, sizeof(text));
    assert_true(len > 0 && len < (int64_t)sizeof(text));
    struct reel_smtp_relay relay = *wanted;
    relay.host_z = "127.0.0.1";
    relay.port = f->port;
    relay.tls = f->tls;
    const struct reel_smtp_message message = {.from_z = "from@example.org",
                                              .to_z = to_z,
                                              .to_count = 3,
                                              .data = text,
                                              .len = (size_t)len};
    assert_int_equal(reel_deferred_done(reel_smtp_send(f->r, &relay, &message), on_result, f), 0);
    run_until(f->r, &f->results);
    run_turns(f->r, 20);
}

static void a_message_goes_through_starttls_and_a_password(void **state)
{
    struct fixture *f = *state;
    send_mail(f, &(struct reel_smtp_relay){.user_z = "user", .password_z = "s\xc3\xa9same"});
    assert_string_equal(f->why, "");
    assert_string_equal(f->reply, "2.0.0 queued as 4711");
    assert_int_equal(f->result.outcome, REEL_SMTP_PARTLY);
    assert_true(f->result.encrypted);
    assert_int_equal(f->recipient_codes[0], 250);
    assert_int_equal(f->recipient_codes[1], 550);
    assert_int_equal(f->recipient_codes[2], 450);
    char line[4096];
    assert_non_null(fgets(line, sizeof(line), f->relay));
    assert_non_null(strstr(line, "\"to\": [\"to@example.org\"]"));
    assert_non_null(strstr(line, "\\r\\n\\r\\n.\\r\\n..two\\r\\nend\\r\\n\""));
    assert_non_null(strstr(line, "\"tls\": true, \"user\": \"user\""));
    assert_non_null(strstr(line, "Subject: =?UTF-8?B?R3LDvMOfZQ==?="));
}

static void a_wrong_password_is_permanent(void **state)
{
    struct fixture *f = *state;
    send_mail(f, &(struct reel_smtp_relay){.user_z = "user", .password_z = "wrong"});
    assert_int_equal(f->result.outcome, REEL_SMTP_PERMANENT);
    assert_int_equal(f->result.reply.code, 535);
    assert_string_equal(f->result.step_z, "AUTH");
}

static void without_encryption_the_relay_refuses(void **state)
{
    struct fixture *f = *state;
    send_mail(f, &(struct reel_smtp_relay){.security = REEL_SMTP_CLEAR});
    assert_int_equal(f->result.outcome, REEL_SMTP_PERMANENT);
    assert_int_equal(f->result.reply.code, 530);
    assert_false(f->result.encrypted);
}

static void another_name_in_the_certificate_is_refused(void **state)
{
    struct fixture *f = *state;
    send_mail(f, &(struct reel_smtp_relay){
                     .user_z = "user", .password_z = "x", .tls_name_z = "relay.example.org"});
    assert_int_equal(f->result.outcome, REEL_SMTP_TEMPORARY);
    assert_int_equal(f->result.error, REEL_TLS_REFUSED);
    assert_string_equal(f->result.step_z, "STARTTLS");
    assert_true(strlen(f->why) > 0);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    program_z = argc > 1 ? argv[1] : "";
    const struct CMUnitTest tests[] = {
        TEST(a_message_goes_through_starttls_and_a_password),
        TEST(a_wrong_password_is_permanent),
        TEST(without_encryption_the_relay_refuses),
        TEST(another_name_in_the_certificate_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
