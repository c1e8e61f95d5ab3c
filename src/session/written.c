/* A file that was written in the machine becomes an artefact: first its checksum, then its parts. A
 * long one is read in pieces, one a turn, while the machine's guests stand still (kernel.h). */
#include "crypto/suite.h"
#include "session/connection.h"
#include "session/text.h"

/* A piece is much less than SESSION_RECORDS_STEP. */
enum { PIECE_BYTES = 256 * 1024, PART_BYTES = 32 * 1024 };

/* One piece of the contents, from where it stands: its length, 0 at the end. */
static size_t read_piece(struct session_connection *c, uint8_t *out)
{
    struct session_file *f = &c->file;
    int64_t n = 0;
    if (f->seen.data.len == (uint64_t)f->seen.number) {
        struct span rest = span_slice(f->seen.data, f->at, f->at + PIECE_BYTES);
        for (size_t i = 0; i < rest.len; i++)
            out[i] = rest.data[i];
        return rest.len;
    }
    n = kernel_file_read(c->kernel, f->at, out, PIECE_BYTES);
    return n > 0 ? (size_t)n : 0;
}

static void put_parts(struct session_connection *c, struct span bytes)
{
    const struct session_file *f = &c->file;
    for (size_t at = 0; at < bytes.len; at += PART_BYTES) {
        struct frame_artefact part = {
            .session = c->journal.origin.session,
            .size = (uint64_t)f->seen.number,
            .offset = f->at + at,
            .bytes = span_slice(bytes, at, at + PART_BYTES),
        };
        for (size_t i = 0; i < sizeof(part.shasum); i++)
            part.shasum[i] = f->shasum[i];
        session_journal_check(&c->journal, frame_put_artefact(&c->journal.frames, &part));
    }
}

static void finish(struct session_connection *c, bool kept)
{
    struct session_file *f = &c->file;
    f->busy = false;
    (void)crypto_hash_end(f->hash, NULL);
    f->hash = NULL;
    session_tell_file(c, &f->seen, kept ? f->shasum : NULL);
}

/* The end of the first pass. */
static void name_it(struct session_connection *c)
{
    struct session_file *f = &c->file;
    int error = crypto_hash_end(f->hash, f->shasum);
    f->hash = NULL;
    bool whole = f->at == (uint64_t)f->seen.number;
    f->at = 0;
    if (error != 0 || !whole)
        finish(c, false);
}

void session_file_go_on(struct session_connection *c)
{
    struct session_file *f = &c->file;
    uint8_t piece[PIECE_BYTES];
    struct span bytes = span_of(piece, read_piece(c, piece));
    if (f->hash != NULL && bytes.len > 0) {
        f->at = crypto_hash_put(f->hash, bytes) == 0 ? f->at + bytes.len : UINT64_MAX;
    } else if (f->hash != NULL) {
        name_it(c);
    } else if (bytes.len > 0) {
        put_parts(c, bytes);
        f->at += bytes.len;
    } else {
        finish(c, true);
    }
}

void session_file_give_up(struct session_connection *c)
{
    if (c->file.busy)
        finish(c, false);
}

/* Bounds of what is kept, of one file and of all that the connection wrote. */
static bool may_keep(struct session_connection *c, int64_t size)
{
    const struct session_limits *limits = &c->host->config.limits;
    if (size <= 0 || (uint64_t)size > limits->recorded_file)
        return false;
    if (c->recorded_bytes + (uint64_t)size > limits->recorded_bytes) {
        if (!c->recorded_full)
            session_put_limit(c, "recorded_bytes", (int64_t)c->recorded_bytes);
        c->recorded_full = true;
        return false;
    }
    c->recorded_bytes += (uint64_t)size;
    return true;
}

void session_file_start(struct session_connection *c, const struct kernel_event *seen)
{
    struct session_file *f = &c->file;
    *f = (struct session_file){.busy = true, .seen = *seen};
    if (may_keep(c, seen->number))
        f->hash = crypto_hash_new(c->host->suite, CRYPTO_SHA256);
    if (f->hash == NULL)
        finish(c, false);
    /* A short one at once. */
    while (f->busy && seen->data.len == (uint64_t)seen->number)
        session_file_go_on(c);
}
