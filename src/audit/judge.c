/* The table of checks, and how its rows are looked at. */
#include "audit/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NOT_THERE = 127 }; /* a shell's exit status for a program that it does not find */

enum kind { KIND_TEST, KIND_IS, KIND_LACKS, KIND_SAME };

struct row {
    enum kind kind;
    audit_test_fn test;
    enum audit_question a, b;
    const char *text_z;
    int64_t slack;
};

#define GROUP_PROTOCOL       "protocol"
#define GROUP_AUTHENTICATION "authentication"
#define GROUP_SHELL          "shell"
#define GROUP_FILES          "files"
#define GROUP_CONSISTENCY    "consistency"
#define GROUP_DEFAULTS       "defaults"
#define GROUP_TIMING         "timing"
#define GROUP_SHARED         "shared"

static const struct audit_check CHECKS[] = {
#define TEST(id, group, weight, function, what)     {id, GROUP_##group, weight, what},
#define IS(id, group, weight, fact, expected, what) {id, GROUP_##group, weight, what},
#define LACKS(id, group, weight, fact, text, what)  {id, GROUP_##group, weight, what},
#define SAME(id, group, weight, a, b, slack, what)  {id, GROUP_##group, weight, what},
#include "audit/checks.def"
#undef TEST
#undef IS
#undef LACKS
#undef SAME
};

static const struct row ROWS[] = {
#define TEST(id, group, weight, function, what) {.kind = KIND_TEST, .test = audit_##function},
#define IS(id, group, weight, fact, expected, what) \
    {.kind = KIND_IS, .a = AUDIT_##fact, .text_z = (expected)},
#define LACKS(id, group, weight, fact, text, what) \
    {.kind = KIND_LACKS, .a = AUDIT_##fact, .text_z = (text)},
#define SAME(id, group, weight, x, y, by, what) \
    {.kind = KIND_SAME, .a = AUDIT_##x, .b = AUDIT_##y, .slack = (by)},
#include "audit/checks.def"
#undef TEST
#undef IS
#undef LACKS
#undef SAME
};

size_t audit_checks(const struct audit_check **checks)
{
    *checks = CHECKS;
    return ARRAY_LEN(CHECKS);
}

/* ---- What checks are written with ---- */

struct span audit_answer(const struct audit_facts *facts, enum audit_question question)
{
    struct span text = buffer_span(&facts->answers[question].out);
    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == ' '))
        text.len--;
    return text;
}

bool audit_has(struct span text, const char *part_z)
{
    return text.len > 0 && memmem(text.data, text.len, part_z, strlen(part_z)) != NULL;
}

bool audit_number(struct span text, int64_t *out)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 18)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *out = (int64_t)value;
    return true;
}

/* The machine's words are not to be trusted with a terminal. */
static void make_printable(char *text_z)
{
    for (char *c = text_z; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
            *c = *c == '\n' ? '|' : '?';
}

void audit_tell(const struct audit_seen *seen, const char *format_z, ...)
{
    va_list args;
    va_start(args, format_z);
    (void)vsnprintf(seen->detail_z, AUDIT_DETAIL_SIZE, format_z, args);
    va_end(args);
    make_printable(seen->detail_z);
}

/* ---- Rows ---- */

static const struct audit_answer *asked(const struct audit_seen *seen, enum audit_question question)
{
    const struct audit_answer *answer = &seen->facts->answers[question];
    return answer->asked ? answer : NULL;
}

static bool is_not(const struct audit_seen *seen, const struct row *row)
{
    struct span text = audit_answer(seen->facts, row->a);
    const struct audit_answer *answer = asked(seen, row->a);
    if (answer == NULL || span_equal_z(text, row->text_z))
        return false;
    struct span said = text.len > 0 ? text : buffer_span(&answer->err);
    audit_tell(seen, "%.*s", SPAN_ARGS(said));
    return true;
}

static bool has(const struct audit_seen *seen, const struct row *row)
{
    if (!audit_has(audit_answer(seen->facts, row->a), row->text_z))
        return false;
    audit_tell(seen, "%s", row->text_z);
    return true;
}

static bool differ(const struct audit_seen *seen, const struct row *row)
{
    const struct audit_answer *a = asked(seen, row->a), *b = asked(seen, row->b);
    struct span x = audit_answer(seen->facts, row->a), y = audit_answer(seen->facts, row->b);
    int64_t m = 0, n = 0;
    if (a == NULL || b == NULL || a->status == NOT_THERE || b->status == NOT_THERE ||
        (x.len == 0 && y.len == 0))
        return false;
    bool numbers = audit_number(x, &m) && audit_number(y, &n);
    if (span_equal(x, y) || (numbers && m - n <= row->slack && n - m <= row->slack))
        return false;
    audit_tell(seen, "%.*s; %.*s", SPAN_ARGS(x), SPAN_ARGS(y));
    return true;
}

static bool gives_away(const struct audit_seen *seen, const struct row *row)
{
    switch (row->kind) {
    case KIND_TEST: return row->test(seen);
    case KIND_IS: return is_not(seen, row);
    case KIND_LACKS: return has(seen, row);
    case KIND_SAME: return differ(seen, row);
    }
    return false;
}

size_t audit_judge(const struct audit_facts *facts, const struct audit_facts *other,
                   struct audit_finding *findings)
{
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(CHECKS); i++) {
        findings[count] = (struct audit_finding){.check = &CHECKS[i]};
        const struct audit_seen seen = {facts, other, findings[count].detail_z};
        count += gives_away(&seen, &ROWS[i]);
    }
    return count;
}

unsigned audit_score(const struct audit_finding *findings, size_t count)
{
    unsigned score = 0;
    for (size_t i = 0; i < count; i++)
        score += findings[i].check->weight;
    return score < AUDIT_SCORE_MAX ? score : AUDIT_SCORE_MAX;
}
