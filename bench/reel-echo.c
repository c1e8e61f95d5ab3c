/* The engine's echo against a bare epoll loop.
 *
 *     reel-echo REEL-SERVER [CONNECTIONS [SIZE [DEPTH [ROUNDS]]]]
 *
 * Both servers run at once, on CPU 0, each with its own connected clients; this program, on CPU 1,
 * gives them slices of a quarter second in random order. It keeps DEPTH messages of SIZE bytes under
 * way on each connection. What counts is the server's CPU time a message, and of that the median over
 * the rounds of the bare loop's time over the engine's: above 1, the engine is the cheaper one. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SERVERS = 2, ROUNDS_MAX = 101, EVENTS = 256, BYTES = 65536 };

#define SLICE_NS INT64_C(250000000)

struct server {
    const char *name_z;
    pid_t pid;
    int port;
    int epoll_fd;
    int *fds;
    size_t *owed; /* bytes each connection still owes us */
    int64_t rate[ROUNDS_MAX];
    double cost_ns[ROUNDS_MAX];
};

struct load {
    int connections, rounds;
    size_t size, depth;
};

static uint8_t buffer[BYTES];

static void __attribute__((noreturn)) die(const char *what_z)
{
    perror(what_z);
    exit(1);
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t cpu_ns(pid_t pid)
{
    clockid_t clock = 0;
    if (clock_getcpuclockid(pid, &clock) != 0)
        die("clock_getcpuclockid");
    return now_ns(clock);
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set); /* with one CPU only, all stay where they are */
}

static int bind_any(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        die("bind");
    *port = ntohs(a.sin_port);
    return fd;
}

static void watch(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void bare_accept(int epoll_fd, int listening)
{
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK), one = 1;
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    watch(epoll_fd, fd);
}

/* The bare loop: what everybody would write first, with one buffer, and nothing else. */
static void __attribute__((noreturn)) bare_loop(int listening)
{
    int epoll_fd = epoll_create1(0);
    struct epoll_event events[EVENTS];
    if (listen(listening, 4096) < 0)
        die("listen");
    watch(epoll_fd, listening);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listening) {
                bare_accept(epoll_fd, fd);
                continue;
            }
            ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
            if (n <= 0 || send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
                close(fd); /* a full socket would need a queue: the clients here always read */
        }
    }
}

static void start(struct server *s, const char *program_z)
{
    int fd = bind_any(&s->port);
    if (program_z)
        close(fd);
    s->pid = fork();
    if (s->pid == 0) {
        char port_z[16];
        pin(0);
        if (!program_z)
            bare_loop(fd);
        snprintf(port_z, sizeof(port_z), "%d", s->port);
        if (!freopen("/dev/null", "w", stdout))
            die("/dev/null");
        execl(program_z, program_z, port_z, "echo", (char *)NULL);
        die(program_z);
    }
    if (!program_z)
        close(fd);
}

static int connect_to(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    for (int tries = 0; tries < 200; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            die("socket");
        if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            return fd;
        }
        close(fd);
        usleep(10000);
    }
    die("connect");
}

static void connect_all(struct server *s, const struct load *load)
{
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->fds = calloc((size_t)load->connections, sizeof(*s->fds));
    s->owed = calloc((size_t)load->connections, sizeof(*s->owed));
    if (!s->fds || !s->owed)
        die("calloc");
    for (int i = 0; i < load->connections; i++) {
        s->fds[i] = connect_to(s->port);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->fds[i], &event);
    }
}

static void send_more(struct server *s, int i, size_t len)
{
    if (len && send(s->fds[i], buffer, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("send");
    s->owed[i] += len;
}

/* What came back, as whole messages; a message comes back when its last byte does. */
static int64_t receive(struct server *s, int i, const struct load *load, bool go_on)
{
    ssize_t n = recv(s->fds[i], buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n <= 0)
        die("recv");
    size_t before = (s->owed[i] + load->size - 1) / load->size;
    s->owed[i] -= (size_t)n;
    size_t done = before - (s->owed[i] + load->size - 1) / load->size;
    if (go_on)
        send_more(s, i, done * load->size);
    return (int64_t)done;
}

static bool is_quiet(const struct server *s, const struct load *load)
{
    for (int i = 0; i < load->connections; i++)
        if (s->owed[i])
            return false;
    return true;
}

static void run_slice(struct server *s, const struct load *load, int round)
{
    struct epoll_event events[EVENTS];
    int64_t begin_ns = now_ns(CLOCK_MONOTONIC), cpu_begin_ns = cpu_ns(s->pid), done = 0;
    int64_t now = begin_ns;
    for (int i = 0; i < load->connections; i++)
        send_more(s, i, load->size * load->depth);
    while (now - begin_ns < SLICE_NS || !is_quiet(s, load)) {
        int count = epoll_wait(s->epoll_fd, events, EVENTS, 1000);
        for (int i = 0; i < count; i++)
            done += receive(s, (int)events[i].data.u32, load, now - begin_ns < SLICE_NS);
        now = now_ns(CLOCK_MONOTONIC);
    }
    s->rate[round] = done * 1000000000 / (now - begin_ns);
    s->cost_ns[round] = (double)(cpu_ns(s->pid) - cpu_begin_ns) / (double)done;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, int count)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, values, (size_t)count * sizeof(*values));
    qsort(sorted, (size_t)count, sizeof(*sorted), compare);
    return sorted[count / 2];
}

static void report(const struct server s[SERVERS], const struct load *load)
{
    double ratio[ROUNDS_MAX], rate[SERVERS][ROUNDS_MAX];
    for (int i = 0; i < load->rounds; i++) {
        ratio[i] = s[0].cost_ns[i] / s[1].cost_ns[i];
        for (int k = 0; k < SERVERS; k++)
            rate[k][i] = (double)s[k].rate[i];
    }
    printf("connections %d, size %zu, depth %zu, rounds %d\n", load->connections, load->size,
           load->depth, load->rounds);
    for (int k = 0; k < SERVERS; k++)
        printf("%-10s %8.0f messages/s  %6.2f us CPU a message\n", s[k].name_z,
               median(rate[k], load->rounds), median(s[k].cost_ns, load->rounds) / 1000);
    printf("efficiency %.3f (paired median)\n", median(ratio, load->rounds));
}

static long argument(char **argv, int argc, int at, long value)
{
    long given = argc > at ? strtol(argv[at], NULL, 10) : value;
    return given > 0 ? given : value;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: reel-echo REEL-SERVER [CONNECTIONS [SIZE [DEPTH [ROUNDS]]]]\n");
        return 2;
    }
    struct load load = {(int)argument(argv, argc, 2, 64), (int)argument(argv, argc, 5, 15),
                        (size_t)argument(argv, argc, 3, 64), (size_t)argument(argv, argc, 4, 1)};
    if (load.rounds > ROUNDS_MAX || load.size * load.depth > BYTES) {
        fprintf(stderr, "reel-echo: at most %d rounds, %d bytes under way\n", ROUNDS_MAX, BYTES);
        return 2;
    }
    static struct server servers[SERVERS] = {{.name_z = "bare epoll"}, {.name_z = "reel"}};
    start(&servers[0], NULL);
    start(&servers[1], argv[1]);
    pin(1);
    for (int k = 0; k < SERVERS; k++)
        connect_all(&servers[k], &load);
    srand((unsigned)now_ns(CLOCK_MONOTONIC));
    for (int round = 0; round < load.rounds; round++) {
        int first = rand() % 2;
        run_slice(&servers[first], &load, round);
        run_slice(&servers[1 - first], &load, round);
    }
    report(servers, &load);
    for (int k = 0; k < SERVERS; k++) {
        kill(servers[k].pid, SIGKILL);
        waitpid(servers[k].pid, NULL, 0);
    }
    return 0;
}
