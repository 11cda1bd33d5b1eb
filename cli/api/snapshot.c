/* SPDX-License-Identifier: Apache-2.0 */
#include "api/snapshot.h"

#include "api/follow.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "export/names.h"
#include "kube/backoff.h"
#include "say.h"

#include <string.h>

#define KIND "VirtualMachineSnapshot"

static const char group[] = "snapshot.kubevirt.io";
static const char *const versions[] = {"v1", "v1beta1", "v1alpha1", NULL};

static int find_resource(struct cluster *cluster, struct kube_resource *resource, struct err *err)
{
    const char *version = versions[0];

    *resource = (struct kube_resource){group, NULL, "virtualmachinesnapshots", KIND, true};
    if (cluster_version(cluster, group, versions, &version, err) < 0) {
        if (err->class == ERR_NOT_FOUND)
            return err_set(
                err, ERR_NOT_FOUND,
                "the cluster has no snapshots of VirtualMachines: --snapshot-first needs "
                "KubeVirt there");
        if (err->class != ERR_FORBIDDEN)
            return -1;
        version = versions[1]; /* who may not ask what is served: what most serve is assumed */
    }
    resource->version = version;
    return 0;
}

/* KubeVirt would wait for one to come. */
static int check_machine(struct cluster *cluster, const char *vm, struct err *err)
{
    static const struct kube_resource machines = {"kubevirt.io", "v1", "virtualmachines",
                                                  "VirtualMachine", true};
    struct err why = {.class = ERR_NONE};
    int rc = kube_get(cluster->conn, &machines, cluster->ns, vm, NULL, &why);

    if (rc == -KUBE_NOT_FOUND)
        return err_set(err, ERR_NOT_FOUND, "VirtualMachine '%s/%s' does not exist", cluster->ns,
                       vm);
    if (rc == 0 || rc == -KUBE_FORBIDDEN)
        return 0;
    *err = why;
    return cluster_fail(rc, err);
}

/* ---- making it ---- */

/* "NAME-x7k2m": another one each time, as one of an earlier try may still be there. */
static char *make_name(const char *name)
{
    static const char characters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    enum { RANDOM = 5, ROOM = NAME_SUBDOMAIN_MAX - 1 - RANDOM };
    size_t len = strlen(name) < ROOM ? strlen(name) : ROOM;
    struct str out = STR_INIT;

    while (len && strchr("-.", name[len - 1]))
        len--;
    str_append(&out, name, len);
    str_putc(&out, '-');
    for (int i = 0; i < RANDOM; i++)
        str_putc(&out, characters[backoff_random(sizeof(characters) - 1)]);
    return str_steal(&out);
}

static struct json *make_object(const struct kube_resource *resource, const char *ns,
                                const char *name, const char *vm)
{
    cleanup_str struct str version = STR_INIT;

    str_printf(&version, "%s/%s", resource->group, resource->version);
    return json_format("{'apiVersion':%s,'kind':'" KIND "','metadata':{'name':%s,'namespace':%s},"
                       "'spec':{'source':{'apiGroup':'kubevirt.io','kind':'VirtualMachine',"
                       "'name':%s}}}",
                       str_get(&version), name, ns, vm);
}

/* ---- until it is ready ---- */

static const char *progress(const struct json *object)
{
    const struct json *conditions = json_at(object, "status.conditions");

    for (const struct json *c = json_first(conditions); c; c = json_next(c)) {
        const char *type = json_text(c, "type"), *reason = json_text(c, "reason");
        const char *message = json_text(c, "message");

        if (type && strcmp(type, "Progressing") == 0)
            return message && *message ? message : reason ? reason : "";
    }
    return "";
}

static const char *error_of(const struct json *object)
{
    const char *message = json_text(object, "status.error.message");

    return message ? message : progress(object);
}

static bool is_text(const struct json *json, const char *want)
{
    const char *text = json_string(json);

    return text && strcmp(text, want) == 0;
}

/* KubeVirt says in what state the machine was: without its agent nothing froze the file systems. */
static void say_ready(const struct cluster *cluster, const char *name, const struct json *object)
{
    const struct json *indications = json_at(object, "status.indications");

    say(KIND " '%s/%s' is ready to use", cluster->ns, name);
    for (const struct json *i = json_first(indications); i; i = json_next(i))
        if (is_text(i, "NoGuestAgent"))
            say_warning("the machine has no guest agent: its disks are as after a loss of power");
}

static int judge(struct cluster *cluster, const char *name, const struct json *object,
                 struct err *err)
{
    if (!object || json_text(object, "metadata.deletionTimestamp"))
        return err_set(err, ERR_UNAVAILABLE, KIND " '%s/%s' was deleted by somebody else",
                       cluster->ns, name);
    if (is_text(json_at(object, "status.phase"), "Failed"))
        return err_set(err, ERR_UNAVAILABLE, KIND " '%s/%s' has failed: %s", cluster->ns, name,
                       error_of(object));
    if (!json_bool(json_at(object, "status.readyToUse")))
        return 0;
    say_ready(cluster, name, object);
    return 1;
}

static int wait_for(struct cluster *cluster, const struct kube_resource *resource, const char *name,
                    uint64_t timeout_ms, struct err *err)
{
    struct follow *follow = follow_new(cluster, resource, name);
    uint64_t deadline = clock_ms() + timeout_ms;
    cleanup_free char *last = NULL;
    int rc = 0;

    while (rc == 0) {
        cleanup_json struct json *object = NULL;
        enum follow_news news = follow_next(follow, deadline, &object, err);

        if (news == FOLLOW_STATE)
            rc = judge(cluster, name, object, err);
        else if (news == FOLLOW_FAILED)
            rc = -1;
        else
            rc = err_set(err, ERR_UNAVAILABLE,
                         KIND " '%s/%s' was not ready to use after %g s%s%s; --readiness-timeout "
                              "sets how long to wait",
                         cluster->ns, name, (double)timeout_ms / 1000, last && *last ? ": " : "",
                         last ? last : "");
        if (rc == 0 && (!last || strcmp(last, error_of(object)))) {
            free(last);
            last = strdup(error_of(object));
            if (last && *last)
                say("waiting for " KIND " %s/%s: %s", cluster->ns, name, last);
        }
    }
    follow_free(follow);
    return rc < 0 ? -1 : 0;
}

int snapshot_make(struct cluster *cluster, const char *vm, const char *name, uint64_t timeout_ms,
                  char **snapshot, struct err *err)
{
    struct kube_resource resource;
    cleanup_free char *own = make_name(name);
    cleanup_json struct json *object = NULL;
    struct err ignored;
    int rc;

    if (find_resource(cluster, &resource, err) < 0 || check_machine(cluster, vm, err) < 0)
        return -1;
    object = make_object(&resource, cluster->ns, own, vm);
    rc = kube_create(cluster->conn, &resource, cluster->ns, object, NULL, err);
    if (rc < 0)
        return cluster_fail(rc, err);
    say(KIND " '%s/%s' of VirtualMachine '%s' created", cluster->ns, own, vm);
    if (wait_for(cluster, &resource, own, timeout_ms, err) < 0) {
        snapshot_delete(cluster, own, &ignored);
        return -1;
    }
    *snapshot = steal_ptr(own);
    return 0;
}

/* ---- what becomes of it ---- */

int snapshot_own(struct cluster *cluster, const char *snapshot, const struct json *object,
                 struct err *err)
{
    struct kube_resource resource;
    cleanup_json struct json *patch =
        json_format("{'metadata':{'ownerReferences':[{'apiVersion':%s,'kind':%s,'name':%s,"
                    "'uid':%s,'controller':false,'blockOwnerDeletion':false}]}}",
                    json_text(object, "apiVersion"), json_text(object, "kind"),
                    json_text(object, "metadata.name"), json_text(object, "metadata.uid"));
    int rc;

    if (find_resource(cluster, &resource, err) < 0)
        return -1;
    rc = kube_patch(cluster->conn, &resource, cluster->ns, snapshot, NULL, KUBE_PATCH_MERGE, patch,
                    NULL, err);
    return rc < 0 ? cluster_fail(rc, err) : 0;
}

int snapshot_delete(struct cluster *cluster, const char *snapshot, struct err *err)
{
    const struct kube_delete_options options = {.grace_seconds = -1};
    struct cluster spare = {.client = cluster->client, .ns = cluster->ns};
    struct kube_resource resource;
    int rc;

    spare.conn = cluster_spare(cluster);
    rc = find_resource(&spare, &resource, err);
    if (rc == 0) {
        rc = kube_delete(spare.conn, &resource, cluster->ns, snapshot, &options, NULL, err);
        rc = rc < 0 && rc != -KUBE_NOT_FOUND ? cluster_fail(rc, err) : 0;
    }
    kube_conn_free(spare.conn);
    if (rc < 0)
        return err_wrap(err, KIND " '%s/%s' is left behind", cluster->ns, snapshot);
    say(KIND " '%s/%s' deleted", cluster->ns, snapshot);
    return 0;
}
