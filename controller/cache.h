/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the controller knows: a store of each kind, the surroundings that all exports share, and
 * a memo for each export of what had to be asked for. Shared by the watches, which fill it, and the
 * workers, which look at it through a struct world (world.h). Thread-safe.
 */
#pragma once

#include "base/json.h"
#include "base/map.h"
#include "kinds.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* What is outside of every export and the same for all; never changed once it is in place. */
struct surroundings {
    atomic_int references;
    char *ca_bundle;     /* PEM; NULL: there is no CA yet */
    char *signers;       /* the ids of the CAs in the bundle, a space after each */
    char *signer;        /* the id of the one that signs now */
    char *external_host; /* NULL: no way in */
    char *external_cert; /* PEM; "" for the system's trust */
    char *gate;          /* why exports are not enabled; NULL: they are */
};

/* What a token's Secret was found to be when it was looked at. */
enum token_state {
    TOKEN_UNKNOWN,
    TOKEN_GOOD,
    TOKEN_MISSING, /* the Secret */
    TOKEN_NO_KEY,  /* its key `token` */
    TOKEN_EMPTY,
    TOKEN_CHARACTERS, /* a blank or a control character is in it */
    TOKEN_LONG,
};

enum inspection_state {
    INSPECTION_NONE,
    INSPECTION_ASKED,
    INSPECTION_NO_ANSWER, /* the pod is not asked again */
    INSPECTION_DONE,
};

/* What an export's pod says of the files that it cannot read (readable.h). */
struct inspection {
    enum inspection_state state;
    char *pod; /* the uid of the pod that it is about; NULL: none */
    unsigned tries;
    struct json *found; /* of INSPECTION_DONE; NULL: it can read all */
};

/*
 * What is remembered of an export between two looks at it. Only its worker reads or writes it, but
 * for `users` and `inspection`.
 */
struct memo {
    char *key;
    char *token_version; /* of the Secret that `token` is about; "" for a missing one */
    enum token_state token;
    char *tls_version;     /* of the certificate's Secret as it was found or made; NULL: not yet */
    bool tls_bad;          /* what is in it is not what was put there, nor as good */
    char *vm_version;      /* the digest of the machine that was expanded */
    struct json *expanded; /* NULL: could not be */
    time_t expand_again;   /* then it is asked for again at this time */
    /* What the status that was written last says of the data: the watch may tell an older one. */
    unsigned generation;
    struct json *last_users; /* NULL: none */
    struct json *users;      /* uids of foreign pods that were seen at its volumes; NULL: none */
    struct inspection inspection;
};

struct cache {
    const struct settings *settings;
    struct kube_store *stores[KINDS];
    atomic_bool served[KINDS];
    struct kind_context contexts[KINDS];
    pthread_mutex_t lock;
    struct surroundings *around; /* below the lock */
    struct map *memos;           /* below the lock: by the export's key */
    size_t touched;              /* below the lock: exports with memo.users */
};

/* `change` is told of each change in a store, with its struct kind_context, in which `listener` is
 * as given here. */
void cache_init(struct cache *cache, const struct settings *settings, kube_change_fn *change,
                void *listener);
void cache_free(struct cache *cache);

/* Puts new surroundings in place; takes them over. True when they differ from the ones before. */
bool cache_surround(struct cache *cache, struct surroundings *around);
/* A reference; never NULL. */
struct surroundings *cache_surroundings(struct cache *cache);
void surroundings_release(struct surroundings *around);

/* The memo of an export; made when there is none. */
struct memo *cache_memo(struct cache *cache, const char *key);
void cache_forget(struct cache *cache, const char *key);

/* Stands for any pod: what was at the volumes is not known. */
#define CACHE_UNKNOWN_POD "?"
enum { CACHE_USERS_MAX = 32 }; /* more of them are CACHE_UNKNOWN_POD */

/* A foreign pod was at a volume of this export, so that what was downloaded of it may be of another
 * state than what comes. */
void cache_touch(struct cache *cache, const char *key, const char *pod);
/* The uids of such pods; the caller frees; NULL: none. */
struct json *cache_users(struct cache *cache, const char *key);
/* These are in the export's status now. */
void cache_untouch(struct cache *cache, const char *key, const struct json *users);
/* Whether there is one that no status has yet. */
bool cache_any_touched(struct cache *cache);

/* This pod is to be asked; false when it is, or was, already. */
bool cache_inspect(struct cache *cache, const char *key, const char *pod);
/* Takes a try: appends the uid of the pod that is to be asked and gives the number of the try, from
 * 1. False when there is none to be asked. */
bool cache_inspect_next(struct cache *cache, const char *key, struct str *pod, unsigned *number);
/* What became of it; takes `found`. Of no effect when another pod is asked by now. */
void cache_inspected(struct cache *cache, const char *key, const char *pod,
                     enum inspection_state state, struct json *found);
/* A copy, which inspection_free frees. */
struct inspection cache_inspection(struct cache *cache, const char *key);
void inspection_free(struct inspection *inspection);
