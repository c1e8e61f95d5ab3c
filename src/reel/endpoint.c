#include <reel/endpoint.h>

#include "reel/loop.h"

#include <reel/filter.h>
#include <reel/protocol.h>
#include <reel/proxy.h>
#include <reel/stdio.h>
#include <reel/systemd.h>
#include <reel/tls.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

enum arg {
    ARG_PORT,
    ARG_HOST,
    ARG_INTERFACE,
    ARG_PATH,
    ARG_FD,
    ARG_BACKLOG,
    ARG_REUSEPORT,
    ARG_V6ONLY,
    ARG_MODE,
    ARG_TIMEOUT,
    ARG_DEVICE,
    ARG_BIND_ADDRESS,
    ARG_DOMAIN,
    ARG_INDEX,
    ARG_CERT,
    ARG_KEY,
    ARG_CA,
    ARG_VERIFY,
    ARG_ALPN,
    ARG_NAME,
    ARG_COUNT,
};

static const char *const arg_names[ARG_COUNT] = {
    [ARG_PORT] = "port",
    [ARG_HOST] = "host",
    [ARG_INTERFACE] = "interface",
    [ARG_PATH] = "path",
    [ARG_FD] = "fd",
    [ARG_BACKLOG] = "backlog",
    [ARG_REUSEPORT] = "reuseport",
    [ARG_V6ONLY] = "v6only",
    [ARG_MODE] = "mode",
    [ARG_TIMEOUT] = "timeout",
    [ARG_DEVICE] = "device",
    [ARG_BIND_ADDRESS] = "bindAddress",
    [ARG_DOMAIN] = "domain",
    [ARG_INDEX] = "index",
    [ARG_CERT] = "cert",
    [ARG_KEY] = "key",
    [ARG_CA] = "ca",
    [ARG_VERIFY] = "verify",
    [ARG_ALPN] = "alpn",
    [ARG_NAME] = "name",
};

#define BIT(arg) (1u << (arg))

/* The parts of an endpoint's string, by name; NULL: not given. */
struct args {
    char text_z[REEL_ENDPOINT_MAX + 1]; /* the parts, unescaped, each with its NUL */
    const char *kind_z;
    const char *value_z[ARG_COUNT];
};

struct kind {
    const char *name_z;
    enum arg positional[2];
    int positional_count;
    unsigned allowed, needed;
    const char *(*build)(const struct args *args, struct reel_endpoint *out); /* what is wrong */
};

static bool parse_number(const char *text_z, int base, long max, long *out)
{
    long value = 0;
    if (!*text_z)
        return false;
    for (; *text_z; text_z++) {
        int digit = *text_z - '0';
        if (digit < 0 || digit >= base)
            return false;
        value = value * base + digit;
        if (value > max)
            return false;
    }
    *out = value;
    return true;
}

static bool parse_bool(const char *text_z, bool *out)
{
    *out = strcmp(text_z, "yes") == 0;
    return *out || strcmp(text_z, "no") == 0;
}

static bool copy_text(char *out_z, size_t size, const char *text_z)
{
    size_t len = strlen(text_z);
    if (len == 0 || len >= size)
        return false;
    memcpy(out_z, text_z, len + 1);
    return true;
}

/* The arguments that mean the same for several kinds. What is wrong, or NULL. */
static const char *build_common(const struct args *args, struct reel_endpoint *out)
{
    const char *const *value_z = args->value_z;
    long number = 0;
    if (value_z[ARG_BACKLOG]) {
        if (!parse_number(value_z[ARG_BACKLOG], 10, INT_MAX, &number) || number == 0)
            return "a backlog is a number above 0";
        out->listen.backlog = (int)number;
    }
    if (value_z[ARG_REUSEPORT] && !parse_bool(value_z[ARG_REUSEPORT], &out->listen.reuse_port))
        return "reuseport is yes or no";
    if (value_z[ARG_V6ONLY] && !parse_bool(value_z[ARG_V6ONLY], &out->listen.v6_only))
        return "v6only is yes or no";
    if (value_z[ARG_MODE]) {
        if (!parse_number(value_z[ARG_MODE], 8, 0777, &number) || number == 0)
            return "a mode is an octal number from 1 to 777";
        out->listen.mode = (uint32_t)number;
    }
    if (value_z[ARG_TIMEOUT]) {
        if (!parse_number(value_z[ARG_TIMEOUT], 10, INT_MAX, &number) || number == 0)
            return "a timeout is a number of seconds above 0";
        out->timeout_ns = number * INT64_C(1000000000);
    }
    if (value_z[ARG_DEVICE] &&
        !copy_text(out->device_z, sizeof(out->device_z), value_z[ARG_DEVICE]))
        return "a device's name has 1 to 15 bytes";
    memcpy(out->listen.device_z, out->device_z, sizeof(out->device_z));
    return NULL;
}

static const char *build_tcp(const struct args *args, const char *host_z, struct reel_endpoint *out)
{
    long port = 0;
    if (!parse_number(args->value_z[ARG_PORT], 10, UINT16_MAX, &port))
        return "a port is a number from 0 to 65535";
    if (reel_address_set(&out->address, host_z, (uint16_t)port) < 0)
        return "an address is numeric, like 192.0.2.1 or [2001:db8::1]";
    return NULL;
}

static const char *build_tcp_server(const struct args *args, struct reel_endpoint *out)
{
    const char *host_z = args->value_z[ARG_INTERFACE];
    return build_tcp(args, host_z ? host_z : "0.0.0.0", out);
}

static const char *build_tcp6_server(const struct args *args, struct reel_endpoint *out)
{
    const char *host_z = args->value_z[ARG_INTERFACE];
    const char *why_z = build_tcp(args, host_z ? host_z : "::", out);
    if (!why_z && out->address.storage.ss_family != AF_INET6)
        return "this kind takes an IPv6 address";
    return why_z;
}

/* Letters, digits, "-", "_" and single dots; anything beyond ASCII has to be given in its ASCII form
 * ("xn--"). What ends in a number is an address or a mistake (RFC 3696 2: no such top level). */
static bool is_host_name(const char *text_z)
{
    const char *label_z = text_z;
    bool numeric = true;
    if (!*text_z || *text_z == '.')
        return false;
    for (; *text_z; text_z++) {
        char c = *text_z, lower = (char)(c | 0x20);
        bool digit = c >= '0' && c <= '9';
        if (c == '.' && (text_z[1] == '.' || text_z - label_z > 63))
            return false;
        if (c == '.' && text_z[1])
            numeric = true;
        if (c == '.')
            label_z = text_z + 1;
        else if (!digit && (lower < 'a' || lower > 'z') && c != '-' && c != '_')
            return false;
        else
            numeric = numeric && digit;
    }
    return !numeric && text_z - label_z <= 63;
}

static const char *build_host_client(const struct args *args, struct reel_endpoint *out)
{
    const char *host_z = args->value_z[ARG_HOST];
    struct reel_address address;
    long port = 0;
    if (reel_address_set(&address, host_z, 0) == 0 || !is_host_name(host_z))
        return build_tcp(args, host_z, out);
    if (!parse_number(args->value_z[ARG_PORT], 10, UINT16_MAX, &port))
        return "a port is a number from 0 to 65535";
    if (!copy_text(out->host_z, sizeof(out->host_z), host_z))
        return "a name has at most 253 bytes";
    out->port = (uint16_t)port;
    return NULL;
}

static const char *check_client(const struct args *args, struct reel_endpoint *out)
{
    const char *bind_z = args->value_z[ARG_BIND_ADDRESS];
    if ((*out->host_z ? out->port : reel_address_port(&out->address)) == 0)
        return "port 0 cannot be connected to";
    if (bind_z &&
        (reel_address_set(&out->local, bind_z, 0) < 0 ||
         (!*out->host_z && out->local.storage.ss_family != out->address.storage.ss_family)))
        return "bindAddress is a numeric address of the host's family";
    return NULL;
}

static const char *build_tcp_client(const struct args *args, struct reel_endpoint *out)
{
    const char *why_z = build_host_client(args, out);
    return why_z ? why_z : check_client(args, out);
}

static const char *build_udp_client(const struct args *args, struct reel_endpoint *out)
{
    const char *why_z = build_tcp(args, args->value_z[ARG_HOST], out);
    return why_z ? why_z : check_client(args, out);
}

static const char *build_unix(const struct args *args, struct reel_endpoint *out)
{
    int err = reel_address_set_unix(&out->address, args->value_z[ARG_PATH]);
    if (err == -ENAMETOOLONG)
        return "a socket's path has at most 107 bytes";
    return err < 0 ? "a path is missing" : NULL;
}

static const char *build_fd(const struct args *args, struct reel_endpoint *out)
{
    long fd = 0;
    if (!parse_number(args->value_z[ARG_FD], 10, INT_MAX, &fd))
        return "a descriptor is a number";
    out->fd = (int)fd;
    return NULL;
}

static const char *build_stdio(const struct args *args, struct reel_endpoint *out)
{
    (void)args;
    out->is_stdio = true;
    return out->behind_proxy ? "standard input has no PROXY header" : NULL;
}

static const char *build_systemd(const struct args *args, struct reel_endpoint *out)
{
    static const struct {
        const char *name_z;
        int family;
    } domains[] = {{"INET", AF_INET}, {"INET6", AF_INET6}, {"UNIX", AF_UNIX}};
    struct reel_endpoint_systemd *systemd = &out->systemd;
    const char *index_z = args->value_z[ARG_INDEX], *name_z = args->value_z[ARG_NAME];
    const char *domain_z = args->value_z[ARG_DOMAIN];
    long index = 0;
    if (!index_z == !name_z)
        return "systemd has an index or a name";
    if (index_z && !parse_number(index_z, 10, INT_MAX, &index))
        return "an index is a number";
    if (name_z && !copy_text(systemd->name_z, sizeof(systemd->name_z), name_z))
        return "a name has 1 to 63 bytes";
    for (size_t i = 0; domain_z && i < sizeof(domains) / sizeof(domains[0]); i++)
        if (strcmp(domains[i].name_z, domain_z) == 0)
            systemd->family = domains[i].family;
    if (domain_z && !systemd->family)
        return "a domain is INET, INET6 or UNIX";
    systemd->is_on = true;
    systemd->index = (int)index;
    return NULL;
}

static uint16_t put_text(struct reel_endpoint_tls *tls, size_t *used, const char *text_z)
{
    if (!text_z)
        return 0;
    size_t at = *used, size = strlen(text_z) + 1;
    memcpy(tls->text_z + at, text_z, size); /* no longer together than the string they come from */
    *used += size;
    return (uint16_t)at;
}

static const char *put_texts(const struct args *args, struct reel_endpoint *out)
{
    const char *const *value_z = args->value_z;
    size_t used = 1; /* place 0 is "not given" */
    for (int arg = ARG_CERT; arg < ARG_COUNT; arg++)
        if (value_z[arg] && !*value_z[arg])
            return "an option of TLS is empty";
    out->tls.is_on = true;
    out->tls.certificate_at = put_text(&out->tls, &used, value_z[ARG_CERT]);
    out->tls.key_at = put_text(&out->tls, &used, value_z[ARG_KEY]);
    out->tls.ca_at = put_text(&out->tls, &used, value_z[ARG_CA]);
    out->tls.alpn_at = put_text(&out->tls, &used, value_z[ARG_ALPN]);
    out->tls.name_at =
        put_text(&out->tls, &used, value_z[ARG_NAME] ? value_z[ARG_NAME] : value_z[ARG_HOST]);
    return NULL;
}

static const char *build_tls_server(const struct args *args, struct reel_endpoint *out)
{
    const char *verify_z = args->value_z[ARG_VERIFY];
    if (verify_z && strcmp(verify_z, "require") == 0)
        out->tls.verify = REEL_TLS_VERIFY_REQUIRE;
    else if (verify_z && strcmp(verify_z, "request") == 0)
        out->tls.verify = REEL_TLS_VERIFY_REQUEST;
    else if (verify_z)
        return "verify is require or request";
    if (!verify_z != !args->value_z[ARG_CA])
        return "verify and ca go together";
    const char *why_z = put_texts(args, out);
    return why_z ? why_z : build_tcp_server(args, out);
}

static const char *build_tls_client(const struct args *args, struct reel_endpoint *out)
{
    bool verifies = true;
    if (args->value_z[ARG_VERIFY] && !parse_bool(args->value_z[ARG_VERIFY], &verifies))
        return "verify is yes or no";
    out->tls.verify = verifies ? REEL_TLS_VERIFY_DEFAULT : REEL_TLS_VERIFY_NONE;
    const char *why_z = put_texts(args, out);
    return why_z ? why_z : build_tcp_client(args, out);
}

#define SERVER_ARGS                                                               \
    (BIT(ARG_PORT) | BIT(ARG_INTERFACE) | BIT(ARG_BACKLOG) | BIT(ARG_REUSEPORT) | \
     BIT(ARG_V6ONLY) | BIT(ARG_DEVICE))
#define CLIENT_ARGS \
    (BIT(ARG_HOST) | BIT(ARG_PORT) | BIT(ARG_TIMEOUT) | BIT(ARG_DEVICE) | BIT(ARG_BIND_ADDRESS))

static const struct kind servers[] = {
    {"tcp", {ARG_PORT}, 1, SERVER_ARGS, BIT(ARG_PORT), build_tcp_server},
    {"tcp6", {ARG_PORT}, 1, SERVER_ARGS, BIT(ARG_PORT), build_tcp6_server},
    {"tls",
     {ARG_PORT},
     1,
     SERVER_ARGS | BIT(ARG_CERT) | BIT(ARG_KEY) | BIT(ARG_CA) | BIT(ARG_VERIFY) | BIT(ARG_ALPN),
     BIT(ARG_PORT) | BIT(ARG_CERT),
     build_tls_server},
    {"unix",
     {ARG_PATH},
     1,
     BIT(ARG_PATH) | BIT(ARG_BACKLOG) | BIT(ARG_MODE),
     BIT(ARG_PATH),
     build_unix},
    {"fd", {ARG_FD}, 1, BIT(ARG_FD), BIT(ARG_FD), build_fd},
    {"systemd", {0}, 0, BIT(ARG_DOMAIN) | BIT(ARG_INDEX) | BIT(ARG_NAME), 0, build_systemd},
    {"stdio", {0}, 0, 0, 0, build_stdio},
    {.name_z = NULL},
};

static const struct kind datagram_servers[] = {
    {"udp",
     {ARG_PORT},
     1,
     BIT(ARG_PORT) | BIT(ARG_INTERFACE) | BIT(ARG_REUSEPORT) | BIT(ARG_V6ONLY),
     BIT(ARG_PORT),
     build_tcp_server},
    {"udp6",
     {ARG_PORT},
     1,
     BIT(ARG_PORT) | BIT(ARG_INTERFACE) | BIT(ARG_REUSEPORT) | BIT(ARG_V6ONLY),
     BIT(ARG_PORT),
     build_tcp6_server},
    {"unix-dgram", {ARG_PATH}, 1, BIT(ARG_PATH) | BIT(ARG_MODE), BIT(ARG_PATH), build_unix},
    {.name_z = NULL},
};

static const struct kind datagram_clients[] = {
    {"udp",
     {ARG_HOST, ARG_PORT},
     2,
     BIT(ARG_HOST) | BIT(ARG_PORT),
     BIT(ARG_HOST) | BIT(ARG_PORT),
     build_udp_client},
    {"unix-dgram", {ARG_PATH}, 1, BIT(ARG_PATH), BIT(ARG_PATH), build_unix},
    {.name_z = NULL},
};

static const struct kind clients[] = {
    {"tcp", {ARG_HOST, ARG_PORT}, 2, CLIENT_ARGS, BIT(ARG_HOST) | BIT(ARG_PORT), build_tcp_client},
    {"tls",
     {ARG_HOST, ARG_PORT},
     2,
     CLIENT_ARGS | BIT(ARG_NAME) | BIT(ARG_CERT) | BIT(ARG_KEY) | BIT(ARG_CA) | BIT(ARG_VERIFY) |
         BIT(ARG_ALPN),
     BIT(ARG_HOST) | BIT(ARG_PORT),
     build_tls_client},
    {"unix", {ARG_PATH}, 1, BIT(ARG_PATH) | BIT(ARG_TIMEOUT), BIT(ARG_PATH), build_unix},
    {.name_z = NULL},
};

/* One part, up to a colon or the end, unescaped into *to. `*equals_z` is the first bare "=" in it,
 * or NULL. What is wrong, or NULL. */
static const char *take_part(const char **from_z, char **to, char **equals_z)
{
    bool bracketed = false;
    *equals_z = NULL;
    for (; **from_z && (bracketed || **from_z != ':'); (*from_z)++) {
        char c = **from_z;
        if (c == '\\') {
            c = *++*from_z;
            if (!c)
                return "a backslash stands at the end";
        } else if (c == '[' || c == ']') {
            bracketed = c == '[';
        } else if (c == '=' && !*equals_z) {
            *equals_z = *to;
        }
        *(*to)++ = c;
    }
    *(*to)++ = '\0';
    return bracketed ? "a bracket is not closed" : NULL;
}

static int find_arg(const char *name_z)
{
    for (int arg = 0; arg < ARG_COUNT; arg++)
        if (strcmp(arg_names[arg], name_z) == 0)
            return arg;
    return -1;
}

static const char *put_part(struct args *args, const struct kind *kind, int *position, char *part_z,
                            char *equals_z)
{
    int arg = -1;
    if (equals_z) {
        *equals_z = '\0';
        arg = find_arg(part_z);
        part_z = equals_z + 1;
    } else if (*position < kind->positional_count) {
        arg = (int)kind->positional[(*position)++];
    } else {
        return "there is one part too many";
    }
    if (arg < 0 || !(kind->allowed & BIT(arg)))
        return "this kind of endpoint has no such option";
    if (args->value_z[arg])
        return "an option is given twice";
    args->value_z[arg] = part_z;
    return NULL;
}

static const struct kind *find_kind(const struct kind *kinds, const char *name_z)
{
    while (kinds->name_z && strcmp(kinds->name_z, name_z) != 0)
        kinds++;
    return kinds->name_z ? kinds : NULL;
}

/* The short form: PORT or ADDRESS:PORT. */
static const char *parse_short(const char *text_z, struct reel_endpoint *out)
{
    struct args args = {.kind_z = NULL};
    char *to = args.text_z, *equals_z = NULL;
    const char *host_z = "0.0.0.0", *part_z = to;
    const char *why_z = take_part(&text_z, &to, &equals_z);
    if (!why_z && *text_z == ':') {
        text_z++;
        host_z = part_z;
        part_z = to;
        why_z = take_part(&text_z, &to, &equals_z);
    }
    if (why_z || *text_z)
        return why_z ? why_z : "there is one part too many";
    args.value_z[ARG_PORT] = part_z;
    return build_tcp(&args, host_z, out);
}

static bool is_short(const char *text_z)
{
    return *text_z == '[' || (*text_z >= '0' && *text_z <= '9');
}

static const char *parse(const struct kind *kinds, const char *text_z, struct reel_endpoint *out)
{
    struct args args = {.kind_z = NULL};
    if (strnlen(text_z, REEL_ENDPOINT_MAX + 1) > REEL_ENDPOINT_MAX)
        return "it is longer than 256 bytes";
    if (kinds == servers && strncmp(text_z, "haproxy:", 8) == 0) {
        out->behind_proxy = true;
        text_z += 8;
    }
    if (kinds == servers && is_short(text_z))
        return parse_short(text_z, out);
    char *to = args.text_z, *equals_z = NULL;
    const char *why_z = take_part(&text_z, &to, &equals_z);
    const struct kind *kind = why_z ? NULL : find_kind(kinds, args.text_z);
    if (!kind)
        return why_z ? why_z : "it begins with no known kind (tcp, unix ...)";
    int position = 0;
    if (!kind->allowed && strcmp(text_z, ":") == 0)
        text_z++; /* "stdio:" */
    while (*text_z == ':') {
        text_z++;
        char *part_z = to;
        why_z = take_part(&text_z, &to, &equals_z);
        if (!why_z)
            why_z = put_part(&args, kind, &position, part_z, equals_z);
        if (why_z)
            return why_z;
    }
    for (int arg = 0; arg < ARG_COUNT; arg++)
        if ((kind->needed & BIT(arg)) && !args.value_z[arg])
            return "a part is missing";
    why_z = build_common(&args, out);
    return why_z ? why_z : kind->build(&args, out);
}

static int parse_as(const struct kind *kinds, const char *text_z, struct reel_endpoint *out,
                    const char **why_z)
{
    *out = (struct reel_endpoint){.fd = -1};
    const char *wrong_z = parse(kinds, text_z, out);
    if (why_z)
        *why_z = wrong_z;
    return wrong_z ? -EINVAL : 0;
}

int reel_endpoint_parse_server(const char *text_z, struct reel_endpoint *out, const char **why_z)
{
    return parse_as(servers, text_z, out, why_z);
}

int reel_endpoint_parse_client(const char *text_z, struct reel_endpoint *out, const char **why_z)
{
    return parse_as(clients, text_z, out, why_z);
}

int reel_endpoint_parse_datagram_server(const char *text_z, struct reel_endpoint *out,
                                        const char **why_z)
{
    return parse_as(datagram_servers, text_z, out, why_z);
}

int reel_endpoint_parse_datagram_client(const char *text_z, struct reel_endpoint *out,
                                        const char **why_z)
{
    return parse_as(datagram_clients, text_z, out, why_z);
}

void reel_endpoint_tls_options(const struct reel_endpoint *endpoint, struct reel_tls_options *out,
                               const char **name_z)
{
    const struct reel_endpoint_tls *tls = &endpoint->tls;
    *out = (struct reel_tls_options){
        .certificate_z = tls->certificate_at ? tls->text_z + tls->certificate_at : NULL,
        .key_z = tls->key_at ? tls->text_z + tls->key_at : NULL,
        .ca_z = tls->ca_at ? tls->text_z + tls->ca_at : NULL,
        .alpn_z = tls->alpn_at ? tls->text_z + tls->alpn_at : NULL,
        .verify = (enum reel_tls_verify)tls->verify,
    };
    *name_z = tls->name_at ? tls->text_z + tls->name_at : NULL;
}

/* -EAFNOSUPPORT: it is of another family than the endpoint says. */
static int find_systemd(const struct reel_endpoint_systemd *systemd)
{
    int fd =
        *systemd->name_z ? reel_systemd_fd_named(systemd->name_z) : reel_systemd_fd(systemd->index);
    int family = 0;
    socklen_t len = sizeof(family);
    if (fd < 0 || !systemd->family)
        return fd;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0)
        return -errno;
    return family == systemd->family ? fd : -EAFNOSUPPORT;
}

static int listen_at(struct reel_reactor *r, const struct reel_endpoint *endpoint,
                     const struct reel_factory *factory, struct reel_listener **out)
{
    if (endpoint->is_stdio) {
        if (out)
            *out = NULL;
        return reel_stdio(r, factory, NULL);
    }
    if (endpoint->systemd.is_on) {
        int fd = find_systemd(&endpoint->systemd);
        return fd < 0 ? fd : reel_listen_fd(r, fd, &endpoint->listen, factory, out);
    }
    if (endpoint->fd >= 0)
        return reel_listen_fd(r, endpoint->fd, &endpoint->listen, factory, out);
    return reel_listen_at(r, &endpoint->address, &endpoint->listen, factory, out);
}

/* What a listener on `tls:` owns. */
struct tls_stack {
    struct reel_reactor *reactor;
    struct reel_filter_use filters[3];
    struct reel_tls_context *context;
};

static void tls_stack_free(void *context)
{
    struct tls_stack *stack = context;
    reel_tls_context_free(stack->context);
    reel_memory_free(stack->reactor, stack);
}

static int listen_tls(struct reel_reactor *r, struct reel_endpoint *endpoint,
                      const struct reel_factory *factory, struct reel_listener **out)
{
    struct reel_tls_options options;
    const char *name_z = NULL;
    struct tls_stack *stack = reel_memory_new_zeroed(r, sizeof(*stack));
    if (!stack)
        return -ENOMEM;
    stack->reactor = r;
    reel_endpoint_tls_options(endpoint, &options, &name_z);
    int err = reel_tls_context_new(&options, &stack->context, NULL);
    if (err == 0) {
        struct reel_filter_use *next = stack->filters;
        if (endpoint->behind_proxy)
            *next++ = (struct reel_filter_use){&reel_proxy_filter, NULL};
        *next = (struct reel_filter_use){&reel_tls_server, stack->context};
        endpoint->listen.filters = stack->filters;
        endpoint->listen.freed = tls_stack_free;
        endpoint->listen.freed_context = stack;
        err = listen_at(r, endpoint, factory, out);
    }
    if (err < 0)
        tls_stack_free(stack);
    return err;
}

int reel_listen(struct reel_reactor *r, const char *endpoint_z, const struct reel_factory *factory,
                struct reel_listener **out)
{
    static const struct reel_filter_use behind_proxy[] = {{&reel_proxy_filter, NULL}, {NULL, NULL}};
    struct reel_endpoint endpoint;
    int err = reel_endpoint_parse_server(endpoint_z, &endpoint, NULL);
    if (err < 0)
        return err;
    if (endpoint.behind_proxy)
        endpoint.listen.filters = behind_proxy;
    return endpoint.tls.is_on ? listen_tls(r, &endpoint, factory, out)
                              : listen_at(r, &endpoint, factory, out);
}

static int connect_at(struct reel_reactor *r, const struct reel_endpoint *endpoint,
                      const struct reel_filter_use *filters, const struct reel_factory *factory,
                      struct reel_transport **out)
{
    struct reel_connect_options options = {
        .timeout_ns = endpoint->timeout_ns, .local = endpoint->local, .filters = filters};
    memcpy(options.device_z, endpoint->device_z, sizeof(options.device_z));
    if (*endpoint->host_z)
        return reel_connect_host(r, endpoint->host_z, endpoint->port, &options, factory, out);
    return reel_connect_with(r, &endpoint->address, &options, factory, out);
}

static int connect_tls(struct reel_reactor *r, const struct reel_endpoint *endpoint,
                       const struct reel_factory *factory, struct reel_transport **out)
{
    struct reel_tls_options options;
    struct reel_tls_client client = {.context = NULL};
    reel_endpoint_tls_options(endpoint, &options, &client.name_z);
    int err = reel_tls_context_new(&options, &client.context, NULL);
    if (err < 0)
        return err;
    const struct reel_filter_use filters[] = {{&reel_tls_client, &client}, {NULL, NULL}};
    err = connect_at(r, endpoint, filters, factory, out);
    reel_tls_context_free(client.context); /* the connection has it */
    return err;
}

int reel_connect(struct reel_reactor *r, const char *endpoint_z, const struct reel_factory *factory,
                 struct reel_transport **out)
{
    struct reel_endpoint endpoint;
    int err = reel_endpoint_parse_client(endpoint_z, &endpoint, NULL);
    if (err < 0)
        return err;
    if (endpoint.tls.is_on)
        return connect_tls(r, &endpoint, factory, out);
    return connect_at(r, &endpoint, NULL, factory, out);
}
