#include "ssh/packet.h"

#include "base/error.h"

#include <string.h>

enum { LENGTH_BYTES = 4, PADDING_FIELD_BYTES = 1 };

/* ---- In ---- */

void ssh_receiver_init(struct ssh_receiver *r)
{
    *r = (struct ssh_receiver){.rules = SSH_PACKET_RULES_OPENSSH};
    buffer_init(&r->in, SSH_PACKET_IN_MAX_BYTES);
}

void ssh_receiver_fini(struct ssh_receiver *r)
{
    ssh_transform_fini(&r->transform);
    buffer_wipe(&r->in);
}

void ssh_receiver_release(struct ssh_receiver *r)
{
    buffer_take(&r->in, r->spent);
    r->spent = 0;
}

int ssh_receiver_feed(struct ssh_receiver *r, struct span bytes)
{
    ssh_receiver_release(r);
    size_t n = bytes.len < buffer_room(&r->in) ? bytes.len : buffer_room(&r->in);
    int err = buffer_put(&r->in, span_slice(bytes, 0, n));
    return err < 0 ? err : (int)n;
}

/* The live bytes, to be decrypted where they are. */
static uint8_t *front(struct ssh_receiver *r)
{
    return r->in.data + r->in.start;
}

static size_t header_bytes(const struct ssh_receiver *r)
{
    return r->rules.by_block ? ssh_transform_block(&r->transform)
                             : ssh_transform_header(&r->transform);
}

size_t ssh_receiver_missing(const struct ssh_receiver *r)
{
    size_t have = buffer_len(&r->in) - r->spent;
    size_t whole = r->has_length ? LENGTH_BYTES + r->length + ssh_transform_trailer(&r->transform)
                                 : header_bytes(r);
    return have < whole ? whole - have : 0;
}

static enum ssh_packet_result read_length(struct ssh_receiver *r)
{
    if (r->has_length)
        return SSH_PACKET_READY;
    if (buffer_len(&r->in) < header_bytes(r))
        return SSH_PACKET_MORE;
    if (ssh_transform_open_length(&r->transform, r->sequence, front(r), &r->length) < 0)
        return SSH_PACKET_BROKEN;
    size_t whole = LENGTH_BYTES + (size_t)r->length + ssh_transform_trailer(&r->transform);
    if (r->length < r->rules.length_min || r->length > r->rules.length_max ||
        whole > r->rules.whole_max)
        return SSH_PACKET_BAD_LENGTH;
    size_t padded =
        ssh_transform_length_apart(&r->transform) ? r->length : r->length + LENGTH_BYTES;
    if (padded % ssh_transform_block(&r->transform) != 0 || padded == 0)
        return SSH_PACKET_BAD_LENGTH;
    r->has_length = true;
    return SSH_PACKET_READY;
}

static enum ssh_packet_result take_apart(struct ssh_receiver *r, struct ssh_packet *packet)
{
    struct span body = span_of(front(r) + LENGTH_BYTES, r->length);
    packet->sequence = r->sequence++;
    packet->padding = body.data[0];
    packet->payload = span_of(NULL, 0);
    r->packets++;
    r->blocks += (LENGTH_BYTES + r->length) / ssh_transform_block(&r->transform);
    r->has_length = false;
    if (packet->padding < r->rules.padding_min)
        return SSH_PACKET_BAD_PADDING;
    if (PADDING_FIELD_BYTES + (size_t)packet->padding >= body.len ||
        body.len - packet->padding - PADDING_FIELD_BYTES > r->rules.payload_max)
        return SSH_PACKET_EMPTY;
    packet->payload = span_slice(body, PADDING_FIELD_BYTES, body.len - packet->padding);
    return SSH_PACKET_READY;
}

enum ssh_packet_result ssh_receiver_next(struct ssh_receiver *r, struct ssh_packet *packet)
{
    ssh_receiver_release(r);
    enum ssh_packet_result result = read_length(r);
    if (result != SSH_PACKET_READY)
        return result;
    size_t len = LENGTH_BYTES + (size_t)r->length;
    size_t whole = len + ssh_transform_trailer(&r->transform);
    if (buffer_len(&r->in) < whole)
        return SSH_PACKET_MORE;
    int err = ssh_transform_open(&r->transform, r->sequence, front(r), len);
    if (err < 0)
        return err == ERR_AUTH ? SSH_PACKET_BAD_MAC : SSH_PACKET_BROKEN;
    r->spent = whole;
    return take_apart(r, packet);
}

void ssh_receiver_rekey(struct ssh_receiver *r, struct ssh_transform *next, bool reset_sequence)
{
    ssh_transform_fini(&r->transform);
    r->transform = *next;
    crypto_wipe(next, sizeof(*next));
    r->blocks = r->packets = 0;
    if (reset_sequence)
        r->sequence = 0;
}

/* ---- Out ---- */

void ssh_sender_init(struct ssh_sender *s, size_t out_max)
{
    *s = (struct ssh_sender){.rules = SSH_PACKET_RULES_OPENSSH};
    buffer_init(&s->out, out_max);
}

void ssh_sender_fini(struct ssh_sender *s)
{
    ssh_transform_fini(&s->transform);
    buffer_fini(&s->out);
}

/* RFC 4253, section 6: at least four bytes, up to a multiple of the block; never more than asked. */
static size_t padding_for(const struct ssh_sender *s, size_t payload_len)
{
    const struct ssh_transform *t = &s->transform;
    size_t block = ssh_transform_block(t);
    size_t counted = PADDING_FIELD_BYTES + payload_len;
    if (!ssh_transform_length_apart(t))
        counted += LENGTH_BYTES;
    size_t padding = block - counted % block;
    if (padding < SSH_PACKET_PADDING_MIN)
        padding += block;
    size_t whole = LENGTH_BYTES + PADDING_FIELD_BYTES + payload_len + padding;
    return whole < s->rules.sent_min ? padding + block : padding;
}

int ssh_sender_put(struct ssh_sender *s, struct crypto_rng *rng, struct span payload)
{
    struct ssh_transform *t = &s->transform;
    size_t padding = padding_for(s, payload.len);
    size_t length = PADDING_FIELD_BYTES + payload.len + padding;
    size_t len = LENGTH_BYTES + length;
    size_t whole = len + ssh_transform_trailer(t);
    if (whole > buffer_room(&s->out))
        return ERR_FULL;
    uint8_t *packet = buffer_reserve(&s->out, whole);
    if (!packet)
        return ERR_NOMEM;
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        packet[i] = (uint8_t)(length >> (8 * (LENGTH_BYTES - 1 - i)));
    packet[LENGTH_BYTES] = (uint8_t)padding;
    if (payload.len > 0)
        memcpy(packet + LENGTH_BYTES + PADDING_FIELD_BYTES, payload.data, payload.len);
    /* COMPAT: OpenSSH pads with zeros in the clear. */
    if (t->cipher || s->rules.random_in_clear)
        crypto_rng_bytes(rng, packet + len - padding, padding);
    else
        memset(packet + len - padding, 0, padding);
    int err = ssh_transform_seal(t, s->sequence, packet, len);
    if (err < 0)
        return err;
    buffer_commit(&s->out, whole);
    s->sequence++;
    s->packets++;
    s->blocks += len / ssh_transform_block(t);
    return 0;
}

void ssh_sender_rekey(struct ssh_sender *s, struct ssh_transform *next, bool reset_sequence)
{
    ssh_transform_fini(&s->transform);
    s->transform = *next;
    crypto_wipe(next, sizeof(*next));
    s->blocks = s->packets = 0;
    if (reset_sequence)
        s->sequence = 0;
}
