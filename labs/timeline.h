/* What each task did when, as a picture of characters and as an SVG. For the lab `tasks`. */
#ifndef LABS_TIMELINE_H
#define LABS_TIMELINE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum timeline_kind { TIMELINE_WORK, TIMELINE_WAIT, TIMELINE_KINDS };

enum { TIMELINE_TASKS = 3, TIMELINE_SPANS_MAX = 32 };

struct timeline_span {
    int task;
    enum timeline_kind kind;
    int64_t begin_ns, end_ns; /* since the timeline's begin */
};

struct timeline {
    const char *title_z;
    int64_t total_ns; /* the end of the last span */
    size_t count;
    struct timeline_span spans[TIMELINE_SPANS_MAX]; /* more are not kept */
};

void timeline_add(struct timeline *line, int task, enum timeline_kind kind, int64_t begin_ns,
                  int64_t end_ns);

/* A line a task: "#" works, "." waits for an answer, " " has not begun or is done. `scale_ns` is the
 * time of the picture's full width. */
void timeline_print(const struct timeline *line, int64_t scale_ns);

/* All timelines under one another. 0 or -errno. */
int timeline_write_svg(const char *path_z, const struct timeline *lines, int count,
                       int64_t scale_ns);

#endif
