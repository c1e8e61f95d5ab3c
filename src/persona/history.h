/* What an administrator has typed: the lines of a ~/.bash_history. */
#ifndef PERSONA_HISTORY_H
#define PERSONA_HISTORY_H

#include "base/buffer.h"

struct crypto_rng;
struct persona_identity;

/* Appends about so many lines. 0, ERR_FULL or ERR_NOMEM. */
int persona_history(struct crypto_rng *rng, const struct persona_identity *identity, bool is_root,
                    unsigned lines, struct buffer *out);

#endif
