#include "server.h"

#include "sockets.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set); /* with one CPU only, all stay where they are */
}

void unpin(void)
{
    cpu_set_t set;
    memset(&set, 0xff, sizeof(set));
    sched_setaffinity(0, sizeof(set), &set);
}

void program_path(char *out_z, size_t cap, const char *program_z)
{
    ssize_t n = readlink("/proc/self/exe", out_z, cap - 1);
    out_z[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(out_z, '/');
    size_t folder = slash ? (size_t)(slash + 1 - out_z) : 0;
    snprintf(out_z + folder, cap - folder, "%s", program_z);
}

static void __attribute__((noreturn))
become(const struct server *s, const char *path_z, const char *mode_z)
{
    char port_z[16];
    snprintf(port_z, sizeof(port_z), "%d", s->port);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(0);
    if (s->peer->backend_z)
        setenv("REEL_BACKEND", s->peer->backend_z, 1);
    execl(path_z, path_z, port_z, mode_z, (char *)NULL);
    _exit(127);
}

static int wait_until_ready(int fd)
{
    char line[8] = "";
    ssize_t n = read(fd, line, sizeof(line) - 1);
    return n >= 5 && memcmp(line, "ready", 5) == 0 ? 0 : -EPROTO;
}

int server_start(struct server *s, const struct peer *peer, const char *mode_z)
{
    char path_z[512], whole_mode_z[32];
    int ends[2];
    program_path(path_z, sizeof(path_z), peer->program_z);
    snprintf(whole_mode_z, sizeof(whole_mode_z), "%s%s", mode_z, peer->suffix_z);
    *s = (struct server){.peer = peer, .port = free_port()};
    if (access(path_z, X_OK) != 0)
        return -ENOENT;
    if (pipe(ends) < 0)
        die("pipe");
    s->pid = fork();
    if (s->pid < 0)
        die("fork");
    if (s->pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        become(s, path_z, whole_mode_z);
    }
    close(ends[1]);
    int err = wait_until_ready(ends[0]);
    close(ends[0]);
    if (err < 0)
        server_stop(s);
    return err;
}

void server_stop(struct server *s)
{
    if (s->pid == 0)
        return;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

size_t server_rss(const struct server *s)
{
    char path_z[64];
    unsigned long pages = 0;
    snprintf(path_z, sizeof(path_z), "/proc/%d/statm", (int)s->pid);
    FILE *file = fopen(path_z, "r");
    if (!file || fscanf(file, "%*u %lu", &pages) != 1)
        die(path_z);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}
