/* Files over HTTP: a folder as a handler. Types by name, ranges, conditions (RFC 9110, sections 13
 * and 14), compression, listings. No path leaves the folder: not by dots, not by a link, not by a
 * name that changes meanwhile. Only regular files are read. */
#ifndef REEL_HTTP_STATIC_H
#define REEL_HTTP_STATIC_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_http_folder;
struct reel_http_request;
struct reel_reactor;

/* Zero fields take the defaults. */
struct reel_http_folder_options {
    const char *index_z; /* the file shown for a folder; NULL: "index.html"; "": none */
    bool listing;        /* a folder without that file is listed; else it is 404 */
    bool hidden;         /* names that begin with a dot are served; else they are not there */
    bool no_gzip;        /* nothing is compressed, and no FILE.gz is sent for FILE */
    uint64_t gzip_min;   /* smaller files are not worth it */
    int64_t max_age_ns;  /* Cache-Control: max-age; 0: none is sent */
    const char *type_z;  /* of names without a known ending; NULL: "application/octet-stream" */
};

/* The default of gzip_min, and what is fixed. */
#define REEL_HTTP_GZIP_MIN    1024
#define REEL_HTTP_RANGES_MAX  16   /* in one request; more are answered with the whole file */
#define REEL_HTTP_LISTING_MAX 1000 /* names in a listing */

/* Opens the folder. `options` may be NULL, and is copied; its texts are the caller's and stay. 0,
 * -ENOMEM, or -errno of opening it. */
int reel_http_folder_new(struct reel_reactor *r, const char *path_z,
                         const struct reel_http_folder_options *options,
                         struct reel_http_folder **out);

/* When no request uses it any more: after reel_http_site_free and the turn behind it, or after the
 * reactor. NULL is fine. */
void reel_http_folder_free(struct reel_http_folder *folder);

/* The handler of a route for GET whose path ends with a star:
 * {REEL_HTTP_ROUTE("GET", "/files/" "*", reel_http_folder_handle), .context = folder}.
 * What stands for the star is the path inside the folder. */
void reel_http_folder_handle(struct reel_http_request *q, void *folder);

#ifdef __cplusplus
}
#endif

#endif
