#include "session/visitor.h"

#include "base/error.h"
#include "session/connection.h"
#include "session/doors.h"

#include <string.h>

enum { TEXT_MAX = 4096, FOUND_SLACK = 65536 };

static const struct session_visitors *rules(const struct session_connection *c)
{
    return &c->host->config.visitors;
}

void session_visitor_init(struct session_connection *c)
{
    struct session_visitor *v = &c->visitor;
    buffer_init(&v->user, TEXT_MAX);
    buffer_init(&v->password, TEXT_MAX);
    buffer_init(&v->algorithm, TEXT_MAX);
    buffer_init(&v->found, (size_t)rules(c)->bytes_max + FOUND_SLACK);
    buffer_init(&v->left, (size_t)rules(c)->bytes_max + FOUND_SLACK);
}

/* ---- Who is going ---- */

static void add_going(struct session_connection *c)
{
    struct session_visitor *v = &c->visitor;
    v->going_next = c->host->going;
    c->host->going = c;
}

static void take_out_going(struct session_connection *c)
{
    struct session_connection **at = &c->host->going;
    while (*at != NULL && *at != c)
        at = &(*at)->visitor.going_next;
    if (*at == c)
        *at = c->visitor.going_next;
}

static bool is_same_key(const uint8_t a[FRAME_VISIT_KEY], const uint8_t b[FRAME_VISIT_KEY])
{
    static const uint8_t none[FRAME_VISIT_KEY];
    return memcmp(a, none, FRAME_VISIT_KEY) != 0 && memcmp(a, b, FRAME_VISIT_KEY) == 0;
}

/* Whether one whom this would find is still going: then the recorder does not have it yet. */
static bool is_going(const struct session_host *host, const struct frame_visitor *sought)
{
    for (const struct session_connection *c = host->going; c != NULL; c = c->visitor.going_next) {
        const struct frame_visitor *keys = &c->visitor.keys;
        bool same =
            is_same_key(sought->address, keys->address) || is_same_key(sought->login, keys->login);
        for (size_t i = 0; i < FRAME_VISIT_PUBLIC; i++)
            same |= is_same_key(sought->publics[0], keys->publics[i]);
        if (same)
            return true;
    }
    return false;
}

void session_visitor_fini(struct session_connection *c)
{
    take_out_going(c);
    struct buffer *all[] = {&c->visitor.user, &c->visitor.password, &c->visitor.algorithm,
                            &c->visitor.found, &c->visitor.left};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buffer_fini(all[i]);
    kernel_free(c->visitor.machine);
    c->visitor.machine = NULL;
}

/* ---- Keys ---- */

/* Some bytes of a digest over the parts, each behind a byte of its own. */
int session_visitor_key(const struct session_connection *c, const struct span *parts, size_t count,
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
        rc = session_visitor_key(c, address, ARRAY_LEN(address), keys->address, FRAME_VISIT_KEY);
    if (rc == 0)
        rc = session_visitor_key(c, login, ARRAY_LEN(login) - 1, keys->login, HALF);
    if (rc == 0)
        rc = session_visitor_key(c, login, ARRAY_LEN(login), keys->login + HALF, HALF);
    return rc;
}

/* ---- Coming ---- */

/* `secret`: a password, or a key. */
static bool ask(struct session_connection *c, const struct frame_visit_ask *question,
                struct span user, struct span secret)
{
    struct session_visitor *v = &c->visitor;
    buffer_clear(&v->found);
    v->known = v->same_user = v->same_login = v->same_address = false;
    v->before = (struct frame_visitor){.passwords = 0};
    v->question = *question;
    v->held = is_going(c->host, &question->visitor);
    if (!v->held && !session_known_has(&c->host->known, &question->visitor)) {
        v->state = SESSION_VISITOR_HERE;
        return false;
    }
    if (user.data != buffer_span(&v->user).data) { /* else it is asked again for the same */
        buffer_clear(&v->user);
        buffer_clear(&v->password);
        if (buffer_put(&v->user, user) < 0 || buffer_put(&v->password, secret) < 0)
            return false;
    }
    if (!v->held && frame_put_visit_ask(&c->journal.frames, question) < 0)
        return false;
    v->state = SESSION_VISITOR_ASKED;
    v->asked_us = c->now_us;
    v->look_us = c->now_us + INT64_C(1000) * SESSION_VISITOR_LOOK_MS;
    return true;
}

bool session_visitor_ask(struct session_connection *c, struct span user, struct span password,
                         bool right)
{
    struct session_visitor *v = &c->visitor;
    bool matters = right || (rules(c)->by_address && !v->stranger);
    if (!rules(c)->remembered || !matters || make_keys(c, user, password, &v->keys) < 0)
        return false;
    struct frame_visit_ask question = {
        .session = c->journal.origin.session, .visitor = v->keys, .brief = !right};
    if (!rules(c)->by_login || !right)
        memset(question.visitor.login, 0, sizeof(question.visitor.login));
    v->with_key = v->looked = false;
    return ask(c, &question, user, password);
}

bool session_visitor_ask_key(struct session_connection *c, struct span name,
                             const struct session_offer *offer)
{
    struct session_visitor *v = &c->visitor;
    if (!rules(c)->remembered || make_keys(c, offer->user, offer->blob, &v->keys) < 0)
        return false;
    struct frame_visit_ask question = {.session = c->journal.origin.session,
                                       .brief = !offer->is_signed};
    if (session_doors_public(c, name, offer->blob, question.visitor.publics[0]) < 0)
        return false;
    memcpy(v->keys.publics[0], question.visitor.publics[0], FRAME_VISIT_KEY);
    v->with_key = true;
    v->is_signed = offer->is_signed;
    buffer_clear(&v->algorithm);
    return buffer_put(&v->algorithm, offer->algorithm) == 0 &&
           ask(c, &question, offer->user, offer->blob);
}

bool session_visitor_is_awaited(const struct session_connection *c)
{
    return c->visitor.state == SESSION_VISITOR_ASKED ||
           c->visitor.state == SESSION_VISITOR_CHECKING;
}

static void settle(struct session_connection *c)
{
    struct session_visitor *v = &c->visitor;
    v->state = SESSION_VISITOR_HERE;
    v->stranger |= !v->with_key && !(v->same_address && v->before.passwords);
    const struct session_offer offer = {buffer_span(&v->user), buffer_span(&v->algorithm),
                                        buffer_span(&v->password), v->is_signed};
    if (v->with_key)
        session_login_key(c, &offer);
    else
        session_login_decide(c, buffer_span(&v->user), buffer_span(&v->password));
    if (v->state != SESSION_VISITOR_HERE)
        return;
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
    v->before = visit->visitor;
    v->same_address = visit->known && rules(c)->by_address &&
                      memcmp(visit->visitor.address, v->keys.address, FRAME_VISIT_KEY) == 0;
    v->same_user = visit->known && memcmp(before, now, FRAME_VISIT_KEY / 2) == 0;
    v->same_login = visit->known && memcmp(before, now, FRAME_VISIT_KEY) == 0;
    if (buffer_put(&v->found, visit->bytes) < 0)
        buffer_fini(&v->found); /* of more than we keep, from another configuration */
    else if (visit->offset + visit->bytes.len < visit->size)
        return true;
    settle(c);
    return true;
}

static void give_up(struct session_connection *c)
{
    buffer_fini(&c->visitor.found);
    settle(c);
}

/* What was held is asked when the one before has gone, or does not go. */
static void look(struct session_connection *c)
{
    struct session_visitor *v = &c->visitor;
    v->look_us = c->now_us + INT64_C(1000) * SESSION_VISITOR_LOOK_MS;
    bool waited = c->now_us >= v->asked_us + INT64_C(1000) * SESSION_VISITOR_WAIT_MS;
    v->held = !waited && is_going(c->host, &v->question.visitor);
    if (v->held)
        return;
    v->asked_us = c->now_us;
    if (frame_put_visit_ask(&c->journal.frames, &v->question) < 0)
        give_up(c);
}

void session_visitor_tick(struct session_connection *c)
{
    if (c->visitor.state != SESSION_VISITOR_ASKED || c->now_us < session_visitor_deadline_us(c))
        return;
    if (c->visitor.held)
        look(c);
    else
        give_up(c);
}

int64_t session_visitor_deadline_us(const struct session_connection *c)
{
    if (c->visitor.machine != NULL) {
        int64_t at_ms = kernel_deadline(c->visitor.machine);
        return at_ms < INT64_MAX / 1000 ? at_ms * 1000 : INT64_MAX;
    }
    if (c->visitor.state != SESSION_VISITOR_ASKED)
        return INT64_MAX;
    if (c->visitor.held)
        return c->visitor.look_us;
    return c->visitor.asked_us + INT64_C(1000) * SESSION_VISITOR_WAIT_MS;
}

static int digest_of(const struct session_connection *c, struct span bytes,
                     uint8_t out[CRYPTO_DIGEST_MAX_BYTES])
{
    return crypto_digest_parts(c->host->suite, CRYPTO_SHA256, &bytes, 1, out);
}

static int restore(const struct session_connection *c, struct kernel *machine, struct span found)
{
    uint8_t digest[CRYPTO_DIGEST_MAX_BYTES];
    struct span files = span_slice(found, SESSION_VISITOR_DIGEST, found.len);
    int rc = digest_of(c, files, digest);
    if (rc == 0 && !span_equal(span_slice(found, 0, SESSION_VISITOR_DIGEST),
                               span_of(digest, SESSION_VISITOR_DIGEST)))
        rc = ERR_MALFORMED;
    return rc == 0 ? kernel_restore(machine, files) : rc;
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

/* ---- Passwords of his own machine ---- */

bool session_visitor_account(struct session_connection *c, struct span name,
                             struct session_account *account)
{
    const struct session_visitor *v = &c->visitor;
    if (!v->known ||
        !session_doors_has_public(&v->before, span_of(v->keys.publics[0], FRAME_VISIT_KEY)))
        return false;
    struct kernel *machine = v->before.passwords && v->is_signed ? session_new_kernel(c) : NULL;
    bool there = machine != NULL && restore(c, machine, buffer_span(&v->found)) == 0 &&
                 session_doors_account(c, machine, name, account);
    kernel_free(machine);
    return there || session_account_find(c->host->config.image, name, account) || !v->is_signed;
}

void session_visitor_restore(struct session_connection *c)
{
    struct span found = buffer_span(&c->visitor.found);
    if (c->kernel == NULL || found.len == 0)
        return;
    int rc = restore(c, c->kernel, found);
    tell(c, rc == 0 ? EVENT_VISITOR_RETURN : EVENT_VISITOR_FORGOTTEN, found.len, rc);
    buffer_fini(&c->visitor.found);
    struct session_account account;
    if (rc == 0 && c->visitor.before.passwords &&
        session_doors_account(c, c->kernel, c->account.name, &account))
        c->account = account;
}

static enum session_visitor_check check(struct session_connection *c, struct kernel *machine,
                                        struct span user, struct span password,
                                        struct session_account *account)
{
    if (restore(c, machine, buffer_span(&c->visitor.found)) < 0)
        return SESSION_CHECK_POLICY;
    if (!session_doors_account(c, machine, user, account))
        return SESSION_CHECK_WRONG;
    if (session_doors_has_old_password(c, machine, user))
        return SESSION_CHECK_POLICY;
    c->visitor.program = session_doors_start_check(machine, user, password);
    return c->visitor.program < 0 ? SESSION_CHECK_POLICY : SESSION_CHECK_RUNNING;
}

enum session_visitor_check session_visitor_check(struct session_connection *c, struct span user,
                                                 struct span password,
                                                 struct session_account *account)
{
    struct session_visitor *v = &c->visitor;
    if (!v->known || !v->same_address || !v->before.passwords)
        return SESSION_CHECK_POLICY;
    if (buffer_len(&v->found) == 0) { /* only who he is was asked */
        struct frame_visit_ask question = {.session = c->journal.origin.session};
        memcpy(question.visitor.address, v->keys.address, FRAME_VISIT_KEY);
        bool waits = !v->looked && ask(c, &question, buffer_span(&v->user), password);
        v->looked = true;
        return waits ? SESSION_CHECK_RUNNING : SESSION_CHECK_POLICY;
    }
    struct kernel *machine = session_new_kernel(c);
    if (machine == NULL)
        return SESSION_CHECK_POLICY;
    enum session_visitor_check answer = check(c, machine, user, password, account);
    if (answer != SESSION_CHECK_RUNNING) {
        kernel_free(machine);
        return answer;
    }
    v->machine = machine;
    v->state = SESSION_VISITOR_CHECKING;
    return answer;
}

/* -1: it goes on; else the exit status of the helper. */
static int check_status(struct kernel *machine)
{
    struct kernel_event event;
    int status = -1;
    while (kernel_next(machine, &event) == 1) {
        if (event.type == KERNEL_DONE)
            status = event.status;
        if (event.type == KERNEL_LIMIT)
            status = 1;
    }
    return status;
}

bool session_visitor_run(struct session_connection *c, uint64_t budget)
{
    struct session_visitor *v = &c->visitor;
    enum kernel_state state = kernel_run(v->machine, budget, session_now_ms(c));
    int status = check_status(v->machine);
    if (status < 0)
        return state == KERNEL_BUSY;
    kernel_free(v->machine);
    v->machine = NULL;
    v->state = SESSION_VISITOR_HERE;
    session_login_checked(c, buffer_span(&v->user), buffer_span(&v->password), status == 0);
    buffer_fini(&v->user);
    buffer_fini(&v->password);
    return true;
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
    if (v->with_key) /* the login that worked stays the one that he is known by */
        memcpy(v->keys.login, v->before.login, FRAME_VISIT_KEY);
    /* His login alone is of use where it opens the door. */
    v->leaves =
        changed || v->known || rules(c)->one_password || c->host->config.limits.failed_tries > 0;
    if (!changed) { /* what he left before stays where it is, wherever he came from */
        if (v->known && !v->same_address)
            memcpy(v->keys.address, v->before.address, FRAME_VISIT_KEY);
        memset(v->keys.publics, 0, sizeof(v->keys.publics));
        if (v->leaves)
            add_going(c);
        return;
    }
    session_doors_note(c);
    int rc = save(c);
    tell(c, rc == 0 ? EVENT_VISITOR_KEPT : EVENT_VISITOR_FORGOTTEN, buffer_len(&v->left), rc);
    v->leaves = rc == 0;
    if (v->leaves)
        add_going(c);
    else
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
