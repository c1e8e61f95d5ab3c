#include "strip_site.h"

#include "lab.h"

#include <errno.h>
#include <stdio.h>

/* The context of a route is not NULL where HSTS is wanted. */
static void set_fields(struct reel_http_request *request, const void *hsts)
{
    if (hsts)
        reel_http_set(request, "Strict-Transport-Security", "max-age=31536000");
    reel_http_set(request, "Cache-Control", "no-store");
}

static void on_shop(struct reel_http_request *request, void *hsts)
{
    static char page[8192];
    FILE *file = fopen("index.html", "r");
    size_t len = file ? fread(page, 1, sizeof(page), file) : 0;
    if (file)
        fclose(file);
    if (len == 0) {
        reel_http_error(request, 500);
        return;
    }
    set_fields(request, hsts);
    reel_http_set(request, "Set-Cookie", "visit=1; Path=/; Secure; HttpOnly");
    reel_http_answer(request, 200, "text/html; charset=utf-8", page, len);
}

static void on_basket(struct reel_http_request *request, void *hsts)
{
    set_fields(request, hsts);
    reel_http_redirect(request, 302, "https://shop.lab/");
}

static void on_form(struct reel_http_request *request, const uint8_t *form, size_t len)
{
    char name[64], text[96];
    if (reel_http_form_get(form, len, "name", name, sizeof(name)) < 0)
        reel_http_error(request, 400);
    else {
        snprintf(text, sizeof(text), "Welcome, %s.\n", name);
        reel_http_answer_text(request, 200, text);
    }
}

static void on_login(struct reel_http_request *request, void *hsts)
{
    set_fields(request, hsts);
    if (reel_http_collect(request, 4096, on_form) < 0)
        reel_http_error(request, 500);
}

static const struct reel_http_route plain[] = {
    {REEL_HTTP_ROUTE("GET", "/", on_shop)},
    {REEL_HTTP_ROUTE("GET", "/basket", on_basket)},
    {REEL_HTTP_ROUTE("POST", "/login", on_login)},
    {.path_z = NULL},
};
static const struct reel_http_route strict[] = {
    {REEL_HTTP_ROUTE("GET", "/", on_shop), .context = (void *)strict},
    {REEL_HTTP_ROUTE("GET", "/basket", on_basket), .context = (void *)strict},
    {REEL_HTTP_ROUTE("POST", "/login", on_login), .context = (void *)strict},
    {.path_z = NULL},
};

struct reel_http_site *strip_site_start(struct reel_reactor *reactor,
                                        const struct reel_address *where, bool hsts)
{
    struct reel_tls_context *tls = NULL;
    struct reel_tls_error why;
    if (reel_tls_context_new(&(struct reel_tls_options){.certificate_z = "site.pem"}, &tls, &why) <
        0)
        lab_refuse("site.pem", why.text_z);
    static struct reel_filter_use filters[2]; /* outlives all connections */
    filters[0] = (struct reel_filter_use){&reel_tls_server, tls};
    struct reel_http_site *site = NULL;
    const struct reel_http_options options = {.filters = filters};
    int err = reel_http_site_new(reactor, hsts ? strict : plain, &options, &site);
    if (err == 0)
        err = reel_listen_at(reactor, where, NULL, reel_http_factory(site), NULL);
    if (err < 0)
        lab_cannot("the lab's site", -err);
    return site;
}
