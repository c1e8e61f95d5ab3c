#include "lured/config.h"

#include "base/buffer.h"
#include "base/error.h"
#include "ssh/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <reel/endpoint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

enum kind { KIND_TEXT, KIND_NUMBER };
enum check {
    CHECK_PATH,
    CHECK_NAME,
    CHECK_HOSTNAME,
    CHECK_ENDPOINT,
    CHECK_PROFILE,
    CHECK_VISITOR,
};

struct row {
    const char *section_z, *key_z;
    enum kind kind;
    size_t offset;
    const char *text_z; /* the default ... */
    uint64_t number;    /* ... of the one kind or the other */
    uint64_t least, most;
    enum check check;
};

static const struct row ROWS[] = {
#define TEXT(member, section, key, standard, check, what) \
    {section, key, KIND_TEXT, offsetof(struct config, member), standard, 0, 0, 0, CHECK_##check},
#define NUMBER(member, section, key, standard, least, most, what) \
    {section, key, KIND_NUMBER, offsetof(struct config, member), NULL, standard, least, most, 0},
#include "lured/config.def"
#undef TEXT
#undef NUMBER
};

static char **text_at(const struct config *config, const struct row *row)
{
    return (char **)((char *)config + row->offset);
}

static uint64_t *number_at(const struct config *config, const struct row *row)
{
    return (uint64_t *)((char *)config + row->offset);
}

bool config_is_off(const char *endpoint_z)
{
    return strcmp(endpoint_z, "off") == 0;
}

/* ---- Checks: NULL when the value is good, else what was expected. ---- */

static const char *check_path(const char *value_z)
{
    (void)value_z;
    return NULL;
}

static bool is_made_of(const char *value_z, const char *others_z)
{
    for (const char *c = value_z; *c != '\0'; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              strchr(others_z, *c) != NULL))
            return false;
    return true;
}

static const char *check_name(const char *value_z)
{
    return is_made_of(value_z, "._-") ? NULL : "letters, digits and the signs . _ -";
}

static const char *check_hostname(const char *value_z)
{
    bool good = is_made_of(value_z, "-.") && value_z[0] != '-' && strlen(value_z) <= 64;
    return good ? NULL : "a host name: up to 64 letters, digits, dots and inner hyphens";
}

static const char *check_endpoint(const char *value_z)
{
    struct reel_endpoint endpoint;
    const char *why_z = NULL;
    if (config_is_off(value_z) || reel_endpoint_parse_server(value_z, &endpoint, &why_z) == 0)
        return NULL;
    return why_z != NULL ? why_z : "such as tcp:2222, or off";
}

static const char *check_profile(const char *value_z)
{
    return ssh_profile_find(span_z(value_z)) != NULL ? NULL : ssh_profile_names_z;
}

static const char *check_visitor(const char *value_z)
{
    bool good = strcmp(value_z, "address") == 0 || strcmp(value_z, "login") == 0 ||
                strcmp(value_z, "either") == 0;
    return good ? NULL : "address, login or either";
}

static const char *(*const CHECKS[])(const char *value_z) = {
    [CHECK_PATH] = check_path,         [CHECK_NAME] = check_name,
    [CHECK_HOSTNAME] = check_hostname, [CHECK_ENDPOINT] = check_endpoint,
    [CHECK_PROFILE] = check_profile,   [CHECK_VISITOR] = check_visitor,
};

/* Digits alone: neither signs nor 0x10. */
static bool number_of(const char *value_z, uint64_t *out)
{
    size_t len = strlen(value_z);
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        if (value_z[i] < '0' || value_z[i] > '9' || i > 18)
            return false;
        *out = *out * 10 + (uint64_t)(value_z[i] - '0');
    }
    /* A leading zero is octal to YAML and a slip to everybody else. */
    return len > 0 && (value_z[0] != '0' || len == 1);
}

static bool has_control(const char *value_z)
{
    for (const char *c = value_z; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return true;
    return false;
}

/* Writes what was expected, when the value is not that. */
static int check_value(const struct row *row, const char *value_z, char why_z[CONFIG_WHY_SIZE])
{
    uint64_t number = 0;
    if (row->kind == KIND_NUMBER) {
        if (number_of(value_z, &number) && number >= row->least && number <= row->most)
            return 0;
        (void)snprintf(why_z, CONFIG_WHY_SIZE,
                       "expected a number from %" PRIu64 " to %" PRIu64 ", not \"%.100s\"",
                       row->least, row->most, value_z);
        return ERR_MALFORMED;
    }
    const char *expected_z = CHECKS[row->check](value_z);
    if (strlen(value_z) > CONFIG_TEXT_MAX)
        expected_z = "a shorter text";
    if (has_control(value_z))
        expected_z = "a text of one line, without control characters";
    if (value_z[0] == '\0' && row->text_z[0] != '\0')
        expected_z = "a value";
    if (expected_z == NULL)
        return 0;
    /* What the engine says of an endpoint is a sentence of its own. */
    const char *kind_z = row->check == CHECK_ENDPOINT  ? "an endpoint: "
                         : row->check == CHECK_PROFILE ? "one of"
                                                       : "";
    (void)snprintf(why_z, CONFIG_WHY_SIZE, "expected %s%.150s, not \"%.100s\"", kind_z, expected_z,
                   value_z);
    return ERR_MALFORMED;
}

static int replace_text(char **at, const char *value_z)
{
    char *copy_z = strdup(value_z);
    if (copy_z == NULL)
        return ERR_NOMEM;
    free(*at);
    *at = copy_z;
    return 0;
}

static int set_value(struct config *config, const struct row *row, const char *value_z,
                     char why_z[CONFIG_WHY_SIZE])
{
    int error = check_value(row, value_z, why_z);
    if (error == 0 && row->kind == KIND_NUMBER)
        (void)number_of(value_z, number_at(config, row));
    if (error == 0 && row->kind == KIND_TEXT)
        error = replace_text(text_at(config, row), value_z);
    return error;
}

/* ---- The walk over the file: every key and value with its line at hand. ---- */

struct walk {
    struct config *config;
    yaml_document_t *document;
    const char *file_z;
    char *why_z;
};

static int refuse(struct walk *w, const yaml_node_t *node, const char *section_z, const char *key_z,
                  const char *expected_z)
{
    (void)snprintf(w->why_z, CONFIG_WHY_SIZE, "%.150s:%zu: key \"%.60s%s%.60s\": %.300s", w->file_z,
                   node->start_mark.line + 1, section_z, section_z[0] != '\0' ? "." : "", key_z,
                   expected_z);
    return ERR_MALFORMED;
}

static const char *scalar_z(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

static const struct row *find_row(const char *section_z, const char *key_z)
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
        if (strcmp(ROWS[i].section_z, section_z) == 0 && strcmp(ROWS[i].key_z, key_z) == 0)
            return &ROWS[i];
    return NULL;
}

static bool is_section(const char *key_z)
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
        if (key_z[0] != '\0' && strcmp(ROWS[i].section_z, key_z) == 0)
            return true;
    return false;
}

/* "expected one of endpoint, port": the keys of a section, and the sections at the top. */
static void list_keys(const char *section_z, char *out_z, size_t size)
{
    size_t n = (size_t)snprintf(out_z, size, "unknown; expected one of");
    const char *last_z = "";
    for (size_t i = 0; i < ARRAY_LEN(ROWS) && n < size; i++) {
        const struct row *row = &ROWS[i];
        bool here = strcmp(row->section_z, section_z) == 0;
        bool below = section_z[0] == '\0' && row->section_z[0] != '\0';
        const char *name_z = here ? row->key_z : below ? row->section_z : "";
        if (name_z[0] != '\0' && strcmp(name_z, last_z) != 0)
            n += (size_t)snprintf(out_z + n, size - n, " %s", name_z);
        last_z = name_z;
    }
}

static bool is_repeated(struct walk *w, const yaml_node_t *mapping, const yaml_node_pair_t *pair)
{
    const char *key_z = scalar_z(yaml_document_get_node(w->document, pair->key));
    for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *key = yaml_document_get_node(w->document, p->key);
        if (key->type == YAML_SCALAR_NODE && strcmp(scalar_z(key), key_z) == 0)
            return true;
    }
    return false;
}

static int walk_mapping(struct walk *w, const yaml_node_t *mapping, const char *section_z);

static int walk_pair(struct walk *w, const yaml_node_t *mapping, const yaml_node_pair_t *pair,
                     const char *section_z)
{
    const yaml_node_t *key = yaml_document_get_node(w->document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(w->document, pair->value);
    char why_z[CONFIG_WHY_SIZE];
    if (key->type != YAML_SCALAR_NODE)
        return refuse(w, key, section_z, "", "expected a word as key");
    if (is_repeated(w, mapping, pair))
        return refuse(w, key, section_z, scalar_z(key), "stands here a second time");
    const struct row *row = find_row(section_z, scalar_z(key));
    if (row == NULL && section_z[0] == '\0' && is_section(scalar_z(key)))
        return value->type == YAML_MAPPING_NODE
                   ? walk_mapping(w, value, scalar_z(key))
                   : refuse(w, value, "", scalar_z(key), "expected keys of its own below it");
    if (row == NULL) {
        list_keys(section_z, why_z, sizeof(why_z));
        return refuse(w, key, section_z, scalar_z(key), why_z);
    }
    if (value->type != YAML_SCALAR_NODE || strlen(scalar_z(value)) != value->data.scalar.length)
        return refuse(w, value, section_z, row->key_z,
                      row->kind == KIND_NUMBER ? "expected a number" : "expected a text");
    int error = set_value(w->config, row, scalar_z(value), why_z);
    return error == 0 || error == ERR_NOMEM ? error
                                            : refuse(w, value, section_z, row->key_z, why_z);
}

static int walk_mapping(struct walk *w, const yaml_node_t *mapping, const char *section_z)
{
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        int error = walk_pair(w, mapping, pair, section_z);
        if (error < 0)
            return error;
    }
    return 0;
}

static int walk_document(struct walk *w)
{
    const yaml_node_t *root = yaml_document_get_root_node(w->document);
    if (root == NULL || (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0))
        return 0;
    if (root->type != YAML_MAPPING_NODE) {
        (void)snprintf(w->why_z, CONFIG_WHY_SIZE, "%.150s:%zu: expected keys and values", w->file_z,
                       root->start_mark.line + 1);
        return ERR_MALFORMED;
    }
    return walk_mapping(w, root, "");
}

static int refuse_yaml(const yaml_parser_t *parser, const char *file_z, char *why_z)
{
    (void)snprintf(why_z, CONFIG_WHY_SIZE, "%.150s:%zu: not YAML: %.150s", file_z,
                   parser->problem_mark.line + 1,
                   parser->problem != NULL ? parser->problem : "unreadable");
    return ERR_MALFORMED;
}

/* A file is one document: what follows a line of --- would not be read. */
static int check_end(yaml_parser_t *parser, const char *file_z, char *why_z)
{
    yaml_document_t more;
    if (!yaml_parser_load(parser, &more))
        return refuse_yaml(parser, file_z, why_z);
    const yaml_node_t *root = yaml_document_get_root_node(&more);
    if (root != NULL)
        (void)snprintf(why_z, CONFIG_WHY_SIZE, "%.150s:%zu: a second document", file_z,
                       root->start_mark.line + 1);
    yaml_document_delete(&more);
    return root != NULL ? ERR_MALFORMED : 0;
}

static int read_text(struct config *config, const char *file_z, struct span text, char *why_z)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser))
        return ERR_NOMEM;
    yaml_parser_set_input_string(&parser, text.data, text.len);
    int result = 0;
    if (!yaml_parser_load(&parser, &document)) {
        result = refuse_yaml(&parser, file_z, why_z);
    } else {
        struct walk walk = {config, &document, file_z, why_z};
        result = walk_document(&walk);
        yaml_document_delete(&document);
        if (result == 0)
            result = check_end(&parser, file_z, why_z);
    }
    yaml_parser_delete(&parser);
    return result;
}

/* A copy with texts of its own. 0 or ERR_NOMEM, and then nothing is left of it. */
static int copy_config(struct config *to, const struct config *from)
{
    *to = *from;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
        if (ROWS[i].kind == KIND_TEXT)
            *text_at(to, &ROWS[i]) = NULL;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        const struct row *row = &ROWS[i];
        if (row->kind == KIND_TEXT && replace_text(text_at(to, row), *text_at(from, row)) < 0) {
            config_fini(to);
            return ERR_NOMEM;
        }
    }
    return 0;
}

int config_read(struct config *config, const char *file_z, struct span text,
                char why_z[CONFIG_WHY_SIZE])
{
    struct config next;
    int error = copy_config(&next, config);
    if (error == 0) {
        error = read_text(&next, file_z, text, why_z);
        struct config *old = error == 0 ? config : &next;
        struct config gone = *old;
        if (error == 0)
            *config = next;
        config_fini(&gone);
    }
    if (error == ERR_NOMEM)
        (void)snprintf(why_z, CONFIG_WHY_SIZE, "%.150s: out of memory", file_z);
    return error;
}

int config_read_file(const char *file_z, struct buffer *out)
{
    int fd = open(file_z, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = 0;
    for (;;) {
        uint8_t *room = buffer_reserve(out, 4096);
        if (room == NULL) {
            error = ERR_FULL;
            break;
        }
        ssize_t n = read(fd, room, 4096);
        if (n <= 0) {
            error = n < 0 ? -errno : 0;
            break;
        }
        buffer_commit(out, (size_t)n);
    }
    (void)close(fd);
    return error;
}

int config_load(struct config *config, const char *file_z, char why_z[CONFIG_WHY_SIZE])
{
    struct buffer text;
    buffer_init(&text, CONFIG_FILE_MAX);
    int error = config_read_file(file_z, &text);
    if (error == 0)
        error = config_read(config, file_z, buffer_span(&text), why_z);
    else
        (void)snprintf(why_z, CONFIG_WHY_SIZE, "%.150s: %.100s", file_z,
                       error == ERR_FULL ? "too large for a configuration" : strerror(-error));
    buffer_fini(&text);
    return error;
}

/* ---- The rest ---- */

int config_init(struct config *config)
{
    *config = (struct config){0};
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        const struct row *row = &ROWS[i];
        if (row->kind == KIND_NUMBER) {
            *number_at(config, row) = row->number;
        } else if (replace_text(text_at(config, row), row->text_z) < 0) {
            config_fini(config);
            return ERR_NOMEM;
        }
    }
    return 0;
}

void config_fini(struct config *config)
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
        if (ROWS[i].kind == KIND_TEXT)
            free(*text_at(config, &ROWS[i]));
    *config = (struct config){0};
}

int config_set(struct config *config, const char *name_z, const char *value_z,
               char why_z[CONFIG_WHY_SIZE])
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        const struct row *row = &ROWS[i];
        char full_z[128];
        (void)snprintf(full_z, sizeof(full_z), "%s%s%s", row->section_z,
                       row->section_z[0] != '\0' ? "." : "", row->key_z);
        if (strcmp(full_z, name_z) != 0)
            continue;
        return set_value(config, row, value_z, why_z);
    }
    (void)snprintf(why_z, CONFIG_WHY_SIZE, "there is no key \"%.100s\"", name_z);
    return ERR_MALFORMED;
}

/* In single quotes, where only the quote itself is special (YAML 1.1, section 9.1.3). */
static void print_text(const char *value_z, FILE *out)
{
    (void)fputc('\'', out);
    for (const char *c = value_z; *c != '\0'; c++)
        (void)fputs(*c == '\'' ? "''" : (char[]){*c, '\0'}, out);
    (void)fputs("'\n", out);
}

void config_print(const struct config *config, FILE *out)
{
    const char *section_z = "";
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        const struct row *row = &ROWS[i];
        if (strcmp(row->section_z, section_z) != 0)
            (void)fprintf(out, "%s:\n", row->section_z);
        section_z = row->section_z;
        (void)fprintf(out, "%s%s: ", section_z[0] != '\0' ? "  " : "", row->key_z);
        if (row->kind == KIND_NUMBER)
            (void)fprintf(out, "%" PRIu64 "\n", *number_at(config, row));
        else
            print_text(*text_at(config, row), out);
    }
}
