#include <reel/line.h>

#include "reel/list.h"
#include "reel/split.h"

#include <reel/transport.h>

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct reel_line_protocol *protocol_of(const struct reel_transport *t)
{
    return CONTAINER_OF(reel_protocol_of(t), struct reel_line_protocol, protocol);
}

static struct split_rules rules_of(const struct reel_line_protocol *p)
{
    struct split_rules rules = {
        .end = (const uint8_t *)p->delimiter,
        .end_size = p->delimiter_size,
        .max = p->line_max ? p->line_max : REEL_LINE_MAX_DEFAULT,
    };
    if (rules.end && !rules.end_size)
        rules.end_size = strlen(p->delimiter);
    assert(!rules.end || rules.end_size);
    return rules;
}

static void tell_too_long(struct reel_transport *t, const struct reel_line_protocol *p,
                          const uint8_t *start, size_t len)
{
    if (p->too_long)
        p->too_long(t, start, len);
    else
        reel_abort_as(t, -EMSGSIZE);
}

/* One line or what there is of it; how many bytes are done with. False: there must come more. */
static bool take_line(struct reel_transport *t, const uint8_t *data, size_t len, size_t *taken)
{
    const struct reel_line_protocol *p = protocol_of(t);
    struct reel_line_state *state = reel_state(t);
    const struct split_rules rules = rules_of(p);
    struct split split;
    enum split_result result =
        reel_split_next(&rules, data, len, &state->scanned, &state->skipping, &split);
    *taken = split.taken;
    if (result == SPLIT_LINE && p->line)
        p->line(t, data, p->keep_end ? split.taken : split.line);
    else if (result == SPLIT_TOO_LONG)
        tell_too_long(t, p, data, rules.max);
    else if (result == SPLIT_MORE && split.taken < len)
        reel_need_more(t, reel_split_keep_max(&rules));
    return result != SPLIT_MORE;
}

/* False: the protocol wants no more of it for now. */
static bool take_raw(struct reel_transport *t, const uint8_t *data, size_t len, size_t *taken)
{
    const struct reel_line_protocol *p = protocol_of(t);
    struct reel_line_state *state = reel_state(t);
    size_t n = state->raw_left < len ? (size_t)state->raw_left : len;
    state->switched = false;
    *taken = p->raw ? p->raw(t, data, n) : n;
    assert(*taken <= n);
    if (state->switched)
        return true;
    if (state->raw_left != REEL_LINE_RAW_ENDLESS)
        state->raw_left -= *taken;
    if (state->raw_left == 0) {
        state->raw = false;
        if (p->raw_end)
            p->raw_end(t);
        return true;
    }
    return *taken == n;
}

size_t reel_line_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    const struct reel_protocol *protocol = reel_protocol_of(t);
    const struct reel_line_state *state = reel_state(t);
    assert(protocol->state_size >= sizeof(*state));
    size_t at = 0;
    bool goes_on = true;
    while (goes_on && at < len && reel_may_go_on(t) && reel_protocol_of(t) == protocol) {
        size_t taken = 0;
        bool raw = state->raw && !state->skipping; /* raw comes behind the whole of a line */
        goes_on = raw ? take_raw(t, data + at, len - at, &taken)
                      : take_line(t, data + at, len - at, &taken);
        at += taken;
    }
    return at;
}

void reel_line_eof(struct reel_transport *t)
{
    const struct reel_line_protocol *p = protocol_of(t);
    const struct reel_line_state *state = reel_state(t);
    const struct split_rules rules = rules_of(p);
    size_t len = 0;
    const uint8_t *rest = reel_kept(t, &len);
    if (len && !state->raw && !state->skipping) {
        if (len > rules.max)
            tell_too_long(t, p, rest, rules.max);
        else if (p->line)
            p->line(t, rest, len);
    }
    reel_close(t);
}

void reel_line_start_raw(struct reel_transport *t, uint64_t count)
{
    struct reel_line_state *state = reel_state(t);
    state->raw = count > 0;
    state->raw_left = count;
    state->switched = true;
    state->scanned = 0;
}

void reel_line_stop_raw(struct reel_transport *t)
{
    reel_line_start_raw(t, 0);
}

int reel_line_write(struct reel_transport *t, const void *line, size_t len)
{
    const struct split_rules rules = rules_of(protocol_of(t));
    const void *end = rules.end ? (const void *)rules.end : "\n";
    size_t end_size = rules.end ? rules.end_size : 1;
    const struct iovec parts[] = {{(void *)line, len}, {(void *)end, end_size}};
    return reel_writev(t, parts, 2);
}

int reel_print(struct reel_transport *t, const char *format_z, ...)
{
    char text[REEL_PRINT_MAX + 1];
    va_list args;
    va_start(args, format_z);
    int len = vsnprintf(text, sizeof(text), format_z, args);
    va_end(args);
    if (len < 0)
        return -EINVAL;
    return len > REEL_PRINT_MAX ? -EMSGSIZE : reel_write(t, text, (size_t)len);
}
