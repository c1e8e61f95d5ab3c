/* What the SMTP client says: the commands and the message. Only for machine.c. */
#ifndef REEL_SMTP_OUT_H
#define REEL_SMTP_OUT_H

struct smtp_machine;

/* Fills the empty `out` with what may be said now, and sets `said`. */
void reel_smtp_compose(struct smtp_machine *m);

#endif
