/* The sensor: the process that talks to attackers. It has the ports' sockets, a socket to the
 * recorder and a channel to the supervisor, and after its start no other right. */
#ifndef LURED_SENSOR_H
#define LURED_SENSOR_H

#include "lured/sandbox.h"
#include "lured/world.h"
#include "session/service.h"

#define SENSOR_PORTS_MAX 8
/* How long a sensor that stops waits for the recorder to take its last records. */
#define SENSOR_STOP_MS 5000
/* How long it may be without a recorder before it gives up and is started anew. */
#define SENSOR_ALONE_MS 30000

struct sensor_port {
    const struct service *service;
    const char *endpoint_z; /* as it was asked for */
    int fd;                 /* listening */
};

struct sensor_start {
    const struct world *world;
    struct session_host *host; /* NULL: made from the world; tests bring their own */
    struct sensor_port ports[SENSOR_PORTS_MAX];
    size_t port_count;
    int recorder, channel;
    int bell; /* of the recorder (record/client.h) */
    struct sandbox sandbox;
};

/* Runs until SIGTERM, or until the supervisor is gone. The exit status. */
int sensor_main(const struct sensor_start *start);

#endif
