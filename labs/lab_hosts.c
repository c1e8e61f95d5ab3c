#include "lab_hosts.h"

#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool lab_is_loopback(const struct reel_address *address)
{
    struct reel_net nets[2];
    reel_net_set(&nets[0], "127.0.0.0/8");
    reel_net_set(&nets[1], "::1");
    return reel_nets_have(nets, 2, address);
}

const struct lab_host *lab_hosts_find(const struct lab_hosts *hosts, const char *name, size_t len)
{
    for (int i = 0; i < hosts->count; i++)
        if (strlen(hosts->hosts[i].name) == len &&
            strncasecmp(hosts->hosts[i].name, name, len) == 0)
            return &hosts->hosts[i];
    return NULL;
}

static int dial_lab(const struct reel_dialer *dialer, struct reel_reactor *r,
                    struct reel_dial *dial)
{
    const struct lab_host *host =
        lab_hosts_find(dialer->context, dial->host_z, strlen(dial->host_z));
    if (!host)
        return -EACCES;
    return reel_connect_to(r, &host->address, dial->timeout_ns, dial->factory, &dial->transport);
}

static bool read_line(struct lab_hosts *hosts, const char *line_z)
{
    struct lab_host *host = &hosts->hosts[hosts->count];
    struct reel_endpoint endpoint;
    char where[64];
    if (*line_z == '#' || *line_z == '\n')
        return true;
    if (hosts->count == LAB_HOSTS_MAX || sscanf(line_z, "%63s %63s", host->name, where) != 2 ||
        reel_endpoint_parse_server(where, &endpoint, NULL) < 0 ||
        !lab_is_loopback(&endpoint.address))
        return false;
    host->address = endpoint.address;
    hosts->count++;
    return true;
}

void lab_hosts_read(struct lab_hosts *hosts, const char *path_z)
{
    char line[256];
    FILE *file = fopen(path_z, "r");
    if (!file)
        lab_cannot(path_z, errno);
    *hosts = (struct lab_hosts){.dialer = {.dial = dial_lab}};
    hosts->dialer.context = hosts;
    while (fgets(line, sizeof(line), file)) {
        if (read_line(hosts, line))
            continue;
        line[strcspn(line, "\n")] = '\0';
        lab_refuse(line, "not a name and a loopback address with its port");
    }
    fclose(file);
}
