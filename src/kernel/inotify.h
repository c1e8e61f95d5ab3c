/* What happens to watched files, inotify(7): the file side tells it here, programs read it
 * (inotify.c). Nothing is done while nobody watches. */
#ifndef KERNEL_INOTIFY_H
#define KERNEL_INOTIFY_H

#include "kernel/fs.h"

#include <sys/inotify.h>

enum {
    INOTIFY_INSTANCES_MAX = 128,    /* fs.inotify.max_user_instances */
    INOTIFY_WATCHES_MAX = 8192,     /* max_user_watches, of a machine */
    INOTIFY_EVENTS_MAX = 16384,     /* max_queued_events, of an instance */
    INOTIFY_ALL_EVENTS_MAX = 65536, /* of all instances of a machine: -> IN_Q_OVERFLOW */
};

/* `mask` is of IN_ALL_EVENTS, with IN_ISDIR for a directory. To the watches of the directory, with
 * the name in it. */
void inotify_tell_dir(struct vnode dir, struct span name, uint32_t mask, uint32_t cookie);
/* To those of the inode itself. */
void inotify_tell_node(struct vnode node, uint32_t mask);
/* To both; `dir` may be unknown (fs NULL). */
void inotify_tell(struct vnode node, struct vnode dir, struct span name, uint32_t mask);
void inotify_tell_file(struct file *f, uint32_t mask);
/* A name was given up, or a description: IN_DELETE_SELF when nothing is left of the inode. */
void inotify_on_lost(struct vnode node);
/* For the two halves of a rename. */
uint32_t inotify_new_cookie(struct vfs *vfs);

#endif
