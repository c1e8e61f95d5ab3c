#include "session/bait.h"
#include "session/connection.h"
#include "session/policy.h"
#include "session/text.h"
#include "ssh/fingerprint.h"

#include <stdlib.h>

enum { KEY_TEXT_MAX = 64 * 1024 };

/* ---- The steps to a login ---- */

void session_step(struct session_connection *c, enum session_step step)
{
    if (c->steps_us[step] == 0)
        c->steps_us[step] = c->now_us;
}

/* Each from the one before it that was taken; once a connection. */
void session_tell_steps(struct session_connection *c)
{
    static const enum event_field fields[SESSION_STEPS] = {
        [SESSION_STEP_VERSION] = FIELD_VERSION_MS, [SESSION_STEP_KEXINIT] = FIELD_KEXINIT_MS,
        [SESSION_STEP_KEYS] = FIELD_KEYS_MS,       [SESSION_STEP_SERVICE] = FIELD_SERVICE_MS,
        [SESSION_STEP_AUTH] = FIELD_AUTH_MS,
    };
    struct event e = session_event(c, EVENT_CLIENT_TIMING);
    int64_t last_us = c->start_us;
    if (c->steps_told || c->steps_us[SESSION_STEP_VERSION] == 0)
        return;
    c->steps_told = true;
    for (size_t i = 0; i < SESSION_STEPS; i++) {
        if (c->steps_us[i] == 0)
            continue;
        event_number(&e, fields[i], (c->steps_us[i] - last_us) / 1000);
        last_us = c->steps_us[i];
    }
    session_put(c, &e);
}

/* ---- Version and algorithms ---- */

static void on_version(struct session_connection *c, struct span version)
{
    struct event e = session_event(c, EVENT_CLIENT_VERSION);
    event_text(&e, FIELD_VERSION, version);
    session_put(c, &e);
    session_step(c, SESSION_STEP_VERSION);
}

static void note_keys(struct session_connection *c, const struct ssh_event_keys *keys)
{
    const struct {
        enum event_field field;
        const char *name_z;
    } chosen[] = {
        {FIELD_KEX_ALG, keys->kex_z},      {FIELD_KEY_ALG, keys->hostkey_z},
        {FIELD_ENC_IN, keys->cipher_cs_z}, {FIELD_ENC_OUT, keys->cipher_sc_z},
        {FIELD_MAC_IN, keys->mac_cs_z},    {FIELD_MAC_OUT, keys->mac_sc_z},
        {FIELD_COMP_IN, keys->comp_cs_z},  {FIELD_COMP_OUT, keys->comp_sc_z},
    };
    struct event e = session_event(c, EVENT_CLIENT_KEYS);
    for (size_t i = 0; i < ARRAY_LEN(chosen); i++)
        event_text_z(&e, chosen[i].field, chosen[i].name_z);
    session_put(c, &e);
}

static void on_keys(struct session_connection *c, const struct ssh_event_keys *keys)
{
    const struct frame_keylog keylog = {.lines = keys->key_log};
    note_keys(c, keys);
    if (keys->first)
        session_step(c, SESSION_STEP_KEYS);
    if (keylog.lines.len)
        session_journal_check(&c->journal, frame_put_keylog(&c->journal.frames, &keylog));
}

/* The names of a list, at least one (it may be empty). NULL: out of memory. */
static struct span *split(struct span list, size_t *count)
{
    size_t names = 1;
    for (size_t i = 0; i < list.len; i++)
        names += list.data[i] == ',';
    struct span *items = calloc(names, sizeof *items);
    size_t from = 0;
    for (size_t i = 0; items != NULL && i < names; i++) {
        ptrdiff_t comma = span_find(list, ',', from);
        size_t to = comma < 0 ? list.len : (size_t)comma;
        items[i] = span_slice(list, from, to);
        from = to + 1;
    }
    *count = items == NULL ? 0 : names;
    return items;
}

static void on_kexinit(struct session_connection *c, const struct ssh_event_kexinit *kexinit)
{
    if (!kexinit->first)
        return;
    session_step(c, SESSION_STEP_KEXINIT);
    const struct {
        enum event_field field;
        struct span list;
    } lists[] = {
        {FIELD_KEX_ALGS, kexinit->kex},     {FIELD_KEY_ALGS, kexinit->hostkey},
        {FIELD_ENC_CS, kexinit->cipher_cs}, {FIELD_MAC_CS, kexinit->mac_cs},
        {FIELD_COMP_CS, kexinit->comp_cs},  {FIELD_LANG_CS, kexinit->lang_cs},
    };
    struct event e = session_event(c, EVENT_CLIENT_KEX);
    char hassh_z[SSH_HASSH_CHARS];
    ssh_fingerprint_hassh(c->host->suite, kexinit, hassh_z);
    event_text_z(&e, FIELD_HASSH, hassh_z);

    struct buffer algorithms;
    buffer_init(&algorithms, EVENT_LINE_MAX);
    const struct span hashed[] = {kexinit->kex, kexinit->cipher_cs, kexinit->mac_cs,
                                  kexinit->comp_cs};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(hashed); i++) {
        rc = i > 0 ? buffer_put_u8(&algorithms, ';') : 0;
        if (rc == 0)
            rc = buffer_put(&algorithms, hashed[i]);
    }
    event_text(&e, FIELD_HASSH_ALGORITHMS, buffer_span(&algorithms));

    struct span *items[ARRAY_LEN(lists)];
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        size_t count;
        items[i] = split(lists[i].list, &count);
        event_list(&e, lists[i].field, items[i], count);
    }
    session_put(c, &e);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        free(items[i]);
    buffer_fini(&algorithms);
}

/* ---- Logins ---- */

static void note_timing(struct session_connection *c, struct span method)
{
    struct event e = session_event(c, EVENT_CLIENT_AUTH_TIMING);
    event_text(&e, FIELD_METHOD, method);
    event_number(&e, FIELD_ELAPSED_MS, (c->now_us - c->step_us) / 1000);
    session_put(c, &e);
    c->step_us = c->now_us;
}

static void note_password(struct session_connection *c, enum event_type type, struct span user,
                          struct span password)
{
    struct event e = session_event(c, type);
    event_text(&e, FIELD_USERNAME, user);
    event_text(&e, FIELD_PASSWORD, password);
    session_put(c, &e);
}

/* A user of the form name:style counts as the name (OpenSSH, auth2.c). */
static struct span name_of(struct span user)
{
    ptrdiff_t colon = span_find(user, ':', 0);
    return colon < 0 ? user : span_slice(user, 0, (size_t)colon);
}

static bool is_right(struct session_connection *c, struct span user, struct span password)
{
    struct span name = name_of(user);
    return session_policy_allows(c->host->config.policy, name, password) &&
           (c->outer != NULL || /* the machine's own file has told it */
            session_account_find(c->host->config.image, name, &c->account));
}

/* What is remembered of him: the password that worked works at once, and it may be the only one. */
static bool opens(const struct session_connection *c)
{
    const struct session_visitor *v = &c->visitor;
    if (c->host->config.visitors.one_password && v->same_user && !v->same_login)
        return false;
    return c->outer != NULL || v->same_login ||
           c->failed_tries >= c->host->config.limits.failed_tries;
}

static void refuse(struct session_connection *c, struct span user, struct span password)
{
    c->failed_tries++;
    c->host->counters.failed_logins++;
    note_password(c, EVENT_LOGIN_FAILED, user, password);
    if (c->outer != NULL)
        session_inner_refuse(c, name_of(user));
    ssh_auth_refuse(c->ssh);
}

/* Behind the event that says who. */
static void let_in(struct session_connection *c)
{
    c->logged_in = true;
    session_started(c);
    c->input_us = c->now_us;
    c->login_number = (uint32_t)++c->host->counters.logins;
    if (c->outer != NULL)
        session_inner_log_in(c);
    ssh_auth_accept(c->ssh);
    struct event e = session_event(c, EVENT_SESSION_PARAMS);
    event_text_z(&e, FIELD_ARCH, "linux-x64-lsb");
    session_put(c, &e);
}

void session_login_checked(struct session_connection *c, struct span user, struct span password,
                           bool right)
{
    if (!right) {
        refuse(c, user, password);
        return;
    }
    note_password(c, EVENT_LOGIN_SUCCESS, user, password);
    c->password = arena_copy(&c->arena, password);
    let_in(c);
}

void session_login_decide(struct session_connection *c, struct span user, struct span password)
{
    struct span name = name_of(user);
    switch (c->outer != NULL ? session_inner_check(c, name, user, password)
                             : session_visitor_check(c, name, password, &c->account)) {
    case SESSION_CHECK_RUNNING: return;
    case SESSION_CHECK_WRONG: refuse(c, user, password); return;
    case SESSION_CHECK_POLICY: break;
    }
    session_login_checked(c, user, password, is_right(c, user, password) && opens(c));
}

static void on_password(struct session_connection *c, const struct ssh_event_auth *auth)
{
    if (session_bait_is_login(c->host->config.bait, name_of(auth->user), auth->password))
        session_tell_bait(c, "login", name_of(auth->user));
    if (c->outer != NULL || !session_visitor_ask(c, auth->user, auth->password,
                                                 is_right(c, auth->user, auth->password)))
        session_login_decide(c, auth->user, auth->password);
}

/* ---- Public keys ---- */

static void note_key(struct session_connection *c, enum event_type type, struct span user,
                     struct span algorithm, struct span blob)
{
    char fingerprint_z[SSH_FINGERPRINT_SHA256_CHARS];
    ssh_fingerprint_sha256(blob, fingerprint_z);
    struct buffer key;
    buffer_init(&key, KEY_TEXT_MAX);
    int rc = buffer_put(&key, algorithm);
    if (rc == 0)
        rc = buffer_put_u8(&key, ' ');
    if (rc == 0)
        (void)session_text_base64(blob, &key);
    struct event e = session_event(c, type);
    event_text(&e, FIELD_USERNAME, user);
    event_text_z(&e, FIELD_FINGERPRINT, fingerprint_z);
    event_text(&e, FIELD_KEY, buffer_span(&key));
    event_text(&e, FIELD_TYPE, algorithm);
    session_put(c, &e);
    buffer_fini(&key);
}

static void decide_key(struct session_connection *c, const struct session_offer *offer, bool good)
{
    if (good && !offer->is_signed) {
        ssh_auth_accept(c->ssh);
        return;
    }
    if (offer->is_signed)
        note_key(c, good ? EVENT_LOGIN_SUCCESS_KEY : EVENT_LOGIN_FAILED_KEY, offer->user,
                 offer->algorithm, offer->blob);
    if (good)
        let_in(c);
    else
        ssh_auth_refuse(c->ssh);
}

void session_login_key(struct session_connection *c, const struct session_offer *offer)
{
    decide_key(c, offer, session_visitor_account(c, name_of(offer->user), &c->account));
}

/* A key opens the machine of the visitor who has left it there. */
static void on_key(struct session_connection *c, const struct ssh_event_auth *auth)
{
    const struct session_offer offer = {auth->user, auth->key_algorithm, auth->key_blob,
                                        auth->has_signature};
    note_key(c, EVENT_CLIENT_FINGERPRINT, auth->user, auth->key_algorithm, auth->key_blob);
    bool may_open = !auth->has_signature || auth->signature_good;
    if (may_open && c->outer != NULL) {
        decide_key(c, &offer, session_inner_check_key(c, name_of(auth->user), auth->key_blob));
        return;
    }
    if (may_open && session_visitor_ask_key(c, name_of(auth->user), &offer))
        return;
    if (auth->has_signature)
        note_key(c, EVENT_LOGIN_FAILED_KEY, auth->user, auth->key_algorithm, auth->key_blob);
    ssh_auth_refuse(c->ssh);
}

static void on_auth(struct session_connection *c, const struct ssh_event_auth *auth)
{
    session_step(c, SESSION_STEP_AUTH);
    session_tell_steps(c);
    note_timing(c, auth->method_name);
    switch (auth->method) {
    case SSH_AUTH_PASSWORD: on_password(c, auth); return;
    case SSH_AUTH_PASSWORD_CHANGE:
        note_password(c, EVENT_LOGIN_FAILED, auth->user, auth->password);
        break;
    case SSH_AUTH_PUBLICKEY: on_key(c, auth); return;
    default: break;
    }
    ssh_auth_refuse(c->ssh);
}

/* ---- Requests beside the sessions ---- */

static void on_global(struct session_connection *c, const struct ssh_event_global *global)
{
    bool reverse = span_equal_z(global->name, "tcpip-forward");
    struct event e = session_event(c, reverse ? EVENT_FORWARD_REVERSE : EVENT_CHANNEL_REQUEST);
    if (reverse) {
        event_text(&e, FIELD_DST_IP, global->address);
        event_number(&e, FIELD_DST_PORT, global->port);
    } else {
        event_text(&e, FIELD_TYPE, global->name);
        if (global->address.len > 0)
            event_text(&e, FIELD_DATA, global->address);
    }
    session_put(c, &e);
    if (global->needs_answer)
        session_forward_request(c, global);
}

static void on_forward(struct session_connection *c, const struct ssh_event_forward *forward)
{
    struct event e =
        session_event(c, forward->is_path ? EVENT_CHANNEL_REQUEST : EVENT_DIRECT_TCPIP_REQUEST);
    if (forward->is_path) {
        event_text_z(&e, FIELD_TYPE, "direct-streamlocal@openssh.com");
        event_text(&e, FIELD_DATA, forward->host);
        session_put(c, &e);
        session_forward_dial(c, forward);
        return;
    }
    event_text(&e, FIELD_DST_IP, forward->host);
    event_number(&e, FIELD_DST_PORT, forward->port);
    event_text(&e, FIELD_ORIG_IP, forward->originator);
    event_number(&e, FIELD_ORIG_PORT, forward->originator_port);
    session_put(c, &e);
    session_forward_dial(c, forward);
}

/* ---- The end ---- */

static void on_error(struct session_connection *c, const struct ssh_event_error *error)
{
    if (error->data_len > 0) {
        char hex_z[2 * SSH_ERROR_DATA_MAX + 1];
        session_text_hex(span_slice(error->data, 0, SSH_ERROR_DATA_MAX), hex_z);
        struct event packet = session_event(c, EVENT_CLIENT_MALFORMED_PACKET);
        event_number(&packet, FIELD_MESSAGENUM, error->message);
        event_number(&packet, FIELD_DATALEN, (int64_t)error->data_len);
        event_text_z(&packet, FIELD_DATA, hex_z);
        session_put(c, &packet);
    }
    struct event e = session_event(c, EVENT_PROTOCOL_ERROR);
    event_text_z(&e, FIELD_ERROR, error->text_z);
    if (error->code != 0)
        event_number(&e, FIELD_CODE, error->code);
    if (error->sent.len > 0)
        event_text(&e, FIELD_DATA, error->sent);
    session_put(c, &e);
    c->ended = true;
}

static void on_disconnect(struct session_connection *c, const struct ssh_event_disconnect *bye)
{
    struct event e = session_event(c, EVENT_CLIENT_DISCONNECT);
    event_number(&e, FIELD_CODE, bye->code);
    event_text(&e, FIELD_REASON, bye->text);
    session_put(c, &e);
    c->ended = true;
}

void session_client_event(struct session_connection *c, const struct ssh_event *event)
{
    switch (event->type) {
    case SSH_EVENT_VERSION: on_version(c, event->version); break;
    case SSH_EVENT_KEXINIT: on_kexinit(c, &event->kexinit); break;
    case SSH_EVENT_KEYS: on_keys(c, &event->keys); break;
    case SSH_EVENT_SERVICE: session_step(c, SESSION_STEP_SERVICE); break;
    case SSH_EVENT_AUTH: on_auth(c, &event->auth); break;
    case SSH_EVENT_GLOBAL_REQUEST: on_global(c, &event->global); break;
    case SSH_EVENT_FORWARD: on_forward(c, &event->forward); break;
    case SSH_EVENT_ERROR: on_error(c, &event->error); break;
    case SSH_EVENT_DISCONNECT: on_disconnect(c, &event->disconnect); break;
    case SSH_EVENT_END: c->ended = true; break;
    default: break;
    }
}
