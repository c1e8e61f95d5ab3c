/* A serial line as a transport. */
#ifndef REEL_SERIAL_H
#define REEL_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct reel_factory;
struct reel_reactor;
struct reel_transport;

enum reel_parity {
    REEL_PARITY_NONE,
    REEL_PARITY_EVEN,
    REEL_PARITY_ODD,
};

/* Zero fields take the defaults: 9600 baud, 8 bits, no parity, 1 stop bit, no flow control. */
struct reel_serial_options {
    uint32_t speed; /* baud; one of the system's (50 to 4000000) */
    int bits;       /* 5 to 8 */
    enum reel_parity parity;
    int stop_bits;      /* 1 or 2 */
    bool hardware_flow; /* RTS/CTS */
    bool software_flow; /* XON/XOFF, both ways */
    bool modem_control; /* heed the carrier: a hang-up is the end; else CLOCAL */
    bool hang_up;       /* lower DTR at close */
    bool shared;        /* else TIOCEXCL: nobody else may open it */
};

/* Opens a terminal device in raw mode. Its settings are put back at the end. `made` comes in the next
 * turn. `options` and `out` may be NULL. 0 or -errno (-EINVAL: a setting that there is not, -ENOTTY:
 * not a terminal). */
int reel_serial_open(struct reel_reactor *r, const char *path_z,
                     const struct reel_serial_options *options, const struct reel_factory *factory,
                     struct reel_transport **out);

#ifdef __cplusplus
}
#endif

#endif
