#include "link.h"

#include "ssh/message.h"
#include "tape.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PAYLOAD_MAX = 4096,
    READ_BYTES = 65536,
    WINDOW = 2 * 1024 * 1024,
    PACKET = 32 * 1024,
    DATA_AT = 9, /* in CHANNEL_DATA: after its number, the channel and the length */
};

void fail(const char *format_z, ...)
{
    va_list args;
    va_start(args, format_z);
    (void)fputs("bench-ssh: ", stderr);
    (void)vfprintf(stderr, format_z, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1);
}

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static const struct ssh_client_options OPTIONS = {
    .version_z = "SSH-2.0-Bench_1",
    .kex_z = "curve25519-sha256,kex-strict-c-v00@openssh.com",
    .hostkey_z = "ssh-ed25519",
    .cipher_cs_z = "chacha20-poly1305@openssh.com",
    .cipher_sc_z = "chacha20-poly1305@openssh.com",
    .mac_cs_z = "hmac-sha2-256",
    .mac_sc_z = "hmac-sha2-256",
    .comp_z = "none",
};

void link_set_up(struct keys_ring *ring)
{
    *ring = (struct keys_ring){.suite = crypto_suite_new()};
    if (!ring->suite)
        fail("no cryptography");
}

int connect_to(int port)
{
    const int one = 1;
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        fail("connect to port %d: %s", port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

void link_open(struct link *l, const struct keys_ring *ring, int port)
{
    const uint8_t seed[CRYPTO_RNG_SEED_BYTES] = {(uint8_t)port, 'c'};
    *l = (struct link){.client = ssh_client_new(ring->suite, &OPTIONS, seed)};
    if (l->client == NULL)
        fail("out of memory");
    l->fd = connect_to(port);
}

void link_close(struct link *l)
{
    ssh_client_free(l->client);
    close(l->fd);
}

/* ---- Bytes ---- */

static void send_all(struct link *l)
{
    struct span out = ssh_client_out(l->client);
    while (out.len > 0) {
        ssize_t n = send(l->fd, out.data, out.len, MSG_NOSIGNAL);
        if (n < 0)
            fail("send: %s", strerror(errno));
        tape_note(l->tape, true, (size_t)n);
        ssh_client_sent(l->client, (size_t)n);
        out = ssh_client_out(l->client);
    }
}

static void receive(struct link *l)
{
    uint8_t bytes[READ_BYTES];
    ssize_t n = recv(l->fd, bytes, sizeof(bytes), 0);
    if (n <= 0)
        fail("the server has closed: %s", n < 0 ? strerror(errno) : "in order");
    tape_note(l->tape, false, (size_t)n);
    ssh_client_feed(l->client, span_of(bytes, (size_t)n));
}

/* The next message of one of these numbers; others are skipped. */
static uint8_t wait_for(struct link *l, uint8_t a, uint8_t b)
{
    struct span message;
    for (;;) {
        while (ssh_client_next(l->client, &message)) {
            uint8_t type = message.data[0];
            if (type == a || type == b)
                return type;
            if (type == SSH_MSG_DISCONNECT)
                fail("the server says good-bye, waiting for %d", a);
        }
        if (l->client->fault_z)
            fail("%s", l->client->fault_z);
        send_all(l);
        receive(l);
    }
}

/* ---- Messages ---- */

struct message {
    struct buffer bytes;
};

static void begin(struct message *m, uint8_t type)
{
    buffer_init(&m->bytes, PAYLOAD_MAX);
    (void)buffer_put_u8(&m->bytes, type);
}

static void text(struct message *m, const char *text_z)
{
    (void)buffer_put_string(&m->bytes, span_z(text_z));
}

static void say(struct link *l, struct message *m)
{
    ssh_client_send(l->client, buffer_span(&m->bytes));
    buffer_fini(&m->bytes);
    send_all(l);
}

static void request(struct message *m, const char *name_z)
{
    begin(m, SSH_MSG_CHANNEL_REQUEST);
    (void)buffer_put_u32(&m->bytes, 0);
    text(m, name_z);
    (void)buffer_put_u8(&m->bytes, 1);
}

static void say_granted(struct link *l, struct message *m)
{
    say(l, m);
    if (wait_for(l, SSH_MSG_CHANNEL_SUCCESS, SSH_MSG_CHANNEL_FAILURE) != SSH_MSG_CHANNEL_SUCCESS)
        fail("a channel request was refused");
}

/* ---- Steps ---- */

void link_version(struct link *l)
{
    while (!l->client->have_version)
        receive(l);
}

void link_kexinit(struct link *l)
{
    struct span message;
    send_all(l);
    while (buffer_len(&l->client->server_init) == 0) {
        receive(l);
        (void)ssh_client_next(l->client, &message);
    }
}

void link_keys(struct link *l)
{
    struct span message;
    send_all(l);
    while (!l->client->has_keys) {
        receive(l);
        (void)ssh_client_next(l->client, &message);
        if (l->client->fault_z)
            fail("%s", l->client->fault_z);
    }
    send_all(l);
}

void link_service(struct link *l)
{
    struct message m;
    begin(&m, SSH_MSG_SERVICE_REQUEST);
    text(&m, "ssh-userauth");
    say(l, &m);
    (void)wait_for(l, SSH_MSG_SERVICE_ACCEPT, SSH_MSG_SERVICE_ACCEPT);
}

static void begin_auth(struct message *m, const char *user_z, const char *method_z)
{
    begin(m, SSH_MSG_USERAUTH_REQUEST);
    text(m, user_z);
    text(m, "ssh-connection");
    text(m, method_z);
}

void link_none(struct link *l, const char *user_z)
{
    struct message m;
    begin_auth(&m, user_z, "none");
    say(l, &m);
    (void)wait_for(l, SSH_MSG_USERAUTH_FAILURE, SSH_MSG_USERAUTH_FAILURE);
}

void link_ask_password(struct link *l, const char *user_z, const char *password_z)
{
    struct message m;
    begin_auth(&m, user_z, "password");
    (void)buffer_put_u8(&m.bytes, 0);
    text(&m, password_z);
    say(l, &m);
}

bool link_is_let_in(struct link *l)
{
    return wait_for(l, SSH_MSG_USERAUTH_SUCCESS, SSH_MSG_USERAUTH_FAILURE) ==
           SSH_MSG_USERAUTH_SUCCESS;
}

void link_hostkeys(struct link *l)
{
    (void)wait_for(l, SSH_MSG_GLOBAL_REQUEST, SSH_MSG_GLOBAL_REQUEST);
}

void link_channel(struct link *l)
{
    struct message m;
    begin(&m, SSH_MSG_CHANNEL_OPEN);
    text(&m, "session");
    (void)buffer_put_u32(&m.bytes, 0);
    (void)buffer_put_u32(&m.bytes, WINDOW);
    (void)buffer_put_u32(&m.bytes, PACKET);
    say(l, &m);
    (void)wait_for(l, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
}

void link_start(struct link *l, const char *command_z)
{
    struct message m;
    request(&m, "exec");
    text(&m, command_z);
    say_granted(l, &m);
}

void link_shell(struct link *l)
{
    static const uint32_t SIZE[] = {80, 24, 0, 0};
    struct message m;
    request(&m, "pty-req");
    text(&m, "xterm");
    for (size_t i = 0; i < ARRAY_LEN(SIZE); i++)
        (void)buffer_put_u32(&m.bytes, SIZE[i]);
    text(&m, "");
    say_granted(l, &m);
    request(&m, "shell");
    say_granted(l, &m);
    (void)wait_for(l, SSH_MSG_CHANNEL_DATA, SSH_MSG_CHANNEL_DATA);
}

void link_finish(struct link *l)
{
    struct message m;
    (void)wait_for(l, SSH_MSG_CHANNEL_CLOSE, SSH_MSG_CHANNEL_CLOSE);
    begin(&m, SSH_MSG_CHANNEL_CLOSE);
    (void)buffer_put_u32(&m.bytes, 0);
    say(l, &m);
}

void link_type(struct link *l, const char *text_z)
{
    struct message m;
    begin(&m, SSH_MSG_CHANNEL_DATA);
    (void)buffer_put_u32(&m.bytes, 0);
    text(&m, text_z);
    say(l, &m);
}

static bool holds(struct span bytes, const char *text_z)
{
    return bytes.len > 0 && memmem(bytes.data, bytes.len, text_z, strlen(text_z)) != NULL;
}

void link_expect(struct link *l, const char *text_z)
{
    struct buffer seen;
    struct span message;
    buffer_init(&seen, READ_BYTES);
    for (;;) {
        while (ssh_client_next(l->client, &message))
            if (message.data[0] == SSH_MSG_CHANNEL_DATA)
                (void)buffer_put(&seen, span_slice(message, DATA_AT, message.len));
        if (holds(buffer_span(&seen), text_z))
            break;
        receive(l);
    }
    buffer_fini(&seen);
}

void link_settle(struct link *l, int quiet_ms)
{
    struct pollfd waits = {.fd = l->fd, .events = POLLIN};
    struct span message;
    do {
        while (ssh_client_next(l->client, &message))
            ;
        send_all(l);
    } while (poll(&waits, 1, quiet_ms) > 0 && (receive(l), true));
}

void link_log_in(struct link *l, const char *user_z, const char *password_z)
{
    link_version(l);
    link_kexinit(l);
    link_keys(l);
    link_service(l);
    link_ask_password(l, user_z, password_z);
    if (!link_is_let_in(l))
        fail("the login was refused");
}
