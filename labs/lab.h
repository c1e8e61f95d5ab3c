/* What is not the lesson: arguments, printing, stopping. All labs share it. */
#ifndef LABS_LAB_H
#define LABS_LAB_H

#include <netinet/in.h>
#include <stddef.h>

struct reel_factory;
struct reel_listener;
struct reel_reactor;

enum { LAB_BAD_USAGE = 2, LAB_CANNOT = 1 }; /* exit statuses */

enum {
    LAB_LINE_MAX = 4096, /* longest line that is kept whole */
    LAB_PEER_MAX = 128,  /* text of an address, with its NUL */
};

/* Prepares a program whose only argument is [ADDRESS:]PORT: prints the usage and exits with 2 when
 * there are more; makes standard output line by line. The argument, or `default_z`. */
const char *lab_arguments(int argc, char **argv, const char *default_z);

/* "ADDRESS:PORT" or "PORT" as a socket address, IPv4. Exits with 1 and a sentence when it is none. */
struct sockaddr_in lab_address(const char *text_z);

/* For servers on the engine: a listener where the argument says. Exits with 1 and a sentence when
 * there can be none; the reactor is freed then. */
struct reel_listener *lab_listen(struct reel_reactor *reactor, const char *where_z,
                                 const struct reel_factory *factory);

/* Runs until Ctrl-C or SIGTERM. The exit status of `main`. lab_run frees the reactor, too. */
int lab_stop_at_signal(struct reel_reactor *reactor);
int lab_run(struct reel_reactor *reactor);

/* "127.0.0.1:40312" into `out_z`, which has LAB_PEER_MAX bytes; returned. */
const char *lab_peer_text(const struct sockaddr_in *address, char *out_z);

/* For programs that block: Ctrl-C and SIGTERM end the process at once, with exit status 0. Such a
 * program cannot look up from `accept`; all that it printed is out already, line by line. */
void lab_stop_on_signals(void);

/* "PROGRAM: WHAT: WHY" on standard error; exits with 1. The first takes a positive errno. */
_Noreturn void lab_cannot(const char *what_z, int error);
_Noreturn void lab_refuse(const char *what_z, const char *why_z);

/* What a stranger sent is shown, not obeyed: each byte that is not part of a visible character in
 * UTF-8 becomes a dot. At most LAB_LINE_MAX - 1 bytes. Into `out_z`, which has LAB_LINE_MAX bytes;
 * returned. */
const char *lab_shown(const char *text, size_t len, char *out_z);

/* Prints "WHO: LINE", the line as by lab_shown and without its end. */
void lab_print_line(const char *who_z, const char *line, size_t len);

/* Prints "listening on ADDRESS:PORT". */
void lab_print_listening(int listener);

#endif
