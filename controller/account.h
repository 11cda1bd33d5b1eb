/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Up to which resourceVersion all that pods did is in the exports' status: the note in the lease, by
 * which the next leader knows from where on to read the history (gap.h). Thread-safe.
 */
#pragma once

#include "cache.h"

struct account {
    pthread_mutex_t lock;
    bool closed; /* what the leader before did not see is accounted for */
    char *note;  /* what the lease says, or said; NULL: nothing */
};

void account_init(struct account *account);
void account_free(struct account *account);
/* What the lease said when it was acquired; NULL: nothing. */
void account_found(struct account *account, const char *note);
char *account_text(struct account *account); /* the caller frees; NULL: none */
/* The gap to the leader before is closed: from now on the note may move. */
void account_close(struct account *account);
/*
 * What the lease is to say now, which the caller frees; NULL: nothing. `version` is that of the store
 * of pods, read before this call, and taken over; NULL: none. The note stands still while something
 * is not yet written into a status.
 */
char *account_note(struct account *account, struct cache *cache, char *version);
