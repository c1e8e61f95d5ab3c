/* Mounts and their namespaces: memory file systems, bind mounts, moves, flags, what is busy, and what
 * /proc/self/mountinfo says. All of it in a namespace of its own; who may not make one is told so. */
#include "guest.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

static char base[] = "/tmp/mountsXXXXXX";

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    SHOW(fd < 0 ? -1 : write(fd, text, strlen(text)));
    close(fd);
}

static void get(const char *path)
{
    char text[64];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (n < 0)
        printf("%s: %s\n", path, strerrorname_np(errno));
    else
        printf("%s: %.*s\n", path, (int)n, text);
    close(fd);
}

/* The lines of mountinfo below `base`: root, place, options, whether shared, type, source, super. */
static void table(void)
{
    char line[4096], root[256], place[256], options[256], more[64], type[64], source[64],
        super[256];
    FILE *file = fopen("/proc/self/mountinfo", "r");
    size_t len = strlen(base);
    while (fgets(line, sizeof(line), file) != NULL) {
        sscanf(line, "%*s %*s %*s %255s %255s %255s %63s", root, place, options, more);
        if (strncmp(place, base, len) != 0)
            continue;
        char *dash = strstr(line, " - ");
        sscanf(dash + 3, "%63s %63s %255s", type, source, super);
        char *wide = strstr(super, ",inode64"); /* as the kernel was built */
        if (wide != NULL)
            *wide = '\0';
        printf("mount %s on %s %s %s %s %s %s\n", strncmp(root, base, len) == 0 ? root + len : root,
               place + len, options, strcmp(more, "-") == 0 ? "private" : "shared", type, source,
               super);
    }
    fclose(file);
}

/* No more than its size goes into it. */
static void fill(void)
{
    static char much[100000];
    struct statfs fs;
    int fd = open("m/big", O_CREAT | O_RDWR, 0600);
    SHOW(write(fd, much, sizeof(much)));
    SHOW(write(fd, much, 1));
    SHOW(pwrite(fd, much, 100, 0));
    statfs("m", &fs);
    printf("%ld of %ld\n", (long)fs.f_bavail, (long)fs.f_blocks);
    SHOW(ftruncate(fd, 10000));
    statfs("m", &fs);
    printf("%ld of %ld\n", (long)fs.f_bavail, (long)fs.f_blocks);
    close(fd);
    unlink("m/big");
}

static void memory(void)
{
    struct stat st, outer;
    struct statfs fs;
    SHOW(mkdir("m", 0755));
    SHOW(stat("m", &outer));
    SHOW(mount("none", "m", "tmpfs", 0, "mode=700,size=64k,uid=5"));
    SHOW(stat("m", &st));
    HOLDS(st.st_dev != outer.st_dev);
    printf("%o %d %d\n", st.st_mode & 07777, st.st_uid, st.st_gid);
    SHOW(statfs("m", &fs));
    printf("%lx %ld\n", (long)fs.f_type, (long)fs.f_blocks);
    put("m/f", "one");
    get("m/f");
    fill();
    table();
    SHOW(rmdir("m"));
    SHOW(rename("m", "n"));
    int fd = open("m/f", O_RDONLY);
    SHOW(umount("m"));
    SHOW(umount2("m", MNT_EXPIRE | MNT_FORCE));
    SHOW(umount2("m", MNT_EXPIRE));
    SHOW(umount2("m", 64));
    char text[8];
    SHOW(umount2("m", MNT_DETACH));
    SHOW(read(fd, text, sizeof(text)));
    close(fd);
    get("m/f");
    SHOW(umount("m"));
    table();
    SHOW(mount("none", "m", "tmpfs", 0, "mode=9"));
    SHOW(mount("none", "m", "tmpfs", 0, "what=9"));
    SHOW(mount("none", "m", "nosuchtype", 0, NULL));
    SHOW(mount("none", "m", NULL, 0, NULL));
    SHOW(mount("none", "missing", "tmpfs", 0, NULL));
    SHOW(mount("/dev/null", "m", "ext4", 0, NULL));
    SHOW(mount("/missing", "m", "ext4", 0, NULL));
}

static void binds(void)
{
    SHOW(mkdir("from", 0755));
    SHOW(mkdir("from/in", 0755));
    SHOW(mkdir("to", 0755));
    put("from/f", "bound");
    put("file", "covered");
    SHOW(mount("from", "to", NULL, MS_BIND, NULL));
    get("to/f");
    put("to/g", "through");
    get("from/g");
    table();
    SHOW(rename("to/f", "from/h"));
    SHOW(link("to/f", "from/h"));
    SHOW(mount("from/f", "file", NULL, MS_BIND, NULL));
    get("file");
    SHOW(unlink("file"));
    SHOW(mount("from/f", "to", NULL, MS_BIND, NULL));
    SHOW(mount("from", "file", NULL, MS_BIND, NULL));
    SHOW(mount("missing", "to", NULL, MS_BIND, NULL));
    SHOW(mount(NULL, "to", NULL, MS_BIND, NULL));
    SHOW(umount("file"));
    get("file");
    SHOW(mount("none", "from/in", "tmpfs", 0, NULL));
    put("from/in/x", "below");
    get("to/in/x");
    SHOW(umount("to"));
    SHOW(mount("from", "to", NULL, MS_BIND | MS_REC, NULL));
    get("to/in/x");
    table();
    SHOW(umount("from"));
    SHOW(umount("to"));
    SHOW(umount("to/in"));
    SHOW(umount("to"));
    SHOW(umount("from/in"));
}

static void flags(void)
{
    SHOW(mount("from", "to", NULL, MS_BIND, NULL));
    SHOW(mount(NULL, "to", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL));
    table();
    put("to/f", "no");
    SHOW(mkdir("to/new", 0755));
    SHOW(unlink("to/f"));
    SHOW(chmod("to/f", 0600));
    put("from/f", "yes");
    SHOW(access("to/f", W_OK));
    SHOW(mount(NULL, "to/in", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
    SHOW(mount(NULL, "to", NULL, MS_BIND | MS_REMOUNT | MS_NOATIME, NULL));
    table();
    put("to/f", "again");
    SHOW(umount("to"));
    SHOW(mount("none", "m", "tmpfs", MS_NODEV, NULL));
    SHOW(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
    put("m/f", "no");
    table();
    SHOW(mount(NULL, "m", NULL, MS_REMOUNT, NULL));
    put("m/f", "yes");
}

static void moving(void)
{
    SHOW(mkdir("n", 0755));
    SHOW(mount("m", "n", NULL, MS_MOVE, NULL));
    get("m/f");
    get("n/f");
    SHOW(mount("from", "n", NULL, MS_MOVE, NULL));
    SHOW(mkdir("n/deep", 0755));
    SHOW(mount("n", "n/deep", NULL, MS_MOVE, NULL));
    SHOW(mount(NULL, "n", NULL, MS_SHARED, NULL));
    table();
    SHOW(mount(NULL, "n", NULL, MS_PRIVATE, NULL));
    SHOW(mount(NULL, "n", NULL, MS_PRIVATE | MS_SHARED, NULL));
    SHOW(mount(NULL, "n/deep", NULL, MS_PRIVATE, NULL));
    table();
}

/* A child's mounts are its own. */
static void namespaces(void)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        SHOW(unshare(CLONE_NEWNS));
        SHOW(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
        SHOW(umount("n"));
        SHOW(mount("none", "m", "tmpfs", 0, NULL));
        put("m/child", "mine");
        char cwd[4096];
        HOLDS(strcmp(getcwd(cwd, sizeof(cwd)), base) == 0);
        table();
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    SHOW(status);
    get("m/child");
    get("n/f");
    table();
    SHOW(chdir("n"));
    SHOW(umount(base + 0));
    SHOW(chdir(".."));
    SHOW(umount("n"));
    SHOW(unshare(0x10000000 | CLONE_NEWNS | 1));
    SHOW(setns(-1, 0));
    SHOW(setns(1, 0));
}

/* In directories of another namespace, and of a mount that is in no tree any more, nothing is mounted.
 * (With which error, kernels do not agree.) */
static void elsewhere(void)
{
    int status = 0;
    fflush(stdout);
    if (fork() == 0) {
        int old = open(".", O_RDONLY | O_DIRECTORY);
        SHOW(unshare(CLONE_NEWNS));
        SHOW(fchdir(old));
        HOLDS(mount("none", "m", "tmpfs", 0, NULL) == -1);
        HOLDS(mount("m", "n", NULL, MS_BIND, NULL) == -1);
        HOLDS(mount("none", ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == -1);
        SHOW(unshare(CLONE_NEWNS));
        SHOW(chdir(base));
        SHOW(mount("none", "m", "tmpfs", 0, NULL));
        SHOW(chdir("m"));
        SHOW(mkdir("in", 0700));
        SHOW(umount2("../m", MNT_DETACH) == 0 || chdir("/") != 0);
        HOLDS(mount("none", "in", "tmpfs", 0, NULL) == -1);
        SHOW(unshare(CLONE_NEWNS));
        fflush(stdout);
        _exit(0);
    }
    wait(&status);
    SHOW(status);
}

int main(void)
{
    if (unshare(CLONE_NEWNS) != 0) {
        TRY(unshare(CLONE_NEWNS));
        TRY(mount("none", "/tmp", "tmpfs", 0, NULL));
        TRY(umount("/tmp"));
        return 0;
    }
    SHOW(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    HOLDS(mkdtemp(base) != NULL);
    SHOW(chdir(base));
    /* Whatever the disk is: the work is done in memory. */
    SHOW(mount("work", base, "tmpfs", 0, NULL));
    SHOW(chdir(base));
    memory();
    binds();
    flags();
    moving();
    namespaces();
    elsewhere();
    SHOW(chdir("/"));
    SHOW(umount2(base, MNT_DETACH));
    SHOW(rmdir(base));
    return 0;
}
