/* lured log: the log for people, and its live tail */
#include "lured/command.h"
#include "lured/show.h"
#include "record/reader.h"

#include "base/error.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How often a followed log is looked at. */
#define FOLLOW_NS 100000000L
/* Lines of the past that a followed log begins with. */
#define FOLLOW_LINES 10
#define SHOWN_MAX    ((size_t)8 * 1024 * 1024)

enum { LOG_DATA, LOG_CONFIG, LOG_FOLLOW, LOG_SESSION };

static const struct command_option OPTIONS[] = {
    [LOG_DATA] = {"data", "DIR", "the data directory; ./lured-data"},
    [LOG_CONFIG] = {"config", "FILE", "take the data directory from there"},
    [LOG_FOLLOW] = {"follow", NULL, "begin with the last lines and go on as the log grows"},
    [LOG_SESSION] = {"session", "ID", "this session alone"},
    {0},
};

struct view {
    struct record_reader *reader;
    const char *session_z; /* NULL: all */
    bool colours;
    struct buffer out;
};

static bool is_wanted(const struct view *v, const json_t *event)
{
    const char *session_z = json_string_value(json_object_get(event, "session"));
    return v->session_z == NULL || (session_z != NULL && strcmp(session_z, v->session_z) == 0);
}

/* A line that is no event is shown as it stands: nothing is hidden. */
static int show_line(struct view *v, struct span line)
{
    json_t *event = json_loadb((const char *)line.data, line.len, JSON_ALLOW_NUL, NULL);
    int error = 0;
    if (!json_is_object(event)) {
        error = show_text(line, &v->out);
        if (error == 0)
            error = buffer_put_z(&v->out, "\n");
    } else if (is_wanted(v, event)) {
        error = show_event(event, v->colours, &v->out);
    }
    json_decref(event);
    return error;
}

static int print_shown(struct view *v)
{
    struct span shown = buffer_span(&v->out);
    if (shown.len == 0)
        return 0;
    bool good = fwrite(shown.data, 1, shown.len, stdout) == shown.len && fflush(stdout) == 0;
    buffer_clear(&v->out);
    return good ? 0 : -EIO;
}

/* Leaves the last lines in what is to be printed. */
static void keep_last(struct view *v)
{
    struct span shown = buffer_span(&v->out);
    size_t at = shown.len;
    for (int lines = 0; at > 0; at--)
        if (shown.data[at - 1] == '\n' && lines++ == FOLLOW_LINES)
            break;
    buffer_take(&v->out, at);
}

/* What is there now. */
static int show_all(struct view *v, bool only_last)
{
    struct span line;
    for (;;) {
        int got = record_reader_next(v->reader, &line);
        if (got < 0)
            (void)fprintf(stderr, "lured: log: a segment cannot be read: %s\n",
                          got > -1000 ? strerror(-got) : error_text(got));
        if (got == 0)
            break;
        int error = got > 0 ? show_line(v, line) : 0;
        if (only_last && buffer_len(&v->out) > SHOWN_MAX / 2)
            keep_last(v);
        if (error == 0 && !only_last)
            error = print_shown(v);
        if (error < 0)
            return error;
    }
    if (!only_last)
        return 0;
    keep_last(v);
    return print_shown(v);
}

static int show_log(struct view *v, bool follow)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_NS};
    int error = show_all(v, follow && v->session_z == NULL);
    while (follow && error == 0) {
        (void)nanosleep(&pause, NULL);
        error = show_all(v, false);
    }
    return error;
}

static int run_log(const char *data_z, const struct command_line *line)
{
    int error = 0;
    bool follow = line->values[LOG_FOLLOW] != NULL;
    struct view v = {.session_z = line->values[LOG_SESSION], .colours = isatty(STDOUT_FILENO) == 1};
    int dir = command_open_dir(data_z, "log");
    if (dir < 0)
        return COMMAND_FAILED;
    buffer_init(&v.out, SHOWN_MAX);
    v.reader = record_reader_new(dir, follow && v.session_z == NULL, &error);
    if (v.reader != NULL)
        error = show_log(&v, follow);
    /* A reader that has gone away (`lured log | head`) is no trouble. */
    if (error < 0 && error != -EIO)
        (void)fprintf(stderr, "lured: log: %s\n",
                      error > -1000 ? strerror(-error) : error_text(error));
    record_reader_free(v.reader);
    buffer_fini(&v.out);
    (void)close(dir);
    return error < 0 ? COMMAND_FAILED : COMMAND_OK;
}

static int run(const struct command_line *line)
{
    struct config config;
    int status = command_config(&config, line->values[LOG_CONFIG]);
    if (status == 0) {
        status = command_set(&config, "data", "data", line->values[LOG_DATA]);
        if (status == 0)
            status = run_log(config.data, line);
        config_fini(&config);
    }
    return status;
}

const struct command command_log = {
    .name_z = "log",
    .what_z = "Shows what was recorded, one line an event.",
    .options = OPTIONS,
    .run = run,
};
