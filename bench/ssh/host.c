#include "host.h"

#include "link.h"
#include "tape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_MAX_BYTES = 256, CHILDREN_MAX = 64, READY_MS = 60000, REST_US = 300000 };

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        fail("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(address.sin_port);
}

static void make_folder(struct host *h)
{
    const char *below_z = getenv("TMPDIR");
    (void)snprintf(h->folder_z, sizeof(h->folder_z), "%s/bench-ssh-XXXXXX",
                   below_z != NULL ? below_z : "/tmp");
    if (!mkdtemp(h->folder_z) || chmod(h->folder_z, 0755) < 0)
        fail("%s: %s", h->folder_z, strerror(errno));
    h->port = free_port();
}

static FILE *create(const struct host *h, const char *name_z)
{
    char path_z[PATH_MAX_BYTES];
    (void)snprintf(path_z, sizeof(path_z), "%s/%s", h->folder_z, name_z);
    FILE *file = fopen(path_z, "we");
    if (!file)
        fail("%s: %s", path_z, strerror(errno));
    return file;
}

/* ---- lured ---- */

static bool read_ready(int fd)
{
    struct pollfd waits = {.fd = fd, .events = POLLIN};
    char line_z[512];
    if (poll(&waits, 1, READY_MS) <= 0)
        return false;
    ssize_t n = read(fd, line_z, sizeof(line_z) - 1);
    line_z[n > 0 ? n : 0] = '\0';
    return strstr(line_z, "ready") != NULL;
}

bool host_start_lured(struct host *h, const char *name_z, const char *program_z,
                      const char *image_z, const char *extra_config_z)
{
    char config_z[PATH_MAX_BYTES], data_z[PATH_MAX_BYTES], endpoint_z[64];
    int out[2];
    *h = (struct host){
        .name_z = name_z, .user_z = "root", .password_z = "123456", .command_z = "echo ok"};
    make_folder(h);
    (void)snprintf(config_z, sizeof(config_z), "%s/lured.yaml", h->folder_z);
    (void)snprintf(data_z, sizeof(data_z), "%s/data", h->folder_z);
    (void)snprintf(endpoint_z, sizeof(endpoint_z), "tcp:%d:interface=127.0.0.1", h->port);
    FILE *config = create(h, "lured.yaml");
    (void)fprintf(config, "image: %s\n%s", image_z, extra_config_z);
    (void)fclose(config);
    if (pipe(out) < 0 || (h->pid = fork()) < 0)
        fail("fork: %s", strerror(errno));
    if (h->pid == 0) {
        (void)dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execl(program_z, program_z, "run", "--config", config_z, "--data", data_z, "--ssh",
              endpoint_z, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    bool ready = read_ready(out[0]);
    close(out[0]);
    if (!ready)
        host_stop(h);
    return ready;
}

/* ---- Bare ---- */

void host_start_bare(struct host *h, const struct tape *tape)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    const int one = 1;
    *h = (struct host){.name_z = "bare"};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0 || (h->pid = fork()) < 0)
        fail("bare server: %s", strerror(errno));
    if (h->pid == 0)
        tape_serve(tape, fd);
    close(fd);
    h->port = ntohs(address.sin_port);
}

/* ---- sshd ---- */

enum { BENCH_UID = 64123 };

static void run(const char *command_z)
{
    if (system(command_z) != 0)
        fail("%s", command_z);
}

/* Copies of the accounts, with one more; its password is hashed as Debian hashes them. */
static void make_accounts(const struct host *h)
{
    char command_z[1024];
    const char *f = h->folder_z;
    (void)snprintf(
        command_z, sizeof(command_z),
        "cp /etc/passwd /etc/shadow /etc/group %s && mkdir %s/home && "
        "chown %d:%d %s/home && "
        "echo bench:x:%d:%d::%s/home:/bin/bash >>%s/passwd && "
        "echo bench:x:%d: >>%s/group && "
        "perl -e 'print \"bench:\", crypt(\"benchsecret\", q($y$j9T$F5Jx5fExrKuPp53xLKQ..1$)), "
        "\":19000:0:99999:7:::\\n\"' >>%s/shadow",
        f, f, BENCH_UID, BENCH_UID, f, BENCH_UID, BENCH_UID, f, f, BENCH_UID, f, f);
    run(command_z);
    static const char *const TYPES_Z[] = {"rsa", "ecdsa", "ed25519"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(command_z, sizeof(command_z), "ssh-keygen -q -t %s -N '' -f %s/key_%s",
                       TYPES_Z[i], f, TYPES_Z[i]);
        run(command_z);
    }
}

/* Debian's own configuration, but for port and keys. */
static void write_config(const struct host *h)
{
    FILE *config = create(h, "sshd_config");
    (void)fprintf(config,
                  "Port %d\nListenAddress 127.0.0.1\nPidFile none\n"
                  "HostKey %s/key_rsa\nHostKey %s/key_ecdsa\nHostKey %s/key_ed25519\n"
                  "Include /etc/ssh/sshd_config\n",
                  h->port, h->folder_z, h->folder_z, h->folder_z);
    (void)fclose(config);
}

static void bind_over(const struct host *h, const char *name_z)
{
    char from_z[PATH_MAX_BYTES], to_z[PATH_MAX_BYTES];
    (void)snprintf(from_z, sizeof(from_z), "%s/%s", h->folder_z, name_z);
    (void)snprintf(to_z, sizeof(to_z), "/etc/%s", name_z);
    if (mount(from_z, to_z, NULL, MS_BIND, NULL) < 0)
        _exit(127);
}

static _Noreturn void become_sshd(const struct host *h)
{
    char config_z[PATH_MAX_BYTES];
    (void)snprintf(config_z, sizeof(config_z), "%s/sshd_config", h->folder_z);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        _exit(127);
    bind_over(h, "passwd");
    bind_over(h, "shadow");
    bind_over(h, "group");
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(null, STDERR_FILENO);
    execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-e", "-f", config_z, (char *)NULL);
    _exit(127);
}

static bool answers(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool good = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return good;
}

bool host_start_sshd(struct host *h)
{
    *h = (struct host){.name_z = "sshd",
                       .user_z = "bench",
                       .password_z = "benchsecret",
                       .command_z = "true",
                       .forks = true};
    if (geteuid() != 0 || access("/usr/sbin/sshd", X_OK) != 0)
        return false;
    (void)mkdir("/run/sshd", 0755);
    make_folder(h);
    make_accounts(h);
    write_config(h);
    h->pid = fork();
    if (h->pid == 0)
        become_sshd(h);
    for (int i = 0; i < 100 && waitpid(h->pid, NULL, WNOHANG) == 0; i++) {
        if (answers(h->port))
            return true;
        usleep(50000);
    }
    h->pid = 0;
    host_stop(h);
    return false;
}

void host_stop(struct host *h)
{
    char command_z[PATH_MAX_BYTES];
    if (h->pid > 0) {
        (void)kill(h->pid, SIGTERM);
        (void)waitpid(h->pid, NULL, 0);
    }
    if (h->folder_z[0] != '\0') {
        (void)snprintf(command_z, sizeof(command_z), "rm -rf %s", h->folder_z);
        run(command_z);
    }
    h->pid = 0;
}

/* ---- What it has cost ---- */

static FILE *open_proc(pid_t pid, const char *rest_z)
{
    char path_z[PATH_MAX_BYTES];
    (void)snprintf(path_z, sizeof(path_z), "/proc/%d/%s", (int)pid, rest_z);
    return fopen(path_z, "re");
}

static int children(pid_t pid, pid_t *out)
{
    char name_z[64];
    int count = 0, child;
    (void)snprintf(name_z, sizeof(name_z), "task/%d/children", (int)pid);
    FILE *file = open_proc(pid, name_z);
    while (file && count < CHILDREN_MAX && fscanf(file, "%d", &child) == 1)
        out[count++] = child;
    if (file)
        (void)fclose(file);
    return count;
}

/* The first number is time on a CPU; of the one thread that there is. */
static int64_t schedstat_ns(pid_t pid)
{
    long long ns = 0;
    FILE *file = open_proc(pid, "schedstat");
    if (!file || fscanf(file, "%lld", &ns) != 1)
        ns = 0;
    if (file)
        (void)fclose(file);
    return ns;
}

/* Times of ended children, in ticks; sums over many sessions, so a tick is nothing. */
static int64_t ended_ns(pid_t pid)
{
    long long user = 0, system = 0;
    FILE *file = open_proc(pid, "stat");
    if (!file || fscanf(file,
                        "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lld "
                        "%lld",
                        &user, &system) != 2)
        fail("/proc/%d/stat", (int)pid);
    (void)fclose(file);
    return (user + system) * (1000000000 / sysconf(_SC_CLK_TCK));
}

int64_t host_cpu_ns(const struct host *h)
{
    pid_t pids[CHILDREN_MAX];
    usleep(REST_US);
    while (h->forks && children(h->pid, pids) > 0)
        usleep(10000);
    int64_t sum = schedstat_ns(h->pid) + (h->forks ? ended_ns(h->pid) : 0);
    int count = children(h->pid, pids);
    for (int i = 0; i < count; i++)
        sum += schedstat_ns(pids[i]);
    return sum;
}

/* Of two children the sensor is the one that has the socket: it has grown by far more. */
struct host_memory host_memory(const struct host *h)
{
    pid_t pids[CHILDREN_MAX];
    struct host_memory most = {0, 0};
    int count = children(h->pid, pids);
    for (int i = 0; i < count; i++) {
        struct host_memory m = {0, 0};
        char line_z[256];
        FILE *file = open_proc(pids[i], "smaps_rollup");
        long long kib;
        while (file && fgets(line_z, sizeof(line_z), file)) {
            if (sscanf(line_z, "Private_Clean: %lld", &kib) == 1 ||
                sscanf(line_z, "Private_Dirty: %lld", &kib) == 1)
                m.private_bytes += kib * 1024;
            if (sscanf(line_z, "Pss: %lld", &kib) == 1)
                m.pss_bytes = kib * 1024;
        }
        if (file)
            (void)fclose(file);
        if (m.private_bytes > most.private_bytes)
            most = m;
    }
    return most;
}
