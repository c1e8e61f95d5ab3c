/* What the TLS tests share: certificates made on the spot, two ends that record, and a wire between
 * them that can be read, cut and changed. */
#ifndef TESTS_REEL_TLS_HELPER_H
#define TESTS_REEL_TLS_HELPER_H

#include "helper.h"

#include <reel/tls.h>

#include <stdio.h>

/* A certificate to be made. Zero fields: for "localhost" and 127.0.0.1, of today, by the authority. */
struct wish {
    const char *subject_z; /* CN */
    const char *names_z;   /* "DNS:a.example,IP:127.0.0.1"; NULL: those of localhost */
    int from_days, to_days;
    bool by_itself; /* self-signed */
    bool for_clients;
};

/* A directory with an authority in it: ca.pem. */
struct pki {
    char dir_z[64];
    void *key, *certificate; /* the authority's */
    char path_z[128];        /* of the file asked for last */
};

void pki_open(struct pki *pki);
void pki_close(struct pki *pki); /* and removes the directory */
/* Makes NAME.pem: certificate and key. */
void pki_make(struct pki *pki, const char *name_z, const struct wish *wish);
/* The path of NAME.pem; valid until the next call. */
const char *pki_path(struct pki *pki, const char *name_z);

/* One end, as the factory's `shared`. */
struct side {
    int made, failed, lost, eof, upgraded;
    int reason;
    const char *say_z; /* written in `made` and in `upgraded` */
    char data[4096];
    size_t received;
    struct reel_transport *t; /* NULL: gone */
    char error_z[REEL_TLS_TEXT_MAX];
    char version_z[16], cipher_z[64], subject_z[64], name_z[64], alpn_z[16];
    bool resumed, verified;
    bool echoes;
    void *owner; /* the test's */
};

extern const struct reel_protocol side_protocol;

/* What stands between the two ends. */
struct between {
    struct reel_test_peer *peers[2]; /* of the client, of the server */
    size_t passed[2];                /* bytes from the client, from the server */
    long cut_at[2];                  /* so many pass, then the sender is gone; negative: all pass */
    long flip_at[2];                 /* this one is changed; negative: none is */
    uint8_t flip;                    /* by this */
    size_t piece;                    /* at most so many are passed at a time; 0: all */
    bool ended[2];
    FILE *dump; /* what passes, as text2pcap reads it; NULL: nowhere */
};

/* The two ends, each over a wire of its own. */
void between_open(struct between *b, struct reel_reactor *r, const struct reel_factory *client,
                  const struct reel_factory *server, struct reel_transport **client_t,
                  struct reel_transport **server_t);
/* Passes bytes on until none come any more. */
void between_pump(struct between *b, struct reel_reactor *r);
void between_close(struct between *b, struct reel_reactor *r);

#endif
