/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is sent for each operation. An empty name is refused, as it would turn a request about one
 * object into one about all.
 */
#include "client.h"
#include "base/cleanup.h"
#include "kube/conn.h"
#include "kube/parse.h"
#include "kube/path.h"

#include <stdlib.h>
#include <string.h>

/* ---- one operation ---- */

/* What it is about: for the path and for messages. */
struct subject {
    const struct kube_resource *resource;
    const char *ns;
    const char *name; /* NULL: the collection */
    const char *subresource;
    const char *const *unread; /* of the answer; NULL: nothing */
};

static int explain(const struct subject *subject, enum kube_verb verb, int rc, struct err *err)
{
    const char *ns = subject->resource->namespaced ? subject->ns : NULL;

    if (subject->name)
        err_wrap(err, "cannot %s %s%s%s '%s%s%s'", kube_verb_name(verb), subject->resource->kind,
                 subject->subresource ? "/" : "", subject->subresource ? subject->subresource : "",
                 ns ? ns : "", ns ? "/" : "", subject->name);
    else
        err_wrap(err, "cannot %s %s%s%s%s", kube_verb_name(verb), subject->resource->plural,
                 ns ? " in namespace '" : "", ns ? ns : "", ns ? "'" : "");
    return rc;
}

static int put_object(struct kube_conn *conn, const struct subject *subject, enum kube_verb verb,
                      struct err *err)
{
    const struct kube_resource *resource = subject->resource;

    if (resource->namespaced && (!subject->ns || !path_is_segment(subject->ns))) {
        err_set(err, ERR_INPUT, "it needs the namespace that it is in");
        return explain(subject, verb, -KUBE_BAD_REQUEST, err);
    }
    if (!path_is_segment(subject->name)) {
        err_set(err, ERR_INPUT, "that is no name");
        return explain(subject, verb, -KUBE_BAD_REQUEST, err);
    }
    path_collection(&conn->path, resource, subject->ns);
    if (verb == KUBE_VERB_CREATE)
        return 0;
    path_segment(&conn->path, subject->name);
    if (subject->subresource)
        path_segment(&conn->path, subject->subresource);
    return 0;
}

static void put_body(struct kube_conn *conn, const struct json *json)
{
    str_clear(&conn->body);
    json_print(json, 0, &conn->body);
}

/* Go writes an empty list's items as null or leaves them out. */
static bool is_list(const struct json *object, const char *kind)
{
    enum json_kind items = json_kind(json_get(object, "items"));

    return kind && str_ends(kind, "List") && (items == JSON_ARRAY || items == JSON_NULL);
}

static const char any_list[] = "List";

/* The answer's object; NULL when it is not of this kind (NULL: of any; any_list). */
static struct json *parse_answer(struct kube_conn *conn, const char *kind,
                                 const char *const *unread, struct err *err)
{
    const struct str *body = &conn->answer.body;
    struct json *object = kube_parse(str_get(body), body->len, unread, err);
    const char *is = json_text(object, "kind");
    bool fits;

    if (!object) {
        err_wrap(err, "the answer is no JSON");
        return NULL;
    }
    if (kind == any_list)
        fits = is_list(object, is);
    else
        fits = json_kind(object) == JSON_OBJECT && (!kind || (is && strcmp(is, kind) == 0));
    if (fits)
        return object;
    err_set(err, ERR_SYSTEM, "the answer is no %s but %s", kind ? kind : "object",
            is ? is : "a value without a kind");
    json_free(object);
    return NULL;
}

/* Sends what is in conn->path and conn->body and takes the answer's object, when it is asked for. */
static int send_about(struct kube_conn *conn, const struct subject *subject,
                      const struct kube_request *request, const char *kind, struct json **out,
                      struct err *err)
{
    int rc = kube_conn_send(conn, request, err);

    if (rc == 0 && out) {
        *out = parse_answer(conn, kind, subject->unread, err);
        rc = *out ? 0 : -KUBE_MALFORMED;
    }
    return rc == 0 ? 0 : explain(subject, request->verb, rc, err);
}

static int send_object(struct kube_conn *conn, const struct subject *subject,
                       const struct kube_request *request, struct json **out, struct err *err)
{
    return send_about(conn, subject, request, subject->resource->kind, out, err);
}

/* ---- objects ---- */

static const char json_content[] = "Content-Type: application/json";

int kube_get(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
             const char *name, struct json **out, struct err *err)
{
    struct subject subject = {.resource = resource, .ns = ns, .name = name};
    struct kube_request request = {.verb = KUBE_VERB_GET};
    int rc = put_object(conn, &subject, request.verb, err);

    return rc < 0 ? rc : send_object(conn, &subject, &request, out, err);
}

int kube_create(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
                const struct json *object, struct json **out, struct err *err)
{
    const char *name = json_text(object, "metadata.name");
    const char *prefix = json_text(object, "metadata.generateName");
    struct subject subject = {.resource = resource,
                              .ns = ns,
                              .name = name     ? name
                                      : prefix ? prefix
                                               : ""};
    struct kube_request request = {.verb = KUBE_VERB_CREATE, .content_type = json_content};
    int rc = put_object(conn, &subject, request.verb, err);

    if (rc < 0)
        return rc;
    put_body(conn, object);
    return send_object(conn, &subject, &request, out, err);
}

int kube_update(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
                const char *name, const struct json *object, struct json **out, struct err *err)
{
    struct subject subject = {.resource = resource, .ns = ns, .name = name};
    struct kube_request request = {.verb = KUBE_VERB_UPDATE, .content_type = json_content};
    int rc = put_object(conn, &subject, request.verb, err);

    if (rc < 0)
        return rc;
    put_body(conn, object);
    return send_object(conn, &subject, &request, out, err);
}

int kube_patch(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
               const char *name, const char *subresource, enum kube_patch type,
               const struct json *patch, struct json **out, struct err *err)
{
    static const char *const contents[] = {
        [KUBE_PATCH_MERGE] = "Content-Type: application/merge-patch+json",
        [KUBE_PATCH_APPLY] = "Content-Type: application/apply-patch+yaml", /* JSON is YAML */
    };
    struct subject subject = {
        .resource = resource, .ns = ns, .name = name, .subresource = subresource};
    struct kube_request request = {.verb = KUBE_VERB_PATCH, .content_type = contents[type]};
    int rc = put_object(conn, &subject, request.verb, err);

    if (rc < 0)
        return rc;
    if (type == KUBE_PATCH_APPLY) {
        cleanup_str struct str manager = STR_INIT;

        kube_conn_field_manager(conn, &manager);
        path_query(&conn->path, "fieldManager", str_get(&manager));
        path_query(&conn->path, "force", "true");
    }
    put_body(conn, patch);
    return send_object(conn, &subject, &request, out, err);
}

static struct json *make_delete_options(const struct kube_delete_options *options)
{
    struct json *json = json_format("{'apiVersion': 'v1', 'kind': 'DeleteOptions',"
                                    " 'propagationPolicy': 'Background',"
                                    " 'preconditions': {'uid': %s, 'resourceVersion': %s}}",
                                    options->uid, options->version);

    if (options->grace_seconds >= 0)
        json_set(json, "gracePeriodSeconds", json_new_number(options->grace_seconds));
    return json;
}

/*
 * Whether the object that a DELETE was answered with is still there: the server answers for one that
 * is gone with a Status, or, depending on the kind, with what it was.
 */
static bool is_left(const struct json *object)
{
    if (!json_text(object, "metadata.deletionTimestamp"))
        return false;
    return json_number(json_at(object, "metadata.deletionGracePeriodSeconds"), 0) > 0 ||
           json_count(json_at(object, "metadata.finalizers")) > 0;
}

int kube_delete(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
                const char *name, const struct kube_delete_options *options, struct json **left,
                struct err *err)
{
    struct subject subject = {.resource = resource, .ns = ns, .name = name};
    struct kube_request request = {.verb = KUBE_VERB_DELETE, .content_type = json_content};
    cleanup_json struct json *sent = make_delete_options(options);
    int rc = put_object(conn, &subject, request.verb, err);

    if (rc < 0)
        return rc;
    put_body(conn, sent);
    rc = send_about(conn, &subject, &request, NULL, left, err);
    if (rc == 0 && left && !is_left(*left)) {
        json_free(*left);
        *left = NULL;
    }
    return rc;
}

/* ---- lists and watches ---- */

static void put_selection(struct kube_conn *conn, const struct kube_selection *what)
{
    path_collection(&conn->path, what->resource, what->ns);
    path_query(&conn->path, "fieldSelector", what->field_selector);
    path_query(&conn->path, "labelSelector", what->label_selector);
}

int kube_list(struct kube_conn *conn, const struct kube_selection *what, unsigned limit,
              const char *version, const char *continue_token, struct json **out, struct err *err)
{
    struct subject subject = {.resource = what->resource, .ns = what->ns, .unread = what->unread};
    struct kube_request request = {.verb = KUBE_VERB_LIST};

    if (what->metadata_only)
        request.accept = "Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    put_selection(conn, what);
    if (limit)
        path_query_number(&conn->path, "limit", limit);
    path_query(&conn->path, "resourceVersion", version);
    path_query(&conn->path, "continue", continue_token);
    return send_about(conn, &subject, &request, any_list, out, err);
}

int kube_watch(struct kube_conn *conn, const struct kube_selection *what,
               const struct kube_watch_options *options, kube_bytes_fn *bytes, void *ctx,
               struct err *err)
{
    enum { GRACE_SECONDS = 30 }; /* for the server to end the watch itself */
    struct subject subject = {.resource = what->resource, .ns = what->ns};
    struct kube_request request = {
        .verb = KUBE_VERB_WATCH,
        .bytes = bytes,
        .bytes_ctx = ctx,
        .watch_seconds = options->timeout_seconds + GRACE_SECONDS,
    };

    if (what->metadata_only)
        request.accept = "Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    put_selection(conn, what);
    path_query(&conn->path, "watch", "true");
    path_query(&conn->path, "allowWatchBookmarks", "true");
    path_query_number(&conn->path, "timeoutSeconds", options->timeout_seconds);
    path_query(&conn->path, "resourceVersion", options->version);
    if (options->initial_events) {
        path_query(&conn->path, "sendInitialEvents", "true");
        path_query(&conn->path, "resourceVersionMatch", "NotOlderThan");
    }
    return send_about(conn, &subject, &request, NULL, NULL, err);
}

/* ---- the rest ---- */

int kube_get_path(struct kube_conn *conn, const char *path, struct json **out, struct err *err)
{
    struct kube_request request = {.verb = KUBE_VERB_GET};
    int rc;

    str_clear(&conn->path);
    str_puts(&conn->path, path);
    rc = kube_conn_send(conn, &request, err);
    if (rc == 0 && out) {
        *out = parse_answer(conn, NULL, NULL, err);
        rc = *out ? 0 : -KUBE_MALFORMED;
    }
    if (rc < 0)
        err_wrap(err, "cannot get '%s'", path);
    return rc;
}
