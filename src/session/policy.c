#include "session/policy.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

const char session_policy_default_z[] = "root:123456\n"
                                        "root:root\n"
                                        "root:password\n"
                                        "root:admin\n"
                                        "root:toor\n"
                                        "root:qwerty\n"
                                        "admin:admin\n"
                                        "admin:1234\n"
                                        "ubuntu:ubuntu\n"
                                        "pi:raspberry\n";

struct rule {
    struct span user, password; /* patterns, as written */
    bool refuses;
};

struct session_policy {
    char *text;
    struct rule *rules;
    size_t count, room;
};

/* ---- Parsing ---- */

/* The colon that ends the user, or -1. */
static ptrdiff_t find_colon(struct span line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] == '\\')
            i++;
        else if (line.data[i] == ':')
            return (ptrdiff_t)i;
    }
    return -1;
}

/* True when a backslash ends the pattern, with nothing to take. */
static bool ends_open(struct span pattern)
{
    size_t backslashes = 0;
    while (backslashes < pattern.len && pattern.data[pattern.len - 1 - backslashes] == '\\')
        backslashes++;
    return backslashes % 2 == 1;
}

static int parse_rule(struct span line, struct rule *rule)
{
    ptrdiff_t colon = find_colon(line);
    if (colon <= 0)
        return ERR_MALFORMED;
    rule->user = span_slice(line, 0, (size_t)colon);
    rule->password = span_slice(line, (size_t)colon + 1, line.len);
    rule->refuses = rule->password.len > 0 && rule->password.data[0] == '!';
    if (rule->refuses)
        rule->password = span_slice(rule->password, 1, rule->password.len);
    return ends_open(rule->password) ? ERR_MALFORMED : 0;
}

static int add_rule(struct session_policy *policy, const struct rule *rule)
{
    if (policy->count == SESSION_POLICY_RULES_MAX)
        return ERR_FULL;
    if (policy->count == policy->room) {
        size_t room = policy->room == 0 ? 16 : policy->room * 2;
        struct rule *rules = realloc(policy->rules, room * sizeof *rules);
        if (rules == NULL)
            return ERR_NOMEM;
        policy->rules = rules;
        policy->room = room;
    }
    policy->rules[policy->count++] = *rule;
    return 0;
}

static int parse_line(struct session_policy *policy, struct span line)
{
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0 || line.data[0] == '#')
        return 0;
    struct rule rule;
    int rc = parse_rule(line, &rule);
    return rc < 0 ? rc : add_rule(policy, &rule);
}

static int parse(struct session_policy *policy, struct span text, uint32_t *number)
{
    while (text.len > 0) {
        ++*number;
        ptrdiff_t end = span_find(text, '\n', 0);
        size_t len = end < 0 ? text.len : (size_t)end;
        int rc = parse_line(policy, span_slice(text, 0, len));
        if (rc < 0)
            return rc;
        text = span_slice(text, len + 1, text.len);
    }
    return 0;
}

struct session_policy *session_policy_new(struct span text, int *err, uint32_t *line)
{
    *line = 0;
    *err = text.len > SESSION_POLICY_TEXT_MAX ? ERR_FULL : ERR_NOMEM;
    struct session_policy *policy = NULL;
    if (text.len <= SESSION_POLICY_TEXT_MAX)
        policy = calloc(1, sizeof *policy);
    if (policy == NULL)
        return NULL;
    policy->text = malloc(text.len + 1);
    if (policy->text != NULL) {
        if (text.len > 0)
            memcpy(policy->text, text.data, text.len);
        *err = parse(policy, span_of(policy->text, text.len), line);
    }
    if (*err < 0) {
        session_policy_free(policy);
        return NULL;
    }
    return policy;
}

void session_policy_free(struct session_policy *policy)
{
    if (policy == NULL)
        return;
    free(policy->rules);
    free(policy->text);
    free(policy);
}

/* ---- Matching ---- */

/* Whether the pattern's byte at `*p` is a plain one equal to `byte`; steps over it. */
static bool take_plain(struct span pattern, size_t *p, uint8_t byte)
{
    size_t at = *p;
    if (at < pattern.len && pattern.data[at] == '\\')
        at++;
    if (at >= pattern.len || pattern.data[at] != byte)
        return false;
    *p = at + 1;
    return true;
}

static bool is_star(struct span pattern, size_t p)
{
    return p < pattern.len && pattern.data[p] == '*';
}

/* A star first stands for nothing; each mismatch after it makes the last star one byte longer. */
static bool matches(struct span pattern, struct span text)
{
    size_t p = 0, t = 0;
    size_t after_star = SIZE_MAX, star_text = 0;
    while (t < text.len) {
        if (is_star(pattern, p)) {
            after_star = ++p;
            star_text = t;
        } else if (take_plain(pattern, &p, text.data[t])) {
            t++;
        } else if (after_star != SIZE_MAX) {
            p = after_star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (is_star(pattern, p))
        p++;
    return p == pattern.len;
}

bool session_policy_allows(const struct session_policy *policy, struct span user,
                           struct span password)
{
    for (size_t i = 0; i < policy->count; i++) {
        const struct rule *rule = &policy->rules[i];
        if (matches(rule->user, user) && matches(rule->password, password))
            return !rule->refuses;
    }
    return false;
}
