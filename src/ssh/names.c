#include "ssh/names.h"

bool ssh_names_next(struct span *list, struct span *name)
{
    ptrdiff_t comma = span_find(*list, ',', 0);
    size_t len = comma < 0 ? list->len : (size_t)comma;
    if (len == 0)
        return false;
    *name = span_slice(*list, 0, len);
    *list = span_slice(*list, comma < 0 ? len : len + 1, list->len);
    return true;
}

bool ssh_names_has(struct span list, struct span name)
{
    struct span each;
    while (ssh_names_next(&list, &each))
        if (span_equal(each, name))
            return true;
    return false;
}

bool ssh_names_glob(const char *pattern_z, struct span text)
{
    /* On a mismatch the last star takes one byte more: no recursion, no blow-up. */
    struct span pattern = span_z(pattern_z);
    size_t p = 0, t = 0, star = SIZE_MAX, star_text = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            star_text = t;
        } else if (p < pattern.len && (pattern.data[p] == '?' || pattern.data[p] == text.data[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}

struct span ssh_names_text(struct cursor *c)
{
    struct span text = cursor_string(c);
    ptrdiff_t nul = span_find(text, 0, 0);
    if (nul < 0)
        return text;
    if ((size_t)nul + 1 != text.len) {
        c->failed = true;
        return span_of(NULL, 0);
    }
    return span_slice(text, 0, (size_t)nul);
}
