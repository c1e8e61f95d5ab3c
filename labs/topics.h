/* Topics as NATS has them: levels with dots between them. In a pattern "*" stands for one level and
 * ">", at the end, for one or more. Pure. */
#ifndef LABS_TOPICS_H
#define LABS_TOPICS_H

#include <stdbool.h>

enum { TOPIC_MAX = 128 }; /* longest topic or pattern, without its NUL */

/* Levels that are not empty, of visible characters; wildcards only where they make sense, and only
 * with `pattern`. */
bool topic_is_good(const char *topic_z, bool pattern);

bool topic_matches(const char *pattern_z, const char *topic_z);

#endif
