/* Reaches src/bus: what a client sends to systemd's bus, by the private socket or the system bus. */
#include "../tests/bus/fake_host.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_host f = {0};
    const struct bus_host host = fake_host(&f);
    if (size == 0)
        return 0;
    struct bus *bus = bus_new((data[0] & 1) != 0 ? 11 : 0, (data[0] & 2) != 0 ? 1000 : 0);
    if (bus == NULL)
        return 0;
    struct span rest = span_of(data + 1, size - 1);
    size_t step = 1 + data[0] / 4;
    for (size_t at = 0; at < rest.len; at += step)
        if (bus_feed(bus, &host, span_slice(rest, at, at + step)) < 0)
            break;
    bus_free(bus);
    return 0;
}
