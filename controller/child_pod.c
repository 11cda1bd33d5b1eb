/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The export pod. It mounts the volumes read-only at pod level, so that the kubelet rewrites no
 * owner or mode (but where an fsGroup is asked for), runs as the user that KubeVirt's disks belong
 * to, and passes the `restricted` profile
 * (https://kubernetes.io/docs/concepts/security/pod-security-standards/).
 *
 * A pod is replaced when what it was made for is no longer what is wanted (volumes, their state,
 * token): an annotation says what that was. Other settings take effect with the next pod, as a
 * change of them is no reason to cut downloads.
 */
#include "base/clock.h"
#include "plan.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

enum {
    GRACE_SECONDS = 30,     /* for downloads to end when the pod is deleted */
    GRACE_IN_USE = 1,       /* ... when somebody else needs the volume */
    RETRY_FAILED_AFTER = 5, /* seconds from the making of a pod that failed to the next one */
};

static const char *mount_path(struct world *world, const struct volume *volume)
{
    return world_printf(world, "%s/export-volumes/%s", volume->block ? "/dev" : "",
                        names_volume(volume->claim).text);
}

/*
 * Another value for each state that a foreign pod may have left the volume in. A claim that is
 * restored for the export goes by its name: it has no uid yet when its pod is made along with it.
 */
static const char *identity(struct children *children, const struct volume *volume)
{
    const char *which =
        children->source->restored ? volume->claim : json_text(volume->pvc, "metadata.uid");
    cleanup_json struct json *parts =
        json_format("[%s,%s,%d]", json_text(children->world->export, "metadata.uid"), which,
                    (int)children->generation);
    cleanup_str struct str digest = STR_INIT;

    kind_digest(parts, &digest);
    return world_printf(children->world, "%s", str_get(&digest));
}

/* VMEXPORT_VOLUMES: docs/architecture.md. */
static const char *volume_table(struct children *children)
{
    const struct source *source = children->source;
    cleanup_str struct str text = STR_INIT;

    for (size_t i = 0; i < source->count; i++)
        str_printf(&text, "%s %s %s %s\n", source->volumes[i].claim,
                   source->volumes[i].disk ? "disk" : "archive",
                   identity(children, &source->volumes[i]),
                   mount_path(children->world, &source->volumes[i]));
    return world_printf(children->world, "%s", str_get(&text));
}

/* ---- its volumes ---- */

/* What a machine's export has in its ConfigMap, a claim's gets from the pod itself: one object less
 * to make. */
static struct json *manifest_volume(struct children *children)
{
    struct world *world = children->world;

    if (children->source->vm)
        return json_format("{'name':'" NAMES_VOLUME_MANIFESTS "','configMap':{'name':%s}}",
                           names_manifest(world->settings->names, world->name).text);
    return json_format("{'name':'" NAMES_VOLUME_MANIFESTS "','downwardAPI':{'items':[{"
                       "'path':'export-name','fieldRef':{'fieldPath':%s}}]}}",
                       "metadata.annotations['vmexport.io/export-name']");
}

/*
 * The kubelet applies no fsGroup to a volume that is read-only here: so it is, unless just that is
 * asked for. For the container it is read-only in any case (add_mounts).
 */
static struct json *volumes(struct children *children)
{
    const struct source *source = children->source;
    struct child_user user;
    cleanup_json struct json *manifests = manifest_volume(children);
    struct json *out = json_format(
        "[{'name':'" NAMES_VOLUME_CERTIFICATES "','secret':{'secretName':%s}},"
        "{'name':'" NAMES_VOLUME_TOKEN "','secret':{'secretName':%s}},"
        "{'name':'" NAMES_VOLUME_RUN "','emptyDir':{'medium':'Memory','sizeLimit':'64Mi'}},%j]",
        children->tls, children->token, manifests);

    child_user_wanted(children->world, &user);
    for (size_t i = 0; i < source->count; i++)
        json_append(out, json_format("{'name':%s,'persistentVolumeClaim':{'claimName':%s,"
                                     "'readOnly':%b}}",
                                     names_volume(source->volumes[i].claim).text,
                                     source->volumes[i].claim,
                                     source->volumes[i].block || user.fs_group < 1));
    return out;
}

static void add_mounts(struct children *children, struct json *container)
{
    const struct source *source = children->source;
    struct json *mounts =
        json_format("[{'name':'" NAMES_VOLUME_CERTIFICATES "','mountPath':'/cert',"
                    "'readOnly':true},{'name':'" NAMES_VOLUME_TOKEN
                    "','mountPath':'/token','readOnly':true},{'name':'" NAMES_VOLUME_RUN
                    "','mountPath':'/run/vmexport'},{'name':'" NAMES_VOLUME_MANIFESTS
                    "','mountPath':'/manifest_data','readOnly':true}]");
    struct json *devices = json_new_array();

    for (size_t i = 0; i < source->count; i++) {
        const struct volume *volume = &source->volumes[i];
        const char *path = mount_path(children->world, volume);

        if (volume->block)
            json_append(devices, json_format("{'name':%s,'devicePath':%s}",
                                             names_volume(volume->claim).text, path));
        else
            json_append(mounts, json_format("{'name':%s,'mountPath':%s,'readOnly':true}",
                                            names_volume(volume->claim).text, path));
    }
    json_set(container, "volumeMounts", mounts);
    json_set(container, "volumeDevices", devices);
}

/* ---- the rest of it ---- */

/* The kubelet first looks a second after it has taken the pod on, and then each period: with a startup
 * probe before, or a longer period, an export is Ready half a second later, or more. */
static struct json *container(struct children *children)
{
    struct world *world = children->world;
    const struct settings *settings = world->settings;
    struct json *out = json_format(
        "{'name':'exporter','image':%s,'imagePullPolicy':%s,"
        "'command':['/usr/libexec/vmexport/pod'],'resources':%j,"
        "'ports':[{'name':'https','containerPort':8443,'protocol':'TCP'}],"
        "'env':[{'name':'VMEXPORT_VOLUMES','value':%s},{'name':'VMEXPORT_PREFIX','value':%s},"
        "{'name':'VMEXPORT_GRACE_SECONDS','value':'%d'}],"
        "'securityContext':{'allowPrivilegeEscalation':false,'readOnlyRootFilesystem':true,"
        "'capabilities':{'drop':['ALL']}},"
        "'readinessProbe':{'httpGet':{'scheme':'HTTPS','path':'/exportready','port':8443},"
        "'periodSeconds':1,'timeoutSeconds':5,'failureThreshold':3}}",
        settings->image, settings->image_pull_policy, settings->resources, volume_table(children),
        world_printf(world, "/api/%s/v1/namespaces/%s/virtualmachineexports/%s",
                     settings->api_group, world->ns, world->name),
        GRACE_SECONDS - 5);

    add_mounts(children, out);
    return out;
}

static struct json *security(const struct world *world)
{
    struct child_user user;
    struct json *out;

    child_user_wanted(world, &user); /* what cannot be read keeps a pod from being made */
    out = json_format("{'runAsNonRoot':true,'runAsUser':%d,'runAsGroup':%d,"
                      "'seccompProfile':{'type':'RuntimeDefault'}}",
                      user.user, user.group);
    if (user.fs_group > 0)
        json_set(out, "fsGroup", json_new_number(user.fs_group));
    return out;
}

/*
 * A ReadWriteOnce volume may still be attached where a pod that has ended used it, or be mounted
 * where another export reads it: that node is preferred.
 */
static const char *node_of(struct children *children)
{
    const struct source *source = children->source;

    for (size_t i = 0; i < source->count; i++) {
        const struct json *pods =
            world_find(children->world, KIND_POD, PODS_BY_CLAIM, source->volumes[i].claim);

        for (const struct json *p = json_first(pods); p && !source->volumes[i].shared;
             p = json_next(p))
            if (json_text(p, "node"))
                return json_text(p, "node");
    }
    return NULL;
}

static struct json *affinity(struct children *children)
{
    const char *node = node_of(children);
    struct json *out = json_copy(children->world->settings->affinity);

    if (node && !json_get(out, "nodeAffinity"))
        json_set(out, "nodeAffinity",
                 json_format("{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':100,"
                             "'preference':{'matchFields':[{'key':'metadata.name',"
                             "'operator':'In','values':[%s]}]}}]}",
                             node));
    return out;
}

static void add_all(struct json *into, const struct json *from)
{
    for (const struct json *value = json_first(from); value; value = json_next(value))
        json_put(into, json_key(value), json_copy(value));
}

static struct json *pull_secrets(const struct settings *settings)
{
    struct json *out = json_new_array();

    for (const struct json *s = json_first(settings->image_pull_secrets); s; s = json_next(s))
        json_append(out, json_format("{'name':%s}", json_string(s)));
    return out;
}

static struct json *spec(struct children *children)
{
    const struct settings *settings = children->world->settings;
    cleanup_json struct json *inner = container(children), *all = volumes(children);
    cleanup_json struct json *context = security(children->world), *near = affinity(children);
    cleanup_json struct json *secrets = pull_secrets(settings);
    struct json *out = json_format(
        "{'restartPolicy':'Always','automountServiceAccountToken':false,"
        "'enableServiceLinks':false,'terminationGracePeriodSeconds':%d,'securityContext':%j,"
        "'containers':[%j],'volumes':%j,'affinity':%j,'nodeSelector':%j,'tolerations':%j,"
        "'imagePullSecrets':%j}",
        GRACE_SECONDS, context, inner, all, near, settings->node_selector, settings->tolerations,
        secrets);

    if (settings->priority_class)
        json_set_string(out, "priorityClassName", settings->priority_class);
    return out;
}

/* What a running pod cannot take on. */
static void made_for(struct children *children, struct str *out)
{
    cleanup_json struct json *context = security(children->world);
    cleanup_json struct json *parts =
        json_format("[%s,%s,%s,%b,%j]", volume_table(children), children->token, children->tls,
                    children->source->vm != NULL, context);

    kind_digest(parts, out);
}

static const struct json *wanted(struct children *children, const char *name, const char *digest)
{
    struct world *world = children->world;
    cleanup_json struct json *metadata = child_metadata(children, name, true);
    cleanup_json struct json *whole = spec(children);
    struct json *labels = json_edit(metadata, "labels");
    struct json *annotations = json_edit(metadata, "annotations");

    add_all(labels, world->settings->pod_labels);
    add_all(annotations, world->settings->pod_annotations);
    json_put(labels, MANAGED_BY_LABEL, json_new_string(MANAGED_BY));
    json_put(labels, "kubevirt.io", json_new_string("virt-exporter"));
    json_put(labels, names_label_key(world->settings->names),
             json_new_string(names_label(world->name).text));
    json_put(annotations, "vmexport.io/export-name",
             json_new_string(names_imported(world->name).text));
    json_put(annotations, POD_MADE_FOR, json_new_string(digest));
    return world_keep(world, json_format("{'apiVersion':'v1','kind':'Pod','metadata':%j,'spec':%j}",
                                         metadata, whole));
}

static void create(struct children *children, const char *name, const char *digest)
{
    struct step *step = plan_step(children->plan, STEP_CREATE, KIND_POD, name);

    step->object = wanted(children, name, digest);
    step->event = (struct step_event){
        "Normal", "ExporterPodCreated",
        world_printf(children->world, "Created exporter pod %s/%s", children->world->ns, name)};
}

static void delete (struct children *children, const struct json *pod, int grace,
                    const char *reason, const char *message)
{
    struct step *step =
        plan_step(children->plan, STEP_DELETE, KIND_POD, json_text(pod, "metadata.name"));

    step->uid = json_text(pod, "metadata.uid");
    step->grace = grace;
    step->event = (struct step_event){"Warning", reason, message};
}

/* A pod that failed at once would fail at once again: the next one waits a while. */
static void replace_ended(struct children *children, const struct json *pod, const char *phase)
{
    struct world *world = children->world;
    time_t made = 0;

    clock_parse_seconds(json_text(pod, "metadata.creationTimestamp"), &made);
    if (made + RETRY_FAILED_AFTER > world->now) {
        plan_look_again(children->plan, made + RETRY_FAILED_AFTER);
        return;
    }
    delete (children, pod, -1, "ExporterPodFailedOrCompleted",
            world_printf(world, "Exporter pod %s/%s is in phase %s%s", world->ns,
                         json_text(pod, "metadata.name"), phase, status_pod_trouble(world, pod)));
}

/* It ends already; somebody else needs the volume sooner than that. */
static void hasten(struct children *children, const struct json *pod)
{
    const struct json *grace = json_at(pod, "metadata.deletionGracePeriodSeconds");

    if (children->source->in_use && json_number(grace, 0) > GRACE_IN_USE)
        delete (children, pod, GRACE_IN_USE, "ExportPaused", children->source->ready.message);
}

static const char *outdated(struct world *world, const struct json *pod, const char *name)
{
    if (child_user_changed(world, pod))
        return world_printf(
            world,
            "Exporter pod %s/%s was made for another user or group: the annotation " EXPORT_RUN_AS
            " or " EXPORT_FS_GROUP " has changed",
            world->ns, name);
    return world_printf(world,
                        "Exporter pod %s/%s was made for other volumes, another state of them, "
                        "another token, or another user or group",
                        world->ns, name);
}

void child_pod(struct children *children)
{
    struct world *world = children->world;
    const char *name =
        world_printf(world, "%s", names_pod(world->settings->names, world->name).text);
    const struct json *pod = world_get(world, KIND_POD, name);
    const char *phase = json_text(pod, "phase"), *made;
    cleanup_str struct str digest = STR_INIT;

    if (child_taken(children, KIND_POD, name, pod))
        return;
    if (json_at(pod, "metadata.deletionTimestamp")) {
        hasten(children, pod);
        return;
    }
    if (children->trouble.type || !children->source->available) {
        if (pod)
            delete (children, pod, children->source->in_use ? GRACE_IN_USE : -1, "ExportPaused",
                    children->trouble.type ? children->trouble.message
                                           : children->source->ready.message);
        return;
    }
    made_for(children, &digest);
    made = json_string(json_get(json_at(pod, "metadata.annotations"), POD_MADE_FOR));
    if (!pod)
        create(children, name, str_get(&digest));
    else if (kind_has_ended(phase))
        replace_ended(children, pod, phase);
    else if (!made || strcmp(made, str_get(&digest))) {
        children->outdated = true;
        delete (children, pod, -1, "ExporterPodOutdated", outdated(world, pod, name));
    }
}
