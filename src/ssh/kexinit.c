/* Negotiation (RFC 4253, section 7.1), with strict key exchange (OpenSSH's PROTOCOL, 1.9) and the
 * announcement of extensions (RFC 8308). */
#include "ssh/machine.h"

#include "base/error.h"
#include "ssh/keylog.h"
#include "ssh/names.h"

#include <string.h>

enum { LISTS = 10, LISTS_LOOKED_AT = 8 };

/* ---- Ours ---- */

static bool is_left_out(const struct ssh *s, struct span name)
{
    return (s->compat & SSH_COMPAT_NO_CURVE25519_OLD &&
            span_equal_z(name, "curve25519-sha256@libssh.org")) ||
           (s->compat & SSH_COMPAT_NO_GEX &&
            span_equal_z(name, "diffie-hellman-group-exchange-sha256"));
}

/* The kex list for this client: one name is left out for some. */
static struct span kex_names(const struct ssh *s, char out_z[SSH_NAMES_MAX_BYTES])
{
    struct span all = span_z(s->server->kex_z), list = all, name;
    if (!(s->compat & (SSH_COMPAT_NO_CURVE25519_OLD | SSH_COMPAT_NO_GEX)))
        return all;
    size_t len = 0;
    while (ssh_names_next(&list, &name)) {
        if (is_left_out(s, name))
            continue;
        if (len)
            out_z[len++] = ',';
        memcpy(out_z + len, name.data, name.len);
        len += name.len;
    }
    return span_of(out_z, len);
}

void ssh_kexinit_send(struct ssh *s)
{
    const struct ssh_server *server = s->server;
    char kex_z[SSH_NAMES_MAX_BYTES];
    uint8_t cookie[SSH_COOKIE_BYTES];
    crypto_rng_bytes(&s->rng, cookie, sizeof(cookie));
    ssh_begin(s, SSH_MSG_KEXINIT);
    ssh_put_bytes(s, span_of(cookie, sizeof(cookie)));
    ssh_put_string(s, kex_names(s, kex_z));
    ssh_put_string_z(s, server->hostkey_z);
    ssh_put_string_z(s, server->cipher_z);
    ssh_put_string_z(s, server->cipher_z);
    ssh_put_string_z(s, server->mac_z);
    ssh_put_string_z(s, server->mac_z);
    ssh_put_string_z(s, server->compression_z);
    ssh_put_string_z(s, server->compression_z);
    ssh_put_string_z(s, ""); /* languages */
    ssh_put_string_z(s, "");
    ssh_put_u8(s, 0);  /* first_kex_packet_follows */
    ssh_put_u32(s, 0); /* reserved */
    buffer_clear(&s->kex.server_init);
    if (buffer_put(&s->kex.server_init, buffer_span(&s->message)) < 0)
        ssh_broken(s, ERR_NOMEM);
    s->kex.step = SSH_KEX_WANT_KEXINIT;
    ssh_send(s);
}

/* ---- The client's ---- */

struct lists {
    struct span kex, hostkey, cipher[2], mac[2], comp[2], lang[2]; /* by enum ssh_side */
};

/* Dropbear counts no list with a NUL or with more names than it has room for, and reads no further
 * than the flag. */
static struct span loose_list(struct ssh *s, struct cursor *c)
{
    size_t len;
    struct span list = ssh_dropbear_text(c, &len);
    size_t names = 1;
    for (size_t i = 0; i < list.len; i++)
        names += list.data[i] == ',';
    if (names > s->profile->names_max)
        c->failed = true;
    return list.len == len ? list : span_of(NULL, 0);
}

static int parse(struct ssh *s, struct cursor *c, struct lists *lists, bool *follows)
{
    struct span *all[LISTS] = {
        &lists->kex,    &lists->hostkey, &lists->cipher[0], &lists->cipher[1], &lists->mac[0],
        &lists->mac[1], &lists->comp[0], &lists->comp[1],   &lists->lang[0],   &lists->lang[1]};
    cursor_bytes(c, SSH_COOKIE_BYTES);
    for (size_t i = 0; i < LISTS; i++)
        *all[i] = !s->profile->names_max ? ssh_names_text(c)
                  : i < LISTS_LOOKED_AT  ? loose_list(s, c)
                                         : cursor_string(c);
    *follows = cursor_u8(c) != 0;
    if (s->profile->names_max)
        return ssh_demand_fields(s, c);
    cursor_u32(c); /* reserved */
    return ssh_demand_end(s, c);
}

/* The client's first name that the server has too; empty when there is none. */
static struct span choose(const struct ssh *s, struct span client, const char *server_z)
{
    struct span name;
    for (;;) {
        while (ssh_names_next(&client, &name))
            if (ssh_names_has(span_z(server_z), name))
                return name;
        /* COMPAT: a name of no length ends OpenSSH's search, not dropbear's. */
        if (!s->profile->names_max || client.len == 0)
            return span_of(NULL, 0);
        client = span_slice(client, 1, client.len);
    }
}

static struct span first_name(struct span list)
{
    struct span name;
    return ssh_names_next(&list, &name) ? name : span_of(NULL, 0);
}

static int choose_direction(struct ssh *s, const struct lists *lists, enum ssh_side side)
{
    struct ssh_kex *kex = &s->kex;
    kex->cipher[side] = ssh_cipher_find(choose(s, lists->cipher[side], s->server->cipher_z));
    if (!kex->cipher[side])
        return ssh_disagree(s, "no common cipher");
    kex->mac[side] = NULL;
    if (!kex->cipher[side]->tag_bytes) {
        kex->mac[side] = ssh_mac_find(choose(s, lists->mac[side], s->server->mac_z));
        if (!kex->mac[side])
            return ssh_disagree(s, "no common MAC");
    }
    struct span compression = choose(s, lists->comp[side], s->server->compression_z);
    if (!compression.len)
        return ssh_disagree(s, "no common compression");
    kex->compresses[side] = span_equal_z(compression, "zlib@openssh.com");
    return 0;
}

static int choose_all(struct ssh *s, const struct lists *lists)
{
    struct ssh_kex *kex = &s->kex;
    char names_z[SSH_NAMES_MAX_BYTES + 1];
    span_copy_z(kex_names(s, names_z), names_z, sizeof(names_z));
    kex->method = ssh_kex_method_find(choose(s, lists->kex, names_z));
    if (!kex->method)
        return ssh_disagree(s, "no common key exchange method");
    kex->signature = ssh_signature_find(choose(s, lists->hostkey, s->server->hostkey_z));
    if (!kex->signature)
        return ssh_disagree(s, "no common host key algorithm");
    int err = choose_direction(s, lists, SSH_CLIENT_TO_SERVER);
    return err < 0 ? err : choose_direction(s, lists, SSH_SERVER_TO_CLIENT);
}

/* Pseudo-algorithms in the first list of the first exchange. */
static int read_markers(struct ssh *s, struct span kex_list, struct span hostkey_list)
{
    static const char *const rsa_z[] = {"rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"};
    struct ssh_kex *kex = &s->kex;
    if (!kex->initial)
        return 0;
    /* COMPAT: a client that names neither of the first two gets the last. */
    for (size_t i = ARRAY_LEN(rsa_z); i-- > 0;)
        if (i == ARRAY_LEN(rsa_z) - 1 || ssh_names_has(hostkey_list, span_z(rsa_z[i])))
            kex->rsa_signature = ssh_signature_find(span_z(rsa_z[i]));
    kex->wants_ext_info = ssh_names_has(kex_list, span_z("ext-info-c"));
    kex->strict = ssh_names_has(kex_list, span_z("kex-strict-c-v00@openssh.com")) &&
                  ssh_names_has(span_z(s->server->kex_z), span_z("kex-strict-s-v00@openssh.com"));
    if (kex->strict && s->packet.sequence != 0)
        return ssh_fault_disconnect(s, "strict KEX violation: KEXINIT was not the first packet");
    return 0;
}

/* A packet sent on a guess counts only when both sides prefer the same (RFC 4253, section 7). */
static bool guess_is_wrong(const struct ssh *s, const struct lists *lists)
{
    static const struct span easy = SPAN_LIT("kexguess2@matt.ucc.asn.au");
    char names_z[SSH_NAMES_MAX_BYTES];
    /* Dropbear's extension: the client's first is what counts, when both know of it. */
    if (ssh_names_has(span_z(s->server->kex_z), easy) && ssh_names_has(lists->kex, easy))
        return !span_equal_z(first_name(lists->kex), s->kex.method->name_z) ||
               !span_equal_z(first_name(lists->hostkey), s->kex.signature->name_z);
    return !span_equal(first_name(lists->kex), first_name(kex_names(s, names_z))) ||
           !span_equal(first_name(lists->hostkey), first_name(span_z(s->server->hostkey_z)));
}

static void emit_kexinit(struct ssh *s, const struct lists *lists)
{
    ssh_emit(s, SSH_EVENT_KEXINIT)->kexinit = (struct ssh_event_kexinit){
        .kex = lists->kex,
        .hostkey = lists->hostkey,
        .cipher_cs = lists->cipher[0],
        .cipher_sc = lists->cipher[1],
        .mac_cs = lists->mac[0],
        .mac_sc = lists->mac[1],
        .comp_cs = lists->comp[0],
        .comp_sc = lists->comp[1],
        .lang_cs = lists->lang[0],
        .lang_sc = lists->lang[1],
        .first = s->kex.initial,
    };
}

int ssh_kexinit_receive(struct ssh *s, struct cursor *c)
{
    struct lists lists;
    bool follows;
    int err = parse(s, c, &lists, &follows);
    if (err < 0)
        return err;
    buffer_clear(&s->kex.client_init);
    if (buffer_put(&s->kex.client_init, s->packet.payload) < 0)
        return ssh_broken(s, ERR_NOMEM);
    if (s->kex.step == SSH_KEX_IDLE)
        ssh_kexinit_send(s);
    err = read_markers(s, lists.kex, lists.hostkey);
    if (err == 0)
        err = choose_all(s, &lists);
    if (err < 0)
        return err;
    s->kex.skip_guess = follows && guess_is_wrong(s, &lists);
    s->kex.step = s->kex.method->kind == SSH_KEX_GEX ? SSH_KEX_WANT_SIZES : SSH_KEX_WANT_PUBLIC;
    emit_kexinit(s, &lists);
    return 0;
}
