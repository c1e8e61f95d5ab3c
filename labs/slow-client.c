/* slow-client: several clients at once, the first of them slow.
 * It sends half a line, waits, and sends the rest. Each ends its half and waits for the server to end
 * the other: then it was served. What the slow one costs the others shows what the server's loop is
 * worth. */
#include <reel/reel.h>

#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS_DEFAULT = 5, CLIENTS_MAX = 10000 };

static const int64_t slow_ns = 2 * REEL_SECOND;
static const int64_t patience_ns = 10 * REEL_SECOND;

/* What all clients share. */
struct crowd {
    struct reel_reactor *reactor;
    int begun, left;
    bool failed;
    int64_t begin_ns;
    struct reel_timer patience;
};

struct client {
    struct crowd *crowd;
    struct reel_transport *transport;
    int number;
    struct reel_timer second_half;
};

static int64_t since_ms(const struct crowd *crowd)
{
    return (reel_now_ns(crowd->reactor) - crowd->begin_ns) / REEL_MS;
}

static void say(struct client *client, const char *text_z)
{
    char line[64];
    int len = snprintf(line, sizeof(line), text_z, client->number);
    reel_write(client->transport, line, (size_t)len);
}

static void say_the_rest(struct reel_timer *timer)
{
    struct client *client = (struct client *)((char *)timer - offsetof(struct client, second_half));
    say(client, "m client %d\n");
    reel_shutdown_write(client->transport);
}

static void on_made(struct reel_transport *t)
{
    struct client *client = reel_state(t);
    client->crowd = reel_shared(t);
    client->transport = t;
    client->number = ++client->crowd->begun;
    if (client->number > 1 ||
        reel_timer_init(&client->second_half, reel_reactor_of(t), say_the_rest) < 0) {
        say(client, "I am client %d\n");
        reel_shutdown_write(t);
        return;
    }
    say(client, "I a");
    reel_timer_start(&client->second_half, slow_ns);
}

static void on_end(struct crowd *crowd, int number, const char *how_z)
{
    printf("%6lld ms  client %d %s\n", (long long)since_ms(crowd), number, how_z);
    if (--crowd->left == 0)
        reel_stop(crowd->reactor);
}

static void on_lost(struct reel_transport *t, int reason)
{
    struct client *client = reel_state(t);
    reel_timer_fini(&client->second_half);
    on_end(client->crowd, client->number,
           reason == 0            ? "was served"
           : reason == -ECANCELED ? "waited in vain"
                                  : reel_reason_text(reason));
}

static void on_failed(struct reel_transport *t, int reason)
{
    struct crowd *crowd = reel_shared(t);
    crowd->failed = true;
    on_end(crowd, ++crowd->begun, reel_reason_text(reason));
}

static void on_patience(struct reel_timer *timer)
{
    reel_stop(timer->reactor);
}

static const struct reel_protocol protocol = {
    .state_size = sizeof(struct client),
    .made = on_made,
    .failed = on_failed,
    .lost = on_lost,
};

int main(int argc, char **argv)
{
    char *end = NULL;
    long count = argc == 3 ? strtol(argv[2], &end, 10) : CLIENTS_DEFAULT;
    if (argc < 2 || argc > 3 || (end && *end) || count < 1 || count > CLIENTS_MAX) {
        fprintf(stderr, "usage: %s ADDRESS:PORT [CLIENTS]    (default: %d, at most %d)\n",
                program_invocation_short_name, CLIENTS_DEFAULT, CLIENTS_MAX);
        return LAB_BAD_USAGE;
    }
    char endpoint[REEL_ENDPOINT_MAX];
    snprintf(endpoint, sizeof(endpoint), "tcp:%s", argv[1]);
    struct crowd crowd = {.reactor = reel_reactor_new(NULL), .left = (int)count};
    if (!crowd.reactor || reel_timer_init(&crowd.patience, crowd.reactor, on_patience) < 0)
        lab_cannot("reel_reactor_new", ENOMEM);
    crowd.begin_ns = reel_now_ns(crowd.reactor);
    const struct reel_factory factory = {.protocol = &protocol, .shared = &crowd};
    for (int i = 0; i < count; i++) {
        int err = reel_connect(crowd.reactor, endpoint, &factory, NULL);
        if (err < 0)
            lab_cannot(argv[1], -err);
    }
    reel_timer_start(&crowd.patience, patience_ns);
    reel_run(crowd.reactor);
    bool all = crowd.left == 0 && !crowd.failed;
    reel_timer_fini(&crowd.patience);
    reel_reactor_free(crowd.reactor);
    return all ? 0 : LAB_CANNOT;
}
