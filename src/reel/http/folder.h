/* Files over HTTP from the inside: finding (folder.c, beneath.c), describing (file.c), sending
 * (reel_file_send.c), listing (listing.c). */
#ifndef REEL_HTTP_FOLDER_H
#define REEL_HTTP_FOLDER_H

#include "reel/http/site.h"

#include "http/select.h"

#include <reel/http_static.h>

#include <sys/stat.h>

struct reel_http_folder {
    struct reel_allocator allocator;
    struct reel_http_folder_options options; /* with the defaults filled in */
    int fd;
    bool walks; /* no openat2: paths are walked, and links are not followed */
};

/* Opens what lies at `path_z` below the folder, for reading: a regular file or a folder. Nothing
 * leads out of it. The descriptor and its `status`, or -errno; -ENOENT for anything else. */
int reel_beneath_open(const struct reel_http_folder *folder, const char *path_z,
                      struct stat *status);

/* Whether the kernel has openat2 and lets us. */
bool reel_beneath_is_native(int fd);

/* The type by the name's ending; NULL: not known. `worth`: compressing it is worth it. */
const char *reel_type_of_name(const char *name_z, bool *worth);

/* Answers with the file; takes the descriptor. `path_z` is where it lies in the folder. */
void reel_file_answer(struct reel_http_request *q, const struct reel_http_folder *folder, int fd,
                      const struct stat *status, const char *path_z);

/* What is sent of a file. */
struct file_plan {
    int fd;        /* is taken */
    uint64_t size; /* of the file */
    int status;    /* 200 or 206 */
    const char *type_z;
    bool deflate;       /* compress on the way */
    size_t range_count; /* 0: all of it */
    struct http_range ranges[HTTP_RANGES_MAX];
};

/* Begins the answer; the fields are set already. Closes the descriptor at its end. */
void reel_file_send(struct reel_http_request *q, const struct file_plan *plan);

/* Answers with the names in a folder; takes the descriptor. */
void reel_listing_answer(struct reel_http_request *q, const struct reel_http_folder *folder,
                         int fd);

#endif
