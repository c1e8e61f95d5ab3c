/* The pieces under the machine: names, numbers, patterns, packets. */
#include "ssh/moduli.h"
#include "ssh/mpint.h"
#include "ssh/names.h"
#include "ssh/packet.h"
#include "ssh/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- Names ---- */

static void a_list_gives_its_names_in_order(void **state)
{
    (void)state;
    struct span list = span_z("a,bc,d"), name;
    assert_true(ssh_names_next(&list, &name) && span_equal_z(name, "a"));
    assert_true(ssh_names_next(&list, &name) && span_equal_z(name, "bc"));
    assert_true(ssh_names_next(&list, &name) && span_equal_z(name, "d"));
    assert_false(ssh_names_next(&list, &name));
}

static void an_empty_name_ends_a_list(void **state)
{
    (void)state;
    assert_false(ssh_names_has(span_z(",a"), span_z("a")));
    assert_false(ssh_names_has(span_z("b,,a"), span_z("a")));
    assert_true(ssh_names_has(span_z("b,a,"), span_z("a")));
    assert_false(ssh_names_has(span_z(""), span_z("")));
    assert_false(ssh_names_has(span_z("A, a"), span_z("a")));
}

static void patterns_match_all_of_the_text(void **state)
{
    (void)state;
    static const struct {
        const char *pattern_z, *text_z;
        bool matches;
    } cases[] = {
        {"LC_*", "LC_ALL", true},
        {"LC_*", "LC_", true},
        {"LC_*", "LANG", false},
        {"LANG", "LANGUAGE", false},
        {"*a*b*", "xxaxxbxx", true},
        {"*a*b*", "xxbxxaxx", false},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"**", "anything", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(ssh_names_glob(cases[i].pattern_z, span_z(cases[i].text_z)),
                         cases[i].matches);
}

static void text_may_end_in_one_nul(void **state)
{
    (void)state;
    struct cursor c = cursor_of(span_of("\0\0\0\3ab\0", 7));
    assert_true(span_equal_z(ssh_names_text(&c), "ab"));
    assert_int_equal(cursor_end(&c), 0);
    c = cursor_of(span_of("\0\0\0\3a\0b", 7));
    ssh_names_text(&c);
    assert_true(c.failed);
    c = cursor_of(span_of("\0\0\0\3a\0\0", 7));
    ssh_names_text(&c);
    assert_true(c.failed);
}

static void profiles_are_found_by_name(void **state)
{
    (void)state;
    const struct ssh_profile *profile = ssh_profile_find(span_z("openssh-9.2p1"));
    assert_ptr_equal(profile, &ssh_profile_openssh_9_2p1);
    assert_null(ssh_profile_find(span_z("openssh")));
    assert_true(ssh_profile_allows_env(profile, span_z("LANG")));
    assert_false(ssh_profile_allows_env(profile, span_z("LD_PRELOAD")));
    assert_int_equal(ssh_profile_compat_of(profile, span_z("Probe-x")), SSH_COMPAT_SCANNER);
    assert_int_equal(ssh_profile_compat_of(profile, span_z("OpenSSH_9.9")),
                     SSH_COMPAT_END_OF_WRITES);
    assert_int_equal(ssh_profile_compat_of(profile, span_z("OpenSSH_4.7")), SSH_COMPAT_NONE);
    assert_int_equal(ssh_profile_compat_of(profile, span_z("libssh_0.9")), SSH_COMPAT_NONE);
}

/* ---- Numbers (RFC 4251, section 5, has these examples) ---- */

static void numbers_are_written_with_the_least_bytes(void **state)
{
    (void)state;
    static const struct {
        struct span number, encoded;
    } cases[] = {
        {SPAN_LIT(""), SPAN_LIT("\0\0\0\0")},
        {SPAN_LIT("\0\0"), SPAN_LIT("\0\0\0\0")},
        {SPAN_LIT("\x09\xa3\x78\xf9\xb2\xe3\x32\xa7"),
         SPAN_LIT("\0\0\0\x08\x09\xa3\x78\xf9\xb2\xe3\x32\xa7")},
        {SPAN_LIT("\x80"), SPAN_LIT("\0\0\0\2\0\x80")},
        {SPAN_LIT("\0\x80"), SPAN_LIT("\0\0\0\2\0\x80")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer b;
        buffer_init(&b, 64);
        assert_int_equal(ssh_mpint_put(&b, cases[i].number), 0);
        assert_true(span_equal(buffer_span(&b), cases[i].encoded));
        buffer_fini(&b);
    }
}

static void negative_and_endless_numbers_are_refused(void **state)
{
    (void)state;
    uint8_t big[4 + SSH_MPINT_MAX_BYTES + 1] = {0, 0, 8, 1, 1};
    struct cursor c = cursor_of(span_of("\0\0\0\1\x80", 5));
    ssh_mpint_get(&c);
    assert_true(c.failed);
    c = cursor_of(span_of(big, sizeof(big)));
    ssh_mpint_get(&c);
    assert_true(c.failed);
    c = cursor_of(span_of("\0\0\0\3\0\0\5", 7));
    assert_true(span_equal(ssh_mpint_get(&c), span_of("\5", 1)));
}

static void numbers_are_padded_to_a_width(void **state)
{
    (void)state;
    uint8_t out[4];
    assert_int_equal(ssh_mpint_pad(span_of("\0\1\2", 3), out, sizeof(out)), 0);
    assert_memory_equal(out, "\0\0\1\2", 4);
    assert_true(ssh_mpint_pad(span_of("\1\1\1\1\1", 5), out, sizeof(out)) < 0);
}

/* ---- Groups ---- */

/* Not primes: only the shape of the lines is looked at. */
static void fill_moduli(struct buffer *text)
{
    static const struct {
        const char *start_z;
        size_t digits;
    } lines[] = {
        {"20220714110357 2 6 100 2047 2 F", 512},   {"20220714110357 2 6 100 2047 5 A", 512},
        {"20220714110357 2 6 100 3071 2 F", 768},   {"20220714110357 2 6 100 8191 2 F", 2048},
        {"20220714110357 4 6 100 4095 2 F", 1024},  /* not known to be a safe prime */
        {"20220714110357 2 6 100 4095 2 7", 1024},  /* a bit too short */
        {"20220714110357 2 6 100 4095 1 F", 1024},  /* no generator */
        {"20220714110357 2 6 100 1023 2 F", 256},   /* too small */
        {"20220714110357 2 6 100 16383 2 F", 4096}, /* too large */
    };
    buffer_put_z(text, "# Time Type Tests Tries Size Generator Modulus\n");
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        buffer_put_z(text, lines[i].start_z);
        for (size_t d = 1; d < lines[i].digits; d++)
            buffer_put_u8(text, 'B');
        buffer_put_u8(text, '\n');
    }
    buffer_put_z(text, "rubbish");
}

static void a_group_is_the_smallest_that_suffices(void **state)
{
    (void)state;
    static const struct {
        uint32_t min, wanted, max, chosen;
    } cases[] = {
        {2048, 2048, 8192, 2048}, {2048, 2049, 8192, 3072}, {2048, 5000, 8192, 8192},
        {2048, 5000, 4096, 3072}, {4096, 4096, 8000, 0},    {2048, 8192, 8192, 8192},
    };
    static struct ssh_moduli moduli;
    struct crypto_rng rng = {{1}};
    struct buffer text;
    uint8_t prime[SSH_MODULUS_MAX_BYTES];
    buffer_init(&text, 1 << 20);
    fill_moduli(&text);
    ssh_moduli_parse(buffer_span(&text), &moduli);
    assert_int_equal(moduli.count, 4);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct ssh_modulus *found =
            ssh_moduli_choose(&moduli, cases[i].min, cases[i].wanted, cases[i].max, &rng);
        assert_int_equal(found ? found->bits : 0, cases[i].chosen);
        if (found)
            assert_int_equal(ssh_modulus_prime(found, prime), found->bits / 8);
    }
    bool seen[6] = {false};
    for (int i = 0; i < 100; i++)
        seen[ssh_moduli_choose(&moduli, 2048, 2048, 2048, &rng)->generator] = true;
    assert_true(seen[2] && seen[5]);
    ssh_moduli_parse(span_z(""), &moduli);
    assert_null(ssh_moduli_choose(&moduli, 2048, 2048, 8192, &rng));
    buffer_fini(&text);
}

static void without_a_group_of_that_size_a_known_one_is_taken(void **state)
{
    (void)state;
    uint8_t prime[SSH_MODULUS_MAX_BYTES];
    for (uint32_t max = 2048; max <= 8192; max += 512) {
        const struct ssh_modulus *found = ssh_moduli_fallback(max);
        assert_int_equal(found->bits, max < 3072 ? 2048 : max < 6144 ? 4096 : 8192);
        assert_int_equal(found->generator, 2);
        assert_int_equal(ssh_modulus_prime(found, prime), found->bits / 8);
        assert_int_equal(prime[0], 0xff);
    }
}

/* ---- Packets ---- */

static void padding_is_the_least_that_is_allowed(void **state)
{
    (void)state;
    struct ssh_sender sender;
    struct crypto_rng rng = {{0}};
    ssh_sender_init(&sender, 1 << 20);
    for (size_t len = 1; len < 64; len++) {
        uint8_t payload[64] = {0};
        assert_int_equal(ssh_sender_put(&sender, &rng, span_of(payload, len)), 0);
        struct span out = buffer_span(&sender.out);
        size_t padding = out.data[4];
        assert_int_equal(out.len % 8, 0);
        assert_true(padding >= 4 && padding < 12);
        for (size_t i = out.len - padding; i < out.len; i++)
            assert_int_equal(out.data[i], 0);
        buffer_clear(&sender.out);
    }
    assert_int_equal(sender.sequence, 63);
    ssh_sender_fini(&sender);
}

static void packets_come_out_as_they_went_in_at_any_split(void **state)
{
    (void)state;
    struct ssh_sender sender;
    struct ssh_receiver receiver;
    struct ssh_packet packet;
    struct crypto_rng rng = {{0}};
    ssh_sender_init(&sender, 1 << 20);
    ssh_receiver_init(&receiver);
    ssh_sender_put(&sender, &rng, span_z("first"));
    ssh_sender_put(&sender, &rng, span_z("second message"));
    struct span out = buffer_span(&sender.out);
    unsigned count = 0;
    for (size_t i = 0; i < out.len; i++) {
        assert_int_equal(ssh_receiver_feed(&receiver, span_slice(out, i, i + 1)), 1);
        if (ssh_receiver_next(&receiver, &packet) != SSH_PACKET_READY)
            continue;
        assert_true(span_equal_z(packet.payload, count ? "second message" : "first"));
        assert_int_equal(packet.sequence, count);
        count++;
    }
    assert_int_equal(count, 2);
    assert_int_equal(ssh_receiver_next(&receiver, &packet), SSH_PACKET_MORE);
    ssh_sender_fini(&sender);
    ssh_receiver_fini(&receiver);
}

static void lengths_out_of_range_are_told_at_once(void **state)
{
    (void)state;
    static const struct {
        struct span bytes;
        enum ssh_packet_result result;
    } cases[] = {
        {SPAN_LIT("\0\0\0\4\0\0\0\0"), SSH_PACKET_BAD_LENGTH},
        {SPAN_LIT("\0\0\0\5\0\0\0\0"), SSH_PACKET_BAD_LENGTH},
        {SPAN_LIT("\0\4\0\4\0\0\0\0"), SSH_PACKET_BAD_LENGTH},
        {SPAN_LIT("\xff\xff\xff\xfc\0\0\0\0"), SSH_PACKET_BAD_LENGTH},
        {SPAN_LIT("\0\3\xff\xfc\4\2\0\0"), SSH_PACKET_MORE},
        {SPAN_LIT("\0\0\0\x0c\3\2\0\0\0\0\0\0\0\0\0\0"), SSH_PACKET_BAD_PADDING},
        {SPAN_LIT("\0\0\0\x0c\x0b\2\0\0\0\0\0\0\0\0\0\0"), SSH_PACKET_EMPTY},
        {SPAN_LIT("\0\0\0\x0c\xff\2\0\0\0\0\0\0\0\0\0\0"), SSH_PACKET_EMPTY},
        {SPAN_LIT("\0\0\0\x0c\x0a\2\0\0\0\0\0\0\0\0\0\0"), SSH_PACKET_READY},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ssh_receiver receiver;
        struct ssh_packet packet;
        ssh_receiver_init(&receiver);
        ssh_receiver_feed(&receiver, cases[i].bytes);
        assert_int_equal(ssh_receiver_next(&receiver, &packet), cases[i].result);
        ssh_receiver_fini(&receiver);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_gives_its_names_in_order),
        cmocka_unit_test(an_empty_name_ends_a_list),
        cmocka_unit_test(patterns_match_all_of_the_text),
        cmocka_unit_test(text_may_end_in_one_nul),
        cmocka_unit_test(profiles_are_found_by_name),
        cmocka_unit_test(numbers_are_written_with_the_least_bytes),
        cmocka_unit_test(negative_and_endless_numbers_are_refused),
        cmocka_unit_test(numbers_are_padded_to_a_width),
        cmocka_unit_test(a_group_is_the_smallest_that_suffices),
        cmocka_unit_test(without_a_group_of_that_size_a_known_one_is_taken),
        cmocka_unit_test(padding_is_the_least_that_is_allowed),
        cmocka_unit_test(packets_come_out_as_they_went_in_at_any_split),
        cmocka_unit_test(lengths_out_of_range_are_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
