#include "kernel/xtables_legacy.h"

#include "kernel/net.h"
#include "kernel/task.h"
#include "kernel/xtables.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { HOOKS = NF_INET_NUMHOOKS, ENTRIES_AT = sizeof(struct ipt_get_entries), ALIGN = 8 };

/* IPv6's structures differ in the entry alone. */
_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo), "one form of both");
_Static_assert(sizeof(struct ipt_replace) == sizeof(struct ip6t_replace), "one form of both");

struct table {
    struct ipt_getinfo info; /* with an empty name: not there yet */
    uint8_t *entries;
    unsigned made; /* how many were there before it */
};

struct xtables_legacy {
    struct table tables[2][XTABLES_LEGACY_TABLES]; /* of IPv4, of IPv6 */
    unsigned made;
};

/* How a family's entries look. */
struct form {
    uint8_t family;
    size_t entry, target_at, next_at, counters_at;
};

static const struct form forms[2] = {
    {NFPROTO_IPV4, sizeof(struct ipt_entry), offsetof(struct ipt_entry, target_offset),
     offsetof(struct ipt_entry, next_offset), offsetof(struct ipt_entry, counters)},
    {NFPROTO_IPV6, sizeof(struct ip6t_entry), offsetof(struct ip6t_entry, target_offset),
     offsetof(struct ip6t_entry, next_offset), offsetof(struct ip6t_entry, counters)},
};

static const struct {
    const char *name_z;
    uint32_t hooks; /* a bit each */
} kinds[XTABLES_LEGACY_TABLES] = {
    {"filter", 0x0e}, {"nat", 0x1b}, {"mangle", 0x1f}, {"raw", 0x09}, {"security", 0x0e}};

static bool asks_revision(const struct socket *s, int name)
{
    return s->family == AF_INET
               ? name == IPT_SO_GET_REVISION_MATCH || name == IPT_SO_GET_REVISION_TARGET
               : name == IP6T_SO_GET_REVISION_MATCH || name == IP6T_SO_GET_REVISION_TARGET;
}

bool xtables_legacy_has(const struct socket *s, int level, int name)
{
    bool is_own = (s->family == AF_INET && level == IPPROTO_IP) ||
                  (s->family == AF_INET6 && level == IPPROTO_IPV6);
    return is_own && s->type == SOCK_RAW &&
           (name == IPT_SO_GET_INFO || name == IPT_SO_GET_ENTRIES || asks_revision(s, name));
}

void xtables_legacy_free(struct xtables_legacy *all)
{
    for (size_t f = 0; all != NULL && f < ARRAY_LEN(forms); f++)
        for (size_t i = 0; i < XTABLES_LEGACY_TABLES; i++)
            free(all->tables[f][i].entries);
    free(all);
}

/* ---- A table as it is at first: each chain accepts ---- */

static void put_u16(uint8_t *at, size_t value)
{
    const uint16_t n = (uint16_t)value;
    memcpy(at, &n, sizeof(n));
}

static size_t put_entry(uint8_t *at, const struct form *form, size_t target_bytes,
                        const char *name_z)
{
    put_u16(at + form->target_at, form->entry);
    put_u16(at + form->next_at, form->entry + target_bytes);
    put_u16(at + form->entry, target_bytes);
    memcpy(at + form->entry + sizeof(uint16_t), name_z, strlen(name_z) + 1);
    return form->entry + target_bytes;
}

static int fill(struct table *table, const struct form *form, size_t kind)
{
    static const int32_t accept = -NF_ACCEPT - 1;
    size_t size = 0;
    table->entries = calloc(HOOKS + 1, form->entry + XT_ALIGN(sizeof(struct xt_error_target)));
    if (table->entries == NULL)
        return -ENOMEM;
    table->info = (struct ipt_getinfo){.valid_hooks = kinds[kind].hooks};
    (void)span_copy_z(span_z(kinds[kind].name_z), table->info.name, sizeof(table->info.name));
    for (size_t hook = 0; hook < HOOKS; hook++) {
        if ((kinds[kind].hooks >> hook & 1) == 0)
            continue;
        table->info.hook_entry[hook] = table->info.underflow[hook] = (uint32_t)size;
        memcpy(table->entries + size + form->entry + sizeof(struct xt_entry_target), &accept,
               sizeof(accept));
        size += put_entry(table->entries + size, form, XT_ALIGN(sizeof(struct xt_standard_target)),
                          XT_STANDARD_TARGET);
        table->info.num_entries++;
    }
    memcpy(table->entries + size + form->entry + sizeof(struct xt_entry_target), XT_ERROR_TARGET,
           sizeof(XT_ERROR_TARGET));
    size += put_entry(table->entries + size, form, XT_ALIGN(sizeof(struct xt_error_target)),
                      XT_ERROR_TARGET);
    table->info.num_entries++;
    table->info.size = (uint32_t)size;
    return 0;
}

static size_t form_of(const struct socket *s)
{
    return s->family == AF_INET ? 0 : 1;
}

/* The table of a name, made if it is not there yet: 0, -ENOENT (there is none such), -ENOMEM. */
static int find(const struct socket *s, const char name[XT_TABLE_MAXNAMELEN], struct table **out)
{
    struct net *net = &s->vfs->net;
    size_t kind = 0, f = form_of(s);
    struct span text = span_of(name, XT_TABLE_MAXNAMELEN);
    ptrdiff_t end = span_find(text, 0, 0);
    text.len = end >= 0 ? (size_t)end : text.len;
    while (kind < XTABLES_LEGACY_TABLES && !span_equal_z(text, kinds[kind].name_z))
        kind++;
    if (kind == XTABLES_LEGACY_TABLES)
        return -ENOENT;
    if (net->legacy == NULL)
        net->legacy = calloc(1, sizeof(*net->legacy));
    if (net->legacy == NULL)
        return -ENOMEM;
    *out = &net->legacy->tables[f][kind];
    if ((*out)->entries != NULL)
        return 0;
    int error = fill(*out, &forms[f], kind);
    if (error == 0)
        (*out)->made = net->legacy->made++;
    return error;
}

int xtables_legacy_names(const struct net *net, struct buffer *out)
{
    int error = 0;
    for (unsigned made = net->legacy != NULL ? net->legacy->made : 0; made-- > 0 && error == 0;)
        for (size_t i = 0; i < XTABLES_LEGACY_TABLES && error == 0; i++) {
            const struct table *table = &net->legacy->tables[0][i];
            if (table->entries != NULL && table->made == made)
                error = buffer_printf(out, "%s\n", table->info.name);
        }
    return error;
}

/* ---- Reading ---- */

static int64_t get_revision(struct task *t, const struct socket *s, int name, uint64_t at,
                            uint32_t len)
{
    struct xt_get_revision asked;
    if (len != sizeof(asked))
        return -EINVAL;
    if (task_read(t, at, &asked, sizeof(asked)) != 0)
        return -EFAULT;
    asked.name[sizeof(asked.name) - 1] = 0;
    return xtables_best(forms[form_of(s)].family, span_z(asked.name),
                        name == IPT_SO_GET_REVISION_TARGET || name == IP6T_SO_GET_REVISION_TARGET,
                        asked.revision);
}

static int64_t get_entries(struct task *t, const struct socket *s, uint64_t at, uint32_t len)
{
    struct ipt_get_entries asked;
    struct table *table = NULL;
    if (len < ENTRIES_AT)
        return -EINVAL;
    if (task_read(t, at, &asked, ENTRIES_AT) != 0)
        return -EFAULT;
    if (len != (uint64_t)asked.size + ENTRIES_AT)
        return -EINVAL;
    int error = find(s, asked.name, &table);
    if (error != 0)
        return error;
    if (asked.size != table->info.size)
        return -EAGAIN;
    kernel_charge(t->kernel, asked.size / KERNEL_COPY_BYTES);
    return task_write(t, at + ENTRIES_AT, table->entries, table->info.size) != 0 ? -EFAULT : 0;
}

static int64_t get_info(struct task *t, const struct socket *s, uint64_t at, uint32_t len)
{
    struct ipt_getinfo info;
    struct table *table = NULL;
    if (len != sizeof(info))
        return -EINVAL;
    if (task_read(t, at, &info, sizeof(info)) != 0)
        return -EFAULT;
    int error = find(s, info.name, &table);
    if (error != 0)
        return error;
    return task_write(t, at, &table->info, sizeof(table->info)) != 0 ? -EFAULT : 0;
}

int64_t xtables_legacy_get(struct task *t, const struct socket *s, int name, uint64_t at,
                           uint64_t len_at)
{
    uint32_t len = 0;
    if (!creds_capable(&t->creds, CAP_NET_ADMIN))
        return -EPERM;
    if (task_read(t, len_at, &len, sizeof(len)) != 0)
        return -EFAULT;
    switch (name) {
    case IPT_SO_GET_INFO: return get_info(t, s, at, len);
    case IPT_SO_GET_ENTRIES: return get_entries(t, s, at, len);
    default: return get_revision(t, s, name, at, len);
    }
}

/* ---- Replacing ---- */

static uint16_t u16_at(const uint8_t *at)
{
    uint16_t n = 0;
    memcpy(&n, at, sizeof(n));
    return n;
}

bool xtables_legacy_is_whole(int family, const struct ipt_replace *r, const uint8_t *entries)
{
    const struct form *form = &forms[family == AF_INET ? 0 : 1];
    uint32_t count = 0, begun = 0, ended = 0;
    size_t at = 0;
    while (r->size - at >= form->entry + sizeof(struct xt_entry_target)) {
        size_t target = u16_at(entries + at + form->target_at);
        size_t next = u16_at(entries + at + form->next_at);
        if (target < form->entry || target % ALIGN != 0 || next % ALIGN != 0 ||
            next < target + sizeof(struct xt_entry_target) || next > r->size - at ||
            target + u16_at(entries + at + target) > next)
            return false;
        for (size_t hook = 0; hook < HOOKS; hook++) {
            begun |= (uint32_t)(r->hook_entry[hook] == at) << hook;
            ended |= (uint32_t)(r->underflow[hook] == at) << hook;
        }
        at += next;
        count++;
    }
    return at == r->size && count == r->num_entries && (begun & r->valid_hooks) == r->valid_hooks &&
           (ended & r->valid_hooks) == r->valid_hooks;
}

/* The counters of what goes, where the program wants them. */
static int give_counters(struct task *t, const struct form *form, const struct table *table,
                         uint64_t to)
{
    int error = 0;
    for (size_t at = 0, i = 0; at < table->info.size && error == 0; i++) {
        const uint8_t *entry = table->entries + at;
        error = task_write(t, to + i * sizeof(struct xt_counters), entry + form->counters_at,
                           sizeof(struct xt_counters));
        at += u16_at(entry + form->next_at);
    }
    return error;
}

static void tell(struct task *t, const struct form *form, const struct table *table)
{
    char text_z[XT_TABLE_MAXNAMELEN + 32];
    (void)snprintf(text_z, sizeof(text_z), "replace table %s %s",
                   form->family == NFPROTO_IPV4 ? "ip" : "ip6", table->info.name);
    const struct kernel_event event = {.type = KERNEL_FILTER, .number = 1, .text = span_z(text_z)};
    (void)kernel_emit(t->kernel, t, &event);
}

static int64_t replace(struct task *t, const struct socket *s, uint64_t at, uint32_t len)
{
    struct ipt_replace r;
    struct table *table = NULL;
    const struct form *form = &forms[form_of(s)];
    if (len < sizeof(r))
        return -EINVAL;
    if (task_read(t, at, &r, sizeof(r)) != 0)
        return -EFAULT;
    if (r.num_counters == 0 || r.size > len - sizeof(r))
        return -EINVAL;
    if (r.size > XTABLES_LEGACY_BYTES)
        return -ENOMEM;
    int64_t error = find(s, r.name, &table);
    if (error != 0)
        return error;
    if (r.valid_hooks != table->info.valid_hooks)
        return -EINVAL;
    uint8_t *entries = malloc(r.size + 1);
    if (entries == NULL)
        return -ENOMEM;
    kernel_charge(t->kernel, r.size);
    error = task_read(t, at + sizeof(r), entries, r.size) != 0 ? -EFAULT
            : !xtables_legacy_is_whole(s->family, &r, entries) ? -EINVAL
            : r.num_counters != table->info.num_entries        ? -EAGAIN
                                                               : 0;
    if (error != 0) {
        free(entries);
        return error;
    }
    (void)give_counters(t, form, table, (uint64_t)(uintptr_t)r.counters);
    free(table->entries);
    table->entries = entries;
    table->info.num_entries = r.num_entries;
    table->info.size = r.size;
    memcpy(table->info.hook_entry, r.hook_entry, sizeof(r.hook_entry));
    memcpy(table->info.underflow, r.underflow, sizeof(r.underflow));
    tell(t, form, table);
    return 0;
}

/* What a program has counted meanwhile. */
static int64_t add_counters(struct task *t, const struct socket *s, uint64_t from, uint32_t len)
{
    struct xt_counters_info asked;
    struct table *table = NULL;
    const struct form *form = &forms[form_of(s)];
    if (len < sizeof(asked))
        return -EINVAL;
    if (task_read(t, from, &asked, sizeof(asked)) != 0)
        return -EFAULT;
    if (len != sizeof(asked) + (uint64_t)asked.num_counters * sizeof(struct xt_counters))
        return -EINVAL;
    int error = find(s, asked.name, &table);
    if (error != 0)
        return error;
    if (asked.num_counters != table->info.num_entries)
        return -EINVAL;
    for (size_t at = 0, i = 0; at < table->info.size; i++) {
        struct xt_counters now, more;
        uint8_t *entry = table->entries + at;
        if (task_read(t, from + sizeof(asked) + i * sizeof(more), &more, sizeof(more)) != 0)
            return -EFAULT;
        memcpy(&now, entry + form->counters_at, sizeof(now));
        now.pcnt += more.pcnt;
        now.bcnt += more.bcnt;
        memcpy(entry + form->counters_at, &now, sizeof(now));
        at += u16_at(entry + form->next_at);
    }
    return 0;
}

int64_t xtables_legacy_set(struct task *t, const struct socket *s, int name, uint64_t at,
                           uint32_t len)
{
    if (!creds_capable(&t->creds, CAP_NET_ADMIN))
        return -EPERM;
    switch (name) {
    case IPT_SO_SET_REPLACE: return replace(t, s, at, len);
    case IPT_SO_SET_ADD_COUNTERS: return add_counters(t, s, at, len);
    default: return -ENOPROTOOPT;
    }
}
