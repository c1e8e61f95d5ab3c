/* Reaches src/session/bait.c: any text as a list of bait. What is taken is found again. */
#include "session/bait.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_for(const struct session_bait *bait, const struct session_bait_item *item)
{
    assert(item->name.len > 0 && item->second.len > 0);
    switch (item->kind) {
    case SESSION_BAIT_FILE:
    case SESSION_BAIT_PUT: assert(item->mode <= 07777 && item->owner.len > 0); break;
    case SESSION_BAIT_WATCH: break;
    case SESSION_BAIT_LOGIN: assert(session_bait_is_login(bait, item->name, item->second)); break;
    case SESSION_BAIT_HOST:
        assert(session_bait_host(bait, item->name) != NULL);
        assert(session_bait_host(bait, item->second) != NULL);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int error = 0;
    uint32_t line = 0;
    struct session_bait *bait = session_bait_new(span_of(data, size), &error, &line);
    assert((bait != NULL) == (error == 0));
    for (size_t i = 0; session_bait_item(bait, i) != NULL; i++)
        look_for(bait, session_bait_item(bait, i));
    session_bait_free(bait);
    return 0;
}
