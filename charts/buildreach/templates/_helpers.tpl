{{/* The chart's name, or what stands for it. */}}
{{- define "buildreach.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* What the names of all objects begin with: at most 40 characters, for the names of CronJobs end at 52. */}}
{{- define "buildreach.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* What never changes of an object: selectors rest on it. Takes root and component. */}}
{{- define "buildreach.selectorLabels" -}}
app.kubernetes.io/name: {{ include "buildreach.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* All labels. Takes root, component and, where there are more, labels. */}}
{{- define "buildreach.labels" -}}
{{- $labels := include "buildreach.selectorLabels" . | fromYaml }}
{{- $_ := set $labels "app.kubernetes.io/version" .root.Chart.AppVersion }}
{{- $_ := set $labels "app.kubernetes.io/part-of" "buildreach" }}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .root.Release.Service }}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- $labels = mustMergeOverwrite (dict) (deepCopy .root.Values.commonLabels) (.labels | default dict | deepCopy) $labels }}
{{- toYaml $labels }}
{{- end }}

{{/* Name, labels and annotations of an object. Takes root, component, name and, where there are some, namespace (that of
the release otherwise; `-`: the kind has none), labels and annotations. */}}
{{- define "buildreach.metadata" -}}
name: {{ .name }}
{{- if ne (.namespace | default "") "-" }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "buildreach.labels" . | nindent 2 }}
{{- with mustMergeOverwrite (dict) (deepCopy .root.Values.commonAnnotations) (.annotations | default dict | deepCopy) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Labels and annotations of a pod. Takes root, component and values (podLabels, podAnnotations). */}}
{{- define "buildreach.podMetadata" -}}
labels:
  {{- include "buildreach.labels" (dict "root" .root "component" .component "labels" .values.podLabels) | nindent 2 }}
{{- with mustMergeOverwrite (dict) (deepCopy .root.Values.commonAnnotations) (deepCopy .values.podAnnotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "buildreach.image" -}}
{{- $image := .Values.image }}
{{- $registry := .Values.global.imageRegistry | default $image.registry }}
{{- $name := empty $registry | ternary $image.repository (printf "%s/%s" ($registry | trimSuffix "/") $image.repository) }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name ($image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* Takes root and component: controller, audit or agent. */}}
{{- define "buildreach.serviceAccountName" -}}
{{- $named := get .root.Values.serviceAccount.names .component }}
{{- if $named }}
{{- $named }}
{{- else if .root.Values.serviceAccount.create }}
{{- printf "%s-%s" (include "buildreach.fullname" .root) .component }}
{{- else -}}
default
{{- end }}
{{- end }}

{{/* The names of the components that may read the cluster, as a JSON list. */}}
{{- define "buildreach.readers" -}}
{{- $readers := list }}
{{- if .Values.controller.enabled }}{{ $readers = append $readers "controller" }}{{ end }}
{{- if .Values.audits }}{{ $readers = append $readers "audit" }}{{ end }}
{{- toJson $readers }}
{{- end }}

{{/* The subjects of a binding. Takes root and components. */}}
{{- define "buildreach.subjects" -}}
{{- $root := .root }}
{{- range $at, $_ := .components }}
{{- if $at }}
{{ end }}- kind: ServiceAccount
  name: {{ include "buildreach.serviceAccountName" (dict "root" $root "component" $_) }}
  namespace: {{ $root.Release.Namespace }}
{{- end }}
{{- end }}

{{/* What all pods have in common. Takes root, component and values (those of the component). */}}
{{- define "buildreach.pod" -}}
serviceAccountName: {{ include "buildreach.serviceAccountName" . }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with concat (.root.Values.global.imagePullSecrets | default list) .root.Values.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- range . }}
  - name: {{ kindIs "string" . | ternary . (get (kindIs "map" . | ternary . dict) "name") }}
  {{- end }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Image, environment and security of a container that talks to the API server. Takes root and values. */}}
{{- define "buildreach.container" -}}
image: {{ include "buildreach.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
{{- with .values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
env:
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  {{- with .root.Values.proxy }}
  {{- if or .httpProxy .httpsProxy }}
  {{- with .httpProxy }}
  - name: HTTP_PROXY
    value: {{ . | quote }}
  {{- end }}
  {{- with .httpsProxy }}
  - name: HTTPS_PROXY
    value: {{ . | quote }}
  {{- end }}
  # The API server and the identity agents of the node are asked directly.
  - name: NO_PROXY
    value: {{ append .noProxy "$(KUBERNETES_SERVICE_HOST),169.254.169.254,169.254.170.23,localhost,127.0.0.1,::1,.svc,.cluster.local" | join "," | quote }}
  {{- end }}
  {{- end }}
  {{- with .root.Values.caBundle }}
  {{- if .configMap }}
  - name: {{ .replaceSystem | ternary "SSL_CERT_FILE" "AWS_CA_BUNDLE" }}
    value: /etc/buildreach/ca/{{ .key }}
  {{- end }}
  {{- end }}
  {{- with .values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The volumes of a pod as a YAML list, empty where there are none. Takes root, values and own (a list). */}}
{{- define "buildreach.volumes" -}}
{{- $volumes := .own | default list }}
{{- with .root.Values.caBundle }}
{{- if .configMap }}
{{- $items := list (dict "key" .key "path" .key) }}
{{- $volumes = append $volumes (dict "name" "ca" "configMap" (dict "name" .configMap "items" $items)) }}
{{- end }}
{{- end }}
{{- with concat $volumes .values.extraVolumes }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "buildreach.volumeMounts" -}}
{{- $mounts := .own | default list }}
{{- if .root.Values.caBundle.configMap }}
{{- $mounts = append $mounts (dict "name" "ca" "mountPath" "/etc/buildreach/ca" "readOnly" true) }}
{{- end }}
{{- with concat $mounts .values.extraVolumeMounts }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Flags of the log, one a line. */}}
{{- define "buildreach.logArgs" -}}
{{- if eq .Values.logLevel "info" -}}
- -v
{{- else if eq .Values.logLevel "debug" -}}
- -vv
{{- end }}
{{- end }}

{{/* A row of the plan with the defaults filled in, as JSON. Takes root and row. */}}
{{- define "buildreach.audit" -}}
{{- $row := mustMergeOverwrite (deepCopy .root.Values.auditDefaults) (deepCopy .row) }}
{{- $_ := set $row "fullName" (printf "%s-%s" (include "buildreach.fullname" .root) $row.name | trunc 52 | trimSuffix "-") }}
{{- $_ := set $row.report "name" ($row.report.configMap | default $row.fullName) }}
{{- $_ := set $row.report "claim" ($row.report.persistentVolumeClaim.claimName | default (printf "%s-reports" $row.fullName)) }}
{{- toJson $row }}
{{- end }}

{{/* What cannot work together. Included once, by the controller's and by the CronJobs' template. */}}
{{- define "buildreach.validate" -}}
{{- if and (gt (int .Values.controller.replicas) 1) (not .Values.controller.leaderElection.enabled) }}
{{- fail "controller.replicas is greater than 1: controller.leaderElection.enabled must stay true, or all of them would write" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
{{- fail "metrics.serviceMonitor and metrics.podMonitor are both enabled: every metric would be there twice" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
{{- fail "metrics.serviceMonitor needs metrics.service.enabled: a ServiceMonitor finds pods through a Service" }}
{{- end }}
{{- $names := list }}
{{- range .Values.audits }}
{{- if has .name $names }}
{{- fail (printf "audits: two rows are called %q" .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}
