#include "kernel/fdtable.h"

#include "kernel/file.h"
#include "kernel/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 16 }; /* bash puts its terminal at 255, with nothing below */

struct block {
    struct file *file[BLOCK];
    bool close_on_exec[BLOCK];
};

struct fd_table {
    struct block **blocks; /* NULL: nothing is open in it */
    int block_count;
    unsigned holders;
};

struct fd_table *fd_table_new(void)
{
    struct fd_table *table = calloc(1, sizeof(*table));
    if (table != NULL)
        table->holders = 1;
    return table;
}

static int size_of(const struct fd_table *table)
{
    return table->block_count * BLOCK;
}

struct file *fd_table_find(const struct fd_table *table, int64_t fd)
{
    if (fd < 0 || fd >= size_of(table) || table->blocks[fd / BLOCK] == NULL)
        return NULL;
    return table->blocks[fd / BLOCK]->file[fd % BLOCK];
}

static int clone_blocks(struct fd_table *copy, const struct fd_table *table)
{
    copy->blocks = calloc((size_t)table->block_count, sizeof(struct block *));
    if (copy->blocks == NULL)
        return -ENOMEM;
    copy->block_count = table->block_count;
    for (int i = 0; i < table->block_count; i++) {
        if (table->blocks[i] == NULL)
            continue;
        copy->blocks[i] = malloc(sizeof(struct block));
        if (copy->blocks[i] == NULL)
            return -ENOMEM;
        *copy->blocks[i] = *table->blocks[i];
        for (int n = 0; n < BLOCK; n++)
            if (copy->blocks[i]->file[n] != NULL)
                file_hold(copy->blocks[i]->file[n]);
    }
    return 0;
}

struct fd_table *fd_table_clone(const struct fd_table *table)
{
    struct fd_table *copy = fd_table_new();
    if (copy == NULL || table->block_count == 0)
        return copy;
    if (clone_blocks(copy, table) != 0) {
        fd_table_drop(copy);
        return NULL;
    }
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
    for (int fd = fd_table_next(table, 0); fd >= 0; fd = fd_table_next(table, fd + 1))
        closed(table, fd_table_find(table, fd));
    for (int i = 0; i < table->block_count; i++)
        free(table->blocks[i]);
    free(table->blocks);
    free(table);
}

bool fd_table_is_shared(const struct fd_table *table)
{
    return table->holders > 1;
}

static int make_room(struct fd_table *table, int fd)
{
    int count = fd / BLOCK + 1;
    if (count > table->block_count) {
        struct block **blocks = realloc(table->blocks, (size_t)count * sizeof(void *));
        if (blocks == NULL)
            return -ENOMEM;
        for (int i = table->block_count; i < count; i++)
            blocks[i] = NULL;
        table->blocks = blocks;
        table->block_count = count;
    }
    struct block **block = &table->blocks[fd / BLOCK];
    if (*block == NULL)
        *block = calloc(1, sizeof(**block));
    return *block != NULL ? 0 : -ENOMEM;
}

/* Its place must be there. */
static void put(struct fd_table *table, int fd, struct file *f, bool close_on_exec)
{
    struct block *block = table->blocks[fd / BLOCK];
    block->file[fd % BLOCK] = f;
    block->close_on_exec[fd % BLOCK] = close_on_exec;
}

static int limit_of(uint64_t limit)
{
    return limit < FD_TABLE_MAX ? (int)limit : FD_TABLE_MAX;
}

int fd_table_free(const struct fd_table *table, int from, uint64_t limit)
{
    int fd = from;
    while (fd_table_find(table, fd) != NULL)
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
    put(table, fd, f, close_on_exec);
    return fd;
}

int fd_table_set(struct fd_table *table, struct file *f, int fd, uint64_t limit, bool close_on_exec)
{
    int error = fd >= 0 && fd < limit_of(limit) ? make_room(table, fd) : -EBADF;
    if (error != 0) {
        file_drop(f);
        return error;
    }
    struct file *old = fd_table_find(table, fd);
    put(table, fd, f, close_on_exec);
    if (old != NULL)
        closed(table, old);
    return fd;
}

int fd_table_close(struct fd_table *table, int64_t fd)
{
    struct file *f = fd_table_find(table, fd);
    if (f == NULL)
        return -EBADF;
    put(table, (int)fd, NULL, false);
    closed(table, f);
    return 0;
}

void fd_table_close_exec(struct fd_table *table)
{
    for (int fd = fd_table_next(table, 0); fd >= 0; fd = fd_table_next(table, fd + 1))
        if (fd_table_is_close_on_exec(table, fd))
            fd_table_close(table, fd);
}

bool fd_table_is_close_on_exec(const struct fd_table *table, int fd)
{
    return fd_table_find(table, fd) != NULL && table->blocks[fd / BLOCK]->close_on_exec[fd % BLOCK];
}

void fd_table_set_close_on_exec(struct fd_table *table, int fd, bool on)
{
    if (fd_table_find(table, fd) != NULL)
        table->blocks[fd / BLOCK]->close_on_exec[fd % BLOCK] = on;
}

int fd_table_next(const struct fd_table *table, int from)
{
    int fd = from < 0 ? 0 : from;
    while (fd < size_of(table)) {
        if (table->blocks[fd / BLOCK] == NULL)
            fd += BLOCK - fd % BLOCK;
        else if (fd_table_find(table, fd) != NULL)
            return fd;
        else
            fd++;
    }
    return -1;
}
