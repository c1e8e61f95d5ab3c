/* Handlers, masks, frames, queues, restarts. */
#include "guest.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static volatile int count, last, order[16], order_len;

static void note(int signo)
{
    count++;
    last = signo;
    if (order_len < 16)
        order[order_len++] = signo;
}

static void set(int signo, void (*handler)(int), int flags, int masked)
{
    struct sigaction a = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&a.sa_mask);
    if (masked != 0)
        sigaddset(&a.sa_mask, masked);
    sigaction(signo, &a, NULL);
}

static void masks(void)
{
    sigset_t all, old, pending;
    sigfillset(&all);
    set(SIGUSR1, note, 0, 0);
    set(SIGUSR2, note, 0, 0);
    SHOW(sigprocmask(SIG_SETMASK, &all, &old));
    raise(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGUSR2);
    SHOW(count);
    sigpending(&pending);
    HOLDS(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGUSR2));
    sigprocmask(SIG_SETMASK, NULL, &all);
    HOLDS(!sigismember(&all, SIGKILL) && !sigismember(&all, SIGSTOP));
    SHOW(sigprocmask(SIG_SETMASK, &old, NULL));
    SHOW(count);
    printf("order %d %d\n", order[0], order[1]);
    SHOW(sigprocmask(77, &old, NULL));
    SHOW(sigaction(SIGKILL, &(struct sigaction){.sa_handler = note}, NULL));
    SHOW(sigaction(65, NULL, NULL));
    SHOW(kill(getpid(), 65));
    SHOW(kill(getpid(), 0));
}

static void nested_first(int signo)
{
    printf("in %d\n", signo);
    raise(SIGUSR2);
    printf("out %d\n", signo);
}

static void nested_second(int signo)
{
    printf("in %d\n", signo);
}

static void nested(void)
{
    set(SIGUSR1, nested_first, 0, 0);
    set(SIGUSR2, nested_second, 0, 0);
    raise(SIGUSR1);
    set(SIGUSR1, nested_first, 0, SIGUSR2);
    raise(SIGUSR1);
    set(SIGUSR1, note, (int)SA_RESETHAND, 0);
    raise(SIGUSR1);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    HOLDS(now.sa_handler == SIG_DFL);
    HOLDS((now.sa_flags & (int)SA_RESETHAND) != 0);
}

static void detail(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    printf("detail %d code %d own %d uid %d value %d\n", signo, info->si_code,
           info->si_pid == getpid(), info->si_uid == getuid(),
           info->si_code == SI_QUEUE ? info->si_value.sival_int : 0);
    HOLDS(uc->uc_mcontext.gregs[REG_RSP] != 0 && uc->uc_mcontext.fpregs != NULL);
}

static void queues(void)
{
    struct sigaction a = {.sa_sigaction = detail, .sa_flags = SA_SIGINFO};
    sigset_t block, old;
    sigaction(SIGRTMIN, &a, NULL);
    sigaction(SIGRTMIN + 1, &a, NULL);
    sigaction(SIGUSR1, &a, NULL);
    sigfillset(&block);
    sigprocmask(SIG_SETMASK, &block, &old);
    for (int i = 0; i < 3; i++) {
        sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i});
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 10 + i});
    }
    kill(getpid(), SIGUSR1);
    sigprocmask(SIG_SETMASK, &old, NULL);
    sigset_t one;
    siginfo_t info;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR2);
    sigprocmask(SIG_BLOCK, &one, NULL);
    struct timespec zero = {0, 0}, little = {0, 3000000};
    SHOW(sigtimedwait(&one, &info, &zero));
    SHOW(sigtimedwait(&one, &info, &little));
    raise(SIGUSR2);
    SHOW(sigtimedwait(&one, &info, &little));
    printf("taken %d code %d\n", info.si_signo, info.si_code);
    if (fork() == 0) {
        usleep(3000);
        kill(getppid(), SIGUSR2);
        _exit(0);
    }
    SHOW(sigwaitinfo(&one, &info));
    printf("taken %d code %d\n", info.si_signo, info.si_code);
    wait(NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void from_child(int signo)
{
    usleep(20000);
    kill(getppid(), signo);
    usleep(20000);
}

static void restarts(void)
{
    int ends[2];
    char byte = 0;
    struct timespec second = {0, 60000000}, left = {9, 9};
    pipe(ends);
    count = 0;
    set(SIGUSR1, note, 0, 0);
    if (fork() == 0) {
        from_child(SIGUSR1);
        _exit(0);
    }
    SHOW(read(ends[0], &byte, 1));
    wait(NULL);
    set(SIGUSR1, note, SA_RESTART, 0);
    if (fork() == 0) {
        from_child(SIGUSR1);
        write(ends[1], "x", 1);
        _exit(0);
    }
    SHOW(read(ends[0], &byte, 1));
    wait(NULL);
    if (fork() == 0) {
        from_child(SIGUSR1);
        _exit(0);
    }
    SHOW(nanosleep(&second, &left));
    HOLDS(left.tv_sec == 0 && left.tv_nsec > 0 && left.tv_nsec < 60000000);
    wait(NULL);
    /* An ignored signal cuts nothing. */
    if (fork() == 0) {
        from_child(SIGWINCH);
        _exit(0);
    }
    SHOW(nanosleep(&second, &left));
    wait(NULL);
    SHOW(count);
    if (fork() == 0) {
        from_child(SIGUSR1);
        _exit(0);
    }
    SHOW(pause());
    wait(NULL);
    sigset_t none;
    sigemptyset(&none);
    if (fork() == 0) {
        from_child(SIGUSR1);
        _exit(0);
    }
    SHOW(sigsuspend(&none));
    wait(NULL);
    close(ends[0]);
    set(SIGPIPE, note, 0, 0);
    SHOW(write(ends[1], "x", 1));
    SHOW(last);
}

/* Stopped and continued in a sleep: it sleeps on. */
static void stop_in_sleep(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec ts = {0, 60000000};
        _exit(nanosleep(&ts, NULL) == 0 ? 0 : 1);
    }
    usleep(10000);
    kill(pid, SIGSTOP);
    waitpid(pid, &status, WUNTRACED);
    HOLDS(WIFSTOPPED(status));
    kill(pid, SIGCONT);
    waitpid(pid, &status, 0);
    SHOW(status);
}

static sigjmp_buf back;
static void *fault_page;

static void faulted(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    printf("fault %d code %d address %d trap %d error %d\n", signo, info->si_code,
           info->si_addr == fault_page, (int)uc->uc_mcontext.gregs[REG_TRAPNO],
           signo == SIGSEGV ? (int)uc->uc_mcontext.gregs[REG_ERR] & ~1 : 0);
    siglongjmp(back, 1);
}

static void faults(void)
{
    struct sigaction a = {.sa_sigaction = faulted, .sa_flags = SA_SIGINFO};
    int caught[] = {SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGBUS};
    for (int i = 0; i < 5; i++)
        sigaction(caught[i], &a, NULL);
    volatile int zero = 0, number = 77;
    fault_page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sigsetjmp(back, 1) == 0)
        *(volatile char *)fault_page = 1;
    mprotect(fault_page, 4096, PROT_NONE);
    if (sigsetjmp(back, 1) == 0)
        (void)*(volatile char *)fault_page;
    munmap(fault_page, 4096);
    if (sigsetjmp(back, 1) == 0)
        (void)*(volatile char *)fault_page;
    if (sigsetjmp(back, 1) == 0)
        __asm__ volatile("call *%0" : : "r"(fault_page) : "memory");
    fault_page = NULL;
    if (sigsetjmp(back, 1) == 0)
        printf("%d\n", number / zero);
    if (sigsetjmp(back, 1) == 0)
        __asm__ volatile("ud2");
    if (sigsetjmp(back, 1) == 0)
        __asm__ volatile("int3");
    if (sigsetjmp(back, 1) == 0)
        __asm__ volatile("hlt");
    if (sigsetjmp(back, 1) == 0)
        (void)*(volatile char *)0x8000000000000000;
}

static char stack[65536];

static void on_stack(int signo)
{
    char here;
    stack_t now;
    (void)signo;
    HOLDS(&here > stack && &here < stack + sizeof(stack));
    sigaltstack(NULL, &now);
    SHOW(now.ss_flags);
    SHOW(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL));
}

static int deep(int n)
{
    volatile char room[4096];
    room[0] = (char)n;
    return n > 100000 ? room[0] : deep(n + 1) + room[0];
}

static void overflow(int signo)
{
    printf("stack overflow caught: %d\n", signo);
    siglongjmp(back, 1);
}

static void alternate(void)
{
    stack_t s = {.ss_sp = stack, .ss_size = sizeof(stack)}, old;
    SHOW(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = 100}, NULL));
    SHOW(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = 5000, .ss_flags = 77}, NULL));
    SHOW(sigaltstack(&s, &old));
    SHOW(old.ss_flags);
    set(SIGUSR1, on_stack, SA_ONSTACK, 0);
    raise(SIGUSR1);
    set(SIGSEGV, overflow, SA_ONSTACK, 0);
    if (sigsetjmp(back, 1) == 0)
        printf("%d\n", deep(0));
    signal(SIGSEGV, SIG_DFL);
}

static void clobber(int signo)
{
    volatile double d = 2.5;
    volatile long double l = 1.25L;
    (void)signo;
    __asm__ volatile("pxor %%xmm7, %%xmm7\n\tfninit" ::: "xmm7");
    d = d * 3 + (double)l;
    (void)d;
}

static void registers(void)
{
    set(SIGUSR1, clobber, 0, 0);
    double keep = 7.75;
    long double deep_value = 3.5L;
    uint64_t before = 0x1122334455667788, after = 0;
    pid_t self = getpid();
    __asm__ volatile("movq %1, %%xmm7\n\t"
                     "movl $62, %%eax\n\t"
                     "movl %2, %%edi\n\t"
                     "movl $10, %%esi\n\t"
                     "syscall\n\t"
                     "movq %%xmm7, %0"
                     : "=r"(after)
                     : "r"(before), "r"(self)
                     : "rax", "rcx", "r11", "rdi", "rsi", "xmm7", "memory");
    HOLDS(after == before);
    printf("%.2f %.2Lf\n", keep * 2, deep_value * 2);
}

static void change(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)signo, (void)info;
    uc->uc_mcontext.gregs[REG_RAX] = 1234;
    sigaddset(&uc->uc_sigmask, SIGUSR2);
}

static void changed_context(void)
{
    struct sigaction a = {.sa_sigaction = change, .sa_flags = SA_SIGINFO};
    sigset_t now;
    long result;
    sigaction(SIGUSR1, &a, NULL);
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(62), "D"(getpid()), "S"(SIGUSR1)
                     : "rcx", "r11", "memory");
    SHOW(result);
    sigprocmask(SIG_SETMASK, NULL, &now);
    HOLDS(sigismember(&now, SIGUSR2));
}

static void ends(void)
{
    const int kills[] = {SIGHUP, SIGSEGV, SIGPIPE, SIGALRM, SIGUSR1, SIGRTMIN, SIGCHLD};
    for (int i = 0; i < 7; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            sigset_t none;
            sigemptyset(&none);
            signal(kills[i], SIG_DFL);
            sigprocmask(SIG_SETMASK, &none, NULL);
            kill(getpid(), kills[i]);
            _exit(5);
        }
        waitpid(pid, &status, 0);
        printf("signal %d gives %x\n", kills[i], status & ~0x80);
    }
}

int main(void)
{
    setbuf(stdout, NULL);
    masks();
    nested();
    queues();
    restarts();
    stop_in_sleep();
    faults();
    alternate();
    registers();
    changed_context();
    ends();
    return 0;
}
