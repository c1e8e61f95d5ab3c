/* Copies, fills, searches, sorting and strings of all sizes and alignments, for the lockstep
 * test. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE_MAX_HERE = 160, WORDS = 200 };

static unsigned char a[4096], b[4096];

static int by_value(const void *x, const void *y)
{
    return *(const int *)x - *(const int *)y;
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static unsigned copies(void)
{
    unsigned sum = 0;
    for (unsigned n = 0; n < SIZE_MAX_HERE; n++) {
        unsigned from = n * 7 % 33, to = n * 5 % 17;
        memcpy(b + to, a + from, n);
        memmove(b + to + 3, b + to, n);
        memmove(b + to, b + to + 5, n);
        memset(b + from + 512, (int)n, n);
        sum += (unsigned)memcmp(a + from, b + to, n) + b[n];
    }
    memcpy(b, a, sizeof(b));
    memmove(b + 1, b, 4000);
    return sum;
}

static unsigned searches(void)
{
    char text[256];
    unsigned sum = 0;
    memset(text, 'x', sizeof(text));
    for (unsigned n = 0; n < 200; n += 3) {
        text[n] = 0;
        text[n / 2] = n > 2 ? 'y' : text[n / 2];
        const char *at = strchr(text, 'y'), *last = strrchr(text, 'x');
        sum += (unsigned)strlen(text + n % 16) + (at ? (unsigned)(at - text) : 0);
        sum += (last ? (unsigned)(last - text) : 0) + (unsigned)strnlen(text, n / 2);
        sum += memchr(text, 'z', n) != NULL;
        sum += strstr(text, "xyx") != NULL;
        sum += (unsigned)strspn(text, "xy") + (unsigned)strcspn(text, "y");
        text[n] = 'x';
    }
    return sum;
}

static unsigned sorting(void)
{
    int numbers[WORDS];
    const char *words[WORDS];
    static char storage[WORDS][16];
    for (unsigned i = 0; i < WORDS; i++) {
        numbers[i] = (int)(i * 2654435761U >> 8);
        snprintf(storage[i], sizeof(storage[i]), "w%u", i * 7919 % 1000);
        words[i] = storage[i];
    }
    qsort(numbers, WORDS, sizeof(numbers[0]), by_value);
    qsort(words, WORDS, sizeof(words[0]), by_text);
    int *found = bsearch(&numbers[WORDS / 3], numbers, WORDS, sizeof(numbers[0]), by_value);
    return (unsigned)*found + (unsigned)strlen(words[0]);
}

static unsigned allocations(void)
{
    char *p[64] = {NULL};
    unsigned sum = 0;
    for (unsigned i = 0; i < 300; i++) {
        unsigned k = i * 31 % 64;
        free(p[k]);
        p[k] = i % 3 ? malloc(i * 37 % 5000) : calloc(1, i);
        if (p[k] && i % 5 == 0)
            p[k] = realloc(p[k], i * 53 % 9000 + 1);
        sum += p[k] != NULL;
    }
    for (unsigned k = 0; k < 64; k++)
        free(p[k]);
    return sum;
}

int main(void)
{
    for (unsigned i = 0; i < sizeof(a); i++)
        a[i] = (unsigned char)(i * 167);
    printf("%u %u %u %u\n", copies(), searches(), sorting(), allocations());
    return 0;
}
