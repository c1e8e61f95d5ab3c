/* Reaches src/bus/unit_text.c: a unit file that a visitor wrote, each of its lines as a value of every kind. */
#include "bus/unit_text.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"ExecStart", "Environment", "RestartSec", "Type"};
    const struct unit_names names = {
        .name_z = "a@b.service", .hostname_z = "host", .env = SPAN_LIT("A=b c\0D=e\0")};
    char value_z[UNIT_VALUE_MAX];
    struct span text = span_of(data, size);
    for (size_t k = 0; k < ARRAY_LEN(keys); k++)
        for (size_t n = 0; n < 8 && unit_text_value(text, "Service", keys[k], n, value_z); n++) {
            struct unit_words words;
            (void)unit_text_us(value_z);
            (void)unit_text_is_true(value_z);
            (void)unit_text_words(value_z, &names, &words);
            unit_words_fini(&words);
        }
    (void)unit_text_last(text, "Unit", "Description", value_z);
    return 0;
}
