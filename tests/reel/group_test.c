/* Groups: a write to all, the slow and the leaving. */
#include "helper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS = 5 };

struct seat {
    struct reel_member member;
};

struct room {
    struct reel_group group;
    int lost;
};

static void on_made(struct reel_transport *t)
{
    struct room *room = reel_shared(t);
    struct seat *seat = reel_state(t);
    reel_group_join(&room->group, &seat->member, t);
    reel_group_join(&room->group, &seat->member, t);
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct room *room = reel_shared(t);
    if (data[0] == '<')
        assert_int_equal(reel_write(t, "(own", 4), 0);
    reel_group_write(&room->group, data, len, data[0] == '-' ? t : NULL);
    if (data[0] == '<') {
        assert_int_equal(reel_write(t, "own)", 4), 0);
        reel_group_write(&room->group, "end", 3, NULL);
    }
    return len;
}

static void on_lost(struct reel_transport *t, int reason)
{
    (void)reason;
    struct room *room = reel_shared(t);
    struct seat *seat = reel_state(t);
    reel_group_leave(&seat->member);
    reel_group_leave(&seat->member);
    room->lost++;
}

static const struct reel_protocol room_protocol = {
    .state_size = sizeof(struct seat), .made = on_made, .data = on_data, .lost = on_lost};

struct fixture {
    struct reel_reactor *r;
    struct room room;
    struct reel_factory factory;
    struct reel_test_peer *peers[MEMBERS];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->r = reel_test_reactor_new(NULL, 0);
    f->factory = (struct reel_factory){
        .protocol = &room_protocol, .shared = &f->room, .options = {.queue_max = 100}};
    const struct reel_wire wire = {.buffer_max = 10};
    reel_group_init(&f->room.group, REEL_GROUP_ABORT);
    for (int i = 0; i < MEMBERS; i++) {
        struct reel_transport *t = NULL;
        assert_int_equal(reel_test_peer_new(f->r, &f->factory, &wire, &f->peers[i], &t), 0);
    }
    reel_test_advance(f->r, 0);
    assert_int_equal(f->room.group.count, MEMBERS);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_reactor_free(f->r);
    assert_int_equal(f->room.group.count, 0);
    for (int i = 0; i < MEMBERS; i++)
        reel_test_peer_free(f->peers[i]);
    free(f);
    return 0;
}

static void expect(struct fixture *f, int i, const char *text_z)
{
    size_t len = 0;
    const uint8_t *data = reel_test_received(f->peers[i], &len);
    assert_int_equal(len, strlen(text_z));
    if (len)
        assert_memory_equal(data, text_z, len);
}

static void all_hear_but_the_excepted(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(reel_test_send(f->peers[1], "all", 3), 0);
    reel_test_advance(f->r, 0);
    assert_int_equal(reel_test_send(f->peers[2], "-others", 7), 0);
    reel_test_advance(f->r, 0);
    for (int i = 0; i < MEMBERS; i++)
        expect(f, i, i == 2 ? "all" : "all-others");
}

static void own_writes_and_the_groups_keep_their_order(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 2; i++)
        assert_int_equal(reel_test_send(f->peers[i], "<all>", 5), 0);
    reel_test_advance(f->r, 0);
    expect(f, 0, "<all>end<all>end");
    expect(f, 1, "(own<all>own)end<all>end");
    expect(f, 2, "<all>end(own<all>own)end");
}

/* More in a turn than is kept in one piece. */
static void a_busy_turn_reaches_all_in_order(void **state)
{
    enum { WRITES = 300, BYTES = 337 };
    static char line_z[BYTES + 1], sent_z[WRITES * BYTES + 1];
    struct fixture *f = *state;
    f->factory.options.queue_max = sizeof(sent_z);
    for (int i = 0; i < WRITES; i++) {
        memset(line_z, 'a' + i % 26, BYTES);
        memcpy(sent_z + i * BYTES, line_z, BYTES);
        assert_int_equal(reel_group_write(&f->room.group, line_z, BYTES, NULL), MEMBERS);
    }
    reel_test_advance(f->r, 0);
    for (int i = 0; i < MEMBERS; i++)
        expect(f, i, sent_z);
}

/* One does not read: it goes, the others lose nothing. */
static void a_slow_member_is_dropped_and_holds_up_nobody(void **state)
{
    struct fixture *f = *state;
    char sent[512] = "", line[16];
    reel_test_read(f->peers[3], false);
    for (int i = 0; i < 30; i++) {
        snprintf(line, sizeof(line), "line %d.", i);
        memcpy(sent + strlen(sent), line, strlen(line) + 1);
        assert_int_equal(reel_test_send(f->peers[0], line, strlen(line)), 0);
        reel_test_advance(f->r, 0);
    }
    assert_int_equal(f->room.lost, 1);
    assert_int_equal(f->room.group.count, MEMBERS - 1);
    assert_true(reel_test_saw_lost(f->peers[3]));
    for (int i = 0; i < MEMBERS; i++)
        if (i != 3)
            expect(f, i, sent);
}

static void a_slow_member_may_miss_lines_instead(void **state)
{
    struct fixture *f = *state;
    f->room.group.policy = REEL_GROUP_SKIP;
    reel_test_read(f->peers[3], false);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(reel_test_send(f->peers[0], "12345678", 8), 0);
        reel_test_advance(f->r, 0);
    }
    assert_int_equal(f->room.lost, 0);
    reel_test_read(f->peers[3], true);
    reel_test_advance(f->r, 0);
    size_t len = 0;
    reel_test_received(f->peers[3], &len);
    assert_true(len < 240 && len % 8 == 0); /* whole lines only */
    reel_test_received(f->peers[2], &len);
    assert_int_equal(len, 240);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_hear_but_the_excepted),
        TEST(own_writes_and_the_groups_keep_their_order),
        TEST(a_busy_turn_reaches_all_in_order),
        TEST(a_slow_member_is_dropped_and_holds_up_nobody),
        TEST(a_slow_member_may_miss_lines_instead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
