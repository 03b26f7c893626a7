{{- define "microterm.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* The labels by which environments' network policies let servers in (packages/drivers/src/kubernetes/pods/pod-objects.ts). */}}
{{- define "microterm.serverLabels" -}}
app.kubernetes.io/name: microterm
app.kubernetes.io/component: server
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "microterm.labels" -}}
{{ include "microterm.serverLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "microterm.identitySecret" -}}
{{ .Values.identity.secretName | default (printf "%s-identity" (include "microterm.name" .)) }}
{{- end }}

{{- define "microterm.host" -}}
{{ (urlParse .Values.publicUrl).hostname }}
{{- end }}
