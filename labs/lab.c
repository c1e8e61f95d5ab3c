#include <reel/reel.h>

#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *lab_arguments(int argc, char **argv, const char *default_z)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        fprintf(stderr, "usage: %s [[ADDRESS:]PORT]    (default: %s)\n",
                program_invocation_short_name, default_z);
        exit(LAB_BAD_USAGE);
    }
    return argc == 2 ? argv[1] : default_z;
}

struct sockaddr_in lab_address(const char *text_z)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN] = "0.0.0.0";
    const char *colon = strrchr(text_z, ':');
    if (colon)
        snprintf(host, sizeof(host), "%.*s", (int)(colon - text_z), text_z);
    const char *port_z = colon ? colon + 1 : text_z;
    char *end = NULL;
    unsigned long port = strtoul(port_z, &end, 10);
    if (*port_z < '0' || *port_z > '9' || *end || port > UINT16_MAX ||
        (colon && colon - text_z >= INET_ADDRSTRLEN) ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1)
        lab_refuse(text_z, "not an address; it is [ADDRESS:]PORT, in numbers");
    address.sin_port = htons((uint16_t)port);
    return address;
}

struct reel_listener *lab_listen(struct reel_reactor *reactor, const char *where_z,
                                 const struct reel_factory *factory)
{
    struct reel_endpoint endpoint;
    struct reel_listener *listener = NULL;
    const char *why_z = NULL;
    int err = reel_endpoint_parse_server(where_z, &endpoint, &why_z);
    if (err == 0) {
        err = reel_listen(reactor, where_z, factory, &listener);
        why_z = reel_reason_text(err);
    }
    if (err == 0)
        return listener;
    reel_reactor_free(reactor);
    lab_refuse(where_z, why_z);
}

int lab_stop_at_signal(struct reel_reactor *reactor)
{
    struct reel_signal signals[2] = {0};
    int err = reel_stop_on_signals(signals, reactor);
    if (err == 0)
        err = reel_run(reactor);
    for (int i = 0; i < 2; i++)
        reel_signal_stop(&signals[i]);
    return err < 0 ? LAB_CANNOT : 0;
}

int lab_run(struct reel_reactor *reactor)
{
    int status = lab_stop_at_signal(reactor);
    reel_reactor_free(reactor);
    return status;
}

const char *lab_peer_text(const struct sockaddr_in *address, char *out_z)
{
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address->sin_addr, host, sizeof(host));
    snprintf(out_z, LAB_PEER_MAX, "%s:%d", host, ntohs(address->sin_port));
    return out_z;
}

static void on_stop(int number)
{
    (void)number;
    _exit(0);
}

void lab_stop_on_signals(void)
{
    const struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void lab_cannot(const char *what_z, int error)
{
    lab_refuse(what_z, strerror(error));
}

void lab_refuse(const char *what_z, const char *why_z)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what_z, why_z);
    exit(LAB_CANNOT);
}

/* The bytes of the visible character that `text` begins with; 0: it begins with none. */
static size_t visible(const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;
    if (*at < 0x80)
        return *at >= ' ' && *at != 0x7f;
    size_t size = *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
    if (*at < 0xc2 || *at > 0xf4 || size > len)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    /* Longer than it need be; and U+0080 to U+009F, which terminals obey as they do ESC. */
    bool hidden = (*at == 0xe0 && at[1] < 0xa0) || (*at == 0xf0 && at[1] < 0x90) ||
                  (*at == 0xc2 && at[1] < 0xa0);
    return hidden ? 0 : size;
}

const char *lab_shown(const char *text, size_t len, char *out_z)
{
    if (len >= LAB_LINE_MAX)
        len = LAB_LINE_MAX - 1;
    for (size_t i = 0, size; i < len; i += size) {
        size = visible(text + i, len - i);
        memcpy(out_z + i, size ? text + i : ".", size ? size : 1);
        size = size ? size : 1;
    }
    out_z[len] = '\0';
    return out_z;
}

void lab_print_line(const char *who_z, const char *line, size_t len)
{
    char text[LAB_LINE_MAX];
    if (len && line[len - 1] == '\n')
        len--;
    if (len && line[len - 1] == '\r')
        len--;
    printf("%s: %s\n", who_z, lab_shown(line, len, text));
}

void lab_print_listening(int listener)
{
    struct sockaddr_in address = {0};
    socklen_t len = sizeof(address);
    char text[LAB_PEER_MAX];
    getsockname(listener, (struct sockaddr *)&address, &len);
    printf("listening on %s\n", lab_peer_text(&address, text));
}
