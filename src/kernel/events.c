#include "kernel/events.h"

#include <stdlib.h>
#include <string.h>

/* An event and all its bytes in one block. */
struct item {
    struct item *next;
    struct kernel_event event;
};

struct events {
    struct item *first, *last;
    struct item *given; /* what events_next gave out last */
    uint32_t count;
    uint64_t lost;
};

struct events *events_new(void)
{
    return calloc(1, sizeof(struct events));
}

void events_free(struct events *events)
{
    if (events == NULL)
        return;
    while (events->first != NULL) {
        struct item *next = events->first->next;
        free(events->first);
        events->first = next;
    }
    free(events->given);
    free(events);
}

uint32_t events_count(const struct events *events)
{
    return events->count;
}

static struct span copy_into(uint8_t **at, struct span bytes)
{
    struct span copy = {*at, bytes.len};
    if (bytes.len > 0)
        memcpy(*at, bytes.data, bytes.len);
    *at += bytes.len;
    return copy;
}

static size_t bytes_of(const struct kernel_event *event)
{
    size_t bytes = event->text.len + event->data.len + event->exe.len +
                   (event->argc + event->envc) * sizeof(struct span);
    for (size_t i = 0; i < event->argc; i++)
        bytes += event->args[i].len;
    for (size_t i = 0; i < event->envc; i++)
        bytes += event->env[i].len;
    return bytes;
}

static const struct span *copy_list(uint8_t **at, struct span *to, const struct span *list,
                                    size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = copy_into(at, list[i]);
    return count > 0 ? to : NULL;
}

bool events_put(struct events *events, const struct kernel_event *event)
{
    struct item *item = malloc(sizeof(*item) + bytes_of(event));
    if (item == NULL) {
        events->lost++;
        return false;
    }
    struct span *lists = (struct span *)(item + 1);
    uint8_t *at = (uint8_t *)(lists + event->argc + event->envc);
    item->next = NULL;
    item->event = *event;
    item->event.text = copy_into(&at, event->text);
    item->event.data = copy_into(&at, event->data);
    item->event.exe = copy_into(&at, event->exe);
    item->event.args = copy_list(&at, lists, event->args, event->argc);
    item->event.env = copy_list(&at, lists + event->argc, event->env, event->envc);
    if (events->last != NULL)
        events->last->next = item;
    else
        events->first = item;
    events->last = item;
    events->count++;
    return true;
}

int events_next(struct events *events, struct kernel_event *event)
{
    free(events->given);
    events->given = events->first;
    if (events->first == NULL && events->lost > 0) {
        *event = (struct kernel_event){
            .type = KERNEL_LOST, .program = -1, .number = (int64_t)events->lost};
        events->lost = 0;
        return 1;
    }
    if (events->first == NULL)
        return 0;
    events->first = events->first->next;
    if (events->first == NULL)
        events->last = NULL;
    events->count--;
    *event = events->given->event;
    return 1;
}
