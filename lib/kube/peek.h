/* SPDX-License-Identifier: Apache-2.0 */
/* Looks into the text of a watch's event without making a tree of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What an event is about, as it stands in the text: no string of these has anything to escape. */
struct kube_peek {
    char type[16];
    char ns[64]; /* "" for what is in none */
    char name[254];
    char version[24];
};

/* False when the text is not as the API server writes it (compact), or anything but the namespace is
 * missing: then only the parser can say what it is. */
bool kube_peek(const char *text, size_t len, struct kube_peek *out);
