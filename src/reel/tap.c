/* Recording as a filter, and a recorder that writes text. */
#include <reel/policy.h>

#include "reel/stream.h"

#include <reel/reactor.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct tapped {
    struct reel_filter f;
    const struct reel_tap *tap;
    bool begun;
};

static void tell(struct reel_filter *f, enum reel_tap_event event, const uint8_t *data, size_t len)
{
    const struct reel_tap *tap = ((struct tapped *)f)->tap;
    tap->tell(tap, f->transport, event, data, len);
}

static int tap_open(struct reel_filter *f, const void *options)
{
    ((struct tapped *)f)->tap = options;
    return 0;
}

static int tap_start(struct reel_filter *f)
{
    ((struct tapped *)f)->begun = true;
    tell(f, REEL_TAP_BEGIN, NULL, 0);
    return 0;
}

static ssize_t tap_receive(struct reel_filter *f, uint8_t *data, size_t len)
{
    ssize_t n = reel_filter_receive(f, data, len);
    if (n > 0)
        tell(f, REEL_TAP_IN, data, (size_t)n);
    else if (n == 0)
        tell(f, REEL_TAP_IN_END, NULL, 0);
    return n;
}

static ssize_t tap_send(struct reel_filter *f, const struct iovec *parts, int count)
{
    ssize_t n = reel_filter_send(f, parts, count);
    size_t left = n > 0 ? (size_t)n : 0;
    for (; left; parts++) {
        size_t len = parts->iov_len < left ? parts->iov_len : left;
        if (len)
            tell(f, REEL_TAP_OUT, parts->iov_base, len);
        left -= len;
    }
    return n;
}

static int tap_shut(struct reel_filter *f)
{
    tell(f, REEL_TAP_OUT_END, NULL, 0);
    return 0;
}

static void tap_close(struct reel_filter *f, bool reset)
{
    (void)reset;
    if (((struct tapped *)f)->begun)
        tell(f, REEL_TAP_END, NULL, 0);
}

const struct reel_filter_type reel_tap_filter = {
    .name_z = "tap",
    .size = sizeof(struct tapped),
    .open = tap_open,
    .start = tap_start,
    .receive = tap_receive,
    .send = tap_send,
    .shut = tap_shut,
    .close = tap_close,
};

/* ---- As text. ---- */

enum { BYTES_A_LINE = 16 };

static void put_event(const struct reel_tap_text *text, const struct reel_transport *t,
                      const char *what_z)
{
    char line[REEL_ADDRESS_TEXT_MAX + 32], peer[REEL_ADDRESS_TEXT_MAX];
    struct reel_address address;
    if (reel_peer(t, &address) < 0)
        address.length = 0;
    int len = snprintf(line, sizeof(line), "# %s %s\n",
                       reel_address_text(&address, peer, sizeof(peer)), what_z);
    text->write(text, line, (size_t)len);
}

static void put_line(const struct reel_tap_text *text, size_t offset, const uint8_t *data,
                     size_t len)
{
    char line[128];
    int at = snprintf(line, sizeof(line), "%06zx", offset);
    for (size_t i = 0; i < BYTES_A_LINE; i++)
        at += i < len ? snprintf(line + at, sizeof(line) - (size_t)at, " %02x", data[i])
                      : snprintf(line + at, sizeof(line) - (size_t)at, "   ");
    at += snprintf(line + at, sizeof(line) - (size_t)at, "  >");
    for (size_t i = 0; i < len; i++)
        line[at++] = data[i] >= ' ' && data[i] <= '~' ? (char)data[i] : '.';
    at += snprintf(line + at, sizeof(line) - (size_t)at, "<\n");
    text->write(text, line, (size_t)at);
}

static void put_data(const struct reel_tap_text *text, const struct reel_transport *t,
                     char direction, const uint8_t *data, size_t len)
{
    char head[64];
    int64_t now_us = reel_wall_us(reel_reactor_of(t));
    int size = snprintf(head, sizeof(head), "%c %" PRId64 ".%06" PRId64 "\n", direction,
                        now_us / 1000000, now_us % 1000000);
    text->write(text, head, (size_t)size);
    for (size_t at = 0; at < len; at += BYTES_A_LINE)
        put_line(text, at, data + at, len - at < BYTES_A_LINE ? len - at : BYTES_A_LINE);
}

static void tell_text(const struct reel_tap *tap, const struct reel_transport *t,
                      enum reel_tap_event event, const uint8_t *data, size_t len)
{
    static const char *const events[] = {
        [REEL_TAP_BEGIN] = "begins",
        [REEL_TAP_IN_END] = "sends no more",
        [REEL_TAP_OUT_END] = "is sent no more",
        [REEL_TAP_END] = "is gone",
    };
    const struct reel_tap_text *text = CONTAINER_OF(tap, struct reel_tap_text, tap);
    if (event == REEL_TAP_IN || event == REEL_TAP_OUT)
        put_data(text, t, event == REEL_TAP_IN ? 'I' : 'O', data, len);
    else
        put_event(text, t, events[event]);
}

void reel_tap_text_init(struct reel_tap_text *text,
                        void (*write)(const struct reel_tap_text *text, const char *data,
                                      size_t len),
                        void *context)
{
    *text = (struct reel_tap_text){.tap = {tell_text}, .write = write, .context = context};
}
