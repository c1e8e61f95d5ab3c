/* A place in one of the reactor's lists: part of the structs that lie in the caller's memory.
 * Zeroed: in no list. Not for users. */
#ifndef REEL_LINK_H
#define REEL_LINK_H

#ifdef __cplusplus
extern "C" {
#endif

struct reel_link {
    struct reel_link *next, *prev;
};

#ifdef __cplusplus
}
#endif

#endif
