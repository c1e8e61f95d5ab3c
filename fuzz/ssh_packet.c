/* Packets in the clear, well framed, of any contents, from the first KEXINIT on: src/ssh/packet.c,
 * dispatch.c, kexinit.c, kex.c. The input is a row of messages: a length byte, its bytes. */
#include "keys.h"
#include "ssh/packet.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pull(struct ssh *s)
{
    struct ssh_event event;
    do {
        ssh_sent(s, ssh_out(s).len);
        while (ssh_next(s, &event))
            ;
    } while (ssh_out(s).len);
}

/* Frames the messages as a client would. */
static void frame(struct ssh_sender *sender, struct span input)
{
    struct crypto_rng rng = {{0}};
    buffer_put_z(&sender->out, "SSH-2.0-fuzz\r\n");
    while (input.len > 1) {
        /* Long messages, as KEXINIT is, need more than a byte says. */
        size_t len = input.data[0] >= 0x80 ? (size_t)(input.data[0] & 0x7f) * 16 : input.data[0];
        struct span payload = span_slice(input, 1, 1 + len);
        if (payload.len)
            ssh_sender_put(sender, &rng, payload);
        input = span_slice(input, 1 + len, input.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ssh_server *server;
    static const uint8_t seed[SSH_SEED_BYTES] = {1};
    if (!server && !(server = keys_server(&ssh_profile_openssh_9_2p1)))
        abort();
    struct ssh_sender sender;
    ssh_sender_init(&sender, 1 << 20);
    frame(&sender, span_of(data, size));
    struct ssh *s = ssh_new(server, seed, 0);
    if (s)
        pull(s);
    while (s && buffer_len(&sender.out)) {
        size_t n = ssh_feed(s, buffer_span(&sender.out), 0);
        pull(s);
        if (n == 0)
            break;
        buffer_take(&sender.out, n);
    }
    ssh_free(s);
    ssh_sender_fini(&sender);
    return 0;
}
