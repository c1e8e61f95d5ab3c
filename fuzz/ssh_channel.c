/* Data, windows and ends of channels on which programs run: src/ssh/channel*.c.
 * The input is a list of messages (tests/ssh/talk.h). */
#include "ssh/message.h"
#include "talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {
        SSH_MSG_CHANNEL_DATA,    SSH_MSG_CHANNEL_EXTENDED_DATA, SSH_MSG_CHANNEL_WINDOW_ADJUST,
        SSH_MSG_CHANNEL_EOF,     SSH_MSG_CHANNEL_CLOSE,         SSH_MSG_CHANNEL_OPEN,
        SSH_MSG_CHANNEL_REQUEST, SSH_MSG_CHANNEL_SUCCESS,       SSH_MSG_CHANNEL_FAILURE};
    talk_fuzz(span_of(data, size), TALK_RUNNING, span_of(types, sizeof(types)));
    return 0;
}
