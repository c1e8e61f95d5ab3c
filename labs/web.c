/* web: serves the folder that it is started in, and /counter, which says which request this one is. */
#include <reel/reel.h>

#include "lab.h"

#include <errno.h>
#include <stdio.h>

static void on_counter(struct reel_http_request *request, void *context)
{
    unsigned long *count = context;
    char text[64];
    snprintf(text, sizeof(text), "This is request number %lu.\n", ++*count);
    reel_http_set(request, "Cache-Control", "no-store");
    reel_http_answer_text(request, 200, text);
}

static void print_entry(void *context, const struct reel_http_entry *entry)
{
    char line[LAB_LINE_MAX];
    (void)context;
    reel_http_log_line(entry, line, sizeof(line));
    puts(line);
}

int main(int argc, char **argv)
{
    const char *where_z = lab_arguments(argc, argv, "0.0.0.0:8081");
    unsigned long count = 0;
    struct reel_http_folder *folder = NULL;
    struct reel_http_site *site = NULL;
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    int err = reactor ? reel_http_folder_new(reactor, ".", NULL, &folder) : -errno;
    const struct reel_http_route routes[] = {
        {REEL_HTTP_ROUTE("GET", "/counter", on_counter), .context = &count},
        {REEL_HTTP_ROUTE("GET", "/*", reel_http_folder_handle), .context = folder},
        {.path_z = NULL},
    };
    const struct reel_http_options options = {.log = print_entry};
    if (err == 0)
        err = reel_http_site_new(reactor, routes, &options, &site);
    if (err < 0)
        lab_cannot(".", -err);
    struct reel_listener *listener = lab_listen(reactor, where_z, reel_http_factory(site));
    lab_print_listening(reel_listener_fd(listener));
    int status = lab_run(reactor);
    reel_http_site_free(site);
    reel_http_folder_free(folder);
    return status;
}
