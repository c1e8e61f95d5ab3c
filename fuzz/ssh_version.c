/* The identification phase and what a client sends in the clear: src/ssh/ident.c, packet.c,
 * dispatch.c, kexinit.c. The first byte says how the rest is cut. */
#include "keys.h"
#include "ssh/ssh.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ssh_server *server;
    static const uint8_t seed[SSH_SEED_BYTES] = {1};
    if (!server && !(server = keys_server(&ssh_profile_openssh_9_2p1)))
        abort();
    if (size == 0)
        return 0;
    struct ssh *s = ssh_new(server, seed, 0);
    size_t step = data[0] ? data[0] : size;
    struct span rest = span_of(data + 1, size - 1);
    if (s)
        pull(s);
    while (s && rest.len) {
        size_t n = ssh_feed(s, span_slice(rest, 0, step), 0);
        pull(s);
        if (n == 0)
            break;
        rest = span_slice(rest, n, rest.len);
    }
    if (s) {
        ssh_feed_end(s, 1);
        pull(s);
        if (ssh_state(s) == SSH_OPEN)
            abort(); /* the client's end must end it */
    }
    ssh_free(s);
    return 0;
}
