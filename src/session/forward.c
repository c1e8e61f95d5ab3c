/* Sockets of the machine that belong to a client: where sshd listens for it (tcpip-forward,
 * streamlocal-forward@openssh.com), and what it is joined with (direct-tcpip, direct-streamlocal). sshd
 * does both with the user's rights. What is not the machine's is refused: nothing ever leaves. */
#include "session/connection.h"
#include "session/doors.h"
#include "ssh/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROUPS_MAX = 31,
    REST_MAX = SESSION_HOST_MAX + 128, /* what a CHANNEL_OPEN of ours ends with */
    CONNECT_FAILED = 2,                /* RFC 4254, section 5.1 */
    REFUSAL_MAX = SESSION_HOST_MAX + 80,
};

static const struct ssh_profile *profile_of(const struct session_connection *c)
{
    return ssh_server_profile(c->host->config.ssh_server);
}

static struct kernel_spawn user_of(struct session_connection *c, uint32_t groups[GROUPS_MAX])
{
    const struct session_account *account = &c->account;
    struct buffer store;
    struct span group = session_doors_group(c, &store);
    const struct kernel_spawn user = {
        .uid = account->uid,
        .gid = account->gid,
        .groups = groups,
        .group_count = session_account_groups(group, account, groups, GROUPS_MAX),
    };
    buffer_fini(&store);
    return user;
}

/* ---- Listening ---- */

static void stop(struct session_connection *c, struct session_forward *f)
{
    for (size_t i = 0; i < ARRAY_LEN(f->listeners); i++) {
        if (f->listeners[i] >= 0)
            kernel_release(c->kernel, f->listeners[i]);
        if (f->numbers[i] >= 0)
            ssh_channel_unreserve(c->ssh, (uint32_t)f->numbers[i]);
    }
    buffer_fini(&f->address);
    f->kind = SESSION_FORWARD_NONE;
}

static struct session_forward *find(const struct session_connection *c,
                                    const struct session_forward *like, struct span address)
{
    for (size_t i = 0; c->forwards != NULL && i < SESSION_FORWARDS; i++) {
        struct session_forward *f = &c->forwards[i];
        if (f->kind == like->kind && f->port == like->port &&
            span_equal(buffer_span(&f->address), address))
            return f;
    }
    return NULL;
}

static struct session_forward *free_one(struct session_connection *c)
{
    if (c->forwards == NULL)
        c->forwards = calloc(SESSION_FORWARDS, sizeof *c->forwards);
    for (size_t i = 0; c->forwards != NULL && i < SESSION_FORWARDS; i++)
        if (c->forwards[i].kind == SESSION_FORWARD_NONE)
            return &c->forwards[i];
    return NULL;
}

static bool is_path(const struct session_forward *f)
{
    return f->kind == SESSION_FORWARD_PATH || f->kind == SESSION_FORWARD_AGENT;
}

/* Where sshd listens, without GatewayPorts: at one loopback address if it is named, else at both. */
static size_t places_of(const struct session_connection *c, const struct session_forward *f,
                        struct kernel_place places[2])
{
    struct span address = buffer_span(&f->address);
    places[0] = (struct kernel_place){
        .is_path = is_path(f),
        .is_private = f->kind == SESSION_FORWARD_AGENT,
        .path = address,
        .address = address,
        .port = (uint16_t)f->port,
    };
    bool by_name = profile_of(c)->numbers_listeners; /* dropbear does not look at it */
    bool one = span_equal_z(address, "127.0.0.1") || span_equal_z(address, "::1");
    if (is_path(f) || (by_name && one))
        return 1;
    places[1] = places[0];
    places[0].address = span_z("::1");
    places[1].address = span_z("127.0.0.1");
    return 2;
}

/* The port that it has; -1: it could not be had anywhere. */
static int listen_at(struct session_connection *c, struct session_forward *f)
{
    uint32_t groups[GROUPS_MAX];
    const struct kernel_spawn user = user_of(c, groups);
    struct kernel_place places[2];
    size_t count = places_of(c, f, places);
    int port = -1;
    for (size_t i = 0; i < count; i++) {
        uint16_t bound;
        if (port > 0)
            places[i].port = (uint16_t)port;
        f->listeners[i] = kernel_listen(c->kernel, &user, &places[i], &bound);
        if (f->listeners[i] < 0)
            continue;
        port = bound;
        if (profile_of(c)->numbers_listeners)
            f->numbers[i] = ssh_channel_reserve(c->ssh);
    }
    return port;
}

/* The same. */
static int start(struct session_connection *c, const struct session_forward *like,
                 struct span address)
{
    struct session_forward *f = free_one(c);
    size_t most = is_path(like) ? SESSION_SOCKET_PATH : SESSION_HOST_MAX;
    if (f == NULL || address.len > most || !session_have_kernel(c))
        return -1;
    *f = *like;
    buffer_init(&f->address, SESSION_HOST_MAX);
    for (size_t i = 0; i < ARRAY_LEN(f->listeners); i++)
        f->listeners[i] = f->numbers[i] = -1;
    int port = buffer_put(&f->address, address) == 0 ? listen_at(c, f) : -1;
    if (port < 0)
        stop(c, f);
    else if (f->port == 0)
        f->port = (uint32_t)port;
    return port;
}

static bool cancel(struct session_connection *c, const struct session_forward *like,
                   struct span address)
{
    struct session_forward *f = find(c, like, address);
    if (f != NULL)
        stop(c, f);
    return f != NULL;
}

void session_forward_request(struct session_connection *c, const struct ssh_event_global *global)
{
    bool stops = span_starts_with(global->name, span_z("cancel-"));
    struct span what = span_slice(global->name, stops ? 7 : 0, global->name.len);
    bool path = span_equal_z(what, "streamlocal-forward@openssh.com");
    const struct session_forward like = {.kind = path ? SESSION_FORWARD_PATH : SESSION_FORWARD_PORT,
                                         .port = global->port};
    if (stops) {
        ssh_global_answer(c->ssh, cancel(c, &like, global->address), 0);
        return;
    }
    int port = start(c, &like, global->address);
    ssh_global_answer(c->ssh, port >= 0, port > 0 ? (uint32_t)port : 0);
}

/* ---- The client's agent and display ---- */

/* As sshd names it (mkdtemp, and its process), or dropbear. */
static int name_agent(struct session_connection *c, struct buffer *out)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    enum { RANDOM = 10, DROPBEAR_FD = 10 };
    if (!profile_of(c)->numbers_listeners)
        return buffer_printf(out, "/tmp/dropbear-%08x/auth-%08x-%d", crypto_rng_u32(&c->rng),
                             crypto_rng_u32(&c->rng), DROPBEAR_FD);
    int err = buffer_put_z(out, "/tmp/ssh-");
    for (int i = 0; err == 0 && i < RANDOM; i++)
        err = buffer_put_u8(out, (uint8_t)letters[crypto_rng_u32(&c->rng) % (sizeof(letters) - 1)]);
    return err == 0 ? buffer_printf(out, "/agent.%d", kernel_server_pid(c->kernel)) : err;
}

void session_forward_agent(struct session_connection *c)
{
    const struct session_forward like = {.kind = SESSION_FORWARD_AGENT};
    struct buffer path;
    buffer_init(&path, SESSION_SOCKET_PATH);
    if (session_have_kernel(c) && name_agent(c, &path) == 0)
        (void)start(c, &like, buffer_span(&path));
    buffer_fini(&path);
}

struct span session_forward_agent_path(const struct session_connection *c)
{
    for (size_t i = 0; c->forwards != NULL && i < SESSION_FORWARDS; i++)
        if (c->forwards[i].kind == SESSION_FORWARD_AGENT)
            return buffer_span(&c->forwards[i].address);
    return span_z("");
}

/* X11DisplayOffset and X11UseLocalhost as sshd has them by itself. */
void session_forward_display(struct session_connection *c, const struct ssh_event_request *request)
{
    enum { FIRST = 10, TRIED = 64, PORT_OF_0 = 6000 };
    struct session_channel *ch = &c->channels[request->channel];
    for (uint32_t display = FIRST; ch->display == 0 && display < FIRST + TRIED; display++) {
        const struct session_forward like = {.kind = SESSION_FORWARD_DISPLAY,
                                             .port = PORT_OF_0 + display,
                                             .channel = request->channel,
                                             .once = request->x11_single};
        if (start(c, &like, span_z("localhost")) < 0)
            continue;
        ch->display = display;
        ch->screen = request->x11_screen;
        ch->display_protocol = arena_copy(&ch->arena, request->text);
        ch->display_cookie = arena_copy(&ch->arena, request->value);
    }
}

void session_forward_end_display(struct session_connection *c, uint32_t channel)
{
    for (size_t i = 0; c->forwards != NULL && i < SESSION_FORWARDS; i++)
        if (c->forwards[i].kind == SESSION_FORWARD_DISPLAY && c->forwards[i].channel == channel)
            stop(c, &c->forwards[i]);
}

/* ---- Guests that connect ---- */

static const char *const types_z[] = {
    [SESSION_FORWARD_PORT] = "forwarded-tcpip",
    [SESSION_FORWARD_PATH] = "forwarded-streamlocal@openssh.com",
    [SESSION_FORWARD_AGENT] = "auth-agent@openssh.com",
    [SESSION_FORWARD_DISPLAY] = "x11",
};

static void note(struct session_connection *c, const struct session_forward *f,
                 const struct kernel_caller *caller)
{
    struct event e = session_event(c, EVENT_FORWARD_OPENED);
    event_text_z(&e, FIELD_TYPE, types_z[f->kind]);
    if (is_path(f)) {
        event_text(&e, FIELD_PATH, buffer_span(&f->address));
    } else {
        event_text(&e, FIELD_DST_IP, buffer_span(&f->address));
        event_number(&e, FIELD_DST_PORT, f->port);
        event_text_z(&e, FIELD_ORIG_IP, caller->address_z);
        event_number(&e, FIELD_ORIG_PORT, caller->port);
    }
    session_put(c, &e);
}

static int put_caller(const struct kernel_caller *caller, struct buffer *out)
{
    int err = buffer_put_string(out, span_z(caller->address_z));
    return err == 0 ? buffer_put_u32(out, caller->port) : err;
}

/* What stands in a CHANNEL_OPEN behind the sizes. */
static int put_rest(const struct session_forward *f, const struct kernel_caller *caller,
                    struct buffer *out)
{
    int err = 0;
    switch (f->kind) {
    case SESSION_FORWARD_PORT:
        err = buffer_put_string(out, buffer_span(&f->address));
        if (err == 0)
            err = buffer_put_u32(out, f->port);
        return err == 0 ? put_caller(caller, out) : err;
    case SESSION_FORWARD_PATH:
        err = buffer_put_string(out, buffer_span(&f->address));
        return err == 0 ? buffer_put_string(out, span_z("")) : err; /* reserved */
    case SESSION_FORWARD_DISPLAY: return put_caller(caller, out);
    default: return 0;
    }
}

static void offer(struct session_connection *c, const struct session_forward *f, int connection,
                  const struct kernel_caller *caller)
{
    bool small = f->kind == SESSION_FORWARD_AGENT || f->kind == SESSION_FORWARD_DISPLAY;
    struct buffer rest;
    buffer_init(&rest, REST_MAX);
    int number = put_rest(f, caller, &rest);
    if (number == 0)
        number = ssh_channel_offer(c->ssh, types_z[f->kind], small, buffer_span(&rest));
    if (number < 0 || !session_channel_join(c, (uint32_t)number, connection, true))
        kernel_release(c->kernel, connection);
    buffer_fini(&rest);
}

bool session_forward_pump(struct session_connection *c)
{
    bool moved = false;
    for (size_t i = 0; i < SESSION_FORWARDS; i++) {
        struct session_forward *f = &c->forwards[i];
        for (size_t n = 0; f->kind != SESSION_FORWARD_NONE && n < ARRAY_LEN(f->listeners); n++) {
            struct kernel_caller caller;
            int connection =
                f->listeners[n] >= 0 ? kernel_accept(c->kernel, f->listeners[n], &caller) : -1;
            if (connection < 0)
                continue;
            note(c, f, &caller);
            offer(c, f, connection, &caller);
            moved = true;
            if (f->once)
                stop(c, f);
        }
    }
    return moved;
}

void session_forward_fini(struct session_connection *c)
{
    for (size_t i = 0; c->forwards != NULL && i < SESSION_FORWARDS; i++)
        if (c->forwards[i].kind != SESSION_FORWARD_NONE)
            stop(c, &c->forwards[i]);
    free(c->forwards);
    c->forwards = NULL;
}

/* ---- What a client is joined with ---- */

/* Addresses that a name means: of the machine itself; how many. */
static size_t own_addresses(const struct session_connection *c, struct span host,
                            struct span addresses[2])
{
    const struct session_config *config = &c->host->config;
    addresses[0] = host;
    if (span_equal_z(host, "localhost")) {
        addresses[0] = span_z("::1");
        addresses[1] = span_z("127.0.0.1");
        return 2;
    }
    if (span_equal(host, config->hostname)) {
        addresses[0] = span_z("127.0.1.1"); /* as Debian's /etc/hosts has it */
        return 1;
    }
    return span_starts_with(host, span_z("127.")) || span_equal_z(host, "::1") ||
           span_equal(host, config->address) || span_equal(host, c->peer.dst_ip);
}

static int dial(struct session_connection *c, const struct ssh_event_forward *forward)
{
    uint32_t groups[GROUPS_MAX];
    const struct kernel_spawn user = user_of(c, groups);
    struct kernel_place place = {
        .is_path = forward->is_path, .path = forward->host, .port = (uint16_t)forward->port};
    struct span addresses[2] = {span_z("")};
    size_t count =
        forward->is_path ? c->kernel != NULL : own_addresses(c, forward->host, addresses);
    int connection = -ECONNREFUSED;
    for (size_t i = 0; i < count && connection < 0 && session_have_kernel(c); i++) {
        place.address = addresses[i];
        connection = kernel_dial(c->kernel, &user, &place);
    }
    return connection;
}

/* A name without a dot or a colon is none that a resolver knows; a machine that is far refuses. */
static bool is_unknown(struct span host)
{
    return span_find(host, '.', 0) < 0 && span_find(host, ':', 0) < 0 &&
           !span_equal_z(host, "localhost");
}

static void say_refusal(const struct session_connection *c, const struct ssh_event_forward *forward,
                        char text_z[REFUSAL_MAX])
{
    const struct ssh_profile *profile = profile_of(c);
    struct span host = span_slice(forward->host, 0, SESSION_HOST_MAX);
    int n = 0;
    bool unknown = is_unknown(host) && !span_equal(host, c->host->config.hostname);
    if (forward->is_path) {
        (void)snprintf(text_z, REFUSAL_MAX, "%s", profile->open_refused_z);
        return;
    }
    if (unknown && profile->tells_unresolved)
        n = snprintf(text_z, REFUSAL_MAX, "Error resolving '%.*s' port '%u'. ", (int)host.len,
                     (const char *)host.data, (unsigned)forward->port);
    (void)snprintf(text_z + n, REFUSAL_MAX - (size_t)n, "%s",
                   unknown ? "Name or service not known" : "Connection refused");
}

void session_forward_dial(struct session_connection *c, const struct ssh_event_forward *forward)
{
    int connection = dial(c, forward);
    if (connection >= 0 && session_channel_join(c, forward->channel, connection, false)) {
        ssh_forward_accept(c->ssh, forward->channel);
        return;
    }
    if (connection >= 0)
        kernel_release(c->kernel, connection);
    char text_z[REFUSAL_MAX];
    say_refusal(c, forward, text_z);
    ssh_forward_refuse(c->ssh, forward->channel, CONNECT_FAILED, text_z);
}
