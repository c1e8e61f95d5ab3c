/* The binary packet protocol (RFC 4253, section 6): payloads to bytes and back. Both ends use it. */
#ifndef SSH_PACKET_H
#define SSH_PACKET_H

#include "base/buffer.h"
#include "crypto/rng.h"
#include "ssh/transform.h"

enum {
    SSH_PACKET_LENGTH_MAX = 256 * 1024, /* of packet_length, as in OpenSSH */
    SSH_PACKET_LENGTH_MIN = 5,
    SSH_PACKET_PADDING_MIN = 4,
    SSH_PACKET_PADDING_MAX = 255,
    SSH_PACKET_IN_MAX_BYTES = SSH_PACKET_LENGTH_MAX + 4096, /* one whole packet and more */
};

/* What servers do otherwise. */
struct ssh_packet_rules {
    uint32_t length_min, length_max; /* of packet_length: from, to */
    uint32_t whole_max;              /* of all bytes of a packet, its MAC too */
    uint32_t payload_max;
    uint8_t padding_min;  /* that must be there */
    bool by_block;        /* the length is looked at when a whole block is there */
    bool exact_reads;     /* no more is read than the packet at hand */
    uint32_t sent_min;    /* bytes of a packet that is sent, without its MAC */
    bool random_in_clear; /* padding in the clear is random too */
    bool sync_flush;      /* compression ends each packet so; else with a partial flush */
};

/* OpenSSH's. */
#define SSH_PACKET_RULES_OPENSSH                                                                  \
    {                                                                                             \
        .length_min = SSH_PACKET_LENGTH_MIN, .length_max = SSH_PACKET_LENGTH_MAX,                 \
        .whole_max = UINT32_MAX, .payload_max = UINT32_MAX, .padding_min = SSH_PACKET_PADDING_MIN \
    }

/* ---- In ---- */

struct ssh_receiver {
    struct ssh_packet_rules rules;
    struct buffer in;
    struct ssh_transform transform;
    size_t spent;      /* bytes of the packet given out last: dropped with the next call */
    bool has_length;   /* of the packet at the front */
    uint32_t length;   /* its packet_length */
    uint32_t sequence; /* number of the packet at the front */
    uint64_t blocks;   /* since the keys changed */
    uint64_t packets;
};

struct ssh_packet {
    struct span payload; /* borrowed until the next call with the receiver */
    uint32_t sequence;
    uint8_t padding;
};

enum ssh_packet_result {
    SSH_PACKET_READY = 1,
    SSH_PACKET_MORE = 0, /* bytes are missing */
    SSH_PACKET_BAD_LENGTH = -1,
    SSH_PACKET_BAD_MAC = -2,
    SSH_PACKET_BAD_PADDING = -3, /* below the least; packet->padding says how much */
    SSH_PACKET_EMPTY = -4,       /* no payload is left beside the padding */
    SSH_PACKET_BROKEN = -5,      /* our own library failed */
};

/* With the rules of OpenSSH; others are set after it. */
void ssh_receiver_init(struct ssh_receiver *r);
void ssh_receiver_fini(struct ssh_receiver *r);

/* How many bytes are missing of the packet at hand, as far as that is known. */
size_t ssh_receiver_missing(const struct ssh_receiver *r);

/* Bytes taken, or ERR_NOMEM. */
int ssh_receiver_feed(struct ssh_receiver *r, struct span bytes);

enum ssh_packet_result ssh_receiver_next(struct ssh_receiver *r, struct ssh_packet *packet);

/* Drops the packet given out last. */
void ssh_receiver_release(struct ssh_receiver *r);

/* NEWKEYS came: takes the transform over (the argument is empty then). */
void ssh_receiver_rekey(struct ssh_receiver *r, struct ssh_transform *next, bool reset_sequence);

/* ---- Out ---- */

struct ssh_sender {
    struct ssh_packet_rules rules;
    struct buffer out;
    struct ssh_transform transform;
    uint32_t sequence;
    uint64_t blocks, packets;
};

void ssh_sender_init(struct ssh_sender *s, size_t out_max);
void ssh_sender_fini(struct ssh_sender *s);

/* Appends a packet with the least padding. 0, ERR_FULL, ERR_NOMEM or ERR_CRYPTO. */
int ssh_sender_put(struct ssh_sender *s, struct crypto_rng *rng, struct span payload);

void ssh_sender_rekey(struct ssh_sender *s, struct ssh_transform *next, bool reset_sequence);

#endif
