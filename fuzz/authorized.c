/* An authorized_keys file, to its end. */
#include "session/authorized.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of(data, size), type;
    struct buffer blob;
    buffer_init(&blob, SESSION_AUTHORIZED_KEY_MAX);
    while (session_authorized_next(&text, &type, &blob))
        if (type.len == 0 || buffer_len(&blob) < type.len + 4)
            __builtin_trap();
    buffer_fini(&blob);
    return 0;
}
