#include "session/known.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_LEAST = 64 };

/* Keys are bytes of digests: eight of them are as good as drawn. */
static uint64_t slot_of(const uint8_t key[FRAME_VISIT_KEY])
{
    uint64_t slot;
    memcpy(&slot, key, sizeof(slot));
    return slot;
}

/* Where it stands or would stand; there is a free slot at least. */
static size_t find(const struct session_known *known, uint64_t slot)
{
    size_t at = slot & (known->room - 1);
    while (known->slots[at] != 0 && known->slots[at] != slot)
        at = (at + 1) & (known->room - 1);
    return at;
}

static bool grow(struct session_known *known)
{
    struct session_known more = *known;
    more.room = known->room == 0 ? ROOM_LEAST : 2 * known->room;
    more.slots = more.room > 2 * SESSION_KNOWN_MAX ? NULL : calloc(more.room, sizeof(*more.slots));
    if (more.slots == NULL)
        return false;
    for (size_t i = 0; i < known->room; i++)
        if (known->slots[i] != 0)
            more.slots[find(&more, known->slots[i])] = known->slots[i];
    free(known->slots);
    *known = more;
    return true;
}

void session_known_fini(struct session_known *known)
{
    free(known->slots);
    *known = (struct session_known){.slots = NULL};
}

static void add(struct session_known *known, uint64_t slot)
{
    if (slot == 0)
        return;
    if (2 * known->count >= known->room && !grow(known)) {
        known->lost = true;
        return;
    }
    size_t at = find(known, slot);
    known->count += known->slots[at] == 0;
    known->slots[at] = slot;
}

void session_known_add(struct session_known *known, const struct frame_visitor *visitor)
{
    add(known, slot_of(visitor->address));
    add(known, slot_of(visitor->login));
    for (size_t i = 0; i < FRAME_VISIT_PUBLIC; i++)
        add(known, slot_of(visitor->publics[i]));
}

static bool has(const struct session_known *known, uint64_t slot)
{
    return slot != 0 && known->room > 0 && known->slots[find(known, slot)] == slot;
}

bool session_known_has(const struct session_known *known, const struct frame_visitor *visitor)
{
    bool has_public = false;
    for (size_t i = 0; i < FRAME_VISIT_PUBLIC; i++)
        has_public |= has(known, slot_of(visitor->publics[i]));
    return !known->told || known->lost || has_public || has(known, slot_of(visitor->address)) ||
           has(known, slot_of(visitor->login));
}
