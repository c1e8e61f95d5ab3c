/* A policy's text, and logins by it: the input's last line is "user:password". */
#include "session/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of(data, size);
    size_t last = size;
    while (last > 0 && data[last - 1] != '\n')
        last--;
    ptrdiff_t colon = span_find(text, ':', last);
    size_t split = colon < 0 ? size : (size_t)colon;
    int err;
    uint32_t line;
    struct session_policy *policy = session_policy_new(span_slice(text, 0, last), &err, &line);
    if (policy != NULL)
        (void)session_policy_allows(policy, span_slice(text, last, split),
                                    span_slice(text, split + 1, size));
    session_policy_free(policy);
    return 0;
}
