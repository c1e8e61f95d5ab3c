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

static bool is_member(struct span members, struct span name)
{
    for (size_t from = 0; from < members.len;) {
        ptrdiff_t comma = span_find(members, ',', from);
        size_t to = comma < 0 ? members.len : (size_t)comma;
        if (span_equal(span_slice(members, from, to), name))
            return true;
        from = to + 1;
    }
    return false;
}

bool session_account_group(struct span line, struct span name, uint32_t *gid)
{
    ptrdiff_t colons[3];
    size_t from = 0;
    for (size_t i = 0; i < ARRAY_LEN(colons); i++) {
        colons[i] = span_find(line, ':', from);
        if (colons[i] < 0)
            return false;
        from = (size_t)colons[i] + 1;
    }
    struct span digits = span_slice(line, (size_t)colons[1] + 1, (size_t)colons[2]);
    return number(digits, gid) && is_member(span_slice(line, from, line.len), name);
}

struct span session_account_line_of(struct span text, struct span name)
{
    struct span line;
    while (session_account_line(&text, &line))
        if (name.len < line.len && line.data[name.len] == ':' &&
            span_equal(span_slice(line, 0, name.len), name))
            return line;
    return span_of(NULL, 0);
}

size_t session_account_groups(struct span group, const struct session_account *account,
                              uint32_t *out, size_t max)
{
    struct span line;
    size_t count = 0;
    while (count < max && session_account_line(&group, &line)) {
        if (session_account_group(line, account->name, &out[count]) && out[count] != account->gid)
            count++;
    }
    return count;
}

bool session_account_find_in(struct span passwd, struct span name, struct session_account *out)
{
    struct span line;
    while (session_account_line(&passwd, &line)) {
        if (session_account_parse(line, out) && span_equal(out->name, name))
            return true;
    }
    return false;
}

bool session_account_find(const struct persona_image *image, struct span name,
                          struct session_account *out)
{
    return session_account_find_in(session_account_file(image, "/etc/passwd"), name, out);
}
