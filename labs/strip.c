/* strip: the review of a stripping proxy, closed in a jar: fetches over TLS, hands on without.
 * It listens on loopback only, goes only to the hosts of its lab file, all of them loopback too, sees
 * only what a client sends to it on purpose, and writes down no query, no cookie and no form. */
#include <reel/reel.h>

#include "lab.h"
#include "lab_hosts.h"
#include "strip_proxy.h"
#include "strip_site.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct reel_http_client *make_client(struct reel_reactor *reactor,
                                            const struct lab_hosts *hosts)
{
    const struct reel_tls_options trusted = {.ca_z = "ca.pem"}; /* the lab's own authority alone */
    struct reel_tls_context *tls = NULL;
    struct reel_http_client *client = NULL;
    int err = reel_tls_context_new(&trusted, &tls, NULL);
    const struct reel_http_client_options options = {
        .dialer = &hosts->dialer, .tls = tls, .redirects_max = -1, .no_gzip = true};
    if (err == 0)
        err = reel_http_client_new(reactor, &options, &client);
    if (err < 0)
        lab_cannot("ca.pem", -err);
    reel_tls_context_free(tls); /* the client has it */
    return client;
}

static void must_be_loopback(const char *where_z)
{
    struct reel_endpoint endpoint;
    if (reel_endpoint_parse_server(where_z, &endpoint, NULL) == 0 &&
        !lab_is_loopback(&endpoint.address))
        lab_refuse(where_z, "it listens on loopback only (127.0.0.1:PORT)");
}

int main(int argc, char **argv)
{
    bool hsts = argc > 1 && strcmp(argv[1], "--hsts") == 0;
    const char *where_z = lab_arguments(argc - hsts, argv + hsts, "127.0.0.1:10000");
    must_be_loopback(where_z);
    struct lab_hosts hosts;
    lab_hosts_read(&hosts, "hosts");
    if (hosts.count == 0)
        lab_refuse("hosts", "nobody is in it");
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    if (!reactor)
        lab_cannot("reel_reactor_new", errno);
    struct strip strip = {&hosts, make_client(reactor, &hosts)};
    const struct reel_http_route routes[] = {
        {REEL_HTTP_ROUTE("CONNECT", "/*", strip_tunnel), .context = &strip},
        {REEL_HTTP_ROUTE(NULL, "/*", strip_forward), .context = &strip},
        {.path_z = NULL},
    };
    struct reel_http_site *site = NULL;
    int err = reel_http_site_new(reactor, routes, NULL, &site);
    if (err < 0)
        lab_cannot("reel_http_site_new", -err);
    struct reel_http_site *shop = strip_site_start(reactor, &hosts.hosts[0].address, hsts);
    struct reel_listener *listener = lab_listen(reactor, where_z, reel_http_factory(site));
    lab_print_listening(reel_listener_fd(listener));
    int status = lab_stop_at_signal(reactor);
    reel_http_client_free(strip.client);
    reel_http_site_free(site);
    reel_http_site_free(shop);
    reel_reactor_free(reactor);
    return status;
}
