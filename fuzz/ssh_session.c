/* All messages in any order under real keys, key exchanges in the middle included, with and without
 * compression: src/ssh/ssh.c, dispatch.c, message.c, zip.c. The input is a list of messages
 * (tests/ssh/talk.h). */
#include "talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum talk_stage stages[] = {TALK_KEYS, TALK_LOGGED_IN, TALK_OPEN, TALK_RUNNING};
    if (size)
        talk_fuzz_sealed(span_of(data, size), stages[data[0] >> 6], span_of(NULL, 0));
    return 0;
}
