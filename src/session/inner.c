/* The machine's own SSH server, as its programs meet it at port 22: the same server as outside, with the same
 * host keys, on a machine that is there already. Each connection is a session of its own on record. */
#include "session/connection.h"
#include "session/doors.h"
#include "session/ssh_service.h"

#include <stdlib.h>

/* ---- Records ---- */

/* They leave with those of the outer connection: frames are whole. */
static void hand_on(struct session_connection *c, struct session_connection *in)
{
    struct buffer *to = &c->journal.frames, *from = &in->journal.frames;
    if (buffer_len(from) == 0 || buffer_put(to, buffer_span(from)) < 0)
        return; /* they wait */
    buffer_shrink(from, 0);
    buffer_clear(from);
}

/* ---- Life ---- */

static struct session_inner *free_one(struct session_connection *c)
{
    if (c->inner == NULL)
        c->inner = calloc(SESSION_INNER_MAX, sizeof *c->inner);
    for (size_t i = 0; c->inner != NULL && i < SESSION_INNER_MAX; i++)
        if (c->inner[i].c == NULL)
            return &c->inner[i];
    return NULL;
}

static void end(struct session_connection *c, struct session_inner *inner)
{
    struct session_connection *in = inner->c;
    if (in->visitor.state == SESSION_VISITOR_CHECKING)
        kernel_release(c->kernel, in->visitor.program);
    session_ssh_service.lost(in, c->now_us);
    kernel_release(c->kernel, inner->line);
    hand_on(c, in);
    c->journal.lost += buffer_len(&in->journal.frames) > 0;
    session_ssh_service.free(in);
    *inner = (struct session_inner){.c = NULL};
}

/* Too many of them are sent away, as a server that can start no process sends them. */
static bool take_one(struct session_connection *c)
{
    struct kernel_caller peer, local;
    int line = kernel_answer(c->kernel, &peer, &local);
    if (line < 0)
        return false;
    const struct session_peer ends = {.src_ip = span_z(peer.address_z),
                                      .dst_ip = span_z(local.address_z),
                                      .src_port = peer.port,
                                      .dst_port = local.port};
    struct session_inner *inner = free_one(c);
    struct session_connection *in = inner != NULL ? session_new_within(c, line, &ends) : NULL;
    if (in == NULL) {
        session_put_limit(c, "inner_sessions", SESSION_INNER_MAX);
        kernel_release(c->kernel, line);
    } else {
        *inner = (struct session_inner){.c = in, .line = line};
    }
    return true;
}

/* ---- Bytes ---- */

static bool pump_input(struct session_connection *c, struct session_inner *inner)
{
    struct session_connection *in = inner->c;
    bool moved = false;
    for (;;) {
        struct span bytes = kernel_out(c->kernel, inner->line, KERNEL_STDOUT);
        size_t n = bytes.len > 0 ? session_ssh_service.feed(in, bytes, c->now_us) : 0;
        if (n == 0)
            break;
        kernel_sent(c->kernel, inner->line, KERNEL_STDOUT, n);
        moved = true;
    }
    if (!inner->input_ended && kernel_out_ended(c->kernel, inner->line, KERNEL_STDOUT)) {
        inner->input_ended = moved = true;
        session_ssh_service.feed_end(in, c->now_us);
    }
    return moved;
}

static bool pump_output(struct session_connection *c, const struct session_inner *inner)
{
    bool moved = false;
    for (;;) {
        struct span out = session_ssh_service.out(inner->c);
        size_t n = out.len > 0 ? kernel_put(c->kernel, inner->line, out) : 0;
        if (n == 0)
            return moved;
        session_ssh_service.sent(inner->c, n);
        moved = true;
    }
}

/* All that it has told is on its way, and there is room for the last of it. */
static bool is_told(const struct session_connection *c, const struct session_connection *in)
{
    return buffer_len(&in->journal.frames) == 0 && session_journal_has_room(&c->journal);
}

static bool pump_one(struct session_connection *c, struct session_inner *inner)
{
    bool moved = pump_input(c, inner);
    moved |= session_work(inner->c, c->now_us);
    moved |= pump_output(c, inner);
    hand_on(c, inner->c);
    enum service_state state = session_ssh_service.state(inner->c);
    bool all_out = session_ssh_service.out(inner->c).len == 0;
    if (state == SERVICE_OPEN || (state == SERVICE_CLOSE && !all_out) || !is_told(c, inner->c))
        return moved;
    end(c, inner);
    return true;
}

bool session_inner_pump(struct session_connection *c)
{
    if (c->kernel == NULL || c->outer != NULL)
        return false;
    bool moved = session_journal_has_room(&c->journal) && take_one(c);
    for (size_t i = 0; c->inner != NULL && i < SESSION_INNER_MAX; i++)
        if (c->inner[i].c != NULL)
            moved |= pump_one(c, &c->inner[i]);
    return moved;
}

/* ---- Time ---- */

void session_inner_tick(struct session_connection *c)
{
    for (size_t i = 0; c->inner != NULL && i < SESSION_INNER_MAX; i++)
        if (c->inner[i].c != NULL)
            session_ssh_service.tick(c->inner[i].c, c->now_us);
}

int64_t session_inner_deadline_us(const struct session_connection *c)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; c->inner != NULL && i < SESSION_INNER_MAX; i++) {
        int64_t at =
            c->inner[i].c != NULL ? session_ssh_service.deadline_us(c->inner[i].c) : INT64_MAX;
        first = at < first ? at : first;
    }
    return first;
}

void session_inner_rest(struct session_connection *c)
{
    for (size_t i = 0; c->inner != NULL && i < SESSION_INNER_MAX; i++)
        if (c->inner[i].c != NULL)
            session_rest(c->inner[i].c);
}

/* ---- Logins ---- */

enum session_visitor_check session_inner_check(struct session_connection *in, struct span name,
                                               struct span user, struct span password)
{
    struct session_visitor *v = &in->visitor;
    if (!session_doors_account(in, in->kernel, name, &in->account))
        return SESSION_CHECK_WRONG;
    if (session_doors_has_old_password(in, in->kernel, name))
        return SESSION_CHECK_POLICY;
    buffer_clear(&v->user);
    buffer_clear(&v->password);
    if (buffer_put(&v->user, user) < 0 || buffer_put(&v->password, password) < 0)
        return SESSION_CHECK_WRONG;
    v->program = session_doors_start_check(in->kernel, name, password);
    if (v->program < 0)
        return SESSION_CHECK_WRONG;
    v->state = SESSION_VISITOR_CHECKING;
    return SESSION_CHECK_RUNNING;
}

/* PAM's helper has looked at the password. */
static void checked(struct session_connection *in, int status)
{
    struct session_visitor *v = &in->visitor;
    kernel_release(in->kernel, v->program);
    v->state = SESSION_VISITOR_HERE;
    session_login_checked(in, buffer_span(&v->user), buffer_span(&v->password), status == 0);
    buffer_fini(&v->user);
    buffer_fini(&v->password);
}

bool session_inner_check_key(struct session_connection *in, struct span name, struct span blob)
{
    return session_doors_account(in, in->kernel, name, &in->account) &&
           session_doors_has_key(in, in->kernel, &in->account, blob);
}

void session_inner_log_in(struct session_connection *in)
{
    const struct kernel_user user = {
        .name = in->account.name, .uid = in->account.uid, .number = in->login_number};
    int login = kernel_log_in(in->kernel, in->line, &user);
    in->login = login > 0 ? login : 0;
}

void session_inner_refuse(struct session_connection *in, struct span name)
{
    struct session_account account;
    kernel_log_refusal(in->kernel, in->line, name,
                       session_doors_account(in, in->kernel, name, &account));
}

/* ---- The end ---- */

bool session_inner_done(struct session_connection *c, int program, int status)
{
    for (size_t i = 0; c->inner != NULL && i < SESSION_INNER_MAX; i++) {
        struct session_connection *in = c->inner[i].c;
        if (in == NULL)
            continue;
        if (in->visitor.state == SESSION_VISITOR_CHECKING && in->visitor.program == program) {
            checked(in, status);
            return true;
        }
        if (session_channel_done(in, program, status))
            return true;
    }
    return false;
}

void session_inner_fini(struct session_connection *c)
{
    for (size_t i = 0; c->inner != NULL && i < SESSION_INNER_MAX; i++)
        if (c->inner[i].c != NULL)
            end(c, &c->inner[i]);
    free(c->inner);
    c->inner = NULL;
}
