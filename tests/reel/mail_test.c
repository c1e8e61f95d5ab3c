/* Messages as text. */
#include "helper.h"

#include <reel/mail.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const one[] = {"to@example.org"};

static struct reel_mail mail_of(const char *subject_z, const char *text_z)
{
    return (struct reel_mail){
        .from_z = "from@example.org",
        .to_z = one,
        .to_count = 1,
        .subject_z = subject_z,
        .text_z = text_z,
        .date_s = 1000000000,
        .id_z = "1.a",
    };
}

static char *write_mail(const struct reel_mail *mail)
{
    int64_t len = reel_mail_write(mail, NULL, 0);
    assert_true(len > 0);
    char *out_z = malloc((size_t)len + 1); /* of this size, so that a byte too many is seen */
    assert_non_null(out_z);
    assert_int_equal(reel_mail_write(mail, out_z, (size_t)len), len);
    out_z[len] = '\0';
    return out_z;
}

static void check_lines(const char *text_z)
{
    for (size_t len = 0; *text_z; text_z += len + 2) {
        len = strcspn(text_z, "\r");
        assert_true(len <= 320);
        assert_memory_equal(text_z + len, "\r\n", 2);
        assert_null(memchr(text_z, '\n', len));
    }
}

static void a_plain_message_is_what_one_expects(void **state)
{
    (void)state;
    struct reel_mail mail = mail_of("hello there", "first\nsecond\r\nthird");
    mail.from_name_z = "The \"Alerts\"";
    char *text_z = write_mail(&mail);
    assert_string_equal(text_z, "Date: Sun, 09 Sep 2001 01:46:40 +0000\r\n"
                                "From: \"The \\\"Alerts\\\"\" <from@example.org>\r\n"
                                "To: to@example.org\r\n"
                                "Subject: hello there\r\n"
                                "Message-ID: <1.a@example.org>\r\n"
                                "MIME-Version: 1.0\r\n"
                                "Content-Type: text/plain; charset=us-ascii\r\n"
                                "Content-Transfer-Encoding: 7bit\r\n"
                                "\r\n"
                                "first\r\nsecond\r\nthird\r\n");
    free(text_z);
}

static void other_languages_are_encoded(void **state)
{
    (void)state;
    struct reel_mail mail = mail_of("Gr\xc3\xbc\xc3\x9f"
                                    "e",
                                    "\xe2\x82\xac\nx");
    mail.from_name_z = "J\xc3\xb6rg";
    char *text_z = write_mail(&mail);
    assert_non_null(strstr(text_z, "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n"));
    assert_non_null(strstr(text_z, "From: =?UTF-8?B?SsO2cmc=?= <from@example.org>\r\n"));
    assert_non_null(strstr(text_z, "charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                                   "4oKsDQp4\r\n"));
    free(text_z);
}

static void long_things_are_folded(void **state)
{
    (void)state;
    char subject[400] = "", wide[601] = "", body[2000];
    for (int i = 0; i < 30; i++)
        snprintf(subject + strlen(subject), 16, "%swonderful", i ? " " : "");
    for (int i = 0; i < 200; i++)
        memcpy(wide + strlen(wide), "\xe2\x82\xac", 4);
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    const char *to_z[50];
    for (int i = 0; i < 50; i++)
        to_z[i] = "someone.with.a.name@example.org";
    struct reel_mail mail = mail_of(subject, body);
    mail.to_z = to_z;
    mail.to_count = 50;
    char *text_z = write_mail(&mail);
    check_lines(text_z);
    assert_non_null(strstr(text_z, "wonderful\r\n wonderful"));
    assert_non_null(strstr(text_z, "org,\r\n someone"));
    assert_non_null(strstr(text_z, "base64"));
    free(text_z);
    mail = mail_of(wide, "x");
    text_z = write_mail(&mail);
    check_lines(text_z);
    assert_non_null(strstr(text_z, "?=\r\n =?UTF-8?B?"));
    free(text_z);
}

static void what_could_be_misread_is_encoded(void **state)
{
    (void)state;
    static const char *const subjects[] = {"=?UTF-8?B?eA==?=", " x", "x ", "a  b", NULL};
    for (size_t i = 0; subjects[i]; i++) {
        const struct reel_mail mail = mail_of(subjects[i], "x");
        char *text_z = write_mail(&mail);
        assert_non_null(strstr(text_z, "Subject: =?UTF-8?B?"));
        free(text_z);
    }
}

static void nothing_makes_a_header_of_its_own(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "x\r\nBcc: y@z",    "x\ny", "x\ry", "\x01", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x82",
        "\xf5\x80\x80\x80", NULL};
    for (size_t i = 0; bad[i]; i++) {
        struct reel_mail mail = mail_of(bad[i], "x");
        assert_int_equal(reel_mail_write(&mail, NULL, 0), -EINVAL);
        mail = mail_of("x", "x");
        mail.from_name_z = bad[i];
        assert_int_equal(reel_mail_write(&mail, NULL, 0), -EINVAL);
        mail = mail_of("x", "x");
        mail.id_z = bad[i];
        assert_int_equal(reel_mail_write(&mail, NULL, 0), -EINVAL);
        mail = mail_of("x", "x");
        mail.from_z = bad[i];
        assert_int_equal(reel_mail_write(&mail, NULL, 0), -EINVAL);
        mail.from_z = "a@b";
        mail.to_z = &bad[i];
        assert_int_equal(reel_mail_write(&mail, NULL, 0), -EINVAL);
    }
    struct reel_mail mail = mail_of("x", "lone\rcr");
    assert_int_equal(reel_mail_write(&mail, NULL, 0), -EINVAL);
    mail = mail_of("x", "x");
    mail.to_count = 0;
    assert_int_equal(reel_mail_write(&mail, NULL, 0), -EINVAL);
    mail = mail_of("x", "x");
    mail.date_s = INT64_MAX;
    assert_int_equal(reel_mail_write(&mail, NULL, 0), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_message_is_what_one_expects),
        cmocka_unit_test(other_languages_are_encoded),
        cmocka_unit_test(long_things_are_folded),
        cmocka_unit_test(what_could_be_misread_is_encoded),
        cmocka_unit_test(nothing_makes_a_header_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
