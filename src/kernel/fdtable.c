#include "kernel/fdtable.h"

#include "kernel/file.h"
#include "kernel/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FD_TABLE_FIRST = 16 };

struct slot {
    struct file *file;
    bool close_on_exec;
};

struct fd_table {
    struct slot *slots;
    int size;
    unsigned holders;
};

struct fd_table *fd_table_new(void)
{
    struct fd_table *table = calloc(1, sizeof(*table));
    if (table != NULL)
        table->holders = 1;
    return table;
}

struct fd_table *fd_table_clone(const struct fd_table *table)
{
    struct fd_table *copy = fd_table_new();
    if (copy == NULL || table->size == 0)
        return copy;
    copy->slots = calloc((size_t)table->size, sizeof(*copy->slots));
    if (copy->slots == NULL) {
        free(copy);
        return NULL;
    }
    copy->size = table->size;
    memcpy(copy->slots, table->slots, (size_t)table->size * sizeof(*copy->slots));
    for (int fd = 0; fd < copy->size; fd++)
        if (copy->slots[fd].file != NULL)
            file_hold(copy->slots[fd].file);
    return copy;
}

struct fd_table *fd_table_hold(struct fd_table *table)
{
    table->holders++;
    return table;
}

/* A process that closes any descriptor of a file loses its record locks there (fcntl(2)). */
static void closed(const struct fd_table *table, struct file *f)
{
    if (f->vfs->locks != NULL)
        lock_forget(f->vfs, f->node, table);
    file_drop(f);
}

void fd_table_drop(struct fd_table *table)
{
    if (table == NULL || --table->holders > 0)
        return;
    for (int fd = 0; fd < table->size; fd++)
        if (table->slots[fd].file != NULL)
            closed(table, table->slots[fd].file);
    free(table->slots);
    free(table);
}

bool fd_table_is_shared(const struct fd_table *table)
{
    return table->holders > 1;
}

struct file *fd_table_find(const struct fd_table *table, int64_t fd)
{
    return fd >= 0 && fd < table->size ? table->slots[fd].file : NULL;
}

static int make_room(struct fd_table *table, int fd)
{
    if (fd < table->size)
        return 0;
    int size = table->size > 0 ? table->size : FD_TABLE_FIRST;
    while (size <= fd)
        size *= 2;
    struct slot *slots = realloc(table->slots, (size_t)size * sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    memset(slots + table->size, 0, (size_t)(size - table->size) * sizeof(*slots));
    table->slots = slots;
    table->size = size;
    return 0;
}

static int limit_of(uint64_t limit)
{
    return limit < FD_TABLE_MAX ? (int)limit : FD_TABLE_MAX;
}

int fd_table_free(const struct fd_table *table, int from, uint64_t limit)
{
    int fd = from;
    while (fd < table->size && table->slots[fd].file != NULL)
        fd++;
    return fd < limit_of(limit) ? fd : -EMFILE;
}

int fd_table_add(struct fd_table *table, struct file *f, int from, uint64_t limit,
                 bool close_on_exec)
{
    int fd = fd_table_free(table, from, limit);
    int error = fd >= 0 ? make_room(table, fd) : fd;
    if (error != 0) {
        file_drop(f);
        return error;
    }
    table->slots[fd] = (struct slot){.file = f, .close_on_exec = close_on_exec};
    return fd;
}

int fd_table_set(struct fd_table *table, struct file *f, int fd, uint64_t limit, bool close_on_exec)
{
    int error = fd >= 0 && fd < limit_of(limit) ? make_room(table, fd) : -EBADF;
    if (error != 0) {
        file_drop(f);
        return error;
    }
    struct file *old = table->slots[fd].file;
    table->slots[fd] = (struct slot){.file = f, .close_on_exec = close_on_exec};
    if (old != NULL)
        closed(table, old);
    return fd;
}

int fd_table_close(struct fd_table *table, int64_t fd)
{
    struct file *f = fd_table_find(table, fd);
    if (f == NULL)
        return -EBADF;
    table->slots[fd] = (struct slot){0};
    closed(table, f);
    return 0;
}

void fd_table_close_exec(struct fd_table *table)
{
    for (int fd = 0; fd < table->size; fd++)
        if (table->slots[fd].file != NULL && table->slots[fd].close_on_exec)
            fd_table_close(table, fd);
}

bool fd_table_is_close_on_exec(const struct fd_table *table, int fd)
{
    return fd_table_find(table, fd) != NULL && table->slots[fd].close_on_exec;
}

void fd_table_set_close_on_exec(struct fd_table *table, int fd, bool on)
{
    if (fd_table_find(table, fd) != NULL)
        table->slots[fd].close_on_exec = on;
}

int fd_table_next(const struct fd_table *table, int from)
{
    for (int fd = from < 0 ? 0 : from; fd < table->size; fd++)
        if (table->slots[fd].file != NULL)
            return fd;
    return -1;
}
