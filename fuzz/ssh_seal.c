/* Packets under the keys of every class of cipher: src/ssh/packet.c, transform.c. The input is a byte
 * that chooses cipher and MAC, then a list of steps:
 *
 *     0 n byte{n}   a packet of these bytes is sealed and sent
 *     1 n byte{n}   bytes that nobody sealed are sent
 *     2 at bit      of the packet sealed last one bit is turned, at a place modulo its length
 *     3 n           only n bytes of what is sent so far arrive now
 *
 * What comes out must be what was sealed, in order, and nothing after the first damage. */
#include "keys.h"
#include "ssh/derive.h"
#include "ssh/packet.h"

#include "base/cursor.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const suites_z[][2] = {
    {"chacha20-poly1305@openssh.com", NULL},
    {"aes128-gcm@openssh.com", NULL},
    {"aes256-gcm@openssh.com", NULL},
    {"aes128-ctr", "hmac-sha1"},
    {"aes192-ctr", "hmac-sha2-256"},
    {"aes256-ctr", "hmac-sha2-512"},
    {"aes128-ctr", "umac-64@openssh.com"},
    {"aes128-ctr", "umac-128@openssh.com"},
    {"aes128-ctr", "hmac-sha1-etm@openssh.com"},
    {"aes256-ctr", "hmac-sha2-256-etm@openssh.com"},
    {"aes128-ctr", "hmac-sha2-512-etm@openssh.com"},
    {"aes192-ctr", "umac-64-etm@openssh.com"},
    {"aes256-ctr", "umac-128-etm@openssh.com"},
};

enum { WIRE_MAX_BYTES = 1024 * 1024 };

struct line {
    struct ssh_sender sender;
    struct ssh_receiver receiver;
    struct crypto_rng rng;
    struct buffer sealed; /* payloads, each with its length, that have not come out yet */
    bool damaged;         /* bytes are on the line that were not sealed */
    bool over;
};

static void set_keys(struct line *l, const struct crypto_suite *suite, uint8_t which)
{
    const char *const *names_z = suites_z[which % ARRAY_LEN(suites_z)];
    const struct ssh_cipher *cipher = ssh_cipher_find(span_z(names_z[0]));
    const struct ssh_mac *mac = names_z[1] ? ssh_mac_find(span_z(names_z[1])) : NULL;
    struct ssh_key_material material = {{1}, {2}, {3}};
    struct ssh_transform out, in;
    if (ssh_transform_init(&out, suite, cipher, mac, &material) < 0 ||
        ssh_transform_init(&in, suite, cipher, mac, &material) < 0)
        abort();
    ssh_sender_rekey(&l->sender, &out, true);
    ssh_receiver_rekey(&l->receiver, &in, true);
}

static void pull(struct line *l)
{
    struct ssh_packet packet;
    enum ssh_packet_result result;
    while (!l->over && (result = ssh_receiver_next(&l->receiver, &packet)) != SSH_PACKET_MORE) {
        struct cursor c = cursor_of(buffer_span(&l->sealed));
        struct span expected = cursor_string(&c);
        l->over = result != SSH_PACKET_READY;
        if (l->over ? !l->damaged : c.failed || !span_equal(packet.payload, expected))
            abort();
        buffer_take(&l->sealed, 4 + expected.len);
    }
}

static void deliver(struct line *l, size_t n)
{
    while (n && !l->over && buffer_len(&l->sender.out)) {
        struct span piece = span_slice(buffer_span(&l->sender.out), 0, n);
        int taken = ssh_receiver_feed(&l->receiver, piece);
        if (taken < 0)
            abort();
        buffer_take(&l->sender.out, (size_t)taken);
        n -= (size_t)taken;
        pull(l);
        if (taken == 0)
            return;
    }
}

/* In CTR without -etm a length can be turned into another that is waited for; what comes then is not
 * what was sealed either. */
static void damage(struct line *l, size_t from, uint8_t at, uint8_t bit)
{
    size_t len = buffer_len(&l->sender.out);
    if (from >= len)
        return;
    uint8_t *wire = l->sender.out.data + l->sender.out.start;
    wire[from + at % (len - from)] ^= (uint8_t)(1 << bit % 8);
    l->damaged = true;
}

static void step(struct line *l, struct cursor *c, size_t *last)
{
    uint8_t kind = cursor_u8(c), n = cursor_u8(c);
    struct span bytes = {NULL, 0};
    if (kind % 4 < 2)
        bytes = cursor_bytes(c, n < c->rest.len ? n : c->rest.len);
    switch (kind % 4) {
    case 0:
        *last = buffer_len(&l->sender.out);
        if (bytes.len && ssh_sender_put(&l->sender, &l->rng, bytes) == 0)
            buffer_put_string(&l->sealed, bytes);
        break;
    case 1:
        l->damaged = l->damaged || bytes.len;
        buffer_put(&l->sender.out, bytes);
        break;
    case 2: damage(l, *last, n, cursor_u8(c)); break;
    default: deliver(l, n); *last = buffer_len(&l->sender.out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct crypto_suite *suite;
    struct line l = {.damaged = false};
    size_t last = 0;
    if (!suite && !(suite = crypto_suite_new()))
        abort();
    if (size == 0)
        return 0;
    ssh_sender_init(&l.sender, WIRE_MAX_BYTES);
    ssh_receiver_init(&l.receiver);
    buffer_init(&l.sealed, WIRE_MAX_BYTES);
    set_keys(&l, suite, data[0]);
    struct cursor c = cursor_of(span_of(data + 1, size - 1));
    while (c.rest.len && !c.failed)
        step(&l, &c, &last);
    deliver(&l, SIZE_MAX);
    if (!l.damaged && buffer_len(&l.sealed))
        abort(); /* all that was sealed must have come out */
    ssh_sender_fini(&l.sender);
    ssh_receiver_fini(&l.receiver);
    buffer_fini(&l.sealed);
    return 0;
}
