#include "timeline.h"

#include <errno.h>
#include <string.h>

enum { COLUMNS = 60, SVG_WIDTH = 720, SVG_LEFT = 70, ROW = 22, GAP = 46 };

void timeline_add(struct timeline *line, int task, enum timeline_kind kind, int64_t begin_ns,
                  int64_t end_ns)
{
    if (line->count == TIMELINE_SPANS_MAX)
        return;
    line->spans[line->count++] = (struct timeline_span){task, kind, begin_ns, end_ns};
    if (end_ns > line->total_ns)
        line->total_ns = end_ns;
}

static int column(int64_t ns, int64_t scale_ns, int width)
{
    return scale_ns > 0 ? (int)(ns * width / scale_ns) : 0;
}

static void draw_row(const struct timeline *line, int task, int64_t scale_ns,
                     char row_z[COLUMNS + 1])
{
    memset(row_z, ' ', COLUMNS);
    row_z[COLUMNS] = '\0';
    for (size_t i = 0; i < line->count; i++) {
        const struct timeline_span *span = &line->spans[i];
        int end = column(span->end_ns, scale_ns, COLUMNS);
        for (int x = column(span->begin_ns, scale_ns, COLUMNS);
             span->task == task && x < COLUMNS && (x < end || x == 0); x++)
            row_z[x] = span->kind == TIMELINE_WORK ? '#' : '.';
    }
}

void timeline_print(const struct timeline *line, int64_t scale_ns)
{
    char row[COLUMNS + 1];
    printf("%s: %lld ms\n", line->title_z, (long long)(line->total_ns / 1000000));
    for (int task = 0; task < TIMELINE_TASKS; task++) {
        draw_row(line, task, scale_ns, row);
        printf("  task %d |%s|\n", task + 1, row);
    }
}

static void write_one(FILE *out, const struct timeline *line, int top, int64_t scale_ns)
{
    static const char *const colors[TIMELINE_KINDS] = {"#2a6f97", "#cfe3ee"};
    fprintf(out, "<text x='0' y='%d' font-weight='bold'>%s: %lld ms</text>\n", top + 14,
            line->title_z, (long long)(line->total_ns / 1000000));
    for (int task = 0; task < TIMELINE_TASKS; task++)
        fprintf(out, "<text x='0' y='%d'>task %d</text>\n", top + 38 + task * ROW, task + 1);
    for (size_t i = 0; i < line->count; i++) {
        const struct timeline_span *span = &line->spans[i];
        int begin = column(span->begin_ns, scale_ns, SVG_WIDTH - SVG_LEFT);
        int end = column(span->end_ns, scale_ns, SVG_WIDTH - SVG_LEFT);
        fprintf(out, "<rect x='%d' y='%d' width='%d' height='%d' fill='%s'/>\n", SVG_LEFT + begin,
                top + 24 + span->task * ROW, end > begin ? end - begin : 1, ROW - 4,
                colors[span->kind]);
    }
}

int timeline_write_svg(const char *path_z, const struct timeline *lines, int count,
                       int64_t scale_ns)
{
    FILE *out = fopen(path_z, "w");
    if (!out)
        return -errno;
    int each = GAP + TIMELINE_TASKS * ROW;
    fprintf(out,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' "
            "font-family='sans-serif' font-size='13'>\n",
            SVG_WIDTH, count * each);
    for (int i = 0; i < count; i++)
        write_one(out, &lines[i], i * each, scale_ns);
    fprintf(out, "</svg>\n");
    return fclose(out) == 0 ? 0 : -errno;
}
