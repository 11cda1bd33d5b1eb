/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an export is of. One file for each kind of source looks at the world and says which volumes
 * are to be given out, and if not now, why not. No I/O.
 */
#pragma once

#include "world.h"

/* A condition as it is to be; texts may be the world's. */
struct condition {
    const char *type; /* NULL: none */
    bool status;
    const char *reason;
    const char *message;
};

struct volume {
    const char *name;     /* in the links */
    const char *claim;    /* the PersistentVolumeClaim that the pod mounts, and the URLs name */
    const char *vm_claim; /* the one that the machine names; differs for a snapshot */
    const struct json *pvc;
    const struct json *saved; /* for the manifests: the PVC that the machine had */
    bool block;
    bool disk;   /* kubevirt content: raw and gzip; else an archive: dir and tar.gz */
    bool shared; /* it may be mounted on several nodes at once */
};

enum {
    SOURCE_VOLUMES_MAX = 256,
    TAKEN_SECONDS = 10, /* until a name that somebody else has taken is looked at again */
};

struct source {
    bool available;         /* the volumes can be read now */
    bool in_use;            /* somebody else may write to them */
    const char *user;       /* the uid of who that is */
    bool skipped;           /* there is nothing to export */
    struct condition ready; /* of type Ready: why it is not available */
    struct condition own;   /* PVCReady, VolumesCreated */
    struct volume *volumes;
    size_t count;
    const char *vm_name;   /* for status.virtualMachineName */
    const struct json *vm; /* for the manifests; NULL: none */
    bool expandable;       /* `vm` is a live machine: KubeVirt can expand its instancetype */
    struct json *restored; /* an array of PVCs to be made; NULL: none */
    int look_after;        /* seconds: what is waited for is not told by a watch; 0: it is */
};

/* False when the source is of no kind that we know: then nothing is done about the export. */
bool source_examine(struct world *world, struct source *out);

/* ---- for the files of the kinds ---- */

void source_pvc(struct world *world, const char *name, struct source *out);
void source_vm(struct world *world, const char *name, struct source *out);
void source_vmsnapshot(struct world *world, const char *name, struct source *out);

/* Adds a volume; a claim that is there already is not added twice. */
void source_add(struct source *source, const struct volume *volume);
/* Whether somebody else's pod uses one of the volumes; then the source is not ready. `whose` is what
 * the message says of a claim behind its name. */
bool source_in_use(struct world *world, const char *whose, struct source *out);
void source_not_ready(struct source *source, const char *reason, const char *message);

/* ---- volumes.c: what holds for a claim, whoever names it ---- */

/* Describes a claim for the pod and the links. */
struct volume volume_of(struct world *world, const char *claim, const struct json *pvc);
/* Why the claim's data can't be read yet: a condition of type Ready, or type NULL when it can. */
struct condition volume_waits(struct world *world, const struct json *pvc);
/* A pod of somebody else's that uses the claim; NULL: none. Export pods only read, so they are
 * somebody else's only where a claim allows but one pod. */
const struct json *volume_user(struct world *world, const struct json *pvc);
