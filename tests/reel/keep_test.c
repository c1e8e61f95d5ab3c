/* Data that a protocol does not take: kept, joined with what comes, given again. */
#include "helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A protocol of messages "<letter><length><bytes>", in place: `seen` gets them with a dash behind. */
struct taker {
    char seen[65536];
    size_t len;
    size_t keep_max; /* for reel_need_more */
    int calls, lost, reason;
    size_t kept_at_eof;
    bool pause_after_each;
    struct reel_transport *t;
};

static void see(struct taker *taker, const uint8_t *data, size_t len)
{
    assert_true(taker->len + len + 1 < sizeof(taker->seen));
    memcpy(taker->seen + taker->len, data, len);
    taker->len += len;
    taker->seen[taker->len++] = '-';
}

static void taker_made(struct reel_transport *t)
{
    struct taker *taker = reel_shared(t);
    taker->t = t;
}

static size_t taker_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    struct taker *taker = reel_shared(t);
    size_t at = 0;
    taker->calls++;
    while (at < len && reel_may_go_on(t)) {
        size_t size = data[at];
        if (len - at < 1 + size) {
            reel_need_more(t, taker->keep_max);
            break;
        }
        see(taker, data + at + 1, size);
        at += 1 + size;
        if (taker->pause_after_each)
            reel_pause_reading(t);
    }
    return at;
}

static void taker_eof(struct reel_transport *t)
{
    struct taker *taker = reel_shared(t);
    reel_kept(t, &taker->kept_at_eof);
    reel_close(t);
}

static void taker_lost(struct reel_transport *t, int reason)
{
    struct taker *taker = reel_shared(t);
    taker->lost++;
    taker->reason = reason;
    taker->t = NULL;
}

static const struct reel_protocol taker_protocol = {
    .name_z = "taker",
    .made = taker_made,
    .data = taker_data,
    .eof = taker_eof,
    .lost = taker_lost,
};

struct bed {
    struct counting_allocator counts;
    struct reel_reactor *r;
    struct taker taker;
    struct reel_factory factory;
    struct reel_test_peer *peer;
};

static void bed_init(struct bed *bed, size_t chunk_max)
{
    struct reel_reactor_options options = {.allocator = counting_allocator(&bed->counts)};
    struct reel_transport *t = NULL;
    bed->r = reel_test_reactor_new(&options, 0);
    assert_non_null(bed->r);
    memset(&bed->taker, 0, sizeof(bed->taker));
    bed->factory = (struct reel_factory){.protocol = &taker_protocol, .shared = &bed->taker};
    const struct reel_wire wire = {.chunk_max = chunk_max};
    assert_int_equal(reel_test_peer_new(bed->r, &bed->factory, &wire, &bed->peer, &t), 0);
    reel_test_advance(bed->r, 0);
}

static void bed_fini(struct bed *bed)
{
    reel_test_peer_free(bed->peer);
    reel_reactor_free(bed->r);
    assert_int_equal(bed->counts.live, 0);
}

/* `count` messages of 0 to 250 bytes; `want` is what the taker is to see. */
static size_t compose(uint8_t *out, char *want, int count, unsigned seed)
{
    size_t len = 0, want_len = 0;
    for (int i = 0; i < count; i++) {
        seed = seed * 1103515245 + 12345;
        size_t size = (seed >> 16) % 251;
        out[len++] = (uint8_t)size;
        for (size_t j = 0; j < size; j++)
            out[len++] = (uint8_t)(want[want_len++] = (char)('a' + (seed >> 8) % 26));
        want[want_len++] = '-';
    }
    want[want_len] = '\0';
    return len;
}

static void any_split_gives_the_same_messages(void **state)
{
    (void)state;
    static uint8_t bytes[65536];
    static char want[65536];
    size_t len = compose(bytes, want, 200, 7);
    static const size_t chunks[] = {1, 2, 3, 7, 64, 250, 251, 252, 511, 512, 513, 5000, 0};
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct bed bed;
        bed_init(&bed, chunks[i]);
        assert_int_equal(reel_test_send(bed.peer, bytes, len), 0);
        reel_test_advance(bed.r, 0);
        assert_int_equal(bed.taker.len, strlen(want));
        assert_memory_equal(bed.taker.seen, want, bed.taker.len);
        bed_fini(&bed);
    }
}

static void what_is_whole_is_not_copied_behind_a_joint(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, 0);
    uint8_t bytes[8000] = {0};
    bytes[0] = 100; /* one of 100 bytes, cut; then many of none */
    reel_test_send(bed.peer, bytes, 50);
    reel_test_advance(bed.r, 0);
    assert_int_equal(bed.taker.calls, 1);
    reel_test_send(bed.peer, bytes + 50, sizeof(bytes) - 50);
    reel_test_advance(bed.r, 0);
    assert_int_equal(bed.taker.len, 101 + sizeof(bytes) - 101);
    assert_int_equal(bed.taker.calls, 3); /* the joint, then all the rest */
    bed_fini(&bed);
}

static void pauses_hold_between_messages(void **state)
{
    (void)state;
    static uint8_t bytes[65536];
    static char want[65536];
    size_t len = compose(bytes, want, 30, 3);
    static const size_t chunks[] = {1, 100, 600, 0};
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct bed bed;
        bed_init(&bed, chunks[i]);
        bed.taker.pause_after_each = true;
        reel_test_send(bed.peer, bytes, len);
        for (int messages = 1; messages <= 30; messages++) {
            reel_test_advance(bed.r, 0);
            int dashes = 0;
            for (size_t j = 0; j < bed.taker.len; j++)
                dashes += bed.taker.seen[j] == '-';
            assert_int_equal(dashes, messages);
            reel_resume_reading(bed.taker.t);
        }
        assert_int_equal(bed.taker.len, strlen(want));
        assert_memory_equal(bed.taker.seen, want, bed.taker.len);
        bed_fini(&bed);
    }
}

static void an_end_leaves_the_unfinished_part_to_look_at(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, 1);
    reel_test_send(bed.peer, "\x05hel", 4);
    reel_test_send_eof(bed.peer);
    reel_test_advance(bed.r, 0);
    assert_int_equal(bed.taker.kept_at_eof, 4);
    assert_int_equal(bed.taker.lost, 1);
    assert_int_equal(bed.taker.reason, 0);
    bed_fini(&bed);
}

static void more_than_the_maximum_is_not_kept(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, 1);
    bed.taker.keep_max = 10;
    reel_test_send(bed.peer,
                   "\x7f"
                   "123456789",
                   10);
    reel_test_advance(bed.r, 0);
    assert_int_equal(bed.taker.lost, 0);
    reel_test_send(bed.peer, "0", 1);
    reel_test_advance(bed.r, 0);
    assert_int_equal(bed.taker.lost, 1);
    assert_int_equal(bed.taker.reason, -EMSGSIZE);
    bed_fini(&bed);
}

static size_t second_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    see(reel_shared(t), data, len);
    return len;
}

static const struct reel_protocol second_protocol = {.data = second_data, .lost = taker_lost};

static size_t first_data(struct reel_transport *t, const uint8_t *data, size_t len)
{
    (void)len;
    if (data[0] != '!')
        return 1;
    reel_set_protocol(t, &second_protocol);
    return 1;
}

static const struct reel_protocol first_protocol = {.data = first_data, .lost = taker_lost};

static void the_next_protocol_gets_the_rest_at_once(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, 0);
    reel_set_protocol(bed.taker.t, &first_protocol);
    reel_test_send(bed.peer, "!rest", 5);
    reel_test_advance(bed.r, 0);
    bed.taker.seen[bed.taker.len] = '\0';
    assert_string_equal(bed.taker.seen, "rest-");
    assert_ptr_equal(reel_protocol_of(bed.taker.t), &second_protocol);
    bed_fini(&bed);
}

static void a_reason_of_ones_own_is_told(void **state)
{
    (void)state;
    struct bed bed;
    bed_init(&bed, 0);
    reel_abort_as(bed.taker.t, -EPROTO);
    reel_abort(bed.taker.t);
    assert_false(reel_may_go_on(bed.taker.t));
    reel_test_advance(bed.r, 0);
    assert_int_equal(bed.taker.lost, 1);
    assert_int_equal(bed.taker.reason, -EPROTO);
    bed_fini(&bed);
}

static void out_of_memory_ends_the_connection_only(void **state)
{
    (void)state;
    static uint8_t bytes[65536];
    static char want[65536];
    size_t len = compose(bytes, want, 50, 5);
    bool whole = false;
    int ours = 0;
    for (long allowed = 0; !whole; allowed++) {
        struct bed bed;
        bed_init(&bed, 300);
        reel_test_send(bed.peer, bytes, len);
        bed.counts.fail_after = allowed;
        reel_test_advance(bed.r, 0);
        bed.counts.fail_after = -1;
        whole = bed.taker.lost == 0;
        if (whole)
            assert_int_equal(bed.taker.len, strlen(want));
        ours += bed.taker.reason == -ENOMEM; /* else it was the sender's that failed */
        assert_memory_equal(bed.taker.seen, want, bed.taker.len);
        bed_fini(&bed);
    }
    assert_true(ours > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same_messages),
        cmocka_unit_test(what_is_whole_is_not_copied_behind_a_joint),
        cmocka_unit_test(pauses_hold_between_messages),
        cmocka_unit_test(an_end_leaves_the_unfinished_part_to_look_at),
        cmocka_unit_test(more_than_the_maximum_is_not_kept),
        cmocka_unit_test(the_next_protocol_gets_the_rest_at_once),
        cmocka_unit_test(a_reason_of_ones_own_is_told),
        cmocka_unit_test(out_of_memory_ends_the_connection_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
