/* The inside of session_host.h, for this folder only. */
#ifndef SESSION_HOST_H
#define SESSION_HOST_H

#include "base/arena.h"
#include "crypto/suite.h"
#include "events/event.h"
#include "session/known.h"
#include "session/session_host.h"

struct session_host {
    struct session_config config;
    struct event_sensor sensor;
    struct crypto_suite *suite;
    struct session_counters counters;
    uint32_t startups;                   /* connections that have not logged in ... */
    struct session_connection *starting; /* ... the last of them */
    struct session_known known;          /* visitors who may be remembered */
    struct session_connection *going;    /* the last whose files the recorder has not taken */
    struct arena arena;                  /* what was copied */
};

#endif
