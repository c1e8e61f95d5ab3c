/* What root changes of the network, and what he may not; for tests/kernel/kernel_test.c. Linux says the
 * same in a network of its own (unshare -n guest-links), but for what is only told with "here". */
#include "guest.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int route_fd, link_fd;

struct request {
    struct nlmsghdr h;
    uint8_t rest[128];
};

static void begin(struct request *q, uint16_t type, const void *body, size_t len)
{
    *q = (struct request){.h = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(len),
                                .nlmsg_type = type,
                                .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE}};
    if (type == RTM_NEWLINK)
        q->h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    memcpy(NLMSG_DATA(&q->h), body, len);
}

static void add(struct request *q, uint16_t type, const void *bytes, size_t len)
{
    struct rtattr a = {.rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type};
    char *end = (char *)q + NLMSG_ALIGN(q->h.nlmsg_len);
    memcpy(end, &a, sizeof(a));
    memcpy(end + sizeof(a), bytes, len);
    q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len) + (uint32_t)RTA_ALIGN(a.rta_len);
}

static int ask(struct request *q)
{
    char answer[512];
    send(route_fd, q, q->h.nlmsg_len, 0);
    recv(route_fd, answer, sizeof(answer), MSG_DONTWAIT);
    return ((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)answer))->error;
}

static int route(uint16_t type, const char *to, uint8_t prefix)
{
    struct request q;
    uint32_t ip, loopback = 1;
    inet_pton(AF_INET, to, &ip);
    begin(&q, type,
          &(struct rtmsg){.rtm_family = AF_INET,
                          .rtm_dst_len = prefix,
                          .rtm_table = RT_TABLE_MAIN,
                          .rtm_scope = RT_SCOPE_LINK,
                          .rtm_type = RTN_UNICAST,
                          .rtm_protocol = RTPROT_BOOT},
          sizeof(struct rtmsg));
    add(&q, RTA_DST, &ip, sizeof(ip));
    add(&q, RTA_OIF, &loopback, sizeof(loopback));
    return ask(&q);
}

static int change(uint16_t type, const char *bytes, size_t len)
{
    struct request q;
    begin(&q, RTM_NEWLINK, &(struct ifinfomsg){.ifi_index = 1}, sizeof(struct ifinfomsg));
    add(&q, type, bytes, len);
    return ask(&q);
}

static int flags_after(int flags)
{
    struct ifreq r = {.ifr_name = "lo"};
    r.ifr_flags = (short)flags;
    ioctl(link_fd, SIOCSIFFLAGS, &r);
    ioctl(link_fd, SIOCGIFFLAGS, &r);
    return (uint16_t)r.ifr_flags;
}

static int set(unsigned long command, int value)
{
    struct ifreq r = {.ifr_name = "lo"};
    r.ifr_mtu = value;
    return ioctl(link_fd, command, &r);
}

/* A request that fails comes back whole, however long it is. */
static void long_request(void)
{
    enum { LEAST = 131000, MOST = 131100 };
    static char bytes[MOST], answer[2 * MOST];
    int good = 0;
    for (uint32_t len = LEAST; len < MOST; len += 4) {
        struct nlmsghdr h = {.nlmsg_len = len, .nlmsg_type = 200, .nlmsg_flags = NLM_F_REQUEST};
        memcpy(bytes, &h, sizeof(h));
        send(route_fd, bytes, len, 0);
        good += recv(route_fd, answer, sizeof(answer), MSG_DONTWAIT) == (ssize_t)len + 20;
    }
    SHOW(good);
}

/* An address of IPv4 in the form of IPv6 is none that a link can have, here. */
static int mapped_address(void)
{
    struct request q;
    struct in6_addr ip;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    inet_pton(AF_INET6, "::ffff:1.2.3.4", &ip);
    memcpy(&to.sin_addr, ip.s6_addr + 12, 4);
    begin(&q, RTM_NEWADDR,
          &(struct ifaddrmsg){.ifa_family = AF_INET6, .ifa_prefixlen = 128, .ifa_index = 1},
          sizeof(struct ifaddrmsg));
    add(&q, IFA_LOCAL, &ip, sizeof(ip));
    int error = ask(&q);
    TRY(connect(fd, (struct sockaddr *)&to, sizeof(to)));
    return error;
}

int main(int argc, char **argv)
{
    (void)argv;
    route_fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    link_fd = socket(AF_INET, SOCK_DGRAM, 0);
    SHOW(flags_after(0xffff));
    SHOW(flags_after(IFF_UP));
    SHOW(route(RTM_NEWROUTE, "10.0.0.1", 8));
    SHOW(route(RTM_NEWROUTE, "10.0.0.0", 33));
    SHOW(route(RTM_NEWROUTE, "10.0.0.0", 8));
    SHOW(route(RTM_DELROUTE, "10.0.0.1", 8));
    SHOW(route(RTM_DELROUTE, "10.0.0.0", 8));
    SHOW(route(RTM_DELROUTE, "10.0.0.0", 8));
    SHOW(change(IFLA_IFNAME, "a/b", 4));
    SHOW(change(IFLA_IFNAME, "a b", 4));
    SHOW(change(IFLA_IFNAME, "a:b", 4));
    SHOW(change(IFLA_IFNAME, "..", 3));
    SHOW(change(IFLA_IFNAME, "lo\0lo", 6));
    SHOW(change(IFLA_ADDRESS, "\1\2\3\4\5\6", 6));
    SHOW(change(IFLA_ADDRESS, "\2\2\3\4\5\6", 6));
    SHOW(set(SIOCSIFMTU, -1));
    SHOW(set(SIOCSIFMTU, 100000));
    SHOW(set(SIOCSIFTXQLEN, -1));
    SHOW(flags_after(0));
    SHOW(route(RTM_NEWROUTE, "10.0.0.0", 8));
    long_request();
    if (argc > 1)
        SHOW(mapped_address());
    return 0;
}
