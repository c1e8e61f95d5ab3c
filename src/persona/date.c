#include "persona/date.h"

enum { DAY_S = 86400, DAYS_OF_400_YEARS = 146097, EPOCH_DAY = 719468 /* of 0000-03-01 */ };

const char persona_months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
const char persona_weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* Years that begin in March: the leap day is the last of its year. */
struct persona_date persona_date_of(int64_t time_s)
{
    int64_t days = time_s / DAY_S - (time_s % DAY_S < 0 ? 1 : 0);
    unsigned rest = (unsigned)(time_s - days * DAY_S);
    int64_t since = days + EPOCH_DAY;
    int64_t era = (since >= 0 ? since : since - DAYS_OF_400_YEARS + 1) / DAYS_OF_400_YEARS;
    unsigned day = (unsigned)(since - era * DAYS_OF_400_YEARS);
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    unsigned of_year = day - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153;
    struct persona_date date = {
        .year = (int64_t)year + era * 400 + (month >= 10 ? 1 : 0),
        .month = month < 10 ? month + 3 : month - 9,
        .day = of_year - (153 * month + 2) / 5 + 1,
        .hour = rest / 3600,
        .minute = rest / 60 % 60,
        .second = rest % 60,
        .weekday = (unsigned)(((days + 4) % 7 + 7) % 7),
    };
    return date;
}

int64_t persona_date_time(const struct persona_date *date)
{
    int64_t year = date->month > 2 ? date->year : date->year - 1;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned month = date->month > 2 ? date->month - 3 : date->month + 9;
    unsigned of_year = (153 * month + 2) / 5 + date->day - 1;
    unsigned day = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    int64_t days = era * DAYS_OF_400_YEARS + (int64_t)day - EPOCH_DAY;
    return days * DAY_S + (int64_t)date->hour * 3600 + (int64_t)date->minute * 60 + date->second;
}
