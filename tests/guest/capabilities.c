/* Capabilities: what users, files and prctl do to the sets. A machine may give root fewer than all,
 * so that only three of them are looked at. */
#include "guest.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

enum { HERE = (1 << CAP_CHOWN) | (1 << CAP_SETUID) | (1 << CAP_NET_BIND_SERVICE) };

static struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
static struct __user_cap_data_struct data[2];

static int in_child(int (*run)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(run());
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void show(const char *when)
{
    syscall(SYS_capget, &header, data);
    printf("%s: effective %x permitted %x inheritable %x ambient %d keep %d bits %x\n", when,
           data[0].effective & HERE, data[0].permitted & HERE, data[0].inheritable & HERE,
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), prctl(PR_GET_KEEPCAPS),
           prctl(PR_GET_SECUREBITS));
}

static int set(uint32_t effective, uint32_t permitted, uint32_t inheritable)
{
    struct __user_cap_data_struct to[2] = {{effective, permitted, inheritable}, {0, 0, 0}};
    return (int)syscall(SYS_capset, &header, to);
}

static int headers(void)
{
    struct __user_cap_header_struct h = {0x12345678, 0};
    SHOW(syscall(SYS_capget, &h, data));
    printf("%x\n", h.version);
    h.version = 0;
    SHOW(syscall(SYS_capget, &h, NULL));
    h.pid = -5;
    SHOW(syscall(SYS_capget, &h, data));
    h.pid = 999999;
    SHOW(syscall(SYS_capget, &h, data));
    SHOW(syscall(SYS_capset, &h, data));
    SHOW(syscall(SYS_capget, (void *)8, data));
    SHOW(syscall(SYS_capget, &header, (void *)8));
    SHOW(syscall(SYS_capset, &header, (void *)8));
    return 0;
}

static int kept(void)
{
    show("root");
    SHOW(prctl(PR_SET_KEEPCAPS, 2));
    SHOW(prctl(PR_SET_KEEPCAPS, 1));
    SHOW(setresuid(1000, 1000, 1000));
    show("kept");
    SHOW(set(HERE, HERE, 0));
    show("again");
    SHOW(chown("/tmp", 0, 0));
    SHOW(setresuid(0, 0, 0));
    show("back");
    return 0;
}

static int lost(void)
{
    SHOW(setresuid(1000, 1000, 0));
    show("effective alone");
    SHOW(setresuid(-1, 0, -1));
    show("back");
    SHOW(setresuid(1000, 1000, 1000));
    show("all");
    SHOW(set(HERE, HERE, 0));
    SHOW(set(0, 0, HERE));
    return 0;
}

static int fewer(void)
{
    SHOW(set(0, HERE, HERE));
    show("none effective");
    SHOW(chown("/tmp", 0, 0));
    SHOW(set(HERE, 0, 0));
    SHOW(set(1 << CAP_CHOWN, 1 << CAP_CHOWN, HERE));
    SHOW(set(HERE, HERE, 0));
    show("fewer");
    SHOW(prctl(PR_CAPBSET_DROP, CAP_KILL));
    return 0;
}

static int ambient(void)
{
    SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
    SHOW(set(HERE, HERE, HERE));
    SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
    SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 99, 0, 0));
    SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 1, 0));
    SHOW(prctl(PR_CAP_AMBIENT, 77, CAP_CHOWN, 0, 0));
    show("raised");
    SHOW(set(HERE, HERE, 0));
    show("not inheritable");
    SHOW(set(HERE, HERE, HERE));
    SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
    SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_CHOWN, 0, 0));
    show("lowered");
    SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0));
    SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    return 0;
}

/* A program that shows its sets, as another user who has some of them by inheritance. */
static int by_inheritance(void)
{
    char *argv[] = {"capabilities", "show", NULL};
    prctl(PR_SET_KEEPCAPS, 1);
    setresuid(1000, 1000, 1000);
    set(HERE, HERE, HERE);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
    execv("/proc/self/exe", argv);
    return 1;
}

static int without(void)
{
    char *argv[] = {"capabilities", "show", NULL};
    prctl(PR_SET_KEEPCAPS, 1);
    setresuid(1000, 1000, 1000);
    execv("/proc/self/exe", argv);
    return 1;
}

static int of_root(void)
{
    char *argv[] = {"capabilities", "show", NULL};
    set(0, HERE, 0);
    execv("/proc/self/exe", argv);
    return 1;
}

static int secured(void)
{
    char *argv[] = {"capabilities", "show", NULL};
    SHOW(prctl(PR_SET_SECUREBITS, 0x1000));
    SHOW(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED));
    SHOW(prctl(PR_SET_SECUREBITS, 0));
    SHOW(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT_LOCKED));
    SHOW(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                      SECBIT_KEEP_CAPS_LOCKED));
    SHOW(prctl(PR_SET_KEEPCAPS, 1));
    SHOW(setresuid(1000, 0, 0));
    SHOW(setresuid(1000, 1000, 1000));
    show("not fixed up");
    SHOW(setresuid(0, 0, 0));
    SHOW(prctl(PR_SET_SECUREBITS, 0xff & ~SECBIT_NO_CAP_AMBIENT_RAISE));
    execv("/proc/self/exe", argv);
    return 1;
}

static char *copy_z = "/tmp/guest-capabilities";

static int copy(void)
{
    static char bytes[65536];
    int from = open("/proc/self/exe", O_RDONLY), to = open(copy_z, O_WRONLY | O_CREAT, 0755);
    for (ssize_t n; (n = read(from, bytes, sizeof(bytes))) > 0;)
        write(to, bytes, (size_t)n);
    fchmod(to, 0755);
    close(from);
    return close(to);
}

static int of_file(void)
{
    char *argv[] = {"capabilities", "show", NULL};
    setresuid(1000, 1000, 1000);
    execv(copy_z, argv);
    return 1;
}

static int of_file_bounded(void)
{
    prctl(PR_CAPBSET_DROP, CAP_CHOWN);
    setresuid(1000, 1000, 1000);
    SHOW(execl(copy_z, "capabilities", "show", NULL));
    return 1;
}

static int of_file_no_new(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return of_file();
}

static void files(void)
{
    const uint32_t mine[5] = {VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, 1 << CAP_CHOWN, 0, 0,
                              0};
    const uint32_t half[5] = {VFS_CAP_REVISION_2, 1 << CAP_CHOWN, 0, 0, 0};
    uint32_t got[5];
    SHOW(copy());
    SHOW(in_child(of_file));
    SHOW(setxattr(copy_z, "security.capability", mine, sizeof(mine), 0));
    SHOW(getxattr(copy_z, "security.capability", got, sizeof(got)));
    HOLDS(memcmp(got, mine, sizeof(mine)) == 0);
    SHOW(in_child(of_file));
    SHOW(in_child(of_file_bounded));
    SHOW(in_child(of_file_no_new));
    SHOW(setxattr(copy_z, "security.capability", half, sizeof(half), 0));
    SHOW(in_child(of_file));
    SHOW(in_child(of_file_bounded));
    SHOW(chown(copy_z, 1000, 1000));
    SHOW(getxattr(copy_z, "security.capability", got, sizeof(got)));
    SHOW(setxattr(copy_z, "security.capability", mine, 7, 0));
    SHOW(unlink(copy_z));
}

int main(int argc, char **argv)
{
    setbuf(stdout, NULL);
    if (argc > 1 && strcmp(argv[1], "show") == 0) {
        show("program");
        return 0;
    }
    in_child(headers);
    if (getuid() == 0) {
        static int (*const parts[])(void) = {kept,           lost,    fewer,   ambient,
                                             by_inheritance, without, of_root, secured};
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
            SHOW(in_child(parts[i]));
        files();
    }
    return 0;
}
