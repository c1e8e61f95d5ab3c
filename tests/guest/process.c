/* fork, exit, wait4, waitid: statuses, options, errors. */
#include "guest.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static pid_t child(int status)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(status);
    return pid;
}

static void show_status(const char *what, int status)
{
    printf("%s: ", what);
    if (WIFEXITED(status))
        printf("exit %d\n", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        printf("signal %d core %d\n", WTERMSIG(status), WCOREDUMP(status) != 0);
    else if (WIFSTOPPED(status))
        printf("stopped %d\n", WSTOPSIG(status));
    else if (WIFCONTINUED(status))
        printf("continued\n");
}

static void statuses(void)
{
    int status = 0;
    pid_t pid = child(0);
    HOLDS(waitpid(pid, &status, 0) == pid);
    show_status("zero", status);
    pid = child(300);
    HOLDS(wait(&status) == pid);
    show_status("300", status);
    pid = fork();
    if (pid == 0) {
        raise(SIGTERM);
        _exit(1);
    }
    HOLDS(waitpid(-1, &status, 0) == pid);
    show_status("raised", status);
    pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    kill(pid, SIGKILL);
    HOLDS(waitpid(pid, &status, 0) == pid);
    show_status("killed", status);
    SHOW(waitpid(-1, &status, 0));
    SHOW(waitpid(pid, &status, 0));
    SHOW(waitpid(-1, &status, 0x4000));
    SHOW(wait4(-1, NULL, WNOHANG, NULL));
}

static void stops(void)
{
    int status = 0, go_on[2];
    SHOW(pipe(go_on));
    pid_t pid = fork();
    if (pid == 0) {
        raise(SIGSTOP);
        close(go_on[1]);
        // To be seen as it goes on, it must not have ended.
        _exit(read(go_on[0], &status, 1) == 0 ? 7 : 8);
    }
    HOLDS(waitpid(pid, &status, WUNTRACED) == pid);
    show_status("first", status);
    SHOW(waitpid(pid, &status, WUNTRACED | WNOHANG));
    kill(pid, SIGCONT);
    HOLDS(waitpid(pid, &status, WCONTINUED) == pid);
    show_status("second", status);
    close(go_on[1]);
    HOLDS(waitpid(pid, &status, 0) == pid);
    show_status("third", status);
    close(go_on[0]);
}

static void show_info(const char *what, const siginfo_t *info, pid_t pid)
{
    printf("%s: signo %d code %d status %d own %d uid %d\n", what, info->si_signo, info->si_code,
           info->si_status, info->si_pid == pid, info->si_uid == getuid());
}

static void infos(void)
{
    siginfo_t info;
    pid_t pid = child(9);
    SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    show_info("left there", &info, pid);
    SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED));
    show_info("taken", &info, pid);
    SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED));
    SHOW(waitid(P_ALL, 0, &info, 0));
    SHOW(waitid(P_PID, 0, &info, WEXITED));
    pid = fork();
    if (pid == 0) {
        raise(SIGSTOP);
        abort();
    }
    SHOW(waitid(P_ALL, 0, &info, WSTOPPED));
    show_info("stopped", &info, pid);
    memset(&info, 0x55, sizeof(info));
    SHOW(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
    show_info("nothing", &info, 0);
    kill(pid, SIGCONT);
    SHOW(waitid(P_PID, (id_t)pid, &info, WCONTINUED));
    show_info("continued", &info, pid);
    SHOW(waitid(P_PGID, 0, &info, WEXITED));
    printf("aborted: code %d status %d\n", info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED,
           info.si_status);
}

/* A grandchild whose parent ends first. */
static void orphans(void)
{
    int ends[2], status;
    char byte;
    if (pipe(ends) != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            pid_t parent = getppid();
            while (getppid() == parent && parent != 1)
                usleep(1000);
            byte = getppid() != parent;
            write(ends[1], &byte, 1);
            _exit(0);
        }
        usleep(5000);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    SHOW(read(ends[0], &byte, 1));
    SHOW(byte);
}

static void automatic(void)
{
    signal(SIGCHLD, SIG_IGN);
    pid_t pid = child(1);
    SHOW(waitpid(pid, NULL, 0));
    signal(SIGCHLD, SIG_DFL);
    pid = vfork();
    if (pid == 0)
        _exit(4);
    int status = 0;
    HOLDS(waitpid(pid, &status, 0) == pid);
    show_status("vfork", status);
}

int main(void)
{
    setbuf(stdout, NULL);
    statuses();
    stops();
    infos();
    orphans();
    automatic();
    return 0;
}
