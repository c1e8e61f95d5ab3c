/* journald's third socket, /run/systemd/journal/stdout: a stream whose lines become lines of the log
 * (sd_journal_stream_fd(3)). The standard output of services leads there, and that of systemd-cat. */
#ifndef KERNEL_LOG_STREAM_H
#define KERNEL_LOG_STREAM_H

#include "base/span.h"

struct file;
struct kernel;
struct socket;
struct socket_about;
struct task;

struct log_stream;

/* Whether journald listens at the path. */
bool log_stream_listens(const struct task *t, struct span path);
/* connect(2) there: who connects says first who it is, in seven lines; or, at io.systemd.journal, asks what journalctl
 * asks. 0 or -ENOMEM. */
int log_stream_connect(struct socket *s, struct span path);
/* The same of a service, which systemd has named already. NULL and *error. */
struct file *log_stream_open(struct kernel *k, struct span identifier, int *error);
/* What was written to a journald's end. */
void log_stream_feed(struct socket *end, struct span bytes, const struct socket_about *about);
void log_stream_free(struct log_stream *stream); /* what has no end of line is lost */

#endif
