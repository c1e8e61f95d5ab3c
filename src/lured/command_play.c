/* lured play: a terminal as it was, at its own pace or faster */
#include "lured/cast_read.h"
#include "lured/command.h"
#include "lured/play_filter.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CAST_BYTES_MAX ((size_t)1024 * 1024)

enum { PLAY_DATA, PLAY_CONFIG, PLAY_SPEED, PLAY_IDLE_MAX, PLAY_EXACT };

static const struct command_option OPTIONS[] = {
    [PLAY_DATA] = {"data", "DIR", "the data directory; ./lured-data"},
    [PLAY_CONFIG] = {"config", "FILE", "take the data directory from there"},
    [PLAY_SPEED] = {"speed", "N", "so many times as fast; 1"},
    [PLAY_IDLE_MAX] = {"idle-max", "S", "no pause is longer than so many seconds"},
    [PLAY_EXACT] = {"exact", NULL, "to a terminal, too, every byte as it was"},
    {0},
};

struct player {
    double speed, idle_max;
    double seconds; /* of the last line */
    bool is_exact;
    struct play_filter filter;
    struct buffer bytes, exact, safe; /* a line's, cast_read_line's own, what passes the filter */
};

static void wait_until(struct player *p, double seconds)
{
    double pause = seconds - p->seconds;
    p->seconds = seconds > p->seconds ? seconds : p->seconds;
    if (pause > p->idle_max)
        pause = p->idle_max;
    pause /= p->speed;
    if (!(pause > 0))
        return;
    struct timespec left = {.tv_sec = (time_t)pause,
                            .tv_nsec = (long)((pause - floor(pause)) * 1e9)};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

static int play_line(struct player *p, struct span line)
{
    struct cast_line l;
    int error = cast_read_line(line, &l, &p->bytes, &p->exact);
    if (error < 0 || l.code != 'o')
        return error;
    wait_until(p, l.seconds);
    struct span out = buffer_span(&p->bytes);
    if (!p->is_exact) {
        buffer_clear(&p->safe);
        error = play_filter(&p->filter, out, &p->safe);
        out = buffer_span(&p->safe);
    }
    if (error < 0)
        return error;
    if (out.len == 0)
        return 0;
    return fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : -EIO;
}

static int play_file(struct player *p, FILE *file)
{
    char *line = NULL;
    size_t size = 0;
    int error = 0;
    buffer_init(&p->bytes, CAST_BYTES_MAX);
    buffer_init(&p->exact, CAST_BYTES_MAX);
    buffer_init(&p->safe, CAST_BYTES_MAX);
    p->filter = (struct play_filter){0};
    p->seconds = 0;
    /* The header says only what a player of another kind needs. */
    ssize_t n = getline(&line, &size, file);
    while (error == 0 && n > 0 && (n = getline(&line, &size, file)) > 0)
        error = play_line(p, span_of(line, (size_t)n));
    free(line);
    buffer_fini(&p->bytes);
    buffer_fini(&p->exact);
    buffer_fini(&p->safe);
    return error;
}

/* The number in SESSION-NUMBER.cast; -1: another file. */
static long number_of(const char *name_z, const char *session_z)
{
    size_t len = strlen(session_z);
    char *end = NULL;
    if (strncmp(name_z, session_z, len) != 0 || name_z[len] != '-' || name_z[len + 1] == '\0')
        return -1;
    long number = strtol(name_z + len + 1, &end, 10);
    return strcmp(end, ".cast") == 0 ? number : -1;
}

/* The lowest number above `after`; -1: there is none. */
static long next_number(int dir, const char *session_z, long after)
{
    long best = -1;
    DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (d == NULL)
        return -1;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        long number = number_of(e->d_name, session_z);
        if (number > after && (best < 0 || number < best))
            best = number;
    }
    (void)closedir(d);
    return best;
}

static int play_number(struct player *p, int dir, const char *session_z, long number)
{
    char name_z[256];
    (void)snprintf(name_z, sizeof(name_z), "%.200s-%ld.cast", session_z, number);
    int fd = openat(dir, name_z, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (file == NULL) {
        int error = -errno;
        if (fd >= 0)
            (void)close(fd);
        return error;
    }
    int error = play_file(p, file);
    (void)fclose(file);
    return error;
}

/* All recordings of the session, in their order. */
static int play_session(struct player *p, const char *data_z, const char *session_z)
{
    int dir = command_open_dir(data_z, "tty");
    if (dir < 0)
        return COMMAND_FAILED;
    int error = 0;
    long number = next_number(dir, session_z, -1);
    if (number < 0)
        (void)fprintf(stderr, "lured: play: there is no recording of session \"%s\"\n", session_z);
    bool none = number < 0;
    for (; number >= 0 && error == 0; number = next_number(dir, session_z, number))
        error = play_number(p, dir, session_z, number);
    (void)close(dir);
    if (error < 0 && error != -EIO)
        (void)fprintf(stderr, "lured: play: %s\n",
                      error > -1000 ? strerror(-error) : error_text(error));
    /* The attacker's colours and hidden cursor are not ours to keep. */
    if (isatty(STDOUT_FILENO) == 1)
        (void)fputs("\x1b[0m\x1b[?25h\n", stdout);
    return none || error < 0 ? COMMAND_FAILED : COMMAND_OK;
}

/* A positive number, or the default when it was not given. False: neither. */
static bool read_number(const char *value_z, double standard, double *out)
{
    char *end = NULL;
    *out = standard;
    if (value_z == NULL)
        return true;
    *out = strtod(value_z, &end);
    return end != value_z && *end == '\0' && *out > 0 && isfinite(*out);
}

static int run(const struct command_line *line)
{
    struct config config;
    struct player p = {.is_exact = line->values[PLAY_EXACT] != NULL || isatty(STDOUT_FILENO) != 1};
    if (!read_number(line->values[PLAY_SPEED], 1, &p.speed) ||
        !read_number(line->values[PLAY_IDLE_MAX], 1e9, &p.idle_max)) {
        (void)fputs("lured: play: --speed and --idle-max take a number above 0\n", stderr);
        return COMMAND_USAGE;
    }
    int status = command_config(&config, line->values[PLAY_CONFIG]);
    if (status == 0) {
        status = command_set(&config, "data", "data", line->values[PLAY_DATA]);
        if (status == 0)
            status = play_session(&p, config.data, line->argument_z);
        config_fini(&config);
    }
    return status;
}

const struct command command_play = {
    .name_z = "play",
    .argument_z = "SESSION",
    .what_z = "Replays the terminals of a session.",
    .options = OPTIONS,
    .run = run,
};
