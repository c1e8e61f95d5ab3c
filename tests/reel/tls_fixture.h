/* Two ends of TLS on wires, in virtual time, and the certificates that they show. */
#ifndef TESTS_REEL_TLS_FIXTURE_H
#define TESTS_REEL_TLS_FIXTURE_H

#include "tls_helper.h"

extern struct pki pki; /* made once: keys take their time */

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct reel_tls_context *client_context, *server_context;
    struct side client, server;
    struct reel_tls_client client_options;
    struct reel_filter_use client_filters[3], server_filters[3];
    struct reel_factory client_factory, server_factory;
    struct between between;
    struct reel_transport *client_t, *server_t;
    char ca_z[128], site_z[128];
};

/* For each test. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int set_up(void **state);
int tear_down(void **state);
/* For all of a program's tests. */
int make_certificates(void **state);
int remove_certificates(void **state);

struct reel_tls_context *context_of(const struct reel_tls_options *options);
/* The contexts are the filters' from now on. */
void use_contexts(struct fixture *f);
void drop_contexts(struct fixture *f);
/* Contexts by these options; what is not in them is good. */
void prepare(struct fixture *f, const struct reel_tls_options *client,
             const struct reel_tls_options *server);
/* Connects; lets pass what is under way; ends, for another meeting. */
void meet(struct fixture *f);
void pump(struct fixture *f);
void part(struct fixture *f);

#endif
