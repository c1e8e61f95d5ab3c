#include "session/transcript.h"

#include "crypto/suite.h"
#include "session/text.h"

#include <stdio.h>

static void name_of(const struct session_transcript *t, const struct session_journal *j,
                    char out_z[SESSION_TRANSCRIPT_NAME_SIZE])
{
    (void)snprintf(out_z, SESSION_TRANSCRIPT_NAME_SIZE, "tty/%.*s-%u.cast",
                   (int)j->origin.session.len, (const char *)j->origin.session.data, t->number);
}

void session_transcript_open(struct session_transcript *t, struct session_journal *j,
                             const struct session_transcript_start *start, int64_t now_us)
{
    *t = (struct session_transcript){.open = true, .number = start->number, .start_us = now_us};
    buffer_init(&t->input, SESSION_TRANSCRIPT_INPUT_MAX);
    const struct frame_tty_open frame = {
        .session = j->origin.session,
        .recording = t->number,
        .width = start->columns,
        .height = start->rows,
        .time_us = now_us,
        .term = span_slice(start->term, 0, FRAME_TEXT_MAX),
        .command = span_slice(start->command, 0, FRAME_TEXT_MAX),
    };
    session_journal_check(j, frame_put_tty_open(&j->frames, &frame));
    char name_z[SESSION_TRANSCRIPT_NAME_SIZE];
    name_of(t, j, name_z);
    struct event e = session_journal_event(j, EVENT_LOG_OPEN, now_us);
    event_text_z(&e, FIELD_TTYLOG, name_z);
    session_journal_put(j, &e);
}

static void put(struct session_transcript *t, struct session_journal *j, uint8_t way,
                struct span bytes, int64_t now_us)
{
    if (!t->open || bytes.len == 0)
        return;
    const struct frame_tty_data frame = {
        .session = j->origin.session,
        .recording = t->number,
        .way = way,
        .time_us = now_us,
        .bytes = bytes,
    };
    session_journal_check(j, frame_put_tty_data(&j->frames, &frame));
}

void session_transcript_out(struct session_transcript *t, struct session_journal *j,
                            struct span bytes, int64_t now_us)
{
    t->bytes += bytes.len;
    put(t, j, FRAME_TTY_OUT, bytes, now_us);
}

void session_transcript_in(struct session_transcript *t, struct session_journal *j,
                           struct span bytes, int64_t now_us)
{
    t->bytes += bytes.len;
    if (t->open && buffer_put(&t->input, bytes) < 0)
        t->input_cut = true;
    put(t, j, FRAME_TTY_IN, bytes, now_us);
}

void session_transcript_resize(struct session_transcript *t, struct session_journal *j,
                               uint16_t columns, uint16_t rows, int64_t now_us)
{
    char size_z[16];
    (void)snprintf(size_z, sizeof(size_z), "%ux%u", (unsigned)columns, (unsigned)rows);
    put(t, j, FRAME_TTY_RESIZE, span_z(size_z), now_us);
}

void session_transcript_close(struct session_transcript *t, struct session_journal *j,
                              const struct crypto_suite *suite, int64_t now_us)
{
    if (!t->open)
        return;
    t->open = false;
    const struct frame_tty_close frame = {
        .session = j->origin.session, .recording = t->number, .time_us = now_us};
    session_journal_check(j, frame_put_tty_close(&j->frames, &frame));

    char name_z[SESSION_TRANSCRIPT_NAME_SIZE];
    name_of(t, j, name_z);
    struct event e = session_journal_event(j, EVENT_LOG_CLOSED, now_us);
    event_text_z(&e, FIELD_TTYLOG, name_z);
    event_number(&e, FIELD_SIZE, (int64_t)t->bytes);
    event_number(&e, FIELD_DURATION_MS, (now_us - t->start_us) / 1000);
    const struct span input = buffer_span(&t->input);
    uint8_t digest[CRYPTO_DIGEST_MAX_BYTES];
    char hex_z[SESSION_SHASUM_SIZE];
    if (!t->input_cut && crypto_digest_parts(suite, CRYPTO_SHA256, &input, 1, digest) == 0) {
        session_text_hex(span_of(digest, SESSION_SHA256_BYTES), hex_z);
        event_text_z(&e, FIELD_SHASUM, hex_z);
    }
    session_journal_put(j, &e);
    buffer_fini(&t->input);
}
