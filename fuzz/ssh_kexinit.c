/* Name-lists of the client's KEXINIT, whose fields keep their shape: src/ssh/kexinit.c, names.c. The
 * input is a header (1: the last flag, first_kex_packet_follows, is set; 2: a second KEXINIT follows;
 * 4: byte by byte) and names: a byte below 0x80 stands for a name that the server has or knows, the
 * last of which is a comma; others stand for themselves. A byte 0x80 ends a list. */
#include "keys.h"
#include "ssh/message.h"
#include "ssh/packet.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LISTS = 10, COOKIE_BYTES = 16, LIST_MAX_BYTES = 64 * 1024, END_OF_LIST = 0x80 };

static const char *const names_z[] = {
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group1-sha1",
    "ext-info-c",
    "kex-strict-c-v00@openssh.com",
    "kex-strict-s-v00@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ssh-ed25519",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-cbc",
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha1-etm@openssh.com",
    "umac-64@openssh.com",
    "hmac-sha2-256",
    "hmac-sha1",
    "none",
    "zlib",
    "zlib@openssh.com",
    "",
    ",",
};

static void put_list(struct buffer *out, struct span *input)
{
    struct buffer list;
    buffer_init(&list, LIST_MAX_BYTES);
    while (input->len) {
        uint8_t byte = input->data[0];
        *input = span_slice(*input, 1, input->len);
        if (byte == END_OF_LIST)
            break;
        if (byte < END_OF_LIST)
            buffer_put_z(&list, names_z[byte % ARRAY_LEN(names_z)]);
        else
            buffer_put_u8(&list, byte & 0x7f);
    }
    buffer_put_string(out, buffer_span(&list));
    buffer_fini(&list);
}

static void put_kexinit(struct ssh_sender *sender, struct span *input, bool follows)
{
    struct crypto_rng rng = {{0}};
    struct buffer payload;
    buffer_init(&payload, LISTS * (LIST_MAX_BYTES + 4) + 64);
    buffer_put_u8(&payload, SSH_MSG_KEXINIT);
    for (size_t i = 0; i < COOKIE_BYTES; i++)
        buffer_put_u8(&payload, (uint8_t)i);
    for (size_t i = 0; i < LISTS; i++)
        put_list(&payload, input);
    buffer_put_u8(&payload, follows);
    buffer_put_u32(&payload, 0);
    ssh_sender_put(sender, &rng, buffer_span(&payload));
    buffer_fini(&payload);
}

static void pull(struct ssh *s)
{
    struct ssh_event event;
    while (ssh_next(s, &event))
        ;
    while (ssh_out(s).len)
        ssh_sent(s, ssh_out(s).len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ssh_server *server;
    static const uint8_t seed[SSH_SEED_BYTES] = {1};
    if (!server && !(server = keys_server(&ssh_profile_openssh_9_2p1)))
        abort();
    if (size == 0)
        return 0;
    struct ssh_sender sender;
    struct span input = span_of(data + 1, size - 1);
    ssh_sender_init(&sender, 1 << 21);
    buffer_put_z(&sender.out, "SSH-2.0-fuzz\r\n");
    put_kexinit(&sender, &input, data[0] & 1);
    if (data[0] & 2)
        put_kexinit(&sender, &input, false);
    struct ssh *s = ssh_new(server, seed, 0);
    if (!s)
        abort();
    size_t n = 1, step = data[0] & 4 ? 1 : SIZE_MAX;
    while (n && buffer_len(&sender.out)) {
        n = ssh_feed(s, span_slice(buffer_span(&sender.out), 0, step), 0);
        pull(s);
        buffer_take(&sender.out, n);
    }
    ssh_free(s);
    ssh_sender_fini(&sender);
    return 0;
}
