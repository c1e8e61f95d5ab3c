/* Output that is more than bytes: descriptors, pieces of files; and producers. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILE_BYTES = 3000000 };

struct taker {
    struct record record;
    int fds[64];
    int fd_count;
    size_t at_byte[64]; /* how many bytes had come before each descriptor */
    bool abort;
};

struct fixture {
    struct reel_reactor *r;
    struct counting_allocator counts;
    struct taker a, b;
    struct reel_factory a_factory, b_factory;
    struct reel_transport *ta, *tb;
    int fds, file;
    uint8_t *content;
};

static void on_made(struct reel_transport *t)
{
    struct taker *taker = reel_shared(t);
    taker->record.made++;
    taker->record.t = t;
}

static void on_descriptor(struct reel_transport *t, int fd)
{
    struct taker *taker = reel_shared(t);
    taker->at_byte[taker->fd_count] = taker->record.received;
    taker->fds[taker->fd_count++] = fd;
    if (taker->abort)
        reel_abort(t);
}

/* Keeps a sum of what came, in its order. */
static size_t on_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct taker *taker = reel_shared(t);
    for (size_t i = 0; i < len && taker->record.received + i + 1 < sizeof(taker->record.data); i++)
        taker->record.data[taker->record.received + i] = (char)data[i];
    taker->record.received += len;
    return len;
}

static void on_eof(struct reel_transport *t)
{
    ((struct taker *)reel_shared(t))->record.eof++;
}

static void on_lost(struct reel_transport *t, int reason)
{
    struct taker *taker = reel_shared(t);
    taker->record.lost++;
    taker->record.reason = reason;
}

static const struct reel_protocol taking = {.name_z = "taking",
                                            .made = on_made,
                                            .descriptor = on_descriptor,
                                            .data = on_data,
                                            .eof = on_eof,
                                            .lost = on_lost};
static const struct reel_protocol not_taking = {
    .name_z = "not taking", .made = on_made, .data = on_data, .eof = on_eof, .lost = on_lost};

static void make_file(struct fixture *f)
{
    f->file = memfd_create("reel-test", MFD_CLOEXEC);
    f->content = malloc(FILE_BYTES);
    for (size_t i = 0; i < FILE_BYTES; i++)
        f->content[i] = (uint8_t)(i % 251);
    assert_int_equal(write(f->file, f->content, FILE_BYTES), FILE_BYTES);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->fds = count_fds();
    const struct reel_reactor_options options = {.allocator = counting_allocator(&f->counts)};
    f->r = reel_reactor_new(&options);
    f->a_factory = (struct reel_factory){.protocol = &taking, .shared = &f->a};
    f->b_factory = (struct reel_factory){.protocol = &taking, .shared = &f->b};
    make_file(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_reactor_free(f->r);
    for (int i = 0; i < f->a.fd_count; i++)
        close(f->a.fds[i]);
    close(f->file);
    free(f->content);
    assert_int_equal(f->counts.live, 0);
    assert_int_equal(count_fds(), f->fds);
    free(f);
    return 0;
}

static void open_pair(struct fixture *f)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(reel_stream_adopt(f->r, fds[0], &f->a_factory, &f->ta), 0);
    assert_int_equal(reel_stream_adopt(f->r, fds[1], &f->b_factory, &f->tb), 0);
}

static void run_until_received(struct fixture *f, size_t bytes)
{
    for (int turns = 0; turns < 20000 && f->a.record.received < bytes; turns++)
        assert_true(reel_run_once(f->r, REEL_MS) >= 0);
    assert_int_equal(f->a.record.received, bytes);
}

/* Descriptors */

static void a_descriptor_comes_with_its_bytes(void **state)
{
    struct fixture *f = *state;
    int pipes[2];
    char byte = 0;
    open_pair(f);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(reel_write(f->tb, "before ", 7), 0);
    assert_int_equal(reel_send_fd(f->tb, pipes[1], "with ", 5), 0);
    assert_int_equal(reel_write(f->tb, "after", 5), 0);
    close(pipes[1]); /* it was duplicated */
    run_until_received(f, 17);
    assert_string_equal(f->a.record.data, "before with after");
    assert_int_equal(f->a.fd_count, 1);
    assert_true(f->a.at_byte[0] <= 7);
    assert_int_equal(fcntl(f->a.fds[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(f->a.fds[0], "!", 1), 1);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    close(pipes[0]);
}

static void many_descriptors_keep_their_order(void **state)
{
    struct fixture *f = *state;
    open_pair(f);
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(reel_send_fd(f->tb, pipes[i % 2], "x", 1), 0);
        if (i % 3 == 0)
            assert_int_equal(reel_write(f->tb, "yy", 2), 0);
    }
    run_until_received(f, 20 + 14);
    assert_int_equal(f->a.fd_count, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(fcntl(f->a.fds[i], F_GETFL) & O_ACCMODE, i % 2 ? O_WRONLY : O_RDONLY);
    close(pipes[0]);
    close(pipes[1]);
}

static void what_cannot_be_sent_says_why(void **state)
{
    struct fixture *f = *state;
    int pipes[2];
    struct reel_transport *out = NULL;
    open_pair(f);
    assert_int_equal(reel_send_fd(f->tb, f->file, "", 0), -EINVAL);
    assert_int_equal(reel_send_fd(f->tb, 9999, "x", 1), -EBADF);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(reel_stream_adopt(f->r, pipes[1], &f->b_factory, &out), 0);
    assert_int_equal(reel_send_fd(out, f->file, "x", 1), -EOPNOTSUPP);
    int queued = 0;
    while (reel_send_fd(f->tb, f->file, "x", 1) == 0)
        queued++;
    assert_int_equal(queued, REEL_DESCRIPTORS_QUEUE_MAX);
    assert_int_equal(reel_send_fd(f->tb, f->file, "x", 1), -ENOBUFS);
    reel_abort(f->tb); /* all are closed, the fixture counts */
    run_turns(f->r, 2);
    close(pipes[0]);
}

static void descriptors_that_nobody_takes_are_closed(void **state)
{
    struct fixture *f = *state;
    f->a_factory.protocol = &not_taking;
    open_pair(f);
    int before = count_fds();
    for (int i = 0; i < 10; i++)
        assert_int_equal(reel_send_fd(f->tb, f->file, "x", 1), 0);
    run_until_received(f, 10);
    run_turns(f->r, 2);
    assert_int_equal(count_fds(), before);
}

static void an_abort_in_the_midst_of_descriptors_leaks_nothing(void **state)
{
    struct fixture *f = *state;
    f->a.abort = true;
    open_pair(f);
    for (int i = 0; i < 5; i++)
        assert_int_equal(reel_send_fd(f->tb, f->file, "x", 1), 0);
    run_until(f->r, &f->a.record.lost);
    assert_int_equal(f->a.fd_count, 1);
}

static void the_peers_credentials_are_known(void **state)
{
    struct fixture *f = *state;
    struct reel_credentials peer;
    open_pair(f);
    assert_int_equal(reel_peer_credentials(f->ta, &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, getuid());
    struct reel_listener *l = listen_local(f->r, &f->a_factory);
    int fd = connect_blocking(l);
    f->a.record.made = 0;
    run_until(f->r, &f->a.record.made);
    assert_int_equal(reel_peer_credentials(f->a.record.t, &peer), -EOPNOTSUPP);
    close(fd);
}

/* Files */

struct piece {
    struct reel_file_piece piece;
    int done, result;
    const struct record *until; /* `done` comes before its `lost` */
};

static void on_done(struct reel_file_piece *piece, int result)
{
    struct piece *own = (struct piece *)piece;
    own->done++;
    own->result = result;
    if (own->until)
        assert_int_equal(own->until->lost, 0);
}

/* What came, against the file between two words. */
static uint8_t received[2 * FILE_BYTES];
static size_t received_len;

static size_t keep_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    memcpy(received + received_len, data, len);
    received_len += len;
    ((struct taker *)reel_shared(t))->record.received += len;
    return len;
}

static const struct reel_protocol keeping = {
    .name_z = "keeping", .made = on_made, .data = keep_data, .eof = on_eof, .lost = on_lost};

static void send_between_words(struct fixture *f, struct piece *piece)
{
    received_len = 0;
    piece->piece.done = on_done;
    piece->until = &f->b.record;
    assert_int_equal(reel_write(f->tb, "head", 4), 0);
    assert_int_equal(reel_send_file(f->tb, &piece->piece, f->file, 10, FILE_BYTES - 10), 0);
    assert_int_equal(reel_write(f->tb, "tail", 4), 0);
    assert_int_equal(piece->done, 0);
    assert_true(reel_write_pending(f->tb) < 100); /* the file is not in memory */
}

static void check_between_words(struct fixture *f)
{
    assert_int_equal(received_len, FILE_BYTES - 10 + 8);
    assert_memory_equal(received, "head", 4);
    assert_memory_equal(received + 4, f->content + 10, FILE_BYTES - 10);
    assert_memory_equal(received + 4 + FILE_BYTES - 10, "tail", 4);
}

static void a_file_goes_in_order(void **state)
{
    struct fixture *f = *state;
    struct piece piece = {0};
    f->a_factory.protocol = &keeping;
    open_pair(f);
    run_until(f->r, &f->b.record.made);
    send_between_words(f, &piece);
    run_until_received(f, FILE_BYTES - 10 + 8);
    check_between_words(f);
    assert_int_equal(piece.done, 1);
    assert_int_equal(piece.result, 0);
    assert_int_equal(piece.piece.len, 0);
    assert_int_equal(lseek(f->file, 0, SEEK_CUR), FILE_BYTES); /* its place is not touched */
}

static void a_file_goes_over_tcp_before_it_is_made_and_while_closing(void **state)
{
    struct fixture *f = *state;
    struct piece piece = {0};
    char endpoint[32];
    f->a_factory.protocol = &keeping;
    struct reel_listener *l = listen_local(f->r, &f->a_factory);
    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%u", reel_listener_port(l));
    assert_int_equal(reel_connect(f->r, endpoint, &f->b_factory, &f->tb), 0);
    send_between_words(f, &piece);
    run_until(f->r, &f->b.record.made);
    reel_close(f->tb);
    run_until_received(f, FILE_BYTES - 10 + 8);
    check_between_words(f);
    run_until(f->r, &f->b.record.lost);
    assert_int_equal(f->b.record.reason, 0);
    assert_int_equal(piece.done, 1);
    assert_int_equal(piece.result, 0);
}

static void a_file_goes_through_a_wire_in_small_bites(void **state)
{
    struct fixture *f = *state;
    struct piece piece = {0};
    const struct reel_wire wire = {.send_max = 777, .buffer_max = 5000};
    f->a_factory.protocol = &keeping;
    assert_int_equal(
        reel_test_pair(f->r, &f->a_factory, &f->b_factory, NULL, &wire, &f->ta, &f->tb), 0);
    send_between_words(f, &piece);
    run_until_received(f, FILE_BYTES - 10 + 8);
    check_between_words(f);
    run_turns(f->r, 2);
    assert_int_equal(piece.done, 1);
}

static void a_file_goes_through_a_pipe(void **state)
{
    struct fixture *f = *state;
    struct piece piece = {0};
    int pipes[2];
    f->a_factory.protocol = &keeping;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(reel_stream_adopt(f->r, pipes[0], &f->a_factory, &f->ta), 0);
    assert_int_equal(reel_stream_adopt(f->r, pipes[1], &f->b_factory, &f->tb), 0);
    send_between_words(f, &piece);
    run_until_received(f, FILE_BYTES - 10 + 8);
    check_between_words(f);
}

static void a_long_write_does_not_overtake_a_file(void **state)
{
    struct fixture *f = *state;
    struct piece piece = {0};
    static uint8_t block[50000];
    f->a_factory.protocol = &keeping;
    received_len = 0;
    piece.piece.done = on_done;
    memset(block, 'b', sizeof(block));
    open_pair(f);
    run_until(f->r, &f->b.record.made);
    assert_int_equal(reel_send_file(f->tb, &piece.piece, f->file, 0, FILE_BYTES), 0);
    assert_int_equal(reel_write(f->tb, block, sizeof(block)), 0); /* goes at once, if it may */
    run_until_received(f, FILE_BYTES + sizeof(block));
    assert_memory_equal(received, f->content, FILE_BYTES);
    assert_memory_equal(received + FILE_BYTES, block, sizeof(block));
}

static void a_slow_reader_holds_up_a_file(void **state)
{
    struct fixture *f = *state;
    struct piece piece = {.piece.done = on_done};
    f->a_factory.protocol = &keeping;
    open_pair(f);
    run_until(f->r, &f->b.record.made);
    reel_pause_reading(f->ta);
    received_len = 0;
    assert_int_equal(reel_send_file(f->tb, &piece.piece, f->file, 0, FILE_BYTES), 0);
    run_turns(f->r, 10);
    assert_int_equal(piece.done, 0);
    assert_true(piece.piece.len > 0 && piece.piece.len < FILE_BYTES);
    struct reel_metrics metrics;
    reel_metrics(f->r, &metrics);
    assert_true(metrics.queued_bytes < 100);
    reel_resume_reading(f->ta);
    run_until_received(f, FILE_BYTES);
    run_turns(f->r, 2);
    assert_int_equal(piece.done, 1);
}

static void a_file_that_is_shorter_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    struct piece piece = {.piece.done = on_done, .until = &f->b.record};
    f->a_factory.protocol = &keeping;
    open_pair(f);
    received_len = 0;
    run_until(f->r, &f->b.record.made);
    assert_int_equal(reel_send_file(f->tb, &piece.piece, f->file, FILE_BYTES - 100, 200), 0);
    run_until(f->r, &f->b.record.lost);
    assert_int_equal(f->b.record.reason, -EIO);
    assert_int_equal(piece.done, 1);
    assert_int_equal(piece.result, -EIO);
}

static void every_piece_hears_of_the_end(void **state)
{
    struct fixture *f = *state;
    static struct piece pieces[5];
    memset(pieces, 0, sizeof(pieces));
    open_pair(f);
    run_until(f->r, &f->b.record.made);
    reel_pause_reading(f->ta);
    for (int i = 0; i < 5; i++) {
        pieces[i] = (struct piece){.piece.done = on_done, .until = &f->b.record};
        assert_int_equal(reel_send_file(f->tb, &pieces[i].piece, f->file, 0, FILE_BYTES), 0);
    }
    run_turns(f->r, 2);
    reel_abort(f->tb);
    run_until(f->r, &f->b.record.lost);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pieces[i].done, 1);
        assert_int_equal(pieces[i].result, -ECONNABORTED);
    }
    reel_close(f->ta);
    struct piece late = {0};
    assert_int_equal(reel_send_file(f->ta, &late.piece, f->file, 0, 1), -EPIPE);
}

static void wrong_pieces_are_refused(void **state)
{
    struct fixture *f = *state;
    struct piece piece = {0};
    open_pair(f);
    assert_int_equal(reel_send_file(f->tb, &piece.piece, f->file, 0, 0), -EINVAL);
    assert_int_equal(reel_send_file(f->tb, &piece.piece, f->file, -1, 5), -EINVAL);
    assert_int_equal(reel_send_file(f->tb, &piece.piece, 9999, 0, 5), -EBADF);
}

/* Producers */

struct maker {
    struct reel_producer producer;
    int paused, resumed, stopped;
    size_t made, limit;
};

static void on_pause(struct reel_producer *producer)
{
    ((struct maker *)producer)->paused++;
}

static void on_resume(struct reel_producer *producer)
{
    ((struct maker *)producer)->resumed++;
}

static void on_stop(struct reel_producer *producer)
{
    ((struct maker *)producer)->stopped++;
}

static void make_piece(struct reel_producer *producer)
{
    static const uint8_t piece[10000];
    struct maker *maker = (struct maker *)producer;
    maker->resumed++;
    assert_int_equal(reel_write(producer->transport, piece, sizeof(piece)), 0);
    maker->made += sizeof(piece);
    if (maker->made < maker->limit)
        return;
    struct reel_transport *t = producer->transport;
    reel_producer_unregister(producer);
    reel_close(t);
}

static void a_pull_producer_is_asked_as_long_as_there_is_room(void **state)
{
    struct fixture *f = *state;
    struct maker maker = {.producer = {.resume = make_piece, .stop = on_stop, .pull = true},
                          .limit = 5000000};
    struct maker second = {.producer = {.resume = make_piece, .pull = true}};
    open_pair(f);
    run_until(f->r, &f->b.record.made);
    reel_pause_reading(f->ta);
    assert_int_equal(reel_producer_register(f->tb, &maker.producer), 0);
    assert_int_equal(reel_producer_register(f->tb, &second.producer), -EBUSY);
    run_turns(f->r, 200);
    assert_true(maker.made > 0 && maker.made < 1000000); /* what the socket takes, and a little */
    assert_true(reel_write_pending(f->tb) <= REEL_QUEUE_LOW_DEFAULT + 10000);
    reel_resume_reading(f->ta);
    run_until_received(f, 5000000);
    run_until(f->r, &f->b.record.lost);
    assert_int_equal(maker.stopped, 0); /* it was done before */
}

static void a_push_producer_is_paused_and_resumed(void **state)
{
    struct fixture *f = *state;
    struct maker maker = {.producer = {on_pause, on_resume, on_stop, false, NULL}};
    static const uint8_t piece[10000];
    open_pair(f);
    run_until(f->r, &f->b.record.made);
    reel_pause_reading(f->ta);
    assert_int_equal(reel_producer_register(f->tb, &maker.producer), 0);
    while (!maker.paused) {
        assert_int_equal(reel_write(f->tb, piece, sizeof(piece)), 0);
        maker.made += sizeof(piece);
        run_turns(f->r, 1);
    }
    assert_int_equal(maker.resumed, 0);
    reel_resume_reading(f->ta);
    run_until(f->r, &maker.resumed);
    run_until_received(f, maker.made);
    assert_int_equal(maker.paused, 1);
    assert_int_equal(maker.resumed, 1);
    reel_abort(f->tb);
    run_until(f->r, &maker.stopped);
    assert_null(maker.producer.transport);
    reel_producer_unregister(&maker.producer);
}

/* Each allocation fails once; the fixture counts what is left. */
static void out_of_memory_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    f->a_factory.protocol = &not_taking;
    for (long n = 0; n < 40; n++) {
        struct piece piece = {.piece.done = on_done};
        struct maker maker = {.producer = {on_pause, on_resume, on_stop, false, NULL}};
        int pairs[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs), 0);
        f->b.record.lost = 0;
        assert_int_equal(reel_stream_adopt(f->r, pairs[0], &f->b_factory, &f->tb), 0);
        run_turns(f->r, 1);
        f->counts.fail_after = n;
        bool queued = reel_write(f->tb, "head", 4) == 0 &&
                      reel_send_fd(f->tb, f->file, "x", 1) == 0 &&
                      reel_send_file(f->tb, &piece.piece, f->file, 0, FILE_BYTES) == 0;
        (void)reel_producer_register(f->tb, &maker.producer);
        (void)reel_write(f->tb, "tail", 4);
        assert_true(reel_run_once(f->r, 0) >= 0);
        f->counts.fail_after = -1;
        reel_abort(f->tb);
        run_turns(f->r, 2);
        assert_int_equal(piece.done, queued);
        assert_int_equal(f->b.record.lost, 1);
        close(pairs[1]);
    }
}

static const struct reel_filter_type nothing = {.name_z = "nothing",
                                                .size = sizeof(struct reel_filter)};

/* They count as bytes and are more: what of them is owed below a new filter nobody could say. */
static void a_filter_waits_for_what_is_more_than_bytes(void **state)
{
    struct fixture *f = *state;
    struct reel_file_piece piece = {.next = NULL};
    open_pair(f);
    run_turns(f->r, 2);
    assert_int_equal(reel_write(f->tb, "x", 1), 0);
    assert_int_equal(reel_send_file(f->tb, &piece, f->file, 0, 1000), 0);
    assert_int_equal(reel_write(f->tb, "y", 1), 0);
    assert_int_equal(reel_filter_push(f->tb, &nothing, NULL), -EBUSY);
    run_until_received(f, 1002);
    assert_int_equal(reel_send_fd(f->tb, f->file, "z", 1), 0);
    assert_int_equal(reel_filter_push(f->tb, &nothing, NULL), -EBUSY);
    run_until_received(f, 1003);
    assert_int_equal(f->a.fd_count, 1);
    assert_int_equal(reel_filter_push(f->tb, &nothing, NULL), 0);
    assert_int_equal(reel_write(f->tb, "!", 1), 0);
    run_until_received(f, 1004);
    assert_int_equal(f->a.record.lost + f->b.record.lost, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_descriptor_comes_with_its_bytes),
        TEST(many_descriptors_keep_their_order),
        TEST(what_cannot_be_sent_says_why),
        TEST(descriptors_that_nobody_takes_are_closed),
        TEST(an_abort_in_the_midst_of_descriptors_leaks_nothing),
        TEST(the_peers_credentials_are_known),
        TEST(a_file_goes_in_order),
        TEST(a_file_goes_over_tcp_before_it_is_made_and_while_closing),
        TEST(a_file_goes_through_a_wire_in_small_bites),
        TEST(a_file_goes_through_a_pipe),
        TEST(a_long_write_does_not_overtake_a_file),
        TEST(a_slow_reader_holds_up_a_file),
        TEST(a_file_that_is_shorter_ends_the_connection),
        TEST(every_piece_hears_of_the_end),
        TEST(wrong_pieces_are_refused),
        TEST(a_pull_producer_is_asked_as_long_as_there_is_room),
        TEST(a_push_producer_is_paused_and_resumed),
        TEST(out_of_memory_leaves_nothing_behind),
        TEST(a_filter_waits_for_what_is_more_than_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
