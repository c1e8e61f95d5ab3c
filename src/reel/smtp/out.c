#include "reel/smtp/out.h"

#include "reel/base64.h"
#include "reel/smtp/machine.h"

#include <reel/mail.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    COMMAND_MAX = 512, /* bytes of one that is pipelined: an address and its words */
};

/* ---- what may be said at all ---- */

/* Visible ASCII, and not empty: a word of a command. */
static bool is_word(const char *text_z, size_t max)
{
    size_t len = strlen(text_z);
    for (size_t i = 0; i < len; i++)
        if (text_z[i] <= ' ' || text_z[i] > '~')
            return false;
    return len > 0 && len <= max;
}

static int check_secrets(const struct smtp_job *job)
{
    if (!job->user_z)
        return 0;
    if (!job->password_z || strlen(job->user_z) > REEL_SMTP_SECRET_MAX ||
        strlen(job->password_z) > REEL_SMTP_SECRET_MAX)
        return -EINVAL;
    return job->security == REEL_SMTP_CLEAR && !job->clear_password ? -EACCES : 0;
}

/* Each line is short enough, and ends with LF or CRLF; a CR elsewhere, which some servers take for
 * a line's end and some do not, could hide a second message. */
static int check_message(struct smtp_job *job)
{
    size_t line = 0;
    job->wire_len = 0;
    job->has_8bit = false;
    for (size_t i = 0; i < job->len; i++) {
        uint8_t c = job->data[i];
        bool ends = c == '\n';
        if (c == '\r' && i + 1 < job->len && job->data[i + 1] == '\n')
            continue;
        if (c == '\0' || c == '\r' || (!ends && ++line > REEL_MAIL_LINE_MAX))
            return -EINVAL;
        if (ends)
            line = 0;
        job->has_8bit |= c >= 0x80;
        job->wire_len += ends ? 2 : 1;
    }
    job->wire_len += line ? 2 : 0;
    return 0;
}

int reel_smtp_check(struct smtp_job *job)
{
    if (job->to_count == 0 || job->to_count > REEL_SMTP_RECIPIENTS_MAX)
        return -E2BIG;
    if (job->len > REEL_SMTP_MESSAGE_MAX)
        return -EMSGSIZE;
    if (!is_word(job->hello_z, SMTP_HELLO_MAX))
        return -EINVAL;
    if (*job->from_z && !reel_mail_is_address(job->from_z))
        return -EINVAL;
    for (size_t i = 0; i < job->to_count; i++)
        if (!reel_mail_is_address(job->to_z[i]))
            return -EINVAL;
    int err = check_secrets(job);
    return err < 0 ? err : check_message(job);
}

/* ---- commands ---- */

/* Everything that is printed here was checked: it fits. */
__attribute__((format(printf, 2, 3))) static void say(struct smtp_machine *m, const char *format_z,
                                                      ...)
{
    va_list args;
    va_start(args, format_z);
    size_t room = sizeof(m->out) - m->out_end;
    int n = vsnprintf((char *)m->out + m->out_end, room, format_z, args);
    va_end(args);
    if (n > 0 && (size_t)n < room)
        m->out_end += (size_t)n;
    m->said = true;
}

static void say_base64(struct smtp_machine *m, const char *command_z, const void *data, size_t len)
{
    say(m, "%s", command_z);
    m->out_end += reel_base64((char *)m->out + m->out_end, data, len);
    say(m, "\r\n");
}

/* RFC 4616: no identity to act as, the user, the password. */
static void say_plain(struct smtp_machine *m)
{
    char secret[2 * REEL_SMTP_SECRET_MAX + 2];
    size_t user_len = strlen(m->job->user_z), password_len = strlen(m->job->password_z);
    secret[0] = '\0';
    memcpy(secret + 1, m->job->user_z, user_len);
    secret[1 + user_len] = '\0';
    memcpy(secret + 2 + user_len, m->job->password_z, password_len);
    say_base64(m, "AUTH PLAIN ", secret, 2 + user_len + password_len);
    explicit_bzero(secret, sizeof(secret));
}

static void say_mail(struct smtp_machine *m)
{
    say(m, "MAIL FROM:<%s>", m->job->from_z);
    if (m->has_size)
        say(m, " SIZE=%zu", m->job->wire_len);
    if (m->job->has_8bit)
        say(m, " BODY=8BITMIME");
    say(m, "\r\n");
}

/* One at a time, or as many as there is room for (RFC 2920). */
static void say_recipients(struct smtp_machine *m)
{
    do {
        if (m->recipients_said == m->job->to_count)
            return;
        say(m, "RCPT TO:<%s>\r\n", m->job->to_z[m->recipients_said++]);
    } while (m->has_pipelining && sizeof(m->out) - m->out_end >= COMMAND_MAX);
}

/* The message with CRLF line ends, a line's first dot doubled, and the dot alone at its end (RFC
 * 5321, 4.5.2). */
static void say_body(struct smtp_machine *m)
{
    const struct smtp_job *job = m->job;
    uint8_t *out = m->out;
    size_t n = 0;
    while (m->body_at < job->len && n + 2 <= sizeof(m->out)) {
        uint8_t c = job->data[m->body_at++];
        if (c == '\r')
            continue; /* its LF follows */
        if (c == '\n')
            out[n++] = '\r';
        else if (c == '.' && !m->in_line)
            out[n++] = '.';
        out[n++] = c;
        m->in_line = c != '\n';
    }
    m->out_end = n;
    if (m->body_at < job->len || n + 8 > sizeof(m->out))
        return;
    say(m, "%s.\r\n", m->in_line ? "\r\n" : "");
}

void reel_smtp_compose(struct smtp_machine *m)
{
    bool more_recipients = m->has_pipelining && m->recipients_said < m->job->to_count &&
                           (m->step == SMTP_STEP_MAIL || m->step == SMTP_STEP_RCPT);
    if (m->said && !more_recipients)
        return;
    switch (m->step) {
    case SMTP_STEP_EHLO: say(m, "EHLO %s\r\n", m->job->hello_z); break;
    case SMTP_STEP_HELO: say(m, "HELO %s\r\n", m->job->hello_z); break;
    case SMTP_STEP_STARTTLS: say(m, "STARTTLS\r\n"); break;
    case SMTP_STEP_AUTH_PLAIN: say_plain(m); break;
    case SMTP_STEP_AUTH_LOGIN: say(m, "AUTH LOGIN\r\n"); break;
    case SMTP_STEP_AUTH_USER: say_base64(m, "", m->job->user_z, strlen(m->job->user_z)); break;
    case SMTP_STEP_AUTH_PASSWORD:
        say_base64(m, "", m->job->password_z, strlen(m->job->password_z));
        break;
    case SMTP_STEP_MAIL:
        if (!m->said)
            say_mail(m);
        if (m->has_pipelining)
            say_recipients(m);
        break;
    case SMTP_STEP_RCPT: say_recipients(m); break;
    case SMTP_STEP_DATA: say(m, "DATA\r\n"); break;
    case SMTP_STEP_BODY: say_body(m); break;
    case SMTP_STEP_QUIT: say(m, "QUIT\r\n"); break;
    default: break;
    }
}
