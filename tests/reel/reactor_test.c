/* The loop: turns, deferred and posted calls, idle hooks, signals, watches, stopping, metrics. */
#include "helper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_up(void **state)
{
    *state = reel_reactor_new(NULL);
    assert_non_null(*state);
    return 0;
}

static int tear_down(void **state)
{
    reel_reactor_free(*state);
    return 0;
}

struct noting_call {
    struct reel_call call;
    struct reel_reactor *r;
    char *log_z;
    char letter;
    int again;
};

static void note_call(struct reel_call *call)
{
    struct noting_call *n = (struct noting_call *)call;
    size_t len = strlen(n->log_z);
    n->log_z[len] = n->letter;
    n->log_z[len + 1] = '\0';
    if (n->again-- > 0)
        reel_defer(n->r, call);
}

static void deferred_calls_keep_order_and_may_be_made_again(void **state)
{
    struct reel_reactor *r = *state;
    char log[32] = "";
    struct noting_call calls[3];
    for (int i = 0; i < 3; i++) {
        calls[i] = (struct noting_call){{note_call, NULL}, r, log, (char)('a' + i), i == 1 ? 2 : 0};
        reel_defer(r, &calls[i].call);
    }
    assert_true(reel_run_once(r, -1) >= 0); /* does not sleep: there is work */
    assert_string_equal(log, "abc");
    assert_true(reel_run_once(r, -1) >= 0);
    assert_string_equal(log, "abcb");
    assert_true(reel_run_once(r, -1) >= 0);
    assert_true(reel_run_once(r, 0) >= 0);
    assert_string_equal(log, "abcbb");
}

enum { THREADS = 3, POSTS = 2000 };

struct posted {
    struct reel_call call;
    struct poster *poster;
    int number;
};

struct poster {
    struct reel_reactor *r;
    struct posted posts[POSTS];
    int seen; /* by the reactor's thread */
    int *all;
};

static void count_posted(struct reel_call *call)
{
    struct posted *posted = (struct posted *)call;
    assert_int_equal(posted->number, posted->poster->seen++);
    if (++*posted->poster->all == THREADS * POSTS)
        reel_stop(posted->poster->r);
}

static void *post_all(void *argument)
{
    struct poster *poster = argument;
    for (int i = 0; i < POSTS; i++) {
        poster->posts[i] = (struct posted){{count_posted, NULL}, poster, i};
        reel_post(poster->r, &poster->posts[i].call);
    }
    return NULL;
}

static void posts_of_threads_all_arrive_each_threads_in_order(void **state)
{
    struct reel_reactor *r = *state;
    struct poster *posters = calloc(THREADS, sizeof(*posters));
    pthread_t threads[THREADS];
    int all = 0;
    for (int i = 0; i < THREADS; i++) {
        posters[i].r = r;
        posters[i].all = &all;
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    assert_int_equal(reel_run(r), 0);
    assert_int_equal(all, THREADS * POSTS);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct reel_metrics metrics;
    reel_metrics(r, &metrics);
    assert_int_equal(metrics.posted, THREADS * POSTS);
    free(posters);
}

static void *stop_it(void *r)
{
    reel_stop(r);
    return NULL;
}

static void a_stop_from_a_thread_wakes_the_loop(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_it, *state), 0);
    assert_int_equal(reel_run(*state), 0);
    pthread_join(thread, NULL);
    reel_stop(*state); /* before the run: it ends after its first turn */
    assert_int_equal(reel_run(*state), 0);
}

struct counting_idle {
    struct reel_idle idle;
    int slices, wanted;
    bool restart;
};

static bool count_slice(struct reel_idle *idle)
{
    struct counting_idle *c = (struct counting_idle *)idle;
    c->slices++;
    if (c->restart && c->slices == c->wanted) {
        c->restart = false;
        c->wanted *= 2;
        reel_idle_start(idle);
        return false; /* the start counts */
    }
    return c->slices < c->wanted;
}

static void idle_hooks_take_turns_and_keep_the_loop_awake(void **state)
{
    struct reel_reactor *r = *state;
    struct counting_idle a = {.wanted = 3}, b = {.wanted = 2, .restart = true};
    reel_idle_init(&a.idle, r, count_slice);
    reel_idle_init(&b.idle, r, count_slice);
    reel_idle_start(&a.idle);
    reel_idle_start(&a.idle);
    reel_idle_start(&b.idle);
    assert_true(reel_idle_is_active(&a.idle));
    for (int turn = 1; turn <= 3; turn++) {
        assert_true(reel_run_once(r, -1) >= 0);
        assert_int_equal(a.slices, turn);
        assert_int_equal(b.slices, turn);
    }
    assert_false(reel_idle_is_active(&a.idle));
    assert_true(reel_run_once(r, -1) >= 0);
    assert_int_equal(a.slices, 3);
    assert_int_equal(b.slices, 4);
    assert_true(reel_run_once(r, 0) >= 0);
    assert_int_equal(b.slices, 4);
    reel_idle_start(&a.idle);
    reel_idle_stop(&a.idle);
    assert_true(reel_run_once(r, 0) >= 0);
    assert_int_equal(a.slices, 3);
}

struct counting_hook {
    struct reel_hook hook;
    int runs;
};

static void count_hook(struct reel_hook *hook)
{
    struct counting_hook *c = (struct counting_hook *)hook;
    if (++c->runs == 2)
        reel_before_sleep_stop(hook);
}

static void hooks_before_sleep_run_every_turn(void **state)
{
    struct counting_hook c = {.runs = 0};
    reel_before_sleep_start(&c.hook, *state, count_hook);
    for (int i = 0; i < 4; i++)
        assert_true(reel_run_once(*state, 0) >= 0);
    assert_int_equal(c.runs, 2);
}

struct counting_signal {
    struct reel_signal signal;
    int fired;
    struct counting_signal *stops;
};

static void count_signal(struct reel_signal *signal)
{
    struct counting_signal *c = (struct counting_signal *)signal;
    c->fired++;
    assert_int_equal(signal->sender_pid, getpid());
    if (c->stops)
        reel_signal_stop(&c->stops->signal);
}

static void signals_reach_all_watchers_that_are_left(void **state)
{
    struct reel_reactor *r = *state;
    struct counting_signal s[4] = {{.fired = 0}};
    for (int i = 0; i < 3; i++)
        assert_int_equal(reel_signal_start(&s[i].signal, r, SIGUSR1, count_signal), 0);
    assert_int_equal(reel_signal_start(&s[3].signal, r, SIGUSR2, count_signal), 0);
    s[0].stops = &s[1];
    kill(getpid(), SIGUSR1);
    assert_true(reel_run_once(r, REEL_SECOND) >= 0);
    assert_int_equal(s[0].fired, 1);
    assert_int_equal(s[1].fired, 0);
    assert_int_equal(s[2].fired, 1);
    assert_int_equal(s[3].fired, 0);
    sigset_t mask;
    reel_signal_stop(&s[0].signal);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGUSR1), 1); /* still watched */
    reel_signal_stop(&s[2].signal);
    reel_signal_stop(&s[2].signal);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGUSR1), 0);
    assert_int_equal(sigismember(&mask, SIGUSR2), 1);
    reel_signal_stop(&s[3].signal);
    assert_int_equal(reel_signal_start(&s[0].signal, r, SIGKILL, count_signal), -EINVAL);
    assert_int_equal(reel_signal_start(&s[0].signal, r, 0, count_signal), -EINVAL);
    assert_int_equal(reel_signal_start(&s[0].signal, r, 65, count_signal), -EINVAL);
}

static void sigterm_stops_a_run(void **state)
{
    struct reel_signal signals[2];
    assert_int_equal(reel_stop_on_signals(signals, *state), 0);
    kill(getpid(), SIGTERM);
    assert_int_equal(reel_run(*state), 0);
    reel_signal_stop(&signals[0]);
    reel_signal_stop(&signals[1]);
    struct sigaction action;
    sigaction(SIGPIPE, NULL, &action);
    assert_true(action.sa_handler == SIG_IGN);
}

struct counting_watch {
    struct reel_watch watch;
    int ready;
    struct counting_watch *stops;
};

static void count_ready(struct reel_watch *watch, uint32_t events)
{
    struct counting_watch *c = (struct counting_watch *)watch;
    assert_true(events & EPOLLIN);
    c->ready++;
    if (c->stops)
        reel_watch_stop(&c->stops->watch);
}

static void watches_tell_what_is_ready_and_stop_each_other(void **state)
{
    struct reel_reactor *r = *state;
    int a[2], b[2];
    assert_int_equal(pipe(a), 0);
    assert_int_equal(pipe(b), 0);
    struct counting_watch wa = {.ready = 0}, wb = {.ready = 0};
    assert_int_equal(reel_watch_start(&wa.watch, r, a[0], EPOLLIN, count_ready), 0);
    assert_int_equal(reel_watch_start(&wb.watch, r, b[0], EPOLLIN, count_ready), 0);
    struct counting_watch again;
    assert_int_equal(reel_watch_start(&again.watch, r, a[0], EPOLLIN, count_ready), -EEXIST);
    reel_watch_stop(&again.watch);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(reel_run_once(r, REEL_SECOND), 1);
    assert_int_equal(reel_run_once(r, REEL_SECOND), 1); /* level-triggered */
    assert_int_equal(wa.ready, 2);
    assert_int_equal(wb.ready, 0);
    assert_int_equal(reel_watch_change(&wa.watch, 0), 0);
    assert_int_equal(reel_run_once(r, 0), 0);
    assert_int_equal(reel_watch_change(&wa.watch, EPOLLIN), 0);
    assert_int_equal(write(b[1], "x", 1), 1);
    wa.stops = &wb; /* whichever comes first stops the other, though both are ready */
    wb.stops = &wa;
    assert_int_equal(reel_run_once(r, REEL_SECOND), 2);
    assert_int_equal(wa.ready + wb.ready, 3);
    reel_watch_stop(&wa.watch);
    reel_watch_stop(&wb.watch);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void do_nothing(struct reel_timer *timer)
{
    (void)timer;
}

static void note_handle(void *context, const struct reel_handle_info *info)
{
    char *log_z = context;
    size_t len = strlen(log_z);
    snprintf(log_z + len, 128 - len, "%d:%s ", info->kind, info->name_z);
}

static void live_handles_are_listed_and_leaks_reported(void **state)
{
    (void)state;
    char leaks[128] = "", live[128] = "";
    const struct reel_reactor_options options = {.on_leak = note_handle, .on_leak_context = leaks};
    struct reel_reactor *r = reel_reactor_new(&options);
    struct record record = {0};
    const struct reel_factory factory = {.protocol = &recording_protocol, .shared = &record};
    struct reel_listener *l = listen_local(r, &factory);
    int fd = connect_blocking(l);
    run_until(r, &record.made);
    struct reel_timer timer;
    assert_int_equal(reel_timer_init(&timer, r, do_nothing), 0);
    reel_timer_start(&timer, REEL_SECOND);
    reel_each_handle(r, note_handle, live);
    assert_string_equal(live, "0:recording 1:recording 2:timer ");
    reel_listener_close(l);
    reel_reactor_free(r);
    assert_string_equal(leaks, "0:recording 2:timer ");
    assert_int_equal(record.reason, -ECANCELED);
    assert_int_equal(record.lost, 1);
    close(fd);
}

static void the_clock_is_read_once_a_turn(void **state)
{
    struct reel_reactor *r = *state;
    int64_t now_ns = reel_now_ns(r);
    usleep(2000);
    assert_true(reel_now_ns(r) == now_ns);
    reel_refresh_clock(r);
    assert_true(reel_now_ns(r) >= now_ns + 2 * REEL_MS);
    assert_true(reel_wall_us(r) > INT64_C(1600000000000000));
    struct reel_metrics before, after;
    reel_metrics(r, &before);
    assert_true(reel_run_once(r, 2 * REEL_MS) == 0);
    reel_metrics(r, &after);
    assert_int_equal(after.turns, before.turns + 1);
    assert_true(after.lag_max_ns >= after.lag_ns);
    assert_true(reel_now_ns(r) >= now_ns + 4 * REEL_MS);
}

static void an_unknown_backend_is_refused(void **state)
{
    (void)state;
    const struct reel_reactor_options options = {.backend_z = "kqueue"};
    assert_null(reel_reactor_new(&options));
    assert_int_equal(errno, EINVAL);
    reel_reactor_free(NULL);
}

/* Parent and child both serve after a fork, and neither takes the other's events. */
static void after_a_fork_both_go_on(void **state)
{
    struct reel_reactor *r = *state;
    struct record record = {0};
    const struct reel_factory factory = {.protocol = &echo_protocol, .shared = &record};
    struct reel_listener *l = listen_local(r, &factory);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int good = reel_after_fork(r) == 0;
        for (int i = 0; i < 5000 && good && !record.lost; i++)
            good = reel_run_once(r, REEL_MS) >= 0;
        _exit(good && record.made == 1 && record.lost == 1 ? 0 : 1);
    }
    reel_listener_pause(l); /* here; the child has its own registration */
    int fd = connect_blocking(l);
    char in[4];
    assert_int_equal(write(fd, "ping", 4), 4);
    assert_int_equal(read(fd, in, 4), 4);
    close(fd);
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    run_turns(r, 2);
    assert_int_equal(record.made, 0);
    reel_listener_resume(l);
    fd = connect_blocking(l);
    run_until(r, &record.made);
    close(fd);
    run_until(r, &record.lost);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(deferred_calls_keep_order_and_may_be_made_again),
        TEST(posts_of_threads_all_arrive_each_threads_in_order),
        TEST(a_stop_from_a_thread_wakes_the_loop),
        TEST(idle_hooks_take_turns_and_keep_the_loop_awake),
        TEST(hooks_before_sleep_run_every_turn),
        TEST(signals_reach_all_watchers_that_are_left),
        TEST(sigterm_stops_a_run),
        TEST(watches_tell_what_is_ready_and_stop_each_other),
        cmocka_unit_test(live_handles_are_listed_and_leaks_reported),
        TEST(the_clock_is_read_once_a_turn),
        cmocka_unit_test(an_unknown_backend_is_refused),
        TEST(after_a_fork_both_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
