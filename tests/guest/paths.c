/* Names: mkdir, link, symlink, rename, unlink, chdir, readdir, access, and their errors. */
#include "guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char *const folder = "/tmp/guest-paths";

static int make(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    if (fd >= 0)
        close(fd);
    return fd >= 0 ? 0 : -1;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Order is the file system's own: sorted. */
static void list(const char *path)
{
    char *names[64];
    int count = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e = NULL; dir != NULL && count < 64 && (e = readdir(dir)) != NULL;) {
        char line[300];
        snprintf(line, sizeof(line), "%s(%d)", e->d_name, e->d_type);
        names[count++] = strdup(line);
    }
    if (dir != NULL)
        closedir(dir);
    qsort(names, (size_t)count, sizeof(names[0]), by_name);
    printf("%s:", path);
    for (int i = 0; i < count; i++)
        printf(" %s", names[i]);
    printf("\n");
}

static void show_links(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        printf("%s: %s\n", path, strerrorname_np(errno));
    else
        printf("%s: type %o nlink %lu\n", path, st.st_mode & S_IFMT, (unsigned long)st.st_nlink);
}

static void directories(void)
{
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("d/e/f", 0755));
    SHOW(mkdir("d/e/", 0700));
    SHOW(mkdir(".", 0700));
    SHOW(mkdir("/", 0700));
    SHOW(mkdir("", 0700));
    SHOW(rmdir("d"));
    SHOW(rmdir("d/e/."));
    SHOW(rmdir("d/e/.."));
    SHOW(rmdir("none"));
    SHOW(rmdir("/"));
    make("d/file");
    SHOW(rmdir("d/file"));
    SHOW(mkdir("d/file", 0700));
    SHOW(mkdir("d/file/x", 0700));
    SHOW(unlink("d"));
    SHOW(unlink("d/file/"));
    SHOW(unlinkat(AT_FDCWD, "d/e", AT_REMOVEDIR));
    SHOW(unlinkat(AT_FDCWD, "d/file", 0x1));
    SHOW(unlinkat(AT_FDCWD, "d/file", AT_REMOVEDIR));
    list("d");
    SHOW(unlink("d/file"));
    list("d");
    SHOW(rmdir("d/"));
    char name[300];
    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    SHOW(mkdir(name, 0700));
    SHOW(rmdir(name));
    name[255] = 'n';
    name[256] = '\0';
    SHOW(mkdir(name, 0700));
    static char path[5000];
    memset(path, '/', 4999);
    SHOW(access(path, F_OK));
    path[4095] = '\0';
    SHOW(access(path, F_OK));
}

static void links(void)
{
    make("f");
    SHOW(link("f", "g"));
    show_links("g");
    SHOW(link("f", "g"));
    SHOW(link("none", "h"));
    SHOW(link(".", "h"));
    SHOW(link("f", "none/h"));
    SHOW(symlink("f", "s"));
    SHOW(symlink("f", "s"));
    SHOW(symlink("", "t"));
    SHOW(symlink("loop", "loop"));
    SHOW(symlink("nowhere", "dangling"));
    SHOW(symlink("..", "up"));
    char text[64];
    SHOW(readlink("s", text, sizeof(text)));
    SHOW(readlink("s", text, 0));
    SHOW(readlink("dangling", text, 3));
    SHOW(readlink("f", text, sizeof(text)));
    SHOW(readlink("none", text, sizeof(text)));
    SHOW(readlink("", text, sizeof(text)));
    SHOW(open("loop", O_RDONLY));
    SHOW(open("s", O_RDONLY | O_NOFOLLOW));
    SHOW(open("dangling", O_RDONLY));
    SHOW(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600));
    SHOW(make("dangling"));
    show_links("nowhere");
    SHOW(link("s", "s2"));
    show_links("s2");
    SHOW(linkat(AT_FDCWD, "s", AT_FDCWD, "s3", AT_SYMLINK_FOLLOW));
    show_links("s3");
    SHOW(mkdir("dangling/", 0700));
    SHOW(rmdir("up/"));
    SHOW(access("up/guest-paths/f", F_OK));
    SHOW(unlink("s"));
    SHOW(unlink("s2"));
    SHOW(unlink("s3"));
    show_links("f");
    list(".");
    unlink("f"), unlink("g"), unlink("loop"), unlink("dangling"), unlink("nowhere"), unlink("up");
}

static void renames(void)
{
    make("a");
    make("b");
    mkdir("d", 0755);
    mkdir("d/sub", 0755);
    mkdir("e", 0755);
    SHOW(rename("a", "b"));
    show_links("a");
    SHOW(rename("b", "d"));
    SHOW(rename("d", "b"));
    SHOW(rename("d", "d/sub/x"));
    SHOW(rename("d/sub", "d"));
    SHOW(rename("e", "d"));
    SHOW(rename("d", "e"));
    SHOW(rename("none", "x"));
    SHOW(rename("b", "x/"));
    SHOW(rename("b", "b"));
    SHOW(rename("e", "e2/"));
    SHOW(rename(".", "x"));
    SHOW(rename("b", "none/x"));
    list("e2");
    make("c");
    SHOW(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_NOREPLACE));
    SHOW(renameat2(AT_FDCWD, "b", AT_FDCWD, "e2", RENAME_EXCHANGE));
    show_links("b");
    show_links("e2");
    SHOW(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", 64));
    link("c", "c2");
    SHOW(rename("c", "c2"));
    show_links("c");
    SHOW(rename("c", "/proc/x"));
    unlink("c"), unlink("c2"), unlink("e2");
    rmdir("b/sub");
    SHOW(rmdir("b"));
    list(".");
}

static void current(void)
{
    char path[PATH_MAX];
    mkdir("deep", 0755);
    SHOW(chdir("deep"));
    HOLDS(getcwd(path, sizeof(path)) != NULL && strcmp(path, "/tmp/guest-paths/deep") == 0);
    SHOW(syscall(SYS_getcwd, path, 5));
    SHOW(syscall(SYS_getcwd, NULL, 500));
    SHOW(chdir("none"));
    make("file");
    SHOW(chdir("file"));
    unlink("file");
    int fd = open("..", O_RDONLY | O_DIRECTORY);
    SHOW(rmdir("../deep"));
    SHOW(syscall(SYS_getcwd, path, sizeof(path)));
    SHOW(make("x"));
    SHOW(mkdir("x", 0755));
    list(".");
    SHOW(fchdir(fd));
    HOLDS(getcwd(path, sizeof(path)) != NULL && strcmp(path, folder) == 0);
    close(fd);
    SHOW(fchdir(fd));
    SHOW(fchdir(1));
    SHOW(access(".", X_OK));
    SHOW(access(".", 9));
    SHOW(faccessat(AT_FDCWD, "none", F_OK, 0));
    SHOW(faccessat(77, "x", F_OK, 0));
    SHOW(syscall(SYS_getdents64, 1, path, 100));
    fd = open(".", O_RDONLY);
    SHOW(syscall(SYS_getdents64, fd, path, 8));
    SHOW(read(fd, path, 8));
    SHOW(write(fd, path, 8));
    SHOW(pread(fd, path, 8, 0));
    SHOW(ftruncate(fd, 0));
    close(fd);
    SHOW(umask(077));
    SHOW(umask(022));
}

static void nodes(void)
{
    SHOW(mkfifo("p", 0600));
    show_links("p");
    SHOW(mkfifo("p", 0600));
    SHOW(open("p", O_WRONLY | O_NONBLOCK));
    int fd = open("p", O_RDONLY | O_NONBLOCK);
    HOLDS(fd == 3);
    int out = open("p", O_WRONLY | O_NONBLOCK);
    HOLDS(out == 4);
    char text[8];
    SHOW(read(fd, text, 8));
    SHOW(write(out, "hi", 2));
    SHOW(read(fd, text, 8));
    close(out);
    SHOW(read(fd, text, 8));
    close(fd);
    SHOW(unlink("p"));
    SHOW(mknod("n", S_IFREG | 0644, 0));
    show_links("n");
    SHOW(mknod("n2", S_IFDIR | 0644, 0));
    SHOW(unlink("n"));
    SHOW(make("/proc/none"));
    SHOW(mkdir("/proc/none", 0755));
    SHOW(unlink("/proc/version"));
    SHOW(readlink("/proc/self/exe", text, 1));
    SHOW(access("/proc/self/fd/1", F_OK));
    SHOW(access("/proc/self/fd/99", F_OK));
    SHOW(open("/proc/self/none", O_RDONLY));
}

int main(void)
{
    umask(022);
    mkdir(folder, 0755);
    if (chdir(folder) != 0)
        return 1;
    directories();
    links();
    renames();
    current();
    nodes();
    chdir("/");
    SHOW(rmdir(folder));
    return 0;
}
