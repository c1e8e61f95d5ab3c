/* What of a visit outlasts it beside the files: when he was there, for last(1), lastlog(8) and the logs of his next
 * visit, and what he has set in /proc/sys. Saved behind the files (keep.h). */
#ifndef KERNEL_FACTS_H
#define KERNEL_FACTS_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "kernel/kernel.h"
#include "kernel/net.h"
#include "persona/past.h"

enum { FACTS_VISITS_MAX = 16 }; /* the oldest go */

struct facts_visit {
    char user_z[33], address_z[NET_TEXT_BYTES + 1];
    struct persona_visit visit; /* its texts are those */
};

struct facts {
    size_t count;
    struct facts_visit visits[FACTS_VISITS_MAX];
};

/* Appends those before and this one. 0, ERR_FULL, ERR_NOMEM. */
int facts_save(const struct kernel *k, struct buffer *out);
/* Reads them for a machine that has just booted. 0, ERR_MALFORMED (and nothing is set), ERR_NOMEM. */
int facts_load(struct kernel *k, struct cursor *c);
void facts_forget(struct kernel *k); /* as if he were here for the first time */

/* The visits before this one, by time; at most FACTS_VISITS_MAX. */
size_t facts_visits(const struct kernel *k, struct persona_visit out[FACTS_VISITS_MAX]);

#endif
