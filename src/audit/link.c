#include "audit/link.h"

#include "base/cursor.h"
#include "base/error.h"
#include "ssh/message.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 16384,
    PAYLOAD_MAX = 65536,
    WINDOW = 1 << 30, /* never refilled: no answer is longer */
    CHANNEL = 0,
    EXTENDED_STDERR = 1,
};

/* What an OpenSSH client of today offers, as far as this build has it. */
static const struct ssh_client_options OPTIONS = {
    .version_z = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",
    .kex_z = "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
             "ecdh-sha2-nistp521,diffie-hellman-group16-sha512,diffie-hellman-group14-sha256,"
             "kex-strict-c-v00@openssh.com",
    .hostkey_z = "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256",
    .cipher_cs_z = "chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr,aes128-gcm@openssh.com",
    .cipher_sc_z = "chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr,aes128-gcm@openssh.com",
    .mac_cs_z = "hmac-sha2-256-etm@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1",
    .mac_sc_z = "hmac-sha2-256-etm@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1",
    .comp_z = "none",
};

int64_t audit_now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- Sockets ---- */

static int connect_one(const struct addrinfo *a)
{
    const struct timeval wait = {.tv_sec = AUDIT_WAIT_MS / 1000};
    const int one = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    int error = -errno;
    (void)close(fd);
    return error;
}

int audit_connect(const char *host_z, const char *port_z)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *all = NULL;
    int fd = -EHOSTUNREACH;
    if (getaddrinfo(host_z, port_z, &hints, &all) != 0)
        return fd;
    for (const struct addrinfo *a = all; a != NULL && fd < 0; a = a->ai_next)
        fd = connect_one(a);
    freeaddrinfo(all);
    return fd;
}

/* Some bytes. Their number, 0 at the end, -ETIMEDOUT or another -errno. */
static int64_t read_some(int fd, struct buffer *in, int wait_ms)
{
    struct pollfd waits = {.fd = fd, .events = POLLIN};
    uint8_t *room = buffer_reserve(in, READ_BYTES);
    if (room == NULL)
        return -ENOMEM;
    int ready = poll(&waits, 1, wait_ms);
    if (ready <= 0)
        return ready == 0 ? -ETIMEDOUT : -errno;
    ssize_t n = recv(fd, room, READ_BYTES, 0);
    if (n < 0)
        return -errno;
    buffer_commit(in, (size_t)n);
    return n;
}

bool audit_read(int fd, struct buffer *in, int quiet_ms)
{
    int64_t n = 0, until_us = audit_now_us() + AUDIT_WAIT_MS * INT64_C(1000);
    do {
        n = read_some(fd, in, quiet_ms);
    } while (n > 0 && audit_now_us() < until_us);
    return n == 0 || n == -ECONNRESET;
}

int audit_write(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (n < 0)
            return -errno;
        bytes = span_slice(bytes, (size_t)n, bytes.len);
    }
    return 0;
}

/* ---- Messages ---- */

static int flush(struct audit_link *l)
{
    struct span out = ssh_client_out(l->client);
    int error = audit_write(l->fd, out);
    if (error == 0)
        ssh_client_sent(l->client, out.len);
    return error;
}

static void begin_step(struct audit_link *l)
{
    l->until_us = audit_now_us() + AUDIT_STEP_MS * INT64_C(1000);
}

static int receive(struct audit_link *l)
{
    struct buffer in;
    if (audit_now_us() >= l->until_us)
        return -ETIMEDOUT;
    buffer_init(&in, READ_BYTES);
    int64_t n = read_some(l->fd, &in, AUDIT_WAIT_MS);
    if (n > 0)
        ssh_client_feed(l->client, buffer_span(&in));
    buffer_fini(&in);
    return n > 0 ? 0 : n == 0 ? -ECONNRESET : (int)n;
}

/* The next message, whatever it is; borrowed until the next call. 0 or a negative error. */
static int next(struct audit_link *l, struct span *message)
{
    int error = 0;
    while (error == 0) {
        bool got = ssh_client_next(l->client, message);
        if (l->client->fault_z != NULL)
            return -EPROTO;
        error = flush(l);
        if (got)
            return message->data[0] == SSH_MSG_DISCONNECT ? -ECONNRESET : error;
        if (error == 0)
            error = receive(l);
    }
    return error;
}

/* The next message of one of these two numbers: which, or a negative error. */
static int wait_for(struct audit_link *l, uint8_t a, uint8_t b)
{
    struct span message;
    int error = 0;
    do {
        error = next(l, &message);
    } while (error == 0 && message.data[0] != a && message.data[0] != b);
    return error < 0 ? error : message.data[0];
}

static void begin(struct buffer *m, uint8_t type)
{
    buffer_init(m, PAYLOAD_MAX);
    (void)buffer_put_u8(m, type);
}

/* A message that did not fit is one that the server does not take: it says so. */
static int say(struct audit_link *l, struct buffer *m)
{
    begin_step(l);
    ssh_client_send(l->client, buffer_span(m));
    buffer_fini(m);
    return flush(l);
}

/* ---- Steps ---- */

int audit_link_open(struct audit_link *l, const struct audit_target *target,
                    const struct crypto_suite *suite)
{
    uint8_t seed[CRYPTO_RNG_SEED_BYTES];
    struct span message;
    *l = (struct audit_link){.fd = audit_connect(target->host_z, target->port_z)};
    if (l->fd < 0)
        return l->fd;
    if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return -EIO;
    l->client = ssh_client_new(suite, &OPTIONS, seed);
    if (l->client == NULL)
        return -ENOMEM;
    begin_step(l);
    int error = flush(l);
    while (error == 0 && !l->client->has_keys) {
        error = receive(l);
        (void)ssh_client_next(l->client, &message);
        if (l->client->fault_z != NULL)
            error = -EPROTO;
        if (error == 0)
            error = flush(l);
    }
    return error;
}

void audit_link_close(struct audit_link *l)
{
    ssh_client_free(l->client);
    if (l->fd >= 0)
        (void)close(l->fd);
    *l = (struct audit_link){.fd = -1};
}

int audit_link_service(struct audit_link *l)
{
    struct buffer m;
    begin(&m, SSH_MSG_SERVICE_REQUEST);
    (void)buffer_put_string(&m, span_z("ssh-userauth"));
    int error = say(l, &m);
    if (error == 0)
        error = wait_for(l, SSH_MSG_SERVICE_ACCEPT, SSH_MSG_SERVICE_ACCEPT);
    return error < 0 ? error : 0;
}

int audit_link_login(struct audit_link *l, const char *user_z, const char *password_z)
{
    struct buffer m;
    begin(&m, SSH_MSG_USERAUTH_REQUEST);
    (void)buffer_put_string(&m, span_z(user_z));
    (void)buffer_put_string(&m, span_z("ssh-connection"));
    (void)buffer_put_string(&m, span_z("password"));
    (void)buffer_put_u8(&m, 0);
    (void)buffer_put_string(&m, span_z(password_z));
    int type = say(l, &m);
    if (type == 0)
        type = wait_for(l, SSH_MSG_USERAUTH_SUCCESS, SSH_MSG_USERAUTH_FAILURE);
    return type < 0 ? type : type == SSH_MSG_USERAUTH_SUCCESS;
}

/* The server's number for a new session channel in *number. */
static int open_channel(struct audit_link *l, uint32_t *number)
{
    struct buffer m;
    struct span message;
    begin(&m, SSH_MSG_CHANNEL_OPEN);
    (void)buffer_put_string(&m, span_z("session"));
    (void)buffer_put_u32(&m, CHANNEL);
    (void)buffer_put_u32(&m, WINDOW);
    (void)buffer_put_u32(&m, AUDIT_PACKET);
    int error = say(l, &m);
    while (error == 0 && (error = next(l, &message)) == 0) {
        struct cursor c = cursor_of(span_slice(message, 1, message.len));
        (void)cursor_u32(&c);
        *number = cursor_u32(&c);
        if (message.data[0] == SSH_MSG_CHANNEL_OPEN_CONFIRMATION)
            return c.failed ? -EPROTO : 0;
        if (message.data[0] == SSH_MSG_CHANNEL_OPEN_FAILURE)
            return -EACCES;
    }
    return error;
}

static void keep(struct buffer *out, struct span bytes)
{
    (void)buffer_put(out, span_slice(bytes, 0, buffer_room(out)));
}

/* A message of the channel. 1 when it is the last one. */
static int take(struct audit_answer *answer, struct span message)
{
    struct cursor c = cursor_of(span_slice(message, 1, message.len));
    (void)cursor_u32(&c);
    switch (message.data[0]) {
    case SSH_MSG_CHANNEL_DATA: keep(&answer->out, cursor_string(&c)); return 0;
    case SSH_MSG_CHANNEL_EXTENDED_DATA:
        if (cursor_u32(&c) == EXTENDED_STDERR)
            keep(&answer->err, cursor_string(&c));
        return 0;
    case SSH_MSG_CHANNEL_REQUEST:
        if (span_equal_z(cursor_string(&c), "exit-status") && cursor_u8(&c) == 0)
            answer->status = (int)(cursor_u32(&c) & 0xff);
        return 0;
    case SSH_MSG_CHANNEL_CLOSE: return 1;
    case SSH_MSG_CHANNEL_FAILURE: return -EACCES;
    default: return 0;
    }
}

int audit_link_run(struct audit_link *l, const char *command_z, struct audit_answer *answer)
{
    struct buffer m;
    struct span message;
    uint32_t number = 0;
    int error = open_channel(l, &number);
    if (error < 0)
        return error;
    int64_t start_us = audit_now_us();
    answer->status = -1;
    begin(&m, SSH_MSG_CHANNEL_REQUEST);
    (void)buffer_put_u32(&m, number);
    (void)buffer_put_string(&m, span_z("exec"));
    (void)buffer_put_u8(&m, 1);
    (void)buffer_put_string(&m, span_z(command_z));
    error = say(l, &m);
    while (error == 0 && (error = next(l, &message)) == 0)
        error = take(answer, message);
    if (error < 0)
        return error;
    answer->asked = true;
    answer->took_us = audit_now_us() - start_us;
    answer->now_s = (int64_t)time(NULL);
    begin(&m, SSH_MSG_CHANNEL_CLOSE);
    (void)buffer_put_u32(&m, number);
    return say(l, &m);
}
