/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include <stdlib.h>
#include <string.h>

void account_init(struct account *account)
{
    *account = (struct account){.closed = false};
    pthread_mutex_init(&account->lock, NULL);
}

void account_free(struct account *account)
{
    free(account->note);
    account->note = NULL;
    pthread_mutex_destroy(&account->lock);
}

void account_found(struct account *account, const char *note)
{
    pthread_mutex_lock(&account->lock);
    free(account->note);
    account->note = note ? strdup(note) : NULL;
    pthread_mutex_unlock(&account->lock);
}

char *account_text(struct account *account)
{
    char *text;

    pthread_mutex_lock(&account->lock);
    text = account->note ? strdup(account->note) : NULL;
    pthread_mutex_unlock(&account->lock);
    return text;
}

void account_close(struct account *account)
{
    pthread_mutex_lock(&account->lock);
    account->closed = true;
    pthread_mutex_unlock(&account->lock);
}

char *account_note(struct account *account, struct cache *cache, char *version)
{
    pthread_mutex_lock(&account->lock);
    if (version && account->closed && !cache_any_touched(cache)) {
        free(account->note);
        account->note = version;
        version = NULL;
    }
    pthread_mutex_unlock(&account->lock);
    free(version);
    return account_text(account);
}
