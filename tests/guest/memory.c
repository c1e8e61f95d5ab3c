/* mmap, munmap, mprotect, mremap, brk, madvise, shared memory, the stack. */
#include "guest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { PAGE = 4096 };
enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static void anonymous(void)
{
    char *p = mmap(NULL, 3 * PAGE, RW, ANON, -1, 0);
    HOLDS(p != MAP_FAILED && p[0] == 0 && p[3 * PAGE - 1] == 0);
    memset(p, 'a', 3 * PAGE);
    SHOW(munmap(p + PAGE, PAGE));
    HOLDS(p[0] == 'a' && p[2 * PAGE] == 'a');
    HOLDS(mmap(p + PAGE, PAGE, RW, ANON, -1, 0) == p + PAGE);
    HOLDS(p[PAGE] == 0);
    HOLDS(mmap(p, PAGE, RW, ANON | MAP_FIXED, -1, 0) == p);
    HOLDS(p[0] == 0);
    TRY(mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    TRY(mmap(p + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    TRY(mmap(NULL, 0, RW, ANON, -1, 0));
    TRY(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
    TRY(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0));
    TRY(mmap(NULL, PAGE, RW, ANON, -1, 1));
    TRY(mmap(NULL, SIZE_MAX - PAGE, RW, ANON, -1, 0));
#ifdef __x86_64__
    HOLDS((uintptr_t)mmap(NULL, PAGE, RW, ANON | MAP_32BIT, -1, 0) < 0x80000000);
#endif
    SHOW(munmap(p + 1, PAGE));
    SHOW(munmap(p, 0));
    SHOW(munmap(p, 3 * PAGE));
    SHOW(munmap(p, 3 * PAGE));
}

static void protections(void)
{
    char *p = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
    int ends[2];
    pipe(ends);
    SHOW(mprotect(p + PAGE, PAGE, PROT_READ));
    SHOW(mprotect(p + 2 * PAGE, PAGE, PROT_NONE));
    write(ends[1], "xyz", 3);
    SHOW(read(ends[0], p + PAGE, 1));
    SHOW(read(ends[0], p, 1));
    SHOW(write(ends[1], p + 2 * PAGE, 1));
    SHOW(write(ends[1], p + PAGE, 1));
    munmap(p + 3 * PAGE, PAGE);
    SHOW(mprotect(p, 4 * PAGE, PROT_READ));
    SHOW(mprotect(p + 5, PAGE, PROT_READ));
    SHOW(mprotect(p, 0, PROT_READ));
    SHOW(mprotect(p, PAGE, 0x40));
    munmap(p, 3 * PAGE);
}

static void remaps(void)
{
    char *p = mmap(NULL, 2 * PAGE, RW, ANON, -1, 0);
    memcpy(p, "hello", 6);
    char *q = mremap(p, 2 * PAGE, 50 * PAGE, MREMAP_MAYMOVE);
    HOLDS(q != MAP_FAILED && memcmp(q, "hello", 6) == 0);
    q[50 * PAGE - 1] = 'e';
    HOLDS(mremap(q, 50 * PAGE, PAGE, 0) == q);
    HOLDS(memcmp(q, "hello", 6) == 0);
    char *wall = mmap(q + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    HOLDS(wall == q + PAGE);
    TRY(mremap(q, PAGE, 2 * PAGE, 0));
    TRY(mremap(q, PAGE, 2 * PAGE, 99));
    TRY(mremap(q + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    TRY(mremap(q, PAGE, 0, MREMAP_MAYMOVE));
    TRY(mremap(q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q));
    char *place = mmap(NULL, 4 * PAGE, PROT_NONE, ANON, -1, 0);
    HOLDS(mremap(q, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
    HOLDS(memcmp(place, "hello", 6) == 0);
    munmap(place, 4 * PAGE);
    TRY(mremap(place, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
}

static void shared(void)
{
    int *s = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *own = mmap(NULL, PAGE, RW, ANON, -1, 0);
    *s = *own = 1;
    pid_t pid = fork();
    if (pid == 0) {
        *s = 2;
        *own = 2;
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    printf("shared %d own %d\n", *s, *own);
    munmap(s, PAGE);
    munmap(own, PAGE);
}

static void files(void)
{
    char bytes[PAGE + 100], back[16] = {0};
    char path[] = "/tmp/guest-memory-XXXXXX";
    int fd = mkstemp(path);
    memset(bytes, 'f', sizeof(bytes));
    SHOW(write(fd, bytes, sizeof(bytes)));
    char *p = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
    HOLDS(p[0] == 'f' && p[PAGE + 99] == 'f' && p[PAGE + 100] == 0);
    p[0] = 'P';
    SHOW(pread(fd, back, 4, 0));
    printf("file after a private write: %.4s\n", back);
    char *s = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
    memcpy(s + 10, "SHARED", 6);
    SHOW(msync(s, 2 * PAGE, MS_SYNC));
    SHOW(pread(fd, back, 6, 10));
    printf("file after a shared write: %.6s\n", back);
    memcpy(s + 20, "LATER", 5);
    munmap(s, 2 * PAGE);
    SHOW(pread(fd, back, 5, 20));
    printf("file after munmap: %.5s\n", back);
    p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
    HOLDS(p[99] == 'f');
    SHOW(mprotect(p, PAGE, RW));
    int ro = open(path, O_RDONLY), wo = open(path, O_WRONLY);
    TRY(mmap(NULL, PAGE, RW, MAP_SHARED, ro, 0));
    TRY(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, wo, 0));
    TRY(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 77, 0));
    p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
    SHOW(mprotect(p, PAGE, RW));
    int dir = open("/tmp", O_RDONLY);
    TRY(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0));
    unlink(path);
}

static void heap(void)
{
    char *start = sbrk(0);
    HOLDS(sbrk(10 * PAGE) == start);
    memset(start, 'h', 10 * PAGE);
    HOLDS(sbrk(-5 * PAGE) == start + 10 * PAGE);
    HOLDS(sbrk(5 * PAGE) == start + 5 * PAGE);
    HOLDS(start[6 * PAGE] == 0 && start[4 * PAGE] == 'h');
    TRY(brk((void *)PAGE));
    struct rlimit limit = {PAGE, RLIM_INFINITY};
    SHOW(setrlimit(RLIMIT_DATA, &limit));
    TRY(sbrk(1000 * PAGE));
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_DATA, &limit);
}

static void advice(void)
{
    char *p = mmap(NULL, 2 * PAGE, RW, ANON, -1, 0);
    memset(p, 'd', 2 * PAGE);
    SHOW(madvise(p, PAGE, MADV_DONTNEED));
    HOLDS(p[0] == 0 && p[PAGE] == 'd');
    SHOW(madvise(p, PAGE, MADV_WILLNEED));
    SHOW(madvise(p + 1, PAGE, MADV_DONTNEED));
    SHOW(madvise(p, PAGE, 9999));
    munmap(p + PAGE, PAGE);
    SHOW(madvise(p, 2 * PAGE, MADV_DONTNEED));
    SHOW(msync(p, 2 * PAGE, MS_SYNC));
    SHOW(mlock(p, PAGE));
    SHOW(munlock(p, PAGE));
}

static int depth(int n)
{
    volatile char room[1024];
    memset((char *)room, n & 127, sizeof(room));
    return n == 0 ? 0 : depth(n - 1) + (room[5] == (n & 127));
}

static void limits(void)
{
    SHOW(depth(4000)); /* 4 MiB of stack */
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit small = {1 << 20, 8 << 20};
        setrlimit(RLIMIT_STACK, &small);
        depth(4000);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    SHOW(WTERMSIG(status));
    pid = fork();
    if (pid == 0) {
        struct rlimit small = {64 << 20, 64 << 20};
        setrlimit(RLIMIT_AS, &small);
        _exit(mmap(NULL, 128 << 20, RW, ANON, -1, 0) == MAP_FAILED && errno == ENOMEM ? 3 : 4);
    }
    waitpid(pid, &status, 0);
    SHOW(WEXITSTATUS(status));
}

/* Pieces that are joined again are no pieces any more, however often. */
static void split_and_joined(void)
{
    int failed = 0;
    char *a = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 40000; i++) {
        failed += mprotect(a + PAGE, PAGE, PROT_NONE) != 0;
        failed += mprotect(a + PAGE, PAGE, PROT_READ | PROT_WRITE) != 0;
    }
    SHOW(failed);
    munmap(a, 3 * PAGE);
}

int main(void)
{
    setbuf(stdout, NULL);
    anonymous();
    protections();
    split_and_joined();
    remaps();
    shared();
    files();
    heap();
    advice();
    limits();
    return 0;
}
