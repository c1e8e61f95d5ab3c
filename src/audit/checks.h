/* The checks that need more than a row of checks.def, and what they are written with. */
#ifndef AUDIT_CHECKS_H
#define AUDIT_CHECKS_H

#include "audit/audit.h"

struct audit_seen {
    const struct audit_facts *facts;
    const struct audit_facts *other; /* NULL: there is none to compare with */
    char *detail_z;                  /* AUDIT_DETAIL_SIZE bytes, to be written */
};

/* True: it gives the machine away. */
typedef bool (*audit_test_fn)(const struct audit_seen *seen);

#define TEST(id, group, weight, function, what) \
    bool audit_##function(const struct audit_seen *seen);
#define IS(id, group, weight, fact, expected, what)
#define LACKS(id, group, weight, fact, text, what)
#define SAME(id, group, weight, a, b, slack, what)
#include "audit/checks.def"
#undef TEST
#undef IS
#undef LACKS
#undef SAME

/* What was answered, without white space at its end; empty when nothing was. */
struct span audit_answer(const struct audit_facts *facts, enum audit_question question);
bool audit_has(struct span text, const char *part_z);
/* A whole number that is all of the text. */
bool audit_number(struct span text, int64_t *out);
/* Writes what was seen, printable. */
void audit_tell(const struct audit_seen *seen, const char *format_z, ...)
    __attribute__((format(printf, 2, 3)));

#define SPAN_ARGS(s) (int)((s).len < 60 ? (s).len : 60), (const char *)(s).data

#endif
