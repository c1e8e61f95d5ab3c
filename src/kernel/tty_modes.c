/* Terminal modes: a new pty's, and those that SSH clients send. */
#include "kernel/tty_line.h"

#include "base/cursor.h"

void tty_modes_default(struct tty_modes *modes)
{
    *modes = (struct tty_modes){
        .iflag = TTY_ICRNL | TTY_IXON,
        .oflag = TTY_OPOST | TTY_ONLCR,
        .cflag = TTY_B38400 | TTY_CS8 | TTY_CREAD,
        .lflag = TTY_ISIG | TTY_ICANON | TTY_ECHO | TTY_ECHOE | TTY_ECHOK | TTY_ECHOCTL |
                 TTY_ECHOKE | TTY_IEXTEN,
        .cc = {[TTY_VINTR] = 3,
               [TTY_VQUIT] = 28,
               [TTY_VERASE] = 127,
               [TTY_VKILL] = 21,
               [TTY_VEOF] = 4,
               [TTY_VMIN] = 1,
               [TTY_VSTART] = 17,
               [TTY_VSTOP] = 19,
               [TTY_VSUSP] = 26,
               [TTY_VREPRINT] = 18,
               [TTY_VDISCARD] = 15,
               [TTY_VWERASE] = 23,
               [TTY_VLNEXT] = 22},
        .ispeed = 38400,
        .ospeed = 38400,
    };
}

enum { OP_END = 0, OP_UNKNOWN_FROM = 160, OP_ISPEED = 128, OP_OSPEED = 129, CHAR_OFF = 255 };

/* RFC 4254 section 8: opcode and index in cc[]. VDSUSP, VFLUSH, VSWTCH and VSTATUS are not Linux's. */
static const struct {
    uint8_t opcode, index;
} characters[] = {
    {1, TTY_VINTR},     {2, TTY_VQUIT},    {3, TTY_VERASE},  {4, TTY_VKILL},     {5, TTY_VEOF},
    {6, TTY_VEOL},      {7, TTY_VEOL2},    {8, TTY_VSTART},  {9, TTY_VSTOP},     {10, TTY_VSUSP},
    {12, TTY_VREPRINT}, {13, TTY_VWERASE}, {14, TTY_VLNEXT}, {18, TTY_VDISCARD},
};

enum mode_field { MODE_INPUT, MODE_OUTPUT, MODE_CONTROL, MODE_LOCAL };

static const struct {
    uint8_t opcode;
    uint8_t field; /* enum mode_field */
    uint32_t bits;
} flags[] = {
    {30, MODE_INPUT, TTY_IGNPAR}, {31, MODE_INPUT, TTY_PARMRK},   {32, MODE_INPUT, TTY_INPCK},
    {33, MODE_INPUT, TTY_ISTRIP}, {34, MODE_INPUT, TTY_INLCR},    {35, MODE_INPUT, TTY_IGNCR},
    {36, MODE_INPUT, TTY_ICRNL},  {37, MODE_INPUT, TTY_IUCLC},    {38, MODE_INPUT, TTY_IXON},
    {39, MODE_INPUT, TTY_IXANY},  {40, MODE_INPUT, TTY_IXOFF},    {41, MODE_INPUT, TTY_IMAXBEL},
    {42, MODE_INPUT, TTY_IUTF8},  {50, MODE_LOCAL, TTY_ISIG},     {51, MODE_LOCAL, TTY_ICANON},
    {52, MODE_LOCAL, TTY_XCASE},  {53, MODE_LOCAL, TTY_ECHO},     {54, MODE_LOCAL, TTY_ECHOE},
    {55, MODE_LOCAL, TTY_ECHOK},  {56, MODE_LOCAL, TTY_ECHONL},   {57, MODE_LOCAL, TTY_NOFLSH},
    {58, MODE_LOCAL, TTY_TOSTOP}, {59, MODE_LOCAL, TTY_IEXTEN},   {60, MODE_LOCAL, TTY_ECHOCTL},
    {61, MODE_LOCAL, TTY_ECHOKE}, {62, MODE_LOCAL, TTY_PENDIN},   {70, MODE_OUTPUT, TTY_OPOST},
    {71, MODE_OUTPUT, TTY_OLCUC}, {72, MODE_OUTPUT, TTY_ONLCR},   {73, MODE_OUTPUT, TTY_OCRNL},
    {74, MODE_OUTPUT, TTY_ONOCR}, {75, MODE_OUTPUT, TTY_ONLRET},  {90, MODE_CONTROL, TTY_CS7},
    {91, MODE_CONTROL, TTY_CS8},  {92, MODE_CONTROL, TTY_PARENB}, {93, MODE_CONTROL, TTY_PARODD},
};

static const struct {
    uint32_t baud, bits;
} speeds[] = {
    {0, 0},
    {50, 1},
    {75, 2},
    {110, 3},
    {134, 4},
    {150, 5},
    {200, 6},
    {300, 7},
    {600, 8},
    {1200, 9},
    {1800, 10},
    {2400, 11},
    {4800, 12},
    {9600, 13},
    {19200, 14},
    {38400, 15},
    {57600, 0x1001},
    {115200, 0x1002},
    {230400, 0x1003},
    {460800, 0x1004},
    {500000, 0x1005},
    {576000, 0x1006},
    {921600, 0x1007},
    {1000000, 0x1008},
    {1152000, 0x1009},
    {1500000, 0x100a},
    {2000000, 0x100b},
    {2500000, 0x100c},
    {3000000, 0x100d},
    {3500000, 0x100e},
    {4000000, 0x100f},
};

uint32_t tty_speed_of(const struct tty_modes *modes)
{
    for (size_t i = 0; i < ARRAY_LEN(speeds); i++)
        if (speeds[i].bits == (modes->cflag & TTY_CBAUD))
            return speeds[i].baud;
    return modes->ospeed; /* BOTHER */
}

/* sshd knows the speeds up to 230400 and takes 9600 for all others; input follows output. */
static void set_speed(struct tty_modes *modes, uint32_t baud)
{
    uint32_t known = 9600, bits = TTY_B9600;
    for (size_t i = 0; i < ARRAY_LEN(speeds); i++) {
        if (speeds[i].baud == baud) {
            known = baud;
            bits = speeds[i].bits;
        }
    }
    modes->cflag = (modes->cflag & ~(uint32_t)TTY_CBAUD) | bits;
    modes->ispeed = modes->ospeed = known;
}

static void set_flag(struct tty_modes *modes, uint8_t opcode, uint32_t value)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        uint32_t *const field[] = {&modes->iflag, &modes->oflag, &modes->cflag, &modes->lflag};
        uint32_t *word = field[flags[i].field];
        if (flags[i].opcode == opcode)
            *word = value != 0 ? *word | flags[i].bits : *word & ~flags[i].bits;
    }
}

void tty_modes_decode(struct tty_modes *modes, struct span encoded, bool sets_speed)
{
    struct cursor c = cursor_of(encoded);
    for (;;) {
        uint8_t opcode = cursor_u8(&c);
        if (c.failed || opcode == OP_END || opcode >= OP_UNKNOWN_FROM)
            return;
        uint32_t value = cursor_u32(&c);
        if (c.failed)
            return;
        if (opcode == OP_OSPEED && sets_speed)
            set_speed(modes, value);
        set_flag(modes, opcode, value);
        for (size_t i = 0; i < ARRAY_LEN(characters); i++)
            if (characters[i].opcode == opcode)
                modes->cc[characters[i].index] = value == CHAR_OFF ? TTY_DISABLED : (uint8_t)value;
    }
}
