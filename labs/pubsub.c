/* pubsub: a chat with topics. SUB topic, UNSUB topic, PUB topic message; other lines go to all.
 * "*" in a subscription matches one level of a dotted topic, ">" the rest. With --broker several such
 * servers, on several machines, share their topics. */
#include <reel/reel.h>

#include "broker.h"
#include "lab.h"
#include "topics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TOPICS_MAX = 32, LINE_MAX_BYTES = 3072 };

struct client {
    struct reel_line_state lines; /* comes first */
    struct reel_transport *transport;
    struct reel_member member; /* of everybody */
    struct client *next;       /* of the server's list */
    int count;
    char topics[TOPICS_MAX][TOPIC_MAX + 1];
    char name[REEL_ADDRESS_TEXT_MAX];
};

struct server {
    struct reel_group everybody;
    struct client *clients;
    struct broker *broker; /* NULL: none */
};

static void deliver(void *context, const char *topic_z, const char *message_z)
{
    const struct server *server = context;
    for (struct client *client = server->clients; client; client = client->next)
        for (int i = 0; i < client->count; i++)
            if (topic_matches(client->topics[i], topic_z)) {
                if (reel_print(client->transport, "%s %s\n", topic_z, message_z) == -ENOBUFS)
                    reel_abort(client->transport); /* it does not read */
                break;                             /* once, however many subscriptions match */
            }
}

static int find_topic(const struct client *client, const char *topic_z)
{
    for (int i = 0; i < client->count; i++)
        if (strcmp(client->topics[i], topic_z) == 0)
            return i;
    return -1;
}

/* The commands: NULL, or the reason for an ERR. */

static const char *on_sub(struct client *client, const char *topic_z, const char *message_z)
{
    if (*message_z || !topic_is_good(topic_z, true))
        return "SUB needs one topic";
    if (find_topic(client, topic_z) >= 0)
        return NULL;
    if (client->count == TOPICS_MAX)
        return "you have too many subscriptions";
    snprintf(client->topics[client->count++], TOPIC_MAX + 1, "%s", topic_z);
    return NULL;
}

static const char *on_unsub(struct client *client, const char *topic_z, const char *message_z)
{
    int i = find_topic(client, topic_z);
    if (*message_z || i < 0)
        return "UNSUB needs a topic that you subscribed to";
    memmove(client->topics[i], client->topics[--client->count], TOPIC_MAX + 1);
    return NULL;
}

static const char *on_pub(struct client *client, const char *topic_z, const char *message_z)
{
    if (!*message_z || !topic_is_good(topic_z, false))
        return "PUB needs a topic without wildcards, and a message";
    struct server *server = reel_shared(client->transport);
    if (broker_publish(server->broker, topic_z, message_z) < 0) /* else it comes back to us too */
        deliver(server, topic_z, message_z);
    return NULL;
}

static const struct {
    const char *name_z;
    const char *(*run)(struct client *client, const char *topic_z, const char *message_z);
} commands[] = {{"SUB", on_sub}, {"UNSUB", on_unsub}, {"PUB", on_pub}};

/* Cuts the first word off; what is left of the line is returned. */
static char *cut_word(char *text_z)
{
    text_z += strcspn(text_z, " ");
    if (*text_z)
        *text_z++ = '\0';
    return text_z;
}

static void say_to_all(struct client *client, const char *line_z)
{
    struct server *server = reel_shared(client->transport);
    char text[LINE_MAX_BYTES + REEL_ADDRESS_TEXT_MAX + 8];
    int len = snprintf(text, sizeof(text), "<%s> %s\n", client->name, line_z);
    reel_group_write(&server->everybody, text, (size_t)len, NULL);
}

static void on_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    struct client *client = reel_state(t);
    char text[LINE_MAX_BYTES + 1];
    snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)line);
    size_t word = strcspn(text, " ");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strlen(commands[i].name_z) != word || memcmp(commands[i].name_z, text, word) != 0)
            continue;
        char *topic_z = cut_word(text), *message_z = cut_word(topic_z);
        const char *why_z = commands[i].run(client, topic_z, message_z);
        if (why_z)
            reel_print(t, "ERR %s\n", why_z);
        return;
    }
    say_to_all(client, text);
}

static void on_made(struct reel_transport *t)
{
    struct client *client = reel_state(t);
    struct server *server = reel_shared(t);
    struct reel_address peer;
    reel_peer(t, &peer);
    reel_address_text(&peer, client->name, sizeof(client->name));
    client->transport = t;
    reel_group_join(&server->everybody, &client->member, t);
    client->next = server->clients;
    server->clients = client;
}

static void on_lost(struct reel_transport *t, int reason)
{
    (void)reason;
    struct client *client = reel_state(t);
    struct server *server = reel_shared(t);
    struct client **at = &server->clients;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    reel_group_leave(&client->member);
}

static const struct reel_line_protocol pubsub = {
    .protocol = {.name_z = "pubsub",
                 .state_size = sizeof(struct client),
                 .made = on_made,
                 .data = reel_line_data,
                 .lost = on_lost},
    .line_max = LINE_MAX_BYTES,
    .line = on_line,
};

static struct broker *find_broker(struct server *server, struct reel_reactor *reactor,
                                  const char *url_z)
{
    const char *why_z = NULL;
    struct broker *broker = broker_new(reactor, url_z, deliver, server, &why_z);
    if (broker)
        return broker;
    reel_reactor_free(reactor);
    lab_refuse(url_z, why_z);
}

int main(int argc, char **argv)
{
    const char *url_z = NULL;
    if (argc > 2 && strcmp(argv[1], "--broker") == 0) {
        url_z = argv[2];
        argc -= 2;
        argv += 2;
    }
    const char *where_z = lab_arguments(argc, argv, "0.0.0.0:1025");
    struct server server = {.clients = NULL};
    reel_group_init(&server.everybody, REEL_GROUP_ABORT);
    const struct reel_factory factory = {.protocol = &pubsub.protocol, .shared = &server};
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    if (!reactor)
        lab_cannot("reel_reactor_new", errno);
    if (url_z)
        server.broker = find_broker(&server, reactor, url_z);
    struct reel_listener *listener = lab_listen(reactor, where_z, &factory);
    lab_print_listening(reel_listener_fd(listener));
    int status = lab_run(reactor);
    broker_free(server.broker);
    return status;
}
