/* The supervisor: binds the ports, starts recorder and sensor, starts anew what dies, and stops them
 * in order. No byte of an attacker reaches it. */
#ifndef LURED_SUPERVISOR_H
#define LURED_SUPERVISOR_H

#include "lured/config.h"

/* A child that died is started again after so long, doubled each time it dies young. */
#define SUPERVISOR_BACKOFF_MS     20
#define SUPERVISOR_BACKOFF_MAX_MS 800
/* A child that lived so long did not die young. */
#define SUPERVISOR_YOUNG_MS 10000
/* How long a child may take to stop in order before it is killed. */
#define SUPERVISOR_STOP_MS 8000

/* Runs until SIGTERM, SIGINT or SIGHUP. The exit status; what is wrong is said on standard error. */
int supervisor_main(const struct config *config);

#endif
