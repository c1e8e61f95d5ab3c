#include <reel/serial.h>

#include "reel/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const struct {
    uint32_t baud;
    speed_t speed;
} speeds[] = {
    {50, B50},           {75, B75},           {110, B110},         {134, B134},
    {150, B150},         {200, B200},         {300, B300},         {600, B600},
    {1200, B1200},       {1800, B1800},       {2400, B2400},       {4800, B4800},
    {9600, B9600},       {19200, B19200},     {38400, B38400},     {57600, B57600},
    {115200, B115200},   {230400, B230400},   {460800, B460800},   {500000, B500000},
    {576000, B576000},   {921600, B921600},   {1000000, B1000000}, {1152000, B1152000},
    {1500000, B1500000}, {2000000, B2000000}, {2500000, B2500000}, {3000000, B3000000},
    {3500000, B3500000}, {4000000, B4000000},
};

/* Puts the settings back when the transport is over. */
struct serial_end {
    struct stream_end end;
    struct termios before;
    bool exclusive;
};

static int set_speed(struct termios *settings, uint32_t baud)
{
    for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
        if (speeds[i].baud == (baud ? baud : 9600))
            return cfsetspeed(settings, speeds[i].speed) < 0 ? -errno : 0;
    return -EINVAL;
}

static int set_frame(struct termios *settings, const struct reel_serial_options *options)
{
    static const tcflag_t sizes[] = {CS5, CS6, CS7, CS8};
    int bits = options->bits ? options->bits : 8;
    if (bits < 5 || bits > 8 || options->stop_bits < 0 || options->stop_bits > 2 ||
        (unsigned)options->parity > REEL_PARITY_ODD)
        return -EINVAL;
    settings->c_cflag &= ~(tcflag_t)(CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS | CLOCAL | HUPCL);
    settings->c_cflag |= sizes[bits - 5] | CREAD;
    if (options->parity != REEL_PARITY_NONE) {
        settings->c_cflag |= PARENB;
        settings->c_iflag |= INPCK;
    }
    if (options->parity == REEL_PARITY_ODD)
        settings->c_cflag |= PARODD;
    if (options->stop_bits == 2)
        settings->c_cflag |= CSTOPB;
    if (options->hardware_flow)
        settings->c_cflag |= CRTSCTS;
    if (options->software_flow)
        settings->c_iflag |= IXON | IXOFF;
    if (!options->modem_control)
        settings->c_cflag |= CLOCAL;
    if (options->hang_up)
        settings->c_cflag |= HUPCL;
    return 0;
}

/* What is asked for, raw, as far as the device has it. */
static int configure(int fd, const struct reel_serial_options *options,
                     const struct termios *before)
{
    struct termios settings = *before;
    cfmakeraw(&settings);
    settings.c_iflag &= ~(tcflag_t)(IXON | IXOFF | IXANY | INPCK);
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    int err = set_speed(&settings, options->speed);
    if (err == 0)
        err = set_frame(&settings, options);
    if (err == 0 && tcsetattr(fd, TCSANOW, &settings) < 0)
        err = -errno;
    if (err == 0 && !options->shared && ioctl(fd, TIOCEXCL) < 0)
        err = -errno;
    return err;
}

static void restore(int fd, const struct serial_end *end)
{
    if (end->exclusive)
        ioctl(fd, TIOCNXCL);
    tcsetattr(fd, TCSANOW, &end->before);
}

static void on_over(struct stream_end *end, struct reel_transport *t)
{
    struct serial_end *own = CONTAINER_OF(end, struct serial_end, end);
    restore(t->fd, own);
    reel_memory_free(t->reactor, own);
}

static int adopt(struct reel_reactor *r, int fd, const struct reel_serial_options *options,
                 const struct reel_factory *factory, struct reel_transport **out)
{
    struct serial_end *end = reel_memory_new_zeroed(r, sizeof(*end));
    struct reel_transport *t = NULL;
    if (!end)
        return -ENOMEM;
    end->end.over = on_over;
    end->exclusive = !options->shared;
    int err = tcgetattr(fd, &end->before) < 0 ? -errno : 0;
    bool changed = err == 0;
    if (err == 0)
        err = configure(fd, options, &end->before);
    if (err == 0)
        err = reel_fd_stream_prepare(r, fd, factory, &t);
    if (!t) {
        if (changed)
            restore(fd, end);
        reel_memory_free(r, end);
        return err;
    }
    *out = t;
    struct stream_extra *extra = reel_stream_extra(t);
    if (!extra) { /* the descriptor is the transport's now */
        restore(fd, end);
        reel_memory_free(r, end);
        return -ENOMEM;
    }
    extra->end = &end->end;
    return 0;
}

int reel_serial_open(struct reel_reactor *r, const char *path_z,
                     const struct reel_serial_options *options, const struct reel_factory *factory,
                     struct reel_transport **out)
{
    static const struct reel_serial_options defaults = {0};
    if (r->ending)
        return -ECANCELED;
    if (r->wake_fd < 0)
        return -EOPNOTSUPP;
    int fd = open(path_z, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct reel_transport *t = NULL;
    int err = adopt(r, fd, options ? options : &defaults, factory, &t);
    if (!t)
        close(fd);
    else if (err < 0)
        reel_fd_stream_undo(t);
    if (err < 0)
        return err;
    reel_stream_start(t);
    if (out)
        *out = t;
    return 0;
}
