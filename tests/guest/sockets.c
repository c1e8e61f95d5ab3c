/* Sockets of the machine itself: pairs that change, and names that come again. */
#include "guest.h"
#include "unix_names.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* One of a pair turns to another and goes: who is left must not find it. */
static void turns_away(void)
{
    char bytes[8];
    int pair[2];
    int other = named("other", SOCK_DGRAM);
    SHOW(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    SHOW(joins(pair[0], "other"));
    SHOW(send(pair[0], "abc", 3, 0));
    SHOW(recv(other, bytes, sizeof(bytes), MSG_DONTWAIT));
    close(pair[0]);
    HOLDS(send(pair[1], "abc", 3, MSG_NOSIGNAL | MSG_DONTWAIT) == -1);
    SHOW(recv(pair[1], bytes, sizeof(bytes), MSG_DONTWAIT));
    close(pair[1]);
    close(other);
    unlink("other");
}

/* A name is taken away and given again while its first socket lives. */
static void named_again(void)
{
    int first = named("name", SOCK_DGRAM), caller = socket(AF_UNIX, SOCK_DGRAM, 0);
    SHOW(unlink("name"));
    int second = named("name", SOCK_DGRAM);
    SHOW(joins(caller, "name"));
    SHOW(send(caller, "abc", 3, MSG_DONTWAIT));
    SHOW(recv(first, (char[8]){0}, 8, MSG_DONTWAIT));
    SHOW(recv(second, (char[8]){0}, 8, MSG_DONTWAIT));
    close(second);
    SHOW(joins(caller, "name"));
    TRY(bind(first, (struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX}, 3));
    close(caller);
    close(first);
    unlink("name");
}

/* The same text in two directories. */
static void two_places(void)
{
    mkdir("one", 0700);
    mkdir("two", 0700);
    chdir("one");
    int first = named("name", SOCK_STREAM);
    chdir("../two");
    int second = named("name", SOCK_STREAM), caller = socket(AF_UNIX, SOCK_STREAM, 0);
    SHOW(listen(first, 1));
    SHOW(joins(caller, "name"));
    SHOW(listen(second, 1));
    SHOW(joins(caller, "name"));
    close(first);
    close(second);
    close(caller);
    unlink("name");
    unlink("../one/name");
    chdir("..");
    rmdir("one");
    rmdir("two");
}

int main(void)
{
    char folder[] = "/tmp/guest-sockets-XXXXXX";
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return 1;
    turns_away();
    named_again();
    two_places();
    rmdir(folder);
    return 0;
}
