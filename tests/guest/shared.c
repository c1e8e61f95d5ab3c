/* Shared mappings of files: one set of pages for all who map, read and write. */
#include "guest.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE };

static void put(char *to, const char *text_z)
{
    memcpy(to, text_z, strlen(text_z) + 1);
}

static char path[] = "/tmp/guest-shared-XXXXXX";

static int fresh(size_t size)
{
    put(path + sizeof(path) - 7, "XXXXXX");
    int fd = mkstemp(path);
    ftruncate(fd, (off_t)size);
    return fd;
}

static char *map(int fd, size_t len, int prot)
{
    return mmap(NULL, len, prot, MAP_SHARED, fd, 0);
}

static void reads_and_writes(void)
{
    char back[16] = {0};
    int fd = fresh(3 * PAGE), other = open(path, O_RDWR);
    char *a = map(fd, 3 * PAGE, RW), *b = map(other, 3 * PAGE, RW);
    char *ro = map(other, 3 * PAGE, PROT_READ);
    put(a + PAGE, "by mapping");
    printf("another mapping: %s, one for reading: %s\n", b + PAGE, ro + PAGE);
    pread(other, back, 10, PAGE);
    printf("read: %s\n", back);
    pwrite(other, "by write", 9, 2 * PAGE);
    printf("mappings: %s, %s, %s\n", a + 2 * PAGE, b + 2 * PAGE, ro + 2 * PAGE);
    pwrite(other, "across", 7, PAGE - 3);
    printf("across a page's end: %s\n", a + PAGE - 3);
    munmap(a, 3 * PAGE);
    printf("when one is gone: %s\n", b + PAGE - 3);
    a = map(fd, 3 * PAGE, RW);
    printf("a new one: %s\n", a + PAGE - 3);
    char *own = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
    own[0] = 'p';
    HOLDS(a[0] == 0);
    unlink(path);
    close(fd);
    close(other);
    put(a, "without a name");
    printf("%s\n", b);
}

static void processes(void)
{
    char byte;
    int fd = fresh(2 * PAGE), go[2], done[2];
    char *a = map(fd, 2 * PAGE, RW);
    pipe(go);
    pipe(done);
    put(a, "before the fork");
    if (fork() == 0) {
        int again = open(path, O_RDWR);
        char *mine = map(again, 2 * PAGE, RW);
        read(go[0], &byte, 1);
        printf("child: %s; %s\n", a, mine + PAGE);
        put(a, "child's");
        put(mine + PAGE + 100, "child's own mapping");
        write(done[1], "x", 1);
        read(go[0], &byte, 1);
        printf("child: %s\n", mine);
        _exit(0);
    }
    put(a, "after the fork");
    put(a + PAGE, "first touch");
    write(go[1], "x", 1);
    read(done[0], &byte, 1);
    printf("parent: %s; %s\n", a, a + PAGE + 100);
    put(a, "once more");
    write(go[1], "x", 1);
    wait(NULL);
    unlink(path);
}

/* A lock that two processes share by mappings of their own. */
static void locks(void)
{
    int fd = fresh(PAGE);
    uint32_t *word = (uint32_t *)map(fd, PAGE, RW);
    if (fork() == 0) {
        uint32_t *mine = (uint32_t *)map(open(path, O_RDWR), PAGE, RW);
        while (__atomic_load_n(mine, __ATOMIC_SEQ_CST) == 0)
            syscall(SYS_futex, mine, FUTEX_WAIT, 0, NULL, NULL, 0);
        printf("woken at %u\n", *mine);
        _exit(0);
    }
    usleep(20000);
    __atomic_store_n(word, 7, __ATOMIC_SEQ_CST);
    long woken = syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    HOLDS(woken == 0 || woken == 1);
    wait(NULL);
    unlink(path);
}

static sigjmp_buf out;

static void caught(int signo, siginfo_t *info, void *context)
{
    (void)context;
    printf("SIG%s code %d\n", sigabbrev_np(signo), info->si_code);
    siglongjmp(out, 1);
}

static void touch(char *at, bool write)
{
    if (sigsetjmp(out, 1) != 0)
        return;
    if (write)
        *(volatile char *)at = 'w';
    printf("byte %d\n", *(volatile char *)at);
}

static void sizes(void)
{
    struct sigaction act = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &act, NULL);
    sigaction(SIGSEGV, &act, NULL);
    int fd = fresh(PAGE + 100), ends[2];
    char *a = map(fd, 4 * PAGE, RW);
    touch(a + PAGE + 99, true);
    touch(a + PAGE + 200, false);
    touch(a + 2 * PAGE, false);
    touch(a + 3 * PAGE, true);
    pipe(ends);
    SHOW(write(ends[1], a + 2 * PAGE, 1));
    SHOW(ftruncate(fd, 3 * PAGE));
    touch(a + 2 * PAGE, true);
    touch(a + 3 * PAGE, false);
    SHOW(ftruncate(fd, 50));
    touch(a + PAGE, false);
    touch(a + 2 * PAGE, true);
    SHOW(ftruncate(fd, 3 * PAGE));
    touch(a + PAGE + 99, false);
    touch(a + 2 * PAGE, false);
    a[PAGE] = 1;
    SHOW(pwrite(fd, "end", 3, 5 * PAGE));
    touch(a + 3 * PAGE, false);
    char *ro = map(fd, PAGE, PROT_READ);
    touch(ro, true);
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
    touch(a + PAGE, false);
    unlink(path);
}

static void sparse(void)
{
    struct stat st;
    int fd = fresh((size_t)256 << 20);
    char *a = map(fd, (size_t)256 << 20, RW);
    HOLDS(a[100 << 20] == 0);
    a[200 << 20] = 1;
    SHOW(msync(a, (size_t)256 << 20, MS_SYNC));
    munmap(a, (size_t)256 << 20);
    fstat(fd, &st);
    HOLDS(st.st_blocks >= 8 && st.st_blocks < 64);
    unlink(path);
}

/* More than one turn's work to map anew, in two processes: it is done before either goes on. */
static void cut_everywhere(void)
{
    const size_t len = (size_t)192 << 20;
    int fd = fresh(len), ends[2];
    char *a = map(fd, len, RW), *b = map(fd, len, PROT_READ), byte = 0;
    a[0] = a[len - 1] = 1;
    HOLDS(b[len - 1] == 1 && b[len / 2] == 0);
    pipe(ends);
    pid_t pid = fork();
    if (pid == 0) {
        read(ends[0], &byte, 1);
        touch(a + len - 1, false);
        touch(b + len / 2, false);
        touch(b, false);
        _exit(0);
    }
    SHOW(ftruncate(fd, PAGE));
    touch(b + len - 1, false);
    touch(a + len / 2, false);
    touch(a, false);
    write(ends[1], &byte, 1);
    waitpid(pid, NULL, 0);
    unlink(path);
}

static void moved(void)
{
    int fd = fresh(8 * PAGE);
    char *a = map(fd, 2 * PAGE, RW), *b = map(fd, 8 * PAGE, RW);
    put(a, "stays");
    a = mremap(a, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    put(b + 7 * PAGE, "new end");
    printf("%s, %s\n", a, a + 7 * PAGE);
    SHOW(mprotect(a + PAGE, PAGE, PROT_READ));
    put(b + PAGE, "seen");
    printf("%s\n", a + PAGE);
    munmap(a + 2 * PAGE, PAGE);
    put(a + 3 * PAGE, "after a hole");
    printf("%s\n", b + 3 * PAGE);
    SHOW(madvise(a, PAGE, MADV_DONTNEED));
    printf("%s\n", a);
    unlink(path);
}

static void memory_files(void)
{
    int fd = memfd_create("shared", 0);
    ftruncate(fd, PAGE);
    char *a = map(fd, PAGE, RW), *b = map(fd, PAGE, RW);
    put(a, "memfd");
    printf("%s\n", b);
    fd = shm_open("/guest-shared", O_RDWR | O_CREAT | O_EXCL, 0600);
    ftruncate(fd, PAGE);
    a = map(fd, PAGE, RW);
    if (fork() == 0) {
        b = map(shm_open("/guest-shared", O_RDWR, 0), PAGE, RW);
        put(b, "shm_open");
        _exit(0);
    }
    wait(NULL);
    printf("%s\n", a);
    SHOW(shm_unlink("/guest-shared"));
}

/* Times tell of what is written by a mapping. */
static void times(void)
{
    struct stat before, after;
    int fd = fresh(PAGE);
    char *a = map(fd, PAGE, RW);
    const struct timespec old[2] = {{1000, 0}, {1000, 0}};
    futimens(fd, old);
    fstat(fd, &before);
    a[0] = 1;
    msync(a, PAGE, MS_SYNC);
    fstat(fd, &after);
    HOLDS(before.st_mtime == 1000 && after.st_mtime > 1000);
    unlink(path);
}

int main(void)
{
    setbuf(stdout, NULL);
    reads_and_writes();
    processes();
    locks();
    sizes();
    sparse();
    cut_everywhere();
    moved();
    memory_files();
    times();
    return 0;
}
