/* Changes of files and folders, by inotify(7). */
#ifndef REEL_INOTIFY_H
#define REEL_INOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_inotify;
struct reel_reactor;

struct reel_inotify_event {
    uint32_t mask;   /* IN_CREATE, IN_MODIFY ...; IN_ISDIR; IN_IGNORED and IN_Q_OVERFLOW: below */
    uint32_t cookie; /* joins the IN_MOVED_FROM and IN_MOVED_TO of one renaming */
    int watch;       /* as told by reel_inotify_add; -1: all */
    const char *path_z; /* what is watched: as given, or a folder below it */
    const char *name_z; /* what is in it; "": the watched thing itself */
};

/* Zero fields take the defaults. */
struct reel_inotify_options {
    /* The events of a turn, `count` at least 1, from the loop. They and their texts are borrowed for
     * the call. May add, remove and free. Two events are told whether they were asked for or not:
     *   IN_IGNORED     the watch is over: what it watched is gone, or was a tree whose top was moved.
     *                  The number is no longer valid
     *   IN_Q_OVERFLOW  events were lost: look for yourself. With a number of -1: anywhere; else below
     *                  `path_z`, where a folder found no room or could not be read */
    void (*events)(struct reel_inotify *in, const struct reel_inotify_event *events, size_t count);
    void *shared;         /* reel_inotify_shared */
    uint32_t watches_max; /* files and folders in all; 0: REEL_INOTIFY_WATCHES_DEFAULT */
    uint32_t depth_max;   /* of a tree; 0: REEL_INOTIFY_DEPTH_DEFAULT */
};

#define REEL_INOTIFY_WATCHES_DEFAULT 1024u
#define REEL_INOTIFY_DEPTH_DEFAULT   32u
#define REEL_INOTIFY_EVENTS_MAX      4096u /* a turn; what is more is told as lost */

/* Nothing is watched yet. 0 or -errno (-EMFILE: also the system's limit of these). */
int reel_inotify_new(struct reel_reactor *r, const struct reel_inotify_options *options,
                     struct reel_inotify **out);

/* Watches a path for the events in `mask` (with IN_ONLYDIR, IN_DONT_FOLLOW, IN_ONESHOT ... as in
 * inotify(7)). A positive number for this watch, or -errno: -EEXIST when this object watches it (or
 * something below it) already; -ENOSPC beyond a maximum, ours or the system's.
 *
 * `tree`: a folder and all folders below it, also those that come later; links are not followed,
 * folders that may not be read are left out. It succeeds for all of them or for none. A folder that
 * comes is looked through, and what is in it told as IN_CREATE, if that is in `mask`: so that nothing
 * is missed that was made before the watch was there. Some of it is told twice, then. A folder that is
 * renamed within the tree counts as one that went and one that came. */
int reel_inotify_add(struct reel_inotify *in, const char *path_z, uint32_t mask, bool tree);

/* Takes it away, with all below it. Nothing more is told of it, but for what the present call of
 * `events` was given. No effect on a number that is none. */
void reel_inotify_remove(struct reel_inotify *in, int watch);

void *reel_inotify_shared(const struct reel_inotify *in); /* of the options */
size_t reel_inotify_count(const struct reel_inotify *in); /* files and folders watched */

/* Also in `events`. NULL is fine. What is left when the reactor is freed, goes with it. */
void reel_inotify_free(struct reel_inotify *in);

#ifdef __cplusplus
}
#endif

#endif
