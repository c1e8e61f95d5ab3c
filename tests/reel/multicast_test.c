/* Multicast, broadcast and interfaces, in a network of the test's own: loopback and a pair of virtual
 * interfaces. Skipped where the system does not permit it. */
#include "helper.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct heard {
    int count, sent_from;
    char data[32];
    struct reel_datagram_local local;
};

struct fixture {
    struct reel_reactor *r;
    struct heard heard;
    struct reel_datagram_factory factory;
    struct reel_datagram *listener, *sender;
};

static void on_received(struct reel_datagram *d, const uint8_t *data, size_t len,
                        const struct reel_address *from)
{
    (void)from;
    struct heard *heard = reel_datagram_shared(d);
    heard->count++;
    snprintf(heard->data, sizeof(heard->data), "%.*s", (int)len, (const char *)data);
    if (reel_datagram_local(d, &heard->local) < 0)
        heard->local.interface = 0;
}

static const struct reel_datagram_protocol hearing = {.name_z = "hearing", .received = on_received};
static const struct reel_datagram_protocol deaf = {.name_z = "deaf"};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->r = reel_reactor_new(NULL);
    f->factory = (struct reel_datagram_factory){.protocol = &hearing, .shared = &f->heard};
    f->factory.options.keep_local = true;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reel_reactor_free(f->r);
    free(f);
    return 0;
}

static void open_both(struct fixture *f, const char *listener_z, const char *sender_z,
                      const struct reel_datagram_options *options)
{
    static struct reel_datagram_factory quiet;
    quiet = (struct reel_datagram_factory){.protocol = &deaf, .options = *options};
    assert_int_equal(reel_listen_datagram(f->r, listener_z, &f->factory, &f->listener), 0);
    assert_int_equal(reel_listen_datagram(f->r, sender_z, &quiet, &f->sender), 0);
    run_turns(f->r, 1);
}

static void send_to(struct fixture *f, const char *host_z, const char *text_z)
{
    struct reel_address to;
    assert_int_equal(reel_address_set(&to, host_z, reel_datagram_port(f->listener)), 0);
    assert_int_equal(reel_datagram_send(f->sender, text_z, strlen(text_z), &to), 0);
    run_turns(f->r, 5);
}

static void check_groups(struct fixture *f, const char *group_z, uint32_t interface)
{
    struct reel_address group;
    assert_int_equal(reel_address_set(&group, group_z, 0), 0);
    assert_int_equal(reel_datagram_set_multicast_interface(f->sender, interface), 0);
    assert_int_equal(reel_datagram_set_multicast_hops(f->sender, 1), 0);
    send_to(f, group_z, "early");
    assert_int_equal(f->heard.count, 0);
    assert_int_equal(reel_datagram_join(f->listener, &group, interface, NULL), 0);
    assert_int_equal(reel_datagram_join(f->listener, &group, interface, NULL), -EADDRINUSE);
    send_to(f, group_z, "joined");
    assert_int_equal(f->heard.count, 1);
    assert_string_equal(f->heard.data, "joined");
    assert_int_equal(f->heard.local.interface, interface);
    assert_int_equal(reel_datagram_set_multicast_loop(f->sender, false), 0);
    send_to(f, group_z, "not to ourselves");
    assert_int_equal(f->heard.count, 1);
    assert_int_equal(reel_datagram_set_multicast_loop(f->sender, true), 0);
    assert_int_equal(reel_datagram_leave(f->listener, &group, interface, NULL), 0);
    assert_int_equal(reel_datagram_leave(f->listener, &group, interface, NULL), -EADDRNOTAVAIL);
    send_to(f, group_z, "left");
    assert_int_equal(f->heard.count, 1);
}

static void groups_are_joined_and_left(void **state)
{
    struct fixture *f = *state;
    open_both(f, "udp:0", "udp:0", &(struct reel_datagram_options){0});
    check_groups(f, "239.1.2.3", if_nametoindex("v0"));
}

static void groups_of_ipv6_are_joined_and_left(void **state)
{
    struct fixture *f = *state;
    open_both(f, "udp6:0:v6only=yes", "udp6:0:v6only=yes", &(struct reel_datagram_options){0});
    check_groups(f, "ff12::1234", if_nametoindex("v0"));
}

static void a_source_is_chosen(void **state, const char *any_z, const char *group_z,
                               const char *right_z, const char *wrong_z)
{
    struct fixture *f = *state;
    uint32_t v0 = if_nametoindex("v0");
    struct reel_address group, right, wrong;
    assert_int_equal(reel_address_set(&group, group_z, 0), 0);
    assert_int_equal(reel_address_set(&right, right_z, 0), 0);
    assert_int_equal(reel_address_set(&wrong, wrong_z, 0), 0);
    open_both(f, any_z, any_z, &(struct reel_datagram_options){0});
    assert_int_equal(reel_datagram_set_multicast_interface(f->sender, v0), 0);
    assert_int_equal(reel_datagram_join(f->listener, &group, v0, &wrong), 0);
    send_to(f, group_z, "from another");
    assert_int_equal(f->heard.count, 0);
    assert_int_equal(reel_datagram_join(f->listener, &group, v0, &right), 0);
    send_to(f, group_z, "from the right one");
    assert_int_equal(f->heard.count, 1);
    assert_int_equal(reel_datagram_leave(f->listener, &group, v0, &right), 0);
    send_to(f, group_z, "left");
    assert_int_equal(f->heard.count, 1);
}

static void a_group_is_heard_from_one_source(void **state)
{
    a_source_is_chosen(state, "udp:0", "232.1.2.3", "10.9.0.1", "10.9.0.99");
}

static void a_group_of_ipv6_is_heard_from_one_source(void **state)
{
    a_source_is_chosen(state, "udp6:0:v6only=yes", "ff32::1234", "fd09::1", "fd09::99");
}

static void broadcast_needs_its_option(void **state)
{
    struct fixture *f = *state;
    open_both(f, "udp:0", "udp:0", &(struct reel_datagram_options){0});
    send_to(f, "10.9.0.255", "no");
    struct reel_datagram_stats stats;
    reel_datagram_stats(f->sender, &stats);
    assert_int_equal(stats.last_error, -EACCES);
    reel_datagram_close(f->sender);
    reel_datagram_close(f->listener);
    run_turns(f->r, 1);
    open_both(f, "udp:0", "udp:0", &(struct reel_datagram_options){.broadcast = true});
    send_to(f, "10.9.0.255", "all of you");
    assert_int_equal(f->heard.count, 1);
}

static void a_socket_of_one_interface_hears_no_other(void **state)
{
    struct fixture *f = *state;
    f->factory.options.device_z = "v0";
    open_both(f, "udp:0", "udp:0", &(struct reel_datagram_options){0});
    send_to(f, "127.0.0.1", "by loopback");
    assert_int_equal(f->heard.count, 0);
    f->factory.options.device_z = "nothing9";
    assert_int_equal(reel_listen_datagram(f->r, "udp:0", &f->factory, NULL), -ENODEV);
}

static void several_listen_alike(void **state)
{
    struct fixture *f = *state;
    char same[32];
    struct reel_address group;
    f->factory.options.reuse_address = true;
    open_both(f, "udp:0", "udp:0", &(struct reel_datagram_options){0});
    struct reel_datagram *second = NULL;
    snprintf(same, sizeof(same), "udp:%u", reel_datagram_port(f->listener));
    assert_int_equal(reel_listen_datagram(f->r, same, &f->factory, &second), 0);
    assert_int_equal(reel_address_set(&group, "239.1.2.3", 0), 0);
    uint32_t v0 = if_nametoindex("v0");
    assert_int_equal(reel_datagram_join(f->listener, &group, v0, NULL), 0);
    assert_int_equal(reel_datagram_join(second, &group, v0, NULL), 0);
    assert_int_equal(reel_datagram_set_multicast_interface(f->sender, v0), 0);
    send_to(f, "239.1.2.3", "both");
    assert_int_equal(f->heard.count, 2);
}

/* The segment of a run does not fit the interface: it goes as single datagrams, in pieces. */
static void runs_of_long_ones_fall_back(void **state)
{
    struct fixture *f = *state;
    struct reel_address to;
    static char bytes[3000];
    open_both(f, "udp:0", "udp:0", &(struct reel_datagram_options){0});
    assert_int_equal(system("ip link set lo mtu 1500"), 0);
    assert_int_equal(reel_address_set(&to, "127.0.0.1", reel_datagram_port(f->listener)), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(reel_datagram_send(f->sender, bytes, sizeof(bytes), &to), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(reel_datagram_send(f->sender, "short", 5, &to), 0);
    run_turns(f->r, 5);
    assert_int_equal(f->heard.count, 40);
    struct reel_datagram_stats stats;
    reel_datagram_stats(f->sender, &stats);
    assert_int_equal(stats.sent, 40);
    assert_int_equal(stats.send_errors, 0);
    assert_true(stats.sent_runs <= 1); /* the short ones, where the kernel has UDP_SEGMENT */
}

static bool make_network(void)
{
    return (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) &&
           system("ip link set lo up && ip link add v0 type veth peer name v1 && "
                  "ip addr add 10.9.0.1/24 brd + dev v0 && "
                  "ip addr add fd09::1/64 dev v0 nodad && "
                  "ip link set v0 up && ip link set v1 up") == 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(groups_are_joined_and_left),
        TEST(groups_of_ipv6_are_joined_and_left),
        TEST(a_group_is_heard_from_one_source),
        TEST(a_group_of_ipv6_is_heard_from_one_source),
        TEST(broadcast_needs_its_option),
        TEST(a_socket_of_one_interface_hears_no_other),
        TEST(several_listen_alike),
        TEST(runs_of_long_ones_fall_back),
    };
    if (!make_network()) {
        printf("skipped: this system permits no network of one's own\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
