/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree becomes libyaml's events; only the style of strings is decided here. YAML 1.1 and 1.2
 * read plain scalars differently ("no", "1e3", "12:30:00", "0o17", "2001-01-01"), so a string is
 * written plain only when no version could see anything else in it; else it is quoted.
 */
#include "yaml.h"
#include "cleanup.h"

#include <string.h>
#include <strings.h>
#include <yaml.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Words of YAML 1.1 (https://yaml.org/type/), and of parsers that know more. */
static const char *const words[] = {"y",     "n",    "yes", "no",  "on",       "off", "true",
                                    "false", "null", "nan", "inf", "infinity", "~"};

static bool is_word(const char *text)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

/* A letter or '/' first, as nothing but a string begins so; then nothing that is syntax: a colon or
 * a blank only before a harmless character. */
static bool is_plain(const char *text)
{
    if (!*text || !strchr(LETTERS "/", *text) || is_word(text))
        return false;
    for (; *text; text++) {
        if (strchr(LETTERS "0123456789_./-", *text))
            continue;
        if ((*text != ':' && *text != ' ') || !text[1] || !strchr(LETTERS "0123456789_./", text[1]))
            return false;
    }
    return true;
}

/*
 * Whether the text keeps in literal style: at most one break at the end (more need the "keep" mark
 * and, at the end of a document, "..."), no blank or break at the beginning (it would need an
 * indentation mark), no break that only YAML 1.1 knows (U+0085, U+2028, U+2029). Characters that
 * must be escaped are left to libyaml, which quotes the whole then.
 */
static bool is_literal(const char *text)
{
    return strchr(text, '\n') && !strchr(" \t\n", *text) && !str_ends(text, "\n\n") &&
           !strchr(text, '\r') && !strstr(text, "\xc2\x85") && !strstr(text, "\xe2\x80\xa8") &&
           !strstr(text, "\xe2\x80\xa9");
}

static yaml_scalar_style_t style_of(const char *text, bool key)
{
    if (is_plain(text))
        return YAML_PLAIN_SCALAR_STYLE;
    return !key && is_literal(text) ? YAML_LITERAL_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE;
}

static int on_write(void *out, unsigned char *data, size_t len)
{
    str_append(out, data, len);
    return 1;
}

/* Each event is made and given to the emitter, which owns it from then on. */
static int emit(yaml_emitter_t *emitter, yaml_event_t *event, int made, struct err *err)
{
    if (made && yaml_emitter_emit(emitter, event))
        return 0;
    return err_set(err, ERR_SYSTEM, "cannot write YAML: %s",
                   emitter->problem ? emitter->problem : "out of memory");
}

static int emit_scalar(yaml_emitter_t *emitter, const char *text, yaml_scalar_style_t style,
                       struct err *err)
{
    cleanup_free char *copy = strdup(text); /* libyaml's parameter is not const */
    yaml_event_t event;

    return emit(emitter, &event,
                copy && yaml_scalar_event_initialize(&event, NULL, NULL, (yaml_char_t *)copy,
                                                     (int)strlen(text), 1, 1, style),
                err);
}

/* YAML 1.1 sees a float only in what has a point: 1e+21 becomes 1.0e+21. */
static int emit_number(yaml_emitter_t *emitter, const struct json *json, struct err *err)
{
    cleanup_str struct str text = STR_INIT, pointed = STR_INIT;
    size_t mantissa;

    json_print_number(json, &text);
    mantissa = strcspn(str_get(&text), "e");
    str_append(&pointed, text.data, mantissa);
    if (mantissa < text.len && !strchr(text.data, '.'))
        str_puts(&pointed, ".0");
    str_puts(&pointed, text.data + mantissa);
    return emit_scalar(emitter, str_get(&pointed), YAML_PLAIN_SCALAR_STYLE, err);
}

static int emit_value(yaml_emitter_t *emitter, const struct json *json, struct err *err);

static int emit_array(yaml_emitter_t *emitter, const struct json *json, struct err *err)
{
    yaml_event_t event;

    if (emit(emitter, &event,
             yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE),
             err) < 0)
        return -1;
    for (const struct json *value = json_first(json); value; value = json_next(value))
        if (emit_value(emitter, value, err) < 0)
            return -1;
    return emit(emitter, &event, yaml_sequence_end_event_initialize(&event), err);
}

static int emit_object(yaml_emitter_t *emitter, const struct json *json, struct err *err)
{
    cleanup_free const struct json **sorted = json_sorted(json);
    yaml_event_t event;

    if (emit(emitter, &event,
             yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE),
             err) < 0)
        return -1;
    for (size_t i = 0; sorted[i]; i++) {
        const char *key = json_key(sorted[i]);

        if (emit_scalar(emitter, key, style_of(key, true), err) < 0 ||
            emit_value(emitter, sorted[i], err) < 0)
            return -1;
    }
    return emit(emitter, &event, yaml_mapping_end_event_initialize(&event), err);
}

static int emit_value(yaml_emitter_t *emitter, const struct json *json, struct err *err)
{
    switch (json_kind(json)) {
    case JSON_NUMBER:
        return emit_number(emitter, json, err);
    case JSON_STRING:
        return emit_scalar(emitter, json_string(json), style_of(json_string(json), false), err);
    case JSON_ARRAY:
        return emit_array(emitter, json, err);
    case JSON_OBJECT:
        return emit_object(emitter, json, err);
    case JSON_BOOL:
        return emit_scalar(emitter, json_bool(json) ? "true" : "false", YAML_PLAIN_SCALAR_STYLE,
                           err);
    case JSON_NULL:
        break;
    }
    return emit_scalar(emitter, "null", YAML_PLAIN_SCALAR_STYLE, err);
}

static int emit_stream(yaml_emitter_t *emitter, const struct json *json, struct err *err)
{
    yaml_event_t event;

    if (emit(emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING), err) <
            0 ||
        emit(emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1),
             err) < 0 ||
        emit_value(emitter, json, err) < 0 ||
        emit(emitter, &event, yaml_document_end_event_initialize(&event, 1), err) < 0)
        return -1;
    return emit(emitter, &event, yaml_stream_end_event_initialize(&event), err);
}

int yaml_print(const struct json *json, struct str *out, struct err *err)
{
    yaml_emitter_t emitter;
    int rc;

    if (!yaml_emitter_initialize(&emitter))
        return err_set(err, ERR_SYSTEM, "cannot write YAML: out of memory");
    yaml_emitter_set_output(&emitter, on_write, out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    rc = emit_stream(&emitter, json, err);
    yaml_emitter_delete(&emitter);
    return rc;
}
