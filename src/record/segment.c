#include "record/segment.h"

#include "base/error.h"
#include "record/folder.h"
#include "record/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* More closed segments than this are not looked at: 64 TiB of log. */
#define SEGMENTS_MAX 1000000

void record_segment_name(uint32_t number, bool zipped, char out_z[RECORD_SEGMENT_NAME_SIZE])
{
    (void)snprintf(out_z, RECORD_SEGMENT_NAME_SIZE, "events-%08" PRIu32 ".json%s", number,
                   zipped ? ".zst" : "");
}

uint64_t record_line_id(struct span line)
{
    static const struct span PREFIX = SPAN_LIT("{\"id\":");
    uint64_t id = 0;
    if (!span_starts_with(line, PREFIX))
        return 0;
    for (size_t i = PREFIX.len; i < line.len && line.data[i] >= '0' && line.data[i] <= '9'; i++)
        id = id * 10 + (uint64_t)(line.data[i] - '0');
    return id;
}

/* The number in a closed segment's name; 0: it is none. */
static uint32_t number_of(const char *name_z, bool *zipped)
{
    char again_z[RECORD_SEGMENT_NAME_SIZE];
    uint32_t number = 0;
    if (sscanf(name_z, "events-%8" SCNu32, &number) != 1)
        return 0;
    for (int z = 0; z <= 1; z++) {
        record_segment_name(number, z != 0, again_z);
        if (span_equal_z(span_z(name_z), again_z)) {
            *zipped = z != 0;
            return number;
        }
    }
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int list(int dir, bool only_plain, uint32_t **numbers)
{
    DIR *d;
    struct buffer found;
    int count = 0;
    *numbers = NULL;
    int error = record_folder_read(dir, &d);
    if (error != 0)
        return error;
    buffer_init(&found, SEGMENTS_MAX * sizeof(uint32_t));
    for (struct dirent *entry = readdir(d); entry != NULL && error == 0; entry = readdir(d)) {
        bool zipped = false;
        uint32_t number = number_of(entry->d_name, &zipped);
        if (number != 0 && !(only_plain && zipped)) {
            error = buffer_put(&found, span_of(&number, sizeof(number)));
            count += error == 0;
        }
    }
    (void)closedir(d);
    if (error < 0) {
        buffer_fini(&found);
        return error;
    }
    struct span all = buffer_span(&found);
    if (all.len > 0) {
        *numbers = malloc(all.len);
        if (*numbers != NULL) {
            memcpy(*numbers, all.data, all.len);
            qsort(*numbers, (size_t)count, sizeof(uint32_t), compare_numbers);
        } else {
            count = ERR_NOMEM;
        }
    }
    buffer_fini(&found);
    return count;
}

int record_segment_list(int dir, uint32_t **numbers)
{
    int count = list(dir, false, numbers);
    /* A crash between compressing and deleting leaves both forms of one segment. */
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (kept == 0 || (*numbers)[kept - 1] != (*numbers)[i])
            (*numbers)[kept++] = (*numbers)[i];
    return count < 0 ? count : kept;
}

/* The id of the last line that has one. Lines of the sensor's own are few, so a short look back
 * is enough. */
static int find_last_id(struct record_segment *s)
{
    struct buffer tail;
    buffer_init(&tail, (size_t)4 * 1024 * 1024);
    int error = record_file_tail(&s->file, tail.max, &tail);
    struct span rest = buffer_span(&tail);
    size_t end = rest.len;
    while (error == 0 && end > 0 && s->last_id == 0) {
        size_t start = end - 1;
        while (start > 0 && rest.data[start - 1] != '\n')
            start--;
        s->last_id = record_line_id(span_slice(rest, start, end));
        end = start;
    }
    buffer_fini(&tail);
    return error;
}

int record_segment_open(struct record_segment *s, int dir, uint64_t size_max)
{
    uint32_t *numbers = NULL;
    *s = (struct record_segment){.dir = dir, .size_max = size_max, .file = {.fd = -1}};
    buffer_init(&s->gathered, RECORD_SEGMENT_GATHER_MAX);
    int count = record_segment_list(dir, &numbers);
    if (count < 0)
        return count;
    if (numbers != NULL)
        s->number = numbers[count - 1];
    free(numbers);
    s->zip_wanted = count > 0;
    int error = record_file_open(&s->file, dir, RECORD_SEGMENT_NAME, &s->torn);
    if (error == 0)
        error = find_last_id(s);
    if (error < 0)
        record_segment_close(s);
    return error;
}

void record_segment_close(struct record_segment *s)
{
    record_zip_free(s->zip);
    s->zip = NULL;
    buffer_fini(&s->gathered);
    record_file_close(&s->file);
}

static int rotate(struct record_segment *s)
{
    char name_z[RECORD_SEGMENT_NAME_SIZE];
    struct record_file fresh = {.fd = -1};
    (void)record_file_sync(&s->file);
    record_segment_name(s->number + 1, false, name_z);
    if (renameat(s->dir, RECORD_SEGMENT_NAME, s->dir, name_z) < 0)
        return -errno;
    int error = record_file_open(&fresh, s->dir, RECORD_SEGMENT_NAME, NULL);
    if (error < 0) {
        /* Back to where we were: the next append tries again. */
        (void)!renameat(s->dir, name_z, s->dir, RECORD_SEGMENT_NAME);
        return error;
    }
    record_file_close(&s->file);
    s->file = fresh;
    s->number++;
    s->zip_wanted = true;
    (void)fsync(s->dir);
    return 0;
}

int record_segment_append(struct record_segment *s, struct span line)
{
    return buffer_put(&s->gathered, line);
}

int record_segment_flush(struct record_segment *s)
{
    struct span lines = buffer_span(&s->gathered);
    int error = 0;
    if (lines.len == 0)
        return 0;
    if (s->file.size > 0 && s->file.size + lines.len > s->size_max)
        error = rotate(s);
    if (error == 0)
        error = record_file_append(&s->file, lines);
    if (error == 0)
        buffer_clear(&s->gathered);
    return error;
}

/* Begins with the oldest closed segment that is not compressed. */
static bool zip_begin(struct record_segment *s)
{
    uint32_t *numbers = NULL;
    char from_z[RECORD_SEGMENT_NAME_SIZE];
    char to_z[RECORD_SEGMENT_NAME_SIZE];
    int count = list(s->dir, true, &numbers);
    if (count > 0 && numbers != NULL) {
        record_segment_name(numbers[0], false, from_z);
        record_segment_name(numbers[0], true, to_z);
        s->zip = record_zip_new(s->dir, from_z, to_z);
    }
    free(numbers);
    return s->zip != NULL;
}

bool record_segment_zip(struct record_segment *s)
{
    if (!s->zip_wanted)
        return false;
    if (s->zip == NULL && !zip_begin(s)) {
        s->zip_wanted = false;
        return false;
    }
    int more = record_zip_step(s->zip, RECORD_ZIP_STEP);
    if (more > 0)
        return true;
    record_zip_free(s->zip);
    s->zip = NULL;
    /* The folder is full, or the like: what is there is still good to read. */
    s->zip_wanted = more == 0;
    return s->zip_wanted;
}
