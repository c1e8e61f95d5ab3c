/* Sockets that carry more than bytes, and the network that every machine has: its own loopback. */
#include "guest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

/* ---- What goes beside ---- */

static long send_fd(int to, int fd, const char *text)
{
    char room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {(char *)text, strlen(text)};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    return sendmsg(to, &m, 0);
}

/* Prints what came: bytes, and of each control message its kind. The descriptor that came. */
static int receive(int from, size_t room_len, int flags)
{
    char bytes[64] = {0}, room[256];
    int fd = -1;
    struct iovec iov = {bytes, sizeof(bytes) - 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = room_len};
    ssize_t n = recvmsg(from, &m, flags);
    printf("received %zd '%s' flags %#x control %zu\n", n, bytes,
           (unsigned)m.msg_flags & ~MSG_CMSG_CLOEXEC, n < 0 ? 0 : (size_t)m.msg_controllen);
    if (n < 0)
        return -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
        printf("  level %d type %d len %zu\n", c->cmsg_level, c->cmsg_type, (size_t)c->cmsg_len);
        if (c->cmsg_type == SCM_RIGHTS)
            memcpy(&fd, CMSG_DATA(c), sizeof(fd));
        if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred who;
            memcpy(&who, CMSG_DATA(c), sizeof(who));
            HOLDS(who.pid == getpid() && who.uid == getuid() && who.gid == getgid());
        }
    }
    return fd;
}

static void rights(int type)
{
    int pair[2], ends[2];
    char text[8] = {0};
    printf("-- rights over type %d\n", type);
    SHOW(socketpair(AF_UNIX, type, 0, pair));
    SHOW(pipe(ends));
    SHOW(send_fd(pair[0], ends[0], "one"));
    SHOW(write(ends[1], "piped", 5));
    close(ends[0]);
    int fd = receive(pair[1], 256, MSG_CMSG_CLOEXEC);
    SHOW(fcntl(fd, F_GETFD));
    SHOW(read(fd, text, 8));
    HOLDS(strcmp(text, "piped") == 0);
    SHOW(send_fd(pair[0], 77, "bad"));
    SHOW(send_fd(pair[0], fd, "cut"));
    HOLDS(receive(pair[1], 0, 0) == -1);
    SHOW(send_fd(pair[0], fd, "a"));
    SHOW(send(pair[0], "b", 1, 0));
    SHOW(send(pair[0], "c", 1, 0));
    close(receive(pair[1], 256, 0));
    close(receive(pair[1], 256, MSG_DONTWAIT));
    close(receive(pair[1], 256, MSG_DONTWAIT));
    int on = 1;
    SHOW(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
    SHOW(send(pair[0], "who", 3, 0));
    receive(pair[1], 256, MSG_PEEK);
    receive(pair[1], 256, 0);
    /* Descriptors on their way live on when nobody has them. */
    SHOW(send_fd(pair[0], pair[1], "self"));
    close(pair[0]);
    close(pair[1]);
    close(fd);
    close(ends[1]);
}

static void bad_messages(void)
{
    int pair[2];
    struct mmsghdr many[2] = {0};
    struct iovec iov = {"ab", 2};
    SHOW(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    SHOW(sendmsg(77, &(struct msghdr){0}, 0));
    SHOW(sendmsg(1, &(struct msghdr){0}, 0));
    SHOW(sendmsg(pair[0], (void *)8, 0));
    SHOW(recvmsg(pair[0], (void *)8, MSG_DONTWAIT));
    SHOW(recvmsg(77, &(struct msghdr){0}, 0));
    SHOW(sendmsg(pair[0], &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1025}, 0));
    many[0].msg_hdr.msg_iov = many[1].msg_hdr.msg_iov = &iov;
    many[0].msg_hdr.msg_iovlen = many[1].msg_hdr.msg_iovlen = 1;
    SHOW(sendmmsg(pair[0], many, 2, 0));
    SHOW(many[0].msg_len + many[1].msg_len);
    char got[4];
    iov.iov_base = got;
    iov.iov_len = 1;
    SHOW(recvmmsg(pair[1], many, 2, MSG_DONTWAIT, NULL));
    SHOW(many[0].msg_hdr.msg_flags);
    SHOW(recvmmsg(pair[1], many, 2, MSG_DONTWAIT, NULL));
    SHOW(recvmmsg(77, many, 2, 0, NULL));
    SHOW(sendmmsg(77, many, 2, 0));
    close(pair[0]);
    close(pair[1]);
}

/* ---- Making sockets ---- */

static void kinds(void)
{
    static const int all[][3] = {
        {AF_UNIX, SOCK_STREAM, 0},
        {AF_UNIX, SOCK_SEQPACKET, 0},
        {AF_UNIX, SOCK_DGRAM, 5},
        {AF_UNIX, SOCK_RDM, 0},
        {AF_INET, SOCK_STREAM, 6},
        {AF_INET, SOCK_STREAM, 17},
        {AF_INET, SOCK_DGRAM, 17},
        {AF_INET, SOCK_DGRAM, 6},
        {AF_INET, SOCK_SEQPACKET, 0},
        {AF_INET6, SOCK_STREAM, 0},
        {AF_NETLINK, SOCK_RAW, 0},
        {AF_NETLINK, SOCK_DGRAM, 4},
        {AF_NETLINK, SOCK_STREAM, 0},
        {99, SOCK_STREAM, 0},
        {AF_INET, 12, 0},
        {AF_INET, SOCK_STREAM | 0x100, 0},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int fd = socket(all[i][0], all[i][1], all[i][2]);
        printf("socket %d %d %d: %s\n", all[i][0], all[i][1], all[i][2],
               fd < 0 ? strerrorname_np(errno) : "good");
        close(fd);
    }
    SHOW(socketpair(AF_INET, SOCK_STREAM, 0, (int[2]){0}));
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, (void *)8));
    SHOW(socketpair(99, SOCK_STREAM, 0, (int[2]){0}));
}

static void option(int fd, int level, int name, const char *text)
{
    int value = -1;
    socklen_t len = sizeof(value);
    errno = 0;
    long result = getsockopt(fd, level, name, &value, &len);
    printf("%s: %s %d len %u\n", text, result < 0 ? strerrorname_np(errno) : "good", value, len);
}

static void options(void)
{
    int tcp = socket(AF_INET, SOCK_STREAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);
    int on = 1, few = 1000;
    option(tcp, SOL_SOCKET, SO_TYPE, "type");
    option(tcp, SOL_SOCKET, SO_DOMAIN, "domain");
    option(tcp, SOL_SOCKET, SO_PROTOCOL, "protocol");
    option(tcp, SOL_SOCKET, SO_ERROR, "error");
    option(tcp, SOL_SOCKET, SO_ACCEPTCONN, "listens");
    option(tcp, SOL_SOCKET, SO_REUSEADDR, "reuse");
    SHOW(setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
    option(tcp, SOL_SOCKET, SO_REUSEADDR, "reuse");
    SHOW(setsockopt(tcp, SOL_SOCKET, SO_RCVBUF, &few, sizeof(few)));
    option(tcp, SOL_SOCKET, SO_RCVBUF, "buffer");
    SHOW(setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    option(tcp, IPPROTO_TCP, TCP_NODELAY, "no delay");
    SHOW(setsockopt(tcp, IPPROTO_TCP, TCP_KEEPIDLE, &few, sizeof(few)));
    option(tcp, IPPROTO_TCP, TCP_KEEPIDLE, "idle");
    option(tcp, IPPROTO_TCP, TCP_KEEPCNT, "count");
    option(tcp, IPPROTO_IP, IP_TTL, "ttl");
    option(tcp, IPPROTO_IP, IP_OPTIONS, "no options");
    option(tcp, SOL_SOCKET, 9999, "unknown");
    option(tcp, 9999, 1, "unknown level");
    option(local, IPPROTO_TCP, TCP_NODELAY, "not TCP");
    option(77, SOL_SOCKET, SO_TYPE, "closed");
    option(0, SOL_SOCKET, SO_TYPE, "not a socket");
    SHOW(setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, 1));
    SHOW(setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, (void *)8, 4));
    SHOW(setsockopt(tcp, SOL_SOCKET, 9999, &on, sizeof(on)));
    SHOW(setsockopt(tcp, SOL_SOCKET, SO_PRIORITY, &few, sizeof(few)) <= 0);
    SHOW(setsockopt(77, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
    struct timeval wait = {0, 20000}, bad = {0, 2000000};
    SHOW(setsockopt(local, SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof(bad)));
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    SHOW(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)));
    SHOW(recv(pair[0], &on, 1, 0));
    close(pair[0]);
    close(pair[1]);
    close(tcp);
    close(local);
}

/* ---- The loopback ---- */

static struct sockaddr_in at_port(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = port, .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in name = {0};
    socklen_t len = sizeof(name);
    getsockname(fd, (struct sockaddr *)&name, &len);
    return name.sin_port;
}

static void streams(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), caller = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in name = at_port(0), other = {0};
    socklen_t len = sizeof(other);
    char bytes[8] = {0};
    SHOW(bind(listener, (struct sockaddr *)&name, 4));
    SHOW(bind(listener, (struct sockaddr *)&name, sizeof(name)));
    SHOW(bind(listener, (struct sockaddr *)&name, sizeof(name)));
    name = at_port(port_of(listener));
    HOLDS(ntohs(name.sin_port) >= 1024);
    SHOW(connect(caller, (struct sockaddr *)&name, sizeof(name)));
    close(caller);
    SHOW(listen(listener, 4));
    option(listener, SOL_SOCKET, SO_ACCEPTCONN, "listens");
    caller = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(bind(caller, (struct sockaddr *)&name, sizeof(name)));
    SHOW(send(caller, "x", 1, MSG_NOSIGNAL));
    SHOW(recv(caller, bytes, 1, 0));
    SHOW(connect(caller, (struct sockaddr *)&name, sizeof(name)));
    SHOW(connect(caller, (struct sockaddr *)&name, sizeof(name)));
    int accepted = accept4(listener, (struct sockaddr *)&other, &len, SOCK_CLOEXEC);
    SHOW(len);
    HOLDS(other.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && other.sin_port == port_of(caller));
    HOLDS(getpeername(accepted, (struct sockaddr *)&other, &len) == 0);
    HOLDS(getpeername(caller, (struct sockaddr *)&other, &len) == 0 &&
          other.sin_port == name.sin_port);
    SHOW(send(caller, "hello", 5, 0));
    SHOW(recv(accepted, bytes, 2, MSG_PEEK));
    SHOW(recv(accepted, bytes, 8, 0));
    SHOW(recv(accepted, bytes, 8, MSG_DONTWAIT));
    SHOW(shutdown(caller, SHUT_WR));
    SHOW(recv(accepted, bytes, 8, 0));
    SHOW(send(caller, "x", 1, MSG_NOSIGNAL));
    SHOW(send(accepted, "back", 4, 0));
    SHOW(recv(caller, bytes, 8, 0));
    SHOW(shutdown(accepted, 9));
    close(accepted);
    SHOW(recv(caller, bytes, 8, 0));
    close(caller);
    close(listener);
}

static void datagrams(void)
{
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in name = at_port(0), from = {0};
    socklen_t len = sizeof(from);
    char bytes[8] = {0};
    SHOW(bind(a, (struct sockaddr *)&name, sizeof(name)));
    name = at_port(port_of(a));
    SHOW(sendto(b, "one", 3, 0, NULL, 0));
    SHOW(sendto(b, "one", 3, 0, (struct sockaddr *)&name, sizeof(name)));
    SHOW(recvfrom(a, bytes, 2, MSG_TRUNC, (struct sockaddr *)&from, &len));
    HOLDS(len == sizeof(from) && from.sin_port == port_of(b));
    SHOW(connect(b, (struct sockaddr *)&name, sizeof(name)));
    SHOW(send(b, "two", 3, 0));
    SHOW(recv(a, bytes, 8, 0));
    SHOW(send(b, "", 0, 0));
    SHOW(recv(a, bytes, 8, 0));
    close(a);
    SHOW(send(b, "lost", 4, 0));
    usleep(1000);
    SHOW(send(b, "lost", 4, 0));
    SHOW(listen(b, 1));
    SHOW(accept(b, NULL, NULL));
    close(b);
}

static void refused(void)
{
    int closed = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(shutdown(closed, SHUT_WR));
    SHOW(shutdown(77, SHUT_WR));
    SHOW(shutdown(0, SHUT_WR));
    close(closed);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in name = at_port(htons(1));
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    long result = connect(fd, (struct sockaddr *)&name, sizeof(name));
    HOLDS(result == -1 && (errno == ECONNREFUSED || errno == EINPROGRESS));
    SHOW(poll(&p, 1, 1000));
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(connect(fd, (struct sockaddr *)&name, sizeof(name)));
    name.sin_family = 99;
    SHOW(connect(fd, (struct sockaddr *)&name, sizeof(name)));
    SHOW(connect(fd, (struct sockaddr *)8, sizeof(name)));
    SHOW(connect(77, (struct sockaddr *)&name, sizeof(name)));
    name = at_port(0);
    inet_aton("192.0.2.1", &name.sin_addr);
    SHOW(bind(fd, (struct sockaddr *)&name, sizeof(name)));
    close(fd);
}

/* ---- Netlink and the ioctls ---- */

static long ask(int fd, uint16_t type, uint16_t flags, const void *body, size_t len)
{
    struct {
        struct nlmsghdr h;
        char rest[64];
    } request = {.h = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(len),
                       .nlmsg_type = type,
                       .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
                       .nlmsg_seq = 7}};
    memcpy(request.rest, body, len);
    return send(fd, &request, request.h.nlmsg_len, 0);
}

/* Reads one answer; its first message's type, and for an error that. */
static void hear(int fd)
{
    char bytes[32768];
    struct nlmsghdr *h = (struct nlmsghdr *)bytes;
    ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n < (ssize_t)sizeof(*h)) {
        printf("heard %zd\n", n);
        return;
    }
    printf("heard type %u seq %u multi %d", h->nlmsg_type, h->nlmsg_seq,
           (h->nlmsg_flags & NLM_F_MULTI) != 0);
    if (h->nlmsg_type == NLMSG_ERROR)
        printf(" error %d", ((struct nlmsgerr *)NLMSG_DATA(h))->error);
    if (h->nlmsg_type == RTM_NEWLINK) {
        struct ifinfomsg *i = NLMSG_DATA(h);
        printf(" link %d type %u loopback %d", i->ifi_index, i->ifi_type,
               (i->ifi_flags & IFF_LOOPBACK) != 0);
    }
    printf("\n");
}

static void netlink(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    struct sockaddr_nl name = {.nl_family = AF_NETLINK};
    socklen_t len = sizeof(name);
    struct ifinfomsg link = {.ifi_index = 1};
    SHOW(bind(fd, (struct sockaddr *)&name, 4));
    SHOW(bind(fd, (struct sockaddr *)&name, sizeof(name)));
    SHOW(getsockname(fd, (struct sockaddr *)&name, &len));
    HOLDS(len == sizeof(name) && name.nl_pid == (uint32_t)getpid());
    ask(fd, RTM_GETLINK, 0, &link, sizeof(link));
    hear(fd);
    ask(fd, RTM_GETLINK, NLM_F_DUMP, &link, sizeof(link));
    hear(fd);
    while (recv(fd, &link, sizeof(link), MSG_DONTWAIT) > 0)
        ;
    link = (struct ifinfomsg){.ifi_index = 9999};
    ask(fd, RTM_GETLINK, 0, &link, sizeof(link));
    hear(fd);
    ask(fd, RTM_GETLINK, NLM_F_ACK, &(struct ifinfomsg){.ifi_index = 1}, sizeof(link));
    hear(fd);
    hear(fd);
    hear(fd);
    ask(fd, RTM_SETLINK, 0, &link, sizeof(link));
    hear(fd);
    close(fd);
}

static void interfaces(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq r = {.ifr_name = "lo"};
    struct sockaddr_in *in = (struct sockaddr_in *)&r.ifr_addr;
    SHOW(ioctl(fd, SIOCGIFINDEX, &r));
    SHOW(r.ifr_ifindex);
    SHOW(ioctl(fd, SIOCGIFFLAGS, &r));
    SHOW(r.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING));
    SHOW(ioctl(fd, SIOCGIFMTU, &r));
    SHOW(r.ifr_mtu);
    SHOW(ioctl(fd, SIOCGIFADDR, &r));
    HOLDS(in->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    SHOW(ioctl(fd, SIOCGIFNETMASK, &r));
    HOLDS(in->sin_addr.s_addr == htonl(0xff000000));
    SHOW(ioctl(fd, SIOCGIFHWADDR, &r));
    SHOW(r.ifr_hwaddr.sa_family);
    r.ifr_ifindex = 1;
    SHOW(ioctl(fd, SIOCGIFNAME, &r));
    HOLDS(strcmp(r.ifr_name, "lo") == 0);
    memcpy(r.ifr_name, "none9", 6);
    SHOW(ioctl(fd, SIOCGIFINDEX, &r));
    SHOW(ioctl(fd, SIOCGIFMTU, (void *)8));
    r.ifr_ifindex = 9999;
    SHOW(ioctl(fd, SIOCGIFNAME, &r));
    struct ifconf list = {.ifc_len = 0};
    SHOW(ioctl(fd, SIOCGIFCONF, &list));
    HOLDS(list.ifc_len >= (int)sizeof(r) && list.ifc_len % (int)sizeof(r) == 0);
    SHOW(if_nametoindex("lo"));
    close(fd);
}

static void counters(void)
{
    char line[64] = "", acct[8192];
    int fd = open("/proc/net/rt_acct", O_RDONLY);
    SHOW(read(fd, acct, sizeof(acct)));
    HOLDS(acct[0] == 0 && acct[4095] == 0);
    close(fd);
    FILE *f = fopen("/proc/net/xfrm_stat", "r");
    printf("%s", f != NULL ? fgets(line, sizeof(line), f) : "none\n");
    if (f != NULL)
        fclose(f);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    counters();
    rights(SOCK_STREAM);
    rights(SOCK_DGRAM);
    rights(SOCK_SEQPACKET);
    bad_messages();
    kinds();
    options();
    streams();
    datagrams();
    refused();
    netlink();
    interfaces();
    return 0;
}
