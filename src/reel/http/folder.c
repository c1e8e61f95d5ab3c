/* A folder as a handler: from a path to a file, a folder's file, a listing or an error. */
#include "reel/http/folder.h"

#include "reel/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

int reel_http_folder_new(struct reel_reactor *r, const char *path_z,
                         const struct reel_http_folder_options *options,
                         struct reel_http_folder **out)
{
    int fd = open(path_z, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct reel_http_folder *folder = reel_memory_new_zeroed(r, sizeof(*folder));
    if (!folder) {
        close(fd);
        return -ENOMEM;
    }
    if (options)
        folder->options = *options;
    if (!folder->options.index_z)
        folder->options.index_z = "index.html";
    if (!folder->options.gzip_min)
        folder->options.gzip_min = REEL_HTTP_GZIP_MIN;
    if (!folder->options.type_z)
        folder->options.type_z = "application/octet-stream";
    folder->allocator = r->allocator;
    folder->fd = fd;
    folder->walks = !reel_beneath_is_native(fd);
    *out = folder;
    return 0;
}

void reel_http_folder_free(struct reel_http_folder *folder)
{
    if (!folder)
        return;
    close(folder->fd);
    folder->allocator.resize(folder->allocator.context, folder, 0);
}

static int status_of(int err)
{
    switch (err) {
    case -EACCES: return 403;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM: return 503;
    case -EIO: return 500;
    default: return 404; /* -EXDEV and -ELOOP too: what lies outside is not there */
    }
}

static bool has_hidden(const char *path_z)
{
    return *path_z == '.' || strstr(path_z, "/.");
}

/* A folder without its slash: the names in its page would lead elsewhere. The path is written anew,
 * with one slash in front, for "//name" is another host. */
static void add_slash(struct reel_http_request *q)
{
    static const char hex[] = "0123456789ABCDEF";
    char location_z[2 * PATH_MAX];
    size_t len = 0, at = 0;
    while (at + 1 < q->path.len && q->path.data[at] == '/' && q->path.data[at + 1] == '/')
        at++;
    for (; at < q->path.len && len + 8 < sizeof(location_z); at++) {
        uint8_t c = q->path.data[at];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("/-._~", c);
        if (plain) {
            location_z[len++] = (char)c;
        } else {
            location_z[len++] = '%';
            location_z[len++] = hex[c >> 4];
            location_z[len++] = hex[c & 15];
        }
    }
    location_z[len++] = '/';
    location_z[len] = '\0';
    reel_http_redirect(q, 301, location_z);
}

/* The folder's own file, or a listing. */
static void answer_folder(struct reel_http_request *q, const struct reel_http_folder *folder,
                          int fd, const char *path_z)
{
    char index_z[PATH_MAX];
    struct stat status;
    int n = snprintf(index_z, sizeof(index_z), "%s%s", path_z, folder->options.index_z);
    int file = -ENOENT;
    if (*folder->options.index_z && n > 0 && (size_t)n < sizeof(index_z))
        file = reel_beneath_open(folder, index_z, &status);
    if (file >= 0 && S_ISREG(status.st_mode)) {
        close(fd);
        reel_file_answer(q, folder, file, &status, index_z);
        return;
    }
    if (file >= 0)
        close(file);
    if (folder->options.listing) {
        reel_listing_answer(q, folder, fd);
        return;
    }
    close(fd);
    reel_http_error(q, 404);
}

void reel_http_folder_handle(struct reel_http_request *q, void *context)
{
    const struct reel_http_folder *folder = context;
    char path_z[PATH_MAX];
    struct stat status;
    struct reel_http_text rest = reel_http_rest(q);
    if (!reel_http_is(q, "GET") && !reel_http_is(q, "HEAD")) {
        reel_http_set(q, "Allow", "GET, HEAD");
        reel_http_error(q, 405);
        return;
    }
    if (rest.len >= sizeof(path_z)) {
        reel_http_error(q, 404);
        return;
    }
    if (rest.len)
        memcpy(path_z, rest.data, rest.len);
    path_z[rest.len] = '\0';
    bool hidden = has_hidden(path_z) && !folder->options.hidden;
    int fd = hidden ? -ENOENT : reel_beneath_open(folder, path_z, &status);
    if (fd < 0) {
        reel_http_error(q, status_of(fd));
    } else if (S_ISREG(status.st_mode)) {
        reel_file_answer(q, folder, fd, &status, path_z);
    } else if (rest.len == 0 || path_z[rest.len - 1] == '/') {
        answer_folder(q, folder, fd, path_z);
    } else {
        close(fd);
        add_slash(q);
    }
}
