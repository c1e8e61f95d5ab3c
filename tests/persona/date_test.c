/* Dates, beside the host's. */
#include "persona/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void dates_are_those_of_the_host(void **state)
{
    (void)state;
    for (int64_t t = -INT64_C(2000000000); t < INT64_C(9000000000); t += 1234567) {
        struct tm tm;
        time_t host = t;
        assert_non_null(gmtime_r(&host, &tm));
        struct persona_date d = persona_date_of(t);
        assert_int_equal(d.year, tm.tm_year + 1900);
        assert_int_equal(d.month, tm.tm_mon + 1);
        assert_int_equal(d.day, tm.tm_mday);
        assert_int_equal(d.hour, tm.tm_hour);
        assert_int_equal(d.minute, tm.tm_min);
        assert_int_equal(d.second, tm.tm_sec);
        assert_int_equal(d.weekday, tm.tm_wday);
        assert_int_equal(persona_date_time(&d), t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dates_are_those_of_the_host)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
