/* SPDX-License-Identifier: Apache-2.0 */
#include "download_manifests.h"
#include "base/yaml.h"
#include "kube/secret.h"
#include "reach.h"

#include "say.h"
#include "transfer/retry.h"
#include <string.h>

/* A machine's manifests are some kilobytes. */
enum { MANIFEST_MAX = 16 << 20 };

struct part {
    const char *type;
    const char *what;
};
static struct part ALL = {"all", "manifest"};
static struct part SECRET = {"auth-header-secret", "secret's manifest"};

static int choose(struct reach *reach, const struct json *links, struct err *err)
{
    const struct part *part = reach->choose_ctx;

    reach->source.url = links_manifest(links, part->type);
    if (reach->source.url)
        return 0;
    return err_set(err, ERR_NOT_FOUND,
                   "unable to access the manifest info from '%s/%s' VirtualMachineExport: there is "
                   "no %s; only a virtual machine and its snapshot have manifests",
                   reach->exports->cluster->ns, reach->options->name, part->what);
}

/* Something that kubectl could take: a proxy's message in its place would be fed to it else. */
static int check_manifest(const struct str *body, bool json, struct err *err)
{
    if (json) {
        cleanup_json struct json *list = json_parse(str_get(body), body->len, err);
        return list ? 0 : -1;
    }
    return strstr(str_get(body), "kind")
               ? 0
               : err_set(err, ERR_PRECONDITION, "what the server sent is no manifest");
}

/* One try; appends it once it is whole. */
static enum http_result ask(struct reach *reach, struct http *http, struct str *out,
                            struct http_answer *answer, struct err *err)
{
    cleanup_secret struct str body = STR_INIT;
    bool json = reach->options->manifest_json || reach->options->manifest_namespace;
    struct http_request request = {.url = reach->source.url,
                                   .accept = json ? "application/json" : "application/yaml"};
    enum http_result result =
        http_text(http, &reach->source.peer, &request, MANIFEST_MAX, &body, answer, err);

    if (result != HTTP_DONE)
        return result;
    if (check_manifest(&body, json, err))
        return HTTP_STOPPED;
    str_append(out, str_get(&body), body.len);
    return HTTP_DONE;
}

static int fetch(struct reach *reach, struct part *part, struct str *out, struct err *err)
{
    if (reach_choose(reach, choose, part, err))
        return -1;
    struct retry retry = {.max = reach->options->retry};
    struct http *http = http_new();
    int rc = 0;
    for (enum http_result result = HTTP_BROKEN; rc == 0 && result != HTTP_DONE;) {
        struct http_answer answer;
        result = ask(reach, http, out, &answer, err);
        if (result != HTTP_DONE)
            rc = retry_after(&retry, result, &answer, 0, &reach->source, err);
    }
    http_free(http);
    return rc ? err_wrap(err, "the %s", part->what) : 0;
}

/* ---- for another namespace ---- */

static int print(const struct json *list, bool as_json, struct str *out, struct err *err)
{
    if (as_json) {
        json_print(list, 4, out);
        str_putc(out, '\n');
        return 0;
    }
    for (const struct json *item = json_first(json_get(list, "items")); item;
         item = json_next(item)) {
        if (yaml_print(item, out, err))
            return -1;
        str_puts(out, "---\n");
    }
    return 0;
}

/* The manifests name the namespace that they are from, and kubectl refuses to apply them elsewhere. */
static int move(const struct str *text, const struct options *options, struct str *out,
                struct err *err)
{
    struct json *list = json_parse(str_get(text), text->len, err);

    if (!list)
        return err_wrap(err, "the manifest that the server sent");
    for (struct json *item = json_edit_first(json_edit(list, "items")); item;
         item = json_edit_next(item)) {
        if (json_edit(item, "metadata"))
            json_put(json_edit(item, "metadata"), "namespace",
                     json_new_string(options->manifest_namespace));
    }
    int rc = print(list, options->manifest_json, out, err);
    json_free(list);
    return rc;
}

static int fetch_part(struct reach *reach, struct part *part, struct str *out, struct err *err)
{
    if (!reach->options->manifest_namespace)
        return fetch(reach, part, out, err);
    cleanup_secret struct str text = STR_INIT;
    return fetch(reach, part, &text, err) ? -1 : move(&text, reach->options, out, err);
}

int download_manifests(struct exports *exports, const struct options *options,
                       struct output *output, struct err *err)
{
    struct reach reach;
    cleanup_secret struct str text = STR_INIT; /* the token is in it */
    int rc = reach_open(&reach, exports, options, err);

    if (rc == 0)
        rc = fetch_part(&reach, &ALL, &text, err);
    if (rc == 0 && options->include_secret)
        rc = fetch_part(&reach, &SECRET, &text, err);
    reach_close(&reach);
    if (rc == 0 && (rc = output_begin(output, NULL, err)) == 0 &&
        (rc = output_write(output, 0, str_get(&text), text.len, err)) == 0 &&
        (rc = output_finish(output, text.len, err)) == 0)
        say("%zu bytes of manifests written to %s", text.len, output_name(output));
    return rc;
}
