{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/*
What must not be installed. The schema says most of it, too, and says it first; but it can be skipped
(--skip-schema-validation), and it knows nothing of the cluster.
*/}}

{{- define "vmexport.checkValues" -}}
{{- if not (has .Values.api.group (list "export.kubevirt.io" "export.vmexport.io")) -}}
{{- fail (printf "api.group: must be export.kubevirt.io, or export.vmexport.io beside KubeVirt, not '%v'" .Values.api.group) -}}
{{- end -}}
{{- if not (has .Values.external.mode (list "proxy" "direct" "none")) -}}
{{- fail (printf "external.mode: must be proxy, direct or none, not '%v'" .Values.external.mode) -}}
{{- end -}}
{{- if and (eq .Values.external.mode "direct") (not .Values.external.host) -}}
{{- fail "external.mode: 'direct' needs external.host, the host of the exports' Ingresses" -}}
{{- end -}}
{{- if and (eq .Values.external.mode "direct") (regexMatch "[:\\[]" .Values.external.host) -}}
{{- fail (printf "external.host: is the host of Ingresses with external.mode 'direct', so a name without a port, not '%s'" .Values.external.host) -}}
{{- end -}}
{{- if and (ne .Values.external.mode "proxy") (or .Values.proxy.ingress.enabled .Values.proxy.route.enabled) -}}
{{- fail (printf "external.mode: '%s' has no proxy: set it to proxy, or proxy.ingress.enabled and proxy.route.enabled to false" .Values.external.mode) -}}
{{- end -}}
{{- if and .Values.proxy.ingress.enabled (not (include "vmexport.ingressHost" .)) -}}
{{- fail "proxy.ingress.enabled: needs a host, in proxy.ingress.host or external.host: there are no links without one" -}}
{{- end -}}
{{- if and .Values.proxy.route.enabled (eq .Values.proxy.route.termination "passthrough") (not .Values.proxy.tls.secretName) -}}
{{- fail "proxy.route.termination: 'passthrough' needs proxy.tls.secretName: clients see that certificate, so that it has to be for the Route's host" -}}
{{- end -}}
{{- if and .Values.proxy.tls.secretName (eq .Values.external.trust "proxy") -}}
{{- fail "external.trust: 'proxy' stands for the certificate that the controller makes, and proxy.tls.secretName names another: leave one of them empty" -}}
{{- end -}}
{{- if and .Values.proxy.service.nodePort (eq .Values.proxy.service.type "ClusterIP") -}}
{{- fail "proxy.service.nodePort: needs proxy.service.type NodePort or LoadBalancer" -}}
{{- end -}}
{{- if and .Values.proxy.service.externalTrafficPolicy (eq .Values.proxy.service.type "ClusterIP") -}}
{{- fail "proxy.service.externalTrafficPolicy: needs proxy.service.type NodePort or LoadBalancer" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create: false needs serviceAccount.name, the ServiceAccount that there is" -}}
{{- end -}}
{{- end }}

{{/*
A CustomResourceDefinition that is there: KubeVirt's is left alone whatever the settings, and one of anybody else is not taken
over. Helm itself would refuse the latter, but doesn't know what to do. Not asked where nothing is installed for the whole
cluster: whoever installs may then have no right to. (`helm template` asks no cluster and finds nothing.)
*/}}
{{- define "vmexport.checkCRD" -}}
{{- $name := include "vmexport.crdName" . -}}
{{- $crd := dict -}}
{{- if or .Values.crds.install .Values.rbac.create -}}
{{- $crd = lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $name -}}
{{- end -}}
{{- if $crd -}}
{{- $labels := $crd.metadata.labels | default dict -}}
{{- $annotations := $crd.metadata.annotations | default dict -}}
{{- $by := get $labels "app.kubernetes.io/managed-by" -}}
{{- $release := get $annotations "meta.helm.sh/release-name" -}}
{{- $namespace := get $annotations "meta.helm.sh/release-namespace" -}}
{{- if or (hasKey $labels "kubevirt.io") (has $by (list "virt-operator" "kubevirt-operator")) -}}
{{- fail (printf "the CustomResourceDefinition %s is KubeVirt's, whose own controller works on its exports: set api.group=export.vmexport.io" $name) -}}
{{- end -}}
{{- if .Values.crds.install -}}
{{- if ne (get $labels "app.kubernetes.io/part-of") "vmexport" -}}
{{- fail (printf "there is a CustomResourceDefinition %s that is not vmexport's: set api.group=export.vmexport.io, or crds.install=false to use it as it is" $name) -}}
{{- end -}}
{{- if not (and (eq $by "Helm") (eq $release .Release.Name) (eq $namespace .Release.Namespace)) -}}
{{- $owner := "was not installed by Helm" -}}
{{- if $release -}}
{{- $owner = printf "is of the release %s in the namespace %s" $release $namespace -}}
{{- end -}}
{{- fail (printf "the CustomResourceDefinition %s %s: set crds.install=false to use it as it is, or, if nobody else needs it any more, give it to this release: kubectl label --overwrite crd %s app.kubernetes.io/managed-by=Helm && kubectl annotate --overwrite crd %s meta.helm.sh/release-name=%s meta.helm.sh/release-namespace=%s" $name $owner $name $name .Release.Name .Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
