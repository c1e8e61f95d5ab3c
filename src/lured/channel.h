/* What the supervisor and its children say to each other: one byte a message, some with a
 * descriptor, over a socket that keeps messages apart (SOCK_SEQPACKET). Which pair may exchange
 * which stands here; a message that is not for the receiver ends it.
 *
 *   CHANNEL_READY     sensor to supervisor: the ports answer
 *   CHANNEL_RECORDER  supervisor to sensor, with its socket to a new recorder
 *   CHANNEL_SENSOR    supervisor to recorder, with its socket to a new sensor
 *
 * The end of the channel tells a child that the supervisor is gone. */
#ifndef LURED_CHANNEL_H
#define LURED_CHANNEL_H

enum channel_message {
    CHANNEL_READY = 'y',
    CHANNEL_RECORDER = 'r',
    CHANNEL_SENSOR = 's',
};

/* `fd` -1: none goes along; it stays the caller's. 0 or -errno. */
int channel_send(int channel, enum channel_message message, int fd);

/* Reads one message; *fd is -1 or a descriptor that is the caller's now (close-on-exec). The message;
 * 0: the other side is gone; -EAGAIN: there is none; or another -errno. */
int channel_receive(int channel, int *fd);

#endif
