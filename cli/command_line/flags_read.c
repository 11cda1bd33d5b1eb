/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of flags. The messages have virtctl's wording at their beginning, which scripts may look for,
 * and then what was given.
 */
#include "base/duration.h"
#include "base/listener.h"
#include "command_line/flags.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { RETRY_MAX = 1000000, CONNECTIONS_MAX = 32, PORT_MAX = 65535, NAME_MAX_LENGTH = 253 };

static void *member(const struct flag *flag, struct options *options)
{
    return (char *)options + flag->offset;
}

static int refuse(const struct flag *flag, const char *value, const char *allowed, struct err *err)
{
    return err_set(err, ERR_INPUT, "--%s is not a valid value, acceptable values are %s: not '%s'",
                   flag->name, allowed, value);
}

/* ---- texts and switches ---- */

/* As Go's strconv.ParseBool, which kubectl reads them by; -1: neither. */
static int parse_bool(const char *value)
{
    static const char *const words[] = {"0", "f", "F", "false", "FALSE", "False",
                                        "1", "t", "T", "true",  "TRUE",  "True"};

    for (int i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++)
        if (strcmp(words[i], value) == 0)
            return i >= 6;
    return -1;
}

bool flag_is_unset(const struct flag *flag, const char *value)
{
    if (!flag->value)
        return parse_bool(value) == 0;
    return !*value || ((flag->read == flag_read_port || flag->read == flag_read_retry) &&
                       strcmp(value, "0") == 0);
}

int flag_read_switch(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    int on = parse_bool(value);

    if (on < 0)
        return refuse(flag, value, "true/false", err);
    *(bool *)member(flag, options) = on;
    return 0;
}

int flag_read_nothing(const struct flag *flag, char *value, struct options *options,
                      struct err *err)
{
    (void)flag;
    (void)value;
    (void)options;
    (void)err;
    return 0;
}

int flag_read_text(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    (void)err;
    *(const char **)member(flag, options) = *value ? value : NULL;
    return 0;
}

bool flag_is_name(const char *text)
{
    static const char alphanumeric[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    size_t len = strlen(text);

    if (len == 0 || len > NAME_MAX_LENGTH)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool at_edge = i == 0 || i == len - 1 || text[i - 1] == '.' || text[i + 1] == '.';

        if (!strchr(alphanumeric, text[i]) && (at_edge || !strchr(".-", text[i])))
            return false;
    }
    return true;
}

int flag_read_name(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    if (*value && !flag_is_name(value))
        return err_set(err, ERR_INPUT,
                       "--%s: '%s' cannot be an object's name, which has a-z, 0-9, '-' and '.'",
                       flag->name, value);
    return flag_read_text(flag, value, options, err);
}

/* ---- one of some words ---- */

/* "gzip/raw/oci", of "gzip raw oci". */
static void add_values(const char *values, struct str *out)
{
    for (; *values; values++)
        str_putc(out, *values == ' ' ? '/' : *values);
}

/* Its position among the flag's values, 0 for ""; -1 with an error. */
static int word_of(const struct flag *flag, const char *value, struct err *err)
{
    cleanup_str struct str allowed = STR_INIT;
    const char *p = flag->values;

    if (!*value)
        return 0;
    for (int i = 0; *p; i++) {
        size_t len = strcspn(p, " ");

        if (strlen(value) == len && strncasecmp(p, value, len) == 0)
            return i;
        p += len + (p[len] == ' ');
    }
    add_values(flag->values, &allowed);
    return refuse(flag, value, str_get(&allowed), err);
}

int flag_read_choice(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    int i = word_of(flag, value, err);

    *(bool *)member(flag, options) = i > 0;
    return i < 0 ? -1 : 0;
}

int flag_read_word(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    return word_of(flag, value, err) < 0 ? -1 : flag_read_text(flag, value, options, err);
}

/* `values` are in the order of enum option_format. */
int flag_read_format(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    int i = word_of(flag, value, err);

    if (i < 0)
        return -1;
    options->format = (enum option_format)i;
    return 0;
}

/* ---- several ---- */

static int add_text(const struct flag *flag, const char *text, struct options *options,
                    struct err *err)
{
    struct texts *texts = member(flag, options);

    if (texts->count == OPTION_TEXTS_MAX)
        return err_set(err, ERR_INPUT, "--%s: more than %d of them", flag->name, OPTION_TEXTS_MAX);
    texts->text[texts->count++] = text;
    return 0;
}

int flag_read_texts(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    return *value ? add_text(flag, value, options, err) : 0;
}

/* Cuts the first of a list off, in place; quotes around one keep its commas, "" in them is a quote
 * (RFC 4180, as in kubectl's flags). Gives what follows; NULL: it was the last. */
static char *cut_item(char *item)
{
    char *to = item, *from = item, *next;
    bool quoted = *from == '"';

    for (from += quoted; *from && (quoted || *from != ','); from++) {
        if (quoted && *from == '"' && from[1] != '"') {
            quoted = false;
            continue;
        }
        from += quoted && *from == '"';
        *to++ = *from;
    }
    next = *from ? from + 1 : NULL;
    *to = '\0'; /* perhaps where the comma was */
    return next;
}

int flag_read_pairs(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    for (char *item = value, *next; *value && item; item = next) {
        next = cut_item(item);
        if (!strchr(item, '=') || *item == '=')
            return err_set(err, ERR_INPUT, "--%s takes key=value,...: '%s' is none", flag->name,
                           item);
        if (add_text(flag, item, options, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- numbers, addresses ---- */

/* A whole number of digits alone, up to `max`. */
static bool parse_number(const char *value, unsigned max, unsigned *out)
{
    size_t len = strlen(value);

    if (len == 0 || len > 9 || strspn(value, "0123456789") != len)
        return false;
    *out = (unsigned)strtoul(value, NULL, 10);
    return *out <= max;
}

int flag_read_port(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    return parse_number(value, PORT_MAX, member(flag, options))
               ? 0
               : refuse(flag, value, "valid port numbers", err);
}

int flag_read_retry(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    return parse_number(value, RETRY_MAX, member(flag, options))
               ? 0
               : refuse(flag, value, "positive integers", err);
}

int flag_read_connections(const struct flag *flag, char *value, struct options *options,
                          struct err *err)
{
    unsigned *out = member(flag, options);

    return parse_number(value, CONNECTIONS_MAX, out) && *out > 0
               ? 0
               : refuse(flag, value, "1 to 32", err);
}

int flag_read_listen(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    if (listener_check(value, err) < 0)
        return err_wrap(err, "--%s", flag->name);
    return flag_read_text(flag, value, options, err);
}

/* ---- durations ---- */

static int read_duration(const struct flag *flag, const char *value, int64_t *ret_ns,
                         struct err *err)
{
    if (duration_parse(value, ret_ns, err) < 0)
        return err_wrap(err, "--%s", flag->name);
    return *ret_ns < 0
               ? err_set(err, ERR_INPUT, "--%s: '%s' is less than nothing", flag->name, value)
               : 0;
}

/* Up to the next whole one. */
static uint64_t in_units(int64_t ns, int64_t unit)
{
    return (uint64_t)(ns / unit + (ns % unit > 0));
}

int flag_read_ttl(const struct flag *flag, char *value, struct options *options, struct err *err)
{
    int64_t ns = 0;

    if (*value && read_duration(flag, value, &ns, err) < 0)
        return -1;
    options->ttl_s = in_units(ns, DURATION_SECOND);
    return 0;
}

int flag_read_readiness(const struct flag *flag, char *value, struct options *options,
                        struct err *err)
{
    int64_t ns = 0;

    if (!*value)
        return 0;
    if (read_duration(flag, value, &ns, err) < 0)
        return -1;
    options->readiness_timeout_ms = in_units(ns, DURATION_SECOND / 1000);
    return 0;
}

int flag_read_request_timeout(const struct flag *flag, char *value, struct options *options,
                              struct err *err)
{
    uint64_t seconds;
    int64_t ns = 0;

    if (!*value || parse_number(value, UINT32_MAX, &options->request_timeout_s))
        return 0;
    if (read_duration(flag, value, &ns, err) < 0)
        return -1;
    seconds = in_units(ns, DURATION_SECOND);
    options->request_timeout_s = seconds < UINT32_MAX ? (unsigned)seconds : UINT32_MAX;
    return 0;
}
