/* SPDX-License-Identifier: Apache-2.0 */
#include "peek.h"

#include <string.h>

/* A member that is looked for: where it goes, or what is looked for within it. */
struct member {
    const char *key;
    char *out;
    size_t size;
    const struct member *within;
};

/* Behind the string that begins at `p`; NULL without an end. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        p += *p == '\\';
    return p < end ? p + 1 : NULL;
}

/* Behind the value that begins at `p`; NULL without an end. */
static const char *skip_value(const char *p, const char *end)
{
    unsigned depth = 0;

    while (p && p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if ((*p == '}' || *p == ']') && depth) {
            depth--;
            p++;
        } else if (!depth && (*p == ',' || *p == '}' || *p == ']')) {
            return p;
        } else {
            p++;
        }
    }
    return NULL;
}

static bool is_key(const char *key, const char *text, size_t len)
{
    return strlen(key) == len && memcmp(key, text, len) == 0;
}

static bool take_string(const struct member *member, const char *from, const char *to)
{
    size_t len = (size_t)(to - from);

    if (*from != '"' || len < 2 || len - 2 >= member->size || memchr(from, '\\', len))
        return false;
    memcpy(member->out, from + 1, len - 2);
    member->out[len - 2] = '\0';
    return true;
}

/* Goes through the object that begins at `p`; `members` end with a NULL key. */
static bool look_into(const char *p, const char *end, const struct member *members)
{
    if (p >= end || *p != '{')
        return false;
    for (p++; p < end && *p == '"'; p += *p == ',') {
        const char *key = p + 1, *value = skip_string(p, end), *after;
        const struct member *member = members;

        if (!value || value >= end || *value != ':')
            return false;
        value++;
        after = skip_value(value, end);
        if (!after)
            return false;
        while (member->key && !is_key(member->key, key, (size_t)(value - 2 - key)))
            member++;
        if (member->key && !(member->within ? look_into(value, after, member->within)
                                            : take_string(member, value, after)))
            return false;
        p = after;
    }
    return p < end && *p == '}';
}

bool kube_peek(const char *text, size_t len, struct kube_peek *out)
{
    const struct member metadata[] = {{"namespace", out->ns, sizeof(out->ns), NULL},
                                      {"name", out->name, sizeof(out->name), NULL},
                                      {"resourceVersion", out->version, sizeof(out->version), NULL},
                                      {NULL, NULL, 0, NULL}};
    const struct member object[] = {{"metadata", NULL, 0, metadata}, {NULL, NULL, 0, NULL}};
    const struct member event[] = {{"type", out->type, sizeof(out->type), NULL},
                                   {"object", NULL, 0, object},
                                   {NULL, NULL, 0, NULL}};

    *out = (struct kube_peek){.type = ""};
    return look_into(text, text + len, event) && *out->type && *out->name && *out->version;
}
