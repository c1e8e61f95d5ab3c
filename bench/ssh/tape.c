#include "tape.h"

#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BYTES = 64 * 1024,
    FDS = 1024,
    EVENTS = 64,
    PAUSE_NS = TAPE_PAUSE_MS * 1000000,
};

void tape_note(struct tape *tape, bool sent, size_t len)
{
    if (tape == NULL || len == 0)
        return;
    if (tape->count == TAPE_PIECES)
        fail("a conversation of more than %d pieces", TAPE_PIECES);
    int64_t now = now_ns();
    if (tape->count == 0)
        tape->start_ns = now;
    int64_t last_ns = tape->count > 0 ? tape->pieces[tape->count - 1].at_ns : 0;
    int64_t at_ns = now - tape->start_ns;
    if (at_ns - last_ns > PAUSE_NS) {
        tape->start_ns += at_ns - last_ns - PAUSE_NS;
        at_ns = last_ns + PAUSE_NS;
    }
    tape->pieces[tape->count].sent = sent;
    tape->pieces[tape->count].len = len;
    tape->pieces[tape->count].at_ns = at_ns;
    tape->count++;
}

/* ---- The server ---- */

/* How far a connection is on the tape. */
struct place {
    int at;
    size_t got; /* of what the client sends there */
};

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

/* Says what is to be said until it is the client's turn. */
static void answer(const struct tape *tape, int fd, struct place *place)
{
    static const uint8_t bytes[BYTES];
    for (; place->at < tape->count; place->at++) {
        size_t len = tape->pieces[place->at].len;
        if (tape->pieces[place->at].sent) {
            if (place->got < len)
                return;
            place->got -= len;
        } else if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len) {
            fail("send: %s", strerror(errno));
        }
    }
}

_Noreturn void tape_serve(const struct tape *tape, int listening)
{
    static struct place places[FDS];
    static uint8_t bytes[BYTES];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listening);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            ssize_t n = 0;
            if (fd == listening) {
                fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd < 0 || fd >= FDS)
                    fail("accept: %s", strerror(errno));
                watch(epoll, fd);
                places[fd] = (struct place){0};
            } else if ((n = recv(fd, bytes, sizeof(bytes), 0)) <= 0) {
                close(fd);
                continue;
            }
            places[fd].got += (size_t)n;
            answer(tape, fd, &places[fd]);
        }
    }
}

/* ---- The client ---- */

static void sleep_until(int64_t at_ns)
{
    const struct timespec at = {at_ns / 1000000000, at_ns % 1000000000};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

void tape_play(const struct tape *tape, int port)
{
    uint8_t bytes[BYTES] = {0};
    int fd = connect_to(port);
    int64_t start_ns = now_ns();
    for (int i = 0; i < tape->count; i++) {
        size_t len = tape->pieces[i].len;
        if (tape->pieces[i].sent) {
            sleep_until(start_ns + tape->pieces[i].at_ns);
            if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
                fail("send: %s", strerror(errno));
        } else if (recv(fd, bytes, len, MSG_WAITALL) != (ssize_t)len) {
            fail("the bare server has closed");
        }
    }
    close(fd);
}
