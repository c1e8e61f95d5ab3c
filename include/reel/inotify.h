/* Changes of files and directories, by inotify(7). */
#ifndef REEL_INOTIFY_H
#define REEL_INOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>

struct reel_inotify;
struct reel_reactor;

struct reel_inotify_event {
    uint32_t mask;      /* IN_CREATE, IN_MODIFY ...; IN_ISDIR; IN_Q_OVERFLOW: some were lost */
    uint32_t cookie;    /* joins the IN_MOVED_FROM and IN_MOVED_TO of one renaming */
    int watch;          /* as told by reel_inotify_add; -1: overflow */
    const char *path_z; /* what is watched: as given, below it for directories found by recursion */
    const char *name_z; /* the file in it; "": the watched thing itself */
};

/* Zero fields take the defaults. */
struct reel_inotify_options {
    /* The events of a turn, `count` at least 1; borrowed for the call. After an overflow, look for
     * yourself: a directory tree has been walked again for new directories. May call
     * reel_inotify_free. */
    void (*events)(struct reel_inotify *in, const struct reel_inotify_event *events, size_t count);
    void *shared;         /* reel_inotify_shared */
    uint32_t watches_max; /* directories and files in all; 0: REEL_INOTIFY_WATCHES_DEFAULT */
    uint32_t depth_max;   /* of recursion; 0: REEL_INOTIFY_DEPTH_DEFAULT */
};

#define REEL_INOTIFY_WATCHES_DEFAULT 1024u
#define REEL_INOTIFY_DEPTH_DEFAULT   32u

/* Nothing is watched yet. 0 or -errno. */
int reel_inotify_new(struct reel_reactor *r, const struct reel_inotify_options *options,
                     struct reel_inotify **out);

/* Watches a path for the events in `mask`. Recursive: a directory and all below it, also what comes
 * later; links are not followed. A number of 0 or more for this watch; -ENOSPC beyond the maximum
 * (of ours or of the system's), or -errno. A recursive one is all or nothing at the time of the
 * call. Directories that come later and find no room are told as an event with IN_Q_OVERFLOW. */
int reel_inotify_add(struct reel_inotify *in, const char *path_z, uint32_t mask, bool recursive);

/* Takes it away, with all below it when it was recursive. Events of it that are under way are not
 * told. No effect on a number that is none. */
void reel_inotify_remove(struct reel_inotify *in, int watch);

void *reel_inotify_shared(const struct reel_inotify *in);
size_t reel_inotify_watches(const struct reel_inotify *in); /* how many there are */

/* Also in `events`. NULL is fine. What is left when the reactor is freed, goes with it. */
void reel_inotify_free(struct reel_inotify *in);

#endif
