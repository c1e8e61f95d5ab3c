/* Reaches src/lured/config.c: any text as a configuration file. What is taken must print as a file
 * that is taken again. */
#include "lured/config.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_and_print(struct span text, char **printed_z)
{
    struct config config;
    char why_z[CONFIG_WHY_SIZE] = "";
    size_t len = 0;
    bool good = config_init(&config) == 0;
    assert(good);
    good = config_read(&config, "f", text, why_z) >= 0;
    assert(good || why_z[0] != '\0');
    FILE *out = good ? open_memstream(printed_z, &len) : NULL;
    if (out != NULL) {
        config_print(&config, out);
        (void)fclose(out);
    }
    config_fini(&config);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *first_z = NULL;
    char *second_z = NULL;
    if (read_and_print(span_of(data, size), &first_z)) {
        bool again = read_and_print(span_z(first_z), &second_z);
        assert(again && strcmp(first_z, second_z) == 0);
    }
    free(first_z);
    free(second_z);
    return 0;
}
