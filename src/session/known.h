/* Whom the recorder remembers, as far as it matters for asking it: most visitors come for the first time,
 * and their logins need not wait for an answer that says so. Never answers no for one who is remembered;
 * may answer yes for one who is not any more. */
#ifndef SESSION_KNOWN_H
#define SESSION_KNOWN_H

#include "events/frame.h"

/* Keys, two of a visitor and those of his public keys; with more, and before the recorder has told, everybody is asked for. */
#define SESSION_KNOWN_MAX ((size_t)1 << 18)

struct session_known {
    uint64_t *slots; /* the beginnings of keys; 0: free. At most half are taken */
    size_t room, count;
    bool told; /* by the recorder, whom it remembers */
    bool lost; /* there was no room for one */
};

void session_known_fini(struct session_known *known);

/* One who is remembered from now on. */
void session_known_add(struct session_known *known, const struct frame_visitor *visitor);

/* Whether anybody may be remembered by one of these keys; zeros are none. */
bool session_known_has(const struct session_known *known, const struct frame_visitor *visitor);

#endif
