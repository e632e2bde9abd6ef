{{- define "flink-remedy.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* The policies as one file. */ -}}
{{- define "flink-remedy.policies" -}}
{{- range $number, $policy := .Values.policies -}}
{{- if $number }}
---
{{ end }}
{{- toYaml $policy }}
{{- end -}}
{{- end -}}

{{- /* Whether the webhook's certificate is cert-manager's. */ -}}
{{- define "flink-remedy.certManager" -}}
{{- if and .Values.webhook.enabled .Values.webhook.certManager.enabled }}true{{ end -}}
{{- end -}}
