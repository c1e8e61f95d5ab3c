#include "session/account.h"

#include "persona/image.h"

enum { PASSWD_FIELDS = 7 };

struct span session_account_file(const struct persona_image *image, const char *path_z)
{
    struct persona_node node;
    uint32_t ino = persona_image_lookup(image, span_z(path_z));
    return persona_image_node(image, ino, &node) ? node.data : span_of(NULL, 0);
}

bool session_account_line(struct span *text, struct span *line)
{
    if (text->len == 0)
        return false;
    ptrdiff_t end = span_find(*text, '\n', 0);
    size_t len = end < 0 ? text->len : (size_t)end;
    *line = span_slice(*text, 0, len);
    *text = span_slice(*text, len + 1, text->len);
    return true;
}

static bool number(struct span digits, uint32_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(digits.data[i] - '0');
        if (value > UINT32_MAX)
            return false;
    }
    *out = (uint32_t)value;
    return digits.len > 0;
}

bool session_account_parse(struct span line, struct session_account *out)
{
    struct span fields[PASSWD_FIELDS];
    size_t from = 0;
    for (size_t i = 0; i < PASSWD_FIELDS; i++) {
        ptrdiff_t colon = span_find(line, ':', from);
        bool last = i == PASSWD_FIELDS - 1;
        if (last != (colon < 0))
            return false;
        size_t to = last ? line.len : (size_t)colon;
        fields[i] = span_slice(line, from, to);
        from = to + 1;
    }
    *out = (struct session_account){.name = fields[0], .home = fields[5], .shell = fields[6]};
    return out->name.len > 0 && number(fields[2], &out->uid) && number(fields[3], &out->gid);
}

bool session_account_find(const struct persona_image *image, struct span name,
                          struct session_account *out)
{
    struct span text = session_account_file(image, "/etc/passwd"), line;
    while (session_account_line(&text, &line)) {
        if (session_account_parse(line, out) && span_equal(out->name, name))
            return true;
    }
    return false;
}
