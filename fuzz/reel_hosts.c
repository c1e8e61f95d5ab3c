/* Reaches src/reel/hosts.c: the first line is a name, the rest a hosts file. What is found has a name
 * in the file, and names lie in the text. */
#include "reel/hosts.h"

#include <assert.h>
#include <string.h>

enum { NAME_MAX_BYTES = 300, FOUND_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *end = size ? memchr(text, '\n', size) : NULL;
    char name_z[NAME_MAX_BYTES];
    if (!end || end - text >= NAME_MAX_BYTES)
        return 0;
    size_t name_len = (size_t)(end - text);
    memcpy(name_z, text, name_len);
    name_z[name_len] = '\0';
    const char *file = end + 1;
    size_t len = size - name_len - 1;
    struct reel_address found[FOUND_MAX];
    size_t count = reel_hosts_find(file, len, name_z, found, FOUND_MAX);
    assert(count <= FOUND_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *name = NULL;
        size_t found_len = reel_hosts_name_of(file, len, &found[i], &name);
        assert(found_len > 0 && name >= file && name + found_len <= file + len);
        assert(reel_address_port(&found[i]) == 0);
    }
    return 0;
}
