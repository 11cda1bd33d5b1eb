/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes as Kubernetes writes them: "10Gi", "1.5G", "1e3", "500m".
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
#pragma once

/*
 * The larger of the two as it is written, `a` when they are the same. One that is NULL or no
 * quantity is less than any; NULL when both are.
 */
const char *quantity_larger(const char *a, const char *b);
