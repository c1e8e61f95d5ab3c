/* Dates in UTC, without the host's clock or zone. */
#ifndef PERSONA_DATE_H
#define PERSONA_DATE_H

#include <stdint.h>

struct persona_date {
    int64_t year;
    unsigned month, day; /* from 1 */
    unsigned hour, minute, second;
    unsigned weekday; /* 0: Sunday */
};

struct persona_date persona_date_of(int64_t time_s);        /* seconds since 1970 */
int64_t persona_date_time(const struct persona_date *date); /* the weekday does not matter */

extern const char persona_months[12][4], persona_weekdays[7][4];

#endif
