#include <reel/dial.h>

#include <reel/address.h>
#include <reel/tcp.h>

int reel_dial(const struct reel_dialer *dialer, struct reel_reactor *r, struct reel_dial *dial)
{
    if (dialer)
        return dialer->dial(dialer, r, dial);
    struct reel_address address;
    int err = reel_address_set(&address, dial->host_z, dial->port);
    return err < 0
               ? err
               : reel_connect_to(r, &address, dial->timeout_ns, dial->factory, &dial->transport);
}
