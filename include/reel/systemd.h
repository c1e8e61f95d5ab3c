/* Listening sockets that systemd opened before it started the process (sd_listen_fds(3)): a service
 * needs no right to bind its port, and nobody is refused while it restarts. Most programs say
 * systemd:domain=INET:index=0 or systemd:name=web as their endpoint (reel/endpoint.h). */
#ifndef REEL_SYSTEMD_H
#define REEL_SYSTEMD_H

#ifdef __cplusplus
extern "C" {
#endif

/* How many there are: LISTEN_FDS, if LISTEN_PID is this process. Reads the environment. */
int reel_systemd_count(void);

/* The descriptor of that place, from 0; from now on it is close-on-exec. -ENOENT: there is none. */
int reel_systemd_fd(int index);

/* The first one with this name (LISTEN_FDNAMES; FileDescriptorName= of the socket unit). -ENOENT. */
int reel_systemd_fd_named(const char *name_z);

#ifdef __cplusplus
}
#endif

#endif
