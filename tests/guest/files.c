/* Files: open, read, write, seek, truncate, stat, their flags and errors. */
#include "guest.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static const char *const folder = "/tmp/guest-files";

static void show_file(const char *path)
{
    char text[256];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
    printf("%s: %zd", path, n);
    for (ssize_t i = 0; i < n; i++)
        printf(text[i] >= ' ' && text[i] < 127 ? " %c" : " %02x", text[i] & 0xff);
    printf("\n");
    close(fd);
}

static void opening(void)
{
    int fd = open("new", O_RDWR | O_CREAT | O_EXCL, 0666);
    HOLDS(fd == 3);
    SHOW(open("new", O_RDWR | O_CREAT | O_EXCL, 0666));
    SHOW(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    SHOW(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
    SHOW(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    SHOW(close(fd));
    SHOW(close(fd));
    SHOW(open("none", O_RDONLY));
    SHOW(open("new/x", O_RDONLY));
    SHOW(open(".", O_WRONLY));
    SHOW(open(".", O_RDONLY | O_CREAT, 0600));
    SHOW(open("new", O_RDONLY | O_DIRECTORY));
    SHOW(open("", O_RDONLY));
    SHOW(open(NULL, O_RDONLY));
    SHOW(open((char *)8, O_RDONLY));
    SHOW(open("new/", O_RDONLY));
    SHOW(open("other/", O_RDWR | O_CREAT, 0600));
    SHOW(openat(77, "new", O_RDONLY));
    SHOW(openat(1, "new", O_RDONLY));
    TRY(openat(77, "/tmp", O_RDONLY));
    close(3);
    TRY(open("new", O_WRONLY));
    char c = 0;
    SHOW(read(3, &c, 1));
    SHOW(write(3, "x", 1));
    close(3);
    TRY(open("new", O_RDONLY));
    SHOW(write(3, "x", 1));
    SHOW(read(3, NULL, 1));
    SHOW(lseek(3, 0, SEEK_SET));
    SHOW(read(3, (void *)8, 1));
    close(3);
    TRY(open("new", O_PATH));
    SHOW(read(3, &c, 1));
    SHOW(fcntl(3, F_GETFL) & O_PATH ? 1 : 0);
    SHOW(fchmod(3, 0600));
    struct stat st;
    SHOW(fstat(3, &st));
    close(3);
    SHOW(unlink("new"));
}

static void contents(void)
{
    int fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0644);
    SHOW(write(fd, "hello world", 11));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(lseek(fd, -5, SEEK_END));
    SHOW(write(fd, "W", 1));
    SHOW(lseek(fd, -1, SEEK_SET));
    SHOW(lseek(fd, 0, 99));
    SHOW(lseek(fd, 5000, SEEK_SET));
    SHOW(write(fd, "far", 3));
    struct stat st;
    fstat(fd, &st);
    SHOW(st.st_size);
    char c[8] = "";
    SHOW(pread(fd, c, 4, 4998));
    HOLDS(memcmp(c, "\0\0fa", 4) == 0);
    SHOW(pread(fd, c, 4, -1));
    SHOW(pread(fd, c, 4, 99999));
    SHOW(pwrite(fd, "P", 1, 0));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(ftruncate(fd, 5));
    SHOW(ftruncate(fd, 8));
    show_file("data");
    SHOW(ftruncate(fd, -1));
    SHOW(truncate("data", 3));
    SHOW(truncate("none", 3));
    SHOW(truncate(".", 3));
    show_file("data");
    fcntl(fd, F_SETFL, O_APPEND);
    lseek(fd, 0, SEEK_SET);
    SHOW(write(fd, "APP", 3));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(pwrite(fd, "q", 1, 0));
    show_file("data");
    SHOW(posix_fallocate(fd, 0, 20));
    fstat(fd, &st);
    SHOW(st.st_size);
    SHOW(lseek(fd, 100, SEEK_DATA));
    int waiting = 0;
    lseek(fd, 5, SEEK_SET);
    SHOW(ioctl(fd, FIONREAD, &waiting));
    SHOW(waiting);
    SHOW(ioctl(fd, 0x5401, c)); /* TCGETS */
    SHOW(fsync(fd));
    SHOW(fdatasync(fd));
    close(fd);
    SHOW(fsync(fd));
    SHOW(unlink("data"));
}

static void vectors(void)
{
    int fd = open("vec", O_RDWR | O_CREAT | O_TRUNC, 0644);
    struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cdef", 4}};
    char a[3], b[5];
    struct iovec in[2] = {{a, 3}, {b, 5}};
    SHOW(writev(fd, out, 3));
    SHOW(lseek(fd, 0, SEEK_SET));
    SHOW(readv(fd, in, 2));
    HOLDS(memcmp(a, "abc", 3) == 0 && memcmp(b, "def", 3) == 0);
    SHOW(readv(fd, in, 0));
    SHOW(readv(fd, in, -1));
    SHOW(readv(fd, in, 2000));
    SHOW(preadv(fd, in, 2, 2));
    SHOW(pwritev(fd, out, 3, 10));
    in[1].iov_base = (void *)8;
    SHOW(preadv(fd, in, 2, 0));
    SHOW(writev(77, out, 1));
    int other = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0644);
    off_t from = 1;
    SHOW(sendfile(other, fd, &from, 3));
    SHOW(from);
    SHOW(lseek(other, 0, SEEK_CUR));
    loff_t in_at = 0, out_at = 1;
    SHOW(copy_file_range(fd, &in_at, other, &out_at, 4, 0));
    SHOW(in_at + out_at);
    show_file("copy");
    close(fd);
    close(other);
    unlink("vec");
    unlink("copy");
}

static void stats(void)
{
    struct stat st;
    struct statx sx;
    umask(022);
    int fd = open("st", O_RDWR | O_CREAT, 0777);
    fstat(fd, &st);
    printf("mode %o nlink %lu uid %d size %ld blocks %ld blksize %ld\n", st.st_mode,
           (unsigned long)st.st_nlink, st.st_uid != getuid(), (long)st.st_size, (long)st.st_blocks,
           (long)st.st_blksize);
    HOLDS(st.st_atim.tv_sec > 1000000000 && st.st_mtim.tv_sec == st.st_ctim.tv_sec);
    SHOW(fchmod(fd, 04751));
    fstat(fd, &st);
    printf("mode %o\n", st.st_mode);
    SHOW(chmod("none", 0));
    SHOW(stat("none", &st));
#if __WORDSIZE == 64 /* elsewhere the C library fills it in */
    SHOW(stat("st", NULL));
#endif
    SHOW(lstat("st", &st));
    SHOW(fstat(77, &st));
    SHOW(fstatat(fd, "", &st, AT_EMPTY_PATH));
    SHOW(fstatat(fd, "x", &st, 0));
    SHOW(fstatat(AT_FDCWD, "st", &st, 0x8000000));
    SHOW(statx(AT_FDCWD, "st", 0, STATX_ALL, &sx));
    printf("statx %o %llu %d\n", sx.stx_mode, (unsigned long long)sx.stx_size,
           (sx.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    SHOW(syscall(SYS_statx, AT_FDCWD, "st", 0x80000, 0, &sx));
    struct timespec times[2] = {{1000, 5}, {2000, 7}};
    SHOW(futimens(fd, times));
    fstat(fd, &st);
    printf("%ld.%ld %ld.%ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
           (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_NOW;
    SHOW(utimensat(AT_FDCWD, "st", times, 0));
    fstat(fd, &st);
    HOLDS(st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec > 1000000000);
    times[0].tv_nsec = 1000000000;
    SHOW(utimensat(AT_FDCWD, "st", times, 0));
    SHOW(utimensat(AT_FDCWD, "none", NULL, 0));
    SHOW(syscall(SYS_utimensat, AT_FDCWD, NULL, NULL, 0));
    struct statfs fs;
    SHOW(statfs("/proc", &fs));
    HOLDS(fs.f_type == 0x9fa0);
    SHOW(statfs("none", &fs));
    SHOW(fstatfs(fd, &fs));
    HOLDS(fs.f_namelen == 255);
    close(fd);
    unlink("st");
}

/* Places of which the end is no number any more. */
static void far_places(void)
{
    char b[16] = "";
    struct iovec whole = {b, sizeof(b)};
    off_t last = INT64_MAX, before = -1;
    int zero = open("/dev/zero", O_RDWR), null = open("/dev/null", O_RDWR);
    SHOW(pread(zero, b, sizeof(b), INT64_MAX));
    SHOW(pread(zero, b, sizeof(b), INT64_MAX - 16));
    SHOW(pwrite(null, b, sizeof(b), INT64_MAX - 3));
    SHOW(preadv(zero, &whole, 1, INT64_MAX - 3));
    SHOW(sendfile(null, zero, &last, 16));
    SHOW(sendfile(null, zero, &before, 16));
    close(zero);
    close(null);
}

static void devices(void)
{
    char b[16] = "";
    int fd = open("/dev/null", O_RDWR);
    SHOW(read(fd, b, 4));
    SHOW(write(fd, b, 4));
    SHOW(lseek(fd, 10, SEEK_SET));
    close(fd);
    fd = open("/dev/zero", O_RDWR);
    b[0] = 'x';
    SHOW(read(fd, b, 4));
    SHOW(b[0]);
    close(fd);
    fd = open("/dev/full", O_RDWR);
    SHOW(read(fd, b, 4));
    SHOW(write(fd, b, 4));
    close(fd);
    fd = open("/dev/urandom", O_RDONLY);
    SHOW(read(fd, b, 16));
    SHOW(lseek(fd, 10, SEEK_SET));
    close(fd);
    far_places();
    SHOW(open("/dev/null", O_RDONLY | O_DIRECTORY));
    struct stat st;
    SHOW(stat("/dev/null", &st));
    printf("%o %lx\n", st.st_mode, (unsigned long)st.st_rdev);
    SHOW(access("/dev/tty", R_OK | W_OK));
    SHOW(open("/dev/fd/77", O_RDONLY));
}

int main(void)
{
    mkdir(folder, 0755);
    if (chdir(folder) != 0)
        return 1;
    opening();
    contents();
    vectors();
    stats();
    devices();
    SHOW(chdir("/"));
    SHOW(rmdir(folder));
    return 0;
}
