/* What of a file is sent, and how: conditions, then compression or ranges (RFC 9110, section
 * 13.2.2). */
#include "reel/http/folder.h"

#include "http/date.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

enum { ETAG_MAX = 64 };

/* A file as it is now. */
struct version {
    char etag_z[ETAG_MAX];
    int64_t modified_s;
    int64_t now_s;
};

static struct version version_of(const struct stat *status, int64_t now_s, bool gzip)
{
    struct version v = {.modified_s = status->st_mtim.tv_sec, .now_s = now_s};
    snprintf(v.etag_z, sizeof(v.etag_z), "\"%llx-%lx-%llx%s\"", (unsigned long long)status->st_size,
             (unsigned long)status->st_mtim.tv_nsec, (unsigned long long)status->st_mtim.tv_sec,
             gzip ? "-gz" : "");
    return v;
}

static struct span field(const struct reel_http_request *q, const char *name_z, bool *there)
{
    struct reel_http_text text = reel_http_get(q, name_z);
    *there = text.data != NULL;
    return (struct span){(const uint8_t *)text.data, text.len};
}

static bool has_tag(struct span list, const struct version *v, bool weak)
{
    struct span etag = {(const uint8_t *)v->etag_z, strlen(v->etag_z)};
    return http_etag_in(list, etag, weak);
}

/* 0: go on; 304 or 412. */
static int check_conditions(const struct reel_http_request *q, const struct version *v)
{
    bool there = false;
    int64_t date_s = 0;
    struct span text = field(q, "If-Match", &there);
    if (there && !has_tag(text, v, false))
        return 412;
    if (!there) {
        text = field(q, "If-Unmodified-Since", &there);
        if (there && http_date_parse(text, v->now_s, &date_s) && v->modified_s > date_s)
            return 412;
    }
    text = field(q, "If-None-Match", &there);
    if (there)
        return has_tag(text, v, true) ? 304 : 0;
    text = field(q, "If-Modified-Since", &there);
    if (there && http_date_parse(text, v->now_s, &date_s) && v->modified_s <= date_s)
        return 304;
    return 0;
}

/* Whether the ranges are of the file as the client knows it (section 13.1.5). */
static bool ranges_hold(const struct reel_http_request *q, const struct version *v)
{
    bool there = false;
    int64_t date_s = 0;
    struct span text = field(q, "If-Range", &there);
    if (!there)
        return true;
    if (text.len && (text.data[0] == '"' || text.data[0] == 'W'))
        return has_tag(text, v, false);
    return http_date_parse(text, v->now_s, &date_s) && v->modified_s == date_s;
}

static void set_version(struct reel_http_request *q, const struct reel_http_folder *folder,
                        const struct version *v, bool worth)
{
    char text_z[64];
    reel_http_set(q, "ETag", v->etag_z);
    http_date_format(v->modified_s, text_z);
    reel_http_set(q, "Last-Modified", text_z);
    if (folder->options.max_age_ns > 0) {
        snprintf(text_z, sizeof(text_z), "max-age=%lld",
                 (long long)(folder->options.max_age_ns / REEL_SECOND));
        reel_http_set(q, "Cache-Control", text_z);
    }
    if (worth)
        reel_http_set(q, "Vary", "Accept-Encoding");
}

static bool takes_gzip(const struct reel_http_request *q)
{
    bool there = false;
    struct span accept = field(q, "Accept-Encoding", &there);
    if (!there)
        return false;
    int gzip = http_coding_weight(accept, "gzip");
    return gzip > 0 && gzip >= http_coding_weight(accept, "identity");
}

/* FILE.gz beside FILE, not older than it. The descriptor or -1. */
static int open_packed(const struct reel_http_folder *folder, const char *path_z,
                       const struct stat *plain, struct stat *packed)
{
    char packed_z[PATH_MAX];
    int n = snprintf(packed_z, sizeof(packed_z), "%s.gz", path_z);
    if (n < 0 || (size_t)n >= sizeof(packed_z))
        return -1;
    int fd = reel_beneath_open(folder, packed_z, packed);
    if (fd < 0)
        return -1;
    if (S_ISREG(packed->st_mode) && packed->st_mtim.tv_sec >= plain->st_mtim.tv_sec)
        return fd;
    close(fd);
    return -1;
}

/* Compressed, if that is wanted and worth it: from FILE.gz, or on the way (which needs chunks). */
static void plan_gzip(struct reel_http_request *q, const struct reel_http_folder *folder,
                      const char *path_z, struct stat *status, struct file_plan *plan)
{
    struct stat packed;
    int fd = open_packed(folder, path_z, status, &packed);
    if (fd >= 0) {
        close(plan->fd);
        plan->fd = fd;
        plan->size = (uint64_t)packed.st_size;
        *status = packed;
    } else if (q->head.minor > 0) {
        plan->deflate = true;
    } else {
        return;
    }
    reel_http_set(q, "Content-Encoding", "gzip");
}

/* False: 416 was answered. */
static bool plan_ranges(struct reel_http_request *q, struct span text, struct file_plan *plan)
{
    char range_z[96];
    switch (http_ranges_parse(text, plan->size, plan->ranges, &plan->range_count)) {
    case HTTP_RANGES_NONE: plan->range_count = 0; return true;
    case HTTP_RANGES_SOME: plan->status = 206; break;
    case HTTP_RANGES_UNSATISFIABLE:
        snprintf(range_z, sizeof(range_z), "bytes */%llu", (unsigned long long)plan->size);
        reel_http_set(q, "Content-Range", range_z);
        reel_http_error(q, 416);
        return false;
    }
    if (plan->range_count == 1) {
        snprintf(range_z, sizeof(range_z), "bytes %llu-%llu/%llu",
                 (unsigned long long)plan->ranges[0].first,
                 (unsigned long long)plan->ranges[0].last, (unsigned long long)plan->size);
        reel_http_set(q, "Content-Range", range_z);
    }
    return true;
}

void reel_file_answer(struct reel_http_request *q, const struct reel_http_folder *folder, int fd,
                      const struct stat *file_status, const char *path_z)
{
    bool worth = false, ranged = false;
    struct stat status = *file_status;
    const char *type_z = reel_type_of_name(path_z, &worth);
    struct file_plan plan = {.fd = fd,
                             .size = (uint64_t)status.st_size,
                             .status = 200,
                             .type_z = type_z ? type_z : folder->options.type_z};
    struct span ranges = field(q, "Range", &ranged);
    worth = worth && !folder->options.no_gzip && plan.size >= folder->options.gzip_min;
    ranged = ranged && reel_http_is(q, "GET");
    bool gzip = worth && !ranged && takes_gzip(q);
    if (gzip)
        plan_gzip(q, folder, path_z, &status, &plan);
    bool packed = gzip && (plan.deflate || plan.fd != fd);
    struct version v = version_of(&status, reel_wall_us(reel_http_reactor(q)) / 1000000, packed);
    set_version(q, folder, &v, worth);
    int answer = check_conditions(q, &v);
    if (answer) {
        close(plan.fd);
        if (answer == 304)
            reel_http_answer(q, 304, NULL, NULL, 0);
        else
            reel_http_error(q, answer);
        return;
    }
    if (!packed)
        reel_http_set(q, "Accept-Ranges", "bytes");
    if (ranged && ranges_hold(q, &v) && !plan_ranges(q, ranges, &plan)) {
        close(plan.fd);
        return;
    }
    reel_file_send(q, &plan);
}
