/* Numbers to text and back, for the lockstep test: doubles, long doubles, integers of all sizes.
 * What it prints does not matter; how it comes about does. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const texts[] = {
    "0",        "-1.5",          "3.14159265358979",
    "1e10",     "1e-10",         "0x1.8p3",
    "inf",      "nan",           "1e308",
    "4.9e-324", "123456789.123", "1e400",
    "2.5",      "0.1",           "9007199254740993",
    "1e-4950",
};

static void print_double(double x)
{
    printf("%f %e %g %a %.17g %5.1f\n", x, x, x, x, x, x);
    printf("%.3f %.3f %.3f %.3f\n", sqrt(fabs(x)), sin(x), cos(x), atan(x));
    if (x > 0 && x < 700)
        printf("%g %g %g %g\n", exp(x), log(x), pow(x, 1.5), fmod(x, 0.7));
}

static void print_long_double(long double x)
{
    printf("%Lf %Lg %La %.20Lg\n", x, x, x, x);
    printf("%Lg %Lg %Lg\n", sqrtl(fabsl(x)), floorl(x), fmodl(x, 0.3L));
}

static void print_integers(int64_t x)
{
    printf("%lld %llx %llo %d %u\n", (long long)x, (long long)x, (long long)x, (int)x, (unsigned)x);
    printf("%lld %lld %d %d %f %f\n", (long long)(x / 7), (long long)(x % 7), (int)x / 3,
           (int)(x % 1000), (double)x, (double)(float)x);
#ifdef __SIZEOF_INT128__
    printf("%llu\n", (unsigned long long)((unsigned __int128)(uint64_t)x * 1000003 >> 64));
#endif
    printf("%f\n", (double)(uint64_t)x);
}

int main(void)
{
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        double x = strtod(texts[i], NULL);
        print_double(x);
        print_double(strtof(texts[i], NULL));
        print_long_double(strtold(texts[i], NULL));
        if (x > -1e18 && x < 1e18)
            print_integers((int64_t)x);
    }
    for (unsigned i = 0; i < 64; i += 5)
        print_integers(INT64_MIN >> i);
    return 0;
}
