#include "kernel/kind.h"

#include "kernel/abi.h"
#include "kernel/fs.h"
#include "kernel/hardware.h"
#include "kernel/mount.h"
#include "kernel/service.h"
#include "kernel/socket.h"

#include "persona/image.h"

#include <sys/socket.h>

#define MOUNT(path, kind, flags, share, size, used, used_inodes, mode, major, minor, id, parent, \
              peers, source, type, options, super)                                               \
    {path,  MOUNT_##kind, flags,  MOUNT_##share, size,   used, used_inodes, mode, major,         \
     minor, id,           parent, peers,         source, type, options,     super},
static const struct mount server_mounts[] = {
#include "kernel/mounts.def"
};
static const struct mount router_mounts[] = {
#include "kernel/mounts_router.def"
};
#undef MOUNT

#define LISTENER(pid, fd, family, type, port, backlog, ino, greeting) \
    {pid, fd, family, port, type, backlog, ino, greeting},
#define UNIX_LISTENER(references, flags, type, state, ino, path)
static const struct socket_service server_listeners[] = {
#include "kernel/listeners.def"
};
static const struct socket_service router_listeners[] = {
#include "kernel/listeners_router.def"
};
#undef LISTENER
#undef UNIX_LISTENER

#define TABLES(which)                                                         \
    .services = &services_of_##which, .mounts = which##_mounts,               \
    .mount_count = ARRAY_LEN(which##_mounts), .listeners = which##_listeners, \
    .listener_count = ARRAY_LEN(which##_listeners)

const struct kind kind_server = {
    .abi = &abi_x86_64,
    .also = &abi_i386, /* Debian's kernel has IA32_EMULATION */
    .hardware = &hardware_default,
    .login = {SERVICE_LISTENER, true},
    TABLES(server),
};

#define SMALL .is_small = true, .login = {SERVICE_LISTENER_SMALL, false}, TABLES(router)

static const struct kind kinds[] = {
    {.abi = &abi_mipsel, .hardware = &hardware_router, .cpuinfo_z = hardware_router_cpu_z, SMALL},
    {.abi = &abi_mips, .hardware = &hardware_router, .cpuinfo_z = hardware_router_cpu_z, SMALL},
    {.abi = &abi_arm, .hardware = &hardware_board, .cpuinfo_z = hardware_board_cpu_z, SMALL},
};

const struct kind *kind_of(const struct persona_image *image)
{
    struct persona_node node;
    uint32_t ino = image != NULL ? persona_image_lookup(image, span_z("/bin/sh")) : 0;
    if (ino == 0 || !persona_image_node(image, ino, &node))
        return &kind_server;
    const struct abi *abi = abi_find(node.data);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].abi == abi)
            return &kinds[i];
    return &kind_server;
}
