#include "session/visitor.h"

#include "base/error.h"
#include "session/connection.h"

#include <string.h>

enum { TEXT_MAX = 1024, FOUND_SLACK = 65536 };

static const struct session_visitors *rules(const struct session_connection *c)
{
    return &c->host->config.visitors;
}

void session_visitor_init(struct session_connection *c)
{
    struct session_visitor *v = &c->visitor;
    buffer_init(&v->user, TEXT_MAX);
    buffer_init(&v->password, TEXT_MAX);
    buffer_init(&v->found, (size_t)rules(c)->bytes_max + FOUND_SLACK);
    buffer_init(&v->left, (size_t)rules(c)->bytes_max + FOUND_SLACK);
}

void session_visitor_fini(struct session_connection *c)
{
    struct buffer *all[] = {&c->visitor.user, &c->visitor.password, &c->visitor.found,
                            &c->visitor.left};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buffer_fini(all[i]);
}

/* ---- Keys ---- */

/* Some bytes of a digest over the parts, each behind a byte of its own. */
static int put_key(const struct session_connection *c, const struct span *parts, size_t count,
                   uint8_t *out, size_t bytes)
{
    static const uint8_t mark = 0;
    struct span all[8];
    uint8_t digest[CRYPTO_DIGEST_MAX_BYTES];
    for (size_t i = 0; i < count; i++) {
        all[2 * i] = parts[i];
        all[2 * i + 1] = span_of(&mark, 1);
    }
    int rc = crypto_digest_parts(c->host->suite, CRYPTO_SHA256, all, 2 * count, digest);
    memcpy(out, digest, bytes);
    return rc;
}

static int make_keys(const struct session_connection *c, struct span user, struct span password,
                     struct frame_visitor *keys)
{
    enum { HALF = FRAME_VISIT_KEY / 2 };
    const struct span address[] = {span_z("address"), c->peer.src_ip};
    const struct span login[] = {span_z("login"), user, password};
    int rc = 0;
    *keys = (struct frame_visitor){.address = {0}};
    if (rules(c)->by_address)
        rc = put_key(c, address, ARRAY_LEN(address), keys->address, FRAME_VISIT_KEY);
    if (rc == 0)
        rc = put_key(c, login, ARRAY_LEN(login) - 1, keys->login, HALF);
    if (rc == 0)
        rc = put_key(c, login, ARRAY_LEN(login), keys->login + HALF, HALF);
    return rc;
}

/* ---- Coming ---- */

bool session_visitor_ask(struct session_connection *c, struct span user, struct span password)
{
    struct session_visitor *v = &c->visitor;
    if (!rules(c)->remembered || make_keys(c, user, password, &v->keys) < 0)
        return false;
    buffer_clear(&v->user);
    buffer_clear(&v->password);
    buffer_clear(&v->found);
    v->known = v->same_user = v->same_login = false;
    struct frame_visit_ask ask = {.session = c->journal.origin.session, .visitor = v->keys};
    if (!rules(c)->by_login)
        memset(ask.visitor.login, 0, sizeof(ask.visitor.login));
    if (!session_known_has(&c->host->known, &ask.visitor)) {
        v->state = SESSION_VISITOR_HERE;
        return false;
    }
    if (buffer_put(&v->user, user) < 0 || buffer_put(&v->password, password) < 0 ||
        frame_put_visit_ask(&c->journal.frames, &ask) < 0)
        return false;
    v->state = SESSION_VISITOR_ASKED;
    v->asked_us = c->now_us;
    return true;
}

static void settle(struct session_connection *c)
{
    struct session_visitor *v = &c->visitor;
    v->state = SESSION_VISITOR_HERE;
    session_login_decide(c, buffer_span(&v->user), buffer_span(&v->password));
    buffer_fini(&v->user);
    buffer_fini(&v->password);
}

bool session_visitor_answer(struct session_connection *c, const struct frame_visit *visit)
{
    struct session_visitor *v = &c->visitor;
    if (!span_equal(visit->session, c->journal.origin.session))
        return false;
    if (v->state != SESSION_VISITOR_ASKED || visit->offset != buffer_len(&v->found))
        return true; /* too late, or again */
    const uint8_t *before = visit->visitor.login, *now = v->keys.login;
    v->known = visit->known;
    v->same_user = visit->known && memcmp(before, now, FRAME_VISIT_KEY / 2) == 0;
    v->same_login = visit->known && memcmp(before, now, FRAME_VISIT_KEY) == 0;
    if (buffer_put(&v->found, visit->bytes) < 0)
        buffer_fini(&v->found); /* of more than we keep, from another configuration */
    else if (visit->offset + visit->bytes.len < visit->size)
        return true;
    settle(c);
    return true;
}

void session_visitor_give_up(struct session_connection *c)
{
    if (c->visitor.state != SESSION_VISITOR_ASKED || c->now_us < session_visitor_deadline_us(c))
        return;
    buffer_fini(&c->visitor.found);
    settle(c);
}

int64_t session_visitor_deadline_us(const struct session_connection *c)
{
    if (c->visitor.state != SESSION_VISITOR_ASKED)
        return INT64_MAX;
    return c->visitor.asked_us + INT64_C(1000) * SESSION_VISITOR_WAIT_MS;
}

static int digest_of(const struct session_connection *c, struct span bytes,
                     uint8_t out[CRYPTO_DIGEST_MAX_BYTES])
{
    return crypto_digest_parts(c->host->suite, CRYPTO_SHA256, &bytes, 1, out);
}

static int restore(struct session_connection *c, struct span found)
{
    uint8_t digest[CRYPTO_DIGEST_MAX_BYTES];
    struct span files = span_slice(found, SESSION_VISITOR_DIGEST, found.len);
    int rc = digest_of(c, files, digest);
    if (rc == 0 && !span_equal(span_slice(found, 0, SESSION_VISITOR_DIGEST),
                               span_of(digest, SESSION_VISITOR_DIGEST)))
        rc = ERR_MALFORMED;
    return rc == 0 ? kernel_restore(c->kernel, files) : rc;
}

static void tell(struct session_connection *c, enum event_type type, size_t bytes, int error)
{
    struct event e = session_event(c, type);
    if (error < 0)
        event_text_z(&e, FIELD_REASON, error_text(error));
    else
        event_number(&e, FIELD_BYTES, (int64_t)bytes);
    session_put(c, &e);
}

void session_visitor_restore(struct session_connection *c)
{
    struct span found = buffer_span(&c->visitor.found);
    if (c->kernel == NULL || found.len == 0)
        return;
    int rc = restore(c, found);
    tell(c, rc == 0 ? EVENT_VISITOR_RETURN : EVENT_VISITOR_FORGOTTEN, found.len, rc);
    buffer_fini(&c->visitor.found);
}

/* ---- Going ---- */

void session_visitor_farewell(struct session_connection *c)
{
    if (rules(c)->remembered && c->kernel != NULL && session_journal_has_room(&c->journal))
        (void)kernel_run(c->kernel, SESSION_VISITOR_FAREWELL, session_now_ms(c));
}

static int save(struct session_connection *c)
{
    struct buffer *left = &c->visitor.left;
    uint8_t digest[CRYPTO_DIGEST_MAX_BYTES] = {0};
    int rc = buffer_put(left, span_of(digest, SESSION_VISITOR_DIGEST));
    if (rc == 0)
        rc = kernel_save(c->kernel, left);
    struct span all = buffer_span(left);
    if (rc == 0)
        rc = digest_of(c, span_slice(all, SESSION_VISITOR_DIGEST, all.len), digest);
    if (rc == 0 && all.len > rules(c)->bytes_max)
        rc = ERR_FULL;
    if (rc == 0)
        memcpy(left->data + left->start, digest, SESSION_VISITOR_DIGEST);
    return rc;
}

void session_visitor_leave(struct session_connection *c)
{
    struct session_visitor *v = &c->visitor;
    if (!c->logged_in || v->state != SESSION_VISITOR_HERE)
        return;
    bool changed = c->kernel != NULL && kernel_is_changed(c->kernel);
    v->state = SESSION_VISITOR_GONE;
    /* His login alone is of use where it opens the door. */
    v->leaves =
        changed || v->known || rules(c)->one_password || c->host->config.limits.failed_tries > 0;
    if (!changed)
        return;
    int rc = save(c);
    tell(c, rc == 0 ? EVENT_VISITOR_KEPT : EVENT_VISITOR_FORGOTTEN, buffer_len(&v->left), rc);
    v->leaves = rc == 0;
    if (rc < 0)
        buffer_fini(&v->left);
}

void session_visitor_put(struct session_connection *c)
{
    struct session_visitor *v = &c->visitor;
    struct span all = buffer_span(&v->left);
    if (v->leaves)
        session_known_add(&c->host->known, &v->keys);
    while (v->leaves && session_journal_has_room(&c->journal)) {
        const struct frame_visit_keep keep = {
            .session = c->journal.origin.session,
            .visitor = v->keys,
            .size = all.len,
            .offset = v->told,
            .bytes = span_slice(all, v->told, v->told + FRAME_VISIT_MAX),
        };
        if (frame_put_visit_keep(&c->journal.frames, &keep) < 0)
            return;
        v->told += keep.bytes.len;
        v->leaves = v->told < all.len;
    }
    if (!v->leaves)
        buffer_fini(&v->left);
}
