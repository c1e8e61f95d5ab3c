#include "record/retain.h"

#include "base/error.h"
#include "base/span.h"
#include "record/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SIZE = 104 }; /* longer than any of ours */

struct found {
    int folder;
    int64_t time_s;
    uint64_t size;
    char name_z[NAME_SIZE];
};

struct search {
    const struct record_retention *rules;
    int64_t now_s;
    uint64_t bytes;     /* of all that is ours */
    struct found *list; /* the oldest; when it is full a heap with the youngest of them on top */
    size_t count;
};

static bool ends_with(const char *name_z, const char *end_z)
{
    size_t len = strlen(name_z), end = strlen(end_z);
    return len > end && strcmp(name_z + len - end, end_z) == 0;
}

/* Closed segments, recordings, and artefacts, whose names are their SHA-256; what else stands in the
 * folders is not ours to delete. */
static bool is_ours(const char *name_z)
{
    enum { SHA256_CHARS = 64 };
    size_t len = strlen(name_z);
    if (len >= NAME_SIZE)
        return false;
    if (strncmp(name_z, "events-", 7) == 0)
        return ends_with(name_z, ".json") || ends_with(name_z, ".json.zst");
    return ends_with(name_z, ".cast") ||
           (len == SHA256_CHARS && strspn(name_z, "0123456789abcdef") == SHA256_CHARS);
}

static void swap(struct found *a, struct found *b)
{
    struct found kept = *a;
    *a = *b;
    *b = kept;
}

/* What stands at `at` goes down until nothing below it is younger. */
static void sink(struct search *s, size_t at)
{
    for (size_t below = 2 * at + 1; below < s->count; at = below, below = 2 * at + 1) {
        if (below + 1 < s->count && s->list[below + 1].time_s > s->list[below].time_s)
            below++;
        if (s->list[below].time_s <= s->list[at].time_s)
            return;
        swap(&s->list[below], &s->list[at]);
    }
}

/* The place for a file as old as that, or NULL: there are enough that are older. */
static struct found *place_for(struct search *s, int64_t time_s)
{
    if (s->count < RECORD_RETAIN_FILES)
        return &s->list[s->count];
    return time_s < s->list[0].time_s ? &s->list[0] : NULL;
}

static void note(struct search *s, struct found found)
{
    struct found *place = place_for(s, found.time_s);
    if (place == NULL)
        return;
    *place = found;
    if (s->count == RECORD_RETAIN_FILES) {
        sink(s, 0);
    } else if (++s->count == RECORD_RETAIN_FILES) {
        for (size_t at = s->count / 2; at > 0; at--)
            sink(s, at - 1);
    }
}

static void look_at(struct search *s, int folder, const char *name_z)
{
    struct stat st;
    int fd = is_ours(name_z) ? openat(folder, name_z, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0)
        return;
    bool known = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    (void)close(fd);
    if (!known)
        return;
    s->bytes += (uint64_t)st.st_size;
    if (s->now_s - st.st_mtim.tv_sec < RECORD_RETAIN_S)
        return;
    struct found f = {.folder = folder, .time_s = st.st_mtim.tv_sec, .size = (uint64_t)st.st_size};
    (void)span_copy_z(span_z(name_z), f.name_z, sizeof(f.name_z));
    note(s, f);
}

static int look_through(struct search *s, int folder)
{
    DIR *d;
    int error = record_folder_read(folder, &d);
    if (error != 0)
        return error;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        look_at(s, folder, e->d_name);
    (void)closedir(d);
    return 0;
}

static int compare_times(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return (x->time_s > y->time_s) - (x->time_s < y->time_s);
}

/* From the oldest on, as long as there is a reason. */
static void retire(struct search *s, struct record_retired *out)
{
    const struct record_retention *rules = s->rules;
    qsort(s->list, s->count, sizeof(*s->list), compare_times);
    for (size_t i = 0; i < s->count; i++) {
        const struct found *f = &s->list[i];
        bool old = rules->keep_s > 0 && s->now_s - f->time_s > rules->keep_s;
        bool much = rules->bytes_max > 0 && s->bytes > rules->bytes_max;
        if (!old && !much)
            return;
        if (unlinkat(f->folder, f->name_z, 0) < 0)
            continue;
        s->bytes -= f->size;
        out->files++;
        out->bytes += f->size;
    }
}

int record_retain(const int *folders, size_t count, const struct record_retention *rules,
                  int64_t now_s, struct record_retired *out)
{
    struct search s = {.rules = rules, .now_s = now_s};
    int error = 0;
    if (rules->keep_s == 0 && rules->bytes_max == 0)
        return 0;
    s.list = calloc(RECORD_RETAIN_FILES, sizeof(*s.list));
    if (s.list == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < count && error == 0; i++)
        error = look_through(&s, folders[i]);
    if (error == 0)
        retire(&s, out);
    free(s.list);
    return error;
}
