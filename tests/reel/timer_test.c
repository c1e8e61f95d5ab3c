/* Timers: order, ties, moving, cancelling inside callbacks, periods, many at once. */
#include "helper.h"

#include <stdlib.h>
#include <string.h>

struct noting_timer {
    struct reel_timer timer;
    char letter;
    char *log_z;
    struct noting_timer *victim; /* stopped when this one fires */
    bool again;
};

static void note_fire(struct reel_timer *timer)
{
    struct noting_timer *n = (struct noting_timer *)timer;
    size_t len = strlen(n->log_z);
    n->log_z[len] = n->letter;
    n->log_z[len + 1] = '\0';
    if (n->victim)
        reel_timer_stop(&n->victim->timer);
    if (n->again)
        reel_timer_start(timer, 0);
}

struct fixture {
    struct reel_reactor *r;
    char log[256];
    struct noting_timer t[8];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->r = reel_test_reactor_new(NULL, 0);
    for (int i = 0; i < 8; i++) {
        f->t[i].letter = (char)('a' + i);
        f->t[i].log_z = f->log;
        assert_int_equal(reel_timer_init(&f->t[i].timer, f->r, note_fire), 0);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 8; i++)
        reel_timer_fini(&f->t[i].timer);
    reel_reactor_free(f->r);
    free(f);
    return 0;
}

static void they_fire_by_deadline_and_ties_in_start_order(void **state)
{
    struct fixture *f = *state;
    reel_timer_start(&f->t[0].timer, 30);
    reel_timer_start(&f->t[1].timer, 10);
    reel_timer_start(&f->t[2].timer, 30);
    reel_timer_start(&f->t[3].timer, 10);
    reel_timer_start(&f->t[4].timer, 20);
    reel_timer_start(&f->t[0].timer, 30); /* moved: behind its ties */
    reel_test_advance(f->r, 9);
    assert_string_equal(f->log, "");
    reel_test_advance(f->r, 1);
    assert_string_equal(f->log, "bd");
    reel_test_advance(f->r, 100);
    assert_string_equal(f->log, "bdeca");
    assert_int_equal(reel_now_ns(f->r), 110);
}

static void a_timer_moves_later_and_earlier(void **state)
{
    struct fixture *f = *state;
    reel_timer_start(&f->t[0].timer, 10);
    reel_timer_start(&f->t[1].timer, 15);
    reel_timer_start(&f->t[0].timer, 20); /* later: its place in the heap is old now */
    assert_int_equal(reel_timer_deadline_ns(&f->t[0].timer), 20);
    reel_test_advance(f->r, 12);
    assert_string_equal(f->log, "");
    reel_timer_start(&f->t[0].timer, 1); /* earlier: at 13 */
    reel_test_advance(f->r, 1);
    assert_string_equal(f->log, "a");
    assert_false(reel_timer_is_active(&f->t[0].timer));
    assert_true(reel_timer_deadline_ns(&f->t[0].timer) == INT64_MAX);
    reel_test_advance(f->r, 100);
    assert_string_equal(f->log, "ab");
}

static void one_stops_another_of_the_same_moment(void **state)
{
    struct fixture *f = *state;
    f->t[0].victim = &f->t[1];
    for (int i = 0; i < 3; i++)
        reel_timer_start(&f->t[i].timer, 5);
    reel_test_advance(f->r, 5);
    assert_string_equal(f->log, "ac");
    reel_timer_stop(&f->t[1].timer); /* stopped already: no effect */
}

static void a_delay_of_nothing_waits_for_the_next_turn(void **state)
{
    struct fixture *f = *state;
    f->t[0].again = true;
    reel_timer_start(&f->t[0].timer, -5);
    reel_timer_start(&f->t[1].timer, 0);
    assert_true(reel_run_once(f->r, 0) >= 0);
    assert_string_equal(f->log, "ab");
    assert_true(reel_run_once(f->r, 0) >= 0);
    assert_string_equal(f->log, "aba");
    f->t[0].again = false;
}

static void a_period_keeps_its_grid_and_counts_what_it_missed(void **state)
{
    struct fixture *f = *state;
    reel_timer_start_every(&f->t[0].timer, 10);
    reel_test_advance(f->r, 35);
    assert_string_equal(f->log, "aaa");
    assert_int_equal(reel_timer_missed(&f->t[0].timer), 0);
    reel_timer_stop(&f->t[0].timer);
    reel_test_advance(f->r, 100);
    assert_string_equal(f->log, "aaa");
}

struct slow {
    struct reel_timer timer;
    int fired;
    uint64_t missed;
};

static void slow_fire(struct reel_timer *timer)
{
    struct slow *s = (struct slow *)timer;
    s->fired++;
    s->missed += reel_timer_missed(timer);
}

static void late_turns_skip_ticks_without_drift(void **state)
{
    (void)state;
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct slow s = {.fired = 0};
    assert_int_equal(reel_timer_init(&s.timer, r, slow_fire), 0);
    reel_timer_start_every(&s.timer, REEL_MS);
    int64_t begin_ns = reel_timer_deadline_ns(&s.timer) - REEL_MS;
    while (reel_now_ns(r) < begin_ns + 10 * REEL_MS)
        reel_refresh_clock(r); /* a long computation */
    assert_true(reel_run_once(r, 0) >= 0);
    assert_int_equal(s.fired, 1);
    assert_true(s.missed >= 9);
    assert_true((reel_timer_deadline_ns(&s.timer) - begin_ns) % REEL_MS == 0);
    assert_true(reel_timer_deadline_ns(&s.timer) > reel_now_ns(r));
    reel_timer_fini(&s.timer);
    reel_timer_fini(&s.timer); /* twice is fine */
    reel_reactor_free(r);
}

struct freed {
    struct reel_timer timer;
    int *fired;
};

static void free_itself(struct reel_timer *timer)
{
    struct freed *f = (struct freed *)timer;
    ++*f->fired;
    reel_timer_fini(timer);
    free(f);
}

static void a_timer_may_free_itself_when_it_fires(void **state)
{
    struct fixture *f = *state;
    int fired = 0;
    for (int i = 0; i < 3; i++) {
        struct freed *freed = calloc(1, sizeof(*freed));
        freed->fired = &fired;
        assert_int_equal(reel_timer_init(&freed->timer, f->r, free_itself), 0);
        if (i == 2)
            reel_timer_start_every(&freed->timer, 7);
        else
            reel_timer_start(&freed->timer, i);
    }
    reel_test_advance(f->r, 100);
    assert_int_equal(fired, 3);
}

enum { MANY = 3000 };

struct one_of_many {
    struct reel_timer timer;
    int64_t wanted_ns;
    struct check *check;
};

struct check {
    int64_t last_ns;
    int fired;
};

static void check_fire(struct reel_timer *timer)
{
    struct one_of_many *one = (struct one_of_many *)timer;
    assert_true(reel_now_ns(timer->reactor) == one->wanted_ns);
    assert_true(one->wanted_ns >= one->check->last_ns);
    one->check->last_ns = one->wanted_ns;
    one->check->fired++;
}

/* Random starts, moves and stops against the plain truth: enough of them that places of stopped timers
 * are taken again. */
static void thousands_fire_in_order_at_their_time(void **state)
{
    struct fixture *f = *state;
    struct check check = {0};
    struct one_of_many *many = calloc(MANY, sizeof(*many));
    uint32_t seed = 12345;
    int active = 0;
    for (int i = 0; i < MANY; i++) {
        many[i].check = &check;
        assert_int_equal(reel_timer_init(&many[i].timer, f->r, check_fire), 0);
    }
    for (int step = 0; step < 30 * MANY; step++) {
        seed = seed * 1664525 + 1013904223;
        struct one_of_many *one = &many[(seed >> 8) % MANY];
        if (seed >> 30 == 0) {
            reel_timer_stop(&one->timer);
            continue;
        }
        one->wanted_ns = (seed >> 12) % 5000;
        reel_timer_start_at(&one->timer, one->wanted_ns);
    }
    for (int i = 0; i < MANY; i++)
        active += reel_timer_is_active(&many[i].timer);
    reel_test_advance(f->r, 5000);
    assert_int_equal(check.fired, active);
    for (int i = 0; i < MANY; i++)
        reel_timer_fini(&many[i].timer);
    free(many);
}

static void starting_never_fails_for_init_made_the_room(void **state)
{
    (void)state;
    struct counting_allocator counts;
    const struct reel_reactor_options options = {.allocator = counting_allocator(&counts)};
    struct reel_reactor *r = reel_test_reactor_new(&options, 0);
    struct reel_timer timers[40];
    memset(timers, 0, sizeof(timers));
    counts.fail_after = 1; /* the first 16 fit in one allocation */
    int good = 0;
    while (good < 40 && reel_timer_init(&timers[good], r, slow_fire) == 0)
        good++;
    assert_int_equal(good, 16);
    for (int i = 0; i < good; i++)
        reel_timer_start(&timers[i], REEL_SECOND);
    struct reel_metrics metrics;
    reel_metrics(r, &metrics);
    assert_int_equal(metrics.timers, 16);
    reel_timer_fini(&timers[30]); /* never initialised */
    reel_reactor_free(r);
    assert_int_equal(counts.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(they_fire_by_deadline_and_ties_in_start_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_timer_moves_later_and_earlier, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_stops_another_of_the_same_moment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_delay_of_nothing_waits_for_the_next_turn, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_period_keeps_its_grid_and_counts_what_it_missed, set_up,
                                        tear_down),
        cmocka_unit_test(late_turns_skip_ticks_without_drift),
        cmocka_unit_test_setup_teardown(a_timer_may_free_itself_when_it_fires, set_up, tear_down),
        cmocka_unit_test_setup_teardown(thousands_fire_in_order_at_their_time, set_up, tear_down),
        cmocka_unit_test(starting_never_fails_for_init_made_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
