/* The SMTP client's machine: conversations, whole and in pieces, and servers that do not behave. */
#include "helper.h"

#include "reel/smtp/machine.h"

#include <reel/mail.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const one[] = {"to@example.org"};
static const char *const three[] = {"a@example.org", "b@example.org", "c@example.org"};

/* What the server says after so many lines from the client, and what came of it. */
struct talk {
    struct smtp_machine m;
    struct smtp_job job;
    char said[4096]; /* by the client */
    size_t said_len;
    char events[256];
};

static void begin(struct talk *talk, const struct smtp_job *job, bool secure)
{
    memset(talk, 0, sizeof(*talk));
    talk->job = *job;
    if (!talk->job.hello_z)
        talk->job.hello_z = "me.example.org";
    if (!talk->job.from_z)
        talk->job.from_z = "from@example.org";
    if (!talk->job.to_z) {
        talk->job.to_z = one;
        talk->job.to_count = 1;
    }
    assert_int_equal(reel_smtp_check(&talk->job), 0);
    reel_smtp_init(&talk->m, &talk->job, secure);
}

static void note(struct talk *talk, const char *text_z)
{
    size_t len = strlen(talk->events);
    snprintf(talk->events + len, sizeof(talk->events) - len, "%s ", text_z);
}

static void take_events(struct talk *talk)
{
    struct smtp_event event;
    while (reel_smtp_next(&talk->m, &event)) {
        char text[64];
        switch (event.kind) {
        case SMTP_EVENT_START_TLS: note(talk, "tls"); break;
        case SMTP_EVENT_RECIPIENT:
            snprintf(text, sizeof(text), "%zu=%d", event.index, event.reply.code);
            note(talk, text);
            break;
        case SMTP_EVENT_END:
            snprintf(text, sizeof(text), "end:%s:%s", reel_smtp_step_name(talk->m.ending.step),
                     reel_smtp_outcome_text(talk->m.ending.outcome));
            note(talk, text);
            break;
        case SMTP_EVENT_OVER: note(talk, "over"); break;
        }
    }
}

/* Takes `piece` bytes at most at a time from the machine. */
static void listen_to(struct talk *talk, size_t piece)
{
    for (;;) {
        size_t len = 0;
        const uint8_t *out = reel_smtp_out(&talk->m, &len);
        if (len == 0)
            return;
        len = len < piece ? len : piece;
        assert_true(talk->said_len + len < sizeof(talk->said));
        memcpy(talk->said + talk->said_len, out, len);
        talk->said_len += len;
        talk->said[talk->said_len] = '\0';
        reel_smtp_sent(&talk->m, len);
    }
}

static void say(struct talk *talk, const char *text_z, size_t piece)
{
    size_t len = strlen(text_z), at = 0;
    while (at < len) {
        size_t n = len - at < piece ? len - at : piece;
        size_t taken = reel_smtp_feed(&talk->m, (const uint8_t *)text_z + at, n);
        at += taken;
        take_events(talk);
        if (taken == 0 && talk->m.step == SMTP_STEP_OVER)
            break;
    }
    listen_to(talk, piece);
    take_events(talk);
}

static void converse(struct talk *talk, const char *const *lines_z, size_t piece)
{
    for (; *lines_z; lines_z++)
        say(talk, *lines_z, piece);
}

static struct smtp_job job_of(const char *text_z)
{
    return (struct smtp_job){
        .data = (const uint8_t *)text_z, .len = strlen(text_z), .security = REEL_SMTP_CLEAR};
}

static const char *const plain_server[] = {
    "220 hello\r\n", "250-me\r\n250 HELP\r\n", "250 ok\r\n",  "250 ok\r\n",
    "354 go\r\n",    "250 taken\r\n",          "221 bye\r\n", NULL};

static void a_message_is_sent_whatever_the_splits(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 70; piece++) {
        struct talk talk;
        const struct smtp_job job = job_of("Subject: x\n\n.\n..a\r\n.b\nend");
        begin(&talk, &job, false);
        converse(&talk, plain_server, piece);
        assert_string_equal(talk.said,
                            "EHLO me.example.org\r\nMAIL FROM:<from@example.org>\r\n"
                            "RCPT TO:<to@example.org>\r\nDATA\r\n"
                            "Subject: x\r\n\r\n..\r\n...a\r\n..b\r\nend\r\n.\r\nQUIT\r\n");
        assert_string_equal(talk.events, "0=250 end:message:sent over ");
        assert_string_equal(talk.m.ending.reply.text_z, "taken");
    }
}

static void an_empty_message_ends_with_a_dot_alone(void **state)
{
    (void)state;
    struct talk talk;
    const struct smtp_job job = job_of("");
    begin(&talk, &job, false);
    converse(&talk, plain_server, 1000);
    assert_non_null(strstr(talk.said, "DATA\r\n.\r\nQUIT\r\n"));
}

static void extensions_are_used(void **state)
{
    (void)state;
    struct talk talk;
    struct smtp_job job = job_of("\xc3\xa4\n");
    job.to_z = three;
    job.to_count = 3;
    begin(&talk, &job, false);
    say(&talk, "220 x\r\n", 99);
    say(&talk, "250-x\r\n250-PIPELINING\r\n250-size 10000\r\n250 8BITMIME\r\n", 99);
    assert_string_equal(talk.said + 21, "MAIL FROM:<from@example.org> SIZE=4 BODY=8BITMIME\r\n"
                                        "RCPT TO:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n"
                                        "RCPT TO:<c@example.org>\r\n");
    say(&talk, "250 ok\r\n250 ok\r\n450-not\r\n450 now\r\n550 never\r\n", 99);
    assert_string_equal(talk.events, "0=250 1=450 2=550 ");
    say(&talk, "354 x\r\n", 99);
    say(&talk, "250 x\r\n", 99);
    assert_string_equal(talk.events, "0=250 1=450 2=550 end:message:sent to some ");
    assert_true(talk.m.step == SMTP_STEP_QUIT);
}

static void many_recipients_are_pipelined_in_several_batches(void **state)
{
    (void)state;
    static char addresses[REEL_SMTP_RECIPIENTS_MAX][REEL_MAIL_ADDRESS_MAX + 1];
    const char *to_z[REEL_SMTP_RECIPIENTS_MAX];
    for (size_t i = 0; i < REEL_SMTP_RECIPIENTS_MAX; i++) {
        memset(addresses[i], 'a', REEL_MAIL_ADDRESS_MAX);
        snprintf(addresses[i] + 240, 15, "%02zu@example.org", i);
        to_z[i] = addresses[i];
    }
    struct talk talk;
    struct smtp_job job = job_of("x\n");
    job.to_z = to_z;
    job.to_count = REEL_SMTP_RECIPIENTS_MAX;
    begin(&talk, &job, false);
    const char *const start[] = {"220 x\r\n", "250-x\r\n250 PIPELINING\r\n", NULL};
    size_t total = 0, count = 0;
    for (size_t i = 0; i < 2; i++) {
        reel_smtp_feed(&talk.m, (const uint8_t *)start[i], strlen(start[i]));
        for (size_t len = 1; len;) {
            const uint8_t *out = reel_smtp_out(&talk.m, &len);
            for (size_t at = 0; at < len; at++)
                count += out[at] == '\n';
            total += len;
            reel_smtp_sent(&talk.m, len);
        }
    }
    assert_int_equal(count, 1 + 1 + REEL_SMTP_RECIPIENTS_MAX);
    assert_true(total > REEL_SMTP_RECIPIENTS_MAX * (size_t)250);
    say(&talk, "250 ok\r\n", 9);
    for (size_t i = 0; i < REEL_SMTP_RECIPIENTS_MAX; i++) {
        talk.events[0] = '\0';
        say(&talk, i % 2 ? "251 ok\r\n" : "551 no\r\n", 9);
    }
    assert_string_equal(talk.said, "DATA\r\n");
}

static void a_plain_password_is_sent_by_plain(void **state)
{
    (void)state;
    struct talk talk;
    struct smtp_job job = job_of("x");
    job.user_z = "user";
    job.password_z = "pass";
    job.clear_password = true;
    begin(&talk, &job, false);
    say(&talk, "220 x\r\n", 99);
    say(&talk, "250-x\r\n250 AUTH CRAM-MD5 LOGIN PLAIN\r\n", 99);
    assert_string_equal(talk.said + 21, "AUTH PLAIN AHVzZXIAcGFzcw==\r\n");
    assert_int_equal(talk.m.out[0], 0); /* no password is left in the buffer */
    say(&talk, "235 ok\r\n", 99);
    assert_non_null(strstr(talk.said, "MAIL FROM"));
}

static void and_by_login_where_there_is_no_plain(void **state)
{
    (void)state;
    struct talk talk;
    struct smtp_job job = job_of("x");
    job.user_z = "user";
    job.password_z = "pass";
    job.clear_password = true;
    begin(&talk, &job, false);
    say(&talk, "220 x\r\n", 99);
    say(&talk, "250-x\r\n250 AUTH LOGIN\r\n", 99);
    say(&talk, "334 VXNlcm5hbWU6\r\n", 99);
    say(&talk, "334 UGFzc3dvcmQ6\r\n", 99);
    assert_string_equal(talk.said + 21, "AUTH LOGIN\r\ndXNlcg==\r\ncGFzcw==\r\n");
    say(&talk, "535 5.7.8 wrong\r\n", 99);
    assert_string_equal(talk.events, "end:AUTH:failed ");
    assert_string_equal(talk.m.ending.reply.text_z, "5.7.8 wrong");
    assert_int_equal(talk.m.ending.reply.code, 535);
}

static void nobody_gets_a_password_in_clear(void **state)
{
    (void)state;
    struct talk talk;
    struct smtp_job job = job_of("x");
    job.user_z = "user";
    job.password_z = "pass";
    job.hello_z = "me";
    job.from_z = "a@b";
    job.to_z = one;
    job.to_count = 1;
    assert_int_equal(reel_smtp_check(&job), -EACCES);
    job.security = REEL_SMTP_OPPORTUNIST;
    begin(&talk, &job, false);
    say(&talk, "220 x\r\n", 99);
    say(&talk, "250-x\r\n250 AUTH PLAIN\r\n", 99);
    assert_string_equal(talk.events, "end:EHLO:failed for now ");
    assert_int_equal(talk.m.ending.error, -EACCES);
    assert_string_equal(talk.said, "EHLO me\r\nQUIT\r\n");
}

static void starttls_is_asked_for_and_all_is_said_anew(void **state)
{
    (void)state;
    struct talk talk;
    struct smtp_job job = job_of("x");
    job.security = REEL_SMTP_STARTTLS;
    job.user_z = "user";
    job.password_z = "pass";
    begin(&talk, &job, false);
    say(&talk, "220 x\r\n", 99);
    say(&talk, "250-x\r\n250-PIPELINING\r\n250 STARTTLS\r\n", 99);
    say(&talk, "220 go\r\n", 99);
    assert_string_equal(talk.events, "tls ");
    assert_string_equal(talk.said, "EHLO me.example.org\r\nSTARTTLS\r\n");
    reel_smtp_secured(&talk.m);
    listen_to(&talk, 99);
    say(&talk, "250-x\r\n250 AUTH PLAIN\r\n", 99);
    assert_string_equal(talk.said + 31, "EHLO me.example.org\r\nAUTH PLAIN AHVzZXIAcGFzcw==\r\n");
    assert_false(talk.m.has_pipelining); /* of the reply in clear nothing is left */
    assert_true(talk.m.secure);
}

static void what_comes_in_clear_after_starttls_is_an_attack(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 99; piece += 7) {
        struct talk talk;
        struct smtp_job job = job_of("x");
        job.security = REEL_SMTP_STARTTLS;
        begin(&talk, &job, false);
        say(&talk, "220 x\r\n", piece);
        say(&talk, "250-x\r\n250 STARTTLS\r\n", piece);
        say(&talk, "220 go\r\n250 ok\r\n", piece);
        assert_string_equal(talk.events, "tls end:STARTTLS:failed for now over ");
        assert_int_equal(talk.m.ending.error, -EPROTO);
        assert_string_equal(talk.said, "EHLO me.example.org\r\nSTARTTLS\r\n");
    }
}

static void no_encryption_no_message(void **state)
{
    (void)state;
    static const char *const answers[] = {"250 x\r\n", "250-x\r\n250 PIPELINING\r\n", NULL};
    for (size_t i = 0; answers[i]; i++) {
        struct talk talk;
        struct smtp_job job = job_of("x");
        job.security = REEL_SMTP_STARTTLS;
        begin(&talk, &job, false);
        say(&talk, "220 x\r\n", 99);
        say(&talk, answers[i], 99);
        assert_string_equal(talk.events, "end:EHLO:failed for now ");
        assert_int_equal(talk.m.ending.error, -EACCES);
    }
    struct talk talk;
    struct smtp_job job = job_of("x");
    job.security = REEL_SMTP_STARTTLS;
    begin(&talk, &job, false);
    say(&talk, "220 x\r\n", 99);
    say(&talk, "502 what\r\n", 99);
    say(&talk, "250 x\r\n", 99);
    assert_string_equal(talk.events, "end:HELO:failed for now ");
    begin(&talk, &job, false);
    say(&talk, "220 x\r\n", 99);
    say(&talk, "250-x\r\n250 STARTTLS\r\n", 99);
    say(&talk, "454 TLS not now\r\n", 99);
    assert_string_equal(talk.events, "end:STARTTLS:failed for now ");
    assert_int_equal(talk.m.ending.reply.code, 454);
}

static void an_old_server_is_greeted_by_helo(void **state)
{
    (void)state;
    struct talk talk;
    const struct smtp_job job = job_of("x");
    begin(&talk, &job, false);
    say(&talk, "220 x\r\n", 99);
    say(&talk, "500 what\r\n", 99);
    say(&talk, "250 x\r\n", 99);
    assert_string_equal(
        talk.said,
        "EHLO me.example.org\r\nHELO me.example.org\r\nMAIL FROM:<from@example.org>\r\n");
}

static void failures_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *lines_z[8];
        const char *events_z;
        int code, error;
    } cases[] = {
        {{"554 no\r\n"}, "end:greeting:failed ", 554, 0},
        {{"421 busy\r\n"}, "end:greeting:failed for now over ", 421, 0},
        {{"220 x\r\n", "451 later\r\n"}, "end:EHLO:failed for now ", 451, 0},
        {{"220 x\r\n", "250 x\r\n", "552 no\r\n"}, "end:MAIL:failed ", 552, 0},
        {{"220 x\r\n", "250 x\r\n", "250 x\r\n", "450 x\r\n"},
         "0=450 end:RCPT:failed for now ",
         450,
         0},
        {{"220 x\r\n", "250 x\r\n", "250 x\r\n", "550 x\r\n"}, "0=550 end:RCPT:failed ", 550, 0},
        {{"220 x\r\n", "250 x\r\n", "250 x\r\n", "250 x\r\n", "451 x\r\n"},
         "0=250 end:DATA:failed for now ",
         451,
         0},
        {{"220 x\r\n", "250 x\r\n", "250 x\r\n", "250 x\r\n", "354 x\r\n", "554 spam\r\n"},
         "0=250 end:message:failed ",
         554,
         0},
        {{"220 x\r\n", "250 x\r\n", "250 x\r\n", "421 x\r\n"},
         "end:RCPT:failed for now over ",
         421,
         0},
        /* no SMTP, or not in turn */
        {{"SSH-2.0-x\r\n"}, "end:greeting:failed for now over ", 0, -EPROTO},
        {{"220 x\r\n250 x\r\n"}, "end:EHLO:failed for now over ", 0, -EPROTO},
        {{"220 x\r\n", "250 x\r\n250 x\r\n"}, "end:MAIL:failed for now over ", 0, -EPROTO},
        {{"220 x\r\n", "354 x\r\n"}, "end:EHLO:failed for now over ", 0, -EPROTO},
        {{"220 x\r\n", "250 x\r\n", "250 x\r\n", "354 x\r\n"},
         "end:RCPT:failed for now over ",
         0,
         -EPROTO},
        {{"250 x\r\n"}, "end:greeting:failed for now over ", 0, -EPROTO},
        {{"220-x\r\n250 x\r\n"}, "end:greeting:failed for now over ", 0, -EPROTO},
        {{"22\r\n"}, "end:greeting:failed for now over ", 0, -EPROTO},
        {{"2200 x\r\n"}, "end:greeting:failed for now over ", 0, -EPROTO},
        {{"\r\n"}, "end:greeting:failed for now over ", 0, -EPROTO},
        {{"120 x\r\n"}, "end:greeting:failed for now over ", 0, -EPROTO},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct talk talk;
        const struct smtp_job job = job_of("x");
        begin(&talk, &job, false);
        converse(&talk, cases[i].lines_z, 99);
        if (strcmp(talk.events, cases[i].events_z) != 0)
            fail_msg("case %zu: %s", i, talk.events);
        assert_int_equal(talk.m.ending.reply.code, cases[i].code);
        assert_int_equal(talk.m.ending.error, cases[i].error);
    }
}

static void announced_limits_are_kept(void **state)
{
    (void)state;
    struct talk talk;
    const struct smtp_job big = job_of("0123456789"), eight = job_of("\xff");
    begin(&talk, &big, false);
    say(&talk, "220 x\r\n", 99);
    say(&talk, "250-x\r\n250 SIZE 11\r\n", 99);
    assert_string_equal(talk.events, "end:EHLO:failed ");
    assert_int_equal(talk.m.ending.error, -EMSGSIZE);
    begin(&talk, &eight, false);
    say(&talk, "220 x\r\n", 99);
    say(&talk, "250-x\r\n250 SIZE\r\n", 99);
    assert_int_equal(talk.m.ending.error, -EILSEQ);
    begin(&talk, &big, false);
    say(&talk, "220 x\r\n", 99);
    say(&talk, "250-x\r\n250 SIZE 12\r\n", 99);
    assert_non_null(strstr(talk.said, "SIZE=12\r\n"));
}

static void replies_have_limits_and_no_control_characters(void **state)
{
    (void)state;
    struct talk talk;
    const struct smtp_job job = job_of("x");
    begin(&talk, &job, false);
    char line[SMTP_LINE_MAX + 2];
    memset(line, 'x', sizeof(line));
    memcpy(line, "220 ", 4);
    line[SMTP_LINE_MAX + 1] = '\0';
    say(&talk, line, 99);
    assert_int_equal(talk.m.ending.error, -EPROTO);
    begin(&talk, &job, false);
    for (int i = 0; i < SMTP_LINES_MAX + 1; i++)
        say(&talk, "554-1234567890\r\n", 99);
    assert_int_equal(talk.m.ending.error, -EPROTO);
    begin(&talk, &job, false);
    for (int i = 0; i < SMTP_LINES_MAX - 1; i++)
        say(&talk, "554-1234567890\r\n", 99);
    say(&talk, "554 x\r\n", 99);
    assert_int_equal(strlen(talk.m.ending.reply.text_z), REEL_SMTP_TEXT_MAX - 1);
    begin(&talk, &job, false);
    say(&talk, "554-a\x1b[31m\n554-\xff\r\n554\r\n", 99);
    assert_string_equal(talk.m.ending.reply.text_z, "a?[31m\n?\n");
}

static void the_world_can_end_it_at_any_step(void **state)
{
    (void)state;
    for (int lines = 0; plain_server[lines]; lines++) {
        struct talk talk;
        const struct smtp_job job = job_of("x");
        begin(&talk, &job, false);
        for (int i = 0; i < lines; i++)
            say(&talk, plain_server[i], 99);
        bool ended = talk.m.ended;
        assert_true(reel_smtp_timeout_ns(&talk.m) > 0);
        reel_smtp_broken(&talk.m, -ETIMEDOUT);
        take_events(&talk);
        assert_true(talk.m.ended);
        assert_int_equal(talk.m.ending.error, ended ? 0 : -ETIMEDOUT);
        assert_non_null(strstr(talk.events, "over"));
        assert_int_equal(reel_smtp_feed(&talk.m, (const uint8_t *)"250 x\r\n", 7), 0);
    }
}

static void nothing_can_be_smuggled_into_a_command(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",     "a",     "@b",         "a@",      "a@b\r\nX:", "a@b\n",   "a b@c", "<a@b>",
        "a@b>", "a@b@c", "\xc3\xa4@b", "a@b,c@d", "a@b\x7f",   "\"a\"@b", NULL};
    for (size_t i = 0; bad[i]; i++) {
        struct smtp_job job = job_of("x");
        job.hello_z = "me";
        job.to_z = one;
        job.to_count = 1;
        job.from_z = bad[i];
        assert_int_equal(reel_smtp_check(&job), *bad[i] ? -EINVAL : 0);
        const char *const to_z[] = {"a@b", bad[i]};
        job.from_z = "a@b";
        job.to_z = to_z;
        job.to_count = 2;
        assert_int_equal(reel_smtp_check(&job), -EINVAL);
    }
    struct smtp_job job = job_of("x");
    job.from_z = "";
    job.to_z = one;
    job.hello_z = "me";
    assert_int_equal(reel_smtp_check(&job), -E2BIG);
    job.to_count = REEL_SMTP_RECIPIENTS_MAX + 1;
    assert_int_equal(reel_smtp_check(&job), -E2BIG);
    job.to_count = 1;
    static const char *const names[] = {"", "a b", "a\r\nb", NULL};
    for (size_t i = 0; names[i]; i++) {
        job.hello_z = names[i];
        assert_int_equal(reel_smtp_check(&job), -EINVAL);
    }
}

static void a_message_is_looked_at_before_it_is_sent(void **state)
{
    (void)state;
    char line[REEL_MAIL_LINE_MAX + 2];
    memset(line, 'x', sizeof(line));
    line[REEL_MAIL_LINE_MAX + 1] = '\0';
    const struct {
        const void *data;
        size_t len;
        int err;
        size_t wire_len;
    } cases[] = {
        {"", 0, 0, 0},
        {"a", 1, 0, 3},
        {"a\n", 2, 0, 3},
        {"a\r\nb\n", 5, 0, 6},
        {"a\rb", 3, -EINVAL, 0},
        {"a\r", 2, -EINVAL, 0},
        {"a\0b", 3, -EINVAL, 0},
        {"\r\r\n", 3, -EINVAL, 0},
        {line, REEL_MAIL_LINE_MAX, 0, 1000},
        {line, REEL_MAIL_LINE_MAX + 1, -EINVAL, 0},
        {line, REEL_SMTP_MESSAGE_MAX + 1, -EMSGSIZE, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct smtp_job job = {.hello_z = "me",
                               .from_z = "a@b",
                               .to_z = one,
                               .to_count = 1,
                               .data = cases[i].data,
                               .len = cases[i].len};
        assert_int_equal(reel_smtp_check(&job), cases[i].err);
        if (cases[i].err == 0)
            assert_int_equal(job.wire_len, cases[i].wire_len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_sent_whatever_the_splits),
        cmocka_unit_test(an_empty_message_ends_with_a_dot_alone),
        cmocka_unit_test(extensions_are_used),
        cmocka_unit_test(many_recipients_are_pipelined_in_several_batches),
        cmocka_unit_test(a_plain_password_is_sent_by_plain),
        cmocka_unit_test(and_by_login_where_there_is_no_plain),
        cmocka_unit_test(nobody_gets_a_password_in_clear),
        cmocka_unit_test(starttls_is_asked_for_and_all_is_said_anew),
        cmocka_unit_test(what_comes_in_clear_after_starttls_is_an_attack),
        cmocka_unit_test(no_encryption_no_message),
        cmocka_unit_test(an_old_server_is_greeted_by_helo),
        cmocka_unit_test(failures_are_told_apart),
        cmocka_unit_test(announced_limits_are_kept),
        cmocka_unit_test(replies_have_limits_and_no_control_characters),
        cmocka_unit_test(the_world_can_end_it_at_any_step),
        cmocka_unit_test(nothing_can_be_smuggled_into_a_command),
        cmocka_unit_test(a_message_is_looked_at_before_it_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
