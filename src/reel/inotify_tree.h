/* What an inotify object watches: a table by the kernel's numbers, and trees of folders. */
#ifndef REEL_INOTIFY_TREE_H
#define REEL_INOTIFY_TREE_H

#include "reel/part.h"

#include <reel/inotify.h>

struct watched {
    struct reel_link due; /* a folder that is to be looked through; or in the list of the dead */
    struct watched *root; /* what the caller added: itself, or the top of its tree */
    int wd;               /* the kernel's number */
    int number;           /* the caller's */
    uint32_t mask;        /* as the caller gave it */
    uint32_t depth;
    bool is_tree;
    bool tells; /* what is found in it, when it is looked through */
    char path_z[];
};

/* A name that was found, until it is told. */
struct found_name {
    struct found_name *next;
    char name_z[];
};

struct reel_inotify {
    struct reel_watch watch;
    struct reactor_part part;
    struct reel_reactor *reactor;
    struct reel_inotify_options options;
    int fd;
    int last_number;
    struct watched **table; /* by wd */
    size_t count, cap;
    struct reel_link due, dead;
    struct reel_inotify_event *events; /* to be told */
    size_t event_count, event_cap;
    struct found_name *names;
    bool lost;    /* there was no room for an event */
    bool in_turn; /* the dead stay to its end */
    bool freed;
};

struct watched *reel_inotify_find(const struct reel_inotify *in, int wd);
struct watched *reel_inotify_find_root(const struct reel_inotify *in, int number);

/* Watches the path and, for a tree, what is below it. 0 or -errno. */
int reel_inotify_add_root(struct reel_inotify *in, const char *path_z, uint32_t mask, bool tree);

/* Not watched any more: `root` and what is below it; of a tree only the folder `path_z` and what is
 * below that; one that the kernel has dropped already. */
void reel_inotify_drop_root(struct reel_inotify *in, struct watched *root);
void reel_inotify_drop_below(struct reel_inotify *in, struct watched *root, const char *path_z);
void reel_inotify_drop_one(struct reel_inotify *in, struct watched *w);

/* A folder has come into the watched folder `w`. */
void reel_inotify_folder_came(struct reel_inotify *in, struct watched *w, const char *name_z);
void reel_inotify_folder_went(struct reel_inotify *in, struct watched *w, const char *name_z);

/* Forgets what the kernel knows, and begins anew with the roots. */
void reel_inotify_rebuild(struct reel_inotify *in);

void reel_inotify_bury(struct reel_inotify *in);

/* To be told at the turn's end. */
void reel_inotify_push(struct reel_inotify *in, const struct watched *w, uint32_t mask,
                       uint32_t cookie, const char *name_z);

#endif
