/* Channel requests (RFC 4254, sections 5.4 and 6). */
#include "ssh/machine.h"

#include "ssh/names.h"

/* A parser fills the event, decides what the client is told and returns 0 or SSH_OVER. */
typedef int (*request_parser)(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                              struct ssh_event_request *request);

/* RFC 4254, section 8. COMPAT: OpenSSH passes over modes with an opcode that it cannot know the size
 * of, and takes a missing argument for a broken packet: false. */
static bool check_modes(struct span *modes)
{
    enum { OP_END = 0, OP_WITHOUT_SIZE = 160 };
    struct cursor c = cursor_of(*modes);
    while (!c.failed && c.rest.len > 0) {
        uint8_t opcode = cursor_u8(&c);
        if (opcode >= OP_WITHOUT_SIZE)
            *modes = span_of(NULL, 0);
        if (opcode == OP_END || opcode >= OP_WITHOUT_SIZE)
            return true;
        cursor_u32(&c);
    }
    return !c.failed;
}

static int parse_pty(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                     struct ssh_event_request *request)
{
    if (channel->pty)
        return ssh_fault_disconnect(s, "Protocol error: you already have a pty.");
    request->term = ssh_names_text(c);
    request->columns = cursor_u32(c);
    request->rows = cursor_u32(c);
    request->width_px = cursor_u32(c);
    request->height_px = cursor_u32(c);
    request->modes = cursor_string(c);
    channel->pty = request->accepted = true;
    int err = ssh_demand_end(s, c);
    if (err == 0 && !check_modes(&request->modes))
        return ssh_fault(s, "bad terminal modes");
    return err;
}

static int parse_env(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                     struct ssh_event_request *request)
{
    request->name = ssh_names_text(c);
    request->value = ssh_names_text(c);
    request->accepted =
        channel->env_count < SSH_ENV_MAX && ssh_profile_allows_env(s->profile, request->name);
    channel->env_count += request->accepted;
    return ssh_demand_end(s, c);
}

int ssh_request_ask(struct ssh_channel *channel, struct ssh_event_request *request)
{
    /* On a channel that the session has closed nobody would answer. */
    request->needs_answer = channel->answer_due = !channel->close_sent;
    channel->starting = request->request;
    return 0;
}

/* Shell, exec and subsystem: the session decides. */
static int ask_session(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                       struct ssh_event_request *request)
{
    int err = ssh_demand_end(s, c);
    return err < 0 ? err : ssh_request_ask(channel, request);
}

static int parse_shell(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                       struct ssh_event_request *request)
{
    return ask_session(s, channel, c, request);
}

static int parse_exec(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                      struct ssh_event_request *request)
{
    request->text = ssh_names_text(c);
    return ask_session(s, channel, c, request);
}

static int parse_subsystem(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                           struct ssh_event_request *request)
{
    request->text = ssh_names_text(c);
    if (ssh_names_has(span_z(s->profile->subsystems_z), request->text))
        return ask_session(s, channel, c, request);
    return ssh_demand_end(s, c);
}

/* What OpenSSH lets through to the xauth program. */
static bool is_xauth_word(struct span text)
{
    static const struct span marks = SPAN_LIT(".:/-_");
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!plain && span_find(marks, c, 0) < 0)
            return false;
    }
    return true;
}

static int parse_x11(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                     struct ssh_event_request *request)
{
    request->x11_single = cursor_u8(c) != 0;
    request->text = ssh_names_text(c);
    request->value = ssh_names_text(c);
    request->x11_screen = cursor_u32(c);
    request->accepted = s->profile->x11 && !channel->x11 && is_xauth_word(request->text) &&
                        is_xauth_word(request->value);
    channel->x11 = channel->x11 || request->accepted;
    return ssh_demand_end(s, c);
}

/* COMPAT: OpenSSH grants it once a connection. */
static int parse_agent(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                       struct ssh_event_request *request)
{
    (void)channel;
    request->accepted = s->profile->agent && !s->agent_asked;
    s->agent_asked = true;
    return ssh_demand_end(s, c);
}

static int parse_window_change(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                               struct ssh_event_request *request)
{
    (void)channel;
    request->columns = cursor_u32(c);
    request->rows = cursor_u32(c);
    request->width_px = cursor_u32(c);
    request->height_px = cursor_u32(c);
    request->accepted = true;
    return ssh_demand_end(s, c);
}

bool ssh_request_is_signal(struct span name)
{
    static const char *const signals_z[] = {"ABRT", "ALRM", "FPE",  "HUP",  "INT",  "KILL",
                                            "PIPE", "QUIT", "SEGV", "TERM", "USR1", "USR2"};
    for (size_t i = 0; i < ARRAY_LEN(signals_z); i++)
        if (span_equal_z(name, signals_z[i]))
            return true;
    return false;
}

/* Those that OpenSSH passes on. */
static bool is_passed_on(struct span name)
{
    static const char signals_z[] = "HUP,INT,KILL,QUIT,TERM,USR1,USR2";
    return ssh_names_has(span_z(signals_z), name);
}

static int parse_signal(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                        struct ssh_event_request *request)
{
    (void)s;
    request->text = ssh_names_text(c);
    /* COMPAT: what cannot be read is refused, no more. */
    request->accepted = cursor_end(c) == 0 && channel->step == SSH_CHANNEL_RUNNING &&
                        !channel->subsystem && is_passed_on(request->text);
    return 0;
}

static int parse_break(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                       struct ssh_event_request *request)
{
    request->length_ms = cursor_u32(c);
    request->accepted = channel->pty && channel->step == SSH_CHANNEL_RUNNING;
    return ssh_demand_end(s, c);
}

static int parse_eow(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                     struct ssh_event_request *request)
{
    (void)channel;
    (void)request;
    return ssh_demand_end(s, c);
}

static const struct {
    const char *type_z;
    enum ssh_request request;
    bool larval_only; /* refused, unread, once a program runs */
    request_parser parse;
} requests[] = {
    {"pty-req", SSH_REQUEST_PTY, true, parse_pty},
    {"env", SSH_REQUEST_ENV, true, parse_env},
    {"shell", SSH_REQUEST_SHELL, true, parse_shell},
    {"exec", SSH_REQUEST_EXEC, true, parse_exec},
    {"subsystem", SSH_REQUEST_SUBSYSTEM, true, parse_subsystem},
    {"x11-req", SSH_REQUEST_X11, true, parse_x11},
    {"auth-agent-req@openssh.com", SSH_REQUEST_AGENT, true, parse_agent},
    {"window-change", SSH_REQUEST_WINDOW_CHANGE, false, parse_window_change},
    {"signal", SSH_REQUEST_SIGNAL, false, parse_signal},
    {"break", SSH_REQUEST_BREAK, false, parse_break},
    {"eow@openssh.com", SSH_REQUEST_EOW, false, parse_eow},
};

static int parse_by_type(struct ssh *s, struct ssh_channel *channel, struct cursor *c,
                         struct ssh_event_request *request)
{
    request->request = SSH_REQUEST_OTHER;
    request->data = c->rest;
    if (channel->kind != SSH_CHANNEL_SESSION)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (!span_equal_z(request->type, requests[i].type_z))
            continue;
        if (requests[i].larval_only && channel->step != SSH_CHANNEL_LARVAL)
            return 0;
        request->request = requests[i].request;
        return requests[i].parse(s, channel, c, request);
    }
    return 0;
}

int ssh_request_finish(struct ssh *s, struct ssh_channel *channel,
                       const struct ssh_event_request *request)
{
    channel->want_reply = request->want_reply;
    if (!request->needs_answer && request->want_reply && !channel->close_sent)
        ssh_send_u32(s, request->accepted ? SSH_MSG_CHANNEL_SUCCESS : SSH_MSG_CHANNEL_FAILURE,
                     channel->peer_id);
    ssh_emit(s, SSH_EVENT_CHANNEL_REQUEST)->request = *request;
    return 0;
}

int ssh_request_receive(struct ssh *s, struct cursor *c)
{
    struct ssh_event_request request = {.channel = cursor_u32(c)};
    request.type = ssh_names_text(c);
    request.want_reply = cursor_u8(c) != 0;
    int err = ssh_demand_fields(s, c);
    if (err < 0)
        return err;
    struct ssh_channel *channel = ssh_channel_find(s, request.channel);
    if (!channel)
        return ssh_fault_disconnect(s, "server_input_channel_req: unknown channel %d",
                                    (int)request.channel);
    if (channel->step == SSH_CHANNEL_OFFERED && request.want_reply)
        return ssh_fault(s, "request on a channel that the client has not taken");
    err = parse_by_type(s, channel, c, &request);
    return err < 0 ? err : ssh_request_finish(s, channel, &request);
}
