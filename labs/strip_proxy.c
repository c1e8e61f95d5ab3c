#include "strip_proxy.h"

#include "lab.h"
#include "rewrite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FORM_MAX_BYTES = 64 * 1024, URL_MAX_BYTES = 2048, FIELD_MAX_BYTES = 4096 };

/* ---- What both have ---- */

static struct reel_http_text where_to(const struct reel_http_request *request)
{
    /* A tunnel goes to the target, whatever the field Host says. */
    return reel_http_is(request, "CONNECT") ? reel_http_target(request) : reel_http_host(request);
}

/* Host and path. What stands behind a question mark, in a cookie or a form may be a secret, and is
 * nowhere written down. */
static void say(const struct reel_http_request *request, const char *what_z)
{
    struct reel_http_text host = where_to(request), path = reel_http_path(request);
    char where[URL_MAX_BYTES], text[LAB_LINE_MAX];
    if (reel_http_is(request, "CONNECT"))
        path.len = 0;
    snprintf(where, sizeof(where), "%.*s%.*s", (int)host.len, host.data, (int)path.len, path.data);
    printf("%s: %s\n", lab_shown(where, strlen(where), text), what_z);
}

/* The host of the lab that this request is for, without its port; NULL: refused, and answered. */
static const struct lab_host *admit(struct reel_http_request *request, const struct strip *strip)
{
    struct reel_http_text host = where_to(request);
    const char *colon = host.len ? memchr(host.data, ':', host.len) : NULL;
    size_t len = colon ? (size_t)(colon - host.data) : host.len;
    const struct lab_host *found = lab_hosts_find(strip->hosts, host.data ? host.data : "", len);
    if (!found) {
        say(request, "refused");
        reel_http_answer_text(request, 403,
                              "This proxy goes to the hosts of its lab file, and to no others.\n");
    }
    return found;
}

/* ---- From the server back to the client ---- */

static void pass_field(struct reel_http_request *request, const char *name_z, const char *value_z,
                       size_t *links)
{
    char value[FIELD_MAX_BYTES];
    if (!value_z || strlen(value_z) >= sizeof(value))
        return;
    value[rewrite_links(value_z, strlen(value_z), value, links)] = '\0';
    if (strcmp(name_z, "Set-Cookie") == 0)
        rewrite_cookie(value);
    reel_http_set(request, name_z, value);
}

static void hand_on(struct reel_http_request *request, const struct reel_http_response *response,
                    char *page)
{
    /* Strict-Transport-Security is not among them. */
    static const char *const passed[] = {"Set-Cookie", "Location", "Cache-Control"};
    size_t links = 0;
    char text[64];
    for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
        pass_field(request, passed[i], reel_http_response_get(response, passed[i]), &links);
    size_t len = rewrite_links((const char *)response->body, response->len, page, &links);
    snprintf(text, sizeof(text), "%d, %zu links without TLS now", response->status, links);
    say(request, text);
    reel_http_answer(request, response->status, reel_http_response_get(response, "Content-Type"),
                     page, len);
}

static void on_response(struct reel_deferred *deferred, struct reel_result *result, void *context)
{
    struct reel_http_request *request = context;
    const struct reel_http_response *response = result->pointer;
    (void)deferred;
    reel_http_on(request, NULL, NULL); /* there is nothing to give up any more */
    char *page = result->error ? NULL : malloc(response->len + 1);
    if (page) {
        hand_on(request, response, page);
        free(page);
        return;
    }
    say(request, result->error ? "the server gave no answer" : "out of memory");
    reel_http_error(request, 502);
}

/* ---- From the client to the server ---- */

static void on_gone(struct reel_http_request *request, int reason)
{
    (void)reason;
    reel_deferred_drop(reel_http_context(request));
}

static const char *copy_field(const struct reel_http_request *request, const char *name_z,
                              char *out_z, size_t size)
{
    struct reel_http_text value = reel_http_get(request, name_z);
    snprintf(out_z, size, "%.*s", (int)value.len, value.data ? value.data : "");
    return out_z;
}

/* The request is all there: its body, if it has one, is `form`. */
static void fetch(struct reel_http_request *request, const uint8_t *form, size_t len)
{
    static const struct reel_http_calls calls = {.gone = on_gone};
    const struct strip *strip = reel_http_context(request);
    struct reel_http_text target = reel_http_target(request), method = reel_http_method(request);
    char method_z[16], url[URL_MAX_BYTES], type[128], cookie[FIELD_MAX_BYTES];
    snprintf(method_z, sizeof(method_z), "%.*s", (int)method.len, method.data);
    snprintf(url, sizeof(url), "https%.*s", (int)(target.len - strlen("http")),
             target.data + strlen("http"));
    const struct reel_http_client_field fields[] = {
        {"Cookie", copy_field(request, "Cookie", cookie, sizeof(cookie))},
        {len ? "Content-Type" : NULL, copy_field(request, "Content-Type", type, sizeof(type))},
        {NULL, NULL},
    };
    const struct reel_http_ask ask = {.method_z = method_z,
                                      .url_z = url,
                                      .fields = *cookie ? fields : fields + 1,
                                      .body = len ? form : NULL,
                                      .len = len};
    struct reel_deferred *response = reel_http_fetch(strip->client, &ask);
    reel_http_on(request, &calls, response);
    if (reel_deferred_done(response, on_response, request) < 0) {
        reel_http_on(request, NULL, NULL);
        reel_http_error(request, 500);
    }
}

void strip_forward(struct reel_http_request *request, void *strip)
{
    struct reel_http_text target = reel_http_target(request);
    if (!admit(request, strip))
        return;
    if (target.len < 7 || strncasecmp(target.data, "http://", 7) != 0) {
        reel_http_error(request, 400); /* a proxy is asked for whole URLs */
        return;
    }
    reel_http_on(request, NULL, strip);
    if (reel_http_collect(request, FORM_MAX_BYTES, fetch) < 0)
        reel_http_error(request, 500);
}

/* ---- Tunnels ---- */

/* A request for a tunnel, until its server is reached or is not. */
struct visit {
    struct reel_transport *server;
    struct reel_http_request *client; /* NULL: gone */
};

/* Of both of its connections. */
struct end {
    struct reel_join join; /* comes first */
    struct visit *visit;   /* of the server's, until they are joined */
};

static const struct reel_protocol joined = {.name_z = "tunnel", .state_size = sizeof(struct end)};

/* The client of a visit that is over; NULL: gone. From here on nobody is told when it goes. */
static struct reel_http_request *end_visit(struct reel_transport *server)
{
    struct end *end = reel_state(server);
    struct reel_http_request *client = end->visit->client;
    if (client)
        reel_http_on(client, NULL, NULL);
    free(end->visit);
    return client;
}

static void on_server(struct reel_transport *server)
{
    struct reel_http_request *request = end_visit(server);
    struct reel_transport *client = NULL;
    if (request && reel_http_upgrade(request, NULL, &joined, &client) < 0)
        reel_http_error(request, 502);
    if (client && reel_join(client, server) == 0)
        return;
    if (client)
        reel_abort(client);
    reel_abort(server);
}

static void on_no_server(struct reel_transport *server, int reason)
{
    struct reel_http_request *request = end_visit(server);
    (void)reason;
    if (request)
        reel_http_error(request, 502);
}

static void on_client_gone(struct reel_http_request *request, int reason)
{
    struct visit *visit = reel_http_context(request);
    (void)reason;
    visit->client = NULL;
    reel_abort(visit->server);
}

void strip_tunnel(struct reel_http_request *request, void *strip)
{
    static const struct reel_protocol protocol = {.name_z = "tunnel",
                                                  .state_size = sizeof(struct end),
                                                  .made = on_server,
                                                  .failed = on_no_server};
    static const struct reel_factory factory = {.protocol = &protocol};
    static const struct reel_http_calls calls = {.gone = on_client_gone};
    const struct lab_host *host = admit(request, strip);
    if (!host)
        return;
    say(request, "a tunnel; there is nothing to see in it");
    struct visit *visit = calloc(1, sizeof(*visit));
    if (!visit || reel_connect_to(reel_http_reactor(request), &host->address, 0, &factory,
                                  &visit->server) < 0) {
        free(visit);
        reel_http_error(request, 502);
        return;
    }
    visit->client = request;
    reel_http_on(request, &calls, visit);
    ((struct end *)reel_state(visit->server))->visit = visit;
}
