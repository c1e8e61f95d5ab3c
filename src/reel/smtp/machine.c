#include "reel/smtp/machine.h"

#include "reel/smtp/out.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define MINUTE_NS (INT64_C(60) * 1000000000)

struct step {
    const char *name_z;
    int64_t timeout_ns;
    void (*reply)(struct smtp_machine *m);
};

static void on_greeting(struct smtp_machine *m);
static void on_ehlo(struct smtp_machine *m);
static void on_helo(struct smtp_machine *m);
static void on_starttls(struct smtp_machine *m);
static void on_auth(struct smtp_machine *m);
static void on_mail(struct smtp_machine *m);
static void on_rcpt(struct smtp_machine *m);
static void on_data(struct smtp_machine *m);
static void on_body(struct smtp_machine *m);
static void on_quit(struct smtp_machine *m);

static const struct step steps[] = {
    [SMTP_STEP_CONNECT] = {"connect", 5 * MINUTE_NS, NULL},
    [SMTP_STEP_GREETING] = {"greeting", 5 * MINUTE_NS, on_greeting},
    [SMTP_STEP_EHLO] = {"EHLO", 5 * MINUTE_NS, on_ehlo},
    [SMTP_STEP_HELO] = {"HELO", 5 * MINUTE_NS, on_helo},
    [SMTP_STEP_STARTTLS] = {"STARTTLS", 2 * MINUTE_NS, on_starttls},
    [SMTP_STEP_TLS] = {"STARTTLS", 2 * MINUTE_NS, NULL},
    [SMTP_STEP_AUTH_PLAIN] = {"AUTH", 2 * MINUTE_NS, on_auth},
    [SMTP_STEP_AUTH_LOGIN] = {"AUTH", 2 * MINUTE_NS, on_auth},
    [SMTP_STEP_AUTH_USER] = {"AUTH", 2 * MINUTE_NS, on_auth},
    [SMTP_STEP_AUTH_PASSWORD] = {"AUTH", 2 * MINUTE_NS, on_auth},
    [SMTP_STEP_MAIL] = {"MAIL", 5 * MINUTE_NS, on_mail},
    [SMTP_STEP_RCPT] = {"RCPT", 5 * MINUTE_NS, on_rcpt},
    [SMTP_STEP_DATA] = {"DATA", 2 * MINUTE_NS, on_data},
    [SMTP_STEP_BODY] = {"message", 3 * MINUTE_NS, on_body},
    [SMTP_STEP_QUIT] = {"QUIT", MINUTE_NS / 6, on_quit},
    [SMTP_STEP_OVER] = {"end", MINUTE_NS / 6, NULL},
};

const char *reel_smtp_step_name(enum smtp_step step)
{
    return steps[step].name_z;
}

int64_t reel_smtp_timeout_ns(const struct smtp_machine *m)
{
    if (m->step == SMTP_STEP_BODY && m->said)
        return 10 * MINUTE_NS; /* the server may be looking at it */
    return steps[m->step].timeout_ns;
}

void reel_smtp_init(struct smtp_machine *m, const struct smtp_job *job, bool secure)
{
    memset(m, 0, sizeof(*m));
    m->job = job;
    m->secure = secure;
    m->step = SMTP_STEP_GREETING;
    m->said = true; /* the server begins */
}

void reel_smtp_fini(struct smtp_machine *m)
{
    explicit_bzero(m->out, sizeof(m->out));
}

static void tell(struct smtp_machine *m, enum smtp_event_kind kind)
{
    m->events |= 1u << kind;
}

static void go(struct smtp_machine *m, enum smtp_step step)
{
    m->step = step;
    m->said = false;
}

/* The outcome. `polite`: the server is still there to be told QUIT. */
static void end(struct smtp_machine *m, enum reel_smtp_outcome outcome, int error, bool polite)
{
    if (m->ended)
        return;
    m->ended = true;
    memcpy(m->ending_text, m->text, sizeof(m->text));
    m->ending = (struct smtp_ending){outcome, error, m->step, {m->code, m->ending_text}};
    tell(m, SMTP_EVENT_END);
    go(m, polite ? SMTP_STEP_QUIT : SMTP_STEP_OVER);
    if (!polite) {
        m->out_start = m->out_end = 0;
        tell(m, SMTP_EVENT_OVER);
    }
}

static void set_text(struct smtp_machine *m, int code, const char *text_z)
{
    size_t len = strnlen(text_z, sizeof(m->text) - 1);
    m->code = code;
    memcpy(m->text, text_z, len);
    m->text[len] = '\0';
    m->text_len = len;
}

void reel_smtp_broken(struct smtp_machine *m, int error)
{
    if (m->step == SMTP_STEP_OVER)
        return;
    if (m->ended) {
        go(m, SMTP_STEP_OVER);
        tell(m, SMTP_EVENT_OVER);
        return;
    }
    set_text(m, 0, "");
    end(m, REEL_SMTP_TEMPORARY, error, false);
}

/* We end it, for a reason of ours: there is no reply to tell. */
static void refuse(struct smtp_machine *m, enum reel_smtp_outcome outcome, int error)
{
    set_text(m, 0, "");
    end(m, outcome, error, true);
}

/* The reply refuses the whole transfer. */
static void refused(struct smtp_machine *m)
{
    int class = m->code / 100;
    if (class == 4 || class == 5)
        end(m, class == 4 ? REEL_SMTP_TEMPORARY : REEL_SMTP_PERMANENT, 0, true);
    else
        reel_smtp_broken(m, -EPROTO);
}

static bool is_good(const struct smtp_machine *m)
{
    return m->code / 100 == 2;
}

static void on_greeting(struct smtp_machine *m)
{
    if (m->code == 220)
        go(m, SMTP_STEP_EHLO);
    else
        refused(m);
}

/* What the server announced about messages, against this one. */
static void begin_mail(struct smtp_machine *m)
{
    if (m->size_max && m->job->wire_len > m->size_max)
        refuse(m, REEL_SMTP_PERMANENT, -EMSGSIZE);
    else if (m->job->has_8bit && !m->has_8bitmime)
        refuse(m, REEL_SMTP_PERMANENT, -EILSEQ);
    else
        go(m, SMTP_STEP_MAIL);
}

static void choose_auth(struct smtp_machine *m)
{
    if (!m->job->user_z)
        begin_mail(m);
    else if (!m->secure && !m->job->clear_password)
        refuse(m, REEL_SMTP_TEMPORARY, -EACCES);
    else if (m->has_plain)
        go(m, SMTP_STEP_AUTH_PLAIN);
    else if (m->has_login)
        go(m, SMTP_STEP_AUTH_LOGIN);
    else
        refuse(m, REEL_SMTP_PERMANENT, -EACCES);
}

static void on_ehlo(struct smtp_machine *m)
{
    bool wants_tls = !m->secure && m->job->security != REEL_SMTP_CLEAR;
    if (m->code / 100 == 5)
        go(m, SMTP_STEP_HELO);
    else if (!is_good(m))
        refused(m);
    else if (wants_tls && m->has_starttls)
        go(m, SMTP_STEP_STARTTLS);
    else if (wants_tls && m->job->security != REEL_SMTP_OPPORTUNIST)
        refuse(m, REEL_SMTP_TEMPORARY, -EACCES);
    else
        choose_auth(m);
}

static void on_helo(struct smtp_machine *m)
{
    if (!is_good(m))
        refused(m);
    else if (!m->secure && m->job->security == REEL_SMTP_STARTTLS)
        refuse(m, REEL_SMTP_TEMPORARY, -EACCES);
    else
        choose_auth(m);
}

static void on_starttls(struct smtp_machine *m)
{
    if (m->code == 220) {
        go(m, SMTP_STEP_TLS);
        tell(m, SMTP_EVENT_START_TLS);
    } else if (m->job->security == REEL_SMTP_OPPORTUNIST && m->code / 100 >= 4) {
        choose_auth(m);
    } else {
        refused(m);
    }
}

void reel_smtp_secured(struct smtp_machine *m)
{
    if (m->step != SMTP_STEP_TLS)
        return;
    m->secure = true;
    go(m, SMTP_STEP_EHLO);
}

static void on_auth(struct smtp_machine *m)
{
    if (m->code == 334 && m->step == SMTP_STEP_AUTH_LOGIN)
        go(m, SMTP_STEP_AUTH_USER);
    else if (m->code == 334 && m->step == SMTP_STEP_AUTH_USER)
        go(m, SMTP_STEP_AUTH_PASSWORD);
    else if (is_good(m) && (m->step == SMTP_STEP_AUTH_PLAIN || m->step == SMTP_STEP_AUTH_PASSWORD))
        begin_mail(m);
    else
        refused(m);
}

static void on_mail(struct smtp_machine *m)
{
    if (!is_good(m)) {
        refused(m);
        return;
    }
    m->step = SMTP_STEP_RCPT;
    m->said = m->recipients_said > 0;
}

static void after_recipients(struct smtp_machine *m)
{
    if (m->recipients_accepted)
        go(m, SMTP_STEP_DATA);
    else
        end(m, m->some_temporary ? REEL_SMTP_TEMPORARY : REEL_SMTP_PERMANENT, 0, true);
}

static void on_rcpt(struct smtp_machine *m)
{
    if (m->code / 100 == 3) {
        reel_smtp_broken(m, -EPROTO);
        return;
    }
    m->recipients_answered++;
    m->recipients_accepted += is_good(m);
    m->some_temporary |= m->code / 100 == 4;
    tell(m, SMTP_EVENT_RECIPIENT);
    m->said = m->recipients_answered < m->recipients_said;
    if (m->recipients_answered == m->job->to_count)
        after_recipients(m);
}

static void on_data(struct smtp_machine *m)
{
    if (m->code == 354)
        go(m, SMTP_STEP_BODY);
    else
        refused(m);
}

static void on_body(struct smtp_machine *m)
{
    if (is_good(m))
        end(m, m->recipients_accepted < m->job->to_count ? REEL_SMTP_PARTLY : REEL_SMTP_SENT, 0,
            true);
    else
        refused(m);
}

static void on_quit(struct smtp_machine *m)
{
    if (m->code != 221 && ++m->ignored < SMTP_IGNORED_MAX)
        return; /* an answer to what was pipelined */
    go(m, SMTP_STEP_OVER);
    tell(m, SMTP_EVENT_OVER);
}

/* A reply is complete. */
static void on_reply(struct smtp_machine *m)
{
    bool expected =
        m->said && (m->out_start == m->out_end || (m->has_pipelining && m->step <= SMTP_STEP_RCPT));
    if (m->step == SMTP_STEP_QUIT)
        on_quit(m);
    else if (m->code == 421) /* may come at any time: it closes */
        end(m, REEL_SMTP_TEMPORARY, 0, false);
    else if (expected)
        steps[m->step].reply(m);
    else if (m->step == SMTP_STEP_BODY && m->code / 100 >= 4) /* it has seen enough of it */
        end(m, m->code / 100 == 4 ? REEL_SMTP_TEMPORARY : REEL_SMTP_PERMANENT, 0, false);
    else
        reel_smtp_broken(m, -EPROTO);
}

/* ---- the lines of a reply ---- */

static bool starts_with_word(const char *text, size_t len, const char *word_z)
{
    size_t n = strlen(word_z);
    return len >= n && strncasecmp(text, word_z, n) == 0 &&
           (len == n || text[n] == ' ' || text[n] == '=');
}

static void note_mechanisms(struct smtp_machine *m, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = 0;
        while (at + n < len && text[at + n] != ' ')
            n++;
        m->has_plain |= n == 5 && strncasecmp(text + at, "PLAIN", 5) == 0;
        m->has_login |= n == 5 && strncasecmp(text + at, "LOGIN", 5) == 0;
        at += n + 1;
    }
}

static void note_size(struct smtp_machine *m, const char *text, size_t len)
{
    m->has_size = true;
    for (size_t i = 0; i < len && i < 18 && text[i] >= '0' && text[i] <= '9'; i++)
        m->size_max = m->size_max * 10 + (uint64_t)(text[i] - '0');
}

/* A line of EHLO's reply after the first: an extension. */
static void note_extension(struct smtp_machine *m, const char *text, size_t len)
{
    if (starts_with_word(text, len, "STARTTLS"))
        m->has_starttls = true;
    else if (starts_with_word(text, len, "PIPELINING"))
        m->has_pipelining = true;
    else if (starts_with_word(text, len, "8BITMIME"))
        m->has_8bitmime = true;
    else if (starts_with_word(text, len, "SIZE"))
        note_size(m, text + 4 + (len > 4), len - 4 - (len > 4));
    else if (starts_with_word(text, len, "AUTH"))
        note_mechanisms(m, text + 4 + (len > 4), len - 4 - (len > 4));
}

static void keep_text(struct smtp_machine *m, const char *text, size_t len)
{
    if (m->lines > 1 && m->text_len + 1 < sizeof(m->text))
        m->text[m->text_len++] = '\n';
    for (size_t i = 0; i < len && m->text_len + 1 < sizeof(m->text); i++)
        m->text[m->text_len++] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    m->text[m->text_len] = '\0';
}

/* "250", "250 text" or "250-text" (RFC 5321, 4.2): the code; 0: it is none of these. */
static int code_of(const char *line, size_t len)
{
    if (len < 3 || line[0] < '2' || line[0] > '5' || line[1] < '0' || line[1] > '5' ||
        line[2] < '0' || line[2] > '9')
        return 0;
    if (len > 3 && line[3] != ' ' && line[3] != '-')
        return 0;
    return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

static void begin_reply(struct smtp_machine *m, int code)
{
    set_text(m, code, "");
    m->in_reply = true;
    m->lines = 0;
    if (m->step != SMTP_STEP_EHLO)
        return;
    m->has_starttls = m->has_plain = m->has_login = false;
    m->has_size = m->has_8bitmime = m->has_pipelining = false;
    m->size_max = 0;
}

static void on_line(struct smtp_machine *m)
{
    size_t len = m->line_len;
    m->line_len = 0;
    if (len && m->line[len - 1] == '\r')
        len--;
    int code = code_of(m->line, len);
    if (!m->in_reply && code)
        begin_reply(m, code);
    if (!code || code != m->code || ++m->lines > SMTP_LINES_MAX) {
        reel_smtp_broken(m, -EPROTO);
        return;
    }
    size_t start = len > 4 ? 4 : len;
    keep_text(m, m->line + start, len - start);
    if (m->step == SMTP_STEP_EHLO && m->said && m->lines > 1)
        note_extension(m, m->line + start, len - start);
    if (len > 3 && m->line[3] == '-')
        return;
    m->in_reply = false;
    on_reply(m);
}

size_t reel_smtp_feed(struct smtp_machine *m, const uint8_t *data, size_t len)
{
    size_t taken = 0;
    while (taken < len && !m->events && m->step != SMTP_STEP_OVER) {
        if (m->step == SMTP_STEP_TLS || m->line_len == sizeof(m->line)) {
            reel_smtp_broken(m, -EPROTO);
            break;
        }
        char c = (char)data[taken++];
        if (c == '\n')
            on_line(m);
        else
            m->line[m->line_len++] = c;
    }
    return taken;
}

bool reel_smtp_next(struct smtp_machine *m, struct smtp_event *event)
{
    static const enum smtp_event_kind order[] = {SMTP_EVENT_RECIPIENT, SMTP_EVENT_START_TLS,
                                                 SMTP_EVENT_END, SMTP_EVENT_OVER};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (!(m->events & 1u << order[i]))
            continue;
        m->events &= ~(1u << order[i]);
        *event = (struct smtp_event){.kind = order[i], .reply = {m->code, m->text}};
        if (order[i] == SMTP_EVENT_RECIPIENT)
            event->index = m->recipients_answered - 1;
        return true;
    }
    return false;
}

const struct smtp_ending *reel_smtp_ending(const struct smtp_machine *m)
{
    return &m->ending;
}

const uint8_t *reel_smtp_out(struct smtp_machine *m, size_t *len)
{
    if (m->out_start == m->out_end) {
        m->out_start = m->out_end = 0;
        reel_smtp_compose(m);
    }
    *len = m->out_end - m->out_start;
    return m->out + m->out_start;
}

void reel_smtp_sent(struct smtp_machine *m, size_t len)
{
    m->out_start += len;
    if (m->out_start == m->out_end)
        explicit_bzero(m->out, m->out_end); /* it may have been a password */
}

const char *reel_smtp_outcome_text(enum reel_smtp_outcome outcome)
{
    static const char *const texts[] = {"sent", "sent to some", "failed for now", "failed"};
    return (unsigned)outcome < sizeof(texts) / sizeof(texts[0]) ? texts[outcome] : "unknown";
}
