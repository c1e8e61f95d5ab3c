/* The system's log since the machine was made: what its programs say to /dev/log and to journald's
 * socket, and what systemd says of them. The files of /var/log show it behind what has happened
 * before (records.h). Nobody reads these sockets: what is sent to one becomes a line at once. */
#ifndef KERNEL_LIVELOG_H
#define KERNEL_LIVELOG_H

#include "base/span.h"

#include <stddef.h>

struct kernel;
struct livelog;
struct persona_line;
struct socket_about;
struct task;

enum {
    LIVELOG_LINES_MAX = 1024, /* a quarter of them, the oldest, is forgotten then */
    LIVELOG_TEXT_MAX = 1024,  /* of a line; the rest is cut off */
};

/* Which of journald's sockets something is. */
enum livelog_socket { LIVELOG_NONE, LIVELOG_SYSLOG, LIVELOG_JOURNAL };

void livelog_free(struct livelog *log);
/* In the order of their times; borrowed until the next one. `log` may be NULL. */
const struct persona_line *livelog_lines(const struct livelog *log, size_t *count);

/* The socket of journald's that a path leads to, for those who may write to it. */
enum livelog_socket livelog_find(const struct task *t, struct span path);
/* A datagram that was sent there. */
void livelog_take(struct kernel *k, enum livelog_socket socket, struct span bytes,
                  const struct socket_about *about);
/* A line of a stream of journald's (log_stream.h). */
void livelog_stdout(struct kernel *k, const struct socket_about *about, struct span identifier,
                    uint8_t priority, struct span text);
/* A line of systemd, or of a daemon of its that comes when it is called ("systemd-hostnamed"). */
void livelog_daemon(struct kernel *k, const char *daemon_z, const char *text_z);
/* A line of a child of systemd's that was to become the program of a unit. */
void livelog_child(struct kernel *k, int32_t pid, const char *path_z, const char *text_z);
/* A line of a service, by its index (service.h), to LOG_AUTH. */
void livelog_service(struct kernel *k, size_t index, int32_t pid, const char *text_z);

#endif
