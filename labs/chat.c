/* chat: every line that a client sends goes to all clients.
 * One that does not read is let go when its queue is full; it never holds up the others. */
#include <reel/reel.h>

#include "lab.h"

#include <errno.h>
#include <stdio.h>

struct client {
    struct reel_line_state lines; /* comes first */
    struct reel_member member;
};

static void on_made(struct reel_transport *t)
{
    struct client *client = reel_state(t);
    puts("Got new client!");
    reel_group_join(reel_shared(t), &client->member, t);
}

static void on_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    reel_group_write(reel_shared(t), line, len, NULL); /* its end comes with it, see keep_end */
}

static void on_lost(struct reel_transport *t, int reason)
{
    struct client *client = reel_state(t);
    (void)reason;
    puts("Lost a client!");
    reel_group_leave(&client->member);
}

static const struct reel_line_protocol chat = {
    .protocol = {.name_z = "chat",
                 .state_size = sizeof(struct client),
                 .made = on_made,
                 .data = reel_line_data,
                 .lost = on_lost},
    .keep_end = true,
    .line = on_line,
};

int main(int argc, char **argv)
{
    const char *where_z = lab_arguments(argc, argv, "0.0.0.0:8000");
    struct reel_group everybody;
    reel_group_init(&everybody, REEL_GROUP_ABORT);
    const struct reel_factory factory = {.protocol = &chat.protocol, .shared = &everybody};
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    if (!reactor)
        lab_cannot("reel_reactor_new", errno);
    struct reel_listener *listener = lab_listen(reactor, where_z, &factory);
    lab_print_listening(reel_listener_fd(listener));
    return lab_run(reactor);
}
