#include "broker.h"

#include <reel/reel.h>

#include "topics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 4, PART_MAX_BYTES = 8192 };

/* One message under way: NATS sends its payload, Redis all of its parts, with a length in front. */
struct link {
    struct reel_line_state lines; /* comes first */
    int parts_left;               /* Redis: of the array */
    int part;                     /* the one being received */
    size_t len[PARTS_MAX];
    char parts[PARTS_MAX][PART_MAX_BYTES + 2]; /* CR LF comes with it */
};

struct broker {
    struct reel_reactor *reactor;
    const struct kind *kind;
    broker_message_fn on_message;
    void *context;
    struct reel_factory factory;
    struct reel_transport *transport; /* NULL: none, or not yet */
    bool is_away;                     /* and it was said */
    struct reel_timer retry;
    char endpoint[REEL_ENDPOINT_MAX];
};

struct kind {
    const char *scheme_z, *hello_z;
    struct reel_line_protocol protocol;
    int (*publish)(struct reel_transport *t, const char *topic_z, const char *message_z);
};

static void tell(struct reel_transport *t, const char *topic_z, const char *message_z)
{
    struct broker *broker = reel_shared(t);
    /* A foreign publisher may send what no line of ours can hold. */
    if (topic_is_good(topic_z, false) && !strpbrk(message_z, "\r\n"))
        broker->on_message(broker->context, topic_z, message_z);
}

/* ---- What both have: a connection, and parts with a length in front ---- */

static void on_made(struct reel_transport *t)
{
    struct broker *broker = reel_shared(t);
    broker->transport = t;
    broker->is_away = false;
    printf("joined the broker, %s at %s\n", broker->kind->scheme_z, broker->endpoint);
    reel_write(t, broker->kind->hello_z, strlen(broker->kind->hello_z));
}

static void try_later(struct broker *broker)
{
    if (!broker->is_away)
        puts("the broker is away; trying again each second");
    broker->is_away = true;
    broker->transport = NULL;
    reel_timer_start(&broker->retry, REEL_SECOND);
}

static void on_end(struct reel_transport *t, int reason)
{
    if (reason != -ECANCELED) /* that is our own end */
        try_later(reel_shared(t));
}

static void on_retry(struct reel_timer *timer)
{
    struct broker *broker = (struct broker *)((char *)timer - offsetof(struct broker, retry));
    if (reel_connect(broker->reactor, broker->endpoint, &broker->factory, NULL) < 0)
        try_later(broker);
}

/* The next part has so many bytes, and CR LF behind them. */
static void expect(struct reel_transport *t, unsigned long bytes)
{
    struct link *link = reel_state(t);
    link->len[link->part] = 0;
    if (bytes > PART_MAX_BYTES)
        reel_abort(t); /* no message of ours; the next connection begins anew */
    else
        reel_line_start_raw(t, bytes + 2);
}

static size_t on_raw(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct link *link = reel_state(t);
    size_t *have = &link->len[link->part];
    memcpy(link->parts[link->part] + *have, data, len); /* no more than was expected */
    *have += len;
    return len;
}

static void end_part(struct link *link)
{
    link->parts[link->part][link->len[link->part] - 2] = '\0';
}

/* ---- NATS: "MSG topic sid [reply] bytes", then the payload ---- */

static void on_nats_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    struct link *link = reel_state(t);
    char text[PART_MAX_BYTES], topic[TOPIC_MAX + 2]; /* one too long is seen to be so */
    snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)line);
    if (strncmp(text, "PING", 4) == 0) {
        reel_print(t, "PONG\r\n");
    } else if (sscanf(text, "MSG %129s", topic) == 1 && strrchr(text, ' ')) {
        snprintf(link->parts[0], PART_MAX_BYTES, "%s", topic);
        link->part = 1;
        expect(t, strtoul(strrchr(text, ' '), NULL, 10));
    }
}

static void on_nats_payload(struct reel_transport *t)
{
    struct link *link = reel_state(t);
    end_part(link);
    tell(t, link->parts[0], link->parts[1]);
}

static int nats_publish(struct reel_transport *t, const char *topic_z, const char *message_z)
{
    return reel_print(t, "PUB %s %zu\r\n%s\r\n", topic_z, strlen(message_z), message_z);
}

/* ---- Redis, RESP 3: ">4", then four times "$bytes" and that part ---- */

static void on_redis_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    struct link *link = reel_state(t);
    char text[64];
    snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)line);
    unsigned long number = text[0] ? strtoul(text + 1, NULL, 10) : 0;
    if (text[0] == '>') {
        link->parts_left = number <= PARTS_MAX ? (int)number : 0;
        link->part = 0;
    } else if (text[0] == '$') {
        expect(t, number);
    }
}

static void on_redis_part(struct reel_transport *t)
{
    struct link *link = reel_state(t);
    end_part(link);
    if (link->parts_left == 0)
        return; /* of an answer that nobody reads */
    if (--link->parts_left > 0)
        link->part++;
    else if (link->part == 3 && strcmp(link->parts[0], "pmessage") == 0)
        tell(t, link->parts[2], link->parts[3]);
}

static int redis_publish(struct reel_transport *t, const char *topic_z, const char *message_z)
{
    return reel_print(t, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(topic_z),
                      topic_z, strlen(message_z), message_z);
}

#define PROTOCOL(name, on_line, on_part)                                         \
    {                                                                            \
        .protocol = {.name_z = name,                                             \
                     .state_size = sizeof(struct link),                          \
                     .made = on_made,                                            \
                     .failed = on_end,                                           \
                     .data = reel_line_data,                                     \
                     .lost = on_end},                                            \
        .delimiter = "\r\n", .line = on_line, .raw = on_raw, .raw_end = on_part, \
    }

static const struct kind kinds[] = {
    {"nats", "CONNECT {\"verbose\":false,\"name\":\"pubsub\"}\r\nSUB > 1\r\n",
     PROTOCOL("nats", on_nats_line, on_nats_payload), nats_publish},
    {"redis", "HELLO 3\r\nPSUBSCRIBE *\r\n", PROTOCOL("redis", on_redis_line, on_redis_part),
     redis_publish},
};

static const struct kind *find_kind(const struct reel_url *url)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (reel_url_is(url, kinds[i].scheme_z))
            return &kinds[i];
    return NULL;
}

struct broker *broker_new(struct reel_reactor *reactor, const char *url_z,
                          broker_message_fn on_message, void *context, const char **why_z)
{
    struct reel_url url;
    char endpoint[REEL_ENDPOINT_MAX];
    struct reel_endpoint parsed;
    *why_z = "a broker is nats://ADDRESS:PORT or redis://ADDRESS:PORT";
    if (reel_url_parse(url_z, strlen(url_z), &url) < 0 || !find_kind(&url) || !url.port)
        return NULL;
    bool six = memchr(url.host, ':', url.host_len);
    snprintf(endpoint, sizeof(endpoint), "tcp:%s%.*s%s:%d", six ? "[" : "", (int)url.host_len,
             url.host, six ? "]" : "", url.port);
    if (reel_endpoint_parse_client(endpoint, &parsed, why_z) < 0)
        return NULL; /* a name, for instance */
    *why_z = "out of memory";
    struct broker *broker = calloc(1, sizeof(*broker));
    if (!broker || reel_timer_init(&broker->retry, reactor, on_retry) < 0) {
        free(broker);
        return NULL;
    }
    broker->reactor = reactor;
    broker->kind = find_kind(&url);
    broker->on_message = on_message;
    broker->context = context;
    broker->factory.protocol = &broker->kind->protocol.protocol;
    broker->factory.shared = broker;
    snprintf(broker->endpoint, sizeof(broker->endpoint), "%s", endpoint);
    reel_timer_start(&broker->retry, 0);
    return broker;
}

void broker_free(struct broker *broker)
{
    free(broker); /* its timer went with the reactor */
}

int broker_publish(struct broker *broker, const char *topic_z, const char *message_z)
{
    if (!broker || !broker->transport)
        return -ENOTCONN;
    return broker->kind->publish(broker->transport, topic_z, message_z);
}
