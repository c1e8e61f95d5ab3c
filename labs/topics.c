#include "topics.h"

#include <stddef.h>
#include <string.h>

static bool level_is_good(const char *level, size_t len, bool pattern, bool last)
{
    if (len == 1 && (*level == '*' || *level == '>'))
        return pattern && (*level == '*' || last);
    for (size_t i = 0; i < len; i++)
        if (level[i] <= ' ' || level[i] > '~' || level[i] == '*' || level[i] == '>')
            return false;
    return len > 0;
}

bool topic_is_good(const char *topic_z, bool pattern)
{
    if (strlen(topic_z) > TOPIC_MAX)
        return false;
    for (;;) {
        size_t len = strcspn(topic_z, ".");
        bool last = topic_z[len] == '\0';
        if (!level_is_good(topic_z, len, pattern, last))
            return false;
        if (last)
            return true;
        topic_z += len + 1;
    }
}

bool topic_matches(const char *pattern_z, const char *topic_z)
{
    for (;;) {
        size_t wanted = strcspn(pattern_z, "."), len = strcspn(topic_z, ".");
        if (*pattern_z == '>')
            return true;
        bool any = wanted == 1 && *pattern_z == '*';
        if (!any && (wanted != len || memcmp(pattern_z, topic_z, len) != 0))
            return false;
        if (!pattern_z[wanted] || !topic_z[len])
            return !pattern_z[wanted] && !topic_z[len];
        pattern_z += wanted + 1;
        topic_z += len + 1;
    }
}
