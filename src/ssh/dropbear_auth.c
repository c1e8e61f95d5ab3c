/* Dropbear's authentication (svr-auth.c, svr-authpasswd.c, svr-authpubkey.c). */
#include "ssh/machine.h"

#include "base/error.h"

enum {
    USER_MAX_BYTES = 100,
    DELAY_MIN_US = 250 * 1000,
    DELAY_SPREAD_US = 100 * 1000,
};

/* COMPAT: refused only when the length is wrong and the beginning too. */
static bool is_service(struct span name, size_t len)
{
    static const struct span connection = SPAN_LIT("ssh-connection");
    return len == connection.len || span_starts_with(name, connection);
}

/* The first request fixes the user; one with a name too long fixes none. */
static int check_user(struct ssh *s, struct span user, size_t len)
{
    struct buffer *first = &s->auth.user;
    if (len > USER_MAX_BYTES)
        return 0;
    if (user.len != len)
        return ssh_fault(s, "NUL in a user name");
    if (!s->auth.user_known) {
        s->auth.user_known = true;
        return buffer_put(first, user) < 0 ? ssh_broken(s, ERR_NOMEM) : 0;
    }
    return span_equal(buffer_span(first), user) ? 0 : ssh_fault(s, "several user names");
}

static int parse_password(struct ssh *s, struct cursor *c, struct ssh_event_auth *request)
{
    size_t len;
    request->method = SSH_AUTH_PASSWORD;
    if (cursor_u8(c) != 0) {
        request->method = SSH_AUTH_PASSWORD_CHANGE; /* the rest is not looked at */
        return ssh_demand_fields(s, c);
    }
    request->password = ssh_dropbear_text(c, &len);
    s->auth.acceptable =
        len > 0 && len <= s->profile->password_max_bytes && request->user.len <= USER_MAX_BYTES;
    return ssh_demand_fields(s, c);
}

static int parse_publickey(struct ssh *s, struct cursor *c, struct ssh_event_auth *request)
{
    size_t len;
    request->method = SSH_AUTH_PUBLICKEY;
    request->has_signature = cursor_u8(c) != 0;
    request->key_algorithm = ssh_dropbear_text(c, &len);
    request->key_blob = cursor_string(c);
    s->auth.slow = false;
    return ssh_demand_fields(s, c);
}

static int parse_method(struct ssh *s, struct cursor *c, struct ssh_event_auth *request)
{
    struct span name = request->method_name;
    s->auth.slow = true;
    if (span_equal_z(name, "none")) {
        request->method = SSH_AUTH_NONE;
        s->auth.slow = false;
        return 0;
    }
    if (span_equal_z(name, "password"))
        return parse_password(s, c, request);
    if (span_equal_z(name, "publickey"))
        return parse_publickey(s, c, request);
    request->method =
        span_equal_z(name, "keyboard-interactive") ? SSH_AUTH_KEYBOARD_INTERACTIVE : SSH_AUTH_OTHER;
    return 0;
}

int ssh_dropbear_auth(struct ssh *s, struct cursor *c)
{
    struct ssh_auth *auth = &s->auth;
    struct ssh_event_auth request = {.failures = auth->failures};
    size_t user_len, service_len, method_len;
    if (s->phase == SSH_PHASE_CONNECTION)
        return 0;
    request.user = ssh_dropbear_text(c, &user_len);
    request.service = ssh_dropbear_text(c, &service_len);
    request.method_name = ssh_dropbear_text(c, &method_len);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    if (!is_service(request.service, service_len))
        return ssh_fault(s, "unknown service in authentication");
    auth->attempts++;
    auth->asked_us = s->now_us;
    auth->acceptable = false;
    err = check_user(s, request.user, user_len);
    if (err == 0)
        err = parse_method(s, c, &request);
    if (err < 0)
        return err;
    ssh_emit(s, SSH_EVENT_AUTH)->auth = request;
    auth->answer_due = true;
    return 0;
}

/* 0.3 s, give or take 50 ms, for everything but "none" and keys. */
int64_t ssh_dropbear_refusal_time(struct ssh *s)
{
    if (!s->auth.slow)
        return s->now_us;
    return s->auth.asked_us + DELAY_MIN_US + crypto_rng_u32(&s->rng) % DELAY_SPREAD_US;
}

/* The last failure ends the connection before its answer has left. */
void ssh_dropbear_refuse(struct ssh *s)
{
    s->auth.refusing = false;
    s->auth.failures += s->auth.slow;
    if (s->auth.failures >= s->profile->auth_tries_max) {
        ssh_disagree(s, "too many failed attempts");
        return;
    }
    ssh_begin(s, SSH_MSG_USERAUTH_FAILURE);
    ssh_put_string_z(s, s->profile->auth_methods_z);
    ssh_put_u8(s, 0); /* partial success */
    ssh_send(s);
}
