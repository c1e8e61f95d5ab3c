/* ioctl(2) of sockets: struct ifreq, ifconf, rtentry and arpreq of 32-bit programs. */
#include "kernel/abi_spec.h"
#include "kernel/abi_special.h"
#include "kernel/syscalls.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>

enum { GUEST_IFREQ = 32, LINKS_MAX = 256 };

/* SIOCGIFCONF: a struct ifreq with its address for each link. */
static int64_t list_links(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    struct abi_window *w = abi_window_reset(t);
    uint64_t buffer, addr, at;
    int32_t len;
    if (abi_get(t, L_INT32, raw[2], &len) != 0 || abi_get(t, L_WORD, raw[2] + 4, &buffer) != 0)
        return -EFAULT;
    uint32_t most = len < 0 ? 0 : (uint32_t)len / GUEST_IFREQ;
    if (most > LINKS_MAX)
        most = LINKS_MAX;
    struct ifconf ours = {.ifc_len = (int)(most * sizeof(struct ifreq))};
    int error = abi_window_take(w, sizeof(ours), &addr);
    if (error == 0)
        error = abi_window_take(w, most * sizeof(struct ifreq), &at);
    if (error != 0)
        return error;
    ours.ifc_buf = (char *)(uintptr_t)(buffer != 0 ? at : 0);
    abi_window_write(w, addr, &ours, sizeof(ours));
    int64_t result = sys_ioctl(t, (const uint64_t[6]){raw[0], raw[1], addr});
    if (result < 0)
        return result;
    abi_window_read(w, addr, &ours, sizeof(ours));
    int32_t count = ours.ifc_len / (int32_t)sizeof(struct ifreq);
    for (int32_t i = 0; buffer != 0 && i < count; i++) {
        struct ifreq r;
        abi_window_read(w, at + (size_t)i * sizeof(r), &r, sizeof(r));
        if (abi_put(t, L_IFREQ_ADDR, buffer + (size_t)i * GUEST_IFREQ, &r) != 0)
            return -EFAULT;
    }
    len = count * GUEST_IFREQ;
    return abi_put(t, L_INT32, raw[2], &len);
}

int64_t abi_net_ioctl(struct task *t, const uint64_t raw[ABI_RAW_ARGS])
{
    switch (raw[1]) {
    case SIOCGIFCONF: return list_links(t, raw);
    case SIOCADDRT:
    case SIOCDELRT: return abi_run(t, sys_ioctl, SPEC(I, W, IN(RTENTRY)), raw);
    case SIOCGARP:
    case SIOCSARP:
    case SIOCDARP: return abi_run(t, sys_ioctl, SPEC(I, W, IO(ARPREQ)), raw);
    case SIOCGIFFLAGS:
    case SIOCSIFFLAGS: return abi_run(t, sys_ioctl, SPEC(I, W, IO(IFREQ_FLAGS)), raw);
    case SIOCGIFADDR:
    case SIOCSIFADDR:
    case SIOCGIFDSTADDR:
    case SIOCSIFDSTADDR:
    case SIOCGIFBRDADDR:
    case SIOCSIFBRDADDR:
    case SIOCGIFNETMASK:
    case SIOCSIFNETMASK:
    case SIOCGIFHWADDR:
    case SIOCSIFHWADDR: return abi_run(t, sys_ioctl, SPEC(I, W, IO(IFREQ_ADDR)), raw);
    default: return abi_run(t, sys_ioctl, SPEC(I, W, IO(IFREQ_INT)), raw);
    }
}
