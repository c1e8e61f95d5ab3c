#include "record/store.h"

#include "base/cursor.h"
#include "base/error.h"
#include "record/origin.h"
#include "record/roster.h"
#include "record/visits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STATE_NAME  "state"
#define ROSTER_NAME "sessions"
#define KEYLOG_NAME "ssh.keys"
#define STATE_MAGIC UINT64_C(0x6c75726564303101) /* "lured01", 1 */
#define STATE_SIZE  48
#define SECOND_US   1000000

/* What could not be written, until an event says so. */
struct gap {
    uint64_t records, bytes;
    int error;
};

struct record_store {
    int log, tty, artefacts; /* folders, borrowed */
    int state;
    struct record_options options;
    struct record_segment segment;
    struct record_casts casts;
    struct record_roster roster;
    struct record_visits visits;
    struct buffer line;
    uint64_t boot;    /* of the sensor that wrote last; 0: none */
    uint64_t number;  /* the highest that was taken */
    uint64_t written; /* the highest that is in the files */
    bool unsaved;     /* something was taken, or the state in the file is older */
    struct gap gap;
    struct record_retired retired; /* not told yet */
    int64_t retained_s;            /* when the folders were looked through; 0: not yet */
};

/* ---- The state: rewritten in place, so that it needs no space on a full disk. ---- */

static int state_save(struct record_store *s)
{
    struct buffer text;
    buffer_init(&text, STATE_SIZE);
    (void)buffer_put_u64(&text, STATE_MAGIC);
    (void)buffer_put_u64(&text, s->boot);
    (void)buffer_put_u64(&text, s->written);
    (void)buffer_put_u64(&text, s->gap.records);
    (void)buffer_put_u64(&text, s->gap.bytes);
    int error = buffer_put_u64(&text, (uint64_t)(int64_t)s->gap.error);
    struct span span = buffer_span(&text);
    if (error == 0 && pwrite(s->state, span.data, span.len, 0) != (ssize_t)span.len)
        error = errno != 0 ? -errno : -EIO;
    buffer_fini(&text);
    return error;
}

static void state_read(struct record_store *s)
{
    uint8_t bytes[STATE_SIZE];
    ssize_t n = pread(s->state, bytes, sizeof(bytes), 0);
    struct cursor c = cursor_of(span_of(bytes, n < 0 ? 0 : (size_t)n));
    if (cursor_u64(&c) != STATE_MAGIC)
        return;
    s->boot = cursor_u64(&c);
    s->number = cursor_u64(&c);
    s->gap.records = cursor_u64(&c);
    s->gap.bytes = cursor_u64(&c);
    s->gap.error = (int)(int64_t)cursor_u64(&c);
}

static int state_open(struct record_store *s)
{
    s->state = openat(s->log, STATE_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->state < 0)
        return -errno;
    state_read(s);
    /* A line may have been written after the state was. */
    if (s->segment.last_id > s->number)
        s->number = s->segment.last_id;
    s->written = s->number;
    return state_save(s);
}

/* ---- Opening ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

int record_dirs_open(struct record_dirs *dirs, int data)
{
    *dirs = (struct record_dirs){-1, -1, -1, -1};
    dirs->log = record_dir_open(data, "log");
    dirs->tty = record_dir_open(data, "tty");
    dirs->artefacts = record_dir_open(data, "artefacts");
    dirs->visits = record_dir_open(data, "visits");
    int all[RECORD_DIRS];
    record_dirs_all(dirs, all);
    for (size_t i = 0; i < RECORD_DIRS; i++) {
        if (all[i] < 0) {
            record_dirs_close(dirs);
            return all[i];
        }
    }
    return 0;
}

void record_dirs_close(struct record_dirs *dirs)
{
    close_fd(&dirs->log);
    close_fd(&dirs->tty);
    close_fd(&dirs->artefacts);
    close_fd(&dirs->visits);
}

void record_dirs_all(const struct record_dirs *dirs, int out[RECORD_DIRS])
{
    const int all[RECORD_DIRS] = {dirs->log, dirs->tty, dirs->artefacts, dirs->visits};
    memcpy(out, all, sizeof(all));
}

struct record_store *record_store_open(const struct record_dirs *dirs,
                                       const struct record_options *options, int *error)
{
    struct record_store *s = calloc(1, sizeof(*s));
    *error = ERR_NOMEM;
    if (s == NULL)
        return NULL;
    s->log = dirs->log;
    s->tty = dirs->tty;
    s->artefacts = dirs->artefacts;
    s->state = -1;
    s->segment.file.fd = s->roster.fd = -1;
    s->options = *options;
    if (s->options.segment_max == 0)
        s->options.segment_max = RECORD_SEGMENT_MAX;
    if (s->options.cast_max == 0)
        s->options.cast_max = RECORD_CAST_MAX;
    buffer_init(&s->line, FRAME_MAX);
    record_casts_init(&s->casts, s->tty, s->options.cast_max);
    *error = record_segment_open(&s->segment, s->log, s->options.segment_max);
    if (*error == 0)
        *error = record_roster_open(&s->roster, s->log, ROSTER_NAME);
    if (*error == 0)
        *error = record_visits_open(&s->visits, dirs->visits, options->visits_max,
                                    options->visits_s, (int64_t)time(NULL));
    if (*error == 0)
        *error = state_open(s);
    if (*error < 0) {
        record_store_close(s);
        return NULL;
    }
    return s;
}

static size_t gathered_bytes(const struct record_store *s)
{
    return buffer_len(&s->segment.gathered) + s->casts.gathered_bytes;
}

void record_store_close(struct record_store *store)
{
    if (store == NULL)
        return;
    int error = store->state >= 0 ? record_store_sync(store) : 0;
    if (store->number > store->written)
        record_store_gap(store, store->number - store->written, gathered_bytes(store), error);
    record_casts_fini(&store->casts);
    record_roster_close(&store->roster);
    record_visits_close(&store->visits);
    record_segment_close(&store->segment);
    buffer_fini(&store->line);
    close_fd(&store->state);
    free(store);
}

uint64_t record_store_number(const struct record_store *store)
{
    return store->written;
}

/* Recordings before the log: the number of a line in it says that all before that is written. A
 * session goes from the list of open ones when its end is in the log. */
static int write_gathered(struct record_store *s)
{
    int error = record_casts_flush(&s->casts);
    if (error == 0)
        error = record_segment_flush(&s->segment);
    if (error == 0)
        error = record_roster_settle(&s->roster);
    if (error == 0)
        s->written = s->number;
    return error;
}

int record_store_save(struct record_store *store)
{
    int error = store->unsaved ? write_gathered(store) : 0;
    if (error == 0 && store->unsaved)
        error = state_save(store);
    store->unsaved = store->unsaved && error < 0;
    return error;
}

/* Before more is taken. 0 or -errno. */
static int make_room(struct record_store *s)
{
    return gathered_bytes(s) < RECORD_GATHER_MAX ? 0 : record_store_save(s);
}

/* ---- Events of the recorder's own ---- */

/* Takes the event under a number that no event of the sensor has or will have. */
static int write_own(struct record_store *s, const struct event *e, uint64_t number)
{
    buffer_clear(&s->line);
    int error = make_room(s);
    if (error == 0)
        error = event_write_json(e, &s->options.sensor, number, &s->line);
    if (error == 0)
        error = record_segment_append(&s->segment, buffer_span(&s->line));
    if (error < 0)
        return error;
    if (number > s->number)
        s->number = number;
    s->unsaved = true;
    return 0;
}

static const char *error_words(int error)
{
    const char *words_z = error < 0 ? strerrordesc_np(-error) : NULL;
    return words_z != NULL ? words_z : error_text(error);
}

static int write_gap(struct record_store *s, const struct event_origin *origin, struct gap gap,
                     const char *reason_z, uint64_t number, int64_t now_us)
{
    struct event e = event_make(EVENT_RECORD_GAP, origin, now_us);
    event_number(&e, FIELD_RECORDS, (int64_t)gap.records);
    event_number(&e, FIELD_BYTES, (int64_t)gap.bytes);
    event_text_z(&e, FIELD_ERROR, error_words(gap.error));
    if (reason_z != NULL)
        event_text_z(&e, FIELD_REASON, reason_z);
    return write_own(s, &e, number);
}

/* Says what was given up, once the log can be written again. */
static int settle_gap(struct record_store *s, uint64_t number, int64_t now_us)
{
    if (s->gap.records == 0)
        return 0;
    int error = write_gap(s, NULL, s->gap, NULL, number, now_us);
    if (error == 0)
        s->gap = (struct gap){0};
    return error;
}

/* What was deleted is said like a gap: when a number is to be had. */
static int settle_retired(struct record_store *s, uint64_t number, int64_t now_us)
{
    if (s->retired.files == 0)
        return 0;
    struct event e = event_make(EVENT_RECORD_RETIRED, NULL, now_us);
    event_number(&e, FIELD_RECORDS, (int64_t)s->retired.files);
    event_number(&e, FIELD_BYTES, (int64_t)s->retired.bytes);
    int error = write_own(s, &e, number);
    if (error == 0)
        s->retired = (struct record_retired){0};
    return error;
}

void record_store_gap(struct record_store *store, uint64_t records, uint64_t bytes, int error)
{
    store->gap.records += records;
    store->gap.bytes += bytes;
    store->gap.error = error;
    (void)state_save(store);
}

/* ---- Sessions that are open ---- */

static int read_origin(struct record_store *s, struct span session, struct record_origin *origin)
{
    struct buffer line;
    buffer_init(&line, RECORD_ROSTER_SLOT);
    int error = record_roster_line(&s->roster, session, &line);
    if (error == 0)
        error = record_origin_read(buffer_span(&line), origin);
    buffer_fini(&line);
    return error;
}

static int lose_session(struct record_store *s, const char *session_z, const char *reason_z,
                        int64_t now_us)
{
    struct record_origin origin = {0};
    if (read_origin(s, span_z(session_z), &origin) < 0) {
        /* Torn by a crash: there is no connection in the log that it could be the end of. */
        origin = (struct record_origin){.origin.session = span_z(session_z), .start_us = now_us};
        origin.origin.protocol = span_z("-");
    }
    struct event lost = event_make(EVENT_SESSION_LOST, &origin.origin, now_us);
    event_text_z(&lost, FIELD_REASON, reason_z);
    int error = write_own(s, &lost, s->number + 1);
    if (error == 0) {
        int64_t duration_us = now_us > origin.start_us ? now_us - origin.start_us : 0;
        struct event closed = event_make(EVENT_SESSION_CLOSED, &origin.origin, now_us);
        event_duration(&closed, duration_us / 1000);
        error = write_own(s, &closed, s->number + 1);
    }
    if (error == 0)
        record_roster_remove(&s->roster, span_z(session_z));
    return error;
}

int record_store_lose(struct record_store *store, const char *reason_z, int64_t now_us)
{
    int error = 0;
    const char *session_z = NULL;
    while (error == 0 && (session_z = record_roster_any_z(&store->roster)) != NULL)
        error = lose_session(store, session_z, reason_z, now_us);
    if (error == 0)
        error = settle_gap(store, store->number + 1, now_us);
    return error == 0 ? record_store_save(store) : error;
}

/* A torn line was the log's last: who could send it again is gone. */
static int settle_torn(struct record_store *s, int64_t now_us)
{
    if (s->segment.torn == 0)
        return 0;
    struct gap gap = {.records = 1, .bytes = s->segment.torn, .error = ERR_TRUNCATED};
    int error = write_gap(s, NULL, gap, "a line cut short by a crash", s->number + 1, now_us);
    if (error == 0)
        s->segment.torn = 0;
    return error;
}

int record_store_hello(struct record_store *store, uint64_t boot, int64_t now_us)
{
    int error = 0;
    if (boot != store->boot) {
        error = settle_torn(store, now_us);
        if (error == 0)
            error = record_store_lose(store, "the sensor died", now_us);
        record_visits_drop_parts(&store->visits);
    }
    if (error < 0)
        return error;
    store->segment.torn = 0;
    store->boot = boot;
    store->unsaved = true;
    return record_store_save(store);
}

/* ---- Frames ---- */

static int take_event(struct record_store *s, const struct frame *f)
{
    const struct frame_event *e = &f->event;
    bool named = e->session.len > 0;
    buffer_clear(&s->line);
    int error = buffer_printf(&s->line, "{\"id\":%" PRIu64 ",", f->number);
    if (error == 0)
        error = buffer_put(&s->line, span_slice(e->line, 1, e->line.len));
    if (error == 0)
        error = buffer_put_z(&s->line, "\n");
    /* First the note that the session is open: without its line in the log it is lost, not missed. */
    if (error == 0 && e->type == EVENT_SESSION_CONNECT && named)
        error = record_roster_add(&s->roster, e->session, buffer_span(&s->line));
    if (error == 0)
        error = record_segment_append(&s->segment, buffer_span(&s->line));
    if (error == 0 && e->type == EVENT_SESSION_CLOSED && named)
        record_roster_remove(&s->roster, e->session);
    return error;
}

/* Terminal frames have numbers that no line uses: a gap in a recording is said under theirs. */
static void say_cast_gap(struct record_store *s, const struct frame *f, struct span session,
                         const struct record_cast_gap *gap, int64_t now_us)
{
    struct record_origin origin;
    const struct gap said = {.records = gap->records, .bytes = gap->bytes, .error = -EFBIG};
    if (gap->records == 0 || (f->kind == FRAME_TTY_DATA && !gap->first))
        return;
    bool known = read_origin(s, session, &origin) == 0;
    const char *reason_z = f->kind == FRAME_TTY_DATA ? "the recording of a terminal is full"
                                                     : "beyond the end of a full recording";
    if (write_gap(s, known ? &origin.origin : NULL, said, reason_z, f->number, now_us) < 0)
        record_store_gap(s, gap->records, gap->bytes, -EFBIG);
}

static int take_keylog(struct record_store *s, struct span lines)
{
    struct record_file file;
    uint64_t torn = 0;
    int error = record_file_open(&file, s->log, KEYLOG_NAME, &torn);
    if (error < 0)
        return error;
    error = record_file_append(&file, lines);
    (void)record_file_sync(&file);
    record_file_close(&file);
    return error;
}

/* Parts come in order; the last one gives the file its name. */
static int take_artefact(struct record_store *s, const struct frame_artefact *a)
{
    char name_z[2 * sizeof(a->shasum) + 1];
    char part_z[sizeof(name_z) + 8];
    for (size_t i = 0; i < sizeof(a->shasum); i++)
        (void)snprintf(name_z + 2 * i, 3, "%02x", a->shasum[i]);
    (void)snprintf(part_z, sizeof(part_z), "%s.part", name_z);
    if (a->size > RECORD_ARTEFACT_MAX)
        return -EFBIG;
    if (faccessat(s->artefacts, name_z, F_OK, 0) == 0)
        return 0;
    int fd = openat(s->artefacts, part_z, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    struct span rest = a->bytes;
    uint64_t offset = a->offset;
    int error = 0;
    while (rest.len > 0 && error == 0) {
        ssize_t n = pwrite(fd, rest.data, rest.len, (off_t)offset);
        if (n < 0 && errno != EINTR)
            error = -errno;
        rest = span_slice(rest, n > 0 ? (size_t)n : 0, rest.len);
        offset += n > 0 ? (uint64_t)n : 0;
    }
    if (error == 0 && offset == a->size &&
        (fsync(fd) < 0 || renameat(s->artefacts, part_z, s->artefacts, name_z) < 0))
        error = -errno;
    (void)close(fd);
    return error;
}

int record_store_take(struct record_store *store, const struct frame *frame, int64_t now_us)
{
    struct record_cast_gap gap = {0};
    if (frame->number <= store->number)
        return 0;
    if (frame->number - store->number > RECORD_AHEAD_MAX)
        return ERR_MALFORMED;
    int error = make_room(store);
    if (error < 0)
        return error;
    switch (frame->kind) {
    case FRAME_EVENT: error = take_event(store, frame); break;
    case FRAME_TTY_OPEN: error = record_casts_open(&store->casts, &frame->tty_open); break;
    case FRAME_TTY_DATA:
        error = record_casts_data(&store->casts, &frame->tty_data, &gap);
        if (error == 0)
            say_cast_gap(store, frame, frame->tty_data.session, &gap, now_us);
        break;
    case FRAME_TTY_CLOSE:
        error = record_casts_close(&store->casts, &frame->tty_close, &gap);
        if (error == 0)
            say_cast_gap(store, frame, frame->tty_close.session, &gap, now_us);
        break;
    case FRAME_ARTEFACT:
        error = take_artefact(store, &frame->artefact);
        if (error == -EFBIG) {
            record_store_gap(store, 1, frame->artefact.bytes.len, error);
            error = 0;
        }
        break;
    case FRAME_KEYLOG: error = take_keylog(store, frame->keylog.lines); break;
    case FRAME_VISIT_KEEP:
        error = record_visits_keep(&store->visits, &frame->visit_keep, now_us / SECOND_US);
        break;
    case FRAME_VISIT_ASK: break;
    case FRAME_HELLO:
    case FRAME_VISIT:
    case FRAME_VISITORS:
    case FRAME_ACK: return 0;
    }
    if (error < 0)
        return error;
    /* A frame of a terminal lends its number to what has to be said, once. */
    if (frame->kind != FRAME_EVENT && store->number < frame->number)
        (void)settle_gap(store, frame->number, now_us);
    if (frame->kind != FRAME_EVENT && store->number < frame->number)
        (void)settle_retired(store, frame->number, now_us);
    store->number = frame->number;
    store->unsaved = true;
    return 0;
}

int record_store_answer(struct record_store *store, const struct frame_visit_ask *ask,
                        int64_t now_us, struct buffer *out)
{
    return record_visits_answer(&store->visits, ask, now_us / SECOND_US, out);
}

int record_store_visitors(const struct record_store *store, struct buffer *out)
{
    return record_visits_tell(&store->visits, out);
}

int record_store_retain(struct record_store *store, int64_t now_us)
{
    const int folders[] = {store->log, store->tty, store->artefacts};
    int64_t now_s = now_us / SECOND_US;
    if (store->retained_s != 0 && now_s - store->retained_s < RECORD_RETAIN_S)
        return 0;
    store->retained_s = now_s;
    record_visits_expire(&store->visits, now_s);
    return record_retain(folders, ARRAY_LEN(folders), &store->options.retention, now_s,
                         &store->retired);
}

int record_store_sync(struct record_store *store)
{
    int error = record_store_save(store);
    int synced = record_file_sync(&store->segment.file);
    return error < 0 ? error : synced;
}

bool record_store_has_idle_work(const struct record_store *store)
{
    return store->segment.zip_wanted;
}

bool record_store_idle(struct record_store *store)
{
    return record_segment_zip(&store->segment);
}
