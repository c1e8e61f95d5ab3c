/* Compressed streams of a hostile client: src/ssh/zip.c. The input is a list of payloads, each a length
 * byte (from 0x80 on, 16 times its low 7 bits) and compressed bytes; the header says whether the stream
 * begins anew in the middle. */
#include "ssh/zip.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ssh_zip zip;
    if (size == 0)
        return 0;
    ssh_zip_init(&zip);
    int err = ssh_zip_start_in(&zip);
    struct span input = span_of(data + 1, size - 1);
    while (err == 0 && input.len) {
        size_t len = input.data[0] >= 0x80 ? (size_t)(input.data[0] & 0x7f) * 16 : input.data[0];
        struct span plain;
        err = ssh_zip_inflate(&zip, span_slice(input, 1, 1 + len), &plain);
        if (plain.len > SSH_ZIP_MAX_BYTES)
            abort();
        if (data[0] && len % data[0] == 0)
            ssh_zip_start_in(&zip);
        input = span_slice(input, 1 + len, input.len);
    }
    ssh_zip_fini(&zip);
    return 0;
}
