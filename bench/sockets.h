/* What the load generators share: sockets on loopback, and the two clocks. Any failure here ends the
 * program with a sentence: a benchmark has nothing to go on with. */
#ifndef BENCH_SOCKETS_H
#define BENCH_SOCKETS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum { BUFFER_BYTES = 256 * 1024 };

void die(const char *what_z) __attribute__((noreturn));

int64_t clock_ns(clockid_t clock);

/* User and system time of another process. */
int64_t process_cpu_ns(pid_t pid);

/* Memory that must be there, zeroed. */
void *take_memory(size_t count, size_t size);

/* A port that nobody has just now. */
int free_port(void);

/* A connected TCP socket, in blocking mode, without Nagle's delay. `source` is added to 127.0.0.1
 * as the address to connect from: more connections a second than one address has ports. */
int connect_to(int port, uint32_t source);

/* All of it, or the program ends. */
void send_all(int fd, const void *data, size_t len);

#endif
