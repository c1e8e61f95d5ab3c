#include "lured/sensor.h"

#include "base/error.h"
#include "cpu/cpu.h"
#include "events/event.h"
#include "lured/channel.h"
#include "lured/serve.h"
#include "persona/image.h"
#include "session/session_host.h"
#include "ssh/profile.h"
#include "ssh/ssh.h"

#include <assert.h>
#include <errno.h>
#include <reel/signal.h>
#include <reel/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

/* Decoded code of the guests, shared by all machines. */
#define CODE_BYTES_MAX ((size_t)256 * 1024 * 1024)
/* Starts of programs that were learned. */
#define SNAPSHOT_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define MIB                (UINT64_C(1) << 20)
#define PAGE               4096

struct sensor {
    const struct sensor_start *start;
    struct event_sensor name;
    struct ssh_profile profile;
    struct ssh_server *ssh_server;
    struct cpu_code *code;
    struct kernel_snapshots *snapshots;
    struct session_host *host;

    struct reel_reactor *reactor;
    struct record_client client;
    struct serve serve;
    struct serve_port ports[SENSOR_PORTS_MAX];
    struct reel_listener *listeners[SENSOR_PORTS_MAX];
    struct reel_signal terminate;
    struct reel_watch channel;
    struct reel_timer patience; /* while stopping, and while alone */
    bool stopping, drained;     /* asked to stop; the last connection is gone */
    int status;
};

static int complain(const char *what_z, int error)
{
    (void)fprintf(stderr, "lured: sensor: %s: %s\n", what_z,
                  error > -1000 ? strerror(error < 0 ? -error : error) : error_text(error));
    return 1;
}

/* ---- Making, with all rights ---- */

static struct session_limits limits_of(const struct config *config)
{
    struct session_limits limits = session_limits_default;
    limits.idle_ms = (int64_t)config->limits_idle_s * 1000;
    limits.total_ms = (int64_t)config->limits_session_s * 1000;
    limits.output_bytes = config->limits_output_mib * MIB;
    limits.failed_tries = (uint32_t)config->limits_refused_passwords;
    limits.kernel = kernel_limits_default;
    limits.kernel.instructions = config->limits_instructions;
    limits.kernel.memory_pages = (uint32_t)(config->limits_memory_mib * (MIB / PAGE));
    limits.kernel.processes = (uint32_t)config->limits_processes;
    limits.kernel.files = (uint32_t)config->limits_files;
    limits.kernel.overlay_bytes = config->limits_disk_mib * MIB;
    return limits;
}

static struct session_visitors visitors_of(const struct config *config)
{
    const char *by_z = config->visitors_known_by;
    bool either = strcmp(by_z, "either") == 0;
    return (struct session_visitors){
        .remembered = config->visitors_remember != 0,
        .by_address = either || strcmp(by_z, "address") == 0,
        .by_login = either || strcmp(by_z, "login") == 0,
        .one_password = config->visitors_one_password != 0,
        .bytes_max = config->visitors_one_mib * MIB,
    };
}

/* The groups for key exchange are those of the persona's own file, as sshd would read it. */
static int give_moduli(struct ssh_server *server, const struct persona_image *image)
{
    struct persona_node node;
    uint32_t ino = persona_image_lookup(image, span_z("/etc/ssh/moduli"));
    if (ino == 0 || !persona_image_node(image, ino, &node))
        return 0;
    return ssh_server_set_moduli(server, node.data);
}

static int make_ssh(struct sensor *s, const struct world *world)
{
    struct span keys[IDENTITY_KEYS];
    int error = 0;
    s->profile = *world->profile;
    if (world->config->limits_login_tries != 0)
        s->profile.auth_tries_max = (uint32_t)world->config->limits_login_tries;
    if (world->config->limits_login_s != 0)
        s->profile.login_grace_ms = (uint32_t)world->config->limits_login_s * 1000;
    s->profile.alive_interval_ms = (uint32_t)world->config->ssh_client_alive_s * 1000;
    s->profile.alive_count_max = (uint32_t)world->config->ssh_client_alive_count;
    for (int i = 0; i < IDENTITY_KEYS; i++)
        keys[i] = buffer_span(&world->identity.keys[i]);
    s->ssh_server = ssh_server_new(&s->profile, keys, IDENTITY_KEYS, &error);
    if (s->ssh_server != NULL)
        ssh_server_set_key_log(s->ssh_server, world->config->ssh_key_log != 0);
    if (s->ssh_server != NULL)
        ssh_server_set_waits(s->ssh_server, world->config->ssh_waits != 0);
    return s->ssh_server == NULL ? error : give_moduli(s->ssh_server, world->image);
}

static int make_host(struct sensor *s)
{
    const struct world *world = s->start->world;
    s->name =
        (struct event_sensor){span_z(world->sensor_z), span_z(world->identity.machine.sensor_z)};
    if (s->start->host != NULL)
        return 0;
    int error = make_ssh(s, world);
    if (error < 0)
        return error;
    s->code = cpu_code_new(CODE_BYTES_MAX);
    s->snapshots = kernel_snapshots_new(SNAPSHOT_BYTES_MAX);
    const struct session_config config = {
        .image = world->image,
        .code = s->code,
        .foreign_programs = world->config->foreign_programs != 0,
        .snapshots = s->snapshots,
        .ssh_server = s->ssh_server,
        .startups_limited = world->config->ssh_max_startups != 0,
        .policy = world->policy,
        .bait = world->bait,
        .watched = world->watched,
        .watched_count = world->watched_count,
        .limits = limits_of(world->config),
        .visitors = visitors_of(world->config),
        .sensor_name = s->name.name,
        .sensor_uuid = s->name.uuid,
        .hostname = span_z(world->identity.machine.hostname_z),
        .identity = &world->identity.machine,
        .address = span_z(world->identity.machine.address_z),
    };
    s->host = s->code == NULL || s->snapshots == NULL ? NULL : session_host_new(&config);
    return s->host == NULL ? -ENOMEM : 0;
}

/* ---- At work ---- */

static void finish(struct sensor *s, int status)
{
    s->status = status;
    reel_stop(s->reactor);
}

static void tell_start(struct sensor *s)
{
    struct span endpoints[SENSOR_PORTS_MAX];
    for (size_t i = 0; i < s->start->port_count; i++)
        endpoints[i] = span_z(s->start->ports[i].endpoint_z);
    struct event e = event_make(EVENT_SENSOR_START, NULL, reel_wall_us(s->reactor));
    event_text_z(&e, FIELD_VERSION, LURED_VERSION);
    event_list(&e, FIELD_ENDPOINTS, endpoints, s->start->port_count);
    event_number(&e, FIELD_PID, getpid());
    serve_tell(&s->serve, &e);
}

static void on_recorder_ready(struct record_client *client)
{
    struct sensor *s = client->context;
    for (size_t i = 0; i < s->start->port_count; i++) {
        int error = reel_listen_fd(s->reactor, s->start->ports[i].fd, NULL, &s->ports[i].factory,
                                   &s->listeners[i]);
        if (error < 0) {
            finish(s, complain(s->start->ports[i].endpoint_z, error));
            return;
        }
    }
    tell_start(s);
    int error = channel_send(s->start->channel, CHANNEL_READY, -1);
    if (error < 0)
        finish(s, complain("supervisor", error));
}

static void check_stopped(struct sensor *s)
{
    if (s->stopping && s->drained && buffer_len(&s->serve.own) == 0 &&
        record_client_is_empty(&s->client))
        finish(s, 0);
}

static void on_recorder_room(struct record_client *client)
{
    serve_on_room(&((struct sensor *)client->context)->serve);
}

static void on_visit(struct record_client *client, const struct frame_visit *visit)
{
    serve_on_visit(&((struct sensor *)client->context)->serve, visit);
}

static void on_visitors(struct record_client *client, struct span list)
{
    const struct sensor *s = client->context;
    session_host_know(s->start->host != NULL ? s->start->host : s->host, list);
}

static void on_recorder_lost(struct record_client *client)
{
    struct sensor *s = client->context;
    if (!s->stopping)
        reel_timer_start(&s->patience, SENSOR_ALONE_MS * REEL_MS);
}

static void on_patience(struct reel_timer *timer)
{
    struct sensor *s = (struct sensor *)((char *)timer - offsetof(struct sensor, patience));
    finish(s, complain("the recorder does not answer", ETIMEDOUT));
}

static void on_empty(struct serve *serve)
{
    struct sensor *s = serve->context;
    if (!s->stopping || s->drained)
        return;
    struct event e = event_make(EVENT_SENSOR_STOP, NULL, reel_wall_us(s->reactor));
    s->drained = true;
    event_text_z(&e, FIELD_REASON, "SIGTERM");
    serve_tell(serve, &e);
    check_stopped(s);
}

/* In order: no new connections, an end for those that are there, and the last record written. */
static void stop(struct sensor *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    for (size_t i = 0; i < s->start->port_count; i++) {
        reel_listener_close(s->listeners[i]);
        s->listeners[i] = NULL;
    }
    reel_timer_start(&s->patience, SENSOR_STOP_MS * REEL_MS);
    serve_stop(&s->serve);
}

static void on_terminate(struct reel_signal *signal)
{
    stop((struct sensor *)((char *)signal - offsetof(struct sensor, terminate)));
}

static void on_channel(struct reel_watch *watch, uint32_t events)
{
    struct sensor *s = (struct sensor *)((char *)watch - offsetof(struct sensor, channel));
    int fd = -1;
    (void)events;
    int message = channel_receive(s->start->channel, &fd);
    if (message == -EAGAIN)
        return;
    if (message != CHANNEL_RECORDER || fd < 0) {
        reel_watch_stop(watch);
        stop(s);
        return;
    }
    /* The old one is gone, or as good as: what it has not acknowledged goes to the new one. */
    reel_timer_stop(&s->patience);
    if (s->client.transport != NULL)
        record_client_drop(&s->client);
    int error = record_client_adopt(&s->client, fd);
    if (error < 0) {
        (void)close(fd);
        finish(s, complain("new recorder", error));
        return;
    }
    if (s->client.ready) {
        struct event e = event_make(EVENT_SENSOR_RESTART, NULL, reel_wall_us(s->reactor));
        event_text_z(&e, FIELD_PROCESS, "recorder");
        event_text_z(&e, FIELD_REASON, "it died");
        serve_tell(&s->serve, &e);
    }
}

static void on_acknowledged(struct record_client *client)
{
    check_stopped(client->context);
}

/* ---- Start ---- */

static int open_reactor(struct sensor *s)
{
    /* Whatever REEL_BACKEND says: the sandbox forbids io_uring. Real servers answer late: there is nothing
     * to win by looking for a client's answer before it comes. */
    static const struct reel_reactor_options options = {.backend_z = "epoll", .spin_ns = -1};
    uint8_t random[CRYPTO_RNG_SEED_BYTES + sizeof(uint64_t)];
    uint64_t boot = 0;
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -errno;
    s->reactor = reel_reactor_new(&options);
    if (s->reactor == NULL)
        return -errno;
    memcpy(&boot, random + CRYPTO_RNG_SEED_BYTES, sizeof(boot));
    record_client_init(&s->client, s->reactor, boot | 1, "lured " LURED_VERSION);
    s->client.context = s;
    s->client.bell = s->start->bell;
    s->client.on_ready = on_recorder_ready;
    s->client.on_room = on_recorder_room;
    s->client.on_visit = on_visit;
    s->client.on_visitors = on_visitors;
    s->client.on_lost = on_recorder_lost;
    s->client.on_acknowledged = on_acknowledged;
    int error = serve_init(&s->serve, s->reactor, &s->client, &s->name, random);
    s->serve.context = s;
    s->serve.on_empty = on_empty;
    s->serve.snapshots = s->snapshots;
    s->serve.connections_max = s->start->world->config->limits_sessions;
    for (size_t i = 0; i < s->start->port_count; i++)
        serve_port_init(&s->ports[i], &s->serve, s->start->ports[i].service,
                        s->start->host != NULL ? s->start->host : s->host);
    if (error == 0)
        error = reel_timer_init(&s->patience, s->reactor, on_patience);
    if (error == 0)
        error = reel_signal_start(&s->terminate, s->reactor, SIGTERM, on_terminate);
    if (error == 0)
        error = reel_watch_start(&s->channel, s->reactor, s->start->channel, EPOLLIN, on_channel);
    if (error == 0)
        error = record_client_adopt(&s->client, s->start->recorder);
    return error;
}

static void sensor_free(struct sensor *s)
{
    if (s->reactor != NULL) {
        serve_fini(&s->serve);
        record_client_fini(&s->client);
        reel_timer_fini(&s->patience);
        reel_reactor_free(s->reactor);
    }
    session_host_free(s->host);
    kernel_snapshots_free(s->snapshots);
    cpu_code_free(s->code);
    ssh_server_free(s->ssh_server);
    free(s);
}

int sensor_main(const struct sensor_start *start)
{
    const char *step_z = "machine";
    struct sensor *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return complain("start", ENOMEM);
    s->start = start;
    int error = make_host(s);
    if (error == 0) {
        step_z = "start";
        error = open_reactor(s);
    }
    if (error == 0)
        error = sandbox_enter(&start->sandbox, &step_z);
    int status = error < 0 ? complain(step_z, error) : 0;
    if (error == 0) {
        (void)reel_run(s->reactor);
        status = s->status;
    }
    sensor_free(s);
    return status;
}
