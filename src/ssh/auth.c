/* Authentication (RFC 4252), with OpenSSH's bookkeeping and its times. */
#include "ssh/machine.h"

#include "base/error.h"
#include "ssh/names.h"

#include <stdio.h>

enum {
    FAIL_BASE_US = 5000,            /* the least time of a refusal */
    PAM_DELAY_US = 2 * 1000 * 1000, /* pam_unix asks for two seconds ... */
    PAM_SPREAD_DRAWS = 3,           /* ... which libpam spreads by the mean of three draws */
    PAM_SPREAD_STEPS = 1024,
    DIGITS_MAX = 24,
    OFFERED_MAX_BYTES = 4096, /* algorithm and blob: a larger key is refused */
    SIGNED_MAX_BYTES = 64 * 1024,
};

void ssh_auth_init(struct ssh *s)
{
    buffer_init(&s->auth.user, SSH_USER_MAX_BYTES);
    buffer_init(&s->auth.service, SSH_USER_MAX_BYTES);
    buffer_init(&s->auth.offered, OFFERED_MAX_BYTES);
}

void ssh_auth_fini(struct ssh *s)
{
    buffer_fini(&s->auth.user);
    buffer_fini(&s->auth.service);
    buffer_fini(&s->auth.offered);
}

/* ---- Times ---- */

/* OpenSSH: five milliseconds and up to 4.29 more that are the same for one user name on one machine:
 * the first 32 bits of SHA-512 over secret and name, as picoseconds. */
static double base_delay_us(const struct ssh *s)
{
    char secret_z[DIGITS_MAX];
    uint8_t digest[CRYPTO_DIGEST_MAX_BYTES] = {0};
    int len =
        snprintf(secret_z, sizeof(secret_z), "%llu", (unsigned long long)s->server->timing_secret);
    struct span parts[] = {span_of(secret_z, (size_t)len), buffer_span(&s->auth.user)};
    crypto_digest_parts(s->server->suite, CRYPTO_SHA512, parts, ARRAY_LEN(parts), digest);
    struct cursor c = cursor_of(span_of(digest, sizeof(digest)));
    return FAIL_BASE_US + cursor_u32(&c) / 1e6;
}

/* Linux-PAM: 2 s times (1/2 + the mean of three numbers from 0 to 1). */
static double pam_delay_us(struct ssh *s)
{
    double sum = 0;
    for (int i = 0; i < PAM_SPREAD_DRAWS; i++)
        sum += crypto_rng_u32(&s->rng) % PAM_SPREAD_STEPS;
    return PAM_DELAY_US * (0.5 + sum / PAM_SPREAD_DRAWS / PAM_SPREAD_STEPS);
}

/* The smallest base * 2^k that is not already past. OpenSSH lets a right password in then, too. */
static int64_t round_up(const struct ssh *s, double spent_us)
{
    double delay = base_delay_us(s);
    while (delay < spent_us)
        delay *= 2;
    return (int64_t)delay;
}

int64_t ssh_auth_refusal_time(struct ssh *s)
{
    double spent = (double)(s->now_us - s->auth.asked_us);
    double most_us = s->profile->refuse_max_ms * 1e3;
    if (s->auth.slow)
        spent += pam_delay_us(s);
    if (s->auth.asks_none && s->profile->none_at_once)
        return s->now_us;
    if (most_us > 0 && spent > most_us)
        return s->auth.asked_us + (int64_t)spent;
    return s->auth.asked_us + round_up(s, spent);
}

/* ---- Requests ---- */

/* What a public key may be called and what kind of blob belongs to it: those that the server would
 * look at any further. */
static const struct {
    const char *algorithm_z, *blob_z;
    unsigned fields; /* strings in the blob after its name */
} user_keys[] = {
    {"ssh-ed25519", "ssh-ed25519", 1},
    {"rsa-sha2-512", "ssh-rsa", 2},
    {"rsa-sha2-256", "ssh-rsa", 2},
    {"ssh-rsa", "ssh-rsa", 2},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", 2},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", 2},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", 2},
};

static bool is_usable_key(const struct ssh *s, struct span algorithm, struct span blob)
{
    if (!ssh_names_has(span_z(s->profile->user_keys_z), algorithm))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(user_keys); i++) {
        if (!span_equal_z(algorithm, user_keys[i].algorithm_z))
            continue;
        struct cursor c = cursor_of(blob);
        bool same = span_equal_z(cursor_string(&c), user_keys[i].blob_z);
        for (unsigned field = 0; field < user_keys[i].fields; field++)
            cursor_string(&c);
        return same && cursor_end(&c) == 0;
    }
    return false;
}

static int parse_none(struct ssh *s, struct cursor *c, struct ssh_event_auth *auth)
{
    auth->method = SSH_AUTH_NONE;
    /* COMPAT: OpenSSH takes "none" only once; later it is a method it does not know. */
    bool known = !s->auth.none_used;
    s->auth.none_used = true;
    return known ? ssh_demand_end(s, c) : 0;
}

static int parse_password(struct ssh *s, struct cursor *c, struct ssh_event_auth *auth)
{
    bool change = cursor_u8(c) != 0;
    auth->method = change ? SSH_AUTH_PASSWORD_CHANGE : SSH_AUTH_PASSWORD;
    auth->password = ssh_names_text(c);
    if (change)
        auth->new_password = ssh_names_text(c);
    int err = ssh_demand_end(s, c);
    if (err < 0 || change)
        return err;
    bool tried = auth->password.len > 0 && auth->password.len <= s->profile->password_max_bytes;
    s->auth.slow = s->auth.acceptable = tried;
    s->auth.stray_service = !span_equal_z(auth->service, "ssh-connection");
    return 0;
}

/* RFC 4252, section 7: what is signed is the session identifier and the request as far as the signature. */
static bool is_signed(struct ssh *s, const struct ssh_event_auth *auth, struct span request,
                      struct span signature)
{
    const struct ssh_signature *algorithm = ssh_signature_find(auth->key_algorithm);
    int err;
    struct ssh_hostkey *key = ssh_hostkey_parse(auth->key_blob, &err);
    struct buffer message;
    buffer_init(&message, SIGNED_MAX_BYTES);
    bool good =
        key != NULL && algorithm != NULL && algorithm->type == ssh_hostkey_type(key) &&
        buffer_put_string(&message, span_of(s->kex.session_id, s->kex.session_id_len)) == 0 &&
        buffer_put_u8(&message, SSH_MSG_USERAUTH_REQUEST) == 0 &&
        buffer_put(&message, request) == 0 &&
        ssh_hostkey_verify(s->server->suite, key, algorithm, buffer_span(&message), signature) == 0;
    buffer_fini(&message);
    ssh_hostkey_free(key);
    return good;
}

/* The fields of PK_OK, kept until the session has answered. */
static bool keep_offer(struct ssh *s, const struct ssh_event_auth *auth)
{
    struct buffer *offered = &s->auth.offered;
    return buffer_put_string(offered, auth->key_algorithm) == 0 &&
           buffer_put_string(offered, auth->key_blob) == 0;
}

static int parse_publickey(struct ssh *s, struct cursor *c, struct ssh_event_auth *auth,
                           struct span request, bool hostbound)
{
    auth->method = SSH_AUTH_PUBLICKEY;
    auth->has_signature = cursor_u8(c) != 0;
    auth->key_algorithm = ssh_names_text(c);
    auth->key_blob = cursor_string(c);
    if (hostbound) {
        struct span hostkey = cursor_string(c);
        if (c->failed || !span_equal(hostkey, ssh_hostkey_blob(s->kex.first_hostkey)))
            return ssh_fault(s, "publickey-hostbound with another host key");
    }
    int err = ssh_demand_fields(s, c);
    if (err < 0 || !is_usable_key(s, auth->key_algorithm, auth->key_blob))
        return err;
    struct span signature = {NULL, 0};
    size_t left = c->rest.len;
    if (auth->has_signature)
        signature = cursor_string(c);
    err = ssh_demand_end(s, c);
    if (err < 0)
        return err;
    if (auth->has_signature)
        auth->signature_good =
            is_signed(s, auth, span_slice(request, 0, request.len - left), signature);
    s->auth.acceptable = auth->has_signature ? auth->signature_good : keep_offer(s, auth);
    s->auth.stray_service = !span_equal_z(auth->service, "ssh-connection");
    return 0;
}

static int parse_method(struct ssh *s, struct cursor *c, struct ssh_event_auth *auth,
                        struct span request)
{
    struct span name = auth->method_name;
    if (span_equal_z(name, "none"))
        return parse_none(s, c, auth);
    if (span_equal_z(name, "password"))
        return parse_password(s, c, auth);
    if (span_equal_z(name, "publickey"))
        return parse_publickey(s, c, auth, request, false);
    if (s->profile->hostbound && span_equal_z(name, "publickey-hostbound-v00@openssh.com"))
        return parse_publickey(s, c, auth, request, true);
    auth->method =
        span_equal_z(name, "keyboard-interactive") ? SSH_AUTH_KEYBOARD_INTERACTIVE : SSH_AUTH_OTHER;
    return 0;
}

/* The user without ":style". */
static struct span user_name(struct span user)
{
    ptrdiff_t colon = span_find(user, ':', 0);
    return colon < 0 ? user : span_slice(user, 0, (size_t)colon);
}

/* The first request fixes user and service for the connection. */
static int check_user(struct ssh *s, const struct ssh_event_auth *request)
{
    struct ssh_auth *auth = &s->auth;
    if (auth->attempts == 1) {
        if (buffer_put(&auth->user, request->user) < 0 ||
            buffer_put(&auth->service, request->service) < 0)
            return ssh_broken(s, ERR_NOMEM);
        return 0;
    }
    struct span user = buffer_span(&auth->user), service = buffer_span(&auth->service);
    if (span_equal(user, request->user) && span_equal(service, request->service))
        return 0;
    return ssh_fault_disconnect(
        s, "Change of username or service not allowed: (%.*s,%.*s) -> (%.*s,%.*s)", (int)user.len,
        (const char *)user.data, (int)service.len, (const char *)service.data,
        (int)request->user.len, (const char *)request->user.data, (int)request->service.len,
        (const char *)request->service.data);
}

int ssh_auth_receive(struct ssh *s, struct cursor *c)
{
    struct ssh_auth *auth = &s->auth;
    struct ssh_event_auth request = {.failures = auth->failures};
    const struct span whole = c->rest;
    request.user = user_name(ssh_names_text(c));
    request.service = ssh_names_text(c);
    request.method_name = ssh_names_text(c);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    auth->attempts++;
    auth->asked_us = s->now_us;
    auth->slow = auth->acceptable = false;
    buffer_clear(&auth->offered);
    auth->asks_none = span_equal_z(request.method_name, "none");
    auth->first_none = auth->attempts == 1 && auth->asks_none;
    err = check_user(s, &request);
    if (err == 0 && auth->attempts == 1 && s->kex.ext_info_again)
        ssh_kex_send_ext_info(s, 1);
    if (err == 0)
        err = parse_method(s, c, &request, whole);
    if (err < 0)
        return err;
    ssh_emit(s, SSH_EVENT_AUTH)->auth = request;
    auth->answer_due = true;
    return 0;
}

/* ---- Answers ---- */

static void let_in(struct ssh *s)
{
    s->auth.accepting = false;
    s->phase = SSH_PHASE_CONNECTION;
    ssh_begin(s, SSH_MSG_USERAUTH_SUCCESS);
    ssh_send(s);
    /* COMPAT: another process goes on from here, so that SUCCESS is a write of its own. */
    s->auth.announcing = ssh_kex_start_compression(s, SSH_CLIENT_TO_SERVER) == 0 &&
                         ssh_kex_start_compression(s, SSH_SERVER_TO_CLIENT) == 0;
}

/* Whether a signature of the key that is offered could be verified here. */
static bool can_verify(struct ssh *s)
{
    int err;
    struct cursor c = cursor_of(buffer_span(&s->auth.offered));
    (void)cursor_string(&c);
    struct ssh_hostkey *key = ssh_hostkey_parse(cursor_string(&c), &err);
    ssh_hostkey_free(key);
    return key != NULL;
}

/* OpenSSH neither waits for it nor counts it. */
static void send_key_ok(struct ssh *s)
{
    ssh_begin(s, SSH_MSG_USERAUTH_PK_OK);
    ssh_put_bytes(s, buffer_span(&s->auth.offered));
    ssh_send(s);
    buffer_fini(&s->auth.offered);
}

void ssh_auth_accept(struct ssh *s)
{
    struct ssh_auth *auth = &s->auth;
    if (!auth->answer_due || s->phase != SSH_PHASE_AUTH)
        return;
    bool asks = buffer_len(&auth->offered) > 0;
    if (!auth->acceptable || (asks && !can_verify(s))) {
        ssh_auth_refuse(s);
        return;
    }
    auth->answer_due = false;
    if (auth->stray_service) {
        /* COMPAT: OpenSSH's own check of its two halves: such a user cannot have been let in. */
        (void)ssh_disagree(s, "login for an unknown service");
        return;
    }
    if (asks) {
        send_key_ok(s);
        return;
    }
    int64_t spent_us = ssh_wait_draw_us(s, SSH_WAIT_LOGIN);
    if (spent_us == 0) {
        let_in(s);
        return;
    }
    auth->accepting = true;
    auth->answer_at_us =
        auth->asked_us + (s->profile->rounds_time ? round_up(s, (double)spent_us) : spent_us);
}

void ssh_auth_announce(struct ssh *s)
{
    if (!s->auth.announcing || buffer_len(&s->sender.out) > 0 || s->phase != SSH_PHASE_CONNECTION)
        return;
    s->auth.announcing = false;
    ssh_global_announce_hostkeys(s);
    ssh_wait_start(s, SSH_WAIT_SESSION);
}

void ssh_auth_refuse(struct ssh *s)
{
    struct ssh_auth *auth = &s->auth;
    if (!auth->answer_due || s->phase != SSH_PHASE_AUTH)
        return;
    auth->answer_due = false;
    auth->refusing = true;
    auth->answer_at_us = s->profile->dialect->refusal_time(s);
}

void ssh_auth_send_refusal(struct ssh *s)
{
    struct ssh_auth *auth = &s->auth;
    auth->refusing = false;
    if (!auth->first_none)
        auth->failures++;
    if (auth->failures >= s->profile->auth_tries_max) {
        ssh_refuse_disconnect(s, "Too many authentication failures");
        return;
    }
    ssh_begin(s, SSH_MSG_USERAUTH_FAILURE);
    ssh_put_string_z(s, s->profile->auth_methods_z);
    ssh_put_u8(s, 0); /* partial success */
    ssh_send(s);
}

void ssh_auth_tick(struct ssh *s)
{
    if (s->phase != SSH_PHASE_AUTH || s->now_us < s->auth.answer_at_us)
        return;
    if (s->auth.refusing)
        s->profile->dialect->refuse(s);
    else if (s->auth.accepting)
        let_in(s);
}
