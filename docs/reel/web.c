/* A web server: a page, an interface for programs, a stream of events, a folder of files.
 *
 *     web ENDPOINT FOLDER */
#include <reel/reel.h>

#include <stdio.h>
#include <string.h>

static void hello(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_answer_text(q, 200, "hello\n");
}

/* GET /greet/ann */
static void greet(struct reel_http_request *q, void *context)
{
    (void)context;
    char text_z[256];
    struct reel_http_text name = reel_http_param(q, "name");
    snprintf(text_z, sizeof(text_z), "hello %.*s\n", (int)name.len, name.data);
    reel_http_answer_text(q, 200, text_z);
}

/* POST /echo: the body comes back when all of it is there. */
static void echo_body(struct reel_http_request *q, const uint8_t *body, size_t len)
{
    reel_http_answer(q, 200, "application/octet-stream", body, len);
}

static void echo(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_collect(q, 0, echo_body);
}

/* GET /ticks: an event a second to all who listen. */
enum { LISTENERS_MAX = 100 };

struct ticker {
    struct reel_timer timer;
    struct reel_http_request *listeners[LISTENERS_MAX];
    int count, ticks;
};

static void listener_gone(struct reel_http_request *q, int reason)
{
    (void)reason;
    struct ticker *ticker = reel_http_context(q);
    int i = 0;
    while (ticker->listeners[i] != q)
        i++;
    ticker->listeners[i] = ticker->listeners[--ticker->count];
}

static void ticks(struct reel_http_request *q, void *context)
{
    static const struct reel_http_calls calls = {.gone = listener_gone};
    struct ticker *ticker = context;
    if (ticker->count == LISTENERS_MAX || reel_http_events(q, NULL) < 0) {
        reel_http_error(q, 503);
        return;
    }
    reel_http_on(q, &calls, ticker);
    ticker->listeners[ticker->count++] = q;
}

static void on_tick(struct reel_timer *timer)
{
    struct ticker *ticker = (struct ticker *)timer; /* its first field */
    char text_z[16];
    snprintf(text_z, sizeof(text_z), "%d", ++ticker->ticks);
    const struct reel_http_event event = {.data = text_z, .len = strlen(text_z)};
    for (int i = 0; i < ticker->count; i++)
        reel_http_send_event(ticker->listeners[i], &event);
}

static void log_line(void *context, const struct reel_http_entry *entry)
{
    char line_z[512];
    reel_http_log_line(entry, line_z, sizeof(line_z));
    fprintf(context, "%s\n", line_z);
}

static int serve(struct reel_reactor *reactor, const char *endpoint_z, const char *folder_z)
{
    static struct ticker ticker;
    struct reel_signal signals[2];
    struct reel_http_site *site = NULL;
    struct reel_http_folder *folder = NULL;
    const struct reel_http_folder_options listed = {.listing = true};
    const struct reel_http_options options = {.log = log_line, .log_context = stderr};
    int err = reel_http_folder_new(reactor, folder_z, &listed, &folder);
    const struct reel_http_route routes[] = {
        {REEL_HTTP_ROUTE("GET", "/", hello)},
        {REEL_HTTP_ROUTE("GET", "/greet/:name", greet)},
        {REEL_HTTP_ROUTE("POST", "/echo", echo)},
        {REEL_HTTP_ROUTE("GET", "/ticks", ticks), .context = &ticker},
        {REEL_HTTP_ROUTE("GET", "/files/*", reel_http_folder_handle), .context = folder},
        {0},
    };
    if (err == 0)
        err = reel_http_site_new(reactor, routes, &options, &site);
    if (err == 0)
        err = reel_timer_init(&ticker.timer, reactor, on_tick);
    if (err == 0)
        err = reel_stop_on_signals(signals, reactor);
    if (err == 0)
        err = reel_listen(reactor, endpoint_z, reel_http_factory(site), NULL);
    if (err == 0) {
        reel_timer_start_every(&ticker.timer, REEL_SECOND);
        err = reel_run(reactor);
    }
    reel_reactor_free(reactor);
    reel_http_site_free(site);
    reel_http_folder_free(folder);
    return err;
}

int main(int argc, char **argv)
{
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    if (argc != 3 || !reactor) {
        fprintf(stderr, "usage: web ENDPOINT FOLDER\n");
        return 2;
    }
    int err = serve(reactor, argv[1], argv[2]);
    if (err < 0)
        fprintf(stderr, "web: %s\n", reel_reason_text(err));
    return err < 0;
}
