/* Threads: clone, futex, join, robust locks, signals to threads, exec and exit among them. */
#include "guest.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS = 8, ROUNDS = 1000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int counter, turn;
static __thread int own = 5;

static void *add(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
        own++;
    }
    return (void *)((intptr_t)arg + own);
}

static void joins(void)
{
    pthread_t t[THREADS];
    long sum = 0;
    for (int i = 0; i < THREADS; i++)
        SHOW(pthread_create(&t[i], NULL, add, (void *)(intptr_t)i));
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(t[i], &result);
        sum += (long)(intptr_t)result;
    }
    SHOW(counter);
    SHOW(sum);
    SHOW(own);
}

static void *ping(void *arg)
{
    int me = (int)(intptr_t)arg;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 100; i++) {
        while (turn != me)
            pthread_cond_wait(&condition, &lock);
        turn = !me;
        pthread_cond_broadcast(&condition);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void turns(void)
{
    pthread_t a, b;
    pthread_create(&a, NULL, ping, (void *)0);
    pthread_create(&b, NULL, ping, (void *)1);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    SHOW(turn);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 5000000;
    if (soon.tv_nsec >= 1000000000) {
        soon.tv_sec++;
        soon.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&lock);
    HOLDS(pthread_cond_timedwait(&condition, &lock, &soon) == ETIMEDOUT);
    pthread_mutex_unlock(&lock);
}

static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout,
                  uint32_t *second, uint32_t third)
{
    return syscall(SYS_futex, word, op, value, timeout, second, third);
}

static void words(void)
{
    uint32_t word = 1, other = 0;
    const int shifted_set = FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT;
    struct timespec little = {0, 2000000}, bad = {0, 2000000000}, past = {1, 0};
    SHOW(futex(&word, FUTEX_WAIT, 2, NULL, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT, 1, &little, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT_PRIVATE, 1, &bad, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT_BITSET, 1, &past, NULL, 1));
    SHOW(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &past, NULL, 1));
    SHOW(futex(&word, FUTEX_WAIT_BITSET, 1, NULL, NULL, 0));
    SHOW(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
    SHOW(futex((uint32_t *)((char *)&word + 1), FUTEX_WAKE, 1, NULL, NULL, 0));
    SHOW(futex((uint32_t *)8, FUTEX_WAIT, 1, NULL, NULL, 0));
    SHOW(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 7));
    SHOW(futex(&word, 99, 1, NULL, NULL, 0));
    SHOW(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &other,
               FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0)));
    SHOW(other);
    SHOW(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &other,
               FUTEX_OP(shifted_set, 4, FUTEX_OP_CMP_GT, -3)));
    SHOW(other);
}

static void between_processes(void)
{
    uint32_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        long result = 0;
        while (*word == 0)
            result = futex(word, FUTEX_WAIT, 0, NULL, NULL, 0);
        _exit(result == 0 ? 11 : 12);
    }
    usleep(20000);
    *word = 1;
    SHOW(futex(word, FUTEX_WAKE, 5, NULL, NULL, 0));
    int status;
    waitpid(pid, &status, 0);
    SHOW(WEXITSTATUS(status));
}

static pthread_mutex_t robust;

static void *dies_with_it(void *arg)
{
    pthread_mutex_lock(&robust);
    return arg;
}

static void robust_locks(void)
{
    pthread_mutexattr_t attr;
    pthread_t t;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attr);
    pthread_create(&t, NULL, dies_with_it, NULL);
    pthread_join(t, NULL);
    HOLDS(pthread_mutex_lock(&robust) == EOWNERDEAD);
    SHOW(pthread_mutex_consistent(&robust));
    SHOW(pthread_mutex_unlock(&robust));
}

static volatile sig_atomic_t hits;
static pthread_t hit;

static void on_signal(int signo)
{
    (void)signo;
    hits++;
    hit = pthread_self();
}

static void *waits(void *arg)
{
    sigset_t set;
    int signo = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigwait(&set, &signo);
    while (hits == 0)
        usleep(1000);
    *(int *)arg = signo;
    return NULL;
}

static void thread_signals(void)
{
    sigset_t set;
    pthread_t t;
    int got = 0;
    signal(SIGUSR1, on_signal);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_create(&t, NULL, waits, &got);
    kill(getpid(), SIGUSR2); /* the thread takes it */
    usleep(10000);
    pthread_kill(t, SIGUSR1);
    pthread_join(t, NULL);
    SHOW(got);
    SHOW(hits);
    HOLDS(pthread_equal(hit, t));
    SHOW(syscall(SYS_tgkill, getpid(), 0, 0));
    SHOW(syscall(SYS_tgkill, getpid() + 1, syscall(SYS_gettid), 0));
    SHOW(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0));
}

static void *sleeps(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void *ends_all(void *arg)
{
    (void)arg;
    exit(21);
}

static void *executes(void *arg)
{
    char *argv[] = {"again", "executed", NULL};
    (void)arg;
    execv("/proc/self/exe", argv);
    execv(program_invocation_name, argv);
    _exit(99);
}

static void in_child(const char *what, void *(*start)(void *))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t t;
        pthread_create(&t, NULL, sleeps, NULL);
        pthread_create(&t, NULL, start, NULL);
        sleeps(NULL);
    }
    HOLDS(waitpid(pid, &status, 0) == pid);
    printf("%s: %x\n", what, status);
}

static void *crashes(void *arg)
{
    *(volatile int *)arg = 1;
    return NULL;
}

static char child_stack[65536];

static int cloned(void *arg)
{
    *(int *)arg = 42;
    return 6;
}

static void clones(void)
{
    int shared = 0, status = 0, tid = 0;
    void *top = child_stack + sizeof(child_stack);
    pid_t pid = clone(cloned, top, CLONE_VM | SIGCHLD, &shared);
    HOLDS(waitpid(pid, &status, 0) == pid);
    printf("shared %d status %x\n", shared, status);
    pid = clone(cloned, top, CLONE_VM | CLONE_PARENT_SETTID, &shared, &tid);
    SHOW(waitpid(pid, &status, 0));
    HOLDS(waitpid(pid, &status, __WCLONE) == pid);
    HOLDS(tid == pid);
    TRY(clone(cloned, top, CLONE_THREAD, &shared));
    TRY(clone(cloned, top, CLONE_SIGHAND | SIGCHLD, &shared));
    TRY(syscall(SYS_clone3, &shared, 4));
}

int main(int argc, char **argv)
{
    setbuf(stdout, NULL);
    if (argc > 1) {
        printf("%s %s: one thread, tid is pid: %d\n", argv[0], argv[1],
               syscall(SYS_gettid) == getpid());
        return 31;
    }
    joins();
    turns();
    words();
    between_processes();
    robust_locks();
    thread_signals();
    in_child("exit in a thread", ends_all);
    in_child("crash in a thread", crashes);
    in_child("exec in a thread", executes);
    clones();
    return 0;
}
