#include "record/client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Acknowledgements, which are bare heads, and parts of answers. */
#define IN_MAX (2 * FRAME_VISIT_MAX)
/* Frames under way in the transport, beyond which sending pauses. */
#define SEND_MAX (4 * FRAME_MAX)

static struct record_client *client_of(struct reel_transport *t)
{
    return reel_shared(t);
}

/* After what it is to tell of has been sent. */
static void ring(const struct record_client *client)
{
    static const uint64_t once = 1;
    if (client->bell >= 0)
        (void)!write(client->bell, &once, sizeof(once));
}

/* Hands the transport what it has room for. */
static void send_more(struct record_client *client)
{
    while (client->transport != NULL && client->welcome) {
        struct span queue = buffer_span(&client->queue);
        struct span rest = span_slice(queue, client->sent, queue.len);
        size_t room = reel_write_room(client->transport);
        size_t n = rest.len < room ? rest.len : room;
        if (n == 0 || reel_write(client->transport, rest.data, n) < 0)
            return;
        client->sent += n;
    }
}

/* Drops the frames up to this number from the front of the queue. */
static void drop_acknowledged(struct record_client *client, uint64_t number)
{
    struct frame f;
    int64_t n = 0;
    while ((n = frame_read(buffer_span(&client->queue), &f)) > 0 && f.number <= number) {
        buffer_take(&client->queue, (size_t)n);
        client->sent -= (size_t)n < client->sent ? (size_t)n : client->sent;
    }
}

static void on_ack(struct record_client *client, uint64_t number)
{
    bool first = !client->ready;
    drop_acknowledged(client, number);
    if (first)
        client->number = number;
    client->ready = client->welcome = true;
    send_more(client);
    if (first && client->on_ready != NULL)
        client->on_ready(client);
    if (client->refused) {
        client->refused = false;
        if (client->on_room != NULL)
            client->on_room(client);
    }
    if (record_client_is_empty(client) && client->on_acknowledged != NULL)
        client->on_acknowledged(client);
}

static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct record_client *client = client_of(t);
    if (client->transport != t)
        return len;
    size_t taken = 0;
    while (taken < len) {
        size_t room = buffer_room(&client->in);
        size_t n = len - taken < room ? len - taken : room;
        struct frame f;
        int64_t size = 0;
        if (n == 0 || buffer_put(&client->in, span_of(data + taken, n)) < 0)
            break;
        taken += n;
        while ((size = frame_read(buffer_span(&client->in), &f)) > 0) {
            uint64_t number = f.number;
            bool is_ack = f.kind == FRAME_ACK;
            if (f.kind == FRAME_VISIT && client->on_visit != NULL)
                client->on_visit(client, &f.visit);
            if (f.kind == FRAME_VISITORS && client->on_visitors != NULL)
                client->on_visitors(client, f.visitors.list);
            buffer_take(&client->in, (size_t)size);
            if (is_ack)
                on_ack(client, number);
        }
        if (size < 0)
            break;
    }
    /* Our own recorder does not speak like this: begin anew with another. What was written to this one
     * still goes out. */
    if (taken < len)
        reel_close(t);
    return len;
}

static void on_full(struct reel_transport *t)
{
    ring(client_of(t));
}

static void on_drained(struct reel_transport *t)
{
    send_more(client_of(t));
}

static void forget_recorder(struct record_client *client)
{
    client->transport = NULL;
    client->welcome = false;
    client->sent = 0;
    buffer_clear(&client->in);
}

static void on_lost(struct reel_transport *t, int reason)
{
    struct record_client *client = client_of(t);
    (void)reason;
    if (client->transport != t)
        return; /* let go of before */
    forget_recorder(client);
    if (client->on_lost != NULL)
        client->on_lost(client);
}

static const struct reel_protocol PROTOCOL = {
    .name_z = "recorder",
    .data = on_data,
    .full = on_full,
    .drained = on_drained,
    .lost = on_lost,
};

void record_client_init(struct record_client *client, struct reel_reactor *r, uint64_t boot,
                        const char *name_z)
{
    memset(client, 0, sizeof(*client));
    client->reactor = r;
    client->boot = boot;
    client->name_z = name_z;
    client->bell = -1;
    client->factory =
        (struct reel_factory){.protocol = &PROTOCOL,
                              .shared = client,
                              /* Acknowledgements must be read while frames wait. */
                              .options = {.queue_max = SEND_MAX, .read_while_full = true}};
    buffer_init(&client->queue, RECORD_QUEUE_MAX);
    buffer_init(&client->in, IN_MAX);
}

void record_client_fini(struct record_client *client)
{
    record_client_drop(client);
    buffer_fini(&client->queue);
    buffer_fini(&client->in);
}

void record_client_drop(struct record_client *client)
{
    if (client->transport == NULL)
        return;
    reel_abort(client->transport);
    forget_recorder(client);
}

int record_client_adopt(struct record_client *client, int fd)
{
    assert(client->transport == NULL);
    struct buffer hello;
    buffer_init(&hello, FRAME_HEAD_SIZE + FRAME_TEXT_MAX + 16);
    const struct frame_hello say = {.boot = client->boot, .name = span_z(client->name_z)};
    int error = frame_put_hello(&hello, &say);
    if (error == 0)
        error = reel_stream_adopt(client->reactor, fd, &client->factory, &client->transport);
    if (error == 0)
        error = reel_write(client->transport, buffer_span(&hello).data, buffer_len(&hello));
    buffer_fini(&hello);
    return error;
}

size_t record_client_put(struct record_client *client, struct span frames)
{
    size_t taken = 0;
    bool asks = false;
    while (client->ready && taken < frames.len) {
        struct span rest = span_slice(frames, taken, frames.len);
        int64_t size = frame_size(rest);
        /* A session writes whole frames. */
        assert(size > 0 && (size_t)size <= rest.len);
        uint8_t *room = buffer_reserve(&client->queue, (size_t)size);
        if (room == NULL)
            break;
        memcpy(room, rest.data, (size_t)size);
        frame_number(room, ++client->number);
        asks = asks || frame_kind(room) == FRAME_VISIT_ASK;
        buffer_commit(&client->queue, (size_t)size);
        taken += (size_t)size;
    }
    client->refused = client->refused || taken < frames.len;
    send_more(client);
    if (asks && client->transport != NULL) {
        reel_flush(client->transport);
        ring(client);
    }
    return taken;
}

bool record_client_is_empty(const struct record_client *client)
{
    return buffer_len(&client->queue) == 0;
}
