#include "session/bait.h"

#include "base/error.h"
#include "session/account.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 5, MODE_MAX = 07777 };

struct session_bait {
    char *text;
    struct session_bait_item items[SESSION_BAIT_MAX];
    size_t count;
};

/* ---- Lines ---- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The words before a comment: how many, WORDS_MAX + 1 when there are more. */
static size_t split(struct span line, struct span words[WORDS_MAX])
{
    size_t count = 0;
    for (size_t at = 0; at < line.len && line.data[at] != '#';) {
        size_t end = at;
        while (end < line.len && !is_blank(line.data[end]))
            end++;
        if (end > at && count == WORDS_MAX)
            return WORDS_MAX + 1;
        if (end > at)
            words[count++] = span_slice(line, at, end);
        at = end + 1;
    }
    return count;
}

static bool is_path(struct span text)
{
    return text.len > 1 && text.data[0] == '/' && text.data[text.len - 1] != '/';
}

static bool read_mode(struct span text, uint32_t *mode)
{
    *mode = 0;
    for (size_t i = 0; i < text.len && *mode <= MODE_MAX; i++) {
        if (text.data[i] < '0' || text.data[i] > '7')
            return false;
        *mode = *mode * 8 + (uint32_t)(text.data[i] - '0');
    }
    return text.len > 0 && *mode <= MODE_MAX;
}

/* Four numbers from 0 to 255. */
static bool is_address(struct span text)
{
    unsigned dots = 0, value = 0, digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '.' && digits > 0) {
            dots++;
            value = digits = 0;
        } else if (c >= '0' && c <= '9' && digits < 3) {
            value = value * 10 + (unsigned)(c - '0');
            digits++;
        } else {
            return false;
        }
        if (value > 255)
            return false;
    }
    return dots == 3 && digits > 0;
}

static bool read_item(const struct span *words, size_t count, struct session_bait_item *item)
{
    *item = (struct session_bait_item){.name = count > 1 ? words[1] : words[0]};
    bool put = span_equal_z(words[0], "put");
    if (put || span_equal_z(words[0], "file")) {
        item->kind = put ? SESSION_BAIT_PUT : SESSION_BAIT_FILE;
        item->owner = count == 5 ? words[3] : words[0];
        item->second = count == 5 ? words[4] : words[0];
        return count == 5 && is_path(item->name) && read_mode(words[2], &item->mode);
    }
    item->second = count > 2 ? words[2] : words[0];
    if (span_equal_z(words[0], "watch")) {
        item->kind = SESSION_BAIT_WATCH;
        return count == 2 && is_path(item->name);
    }
    if (span_equal_z(words[0], "login")) {
        item->kind = SESSION_BAIT_LOGIN;
        return count == 3;
    }
    item->kind = SESSION_BAIT_HOST;
    return span_equal_z(words[0], "host") && count == 3 && is_address(item->second);
}

static int read_lines(struct session_bait *bait, struct span text, uint32_t *line)
{
    struct span words[WORDS_MAX], rest;
    for (*line = 1; session_account_line(&text, &rest); (*line)++) {
        size_t count = split(rest, words);
        if (count == 0)
            continue;
        if (bait->count == SESSION_BAIT_MAX)
            return ERR_FULL;
        if (count > WORDS_MAX || !read_item(words, count, &bait->items[bait->count]))
            return ERR_MALFORMED;
        bait->count++;
    }
    return 0;
}

struct session_bait *session_bait_new(struct span text, int *err, uint32_t *line)
{
    struct session_bait *bait = calloc(1, sizeof(*bait));
    *line = 0;
    *err = text.len > SESSION_BAIT_TEXT_MAX ? ERR_FULL : ERR_NOMEM;
    if (bait != NULL && *err == ERR_NOMEM)
        bait->text = malloc(text.len + 1);
    if (bait == NULL || bait->text == NULL) {
        session_bait_free(bait);
        return NULL;
    }
    if (text.len > 0)
        memcpy(bait->text, text.data, text.len);
    *err = read_lines(bait, span_of(bait->text, text.len), line);
    if (*err == 0)
        return bait;
    session_bait_free(bait);
    return NULL;
}

void session_bait_free(struct session_bait *bait)
{
    if (bait != NULL)
        free(bait->text);
    free(bait);
}

/* ---- Asking ---- */

const struct session_bait_item *session_bait_item(const struct session_bait *bait, size_t index)
{
    return bait != NULL && index < bait->count ? &bait->items[index] : NULL;
}

bool session_bait_is_login(const struct session_bait *bait, struct span user, struct span password)
{
    const struct session_bait_item *item = NULL;
    for (size_t i = 0; (item = session_bait_item(bait, i)) != NULL; i++)
        if (item->kind == SESSION_BAIT_LOGIN && span_equal(item->name, user) &&
            span_equal(item->second, password))
            return true;
    return false;
}

const struct session_bait_item *session_bait_host(const struct session_bait *bait,
                                                  struct span name_or_address)
{
    const struct session_bait_item *item = NULL;
    for (size_t i = 0; (item = session_bait_item(bait, i)) != NULL; i++)
        if (item->kind == SESSION_BAIT_HOST &&
            (span_equal(item->name, name_or_address) || span_equal(item->second, name_or_address)))
            return item;
    return NULL;
}
