/* Talks to the machine: bytes that no client sends, logins, questions. */
#include "audit/link.h"
#include "base/cursor.h"
#include "base/error.h"
#include "ssh/message.h"
#include "ssh/names.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    KEXINIT_LISTS_AT = 17, /* behind its number and the cookie */
    HEAD_BYTES = 5,        /* of a packet in the clear */
    STRANGERS = 2,         /* random logins that are tried */
    MARK_CHARS = 12,
    BLOCK = 8,
    PADDING_MIN = 4,
};

#define OWN_VERSION_Z "SSH-2.0-OpenSSH_9.2p1\r\n"

const char *const audit_commands_z[AUDIT_QUESTIONS] = {
#define ASK(symbol, command) [AUDIT_##symbol] = (command),
#include "audit/facts.def"
#undef ASK
};

/* Accounts that published honeypots have. */
static const struct audit_login PUBLISHED[] = {
    {"phil", "phil"}, {"richard", "richard"}, {"phil", "fout"}, {"richard", "fout"}};

/* ---- Facts ---- */

static void reply_init(struct audit_reply *r)
{
    buffer_init(&r->before, AUDIT_TEXT_MAX);
    buffer_init(&r->after, AUDIT_TEXT_MAX);
}

static void reply_fini(struct audit_reply *r)
{
    buffer_fini(&r->before);
    buffer_fini(&r->after);
}

void audit_facts_init(struct audit_facts *facts)
{
    memset(facts, 0, sizeof(*facts));
    buffer_init(&facts->version, AUDIT_TEXT_MAX);
    buffer_init(&facts->hostkey, AUDIT_TEXT_MAX);
    for (size_t i = 0; i < AUDIT_LISTS; i++)
        buffer_init(&facts->lists[i], AUDIT_TEXT_MAX);
    reply_init(&facts->bad_version);
    reply_init(&facts->bad_length);
    reply_init(&facts->no_common);
    for (size_t i = 0; i < AUDIT_QUESTIONS; i++) {
        buffer_init(&facts->answers[i].out, AUDIT_TEXT_MAX);
        buffer_init(&facts->answers[i].err, AUDIT_TEXT_MAX);
    }
}

void audit_facts_fini(struct audit_facts *facts)
{
    buffer_fini(&facts->version);
    buffer_fini(&facts->hostkey);
    for (size_t i = 0; i < AUDIT_LISTS; i++)
        buffer_fini(&facts->lists[i]);
    reply_fini(&facts->bad_version);
    reply_fini(&facts->bad_length);
    reply_fini(&facts->no_common);
    for (size_t i = 0; i < AUDIT_QUESTIONS; i++) {
        buffer_fini(&facts->answers[i].out);
        buffer_fini(&facts->answers[i].err);
    }
}

/* ---- The protocol ---- */

/* Takes the server's version line, and lines before it, off the front. False: there is none. */
static bool take_version(struct buffer *in, struct buffer *version)
{
    for (ptrdiff_t end = 0; (end = span_find(buffer_span(in), '\n', 0)) >= 0;) {
        struct span line = span_slice(buffer_span(in), 0, (size_t)end);
        bool found = span_starts_with(line, span_z("SSH-"));
        if (found && line.data[line.len - 1] == '\r')
            line.len--;
        if (found)
            (void)buffer_put(version, span_slice(line, 0, buffer_room(version)));
        buffer_take(in, (size_t)end + 1);
        if (found)
            return true;
    }
    return false;
}

/* The first packet in the clear: its payload, and how many bytes it takes; 0: it is none. */
static size_t clear_packet(struct span in, struct span *payload)
{
    struct cursor c = cursor_of(in);
    uint32_t length = cursor_u32(&c);
    uint8_t padding = cursor_u8(&c);
    if (c.failed || length < (uint32_t)padding + 2 || length - 1 > c.rest.len)
        return 0;
    *payload = span_slice(c.rest, 0, length - 1 - padding);
    return (size_t)length + 4;
}

static void take_lists(struct audit_facts *facts, struct span kexinit)
{
    /* Its lists in their order; both ways of ciphers and MACs, of which one is kept. */
    static const enum audit_list order[] = {AUDIT_KEX, AUDIT_HOSTKEYS, AUDIT_CIPHERS, AUDIT_CIPHERS,
                                            AUDIT_MACS};
    struct cursor c = cursor_of(kexinit);
    (void)cursor_bytes(&c, KEXINIT_LISTS_AT);
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        buffer_clear(&facts->lists[order[i]]);
        (void)buffer_put(&facts->lists[order[i]], cursor_string(&c));
    }
}

/* Waits for the server's version line. One that says none is done with after AUDIT_WAIT_MS. */
static void await_version(int fd, struct buffer *in, struct buffer *version)
{
    enum { LOOK_MS = AUDIT_QUIET_MS / 5, LOOKS = AUDIT_WAIT_MS / LOOK_MS };
    int64_t until_us = audit_now_us() + AUDIT_WAIT_MS * INT64_C(1000);
    bool closed = false;
    for (int i = 0; i < LOOKS && !take_version(in, version) && !closed; i++)
        closed = audit_read(fd, in, LOOK_MS) || audit_now_us() >= until_us;
}

/* Says something odd once the server has said its version, and keeps what comes. */
static int provoke(const struct audit_target *target, struct span bytes, struct audit_facts *facts,
                   struct audit_reply *reply)
{
    struct span payload;
    int fd = audit_connect(target->host_z, target->port_z);
    if (fd < 0)
        return fd;
    buffer_clear(&facts->version);
    await_version(fd, &reply->before, &facts->version);
    int error = audit_write(fd, bytes);
    reply->closed = audit_read(fd, &reply->before, AUDIT_QUIET_MS);
    (void)close(fd);
    reply->asked = error == 0;
    size_t n = clear_packet(buffer_span(&reply->before), &payload);
    reply->kexinit = n > 0 && payload.len > 0 && payload.data[0] == SSH_MSG_KEXINIT;
    if (!reply->kexinit)
        return 0;
    take_lists(facts, payload);
    struct span all = buffer_span(&reply->before);
    (void)buffer_put(&reply->after, span_slice(all, n, all.len));
    return 0;
}

/* A KEXINIT without an algorithm that anybody has. */
static int put_odd_kexinit(struct buffer *out)
{
    static const char *const lists_z[] = {"none-kex", "none-key", "none-cipher", "none-cipher",
                                          "none-mac", "none-mac", "none",        "none",
                                          "",         ""};
    static const uint8_t zeros[KEXINIT_LISTS_AT + BLOCK] = {0};
    struct buffer payload;
    buffer_init(&payload, AUDIT_TEXT_MAX);
    int rc = buffer_put_u8(&payload, SSH_MSG_KEXINIT);
    if (rc == 0)
        rc = buffer_put(&payload, span_of(zeros, KEXINIT_LISTS_AT - 1));
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(lists_z); i++)
        rc = buffer_put_string(&payload, span_z(lists_z[i]));
    if (rc == 0)
        rc = buffer_put(&payload, span_of(zeros, HEAD_BYTES));
    size_t len = buffer_len(&payload);
    size_t padding = PADDING_MIN + (BLOCK - (HEAD_BYTES + len + PADDING_MIN) % BLOCK) % BLOCK;
    if (rc == 0)
        rc = buffer_put_u32(out, (uint32_t)(1 + len + padding));
    if (rc == 0)
        rc = buffer_put_u8(out, (uint8_t)padding);
    if (rc == 0)
        rc = buffer_put(out, buffer_span(&payload));
    if (rc == 0)
        rc = buffer_put(out, span_of(zeros, padding));
    buffer_fini(&payload);
    return rc;
}

static int collect_protocol(const struct audit_target *target, struct audit_facts *facts)
{
    static const struct span BAD_VERSION = SPAN_LIT("SSH-1337\r\n");
    static const struct span BAD_LENGTH =
        SPAN_LIT(OWN_VERSION_Z "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n");
    struct buffer odd, in;
    int error = provoke(target, BAD_VERSION, facts, &facts->bad_version);
    if (error < 0 || buffer_len(&facts->version) == 0)
        return error;
    buffer_init(&odd, AUDIT_TEXT_MAX);
    buffer_init(&in, AUDIT_TEXT_MAX);
    error = provoke(target, BAD_LENGTH, facts, &facts->bad_length);
    if (error == 0)
        error = buffer_put_z(&odd, OWN_VERSION_Z);
    if (error == 0)
        error = put_odd_kexinit(&odd);
    if (error == 0)
        error = provoke(target, buffer_span(&odd), facts, &facts->no_common);
    int fd = error == 0 ? audit_connect(target->host_z, target->port_z) : -1;
    if (fd >= 0) {
        (void)audit_read(fd, &in, AUDIT_QUIET_MS);
        buffer_clear(&facts->version);
        (void)take_version(&in, &facts->version);
        facts->early_kexinit = buffer_len(&in) > 0;
        (void)close(fd);
    }
    buffer_fini(&odd);
    buffer_fini(&in);
    return error;
}

/* ---- Logins ---- */

static void name_ends(struct audit_facts *facts, int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);
    char port_z[8] = "";
    unsigned port = 0;
    if (getsockname(fd, (struct sockaddr *)&a, &len) == 0 &&
        getnameinfo((struct sockaddr *)&a, len, facts->local_ip_z, sizeof(facts->local_ip_z),
                    port_z, sizeof(port_z), NI_NUMERICHOST | NI_NUMERICSERV) == 0 &&
        sscanf(port_z, "%5u", &port) == 1)
        facts->local_port = (uint16_t)port;
    len = sizeof(a);
    if (getpeername(fd, (struct sockaddr *)&a, &len) == 0 &&
        getnameinfo((struct sockaddr *)&a, len, facts->peer_ip_z, sizeof(facts->peer_ip_z), port_z,
                    sizeof(port_z), NI_NUMERICHOST | NI_NUMERICSERV) == 0 &&
        sscanf(port_z, "%5u", &port) == 1)
        facts->peer_port = (uint16_t)port;
}

/* A connection of its own for one login, as detectors do it. */
static int try_login(const struct audit_target *target, const struct crypto_suite *suite,
                     const struct audit_login *login, struct audit_facts *facts)
{
    struct audit_link l;
    int result = audit_link_open(&l, target, suite);
    if (result == 0)
        result = audit_link_service(&l);
    int64_t start_us = audit_now_us();
    if (result == 0)
        result = audit_link_login(&l, login->user_z, login->password_z);
    int64_t took_us = audit_now_us() - start_us;
    if (result == 0 && (facts->refusal_us == 0 || took_us < facts->refusal_us))
        facts->refusal_us = took_us;
    audit_link_close(&l);
    return result;
}

static void draw_word(char *word_z, size_t chars)
{
    uint8_t bytes[MARK_CHARS] = {0};
    (void)!getrandom(bytes, sizeof(bytes), 0);
    for (size_t i = 0; i < chars; i++)
        word_z[i] = (char)('a' + bytes[i] % 26);
    word_z[chars] = '\0';
}

static void try_strangers(const struct audit_target *target, const struct crypto_suite *suite,
                          struct audit_facts *facts)
{
    for (unsigned i = 0; i < STRANGERS; i++) {
        char word_z[MARK_CHARS + 1];
        draw_word(word_z, MARK_CHARS);
        const struct audit_login stranger = {i == 0 ? "root" : word_z, word_z};
        facts->strangers += try_login(target, suite, &stranger, facts) == 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(PUBLISHED) && facts->published_z[0] == '\0'; i++)
        if (facts->strangers == 0 && try_login(target, suite, &PUBLISHED[i], facts) == 1)
            (void)snprintf(facts->published_z, sizeof(facts->published_z), "%s/%s",
                           PUBLISHED[i].user_z, PUBLISHED[i].password_z);
}

/* The first login that works; a second password of the same account is looked for. NULL: none works. */
static const struct audit_login *find_login(const struct audit_target *target,
                                            const struct crypto_suite *suite,
                                            struct audit_facts *facts)
{
    const struct audit_login *found = NULL;
    for (size_t i = 0; i < target->login_count; i++) {
        const struct audit_login *login = &target->logins[i];
        if (found != NULL && strcmp(found->user_z, login->user_z) != 0)
            continue;
        if (facts->passwords >= (target->brief ? 1 : 2))
            break;
        if (try_login(target, suite, login, facts) != 1)
            continue;
        found = found != NULL ? found : login;
        facts->passwords++;
    }
    return found;
}

/* ---- Questions ---- */

static int open_logged_in(const struct audit_target *target, const struct crypto_suite *suite,
                          const struct audit_login *login, struct audit_link *l)
{
    int error = audit_link_open(l, target, suite);
    if (error == 0)
        error = audit_link_service(l);
    if (error == 0)
        error = audit_link_login(l, login->user_z, login->password_z);
    return error < 0 ? error : error == 1 ? 0 : -EACCES;
}

static void put_base64(struct span bytes, struct buffer *out)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t n = (uint32_t)bytes.data[i] << 16;
        n |= i + 1 < bytes.len ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        n |= i + 2 < bytes.len ? (uint32_t)bytes.data[i + 2] : 0;
        (void)buffer_put_u8(out, (uint8_t)DIGITS[n >> 18]);
        (void)buffer_put_u8(out, (uint8_t)DIGITS[n >> 12 & 63]);
        (void)buffer_put_u8(out, i + 1 < bytes.len ? (uint8_t)DIGITS[n >> 6 & 63] : '=');
        (void)buffer_put_u8(out, i + 2 < bytes.len ? (uint8_t)DIGITS[n & 63] : '=');
    }
}

static bool is_compared(size_t question)
{
    return question == AUDIT_NAME || question == AUDIT_BOOT || question == AUDIT_MACHINE_ID ||
           question == AUDIT_CARD || question == AUDIT_BOOT_ID;
}

/* All questions over one connection. One that ends it is asked no further; the next has a new one. */
static void ask_all(const struct audit_target *target, const struct crypto_suite *suite,
                    const struct audit_login *login, const char *mark_z, struct audit_facts *facts)
{
    struct audit_link l = {.fd = -1};
    char command_z[128];
    bool open = false;
    for (size_t i = 0; i <= AUDIT_QUESTIONS; i++) {
        if (target->brief && !is_compared(i))
            continue;
        if (!open && open_logged_in(target, suite, login, &l) < 0)
            break;
        open = true;
        if (!facts->logged_in) {
            name_ends(facts, l.fd);
            put_base64(buffer_span(&l.client->hostkey), &facts->hostkey);
            facts->logged_in = true;
        }
        struct audit_answer last = {.status = -1};
        bool mark = i == AUDIT_QUESTIONS;
        (void)snprintf(command_z, sizeof(command_z), "echo %s > /tmp/.%s", mark_z, mark_z);
        if (audit_link_run(&l, mark ? command_z : audit_commands_z[i],
                           mark ? &last : &facts->answers[i]) < 0) {
            audit_link_close(&l);
            open = false;
        }
    }
    audit_link_close(&l);
}

/* Whether the second visit finds what the first one left. */
static void look_again(const struct audit_target *target, const struct crypto_suite *suite,
                       const struct audit_login *login, const char *mark_z,
                       struct audit_facts *facts)
{
    struct audit_link l;
    struct audit_answer answer = {.status = -1};
    char command_z[128];
    buffer_init(&answer.out, AUDIT_TEXT_MAX);
    buffer_init(&answer.err, AUDIT_TEXT_MAX);
    (void)snprintf(command_z, sizeof(command_z), "cat /tmp/.%s; rm -f /tmp/.%s", mark_z, mark_z);
    if (open_logged_in(target, suite, login, &l) == 0 &&
        audit_link_run(&l, command_z, &answer) == 0) {
        facts->kept_asked = true;
        facts->kept = span_starts_with(buffer_span(&answer.out), span_z(mark_z));
    }
    audit_link_close(&l);
    buffer_fini(&answer.out);
    buffer_fini(&answer.err);
}

static void tell(const struct audit_target *target, const char *what_z)
{
    if (target->on_step != NULL)
        target->on_step(what_z);
}

static void collect_machine(const struct audit_target *target, const struct crypto_suite *suite,
                            struct audit_facts *facts)
{
    char mark_z[MARK_CHARS + 1];
    draw_word(mark_z, MARK_CHARS);
    tell(target, "logins");
    if (!target->brief)
        try_strangers(target, suite, facts);
    const struct audit_login *login = find_login(target, suite, facts);
    if (login == NULL)
        return;
    (void)snprintf(facts->user_z, sizeof(facts->user_z), "%s", login->user_z);
    tell(target, "the machine behind the login");
    ask_all(target, suite, login, mark_z, facts);
    if (!target->brief)
        look_again(target, suite, login, mark_z, facts);
}

int audit_collect(const struct audit_target *target, struct audit_facts *facts,
                  char why_z[AUDIT_DETAIL_SIZE])
{
    struct crypto_suite *suite = crypto_suite_new();
    int error = suite != NULL ? 0 : -ENOMEM;
    tell(target, "the protocol");
    if (error == 0)
        error = collect_protocol(target, facts);
    if (error < 0) {
        (void)snprintf(why_z, AUDIT_DETAIL_SIZE, "%s port %s: %s", target->host_z, target->port_z,
                       error > -1000 ? strerror(-error) : error_text(error));
    } else if (buffer_len(&facts->version) == 0) {
        error = -EPROTO;
        (void)snprintf(why_z, AUDIT_DETAIL_SIZE, "%s port %s: no SSH server answers",
                       target->host_z, target->port_z);
    } else {
        collect_machine(target, suite, facts);
    }
    crypto_suite_free(suite);
    return error;
}
