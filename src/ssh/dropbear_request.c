/* Dropbear's requests of a session channel (svr-chansession.c). */
#include "ssh/machine.h"

enum { NAME_MAX_BYTES = 64, TERM_MAX_BYTES = 200, MODE_LAST = 159 };

/* Fills the event and decides what the client is told. */
typedef int (*request_parser)(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                              struct ssh_event_request *request);

static void read_sizes(struct cursor *c, struct ssh_event_request *request)
{
    request->columns = cursor_u32(c);
    request->rows = cursor_u32(c);
    request->width_px = cursor_u32(c);
    request->height_px = cursor_u32(c);
}

/* The modes are read to their end, which must be there, and fill the message. */
static int read_modes(struct ssh *s, struct cursor *c, struct ssh_event_request *request)
{
    request->modes = cursor_string(c);
    int err = ssh_demand_end(s, c);
    struct cursor modes = cursor_of(request->modes);
    if (err < 0 || modes.rest.len == 0)
        return err;
    for (uint8_t mode = cursor_u8(&modes); mode != 0 && mode <= MODE_LAST && !modes.failed;) {
        cursor_u32(&modes);
        mode = cursor_u8(&modes);
    }
    return modes.failed ? ssh_fault(s, "terminal modes without an end") : 0;
}

static int parse_pty(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                     struct ssh_event_request *request)
{
    size_t len;
    request->term = ssh_dropbear_text(c, &len);
    if (!c->failed && len > TERM_MAX_BYTES) {
        channel->pty_refused = true;
        return 0;
    }
    if (!c->failed && channel->pty)
        return ssh_fault(s, "a second terminal");
    read_sizes(c, request);
    channel->pty = request->accepted = true;
    return read_modes(s, c, request);
}

static int parse_window_change(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                               struct ssh_event_request *request)
{
    if (!channel->pty)
        return 0;
    read_sizes(c, request);
    request->accepted = true;
    return ssh_demand_fields(s, c);
}

/* COMPAT: a program on a channel that is closed already ends the connection, and so does one whose
 * terminal was refused for its name. */
static int start(struct ssh *s, struct ssh_channel *channel, struct ssh_event_request *request)
{
    if (channel->close_sent || (channel->pty_refused && !channel->pty))
        return ssh_fault(s, "a program that cannot be started");
    return ssh_request_ask(channel, request);
}

static int parse_shell(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                       struct ssh_event_request *request)
{
    (void)c;
    return channel->step == SSH_CHANNEL_RUNNING ? 0 : start(s, channel, request);
}

static int parse_command(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                         struct ssh_event_request *request)
{
    size_t len;
    if (channel->step == SSH_CHANNEL_RUNNING)
        return 0;
    request->text = ssh_dropbear_text(c, &len);
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    bool offered = request->request == SSH_REQUEST_EXEC ||
                   (len == request->text.len && span_equal_z(request->text, "sftp"));
    return offered ? start(s, channel, request) : 0;
}

static int parse_agent(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                       struct ssh_event_request *request)
{
    (void)c;
    request->accepted = s->profile->agent && !channel->agent;
    channel->agent = true;
    return 0;
}

static int parse_signal(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                        struct ssh_event_request *request)
{
    size_t len;
    if (channel->step != SSH_CHANNEL_RUNNING)
        return 0;
    request->text = ssh_dropbear_text(c, &len);
    request->accepted = ssh_request_is_signal(request->text);
    return ssh_demand_fields(s, c);
}

/* Always refused: the fields are for the record, as far as they are there. */
static int note_env(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                    struct ssh_event_request *request)
{
    size_t len;
    (void)s;
    (void)channel;
    request->name = ssh_dropbear_text(c, &len);
    request->value = ssh_dropbear_text(c, &len);
    return 0;
}

static int note_x11(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                    struct ssh_event_request *request)
{
    size_t len;
    (void)s;
    (void)channel;
    request->x11_single = cursor_u8(c) != 0;
    request->text = ssh_dropbear_text(c, &len);
    request->value = ssh_dropbear_text(c, &len);
    request->x11_screen = cursor_u32(c);
    return 0;
}

static const struct {
    const char *type_z;
    enum ssh_request request;
    request_parser parse;
} requests[] = {
    {"window-change", SSH_REQUEST_WINDOW_CHANGE, parse_window_change},
    {"shell", SSH_REQUEST_SHELL, parse_shell},
    {"pty-req", SSH_REQUEST_PTY, parse_pty},
    {"exec", SSH_REQUEST_EXEC, parse_command},
    {"subsystem", SSH_REQUEST_SUBSYSTEM, parse_command},
    {"auth-agent-req@openssh.com", SSH_REQUEST_AGENT, parse_agent},
    {"signal", SSH_REQUEST_SIGNAL, parse_signal},
    {"env", SSH_REQUEST_ENV, note_env},
    {"x11-req", SSH_REQUEST_X11, note_x11},
};

int ssh_dropbear_request(struct ssh *s, struct cursor *c)
{
    struct ssh_event_request request = {.channel = cursor_u32(c), .request = SSH_REQUEST_OTHER};
    struct ssh_channel *channel = c->failed ? NULL : ssh_channel_find(s, request.channel);
    size_t len;
    if (!channel)
        return ssh_fault(s, "no such channel");
    request.type = ssh_dropbear_text(c, &len);
    request.want_reply = cursor_u8(c) != 0;
    int err = ssh_demand_fields(s, c);
    request.data = c->rest;
    bool known = channel->kind == SSH_CHANNEL_SESSION && len <= NAME_MAX_BYTES;
    for (size_t i = 0; err == 0 && known && i < ARRAY_LEN(requests); i++) {
        if (!span_equal_z(request.type, requests[i].type_z))
            continue;
        request.request = requests[i].request;
        err = requests[i].parse(s, channel, c, &request);
    }
    return err < 0 ? err : ssh_request_finish(s, channel, &request);
}
