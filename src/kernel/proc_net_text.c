/* Texts of /proc/net that say little of a machine at rest: counters, and tables that are empty. */
#include "kernel/hardware.h"
#include "kernel/net.h"
#include "kernel/procfs.h"

#include <sys/socket.h>

#define CONSTANT(name, text)                       \
    int proc_net_##name(const struct proc_call *c) \
    {                                              \
        return buffer_put_z(c->out, text);         \
    }

CONSTANT(nothing, "")
CONSTANT(connector, "Name            ID\ncn_proc         1:1\n")
CONSTANT(icmp, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
               "timeout inode ref pointer drops             \n")
CONSTANT(socket6,
         "  sl  local_address                         remote_address                       "
         " st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer "
         "drops\n")
CONSTANT(udplite, "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   "
                  "uid  timeout inode ref pointer drops            \n")
CONSTANT(flowlabel, "Label S Owner  Users  Linger Expires  Dst                              Opt\n")
CONSTANT(mcfilter, "Idx Device        MCA        SRC    INC    EXC\n")
CONSTANT(mcfilter6,
         "Idx Device                Multicast Address                   Source Address   "
         " INC    EXC\n")
CONSTANT(mr_cache, "Group    Origin   Iif     Pkts    Bytes    Wrong Oifs\n")
CONSTANT(mr_vif, "Interface      BytesIn  PktsIn  BytesOut PktsOut Flags Local    Remote\n")
CONSTANT(mr6_cache, "Group                            Origin                           Iif      "
                    "Pkts  Bytes     Wrong  Oifs\n")
CONSTANT(mr6_vif, "Interface      BytesIn  PktsIn  BytesOut PktsOut Flags\n")
CONSTANT(psched, "000003e8 00000040 000f4240 3b9aca00\n")
CONSTANT(ptype,
         "Type Device      Function\n0800          ip_rcv\n0806          arp_rcv\n86dd       "
         "   ipv6_rcv\n")
CONSTANT(rt_cache, "Iface\tDestination\tGateway \tFlags\t\tRefCnt\tUse\tMetric\tSource\t\tMTU\t"
                   "Window\tIRTT\tTOS\tHHRef\tHHUptod\tSpecDst                          \n")
CONSTANT(wireless,
         "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n"
         " face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n")
CONSTANT(rt6_stats, "0007 0004 000c 0007 0000 0002 0000\n")

/* What came and went over all links. */
static void traffic(const struct net *net, unsigned long long *in, unsigned long long *out,
                    unsigned long long *in_bytes, unsigned long long *out_bytes)
{
    *in = *out = *in_bytes = *out_bytes = 0;
    for (size_t i = 0; i < net->link_count; i++) {
        *in += net->links[i].rx_packets;
        *out += net->links[i].tx_packets;
        *in_bytes += net->links[i].rx_bytes;
        *out_bytes += net->links[i].tx_bytes;
    }
}

/* A row of names, and one of their numbers: `value` at those that are not 0. */
struct counter {
    const char *name_z;
    unsigned long long value;
};

static int put_counters(struct buffer *out, const char *group_z, const char *names_z,
                        const struct counter *known, size_t count)
{
    struct span rest = span_z(names_z);
    int error = buffer_printf(out, "%s: %s\n%s:", group_z, names_z, group_z);
    while (rest.len > 0 && error == 0) {
        ptrdiff_t space = span_find(rest, ' ', 0);
        struct span name = span_slice(rest, 0, space >= 0 ? (size_t)space : rest.len);
        unsigned long long value = 0;
        for (size_t i = 0; i < count; i++)
            if (span_equal_z(name, known[i].name_z))
                value = known[i].value;
        error = buffer_printf(out, " %llu", value);
        rest = space >= 0 ? span_slice(rest, (size_t)space + 1, rest.len) : span_of(NULL, 0);
    }
    return error != 0 ? error : buffer_put_z(out, "\n");
}

int proc_net_netstat(const struct proc_call *c)
{
    unsigned long long in, out, in_bytes, out_bytes;
    traffic(&c->vfs->net, &in, &out, &in_bytes, &out_bytes);
    static const char tcp[] =
        "SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned"
        " OfoPruned OutOfWindowIcmps LockDroppedIcmps ArpFilter TW TWRecycled TWKilled PAWSActive"
        " PAWSEstab DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows ListenDrops "
        "TCPHPHits"
        " TCPPureAcks TCPHPAcks TCPRenoRecovery TCPSackRecovery TCPSACKReneging TCPSACKReorder"
        " TCPRenoReorder TCPTSReorder TCPFullUndo TCPPartialUndo TCPDSACKUndo TCPLossUndo"
        " TCPLostRetransmit TCPRenoFailures TCPSackFailures TCPLossFailures TCPFastRetrans"
        " TCPSlowStartRetrans TCPTimeouts TCPLossProbes TCPLossProbeRecovery TCPRenoRecoveryFail"
        " TCPSackRecoveryFail TCPRcvCollapsed TCPBacklogCoalesce TCPDSACKOldSent TCPDSACKOfoSent"
        " TCPDSACKRecv TCPDSACKOfoRecv TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory"
        " TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed TCPMemoryPressures"
        " TCPMemoryPressuresChrono TCPSACKDiscard TCPDSACKIgnoredOld TCPDSACKIgnoredNoUndo"
        " TCPSpuriousRTOs TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPSackShifted "
        "TCPSackMerged"
        " TCPSackShiftFallback TCPBacklogDrop PFMemallocDrop TCPMinTTLDrop TCPDeferAcceptDrop"
        " IPReversePathFilter TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop "
        "TCPRetransFail"
        " TCPRcvCoalesce TCPOFOQueue TCPOFODrop TCPOFOMerge TCPChallengeACK TCPSYNChallenge"
        " TCPFastOpenActive TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail"
        " TCPFastOpenListenOverflow TCPFastOpenCookieReqd TCPFastOpenBlackhole"
        " TCPSpuriousRtxHostQueues BusyPollRxPackets TCPAutoCorking TCPFromZeroWindowAdv"
        " TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent "
        "TCPHystartTrainDetect"
        " TCPHystartTrainCwnd TCPHystartDelayDetect TCPHystartDelayCwnd TCPACKSkippedSynRecv"
        " TCPACKSkippedPAWS TCPACKSkippedSeq TCPACKSkippedFinWait2 TCPACKSkippedTimeWait"
        " TCPACKSkippedChallenge TCPWinProbe TCPKeepAlive TCPMTUPFail TCPMTUPSuccess TCPDelivered"
        " TCPDeliveredCE TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig"
        " TCPFastOpenPassiveAltKey TcpTimeoutRehash TcpDuplicateDataRehash TCPDSACKRecvSegs"
        " TCPDSACKIgnoredDubious TCPMigrateReqSuccess TCPMigrateReqFailure";
    static const char ip[] =
        "InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets"
        " OutOctets InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors"
        " InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps";
    const struct counter tcp_known[] = {{"DelayedACKs", in / 190},
                                        {"TCPHPHits", in / 5},
                                        {"TCPPureAcks", in / 9},
                                        {"TCPHPAcks", in / 4},
                                        {"TCPOrigDataSent", out / 3 * 2},
                                        {"TCPDelivered", out / 3 * 2 + 1},
                                        {"TW", in / 700},
                                        {"TCPKeepAlive", in / 1000}};
    const struct counter ip_known[] = {
        {"InOctets", in_bytes}, {"OutOctets", out_bytes}, {"InNoECTPkts", in}};
    int error = put_counters(c->out, "TcpExt", tcp, tcp_known, ARRAY_LEN(tcp_known));
    return error != 0 ? error : put_counters(c->out, "IpExt", ip, ip_known, ARRAY_LEN(ip_known));
}

int proc_net_snmp6(const struct proc_call *c)
{
    static const char *const names[] = {"Ip6InReceives",
                                        "Ip6InHdrErrors",
                                        "Ip6InTooBigErrors",
                                        "Ip6InNoRoutes",
                                        "Ip6InAddrErrors",
                                        "Ip6InUnknownProtos",
                                        "Ip6InTruncatedPkts",
                                        "Ip6InDiscards",
                                        "Ip6InDelivers",
                                        "Ip6OutForwDatagrams",
                                        "Ip6OutRequests",
                                        "Ip6OutDiscards",
                                        "Ip6OutNoRoutes",
                                        "Ip6ReasmTimeout",
                                        "Ip6ReasmReqds",
                                        "Ip6ReasmOKs",
                                        "Ip6ReasmFails",
                                        "Ip6FragOKs",
                                        "Ip6FragFails",
                                        "Ip6FragCreates",
                                        "Ip6InMcastPkts",
                                        "Ip6OutMcastPkts",
                                        "Ip6InOctets",
                                        "Ip6OutOctets",
                                        "Ip6InMcastOctets",
                                        "Ip6OutMcastOctets",
                                        "Ip6InBcastOctets",
                                        "Ip6OutBcastOctets",
                                        "Ip6InNoECTPkts",
                                        "Ip6InECT1Pkts",
                                        "Ip6InECT0Pkts",
                                        "Ip6InCEPkts",
                                        "Icmp6InMsgs",
                                        "Icmp6InErrors",
                                        "Icmp6OutMsgs",
                                        "Icmp6OutErrors",
                                        "Icmp6InCsumErrors",
                                        "Icmp6InDestUnreachs",
                                        "Icmp6InPktTooBigs",
                                        "Icmp6InTimeExcds",
                                        "Icmp6InParmProblems",
                                        "Icmp6InEchos",
                                        "Icmp6InEchoReplies",
                                        "Icmp6InGroupMembQueries",
                                        "Icmp6InGroupMembResponses",
                                        "Icmp6InGroupMembReductions",
                                        "Icmp6InRouterSolicits",
                                        "Icmp6InRouterAdvertisements",
                                        "Icmp6InNeighborSolicits",
                                        "Icmp6InNeighborAdvertisements",
                                        "Icmp6InRedirects",
                                        "Icmp6InMLDv2Reports",
                                        "Icmp6OutDestUnreachs",
                                        "Icmp6OutPktTooBigs",
                                        "Icmp6OutTimeExcds",
                                        "Icmp6OutParmProblems",
                                        "Icmp6OutEchos",
                                        "Icmp6OutEchoReplies",
                                        "Icmp6OutGroupMembQueries",
                                        "Icmp6OutGroupMembResponses",
                                        "Icmp6OutGroupMembReductions",
                                        "Icmp6OutRouterSolicits",
                                        "Icmp6OutRouterAdvertisements",
                                        "Icmp6OutNeighborSolicits",
                                        "Icmp6OutNeighborAdvertisements",
                                        "Icmp6OutRedirects",
                                        "Icmp6OutMLDv2Reports",
                                        "Udp6InDatagrams",
                                        "Udp6NoPorts",
                                        "Udp6InErrors",
                                        "Udp6OutDatagrams",
                                        "Udp6RcvbufErrors",
                                        "Udp6SndbufErrors",
                                        "Udp6InCsumErrors",
                                        "Udp6IgnoredMulti",
                                        "Udp6MemErrors",
                                        "UdpLite6InDatagrams",
                                        "UdpLite6NoPorts",
                                        "UdpLite6InErrors",
                                        "UdpLite6OutDatagrams",
                                        "UdpLite6RcvbufErrors",
                                        "UdpLite6SndbufErrors",
                                        "UdpLite6InCsumErrors",
                                        "UdpLite6MemErrors"};
    int error = 0;
    for (size_t i = 0; i < ARRAY_LEN(names) && error == 0; i++)
        error = buffer_printf(c->out, "%-32s\t%d\n", names[i], 0);
    return error;
}

int proc_net_softnet_stat(const struct proc_call *c)
{
    unsigned long long in, out, in_bytes, out_bytes;
    uint32_t cpus = c->vfs->hardware->cpus;
    int error = 0;
    traffic(&c->vfs->net, &in, &out, &in_bytes, &out_bytes);
    for (uint32_t i = 0; i < cpus && error == 0; i++)
        error = buffer_printf(c->out,
                              "%08llx 00000000 00000000 00000000 00000000 00000000 00000000 "
                              "00000000 00000000 00000000 00000000 00000000 %08x\n",
                              in / cpus + i * (in % 97), i);
    return error;
}

/* ---- Groups that every link has joined ---- */

int proc_net_dev_mcast(const struct proc_call *c)
{
    const struct net *net = &c->vfs->net;
    int error = 0;
    for (size_t i = 0; i < net->link_count && error == 0; i++) {
        const struct net_link *l = &net->links[i];
        if (net_link_is_loopback(l))
            continue;
        error = buffer_printf(c->out,
                              "%-4d %-15s 1     0     333300000001\n"
                              "%-4d %-15s 1     0     01005e000001\n"
                              "%-4d %-15s 1     0     3333ff%02x%02x%02x\n",
                              l->index, l->name_z, l->index, l->name_z, l->index, l->name_z,
                              l->mac[3], l->mac[4], l->mac[5]);
    }
    return error;
}

int proc_net_igmp(const struct proc_call *c)
{
    const struct net *net = &c->vfs->net;
    int error =
        buffer_put_z(c->out, "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n");
    for (size_t i = 0; i < net->link_count && error == 0; i++)
        error =
            buffer_printf(c->out, "%d\t%-10s: %5d %7s\n\t\t\t\t010000E0     1 0:00000000\t\t0\n",
                          net->links[i].index, net->links[i].name_z, 1, "V3");
    return error;
}

int proc_net_igmp6(const struct proc_call *c)
{
    const struct net *net = &c->vfs->net;
    int error = 0;
    for (size_t i = 0; i < net->link_count && error == 0; i++) {
        const struct net_link *l = &net->links[i];
        if (!net_link_is_loopback(l))
            error = buffer_printf(
                c->out, "%-4d %-15s ff0200000000000000000001ff%02x%02x%02x     1 00000004 0\n",
                l->index, l->name_z, l->mac[3], l->mac[4], l->mac[5]);
        if (error == 0)
            error = buffer_printf(c->out,
                                  "%-4d %-15s ff020000000000000000000000000001     1 0000000C 0\n"
                                  "%-4d %-15s ff010000000000000000000000000001     1 00000008 0\n",
                                  l->index, l->name_z, l->index, l->name_z);
    }
    return error;
}

/* Of 256 realms of routes, four numbers each: none is in use. */
int proc_net_rt_acct(const struct proc_call *c)
{
    static const uint8_t none[sizeof(uint32_t[256][4])];
    return buffer_put(c->out, span_of(none, sizeof(none)));
}

/* What came and went by IPsec. */
int proc_net_xfrm_stat(const struct proc_call *c)
{
    static const char *const names[] = {"InError",
                                        "InBufferError",
                                        "InHdrError",
                                        "InNoStates",
                                        "InStateProtoError",
                                        "InStateModeError",
                                        "InStateSeqError",
                                        "InStateExpired",
                                        "InStateMismatch",
                                        "InStateInvalid",
                                        "InTmplMismatch",
                                        "InNoPols",
                                        "InPolBlock",
                                        "InPolError",
                                        "OutError",
                                        "OutBundleGenError",
                                        "OutBundleCheckError",
                                        "OutNoStates",
                                        "OutStateProtoError",
                                        "OutStateModeError",
                                        "OutStateSeqError",
                                        "OutStateExpired",
                                        "OutPolBlock",
                                        "OutPolDead",
                                        "OutPolError",
                                        "FwdHdrError",
                                        "OutStateInvalid",
                                        "AcquireError"};
    int error = 0;
    for (size_t i = 0; i < ARRAY_LEN(names) && error == 0; i++)
        error = buffer_printf(c->out, "Xfrm%-20s\t0\n", names[i]);
    return error;
}
