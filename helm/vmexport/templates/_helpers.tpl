{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{/*
What several templates share. Objects have fixed names, vmexport-PART: there is one installation in a cluster, as there is one
CRD, and one set of cluster roles.
*/}}

{{/* Labels of everything, without a part. */}}
{{- define "vmexport.labels" -}}
{{- $own := dict
    "app.kubernetes.io/name" "vmexport"
    "app.kubernetes.io/instance" .Release.Name
    "app.kubernetes.io/version" .Chart.AppVersion
    "app.kubernetes.io/part-of" "vmexport"
    "app.kubernetes.io/managed-by" .Release.Service
    "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $own (.Values.commonLabels | default dict)) }}
{{- end }}

{{/* By what a part's pods are found: (list $ "controller"). These can never change. */}}
{{- define "vmexport.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: vmexport
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Name, namespace and labels of a part's object: (list $ "vmexport-proxy" "proxy"), or with more labels (... MAP). */}}
{{- define "vmexport.metadata" -}}
{{- $root := index . 0 -}}
{{- $labels := include "vmexport.labels" $root | fromYaml -}}
{{- $_ := set $labels "app.kubernetes.io/component" (index . 2) -}}
{{- if gt (len .) 3 -}}
{{- $labels = merge $labels (index . 3 | default dict) -}}
{{- end -}}
name: {{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- end }}

{{/*
Labels of a part's pods: (list $ "proxy" .Values.proxy.podLabels). No version is among them: pods are replaced for a change that
is about them, not for any new version of the chart.
*/}}
{{- define "vmexport.podLabels" -}}
{{- $root := index . 0 -}}
{{- $own := include "vmexport.selector" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "vmexport" -}}
{{- toYaml (merge $own (index . 2 | default dict) ($root.Values.commonLabels | default dict)) }}
{{- end }}

{{- define "vmexport.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "vmexport.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default "vmexport-controller" }}
{{- end }}

{{- define "vmexport.crdName" -}}
virtualmachineexports.{{ .Values.api.group }}
{{- end }}

{{- define "vmexport.hasProxy" -}}
{{- if eq .Values.external.mode "proxy" }}yes{{ end -}}
{{- end }}

{{/* The Secret with the proxy's certificate: the user's, OpenShift's or the controller's. */}}
{{- define "vmexport.proxyCertificate" -}}
{{- if .Values.proxy.tls.secretName -}}
{{ .Values.proxy.tls.secretName }}
{{- else if include "vmexport.servingCertificate" . -}}
vmexport-proxy-serving-tls
{{- else -}}
vmexport-proxy-tls
{{- end -}}
{{- end }}

{{/*
Whether OpenShift is to make the proxy's certificate: a Route that encrypts anew trusts those of its own authority.
https://docs.redhat.com/en/documentation/openshift_container_platform/4.17/html/security_and_compliance/configuring-certificates
*/}}
{{- define "vmexport.servingCertificate" -}}
{{- with .Values.proxy -}}
{{- if and .route.enabled (eq .route.termination "reencrypt") (not .tls.secretName) }}yes{{ end -}}
{{- end -}}
{{- end }}

{{/* Whose certificate clients see at external.host: on a port of nodes or of a load balancer, that which the controller made. */}}
{{- define "vmexport.externalTrust" -}}
{{- if .Values.external.trust -}}
{{ .Values.external.trust }}
{{- else -}}
{{- $made := eq (include "vmexport.proxyCertificate" .) "vmexport-proxy-tls" -}}
{{- ternary "proxy" "system" (and $made (ne .Values.proxy.service.type "ClusterIP")) -}}
{{- end -}}
{{- end }}

{{/* Annotations of an Ingress: the common ones and those of (list $ MAP), which win; null takes one away. */}}
{{- define "vmexport.ingressAnnotations" -}}
{{- $out := dict -}}
{{- range $map := list (index . 0).Values.external.annotations (index . 1) -}}
{{- range $key, $value := $map -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $out $key -}}
{{- else -}}
{{- $_ := set $out $key (toString $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $out }}
{{- end }}

{{- define "vmexport.ingressHost" -}}
{{ .Values.proxy.ingress.host | default (regexReplaceAll ":[0-9]+$" .Values.external.host "") }}
{{- end }}

{{/*
Pod settings that controller and proxy have in common: (list $ "proxy" .Values.proxy). Nothing is fixed that OpenShift gives
out itself, such as a uid: the image has one.
*/}}
{{- define "vmexport.podSettings" -}}
{{- $root := index . 0 -}}
{{- $values := index . 2 -}}
enableServiceLinks: false
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
{{- with $root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if $values.topologySpreadConstraints }}
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "vmexport.selector" . | nindent 8 }}
{{- end }}
{{- end }}

{{- define "vmexport.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* A disruption budget: (list $ "vmexport-proxy" "proxy"). A pod that is broken anyway doesn't hold a node back. */}}
{{- define "vmexport.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "vmexport.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "vmexport.selector" (list (index . 0) (index . 2)) | nindent 6 }}
{{- end }}

{{/* Rules of a NetworkPolicy: where metrics may be read from, on (list $ PORT); names are asked of DNS. */}}
{{- define "vmexport.metricsIngress" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.networkPolicy.metricsNamespaces -}}
- from:
    - namespaceSelector:
        matchExpressions:
          - key: kubernetes.io/metadata.name
            operator: In
            values:
              {{- toYaml . | nindent 14 }}
  ports:
    - port: {{ index $ 1 }}
      protocol: TCP
{{- end }}
{{- end }}

{{/* 5353 is what OpenShift's DNS pods listen on. */}}
{{- define "vmexport.dnsEgress" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
    - {port: 5353, protocol: UDP}
    - {port: 5353, protocol: TCP}
{{- end }}

{{/* To export pods, wherever they are. */}}
{{- define "vmexport.exportPodsEgress" -}}
- to:
    - namespaceSelector: {}
      podSelector:
        matchExpressions:
          - {key: {{ eq .Values.api.group "export.kubevirt.io" | ternary "kubevirt.io.virt-export-service" "vmexport.io/export-service" }}, operator: Exists}
  ports:
    - {port: 8443, protocol: TCP}
{{- end }}

{{/* The Service that Prometheus reads, inside the cluster only: (list $ "vmexport-proxy" "proxy" PORT). */}}
{{- define "vmexport.metricsService" -}}
{{- $root := index . 0 -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "vmexport.metadata" (list $root (printf "%s-metrics" (index . 1)) (index . 2) (dict "vmexport.io/service" "metrics")) | nindent 2 }}
spec:
  type: ClusterIP
  selector:
    {{- include "vmexport.selector" (list $root (index . 2)) | nindent 4 }}
  ports:
    - name: metrics
      port: {{ index . 3 }}
      targetPort: metrics
      protocol: TCP
{{- end }}

{{/*
Of a pod of `helm test`: (list $ "vmexport-test-proxy"). One that has failed stays, and Helm shows its log. The controller's labels
and annotations are there for those that keep sidecars away, with which a pod would not end.
*/}}
{{- define "vmexport.testMetadata" -}}
{{- $root := index . 0 -}}
{{- $own := dict
    "helm.sh/hook" "test"
    "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded"
    "helm.sh/hook-output-log-policy" "hook-failed" -}}
{{- include "vmexport.metadata" (list $root (index . 1) "test" $root.Values.controller.podLabels) }}
annotations:
  {{- toYaml (merge $own ($root.Values.controller.podAnnotations | default dict)) | nindent 2 }}
{{- end }}

{{/* A container of it, without name and mounts: (list $ URL), or with the file of the CA that vouches for it (... FILE). */}}
{{- define "vmexport.probe" -}}
{{- $root := index . 0 -}}
image: {{ include "vmexport.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
command: {{ toJson (concat (list "/usr/libexec/vmexport/probe" "30") (rest .)) }}
resources:
  requests: {cpu: 10m, memory: 16Mi}
  limits: {memory: 64Mi}
securityContext:
  {{- include "vmexport.containerSecurity" $root | nindent 2 }}
{{- end }}

{{- define "vmexport.hasPrometheus" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}yes{{ end -}}
{{- end }}

{{/* (list $ "vmexport-proxy" "proxy"): the Service is NAME-metrics, its port "metrics". */}}
{{- define "vmexport.serviceMonitor" -}}
{{- $root := index . 0 -}}
{{- $monitor := $root.Values.monitoring.serviceMonitor -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  {{- include "vmexport.metadata" (append . $root.Values.monitoring.serviceMonitor.labels) | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "vmexport.selector" (list $root (index . 2)) | nindent 6 }}
      vmexport.io/service: metrics
  endpoints:
    - port: metrics
      path: /metrics
      {{- with $monitor.interval }}
      interval: {{ . }}
      {{- end }}
      {{- with $monitor.relabelings }}
      relabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $monitor.metricRelabelings }}
      metricRelabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
