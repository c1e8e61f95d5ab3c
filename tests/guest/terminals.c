/* Terminals from inside: /dev/ptmx, termios, job control's calls, sizes, raw reads with time. */
#include "guest.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

static int master, slave;

static void show_read(const char *what, int fd)
{
    char text[256];
    ssize_t n = read(fd, text, sizeof(text));
    printf("%s: %zd", what, n);
    for (ssize_t i = 0; i < n; i++)
        printf(" %02x", text[i] & 0xff);
    printf(n < 0 ? " %s\n" : "\n", strerrorname_np(errno));
}

/* What is typed is worked on in its own time: until its echo is there. */
static void type(const char *text, size_t shown)
{
    char echo[256];
    size_t n = 0;
    write(master, text, strlen(text));
    while (n < shown) {
        ssize_t more = read(master, echo, sizeof(echo));
        if (more <= 0)
            break;
        n += (size_t)more;
    }
    printf("typed %zu\n", n);
}

static void opening(void)
{
    int number = -1, unlock = 0;
    char path[32];
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    SHOW(ioctl(master, TIOCGPTN, &number));
    snprintf(path, sizeof(path), "/dev/pts/%d", number);
    SHOW(open(path, O_RDWR | O_NOCTTY));
    SHOW(ioctl(master, TIOCSPTLCK, &unlock));
    slave = open(path, O_RDWR | O_NOCTTY);
    HOLDS(slave >= 0);
    struct stat st;
    fstat(slave, &st);
    printf("type %o major %d\n", st.st_mode & S_IFMT, (int)(st.st_rdev >> 8));
    HOLDS(strcmp(ttyname(slave), path) == 0);
    SHOW(isatty(slave));
    SHOW(isatty(master));
    SHOW(lseek(slave, 0, SEEK_SET));
    SHOW(ioctl(slave, TIOCGPTN, &number));
    SHOW(ioctl(slave, 0x54ff, &number));
}

static void lines(void)
{
    struct termios t;
    int waiting = 0;
    SHOW(tcgetattr(slave, &t));
    printf("%x %x %x %x %d %d\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag, cfgetospeed(&t),
           t.c_cc[VERASE]);
    type("abc\n", 5);
    SHOW(ioctl(slave, FIONREAD, &waiting));
    SHOW(waiting);
    show_read("line", slave);
    type("x\x7f"
         "yz\x04",
         6);
    show_read("cut", slave);
    write(slave, "a\nb", 3);
    show_read("shown", master);
    t.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    t.c_cc[VMIN] = 1;
    SHOW(tcsetattr(slave, TCSANOW, &t));
    write(master, "q", 1);
    show_read("raw", slave);
    t.c_cc[VMIN] = 0;
    t.c_cc[VTIME] = 1;
    SHOW(tcsetattr(slave, TCSAFLUSH, &t));
    show_read("time", slave);
    SHOW(tcflush(slave, TCIOFLUSH));
    SHOW(tcflush(slave, 77));
    SHOW(tcflow(slave, 77));
    SHOW(tcdrain(slave));
    SHOW(tcsendbreak(slave, 0));
    SHOW(ioctl(slave, TIOCGETD, &waiting));
    SHOW(waiting);
}

static void sizes(void)
{
    struct winsize size = {24, 80, 0, 0}, got;
    SHOW(ioctl(slave, TIOCGWINSZ, &got));
    SHOW(got.ws_row);
    SHOW(ioctl(master, TIOCSWINSZ, &size));
    SHOW(ioctl(slave, TIOCGWINSZ, &got));
    SHOW(got.ws_col);
    SHOW(ioctl(slave, TIOCGWINSZ, NULL));
}

static volatile sig_atomic_t seen;

static void on_signal(int signo)
{
    seen = signo;
}

/* A session of its own on the slave. Its lines go to a pipe, for output may be stopped. */
static void in_session(int out)
{
    dup2(out, 1);
    SHOW(open("/dev/tty", O_RDWR));
    HOLDS(setsid() == getpid());
    SHOW(tcgetpgrp(slave));
    SHOW(ioctl(slave, TIOCSCTTY, 0));
    SHOW(ioctl(slave, TIOCSCTTY, 0));
    HOLDS(tcgetpgrp(slave) == getpid());
    HOLDS(tcgetsid(slave) == getpid());
    int own = open("/dev/tty", O_RDWR);
    HOLDS(own >= 0);
    struct stat st;
    fstat(own, &st);
    printf("%lx\n", (unsigned long)st.st_rdev);
    SHOW(tcsetpgrp(slave, 99999));
    SHOW(tcsetpgrp(slave, -1));
    SHOW(tcsetpgrp(slave, getpid()));
    signal(SIGINT, on_signal);
    signal(SIGWINCH, on_signal);
    struct termios t;
    tcgetattr(slave, &t);
    t.c_lflag |= ISIG | ICANON;
    tcsetattr(slave, TCSANOW, &t);
    write(master, "\x03", 1);
    while (seen == 0)
        usleep(1000);
    SHOW(seen == SIGINT);
    seen = 0;
    struct winsize size = {50, 132, 0, 0};
    ioctl(master, TIOCSWINSZ, &size);
    while (seen == 0)
        usleep(1000);
    SHOW(seen == SIGWINCH);
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) { /* a background group */
        char c;
        setpgid(0, 0);
        signal(SIGTTIN, SIG_IGN);
        SHOW(read(slave, &c, 1));
        signal(SIGTTOU, SIG_IGN);
        SHOW(tcsetpgrp(slave, getpid()));
        SHOW(tcsetpgrp(slave, getsid(0)));
        signal(SIGTTOU, SIG_DFL);
        signal(SIGTTIN, SIG_DFL);
        fflush(stdout);
        read(slave, &c, 1);
        _exit(7);
    }
    waitpid(pid, &status, WUNTRACED);
    SHOW(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    signal(SIGHUP, on_signal);
    SHOW(ioctl(slave, TIOCNOTTY, 0));
    SHOW(open("/dev/tty", O_RDWR));
    SHOW(seen == SIGHUP);
    fflush(stdout);
}

static void sessions(void)
{
    int p[2];
    char text[4096];
    fflush(stdout);
    pipe(p);
    pid_t pid = fork();
    if (pid == 0) {
        in_session(p[1]);
        _exit(0);
    }
    close(p[1]);
    for (ssize_t n = 0; (n = read(p[0], text, sizeof(text))) > 0;)
        fwrite(text, 1, (size_t)n, stdout);
    int status = 0;
    waitpid(pid, &status, 0);
    SHOW(status);
}

/* ---- Packet mode ---- */

static void packets(void)
{
    struct termios t;
    struct pollfd p = {.fd = master, .events = POLLIN | POLLPRI};
    int on = 1, value = -1;
    char text[64];
    tcgetattr(slave, &t);
    while (poll(&p, 1, 0) > 0)
        read(master, text, sizeof(text));
    SHOW(ioctl(slave, TIOCPKT, &on));
    SHOW(ioctl(master, TIOCPKT, &on));
    SHOW(ioctl(master, TIOCGPKT, &value));
    SHOW(value);
    write(slave, "abc", 3);
    show_read("data", master);
    write(slave, "d", 1);
    SHOW(read(master, text, 1));
    show_read("after one byte", master);
    SHOW(tcflow(slave, TCOOFF));
    SHOW(poll(&p, 1, 1000));
    SHOW(p.revents);
    show_read("stopped", master);
    SHOW(tcflow(slave, TCOON));
    show_read("started", master);
    SHOW(tcflush(slave, TCIFLUSH));
    show_read("input flushed", master);
    SHOW(tcflush(slave, TCOFLUSH));
    show_read("output flushed", master);
    t.c_iflag ^= IXON;
    SHOW(tcsetattr(slave, TCSANOW, &t));
    show_read("flow changed", master);
    t.c_iflag ^= IXON;
    SHOW(tcsetattr(slave, TCSANOW, &t));
    show_read("and back", master);
    SHOW(tcsetattr(slave, TCSANOW, &t));
    SHOW(poll(&p, 1, 0));
    on = 0;
    SHOW(ioctl(master, TIOCPKT, &on));
    write(slave, "plain", 5);
    show_read("plain", master);
    SHOW(ioctl(master, TIOCGPTLCK, &value));
    SHOW(value);
    SHOW(ioctl(slave, TIOCGEXCL, &value));
    SHOW(value);
    SHOW(ioctl(slave, TIOCEXCL));
    SHOW(ioctl(slave, TIOCGEXCL, &value));
    SHOW(value);
    SHOW(ioctl(slave, TIOCNXCL));
    int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    HOLDS(peer >= 0 && isatty(peer));
    write(peer, "peer", 4);
    show_read("peer's", master);
    close(peer);
    SHOW(ioctl(slave, TIOCGPTPEER, O_RDWR));
    SHOW(ioctl(master, TIOCSIG, SIGKILL));
    SHOW(ioctl(master, TIOCSIG, SIGINT));
}

static void closing(void)
{
    struct pollfd p = {.fd = slave, .events = POLLIN};
    char c = 0;
    close(master);
    SHOW(poll(&p, 1, 1000));
    SHOW((p.revents & POLLHUP) != 0);
    SHOW(read(slave, &c, 1));
    SHOW(write(slave, "x", 1));
    struct termios t;
    SHOW(tcgetattr(slave, &t));
    close(slave);
}

int main(void)
{
    opening();
    lines();
    sizes();
    sessions();
    packets();
    closing();
    return 0;
}
