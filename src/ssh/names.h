/* Names, lists of names (RFC 4251, section 5, "name-list") and patterns over them. */
#ifndef SSH_NAMES_H
#define SSH_NAMES_H

#include "base/cursor.h"

/* Takes the next name off the front of `list`. False at the end, and at a name of no length: like
 * OpenSSH, which reads such a list no further. */
bool ssh_names_next(struct span *list, struct span *name);

bool ssh_names_has(struct span list, struct span name);

/* Whether the pattern (with * and ?) matches all of the text. */
bool ssh_names_glob(const char *pattern_z, struct span text);

/* A string that is read as text: one NUL at its very end is dropped, a NUL inside marks the cursor
 * as failed. COMPAT: RFC 4251 knows no such rule, OpenSSH's sshbuf_get_cstring does. */
struct span ssh_names_text(struct cursor *c);

#endif
