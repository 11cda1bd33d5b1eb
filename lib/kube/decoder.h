/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream of a watch, cut into its JSON objects. By braces, not by lines: the server sends lines,
 * its contract does not. Chunks may be cut anywhere. Bounded: an object longer than
 * KUBE_OBJECT_MAX is an error, as etcd takes some 1.5 MiB.
 */
#pragma once

#include "base/json.h"

enum { KUBE_OBJECT_MAX = 8 << 20 };

enum kube_event {
    KUBE_ADDED,
    KUBE_MODIFIED,
    KUBE_DELETED,
    KUBE_BOOKMARK,
    KUBE_ERROR,
    KUBE_UNREADABLE, /* one of the stream's objects is no event: it is left out, the stream goes on */
};

/*
 * `object` belongs to the decoder: read only, valid during the call. For KUBE_UNREADABLE it is NULL,
 * and `err` says what is wrong with it. Returning non-zero, with `err` filled, stops the feed.
 */
typedef int kube_event_fn(void *ctx, enum kube_event event, const struct json *object,
                          struct err *err);

struct kube_decoder;

struct kube_decoder *kube_decoder_new(kube_event_fn *event, void *ctx);
void kube_decoder_free(struct kube_decoder *decoder);

/* Whether this state of an object is known already, so that there is nothing to tell; with the
 * decoder's context. */
typedef bool kube_known_fn(void *ctx, const char *ns, const char *name, const char *version);
/* What spares work: `known` is asked before an ADDED or MODIFIED object is parsed, and the event not
 * told when it says so; `unread` as in kube_parse, whose array must outlive the decoder. Either may be
 * NULL. */
void kube_decoder_spare(struct kube_decoder *decoder, kube_known_fn *known,
                        const char *const *unread);
/* 0, what the callback returned, or -1 for a malformed stream. After either it is of no use. */
int kube_decoder_feed(struct kube_decoder *decoder, const char *data, size_t len, struct err *err);
/* Whether the stream may end here: false in the middle of an object. */
bool kube_decoder_between(const struct kube_decoder *decoder);
