#include "lured/cast_read.h"

#include "base/base64.h"
#include "base/error.h"

#include <jansson.h>

/* RFC 4648, section 4. */
static int put_decoded(struct span text, struct buffer *out)
{
    if (text.len % 4 != 0)
        return ERR_MALFORMED;
    for (size_t i = 0; i < text.len; i += 4) {
        bool last = i + 4 == text.len;
        int pad = last && text.data[i + 3] == '=' ? (text.data[i + 2] == '=' ? 2 : 1) : 0;
        uint32_t group = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = k + (size_t)pad >= 4 ? 0 : base64_digit(text.data[i + k]);
            if (digit < 0)
                return ERR_MALFORMED;
            group = group << 6 | (uint32_t)digit;
        }
        const uint8_t three[3] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};
        int error = buffer_put(out, span_of(three, 3 - (size_t)pad));
        if (error < 0)
            return error;
    }
    return 0;
}

static int read_array(const json_t *array, struct cast_line *out, struct buffer *bytes,
                      struct buffer *exact)
{
    const json_t *time = json_array_get(array, 0);
    const json_t *code = json_array_get(array, 1);
    const json_t *data = json_array_get(array, 2);
    if (!json_is_number(time) || json_string_length(code) != 1 || !json_is_string(data))
        return ERR_MALFORMED;
    struct span text = span_of(json_string_value(data), json_string_length(data));
    out->seconds = json_number_value(time);
    out->code = json_string_value(code)[0];
    if (out->code == 'b') {
        out->code = 0;
        buffer_clear(exact);
        return put_decoded(text, exact);
    }
    int error = buffer_put(bytes, buffer_len(exact) > 0 ? buffer_span(exact) : text);
    buffer_clear(exact);
    return error;
}

int cast_read_line(struct span line, struct cast_line *out, struct buffer *bytes,
                   struct buffer *exact)
{
    *out = (struct cast_line){0};
    buffer_clear(bytes);
    json_t *array = json_loadb((const char *)line.data, line.len, JSON_ALLOW_NUL, NULL);
    int error = json_is_array(array) ? read_array(array, out, bytes, exact) : ERR_MALFORMED;
    json_decref(array);
    return error;
}
