/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three kinds of records in one table and one list by age: of an object (its burst), of what is
 * similar (object, type and reason: the messages seen), and of a series. A record is known by a
 * hash of 64 bits, from a random start, of what tells it from others: texts of a hundred bytes and
 * more each would be most of the memory, and two that meet would merely be counted as one event.
 */
#include "kube/correlate.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { BUCKETS = 4096 }; /* a power of two */
enum { OBJECT = 1, SIMILAR, SERIES, COMBINED };
/* A name is a DNS subdomain of 253 bytes at most (RFC 1123, as Kubernetes has it). */
enum { NAME_MAX_BYTES = 253, HEX_DIGITS = 16 };

struct record {
    struct record *chain;         /* of its bucket */
    struct record *newer, *older; /* by when it was last used */
    uint64_t key;
    int kind; /* SERIES also for COMBINED */
    union {
        struct {
            double tokens;
            time_t filled;
        } object;
        struct {
            uint64_t message[CORRELATE_SIMILAR];
            size_t messages;
            time_t last;
        } similar;
        struct kube_series series;
    } as;
};

struct kube_correlator {
    struct record *bucket[BUCKETS];
    struct record *newest, *oldest;
    size_t count, max;
    uint64_t seed, last_name;
};

/* ---- records ---- */

/* FNV-1a; the NUL at the end counts, so that "ab","c" is not "a","bc". */
static uint64_t hash(uint64_t from, const char *text)
{
    do {
        from = (from ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    } while (*text++);
    return from;
}

static uint64_t key_of(const struct kube_correlator *correlator, int kind, const char *object)
{
    return hash(correlator->seed + (uint64_t)kind, object);
}

static struct record **bucket_of(struct kube_correlator *correlator, uint64_t key)
{
    return &correlator->bucket[(key ^ key >> 32) & (BUCKETS - 1)];
}

static void leave_list(struct kube_correlator *correlator, struct record *record)
{
    *(record->newer ? &record->newer->older : &correlator->newest) = record->older;
    *(record->older ? &record->older->newer : &correlator->oldest) = record->newer;
}

static void enter_list(struct kube_correlator *correlator, struct record *record)
{
    record->newer = NULL;
    record->older = correlator->newest;
    *(record->older ? &record->older->newer : &correlator->oldest) = record;
    correlator->newest = record;
}

static void free_record(struct record *record)
{
    if (record->kind == SERIES)
        free(record->as.series.name);
    free(record);
}

/* Those that are pinned were used lately, so that there are few of them to be passed over here. */
static void forget_oldest(struct kube_correlator *correlator)
{
    struct record *record = correlator->oldest, **link;

    while (record && record->kind == SERIES && record->as.series.pinned)
        record = record->newer;
    if (!record)
        return;
    for (link = bucket_of(correlator, record->key); *link != record; link = &(*link)->chain)
        ;
    *link = record->chain;
    leave_list(correlator, record);
    free_record(record);
    correlator->count--;
}

/* Most records need less than the largest. */
static size_t size_of(int kind)
{
    const struct record *record = NULL;
    size_t part = kind == OBJECT    ? sizeof(record->as.object)
                  : kind == SIMILAR ? sizeof(record->as.similar)
                                    : sizeof(record->as.series);

    return offsetof(struct record, as) + part;
}

/* The record, as the newest; zeroed, but for its kind, when it was not known. */
static struct record *record_of(struct kube_correlator *correlator, int kind, uint64_t key,
                                bool *known)
{
    struct record **bucket = bucket_of(correlator, key), *record;

    for (record = *bucket; record && record->key != key; record = record->chain)
        ;
    *known = record;
    if (record) {
        leave_list(correlator, record);
        enter_list(correlator, record);
        return record;
    }
    if (correlator->count >= correlator->max)
        forget_oldest(correlator);
    record = calloc(1, size_of(kind));
    if (!record)
        abort();
    record->kind = kind;
    record->key = key;
    record->chain = *bucket;
    *bucket = record;
    enter_list(correlator, record);
    correlator->count++;
    return record;
}

/* ---- rules ---- */

/* Whether a message is one too many of those that are similar. */
static bool too_similar(struct kube_correlator *correlator, uint64_t key, uint64_t message,
                        time_t now)
{
    bool known;
    struct record *record = record_of(correlator, SIMILAR, key, &known);

    if (now - record->as.similar.last > CORRELATE_SIMILAR_SECONDS)
        record->as.similar.messages = 0;
    record->as.similar.last = now;
    for (size_t i = 0; i < record->as.similar.messages; i++)
        if (record->as.similar.message[i] == message)
            return false;
    if (record->as.similar.messages == CORRELATE_SIMILAR)
        return true;
    record->as.similar.message[record->as.similar.messages++] = message;
    return false;
}

/* "<object>.<hex>", as client-go: of the time, and never the same twice. */
static char *new_name(struct kube_correlator *correlator, const char *object, struct timespec now)
{
    uint64_t unique = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    struct str name = STR_INIT;
    size_t len = strnlen(object, NAME_MAX_BYTES - 1 - HEX_DIGITS);

    if (unique <= correlator->last_name)
        unique = correlator->last_name + 1;
    correlator->last_name = unique;
    while (len > 0 && !isalnum((unsigned char)object[len - 1]))
        len--;
    str_append(&name, object, len);
    str_printf(&name, ".%016llx", (unsigned long long)unique);
    return str_steal(&name);
}

struct kube_series *kube_correlate(struct kube_correlator *correlator,
                                   const struct kube_happening *happening, struct timespec now,
                                   bool *combined)
{
    uint64_t similar = hash(hash(key_of(correlator, SIMILAR, happening->object), happening->type),
                            happening->reason);
    uint64_t message = hash(similar + SERIES, happening->message);
    struct kube_series *series;
    bool known;

    *combined = too_similar(correlator, similar, message, now.tv_sec);
    series =
        &record_of(correlator, SERIES, *combined ? hash(similar + COMBINED, "") : message, &known)
             ->as.series;
    if (!known) {
        series->name = new_name(correlator, happening->object_name, now);
        series->first = now.tv_sec;
    }
    series->last = now.tv_sec;
    series->count++;
    return series;
}

bool kube_correlate_allow(struct kube_correlator *correlator, const char *object, time_t now)
{
    bool known;
    struct record *record =
        record_of(correlator, OBJECT, key_of(correlator, OBJECT, object), &known);
    double tokens = CORRELATE_BURST;

    if (known && now > record->as.object.filled)
        tokens = record->as.object.tokens +
                 (double)(now - record->as.object.filled) / CORRELATE_REFILL_SECONDS;
    else if (known)
        tokens = record->as.object.tokens;
    tokens = tokens < CORRELATE_BURST ? tokens : CORRELATE_BURST;
    record->as.object.filled = now;
    record->as.object.tokens = tokens < 1 ? tokens : tokens - 1;
    return tokens >= 1;
}

/* ---- the correlator ---- */

struct kube_correlator *kube_correlator_new(size_t records)
{
    struct kube_correlator *correlator = calloc(1, sizeof(*correlator));

    if (!correlator)
        abort();
    correlator->max = records;
    while (getrandom(&correlator->seed, sizeof(correlator->seed), 0) < 0)
        if (errno != EINTR)
            abort();
    return correlator;
}

void kube_correlator_free(struct kube_correlator *correlator)
{
    while (correlator->newest) {
        struct record *record = correlator->newest;

        correlator->newest = record->older;
        free_record(record);
    }
    free(correlator);
}

size_t kube_correlator_count(const struct kube_correlator *correlator)
{
    return correlator->count;
}
