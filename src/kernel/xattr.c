#include "kernel/xattr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct xattr {
    struct xattr *next;
    size_t name_len, value_len; /* the name without its NUL */
    uint8_t bytes[];            /* the name, a NUL, the value */
};

static struct span name_of(const struct xattr *x)
{
    return span_of(x->bytes, x->name_len);
}

const struct xattr *xattr_find(const struct xattr *list, struct span name)
{
    while (list != NULL && !span_equal(name_of(list), name))
        list = list->next;
    return list;
}

struct span xattr_value(const struct xattr *x)
{
    return span_of(x->bytes + x->name_len + 1, x->value_len);
}

static size_t size_of(size_t name, size_t value)
{
    return 16 + ((name + 3) & ~(size_t)3) + ((value + 3) & ~(size_t)3);
}

int xattr_remove(struct xattr **list, struct span name)
{
    while (*list != NULL && !span_equal(name_of(*list), name))
        list = &(*list)->next;
    struct xattr *gone = *list;
    if (gone == NULL)
        return -ENODATA;
    *list = gone->next;
    free(gone);
    return 0;
}

int xattr_set(struct xattr **list, struct span name, struct span value)
{
    size_t used = size_of(name.len, value.len);
    for (const struct xattr *x = *list; x != NULL; x = x->next)
        if (!span_equal(name_of(x), name))
            used += size_of(x->name_len, x->value_len);
    if (used > XATTR_INODE_BYTES)
        return -ENOSPC;
    struct xattr *new = malloc(sizeof(*new) + name.len + 1 + value.len);
    if (new == NULL)
        return -ENOMEM;
    *new = (struct xattr){.name_len = name.len, .value_len = value.len};
    memcpy(new->bytes, name.data, name.len);
    new->bytes[name.len] = 0;
    if (value.len > 0)
        memcpy(new->bytes + name.len + 1, value.data, value.len);
    (void)xattr_remove(list, name);
    struct xattr **last = list;
    while (*last != NULL)
        last = &(*last)->next;
    *last = new;
    return 0;
}

struct span xattr_next(const struct xattr *list, const struct xattr **at)
{
    *at = *at != NULL ? (*at)->next : list;
    return *at != NULL ? span_of((*at)->bytes, (*at)->name_len + 1) : (struct span){NULL, 0};
}

void xattr_free(struct xattr *list)
{
    while (list != NULL) {
        struct xattr *next = list->next;
        free(list);
        list = next;
    }
}
