/* Reaches src/reel/smtp/machine.c and out.c: a server's bytes, in pieces. The first byte chooses the
 * security and how long the pieces are. It ends at most once, says nothing in clear after STARTTLS,
 * and what it tells is printable. */
#include "reel/smtp/machine.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct smtp_machine m;
    int ends;
    bool tls_wanted, over;
};

static void check_text(const struct reel_smtp_reply *reply)
{
    assert(reply->code == 0 || (reply->code >= 200 && reply->code <= 599));
    for (const char *c = reply->text_z; *c; c++)
        assert((*c >= ' ' && *c <= '~') || *c == '\n');
    assert(strlen(reply->text_z) < REEL_SMTP_TEXT_MAX);
}

static void take_events(struct run *run, size_t recipients)
{
    struct smtp_event event;
    while (reel_smtp_next(&run->m, &event)) {
        assert(!run->over);
        check_text(&event.reply);
        run->tls_wanted |= event.kind == SMTP_EVENT_START_TLS;
        run->over |= event.kind == SMTP_EVENT_OVER;
        run->ends += event.kind == SMTP_EVENT_END;
        assert(event.kind != SMTP_EVENT_RECIPIENT || event.index < recipients);
    }
    assert(run->ends <= 1);
}

static void speak(struct run *run)
{
    for (size_t len = 1; len;) {
        const uint8_t *out = reel_smtp_out(&run->m, &len);
        assert(len == 0 || !run->over);
        assert(len == 0 || memchr(out, '\n', len));
        reel_smtp_sent(&run->m, len > 7 ? 7 : len);
        size_t rest = 0;
        reel_smtp_out(&run->m, &rest);
        reel_smtp_sent(&run->m, rest);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const to_z[] = {"a@example.org", "b@example.org", "c@example.org"};
    static const char text[] = "Subject: x\n\n.\n\xff\n";
    if (size == 0)
        return 0;
    struct smtp_job job = {
        .hello_z = "me",
        .user_z = data[0] & 4 ? "user" : NULL,
        .password_z = "password",
        .from_z = "from@example.org",
        .to_z = to_z,
        .to_count = 3,
        .data = (const uint8_t *)text,
        .len = sizeof(text) - 1,
        .security = data[0] & 3,
        .clear_password = data[0] & 8,
    };
    if (reel_smtp_check(&job) < 0)
        return 0;
    static struct run run;
    run = (struct run){0};
    reel_smtp_init(&run.m, &job, job.security == REEL_SMTP_TLS);
    size_t piece = 1 + (data[0] >> 4) * 8u;
    for (size_t at = 1; at < size && !run.over;) {
        size_t len = size - at < piece ? size - at : piece;
        at += reel_smtp_feed(&run.m, data + at, len);
        take_events(&run, job.to_count);
        speak(&run);
        take_events(&run, job.to_count);
        if (run.tls_wanted && data[0] & 16)
            reel_smtp_secured(&run.m);
        run.tls_wanted = false;
    }
    reel_smtp_broken(&run.m, -1);
    take_events(&run, job.to_count);
    assert(run.ends == 1 && run.over);
    check_text(&reel_smtp_ending(&run.m)->reply);
    reel_smtp_fini(&run.m);
    return 0;
}
