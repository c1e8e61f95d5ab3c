/* A visitor before the real machine: Debian's own programs answer. machine_test IMAGE, skipped (77)
 * when the image is not there (`script/setup` makes it). */
#include "visit.h"

#include "cpu/cpu.h"
#include "persona/image.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SKIPPED = 77, CODE_BYTES = 64 << 20 };

struct machine {
    struct persona_image *image;
    struct cpu_code *code;
    struct visit_host host;
};

static void start(struct machine *m, struct visit *v, const char *user_z, const char *password_z)
{
    visit_init(v, &m->host, VISIT_WHOLE, 1);
    visit_login(v, user_z, password_z);
}

static void check(const struct visit *v, bool good, const char *what_z)
{
    if (!good)
        fail_msg("%s: got:\n%.*s%.*s\nmessages:\n%.*s\nrecords:\n%.*s", what_z,
                 (int)buffer_len(&v->output), (const char *)buffer_span(&v->output).data,
                 (int)buffer_len(&v->errors), (const char *)buffer_span(&v->errors).data,
                 (int)buffer_len(&v->messages), (const char *)buffer_span(&v->messages).data,
                 (int)buffer_len(&v->records), (const char *)buffer_span(&v->records).data);
}

static bool contains(struct span text, const char *part_z)
{
    struct span part = span_z(part_z);
    for (size_t i = 0; i + part.len <= text.len; i++) {
        if (memcmp(text.data + i, part.data, part.len) == 0)
            return true;
    }
    return false;
}

static void check_exec(struct machine *m, const char *command_z, const char *output_z,
                       const char *errors_z, const char *end_z)
{
    struct visit v;
    start(m, &v, "root", "123456");
    visit_exec(&v, command_z);
    visit_lose(&v);
    check(&v, span_equal_z(buffer_span(&v.output), output_z), command_z);
    check(&v, span_equal_z(buffer_span(&v.errors), errors_z), command_z);
    check(&v, visit_count(&v.messages, end_z) == 1, command_z);
    visit_fini(&v);
}

static void commands_are_answered_by_real_programs(void **state)
{
    struct machine *m = *state;
    check_exec(m, "echo hello", "hello\n", "", "STATUS 0");
    check_exec(m, "id; pwd; false", "uid=0(root) gid=0(root) groups=0(root)\n/root\n", "",
               "STATUS 1");
    check_exec(m, "for i in 1 2 3; do echo $i; done | tac", "3\n2\n1\n", "", "STATUS 0");
    check_exec(m, "nosuchcommand12345", "", "bash: line 1: nosuchcommand12345: command not found\n",
               "STATUS 127");
    check_exec(m, "kill -TERM $$", "", "", "SIGNAL TERM");
    check_exec(m, "echo $0 $- \\\"$@\\\"; echo $TERM", "bash hBc\ndumb\n", "", "STATUS 0");
}

static void another_user_is_himself(void **state)
{
    struct visit v;
    start(*state, &v, "admin", "1234");
    visit_exec(&v, "echo $HOME $PWD $PATH; id -Gn; head -c1 /etc/shadow");
    check(&v,
          span_equal_z(buffer_span(&v.output),
                       "/home/admin /home/admin /usr/local/bin:/usr/bin:/bin:/usr/games\n"
                       "admin adm cdrom sudo audio dip video plugdev\n"),
          "admin");
    check(&v, contains(buffer_span(&v.errors), "Permission denied"), "shadow");
    visit_fini(&v);
}

static void a_file_that_is_written_is_kept(void **state)
{
    struct visit v;
    start(*state, &v, "root", "root");
    visit_exec(&v, "cat > /tmp/x; cat /tmp/x");
    visit_say(&v, "5e #0 \"payload\"");
    visit_say(&v, "60 #0");
    check(&v, span_equal_z(buffer_span(&v.output), "payload"), "output");
    check(&v, visit_count(&v.records, "cowrie.session.file_download | Saved redir contents") == 1,
          "event");
    check(&v, visit_count(&v.records, "artefact 7 at 0: 'payload'") == 1, "artefact");
    visit_fini(&v);
    start(*state, &v, "root", "root");
    visit_exec(&v, "cp /etc/hostname /tmp/y");
    check(&v, visit_count(&v.records, "lured.file.write | File written: /tmp/y") == 1, "cp");
    visit_fini(&v);
}

static void a_long_file_is_kept_whole_while_guests_stand_still(void **state)
{
    enum { SIZE = 3000000, PART = 32768 };
    struct visit v;
    char part_z[64];
    start(*state, &v, "root", "root");
    visit_exec(&v, "head -c 3000000 /dev/zero > /tmp/x; echo changed > /tmp/x; sha256sum < /tmp/x");
    check(&v, visit_count(&v.records, "artefact 3000000 at") == (SIZE + PART - 1) / PART, "parts");
    for (int at = 0; at < SIZE; at += PART) {
        (void)snprintf(part_z, sizeof(part_z), "artefact 3000000 at %d: ", at);
        check(&v, visit_count(&v.records, part_z) == 1, part_z);
    }
    check(
        &v,
        visit_count(&v.records,
                    "cowrie.session.file_download | Saved redir contents with SHA-256 35bce4eae54e"
                    "c8e6cc2868baa8d157914d6ae2858811b4cc0c078c94460fa26f to artefacts/35bc") == 1,
        "sum");
    check(&v, visit_count(&v.records, "artefact 8 at 0: 'changed") == 1, "the next");
    visit_fini(&v);
}

static void a_here_document_is_told_wherever_it_stands(void **state)
{
    struct visit v;
    start(*state, &v, "root", "root");
    visit_exec(&v, "cat <<EOF | wc -c\none $HOME\ntwo\nEOF");
    check(&v, visit_count(&v.records, "lured.shell.heredoc | Here-document: one $HOME\\ntwo") == 1,
          "here-document");
    visit_fini(&v);
}

/* More than any pipe, window or buffer on the way holds. */
static void much_input_comes_back_whole(void **state)
{
    enum { PIECE = 32000, PIECES = 200 };
    struct visit v;
    start(*state, &v, "root", "123456");
    visit_say(&v, "5a \"session\" #0 #2000000000 #32768");
    visit_say(&v, "62 #0 \"exec\" 01 \"cat\"");
    for (int i = 0; i < PIECES; i++) {
        struct buffer message;
        buffer_init(&message, PIECE + 16);
        (void)buffer_put_u8(&message, 0x5e);
        (void)buffer_put_u32(&message, 0);
        (void)buffer_put_u32(&message, PIECE);
        for (int j = 0; j < PIECE; j++)
            (void)buffer_put_u8(&message, (uint8_t)(i * 7 + j));
        ssh_client_send(v.client, buffer_span(&message));
        buffer_fini(&message);
        /* A client waits for its window, which is 2 MiB. */
        if (i % 50 == 0)
            visit_pump(&v);
    }
    visit_say(&v, "60 #0");
    check(&v, buffer_len(&v.output) == (size_t)PIECE * PIECES, "length");
    for (int i = 0; i < PIECE * PIECES; i += 101)
        assert_int_equal(buffer_span(&v.output).data[i], (uint8_t)(i / PIECE * 7 + i % PIECE));
    check(&v, visit_count(&v.messages, "STATUS 0") == 1, "status");
    visit_fini(&v);
}

static void a_login_shell_edits_lines_and_tells_them(void **state)
{
    struct visit v;
    start(*state, &v, "root", "123456");
    visit_say(&v, "5a \"session\" #0 #2097152 #32768");
    visit_say(&v, "62 #0 \"pty-req\" 01 \"xterm\" #80 #24 #0 #0 \"\"");
    visit_say(&v, "62 #0 \"shell\" 01");
    visit_say(&v, "5e #0 \"echo ac\\x1b[Db\\r\"");
    visit_say(&v, "62 #0 \"window-change\" 00 #100 #30 #0 #0");
    visit_say(&v, "5e #0 \"stty size; tty\\r\"");
    visit_say(&v, "5e #0 \"sleep 1000\\r\"");
    visit_say(&v, "5e #0 \"\\x03\"");
    visit_say(&v, "5e #0 \"exit 5\\r\"");
    visit_lose(&v);
    struct span seen = buffer_span(&v.output);
    check(&v, span_starts_with(seen, span_z("Linux srv04 6.1.0-")), "greeting");
    check(&v, contains(seen, "permitted by applicable law.\r\n\x1b[?2004hroot@srv04:~# "),
          "prompt");
    check(&v, contains(seen, "echo ac\bbc\b\r\n\x1b[?2004l\rabc\r\n"), "editing");
    check(&v, contains(seen, "\r\n\x1b[?2004l\r30 100\r\n/dev/pts/0\r\n"), "size");
    check(&v, contains(seen, "^C\r\n"), "interrupt");
    check(&v, contains(seen, "\x1b[?2004l\rlogout\r\n"), "logout");
    check(&v, visit_count(&v.messages, "STATUS 5") == 1, "status");
    check(&v, visit_count(&v.records, "cowrie.command.input | CMD: echo abc") == 1, "line");
    check(&v, visit_count(&v.records, "cowrie.command.input | CMD: exit 5") == 1, "last line");
    visit_fini(&v);
}

/* SSH_FXP_INIT of version 3, and the first bytes of the answer. */
static void sftp_is_the_real_server(void **state)
{
    struct visit v;
    start(*state, &v, "root", "123456");
    visit_say(&v, "5a \"session\" #0 #2097152 #32768");
    visit_say(&v, "62 #0 \"subsystem\" 01 \"sftp\"");
    visit_say(&v, "5e #0 \"\\0\\0\\0\\x05\\x01\\0\\0\\0\\x03\"");
    struct span answer = buffer_span(&v.output);
    check(&v,
          answer.len > 28 && span_equal(span_slice(answer, 4, 9), span_of("\x02\0\0\0\x03", 5)) &&
              contains(answer, "posix-rename@openssh.com"),
          "version");
    visit_fini(&v);
}

int main(int argc, char **argv)
{
    int fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return SKIPPED;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    struct machine m = {.code = cpu_code_new(CODE_BYTES)};
    if (map == MAP_FAILED || m.code == NULL ||
        persona_image_open(span_of(map, (size_t)st.st_size), &m.image) < 0)
        return 1;
    visit_host_init(&m.host, m.image, NULL, m.code);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(commands_are_answered_by_real_programs, &m),
        cmocka_unit_test_prestate(another_user_is_himself, &m),
        cmocka_unit_test_prestate(a_file_that_is_written_is_kept, &m),
        cmocka_unit_test_prestate(a_long_file_is_kept_whole_while_guests_stand_still, &m),
        cmocka_unit_test_prestate(a_here_document_is_told_wherever_it_stands, &m),
        cmocka_unit_test_prestate(much_input_comes_back_whole, &m),
        cmocka_unit_test_prestate(a_login_shell_edits_lines_and_tells_them, &m),
        cmocka_unit_test_prestate(sftp_is_the_real_server, &m),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    visit_host_fini(&m.host);
    persona_image_close(m.image);
    cpu_code_free(m.code);
    return failed;
}
