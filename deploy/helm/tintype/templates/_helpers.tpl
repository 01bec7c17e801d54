{{- define "tintype.labels" -}}
app.kubernetes.io/name: tintype
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Not tintype alone: a Service of that name would set TINTYPE_PORT in every pod. */}}
{{- define "tintype.name" -}}
{{ printf "%s-images" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}
