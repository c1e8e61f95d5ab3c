/* The engine's benchmark server, in one thread and with the engine's defaults:
 *
 *     reel-server PORT MODE
 *
 * MODE is echo (every byte back) or chat (every line to all clients, the sender included). It
 * listens on all IPv4 addresses and prints "ready" when it does. */
#include <reel/reel.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 16 * 1024 };

static size_t echo_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    return reel_write(t, data, len) == 0 ? len : 0;
}

static const struct reel_protocol echo_protocol = {.name_z = "echo", .data = echo_data};

struct chatter {
    struct reel_member member;
    uint8_t *part; /* of a line whose end has not come yet */
    size_t len;
};

static void chat_made(struct reel_transport *t)
{
    struct chatter *c = reel_state(t);
    reel_group_join(reel_shared(t), &c->member, t);
}

static void chat_lost(struct reel_transport *t, int reason)
{
    (void)reason;
    struct chatter *c = reel_state(t);
    reel_group_leave(&c->member);
    free(c->part);
}

static bool keep_part(struct chatter *c, const uint8_t *data, size_t len)
{
    if (len == 0)
        return true;
    uint8_t *part = c->len + len <= LINE_MAX_BYTES ? realloc(c->part, c->len + len) : NULL;
    if (!part)
        return false;
    memcpy(part + c->len, data, len);
    c->part = part;
    c->len += len;
    return true;
}

static bool send_part(struct chatter *c, struct reel_group *group, const uint8_t *data, size_t len)
{
    if (!keep_part(c, data, len))
        return false;
    reel_group_write(group, c->part, c->len, NULL);
    free(c->part);
    c->part = NULL;
    c->len = 0;
    return true;
}

/* All whole lines that are here go out as one piece: their order is the same for everybody. */
static size_t chat_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct chatter *c = reel_state(t);
    struct reel_group *group = reel_shared(t);
    const uint8_t *newline = memrchr(data, '\n', len);
    size_t whole = newline ? (size_t)(newline + 1 - data) : 0;
    size_t first = 0;
    if (whole && c->len) { /* the rest of a line begun earlier */
        const uint8_t *end = memchr(data, '\n', len);
        first = (size_t)(end + 1 - data);
        if (!send_part(c, group, data, first)) {
            reel_abort(t);
            return len;
        }
    }
    if (whole > first)
        reel_group_write(group, data + first, whole - first, NULL);
    if (!keep_part(c, data + whole, len - whole))
        reel_abort(t); /* no newline in sight */
    return len;
}

static const struct reel_protocol chat_protocol = {
    .name_z = "chat",
    .state_size = sizeof(struct chatter),
    .made = chat_made,
    .data = chat_data,
    .lost = chat_lost,
};

static const struct reel_protocol *find_mode(const char *mode_z)
{
    if (strcmp(mode_z, "echo") == 0)
        return &echo_protocol;
    if (strcmp(mode_z, "chat") == 0)
        return &chat_protocol;
    return NULL;
}

static int serve(const char *port_z, const struct reel_factory *factory)
{
    char endpoint_z[64];
    snprintf(endpoint_z, sizeof(endpoint_z), "tcp:port=%s", port_z);
    struct reel_reactor *r = reel_reactor_new(NULL);
    if (!r) {
        fprintf(stderr, "reel-server: no reactor: %s\n", strerror(errno));
        return 1;
    }
    struct reel_signal signals[2];
    int err = reel_stop_on_signals(signals, r);
    if (err == 0)
        err = reel_listen(r, endpoint_z, factory, NULL);
    if (err == 0) {
        puts("ready");
        fflush(stdout);
        err = reel_run(r);
    }
    if (err < 0)
        fprintf(stderr, "reel-server: port %s: %s\n", port_z, reel_reason_text(err));
    reel_reactor_free(r);
    return err < 0;
}

int main(int argc, char **argv)
{
    const struct reel_protocol *protocol = argc == 3 ? find_mode(argv[2]) : NULL;
    if (!protocol) {
        fprintf(stderr, "usage: reel-server PORT echo|chat\n");
        if (argc == 3)
            fprintf(stderr, "reel-server: there is no mode \"%s\"\n", argv[2]);
        return 2;
    }
    struct reel_group group;
    reel_group_init(&group, REEL_GROUP_ABORT);
    const struct reel_factory factory = {.protocol = protocol, .shared = &group};
    return serve(argv[1], &factory);
}
