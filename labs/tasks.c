/* tasks: the same three tasks one after the other, in threads, and on one event loop.
 * A task asks somebody (waits for the answer) and then works on it. What can overlap is the waiting. */
#include <reel/reel.h>

#include "lab.h"
#include "timeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t wait_ns[TIMELINE_TASKS] = {300 * REEL_MS, 200 * REEL_MS, 250 * REEL_MS};
static const int64_t work_ns = 50 * REEL_MS;

struct run {
    struct timeline line;
    pthread_mutex_t lock; /* the threads share the timeline */
    int64_t begin_ns;
    int left; /* tasks not done: for the loop */
};

/* A task is told which it is. */
struct task {
    struct run *run;
    int number;
    int64_t asked_ns;
    struct reel_timer answer;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * REEL_SECOND + now.tv_nsec;
}

static void note(struct task *task, enum timeline_kind kind, int64_t begin_ns)
{
    struct run *run = task->run;
    pthread_mutex_lock(&run->lock);
    timeline_add(&run->line, task->number, kind, begin_ns - run->begin_ns,
                 now_ns() - run->begin_ns);
    pthread_mutex_unlock(&run->lock);
}

/* Keeps the processor busy: no way of writing a program makes this shorter. */
static void work(struct task *task)
{
    int64_t begin_ns = now_ns();
    while (now_ns() < begin_ns + work_ns)
        ;
    note(task, TIMELINE_WORK, begin_ns);
}

static void *do_task(void *argument)
{
    struct task *task = argument;
    int64_t begin_ns = now_ns();
    nanosleep(&(struct timespec){.tv_nsec = wait_ns[task->number]}, NULL);
    note(task, TIMELINE_WAIT, begin_ns);
    work(task);
    return NULL;
}

static void run_one_by_one(struct task *tasks)
{
    for (int i = 0; i < TIMELINE_TASKS; i++)
        do_task(&tasks[i]);
}

static void run_in_threads(struct task *tasks)
{
    pthread_t threads[TIMELINE_TASKS];
    for (int i = 0; i < TIMELINE_TASKS; i++)
        if (pthread_create(&threads[i], NULL, do_task, &tasks[i]) != 0)
            lab_cannot("pthread_create", EAGAIN);
    for (int i = 0; i < TIMELINE_TASKS; i++)
        pthread_join(threads[i], NULL);
}

static void on_answer(struct reel_timer *timer)
{
    struct task *task = (struct task *)((char *)timer - offsetof(struct task, answer));
    note(task, TIMELINE_WAIT, task->asked_ns);
    work(task); /* the others' answers wait meanwhile: there is one thread */
    if (--task->run->left == 0)
        reel_stop(timer->reactor);
}

static void run_on_a_loop(struct task *tasks)
{
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    if (!reactor)
        lab_cannot("reel_reactor_new", errno);
    for (int i = 0; i < TIMELINE_TASKS; i++) {
        tasks[i].asked_ns = now_ns();
        if (reel_timer_init(&tasks[i].answer, reactor, on_answer) < 0)
            lab_cannot("reel_timer_init", ENOMEM);
        reel_timer_start(&tasks[i].answer, wait_ns[i]);
    }
    reel_run(reactor);
    reel_reactor_free(reactor);
}

static const struct {
    const char *title_z;
    void (*run)(struct task *tasks);
} ways[] = {
    {"one by one", run_one_by_one},
    {"three threads", run_in_threads},
    {"one event loop", run_on_a_loop},
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

int main(int argc, char **argv)
{
    if (argc != 1 && (argc != 3 || strcmp(argv[1], "--svg") != 0)) {
        fprintf(stderr, "usage: %s [--svg FILE]\n", program_invocation_short_name);
        return LAB_BAD_USAGE;
    }
    struct timeline lines[WAYS];
    for (int i = 0; i < WAYS; i++) {
        struct run run = {.line.title_z = ways[i].title_z, .left = TIMELINE_TASKS};
        struct task tasks[TIMELINE_TASKS] = {0};
        for (int number = 0; number < TIMELINE_TASKS; number++)
            tasks[number] = (struct task){.run = &run, .number = number};
        pthread_mutex_init(&run.lock, NULL);
        run.begin_ns = now_ns();
        ways[i].run(tasks);
        lines[i] = run.line;
    }
    printf("# works   . waits for an answer\n");
    for (int i = 0; i < WAYS; i++)
        timeline_print(&lines[i], lines[0].total_ns);
    int err = argc == 3 ? timeline_write_svg(argv[2], lines, WAYS, lines[0].total_ns) : 0;
    if (err < 0)
        lab_cannot(argv[2], -err);
}
