/* Sockets at their edges: names that do not fit, connections that nobody takes, ends that go. */
#include "guest.h"
#include "unix_names.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static void lengths_of_names(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct sockaddr_storage large = {.ss_family = AF_UNIX};
    socklen_t len = sizeof(name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);
    memset((char *)&large + 2, 'n', 109);
    SHOW(bind(fd, (struct sockaddr *)&large, 111));
    SHOW(bind(fd, (struct sockaddr *)&large, sizeof(large)));
    SHOW(bind(fd, (struct sockaddr *)&large, sizeof(large) + 1));
    SHOW(bind(fd, (struct sockaddr *)&large, 1));
    SHOW(bind(fd, (struct sockaddr *)&name, 2)); /* a name of the kernel's choice */
    SHOW(getsockname(fd, (struct sockaddr *)&name, &len));
    SHOW(len);
    HOLDS(name.sun_path[0] == 0 && strspn(name.sun_path + 1, "0123456789abcdef") >= 5);
    SHOW(connect(other, (struct sockaddr *)&name, 2));
    SHOW(connect(other, (struct sockaddr *)&large, 111));
    SHOW(connect(other, (struct sockaddr *)&(struct sockaddr){.sa_family = AF_UNSPEC}, 16));
    close(fd);
    close(other);
}

static void names_that_do_not_fit(void)
{
    struct sockaddr_un name = {.sun_family = AF_INET, .sun_path = "other"};
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = 99, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in four = {.sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct msghdr m = {.msg_name = &name, .msg_namelen = 200};
    int other = named("other", SOCK_DGRAM), fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    int udp = socket(AF_INET, SOCK_DGRAM, 0), udp6 = socket(AF_INET6, SOCK_DGRAM, 0);
    SHOW(sendto(fd, "a", 1, 0, (struct sockaddr *)&name, sizeof(name)));
    name.sun_family = AF_UNIX;
    SHOW(sendto(fd, "a", 1, 0, (struct sockaddr *)&name, 1));
    SHOW(sendto(fd, "a", 1, 0, (struct sockaddr *)&name, 2));
    SHOW(sendto(fd, "a", 1, 0, (struct sockaddr *)&name, sizeof(name)));
    SHOW(sendmsg(fd, &m, 0));
    m.msg_namelen = (socklen_t)-1;
    SHOW(sendmsg(fd, &m, 0));
    SHOW(recvmsg(other, &m, MSG_DONTWAIT));
    SHOW(sendto(udp, "a", 1, 0, (struct sockaddr *)&six, sizeof(six)));
    SHOW(
        sendto(udp, "a", 1, 0, (struct sockaddr *)&four, sizeof(four))); /* no family: as if IPv4 */
    four.sin_family = AF_INET;
    SHOW(sendto(udp6, "a", 1, 0, (struct sockaddr *)&four, sizeof(four)));
    SHOW(sendto(udp6, "a", 1, 0, (struct sockaddr *)&six, 20));
    six.sin6_family = 99;
    SHOW(sendto(udp6, "a", 1, 0, (struct sockaddr *)&six, sizeof(six)));
    close(other);
    close(fd);
    close(udp);
    close(udp6);
    unlink("other");
}

static void half_closed(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int local = socket(AF_UNIX, SOCK_STREAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
    int link = socket(AF_NETLINK, SOCK_RAW, 0);
    SHOW(shutdown(local, SHUT_RD));
    SHOW(shutdown(local, 3));
    SHOW(shutdown(link, SHUT_RD));
    SHOW(shutdown(tcp, SHUT_RD));
    SHOW(bind(tcp, (struct sockaddr *)&name, sizeof(name)));
    SHOW(listen(tcp, 1));
    SHOW(shutdown(tcp, SHUT_WR));
    SHOW(shutdown(tcp, SHUT_RD));
    SHOW(accept(tcp, NULL, NULL));
    close(local);
    close(tcp);
    close(link);
}

/* A caller of IPv4 at a listener of IPv6 is seen by that as IPv6. */
static void both_families(void)
{
    struct sockaddr_in6 name = {.sin6_family = AF_INET6}, seen = {0};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(name);
    int listener = socket(AF_INET6, SOCK_STREAM, 0), caller = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(bind(listener, (struct sockaddr *)&name, sizeof(name)));
    SHOW(listen(listener, 1));
    SHOW(getsockname(listener, (struct sockaddr *)&name, &len));
    to.sin_port = name.sin6_port;
    SHOW(connect(caller, (struct sockaddr *)&to, sizeof(to)));
    int accepted = accept(listener, (struct sockaddr *)&seen, &len);
    SHOW(len);
    HOLDS(seen.sin6_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&seen.sin6_addr));
    SHOW(getsockname(accepted, (struct sockaddr *)&seen, &len));
    HOLDS(seen.sin6_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&seen.sin6_addr));
    close(listener);
    close(caller);
    close(accepted);
}

/* Who has no descriptor left does not lose the connection that waits. */
static void accepts_later(void)
{
    struct rlimit limit;
    int listener = named("door", SOCK_STREAM), caller = socket(AF_UNIX, SOCK_STREAM, 0);
    SHOW(listen(listener, 1));
    SHOW(joins(caller, "door"));
    getrlimit(RLIMIT_NOFILE, &limit);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, limit.rlim_max});
    SHOW(accept(listener, NULL, NULL));
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, limit.rlim_max});
    SHOW(dup(0));
    SHOW(fcntl(0, F_DUPFD, 0));
    setrlimit(RLIMIT_NOFILE, &limit);
    SHOW(send(caller, "abc", 3, MSG_NOSIGNAL));
    SHOW(recv(accept(listener, NULL, NULL), (char[8]){0}, 8, 0));
    close(listener);
    close(caller);
    unlink("door");
}

/* A sender waits for a receiver who goes. */
static void receiver_goes(void)
{
    int status = 0, other = named("full", SOCK_DGRAM);
    if (fork() == 0) {
        struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "full"};
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
        close(other);
        alarm(5);
        while (sendto(fd, "a", 1, 0, (struct sockaddr *)&name, sizeof(name)) == 1)
            ;
        _exit(errno == ECONNREFUSED ? 7 : 1);
    }
    usleep(100000);
    close(other);
    wait(&status);
    SHOW(status);
    unlink("full");
}

/* What does not fit into a socket stays in the pipe. */
static void splices_later(void)
{
    int pair[2], ends[2];
    char bytes[8] = {0};
    SHOW(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    SHOW(pipe(ends));
    while (send(pair[0], "x", 1, MSG_DONTWAIT) == 1)
        ;
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    SHOW(write(ends[1], "kept", 4));
    SHOW(splice(ends[0], NULL, pair[0], NULL, 4, SPLICE_F_NONBLOCK));
    SHOW(read(ends[0], bytes, sizeof(bytes)));
    SHOW(splice(ends[0], NULL, pair[0], NULL, 4, SPLICE_F_NONBLOCK));
    close(pair[0]);
    close(pair[1]);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    lengths_of_names();
    names_that_do_not_fit();
    half_closed();
    both_families();
    accepts_later();
    receiver_goes();
    splices_later();
    return 0;
}
