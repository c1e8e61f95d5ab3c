/* Filters that are put on a live connection. */
#include "filter_helper.h"

#include <errno.h>
#include <string.h>

struct upgrading {
    struct fixture *fixture;
    const struct reel_filter_type *type;
    const void *options;
    size_t take; /* of the data: the rest is left */
    char data[64];
    size_t len;
    int upgraded, lost, reason;
};

static size_t upgrade_at_a_plus(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct upgrading *u = reel_shared(t);
    const uint8_t *plus = memchr(data, '+', len);
    size_t take = plus ? (size_t)(plus - data) + 1 : len;
    memcpy(u->data + u->len, data, take);
    u->len += take;
    if (plus) {
        assert_int_equal(reel_write(t, "before ", 7), 0);
        assert_int_equal(reel_filter_push(t, u->type, u->options), 0);
        assert_int_equal(reel_filter_push(t, u->type, u->options), -EBUSY);
        assert_int_equal(reel_write(t, "after", 5), 0);
    }
    return take;
}

static void on_upgraded(struct reel_transport *t)
{
    struct upgrading *u = reel_shared(t);
    u->upgraded++;
    u->data[u->len++] = '!';
}

static void upgrading_lost(struct reel_transport *t, int reason)
{
    struct upgrading *u = reel_shared(t);
    u->lost++;
    u->reason = reason;
}

static const struct reel_protocol upgrading_protocol = {
    .data = upgrade_at_a_plus,
    .upgraded = on_upgraded,
    .lost = upgrading_lost,
};

static void upgrade(struct fixture *f, struct upgrading *u, const struct reel_wire *wire)
{
    *u = (struct upgrading){.fixture = f, .type = &greeter_type, .options = &f->greeting_at};
    f->factory.protocol = &upgrading_protocol;
    f->factory.shared = u;
    meet(f, wire);
}

static void an_upgrade_sends_what_was_written_before_without_the_filter(void **state)
{
    struct fixture *f = *state;
    struct upgrading u;
    upgrade(f, &u, NULL);
    u.type = &xor_type;
    u.options = &f->key;
    send_text(f, "go+XYZ");
    expect_received(f, "before AFTER");
    assert_string_equal(u.data, "go+!xyz"); /* what came with it goes into the filter */
    send_text(f, "ABC");
    assert_string_equal(u.data, "go+!xyzabc");
    reel_close(f->t);
    reel_test_advance(f->r, 0);
    assert_int_equal(u.lost, 1);
}

static void an_upgrade_works_on_a_slow_wire(void **state)
{
    struct fixture *f = *state;
    struct upgrading u;
    upgrade(f, &u,
            &(struct reel_wire){.chunk_max = 1, .send_max = 1, .buffer_max = 2, .delay_ns = 1});
    reel_test_read(f->peer, false);
    send_text(f, "go+");
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(u.upgraded, 0);
    assert_int_equal(f->greeting.starts, 0); /* what was written before is not out yet */
    reel_test_read(f->peer, true);
    reel_test_advance(f->r, REEL_SECOND);
    expect_received(f, "before HELLO");
    assert_int_equal(u.upgraded, 0);
    send_text(f, "HELLOrest");
    reel_test_advance(f->r, REEL_SECOND);
    expect_received(f, "before HELLOafter");
    assert_string_equal(u.data, "go+!rest");
    reel_close(f->t);
    reel_test_advance(f->r, REEL_SECOND);
    assert_int_equal(u.reason, 0);
}

static void what_is_injected_before_an_upgrade_meets_the_handshake(void **state)
{
    struct fixture *f = *state;
    struct upgrading u;
    upgrade(f, &u, NULL);
    send_text(f, "go+injected");
    assert_string_equal(u.data, "go+");
    assert_int_equal(u.lost, 1);
    assert_int_equal(u.reason, -EPROTO);
}

static void an_upgrade_may_time_out_and_may_be_given_up(void **state)
{
    struct fixture *f = *state;
    struct upgrading u;
    f->factory.options.idle_ns = 10 * REEL_SECOND;
    f->factory.options.handshake_ns = 2 * REEL_SECOND;
    upgrade(f, &u, NULL);
    send_text(f, "go+");
    reel_test_advance(f->r, 2 * REEL_SECOND);
    assert_int_equal(u.lost, 1);
    assert_int_equal(u.reason, -ETIMEDOUT);
    reel_test_peer_free(f->peer);

    upgrade(f, &u, NULL);
    send_text(f, "go+");
    reel_test_advance(f->r, REEL_SECOND);
    send_text(f, "HELLO");
    assert_int_equal(u.upgraded, 1);
    reel_test_advance(f->r, 10 * REEL_SECOND - 1);
    assert_int_equal(u.lost, 0); /* the idle time is back */
    reel_test_advance(f->r, 1);
    assert_int_equal(u.lost, 1);
    reel_test_peer_free(f->peer);

    upgrade(f, &u, NULL);
    send_text(f, "go+");
    reel_close(f->t); /* "after" waits for the handshake, within the linger time */
    reel_test_advance(f->r, 0);
    assert_int_equal(u.lost, 0);
    send_text(f, "HELLO");
    assert_int_equal(u.lost, 1);
    assert_int_equal(u.reason, 0);
    assert_int_equal(u.upgraded, 0);
    expect_received(f, "before HELLOafter");
}

static void an_upgrade_is_refused_where_there_is_no_way(void **state)
{
    struct fixture *f = *state;
    meet(f, NULL);
    f->greeting.refuse = -EACCES;
    assert_int_equal(reel_filter_push(f->t, &greeter_type, &f->greeting_at), -EACCES);
    f->counts.fail_after = 0;
    assert_int_equal(reel_filter_push(f->t, &xor_type, &f->key), -ENOMEM);
    f->counts.fail_after = -1;
    send_text(f, "still plain");
    assert_string_equal(f->record.data, "still plain");
    assert_int_equal(reel_shutdown_write(f->t), 0);
    assert_int_equal(reel_filter_push(f->t, &xor_type, &f->key), -EPIPE);
    reel_close(f->t);
    assert_int_equal(reel_filter_push(f->t, &xor_type, &f->key), -EPIPE);
    reel_test_advance(f->r, 0);
}

static void one_pushed_before_made_lies_below_those_of_the_factory(void **state)
{
    struct fixture *f = *state;
    f->factory.protocol = &echo_protocol;
    f->uses[0] = (struct reel_filter_use){&greeter_type, &f->greeting_at};
    assert_int_equal(reel_test_peer_new(f->r, &f->factory, NULL, &f->peer, &f->t), 0);
    assert_int_equal(reel_filter_push(f->t, &xor_type, &f->key), 0);
    reel_test_advance(f->r, 0);
    expect_received(f, "hello");
    send_text(f, "helloABC");
    assert_string_equal(f->record.data, "abc");
    reel_close(f->t);
    reel_test_advance(f->r, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_upgrade_sends_what_was_written_before_without_the_filter),
        TEST(an_upgrade_works_on_a_slow_wire),
        TEST(what_is_injected_before_an_upgrade_meets_the_handshake),
        TEST(an_upgrade_may_time_out_and_may_be_given_up),
        TEST(an_upgrade_is_refused_where_there_is_no_way),
        TEST(one_pushed_before_made_lies_below_those_of_the_factory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
