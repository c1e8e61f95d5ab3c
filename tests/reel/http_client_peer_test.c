/* Real servers: Python's, and our own over TLS, on sockets. http_client_peer_test SERVER-PROGRAM. */
#include "tls_helper.h"

#include <reel/deferred.h>
#include <reel/http.h>
#include <reel/http_client.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program_z;

struct answer {
    int results, error, status;
    size_t len;
    char body[64];
};

static void on_answer(struct reel_deferred *d, struct reel_result *result, void *context)
{
    struct answer *a = context;
    (void)d;
    a->results++;
    a->error = result->error;
    if (result->error)
        return;
    const struct reel_http_response *response = result->pointer;
    a->status = response->status;
    a->len = response->len;
    snprintf(a->body, sizeof(a->body), "%.*s", (int)(a->len < 60 ? a->len : 60),
             a->len ? (const char *)response->body : "");
}

static struct answer ask(struct reel_reactor *r, struct reel_http_client *client,
                         const char *method_z, const char *url_z, const void *body, size_t len)
{
    struct answer a = {0};
    const struct reel_http_ask q = {.method_z = method_z, .url_z = url_z, .body = body, .len = len};
    assert_int_equal(reel_deferred_done(reel_http_fetch(client, &q), on_answer, &a), 0);
    run_until(r, &a.results);
    return a;
}

static void pythons_server_is_understood(void **state)
{
    (void)state;
    int fds[2];
    char line[32] = "", url[64];
    static char big[500000];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl("/usr/bin/python3", "python3", program_z, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    FILE *said = fdopen(fds[0], "r");
    assert_non_null(fgets(line, sizeof(line), said));
    unsigned long port = strtoul(line, NULL, 10);
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct reel_http_client *client = NULL;
    assert_int_equal(reel_http_client_new(r, NULL, &client), 0);
    static const struct {
        const char *method_z, *path_z;
        size_t len;
        const char *begins_z;
    } cases[] = {
        {"GET", "/", 5, "hello"},          {"HEAD", "/", 0, ""},
        {"GET", "/chunks", 110001, "ccc"}, {"GET", "/moved", 7000, "packed packed"},
        {"GET", "/old", 3, "old"},         {"GET", "/", 5, "hello"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(url, sizeof(url), "http://127.0.0.1:%lu%s", port, cases[i].path_z);
        struct answer a = ask(r, client, cases[i].method_z, url, NULL, 0);
        assert_int_equal(a.error, 0);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.len, cases[i].len);
        assert_memory_equal(a.body, cases[i].begins_z, strlen(cases[i].begins_z));
    }
    memset(big, 'a', sizeof(big));
    big[sizeof(big) - 1] = 'z';
    struct answer a = ask(r, client, "POST", url, big, sizeof(big));
    assert_int_equal(a.len, sizeof(big));
    assert_memory_equal(a.body, "zaaa", 4);
    assert_int_equal(reel_http_client_connections(client, NULL), 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(ask(r, client, "GET", url, NULL, 0).error, -ECONNREFUSED);
    fclose(said);
    reel_http_client_free(client);
    run_turns(r, 3);
    reel_reactor_free(r);
}

static void hello(struct reel_http_request *q, void *context)
{
    (void)context;
    reel_http_answer_text(q, 200, "over TLS");
}

static void https_is_verified(void **state)
{
    (void)state;
    struct pki pki;
    struct reel_tls_context *server = NULL, *trusting = NULL, *strict = NULL;
    pki_open(&pki);
    pki_make(&pki, "site", &(struct wish){0});
    assert_int_equal(
        reel_tls_context_new(&(struct reel_tls_options){.certificate_z = pki_path(&pki, "site")},
                             &server, NULL),
        0);
    assert_int_equal(reel_tls_context_new(&(struct reel_tls_options){.ca_z = pki_path(&pki, "ca")},
                                          &trusting, NULL),
                     0);
    assert_int_equal(reel_tls_context_new(&(struct reel_tls_options){0}, &strict, NULL), 0);
    const struct reel_filter_use filters[] = {{&reel_tls_server, server}, {NULL, NULL}};
    const struct reel_http_options options = {.filters = filters};
    const struct reel_http_route routes[] = {{"GET", "/", hello, NULL, 0}, {0}};
    struct reel_reactor *r = reel_reactor_new(NULL);
    struct reel_http_site *site = NULL;
    assert_int_equal(reel_http_site_new(r, routes, &options, &site), 0);
    struct reel_listener *l = listen_local(r, reel_http_factory(site));
    char url[64];
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/", reel_listener_port(l));
    struct reel_tls_context *const contexts[] = {trusting, strict};
    for (int i = 0; i < 2; i++) {
        const struct reel_http_client_options client_options = {.tls = contexts[i]};
        struct reel_http_client *client = NULL;
        assert_int_equal(reel_http_client_new(r, &client_options, &client), 0);
        for (int times = 0; times < 2; times++) {
            struct answer a = ask(r, client, NULL, url, NULL, 0);
            assert_int_equal(a.error, i ? REEL_TLS_REFUSED : 0);
            assert_string_equal(a.body, i ? "" : "over TLS");
        }
        reel_http_client_free(client);
        run_turns(r, 3);
    }
    reel_listener_close(l);
    reel_http_site_free(site);
    reel_reactor_free(r);
    reel_tls_context_free(server);
    reel_tls_context_free(trusting);
    reel_tls_context_free(strict);
    pki_close(&pki);
}

int main(int argc, char **argv)
{
    program_z = argc > 1 ? argv[1] : "";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pythons_server_is_understood),
        cmocka_unit_test(https_is_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
