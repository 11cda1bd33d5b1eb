/* SPDX-License-Identifier: Apache-2.0 */
#include "download_manifests.h"
#include "base/yaml.h"
#include "kube/secret.h"
#include "reach.h"
#include "say.h"
#include "transfer/retry.h"

/* A machine's manifests are some kilobytes. */
enum { MANIFEST_MAX = 16 << 20 };

struct part {
    const char *type;
    const char *what;
};
static const struct part ALL = {"all", "manifest"};
static const struct part SECRET = {"auth-header-secret", "secret's manifest"};

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

/* Appends it once it is whole. */
static int fetch(struct reach *reach, const struct part *part, struct str *out, struct err *err)
{
    if (reach_choose(reach, choose, part, err))
        return -1;
    struct retry retry = {.max = reach->options->retry};
    struct http *http = http_new();
    bool json = reach->options->manifest_json || reach->options->manifest_namespace;
    for (int rc = 0; rc == 0;) {
        struct http_request request = {.url = reach->source.url,
                                       .accept = json ? "application/json" : "application/yaml"};
        struct http_answer answer;
        struct str body = STR_INIT;
        enum http_result result =
            http_text(http, &reach->source.peer, &request, MANIFEST_MAX, &body, &answer, err);
        if (result == HTTP_DONE)
            str_append(out, str_get(&body), body.len);
        str_free(&body);
        if (result == HTTP_DONE) {
            http_free(http);
            return 0;
        }
        rc = retry_after(&retry, result, &answer, 0, &reach->source, err);
    }
    http_free(http);
    return err_wrap(err, "the %s", part->what);
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

static int fetch_part(struct reach *reach, const struct part *part, struct str *out,
                      struct err *err)
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
