/* The engine's HTTP server against a bare responder, and nginx where it is installed.
 *
 *     reel-http [CONNECTIONS [DEPTH [ROUNDS]]]
 *
 * All servers run at once, on CPU 0, each with connected clients of its own; this program, on CPU 1,
 * gives them slices of a quarter second in random order, and keeps DEPTH requests under way on each
 * connection. The answer has a body of 200 bytes. What counts is the server's CPU time a request;
 * each slice is compared with the bare responder's slice of the same round, and the median over the
 * rounds is told: 1.00 is the bare responder. */
#include <reel/reel.h>

#include "server.h"
#include "sockets.h"
#include "table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERVERS_MAX = 3, EVENTS = 256, BYTES = 1 << 18, BODY = 200 };

#define SLICE_NS INT64_C(250000000)
#define NGINX    "/usr/sbin/nginx"
#define REQUEST  "GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

struct contender {
    const char *name_z;
    pid_t pid;    /* whose CPU time counts */
    pid_t parent; /* to be ended; nginx's master */
    int port;
    size_t answer_len; /* found out by asking once */
    int epoll_fd;
    int *fds;
    size_t *owed; /* bytes of answers */
    double rate[ROUNDS_MAX], cost_ns[ROUNDS_MAX];
};

struct load {
    int connections, depth, rounds;
};

static uint8_t buffer[BYTES];
static char body[BODY];
static char dir_z[] = "/tmp/reel-http-XXXXXX";

/* ---- The bare responder: counts ends of heads, and nothing else. ---- */

static size_t bare_answer(char *out_z, size_t size)
{
    int n = snprintf(out_z, size,
                     "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                     "Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%.*s",
                     BODY, BODY, body);
    return (size_t)n;
}

static void bare_accept(int epoll_fd, int listening)
{
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK), one = 1;
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* How many requests end in `len` bytes; a request is never split by these clients. */
static size_t count_requests(const uint8_t *data, size_t len)
{
    size_t count = 0;
    for (size_t at = 0; at < len; count++) {
        const uint8_t *end = memmem(data + at, len - at, "\r\n\r\n", 4);
        if (!end)
            break;
        at = (size_t)(end - data) + 4;
    }
    return count;
}

static void bare_respond(int fd, const char *answers, size_t answer_len, size_t answers_max)
{
    ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
    size_t count = n > 0 ? count_requests(buffer, (size_t)n) : 0;
    count = count < answers_max ? count : answers_max;
    if (n <= 0 || send(fd, answers, count * answer_len, MSG_NOSIGNAL) < 0)
        close(fd);
}

static void __attribute__((noreturn)) bare_loop(int listening)
{
    enum { ANSWERS_MAX = 256, ANSWER_MAX = 512 };
    static char answers[ANSWERS_MAX * ANSWER_MAX];
    char one[ANSWER_MAX];
    size_t len = bare_answer(one, sizeof(one));
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        memcpy(answers + i * len, one, len);
    int epoll_fd = epoll_create1(0);
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = listening};
    if (listen(listening, 4096) < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listening, &event) < 0)
        die("listen");
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listening)
                bare_accept(epoll_fd, listening);
            else
                bare_respond(events[i].data.fd, answers, len, ANSWERS_MAX);
        }
    }
}

/* ---- The engine's. ---- */

static void handle(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_answer(q, 200, "text/plain", body, BODY);
}

static void __attribute__((noreturn)) reel_loop(int listening)
{
    static const struct reel_http_route routes[] = {{REEL_HTTP_ROUTE("GET", "/x", handle)}, {0}};
    const struct reel_http_options options = {.requests_max = UINT32_MAX};
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct reel_http_site *site = NULL;
    if (!r || reel_http_site_new(r, routes, &options, &site) < 0 || listen(listening, 4096) < 0 ||
        reel_listen_fd(r, listening, NULL, reel_http_factory(site), NULL) < 0)
        die("reel");
    reel_run(r);
    exit(0);
}

/* ---- nginx, with the same body as a file in its cache: `return` of a text. ---- */

static void write_config(int port)
{
    char path_z[64];
    snprintf(path_z, sizeof(path_z), "%s/nginx.conf", dir_z);
    FILE *file = fopen(path_z, "w");
    if (!file)
        die(path_z);
    fprintf(file,
            "daemon off; worker_processes 1; pid %s/pid; error_log /dev/null;\n"
            "events { worker_connections 4096; }\n"
            "http { access_log off; keepalive_requests 1000000000; default_type text/plain;\n"
            "  client_body_temp_path %s/a; proxy_temp_path %s/b; fastcgi_temp_path %s/c;\n"
            "  uwsgi_temp_path %s/d; scgi_temp_path %s/e;\n"
            "  server { listen 127.0.0.1:%d; location / { return 200 \"%.*s\"; } } }\n",
            dir_z, dir_z, dir_z, dir_z, dir_z, dir_z, port, BODY, body);
    fclose(file);
}

/* The worker: the master's only child. 0: not there yet. */
static pid_t child_of(pid_t pid)
{
    char path_z[64];
    int child = 0;
    snprintf(path_z, sizeof(path_z), "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path_z, "r");
    if (file && fscanf(file, "%d", &child) != 1)
        child = 0;
    if (file)
        fclose(file);
    return child;
}

/* ---- Starting. ---- */

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

static void start(struct contender *s, const char *name_z, void (*loop)(int listening))
{
    int fd = bind_any(&s->port);
    s->name_z = name_z;
    if (!loop) {
        close(fd);
        write_config(s->port);
    }
    s->pid = s->parent = fork();
    if (s->pid == 0) {
        pin(0);
        if (loop)
            loop(fd);
        char path_z[64];
        snprintf(path_z, sizeof(path_z), "%s/nginx.conf", dir_z);
        execl(NGINX, NGINX, "-e", "/dev/null", "-p", dir_z, "-c", path_z, (char *)NULL);
        die(NGINX);
    }
    if (loop)
        close(fd);
}

static int connect_when_ready(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    for (int tries = 0; tries < 500; tries++) {
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

/* One request, to learn how long an answer is. */
static size_t ask_once(int fd)
{
    size_t len = 0;
    if (send(fd, REQUEST, sizeof(REQUEST) - 1, MSG_NOSIGNAL) < 0)
        die("send");
    for (;;) {
        ssize_t n = recv(fd, buffer + len, sizeof(buffer) - len, 0);
        if (n <= 0)
            die("recv");
        len += (size_t)n;
        const uint8_t *end = memmem(buffer, len, "\r\n\r\n", 4);
        if (end && len >= (size_t)(end - buffer) + 4 + BODY)
            return len;
    }
}

static void connect_all(struct contender *s, const struct load *load)
{
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->fds = calloc((size_t)load->connections, sizeof(*s->fds));
    s->owed = calloc((size_t)load->connections, sizeof(*s->owed));
    if (!s->fds || !s->owed)
        die("calloc");
    for (int i = 0; i < load->connections; i++) {
        s->fds[i] = connect_when_ready(s->port);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->fds[i], &event);
    }
    s->answer_len = ask_once(s->fds[0]);
    pid_t worker = child_of(s->parent);
    if (worker)
        s->pid = worker;
}

/* ---- Load. ---- */

static char requests[1024 * (sizeof(REQUEST) - 1)];

static void ask(struct contender *s, int i, size_t count)
{
    size_t len = count * (sizeof(REQUEST) - 1);
    if (len && send(s->fds[i], requests, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("send");
    s->owed[i] += count * s->answer_len;
}

/* Answers that came to their ends; a new request for each. */
static int64_t receive(struct contender *s, int i, bool go_on)
{
    ssize_t n = recv(s->fds[i], buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n <= 0)
        die("recv");
    size_t before = (s->owed[i] + s->answer_len - 1) / s->answer_len;
    s->owed[i] -= (size_t)n;
    size_t done = before - (s->owed[i] + s->answer_len - 1) / s->answer_len;
    if (go_on)
        ask(s, i, done);
    return (int64_t)done;
}

static bool is_quiet(const struct contender *s, const struct load *load)
{
    for (int i = 0; i < load->connections; i++)
        if (s->owed[i])
            return false;
    return true;
}

static void run_slice(struct contender *s, const struct load *load, int round)
{
    struct epoll_event events[EVENTS];
    int64_t begin_ns = clock_ns(CLOCK_MONOTONIC), cpu_begin_ns = process_cpu_ns(s->pid), done = 0;
    int64_t now = begin_ns;
    for (int i = 0; i < load->connections; i++)
        ask(s, i, (size_t)load->depth);
    while (now - begin_ns < SLICE_NS || !is_quiet(s, load)) {
        int count = epoll_wait(s->epoll_fd, events, EVENTS, 1000);
        for (int i = 0; i < count; i++)
            done += receive(s, (int)events[i].data.u32, now - begin_ns < SLICE_NS);
        now = clock_ns(CLOCK_MONOTONIC);
    }
    s->rate[round] = (double)done * 1e9 / (double)(now - begin_ns);
    s->cost_ns[round] = (double)(process_cpu_ns(s->pid) - cpu_begin_ns) / (double)done;
}

static void report(const struct contender *s, int count, const struct load *load)
{
    printf("http: %d connections, depth %d, body %d bytes, %d rounds\n", load->connections,
           load->depth, BODY, load->rounds);
    for (int k = 0; k < count; k++) {
        double ratio[ROUNDS_MAX];
        for (int i = 0; i < load->rounds; i++)
            ratio[i] = s[0].cost_ns[i] / s[k].cost_ns[i];
        printf("%-8s %9.0f requests/s  %6.2f us CPU a request  efficiency %.2f\n", s[k].name_z,
               median_of(s[k].rate, load->rounds), median_of(s[k].cost_ns, load->rounds) / 1000,
               median_of(ratio, load->rounds));
    }
}

static int argument(char **argv, int argc, int at, int value, int max)
{
    long given = argc > at ? strtol(argv[at], NULL, 10) : value;
    return given > 0 && given <= max ? (int)given : value;
}

static void run_rounds(struct contender *servers, int count, const struct load *load)
{
    srand((unsigned)clock_ns(CLOCK_MONOTONIC));
    for (int round = 0; round < load->rounds; round++) {
        int order[SERVERS_MAX] = {0, 1, 2};
        for (int i = count - 1; i > 0; i--) {
            int k = rand() % (i + 1), swap = order[i];
            order[i] = order[k];
            order[k] = swap;
        }
        for (int i = 0; i < count; i++)
            run_slice(&servers[order[i]], load, round);
    }
}

static void clean_up(const struct contender *servers, int count)
{
    for (int k = 0; k < count; k++) {
        kill(servers[k].parent, k < 2 ? SIGKILL : SIGTERM);
        waitpid(servers[k].parent, NULL, 0);
    }
    char command_z[64];
    snprintf(command_z, sizeof(command_z), "rm -rf %s", dir_z);
    if (system(command_z) != 0)
        fprintf(stderr, "reel-http: %s is left\n", dir_z);
}

int main(int argc, char **argv)
{
    struct load load = {argument(argv, argc, 1, 64, 10000), argument(argv, argc, 2, 1, 256),
                        argument(argv, argc, 3, 15, ROUNDS_MAX)};
    static struct contender servers[SERVERS_MAX];
    int count = 2;
    memset(body, 'x', sizeof(body));
    for (size_t i = 0; i < 1024; i++)
        memcpy(requests + i * (sizeof(REQUEST) - 1), REQUEST, sizeof(REQUEST) - 1);
    if (!mkdtemp(dir_z))
        die(dir_z);
    start(&servers[0], "bare", bare_loop);
    start(&servers[1], "reel", reel_loop);
    if (access(NGINX, X_OK) == 0)
        start(&servers[count++], "nginx", NULL);
    pin(1);
    for (int k = 0; k < count; k++)
        connect_all(&servers[k], &load);
    run_rounds(servers, count, &load);
    report(servers, count, &load);
    clean_up(servers, count);
    return 0;
}
