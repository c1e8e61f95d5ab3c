/* org.freedesktop.DBus.Introspectable: what an object has, as XML (D-Bus specification, "Introspection
 * Data Format"), made from the tables that answer. Arguments are left out: no table has them. */
#include "bus/call.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

enum { XML_MAX = 256 << 10 };

#define HEAD                                                                  \
    "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection " \
    "1.0//EN\"\n\"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n"

static const char standard_z[] = " <interface name=\"org.freedesktop.DBus.Peer\">\n"
                                 "  <method name=\"Ping\"/>\n"
                                 "  <method name=\"GetMachineId\">\n"
                                 "   <arg type=\"s\" name=\"machine_uuid\" direction=\"out\"/>\n"
                                 "  </method>\n"
                                 " </interface>\n"
                                 " <interface name=\"org.freedesktop.DBus.Introspectable\">\n"
                                 "  <method name=\"Introspect\">\n"
                                 "   <arg name=\"data\" type=\"s\" direction=\"out\"/>\n"
                                 "  </method>\n"
                                 " </interface>\n"
                                 " <interface name=\"org.freedesktop.DBus.Properties\">\n"
                                 "  <method name=\"Get\">\n"
                                 "   <arg name=\"interface_name\" direction=\"in\" type=\"s\"/>\n"
                                 "   <arg name=\"property_name\" direction=\"in\" type=\"s\"/>\n"
                                 "   <arg name=\"value\" direction=\"out\" type=\"v\"/>\n"
                                 "  </method>\n"
                                 "  <method name=\"GetAll\">\n"
                                 "   <arg name=\"interface_name\" direction=\"in\" type=\"s\"/>\n"
                                 "   <arg name=\"props\" direction=\"out\" type=\"a{sv}\"/>\n"
                                 "  </method>\n"
                                 " </interface>\n";

/* One interface of the object: its methods, and the properties among those that were noted. */
static void put_interface(struct buffer *xml, const char *name_z, const struct bus_method *methods,
                          struct span properties)
{
    (void)buffer_printf(xml, " <interface name=\"%s\">\n", name_z);
    for (; methods != NULL && methods->member_z != NULL; methods++)
        if (strcmp(methods->interface_z, name_z) == 0)
            (void)buffer_printf(xml, "  <method name=\"%s\"/>\n", methods->member_z);
    while (properties.len > 0) { /* "INTERFACE NAME SIGNATURE\n" */
        char interface_z[BUS_NAME_MAX], property_z[BUS_NAME_MAX], signature_z[BUS_NAME_MAX];
        char *const words[] = {interface_z, property_z, signature_z};
        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
            ptrdiff_t end = span_find(properties, i < 2 ? ' ' : '\n', 0);
            size_t len = end < 0 ? properties.len : (size_t)end;
            (void)span_copy_z(span_slice(properties, 0, len), words[i], BUS_NAME_MAX);
            properties = span_slice(properties, len + 1, properties.len);
        }
        if (strcmp(interface_z, name_z) == 0)
            (void)buffer_printf(xml, "  <property name=\"%s\" type=\"%s\" access=\"read\"/>\n",
                                property_z, signature_z);
    }
    (void)buffer_put_z(xml, " </interface>\n");
}

/* Interfaces, each once: those of the noted properties, and of the methods. */
static void put_interfaces(struct buffer *xml, const struct bus_method *methods,
                           struct span properties)
{
    char last_z[BUS_NAME_MAX] = "";
    struct span rest = properties;
    bool has_own = false;
    while (rest.len > 0) {
        char name_z[BUS_NAME_MAX];
        ptrdiff_t blank = span_find(rest, ' ', 0), end = span_find(rest, '\n', 0);
        (void)span_copy_z(span_slice(rest, 0, blank < 0 ? 0 : (size_t)blank), name_z,
                          sizeof(name_z));
        if (strcmp(name_z, last_z) != 0)
            put_interface(xml, name_z, methods, properties);
        has_own = has_own || (methods != NULL && strcmp(name_z, methods->interface_z) == 0);
        memcpy(last_z, name_z, sizeof(last_z));
        rest = span_slice(rest, end < 0 ? rest.len : (size_t)end + 1, rest.len);
    }
    if (!has_own && methods != NULL && methods->interface_z != NULL)
        put_interface(xml, methods->interface_z, methods, span_of(NULL, 0));
}

/* The next part of a path below another; false: it is not below. */
static bool child_of(struct span above, const char *path_z, struct span *child)
{
    struct span path = span_z(path_z);
    size_t start = above.len == 1 ? 1 : above.len + 1;
    if (path.len <= start || !span_starts_with(path, above) || path.data[start - 1] != '/')
        return false;
    ptrdiff_t end = span_find(path, '/', start);
    *child = span_slice(path, start, end < 0 ? path.len : (size_t)end);
    return child->len > 0;
}

void bus_introspect(struct bus_call *c)
{
    struct buffer xml;
    struct span child, path = c->message->path;
    buffer_init(&c->notes, XML_MAX);
    buffer_init(&xml, XML_MAX);
    c->is_noting = true;
    const struct bus_object *object = bus_object_find(c);
    if (object != NULL)
        object->properties(c);
    c->is_noting = false;
    (void)buffer_put_z(&xml, HEAD);
    if (object != NULL)
        (void)buffer_put_z(&xml, standard_z);
    put_interfaces(&xml, object != NULL ? object->methods : NULL, buffer_span(&c->notes));
    if (child_of(path, c->name->path_z, &child))
        (void)buffer_printf(&xml, " <node name=\"%.*s\"/>\n", (int)child.len,
                            (const char *)child.data);
    if (object != NULL && object->children != NULL)
        object->children(c, &xml);
    (void)buffer_put_z(&xml, "</node>\n\n");
    c->signature_z = "s";
    int rc = buffer_put_u8(&xml, 0);
    if (rc == 0 && buffer_span(&xml).data != NULL)
        wire_text(&c->w, (const char *)buffer_span(&xml).data);
    else
        c->w.error = ERR_NOMEM;
    buffer_fini(&c->notes);
    buffer_fini(&xml);
}
