/* Channel requests: src/ssh/request.c.
 * The input is a list of messages (tests/ssh/talk.h). */
#include "ssh/message.h"
#include "talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {SSH_MSG_CHANNEL_REQUEST, SSH_MSG_CHANNEL_OPEN};
    talk_fuzz(span_of(data, size), TALK_OPEN, span_of(types, sizeof(types)));
    return 0;
}
