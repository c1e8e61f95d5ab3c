/* receiver: one connection at a time. Blocking sockets, one thread.
 * The others wait: connected as far as TCP goes, silent as far as this program goes. */
#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_listener(struct sockaddr_in address)
{
    const int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        lab_cannot("socket", errno);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0)
        lab_cannot("bind", errno);
    if (listen(listener, SOMAXCONN) < 0)
        lab_cannot("listen", errno);
    return listener;
}

/* The receive loop: serves one client until it leaves. */
static void handle(int client, const char *peer)
{
    FILE *lines = fdopen(client, "r");
    char line[LAB_LINE_MAX];
    if (!lines)
        lab_cannot("fdopen", errno);
    printf("%s connected\n", peer);
    while (fgets(line, sizeof(line), lines)) /* waits for a line: nobody else is served */
        lab_print_line(peer, line, strlen(line));
    printf("%s disconnected\n", peer);
    fclose(lines);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = lab_address(lab_arguments(argc, argv, "0.0.0.0:5000"));
    lab_stop_on_signals();
    int listener = open_listener(address);
    lab_print_listening(listener);
    for (;;) { /* the accept loop */
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        char peer[LAB_PEER_MAX];
        int client = accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
        if (client < 0)
            lab_cannot("accept", errno);
        handle(client, lab_peer_text(&from, peer));
    }
}
