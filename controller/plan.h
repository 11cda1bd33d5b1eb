/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be done about an export: a pure function of the world. The same world gives the same
 * plan, and carrying a plan out leads to a world whose plan is empty; so it does not matter where a
 * controller was stopped. plan_make plans, apply.c acts.
 */
#pragma once

#include "source.h"

enum step_what {
    STEP_DELETE,
    STEP_CREATE,
    STEP_PATCH,       /* `object` is a merge patch */
    STEP_TOKEN,       /* a Secret with a new random token; `object` lacks the data */
    STEP_CERTIFICATE, /* a Secret with a new key and certificate; `object` lacks the data */
};

struct step {
    enum step_what what;
    enum kind kind;
    const char *name;
    const struct json *object;
    const char *uid; /* STEP_DELETE, STEP_PATCH: of the object that is meant */
    int grace;       /* STEP_DELETE: seconds; -1: as the object says */
    bool exists;     /* STEP_CERTIFICATE: there is one, whose data is to be replaced */
    struct step_event {
        const char *type, *reason, *message;
    } event; /* told once it is done; reason NULL: none */
};

/* What has to be asked for before a plan can be made; the answer goes into the memo. */
enum need {
    NEED_NOTHING,
    NEED_TOKEN,       /* `need_name`: the Secret to look into */
    NEED_CERTIFICATE, /* the same of the certificate, which somebody has changed */
    NEED_EXPANSION,   /* `need_name`: the machine to expand the instancetype of */
};

enum { PLAN_STEPS_MAX = SOURCE_VOLUMES_MAX + 16 };

struct plan {
    enum need need;
    const char *need_name;
    struct step steps[PLAN_STEPS_MAX];
    size_t count;
    const struct json *status; /* as it is to be after the steps; NULL: it is no matter */
    const struct json *users;  /* of the world's: they are in that status; NULL: none */
    struct step_event event;   /* told once the status is written; reason NULL: none */
    const char
        *inspect;      /* the uid of the pod that is to be asked what it cannot read; NULL: none */
    time_t look_again; /* at the latest; 0: when something changes */
};

/* Everything in the plan is the world's. */
void plan_make(struct world *world, struct plan *plan);

/* The plan's status, had a step not been done for a reason that will last; NULL as there. */
const struct json *plan_failed(struct world *world, const struct plan *plan, const char *reason,
                               const char *message);

/* ---- for the files of the children ---- */

/* Annotations of a certificate's Secret: which CA signed it, for which name, and when it is to be
 * replaced (seconds since 1970). */
#define TLS_SIGNER "vmexport.io/signer"
#define TLS_NAMES "vmexport.io/names"
#define TLS_RENEW_AT "vmexport.io/renew-at"
/* Annotation of a pod: what it was made for; another value: it is replaced. */
#define POD_MADE_FOR "vmexport.io/made-for"
/* Annotation of an Ingress: the keys of those that were the settings', with blanks between. */
#define INGRESS_ANNOTATIONS "vmexport.io/ingress-annotations"
/* Annotations that users may put on an export: "uid:gid", and a group. */
#define EXPORT_RUN_AS "vmexport.io/run-as"
#define EXPORT_FS_GROUP "vmexport.io/fs-group"

struct children {
    struct world *world;
    struct plan *plan;
    const struct source *source;
    const char *service; /* names */
    const char *token;
    const char *tls;
    struct condition trouble; /* why there can be no pod, of the children; type NULL: none */
    bool outdated;            /* the pod was made for something else, and is deleted */
    unsigned generation;      /* of the volumes' data: status.dataGeneration */
    const struct json *users; /* who was at them last: status.dataUsers */
};

void child_service(struct children *children);
void child_token(struct children *children);
void child_tls(struct children *children);
void child_manifests(struct children *children);
void child_ingress(struct children *children);
void child_restored(struct children *children);
/* Trouble when an annotation that says whom the pod runs as cannot be read. */
void child_user(struct children *children);
/* The pod: made, deleted, or let be. */
void child_pod(struct children *children);

/* Whom the pod runs as; false when an annotation cannot be read. */
struct child_user {
    int user, group;
    int fs_group; /* none below 1 */
};
bool child_user_wanted(const struct world *world, struct child_user *user);
/* Whether the pod, which has the annotations of the export as it was, was made for another. */
bool child_user_changed(const struct world *world, const struct json *pod);

struct step *plan_step(struct plan *plan, enum step_what what, enum kind kind, const char *name);
void plan_look_again(struct plan *plan, time_t when);

/* The DNS names in the certificate of an export; the texts are the world's. */
enum { TLS_NAMES_COUNT = 4 };
struct tls_names {
    const char *name[TLS_NAMES_COUNT]; /* the last one is the longest */
};
struct tls_names child_tls_names(struct world *world);

/* metadata of a child: names, labels, owner; with the export's labels and annotations if `inherit`.
 */
struct json *child_metadata(struct children *children, const char *name, bool inherit);
/*
 * Makes the object, or patches `fields` (paths, NULL ends them) of the one that is there if they
 * differ. Trouble when it is somebody else's.
 */
void child_ensure(struct children *children, enum kind kind, const char *name,
                  const struct json *object, const char *const *fields,
                  const struct step_event *event);
/* True, with trouble, when the object there is not the export's. */
bool child_taken(struct children *children, enum kind kind, const char *name,
                 const struct json *object);
void child_trouble(struct children *children, const char *reason, const char *message);
