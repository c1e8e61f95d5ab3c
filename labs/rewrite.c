#include "rewrite.h"

#include <string.h>
#include <strings.h>

size_t rewrite_links(const char *text, size_t len, char *out, size_t *count)
{
    static const char scheme[] = {'h', 't', 't', 'p', 's', ':', '/', '/'};
    static const char plain[] = {'h', 't', 't', 'p', ':', '/', '/'};
    size_t at = 0, out_len = 0;
    while (at < len) {
        if (len - at >= sizeof(scheme) && strncasecmp(text + at, scheme, sizeof(scheme)) == 0) {
            memcpy(out + out_len, plain, sizeof(plain));
            out_len += sizeof(plain);
            at += sizeof(scheme);
            (*count)++;
        } else {
            out[out_len++] = text[at++];
        }
    }
    return out_len;
}

void rewrite_cookie(char *value_z)
{
    char *at = value_z;
    while ((at = strchr(at, ';'))) {
        char *name = at + 1 + strspn(at + 1, " ");
        size_t len = strcspn(name, ";");
        if (len == strlen("Secure") && strncasecmp(name, "Secure", len) == 0)
            memmove(at, name + len, strlen(name + len) + 1);
        else
            at++;
    }
}
