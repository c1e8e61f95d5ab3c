/* The built image of personas/debian-12 against facts of such a machine: debian_test IMAGE.
 * Skipped (77) when the image is not there: `script/setup` makes it. */
#include "persona/image.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SKIPPED = 77 };

struct fact {
    const char *path_z; /* its last part is not followed */
    uint32_t mode, uid, gid;
    const char *target_z; /* links */
};

static const struct fact facts[] = {
    {"/", 0040755, 0, 0, NULL},
    {"/bin", 0120777, 0, 0, "usr/bin"},
    {"/sbin", 0120777, 0, 0, "usr/sbin"},
    {"/lib64", 0120777, 0, 0, "usr/lib64"},
    {"/etc/hostname", 0100755, 0, 0, NULL},
    {"/etc/localtime", 0120777, 0, 0, "/usr/share/zoneinfo/Etc/UTC"},
    {"/etc/mtab", 0120777, 0, 0, "../proc/self/mounts"},
    {"/etc/os-release", 0120777, 0, 0, "../usr/lib/os-release"},
    {"/etc/passwd", 0100644, 0, 0, NULL},
    {"/etc/shadow", 0100640, 0, 42, NULL},
    {"/etc/sudoers", 0100440, 0, 0, NULL},
    {"/home/admin", 0040755, 1000, 1000, NULL},
    {"/home/admin/.bashrc", 0100644, 1000, 1000, NULL},
    {"/root", 0040700, 0, 0, NULL},
    {"/root/.bashrc", 0100644, 0, 0, NULL},
    {"/root/.ssh", 0040700, 0, 0, NULL},
    {"/proc", 0040555, 0, 0, NULL},
    {"/tmp", 0041777, 0, 0, NULL},
    {"/usr/bin/awk", 0120777, 0, 0, "/etc/alternatives/awk"},
    {"/etc/alternatives/awk", 0120777, 0, 0, "/usr/bin/mawk"},
    {"/usr/bin/bash", 0100755, 0, 0, NULL},
    {"/usr/bin/busybox", 0100755, 0, 0, NULL},
    {"/usr/bin/crontab", 0102755, 0, 101, NULL},
    {"/usr/bin/passwd", 0104755, 0, 0, NULL},
    {"/usr/bin/sh", 0120777, 0, 0, "dash"},
    {"/usr/bin/su", 0104755, 0, 0, NULL},
    {"/usr/bin/vi", 0120777, 0, 0, "/etc/alternatives/vi"},
    {"/usr/lib/openssh/sftp-server", 0100755, 0, 0, NULL},
    {"/usr/lib/x86_64-linux-gnu/libc.so.6", 0100755, 0, 0, NULL},
    {"/usr/lib64/ld-linux-x86-64.so.2", 0120777, 0, 0,
     "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"},
    {"/usr/lib/locale/C.utf8/LC_CTYPE", 0100644, 0, 0, NULL},
    {"/usr/local/bin", 0040755, 0, 0, NULL},
    {"/var/lock", 0120777, 0, 0, "/run/lock"},
    {"/var/log/auth.log", 0100640, 0, 4, NULL},
    {"/var/log/wtmp", 0100664, 0, 43, NULL},
    {"/var/mail", 0042775, 0, 8, NULL},
    {"/var/run", 0120777, 0, 0, "/run"},
    {"/var/spool/cron/crontabs", 0041730, 0, 101, NULL},
};

static bool find(const struct persona_image *image, const char *path_z, struct persona_node *node)
{
    const char *name_z = strrchr(path_z, '/') + 1;
    struct span above = span_of(path_z, (size_t)(name_z - path_z));
    uint32_t ino = persona_image_lookup(image, above);
    if (*name_z != '\0')
        ino = persona_image_find(image, ino, span_z(name_z));
    return persona_image_node(image, ino, node);
}

static void paths_are_as_on_a_real_machine(void **state)
{
    const struct persona_image *image = *state;
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        struct persona_node node;
        if (!find(image, facts[i].path_z, &node))
            fail_msg("%s is not there", facts[i].path_z);
        if (node.mode != facts[i].mode || node.uid != facts[i].uid || node.gid != facts[i].gid)
            fail_msg("%s: %o %u:%u", facts[i].path_z, node.mode, node.uid, node.gid);
        if (facts[i].target_z != NULL && !span_equal_z(node.data, facts[i].target_z))
            fail_msg("%s leads elsewhere", facts[i].path_z);
    }
}

static void programs_are_elf_files_under_every_name(void **state)
{
    const struct persona_image *image = *state;
    static const struct span magic = SPAN_LIT("\177ELF\002\001");
    static const char *const paths[] = {
        "/bin/bash",     "/bin/sh",
        "/bin/ls",       "/usr/bin/awk",
        "/bin/nc",       "/usr/bin/perl",
        "/usr/bin/curl", "/usr/bin/python3",
        "/usr/bin/wget", "/bin/ps",
        "/sbin/ip",      "/sbin/ifconfig",
        "/bin/vi",       "/usr/sbin/iptables",
        "/bin/telnet",   "/lib64/ld-linux-x86-64.so.2",
    };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct persona_node node;
        uint32_t ino = persona_image_lookup(image, span_z(paths[i]));
        if (!persona_image_node(image, ino, &node) || !span_starts_with(node.data, magic))
            fail_msg("%s is no program", paths[i]);
    }
}

static void no_link_of_the_programs_folders_dangles(void **state)
{
    const struct persona_image *image = *state;
    static const char *const folders[] = {"/usr/bin/", "/usr/sbin/", "/etc/alternatives/"};
    for (size_t f = 0; f < ARRAY_LEN(folders); f++) {
        uint32_t dir = persona_image_lookup(image, span_z(folders[f]));
        struct span name;
        for (uint32_t i = 0; persona_image_entry(image, dir, i, &name) != 0; i++) {
            char path[300];
            size_t at = span_copy_z(span_z(folders[f]), path, sizeof(path));
            span_copy_z(name, path + at, sizeof(path) - at);
            if (persona_image_lookup(image, span_z(path)) == 0)
                fail_msg("%s leads nowhere", path);
        }
    }
}

int main(int argc, char **argv)
{
    int fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return SKIPPED;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return 1;
    struct persona_image *image;
    if (persona_image_open(span_of(map, (size_t)st.st_size), &image) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(paths_are_as_on_a_real_machine, image),
        cmocka_unit_test_prestate(programs_are_elf_files_under_every_name, image),
        cmocka_unit_test_prestate(no_link_of_the_programs_folders_dangles, image),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    persona_image_close(image);
    return failed;
}
