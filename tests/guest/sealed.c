/* Files that are memory: seals of memfd_create, holes by fallocate; and paths held to their place by
 * openat2. */
#include "guest.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static long size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (long)st.st_size : -1;
}

static void seals(void)
{
    char text[64];
    int plain = memfd_create("plain", 0), fd = memfd_create("sealed", MFD_ALLOW_SEALING);
    SHOW(fcntl(plain, F_GET_SEALS));
    SHOW(fcntl(plain, F_ADD_SEALS, F_SEAL_GROW));
    SHOW(fcntl(fd, F_GET_SEALS));
    SHOW(fcntl(0, F_GET_SEALS));
    SHOW(fcntl(99, F_GET_SEALS));
    SHOW(write(fd, "contents", 8));
    SHOW(fcntl(fd, F_ADD_SEALS, 0x100));
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    SHOW(fcntl(fd, F_GET_SEALS));
    SHOW(write(fd, "more", 4));
    SHOW(pwrite(fd, "CON", 3, 0));
    SHOW(ftruncate(fd, 100));
    SHOW(fallocate(fd, 0, 0, 100));
    SHOW(ftruncate(fd, 6));
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
    SHOW(ftruncate(fd, 2));
    SHOW(ftruncate(fd, 6));
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    HOLDS(map != MAP_FAILED);
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    SHOW(munmap(map, 4096));
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    SHOW(pwrite(fd, "x", 1, 0));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2));
    HOLDS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    SHOW(errno == EPERM);
    map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    HOLDS(map != MAP_FAILED && memcmp(map, "CONten", 6) == 0);
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    SHOW(fcntl(fd, F_GET_SEALS));
    char path[64], link[64] = "";
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    SHOW(readlink(path, link, sizeof(link)));
    printf("%s\n", link);
    int again = open(path, O_RDWR);
    HOLDS(again >= 0);
    SHOW(fcntl(again, F_GET_SEALS));
    SHOW(pwrite(again, "x", 1, 0));
    SHOW(pread(again, text, sizeof(text), 0));
    SHOW(memfd_create("x", 0x80));
    close(again);
    close(fd);
    close(plain);
}

static void holes(void)
{
    int fd = memfd_create("holes", 0);
    static char bytes[20000];
    memset(bytes, 'x', sizeof(bytes));
    SHOW(write(fd, bytes, sizeof(bytes)));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 9000));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 19000, 50000));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 15000, 3));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1L << 40, 1L << 40));
    SHOW(size_of(fd));
    SHOW(pread(fd, bytes, sizeof(bytes), 0));
    size_t from = 0;
    for (size_t i = 1; i <= sizeof(bytes); i++)
        if (i == sizeof(bytes) || bytes[i] != bytes[from]) {
            printf("%zu to %zu: %d\n", from, i, bytes[from]);
            from = i;
        }
    SHOW(fallocate(fd, 0, 30000, 5000));
    SHOW(size_of(fd));
    SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 40000, 5000));
    SHOW(size_of(fd));
    SHOW(fallocate(fd, 0, -1, 5));
    SHOW(fallocate(fd, 0, 0, 0));
    SHOW(fallocate(fd, 0, 1L << 62, 1L << 62));
    SHOW(fallocate(fd, 0x4000, 0, 1));
    SHOW(fallocate(99, 0, 0, 1));
    close(fd);
}

/* Ranges that go or come, where the file system can do that (ext4). */
static void shifts(void)
{
    enum { PAGE = 4096 };
    static char bytes[4 * PAGE], back[4 * PAGE];
    char path[] = "/tmp/guest-sealed-XXXXXX";
    struct stat st;
    int fd = mkstemp(path);
    for (int i = 0; i < 4; i++)
        memset(bytes + i * PAGE, 'a' + i, PAGE);
    write(fd, bytes, sizeof(bytes) - 100);
    int can = fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, PAGE, PAGE) == 0 || errno != EOPNOTSUPP;
    fstat(fd, &st);
    pread(fd, back, sizeof(back), 0);
    HOLDS(!can || (st.st_size == 3 * PAGE - 100 && back[0] == 'a' && back[PAGE] == 'c' &&
                   back[2 * PAGE] == 'd'));
    HOLDS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 1, PAGE) == -1);
    HOLDS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, PAGE, 2 * PAGE) == -1);
    HOLDS(fallocate(fd, FALLOC_FL_INSERT_RANGE, 4 * PAGE, PAGE) == -1);
    HOLDS(!can || fallocate(fd, FALLOC_FL_INSERT_RANGE, PAGE, PAGE) == 0);
    fstat(fd, &st);
    pread(fd, back, sizeof(back), 0);
    HOLDS(!can || (st.st_size == 4 * PAGE - 100 && back[0] == 'a' && back[PAGE] == 0 &&
                   back[2 * PAGE] == 'c' && back[3 * PAGE] == 'd'));
    unlink(path);
}

static void open_how(int dir, const char *path, unsigned long flags, unsigned long mode,
                     unsigned long resolve)
{
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    long fd = -1;
    /* EAGAIN: something was renamed or mounted on the whole machine meanwhile. */
    for (int tries = 0; tries == 0 || (fd < 0 && errno == EAGAIN && tries < 1000); tries++) {
        errno = 0;
        fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
    }
    printf("%s %lo %lo %lx: %s\n", path, flags, mode, resolve,
           fd < 0 ? strerrorname_np(errno) : "good");
    if (fd >= 0)
        close((int)fd);
}

static void places(void)
{
    char base[] = "/tmp/sealedXXXXXX";
    HOLDS(mkdtemp(base) != NULL);
    SHOW(chdir(base));
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    close(creat("d/f", 0644));
    close(creat("f", 0644));
    symlink("f", "d/link");
    symlink("../f", "d/up");
    symlink("/etc/hostname", "d/away");
    symlink("/f", "d/top");
    int dir = open("d", O_PATH | O_DIRECTORY);
    const unsigned long all[] = {0, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS,
                                 RESOLVE_NO_MAGICLINKS};
    const char *paths[] = {"f", "link", "up", "top", "../f", "e/../f", "e/../../f", "/f"};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (size_t j = 0; j < sizeof(paths) / sizeof(paths[0]); j++)
            open_how(dir, paths[j], O_RDONLY, 0, all[i]);
    open_how(dir, "away", O_RDONLY, 0, RESOLVE_BENEATH);
    open_how(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS);
    open_how(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_SYMLINKS);
    open_how(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, RESOLVE_NO_XDEV);
    int proc = open("/proc", O_PATH);
    open_how(proc, "version", O_RDONLY, 0, RESOLVE_NO_XDEV);
    open_how(proc, "../proc/version", O_RDONLY, 0, RESOLVE_NO_XDEV);
    open_how(dir, "f", O_RDONLY, 0644, 0);
    open_how(dir, "f", O_RDONLY | 1UL << 40, 0, 0);
    open_how(dir, "f", O_RDONLY, 0, 0x1000);
    open_how(dir, "f", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT);
    open_how(dir, "f", O_PATH | O_RDWR, 0, 0);
    open_how(dir, "new", O_CREAT | O_WRONLY, 0600, RESOLVE_BENEATH);
    open_how(dir, "new", O_CREAT | O_WRONLY, 010600, 0);
    open_how(dir, "../new", O_CREAT | O_WRONLY, 0600, RESOLVE_BENEATH);
    close(proc);
    close(dir);
    unlink("d/new");
    unlink("d/f");
    unlink("d/link");
    unlink("d/up");
    unlink("d/away");
    unlink("d/top");
    rmdir("d/e");
    rmdir("d");
    unlink("f");
    SHOW(chdir("/"));
    SHOW(rmdir(base));
}

int main(void)
{
    seals();
    holes();
    shifts();
    places();
    return 0;
}
