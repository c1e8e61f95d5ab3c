#include "lured/play_filter.h"

#include <string.h>

#define ESC 0x1b

/* Final bytes of control sequences that only draw: cursor, erasing, inserting, scrolling, tabs, colours. */
static const char DRAWING_Z[] = "@ABCDEFGHIJKLMPSTXZ`abdefgmrsu";
/* After ESC: save and restore the cursor, lines, reset, the keypad, character sets' shifts. */
static const char ESCAPES_Z[] = "78=>DEHMcno|}~";
/* After ESC: one byte more names a character set or a line's size. */
static const char DESIGNATIONS_Z[] = "()*+#";
/* DEC's private modes that draw: cursor keys, columns' wrap, origin, cursor, screens. */
static const int MODES[] = {1, 5, 6, 7, 12, 25, 47, 1047, 1048, 1049};
/* Controls that are text's own: bell, back, tab, lines, shifts. */
static const char CONTROLS[] = {'\a', '\b', '\t', '\n', '\v', '\f', '\r', 0x0e, 0x0f};

static bool is_alnum(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z');
}

static bool is_mode_drawn(int mode)
{
    for (size_t i = 0; i < sizeof(MODES) / sizeof(MODES[0]); i++)
        if (MODES[i] == mode)
            return true;
    return false;
}

/* ESC [ ? NUMBER ; NUMBER ... h or l: passes when each of the modes may. */
static bool are_modes_drawn(const uint8_t *parameters, size_t len)
{
    int mode = 0;
    if (len == 0 || parameters[0] != '?')
        return false;
    for (size_t i = 1; i < len; i++) {
        if (parameters[i] == ';') {
            if (!is_mode_drawn(mode))
                return false;
            mode = 0;
        } else if (parameters[i] >= '0' && parameters[i] <= '9' && mode < 10000) {
            mode = mode * 10 + parameters[i] - '0';
        } else {
            return false;
        }
    }
    return is_mode_drawn(mode);
}

static bool is_plain(const uint8_t *parameters, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((parameters[i] < '0' || parameters[i] > '9') && parameters[i] != ';' &&
            parameters[i] != ':')
            return false;
    return true;
}

/* A whole control sequence, ESC [ parameters final. */
static bool is_drawing(const uint8_t *sequence, size_t len)
{
    const uint8_t *parameters = sequence + 2;
    uint8_t final = sequence[len - 1];
    len -= 3;
    if (final == 'h' || final == 'l')
        return are_modes_drawn(parameters, len) || (len == 1 && parameters[0] == '4');
    return final != '\0' && strchr(DRAWING_Z, final) != NULL && is_plain(parameters, len);
}

static void keep(struct play_filter *f, uint8_t byte)
{
    if (f->len < PLAY_SEQUENCE_MAX)
        f->sequence[f->len++] = byte;
    else
        f->len = PLAY_SEQUENCE_MAX + 1;
}

static int end_sequence(struct play_filter *f, bool passes, struct buffer *out)
{
    size_t len = f->len;
    f->state = PLAY_TEXT;
    f->len = 0;
    return passes && len <= PLAY_SEQUENCE_MAX ? buffer_put(out, (struct span){f->sequence, len})
                                              : 0;
}

static void begin_sequence(struct play_filter *f)
{
    f->state = PLAY_ESCAPE;
    f->len = 0;
    keep(f, ESC);
}

static int take_escape(struct play_filter *f, uint8_t byte, struct buffer *out)
{
    keep(f, byte);
    if (byte >= 0x20 && byte < 0x30) /* an intermediate byte: the last one is still to come */
        return 0;
    if (f->len > 2)
        return end_sequence(
            f, f->len == 3 && strchr(DESIGNATIONS_Z, f->sequence[1]) != NULL && is_alnum(byte),
            out);
    if (byte == '\0' || strchr("[]PX^_", byte) == NULL)
        return end_sequence(f, byte != '\0' && strchr(ESCAPES_Z, byte) != NULL, out);
    f->state = byte == '[' ? PLAY_CONTROL : PLAY_STRING; /* a string is for the terminal itself */
    return 0;
}

/* U+0080 to U+009F are controls of eight bits to some terminals: they are C2 80 to C2 9F. */
static int take_text(struct play_filter *f, uint8_t byte, struct buffer *out)
{
    if (f->utf8_left > 0 && (byte & 0xc0) == 0x80) {
        bool is_control = f->len == 1 && byte < 0xa0;
        int error = f->len == 1 && !is_control ? buffer_put_u8(out, 0xc2) : 0;
        f->len = 0;
        f->utf8_left--;
        return error == 0 && !is_control ? buffer_put_u8(out, byte) : error;
    }
    f->utf8_left = 0;
    f->len = 0;
    if (byte == 0xc2) { /* it waits for what follows */
        f->len = 1;
        f->utf8_left = 1;
        return 0;
    }
    if (byte >= 0x80) {
        f->utf8_left = byte >= 0xf8   ? 0
                       : byte >= 0xf0 ? 3
                       : byte >= 0xe0 ? 2
                       : byte >= 0xc3 ? 1
                                      : 0;
        return f->utf8_left > 0 ? buffer_put_u8(out, byte) : 0;
    }
    if (byte < 0x20 && memchr(CONTROLS, byte, sizeof(CONTROLS)) == NULL)
        return 0;
    return byte == 0x7f ? 0 : buffer_put_u8(out, byte);
}

static int take(struct play_filter *f, uint8_t byte, struct buffer *out)
{
    bool cancels = byte == 0x18 || byte == 0x1a; /* CAN, SUB */
    if (byte == ESC || cancels) { /* both end what went before them, a character too */
        f->utf8_left = 0;
        (void)end_sequence(f, false, out);
        if (!cancels)
            begin_sequence(f);
        return 0;
    }
    switch (f->state) {
    case PLAY_ESCAPE: return take_escape(f, byte, out);
    case PLAY_CONTROL:
        keep(f, byte);
        if (byte >= 0x20 && byte < 0x40)
            return 0;
        return end_sequence(f, f->len <= PLAY_SEQUENCE_MAX && is_drawing(f->sequence, f->len), out);
    case PLAY_STRING:
        if (byte == '\a')
            return end_sequence(f, false, out);
        return 0;
    case PLAY_TEXT: break;
    }
    return take_text(f, byte, out);
}

int play_filter(struct play_filter *f, struct span in, struct buffer *out)
{
    int error = 0;
    for (size_t i = 0; i < in.len && error == 0; i++)
        error = take(f, in.data[i], out);
    return error;
}
