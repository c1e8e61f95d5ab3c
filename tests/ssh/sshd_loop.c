/* A debugging server: the SSH machine over plain blocking sockets, one process a connection, for
 * real clients to be pointed at by hand. It listens on loopback, runs nothing and keeps its keys in
 * memory: exec and shell are answered by the few words in `answer_line`.
 *
 *     sshd_loop PORT [PASSWORD]     any user; without PASSWORD it is "secret" */
#include "base/error.h"
#include "ssh/fingerprint.h"
#include "ssh/hostkey.h"
#include "ssh/profile.h"
#include "ssh/ssh.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct program {
    bool running, is_cat, is_count, interactive, ended;
    size_t counted;
    uint64_t to_send; /* bytes of "y\n" still to be written */
    int64_t ends_us;  /* a sleep: when it is over */
    int status;
    const char *signal_z;
    struct buffer out, err;
};

struct connection {
    struct crypto_suite *suite; /* for what is told of the client */
    struct ssh *ssh;
    int fd;
    const char *password_z;
    struct program programs[SSH_CHANNELS_MAX];
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- The programs ---- */

static void finish_program(struct program *p, int status)
{
    p->ended = true;
    p->status = status;
}

static void answer_line(struct program *p, struct span line)
{
    char text_z[512];
    span_copy_z(line, text_z, sizeof(text_z));
    if (strncmp(text_z, "echo ", 5) == 0) {
        buffer_printf(&p->out, "%s\n", text_z + 5);
        finish_program(p, 0);
    } else if (strncmp(text_z, "printf ", 7) == 0) {
        buffer_printf(&p->out, "%s", text_z + 7);
        finish_program(p, 0);
    } else if (strncmp(text_z, "exit ", 5) == 0) {
        finish_program(p, (int)strtol(text_z + 5, NULL, 10));
    } else if (strncmp(text_z, "cat", 3) == 0) {
        p->is_cat = strcmp(text_z, "cat") == 0;
    } else if (strcmp(text_z, "wc -c") == 0) {
        p->is_count = true;
    } else if (strncmp(text_z, "yes ", 4) == 0) {
        p->to_send = strtoull(text_z + 4, NULL, 10);
    } else if (strncmp(text_z, "sleep ", 6) == 0) {
        p->ends_us = now_us() + (int64_t)(strtod(text_z + 6, NULL) * 1e6);
    } else if (strcmp(text_z, "kill -TERM $$") == 0) {
        p->signal_z = "TERM";
        finish_program(p, 0);
    } else {
        buffer_printf(&p->err, "bash: line 1: %s: command not found\n", text_z);
        finish_program(p, 127);
    }
}

static void start_program(struct connection *k, const struct ssh_event_request *request)
{
    struct program *p = &k->programs[request->channel];
    *p = (struct program){.running = true};
    buffer_init(&p->out, 1 << 20);
    buffer_init(&p->err, 1 << 20);
    ssh_channel_request_accept(k->ssh, request->channel);
    if (request->request == SSH_REQUEST_EXEC) {
        answer_line(p, request->text);
    } else if (request->request == SSH_REQUEST_SHELL) {
        p->interactive = true;
        buffer_put_z(&p->out, "$ ");
    }
}

static void feed_program(struct connection *k, uint32_t channel, struct span bytes)
{
    struct program *p = &k->programs[channel];
    p->counted += bytes.len;
    if (p->is_cat)
        buffer_put(&p->out, bytes);
    for (size_t i = 0; p->interactive && i < bytes.len; i++) {
        if (bytes.data[i] == 4)
            finish_program(p, 0);
        else if (bytes.data[i] == '\r' || bytes.data[i] == '\n')
            buffer_put_z(&p->out, "\r\n$ ");
        else
            buffer_put_u8(&p->out, bytes.data[i]);
    }
    ssh_channel_consumed(k->ssh, channel, bytes.len);
}

static void end_of_input(struct program *p)
{
    if (p->is_count)
        buffer_printf(&p->out, "%zu\n", p->counted);
    if (!p->ends_us && !p->to_send)
        finish_program(p, 0);
}

static void write_program(struct connection *k, uint32_t channel)
{
    struct program *p = &k->programs[channel];
    while (p->to_send && buffer_len(&p->out) < 65536) {
        buffer_put_z(&p->out, "y\n");
        p->to_send -= p->to_send < 2 ? p->to_send : 2;
        if (!p->to_send)
            finish_program(p, 0);
    }
    buffer_take(&p->out, ssh_channel_write(k->ssh, channel, SSH_STDOUT, buffer_span(&p->out)));
    buffer_take(&p->err, ssh_channel_write(k->ssh, channel, SSH_STDERR, buffer_span(&p->err)));
    if (p->ends_us && now_us() >= p->ends_us)
        finish_program(p, 0);
    if (!p->ended || buffer_len(&p->out) || buffer_len(&p->err))
        return;
    ssh_channel_eof(k->ssh, channel);
    if (p->signal_z)
        ssh_channel_exit_signal(k->ssh, channel, p->signal_z, false);
    else
        ssh_channel_exit_status(k->ssh, channel, (uint32_t)p->status);
    ssh_channel_close(k->ssh, channel);
    buffer_fini(&p->out);
    buffer_fini(&p->err);
    p->running = false;
}

/* ---- Events ---- */

static void on_request(struct connection *k, const struct ssh_event_request *request)
{
    struct program *p = &k->programs[request->channel];
    fprintf(stderr, "request %.*s: %.*s\n", (int)request->type.len,
            (const char *)request->type.data, (int)request->text.len,
            (const char *)request->text.data);
    if (request->needs_answer)
        start_program(k, request);
    else if (request->request == SSH_REQUEST_SIGNAL && request->accepted) {
        p->signal_z = "TERM";
        finish_program(p, 0);
    }
}

static void on_auth(struct connection *k, const struct ssh_event_auth *auth)
{
    char print_z[SSH_FINGERPRINT_SHA256_CHARS] = "";
    if (auth->method == SSH_AUTH_PUBLICKEY)
        ssh_fingerprint_sha256(auth->key_blob, print_z);
    fprintf(stderr, "auth %.*s for %.*s: %.*s%s\n", (int)auth->method_name.len,
            (const char *)auth->method_name.data, (int)auth->user.len,
            (const char *)auth->user.data, (int)auth->password.len,
            (const char *)auth->password.data, print_z);
    if (auth->method == SSH_AUTH_PASSWORD && span_equal_z(auth->password, k->password_z) &&
        !span_equal_z(auth->user, "root"))
        ssh_auth_accept(k->ssh);
    else
        ssh_auth_refuse(k->ssh);
}

static void on_event(struct connection *k, const struct ssh_event *event)
{
    char hassh_z[SSH_HASSH_CHARS];
    int on = 1;
    switch (event->type) {
    case SSH_EVENT_VERSION:
        fprintf(stderr, "client %.*s\n", (int)event->version.len,
                (const char *)event->version.data);
        break;
    case SSH_EVENT_KEXINIT:
        ssh_fingerprint_hassh(k->suite, &event->kexinit, hassh_z);
        fprintf(stderr, "hassh %s\n", hassh_z);
        break;
    case SSH_EVENT_KEYS:
        fprintf(stderr, "keys %s %s %s %s %s %s\n", event->keys.kex_z, event->keys.hostkey_z,
                event->keys.cipher_cs_z, event->keys.cipher_sc_z, event->keys.mac_cs_z,
                event->keys.mac_sc_z);
        break;
    case SSH_EVENT_AUTH: on_auth(k, &event->auth); break;
    case SSH_EVENT_FORWARD:
        ssh_forward_refuse(k->ssh, event->forward.channel, 2, "Connection refused");
        break;
    case SSH_EVENT_GLOBAL_REQUEST: ssh_global_answer(k->ssh, false, 0); break;
    case SSH_EVENT_CHANNEL_REQUEST: on_request(k, &event->request); break;
    case SSH_EVENT_CHANNEL_DATA: feed_program(k, event->data.channel, event->data.bytes); break;
    case SSH_EVENT_CHANNEL_EOF: end_of_input(&k->programs[event->channel]); break;
    case SSH_EVENT_CHANNEL_CLOSE: finish_program(&k->programs[event->channel], 0); break;
    case SSH_EVENT_CHANNEL_OPEN:
        setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        break;
    case SSH_EVENT_ERROR:
        fprintf(stderr, "error %s (message %d)\n", event->error.text_z, event->error.message);
        break;
    default: break;
    }
}

/* ---- The loop ---- */

static void work(struct connection *k)
{
    struct ssh_event event;
    while (ssh_next(k->ssh, &event))
        on_event(k, &event);
    for (uint32_t i = 0; i < SSH_CHANNELS_MAX; i++)
        if (k->programs[i].running)
            write_program(k, i);
}

static bool flush(struct connection *k)
{
    for (struct span out = ssh_out(k->ssh); out.len; out = ssh_out(k->ssh)) {
        ssize_t n = send(k->fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN;
        ssh_sent(k->ssh, (size_t)n);
        work(k);
    }
    return true;
}

static void wait_for_input(struct connection *k)
{
    uint8_t bytes[65536];
    struct pollfd poll_fd = {.fd = k->fd, .events = POLLIN};
    if (ssh_out(k->ssh).len)
        poll_fd.events |= POLLOUT;
    poll(&poll_fd, 1, 20);
    ssh_tick(k->ssh, now_us());
    if (!(poll_fd.revents & (POLLIN | POLLHUP | POLLERR)))
        return;
    ssize_t n = recv(k->fd, bytes, sizeof(bytes), MSG_PEEK);
    if (n <= 0) {
        ssh_feed_end(k->ssh, now_us());
        return;
    }
    size_t taken = ssh_feed(k->ssh, span_of(bytes, (size_t)n), now_us());
    if (taken)
        recv(k->fd, bytes, taken, 0);
    else
        usleep(1000); /* the machine waits for something else */
}

static void serve(struct connection *k)
{
    while (flush(k) && ssh_state(k->ssh) == SSH_OPEN) {
        wait_for_input(k);
        work(k);
    }
    flush(k);
    if (ssh_state(k->ssh) == SSH_ABORT) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        usleep(20000);
        setsockopt(k->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    for (uint32_t i = 0; i < SSH_CHANNELS_MAX; i++) {
        buffer_fini(&k->programs[i].out);
        buffer_fini(&k->programs[i].err);
    }
    ssh_free(k->ssh);
    crypto_suite_free(k->suite);
    close(k->fd);
}

/* The host's own list of groups, if it has one; never given back. */
static struct span read_moduli(void)
{
    static struct buffer text;
    buffer_init(&text, 4 << 20);
    FILE *file = fopen("/etc/ssh/moduli", "r");
    char line_z[4096];
    while (file && fgets(line_z, sizeof(line_z), file))
        buffer_put_z(&text, line_z);
    if (file)
        fclose(file);
    return buffer_span(&text);
}

static struct ssh_server *make_server(const struct ssh_profile *profile)
{
    struct buffer pem[SSH_HOSTKEY_TYPES];
    struct span spans[SSH_HOSTKEY_TYPES];
    int err = 0;
    for (size_t i = 0; i < SSH_HOSTKEY_TYPES; i++) {
        buffer_init(&pem[i], SSH_HOSTKEY_PEM_MAX_BYTES);
        if (ssh_hostkey_generate((enum ssh_hostkey_type)i, profile->rsa_bits, &pem[i]) < 0)
            return NULL;
        spans[i] = buffer_span(&pem[i]);
    }
    struct ssh_server *server = ssh_server_new(profile, spans, SSH_HOSTKEY_TYPES, &err);
    if (server)
        err = ssh_server_set_moduli(server, read_moduli());
    if (err < 0)
        fprintf(stderr, "server: %s\n", error_text(err));
    for (size_t i = 0; i < SSH_HOSTKEY_TYPES; i++)
        buffer_wipe(&pem[i]);
    return server;
}

static int listen_on(int port)
{
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0)
        return -1;
    return fd;
}

static void accept_loop(int listener, const struct ssh_server *server, const char *password_z)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        if (fork() == 0) {
            uint8_t seed[SSH_SEED_BYTES];
            struct connection k = {.suite = crypto_suite_new(), .fd = fd, .password_z = password_z};
            close(listener);
            if (getrandom(seed, sizeof(seed), 0) == sizeof(seed) &&
                (k.ssh = ssh_new(server, seed, now_us())) != NULL)
                serve(&k);
            _exit(0);
        }
        close(fd);
    }
}

int main(int argc, char **argv)
{
    const struct ssh_profile *profile =
        ssh_profile_find(span_z(argc >= 4 ? argv[3] : "openssh-9.2p1"));
    struct ssh_server *server = argc >= 2 && profile ? make_server(profile) : NULL;
    int listener = server ? listen_on((int)strtol(argv[1], NULL, 10)) : -1;
    if (listener < 0) {
        fprintf(stderr, "usage: sshd_loop PORT [PASSWORD [PROFILE]]\n");
        return 1;
    }
    signal(SIGCHLD, SIG_IGN);
    accept_loop(listener, server, argc >= 3 ? argv[2] : "secret");
    return 0;
}
