/* A broker that several pubsub servers share their topics through: NATS or Redis, by the server's own
 * protocol. While it is away, a new connection is tried every second. At most once, as pub/sub is: what
 * is published while there is no broker reaches this server's clients only. */
#ifndef LABS_BROKER_H
#define LABS_BROKER_H

struct broker;
struct reel_reactor;

/* A message of any server on the broker, this one's own included. */
typedef void (*broker_message_fn)(void *context, const char *topic_z, const char *message_z);

/* "nats://127.0.0.1:4222" or "redis://127.0.0.1:6379", numeric. NULL and a sentence in *why_z: not
 * such a URL, or out of memory. */
struct broker *broker_new(struct reel_reactor *reactor, const char *url_z,
                          broker_message_fn on_message, void *context, const char **why_z);
/* After the reactor is freed. NULL is fine. */
void broker_free(struct broker *broker);

/* 0, or negative: no broker now. NULL is no broker. */
int broker_publish(struct broker *broker, const char *topic_z, const char *message_z);

#endif
