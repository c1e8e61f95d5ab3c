#include "reel/table.h"

#include "reel/dns.h"
#include "reel/loop.h"

#include <reel/deferred.h>
#include <reel/timer.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Whether the line is about this family. */
static bool is_of(const struct reel_name *line, int family)
{
    struct reel_address address;
    if (!line->address_z)
        return line->family == AF_UNSPEC || line->family == family;
    return reel_address_set(&address, line->address_z, 0) == 0 &&
           address.storage.ss_family == family;
}

/* An answer on its way. */
struct delayed {
    struct reel_timer timer;
    struct reel_deferred *d;
    struct reel_addresses *found; /* NULL: `error` */
    int error;
};

static void on_time(struct reel_timer *timer)
{
    struct delayed *delayed = CONTAINER_OF(timer, struct delayed, timer);
    reel_timer_fini(timer);
    if (delayed->found)
        reel_deferred_callback(delayed->d, (int64_t)delayed->found->count, delayed->found,
                               reel_answer_free);
    else
        reel_deferred_errback(delayed->d, delayed->error, NULL);
}

static void cancel_delayed(struct reel_deferred *d)
{
    struct delayed *delayed = reel_deferred_state(d);
    reel_timer_fini(&delayed->timer);
    if (delayed->found)
        reel_answer_free(delayed->found);
    reel_deferred_errback(d, -ECANCELED, "cancelled");
}

/* Neither addresses nor an error: never. Takes `found`. */
static struct reel_deferred *answer_later(struct reel_reactor *r, const struct reel_name *line,
                                          struct reel_addresses *found)
{
    struct reel_deferred *d = reel_deferred_new(r, cancel_delayed, sizeof(struct delayed));
    if (!d) {
        if (found)
            reel_answer_free(found);
        return NULL;
    }
    struct delayed *delayed = reel_deferred_state(d);
    *delayed = (struct delayed){.d = d, .found = found, .error = line->error};
    if (reel_timer_init(&delayed->timer, r, on_time) < 0)
        cancel_delayed(d);
    else if (found || line->error)
        reel_timer_start(&delayed->timer, line->delay_ns);
    return d;
}

struct reel_deferred *reel_table_resolve(struct reel_reactor *r, const char *name_z, uint16_t port,
                                         int family)
{
    struct reel_address list[REEL_RESOLVE_ADDRESSES_MAX];
    const struct reel_name *first = NULL;
    size_t count = 0;
    bool is_known = false;
    for (size_t i = 0; i < r->names.table_count; i++) {
        const struct reel_name *line = &r->names.table[i];
        if (strcasecmp(line->name_z, name_z) != 0)
            continue;
        is_known = true;
        if (!is_of(line, family))
            continue;
        first = first ? first : line;
        if (line->address_z && count < REEL_RESOLVE_ADDRESSES_MAX)
            reel_address_set(&list[count++], line->address_z, 0);
    }
    if (!first)
        return is_known ? reel_deferred_fail(r, -ENODATA, "the name has no address of this kind")
                        : reel_deferred_fail(r, -ENOENT, "there is no such name");
    if (!first->address_z)
        return answer_later(r, first, NULL);
    struct reel_addresses *found = reel_addresses_new(r, list, count, port, family);
    return found ? answer_later(r, first, found) : NULL;
}

struct reel_deferred *reel_table_name_of(struct reel_reactor *r, const struct reel_address *address)
{
    char text_z[REEL_ADDRESS_TEXT_MAX];
    reel_address_host(address, text_z, sizeof(text_z));
    for (size_t i = 0; i < r->names.table_count; i++) {
        const struct reel_name *line = &r->names.table[i];
        if (line->address_z && strcmp(line->address_z, text_z) == 0)
            return reel_answer_name(r, line->name_z, strlen(line->name_z));
    }
    return reel_deferred_fail(r, -ENOENT, "there is no such name");
}

void reel_resolver_use_table(struct reel_reactor *r, const struct reel_name *table, size_t count)
{
    r->names.table = table;
    r->names.table_count = count;
}
