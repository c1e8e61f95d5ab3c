/* UDP: the engine's echo against a bare epoll loop, in turns on one machine.
 *
 *     reel-udp [PEERS [SIZE [DEPTH [ROUNDS]]]]
 *
 * Both servers run at once, on CPU 0; this program, on CPU 1, gives them slices of a quarter second in
 * random order. It keeps DEPTH datagrams of SIZE bytes under way from each of PEERS sockets. What
 * counts is the server's CPU time a datagram, and of that the median over the rounds of the bare loop's
 * time over the engine's: above 1, the engine is the cheaper one. The bare loop is recvfrom and sendto
 * until EAGAIN: what everybody would write first. */
#include <reel/reel.h>

#include "server.h"
#include "sockets.h"
#include "table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERVERS = 2, EVENTS = 256, BYTES = 2048, BATCH = 64 };

#define SLICE_NS INT64_C(250000000)
#define LOST_NS  INT64_C(100000000) /* a datagram that is so late was dropped on the way */

struct contender {
    const char *name_z;
    pid_t pid;
    int port;
    int epoll_fd;
    int *fds;
    int *owed; /* datagrams that each socket waits for */
    int64_t lost;
    double rate[ROUNDS_MAX], cost_ns[ROUNDS_MAX];
};

struct load {
    int peers, rounds, depth;
    size_t size;
};

static uint8_t buffers[BATCH][BYTES];
static struct iovec parts[BATCH];
static struct mmsghdr messages[BATCH];

static int bind_any(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        die("bind");
    *port = ntohs(a.sin_port);
    return fd;
}

static void __attribute__((noreturn)) bare_loop(int fd)
{
    static uint8_t buffer[65536];
    int epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
    for (;;) {
        epoll_wait(epoll_fd, &event, 1, -1);
        for (;;) {
            struct sockaddr_in from;
            socklen_t len = sizeof(from);
            ssize_t n = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &len);
            if (n < 0)
                break;
            sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&from, len);
        }
    }
}

static void echo(struct reel_datagram *d, const uint8_t *data, size_t len,
                 const struct reel_address *from)
{
    reel_datagram_send(d, data, len, from);
}

static void __attribute__((noreturn)) reel_loop(int fd)
{
    static const struct reel_datagram_protocol protocol = {.name_z = "echo", .received = echo};
    static const struct reel_datagram_factory factory = {.protocol = &protocol};
    struct reel_reactor *r = reel_reactor_new(NULL);
    if (!r || reel_datagram_adopt(r, fd, &factory, NULL) < 0)
        die("reel");
    reel_run(r);
    exit(1);
}

static void start(struct contender *s, void (*loop)(int fd))
{
    int fd = bind_any(&s->port);
    s->pid = fork();
    if (s->pid == 0) {
        pin(0);
        loop(fd);
    }
    close(fd);
}

static void open_peers(struct contender *s, const struct load *load)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)s->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->fds = calloc((size_t)load->peers, sizeof(*s->fds));
    s->owed = calloc((size_t)load->peers, sizeof(*s->owed));
    if (!s->fds || !s->owed)
        die("calloc");
    for (int i = 0; i < load->peers; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        s->fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (s->fds[i] < 0 || connect(s->fds[i], (struct sockaddr *)&a, sizeof(a)) < 0)
            die("connect");
        epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->fds[i], &event);
    }
}

static void prepare(size_t size)
{
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){buffers[i], size};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
}

static void send_more(struct contender *s, int i, int count)
{
    while (count > 0) {
        int n = sendmmsg(s->fds[i], messages, (unsigned)(count < BATCH ? count : BATCH), 0);
        if (n <= 0)
            die("sendmmsg");
        s->owed[i] += n;
        count -= n;
    }
}

static int receive(struct contender *s, int i)
{
    int n = recvmmsg(s->fds[i], messages, BATCH, MSG_DONTWAIT, NULL);
    if (n < 0)
        return 0;
    s->owed[i] -= n;
    return n;
}

/* Drops on the way would stop it: whoever waited too long begins anew. */
static void give_up(struct contender *s, const struct load *load, bool go_on)
{
    for (int i = 0; i < load->peers; i++) {
        s->lost += s->owed[i];
        s->owed[i] = 0;
        if (go_on)
            send_more(s, i, load->depth);
    }
}

static bool is_quiet(const struct contender *s, const struct load *load)
{
    for (int i = 0; i < load->peers; i++)
        if (s->owed[i] > 0)
            return false;
    return true;
}

static void run_slice(struct contender *s, const struct load *load, int round)
{
    struct epoll_event events[EVENTS];
    int64_t begin_ns = clock_ns(CLOCK_MONOTONIC), cpu_begin_ns = process_cpu_ns(s->pid), done = 0;
    int64_t now = begin_ns;
    for (int i = 0; i < load->peers; i++)
        send_more(s, i, load->depth);
    while (now - begin_ns < SLICE_NS || !is_quiet(s, load)) {
        int count = epoll_wait(s->epoll_fd, events, EVENTS, (int)(LOST_NS / 1000000));
        bool go_on = now - begin_ns < SLICE_NS;
        if (count == 0)
            give_up(s, load, go_on);
        for (int k = 0; k < count; k++) {
            int i = (int)events[k].data.u32;
            int n = receive(s, i);
            done += n;
            if (go_on)
                send_more(s, i, n);
        }
        now = clock_ns(CLOCK_MONOTONIC);
    }
    s->rate[round] = (double)done * 1e9 / (double)(now - begin_ns);
    s->cost_ns[round] = (double)(process_cpu_ns(s->pid) - cpu_begin_ns) / (double)done;
}

static void report(const struct contender s[SERVERS], const struct load *load)
{
    double ratio[ROUNDS_MAX];
    for (int i = 0; i < load->rounds; i++)
        ratio[i] = s[0].cost_ns[i] / s[1].cost_ns[i];
    printf("peers %d, size %zu, depth %d, rounds %d\n", load->peers, load->size, load->depth,
           load->rounds);
    for (int k = 0; k < SERVERS; k++)
        printf("%-10s %8.0f datagrams/s  %6.2f us CPU a datagram, %lld lost\n", s[k].name_z,
               median_of(s[k].rate, load->rounds), median_of(s[k].cost_ns, load->rounds) / 1000,
               (long long)s[k].lost);
    printf("efficiency %.3f (paired median)\n", median_of(ratio, load->rounds));
}

static long argument(char **argv, int argc, int at, long value)
{
    long given = argc > at ? strtol(argv[at], NULL, 10) : value;
    return given > 0 ? given : value;
}

int main(int argc, char **argv)
{
    struct load load = {(int)argument(argv, argc, 1, 1), (int)argument(argv, argc, 4, 15),
                        (int)argument(argv, argc, 3, 64), (size_t)argument(argv, argc, 2, 64)};
    if (load.rounds > ROUNDS_MAX || load.size > BYTES) {
        fprintf(stderr, "usage: reel-udp [PEERS [SIZE [DEPTH [ROUNDS]]]]\n"
                        "reel-udp: at most 101 rounds, 2048 bytes\n");
        return 2;
    }
    static struct contender servers[SERVERS] = {{.name_z = "bare epoll"}, {.name_z = "reel"}};
    start(&servers[0], bare_loop);
    start(&servers[1], reel_loop);
    pin(1);
    prepare(load.size);
    for (int k = 0; k < SERVERS; k++)
        open_peers(&servers[k], &load);
    srand((unsigned)clock_ns(CLOCK_MONOTONIC));
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
