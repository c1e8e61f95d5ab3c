/* Locks between processes, extended attributes, files without a name, bytes from pipe to pipe. */
#include "guest.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static struct flock range(short type, off_t start, off_t len)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

static long record(int fd, int command, short type, off_t start, off_t len)
{
    struct flock l = range(type, start, len);
    return fcntl(fd, command, &l);
}

/* What another process hears of it. */
static void elsewhere(int fd, off_t start, off_t len)
{
    fflush(stdout);
    if (fork() == 0) {
        struct flock l = range(F_WRLCK, start, len);
        SHOW(fcntl(fd, F_GETLK, &l));
        printf("type %d start %ld len %ld parent's %d\n", l.l_type, (long)l.l_start, (long)l.l_len,
               l.l_pid == getppid());
        SHOW(record(fd, F_SETLK, F_WRLCK, start, len));
        SHOW(record(fd, F_SETLK, F_RDLCK, start, len));
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
}

static void records(void)
{
    int fd = open("file", O_RDWR | O_CREAT, 0600), again = open("file", O_RDWR);
    int reader = open("file", O_RDONLY), pipes[2];
    SHOW(write(fd, "0123456789", 10));
    SHOW(record(fd, F_SETLK, F_WRLCK, 2, 3));
    elsewhere(fd, 0, 2);
    elsewhere(fd, 0, 3);
    elsewhere(fd, 4, 0);
    SHOW(record(fd, F_SETLK, F_RDLCK, 5, 0));
    elsewhere(fd, 7, 1);
    SHOW(record(fd, F_SETLK, F_UNLCK, 3, 1));
    elsewhere(fd, 3, 1);
    elsewhere(fd, 2, 1);
    SHOW(record(reader, F_SETLK, F_WRLCK, 0, 1));
    SHOW(record(reader, F_SETLK, F_RDLCK, 0, 1));
    SHOW(record(fd, F_SETLK, 9, 0, 1));
    SHOW(record(fd, F_SETLK, F_RDLCK, -1, 1));
    SHOW(record(77, F_SETLK, F_RDLCK, 0, 1));
    SHOW(fcntl(fd, F_SETLK, (void *)8));
    /* Any descriptor of the file that is closed takes them all away. */
    close(again);
    elsewhere(fd, 0, 0);
    /* The waiter gets it when the holder goes. */
    SHOW(record(fd, F_SETLKW, F_WRLCK, 0, 0));
    SHOW(pipe(pipes));
    fflush(stdout);
    if (fork() == 0) {
        close(pipes[0]);
        write(pipes[1], "r", 1);
        _exit(record(fd, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 5 : 6);
    }
    char c;
    int status = 0;
    read(pipes[0], &c, 1);
    usleep(2000);
    SHOW(record(fd, F_SETLK, F_UNLCK, 0, 0));
    wait(&status);
    SHOW(WEXITSTATUS(status));
    /* A description's locks are in its own way. */
    again = open("file", O_RDWR);
    SHOW(record(fd, F_OFD_SETLK, F_WRLCK, 0, 5));
    SHOW(record(again, F_OFD_SETLK, F_WRLCK, 4, 5));
    SHOW(record(again, F_OFD_SETLK, F_WRLCK, 5, 5));
    struct flock l = range(F_WRLCK, 0, 1);
    SHOW(fcntl(again, F_OFD_GETLK, &l));
    SHOW(l.l_pid);
    close(fd);
    SHOW(record(again, F_OFD_SETLK, F_WRLCK, 0, 5));
    close(again);
    close(reader);
}

static void whole(void)
{
    int a = open("file", O_RDWR), b = open("file", O_RDONLY), same = dup(a);
    SHOW(flock(a, LOCK_EX));
    SHOW(flock(b, LOCK_EX | LOCK_NB));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    SHOW(flock(same, LOCK_SH | LOCK_NB));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    SHOW(flock(b, LOCK_EX | LOCK_NB));
    SHOW(flock(a, LOCK_UN));
    SHOW(flock(b, LOCK_EX | LOCK_NB));
    close(b);
    SHOW(flock(same, LOCK_EX | LOCK_NB));
    SHOW(flock(a, LOCK_NB));
    SHOW(flock(77, LOCK_EX));
    close(a);
    close(same);
}

static void attributes(void)
{
    char text[64];
    int fd = open("file", O_RDWR);
    SHOW(setxattr("file", "user.one", "abc", 3, 0));
    SHOW(setxattr("file", "user.one", "abcd", 4, XATTR_CREATE));
    SHOW(setxattr("file", "user.two", "x", 1, XATTR_REPLACE));
    SHOW(lsetxattr("file", "user.two", "", 0, 0));
    SHOW(fsetxattr(fd, "user.one", "wxyz", 4, XATTR_REPLACE));
    SHOW(getxattr("file", "user.one", text, sizeof(text)));
    HOLDS(memcmp(text, "wxyz", 4) == 0);
    SHOW(getxattr("file", "user.one", text, 2));
    SHOW(getxattr("file", "user.one", NULL, 0));
    SHOW(lgetxattr("file", "user.two", text, sizeof(text)));
    SHOW(fgetxattr(fd, "user.none", text, sizeof(text)));
    SHOW(getxattr("none", "user.one", text, sizeof(text)));
    SHOW(getxattr("file", "other.one", text, sizeof(text)));
    SHOW(getxattr("file", "", text, sizeof(text)));
    SHOW(getxattr("file", (char *)8, text, sizeof(text)));
    SHOW(setxattr("file", "user.one", "x", 1, 9));
    SHOW(setxattr("file", "user.one", (void *)8, 4, 0));
    SHOW(setxattr("file", "user.one", text, 100000, 0));
    SHOW(setxattr("file", "other.one", "x", 1, 0));
    SHOW(listxattr("file", text, sizeof(text)));
    SHOW(llistxattr("file", NULL, 0));
    SHOW(flistxattr(fd, text, 4));
    SHOW(flistxattr(77, text, 4));
    SHOW(removexattr("file", "user.two"));
    SHOW(removexattr("file", "user.two"));
    SHOW(lremovexattr("file", "user.none"));
    SHOW(fremovexattr(fd, "user.one"));
    SHOW(listxattr("file", text, sizeof(text)));
    SHOW(symlink("file", "link"));
    SHOW(lsetxattr("link", "user.one", "x", 1, 0));
    SHOW(fsetxattr(77, "user.one", "x", 1, 0));
    SHOW(fremovexattr(77, "user.one"));
    SHOW(fgetxattr(77, "user.one", text, 1));
    close(fd);
    unlink("link");
}

static void nameless(void)
{
    struct stat st;
    char text[8] = {0};
    int fd = open(".", O_TMPFILE | O_RDWR, 0640);
    HOLDS(fd >= 0);
    SHOW(write(fd, "hidden", 6));
    SHOW(pread(fd, text, 6, 0));
    HOLDS(strcmp(text, "hidden") == 0);
    SHOW(fstat(fd, &st));
    SHOW(st.st_nlink);
    SHOW(st.st_mode & 07777);
    SHOW(open(".", O_TMPFILE | O_RDONLY, 0640));
    SHOW(open("file", O_TMPFILE | O_RDWR, 0640));
    SHOW(open("none", O_TMPFILE | O_RDWR, 0640));
    close(fd);
}

static void pieces(void)
{
    int a[2], b[2], fd = open("file", O_RDWR | O_TRUNC);
    char text[16] = {0};
    loff_t at = 2;
    struct iovec iov = {"vector", 6};
    SHOW(pipe(a));
    SHOW(pipe(b));
    SHOW(write(fd, "0123456789", 10));
    SHOW(splice(fd, &at, a[1], NULL, 4, 0));
    SHOW(at);
    SHOW(tee(a[0], b[1], 3, 0));
    SHOW(read(b[0], text, 16));
    HOLDS(memcmp(text, "234", 3) == 0);
    SHOW(splice(a[0], NULL, b[1], NULL, 16, 0));
    at = 20;
    SHOW(splice(b[0], NULL, fd, &at, 16, 0));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(splice(fd, NULL, fd, NULL, 1, 0));
    SHOW(splice(a[0], &at, b[1], NULL, 1, 0));
    SHOW(splice(77, NULL, b[1], NULL, 1, 0));
    SHOW(splice(a[0], NULL, 77, NULL, 1, 0));
    SHOW(splice(a[0], NULL, b[1], NULL, 1, 99));
    SHOW(splice(a[1], NULL, b[1], NULL, 1, 0));
    SHOW(splice(a[0], NULL, a[1], NULL, 1, 0));
    SHOW(splice(a[0], NULL, b[1], NULL, 0, 0));
    SHOW(splice(a[0], NULL, b[1], NULL, 1, SPLICE_F_NONBLOCK));
    SHOW(tee(a[0], b[1], 1, SPLICE_F_NONBLOCK));
    SHOW(tee(fd, b[1], 1, 0));
    SHOW(tee(77, b[1], 1, 0));
    SHOW(vmsplice(a[1], &iov, 1, 0));
    SHOW(read(a[0], text, 16));
    SHOW(vmsplice(fd, &iov, 1, 0));
    SHOW(vmsplice(77, &iov, 1, 0));
    close(a[1]);
    SHOW(splice(a[0], NULL, b[1], NULL, 1, 0));
    SHOW(sync_file_range(fd, 0, 0, 0));
    SHOW(sync_file_range(77, 0, 0, 0));
    SHOW(sync_file_range(fd, 0, 0, 99));
    SHOW(sync_file_range(a[0], 0, 0, 0));
    close(fd);
}

int main(void)
{
    char folder[] = "/tmp/guest-locks-XXXXXX";
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return 1;
    records();
    whole();
    attributes();
    nameless();
    pieces();
    unlink("file");
    rmdir(folder);
    return 0;
}
