/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of objects that the controller looks at, in one table: where each is served, whether it
 * may be missing, what is kept of an object and by what it is found. What is kept is little, as
 * whole clusters of pods and volumes pass by.
 */
#pragma once

#include "kube/reflector.h"
#include "settings.h"

enum kind {
    KIND_EXPORT,
    KIND_POD,
    KIND_SERVICE,
    KIND_SECRET, /* metadata only: a Secret's data is read where it is needed, by GET */
    KIND_CONFIGMAP,
    KIND_PVC,
    KIND_INGRESS,
    KIND_ROUTE,
    KIND_OWN_SECRET, /* of the controller's namespace: the CA, certificates of Ingresses */
    KIND_DATAVOLUME,
    KIND_VM,
    KIND_VMI,
    KIND_VMSNAPSHOT,
    KIND_VMSNAPSHOTCONTENT,
    KIND_VOLUMESNAPSHOT,
    KIND_KUBEVIRT,
    KIND_CRD, /* metadata only: which optional kinds there are, who serves our own group */
    KINDS,
};

/* Indexes; each is of the one kind in its name. */
enum {
    EXPORTS_BY_SOURCE = 0, /* "<kind>/<namespace>/<name>" */
    EXPORTS_BY_TOKEN = 1,  /* "<namespace>/<secret>" */
    EXPORTS_BY_PHASE = 2,  /* "" for none */
    PODS_BY_CLAIM = 0,     /* "<namespace>/<claim>" */
    PVCS_BY_STATE_OF = 0,  /* "<namespace>/<vm>": volumes with a machine's TPM and firmware state */
    VMS_BY_CLAIM = 0,      /* "<namespace>/<claim>" */
    CONTENTS_BY_SNAPSHOT = 0, /* "<namespace>/<volume snapshot>" */
};

/* The label and its value on every object that we make; watches of Services and ConfigMaps ask for
 * it, so that a cluster's other ones stay away. */
#define MANAGED_BY_LABEL "app.kubernetes.io/managed-by"
#define MANAGED_BY "vmexport-controller"
/* The CA, in the controller's namespace. */
#define CA_SECRET "vmexport-ca"
/* The certificates in use of it, beside it. */
#define CA_CONFIGMAP "vmexport-ca"

struct kind_info {
    struct kube_resource resource; /* of exports: `group` is filled in from the settings */
    bool optional;                 /* its CRD may be missing */
    bool metadata_only;
    bool own_namespace; /* only the controller's namespace is watched */
    const char *label_selector;
    const char *const *unread; /* arrays that keep does not look at: see struct kube_selection */
    kube_keep_fn *keep;        /* its ctx is a struct kind_context, as that of changes */
    kube_index_fn *indexes[KUBE_STORE_INDEXES_MAX];
};

extern const struct kind_info kind_table[KINDS];

/* What a store's functions are given. */
struct kind_context {
    enum kind kind;
    const struct settings *settings;
    struct kube_store *exports;
    void *listener; /* of changes */
};

/* The name of a kind's CRD: "virtualmachines.kubevirt.io". */
void kind_crd_name(enum kind kind, struct str *out);

/* 32 hex digits that stand for a tree as it is printed (the order of keys matters). */
void kind_digest(const struct json *json, struct str *out);

/* The claim that a machine's volume names: a DataVolume's, a claim's or a memory dump's; NULL for
 * all other volumes. */
const char *kind_volume_claim(const struct json *volume);
/* Whether the pod, as it comes or as it is kept, is one that we make: those only read. */
bool kind_is_exporter(const struct settings *settings, const struct json *pod);
/* Whether an export, of whatever group, owns the object. */
bool kind_is_child(const struct json *object);
/* A pod or a machine in this phase has ended: it uses nothing any more. */
bool kind_has_ended(const char *phase);
/* The controlling owner in metadata.ownerReferences, or NULL. */
const struct json *kind_owner(const struct json *object);
