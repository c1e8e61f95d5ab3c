#include <reel/mail.h>

#include "reel/base64.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    FOLD = 76,            /* a header line is folded when it would pass this */
    WORD_BYTES = 42,      /* of text in one encoded word: 56 characters, and 12 around them */
    BODY_LINE_BYTES = 57, /* of text in a line of base64: 76 characters */
    PLAIN_LINE = 320,     /* a body with longer lines is encoded */
};

/* Where the text goes: what does not fit is counted all the same. */
struct sink {
    char *out;
    size_t size, len;
    size_t line; /* where the last line begins */
};

static void put(struct sink *s, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++, s->len++)
        if (s->len < s->size)
            s->out[s->len] = data[i];
}

static void put_z(struct sink *s, const char *text_z)
{
    put(s, text_z, strlen(text_z));
}

static void end_line(struct sink *s)
{
    put(s, "\r\n", 2);
    s->line = s->len;
}

static void fold(struct sink *s, size_t next_len)
{
    if (s->len - s->line + next_len <= FOLD)
        return;
    end_line(s);
}

bool reel_mail_is_address(const char *address_z)
{
    size_t len = strlen(address_z);
    const char *at = strrchr(address_z, '@');
    if (len > REEL_MAIL_ADDRESS_MAX || !at || at == address_z || !at[1])
        return false;
    for (size_t i = 0; i < len; i++)
        if (address_z[i] <= ' ' || address_z[i] > '~' || strchr("<>()[]\\,;:\"", address_z[i]))
            return false;
    return !memchr(address_z, '@', (size_t)(at - address_z));
}

/* Bytes of the UTF-8 sequence at `text`, which ends with a NUL; 0: it is none (RFC 3629). */
static size_t sequence_len(const char *text_z)
{
    const uint8_t *s = (const uint8_t *)text_z;
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

/* UTF-8 in one line; NULL is fine. */
static bool is_header_text(const char *text_z)
{
    if (!text_z)
        return true;
    for (size_t n = 0; *text_z; text_z += n) {
        n = sequence_len(text_z);
        if (n == 0 || (uint8_t)*text_z < ' ' || *text_z == 0x7f)
            return false;
    }
    return true;
}

static bool is_body_text(const char *text_z)
{
    for (size_t n = 0; *text_z; text_z += n) {
        n = sequence_len(text_z);
        if (n == 0 || (*text_z == '\r' && text_z[1] != '\n'))
            return false;
    }
    return true;
}

static bool is_id(const char *id_z)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    size_t len = strlen(id_z);
    return len > 0 && len <= 128 && strspn(id_z, good) == len;
}

static bool is_ascii(const char *text_z)
{
    for (; *text_z; text_z++)
        if ((uint8_t)*text_z >= 0x80)
            return false;
    return true;
}

/* RFC 2047: words of base64, none cut inside a character. */
static void put_encoded(struct sink *s, const char *text_z)
{
    while (*text_z) {
        char word[BASE64_LEN(WORD_BYTES)];
        size_t len = 0, n = 0;
        while (text_z[len] && len + (n = sequence_len(text_z + len)) <= WORD_BYTES)
            len += n;
        size_t word_len = reel_base64(word, text_z, len);
        fold(s, word_len + 13);
        put_z(s, " =?UTF-8?B?");
        put(s, word, word_len);
        put_z(s, "?=");
        text_z += len;
    }
}

/* Plain words, folded where there is a single space; what cannot be folded so, or would be read as
 * an encoded word, is encoded. */
static bool is_plain(const char *text_z)
{
    size_t word = 0;
    for (const char *c = text_z; *c; c++) {
        word = *c == ' ' ? 0 : word + 1;
        if (word > FOLD - 10 || (*c == ' ' && (c == text_z || c[1] == ' ' || !c[1])))
            return false;
    }
    return is_ascii(text_z) && !strstr(text_z, "=?");
}

static void put_text(struct sink *s, const char *text_z)
{
    if (!is_plain(text_z)) {
        put_encoded(s, text_z);
        return;
    }
    while (*text_z) {
        size_t len = strcspn(text_z, " ");
        fold(s, len + 1);
        put(s, " ", 1);
        put(s, text_z, len);
        text_z += len + (text_z[len] == ' ');
    }
}

/* A display name (RFC 5322, 3.4): quoted when ASCII. */
static void put_name(struct sink *s, const char *name_z)
{
    if (!is_ascii(name_z) || strlen(name_z) > 60) {
        put_encoded(s, name_z);
        return;
    }
    put(s, " \"", 2);
    for (; *name_z; name_z++) {
        if (*name_z == '"' || *name_z == '\\')
            put(s, "\\", 1);
        put(s, name_z, 1);
    }
    put(s, "\"", 1);
}

static void put_from(struct sink *s, const struct reel_mail *mail)
{
    put_z(s, "From:");
    if (mail->from_name_z && *mail->from_name_z)
        put_name(s, mail->from_name_z);
    fold(s, strlen(mail->from_z) + 3);
    put_z(s, " <");
    put_z(s, mail->from_z);
    put_z(s, ">");
    end_line(s);
}

static void put_to(struct sink *s, const struct reel_mail *mail)
{
    put_z(s, "To:");
    for (size_t i = 0; i < mail->to_count; i++) {
        fold(s, strlen(mail->to_z[i]) + 2);
        put(s, " ", 1);
        put_z(s, mail->to_z[i]);
        put_z(s, i + 1 < mail->to_count ? "," : "");
    }
    end_line(s);
}

__attribute__((format(printf, 2, 3))) static void put_format(struct sink *s, const char *format_z,
                                                             ...)
{
    char line[512];
    va_list args;
    va_start(args, format_z);
    int n = vsnprintf(line, sizeof(line), format_z, args);
    va_end(args);
    put(s, line, n > 0 && (size_t)n < sizeof(line) ? (size_t)n : 0);
}

static bool put_date(struct sink *s, int64_t date_s)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    time_t time = (time_t)date_s;
    if (!gmtime_r(&time, &tm) || tm.tm_year < 0 || tm.tm_year > 8099)
        return false;
    put_format(s, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
               months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    end_line(s);
    return true;
}

/* ASCII with lines that are no longer than usual goes as it is. */
static bool body_is_plain(const char *text_z)
{
    for (const char *line = text_z; *line;) {
        size_t len = strcspn(line, "\n");
        if (len > PLAIN_LINE)
            return false;
        line += len + (line[len] == '\n');
    }
    return is_ascii(text_z);
}

static void put_body(struct sink *s, const char *text_z)
{
    while (*text_z) {
        size_t len = strcspn(text_z, "\n");
        bool ends = text_z[len] == '\n';
        put(s, text_z, len && ends && text_z[len - 1] == '\r' ? len - 1 : len);
        end_line(s);
        text_z += len + ends;
    }
}

/* Text is encoded with CRLF line ends (RFC 2045, 6.8). */
static void put_body_base64(struct sink *s, const char *text_z)
{
    char raw[BODY_LINE_BYTES], coded[BASE64_LEN(BODY_LINE_BYTES)];
    bool after_cr = false;
    while (*text_z) {
        size_t n = 0;
        while (n < sizeof(raw) && *text_z) {
            if (*text_z == '\n' && !after_cr) {
                raw[n++] = '\r';
                after_cr = true;
                continue;
            }
            after_cr = *text_z == '\r';
            raw[n++] = *text_z++;
        }
        put(s, coded, reel_base64(coded, raw, n));
        end_line(s);
    }
}

static bool is_good(const struct reel_mail *mail)
{
    if (!mail->from_z || !reel_mail_is_address(mail->from_z) || mail->to_count == 0 ||
        !mail->id_z || !is_id(mail->id_z))
        return false;
    for (size_t i = 0; i < mail->to_count; i++)
        if (!reel_mail_is_address(mail->to_z[i]))
            return false;
    return is_header_text(mail->from_name_z) && is_header_text(mail->subject_z) &&
           (!mail->text_z || is_body_text(mail->text_z));
}

int64_t reel_mail_write(const struct reel_mail *mail, char *out, size_t size)
{
    struct sink s = {.out = out, .size = size};
    if (!is_good(mail) || !put_date(&s, mail->date_s))
        return -EINVAL;
    put_from(&s, mail);
    put_to(&s, mail);
    if (mail->subject_z && *mail->subject_z) {
        put_z(&s, "Subject:");
        put_text(&s, mail->subject_z);
        end_line(&s);
    }
    put_z(&s, "Message-ID: <");
    put_z(&s, mail->id_z);
    put_z(&s, strrchr(mail->from_z, '@'));
    put_z(&s, ">");
    end_line(&s);
    const char *text_z = mail->text_z ? mail->text_z : "";
    bool plain = body_is_plain(text_z);
    put_format(&s,
               "MIME-Version: 1.0\r\n"
               "Content-Type: text/plain; charset=%s\r\n"
               "Content-Transfer-Encoding: %s\r\n\r\n",
               plain ? "us-ascii" : "utf-8", plain ? "7bit" : "base64");
    if (plain)
        put_body(&s, text_z);
    else
        put_body_base64(&s, text_z);
    return (int64_t)s.len;
}
