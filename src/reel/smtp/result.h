/* What became of a transfer: one allocation, made before it begins, so that telling cannot fail. */
#ifndef REEL_SMTP_RESULT_H
#define REEL_SMTP_RESULT_H

#include "reel/smtp/machine.h"

struct reel_reactor;

struct smtp_result {
    struct reel_smtp_result is; /* what the taker sees */
    struct reel_reactor *reactor;
    char text[REEL_SMTP_TEXT_MAX]; /* of the last reply */
    char why[REEL_SMTP_TEXT_MAX];
    char *addresses, *texts; /* behind the recipients; a text each of REEL_SMTP_TEXT_MAX */
    struct reel_smtp_recipient recipients[];
};

/* NULL: out of memory. */
struct smtp_result *reel_smtp_result_new(struct reel_reactor *r, const struct smtp_job *job);
void reel_smtp_result_free(struct smtp_result *result); /* NULL is fine */

/* For the deferred: of the `is` in a result. */
void reel_smtp_result_release(void *pointer);

void reel_smtp_result_recipient(struct smtp_result *result, size_t index,
                                const struct reel_smtp_reply *reply);

/* Copies a sentence that will be gone soon. */
void reel_smtp_result_why(struct smtp_result *result, const char *why_z);

/* Fills in the outcome when the machine has ended. */
void reel_smtp_result_finish(struct smtp_result *result, const struct smtp_machine *m);

#endif
