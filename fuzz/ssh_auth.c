/* Messages under keys, before and after the login: src/ssh/dispatch.c, auth.c, global.c, open.c,
 * channel*.c, request.c. The test client does the key exchange and seals what the input says: a
 * flag byte (1: log in first, 2: open a channel, 4: compress), then a length byte and the bytes of each message. A message
 * of no length makes the session write and a program end. */
#include "pair.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void act(struct pair *p, unsigned turn)
{
    uint32_t channel = turn % 3;
    ssh_channel_write(p->ssh, channel, turn % 2 ? SSH_STDERR : SSH_STDOUT, span_z("output"));
    if (turn % 4 == 3)
        ssh_channel_eof(p->ssh, channel);
    if (turn % 8 == 7) {
        ssh_channel_exit_status(p->ssh, channel, turn);
        ssh_channel_close(p->ssh, channel);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct keys_ring ring;
    struct pair p;
    unsigned turn = 0;
    if (size < 2)
        return 0;
    if (!ring.server)
        keys_ring_init(&ring, &ssh_profile_openssh_9_2p1);
    struct client_options options = client_defaults;
    if (data[0] & 4)
        options.comp_z = "zlib@openssh.com";
    pair_init_on(&p, &ring, &options, PAIR_WHOLE, 1);
    p.silent = true;
    pair_pump(&p, true);
    if (data[0] & 1)
        pair_login(&p);
    if (data[0] & 2)
        pair_open(&p);
    struct span input = span_of(data + 1, size - 1);
    while (input.len && !p.ended) {
        size_t len = input.data[0];
        struct span payload = span_slice(input, 1, 1 + len);
        if (payload.len)
            client_send_now(p.client, payload);
        else
            act(&p, turn++);
        pair_pump(&p, true);
        input = span_slice(input, 1 + len, input.len);
    }
    if (p.client->fault_z)
        abort(); /* what the server sends must always open */
    pair_fini(&p);
    return 0;
}
