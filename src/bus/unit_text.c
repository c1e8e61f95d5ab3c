#include "bus/unit_text.h"

#include "base/error.h"

#include <string.h>

/* ---- Lines ---- */

static struct span trimmed(struct span s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = span_slice(s, 1, s.len);
    while (s.len > 0 && strchr(" \t\r", s.data[s.len - 1]) != NULL)
        s.len--;
    return s;
}

static struct span take_line(struct span *text)
{
    ptrdiff_t end = span_find(*text, '\n', 0);
    struct span line = span_slice(*text, 0, end < 0 ? text->len : (size_t)end);
    *text = span_slice(*text, line.len + 1, text->len);
    return trimmed(line);
}

static bool is_comment(struct span line)
{
    return line.len == 0 || line.data[0] == '#' || line.data[0] == ';';
}

static void append(struct span part, char out_z[UNIT_VALUE_MAX])
{
    size_t at = strlen(out_z);
    (void)span_copy_z(part, out_z + at, UNIT_VALUE_MAX - at);
}

/* The line and those that it goes on in, with a blank for each backslash; comments between do not count. */
static void take_value(struct span *text, struct span part, char out_z[UNIT_VALUE_MAX])
{
    out_z[0] = '\0';
    while (part.len > 0 && part.data[part.len - 1] == '\\') {
        append(trimmed(span_slice(part, 0, part.len - 1)), out_z);
        append(span_z(" "), out_z);
        do
            part = take_line(text);
        while (part.len > 0 && is_comment(part));
    }
    append(part, out_z);
}

/* "[Name]" */
static bool is_section(struct span line, struct span *name)
{
    if (line.len < 2 || line.data[0] != '[' || line.data[line.len - 1] != ']')
        return false;
    *name = span_slice(line, 1, line.len - 1);
    return true;
}

/* Calls for the values of a key, in order. */
struct search {
    struct span text, section;
    const char *section_z, *key_z;
};

static bool next_value(struct search *s, char out_z[UNIT_VALUE_MAX])
{
    char skipped_z[UNIT_VALUE_MAX];
    while (s->text.len > 0) {
        struct span line = take_line(&s->text);
        if (is_comment(line) || is_section(line, &s->section))
            continue;
        ptrdiff_t equals = span_find(line, '=', 0);
        struct span key = trimmed(span_slice(line, 0, equals < 0 ? line.len : (size_t)equals));
        struct span value =
            equals < 0 ? line : trimmed(span_slice(line, (size_t)equals + 1, line.len));
        bool is_it =
            equals >= 0 && span_equal_z(s->section, s->section_z) && span_equal_z(key, s->key_z);
        take_value(&s->text, value, is_it ? out_z : skipped_z);
        if (is_it)
            return true;
    }
    return false;
}

bool unit_text_value(struct span text, const char *section_z, const char *key_z, size_t n,
                     char out_z[UNIT_VALUE_MAX])
{
    struct search s = {.text = text, .section_z = section_z, .key_z = key_z};
    size_t count = 0, first = 0;
    while (next_value(&s, out_z)) { /* which of them is the first behind the last empty one */
        count++;
        if (out_z[0] == '\0')
            first = count;
    }
    if (n >= count - first)
        return false;
    s = (struct search){.text = text, .section_z = section_z, .key_z = key_z};
    for (size_t i = 0; i <= first + n; i++)
        if (!next_value(&s, out_z))
            return false;
    return true;
}

bool unit_text_last(struct span text, const char *section_z, const char *key_z,
                    char out_z[UNIT_VALUE_MAX])
{
    struct search s = {.text = text, .section_z = section_z, .key_z = key_z};
    char value_z[UNIT_VALUE_MAX];
    out_z[0] = '\0';
    while (next_value(&s, value_z))
        memcpy(out_z, value_z, sizeof(value_z));
    return out_z[0] != '\0';
}

/* ---- Values ---- */

bool unit_text_is_true(const char *value_z)
{
    static const char *const words[] = {"yes", "true", "on", "1", "y", "t"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(value_z, words[i]) == 0)
            return true;
    return false;
}

int64_t unit_text_us(const char *value_z)
{
    static const struct {
        const char *name_z;
        int64_t us;
    } units[] = {{"", 1000000},
                 {"s", 1000000},
                 {"sec", 1000000},
                 {"second", 1000000},
                 {"seconds", 1000000},
                 {"ms", 1000},
                 {"msec", 1000},
                 {"us", 1},
                 {"m", 60000000},
                 {"min", 60000000},
                 {"minutes", 60000000},
                 {"h", INT64_C(3600000000)},
                 {"hr", INT64_C(3600000000)},
                 {"d", INT64_C(86400000000)}};
    enum { VALUE_MAX = 1000000 };
    int64_t sum = -1;
    const char *p = value_z;
    if (strcmp(value_z, "infinity") == 0)
        return INT64_MAX;
    while (*p != '\0') {
        int64_t value = 0;
        size_t len, kind = 0;
        p += strspn(p, " \t");
        size_t digits = strspn(p, "0123456789");
        for (size_t i = 0; i < digits; i++)
            value = value < VALUE_MAX ? value * 10 + (p[i] - '0') : VALUE_MAX;
        p += digits;
        p += strspn(p, " \t");
        len = strcspn(p, " \t0123456789");
        while (kind < ARRAY_LEN(units) &&
               (strlen(units[kind].name_z) != len || strncmp(p, units[kind].name_z, len) != 0))
            kind++;
        if (digits == 0 || kind == ARRAY_LEN(units))
            return -1;
        sum = (sum < 0 ? 0 : sum) + value * units[kind].us;
        p += len;
    }
    return sum;
}

/* ---- Words ---- */

struct splitter {
    const char *p;
    const struct unit_names *names;
    struct buffer *out;
    int error;
};

static void put(struct splitter *s, struct span text)
{
    if (s->error == 0)
        s->error = buffer_put(s->out, text);
}

/* "name" of "name.service" and of "name@instance.service"; the instance. */
static struct span part_of_name(const struct unit_names *names, char which)
{
    struct span name = span_z(names->name_z);
    const char *dot = strrchr(names->name_z, '.'), *at = strchr(names->name_z, '@');
    size_t end = dot != NULL ? (size_t)(dot - names->name_z) : name.len;
    size_t mark =
        at != NULL && (size_t)(at - names->name_z) < end ? (size_t)(at - names->name_z) : end;
    switch (which) {
    case 'n': return name;
    case 'N': return span_slice(name, 0, end);
    case 'p': return span_slice(name, 0, mark);
    default: return span_slice(name, mark < end ? mark + 1 : end, end);
    }
}

static void put_specifier(struct splitter *s, char which)
{
    if (strchr("nNpi", which) != NULL)
        put(s, part_of_name(s->names, which));
    else if (which == 'H')
        put(s, span_z(s->names->hostname_z));
    else if (which == '%')
        put(s, span_z("%"));
}

/* The value of a variable; empty: there is none. */
static struct span value_of(const struct unit_names *names, struct span name)
{
    struct span env = names->env;
    while (env.len > 0) {
        ptrdiff_t nul = span_find(env, '\0', 0);
        struct span var = span_slice(env, 0, nul < 0 ? env.len : (size_t)nul);
        if (span_starts_with(var, name) && var.len > name.len && var.data[name.len] == '=')
            return span_slice(var, name.len + 1, var.len);
        env = span_slice(env, var.len + 1, env.len);
    }
    return span_of(NULL, 0);
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* ${NAME}, $$; false: it is a dollar and no more. */
static bool put_variable(struct splitter *s)
{
    size_t len = 0;
    if (s->p[1] == '$') {
        put(s, span_z("$"));
        s->p += 2;
        return true;
    }
    while (s->p[1] == '{' && is_name(s->p[2 + len]))
        len++;
    if (len == 0 || s->p[2 + len] != '}')
        return false;
    put(s, value_of(s->names, span_of(s->p + 2, len)));
    s->p += len + 3;
    return true;
}

static char escaped(char c)
{
    static const char from[] = "abfnrtvs", to[] = "\a\b\f\n\r\t\v ";
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    return at != NULL ? to[at - from] : c;
}

static void put_char(struct splitter *s, char quote)
{
    if (s->p[0] == '\\' && s->p[1] != '\0') {
        char c = escaped(s->p[1]);
        put(s, span_of(&c, 1));
        s->p += 2;
    } else if (s->p[0] == '%' && s->p[1] != '\0') {
        put_specifier(s, s->p[1]);
        s->p += 2;
    } else if (s->p[0] != '$' || quote == '\'' || !put_variable(s)) {
        put(s, span_of(s->p, 1));
        s->p++;
    }
}

/* One word; false: there are no more. */
static bool put_word(struct splitter *s)
{
    char quote = '\0';
    s->p += strspn(s->p, " \t\n");
    if (*s->p == '\0')
        return false;
    for (; *s->p != '\0' && s->error == 0;) {
        if (quote == '\0' && strchr(" \t\n", *s->p) != NULL)
            break;
        if (quote == '\0' ? *s->p == '"' || *s->p == '\'' : *s->p == quote) {
            quote = quote == '\0' ? *s->p : '\0';
            s->p++;
        } else {
            put_char(s, quote);
        }
    }
    if (quote != '\0' && s->error == 0)
        s->error = ERR_MALFORMED;
    put(s, span_of("", 1));
    return true;
}

/* $NAME alone: as many words as its value has. */
static bool put_words_of_variable(struct splitter *s)
{
    const char *p = s->p + strspn(s->p, " \t\n");
    size_t len = 0;
    while (*p == '$' && is_name(p[1 + len]))
        len++;
    if (len == 0 || (p[1 + len] != '\0' && strchr(" \t\n", p[1 + len]) == NULL))
        return false;
    struct span value = value_of(s->names, span_of(p + 1, len));
    s->p = p + 1 + len;
    for (size_t from = 0; from < value.len;) {
        ptrdiff_t blank = span_find(value, ' ', from);
        size_t to = blank < 0 ? value.len : (size_t)blank;
        if (to > from) {
            put(s, span_slice(value, from, to));
            put(s, span_of("", 1));
        }
        from = to + 1;
    }
    return true;
}

/* The words stand in the buffer, each with its NUL. */
static void list(struct unit_words *words)
{
    struct span rest = buffer_span(&words->bytes);
    while (rest.len > 0 && words->count < UNIT_WORDS_MAX) {
        ptrdiff_t nul = span_find(rest, '\0', 0);
        words->word[words->count++] = span_slice(rest, 0, nul < 0 ? rest.len : (size_t)nul);
        rest = span_slice(rest, words->word[words->count - 1].len + 1, rest.len);
    }
}

int unit_text_words(const char *line_z, const struct unit_names *names, struct unit_words *words)
{
    *words = (struct unit_words){.count = 0};
    buffer_init(&words->bytes, UNIT_WORDS_BYTES);
    struct splitter s = {.p = line_z + strspn(line_z, " \t"), .names = names, .out = &words->bytes};
    for (; *s.p != '\0' && strchr("-@:+!", *s.p) != NULL; s.p++) {
        words->may_fail |= *s.p == '-';
        words->names_itself |= *s.p == '@';
    }
    bool more = put_word(&s);
    while (more && s.error == 0)
        more = put_words_of_variable(&s) || put_word(&s);
    list(words);
    return s.error == ERR_FULL ? 0 : s.error;
}

void unit_words_fini(struct unit_words *words)
{
    buffer_fini(&words->bytes);
}
