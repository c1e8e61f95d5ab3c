/* The name servers that the machine seems to have (RFC 1035): every name of a public domain leads
 * to an address that follows from the name, and each question is told. */
#include "kernel/hash.h"
#include "kernel/machine.h"
#include "kernel/socket.h"
#include "kernel/task.h"

#include "base/cursor.h"

enum {
    NAME_MAX_BYTES = 255,
    LABEL_MAX = 63,
    TYPE_A = 1,
    CLASS_IN = 1,
    FLAGS_ANSWER = 0x8180, /* a recursive answer */
    FLAGS_NO_NAME = 0x8183,
    POINTER = 0xc00c, /* to the name of the question */
    TTL_LEAST = 60,
};

/* Reads the name of a question into text with dots. Its length, or -1. */
static int read_name(struct cursor *c, char *out, size_t size)
{
    size_t n = 0;
    for (;;) {
        size_t len = cursor_u8(c);
        if (c->failed || len > LABEL_MAX || n + len + 1 >= size)
            return -1;
        if (len == 0)
            return (int)n;
        struct span label = cursor_bytes(c, len);
        if (n > 0)
            out[n++] = '.';
        for (size_t i = 0; i < label.len; i++) {
            char b = (char)label.data[i];
            out[n++] = b >= 'A' && b <= 'Z' ? (char)(b - 'A' + 'a') : b;
        }
    }
}

/* Names that no public server knows. */
static bool is_private(struct span name)
{
    static const char *const ends[] = {"local",       "lan",   "home",    "internal",
                                       "localdomain", "test",  "invalid", "arpa",
                                       "example",     "onion", "corp",    "intranet"};
    ptrdiff_t dot = -1;
    for (ptrdiff_t at = span_find(name, '.', 0); at >= 0; at = span_find(name, '.', (size_t)at + 1))
        dot = at;
    struct span end = span_slice(name, (size_t)(dot + 1), name.len);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (span_equal_z(end, ends[i]))
            return true;
    return dot < 0 || end.len < 2;
}

/* An address of a provider's range: the same for a name whenever it is asked. */
static uint32_t address_of(struct span name)
{
    static const uint8_t nets[] = {45,  51,  64,  77,  91,  104, 138, 142, 147, 159,
                                   167, 178, 185, 188, 193, 194, 195, 209, 212, 217};
    uint64_t place = hash_bytes(0, name);
    uint32_t last = 2 + (uint32_t)(place >> 40) % 250;
    return (uint32_t)nets[place % ARRAY_LEN(nets)] << 24 | ((uint32_t)(place >> 8) & 0xffff) << 8 |
           last;
}

static void tell(struct task *t, struct span name, uint16_t type)
{
    const struct kernel_event event = {.type = KERNEL_RESOLVE, .text = name, .number = type};
    kernel_emit(t->kernel, t, &event);
}

bool socket_dns_answer(struct task *t, struct span question, struct buffer *out)
{
    char text[NAME_MAX_BYTES + 1];
    struct cursor c = cursor_of(question);
    uint16_t id = cursor_u16(&c), flags = cursor_u16(&c), count = cursor_u16(&c);
    (void)cursor_bytes(&c, 6); /* the other counts */
    struct span asked = c.rest;
    int n = read_name(&c, text, sizeof(text));
    uint16_t type = cursor_u16(&c), class = cursor_u16(&c);
    if (n < 0 || c.failed || count != 1 || (flags & 0x8000) != 0)
        return false;
    struct span name = span_of(text, (size_t)n);
    asked = span_slice(asked, 0, asked.len - c.rest.len);
    tell(t, name, type);
    bool known = !is_private(name), answered = known && type == TYPE_A && class == CLASS_IN;
    int error = buffer_put_u16(out, id);
    error |= buffer_put_u16(out, known ? FLAGS_ANSWER : FLAGS_NO_NAME);
    error |= buffer_put_u16(out, 1);
    error |= buffer_put_u16(out, answered);
    error |= buffer_put_u32(out, 0);
    error |= buffer_put(out, asked);
    if (answered) {
        error |= buffer_put_u16(out, POINTER);
        error |= buffer_put_u16(out, TYPE_A);
        error |= buffer_put_u16(out, CLASS_IN);
        error |= buffer_put_u32(out, TTL_LEAST + (uint32_t)(hash_bytes(1, name) % 3540));
        error |= buffer_put_u16(out, 4);
        error |= buffer_put_u32(out, address_of(name));
    }
    return error == 0;
}
