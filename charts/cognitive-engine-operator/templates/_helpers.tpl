{{- define "operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for "-metrics" to follow within 63 characters. */}}
{{- define "operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains (include "operator.name" .) .Release.Name }}
{{- .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "operator.name" .) | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "operator.selector" -}}
app.kubernetes.io/name: {{ include "operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: mlsdm
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "operator.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "operator.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* What the operator may do where it serves engines; the verbs are the ones it uses. */}}
{{- define "operator.rules" -}}
- apiGroups: [mlsdm.io]
  resources: [cognitiveengines]
  verbs: [get, list, watch]
- apiGroups: [mlsdm.io]
  resources: [cognitiveengines/status]
  verbs: [get, patch]
# Owner references that block deletion ask for this where that admission check is switched on.
- apiGroups: [mlsdm.io]
  resources: [cognitiveengines/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [get, list, watch, create, patch, delete]
# Only metadata is asked for, to see that a Secret exists or changed; RBAC has no finer right.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
# To name the fault of a pod that does not start.
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}

{{- define "operator.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "operator.fullname" .) }}
{{- end }}
