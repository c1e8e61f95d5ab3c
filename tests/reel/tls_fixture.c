#include "tls_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pki pki;

struct reel_tls_context *context_of(const struct reel_tls_options *options)
{
    struct reel_tls_context *context = NULL;
    struct reel_tls_error why = {""};
    int err = reel_tls_context_new(options, &context, &why);
    assert_string_equal(why.text_z, "");
    assert_int_equal(err, 0);
    return context;
}

int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_test_reactor_new(&options, 1000000);
    assert_non_null(f->r);
    snprintf(f->ca_z, sizeof(f->ca_z), "%s", pki_path(&pki, "ca"));
    snprintf(f->site_z, sizeof(f->site_z), "%s", pki_path(&pki, "site"));
    f->client_factory = (struct reel_factory){
        .protocol = &side_protocol, .shared = &f->client, .filters = f->client_filters};
    f->server_factory = (struct reel_factory){
        .protocol = &side_protocol, .shared = &f->server, .filters = f->server_filters};
    *state = f;
    return 0;
}

void drop_contexts(struct fixture *f)
{
    reel_tls_context_free(f->client_context);
    reel_tls_context_free(f->server_context);
    f->client_context = f->server_context = NULL;
}

int tear_down(void **state)
{
    struct fixture *f = *state;
    between_close(&f->between, f->r);
    reel_reactor_free(f->r);
    assert_int_equal(f->counts.live, 0);
    assert_int_equal(f->client.made, f->client.lost);
    assert_int_equal(f->server.made, f->server.lost);
    drop_contexts(f);
    free(f);
    return 0;
}

void use_contexts(struct fixture *f)
{
    f->client_options.context = f->client_context;
    f->client_filters[0] = (struct reel_filter_use){&reel_tls_client, &f->client_options};
    f->server_filters[0] = (struct reel_filter_use){&reel_tls_server, f->server_context};
}

void prepare(struct fixture *f, const struct reel_tls_options *client,
             const struct reel_tls_options *server)
{
    struct reel_tls_options c = client ? *client : (struct reel_tls_options){0};
    struct reel_tls_options s = server ? *server : (struct reel_tls_options){0};
    c.ca_z = c.ca_z ? c.ca_z : f->ca_z;
    s.certificate_z = s.certificate_z ? s.certificate_z : f->site_z;
    drop_contexts(f);
    f->client_context = context_of(&c);
    f->server_context = context_of(&s);
    if (!f->client_options.name_z)
        f->client_options.name_z = "localhost";
    use_contexts(f);
}

void meet(struct fixture *f)
{
    between_open(&f->between, f->r, &f->client_factory, &f->server_factory, &f->client_t,
                 &f->server_t);
}

void pump(struct fixture *f)
{
    between_pump(&f->between, f->r);
}

void part(struct fixture *f)
{
    between_close(&f->between, f->r);
    reel_test_advance(f->r, REEL_HANDSHAKE_DEFAULT_NS);
    assert_int_equal(f->client.made, f->client.lost);
    assert_int_equal(f->server.made, f->server.lost);
    const char *say[] = {f->client.say_z, f->server.say_z};
    bool echoes = f->server.echoes;
    memset(&f->between, 0, sizeof(f->between));
    memset(&f->client, 0, sizeof(f->client));
    memset(&f->server, 0, sizeof(f->server));
    f->client.say_z = say[0];
    f->server.say_z = say[1];
    f->server.echoes = echoes;
}

int make_certificates(void **state)
{
    (void)state;
    pki_open(&pki);
    pki_make(&pki, "site", &(struct wish){0});
    pki_make(&pki, "expired", &(struct wish){.from_days = -9, .to_days = -2});
    pki_make(&pki, "early", &(struct wish){.from_days = 3, .to_days = 9});
    pki_make(&pki, "self", &(struct wish){.by_itself = true});
    pki_make(&pki, "clients", &(struct wish){.for_clients = true, .subject_z = "A Client"});
    pki_make(&pki, "called", &(struct wish){.subject_z = "Called", .names_z = "DNS:called"});
    pki_make(&pki, "wild",
             &(struct wish){.subject_z = "Wild",
                            .names_z = "DNS:*.example.org,DNS:*.example.net,IP:2001:db8::1"});
    return 0;
}

int remove_certificates(void **state)
{
    (void)state;
    pki_close(&pki);
    return 0;
}
