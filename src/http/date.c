#include "http/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void http_date_format(int64_t seconds, char out_z[HTTP_DATE_LEN + 1])
{
    const int64_t first = INT64_C(-62167219200), last = INT64_C(253402300799);
    time_t when = (time_t)(seconds < first ? first : seconds > last ? last : seconds);
    struct tm t = {0};
    gmtime_r(&when, &t);
    char text_z[64];
    snprintf(text_z, sizeof(text_z), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday],
             t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    memcpy(out_z, text_z, HTTP_DATE_LEN);
    out_z[HTTP_DATE_LEN] = '\0';
}

/* What is left of a date while it is read. */
struct reader {
    struct span rest;
    bool bad;
};

static void skip(struct reader *r, const char *text_z)
{
    size_t len = strlen(text_z);
    if (r->bad || r->rest.len < len || memcmp(r->rest.data, text_z, len) != 0) {
        r->bad = true;
        return;
    }
    r->rest.data += len;
    r->rest.len -= len;
}

static int digits(struct reader *r, size_t count)
{
    int value = 0;
    for (size_t i = 0; i < count && !r->bad; i++) {
        if (r->rest.len == 0 || r->rest.data[0] < '0' || r->rest.data[0] > '9') {
            r->bad = true;
            break;
        }
        value = value * 10 + (r->rest.data[0] - '0');
        r->rest.data++;
        r->rest.len--;
    }
    return value;
}

static int month(struct reader *r)
{
    for (int i = 0; i < 12 && !r->bad; i++)
        if (r->rest.len >= 3 && memcmp(r->rest.data, months[i], 3) == 0) {
            skip(r, months[i]);
            return i;
        }
    r->bad = true;
    return 0;
}

static void time_of_day(struct reader *r, struct tm *t)
{
    t->tm_hour = digits(r, 2);
    skip(r, ":");
    t->tm_min = digits(r, 2);
    skip(r, ":");
    t->tm_sec = digits(r, 2);
}

/* "06 Nov 1994 08:49:37 GMT" */
static void imf(struct reader *r, struct tm *t)
{
    skip(r, " ");
    t->tm_mday = digits(r, 2);
    skip(r, " ");
    t->tm_mon = month(r);
    skip(r, " ");
    t->tm_year = digits(r, 4) - 1900;
    skip(r, " ");
    time_of_day(r, t);
    skip(r, " GMT");
}

/* "06-Nov-94 08:49:37 GMT": a year that would be more than 50 years ahead is of the past. */
static void rfc850(struct reader *r, struct tm *t, int64_t now)
{
    skip(r, " ");
    t->tm_mday = digits(r, 2);
    skip(r, "-");
    t->tm_mon = month(r);
    skip(r, "-");
    int year = digits(r, 2);
    struct tm today = {0};
    time_t when = (time_t)now;
    gmtime_r(&when, &today);
    int this_year = today.tm_year + 1900;
    year += this_year / 100 * 100;
    if (year > this_year + 50)
        year -= 100;
    t->tm_year = year - 1900;
    skip(r, " ");
    time_of_day(r, t);
    skip(r, " GMT");
}

/* "Nov  6 08:49:37 1994" */
static void asctime_form(struct reader *r, struct tm *t)
{
    t->tm_mon = month(r);
    skip(r, " ");
    bool one = r->rest.len && r->rest.data[0] == ' ';
    if (one)
        skip(r, " ");
    t->tm_mday = digits(r, one ? 1 : 2);
    skip(r, " ");
    time_of_day(r, t);
    skip(r, " ");
    t->tm_year = digits(r, 4) - 1900;
}

bool http_date_parse(struct span text, int64_t now, int64_t *out)
{
    struct reader r = {.rest = text};
    struct tm t = {0};
    const uint8_t *comma = text.len ? memchr(text.data, ',', text.len) : NULL;
    if (comma) { /* the day's name says nothing new */
        size_t at = (size_t)(comma - text.data) + 1;
        r.rest = (struct span){text.data + at, text.len - at};
        if (at == 4)
            imf(&r, &t);
        else
            rfc850(&r, &t, now);
    } else if (text.len > 4) {
        r.rest = (struct span){text.data + 4, text.len - 4};
        asctime_form(&r, &t);
    } else {
        return false;
    }
    if (r.bad || r.rest.len || t.tm_mday < 1 || t.tm_mday > 31 || t.tm_hour > 23 || t.tm_min > 59 ||
        t.tm_sec > 60)
        return false;
    *out = (int64_t)timegm(&t);
    return true;
}
