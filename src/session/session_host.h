/* What all connections of a sensor share: made once by the outside, of plain data, and alive as
 * long as the process. Only its counters change, and whom the recorder remembers. */
#ifndef SESSION_SESSION_HOST_H
#define SESSION_SESSION_HOST_H

#include "kernel/kernel.h"

struct ssh_server;
struct session_bait;
struct session_policy;
struct session_host;
struct persona_identity;

/* Bounds of one connection. */
struct session_limits {
    int64_t idle_ms;             /* without a byte from the client, once logged in */
    int64_t total_ms;            /* from accept to the end */
    uint64_t output_bytes;       /* of all programs */
    uint32_t failed_tries;       /* passwords that are refused before a right one counts; 0: none */
    uint32_t variables;          /* that a client may set for a channel */
    uint32_t recorded_file;      /* a longer file that was written is told without its contents */
    uint64_t recorded_bytes;     /* of all contents that are kept */
    struct kernel_limits kernel; /* no instructions at all: kernel_limits_default */
};
extern const struct session_limits session_limits_default;

/* Who comes back (session/visitor.h). */
struct session_visitors {
    bool remembered;
    bool by_address, by_login; /* what he is known by: one at least */
    bool one_password;         /* only the password that worked for him */
    uint64_t bytes_max;        /* that he may leave */
};

struct session_config {
    const struct persona_image *image;   /* borrowed, here and below */
    struct cpu_code *code;               /* decoded code, shared by all machines */
    bool foreign_programs;               /* of other processors than the machine's run too */
    struct kernel_snapshots *snapshots;  /* starts of programs, shared as well; NULL: none */
    const struct ssh_server *ssh_server; /* NULL: no SSH */
    bool startups_limited; /* new connections are dropped as the SSH server's MaxStartups says */
    const struct session_policy *policy;
    const struct session_bait *bait; /* NULL: none */
    const uint32_t *watched;         /* inodes of its files, rising */
    size_t watched_count;
    struct session_limits limits;
    struct session_visitors visitors;
    struct span sensor_name, sensor_uuid;    /* copied */
    struct span hostname;                    /* copied */
    const struct persona_identity *identity; /* borrowed; the image wears it (persona/dress.h) */
    int64_t boot_ms;     /* wall-clock time of the machine's boot, without an identity */
    struct span address; /* copied: the machine's, when visitors come over loopback */
};

/* NULL: out of memory. */
struct session_host *session_host_new(const struct session_config *config);
void session_host_free(struct session_host *host);

/* The recorder has told whom it remembers: visitors as a FRAME_VISITORS has them. */
void session_host_know(struct session_host *host, struct span visitors);

struct session_counters {
    uint64_t connections, logins, failed_logins, programs, records_lost;
};
const struct session_counters *session_host_counters(const struct session_host *host);

#endif
