/* HTTP/1.1 messages, read: one machine for requests and responses (RFC 9112). It does no I/O, keeps
 * no bytes and allocates nothing.
 *
 * The caller holds the bytes. It gives what it has, drops what the machine is done with, and gives
 * the rest again with more behind it:
 *
 *     struct http1_event event;
 *     size_t done = http1_next(&parser, in, &event);      (in: everything not yet done with)
 *
 * A message is HTTP1_HEAD, any number of HTTP1_DATA, HTTP1_END; then comes the next one. While a
 * head or the trailers are not complete nothing is done with (HTTP1_MORE) and the same bytes must be
 * given again, at any address; the machine knows how far it has looked and looks at no byte twice.
 * How the bytes are split changes nothing but the lengths of the HTTP1_DATA pieces.
 *
 * It is as strict as a server in front of others has to be, for what two readers understand
 * differently is how requests are smuggled:
 *   - lines end with CR LF. A bare CR, a bare LF (which RFC 9112, section 2.2 lets one accept), a NUL
 *     or another control character ends it; so does a folded line
 *   - one space between the parts of the first line; no space before a colon
 *   - one Content-Length of digits alone; one Transfer-Encoding, "chunked"; never both. Leading zeros
 *     are digits (RFC 9110, section 8.6; RFC 9112, section 7.1), within 19 and 16 places
 *   - one empty line before a request is skipped (section 2.2)
 *   - a request of HTTP/1.1 has one Host */
#ifndef HTTP_HTTP1_H
#define HTTP_HTTP1_H

#include "base/span.h"

/* What is wrong with a message: name, status that a server answers, sentence. */
#define HTTP1_ERRORS(X)                                                                    \
    X(METHOD, 400, "a method is a token")                                                  \
    X(METHOD_LONG, 501, "the method is too long to be one")                                \
    X(TARGET, 400, "the target has a byte that no target has, or no form of one")          \
    X(LINE, 400, "the first line is not one of HTTP/1.1")                                  \
    X(LINE_LONG, 414, "the first line is too long")                                        \
    X(VERSION, 505, "the version is not HTTP/1.1 or HTTP/1.0")                             \
    X(STATUS, 502, "the status is not of three digits from 100 to 599")                    \
    X(LINE_END, 400, "a line does not end with CR LF")                                     \
    X(FIELD_NAME, 400, "a field's name is not a token directly before a colon")            \
    X(FIELD_VALUE, 400, "a field's value has a control character")                         \
    X(FIELD_FOLDED, 400, "a field's line is folded")                                       \
    X(FIELD_LONG, 431, "a field is too long")                                              \
    X(FIELDS_MANY, 431, "there are too many fields")                                       \
    X(HEAD_LONG, 431, "the head is too long")                                              \
    X(HOST, 400, "a request of HTTP/1.1 has exactly one Host, a name or address and port") \
    X(LENGTH, 400, "the Content-Length is not one number")                                 \
    X(LENGTHS, 400, "there are several Content-Lengths")                                   \
    X(LENGTH_AND_CODING, 400, "there are both a Content-Length and a Transfer-Encoding")   \
    X(CODING, 400, "the Transfer-Encoding does not end with chunked, once")                \
    X(CODING_UNKNOWN, 501, "the Transfer-Encoding is not chunked alone")                   \
    X(CODING_OLD, 400, "there is a Transfer-Encoding in HTTP/1.0")                         \
    X(CHUNK_SIZE, 400, "a chunk's size is not a hexadecimal number of at most 16 places")  \
    X(CHUNK_EXTENSION, 400, "a chunk's extension has a control character")                 \
    X(CHUNK_EXTENSION_LONG, 413, "the chunks' extensions are too long")                    \
    X(CHUNK_END, 400, "a chunk is not as long as it says")                                 \
    X(TRAILERS_LONG, 431, "the trailers are too long")                                     \
    X(TRAILER, 400, "a trailer has a field that belongs to the head")                      \
    X(CUT_SHORT, 400, "the message ends in the middle")

enum http1_error {
    HTTP1_OK,
#define X(name, status, text) HTTP1_BAD_##name,
    HTTP1_ERRORS(X)
#undef X
};

/* The status for an error, and its sentence. Static storage. */
int http1_error_status(enum http1_error error);
const char *http1_error_text(enum http1_error error);

/* Zero fields take the defaults. A limit counts what lies between line ends. */
struct http1_limits {
    uint32_t line_max;       /* bytes of the request line or status line: 414 */
    uint32_t field_max;      /* bytes of one field: 431 */
    uint32_t head_max;       /* bytes of a whole head, line ends and all: 431 */
    uint32_t fields_max;     /* fields in a head, and in the trailers: 431 */
    uint32_t trailers_max;   /* bytes of all trailers: 431 */
    uint32_t extensions_max; /* bytes of all chunk extensions of a message: 413 */
};

#define HTTP1_LINE_MAX_DEFAULT       8192
#define HTTP1_FIELD_MAX_DEFAULT      8192
#define HTTP1_HEAD_MAX_DEFAULT       32768
#define HTTP1_FIELDS_MAX_DEFAULT     100
#define HTTP1_TRAILERS_MAX_DEFAULT   8192
#define HTTP1_EXTENSIONS_MAX_DEFAULT 4096
#define HTTP1_METHOD_MAX             32

/* The same with the defaults filled in. */
struct http1_limits http1_limits_of(const struct http1_limits *limits);

/* A field, as offsets from the beginning of the head (of the trailers). The value has no white space
 * around it; it may be empty. */
struct http1_field {
    uint32_t name_at, name_len, value_at, value_len;
};

enum http1_kind { HTTP1_REQUEST, HTTP1_RESPONSE };

enum http1_form {
    HTTP1_FORM_ORIGIN,    /* /where?query */
    HTTP1_FORM_ABSOLUTE,  /* http://host/where?query */
    HTTP1_FORM_AUTHORITY, /* host:port, of CONNECT */
    HTTP1_FORM_ASTERISK,  /* *, of OPTIONS */
};

enum http1_body {
    HTTP1_BODY_NONE,
    HTTP1_BODY_LENGTH,
    HTTP1_BODY_CHUNKED,
    HTTP1_BODY_TO_EOF, /* responses: as long as the connection */
};

/* A head. Spans borrow from the bytes given. */
struct http1_head {
    struct span bytes;  /* all of it: offsets in `fields` count from here */
    struct span method; /* requests */
    struct span target; /* requests */
    enum http1_form form;
    int minor;                        /* 1 for HTTP/1.1 (and what is newer), 0 for HTTP/1.0 */
    int status;                       /* responses */
    struct span reason;               /* responses; often empty */
    const struct http1_field *fields; /* the caller's table */
    size_t field_count;
    enum http1_body body;
    uint64_t length;      /* HTTP1_BODY_LENGTH: of the body */
    bool has_length;      /* there was a Content-Length (also where there is no body: HEAD, 304) */
    struct span host;     /* requests: the value of Host; empty when there is none */
    bool keep_alive;      /* the connection may carry another message */
    bool expect_continue; /* requests: Expect: 100-continue */
    bool upgrade;         /* Connection names upgrade, and there is an Upgrade field */
};

enum http1_event_kind {
    HTTP1_MORE,  /* all that is here is done with, or kept by you: come back with more */
    HTTP1_HEAD,  /* `head` */
    HTTP1_DATA,  /* `data`, at least one byte of the body, without its framing */
    HTTP1_END,   /* the message is over; after a chunked one `trailers` may have fields */
    HTTP1_ERROR, /* `error`; the machine stays there */
};

struct http1_event {
    enum http1_event_kind kind;
    enum http1_error error;
    struct span data;
    struct http1_head head; /* valid at HTTP1_HEAD; at HTTP1_END its bytes and fields are the
                             * trailers' */
};

/* In the caller's memory. The fields are the machine's. */
struct http1_parser {
    const struct http1_limits *limits;
    struct http1_field *fields; /* may be exchanged between calls, with the same content */
    uint64_t left;              /* bytes of the body or of the chunk */
    uint32_t at;                /* how far this head has been looked at */
    uint32_t line;              /* where its present line begins */
    uint32_t field_count;
    uint32_t first_at;  /* where the first line begins */
    uint32_t target_at; /* of a request; of the reason in a response */
    uint32_t target_len;
    uint32_t host;       /* field, 1 for the first; 0: none */
    uint32_t extensions; /* bytes so far */
    uint16_t status;
    uint8_t kind, state, error, method_len, minor, form, body, digits;
    uint8_t skipped; /* empty lines before the message */
    bool has_length : 1;
    bool has_coding : 1;
    bool close : 1;
    bool keep : 1;
    bool names_upgrade : 1;
    bool has_upgrade : 1;
    bool expect : 1;
    bool no_body : 1; /* the answer to HEAD */
    bool tunnel : 1;  /* the answer to CONNECT */
};

/* `limits` has every field filled in (http1_limits_of) and stays; `fields` is room for
 * limits->fields_max of them. Both are the caller's. */
void http1_init(struct http1_parser *p, enum http1_kind kind, const struct http1_limits *limits,
                struct http1_field *fields);

/* What comes next in `in`; see above. How many bytes of its front are done with, at most in.len. */
size_t http1_next(struct http1_parser *p, struct span in, struct http1_event *event);

/* The last `n` bytes of the piece that http1_next just gave as HTTP1_DATA were not wanted: it gives
 * them again. The caller takes them off what he counts as done with. */
void http1_untake(struct http1_parser *p, size_t n);

/* There will be no more bytes: HTTP1_END for a body as long as the connection, HTTP1_MORE between
 * messages (all is well), else HTTP1_ERROR with CUT_SHORT. */
void http1_eof(struct http1_parser *p, struct http1_event *event);

/* Responses, before each: what was asked. The answer to HEAD has no body, whatever it says; nor has
 * one of 2xx to CONNECT. Interim answers (1xx) do not use it up. */
void http1_expect(struct http1_parser *p, struct span method);

/* True between messages, when not a byte of the next one has come. */
bool http1_is_between(const struct http1_parser *p);

/* The name and the value of a field. */
static inline struct span http1_name(const struct http1_head *head, size_t i)
{
    const struct http1_field *field = &head->fields[i];
    return (struct span){head->bytes.data + field->name_at, field->name_len};
}

static inline struct span http1_value(const struct http1_head *head, size_t i)
{
    const struct http1_field *field = &head->fields[i];
    return (struct span){head->bytes.data + field->value_at, field->value_len};
}

/* The next field of this name (any case) at or after `from`; -1: none. */
ptrdiff_t http1_find(const struct http1_head *head, const char *name_z, size_t from);

#endif
