/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kubernetes objects that make an exported machine again in another namespace or cluster, with
 * CDI importing its disks from the export: what the pod gives out at /internal/manifests/all and
 * /external/manifests/all. They are KubeVirt's, as `virtctl vmexport download --manifest` expects.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

/* Everything is the caller's and only read. */
struct manifest_volume {
    const char *claim; /* the name that the machine uses: its DataVolume's or claim's */
    const char *path;  /* the name in the export's URLs: a claim that was restored has another */
    /* The PersistentVolumeClaim, of a snapshot the saved one: spec.accessModes, volumeMode and
     * resources, status.capacity. */
    const struct json *pvc;
    bool disk; /* given out as disk.img.gz; else as disk.tar.gz */
};

struct manifest_input {
    const char *export_name;
    /* As it is, or as the snapshot has it; NULL for the export of a claim. */
    const struct json *vm;
    const char *namespace_; /* of the machine, here and there */
    const struct manifest_volume *volumes;
    size_t volumes_count;
    /* What URLs begin with ("https://service.namespace.svc"), and the certificates to verify them
     * by in PEM: "" when the system's own will do. */
    const char *internal_base, *internal_ca;
    const char *external_base, *external_ca; /* NULL: there is no way in from outside */
};

/*
 * The data of the pod's ConfigMap, the caller's: an object of file names and texts, the same for the
 * same input (fcgi/manifest.c says what the files are). Without a machine it is `export-name` alone.
 *
 * ERR_INPUT when a volume of the machine is on a claim that isn't exported or has no size: better no
 * manifests than those of another machine. ERR_LIMIT when it is more than a ConfigMap takes.
 */
int manifests_build(const struct manifest_input *in, struct json **data, struct err *err);
