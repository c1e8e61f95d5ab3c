/* Files of systemd's journal (systemd's JOURNAL_FILE_FORMAT): written whole, as systemd 252 writes
 * them: compact, with keyed hashes, no object compressed. */
#ifndef PERSONA_JOURNAL_H
#define PERSONA_JOURNAL_H

#include "persona/past.h"

enum {
    JOURNAL_ID_BYTES = 16,
    JOURNAL_FILE_BYTES = 8 << 20, /* of the file that is written to: journald grows it by so much */
    JOURNAL_FIELDS_MAX = 40,      /* of an entry */
    JOURNAL_NAME_MAX = 160,
};

/* ---- The format ---- */

struct journal_ids {
    uint8_t file[JOURNAL_ID_BYTES], machine[JOURNAL_ID_BYTES], boot[JOURNAL_ID_BYTES];
    uint8_t seqnum[JOURNAL_ID_BYTES];
};

struct journal_entry {
    uint64_t seqnum; /* rising */
    int64_t realtime_us, monotonic_us;
    const struct span *fields; /* NAME=VALUE, each */
    size_t count;              /* at most JOURNAL_FIELDS_MAX */
};

struct journal;
/* NULL: no memory. */
struct journal *journal_new(const struct journal_ids *ids);
void journal_free(struct journal *journal);
/* 0, ERR_FULL, ERR_NOMEM. */
int journal_add(struct journal *journal, const struct journal_entry *entry);
/* Appends the file. One that is not archived ends behind its last object, though it says that it
 * has JOURNAL_FILE_BYTES: the rest is zeros. Nothing can be added then. 0, ERR_FULL, ERR_NOMEM. */
int journal_finish(struct journal *journal, bool is_archived, struct buffer *out);

/* ---- The machine's files (journal_files.c) ---- */

/* Age 0 is the file that is written to; n is the n-th that was archived since the boot. The
 * administrator keeps one of those (/etc/systemd/journald.conf). */
bool persona_journal_is_there(uint32_t age, const struct persona_now *now);
/* Its name in /var/log/journal/MACHINE. */
void persona_journal_name(const struct persona_identity *identity, uint32_t age,
                          char out_z[JOURNAL_NAME_MAX]);
int persona_journal_write(uint32_t age, const struct persona_now *now, struct buffer *out,
                          int64_t *written_ms);
/* For how many days a file is written, and how many it is kept. */
void persona_journal_days(const struct persona_identity *identity, unsigned *written,
                          unsigned *kept);

/* The number that systemd gave a unit's last start: 32 hex digits. */
void persona_invocation(const struct persona_identity *identity, struct span unit,
                        char out_z[PERSONA_UUID_SIZE]);

#endif
