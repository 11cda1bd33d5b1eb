/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk is found by the name of its claim and by nothing else, neither by its place in a list nor
 * by what a URL contains: a machine restored from another's disk looks like a success.
 *
 * A machine's volume that is a DataVolume or a claim is imported by the machine's own template of
 * that name where it has one, else by a DataVolume of that name beside it, of which CDI makes the
 * claim. What else a machine may refer to (memory dumps, state, ConfigMaps, Secrets) isn't imported.
 */
#include "manifests.h"
#include "base/cleanup.h"
#include "export/names.h"
#include "quantity.h"

#include <stdio.h>
#include <string.h>

/* What Kubernetes lets the values of a ConfigMap take together
 * (https://kubernetes.io/docs/concepts/configuration/configmap/). */
enum { CONFIGMAP_MAX = 1 << 20 };

/* Of an annotation that says once more what the object was when it was applied. */
#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* One way in: the objects are the same on both but for URLs and certificates. */
struct side {
    const char *name, *base, *ca;
};

/* ---- where a disk is imported from ---- */

static const struct manifest_volume *find_exported(const struct manifest_input *in,
                                                   const char *claim)
{
    for (size_t i = 0; i < in->volumes_count; i++)
        if (strcmp(in->volumes[i].claim, claim) == 0)
            return &in->volumes[i];
    return NULL;
}

static struct json *http_source(const struct manifest_input *in, const struct side *side,
                                const struct manifest_volume *volume)
{
    cleanup_str struct str url = STR_INIT;
    struct json *source;

    str_printf(&url, "%s/volumes/", side->base);
    str_url_path(&url, volume->path);
    str_puts(&url, volume->disk ? "/disk.img.gz" : "/disk.tar.gz");
    source = json_format("{'http':{'url':%s,'secretExtraHeaders':[%s]}}", str_get(&url),
                         names_imported_header(in->export_name).text);
    if (*side->ca)
        json_set_string(json_edit(source, "http"), "certConfigMap",
                        names_imported_ca(in->export_name).text);
    return source;
}

/* Makes the spec of a DataVolume, or of a template of one, import the volume. */
static void set_source(struct json *spec, const struct manifest_input *in, const struct side *side,
                       const struct manifest_volume *volume)
{
    /* Belong to the source that it had. */
    static const char *const others[] = {"sourceRef", "checkpoints", "finalCheckpoint"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        json_free(json_take(spec, others[i]));
    json_put(spec, "source", http_source(in, side, volume));
    if (!volume->disk || json_get(spec, "contentType"))
        json_put(spec, "contentType", json_new_string(volume->disk ? "kubevirt" : "archive"));
}

/* Copies the list or map of a key, if there is something in it. */
static void copy_list(struct json *to, const struct json *from, const char *key)
{
    const struct json *list = json_get(from, key);

    if (json_count(list))
        json_set(to, key, json_copy(list));
}

/* ---- DataVolumes ---- */

/*
 * What it takes to hold the claim's content anywhere. Not its storage class, which the other cluster
 * may not have, and not its limits, which may be below the capacity that the claim got.
 */
static int new_storage(const struct manifest_volume *volume, struct json **storage, struct err *err)
{
    const struct json *spec = json_get(volume->pvc, "spec");
    const char *mode = json_text(spec, "volumeMode");
    const char *size = quantity_larger(json_text(spec, "resources.requests.storage"),
                                       json_text(volume->pvc, "status.capacity.storage"));

    if (!size)
        return err_set(err, ERR_INPUT,
                       "claim '%s' has no size, without which its disk cannot be imported",
                       volume->claim);
    *storage = json_format("{'volumeMode':%s,'resources':{'requests':{'storage':%s}}}",
                           mode ? mode : "Filesystem", size); /* Kubernetes' default */
    copy_list(*storage, spec, "accessModes");
    return 0;
}

static int append_datavolume(struct json *objects, const struct manifest_input *in,
                             const struct side *side, const struct manifest_volume *volume,
                             struct err *err)
{
    struct json *storage = NULL, *datavolume;

    if (new_storage(volume, &storage, err) < 0)
        return -1;
    datavolume = json_format("{'kind':'DataVolume','apiVersion':'cdi.kubevirt.io/v1beta1',"
                             "'metadata':{'name':%s,'namespace':%s},'spec':{}}",
                             volume->claim, in->namespace_);
    set_source(json_edit(datavolume, "spec"), in, side, volume);
    json_set(json_edit(datavolume, "spec"), "storage", storage);
    json_append(objects, datavolume);
    return 0;
}

/* ---- the machine ---- */

/* The claim of one of the machine's volumes; NULL when it is none that is imported. */
static const char *claim_of(const struct json *volume)
{
    const char *name = json_text(volume, "dataVolume.name");

    return name ? name : json_text(volume, "persistentVolumeClaim.claimName");
}

/* Whether one of the volumes before `volume` is on the same claim. */
static bool is_repeated(const struct json *volumes, const struct json *volume)
{
    for (const struct json *v = json_first(volumes); v != volume; v = json_next(v))
        if (claim_of(v) && strcmp(claim_of(v), claim_of(volume)) == 0)
            return true;
    return false;
}

/* What a machine's metadata says of the machine and not of its life in this cluster. */
static struct json *new_metadata(const struct manifest_input *in)
{
    const struct json *given = json_get(in->vm, "metadata");
    struct json *metadata =
        json_format("{'name':%s,'namespace':%s}", json_text(given, "name"), in->namespace_);

    copy_list(metadata, given, "labels");
    copy_list(metadata, given, "annotations");
    json_free(json_take(json_edit(metadata, "annotations"), LAST_APPLIED));
    return metadata;
}

static struct json *new_machine(const struct manifest_input *in)
{
    /* Where the type is named still (nobody could expand it), its revision is this cluster's. */
    static const char *const types[] = {"spec.instancetype", "spec.preference"};
    cleanup_json struct json *metadata = new_metadata(in);
    struct json *machine =
        json_format("{'kind':'VirtualMachine','apiVersion':'kubevirt.io/v1','metadata':%j,"
                    "'spec':%j}",
                    metadata, json_get(in->vm, "spec"));

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        json_free(json_take(json_edit(machine, types[i]), "revisionName"));
    return machine;
}

/* Lets the machine's own templates of the volume import it; false when there is none. */
static bool set_templates(struct json *machine, const struct manifest_input *in,
                          const struct side *side, const struct manifest_volume *volume)
{
    bool any = false;

    for (struct json *t = json_edit_first(json_edit(machine, "spec.dataVolumeTemplates")); t;
         t = json_edit_next(t)) {
        const char *name = json_text(t, "metadata.name");

        if (!name || strcmp(name, volume->claim) != 0)
            continue;
        if (json_kind(json_get(t, "spec")) != JSON_OBJECT)
            json_put(t, "spec", json_new_object());
        set_source(json_edit(t, "spec"), in, side, volume);
        any = true;
    }
    return any;
}

/* Gives each of the machine's volumes its disk, in their order. */
static int append_disks(struct json *objects, struct json *machine, const struct manifest_input *in,
                        const struct side *side, struct err *err)
{
    const struct json *volumes = json_at(in->vm, "spec.template.spec.volumes");

    for (const struct json *v = json_first(volumes); v; v = json_next(v)) {
        const char *claim = claim_of(v), *name = json_text(v, "name");
        const struct manifest_volume *volume;

        if (!claim || is_repeated(volumes, v))
            continue;
        volume = find_exported(in, claim);
        if (!volume)
            return err_set(err, ERR_INPUT,
                           "its volume '%s' is on '%s', which is not among the exported: remove "
                           "the volume from the machine, or create what it names",
                           name ? name : "", claim);
        if (!set_templates(machine, in, side, volume) &&
            append_datavolume(objects, in, side, volume, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- files ---- */

static int build_side(const struct manifest_input *in, const struct side *side,
                      struct json *objects, struct err *err)
{
    struct json *machine = new_machine(in);

    if (*side->ca) /* CDI itself reads any key, its nbdkit `tls.crt` only, others KubeVirt's */
        json_append(objects,
                    json_format("{'kind':'ConfigMap','apiVersion':'v1','metadata':"
                                "{'name':%s},'data':{'ca.pem':%s,'tls.crt':%s}}",
                                names_imported_ca(in->export_name).text, side->ca, side->ca));
    json_append(objects, machine);
    return append_disks(objects, machine, in, side, err);
}

/* Files are given out in the byte order of their names: all numbers have as many digits. */
static void add_files(struct json *data, const char *side, const struct json *objects)
{
    int digits = snprintf(NULL, 0, "%02zu", json_count(objects) - 1);
    size_t i = 0;

    for (const struct json *o = json_first(objects); o; o = json_next(o)) {
        cleanup_str struct str name = STR_INIT, text = STR_INIT;

        str_printf(&name, "%s.%0*zu.json", side, digits, i++);
        json_print(o, 0, &text);
        json_set_string(data, str_get(&name), str_get(&text));
    }
}

static int check_size(const struct json *data, struct err *err)
{
    size_t size = 0;

    for (const struct json *file = json_first(data); file; file = json_next(file))
        size += strlen(json_string(file));
    if (size > CONFIGMAP_MAX)
        return err_set(err, ERR_LIMIT,
                       "%zu bytes are more than the %d that a ConfigMap takes: shorten the "
                       "machine's annotations, or move its cloud-init data into a Secret",
                       size, (int)CONFIGMAP_MAX);
    return 0;
}

static int add_sides(struct json *data, const struct manifest_input *in, struct err *err)
{
    const struct side sides[] = {{"external", in->external_base, in->external_ca},
                                 {"internal", in->internal_base, in->internal_ca}};

    if (!json_text(in->vm, "metadata.name") || json_kind(json_get(in->vm, "spec")) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "it has no name or no spec");
    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        cleanup_json struct json *objects = json_new_array();

        if (!sides[i].base)
            continue;
        if (build_side(in, &sides[i], objects, err) < 0)
            return -1;
        add_files(data, sides[i].name, objects);
    }
    return check_size(data, err);
}

int manifests_build(const struct manifest_input *in, struct json **data, struct err *err)
{
    cleanup_json struct json *files =
        json_format("{'export-name':%s}", names_imported(in->export_name).text);
    const char *name = json_text(in->vm, "metadata.name");

    if (in->vm && add_sides(files, in, err) < 0)
        return err_wrap(err, "cannot make manifests of virtual machine '%s'", name ? name : "");
    *data = steal_ptr(files);
    return 0;
}
