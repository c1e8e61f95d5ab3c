/* Known answers, from the documents named at each, and the refusals. */
#include "base/error.h"
#include "crypto/cipher.h"
#include "crypto/key.h"
#include "crypto/kx.h"
#include "crypto/mac.h"
#include "crypto/name.h"
#include "crypto/sntrup761.h"
#include "crypto/umac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HEX_MAX_BYTES = 2048 };

static int set_up(void **state)
{
    *state = crypto_suite_new();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    crypto_suite_free(*state);
    return 0;
}

/* Bytes from hex digits. */
static struct span hex(const char *text_z, uint8_t out[HEX_MAX_BYTES])
{
    size_t len = strlen(text_z) / 2;
    for (size_t i = 0; i < len; i++) {
        char pair_z[3] = {text_z[2 * i], text_z[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(pair_z, NULL, 16);
    }
    return span_of(out, len);
}

static void assert_hex(struct span got, const char *wanted_z)
{
    uint8_t wanted[HEX_MAX_BYTES];
    struct span w = hex(wanted_z, wanted);
    assert_int_equal(got.len, w.len);
    assert_memory_equal(got.data, w.data, w.len);
}

/* ---- Digests and codes ---- */

static void digests_of_parts_are_those_of_the_whole(void **state)
{
    static const struct {
        enum crypto_digest digest;
        const char *hex_z;
    } cases[] = {
        {CRYPTO_MD5, "900150983cd24fb0d6963f7d28e17f72"},
        {CRYPTO_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {CRYPTO_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {CRYPTO_SHA384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                        "8086072ba1e7cc2358baeca134c825a7"},
        {CRYPTO_SHA512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    };
    const struct span parts[] = {SPAN_LIT("a"), SPAN_LIT(""), SPAN_LIT("bc")};
    uint8_t out[CRYPTO_DIGEST_MAX_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(crypto_digest_parts(*state, cases[i].digest, parts, ARRAY_LEN(parts), out),
                         0);
        assert_hex(span_of(out, crypto_digest_bytes(cases[i].digest)), cases[i].hex_z);
    }
    crypto_name_sha256(parts, ARRAY_LEN(parts), out);
    assert_hex(span_of(out, CRYPTO_NAME_SHA256_BYTES), cases[2].hex_z);
}

/* RFC 4231 and RFC 2202, case 2. */
static void hmac_keeps_its_key_for_the_next_message(void **state)
{
    static const struct {
        enum crypto_digest digest;
        const char *hex_z;
    } cases[] = {
        {CRYPTO_SHA1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
        {CRYPTO_SHA256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {CRYPTO_SHA512, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    };
    const struct span parts[] = {SPAN_LIT("what do ya want "), SPAN_LIT("for nothing?")};
    uint8_t out[CRYPTO_DIGEST_MAX_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct crypto_hmac *mac = crypto_hmac_new(*state, cases[i].digest, span_z("Jefe"));
        assert_non_null(mac);
        for (int again = 0; again < 3; again++) {
            assert_int_equal(crypto_hmac_compute(mac, parts, ARRAY_LEN(parts), out), 0);
            assert_hex(span_of(out, crypto_digest_bytes(cases[i].digest)), cases[i].hex_z);
        }
        crypto_hmac_free(mac);
    }
}

/* RFC 4418, appendix; the tags of 16 bytes go on where its tags of 12 end. */
static void umac_agrees_with_the_document(void **state)
{
    static const struct {
        const char *text_z;
        size_t times;
        const char *tag8_z, *tag16_z;
    } cases[] = {
        {"", 1, "6e155fad26900be1", "32fedb100c79ad58f07ff7643cc60465"},
        {"a", 3, "44b5cb542f220104", "185e4fe905cba7bd85e4c2dc3d117d8d"},
        {"a", 1 << 10, "26bf2f5d60118bd9", "7a54abe04af82d60fb298c3cbd195bcb"},
        {"a", 1 << 15, "27f8ef643b0d118d", "7b136bd911e4b734286ef2be501f2c3c"},
        {"a", 1 << 20, "a4477e87e9f55853", "f8acfa3ac31cfeea047f7b115b03bef5"},
        {"abc", 1, "d4d7b9f6bd4fbfcf", "883c3d4b97a61976ffcf232308cba5a5"},
        {"abc", 500, "d4cf26ddefd5c01a", "8824a260c53c66a36c9260a62cb83aa1"},
    };
    const uint8_t *key = (const uint8_t *)"abcdefghijklmnop";
    const uint8_t *nonce = (const uint8_t *)"bcdefghi";
    struct crypto_umac *mac8 = crypto_umac_new(*state, key, 8);
    struct crypto_umac *mac16 = crypto_umac_new(*state, key, 16);
    assert_true(mac8 && mac16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer message;
        uint8_t tag[CRYPTO_UMAC_TAG_MAX_BYTES];
        buffer_init(&message, 1 << 21);
        for (size_t t = 0; t < cases[i].times; t++)
            buffer_put_z(&message, cases[i].text_z);
        assert_int_equal(crypto_umac_compute(mac8, nonce, buffer_span(&message), tag), 0);
        assert_hex(span_of(tag, 8), cases[i].tag8_z);
        assert_int_equal(crypto_umac_compute(mac16, nonce, buffer_span(&message), tag), 0);
        assert_hex(span_of(tag, 16), cases[i].tag16_z);
        buffer_fini(&message);
    }
    crypto_umac_free(mac8);
    crypto_umac_free(mac16);
}

/* ---- Ciphers ---- */

/* NIST SP 800-38A, F.5.1, F.5.3, F.5.5. */
static void counter_mode_runs_on_over_calls(void **state)
{
    static const struct {
        const char *key_z, *cipher_z;
    } cases[] = {
        {"2b7e151628aed2a6abf7158809cf4f3c",
         "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"},
        {"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
         "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"},
        {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
         "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"},
    };
    uint8_t key[HEX_MAX_BYTES], iv[HEX_MAX_BYTES], data[HEX_MAX_BYTES];
    hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", iv);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51", data);
        struct crypto_ctr *ctr = crypto_ctr_new(*state, hex(cases[i].key_z, key), iv);
        assert_int_equal(crypto_ctr_apply(ctr, data, 5), 0);
        assert_int_equal(crypto_ctr_apply(ctr, data + 5, 27), 0);
        assert_hex(span_of(data, 32), cases[i].cipher_z);
        crypto_ctr_free(ctr);
    }
    assert_null(crypto_ctr_new(*state, span_of(key, 17), iv));
}

/* The GCM specification's test cases 2 and 14. */
static void galois_mode_counts_packets(void **state)
{
    static const struct {
        size_t key_bytes;
        const char *cipher_z, *tag_z;
    } cases[] = {
        {16, "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"},
        {32, "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    };
    static const uint8_t zeros[32];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t data[16] = {0}, second[16] = {0}, tag[16], second_tag[16];
        struct span key = span_of(zeros, cases[i].key_bytes), none = span_of(zeros, 0);
        struct crypto_gcm *seal = crypto_gcm_new(*state, key, zeros);
        struct crypto_gcm *open = crypto_gcm_new(*state, key, zeros);
        assert_int_equal(crypto_gcm_seal(seal, none, data, 16, tag), 0);
        assert_hex(span_of(data, 16), cases[i].cipher_z);
        assert_hex(span_of(tag, 16), cases[i].tag_z);
        assert_int_equal(crypto_gcm_seal(seal, span_of("aad", 3), second, 16, second_tag), 0);
        assert_memory_not_equal(data, second, 16);
        assert_int_equal(crypto_gcm_open(open, none, data, 16, tag), 0);
        assert_memory_equal(data, zeros, 16);
        assert_int_equal(crypto_gcm_open(open, span_of("aad", 3), second, 16, second_tag), 0);
        assert_memory_equal(second, zeros, 16);
        assert_int_equal(crypto_gcm_open(open, none, second, 16, second_tag), ERR_AUTH);
        crypto_gcm_free(seal);
        crypto_gcm_free(open);
    }
}

/* Computed by another implementation of the same primitives. */
static void chachapoly_seals_as_openssh_does(void **state)
{
    (void)state;
    uint8_t key[CRYPTO_CHACHAPOLY_KEY_BYTES], packet[20] = {0, 0, 0, 16}, tag[16], length[4];
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)i;
    for (size_t i = 4; i < sizeof(packet); i++)
        packet[i] = (uint8_t)(96 + i);
    crypto_chachapoly_seal(key, 7, packet, sizeof(packet), tag);
    assert_hex(span_of(packet, sizeof(packet)), "a39afcba4c23732426ea40350000d59fa7fea15f");
    assert_hex(span_of(tag, sizeof(tag)), "c5c5e1bedc4a05cf4d8e52e0d125c306");
    crypto_chachapoly_length(key, 7, packet, length);
    assert_hex(span_of(length, 4), "00000010");
    assert_int_equal(crypto_chachapoly_open(key, 8, packet, sizeof(packet), tag), ERR_AUTH);
    tag[15] ^= 1;
    assert_int_equal(crypto_chachapoly_open(key, 7, packet, sizeof(packet), tag), ERR_AUTH);
    tag[15] ^= 1;
    assert_int_equal(crypto_chachapoly_open(key, 7, packet, sizeof(packet), tag), 0);
    assert_int_equal(packet[4], 100);
    assert_int_equal(packet[19], 115);
}

/* ---- Key agreement ---- */

static void derive_hex(const struct crypto_suite *suite, enum crypto_kx_group group,
                       const char *private_z, const char *peer_z, const char *secret_z)
{
    struct crypto_kx kx = {.group = group};
    uint8_t bytes[HEX_MAX_BYTES], secret[CRYPTO_KX_PUBLIC_MAX_BYTES];
    size_t len;
    struct span own = hex(private_z, bytes);
    memcpy(kx.private, own.data, own.len);
    assert_int_equal(crypto_kx_derive(suite, &kx, hex(peer_z, bytes), secret, &len), 0);
    assert_hex(span_of(secret, len), secret_z);
}

static void shared_secrets_are_those_of_the_documents(void **state)
{
    /* RFC 7748, section 6.1 */
    derive_hex(*state, CRYPTO_KX_X25519,
               "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
               "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
               "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    /* RFC 5903, section 8.1 */
    derive_hex(*state, CRYPTO_KX_P256,
               "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
               "04d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
               "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
               "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
}

/* 31 to the power of a known number, by another implementation; the digest of the result. */
static void the_modp_groups_are_those_of_rfc_3526(void **state)
{
    static const struct {
        enum crypto_kx_group group;
        size_t bytes;
        const char *digest_z;
    } cases[] = {
        {CRYPTO_KX_MODP2048, 256,
         "592b6d14ed9195578088ac4dbf7fa3ac38ced760efb8778f38eec68529040f5e"},
        {CRYPTO_KX_MODP4096, 512,
         "fcc83910e6caeb34b2cd60aff71fce87c2c70ed98e48a92cac6a2c5925e6706f"},
        {CRYPTO_KX_MODP8192, 1024,
         "68df3c0a4a1ba3bc721710a63e1530c38caaaca095f1eab5874b03fba6357b62"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct crypto_kx kx = {.group = cases[i].group};
        uint8_t secret[CRYPTO_KX_PUBLIC_MAX_BYTES], digest[CRYPTO_NAME_SHA256_BYTES];
        size_t len;
        for (size_t b = 0; b < 64; b++)
            kx.private[b] = (uint8_t)(b + 1);
        assert_int_equal(crypto_kx_derive(*state, &kx, span_of("\x1f", 1), secret, &len), 0);
        assert_int_equal(len, cases[i].bytes);
        struct span all = span_of(secret, len);
        crypto_name_sha256(&all, 1, digest);
        assert_hex(span_of(digest, sizeof(digest)), cases[i].digest_z);
    }
}

static void both_sides_get_the_same_secret(void **state)
{
    struct crypto_rng rng;
    crypto_rng_init(&rng, (const uint8_t[CRYPTO_RNG_SEED_BYTES]){1});
    for (int group = 0; group < CRYPTO_KX_DH; group++) {
        struct crypto_kx a, b;
        uint8_t first[CRYPTO_KX_PUBLIC_MAX_BYTES], second[CRYPTO_KX_PUBLIC_MAX_BYTES];
        size_t first_len, second_len;
        assert_int_equal(crypto_kx_generate(*state, (enum crypto_kx_group)group, &rng, &a), 0);
        assert_int_equal(crypto_kx_generate(*state, (enum crypto_kx_group)group, &rng, &b), 0);
        assert_int_equal(
            crypto_kx_derive(*state, &a, span_of(b.public, b.public_len), first, &first_len), 0);
        assert_int_equal(
            crypto_kx_derive(*state, &b, span_of(a.public, a.public_len), second, &second_len), 0);
        assert_int_equal(first_len, second_len);
        assert_memory_equal(first, second, first_len);
    }
}

static void bad_public_values_are_refused(void **state)
{
    static const struct {
        enum crypto_kx_group group;
        const char *peer_z;
    } cases[] = {
        {CRYPTO_KX_X25519, ""},
        {CRYPTO_KX_X25519, "00"},
        {CRYPTO_KX_X25519, "0000000000000000000000000000000000000000000000000000000000000000"},
        {CRYPTO_KX_X25519, "0100000000000000000000000000000000000000000000000000000000000000"},
        {CRYPTO_KX_X25519, "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
        {CRYPTO_KX_P256, ""},
        {CRYPTO_KX_P256, "00"},
        {CRYPTO_KX_P256, "04d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
                         "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ac"},
        {CRYPTO_KX_P256, "03d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"},
        {CRYPTO_KX_MODP2048, ""},
        {CRYPTO_KX_MODP2048, "00"},
        {CRYPTO_KX_MODP2048, "01"},
    };
    struct crypto_rng rng;
    crypto_rng_init(&rng, (const uint8_t[CRYPTO_RNG_SEED_BYTES]){1});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct crypto_kx kx;
        uint8_t bytes[HEX_MAX_BYTES], secret[CRYPTO_KX_PUBLIC_MAX_BYTES];
        size_t len;
        assert_int_equal(crypto_kx_generate(*state, cases[i].group, &rng, &kx), 0);
        assert_int_equal(crypto_kx_derive(*state, &kx, hex(cases[i].peer_z, bytes), secret, &len),
                         ERR_MALFORMED);
    }
}

/* A public key and what a seed makes of it; the secret was found again with the private key by
 * another implementation. */
static const char sntrup_public_z[] =
    "afa202a4ce944b8e5f420e7fe4c032f17e706715e575fc5b7572365adbf41233fc70bc7cc9631a3ecb6049ea013c"
    "1048ac5618ac52e43dcd2f3c3f4cacd7b6b2118377058a2b585edb717a9396ac906f92e5a65f41361fa1c86f5589"
    "4d712628500cb04248e4a7c45bd4eaa52189fad9de2e5c3868985254e868052203fb25ad24c4bfef7e07dd710775"
    "1c1e2a4d988e49630554fd9bbbb676e24bbbe10f2260cf1b07504c6dcb6a4ff8ecc5b58e112c009a849f949b5145"
    "cb28da3f9af7e64d653dc06d3265810364844a963bb941ec4f5b26be10a316ef6dc346421c5ef5afeb8116233a51"
    "73dc8af94900fcfa5e95c2e2b8d4042cb5d1b60659f052ad56f5402b1644049ee2bcddf8406318900871e444c95f"
    "9e2ba0bc57d05ae219fd7c6591444e0ef5ff32448fc276e0918bba810134a5afbcdb1d71f51c29420bf721ca0bbe"
    "ee6b77e2bd8c4f05f94e7b00b8f9d1609b03c5d603fba08a0f57d02ff1444779ea54f8b067b6729456c45b2fcfa5"
    "bfd967b546a0ae1cb63d3c7279551a41979f4d13e582b6d84dbb819b0647d0fbe48ffae7feeab981509472950a05"
    "5fe6fff019c0bd38c4b165f69d8647e8daf16d45c54f4f4cc18838da5e4cc3cc9b5da56c2c98fcb18841546bbe1f"
    "eca96f53d6962b95e8da3d3480a19a5b372596ab0d56b93e6061fa0e5369b75f70e8460e6c3c606f1374017e540c"
    "1f25c68174e5f1696da705999b20b881d81cb687a9798147222fab68fe64497ac0d78dc2f7a8b1a2c9a5a5cead77"
    "7bed5adf270ab8a99f5c6e962de303bce7b04cce5a99efe692c87931e6786df905431be9bfcc2e436402c0bb1be2"
    "fb0b89c2accbd3bc45cc8de2948383cd5b0c512a288a817984adf28bb8ca3bc882e9365fc47000ba57a4db3be09e"
    "5131d295ac4c4fc8109ddfe82dbcc9f39036d772a315cb7fba6c13001720d3a7fccd001a3ac3a16353b34e21d822"
    "a612e7e8de00a4450331733d09505a6a05bfba189664b486c9e426ca40e36fc81aa928feeea5edc9122b233e16e2"
    "40bdb80c9e95933782e0e950684f9a388785c0be4bec4c0da3660178135f5931b65da765a77c8902e542d8caede2"
    "60b1bac821b4cb6e4e7129eb96e872cc0de2c7bc543f383e530cfa5f1e181ec70200ac8a93872d7e3468436689ef"
    "9a0749f0e505437eb932a20601d72b6e5ea58be6a33f22c70b1613eca282adeec0645004c55dce38f02058782186"
    "aeb9218506ea581a2e5671547d08e74ca084d7f3947e0c66d38ff0e15956f768ed8592897c900a3f58bb904215de"
    "7f8605ad6c6c43b055974f99890c1dfc0bd51e405d2213cfe72ce611d7494126370e590418d27278c213e77cdcc0"
    "699c0af03e555f8af69c2bc7c3220bab88fbaca874faff38b934f5b78214ed9baf83062f79a950f7f1a7dfc07e9d"
    "12ea6f86c873777930743fdb9e70c91e811dd8e8b2e9ec0ba5e80c317d5eac5ed90cef960861c9d77a1116c80c9e"
    "ca206c3e1356769bc40eecadc60a3ec329422efae7a0ca8f37024a9f142c92ddbd1d198ed11f2e5d2c16091d7cbb"
    "50e6342f6a13ac140fc8de9c5b30f84e751fb1b1b1ebb614f10689caa25ce5cd101ff9ba21d4948292a10f5d1030"
    "57e1193bfa8de401";

static void sntrup761_encapsulates_for_the_owner_of_the_key(void **state)
{
    uint8_t key[HEX_MAX_BYTES], cipher[CRYPTO_SNTRUP761_CIPHER_BYTES];
    uint8_t secret[CRYPTO_SNTRUP761_SECRET_BYTES], digest[CRYPTO_NAME_SHA256_BYTES];
    struct crypto_rng rng;
    crypto_rng_init(&rng, (const uint8_t[CRYPTO_RNG_SEED_BYTES]){7});
    assert_int_equal(hex(sntrup_public_z, key).len, CRYPTO_SNTRUP761_PUBLIC_BYTES);
    assert_int_equal(crypto_sntrup761_encapsulate(*state, &rng, key, cipher, secret), 0);
    assert_hex(span_of(secret, sizeof(secret)),
               "82a87bd6bd1752ab2257a7ed10837d178f8a9b22e8a55da111c394066c9f7dd8");
    struct span all = span_of(cipher, sizeof(cipher));
    crypto_name_sha256(&all, 1, digest);
    assert_hex(span_of(digest, sizeof(digest)),
               "1a2873ffb52a9b821cfd395f53784a827233a3b86f03b5a733c859810c37715f");
}

static void sntrup761_takes_any_public_key(void **state)
{
    uint8_t key[CRYPTO_SNTRUP761_PUBLIC_BYTES], cipher[CRYPTO_SNTRUP761_CIPHER_BYTES];
    uint8_t secret[CRYPTO_SNTRUP761_SECRET_BYTES];
    struct crypto_rng rng;
    crypto_rng_init(&rng, (const uint8_t[CRYPTO_RNG_SEED_BYTES]){8});
    for (int round = 0; round < 20; round++) {
        crypto_rng_bytes(&rng, key, sizeof(key));
        if (round < 2)
            memset(key, round ? 0xff : 0, sizeof(key));
        assert_int_equal(crypto_sntrup761_encapsulate(*state, &rng, key, cipher, secret), 0);
    }
}

/* ---- Signatures ---- */

/* RFC 8032, section 7.1, test 1, its secret key as PKCS #8. */
static void ed25519_signs_as_the_document_does(void **state)
{
    static const char pem_z[] = "-----BEGIN PRIVATE KEY-----\n"
                                "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                "-----END PRIVATE KEY-----\n";
    uint8_t signature[CRYPTO_KEY_SIGNATURE_MAX_BYTES];
    size_t len;
    int err;
    struct span public, none;
    struct crypto_key *key = crypto_key_load(span_z(pem_z), &err);
    assert_non_null(key);
    crypto_key_public(key, &public, &none);
    assert_hex(public, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_int_equal(crypto_key_sign(*state, key, CRYPTO_SHA512, span_of("", 0), signature, &len),
                     0);
    assert_hex(span_of(signature, len),
               "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
               "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    crypto_key_free(key);
}

static void every_kind_of_key_signs_and_checks(void **state)
{
    static const enum crypto_key_type types[] = {CRYPTO_KEY_RSA, CRYPTO_KEY_ECDSA_P256,
                                                 CRYPTO_KEY_ED25519};
    struct span message = span_z("message"), other = span_z("massage");
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct buffer pem;
        uint8_t signature[CRYPTO_KEY_SIGNATURE_MAX_BYTES];
        size_t len;
        int err;
        buffer_init(&pem, 16384);
        assert_int_equal(crypto_key_generate(types[i], 2048, &pem), 0);
        struct crypto_key *key = crypto_key_load(buffer_span(&pem), &err);
        assert_non_null(key);
        assert_int_equal(crypto_key_type(key), types[i]);
        assert_int_equal(crypto_key_sign(*state, key, CRYPTO_SHA256, message, signature, &len), 0);
        struct span s = span_of(signature, len);
        assert_int_equal(crypto_key_verify(*state, key, CRYPTO_SHA256, message, s), 0);
        assert_int_equal(crypto_key_verify(*state, key, CRYPTO_SHA256, other, s), ERR_AUTH);
        signature[len / 2] ^= 1;
        assert_int_equal(crypto_key_verify(*state, key, CRYPTO_SHA256, message, s), ERR_AUTH);
        assert_int_equal(
            crypto_key_verify(*state, key, CRYPTO_SHA256, message, span_slice(s, 0, len - 1)),
            ERR_AUTH);
        crypto_key_free(key);
        buffer_fini(&pem);
    }
}

static void what_is_no_private_key_is_refused(void **state)
{
    (void)state;
    static const char *const texts_z[] = {
        "",
        "rubbish",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        /* a public key */
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
        "-----END PUBLIC KEY-----\n",
        /* encrypted: nobody is asked for a passphrase */
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts_z); i++) {
        int err = 0;
        assert_null(crypto_key_load(span_z(texts_z[i]), &err));
        assert_int_equal(err, ERR_MALFORMED);
    }
}

/* ---- Randomness and names ---- */

static void the_generator_repeats_itself_for_a_seed_and_never_otherwise(void **state)
{
    (void)state;
    struct crypto_rng a, b;
    uint8_t first[64], second[64];
    crypto_rng_init(&a, (const uint8_t[CRYPTO_RNG_SEED_BYTES]){5});
    crypto_rng_init(&b, (const uint8_t[CRYPTO_RNG_SEED_BYTES]){5});
    crypto_rng_bytes(&a, first, sizeof(first));
    crypto_rng_bytes(&b, second, sizeof(second));
    assert_memory_equal(first, second, sizeof(first));
    crypto_rng_bytes(&a, first, sizeof(first));
    assert_memory_not_equal(first, second, sizeof(first));
    assert_memory_not_equal(a.key, b.key, sizeof(a.key));
}

static void base64_with_and_without_padding(void **state)
{
    (void)state;
    char out_z[16];
    crypto_name_base64(span_z("a"), true, out_z, sizeof(out_z));
    assert_string_equal(out_z, "YQ==");
    crypto_name_base64(span_z("a"), false, out_z, sizeof(out_z));
    assert_string_equal(out_z, "YQ");
    crypto_name_base64(span_z(""), true, out_z, sizeof(out_z));
    assert_string_equal(out_z, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_of_parts_are_those_of_the_whole),
        cmocka_unit_test(hmac_keeps_its_key_for_the_next_message),
        cmocka_unit_test(umac_agrees_with_the_document),
        cmocka_unit_test(counter_mode_runs_on_over_calls),
        cmocka_unit_test(galois_mode_counts_packets),
        cmocka_unit_test(chachapoly_seals_as_openssh_does),
        cmocka_unit_test(shared_secrets_are_those_of_the_documents),
        cmocka_unit_test(the_modp_groups_are_those_of_rfc_3526),
        cmocka_unit_test(both_sides_get_the_same_secret),
        cmocka_unit_test(bad_public_values_are_refused),
        cmocka_unit_test(sntrup761_encapsulates_for_the_owner_of_the_key),
        cmocka_unit_test(sntrup761_takes_any_public_key),
        cmocka_unit_test(ed25519_signs_as_the_document_does),
        cmocka_unit_test(every_kind_of_key_signs_and_checks),
        cmocka_unit_test(what_is_no_private_key_is_refused),
        cmocka_unit_test(the_generator_repeats_itself_for_a_seed_and_never_otherwise),
        cmocka_unit_test(base64_with_and_without_padding),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
