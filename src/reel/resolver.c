#include <reel/resolver.h>

#include "reel/dns.h"
#include "reel/hosts.h"
#include "reel/loop.h"
#include "reel/table.h"

#include <reel/deferred.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HOSTS_MAX_BYTES = 1 << 20,
    REVERSE_MAX = 80, /* "f.f. ... .ip6.arpa" */
};

/* Which file it was, to see that it is another one now. All zero: there was none. */
struct file_mark {
    struct timespec changed;
    off_t size;
    ino_t inode;
};

struct reel_resolver {
    struct reel_reactor *reactor;
    struct reel_link link;
    struct reel_resolver_options options; /* texts point into `texts` */
    struct reel_link channels;            /* that in use, and retired ones */
    struct dns *dns;                      /* NULL: not made yet */
    struct file_mark conf_mark, hosts_mark;
    char *hosts; /* NULL: none */
    size_t hosts_len;
    char texts[];
};

/* ---- Making one ---- */

static const char *copy_z(char **at, const char *text_z)
{
    if (!text_z)
        return NULL;
    size_t size = strlen(text_z) + 1;
    char *copy = memcpy(*at, text_z, size);
    *at += size;
    return copy;
}

static size_t size_z(const char *text_z)
{
    return text_z ? strlen(text_z) + 1 : 0;
}

static bool mark_file(const char *path_z, struct file_mark *out)
{
    struct stat status;
    struct file_mark before = *out;
    memset(out, 0, sizeof(*out));
    if (stat(path_z, &status) == 0)
        *out = (struct file_mark){status.st_mtim, status.st_size, status.st_ino};
    return out->changed.tv_sec != before.changed.tv_sec ||
           out->changed.tv_nsec != before.changed.tv_nsec || out->size != before.size ||
           out->inode != before.inode;
}

static int open_dns(struct reel_resolver *resolver)
{
    struct dns *dns = NULL;
    int err = reel_dns_new(resolver->reactor, &resolver->channels, &resolver->options, &dns);
    if (err < 0)
        return err;
    if (resolver->dns)
        reel_dns_retire(resolver->dns);
    resolver->dns = dns;
    return 0;
}

int reel_resolver_new(struct reel_reactor *r, const struct reel_resolver_options *options,
                      struct reel_resolver **out)
{
    static const struct reel_resolver_options defaults = {0};
    options = options ? options : &defaults;
    if (r->ending)
        return -ECANCELED;
    size_t size = size_z(options->servers_z) + size_z(options->hosts_path_z) +
                  size_z(options->resolv_conf_path_z);
    struct reel_resolver *resolver = reel_memory_new_zeroed(r, sizeof(*resolver) + size);
    if (!resolver)
        return -ENOMEM;
    char *at = resolver->texts;
    resolver->reactor = r;
    resolver->options = *options;
    resolver->options.servers_z = copy_z(&at, options->servers_z);
    resolver->options.hosts_path_z = copy_z(&at, options->hosts_path_z);
    resolver->options.resolv_conf_path_z = copy_z(&at, options->resolv_conf_path_z);
    if (!resolver->options.queries_max)
        resolver->options.queries_max = REEL_RESOLVE_QUERIES_DEFAULT;
    list_init(&resolver->channels);
    list_put(&r->names.resolvers, &resolver->link);
    const char *conf_z = options->resolv_conf_path_z;
    mark_file(conf_z ? conf_z : "/etc/resolv.conf", &resolver->conf_mark);
    int err = open_dns(resolver);
    if (err < 0)
        reel_resolver_free(resolver);
    else
        *out = resolver;
    return err;
}

void reel_resolver_free(struct reel_resolver *resolver)
{
    if (!resolver)
        return;
    struct reel_reactor *r = resolver->reactor;
    if (r->names.own == resolver)
        r->names.own = NULL;
    if (r->names.other == resolver)
        r->names.other = NULL;
    reel_dns_free_all(&resolver->channels);
    list_remove(&resolver->link);
    reel_memory_free(r, resolver->hosts);
    reel_memory_free(r, resolver);
}

void reel_resolvers_fini(struct reel_reactor *r)
{
    struct reel_link *resolvers = &r->names.resolvers;
    while (!list_is_empty(resolvers))
        reel_resolver_free(CONTAINER_OF(resolvers->next, struct reel_resolver, link));
}

void reel_resolver_use(struct reel_reactor *r, struct reel_resolver *resolver)
{
    r->names.other = resolver;
}

/* Who is to be asked. 0 or -errno. */
static int get_resolver(struct reel_reactor *r, struct reel_resolver **out)
{
    int err = 0;
    if (r->wake_fd < 0)
        return -EOPNOTSUPP;
    if (!r->names.other && !r->names.own)
        err = reel_resolver_new(r, NULL, &r->names.own);
    *out = r->names.other ? r->names.other : r->names.own;
    return err;
}

/* ---- The files, read again when they have changed ---- */

static char *read_file(struct reel_reactor *r, const char *path_z, size_t *len)
{
    struct stat status;
    int fd = open(path_z, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = NULL;
    *len = 0;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > HOSTS_MAX_BYTES)
        goto out;
    text = reel_memory_new(r, (size_t)status.st_size + 1);
    ssize_t n = text ? read(fd, text, (size_t)status.st_size) : 0;
    *len = n > 0 ? (size_t)n : 0;
out:
    close(fd);
    return text;
}

static void look_at_hosts(struct reel_resolver *resolver)
{
    const char *path_z = resolver->options.hosts_path_z;
    path_z = path_z ? path_z : "/etc/hosts";
    if (!mark_file(path_z, &resolver->hosts_mark))
        return;
    reel_memory_free(resolver->reactor, resolver->hosts);
    resolver->hosts = read_file(resolver->reactor, path_z, &resolver->hosts_len);
    if (!resolver->hosts)
        memset(&resolver->hosts_mark, 0, sizeof(resolver->hosts_mark)); /* once more, next time */
}

/* What is asked already stays with the old servers. If the new file cannot be read, all does. */
static void look_at_conf(struct reel_resolver *resolver)
{
    const char *path_z = resolver->options.resolv_conf_path_z;
    if (mark_file(path_z ? path_z : "/etc/resolv.conf", &resolver->conf_mark))
        open_dns(resolver);
}

static struct reel_deferred *ask_dns(struct reel_resolver *resolver, enum dns_kind kind,
                                     const char *name_z, uint16_t port)
{
    look_at_conf(resolver);
    if (reel_dns_under_way(&resolver->channels) >= resolver->options.queries_max)
        return reel_deferred_fail(resolver->reactor, -ENOBUFS, "too many names are being resolved");
    return reel_dns_ask(resolver->dns, kind, name_z, port);
}

/* ---- Addresses ---- */

static void set_port(struct reel_address *address, uint16_t port)
{
    uint16_t network = htons(port);
    size_t at = address->storage.ss_family == AF_INET ? offsetof(struct sockaddr_in, sin_port)
                                                      : offsetof(struct sockaddr_in6, sin6_port);
    memcpy((char *)&address->storage + at, &network, sizeof(network));
}

struct reel_addresses *reel_addresses_new(struct reel_reactor *r, const struct reel_address *list,
                                          size_t count, uint16_t port, int family)
{
    struct reel_addresses *found =
        reel_answer_new(r, sizeof(*found) + count * sizeof(found->list[0]));
    for (size_t i = 0; found && i < count; i++) {
        if (family != AF_UNSPEC && list[i].storage.ss_family != family)
            continue;
        found->list[found->count] = list[i];
        set_port(&found->list[found->count++], port);
    }
    return found;
}

struct reel_deferred *reel_answer_addresses(struct reel_reactor *r, const struct reel_address *list,
                                            size_t count, uint16_t port, int family)
{
    struct reel_addresses *found = reel_addresses_new(r, list, count, port, family);
    if (!found)
        return NULL;
    if (found->count)
        return reel_deferred_succeed(r, (int64_t)found->count, found, reel_answer_free);
    reel_answer_free(found);
    return reel_deferred_fail(r, -ENODATA, "the name has no address of this kind");
}

/* "localhost" and what is below it, with or without a dot at the end. */
static bool is_localhost(const char *name_z)
{
    static const char localhost[] = "localhost";
    size_t len = strlen(name_z), own = sizeof(localhost) - 1;
    if (len && name_z[len - 1] == '.')
        len--;
    if (len < own || strncasecmp(name_z + len - own, localhost, own) != 0)
        return false;
    return len == own || name_z[len - own - 1] == '.';
}

/* From the files. False: they do not know the name. */
static bool ask_files(struct reel_resolver *resolver, const char *name_z, uint16_t port, int family,
                      struct reel_deferred **out)
{
    struct reel_address list[2 * REEL_RESOLVE_ADDRESSES_MAX];
    look_at_hosts(resolver);
    size_t count = reel_hosts_find(resolver->hosts, resolver->hosts_len, name_z, list,
                                   sizeof(list) / sizeof(list[0]));
    if (!count && is_localhost(name_z)) {
        reel_address_set(&list[count++], "::1", 0);
        reel_address_set(&list[count++], "127.0.0.1", 0);
    }
    if (count)
        *out = reel_answer_addresses(resolver->reactor, list, count, port, family);
    return count > 0;
}

static bool is_v6(const struct reel_address *address)
{
    return address->storage.ss_family == AF_INET6;
}

/* Two answers become one. */
static void join_families(struct reel_deferred *d, struct reel_result *result, void *context)
{
    const struct reel_gathered *both = result->pointer;
    const struct reel_addresses *v6 = both->results[0].pointer, *v4 = both->results[1].pointer;
    (void)context;
    int v6_error = both->results[0].error, v4_error = both->results[1].error;
    if (v6_error && v4_error) {
        const struct reel_result *telling = &both->results[v4_error == -ENODATA ? 0 : 1];
        reel_result_set_error(result, telling->error, telling->why_z);
        return;
    }
    size_t v6_count = v6 ? v6->count : 0, v4_count = v4 ? v4->count : 0;
    struct reel_addresses *all = reel_answer_new(
        reel_deferred_reactor(d), sizeof(*all) + (v6_count + v4_count) * sizeof(all->list[0]));
    if (!all) {
        reel_result_set_error(result, -ENOMEM, NULL);
        return;
    }
    all->count = v6_count + v4_count;
    for (size_t i = 0; i < all->count; i++)
        all->list[i] = i < v6_count ? v6->list[i] : v4->list[i - v6_count];
    reel_result_set_value(result, (int64_t)all->count, all, reel_answer_free);
}

static struct reel_deferred *resolve_both(struct reel_reactor *r, const char *name_z, uint16_t port)
{
    struct reel_deferred *const asked[] = {reel_resolve(r, name_z, port, AF_INET6),
                                           reel_resolve(r, name_z, port, AF_INET)};
    struct reel_deferred *d = reel_gather(r, REEL_GATHER_EACH, asked, 2);
    reel_deferred_add_callback(d, join_families, NULL);
    return d;
}

bool reel_is_name(const char *name_z)
{
    size_t len = strnlen(name_z, REEL_NAME_MAX + 2);
    if (len && name_z[len - 1] == '.')
        len--;
    return len > 0 && len <= REEL_NAME_MAX;
}

struct reel_deferred *reel_resolve(struct reel_reactor *r, const char *name_z, uint16_t port,
                                   int family)
{
    struct reel_address numeric;
    struct reel_resolver *resolver = NULL;
    struct reel_deferred *d = NULL;
    if (reel_address_set(&numeric, name_z, port) == 0)
        return reel_answer_addresses(r, &numeric, 1, port, family);
    if (!reel_is_name(name_z))
        return reel_deferred_fail(r, -EINVAL, "this cannot be a name");
    if (family == AF_UNSPEC)
        return resolve_both(r, name_z, port);
    if (r->names.table)
        return reel_table_resolve(r, name_z, port, family);
    int err = get_resolver(r, &resolver);
    if (err < 0)
        return reel_deferred_fail(r, err, NULL);
    if (ask_files(resolver, name_z, port, family, &d))
        return d;
    return ask_dns(resolver, family == AF_INET6 ? DNS_AAAA : DNS_A, name_z, port);
}

/* ---- Other records ---- */

struct reel_deferred *reel_resolve_records(struct reel_reactor *r, const char *name_z,
                                           enum reel_record_type type)
{
    static const enum dns_kind kinds[] = {[REEL_RECORD_PTR] = DNS_PTR,
                                          [REEL_RECORD_MX] = DNS_MX,
                                          [REEL_RECORD_TXT] = DNS_TXT,
                                          [REEL_RECORD_SRV] = DNS_SRV};
    struct reel_resolver *resolver = NULL;
    if (!reel_is_name(name_z))
        return reel_deferred_fail(r, -EINVAL, "this cannot be a name");
    int err = get_resolver(r, &resolver);
    return err < 0 ? reel_deferred_fail(r, err, NULL) : ask_dns(resolver, kinds[type], name_z, 0);
}

/* "4.3.2.1.in-addr.arpa" (RFC 1035 3.5), nibbles for IPv6 (RFC 3596 2.5). */
static bool reverse_name(const struct reel_address *address, char *out_z)
{
    if (address->storage.ss_family == AF_INET) {
        struct sockaddr_in v4;
        uint8_t b[4];
        memcpy(&v4, &address->storage, sizeof(v4));
        memcpy(b, &v4.sin_addr, sizeof(b));
        snprintf(out_z, REVERSE_MAX, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
        return true;
    }
    if (!is_v6(address))
        return false;
    struct sockaddr_in6 v6;
    memcpy(&v6, &address->storage, sizeof(v6));
    for (int i = 15; i >= 0; i--, out_z += 4)
        snprintf(out_z, 5, "%x.%x.", v6.sin6_addr.s6_addr[i] & 15u,
                 (unsigned)v6.sin6_addr.s6_addr[i] >> 4);
    memcpy(out_z, "ip6.arpa", sizeof("ip6.arpa"));
    return true;
}

struct reel_deferred *reel_answer_name(struct reel_reactor *r, const char *name, size_t len)
{
    struct reel_records *found =
        reel_answer_new(r, sizeof(*found) + sizeof(found->list[0]) + len + 1);
    if (!found)
        return NULL;
    char *text = (char *)&found->list[1];
    memcpy(text, name, len);
    found->count = 1;
    found->list[0] = (struct reel_record){.text_z = text, .len = len};
    return reel_deferred_succeed(r, 1, found, reel_answer_free);
}

struct reel_deferred *reel_resolve_address(struct reel_reactor *r,
                                           const struct reel_address *address)
{
    char reverse[REVERSE_MAX];
    const char *name = NULL;
    struct reel_resolver *resolver = NULL;
    if (!reverse_name(address, reverse))
        return reel_deferred_fail(r, -EINVAL, "only IPv4 and IPv6 addresses have names");
    if (r->names.table)
        return reel_table_name_of(r, address);
    int err = get_resolver(r, &resolver);
    if (err < 0)
        return reel_deferred_fail(r, err, NULL);
    look_at_hosts(resolver);
    size_t len = reel_hosts_name_of(resolver->hosts, resolver->hosts_len, address, &name);
    return len ? reel_answer_name(r, name, len) : ask_dns(resolver, DNS_PTR, reverse, 0);
}
