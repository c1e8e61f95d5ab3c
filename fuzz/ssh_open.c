/* Opening channels of every type, and closing them: src/ssh/open.c, channel.c.
 * The input is a list of messages (tests/ssh/talk.h). */
#include "ssh/message.h"
#include "talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {SSH_MSG_CHANNEL_OPEN, SSH_MSG_CHANNEL_CLOSE,
                                    SSH_MSG_CHANNEL_OPEN_CONFIRMATION, SSH_MSG_CHANNEL_OPEN_FAILURE,
                                    SSH_MSG_GLOBAL_REQUEST};
    talk_fuzz(span_of(data, size), TALK_LOGGED_IN, span_of(types, sizeof(types)));
    return 0;
}
