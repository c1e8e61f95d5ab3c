#include "reel/hosts.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>

struct cursor {
    const char *at, *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Up to the line's end or its comment; the cursor goes to the next line. */
static struct cursor take_line(struct cursor *text)
{
    struct cursor line = {text->at, text->end};
    const char *newline = memchr(text->at, '\n', (size_t)(text->end - text->at));
    if (newline)
        line.end = newline;
    text->at = newline ? newline + 1 : text->end;
    const char *comment = memchr(line.at, '#', (size_t)(line.end - line.at));
    if (comment)
        line.end = comment;
    return line;
}

/* The next word; its length, 0: there is none. */
static size_t take_word(struct cursor *line, const char **word)
{
    while (line->at < line->end && is_blank(*line->at))
        line->at++;
    *word = line->at;
    while (line->at < line->end && !is_blank(*line->at))
        line->at++;
    return (size_t)(line->at - *word);
}

static bool take_address(struct cursor *line, struct reel_address *out)
{
    char text_z[REEL_ADDRESS_TEXT_MAX];
    const char *word = NULL;
    size_t len = take_word(line, &word);
    if (len == 0 || len >= sizeof(text_z) || memchr(word, '\0', len))
        return false;
    memcpy(text_z, word, len);
    text_z[len] = '\0';
    return reel_address_set(out, text_z, 0) == 0;
}

static bool has_name(struct cursor *line, const char *name_z, size_t name_len)
{
    const char *word = NULL;
    size_t len = 0;
    while ((len = take_word(line, &word)))
        if (len == name_len && strncasecmp(word, name_z, len) == 0)
            return true;
    return false;
}

size_t reel_hosts_find(const char *text, size_t len, const char *name_z, struct reel_address *out,
                       size_t max)
{
    struct cursor cursor = {text, text + len};
    size_t count = 0, name_len = strlen(name_z);
    if (name_len && name_z[name_len - 1] == '.')
        name_len--;
    while (len && count < max && cursor.at < cursor.end) {
        struct cursor line = take_line(&cursor);
        if (name_len && take_address(&line, &out[count]) && has_name(&line, name_z, name_len))
            count++;
    }
    return count;
}

static bool is_same(const struct reel_address *a, const struct reel_address *b)
{
    if (a->storage.ss_family != b->storage.ss_family)
        return false;
    if (a->storage.ss_family == AF_INET) {
        struct sockaddr_in left, right;
        memcpy(&left, &a->storage, sizeof(left));
        memcpy(&right, &b->storage, sizeof(right));
        return left.sin_addr.s_addr == right.sin_addr.s_addr;
    }
    struct sockaddr_in6 left, right;
    memcpy(&left, &a->storage, sizeof(left));
    memcpy(&right, &b->storage, sizeof(right));
    return a->storage.ss_family == AF_INET6 &&
           memcmp(&left.sin6_addr, &right.sin6_addr, sizeof(left.sin6_addr)) == 0;
}

size_t reel_hosts_name_of(const char *text, size_t len, const struct reel_address *address,
                          const char **name)
{
    struct cursor cursor = {text, text + len};
    while (len && cursor.at < cursor.end) {
        struct reel_address own;
        struct cursor line = take_line(&cursor);
        if (take_address(&line, &own) && is_same(&own, address)) {
            size_t name_len = take_word(&line, name);
            if (name_len)
                return name_len;
        }
    }
    return 0;
}
