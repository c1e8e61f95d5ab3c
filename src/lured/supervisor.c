#include "lured/supervisor.h"

#include "base/error.h"
#include "lured/channel.h"
#include "lured/recording.h"
#include "lured/sensor.h"
#include "session/ssh_service.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <reel/endpoint.h>
#include <reel/protocol.h>
#include <reel/reactor.h>
#include <reel/signal.h>
#include <reel/tcp.h>
#include <reel/timer.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

/* Who is stopped first comes first: the recorder hears the sensor to its end. */
enum child_role { CHILD_SENSOR, CHILD_RECORDER, CHILDREN };

struct supervisor;

struct child {
    struct supervisor *supervisor;
    const char *name_z;
    int (*main)(struct supervisor *s, int link, int channel);
    enum channel_message news; /* tells the other child of a new socket to it */
    pid_t pid;                 /* 0: not running */
    int channel;               /* -1: not running */
    int link;                  /* its end of a socket to the other, for its next start; -1: none */
    struct reel_watch watch;
    struct reel_timer timer; /* until it is started again, or killed */
    int64_t started_ns;
    int deaths; /* young, in a row */
};

struct supervisor {
    const struct config *config;
    struct world world;
    int data, lock, empty_root;
    int bell; /* by which sensors wake the recorder: one for all of both that there will be */
    struct record_dirs dirs;
    struct passwd *user; /* NULL: not root, or root stays root */
    struct reel_reactor *reactor;
    struct reel_signal signals[3], child_signal;
    struct sensor_start sensor;
    struct reel_listener *listeners[SENSOR_PORTS_MAX];
    struct child children[CHILDREN];
    bool ready, stopping;
    int status;
};

static int complain(const char *what_z, int error)
{
    (void)fprintf(stderr, "lured: %s: %s\n", what_z,
                  error > -1000 ? strerror(-error) : error_text(error));
    return error;
}

/* ---- The children's side of the fork ---- */

static struct sandbox sandbox_of(const struct supervisor *s, enum sandbox_role role)
{
    struct sandbox sandbox = {.role = role,
                              .drop = s->user != NULL,
                              .uid = s->user != NULL ? s->user->pw_uid : 0,
                              .gid = s->user != NULL ? s->user->pw_gid : 0,
                              .empty_root = s->empty_root};
    if (role == SANDBOX_RECORDER) {
        record_dirs_all(&s->dirs, sandbox.folders);
        sandbox.folder_count = RECORD_DIRS;
    }
    return sandbox;
}

static int run_sensor(struct supervisor *s, int link, int channel)
{
    s->sensor.world = &s->world;
    s->sensor.recorder = link;
    s->sensor.channel = channel;
    s->sensor.bell = s->bell;
    s->sensor.sandbox = sandbox_of(s, SANDBOX_SENSOR);
    return sensor_main(&s->sensor);
}

static int run_recorder(struct supervisor *s, int link, int channel)
{
    const struct recording_start start = {
        .dirs = s->dirs,
        .options = {.segment_max = s->config->record_segment_mib * MIB,
                    .cast_max = s->config->record_recording_mib * MIB,
                    .retention = {.keep_s = (int64_t)s->config->record_keep_days * 86400,
                                  .bytes_max = s->config->record_all_mib * MIB},
                    .visits_max = s->config->visitors_all_mib * MIB,
                    .visits_s = (int64_t)s->config->visitors_keep_s,
                    .sensor = {span_z(s->world.sensor_z),
                               span_z(s->world.identity.machine.sensor_z)}},
        .sensor = link,
        .channel = channel,
        .bell = s->bell,
        .sandbox = sandbox_of(s, SANDBOX_RECORDER)};
    return recording_main(&start);
}

static int compare_ints(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The parent's reactor, its other channels, the lock: none of it is the child's. */
static void close_others(const struct supervisor *s, enum child_role role, int link, int channel)
{
    int keep[SENSOR_PORTS_MAX + 8] = {0, 1, 2, link, channel, s->bell};
    size_t n = 6;
    if (s->empty_root >= 0)
        keep[n++] = s->empty_root;
    int dirs[RECORD_DIRS];
    record_dirs_all(&s->dirs, dirs);
    for (size_t i = 0; role == CHILD_RECORDER && i < RECORD_DIRS; i++)
        keep[n++] = dirs[i];
    for (size_t i = 0; role == CHILD_SENSOR && i < s->sensor.port_count; i++)
        keep[n++] = s->sensor.ports[i].fd;
    qsort(keep, n, sizeof(keep[0]), compare_ints);
    for (size_t i = 0; i < n; i++) {
        unsigned first = (unsigned)keep[i] + 1;
        unsigned last = i + 1 < n ? (unsigned)keep[i + 1] : ~0U;
        if (first < last)
            (void)close_range(first, last == ~0U ? last : last - 1, 0);
    }
}

static void become_child(struct supervisor *s, enum child_role role, int link, int channel)
{
    char name_z[16];
    sigset_t none;
    (void)sigemptyset(&none);
    /* A Ctrl-C reaches all; it is the supervisor that ends the others, in order. */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error to handle, no death */
    close_others(s, role, link, channel);
    /* Nothing is read from the owner's terminal. */
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)close(null);
    }
    (void)snprintf(name_z, sizeof(name_z), "lured-%s", s->children[role].name_z);
    (void)prctl(PR_SET_NAME, name_z, 0, 0, 0); /* for ps and top */
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int status = s->children[role].main(s, link, channel);
    (void)fflush(NULL);
    _exit(status);
}

/* ---- Starting and restarting ---- */

static void on_channel(struct reel_watch *watch, uint32_t events);

static struct child *other(struct child *c)
{
    struct child *all = c->supervisor->children;
    return c == &all[CHILD_SENSOR] ? &all[CHILD_RECORDER] : &all[CHILD_SENSOR];
}

/* A socket between the two: one end for this start, the other to the one that runs, or kept for its
 * own start. */
static int make_link(struct child *c)
{
    struct child *peer = other(c);
    int fds[2];
    if (c->link >= 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    c->link = fds[0];
    int error = 0;
    if (peer->pid == 0) {
        peer->link = fds[1];
        return 0;
    }
    error = channel_send(peer->channel, peer->news, fds[1]);
    (void)close(fds[1]);
    /* One that cannot be told is dying: its next start brings a new socket. */
    return error == -EPIPE || error == -ECONNRESET ? 0 : error;
}

static int spawn(struct child *c)
{
    struct supervisor *s = c->supervisor;
    int channel[2];
    int error = make_link(c);
    if (error < 0)
        return error;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
        return -errno;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become_child(s, (enum child_role)(c - s->children), c->link, channel[1]);
    error = pid < 0 ? -errno : 0;
    (void)close(channel[1]);
    (void)close(c->link);
    c->link = -1;
    if (error < 0) {
        (void)close(channel[0]);
        return error;
    }
    c->pid = pid;
    c->channel = channel[0];
    c->started_ns = reel_now_ns(s->reactor);
    return reel_watch_start(&c->watch, s->reactor, c->channel, EPOLLIN, on_channel);
}

static void stop(struct supervisor *s, int status);

static void on_child_timer(struct reel_timer *timer)
{
    struct child *c = (struct child *)((char *)timer - offsetof(struct child, timer));
    if (c->supervisor->stopping) {
        if (c->pid > 0)
            (void)kill(c->pid, SIGKILL);
        return;
    }
    int error = spawn(c);
    if (error < 0) {
        (void)complain(c->name_z, error);
        reel_timer_start(&c->timer, SUPERVISOR_BACKOFF_MAX_MS * REEL_MS);
    }
}

static void restart(struct child *c, int status)
{
    struct supervisor *s = c->supervisor;
    bool young = reel_now_ns(s->reactor) - c->started_ns < SUPERVISOR_YOUNG_MS * REEL_MS;
    c->deaths = young ? c->deaths + 1 : 0;
    int64_t delay_ms = SUPERVISOR_BACKOFF_MS;
    for (int i = 1; i < c->deaths && delay_ms < SUPERVISOR_BACKOFF_MAX_MS; i++)
        delay_ms *= 2;
    if (WIFSIGNALED(status))
        (void)fprintf(stderr, "lured: %s died of signal %d, starting it again\n", c->name_z,
                      WTERMSIG(status));
    else
        (void)fprintf(stderr, "lured: %s ended with status %d, starting it again\n", c->name_z,
                      WEXITSTATUS(status));
    reel_timer_start(&c->timer,
                     (delay_ms < SUPERVISOR_BACKOFF_MAX_MS ? delay_ms : SUPERVISOR_BACKOFF_MAX_MS) *
                         REEL_MS);
}

/* ---- Stopping: the sensor, then the recorder, then we ---- */

static void stop_next(struct supervisor *s)
{
    for (int i = 0; i < CHILDREN; i++) {
        struct child *c = &s->children[i];
        if (c->pid > 0) {
            (void)kill(c->pid, SIGTERM);
            reel_timer_start(&c->timer, SUPERVISOR_STOP_MS * REEL_MS);
            return;
        }
    }
    reel_stop(s->reactor);
}

static void stop(struct supervisor *s, int status)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->status = status;
    for (int i = 0; i < CHILDREN; i++)
        reel_timer_stop(&s->children[i].timer);
    stop_next(s);
}

static void on_stop_signal(struct reel_signal *signal)
{
    const struct reel_signal *first = signal;
    /* The array lies at a known place for each of the three numbers. */
    first -= signal->number == SIGTERM ? 0 : signal->number == SIGINT ? 1 : 2;
    stop((struct supervisor *)((char *)first - offsetof(struct supervisor, signals)), 0);
}

static void on_child_died(struct supervisor *s, struct child *c, int status)
{
    reel_watch_stop(&c->watch);
    (void)close(c->channel);
    c->channel = -1;
    c->pid = 0;
    reel_timer_stop(&c->timer);
    if (s->stopping) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            s->status = 1;
        stop_next(s);
    } else if (!s->ready) {
        /* What stops a child at its first start would stop it at the next; it has said what. */
        stop(s, 1);
    } else {
        restart(c, status);
    }
}

static void on_child_signal(struct reel_signal *signal)
{
    struct supervisor *s =
        (struct supervisor *)((char *)signal - offsetof(struct supervisor, child_signal));
    for (int i = 0; i < CHILDREN; i++) {
        struct child *c = &s->children[i];
        int status = 0;
        if (c->pid > 0 && waitpid(c->pid, &status, WNOHANG) == c->pid)
            on_child_died(s, c, status);
    }
}

/* ---- Ready ---- */

/* A port that the system picked is shown as it is. */
static void print_ready(const struct supervisor *s)
{
    (void)fputs("ready:", stdout);
    for (size_t i = 0; i < s->sensor.port_count; i++) {
        const struct sensor_port *port = &s->sensor.ports[i];
        (void)printf("%s %s %s", i > 0 ? "," : "", port->service->name_z, port->endpoint_z);
        if (strncmp(port->endpoint_z, "tcp:0", 5) == 0)
            (void)printf(" (port %u)", reel_listener_port(s->listeners[i]));
    }
    (void)fputs("\n", stdout);
    (void)fflush(stdout);
}

static void on_channel(struct reel_watch *watch, uint32_t events)
{
    struct child *c = (struct child *)((char *)watch - offsetof(struct child, watch));
    struct supervisor *s = c->supervisor;
    int fd = -1;
    (void)events;
    int message = channel_receive(c->channel, &fd);
    if (fd >= 0)
        (void)close(fd);
    if (message == CHANNEL_READY && c == &s->children[CHILD_SENSOR]) {
        if (!s->ready)
            print_ready(s);
        s->ready = true;
    } else if (message != -EAGAIN) {
        reel_watch_stop(watch); /* its end comes as SIGCHLD */
    }
}

/* ---- Opening ---- */

static int open_data(struct supervisor *s)
{
    const char *path_z = s->config->data;
    if (mkdir(path_z, S_IRWXU) < 0 && errno != EEXIST)
        return complain(path_z, -errno);
    s->data = open(path_z, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->data < 0 || fchmod(s->data, S_IRWXU) < 0)
        return complain(path_z, -errno);
    s->lock = openat(s->data, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock < 0)
        return complain(path_z, -errno);
    if (flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
        (void)fprintf(stderr, "lured: %s: another lured is using it\n", path_z);
        return -EWOULDBLOCK;
    }
    return 0;
}

/* The recorder's folders, for the user that it becomes. All else there stays ours: a recorder that
 * was taken over cannot reach the identity. */
static int open_dirs(struct supervisor *s)
{
    int error = record_dirs_open(&s->dirs, s->data);
    if (error < 0)
        return complain(s->config->data, error);
    int dirs[RECORD_DIRS];
    record_dirs_all(&s->dirs, dirs);
    for (size_t i = 0; i < RECORD_DIRS && s->user != NULL; i++)
        if (fchown(dirs[i], s->user->pw_uid, s->user->pw_gid) < 0)
            return complain(s->config->data, -errno);
    return 0;
}

static int open_user(struct supervisor *s)
{
    if (geteuid() != 0)
        return 0;
    s->user = getpwnam(s->config->user);
    if (s->user == NULL) {
        (void)fprintf(stderr, "lured: key \"user\": there is no user \"%s\"\n", s->config->user);
        return -ENOENT;
    }
    if (s->user->pw_uid == 0) {
        (void)fprintf(stderr, "lured: key \"user\": must not be root\n");
        return -EINVAL;
    }
    /* Deleted at once: nobody can ever put anything there. */
    (void)unlinkat(s->data, "empty", AT_REMOVEDIR);
    if (mkdirat(s->data, "empty", 0) < 0)
        return complain("empty root", -errno);
    s->empty_root = openat(s->data, "empty", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->empty_root < 0 || unlinkat(s->data, "empty", AT_REMOVEDIR) < 0)
        return complain("empty root", -errno);
    return 0;
}

/* Connections that wait to be accepted, as sshd has it (SSH_LISTEN_BACKLOG). */
enum { BACKLOG = 128 };

static const struct reel_protocol NO_PROTOCOL = {.name_z = "port"};
/* What the connections inherit is as the sensor's own factories have it (serve.c). */
static const struct reel_factory NO_FACTORY = {.protocol = &NO_PROTOCOL,
                                               .options = {.delay = true}};

/* Bound here, with the rights to; answered by the sensor. */
static int bind_port(struct supervisor *s, const struct service *service, const char *endpoint_z)
{
    if (config_is_off(endpoint_z))
        return 0;
    size_t i = s->sensor.port_count;
    int error = reel_listen(s->reactor, endpoint_z, &NO_FACTORY, &s->listeners[i]);
    if (error < 0)
        return complain(endpoint_z, error);
    reel_listener_pause(s->listeners[i]);
    (void)listen(reel_listener_fd(s->listeners[i]), BACKLOG);
    s->sensor.ports[i] =
        (struct sensor_port){service, endpoint_z, reel_listener_fd(s->listeners[i])};
    s->sensor.port_count++;
    return 0;
}

static int watch_signals(struct supervisor *s)
{
    static const int STOP[] = {SIGTERM, SIGINT, SIGHUP};
    int error = 0;
    for (size_t i = 0; i < ARRAY_LEN(STOP) && error == 0; i++)
        error = reel_signal_start(&s->signals[i], s->reactor, STOP[i], on_stop_signal);
    if (error == 0)
        error = reel_signal_start(&s->child_signal, s->reactor, SIGCHLD, on_child_signal);
    return error < 0 ? complain("signals", error) : 0;
}

static int open_world(struct supervisor *s)
{
    char why_z[WORLD_WHY_SIZE];
    int error = world_open(&s->world, s->config, s->data, reel_wall_us(s->reactor) / 1000, why_z);
    if (error < 0)
        (void)fprintf(stderr, "lured: %s\n", why_z);
    return error;
}

static int start_children(struct supervisor *s)
{
    s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = s->bell < 0 ? -errno : 0;
    s->children[CHILD_SENSOR] =
        (struct child){.name_z = "sensor", .main = run_sensor, .news = CHANNEL_RECORDER};
    s->children[CHILD_RECORDER] =
        (struct child){.name_z = "recorder", .main = run_recorder, .news = CHANNEL_SENSOR};
    for (int i = 0; i < CHILDREN; i++) {
        struct child *c = &s->children[i];
        c->supervisor = s;
        c->channel = c->link = -1;
        if (error == 0)
            error = reel_timer_init(&c->timer, s->reactor, on_child_timer);
    }
    for (int i = CHILDREN - 1; i >= 0 && error == 0; i--)
        error = spawn(&s->children[i]);
    return error < 0 ? complain("start", error) : 0;
}

/* A descriptor a connection: as many as we may. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_all(struct supervisor *s)
{
    static const struct reel_reactor_options options = {.backend_z = "epoll"}; /* see sensor.c */
    raise_descriptors();
    s->reactor = reel_reactor_new(&options);
    if (s->reactor == NULL)
        return complain("reactor", -errno);
    int error = open_data(s);
    /* The ports first: the likeliest to be wrong, and quick to tell. */
    if (error == 0)
        error = bind_port(s, &session_ssh_service, s->config->ssh_endpoint);
    if (error == 0)
        error = open_user(s);
    if (error == 0)
        error = open_dirs(s);
    if (error == 0)
        error = open_world(s);
    if (error == 0)
        error = watch_signals(s);
    return error;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

int supervisor_main(const struct config *config)
{
    struct supervisor *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return 1;
    s->config = config;
    s->data = s->lock = s->empty_root = s->bell = -1;
    s->dirs = (struct record_dirs){-1, -1, -1, -1};
    int error = open_all(s);
    if (error == 0)
        error = start_children(s);
    if (error < 0 && s->children[0].supervisor != NULL)
        stop(s, 1);
    if (s->children[0].supervisor != NULL)
        (void)reel_run(s->reactor);
    int status = error < 0 ? 1 : s->status;
    for (int i = 0; i < CHILDREN; i++) {
        close_fd(s->children[i].supervisor != NULL ? s->children[i].channel : -1);
        close_fd(s->children[i].supervisor != NULL ? s->children[i].link : -1);
    }
    reel_reactor_free(s->reactor);
    world_close(&s->world);
    record_dirs_close(&s->dirs);
    close_fd(s->empty_root);
    close_fd(s->bell);
    close_fd(s->lock);
    close_fd(s->data);
    free(s);
    return status;
}
