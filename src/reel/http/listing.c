/* A folder's names as a page. Names are other people's: each is escaped for where it stands. */
#include "reel/http/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PAGE_MAX = 1 << 19 };

struct page {
    struct reel_http_site *site;
    struct text_buffer text;
    int err;
};

static void put(struct page *p, const char *text_z)
{
    if (p->err == 0)
        p->err = reel_text_put(p->site, &p->text, text_z, strlen(text_z), PAGE_MAX);
}

/* Between tags and in quotes. */
static void put_html(struct page *p, const char *text_z)
{
    for (; *text_z && p->err == 0; text_z++) {
        switch (*text_z) {
        case '&': put(p, "&amp;"); break;
        case '<': put(p, "&lt;"); break;
        case '>': put(p, "&gt;"); break;
        case '"': put(p, "&quot;"); break;
        case '\'': put(p, "&#39;"); break;
        default: p->err = reel_text_put(p->site, &p->text, text_z, 1, PAGE_MAX);
        }
    }
}

/* As a relative link: everything but letters, digits and -._~ as %XX, so no name is a scheme. */
static void put_link(struct page *p, const char *text_z)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text_z; text_z++) {
        uint8_t c = (uint8_t)*text_z;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~", c);
        const char one_z[] = {(char)c, '\0'};
        const char three_z[] = {'%', hex[c >> 4], hex[c & 15], '\0'};
        put(p, plain ? one_z : three_z);
    }
}

struct names {
    char *name_z[REEL_HTTP_LISTING_MAX]; /* with a slash in front of a folder's */
    size_t count;
    bool more;
};

static bool is_listed(const struct reel_http_folder *folder, int fd, const char *name_z,
                      bool *is_folder)
{
    struct stat status;
    if (strcmp(name_z, ".") == 0 || strcmp(name_z, "..") == 0 ||
        (*name_z == '.' && !folder->options.hidden) ||
        fstatat(fd, name_z, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    *is_folder = S_ISDIR(status.st_mode);
    return *is_folder || S_ISREG(status.st_mode) || S_ISLNK(status.st_mode);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int collect(struct reel_http_site *site, const struct reel_http_folder *folder, DIR *dir,
                   struct names *names)
{
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir))) {
        bool is_folder = false;
        if (!is_listed(folder, dirfd(dir), entry->d_name, &is_folder))
            continue;
        if (names->count == REEL_HTTP_LISTING_MAX) {
            names->more = true;
            break;
        }
        size_t len = strlen(entry->d_name);
        char *name_z = reel_site_memory(site, NULL, len + 2);
        if (!name_z)
            return -ENOMEM;
        name_z[0] = is_folder ? '/' : ' ';
        memcpy(name_z + 1, entry->d_name, len + 1);
        names->name_z[names->count++] = name_z;
    }
    if (names->count)
        qsort(names->name_z, names->count, sizeof(*names->name_z), compare);
    return 0;
}

static void compose(struct page *p, const struct reel_http_request *q, const struct names *names)
{
    char path_z[512];
    struct reel_http_text path = reel_http_path(q);
    snprintf(path_z, sizeof(path_z), "%.*s", (int)path.len, path.data);
    put(p, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>");
    put_html(p, path_z);
    put(p, "</title></head>\n<body><h1>");
    put_html(p, path_z);
    put(p, "</h1>\n<ul>\n");
    for (size_t i = 0; i < names->count; i++) {
        bool is_folder = names->name_z[i][0] == '/';
        put(p, "<li><a href=\"");
        put_link(p, names->name_z[i] + 1);
        put(p, is_folder ? "/\">" : "\">");
        put_html(p, names->name_z[i] + 1);
        put(p, is_folder ? "/</a></li>\n" : "</a></li>\n");
    }
    put(p, names->more ? "</ul>\n<p>and more</p>\n</body></html>\n" : "</ul>\n</body></html>\n");
}

void reel_listing_answer(struct reel_http_request *q, const struct reel_http_folder *folder, int fd)
{
    struct page page = {.site = q->conn->site};
    struct names *names = reel_site_memory(page.site, NULL, sizeof(*names));
    DIR *dir = names ? fdopendir(fd) : NULL;
    page.err = dir ? 0 : -ENOMEM;
    if (names)
        names->count = names->more = 0;
    if (dir)
        page.err = collect(page.site, folder, dir, names);
    if (page.err == 0)
        compose(&page, q, names);
    if (page.err == 0)
        page.err =
            reel_http_answer(q, 200, "text/html; charset=utf-8", page.text.data, page.text.len);
    if (page.err < 0)
        reel_http_error(q, 503);
    if (dir)
        closedir(dir); /* and the descriptor */
    else
        close(fd);
    for (size_t i = 0; names && i < names->count; i++)
        reel_site_memory(page.site, names->name_z[i], 0);
    reel_site_memory(page.site, names, 0);
    reel_text_free(page.site, &page.text);
}
