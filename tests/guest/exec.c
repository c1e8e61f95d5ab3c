/* execve: arguments, environment, `#!`, errors, the auxiliary vector, what survives. */
#include "guest.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;
static const char *self;

static void show_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("  arg %d '%s'\n", i, argv[i]);
    for (char **e = environ; *e != NULL; e++)
        printf("  env '%s'\n", *e);
}

static void run(const char *path, char *const argv[], char *const envp[])
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execve(path, argv, envp);
        printf("  %s\n", strerrorname_np(errno));
        _exit(1);
    }
    waitpid(pid, &status, 0);
    printf("  status %x\n", status);
}

static void write_file(const char *path, const void *bytes, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    write(fd, bytes, len);
    fchmod(fd, mode);
    close(fd);
}

static char dir[] = "/tmp/guest-exec-XXXXXX";

static void script(const char *what, const char *text)
{
    char line[4096];
    snprintf(line, sizeof(line), text, self);
    printf("%s\n", what);
    write_file("script", line, strlen(line), 0755);
    run("./script", (char *[]){"zero", "one", "two", NULL}, (char *[]){NULL});
}

static void scripts(void)
{
    char line[5000], name[32];
    script("plain", "#!%s\nbody\n");
    script("one argument", "#!%s show\nbody\n");
    script("blanks", "#! \t %s  \t show me  these \t \nbody\n");
    script("no newline", "#!%s show");
    script("empty", "#!\n");
    script("only blanks", "#!   \nx");
    script("not there", "#!/not/there\n");
    script("relative", "#!script2 show\n");
    script("text", "echo %s\n");
    script("nothing", "");
    memset(line, 'a', sizeof(line));
    memcpy(line, "#!/", 3);
    write_file("script", line, sizeof(line), 0755);
    printf("too long\n");
    run("./script", (char *[]){"zero", NULL}, environ);
    printf("deep\n");
    for (int i = 0; i < 8; i++) {
        int n = i == 0 ? snprintf(line, sizeof(line), "#!%s show\n", self)
                       : snprintf(line, sizeof(line), "#!./s%d\n", i - 1);
        snprintf(name, sizeof(name), "./s%d", i);
        write_file(name, line, (size_t)n, 0755);
        printf("%s\n", name);
        run(name, (char *[]){"zero", "x", NULL}, (char *[]){NULL});
    }
}

static void errors(void)
{
    char *argv[] = {"x", NULL};
    printf("errors\n");
    run("./nothing", argv, environ);
    run(".", argv, environ);
    write_file("plain", "x", 1, 0644);
    run("./plain", argv, environ);
    run("./plain/more", argv, environ);
    run("", argv, environ);
    symlink("loop", "loop");
    run("./loop", argv, environ);
    run("./script", (char **)8, environ);
    run((char *)8, argv, environ);
    char *big = malloc(200000);
    memset(big, 'b', 199999);
    big[199999] = 0;
    run(self, (char *[]){"x", big, NULL}, (char *[]){NULL});
    big[131071] = 0;
    run(self, (char *[]){"x", "count", big, NULL}, (char *[]){NULL});
    big[131070] = 0;
    printf("  longest argument:\n");
    run(self, (char *[]){"x", "count", big, NULL}, (char *[]){NULL});
    /* Many together. */
    static char *many[30000];
    for (int i = 0; i < 29999; i++)
        many[i] = "0123456789012345678901234567890123456789012345678901234567890123456789";
    run(self, many, (char *[]){NULL});
    many[20000] = NULL;
    many[1] = "count";
    run(self, many, (char *[]){NULL});
}

static void headers(void)
{
    Elf64_Ehdr h;
    unsigned char bytes[1000] = {0};
    int fd = open(self, O_RDONLY);
    read(fd, &h, sizeof(h));
    close(fd);
    char *argv[] = {"x", NULL};
    printf("bad headers\n");
    memcpy(bytes, &h, sizeof(h));
    write_file("elf", bytes, 20, 0755);
    run("./elf", argv, environ);
    Elf64_Ehdr bad = h;
    bad.e_machine = EM_MIPS;
    write_file("elf", &bad, sizeof(bad), 0755);
    run("./elf", argv, environ);
    bad = h;
    bad.e_type = ET_REL;
    write_file("elf", &bad, sizeof(bad), 0755);
    run("./elf", argv, environ);
    bad = h;
    bad.e_phnum = 0;
    write_file("elf", &bad, sizeof(bad), 0755);
    run("./elf", argv, environ);
    bad = h;
    bad.e_phentsize = 1;
    write_file("elf", &bad, sizeof(bad), 0755);
    run("./elf", argv, environ);
    bad = h;
    bad.e_ident[EI_CLASS] = 9;
    write_file("elf", &bad, sizeof(bad), 0755);
}

static volatile int handled;

static void handler(int signo)
{
    handled = signo;
}

/* What goes through an exec: ignored signals, the mask, pending signals, descriptors. */
static void survive(void)
{
    sigset_t set;
    int keep = open("/", O_RDONLY), drop = open("/", O_RDONLY | O_CLOEXEC);
    dup2(keep, 50);
    dup3(drop, 51, O_CLOEXEC);
    signal(SIGUSR1, handler);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGTERM);
    printf("survivors\n");
    fflush(stdout);
    execl(self, "survivor", "survivors", (char *)NULL);
}

static int survivors(void)
{
    struct sigaction a;
    sigset_t set;
    sigaction(SIGUSR1, NULL, &a);
    HOLDS(a.sa_handler == SIG_DFL);
    sigaction(SIGUSR2, NULL, &a);
    HOLDS(a.sa_handler == SIG_IGN);
    sigprocmask(SIG_SETMASK, NULL, &set);
    HOLDS(sigismember(&set, SIGTERM));
    sigpending(&set);
    HOLDS(sigismember(&set, SIGTERM));
    SHOW(fcntl(50, F_GETFD));
    SHOW(fcntl(51, F_GETFD));
    return 17;
}

static void vector(void)
{
    static const unsigned long types[] = {AT_PAGESZ, AT_CLKTCK, AT_PHENT,
                                          AT_FLAGS,  AT_SECURE, AT_BASE};
    printf("vector\n");
    for (size_t i = 0; i < 6; i++)
        SHOW(getauxval(types[i]));
    HOLDS(getauxval(AT_UID) == getuid() && getauxval(AT_EGID) == getegid());
    HOLDS(getauxval(AT_PHDR) != 0 && getauxval(AT_PHNUM) > 3 && getauxval(AT_ENTRY) != 0);
    HOLDS(getauxval(AT_RANDOM) != 0 && getauxval(AT_HWCAP) != 0);
    HOLDS(strcmp((char *)getauxval(AT_PLATFORM), PLATFORM) == 0);
    const char *name = (char *)getauxval(AT_EXECFN);
    HOLDS(strstr(name, "guest-exec") != NULL);
}

int main(int argc, char **argv)
{
    static char self_name[4096];
    setbuf(stdout, NULL);
    if (argc > 1 && strcmp(argv[1], "count") == 0) {
        printf("  %d arguments, the last has %zu\n", argc, strlen(argv[argc - 1]));
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "survivors") == 0)
        return survivors();
    if (argc != 1 || strcmp(argv[0], "x") == 0 || argv[0][0] == '\0') {
        argv[0] = strcmp(argv[0], "zero") == 0 ? "zero" : "interpreter";
        show_arguments(argc < 30 ? argc : 30, argv);
        return 0;
    }
    self = realpath(argv[0], self_name);
    /* The path of the program is the tester's business: a link to it has a name of ours. */
    if (mkdtemp(dir) == NULL || chdir(dir) != 0)
        return 1;
    unlink("/tmp/guest-exec-self");
    if (symlink(self, "/tmp/guest-exec-self") != 0)
        return 2;
    self = "/tmp/guest-exec-self";
    vector();
    printf("direct\n");
    run(self, (char *[]){"x", "a", "", "c d", NULL}, (char *[]){"A=1", "B", NULL});
    run(self, NULL, NULL);
    scripts();
    errors();
    headers();
    survive();
    return 3;
}
