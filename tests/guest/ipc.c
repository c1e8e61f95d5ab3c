/* System V IPC: shared memory, semaphores, message queues. */
#include "children.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>

enum { PAGE = 4096, KEY = 0x6c757265 };

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
    struct seminfo *info;
};

/* What another run may have left. */
static void clean(void)
{
    shmctl(shmget(KEY, 0, 0), IPC_RMID, NULL);
    semctl(semget(KEY, 0, 0), 0, IPC_RMID);
    msgctl(msgget(KEY, 0), IPC_RMID, NULL);
}

/* ---- Shared memory ---- */

static void segments(void)
{
    TRY(shmget(KEY, PAGE, 0600));
    TRY(shmget(KEY, 0, IPC_CREAT | 0600));
    int id = shmget(KEY, PAGE + 1, IPC_CREAT | IPC_EXCL | 0640);
    HOLDS(id >= 0);
    TRY(shmget(KEY, PAGE, IPC_CREAT | IPC_EXCL | 0600));
    HOLDS(shmget(KEY, PAGE, 0) == id);
    TRY(shmget(KEY, 3 * PAGE, 0));
    TRY(shmget(IPC_PRIVATE, 0, 0600));
    if (sizeof(size_t) > 4) /* else a machine may have so much */
        HOLDS(shmget(IPC_PRIVATE, (size_t)-1, 0600) == -1 && errno == EINVAL);
    char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, 0), *ro = shmat(id, NULL, SHM_RDONLY);
    HOLDS(a != (void *)-1 && b != a && ro != b);
    a[PAGE + 5] = 'x';
    HOLDS(b[PAGE + 5] == 'x' && ro[PAGE + 5] == 'x');
    TRY(shmat(id, a + 1, 0));
    TRY(shmat(id, a, 0));
    HOLDS(shmat(id, a, SHM_REMAP) == a);
    HOLDS(a[PAGE + 5] == 'x');
    TRY(shmat(id, NULL, SHM_REMAP));
    TRY(shmat(-1, NULL, 0));
    TRY(mprotect(ro, PAGE, PROT_READ | PROT_WRITE));
    struct shmid_ds ds;
    SHOW(shmctl(id, IPC_STAT, &ds));
    printf("size %zu attached %lu mode %o mine %d\n", ds.shm_segsz, ds.shm_nattch, ds.shm_perm.mode,
           ds.shm_cpid == getpid() && ds.shm_lpid == getpid());
    HOLDS(ds.shm_perm.__key == KEY && ds.shm_atime > 0 && ds.shm_ctime > 0);
    pid_t pid = fork();
    if (pid == 0) {
        shmctl(id, IPC_STAT, &ds);
        b[0] = (char)ds.shm_nattch;
        _exit(shmdt(a) == 0 ? 0 : 1);
    }
    join(pid);
    SHOW(b[0]);
    shmctl(id, IPC_STAT, &ds);
    SHOW(ds.shm_nattch);
    ds.shm_perm.mode = 0600;
    SHOW(shmctl(id, IPC_SET, &ds));
    SHOW(shmdt(a));
    TRY(shmdt(a));
    TRY(shmdt(b + PAGE));
    SHOW(shmctl(id, IPC_RMID, NULL));
    TRY(shmget(KEY, 0, 0));
    shmctl(id, IPC_STAT, &ds);
    printf("mode %o key %x attached %lu\n", ds.shm_perm.mode, ds.shm_perm.__key, ds.shm_nattch);
    HOLDS(b[PAGE + 5] == 'x');
    SHOW(shmdt(ro));
    SHOW(shmdt(b));
    TRY(shmctl(id, IPC_STAT, &ds));
    TRY(shmctl(id, 99, &ds));
}

static void segment_limits(void)
{
    struct shminfo info;
    struct shm_info use;
    int id = shmget(IPC_PRIVATE, 2 * PAGE, 0600);
    HOLDS(shmctl(0, IPC_INFO, (struct shmid_ds *)&info) >= 0);
    if (sizeof(long) == 8)
        printf("max %lu\n", info.shmmax);
    else
        HOLDS(info.shmmax == 0x7fffffff || info.shmmax == 0xfeffffff); /* by the kernel's words */
    printf("min %lu segments %lu\n", info.shmmin, info.shmmni);
    HOLDS(shmctl(0, SHM_INFO, (struct shmid_ds *)&use) >= 0 && use.used_ids >= 1);
    struct shmid_ds ds;
    HOLDS(shmctl(id & 0x7fff, SHM_STAT, &ds) == id);
    SHOW(shmctl(id, SHM_LOCK, NULL));
    shmctl(id, IPC_STAT, &ds);
    printf("mode %o\n", ds.shm_perm.mode);
    char *a = shmat(id, NULL, 0);
    munmap(a + PAGE, PAGE);
    SHOW(shmdt(a));
    shmctl(id, IPC_RMID, NULL);
}

static void tell_segment(int id)
{
    struct shmid_ds ds;
    if (shmctl(id, IPC_STAT, &ds) != 0)
        printf("segment: %s\n", strerrorname_np(errno));
    else
        printf("segment: attached %lu mode %o detached %d by me %d\n", ds.shm_nattch,
               ds.shm_perm.mode, ds.shm_dtime > 0, ds.shm_lpid == getpid());
}

/* A segment that was removed goes with its last mapping, however that goes. */
static void removed_segments(void)
{
    int id = shmget(IPC_PRIVATE, 4 * PAGE, 0600);
    char *a = shmat(id, NULL, 0);
    SHOW(shmctl(id, IPC_RMID, NULL));
    tell_segment(id);
    char *late = shmat(id, NULL, 0);
    HOLDS(late != (void *)-1);
    SHOW(munmap(late, 4 * PAGE));
    tell_segment(id);
    SHOW(munmap(a + PAGE, PAGE));
    tell_segment(id);
    SHOW(mprotect(a + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE)); /* as it is */
    tell_segment(id);
    SHOW(mprotect(a, PAGE, PROT_READ));
    SHOW(mprotect(a + 2 * PAGE, PAGE, PROT_READ));
    tell_segment(id);
    SHOW(mprotect(a + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE)); /* nothing is joined */
    tell_segment(id);
    HOLDS(shmat(id, a, SHM_REMAP) == a);
    tell_segment(id);
    SHOW(munmap(a, 3 * PAGE));
    a[3 * PAGE] = 'x';
    tell_segment(id);
    SHOW(munmap(a + 3 * PAGE, PAGE));
    tell_segment(id);

    id = shmget(IPC_PRIVATE, PAGE, 0600);
    pid_t pid = fork();
    if (pid == 0) {
        HOLDS(shmat(id, NULL, 0) != (void *)-1);
        SHOW(shmctl(id, IPC_RMID, NULL));
        tell_segment(id);
        fflush(stdout);
        _exit(0);
    }
    join(pid);
    tell_segment(id);

    id = shmget(IPC_PRIVATE, PAGE, 0600);
    a = shmat(id, NULL, 0);
    SHOW(shmctl(id, IPC_RMID, NULL));
    HOLDS(mmap(a, PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == a);
    tell_segment(id);
}

/* ---- Semaphores ---- */

static int op(int id, int number, int add, int flags)
{
    struct sembuf one = {(unsigned short)number, (short)add, (short)flags};
    return semop(id, &one, 1);
}

/* The call that C libraries make no more, where there is one. */
static long call_semop(int id, struct sembuf *ops, size_t count)
{
#ifdef SYS_semop
    return syscall(SYS_semop, id, ops, count);
#else
    return semop(id, ops, count);
#endif
}

static void sets(void)
{
    TRY(semget(KEY, 2, 0600));
    TRY(semget(KEY, 0, IPC_CREAT | 0600));
    TRY(semget(IPC_PRIVATE, 32001, 0600));
    int id = semget(KEY, 3, IPC_CREAT | IPC_EXCL | 0600);
    HOLDS(id >= 0);
    TRY(semget(KEY, 4, 0));
    TRY(semget(KEY, 2, IPC_CREAT | IPC_EXCL));
    SHOW(semctl(id, 0, GETVAL));
    SHOW(semctl(id, 1, SETVAL, (union semun){.val = 5}));
    TRY(semctl(id, 1, SETVAL, (union semun){.val = 32768}));
    TRY(semctl(id, 3, GETVAL));
    TRY(semctl(id, -1, GETVAL));
    TRY(op(id, 0, -1, IPC_NOWAIT));
    TRY(op(id, 1, 0, IPC_NOWAIT));
    TRY(op(id, 3, 1, 0));
    TRY(op(id, 1, 32767, 0));
    SHOW(call_semop(id, &(struct sembuf){1, -2, 0}, 1));
    SHOW(semctl(id, 1, GETVAL));
    HOLDS(semctl(id, 1, GETPID) == getpid() && semctl(id, 0, GETPID) == 0);
    struct sembuf both[2] = {{1, -1, 0}, {0, -1, IPC_NOWAIT}};
    TRY(semop(id, both, 2));
    SHOW(semctl(id, 1, GETVAL));
    TRY(semop(id, both, 0));
    TRY(semop(id, both, 501));
    unsigned short values[3] = {7, 8, 9};
    SHOW(semctl(id, 0, SETALL, (union semun){.array = values}));
    values[0] = values[2] = 0;
    SHOW(semctl(id, 0, GETALL, (union semun){.array = values}));
    printf("%d %d %d\n", values[0], values[1], values[2]);
    struct semid_ds ds;
    SHOW(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
    printf("%lu semaphores mode %o used %d\n", ds.sem_nsems, ds.sem_perm.mode, ds.sem_otime > 0);
    struct timespec moment = {0, 20000000}, wrong = {0, -1};
    struct sembuf one = {0, -8, 0};
    TRY(semtimedop(id, &one, 1, &moment));
    TRY(semtimedop(id, &one, 1, &wrong));
    SHOW(semctl(id, 0, IPC_RMID));
    TRY(semctl(id, 0, GETVAL));
    TRY(semget(KEY, 0, 0));
}

static void ignore(int signo)
{
    (void)signo;
}

static void waits(void)
{
    struct sigaction act = {.sa_handler = ignore, .sa_flags = SA_RESTART};
    int id = semget(IPC_PRIVATE, 2, 0600);
    pid_t pid = fork();
    if (pid == 0)
        _exit(op(id, 0, -3, 0) == 0 ? 10 : 11);
    park(pid);
    SHOW(semctl(id, 0, GETNCNT));
    SHOW(semctl(id, 0, GETZCNT));
    op(id, 0, 2, 0);
    park(pid);
    SHOW(semctl(id, 0, GETVAL));
    op(id, 0, 2, 0);
    join(pid);
    SHOW(semctl(id, 0, GETVAL));
    pid = fork();
    if (pid == 0)
        _exit(op(id, 0, 0, 0) == 0 ? 12 : 13);
    park(pid);
    SHOW(semctl(id, 0, GETZCNT));
    SHOW(op(id, 0, -1, 0));
    join(pid);
    pid = fork();
    if (pid == 0) {
        sigaction(SIGUSR1, &act, NULL);
        _exit(op(id, 0, -1, 0) == -1 && errno == EINTR ? 14 : 15);
    }
    park(pid);
    kill(pid, SIGUSR1);
    join(pid);
    pid = fork();
    if (pid == 0)
        _exit(op(id, 0, -1, 0) == -1 && errno == EIDRM ? 16 : 17);
    park(pid);
    SHOW(semctl(id, 0, IPC_RMID));
    join(pid);
}

static void undo(void)
{
    int id = semget(IPC_PRIVATE, 2, 0600);
    semctl(id, 0, SETVAL, (union semun){.val = 4});
    pid_t pid = fork();
    if (pid == 0) {
        op(id, 0, -3, SEM_UNDO);
        op(id, 1, 2, SEM_UNDO);
        op(id, 1, 1, 0);
        _exit(semctl(id, 0, GETVAL));
    }
    join(pid);
    printf("%d %d\n", semctl(id, 0, GETVAL), semctl(id, 1, GETVAL));
    pid = fork();
    if (pid == 0) {
        op(id, 0, -3, SEM_UNDO);
        semctl(id, 0, SETVAL, (union semun){.val = 9});
        _exit(0);
    }
    join(pid);
    SHOW(semctl(id, 0, GETVAL));
    struct seminfo info;
    HOLDS(semctl(0, 0, IPC_INFO, (union semun){.info = &info}) >= 0);
    printf("%d %d %d %d %d\n", info.semmsl, info.semmns, info.semopm, info.semmni, info.semvmx);
    semctl(id, 0, IPC_RMID);
}

/* ---- Messages ---- */

struct text {
    long type;
    char bytes[64];
};

static int put(int id, long type, const char *text_z)
{
    struct text m = {.type = type};
    memcpy(m.bytes, text_z, strlen(text_z));
    return msgsnd(id, &m, strlen(text_z), IPC_NOWAIT);
}

static void get(int id, long type, size_t room, int flags)
{
    struct text m = {0};
    errno = 0;
    long n = msgrcv(id, &m, room, type, flags);
    if (n < 0)
        printf("type %ld: %s\n", type, strerrorname_np(errno));
    else
        printf("type %ld: %ld of %ld: %.*s\n", type, n, m.type, (int)n, m.bytes);
}

static void messages(void)
{
    TRY(msgget(KEY, 0600));
    int id = msgget(KEY, IPC_CREAT | 0600);
    HOLDS(id >= 0 && msgget(KEY, 0) == id);
    TRY(msgget(KEY, IPC_CREAT | IPC_EXCL | 0600));
    get(id, 0, 64, IPC_NOWAIT);
    TRY(put(id, 0, "no type"));
    TRY(put(id, -1, "no type"));
    SHOW(put(id, 3, "three"));
    SHOW(put(id, 1, "one"));
    SHOW(put(id, 2, "two"));
    SHOW(put(id, 3, "three again"));
    SHOW(put(id, 5, ""));
    struct msqid_ds ds;
    SHOW(msgctl(id, IPC_STAT, &ds));
    printf("%lu messages, %lu of %lu bytes\n", ds.msg_qnum, ds.__msg_cbytes, ds.msg_qbytes);
    HOLDS(ds.msg_lspid == getpid() && ds.msg_lrpid == 0 && ds.msg_stime > 0 && ds.msg_rtime == 0);
    get(id, 0, 64, MSG_COPY | IPC_NOWAIT);
    get(id, 9, 64, MSG_COPY | IPC_NOWAIT);
    get(id, 0, 2, IPC_NOWAIT);
    get(id, -2, 64, 0);
    get(id, 3, 64, MSG_EXCEPT);
    get(id, 0, 2, MSG_NOERROR);
    get(id, 7, 64, IPC_NOWAIT);
    get(id, -4, 64, 0);
    get(id, 5, 64, 0);
    struct text m = {.type = 1};
    TRY(msgsnd(id, &m, 8193, 0));
    TRY(msgsnd(id, (void *)8, 3, 0));
    ds.msg_qbytes = 16;
    SHOW(msgctl(id, IPC_SET, &ds));
    SHOW(put(id, 1, "0123456789"));
    TRY(put(id, 1, "0123456789"));
    pid_t pid = fork();
    if (pid == 0)
        _exit(msgsnd(id, &m, 10, 0) == 0 ? 20 : 21);
    park(pid);
    get(id, 0, 64, 0);
    join(pid);
    get(id, 0, 0, MSG_NOERROR);
    pid = fork();
    if (pid == 0)
        _exit(msgrcv(id, &m, 64, 4, 0) == 5 && m.bytes[0] == 'h' ? 22 : 23);
    park(pid);
    put(id, 3, "other");
    put(id, 4, "hello");
    join(pid);
    pid = fork();
    if (pid == 0)
        _exit(msgrcv(id, &m, 64, 4, 0) == -1 && errno == EIDRM ? 24 : 25);
    park(pid);
    SHOW(msgctl(id, IPC_RMID, NULL));
    join(pid);
    TRY(put(id, 1, "gone"));
    struct msginfo info;
    HOLDS(msgctl(0, IPC_INFO, (struct msqid_ds *)&info) >= 0);
    printf("%d %d %d %d\n", info.msgmax, info.msgmnb, info.msgmni, info.msgpool);
}

/* ---- Rights, and what /proc tells ---- */

static void rights(void)
{
    int id = shmget(IPC_PRIVATE, PAGE, 0640), q = msgget(IPC_PRIVATE, 0600);
    int s = semget(IPC_PRIVATE, 1, 0604);
    pid_t pid = fork();
    if (pid == 0) {
        struct shmid_ds ds;
        if (setgroups(0, NULL) != 0 || setgid(12345) != 0 || setuid(12345) != 0)
            printf("not root\n");
        TRY(shmat(id, NULL, SHM_RDONLY));
        TRY(shmctl(id, IPC_STAT, &ds));
        TRY(shmctl(id, IPC_RMID, NULL));
        TRY(shmctl(id & 0x7fff, SHM_STAT_ANY, &ds) >= 0 ? 0 : -1);
        TRY(msgrcv(q, &ds, 8, 0, IPC_NOWAIT));
        TRY(semctl(s, 0, GETVAL));
        TRY(op(s, 0, 1, IPC_NOWAIT));
        TRY(semctl(s, 0, SETVAL, (union semun){.val = 1}));
        _exit(0);
    }
    join(pid);
    shmctl(id, IPC_RMID, NULL);
    msgctl(q, IPC_RMID, NULL);
    semctl(s, 0, IPC_RMID);
}

static void show_line(const char *path, int id)
{
    char line[300];
    FILE *f = fopen(path, "r");
    bool first = true;
    while (fgets(line, sizeof(line), f) != NULL) {
        int key = 0, number = 0;
        unsigned mode = 0;
        unsigned long size = 0;
        if (first)
            printf("%s", line);
        else if (sscanf(line, "%d %d %o %lu", &key, &number, &mode, &size) == 4 && number == id)
            printf("%x %o %lu, %zu long\n", key, mode, size, strlen(line));
        first = false;
    }
    fclose(f);
}

static void tables(void)
{
    int id = shmget(KEY, 10000, IPC_CREAT | 0644), q = msgget(KEY, IPC_CREAT | 0600);
    int s = semget(KEY, 4, IPC_CREAT | 0666);
    put(q, 1, "twelve bytes");
    show_line("/proc/sysvipc/shm", id);
    show_line("/proc/sysvipc/sem", s);
    show_line("/proc/sysvipc/msg", q);
    char line[300], *at = shmat(id, NULL, 0);
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof(line), maps) != NULL)
        if (strstr(line, "SYSV") != NULL)
            printf("%.4s %s", strchr(line, ' ') + 1, strchr(line, '/'));
    fclose(maps);
    shmdt(at);
    clean();
}

int main(void)
{
    setbuf(stdout, NULL);
    clean();
    segments();
    segment_limits();
    removed_segments();
    sets();
    waits();
    undo();
    messages();
    rights();
    tables();
    return 0;
}
