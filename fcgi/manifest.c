/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /internal/manifests/{all,secret} and /external/...: the Kubernetes objects that make the exported
 * machine again elsewhere. The controller writes them finished, links and all, into files below
 * VMEXPORT_MANIFEST_DIR, which in the pod is a mounted ConfigMap:
 *
 *     internal.NN.json, external.NN.json  one object each, given out in the order of the names
 *     export-name                         the export's name
 *
 * Nothing is kept between requests, as a ConfigMap changes in place.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/yaml.h"
#include "handler.h"
#include "names.h"
#include "token.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* A ConfigMap holds 1 MiB at most. */
enum { MANIFEST_MAX = 4 << 20, EXPORT_NAME_MAX = 1024, MANIFEST_NAMES_MAX = 1 << 20 };

static const char *const yaml_types[] = {"application/yaml", "application/x-yaml", "text/yaml"};

/*
 * The folder to read from. In a ConfigMap's mount the files are links through "..data", which is
 * turned to another folder when they change: going there first means never to mix two versions.
 */
static void manifest_dir(struct str *dir)
{
    const char *set = getenv("VMEXPORT_MANIFEST_DIR");
    cleanup_str struct str data = STR_INIT;
    cleanup_free char *version = NULL;

    if (!set)
        set = "/manifest_data";
    str_printf(&data, "%s/..data", set);
    version = realpath(str_get(&data), NULL);
    str_puts(dir, version ? version : set);
}

/* A file that is there but cannot be used is this side's fault, whatever errno says. */
static int blame_server(struct err *err)
{
    err->class = ERR_SYSTEM;
    return -1;
}

/* ---- the answer ---- */

static bool wants_yaml(const struct request *req)
{
    for (size_t i = 0; i < sizeof(yaml_types) / sizeof(yaml_types[0]); i++)
        if (request_accepts(req, yaml_types[i]))
            return true;
    return false;
}

static int print_yaml(const struct json *items, struct str *out, struct err *err)
{
    for (const struct json *item = json_first(items); item; item = json_next(item)) {
        if (yaml_print(item, out, err) < 0)
            return -1;
        str_puts(out, "---\n");
    }
    return 0;
}

/* Takes `items`. */
static void print_list(struct json *items, struct str *out)
{
    cleanup_json struct json *list = json_new_object();

    json_set_string(list, "kind", "List");
    json_set_string(list, "apiVersion", "v1");
    json_set(list, "metadata", json_new_object());
    json_set(list, "items", items);
    json_print(list, 4, out);
}

/* Takes the array `items`: one object of Kubernetes each. */
static int answer(const struct request *req, struct response *res, struct json *items,
                  struct err *err)
{
    cleanup_str struct str body = STR_INIT;
    bool yaml = wants_yaml(req);
    int rc = 0;

    if (yaml) {
        rc = print_yaml(items, &body, err);
        json_free(items);
    } else {
        print_list(items, &body);
    }
    if (rc < 0)
        return rc;
    response_header(res, "Vary", "Accept");
    return response_text(res, 200, yaml ? "application/yaml" : "application/json", str_get(&body),
                         err);
}

/* ---- all ---- */

static int append_file(struct json *items, const char *dir, const char *name, struct err *err)
{
    cleanup_str struct str path = STR_INIT, text = STR_INIT;
    struct json *object;

    str_printf(&path, "%s/%s", dir, name);
    if (io_read_file(str_get(&path), MANIFEST_MAX, &text, err) < 0)
        return blame_server(err);
    str_puts(&text, ""); /* an empty file has a NUL too */
    object = json_parse(text.data, text.len, err);
    if (!object) {
        err_wrap(err, "cannot read manifest '%s'", name);
        return blame_server(err);
    }
    if (json_kind(object) != JSON_OBJECT) {
        json_free(object);
        return err_set(err, ERR_SYSTEM, "manifest '%s' is no JSON object", name);
    }
    json_append(items, object);
    return 0;
}

/* Appends the objects of all files of one side: "internal" or "external". */
static int append_side(struct json *items, const char *dir, const struct names *names,
                       const char *side, struct err *err)
{
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names_get(names, i);

        if (str_starts(name, side) && name[strlen(side)] == '.' && str_ends(name, ".json") &&
            append_file(items, dir, name, err) < 0)
            return -1;
    }
    return 0;
}

static bool has_side(const struct names *names, const char *side)
{
    for (size_t i = 0; i < names->count; i++)
        if (str_starts(names_get(names, i), side) && names_get(names, i)[strlen(side)] == '.')
            return true;
    return false;
}

static int read_names(const char *dir, struct names *names, int *ret_fd, struct err *err)
{
    *ret_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret_fd < 0 && errno == ENOENT)
        return 0; /* a source without manifests: nothing is mounted */
    if (*ret_fd < 0)
        return err_errno(err, ERR_SYSTEM, errno, "cannot open '%s'", dir);
    if (names_read(names, *ret_fd, MANIFEST_NAMES_MAX, err) < 0)
        return blame_server(err);
    return 0;
}

static int serve_all(const struct request *req, struct response *res, const char *side,
                     struct err *err)
{
    cleanup_str struct str dir = STR_INIT;
    cleanup_close int fd = -1;
    cleanup_names struct names names = NAMES_INIT;
    struct json *items;

    manifest_dir(&dir);
    if (read_names(str_get(&dir), &names, &fd, err) < 0)
        return -1;
    if (!has_side(&names, side) && has_side(&names, "internal"))
        return err_set(err, ERR_NOT_FOUND,
                       "no external host is known for this export yet, so there are no manifests "
                       "with external links; those with internal links are at "
                       "/internal/manifests/all");
    if (!has_side(&names, side))
        return err_set(err, ERR_NOT_FOUND,
                       "this export has no manifests: only those of a virtual machine or its "
                       "snapshot do");
    items = json_new_array();
    if (append_side(items, str_get(&dir), &names, side, err) < 0) {
        json_free(items);
        return -1;
    }
    return answer(req, res, items, err);
}

/* ---- secret ---- */

static int read_export_name(struct str *name, struct err *err)
{
    cleanup_str struct str path = STR_INIT, text = STR_INIT;

    manifest_dir(&path);
    str_puts(&path, "/export-name");
    if (io_read_file(str_get(&path), EXPORT_NAME_MAX, &text, err) < 0)
        return blame_server(err);
    str_append(name, str_get(&text), strcspn(str_get(&text), " \t\r\n"));
    if (!name->len)
        return err_set(err, ERR_SYSTEM, "'%s' is empty", str_get(&path));
    return 0;
}

static struct json *header_secret(const char *export_name, const char *token)
{
    cleanup_str struct str name = STR_INIT, header = STR_INIT;
    struct json *secret = json_new_object(), *metadata = json_new_object(),
                *data = json_new_object();

    str_printf(&name, "header-secret-%s", export_name);
    str_printf(&header, TOKEN_NAME ":%s", token);
    json_set_string(metadata, "name", str_get(&name));
    json_set_string(data, "token", str_get(&header));
    json_set_string(secret, "kind", "Secret");
    json_set_string(secret, "apiVersion", "v1");
    json_set(secret, "metadata", metadata);
    json_set(secret, "stringData", data);
    return secret;
}

/* The same on both sides: there is no link in it. */
static int serve_secret(const struct request *req, struct response *res, const char *side,
                        struct err *err)
{
    cleanup_str struct str name = STR_INIT, token = STR_INIT;
    struct json *items;

    (void)side;
    if (read_export_name(&name, err) < 0 || token_read(&token, err) < 0)
        return -1;
    items = json_new_array();
    json_append(items, header_secret(str_get(&name), str_get(&token)));
    response_header(res, "Cache-Control", "no-store");
    return answer(req, res, items, err);
}

/* ---- routes ---- */

static const struct {
    const char *path;
    const char *side;
    int (*serve)(const struct request *req, struct response *res, const char *side,
                 struct err *err);
} routes[] = {
    {"/internal/manifests/all", "internal", serve_all},
    {"/external/manifests/all", "external", serve_all},
    {"/internal/manifests/secret", "internal", serve_secret},
    {"/external/manifests/secret", "external", serve_secret},
};

static int serve(const struct request *req, struct response *res, struct err *err)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(req->path, routes[i].path) == 0)
            return routes[i].serve(req, res, routes[i].side, err);
    return err_set(err, ERR_NOT_FOUND,
                   "there is nothing at this path; manifests are at /internal/manifests/all, "
                   "/internal/manifests/secret and the same below /external");
}

int main(void)
{
    static const struct handler manifest = {.name = "manifest", .threads = 4, .serve = serve};

    return handler_main(&manifest);
}
