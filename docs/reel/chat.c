#include <reel/reel.h>

#include <stdio.h>

struct client {
    struct reel_line_state lines; /* comes first */
    struct reel_member member;
};

static void chat_made(struct reel_transport *t)
{
    struct client *client = reel_state(t);
    puts("Got new client!");
    reel_group_join(reel_shared(t), &client->member, t);
}

static void chat_line(struct reel_transport *t, const uint8_t *line, size_t len)
{
    reel_group_write(reel_shared(t), line, len, NULL); /* its end comes with it, see keep_end */
}

static void chat_lost(struct reel_transport *t, int reason)
{
    struct client *client = reel_state(t);
    printf("Lost a client! (%s)\n", reel_reason_text(reason));
    reel_group_leave(&client->member);
}

static const struct reel_line_protocol chat = {
    .protocol = {.name_z = "chat",
                 .state_size = sizeof(struct client),
                 .made = chat_made,
                 .data = reel_line_data,
                 .lost = chat_lost},
    .keep_end = true,
    .line = chat_line,
};

int main(int argc, char **argv)
{
    struct reel_group everybody;
    reel_group_init(&everybody, REEL_GROUP_ABORT); /* who does not read is dropped */
    const struct reel_factory factory = {.protocol = &chat.protocol, .shared = &everybody};
    struct reel_reactor *reactor = reel_reactor_new(NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!reactor || reel_listen(reactor, argc > 1 ? argv[1] : "tcp:8000", &factory, NULL) < 0)
        return 1;
    reel_run(reactor);
    reel_reactor_free(reactor);
}
