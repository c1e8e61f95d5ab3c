/* The recorder as a process: the data directory, a socket to the sensor, a channel to the
 * supervisor, and no other right. */
#ifndef LURED_RECORDING_H
#define LURED_RECORDING_H

#include "lured/sandbox.h"
#include "record/store.h"

/* How long a recorder that stops waits for its sensor to end, and for a disk that is full. */
#define RECORDING_STOP_MS 5000

struct recording_start {
    struct record_dirs dirs;
    struct record_options options;
    int sensor, channel;
    int bell; /* of its sensors (record/client.h) */
    struct sandbox sandbox;
};

/* Runs until SIGTERM, or until the supervisor is gone, and then until the sensor is. The exit
 * status. */
int recording_main(const struct recording_start *start);

#endif
