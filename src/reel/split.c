#include "reel/split.h"

#include <string.h>

static size_t find(const struct split_rules *rules, const uint8_t *data, size_t from, size_t len)
{
    const uint8_t *at = NULL;
    if (from < len)
        at = rules->end ? memmem(data + from, len - from, rules->end, rules->end_size)
                        : memchr(data + from, '\n', len - from);
    return at ? (size_t)(at - data) : len;
}

/* How much of the end may be the beginning of a delimiter. */
static size_t overlap(const struct split_rules *rules)
{
    return rules->end ? rules->end_size - 1 : 0;
}

size_t reel_split_keep_max(const struct split_rules *rules)
{
    return rules->max + (rules->end ? rules->end_size : 2);
}

/* No end is there yet. */
static enum split_result no_end(const struct split_rules *rules, size_t len, size_t *scanned,
                                bool *skipping, struct split *out)
{
    size_t kept = len < overlap(rules) ? len : overlap(rules);
    if (*skipping) {
        out->taken = len - kept;
        *scanned = 0;
        return SPLIT_MORE;
    }
    if (len >= reel_split_keep_max(rules)) {
        *skipping = true;
        *scanned = 0;
        out->taken = len - kept;
        return SPLIT_TOO_LONG;
    }
    *scanned = len - kept;
    return SPLIT_MORE;
}

enum split_result reel_split_next(const struct split_rules *rules, const uint8_t *data, size_t len,
                                  size_t *scanned, bool *skipping, struct split *out)
{
    *out = (struct split){0};
    size_t at = find(rules, data, *scanned, len);
    if (at == len)
        return no_end(rules, len, scanned, skipping, out);
    *scanned = 0;
    out->taken = at + (rules->end ? rules->end_size : 1);
    if (*skipping) {
        *skipping = false;
        return SPLIT_SKIPPED;
    }
    if (!rules->end && at && data[at - 1] == '\r')
        at--;
    out->line = at;
    return at > rules->max ? SPLIT_TOO_LONG : SPLIT_LINE;
}
