/* The messages of the transport, where a program runs: src/ssh/dispatch.c.
 * The input is a list of messages (tests/ssh/talk.h). */
#include "ssh/message.h"
#include "talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {SSH_MSG_IGNORE,
                                    SSH_MSG_DEBUG,
                                    SSH_MSG_UNIMPLEMENTED,
                                    SSH_MSG_DISCONNECT,
                                    SSH_MSG_SERVICE_REQUEST,
                                    SSH_MSG_EXT_INFO,
                                    SSH_MSG_KEXINIT,
                                    SSH_MSG_NEWKEYS,
                                    SSH_MSG_KEX_INIT,
                                    SSH_MSG_USERAUTH_REQUEST,
                                    0,
                                    192,
                                    255};
    talk_fuzz(span_of(data, size), TALK_RUNNING, span_of(types, sizeof(types)));
    return 0;
}
