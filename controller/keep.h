/* SPDX-License-Identifier: Apache-2.0 */
/* Within kinds.c: what is kept of an object, kind by kind; each is a kube_keep_fn. */
#pragma once

#include "kinds.h"

kube_keep_fn keep_vmi;
kube_keep_fn keep_datavolume;
kube_keep_fn keep_vm;
kube_keep_fn keep_vmsnapshot;
kube_keep_fn keep_content;
kube_keep_fn keep_volumesnapshot;
kube_keep_fn keep_kubevirt;
kube_keep_fn keep_route;
kube_keep_fn keep_crd;
kube_keep_fn keep_service;
kube_keep_fn keep_export;
kube_keep_fn keep_pvc;
kube_keep_fn keep_pod;
kube_keep_fn keep_secret;
kube_keep_fn keep_configmap;
kube_keep_fn keep_ingress;
kube_keep_fn keep_own_secret;
