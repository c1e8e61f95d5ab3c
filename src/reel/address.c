#include <reel/address.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { HOST_MAX = 64 };

static int scope_of(const char *name_z, uint32_t *out)
{
    char *end_z = NULL;
    unsigned long number = strtoul(name_z, &end_z, 10);
    if (*name_z >= '0' && *name_z <= '9' && *end_z == '\0' && number <= UINT32_MAX)
        *out = (uint32_t)number;
    else
        *out = if_nametoindex(name_z);
    return *out ? 0 : -EINVAL;
}

static int set_v6(struct reel_address *out, char *host_z, uint16_t port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    char *percent_z = strchr(host_z, '%');
    if (percent_z) {
        *percent_z = '\0';
        if (scope_of(percent_z + 1, &v6.sin6_scope_id) < 0)
            return -EINVAL;
    }
    if (inet_pton(AF_INET6, host_z, &v6.sin6_addr) != 1)
        return -EINVAL;
    memcpy(&out->storage, &v6, sizeof(v6));
    out->length = sizeof(v6);
    return 0;
}

int reel_address_set(struct reel_address *out, const char *host_z, uint16_t port)
{
    *out = (struct reel_address){0};
    char host[HOST_MAX];
    size_t len = strlen(host_z);
    bool bracketed = len >= 2 && host_z[0] == '[' && host_z[len - 1] == ']';
    if (bracketed) {
        host_z++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(host))
        return -EINVAL;
    memcpy(host, host_z, len);
    host[len] = '\0';
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (!bracketed && inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(&out->storage, &v4, sizeof(v4));
        out->length = sizeof(v4);
        return 0;
    }
    return set_v6(out, host, port);
}

int reel_address_set_unix(struct reel_address *out, const char *path_z)
{
    *out = (struct reel_address){0};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    size_t len = strlen(path_z);
    if (len == 0)
        return -EINVAL;
    if (len >= sizeof(local.sun_path))
        return -ENAMETOOLONG;
    memcpy(local.sun_path, path_z, len);
    bool abstract = path_z[0] == '@';
    if (abstract)
        local.sun_path[0] = '\0';
    memcpy(&out->storage, &local, sizeof(local));
    out->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (abstract ? 0 : 1));
    return 0;
}

static void unix_text(const struct reel_address *a, char *out_z, size_t size)
{
    struct sockaddr_un local;
    memcpy(&local, &a->storage, sizeof(local));
    const size_t before = offsetof(struct sockaddr_un, sun_path);
    size_t len = a->length > before ? a->length - before : 0;
    if (len > sizeof(local.sun_path))
        len = sizeof(local.sun_path);
    bool abstract = len > 0 && local.sun_path[0] == '\0';
    if (abstract)
        snprintf(out_z, size, "@%.*s", (int)(len - 1), local.sun_path + 1);
    else
        snprintf(out_z, size, "%.*s", (int)len, len ? local.sun_path : "unnamed");
    if (len == 0)
        snprintf(out_z, size, "unnamed");
}

static void v6_host(const struct sockaddr_in6 *v6, char *out_z, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof(host));
    else
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
    if (v6->sin6_scope_id)
        snprintf(out_z, size, "%s%%%u", host, v6->sin6_scope_id);
    else
        snprintf(out_z, size, "%s", host);
}

const char *reel_address_host(const struct reel_address *a, char *out_z, size_t size)
{
    char host[INET_ADDRSTRLEN] = "";
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    switch (a->length ? a->storage.ss_family : AF_UNSPEC) {
    case AF_INET:
        memcpy(&v4, &a->storage, sizeof(v4));
        inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
        snprintf(out_z, size, "%s", host);
        break;
    case AF_INET6:
        memcpy(&v6, &a->storage, sizeof(v6));
        v6_host(&v6, out_z, size);
        break;
    case AF_UNIX: unix_text(a, out_z, size); break;
    default: snprintf(out_z, size, "unknown");
    }
    return out_z;
}

uint16_t reel_address_port(const struct reel_address *a)
{
    struct sockaddr_in v4; /* the port is at the same place in both */
    memcpy(&v4, &a->storage, sizeof(v4));
    bool has_port = a->length && (v4.sin_family == AF_INET || v4.sin_family == AF_INET6);
    return has_port ? ntohs(v4.sin_port) : 0;
}

const char *reel_address_text(const struct reel_address *a, char *out_z, size_t size)
{
    char host[REEL_ADDRESS_TEXT_MAX];
    reel_address_host(a, host, sizeof(host));
    int family = a->length ? a->storage.ss_family : AF_UNSPEC;
    if (family != AF_INET && family != AF_INET6)
        snprintf(out_z, size, "%s", host);
    else if (strchr(host, ':'))
        snprintf(out_z, size, "[%s]:%u", host, reel_address_port(a));
    else
        snprintf(out_z, size, "%s:%u", host, reel_address_port(a));
    return out_z;
}
