/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the API server refused: its Status object
 * (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/). Private to
 * lib/kube. Both return the reason and fill `err` with "<what the server says> (<code> <reason>)".
 */
#pragma once

#include "base/str.h"
#include "kube/client.h"

/* A Status that came as an object, such as the one in a watch's ERROR event. Its own code is taken;
 * never KUBE_OK. */
enum kube_reason kube_status_reason(const struct json *status, struct err *err);

/* An answer's body and its HTTP code, which is not 2xx. A body that is no Status, as proxies send
 * them, is quoted in part. */
enum kube_reason kube_status_of_answer(int code, const struct str *body, struct err *err);
