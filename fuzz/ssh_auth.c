/* Services, extensions and every method of authentication: src/ssh/auth.c, dispatch.c.
 * The input is a list of messages (tests/ssh/talk.h). */
#include "ssh/message.h"
#include "talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {SSH_MSG_USERAUTH_REQUEST, SSH_MSG_SERVICE_REQUEST,
                                    SSH_MSG_EXT_INFO, 61, 66};
    talk_fuzz(span_of(data, size), TALK_KEYS, span_of(types, sizeof(types)));
    return 0;
}
