/* A visitor: the test's SSH client (tests/ssh/client.h) against the service, in virtual time. What
 * the client got and what was recorded are kept as lines of text. */
#ifndef TESTS_SESSION_VISIT_H
#define TESTS_SESSION_VISIT_H

#include "keys.h"
#include "session/policy.h"
#include "session/session_host.h"
#include "session/ssh_service.h"
#include "ssh/client.h"

enum visit_split { VISIT_WHOLE, VISIT_BYTES, VISIT_RANDOM };

/* What all visits of a test share. */
struct visit_host {
    struct session_host *host;
    struct session_policy *policy;
    struct keys_ring ring;
};

/* `limits` NULL: the default ones. */
void visit_host_init(struct visit_host *h, const struct persona_image *image,
                     const struct session_limits *limits, struct cpu_code *code);
/* The same with another SSH server than the default one. */
void visit_host_init_as(struct visit_host *h, const struct ssh_profile *profile,
                        const struct persona_image *image, const struct session_limits *limits,
                        struct cpu_code *code);
void visit_host_fini(struct visit_host *h);

struct visit {
    const struct service *service;
    void *self;
    struct ssh_client *client;
    int64_t now_us;
    enum visit_split split;
    struct crypto_rng rng;
    size_t to_server, cut_at; /* the line is lost after so many bytes of the client */
    bool lost;
    bool hold_records;  /* the recorder is away */
    uint32_t runs;      /* how often guests may run in one pump; they are cut off then */
    bool wants_run;     /* a call since the last run that answered false */
    struct buffer sent; /* all bytes that the client got, as they came */
    struct buffer raw;  /* all frames */
    size_t parsed;
    struct buffer records;  /* lines: the frames as text */
    struct buffer messages; /* lines: what the client got */
    struct buffer output, errors;
};

void visit_init(struct visit *v, struct visit_host *h, enum visit_split split, uint8_t seed);
void visit_fini(struct visit *v);

/* Until nothing moves any more; waits of the server (not of guests) are waited for. */
void visit_pump(struct visit *v);

/* Sends a message composed from tokens (tests/ssh/compose.h) and pumps. */
void visit_say(struct visit *v, const char *tokens_z);

/* Service request, and a password. */
void visit_login(struct visit *v, const char *user_z, const char *password_z);

/* A channel (0, of the client's number 0) with a command on it. */
void visit_exec(struct visit *v, const char *command_z);

/* Time goes by; then pumps. */
void visit_wait(struct visit *v, int64_t us);

/* The line is gone: the service is told, and its last records are read. */
void visit_lose(struct visit *v);

/* The machine's image from a file; *bytes is for free(), after the image. Or it aborts. */
struct persona_image *visit_load_image(const char *path_z, void **bytes);

/* How many lines begin with the text. */
size_t visit_count(const struct buffer *lines, const char *prefix_z);

#endif
