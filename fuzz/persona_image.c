/* The image's reader: header and tables of any kind. The rest of the input's last page is added and
 * the header's length put right, for those two checks alone would end nearly every attempt. */
#include "../tests/persona/walk_image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t whole = (size + PERSONA_PAGE - 1) / PERSONA_PAGE * PERSONA_PAGE;
    uint8_t *copy = whole == 0 ? NULL : aligned_alloc(PERSONA_PAGE, whole);
    if (copy == NULL)
        return 0;
    memset(copy, 0, whole);
    memcpy(copy, data, size);
    for (size_t i = 0; i < 8; i++)
        copy[16 + i] = (uint8_t)((uint64_t)whole >> (8 * i));
    struct persona_image *image;
    if (persona_image_open(span_of(copy, whole), &image) == 0)
        (void)walk_image(image);
    persona_image_close(image);
    free(copy);
    return 0;
}
