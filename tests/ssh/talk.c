#include "talk.h"

#include "base/cursor.h"
#include "ssh/message.h"

#include <stdlib.h>

enum {
    MESSAGE_MAX_BYTES = 200 * 1024,
    MESSAGES_MAX = 256,
    SENT_MAX_BYTES = 1024 * 1024,
    SPLIT_MAX_BYTES = 8 * 1024, /* after these all comes whole: single bytes take their time */
    REPEAT_UNIT = 64,
};

static const char *const talk_names[] = {
    "ssh-userauth",
    "ssh-connection",
    "none",
    "password",
    "publickey",
    "keyboard-interactive",
    "hostbased",
    "publickey-hostbound-v00@openssh.com",
    "admin",
    "secret",
    "root",
    "",
    "ssh-ed25519",
    "rsa-sha2-512",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "session",
    "direct-tcpip",
    "direct-streamlocal@openssh.com",
    "forwarded-tcpip",
    "tun@openssh.com",
    "x11",
    "tcpip-forward",
    "cancel-tcpip-forward",
    "streamlocal-forward@openssh.com",
    "hostkeys-prove-00@openssh.com",
    "no-more-sessions@openssh.com",
    "keepalive@openssh.com",
    "pty-req",
    "env",
    "shell",
    "exec",
    "subsystem",
    "window-change",
    "signal",
    "break",
    "x11-req",
    "auth-agent-req@openssh.com",
    "eow@openssh.com",
    "xon-xoff",
    "exit-status",
    "sftp",
    "xterm-256color",
    "LANG",
    "LC_ALL",
    "TERM",
    "refused",
    "ext-info-in-auth@openssh.com",
    "server-sig-algs",
    "ping@openssh.com",
};

static const uint32_t talk_limits[] = {
    0,      1,       2,       9,         10,         31,         32,         0x7fff,
    0x8000, 0x8001,  0xffff,  0x10000,   2097151,    2097152,    2097153,    262144,
    32768,  1 << 24, 1 << 28, INT32_MAX, 0x80000000, 0xfffffffe, UINT32_MAX,
};

/* ---- Messages ---- */

static void unfold_piece(struct cursor *c, struct buffer *out)
{
    uint8_t kind = cursor_u8(c), n;
    switch (kind) {
    case 0xf0:
        n = cursor_u8(c);
        buffer_put_string(out, cursor_bytes(c, n < c->rest.len ? n : c->rest.len));
        break;
    case 0xf1:
        buffer_put_string(out, span_z(talk_names[cursor_u8(c) % ARRAY_LEN(talk_names)]));
        break;
    case 0xf2: buffer_put_u32(out, cursor_u8(c)); break;
    case 0xf3: buffer_put_u32(out, cursor_u32(c)); break;
    case 0xf4: buffer_put_u32(out, talk_limits[cursor_u8(c) % ARRAY_LEN(talk_limits)]); break;
    case 0xf5: {
        size_t len = (size_t)cursor_u8(c) * REPEAT_UNIT;
        uint8_t byte = cursor_u8(c);
        buffer_put_u32(out, (uint32_t)len);
        for (size_t i = 0; i < len; i++)
            buffer_put_u8(out, byte);
        break;
    }
    default: buffer_put_u8(out, kind);
    }
}

bool talk_next(struct span *input, struct span types, struct buffer *message)
{
    if (!input->len)
        return false;
    size_t len = input->data[0] >= 0x80 ? (size_t)(input->data[0] & 0x7f) * 16 : input->data[0];
    struct cursor c = cursor_of(span_slice(*input, 1, 1 + len));
    *input = span_slice(*input, 1 + len, input->len);
    buffer_clear(message);
    if (c.rest.len && types.len)
        buffer_put_u8(message, types.data[cursor_u8(&c) % types.len]);
    while (c.rest.len && !c.failed)
        unfold_piece(&c, message);
    return true;
}

/* ---- The conversation ---- */

/* What the session does by itself, so that its side of the channels moves too. */
static void act(struct pair *p, unsigned turn)
{
    uint32_t channel = turn % 3;
    ssh_channel_write(p->ssh, channel, turn % 2 ? SSH_STDERR : SSH_STDOUT, span_z("output"));
    if (turn % 4 == 2)
        ssh_channel_echo(p->ssh, channel, turn % 8 == 2);
    if (turn % 4 == 3)
        ssh_channel_eof(p->ssh, channel);
    if (turn % 16 == 11)
        ssh_channel_exit_signal(p->ssh, channel, "KILL", true);
    if (turn % 8 == 7) {
        ssh_channel_exit_status(p->ssh, channel, turn);
        ssh_channel_close(p->ssh, channel);
    }
}

/* All window that the client gave, as if every channel were one. */
static uint64_t granted_by(struct span message)
{
    struct cursor c = cursor_of(message);
    uint8_t type = cursor_u8(&c);
    if (type == SSH_MSG_CHANNEL_OPEN)
        cursor_string(&c);
    else if (type != SSH_MSG_CHANNEL_WINDOW_ADJUST)
        return 0;
    cursor_u32(&c);
    return cursor_u32(&c);
}

static void advance(struct pair *p, enum talk_stage stage, bool pty)
{
    pair_pump(p, true);
    if (stage >= TALK_LOGGED_IN)
        pair_login(p);
    if (stage >= TALK_OPEN)
        pair_open(p);
    if (stage >= TALK_RUNNING && pty)
        pair_say(p, "62 #0 \"pty-req\" 01 \"xterm\" #80 #24 #0 #0 \"\"");
    if (stage >= TALK_RUNNING)
        pair_say(p, "62 #0 \"exec\" 01 \"cat\"");
}

void talk_end(struct pair *p)
{
    struct ssh_event event;
    ssh_feed_end(p->ssh, p->now_us);
    p->eof_sent = true;
    pair_pump(p, true);
    if (p->client->fault_z || ssh_state(p->ssh) == SSH_OPEN || ssh_out(p->ssh).len)
        abort();
    ssh_tick(p->ssh, p->now_us + 1000 * 1000 * 1000);
    for (uint32_t channel = 0; channel < 3; channel++) {
        ssh_channel_write(p->ssh, channel, SSH_STDOUT, span_z("late"));
        ssh_channel_close(p->ssh, channel);
    }
    if (ssh_feed(p->ssh, span_z("late"), p->now_us) != 0 || ssh_next(p->ssh, &event) != 0 ||
        ssh_out(p->ssh).len)
        abort();
}

/* A KEXINIT stands for a whole exchange of keys, which the client does; what follows it in the message
 * is one of its own, sent before the client's public value. */
static void say(struct pair *p, struct span payload)
{
    bool renews = payload.data[0] == SSH_MSG_KEXINIT;
    if (renews) {
        ssh_client_send_kexinit(p->client);
        payload = span_slice(payload, 1, payload.len);
    }
    if (!payload.len ||
        (renews && payload.data[0] >= SSH_MSG_KEXINIT && payload.data[0] <= SSH_MSG_TRANSPORT_LAST))
        return;
    ssh_client_send_now(p->client, payload);
}

static void run(struct pair *p, struct span input, struct span types)
{
    struct buffer message;
    uint64_t granted = 1 << 21; /* of the channel that a stage opens */
    unsigned turn = 0, count = 0;
    buffer_init(&message, MESSAGE_MAX_BYTES);
    while (!p->ended && count++ < MESSAGES_MAX && p->to_server < SENT_MAX_BYTES &&
           talk_next(&input, types, &message)) {
        struct span payload = buffer_span(&message);
        if (p->to_server + payload.len > SPLIT_MAX_BYTES)
            p->split = PAIR_WHOLE;
        granted += granted_by(payload);
        if (!payload.len)
            act(p, turn++);
        else
            say(p, payload);
        pair_pump(p, true);
    }
    if (buffer_len(&p->output) > granted)
        abort();
    talk_end(p);
    buffer_fini(&message);
}

static void fuzz(struct span input, enum talk_stage stage, struct span types, bool clear)
{
    static struct keys_ring ring;
    struct pair p;
    if (input.len < 2)
        return;
    if (!ring.server)
        keys_ring_init(&ring, &ssh_profile_openssh_9_2p1);
    struct ssh_client_options options = ssh_client_defaults;
    uint8_t header = input.data[0];
    options.clear_z = clear ? ssh_profile_openssh_9_2p1.version_z : NULL;
    if (header & TALK_COMPRESS)
        options.comp_z = "zlib@openssh.com";
    enum pair_split split = header & TALK_BYTES    ? PAIR_BYTES
                            : header & TALK_RANDOM ? PAIR_RANDOM
                                                   : PAIR_WHOLE;
    pair_init_on(&p, &ring, &options, PAIR_WHOLE, 1);
    p.silent = true;
    advance(&p, stage, header & TALK_PTY);
    p.split = split;
    run(&p, span_slice(input, 1, input.len), types);
    pair_fini(&p);
}

void talk_fuzz(struct span input, enum talk_stage stage, struct span types)
{
    fuzz(input, stage, types, true);
}

void talk_fuzz_sealed(struct span input, enum talk_stage stage, struct span types)
{
    fuzz(input, stage, types, false);
}
