/* TLS on sockets, against other programs: openssl, curl, Python. The engine's end runs in a process
 * of its own. */
#include "tls_helper.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pki pki;

/* ---- The servers. ---- */

/* A line is echoed, a request answered; then it is over. */
static size_t answer_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n"
                               "hello, curl\n";
    const uint8_t *end = memchr(data, '\n', len);
    if (!end) {
        reel_need_more(t, 0);
        return 0;
    }
    if (len > 4 && memcmp(data, "GET ", 4) == 0)
        reel_write(t, page, sizeof(page) - 1);
    else
        reel_write(t, data, (size_t)(end - data) + 1);
    reel_close(t);
    return len;
}

static const struct reel_protocol answer = {.data = answer_data};

/* As much of SMTP as there is before and behind STARTTLS. */
struct smtp {
    struct reel_tls_context *context;
};

static void smtp_made(struct reel_transport *t)
{
    reel_write(t, "220 here\r\n", 10);
}

static size_t smtp_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct smtp *smtp = reel_shared(t);
    const uint8_t *end = memchr(data, '\n', len);
    if (!end) {
        reel_need_more(t, 0);
        return 0;
    }
    if (memcmp(data, "STARTTLS", 8) == 0) {
        reel_write(t, "220 go on\r\n", 11);
        reel_tls_upgrade_server(t, smtp->context);
        reel_set_protocol(t, &answer);
    } else {
        reel_write(t, "250-here\r\n250 STARTTLS\r\n", 24);
    }
    return (size_t)(end - data) + 1;
}

static const struct reel_protocol smtp_protocol = {.made = smtp_made, .data = smtp_data};

/* Forks a server; its port. */
static uint16_t serve(const char *endpoint_z, const struct reel_factory *factory, pid_t *pid)
{
    int pipe_fds[2];
    uint16_t port = 0;
    assert_int_equal(pipe(pipe_fds), 0);
    *pid = fork();
    if (*pid == 0) {
        struct reel_reactor *r = reel_reactor_new(NULL);
        struct reel_listener *l = NULL;
        if (!r || reel_listen(r, endpoint_z, factory, &l) < 0)
            _exit(1);
        port = reel_listener_port(l);
        if (write(pipe_fds[1], &port, sizeof(port)) != sizeof(port))
            _exit(1);
        reel_run(r);
        _exit(0);
    }
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], &port, sizeof(port)), sizeof(port));
    close(pipe_fds[0]);
    return port;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- The programs. ---- */

static char output[65536];

static const char *run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *run(const char *format, ...)
{
    char command_z[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(command_z, sizeof(command_z), format, args);
    va_end(args);
    FILE *out = popen(command_z, "r");
    assert_non_null(out);
    size_t len = fread(output, 1, sizeof(output) - 1, out);
    output[len] = '\0';
    pclose(out);
    return output;
}

static void expect(const char *text_z)
{
    if (!strstr(output, text_z))
        fail_msg("no \"%s\" in: %s", text_z, output);
}

static char server_z[300], ca_z[128], site_z[128], clients_z[128];

/* ---- The tests. ---- */

static void openssl_is_served_with_both_versions_and_resumes(void **state)
{
    (void)state;
    pid_t pid;
    const struct reel_factory factory = {.protocol = &answer};
    uint16_t port = serve(server_z, &factory, &pid);
    static const char *const versions[] = {"1_2", "1_3"};
    for (int i = 0; i < 2; i++) {
        run("echo hello | openssl s_client -connect 127.0.0.1:%u -CAfile %s "
            "-verify_return_error -verify_hostname localhost -servername localhost -tls%s "
            "-ign_eof -sess_out %s/session 2>&1",
            port, ca_z, versions[i], pki.dir_z);
        expect("Verify return code: 0 (ok)");
        expect("\nhello\n");
        expect("New, TLSv1.");
        run("echo again | openssl s_client -connect 127.0.0.1:%u -CAfile %s -tls%s "
            "-ign_eof -sess_in %s/session 2>&1",
            port, ca_z, versions[i], pki.dir_z);
        expect("\nagain\n");
        expect("Reused, TLSv1.");
    }
    run("openssl s_client -connect 127.0.0.1:%u -tls1_1 2>&1 </dev/null", port);
    assert_null(strstr(output, "Cipher is ECDHE"));
    stop(pid);
}

static void curl_is_served(void **state)
{
    (void)state;
    pid_t pid;
    const struct reel_factory factory = {.protocol = &answer};
    uint16_t port = serve(server_z, &factory, &pid);
    run("curl -sS --noproxy '*' --cacert %s https://127.0.0.1:%u/ 2>&1", ca_z, port);
    assert_string_equal(output, "hello, curl\n");
    run("curl -sS --noproxy '*' --cacert %s --resolve other.example:%u:127.0.0.1 "
        "https://other.example:%u/ 2>&1",
        ca_z, port, port);
    expect("curl: (60)");
    run("curl -sS --noproxy '*' http://127.0.0.1:%u/ 2>&1", port);
    assert_null(strstr(output, "hello"));
    stop(pid);
}

static void python_is_served_and_hears_the_goodbye(void **state)
{
    (void)state;
    pid_t pid;
    const struct reel_factory factory = {.protocol = &answer};
    char endpoint_z[600];
    snprintf(endpoint_z, sizeof(endpoint_z), "%s:ca=%s:verify=require:alpn=b,a", server_z, ca_z);
    uint16_t port = serve(endpoint_z, &factory, &pid);
    run("/usr/bin/python3 - 2>&1 <<'END'\n"
        "import socket, ssl\n"
        "c = ssl.create_default_context(cafile='%s')\n"
        "c.load_cert_chain('%s')\n"
        "c.set_alpn_protocols(['a', 'b'])\n"
        "s = c.wrap_socket(socket.create_connection(('127.0.0.1', %u)), "
        "server_hostname='localhost',\n"
        "                  suppress_ragged_eofs=False)\n"
        "s.sendall(b'x' * 50000 + b'\\n')\n"
        "n = 0\n"
        "while d := s.recv(70000): n += len(d)\n"
        "print(n, s.version(), s.selected_alpn_protocol())\n"
        "END\n",
        ca_z, clients_z, port);
    assert_string_equal(output, "50001 TLSv1.3 b\n");
    stop(pid);
}

static void openssl_upgrades_by_starttls(void **state)
{
    (void)state;
    pid_t pid;
    struct smtp smtp = {NULL};
    assert_int_equal(reel_tls_context_new(&(struct reel_tls_options){.certificate_z = site_z},
                                          &smtp.context, NULL),
                     0);
    const struct reel_factory factory = {.protocol = &smtp_protocol, .shared = &smtp};
    uint16_t port = serve("tcp:0:interface=127.0.0.1", &factory, &pid);
    run("echo hello | openssl s_client -starttls smtp -connect 127.0.0.1:%u -CAfile %s "
        "-verify_return_error -ign_eof 2>&1",
        port, ca_z);
    expect("Verify return code: 0 (ok)");
    expect("\nhello\n");
    stop(pid);
    reel_tls_context_free(smtp.context);
}

/* The engine as the client. */
static void visit(uint16_t port, const char *more_z, struct side *side)
{
    char endpoint_z[600];
    struct reel_reactor *r = reel_reactor_new(NULL);
    const struct reel_factory factory = {.protocol = &side_protocol, .shared = side};
    snprintf(endpoint_z, sizeof(endpoint_z), "tls:127.0.0.1:%u:%s", port, more_z);
    assert_int_equal(reel_connect(r, endpoint_z, &factory, NULL), 0);
    for (int turns = 0;
         turns < 20000 && !side->failed && !side->lost && !side->eof && !strchr(side->data, '\n');
         turns++)
        reel_run_once(r, REEL_MS);
    if (side->t)
        reel_close(side->t);
    run_turns(r, 3);
    reel_reactor_free(r);
}

static void the_engine_visits_openssl_and_python(void **state)
{
    (void)state;
    char good_z[200];
    snprintf(good_z, sizeof(good_z), "name=localhost:ca=%s", ca_z);
    static const char *const commands[] = {
        "exec openssl s_server -accept 127.0.0.1:0 -cert %s -rev 2>/dev/null",
        "exec /usr/bin/python3 -c 'if 1:\n"
        "  import socket, ssl\n"
        "  c = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)\n"
        "  c.load_cert_chain(\"%s\")\n"
        "  l = socket.create_server((\"127.0.0.1\", 0))\n"
        "  print(\"ACCEPT 127.0.0.1:%%d\" %% l.getsockname()[1], flush=True)\n"
        "  while True:\n"
        "    try:\n"
        "      s = c.wrap_socket(l.accept()[0], server_side=True)\n"
        "      s.sendall(s.recv(100)[-2::-1] + b\"\\n\")\n"
        "    except OSError: pass\n'"};
    for (int i = 0; i < 2; i++) {
        char command_z[1024], line_z[128] = "";
        int pipe_fds[2];
        snprintf(command_z, sizeof(command_z), i ? commands[1] : commands[0], site_z);
        assert_int_equal(pipe(pipe_fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            dup2(pipe_fds[1], STDOUT_FILENO);
            execl("/bin/sh", "sh", "-c", command_z, (char *)NULL);
            _exit(127);
        }
        close(pipe_fds[1]);
        FILE *out = fdopen(pipe_fds[0], "r");
        while (fgets(line_z, sizeof(line_z), out) && strncmp(line_z, "ACCEPT", 6) != 0)
            ;
        const char *colon_z = strrchr(line_z, ':');
        assert_non_null(colon_z);
        uint16_t port = (uint16_t)strtoul(colon_z + 1, NULL, 10);
        struct side side = {.say_z = "hello\n"};
        visit(port, good_z, &side);
        assert_string_equal(side.error_z, "");
        assert_int_equal(side.made, 1);
        assert_string_equal(side.data, "olleh\n");
        assert_string_equal(side.version_z, "TLSv1.3");
        side = (struct side){.say_z = "hello\n"};
        visit(port, "name=localhost", &side); /* by the system's authorities */
        assert_int_equal(side.failed, 1);
        assert_int_equal(side.reason, REEL_TLS_REFUSED);
        fclose(out);
        stop(pid);
    }
}

/* A listener on tls: owns its context; files that are not there are its error. */
static void endpoints_say_what_they_cannot(void **state)
{
    (void)state;
    struct reel_reactor *r = reel_reactor_new(NULL);
    const struct reel_factory factory = {.protocol = &answer};
    struct reel_listener *l = NULL;
    int fds = count_fds();
    assert_int_equal(reel_listen(r, "tls:0:cert=/nowhere", &factory, &l), -ENOENT);
    assert_int_equal(reel_connect(r, "tls:127.0.0.1:1:ca=/nowhere", &factory, NULL), -ENOENT);
    assert_int_equal(reel_listen(r, server_z, &factory, &l), 0);
    reel_listener_close(l);
    run_turns(r, 1);
    assert_int_equal(count_fds(), fds);
    assert_int_equal(reel_listen(r, server_z, &factory, &l), 0);
    reel_reactor_free(r);
}

static const char *example_z;

/* The guide's server: what it prints, and its certificate read again. */
static void the_guides_server_echoes_and_renews_its_certificate(void **state)
{
    (void)state;
    char path_z[128], endpoint_z[160], shown_z[2][REEL_TLS_TEXT_MAX];
    snprintf(path_z, sizeof(path_z), "%s/s.sock", pki.dir_z);
    snprintf(endpoint_z, sizeof(endpoint_z), "unix:%s", path_z);
    pki_make(&pki, "renewed", &(struct wish){.subject_z = "Before"});
    char renewed_z[128];
    snprintf(renewed_z, sizeof(renewed_z), "%s", pki_path(&pki, "renewed"));
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        execl(example_z, example_z, renewed_z, endpoint_z, (char *)NULL);
        _exit(127);
    }
    close(connect_when_it_listens(path_z));
    for (int i = 0; i < 2; i++) {
        const char *wanted_z = i ? "CN=After" : "CN=Before";
        shown_z[i][0] = '\0';
        for (int tries = 0; tries < 500 && strcmp(shown_z[i], wanted_z) != 0; tries++) {
            struct side side = {.say_z = "hello\n"};
            struct reel_tls_context *context = NULL;
            struct reel_transport *t = NULL;
            struct reel_reactor *r = reel_reactor_new(NULL);
            const struct reel_factory factory = {.protocol = &side_protocol, .shared = &side};
            assert_int_equal(
                reel_tls_context_new(&(struct reel_tls_options){.ca_z = ca_z}, &context, NULL), 0);
            assert_int_equal(reel_connect(r, endpoint_z, &factory, &t), 0);
            assert_int_equal(reel_tls_upgrade_client(t, context, "localhost"), 0);
            for (int turns = 0; turns < 20000 && !strchr(side.data, '\n'); turns++)
                reel_run_once(r, REEL_MS);
            assert_string_equal(side.data, "hello\n");
            memcpy(shown_z[i], side.subject_z, sizeof(side.subject_z));
            reel_reactor_free(r);
            reel_tls_context_free(context);
        }
        assert_string_equal(shown_z[i], wanted_z);
        pki_make(&pki, "renewed", &(struct wish){.subject_z = "After"});
        kill(pid, SIGHUP);
    }
    stop(pid);
}

static int make_certificates(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    pki_open(&pki);
    pki_make(&pki, "site", &(struct wish){0});
    pki_make(&pki, "clients", &(struct wish){.for_clients = true, .subject_z = "A Client"});
    snprintf(ca_z, sizeof(ca_z), "%s", pki_path(&pki, "ca"));
    snprintf(site_z, sizeof(site_z), "%s", pki_path(&pki, "site"));
    snprintf(clients_z, sizeof(clients_z), "%s", pki_path(&pki, "clients"));
    snprintf(server_z, sizeof(server_z), "tls:0:interface=127.0.0.1:cert=%s", site_z);
    return 0;
}

static int remove_certificates(void **state)
{
    (void)state;
    pki_close(&pki);
    return 0;
}

int main(int argc, char **argv)
{
    example_z = argc > 1 ? argv[1] : "";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_is_served_with_both_versions_and_resumes),
        cmocka_unit_test(curl_is_served),
        cmocka_unit_test(python_is_served_and_hears_the_goodbye),
        cmocka_unit_test(openssl_upgrades_by_starttls),
        cmocka_unit_test(the_engine_visits_openssl_and_python),
        cmocka_unit_test(endpoints_say_what_they_cannot),
        cmocka_unit_test(the_guides_server_echoes_and_renews_its_certificate),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
