/* Reaches src/events/frame.c: frames as a sensor that was taken over might send them. What is read
 * as good must stand within the input and go into a file name safely. */
#include "events/frame.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of(data, size);
    struct frame f;
    int64_t n = 0;
    while ((n = frame_read(rest, &f)) > 0) {
        assert((size_t)n <= rest.len && n == frame_size(rest));
        if (f.kind == FRAME_TTY_DATA) {
            assert(frame_session_is_good(f.tty_data.session));
            assert(f.tty_data.bytes.data >= rest.data);
            assert(f.tty_data.bytes.data + f.tty_data.bytes.len <= rest.data + n);
        }
        if (f.kind == FRAME_EVENT)
            assert(span_find(f.event.line, '\n', 0) < 0);
        rest = span_slice(rest, (size_t)n, rest.len);
    }
    return 0;
}
