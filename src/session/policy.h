/* Which passwords open the machine. A policy is a text of rules, one a line, and the first rule
 * whose user and password both match decides; no rule: refused.
 *
 *     # root may not log in with "root", but with anything else; empty lines are skipped
 *     root:!root
 *     root:*
 *     # admin, admin1 ... with 124, 1234, 12xyz4 ...
 *     admin*:12*4
 *     # any user, the password *!
 *     *:\*\!
 *
 * The user ends at the first colon. `*` stands for any bytes, also none; a password that begins
 * with `!` refuses; a backslash takes the next byte as it is. The order and meaning are those of
 * Cowrie's userdb.txt. */
#ifndef SESSION_POLICY_H
#define SESSION_POLICY_H

#include "base/span.h"

struct session_policy;

enum {
    SESSION_POLICY_TEXT_MAX = 1024 * 1024, /* bytes */
    SESSION_POLICY_RULES_MAX = 65536,
};

/* The rules of an installation that states none. */
extern const char session_policy_default_z[];

/* Parses a text, which is copied. NULL: *err is ERR_MALFORMED and *line the number of the bad line
 * (from 1), ERR_FULL (too long, *line the first rule too many or 0) or ERR_NOMEM. */
struct session_policy *session_policy_new(struct span text, int *err, uint32_t *line);
void session_policy_free(struct session_policy *policy);

bool session_policy_allows(const struct session_policy *policy, struct span user,
                           struct span password);

#endif
