/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of auth.c. */
#pragma once

#include "kube/auth.h"

#include <stdint.h>

/* Lets time pass, as far as what is cached goes. */
void kube_auth_skip(struct kube_auth *auth, uint64_t ms);
