/* Who comes back: what the recorder is asked and told, and what its answers do. visitor_test
 * MACHINE_IMAGE */
#include "visit.h"

#include "compose.h"
#include "persona/image.h"
#include "session/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct session_visitors remembered = {
    .remembered = true, .by_address = true, .bytes_max = 4096};

struct scene {
    struct visit_host h;
    struct visit v;
};

static void start(struct scene *s, void **state, const struct session_visitors *rules)
{
    visit_host_init(&s->h, *state, NULL, NULL);
    s->h.host->config.visitors = *rules;
    visit_init(&s->v, &s->h, VISIT_WHOLE, 1);
    visit_pump(&s->v);
    visit_say(&s->v, "05 \"ssh-userauth\"");
}

static void finish(struct scene *s)
{
    visit_fini(&s->v);
    visit_host_fini(&s->h);
}

static void again(struct scene *s, uint8_t seed)
{
    visit_fini(&s->v);
    visit_init(&s->v, &s->h, VISIT_WHOLE, seed);
    visit_pump(&s->v);
    visit_say(&s->v, "05 \"ssh-userauth\"");
}

static size_t records(const struct scene *s, const char *prefix_z)
{
    return visit_count(&s->v.records, prefix_z);
}

/* The last frame of a kind among the records. */
static bool last(const struct scene *s, enum frame_kind kind, struct frame *out)
{
    struct span rest = buffer_span(&s->v.raw);
    struct frame f;
    bool found = false;
    for (int64_t n = 0; (n = frame_read(rest, &f)) > 0;
         rest = span_slice(rest, (size_t)n, rest.len))
        if (f.kind == kind) {
            *out = f;
            found = true;
        }
    return found;
}

/* What the recorder says to the question that was asked last: `visitor` NULL: nobody is known. */
static void answer(struct scene *s, const struct frame_visitor *visitor, struct span left)
{
    struct frame ask;
    assert_true(last(s, FRAME_VISIT_ASK, &ask));
    struct frame_visit visit = {.session = ask.visit_ask.session,
                                .known = visitor != NULL,
                                .visitor = visitor != NULL ? *visitor
                                                           : (struct frame_visitor){.address = {0}},
                                .size = left.len};
    do { /* in two parts */
        visit.bytes = span_slice(left, visit.offset, visit.offset + left.len / 2 + 1);
        assert_true(s->v.service->answered(s->v.self, &visit, s->v.now_us));
        visit.offset += visit.bytes.len;
    } while (visit.offset < left.len);
    s->v.wants_run = true;
    visit_pump(&s->v);
}

static void nobody(struct scene *s)
{
    answer(s, NULL, span_of("", 0));
}

/* The pump of the tests waits for what the server waits for: the answer is not among that. */
static void ask_login(struct scene *s, const char *password_z)
{
    struct buffer tokens;
    buffer_init(&tokens, 4096);
    (void)buffer_printf(&tokens, "32 \"root\" \"ssh-connection\" \"password\" 00 \"%s\"%c",
                        password_z, 0);
    struct buffer payload;
    buffer_init(&payload, 4096);
    assert_true(compose((const char *)buffer_span(&tokens).data, &payload));
    ssh_client_send(s->v.client, buffer_span(&payload));
    struct span out = ssh_client_out(s->v.client);
    ssh_client_sent(s->v.client, s->v.service->feed(s->v.self, out, s->v.now_us));
    struct span frames = s->v.service->record(s->v.self);
    assert_int_equal(buffer_put(&s->v.raw, frames), 0);
    s->v.service->recorded(s->v.self, frames.len);
    buffer_fini(&payload);
    buffer_fini(&tokens);
}

static void a_login_waits_for_what_is_known_of_the_visitor(void **state)
{
    struct scene s;
    struct frame f;
    start(&s, state, &remembered);
    ask_login(&s, "123456");
    assert_int_equal(visit_count(&s.v.messages, "USERAUTH_SUCCESS"), 0);
    assert_true(last(&s, FRAME_VISIT_ASK, &f));
    assert_false(last(&s, FRAME_VISIT, &f));
    nobody(&s);
    assert_int_equal(visit_count(&s.v.messages, "USERAUTH_SUCCESS"), 1);
    assert_int_equal(records(&s, "cowrie.login.success"), 1);
    finish(&s);
}

/* The recorder has told whom it remembers: a new visitor is let in without a question. Having left
 * something he is asked for, before the recorder could tell of him. */
static void who_cannot_be_known_does_not_wait(void **state)
{
    struct scene s;
    struct frame f;
    start(&s, state, &remembered);
    session_host_know(s.h.host, span_of("", 0));
    ask_login(&s, "123456");
    visit_pump(&s.v);
    assert_false(last(&s, FRAME_VISIT_ASK, &f));
    assert_int_equal(visit_count(&s.v.messages, "USERAUTH_SUCCESS"), 1);
    visit_exec(&s.v, "change");
    visit_lose(&s.v);
    assert_true(last(&s, FRAME_VISIT_KEEP, &f));
    again(&s, 2);
    ask_login(&s, "123456");
    assert_true(last(&s, FRAME_VISIT_ASK, &f));
    nobody(&s);
    finish(&s);
}

static void without_an_answer_the_login_goes_on_alone(void **state)
{
    struct scene s;
    start(&s, state, &remembered);
    ask_login(&s, "123456");
    visit_wait(&s.v, INT64_C(1000) * SESSION_VISITOR_WAIT_MS);
    assert_int_equal(visit_count(&s.v.messages, "USERAUTH_SUCCESS"), 1);
    finish(&s);
}

static void what_was_changed_is_kept_and_comes_back(void **state)
{
    struct scene s;
    struct frame keep;
    start(&s, state, &remembered);
    ask_login(&s, "123456");
    nobody(&s);
    visit_exec(&s.v, "change");
    visit_lose(&s.v);
    assert_int_equal(records(&s, "lured.visitor.kept"), 1);
    assert_true(last(&s, FRAME_VISIT_KEEP, &keep));
    assert_int_equal(keep.visit_keep.size, SESSION_VISITOR_DIGEST + 1);
    const struct frame_visitor visitor = keep.visit_keep.visitor;
    uint8_t left[SESSION_VISITOR_DIGEST + 1];
    memcpy(left, keep.visit_keep.bytes.data, sizeof(left));

    again(&s, 2);
    ask_login(&s, "123456");
    answer(&s, &visitor, span_of(left, sizeof(left)));
    visit_exec(&s.v, "change");
    assert_int_equal(records(&s, "lured.visitor.return"), 1);
    visit_lose(&s.v);
    assert_true(last(&s, FRAME_VISIT_KEEP, &keep));
    assert_int_equal(keep.visit_keep.size, SESSION_VISITOR_DIGEST + 2);
    assert_memory_equal(keep.visit_keep.visitor.address, visitor.address, FRAME_VISIT_KEY);
    finish(&s);
}

/* He uploads in one connection, and starts what he has uploaded in the next. */
static void who_comes_at_once_is_asked_for_when_his_files_have_gone(void **state)
{
    struct frame f;
    struct scene s;
    start(&s, state, &remembered);
    session_host_know(s.h.host, span_of("", 0));
    ask_login(&s, "123456");
    visit_exec(&s.v, "change");
    s.v.lost = true;
    s.v.service->lost(s.v.self, s.v.now_us); /* and nobody takes its records */

    struct scene next = {.h = s.h};
    visit_init(&next.v, &next.h, VISIT_WHOLE, 2);
    visit_pump(&next.v);
    visit_say(&next.v, "05 \"ssh-userauth\"");
    ask_login(&next, "123456");
    assert_false(last(&next, FRAME_VISIT_ASK, &f));
    visit_fini(&s.v);
    next.v.now_us = next.v.service->deadline_us(next.v.self);
    next.v.service->tick(next.v.self, next.v.now_us);
    struct span frames = next.v.service->record(next.v.self);
    assert_int_equal(buffer_put(&next.v.raw, frames), 0);
    next.v.service->recorded(next.v.self, frames.len);
    nobody(&next);
    assert_int_equal(visit_count(&next.v.messages, "USERAUTH_SUCCESS"), 1);
    finish(&next);
}

static void what_is_damaged_is_not_put_back(void **state)
{
    struct scene s;
    const struct frame_visitor visitor = {.address = {1}};
    start(&s, state, &remembered);
    ask_login(&s, "123456");
    answer(&s, &visitor, span_z("this is no digest of what follows it"));
    visit_exec(&s.v, "echo hello");
    assert_int_equal(records(&s, "lured.visitor.forgotten"), 1);
    assert_true(span_equal_z(buffer_span(&s.v.output), "hello\n"));
    finish(&s);
}

static void who_leaves_too_much_is_forgotten(void **state)
{
    struct scene s;
    struct frame f;
    struct session_visitors rules = remembered;
    rules.bytes_max = 16;
    start(&s, state, &rules);
    ask_login(&s, "123456");
    nobody(&s);
    visit_exec(&s.v, "change");
    visit_lose(&s.v);
    assert_int_equal(records(&s, "lured.visitor.forgotten"), 1);
    assert_false(last(&s, FRAME_VISIT_KEEP, &f));
    finish(&s);
}

static void of_thousands_of_keys_that_are_left_some_count(void **state)
{
    struct scene s;
    struct frame f;
    start(&s, state, &remembered);
    ask_login(&s, "123456");
    nobody(&s);
    visit_exec(&s.v, "keys");
    visit_lose(&s.v);
    assert_int_equal(records(&s, "lured.visitor.key"), 256);
    assert_true(last(&s, FRAME_VISIT_KEEP, &f));
    assert_true(f.visit_keep.visitor.passwords);
    finish(&s);
}

/* By another address than he was found with: what he left there stays there. */
static void who_changes_nothing_leaves_it_where_it_was(void **state)
{
    struct scene s;
    struct frame keep, ask;
    struct session_visitors rules = remembered;
    rules.by_login = true;
    start(&s, state, &rules);
    ask_login(&s, "123456");
    assert_true(last(&s, FRAME_VISIT_ASK, &ask));
    struct frame_visitor before = {.address = {1}, .publics = {{2}}, .passwords = true};
    memcpy(before.login, ask.visit_ask.visitor.login, FRAME_VISIT_KEY);
    answer(&s, &before, span_of("", 0));
    visit_lose(&s.v);
    assert_true(last(&s, FRAME_VISIT_KEEP, &keep));
    assert_int_equal(keep.visit_keep.size, 0);
    assert_memory_equal(keep.visit_keep.visitor.address, before.address, FRAME_VISIT_KEY);
    assert_memory_equal(keep.visit_keep.visitor.login, before.login, FRAME_VISIT_KEY);
    finish(&s);
}

static void who_changes_nothing_leaves_nothing(void **state)
{
    struct scene s;
    struct frame f;
    start(&s, state, &remembered);
    ask_login(&s, "123456");
    nobody(&s);
    visit_exec(&s.v, "echo hello");
    visit_lose(&s.v);
    assert_false(last(&s, FRAME_VISIT_KEEP, &f));
    finish(&s);
}

static void the_password_that_worked_may_be_the_only_one(void **state)
{
    struct scene s;
    struct frame keep;
    struct session_visitors rules = remembered;
    rules.one_password = true;
    start(&s, state, &rules);
    ask_login(&s, "123456");
    nobody(&s);
    visit_lose(&s.v);
    assert_true(last(&s, FRAME_VISIT_KEEP, &keep));
    assert_int_equal(keep.visit_keep.size, 0);
    const struct frame_visitor visitor = keep.visit_keep.visitor;
    again(&s, 2);
    ask_login(&s, "root");
    answer(&s, &visitor, span_of("", 0));
    assert_int_equal(records(&s, "cowrie.login.failed"), 1);
    ask_login(&s, "123456");
    answer(&s, &visitor, span_of("", 0));
    assert_int_equal(records(&s, "cowrie.login.success"), 1);
    finish(&s);
}

static void the_password_that_worked_works_at_once(void **state)
{
    struct scene s;
    struct frame keep;
    start(&s, state, &remembered);
    s.h.host->config.limits.failed_tries = 1;
    ask_login(&s, "123456");
    nobody(&s);
    assert_int_equal(records(&s, "cowrie.login.failed"), 1);
    ask_login(&s, "123456");
    nobody(&s);
    assert_int_equal(records(&s, "cowrie.login.success"), 1);
    visit_lose(&s.v);
    assert_true(last(&s, FRAME_VISIT_KEEP, &keep));
    const struct frame_visitor visitor = keep.visit_keep.visitor;
    again(&s, 2);
    ask_login(&s, "123456");
    answer(&s, &visitor, span_of("", 0));
    assert_int_equal(records(&s, "cowrie.login.success"), 1);
    finish(&s);
}

static void keys_are_those_that_are_asked_for(void **state)
{
    static const uint8_t nothing[FRAME_VISIT_KEY];
    for (int by = 1; by <= 3; by++) {
        struct scene s;
        struct frame ask;
        struct session_visitors rules = remembered;
        rules.by_address = (by & 1) != 0;
        rules.by_login = (by & 2) != 0;
        start(&s, state, &rules);
        ask_login(&s, "123456");
        assert_true(last(&s, FRAME_VISIT_ASK, &ask));
        const struct frame_visitor *v = &ask.visit_ask.visitor;
        assert_int_equal(memcmp(v->address, nothing, FRAME_VISIT_KEY) != 0, rules.by_address);
        assert_int_equal(memcmp(v->login, nothing, FRAME_VISIT_KEY) != 0, rules.by_login);
        nobody(&s);
        finish(&s);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    void *bytes = NULL;
    struct persona_image *image = visit_load_image(argv[1], &bytes);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_login_waits_for_what_is_known_of_the_visitor, image),
        cmocka_unit_test_prestate(who_cannot_be_known_does_not_wait, image),
        cmocka_unit_test_prestate(without_an_answer_the_login_goes_on_alone, image),
        cmocka_unit_test_prestate(what_was_changed_is_kept_and_comes_back, image),
        cmocka_unit_test_prestate(who_comes_at_once_is_asked_for_when_his_files_have_gone, image),
        cmocka_unit_test_prestate(what_is_damaged_is_not_put_back, image),
        cmocka_unit_test_prestate(who_leaves_too_much_is_forgotten, image),
        cmocka_unit_test_prestate(of_thousands_of_keys_that_are_left_some_count, image),
        cmocka_unit_test_prestate(who_changes_nothing_leaves_it_where_it_was, image),
        cmocka_unit_test_prestate(who_changes_nothing_leaves_nothing, image),
        cmocka_unit_test_prestate(the_password_that_worked_may_be_the_only_one, image),
        cmocka_unit_test_prestate(the_password_that_worked_works_at_once, image),
        cmocka_unit_test_prestate(keys_are_those_that_are_asked_for, image),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    persona_image_close(image);
    free(bytes);
    return failed;
}
