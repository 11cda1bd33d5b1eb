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
};

/*
 * What is remembered of an export between two looks at it. Only its worker reads or writes it, but
 * for `users`.
 */
struct memo {
    char *key;
    char *token_version; /* of the Secret that `token` is about; "" for a missing one */
    enum token_state token;
    char *vm_version;      /* the digest of the machine that was expanded */
    struct json *expanded; /* NULL: could not be */
    time_t expand_again;   /* then it is asked for again at this time */
    /* What the status that was written last says of the data: the watch may tell an older one. */
    unsigned generation;
    struct json *last_users; /* NULL: none */
    struct json *users;      /* uids of foreign pods that were seen at its volumes; NULL: none */
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
