/* Watches: what is told of files and directories, in which order, and the errors. */
#include "guest.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <utime.h>

static int in;
static uint32_t cookie;

static void put(const struct inotify_event *e)
{
    static const char *const names[] = {
        "access", "modify", "attrib", "close_write", "close", "open",    "from", "to",
        "create", "delete", "gone",   "moved",       NULL,    "unmount", "lost", "ignored"};
    printf("  %d", e->wd);
    for (unsigned i = 0; i < 16; i++)
        if ((e->mask >> i & 1) != 0)
            printf(" %s", names[i] != NULL ? names[i] : "?");
    printf("%s%s%s", (e->mask & IN_ISDIR) != 0 ? " dir" : "", e->len > 0 ? " " : "",
           e->len > 0 ? e->name : "");
    if ((e->mask & IN_MOVED_TO) != 0)
        printf(" cookie %s", e->cookie == cookie && cookie != 0 ? "same" : "OTHER");
    cookie = e->cookie;
    printf("\n");
}

static void drain(void)
{
    static char buffer[65536] __attribute__((aligned(8)));
    struct pollfd p = {.fd = in, .events = POLLIN};
    int waiting = 0;
    SHOW(poll(&p, 1, 0));
    SHOW(ioctl(in, FIONREAD, &waiting));
    long n = read(in, buffer, sizeof(buffer));
    printf("%ld of %d%s\n", n, waiting, n < 0 ? strerrorname_np(errno) : "");
    for (long at = 0; at < n;) {
        const struct inotify_event *e = (const void *)(buffer + at);
        put(e);
        at += (long)sizeof(*e) + e->len;
    }
}

static void write_file(const char *path, int flags)
{
    int fd = open(path, O_WRONLY | flags, 0644);
    write(fd, "abc", 3);
    write(fd, "def", 3);
    close(fd);
}

static void read_file(const char *path)
{
    char bytes[2];
    int fd = open(path, O_RDONLY);
    read(fd, bytes, 2);
    read(fd, bytes, 2);
    close(fd);
}

static void of_directory(void)
{
    SHOW(inotify_add_watch(in, "d", IN_ALL_EVENTS));
    write_file("d/a", O_CREAT);
    drain();
    read_file("d/a");
    drain();
    write_file("d/a", O_APPEND);
    drain();
    chmod("d/a", 0600);
    truncate("d/a", 2);
    utime("d/a", NULL);
    setxattr("d/a", "user.x", "1", 1, 0);
    drain();
    mkdir("d/sub", 0755);
    symlink("a", "d/link");
    link("d/a", "d/other");
    mkfifo("d/fifo", 0600);
    drain();
    rename("d/a", "d/b");
    rename("d/sub", "d/under");
    rename("d/b", "out");
    rename("out", "d/in");
    drain();
    unlink("d/link");
    unlink("d/other");
    unlink("d/fifo");
    rmdir("d/under");
    drain();
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    char entries[1024];
    syscall(SYS_getdents64, fd, entries, sizeof(entries));
    close(fd);
    drain();
    fd = open("d/in", O_PATH);
    close(fd);
    drain();
}

static void of_file(void)
{
    SHOW(inotify_add_watch(in, "d/in", IN_ALL_EVENTS));
    read_file("d/in");
    drain();
    chown("d/in", -1, -1);
    link("d/in", "second");
    rename("d/in", "d/moved");
    unlink("second");
    drain();
    int fd = open("d/moved", O_RDONLY);
    unlink("d/moved");
    drain();
    close(fd);
    drain();
    SHOW(inotify_rm_watch(in, 2));
}

static void masks(void)
{
    write_file("f", O_CREAT);
    SHOW(inotify_add_watch(in, "f", IN_OPEN | IN_ONESHOT));
    read_file("f");
    read_file("f");
    drain();
    SHOW(inotify_add_watch(in, "f", IN_OPEN));
    SHOW(inotify_add_watch(in, "f", IN_ACCESS | IN_MASK_ADD));
    read_file("f");
    drain();
    SHOW(inotify_add_watch(in, "f", IN_CLOSE_NOWRITE));
    read_file("f");
    drain();
    SHOW(inotify_add_watch(in, "f", IN_OPEN | IN_MASK_CREATE));
    SHOW(inotify_rm_watch(in, 4));
    drain();
    SHOW(inotify_add_watch(in, "d", IN_ONLYDIR | IN_DELETE_SELF | IN_MOVE_SELF));
    rename("d", "e");
    rmdir("e");
    drain();
    write_file("g", O_CREAT);
    SHOW(inotify_add_watch(in, "f", IN_ALL_EVENTS));
    rename("g", "f");
    drain();
    unlink("f");
}

static void errors(void)
{
    char small[15];
    SHOW(inotify_init1(1));
    SHOW(inotify_add_watch(in, "missing", IN_OPEN));
    SHOW(inotify_add_watch(in, "", IN_OPEN));
    SHOW(inotify_add_watch(in, (char *)8, IN_OPEN));
    write_file("h", O_CREAT);
    SHOW(inotify_add_watch(in, "h", IN_OPEN | IN_ONLYDIR));
    SHOW(inotify_add_watch(in, "/", 0));
    SHOW(inotify_add_watch(in, "/", 0x00100000));
    SHOW(inotify_add_watch(in, "/", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
    SHOW(inotify_add_watch(99, "/", IN_OPEN));
    SHOW(inotify_add_watch(0, "/", IN_OPEN));
    SHOW(inotify_rm_watch(99, 1));
    SHOW(inotify_rm_watch(0, 1));
    SHOW(inotify_rm_watch(in, 77));
    SHOW(write(in, "x", 1));
    SHOW(lseek(in, 0, SEEK_SET));
    int h = inotify_add_watch(in, "h", IN_OPEN);
    read_file("h");
    SHOW(read(in, small, sizeof(small)));
    SHOW(read(in, (char *)8, 100));
    inotify_rm_watch(in, h);
    drain();
    unlink("h");
}

/* A reader that waits is woken by another process. */
static void waits(void)
{
    char bytes[256];
    int other = inotify_init(), status;
    SHOW(inotify_add_watch(other, ".", IN_CREATE));
    if (fork() == 0) {
        usleep(20000);
        write_file("late", O_CREAT);
        _exit(0);
    }
    SHOW(read(other, bytes, sizeof(bytes)));
    wait(&status);
    unlink("late");
    close(other);
}

static void instances(void)
{
    int fds[200], n = 0;
    for (int i = 0; i < 200 && (fds[n] = inotify_init1(IN_CLOEXEC)) >= 0; i++)
        n++;
    HOLDS(n > 100 && n < 128);
    printf("%s\n", strerrorname_np(errno));
    while (n > 0)
        close(fds[--n]);
}

static void overflow(void)
{
    static char buffer[1 << 20] __attribute__((aligned(8)));
    int n = inotify_init1(IN_NONBLOCK), events = 0, lost = 0;
    write_file("many", O_CREAT);
    inotify_add_watch(n, "many", IN_OPEN | IN_CLOSE);
    for (int i = 0; i < 8300; i++)
        close(open("many", O_RDONLY));
    for (long got; (got = read(n, buffer, sizeof(buffer))) > 0;)
        for (long at = 0; at < got; at += (long)sizeof(struct inotify_event), events++)
            lost += (((struct inotify_event *)(buffer + at))->mask & IN_Q_OVERFLOW) != 0;
    printf("%d events, %d lost\n", events, lost);
    close(n);
    unlink("many");
}

int main(void)
{
    char name[] = "/tmp/guest-inotifyXXXXXX";
    setbuf(stdout, NULL);
    if (mkdtemp(name) == NULL || chdir(name) != 0)
        return 1;
    in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    mkdir("d", 0755);
    drain();
    of_directory();
    of_file();
    masks();
    errors();
    waits();
    instances();
    overflow();
    chdir("/");
    SHOW(rmdir(name));
    return 0;
}
