/* Clocks, sleeps, timers. Prints no time: only what must hold between them. */
#include "guest.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>

static long long now_ns(clockid_t clock)
{
    struct timespec ts = {0, 0};
    clock_gettime(clock, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void clocks(void)
{
    struct timespec ts;
    struct timeval tv;
    static const clockid_t all[] = {
        CLOCK_REALTIME, CLOCK_MONOTONIC,          CLOCK_MONOTONIC_RAW,    CLOCK_REALTIME_COARSE,
        CLOCK_BOOTTIME, CLOCK_PROCESS_CPUTIME_ID, CLOCK_MONOTONIC_COARSE, CLOCK_THREAD_CPUTIME_ID};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        SHOW(clock_gettime(all[i], &ts));
        long long a = now_ns(all[i]), b = now_ns(all[i]);
        HOLDS(b >= a);
    }
    SHOW(clock_gettime(99, &ts));
    SHOW(clock_getres(CLOCK_MONOTONIC, &ts));
    SHOW(ts.tv_nsec);
    SHOW(clock_getres(CLOCK_MONOTONIC, NULL));
    gettimeofday(&tv, NULL);
    HOLDS(llabs(time(NULL) - tv.tv_sec) <= 1);
    HOLDS(llabs(now_ns(CLOCK_REALTIME) / 1000000000 - tv.tv_sec) <= 1);
    HOLDS(now_ns(CLOCK_MONOTONIC) < now_ns(CLOCK_REALTIME));
    HOLDS(times(NULL) > 0);
}

static void sleeps(void)
{
    struct timespec ts = {0, 30000000}, bad = {0, 1000000000}, negative = {-1, 0}, at;
    long long from = now_ns(CLOCK_MONOTONIC);
    SHOW(nanosleep(&ts, NULL));
    long long took = now_ns(CLOCK_MONOTONIC) - from;
    HOLDS(took >= 30000000);
    SHOW(nanosleep(&bad, NULL));
    SHOW(nanosleep(&negative, NULL));
    HOLDS(clock_nanosleep(99, 0, &ts, NULL) == EINVAL);
    HOLDS(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL) == EINVAL);
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += 20000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    SHOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL));
    HOLDS(now_ns(CLOCK_REALTIME) >= at.tv_sec * 1000000000LL + at.tv_nsec);
    at.tv_sec = 1;
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL));
    at = (struct timespec){0, 0};
    SHOW(nanosleep(&at, NULL));
}

static volatile int alarms;

static void on_alarm(int signo)
{
    (void)signo;
    alarms++;
}

static void timers(void)
{
    struct sigaction a = {.sa_handler = on_alarm};
    struct itimerval every = {{0, 5000}, {0, 5000}}, off = {{0, 0}, {0, 0}}, old;
    struct itimerval bad = {{0, 0}, {0, 1000000}};
    sigaction(SIGALRM, &a, NULL);
    SHOW(alarm(100));
    SHOW(alarm(0));
    SHOW(alarm(0));
    SHOW(setitimer(ITIMER_REAL, &every, NULL));
    while (alarms < 3)
        pause();
    SHOW(setitimer(ITIMER_REAL, &off, &old));
    HOLDS(old.it_interval.tv_usec == 5000 && old.it_value.tv_usec <= 5000);
    SHOW(getitimer(ITIMER_REAL, &old));
    SHOW(old.it_value.tv_usec);
    SHOW(setitimer(ITIMER_REAL, &bad, NULL));
    SHOW(setitimer(9, &every, NULL));
    /* A timer goes on through exec and not through fork. */
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {50, 0}}, NULL);
    int status;
    if (fork() == 0) {
        getitimer(ITIMER_REAL, &old);
        _exit(old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0 ? 0 : 1);
    }
    wait(&status);
    SHOW(status);
}

static volatile int queued;

static void on_queued(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    queued += info->si_code == SI_TIMER && info->si_value.sival_int == 77;
}

static void posix_timers(void)
{
    struct sigaction a = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO};
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec every = {{0, 3000000}, {0, 3000000}}, off = {{0, 0}, {0, 0}}, left;
    struct itimerspec bad = {{0, 0}, {0, 1000000000}}, past = {{0, 0}, {1, 0}};
    timer_t id, other;
    e.sigev_value.sival_int = 77;
    sigaction(SIGUSR1, &a, NULL);
    SHOW(timer_create(CLOCK_MONOTONIC, &e, &id));
    SHOW(timer_gettime(id, &left));
    SHOW(left.it_value.tv_nsec);
    SHOW(timer_settime(id, 0, &every, NULL));
    while (queued < 4)
        pause();
    HOLDS(timer_getoverrun(id) >= 0);
    SHOW(timer_settime(id, 0, &off, &left));
    HOLDS(left.it_interval.tv_nsec == 3000000 && left.it_value.tv_nsec <= 3000000);
    int before = queued;
    SHOW(timer_settime(id, TIMER_ABSTIME, &past, NULL));
    HOLDS(queued == before + 1);
    SHOW(timer_settime(id, 0, &bad, NULL));
    SHOW(timer_create(CLOCK_REALTIME, NULL, &other));
    SHOW(timer_delete(id));
    SHOW(timer_delete(other));
    SHOW(timer_create(99, &e, &other));
    e.sigev_signo = 99;
    SHOW(timer_create(CLOCK_REALTIME, &e, &other));
}

static void use(void)
{
    struct rusage before, after;
    volatile unsigned long sum = 0;
    SHOW(getrusage(RUSAGE_SELF, &before));
    SHOW(getrusage(RUSAGE_SELF, &after));
    /* A busy Linux may count all of a short loop as the system's. */
    for (int round = 0; round < 100 && !timercmp(&after.ru_utime, &before.ru_utime, >); round++) {
        for (unsigned long i = 0; i < 3000000; i++)
            sum += i * i;
        (void)getrusage(RUSAGE_SELF, &after);
    }
    HOLDS(timercmp(&after.ru_utime, &before.ru_utime, >));
    SHOW(getrusage(RUSAGE_CHILDREN, &after));
    SHOW(getrusage(77, &after));
    HOLDS(clock() > 0);
    (void)sum;
}

int main(void)
{
    setbuf(stdout, NULL);
    clocks();
    sleeps();
    timers();
    posix_timers();
    use();
    return 0;
}
