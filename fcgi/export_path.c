/* SPDX-License-Identifier: Apache-2.0 */
#include "export_path.h"

#include <string.h>
#include <strings.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* ---- taking apart ---- */

/* Moves on behind a literal; false when something else is there. */
static bool skip(const char **text, const char *literal)
{
    size_t len = strlen(literal);

    if (strncmp(*text, literal, len) != 0)
        return false;
    *text += len;
    return true;
}

/* Copies a segment of a path and moves on to the '/' behind it; false when there is none, or the
 * segment is too long. */
static bool take_segment(const char **text, char *out, size_t size)
{
    size_t len = strcspn(*text, "/?");

    if ((*text)[len] != '/' || len >= size)
        return false;
    memcpy(out, *text, len);
    out[len] = '\0';
    *text += len;
    return true;
}

/* Parts of up to `max` letters, digits and '-' with dots between, lower case as Kubernetes has them;
 * none is empty, or begins or ends with '-'. */
static bool is_dotted(const char *text, size_t max)
{
    for (;; text++) {
        size_t len = strspn(text, LOWER DIGITS "-");

        if (!len || len > max || text[0] == '-' || text[len - 1] == '-')
            return false;
        text += len;
        if (*text != '.')
            return !*text;
    }
}

/* RFC 1123 §2.1. */
bool export_path_is_domain(const char *text)
{
    return is_dotted(text, NAME_LABEL_MAX);
}

/* What Kubernetes calls a DNS subdomain: its parts may be as long as all of it. */
static bool is_subdomain(const char *text)
{
    return is_dotted(text, NAME_SUBDOMAIN_MAX);
}

static bool is_label(const char *text)
{
    return export_path_is_domain(text) && !strchr(text, '.');
}

static bool is_version(const char *text)
{
    static const char *const versions[] = {"v1", "v1beta1", "v1alpha1"};

    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        if (strcmp(text, versions[i]) == 0)
            return true;
    return false;
}

/* What may stand in a request line: no blank, no control character, no fragment. */
static bool is_target(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f || *text == '#')
            return false;
    return true;
}

int export_path_parse(const char *uri, const char *group, struct export_path *path, struct err *err)
{
    const char *text = uri;

    path->group = group;
    if (!skip(&text, "/api/") || !skip(&text, group) || !skip(&text, "/") ||
        !take_segment(&text, path->version, sizeof(path->version)) || !is_version(path->version) ||
        !skip(&text, "/namespaces/") || !take_segment(&text, path->ns, sizeof(path->ns)) ||
        !is_label(path->ns) || !skip(&text, "/virtualmachineexports/") ||
        !take_segment(&text, path->name, sizeof(path->name)) || !is_subdomain(path->name) ||
        !is_target(text))
        return err_set(
            err, ERR_INPUT,
            "the path must be /api/%s/v1/namespaces/NAMESPACE/virtualmachineexports/NAME/"
            "..., as in the export's status.links.external",
            group);
    path->rest = text;
    return 0;
}

/* ---- putting together ---- */

static void print_prefix(const struct export_path *path, const char *version, struct str *out)
{
    str_printf(out, "/api/%s/%s/namespaces/%s/virtualmachineexports/%s", path->group, version,
               path->ns, path->name);
}

void export_path_inside(const struct export_path *path, struct str *out)
{
    print_prefix(path, "v1", out);
    str_puts(out, path->rest);
}

/* Whether `text` is the host (with a port or without), and what follows it. */
static bool skip_host(const char **text, const char *host)
{
    size_t len = strlen(host);

    if (!len || strncasecmp(*text, host, len) != 0)
        return false;
    if (strncmp(*text + len, ":443", 4) == 0)
        len += 4;
    if ((*text)[len] && !strchr("/?#", (*text)[len]))
        return false;
    *text += len;
    return true;
}

/* The path of a URL of one of the hosts; NULL when it is another's. */
static const char *path_of_url(const char *url, const char *const *hosts)
{
    static const char *const schemes[] = {"https://", "http://"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = strlen(schemes[i]);

        if (strncasecmp(url, schemes[i], len) != 0)
            continue;
        for (; *hosts; hosts++) {
            const char *rest = url + len;

            if (skip_host(&rest, *hosts))
                return rest;
        }
    }
    return NULL;
}

void export_path_location(const struct export_path *path, const char *location,
                          const char *const *hosts, struct str *out)
{
    cleanup_str struct str inside = STR_INIT;
    const char *text = path_of_url(location, hosts);

    if (!text && (location[0] != '/' || location[1] == '/')) {
        str_puts(out, location);
        return;
    }
    if (!text)
        text = location;
    print_prefix(path, "v1", &inside);
    if (str_starts(text, str_get(&inside)) &&
        (!text[inside.len] || strchr("/?#", text[inside.len])))
        text += inside.len;
    print_prefix(path, path->version, out);
    if (*text != '/')
        str_putc(out, '/');
    str_puts(out, text);
}
