/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events become JSON text, and json_parse makes the tree of it: so a tree from YAML is
 * never more than one from JSON may be. An anchor is a range of that text, and an alias a copy of
 * the range; the bound on the text is the bound on what aliases may blow up. What json_parse would
 * refuse is refused here before, as here the line is known.
 */
#include "cleanup.h"
#include "yaml.h"
#include "yaml_scalar.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct anchor {
    char *name;
    size_t start, len; /* within the text; len is 0 while its value is being read */
    int height;
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    struct str out;
    struct anchor *anchor;
    size_t anchors;
    struct err *err;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct reader *r, const yaml_mark_t *mark,
                                                        const char *fmt, ...)
{
    char what[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return err_set(r->err, ERR_INPUT, "line %zu, column %zu: %s", mark->line + 1, mark->column + 1,
                   what);
}

static int next(struct reader *r)
{
    const yaml_parser_t *parser = &r->parser;

    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return 0;
    if (parser->error == YAML_READER_ERROR)
        return err_set(r->err, ERR_INPUT, "%s at byte %zu", parser->problem,
                       parser->problem_offset);
    if (parser->error == YAML_MEMORY_ERROR || !parser->problem)
        return err_set(r->err, ERR_SYSTEM, "cannot read YAML: out of memory");
    return refuse(r, &parser->problem_mark, "%s", parser->problem);
}

/* ---- values: each function begins at its first event and ends at its last; it returns the height
 * of the value, 0 for a scalar, or -1 ---- */

static int read_value(struct reader *r, unsigned depth);

static int read_scalar(struct reader *r)
{
    const char *text = (const char *)r->event.data.scalar.value;
    const yaml_mark_t *mark = &r->event.start_mark;
    const char *tag = (const char *)r->event.data.scalar.tag;
    enum yaml_meaning meaning = YAML_TEXT;

    if (strlen(text) != r->event.data.scalar.length)
        return refuse(r, mark, "a NUL in a text");
    if (tag && strcmp(tag, "!") != 0 && strcmp(tag, YAML_STR_TAG) != 0)
        return refuse(r, mark, "the tag '%s' is not known here", tag);
    if (!tag && r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        meaning = yaml_resolve(text, &r->out);
    if (meaning == YAML_TOO_BIG)
        return refuse(r, mark, "a number too big to be kept exactly; is it a text, quote it");
    if (meaning == YAML_NO_JSON)
        return refuse(r, mark, "'%s' is no number of JSON; is it a text, quote it", text);
    if (meaning == YAML_TEXT) {
        str_putc(&r->out, '"');
        str_json(&r->out, text);
        str_putc(&r->out, '"');
    }
    return 0;
}

static int read_sequence(struct reader *r, unsigned depth)
{
    int highest = 0;

    str_putc(&r->out, '[');
    for (bool first = true;; first = false) {
        int height;

        if (next(r) < 0)
            return -1;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (!first)
            str_putc(&r->out, ',');
        height = read_value(r, depth + 1);
        if (height < 0)
            return -1;
        highest = height > highest ? height : highest;
    }
    str_putc(&r->out, ']');
    return highest + 1;
}

struct key {
    char *text; /* as JSON */
    yaml_mark_t mark;
};

struct keys {
    struct key *key;
    size_t count;
};

static void cleanup_keys(struct keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        free(keys->key[i].text);
    free(keys->key);
}

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    int order = strcmp(x->text, y->text);

    return order ? order : (x->mark.index > y->mark.index) - (x->mark.index < y->mark.index);
}

static int check_keys(struct reader *r, struct keys *keys)
{
    if (keys->count)
        qsort(keys->key, keys->count, sizeof(*keys->key), compare_keys);
    for (size_t i = 1; i < keys->count; i++)
        if (strcmp(keys->key[i - 1].text, keys->key[i].text) == 0)
            return refuse(r, &keys->key[i].mark, "the key %s comes twice", keys->key[i].text);
    return 0;
}

/* A number or a word of YAML becomes a text, as keys of JSON are. */
static int read_key(struct reader *r, struct keys *keys)
{
    yaml_mark_t mark = r->event.start_mark;
    size_t start = r->out.len;
    struct key *grown;

    if (r->event.type != YAML_SCALAR_EVENT)
        return refuse(r, &mark, "a key must be a text");
    if (r->event.data.scalar.plain_implicit && !r->event.data.scalar.tag &&
        strcmp((const char *)r->event.data.scalar.value, "<<") == 0)
        return refuse(r, &mark, "merge keys (<<) are not supported; write the values out");
    if (read_value(r, 0) < 0)
        return -1;
    if (r->out.data[start] != '"') {
        cleanup_free char *bare = strdup(r->out.data + start);

        if (!bare)
            abort();
        if (strcmp(bare, "null") == 0)
            return refuse(r, &mark, "a key must be a text");
        r->out.len = start;
        str_printf(&r->out, "\"%s\"", bare);
    }
    grown = realloc(keys->key, (keys->count + 1) * sizeof(*grown));
    if (!grown)
        abort();
    keys->key = grown;
    grown[keys->count++] = (struct key){strdup(r->out.data + start), mark};
    if (!grown[keys->count - 1].text)
        abort();
    return 0;
}

static int read_mapping(struct reader *r, unsigned depth)
{
    __attribute__((cleanup(cleanup_keys))) struct keys keys = {NULL, 0};
    int highest = 0;

    str_putc(&r->out, '{');
    for (;;) {
        int height;

        if (next(r) < 0)
            return -1;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        if (keys.count)
            str_putc(&r->out, ',');
        if (read_key(r, &keys) < 0)
            return -1;
        str_putc(&r->out, ':');
        if (next(r) < 0)
            return -1;
        height = read_value(r, depth + 1);
        if (height < 0)
            return -1;
        highest = height > highest ? height : highest;
    }
    str_putc(&r->out, '}');
    return check_keys(r, &keys) < 0 ? -1 : highest + 1;
}

static int read_collection(struct reader *r, unsigned depth)
{
    bool mapping = r->event.type == YAML_MAPPING_START_EVENT;
    const char *tag = (const char *)(mapping ? r->event.data.mapping_start.tag
                                             : r->event.data.sequence_start.tag);

    if (tag && strcmp(tag, "!") != 0 && strcmp(tag, mapping ? YAML_MAP_TAG : YAML_SEQ_TAG) != 0)
        return refuse(r, &r->event.start_mark, "the tag '%s' is not known here", tag);
    return mapping ? read_mapping(r, depth) : read_sequence(r, depth);
}

/* ---- anchors ---- */

static int read_alias(struct reader *r, unsigned depth)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    const struct anchor *anchor = NULL;
    cleanup_free char *copy = NULL;

    for (size_t i = r->anchors; i > 0 && !anchor; i--)
        if (strcmp(r->anchor[i - 1].name, name) == 0)
            anchor = &r->anchor[i - 1];
    if (!anchor)
        return refuse(r, &r->event.start_mark, "the alias '*%s' has no anchor before it", name);
    if (!anchor->len)
        return refuse(r, &r->event.start_mark, "the alias '*%s' stands within its own anchor",
                      name);
    if (depth + (unsigned)anchor->height > JSON_DEPTH_MAX)
        return refuse(r, &r->event.start_mark, "nested too deeply");
    copy = strndup(r->out.data + anchor->start, anchor->len); /* as `out` may move */
    if (!copy)
        abort();
    str_append(&r->out, copy, anchor->len);
    return anchor->height;
}

static const char *anchor_of(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return (const char *)event->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
        return (const char *)event->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT:
        return (const char *)event->data.mapping_start.anchor;
    default:
        return NULL;
    }
}

static void add_anchor(struct reader *r, const char *name)
{
    struct anchor *grown = realloc(r->anchor, (r->anchors + 1) * sizeof(*grown));

    if (!grown)
        abort();
    r->anchor = grown;
    grown[r->anchors] = (struct anchor){.name = strdup(name), .start = r->out.len};
    if (!grown[r->anchors++].name)
        abort();
}

static int read_value(struct reader *r, unsigned depth)
{
    const char *name = anchor_of(&r->event);
    size_t mine = r->anchors;
    yaml_mark_t mark = r->event.start_mark;
    int height;

    if (name)
        add_anchor(r, name);
    if (r->event.type == YAML_ALIAS_EVENT)
        height = read_alias(r, depth);
    else if (r->event.type == YAML_SCALAR_EVENT)
        height = read_scalar(r);
    else if (depth >= JSON_DEPTH_MAX)
        return refuse(r, &mark, "nested too deeply");
    else
        height = read_collection(r, depth);
    if (height < 0)
        return -1;
    if (r->out.len > YAML_MAX)
        return refuse(r, &mark, "more than %d bytes, with its aliases written out", YAML_MAX);
    if (name) {
        r->anchor[mine].len = r->out.len - r->anchor[mine].start;
        r->anchor[mine].height = height;
    }
    return height;
}

/* ---- the stream ---- */

static int read_stream(struct reader *r)
{
    if (next(r) < 0 || next(r) < 0) /* the stream's start, the document's */
        return -1;
    if (r->event.type == YAML_STREAM_END_EVENT) {
        str_puts(&r->out, "null");
        return 0;
    }
    if (next(r) < 0 || read_value(r, 0) < 0 || next(r) < 0 || next(r) < 0)
        return -1;
    if (r->event.type != YAML_STREAM_END_EVENT)
        return refuse(r, &r->event.start_mark, "another document begins; only one may be here");
    return 0;
}

static void cleanup_reader(struct reader *r)
{
    for (size_t i = 0; i < r->anchors; i++)
        free(r->anchor[i].name);
    free(r->anchor);
    if (r->out.data)
        explicit_bzero(r->out.data, r->out.len); /* kubeconfigs hold keys */
    str_free(&r->out);
    yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
}

struct json *yaml_parse(const char *text, size_t len, struct err *err)
{
    __attribute__((cleanup(cleanup_reader))) struct reader r = {.out = STR_INIT, .err = err};
    const char *start = text + strspn(text, " \t\r\n");

    /* JSON is YAML, but libyaml knows neither long keys nor surrogate pairs. What is no JSON may
     * still be YAML in flow style, whose errors name lines. */
    if (*start == '{' || *start == '[') {
        struct err ignored;
        struct json *json = json_parse(text, len, &ignored);

        if (json)
            return json;
    }
    if (!yaml_parser_initialize(&r.parser)) {
        err_set(err, ERR_SYSTEM, "cannot read YAML: out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    return read_stream(&r) < 0 ? NULL : json_parse(r.out.data, r.out.len, err);
}
