/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as the API server sends it: Go's encoder writes two things that json_parse refuses, and
 * anybody who may create an object can put them there. One such object must not hide itself (a pod
 * that nobody sees would not count as a volume's user), nor those that share a list with it.
 */
#pragma once

#include "base/json.h"

/*
 * As json_parse, but takes \u0000 in a string for \ufffd, and a number that is too big even for
 * json_parse for the string of its digits: nothing is cut or rounded unseen. metadata.managedFields
 * is empty in what comes of it, and so is each array whose key is one of `unread` (NULL: none),
 * wherever it stands.
 */
struct json *kube_parse(const char *text, size_t len, const char *const *unread, struct err *err);
