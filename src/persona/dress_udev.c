/* What udev made when the machine started. A device's file in /run/udev/data is what it has found out of
 * it (S: names, E: properties, G and Q: tags); programs read it instead of the device. */
#include "persona/dress_machine.h"

#include "persona/disk.h"

#include <stdio.h>
#include <string.h>

enum { DATA_MAX = 2048 };

/* In the texts: @D the number of the partition table, @U the root's label, @S the sectors of its
 * partition, @M the network card's address, @T when the device was found, in microseconds. */
static const struct {
    const char *device_z, *node_z, *text_z;
} found[] = {
    {"b254:0", "/dev/vda",
     "S:disk/by-path/virtio-pci-0000:00:04.0\nS:disk/by-diskseq/10\n"
     "S:disk/by-path/pci-0000:00:04.0\n@T"
     "E:ID_PATH=pci-0000:00:04.0\nE:ID_PATH_TAG=pci-0000_00_04_0\n"
     "E:ID_PART_TABLE_UUID=@D\nE:ID_PART_TABLE_TYPE=dos\nG:systemd\nQ:systemd\nV:1\n"},
    {"b254:1", "/dev/vda1",
     "S:disk/by-path/virtio-pci-0000:00:04.0-part1\nS:disk/by-partuuid/@D-01\n"
     "S:disk/by-uuid/@U\nS:disk/by-path/pci-0000:00:04.0-part1\n@T"
     "E:ID_PATH=pci-0000:00:04.0\nE:ID_PATH_TAG=pci-0000_00_04_0\n"
     "E:ID_PART_TABLE_UUID=@D\nE:ID_PART_TABLE_TYPE=dos\n"
     "E:ID_FS_UUID=@U\nE:ID_FS_UUID_ENC=@U\nE:ID_FS_VERSION=1.0\nE:ID_FS_TYPE=ext4\n"
     "E:ID_FS_USAGE=filesystem\nE:ID_PART_ENTRY_SCHEME=dos\nE:ID_PART_ENTRY_UUID=@D-01\n"
     "E:ID_PART_ENTRY_TYPE=0x83\nE:ID_PART_ENTRY_FLAGS=0x80\nE:ID_PART_ENTRY_NUMBER=1\n"
     "E:ID_PART_ENTRY_OFFSET=2048\nE:ID_PART_ENTRY_SIZE=@S\nE:ID_PART_ENTRY_DISK=254:0\n"
     "G:systemd\nQ:systemd\nV:1\n"},
    {"b11:0", "/dev/sr0",
     "S:disk/by-path/pci-0000:00:01.1-ata-2.0\nS:disk/by-diskseq/12\nS:cdrom\n"
     "S:disk/by-path/pci-0000:00:01.1-ata-2\nS:disk/by-id/ata-QEMU_DVD-ROM_QM00003\nL:-100\n@T"
     "E:ID_ATA=1\nE:ID_TYPE=cd\nE:ID_BUS=ata\nE:ID_MODEL=QEMU_DVD-ROM\n"
     "E:ID_MODEL_ENC=QEMU\\x20DVD-ROM\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20"
     "\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\n"
     "E:ID_REVISION=2.5+\nE:ID_SERIAL=QEMU_DVD-ROM_QM00003\nE:ID_SERIAL_SHORT=QM00003\n"
     "E:ID_PATH=pci-0000:00:01.1-ata-2.0\nE:ID_PATH_TAG=pci-0000_00_01_1-ata-2_0\n"
     "E:ID_PATH_ATA_COMPAT=pci-0000:00:01.1-ata-2\nE:ID_CDROM=1\nE:ID_CDROM_DVD=1\n"
     "E:ID_CDROM_CD=1\nE:ID_CDROM_MRW=1\nE:ID_CDROM_MRW_W=1\n"
     "E:ID_FOR_SEAT=block-pci-0000_00_01_1-ata-2_0\nE:SYSTEMD_READY=0\n"
     "G:uaccess\nG:systemd\nG:seat\nQ:uaccess\nQ:systemd\nQ:seat\nV:1\n"},
    {"b2:0", "/dev/fd0", "@TG:systemd\nQ:systemd\nV:1\n"},
#define LOOP(minor, sequence)        \
    {"b7:" minor, "/dev/loop" minor, \
     "S:disk/by-diskseq/" sequence "\n@TE:SYSTEMD_READY=0\nG:systemd\nQ:systemd\nV:1\n"},
    LOOP("0", "13") LOOP("1", "14") LOOP("2", "15") LOOP("3", "16") LOOP("4", "17") LOOP("5", "18")
        LOOP("6", "19") LOOP("7", "20")
#undef LOOP
            {"c4:64", "/dev/ttyS0", "@TG:systemd\nQ:systemd\nV:1\n"},
    {"c4:65", "/dev/ttyS1", "@TG:systemd\nQ:systemd\nV:1\n"},
    {"c4:66", "/dev/ttyS2", "@TG:systemd\nQ:systemd\nV:1\n"},
    {"c4:67", "/dev/ttyS3", "@TG:systemd\nQ:systemd\nV:1\n"},
    {"c10:232", "/dev/kvm", "@TG:uaccess\nG:seat\nQ:uaccess\nQ:seat\nV:1\n"},
    {"c29:0", "/dev/fb0",
     "@TE:ID_PATH=pci-0000:00:02.0\nE:ID_PATH_TAG=pci-0000_00_02_0\n"
     "E:ID_FOR_SEAT=graphics-pci-0000_00_02_0\nG:seat\nQ:seat\nV:1\n"},
    {"c226:0", "/dev/dri/card0",
     "S:dri/by-path/pci-0000:00:02.0-card\n@TE:ID_PATH=pci-0000:00:02.0\n"
     "E:ID_PATH_TAG=pci-0000_00_02_0\nE:ID_FOR_SEAT=drm-pci-0000_00_02_0\n"
     "G:uaccess\nG:seat\nG:master-of-seat\nQ:uaccess\nQ:seat\nQ:master-of-seat\nV:1\n"},
    {"c246:1", "/dev/vport3p1",
     "S:virtio-ports/org.qemu.guest_agent.0\n@TG:systemd\nQ:systemd\nV:1\n"},
    {"c251:0", "/dev/rtc0", "S:rtc\nL:-100\n@TV:1\n"},
    {"n1", NULL, ""},
    {"n2", NULL,
     "@TE:ID_MM_CANDIDATE=1\nE:ID_NET_NAMING_SCHEME=v252\nE:ID_NET_NAME_MAC=enx@M\n"
     "E:ID_NET_NAME_PATH=enp0s3\nE:ID_NET_NAME_SLOT=ens3\nE:ID_BUS=pci\nE:ID_VENDOR_ID=0x1af4\n"
     "E:ID_MODEL_ID=0x1000\nE:ID_PCI_CLASS_FROM_DATABASE=Network controller\n"
     "E:ID_PCI_SUBCLASS_FROM_DATABASE=Ethernet controller\n"
     "E:ID_VENDOR_FROM_DATABASE=Red Hat, Inc.\nE:ID_MODEL_FROM_DATABASE=Virtio network device\n"
     "E:ID_PATH=pci-0000:00:03.0\nE:ID_PATH_TAG=pci-0000_00_03_0\nE:ID_NET_DRIVER=virtio_net\n"
     "E:ID_NET_LINK_FILE=/usr/lib/systemd/network/99-default.link\nE:ID_NET_NAME=ens3\n"
     "G:systemd\nQ:systemd\nV:1\n"},
};

/* The texts' words that begin with '@'. */
static int put_word(const struct dress_machine *m, char word, size_t index, struct buffer *out)
{
    const struct persona_identity *p = m->identity;
    switch (word) {
    case 'D': return buffer_printf(out, "%08x", p->disk_id);
    case 'U': return buffer_put_z(out, p->root_uuid_z);
    case 'S':
        return buffer_printf(out, "%llu",
                             (unsigned long long)persona_disk_of(p->disk_gib).partition_kib * 2);
    case 'M':
        return buffer_printf(out, "%02x%02x%02x%02x%02x%02x", p->mac[0], p->mac[1], p->mac[2],
                             p->mac[3], p->mac[4], p->mac[5]);
    default: /* while it started, as long ago as the seed says */
        return buffer_printf(out, "I:%u\n",
                             2400000 + p->seed[index % PERSONA_SEED_BYTES] * 1733U +
                                 (uint32_t)index * 9119);
    }
}

static int put_found(const struct dress_machine *m, size_t index, struct buffer *out)
{
    int rc = 0;
    for (const char *at_z = found[index].text_z; *at_z != '\0' && rc == 0; at_z++)
        rc = *at_z == '@' ? put_word(m, *++at_z, index, out) : buffer_put_u8(out, (uint8_t)*at_z);
    return rc;
}

/* Names stand in one folder: what is a slash in them is written \x2f. */
static void escape(struct span name, char out_z[DRESS_PATH_BYTES])
{
    size_t len = 0;
    for (size_t i = 0; i < name.len && len + 5 < DRESS_PATH_BYTES; i++) {
        if (name.data[i] == '/')
            len += (size_t)snprintf(out_z + len, DRESS_PATH_BYTES - len, "\\x2f");
        else
            out_z[len++] = (char)name.data[i];
    }
    out_z[len] = '\0';
}

static void put_link_of(struct dress_machine *m, size_t index, struct span name, int priority)
{
    char path_z[DRESS_PATH_BYTES], name_z[DRESS_PATH_BYTES], target_z[DRESS_PATH_BYTES];
    escape(name, name_z);
    dress_path(path_z, "/run/udev/links/%s", name_z);
    dress_put_dir(m, path_z);
    dress_path(path_z, "/run/udev/links/%s/%s", name_z, found[index].device_z);
    dress_path(target_z, "%d:%s", priority, found[index].node_z);
    dress_put_link(m, path_z, target_z);
}

static void put_tag_of(struct dress_machine *m, size_t index, struct span name)
{
    char path_z[DRESS_PATH_BYTES];
    dress_path(path_z, "/run/udev/tags/%.*s", (int)name.len, (const char *)name.data);
    dress_put_dir(m, path_z);
    dress_path(path_z, "/run/udev/tags/%.*s/%s", (int)name.len, (const char *)name.data,
               found[index].device_z);
    dress_put(m, path_z, 0100444, span_of(NULL, 0));
}

/* S: a link below /dev that it has made; G: a tag of the device's. */
static void put_names(struct dress_machine *m, size_t index, struct span text)
{
    int priority = strstr(found[index].text_z, "\nL:-100\n") != NULL ? -100 : 0;
    while (text.len > 2) {
        ptrdiff_t end = span_find(text, '\n', 0);
        struct span line = span_slice(text, 0, end < 0 ? text.len : (size_t)end);
        text = span_slice(text, line.len + 1, text.len);
        if (line.data[0] == 'S')
            put_link_of(m, index, span_slice(line, 2, line.len), priority);
        else if (line.data[0] == 'G')
            put_tag_of(m, index, span_slice(line, 2, line.len));
    }
}

static void put_data(struct dress_machine *m)
{
    char path_z[DRESS_PATH_BYTES];
    struct buffer text;
    buffer_init(&text, DATA_MAX);
    for (size_t i = 0; i < ARRAY_LEN(found); i++) {
        buffer_clear(&text);
        int rc = put_found(m, i, &text);
        dress_path(path_z, "/run/udev/data/%s", found[i].device_z);
        dress_put(m, path_z, 0100644, buffer_span(&text));
        put_names(m, i, buffer_span(&text));
        m->error = m->error != 0 ? m->error : rc;
    }
    buffer_fini(&text);
}

/* Devices of which there is nothing to tell. */
static void put_silent(struct dress_machine *m)
{
    static const struct {
        uint16_t major, from, to;
    } silent[] = {{1, 1, 1},      {1, 3, 5},      {1, 7, 9},      {1, 11, 11},
                  {4, 0, 63},     {5, 0, 2},      {7, 0, 6},      {7, 64, 70},
                  {7, 128, 134},  {10, 1, 1},     {10, 125, 127}, {10, 183, 183},
                  {10, 228, 229}, {10, 231, 231}, {10, 235, 237}, {99, 0, 0}};
    char path_z[DRESS_PATH_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        for (unsigned minor = silent[i].from; minor <= silent[i].to; minor++) {
            dress_path(path_z, "/run/udev/data/c%u:%u", silent[i].major, minor);
            dress_put(m, path_z, 0100644, span_of(NULL, 0));
        }
}

/* Whose changes udev watches: the disk's and the loop devices', by the numbers of inotify. */
static void put_watches(struct dress_machine *m)
{
    static const char *const watched[] = {"b7:0", "b7:1", "b7:2", "b7:3",   "b7:4",
                                          "b7:5", "b7:6", "b7:7", "b254:0", "b254:1"};
    enum { FIRST = 11 };
    char path_z[DRESS_PATH_BYTES], number_z[DRESS_PATH_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
        dress_path(number_z, "%zu", i + FIRST);
        dress_path(path_z, "/run/udev/watch/%s", number_z);
        dress_put_link(m, path_z, watched[i]);
        dress_path(path_z, "/run/udev/watch/%s", watched[i]);
        dress_put_link(m, path_z, number_z);
    }
}

static void put_disk_names(struct dress_machine *m)
{
    char path_z[DRESS_PATH_BYTES];
    dress_put_dir(m, "/dev/disk/by-uuid");
    dress_path(path_z, "/dev/disk/by-uuid/%s", m->identity->root_uuid_z);
    dress_put_link(m, path_z, "../../vda1");
    dress_path(path_z, "/dev/disk/by-partuuid/%08x-01", m->identity->disk_id);
    dress_put_link(m, path_z, "../../vda1");
}

void dress_udev(struct dress_machine *m)
{
    static const char *const folders[] = {"/run/udev/data",
                                          "/run/udev/links",
                                          "/run/udev/tags",
                                          "/run/udev/watch",
                                          "/run/udev/static_node-tags",
                                          "/run/udev/static_node-tags/uaccess"};
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        dress_put_dir(m, folders[i]);
    dress_put(m, "/run/udev/control", 0140600, span_of(NULL, 0));
    dress_put_link(m, "/run/udev/static_node-tags/uaccess/snd\\x2fseq", "/dev/snd/seq");
    dress_put_link(m, "/run/udev/static_node-tags/uaccess/snd\\x2ftimer", "/dev/snd/timer");
    put_data(m);
    put_silent(m);
    put_watches(m);
    put_disk_names(m);
}
