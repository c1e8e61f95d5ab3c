/* Channels: what is asked for on them, and the bytes between the client and the program. */
#include "session/connection.h"
#include "session/doors.h"
#include "session/start.h"
#include "ssh/profile.h"

#include <stdlib.h>
#include <string.h>

static const struct ssh_profile *profile_of(const struct session_connection *c)
{
    return ssh_server_profile(c->host->config.ssh_server);
}

/* ---- Their lives ---- */

static void channel_init(struct session_channel *ch)
{
    memset(ch, 0, sizeof *ch);
    ch->open = true;
    ch->program = -1;
    arena_init(&ch->arena, SESSION_CHANNEL_ARENA_BYTES);
    buffer_init(&ch->input, SESSION_CHANNEL_INPUT_MAX);
    buffer_init(&ch->greeting, SESSION_GREETING_MAX);
    buffer_init(&ch->complaint, SESSION_GREETING_MAX);
}

void session_channel_drop(struct session_connection *c, uint32_t number)
{
    struct session_channel *ch = &c->channels[number];
    if (!ch->open)
        return;
    ch->open = false;
    session_forward_end_display(c, number);
    session_transcript_close(&ch->transcript, &c->journal, c->host->suite, c->now_us);
    if (ch->program >= 0) {
        kernel_hangup(c->kernel, ch->program);
        kernel_release(c->kernel, ch->program);
    }
    buffer_fini(&ch->input);
    buffer_fini(&ch->greeting);
    buffer_fini(&ch->complaint);
    arena_fini(&ch->arena);
}

static void channel_close(struct session_connection *c, uint32_t number)
{
    ssh_channel_close(c->ssh, number);
    session_channel_drop(c, number);
}

/* The table is as long as the highest number. NULL: out of memory. */
static struct session_channel *channel_new(struct session_connection *c, uint32_t number)
{
    if (number >= c->channels_used) {
        struct session_channel *channels = realloc(c->channels, (number + 1) * sizeof *channels);
        if (channels == NULL)
            return NULL;
        memset(channels + c->channels_used, 0, (number + 1 - c->channels_used) * sizeof *channels);
        c->channels = channels;
        c->channels_used = number + 1;
    }
    channel_init(&c->channels[number]);
    return &c->channels[number];
}

bool session_channel_join(struct session_connection *c, uint32_t number, int program, bool offered)
{
    struct session_channel *ch = channel_new(c, number);
    if (ch == NULL)
        return false;
    ch->forward = true;
    ch->offered = offered;
    ch->program = program;
    return true;
}

static void on_open(struct session_connection *c, const struct ssh_event_open *open)
{
    if (open->accepted) {
        if (channel_new(c, open->channel) == NULL)
            ssh_channel_close(c->ssh, open->channel);
        return;
    }
    struct event e = session_event(c, EVENT_CHANNEL_REQUEST);
    event_text(&e, FIELD_TYPE, open->type);
    session_put(c, &e);
}

/* The client has closed first: the program loses its line; its exit status is still sent. */
static void on_close(struct session_connection *c, uint32_t number)
{
    struct session_channel *ch = &c->channels[number];
    ch->client_closed = ch->client_eof = true;
    if (ch->forward)
        return;
    if (ch->program < 0)
        channel_close(c, number);
    else
        kernel_hangup(c->kernel, ch->program);
}

/* ---- Requests ---- */

static uint16_t clamp_u16(uint32_t value)
{
    return value > UINT16_MAX ? UINT16_MAX : (uint16_t)value;
}

static void note_size(struct session_connection *c, const struct ssh_event_request *request)
{
    struct event e = session_event(c, EVENT_CLIENT_SIZE);
    event_number(&e, FIELD_WIDTH, request->columns);
    event_number(&e, FIELD_HEIGHT, request->rows);
    session_put(c, &e);
}

static void on_pty(struct session_connection *c, struct session_channel *ch,
                   const struct ssh_event_request *request)
{
    note_size(c, request);
    if (!request->accepted)
        return;
    ch->has_terminal = true;
    ch->terminal = (struct kernel_terminal){
        .term = arena_copy(&ch->arena, request->term),
        .columns = clamp_u16(request->columns),
        .rows = clamp_u16(request->rows),
        .keeps_speed = !profile_of(c)->sets_speed,
        .modes = arena_copy(&ch->arena, request->modes),
    };
    /* Without memory for the texts the terminal has none. */
    if (ch->terminal.term.data == NULL)
        ch->terminal.term.len = 0;
    if (ch->terminal.modes.data == NULL)
        ch->terminal.modes.len = 0;
}

/* NAME=value among those that the program will be given; without memory it is left out. */
static void keep_variable(struct session_channel *ch, size_t most, struct span name,
                          struct span value)
{
    if (ch->variables == NULL)
        ch->variables = arena_alloc(&ch->arena, most * sizeof *ch->variables);
    if (ch->variables == NULL || ch->variable_count >= most)
        return;
    size_t len = name.len + 1 + value.len;
    uint8_t *text = arena_alloc(&ch->arena, len);
    if (text == NULL)
        return;
    if (name.len > 0)
        memcpy(text, name.data, name.len);
    text[name.len] = '=';
    if (value.len > 0)
        memcpy(text + name.len + 1, value.data, value.len);
    ch->variables[ch->variable_count++] = span_of(text, len);
}

static void on_env(struct session_connection *c, struct session_channel *ch,
                   const struct ssh_event_request *request)
{
    struct event e = session_event(c, EVENT_CLIENT_VAR);
    event_text(&e, FIELD_NAME, request->name);
    event_text(&e, FIELD_VALUE, request->value);
    session_put(c, &e);
    if (request->accepted)
        keep_variable(ch, c->host->config.limits.variables, request->name, request->value);
}

static void on_window_change(struct session_connection *c, struct session_channel *ch,
                             const struct ssh_event_request *request)
{
    note_size(c, request);
    ch->terminal.columns = clamp_u16(request->columns);
    ch->terminal.rows = clamp_u16(request->rows);
    if (!ch->has_terminal || ch->program < 0)
        return;
    kernel_resize(c->kernel, ch->program, ch->terminal.columns, ch->terminal.rows);
    session_transcript_resize(&ch->transcript, &c->journal, ch->terminal.columns, ch->terminal.rows,
                              c->now_us);
}

/* Names of RFC 4254, section 6.10, and the guest's numbers for them (signal(7)). */
static const struct {
    const char *name_z;
    int number;
} signals[] = {
    {"ABRT", 6},  {"ALRM", 14}, {"FPE", 8},   {"HUP", 1},   {"ILL", 4},   {"INT", 2},   {"KILL", 9},
    {"PIPE", 13}, {"QUIT", 3},  {"SEGV", 11}, {"TERM", 15}, {"USR1", 10}, {"USR2", 12},
};

static void on_signal(struct session_connection *c, const struct session_channel *ch,
                      const struct ssh_event_request *request)
{
    for (size_t i = 0; request->accepted && ch->program >= 0 && i < ARRAY_LEN(signals); i++) {
        if (span_equal_z(request->text, signals[i].name_z))
            (void)kernel_signal(c->kernel, ch->program, signals[i].number);
    }
}

/* eow@openssh.com: sshd closes its end of the program's output; of a terminal it takes no more. */
static void on_end_of_writes(struct session_connection *c, struct session_channel *ch)
{
    if (ch->program < 0)
        return;
    ch->output_unwanted = true;
    buffer_clear(&ch->greeting);
    buffer_clear(&ch->complaint);
    kernel_close_out(c->kernel, ch->program);
}

/* What is only written down: the machine has answered it. */
static void note_request(struct session_connection *c, const struct ssh_event_request *request)
{
    struct event e;
    switch (request->request) {
    case SSH_REQUEST_AGENT: e = session_event(c, EVENT_AGENT_REQUEST); break;
    case SSH_REQUEST_X11:
        e = session_event(c, EVENT_X11_REQUEST);
        event_text(&e, FIELD_DATA, request->text);
        break;
    default:
        e = session_event(c, EVENT_CHANNEL_REQUEST);
        event_text(&e, FIELD_TYPE, request->type);
        if (request->text.len > 0)
            event_text(&e, FIELD_DATA, request->text);
        break;
    }
    session_put(c, &e);
}

/* ---- Starting a program ---- */

struct kernel *session_new_kernel(struct session_connection *c)
{
    const struct session_config *host = &c->host->config;
    struct kernel_config config = {
        .image = host->image,
        .code = host->code,
        .foreign_programs = host->foreign_programs,
        .snapshots = host->snapshots,
        .watched = host->watched,
        .watched_count = host->watched_count,
        .limits = host->limits.kernel,
        .hostname = host->hostname,
        .identity = host->identity,
        .boot_ms = host->boot_ms,
        .user = c->account.name,
        .user_uid = c->account.uid,
        .password = c->password,
        .login_number = c->login_number,
        .earlier = c->host->counters.connections,
        .address = host->address,
        .peer_address = c->peer.src_ip,
        .peer_local = c->peer.dst_ip,
        .peer_port = c->peer.src_port,
        .peer_local_port = c->peer.dst_port,
        .answers = true,
    };
    /* The machine has the address at which it was reached; over loopback it has its own. */
    if (!span_starts_with(c->peer.dst_ip, span_z("127.")))
        config.address = c->peer.dst_ip;
    crypto_rng_bytes(&c->rng, config.seed, sizeof(config.seed));
    return kernel_new(&config, session_now_ms(c));
}

bool session_have_kernel(struct session_connection *c)
{
    if (c->kernel != NULL)
        return true;
    c->kernel = session_new_kernel(c);
    session_visitor_restore(c);
    if (c->kernel != NULL &&
        kernel_last_login(c->kernel, c->account.uid, &c->last.at_ms, c->last.from_z))
        c->last.uid = c->account.uid;
    return c->kernel != NULL;
}

static struct session_connection *outermost(struct session_connection *c)
{
    return c->outer != NULL ? c->outer : c;
}

/* As lastlog(5) has it. */
static void note_login(struct session_connection *c)
{
    struct session_last *last = &outermost(c)->last;
    *last = (struct session_last){.uid = c->account.uid, .at_ms = session_now_ms(c)};
    (void)span_copy_z(c->peer.src_ip, last->from_z, sizeof(last->from_z));
}

static int start_program(struct session_connection *c, struct session_channel *ch,
                         enum session_start_kind kind, struct span command)
{
    if (ch->has_terminal)
        ch->terminal_number = kernel_next_terminal(c->kernel);
    struct buffer store;
    struct span group = session_doors_group(c, &store);
    const struct session_start start = {
        .kind = kind,
        .command = command,
        .image = c->host->config.image,
        .account = &c->account,
        .group = group,
        .profile = profile_of(c),
        .peer = &c->peer,
        .terminal = ch->has_terminal ? &ch->terminal : NULL,
        .terminal_number = ch->terminal_number,
        .login_number = c->login_number,
        .login = c->login,
        .last = &outermost(c)->last,
        .identity = c->host->config.identity,
        .display = ch->display,
        .screen = ch->screen,
        .agent = session_forward_agent_path(c),
        .now_ms = session_now_ms(c),
        .client_env = ch->variables,
        .client_envc = ch->variable_count,
    };
    if (kind == SESSION_START_SHELL)
        (void)session_start_greeting(&start, c->host->config.hostname, &ch->greeting);
    session_display_authorize(c, ch);
    int program = session_start(c->kernel, &start);
    if (program >= 0 && ch->has_terminal)
        note_login(c);
    buffer_fini(&store);
    return program;
}

static void note_program(struct session_connection *c, struct session_channel *ch,
                         const struct ssh_event_request *request)
{
    const struct session_transcript_start recording = {
        .number = c->recordings++,
        .columns = ch->has_terminal ? ch->terminal.columns : 0,
        .rows = ch->has_terminal ? ch->terminal.rows : 0,
        .term = ch->has_terminal ? ch->terminal.term : span_z(""),
        .command = request->text,
    };
    session_transcript_open(&ch->transcript, &c->journal, &recording, c->now_us);
    c->host->counters.programs++;
}

static void on_start(struct session_connection *c, struct session_channel *ch,
                     const struct ssh_event_request *request)
{
    bool shell = request->request == SSH_REQUEST_SHELL;
    struct span command = request->text;
    if (request->request == SSH_REQUEST_EXEC) {
        struct event e = session_event(c, EVENT_COMMAND_INPUT);
        event_text(&e, FIELD_INPUT, command);
        session_put(c, &e);
    } else if (!shell) {
        /* The one subsystem of the profile, as sshd_config names its program. */
        note_request(c, request);
        command = span_z("/usr/lib/openssh/sftp-server");
    }
    int program = -1;
    if (!ch->started && session_have_kernel(c))
        program =
            start_program(c, ch, shell ? SESSION_START_SHELL : SESSION_START_COMMAND, command);
    if (program < 0) {
        buffer_clear(&ch->greeting);
        buffer_clear(&ch->complaint);
        ssh_channel_request_refuse(c->ssh, request->channel);
        return;
    }
    ch->program = program;
    ch->started = true;
    note_program(c, ch, request);
    ssh_channel_request_accept(c->ssh, request->channel);
}

static void on_request(struct session_connection *c, const struct ssh_event_request *request)
{
    struct session_channel *ch = &c->channels[request->channel];
    switch (request->request) {
    case SSH_REQUEST_PTY: on_pty(c, ch, request); break;
    case SSH_REQUEST_ENV: on_env(c, ch, request); break;
    case SSH_REQUEST_WINDOW_CHANGE: on_window_change(c, ch, request); break;
    case SSH_REQUEST_SIGNAL:
        on_signal(c, ch, request);
        note_request(c, request);
        break;
    case SSH_REQUEST_EOW:
        on_end_of_writes(c, ch);
        note_request(c, request);
        break;
    case SSH_REQUEST_AGENT:
        note_request(c, request);
        if (request->accepted)
            session_forward_agent(c);
        break;
    case SSH_REQUEST_X11:
        note_request(c, request);
        if (request->accepted)
            session_forward_display(c, request);
        break;
    default:
        if (request->needs_answer)
            on_start(c, ch, request);
        else
            note_request(c, request);
        break;
    }
}

/* ---- Bytes ---- */

static void on_data(struct session_connection *c, const struct ssh_event_data *data)
{
    struct session_channel *ch = &c->channels[data->channel];
    size_t len = data->bytes.len;
    bool wanted = ch->program >= 0 && !ch->done;
    if (wanted) {
        session_transcript_in(&ch->transcript, &c->journal, data->bytes, c->now_us);
        wanted = buffer_put(&ch->input, data->bytes) == 0;
    }
    if (!wanted)
        ssh_channel_consumed(c->ssh, data->channel, len);
}

static bool pump_input(struct session_connection *c, uint32_t number)
{
    struct session_channel *ch = &c->channels[number];
    bool moved = false;
    while (buffer_len(&ch->input) > 0) {
        size_t n = buffer_len(&ch->input);
        if (!ch->done)
            n = kernel_put(c->kernel, ch->program, buffer_span(&ch->input));
        if (n == 0)
            return moved;
        buffer_take(&ch->input, n);
        ssh_channel_consumed(c->ssh, number, n);
        moved = true;
    }
    if (ch->client_eof && !ch->input_ended) {
        ch->input_ended = true;
        kernel_put_end(c->kernel, ch->program);
        moved = true;
    }
    return moved;
}

/* Sends and records what of the bytes the client can take now; how many. */
static size_t write_out(struct session_connection *c, uint32_t number, enum ssh_stream stream,
                        struct span bytes)
{
    if (!session_journal_has_room(&c->journal))
        return 0;
    struct session_channel *ch = &c->channels[number];
    bytes = span_slice(bytes, 0, SESSION_WRITE_BYTES);
    /* Nobody listens any more: what the program still says goes nowhere. */
    size_t n = ch->client_closed ? bytes.len : ssh_channel_write(c->ssh, number, stream, bytes);
    if (!ch->client_closed)
        session_transcript_out(&ch->transcript, &c->journal, span_slice(bytes, 0, n), c->now_us);
    c->output_bytes += n;
    return n;
}

static bool pump_stream(struct session_connection *c, uint32_t number, enum kernel_stream stream)
{
    struct session_channel *ch = &c->channels[number];
    bool moved = false;
    for (;;) {
        struct span bytes = kernel_out(c->kernel, ch->program, stream);
        if (bytes.len == 0)
            return moved;
        size_t n = write_out(c, number, stream == KERNEL_STDERR ? SSH_STDERR : SSH_STDOUT, bytes);
        if (n == 0)
            return moved;
        kernel_sent(c->kernel, ch->program, stream, n);
        moved = true;
    }
}

/* False: the client has no room for all of it. */
static bool pump_own(struct session_connection *c, uint32_t number, enum ssh_stream stream,
                     struct buffer *text)
{
    while (buffer_len(text) > 0) {
        size_t n = write_out(c, number, stream, buffer_span(text));
        if (n == 0)
            return false;
        buffer_take(text, n);
    }
    return true;
}

static bool pump_output(struct session_connection *c, uint32_t number)
{
    struct session_channel *ch = &c->channels[number];
    if (!pump_own(c, number, SSH_STDOUT, &ch->greeting) ||
        !pump_own(c, number, SSH_STDERR, &ch->complaint))
        return false;
    bool moved = !ch->output_unwanted && pump_stream(c, number, KERNEL_STDOUT);
    if (!ch->has_terminal)
        moved |= pump_stream(c, number, KERNEL_STDERR);
    return moved;
}

/* True when all that the program, and those it left behind, will ever say is on its way. A terminal
 * is closed when its leader ends (sshd gives the line back), pipes when nobody holds them. */
static bool output_is_over(const struct session_connection *c, const struct session_channel *ch)
{
    bool ended = ch->output_unwanted || kernel_out_ended(c->kernel, ch->program, KERNEL_STDOUT);
    if (buffer_len(&ch->greeting) > 0 || buffer_len(&ch->complaint) > 0)
        return false;
    if (!ch->output_unwanted && kernel_out(c->kernel, ch->program, KERNEL_STDOUT).len > 0)
        return false;
    if (ch->has_terminal)
        return ch->done || ended;
    return ended && kernel_out(c->kernel, ch->program, KERNEL_STDERR).len == 0 &&
           kernel_out_ended(c->kernel, ch->program, KERNEL_STDERR);
}

void session_channel_rest(struct session_connection *c, uint32_t number)
{
    struct session_channel *ch = &c->channels[number];
    if (!ch->open)
        return;
    buffer_shrink(&ch->input, 0);
    buffer_shrink(&ch->greeting, 0);
    buffer_shrink(&ch->complaint, 0);
}

/* ---- The end of a program ---- */

bool session_channel_done(struct session_connection *c, int program, int status)
{
    for (size_t i = 0; i < c->channels_used; i++) {
        struct session_channel *ch = &c->channels[i];
        if (ch->open && ch->program == program && !ch->done) {
            ch->done = true;
            ch->status = status;
            return true;
        }
    }
    return false;
}

/* wait(2): the low seven bits are the signal, 0x80 a core dump, the next byte the exit status. */
static void send_status(struct session_connection *c, uint32_t number, int status)
{
    int signal = status & 0x7f;
    if (signal == 0) {
        ssh_channel_exit_status(c->ssh, number, (uint32_t)(status >> 8 & 0xff));
        return;
    }
    const char *name_z = "SIG@openssh.com";
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (signals[i].number == signal)
            name_z = signals[i].name_z;
    }
    ssh_channel_exit_signal(c->ssh, number, name_z, (status & 0x80) != 0);
}

/* So that the answer's length does not tell that a password is typed. */
static void tell_echo(struct session_connection *c, uint32_t number)
{
    struct session_channel *ch = &c->channels[number];
    bool hides = ch->has_terminal && !ch->done && kernel_hides_input(c->kernel, ch->program);
    if (hides != ch->hides_input)
        ssh_channel_echo(c->ssh, number, !hides);
    ch->hides_input = hides;
}

/* False: the client's window is full, and it will be told later. */
static bool tell_end(struct session_connection *c, uint32_t number)
{
    struct session_channel *ch = &c->channels[number];
    if (!ch->output_ended && !ch->output_unwanted && !ch->client_closed)
        ch->output_ended = ssh_channel_eof(c->ssh, number);
    return ch->output_ended || ch->output_unwanted || ch->client_closed;
}

/* Each side tells its end by itself; after both the channel is closed. */
static bool pump_forward(struct session_connection *c, uint32_t number)
{
    struct session_channel *ch = &c->channels[number];
    bool moved = pump_input(c, number);
    if (ch->offered)
        return moved;
    moved |= pump_stream(c, number, KERNEL_STDOUT);
    bool over = kernel_out_ended(c->kernel, ch->program, KERNEL_STDOUT) && tell_end(c, number);
    if (!ch->input_ended || !(over || ch->client_closed))
        return moved;
    channel_close(c, number);
    return true;
}

/* COMPAT: dropbear, when a child has ended, takes every channel without one for ended. */
static void end_idle(struct session_connection *c)
{
    for (uint32_t i = 0; i < c->channels_used; i++) {
        if (!c->channels[i].open || c->channels[i].program >= 0)
            continue;
        ssh_channel_abandon(c->ssh, i);
        session_channel_drop(c, i);
    }
}

bool session_channel_pump(struct session_connection *c, uint32_t number)
{
    struct session_channel *ch = &c->channels[number];
    if (!ch->open || ch->program < 0)
        return false;
    if (ch->forward)
        return pump_forward(c, number);
    bool moved = pump_input(c, number);
    if (ssh_channels_start(c->ssh))
        return moved;
    moved |= pump_output(c, number);
    tell_echo(c, number);
    bool over = output_is_over(c, ch) && tell_end(c, number);
    if (!ch->done)
        return moved;
    over |= ch->client_closed;
    if (!ch->status_sent && (over || profile_of(c)->status_at_once)) {
        ch->status_sent = moved = true;
        send_status(c, number, ch->status);
    }
    if (!over)
        return moved;
    channel_close(c, number);
    if (profile_of(c)->ends_idle)
        end_idle(c);
    return true;
}

/* A channel that we have closed and the client has not: what it still says is of no use. One for which
 * there was no memory is closed once it can be. */
static void after_close(struct session_connection *c, const struct ssh_event *event)
{
    if (event->type == SSH_EVENT_CHANNEL_CONFIRMED)
        ssh_channel_close(c->ssh, event->channel);
    if (event->type == SSH_EVENT_CHANNEL_REQUEST && event->request.needs_answer)
        ssh_channel_request_refuse(c->ssh, event->request.channel);
}

static uint32_t channel_of(const struct ssh_event *event)
{
    switch (event->type) {
    case SSH_EVENT_CHANNEL_REQUEST: return event->request.channel;
    case SSH_EVENT_CHANNEL_DATA: return event->data.channel;
    default: return event->channel;
    }
}

void session_channel_event(struct session_connection *c, const struct ssh_event *event)
{
    if (event->type == SSH_EVENT_CHANNEL_OPEN) {
        on_open(c, &event->open);
        return;
    }
    uint32_t number = channel_of(event);
    if (number >= c->channels_used || !c->channels[number].open) {
        after_close(c, event);
        return;
    }
    switch (event->type) {
    case SSH_EVENT_CHANNEL_REQUEST: on_request(c, &event->request); break;
    case SSH_EVENT_CHANNEL_DATA: on_data(c, &event->data); break;
    case SSH_EVENT_CHANNEL_EOF: c->channels[number].client_eof = true; break;
    case SSH_EVENT_CHANNEL_CLOSE: on_close(c, number); break;
    case SSH_EVENT_CHANNEL_CONFIRMED: c->channels[number].offered = false; break;
    case SSH_EVENT_CHANNEL_REFUSED: session_channel_drop(c, number); break;
    default: break;
    }
}
