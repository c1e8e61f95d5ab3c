/* The texts of /proc/net: no network but the listening sshd, and the loopback interface. */
#include "kernel/procfs.h"

int proc_net_dev(const struct proc_call *c)
{
    return buffer_put_z(
        c->out,
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
        "drop fifo colls carrier compressed\n"
        "    lo:       0       0    0    0    0     0          0         0        0       0    0 "
        "   0    0     0       0          0\n"
        "  ens3:  962223     718    0    0    0     0          0         0    23775     189    0 "
        "   0    0     0       0          0\n");
}

int proc_net_arp(const struct proc_call *c)
{
    return buffer_put_z(c->out,
                        "IP address       HW type     Flags       HW address            Mask     "
                        "Device\n");
}

int proc_net_inet6(const struct proc_call *c)
{
    return buffer_put_z(c->out, "00000000000000000000000000000001 01 80 10 80       lo\n");
}

int proc_net_route(const struct proc_call *c)
{
    return buffer_printf(c->out, "%-127s\n",
                         "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\t"
                         "Window\tIRTT");
}

int proc_net_tcp(const struct proc_call *c)
{
    int error = buffer_printf(c->out, "%-149s\n",
                              "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
                              "retrnsmt   uid  timeout inode");
    if (error != 0)
        return error;
    return buffer_printf(c->out, "%-149s\n",
                         "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 "
                         "00000000     0        0 15143 1 00000000bd50233a 100 0 0 10 0");
}

int proc_net_tcp6(const struct proc_call *c)
{
    return buffer_put_z(
        c->out,
        "  sl  local_address                         remote_address                        st "
        "tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A "
        "00000000:00000000 00:00000000 00000000     0        0 15154 1 0000000039d3a5c1 100 0 0 "
        "10 0\n");
}

int proc_net_udp(const struct proc_call *c)
{
    return buffer_printf(c->out, "%-127s\n",
                         "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
                         "retrnsmt   uid  timeout inode ref pointer drops");
}

int proc_net_udp6(const struct proc_call *c)
{
    return buffer_put_z(c->out,
                        "  sl  local_address                         remote_address              "
                        "          st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode "
                        "ref pointer drops\n");
}

int proc_net_unix(const struct proc_call *c)
{
    return buffer_put_z(c->out, "Num       RefCount Protocol Flags    Type St Inode Path\n"
                                "0000000000000000: 00000002 00000000 00010000 0001 01 11602 "
                                "/run/systemd/private\n"
                                "0000000000000000: 00000002 00000000 00010000 0001 01 11604 "
                                "/run/systemd/userdb/io.systemd.DynamicUser\n"
                                "0000000000000000: 00000002 00000000 00010000 0001 01 12107 "
                                "/run/dbus/system_bus_socket\n"
                                "0000000000000000: 00000003 00000000 00000000 0002 01 11617 "
                                "/run/systemd/notify\n");
}
