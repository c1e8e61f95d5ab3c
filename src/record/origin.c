#include "record/origin.h"

#include "base/error.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

static struct span text_of(const json_t *object, const char *name_z, char *out_z)
{
    const json_t *value = json_object_get(object, name_z);
    struct span text = span_of(json_string_value(value), json_string_length(value));
    size_t len = span_copy_z(text, out_z, RECORD_ORIGIN_TEXT);
    return span_of(out_z, len < RECORD_ORIGIN_TEXT ? len : RECORD_ORIGIN_TEXT - 1);
}

static uint16_t port_of(const json_t *object, const char *name_z)
{
    return (uint16_t)json_integer_value(json_object_get(object, name_z));
}

/* Back from event_time_text. */
static int64_t time_of(const json_t *object)
{
    const char *text_z = json_string_value(json_object_get(object, "timestamp"));
    struct tm tm = {0};
    int us = 0;
    if (text_z == NULL || sscanf(text_z, "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ", &tm.tm_year, &tm.tm_mon,
                                 &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &us) != 7)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) * 1000000 + us;
}

int record_origin_read(struct span line, struct record_origin *out)
{
    *out = (struct record_origin){0};
    json_t *object = json_loadb((const char *)line.data, line.len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return ERR_MALFORMED;
    }
    out->origin.session = text_of(object, "session", out->session_z);
    out->origin.protocol = text_of(object, "protocol", out->protocol_z);
    out->origin.src_ip = text_of(object, "src_ip", out->src_ip_z);
    out->origin.dst_ip = text_of(object, "dst_ip", out->dst_ip_z);
    out->origin.src_port = port_of(object, "src_port");
    out->origin.dst_port = port_of(object, "dst_port");
    out->start_us = time_of(object);
    json_decref(object);
    return out->origin.session.len > 0 ? 0 : ERR_MALFORMED;
}
