{{/* What the chart's own values say in librdkafka's words. */}}
{{- define "headrace.kafkaClient" -}}
{{- $client := dict -}}
{{- $tls := .Values.kafka.tls -}}
{{- $sasl := .Values.kafka.sasl -}}
{{- if $sasl.mechanism -}}
{{- $_ := set $client "security.protocol" (ternary "SASL_SSL" "SASL_PLAINTEXT" $tls.enabled) -}}
{{- $_ := set $client "sasl.mechanism" $sasl.mechanism -}}
{{- if eq $sasl.mechanism "OAUTHBEARER" -}}
{{- $_ := set $client "sasl.oauthbearer.method" "oidc" -}}
{{- $_ := set $client "sasl.oauthbearer.client.id" $sasl.oauth.clientId -}}
{{- $_ := set $client "sasl.oauthbearer.token.endpoint.url" $sasl.oauth.tokenEndpoint -}}
{{- if $sasl.oauth.scope -}}
{{- $_ := set $client "sasl.oauthbearer.scope" $sasl.oauth.scope -}}
{{- end -}}
{{- else -}}
{{- $_ := set $client "sasl.username" $sasl.username -}}
{{- end -}}
{{- else if $tls.enabled -}}
{{- $_ := set $client "security.protocol" "SSL" -}}
{{- end -}}
{{- if $tls.enabled -}}
{{- if $tls.caSecret -}}
{{- $_ := set $client "ssl.ca.location" (printf "/etc/headrace/kafka-ca/%s" $tls.caKey) -}}
{{- end -}}
{{- if $tls.clientSecret -}}
{{- $_ := set $client "ssl.certificate.location" "/etc/headrace/kafka-client/tls.crt" -}}
{{- $_ := set $client "ssl.key.location" "/etc/headrace/kafka-client/tls.key" -}}
{{- end -}}
{{- end -}}
{{- toJson $client -}}
{{- end -}}

{{/* The settings of one process. `admin`: whether it is the admin process. */}}
{{- define "headrace.toml" -}}
{{- $root := .root -}}
{{- $settings := deepCopy $root.Values.settings -}}
{{- $client := include "headrace.kafkaClient" $root | fromJson -}}
{{- $kafka := dig "kafka" dict $settings -}}
{{- $_ := set $kafka "client" (merge (dig "client" dict $kafka) $client) -}}
{{- if not $kafka.client -}}
{{- $_ := unset $kafka "client" -}}
{{- end -}}
{{- $_ := set $settings "kafka" $kafka -}}
{{- if $root.Values.metrics.enabled -}}
{{- $listening := dict "host" $root.Values.listen "port" $root.Values.metrics.port -}}
{{- /* where probes, services and policies look for it, whatever the settings say */ -}}
{{- $_ := set $settings "telemetry" (mustMergeOverwrite (dig "telemetry" dict $settings) $listening) -}}
{{- end -}}
{{- /* no process reads these, and a changed threshold rolls no pods */ -}}
{{- $_ := unset $settings "alerts" -}}
{{- if not .admin -}}
{{- /* when a pod is killed is the chart's word */ -}}
{{- $end := dict "stop_within" (include "headrace.grace" $root | int) -}}
{{- $_ := set $settings "worker" (mustMergeOverwrite (dig "worker" dict $settings) $end) -}}
{{- end -}}
{{- if .admin -}}
{{- $admin := dig "admin" dict $settings -}}
{{- $_ := set $admin "host" $root.Values.listen -}}
{{- $_ := set $admin "port" (int $root.Values.admin.port) -}}
{{- $_ := set $admin "tokens" $root.Values.admin.tokens -}}
{{- $_ := set $settings "admin" $admin -}}
{{- end -}}
{{- range $section, $values := $settings -}}
{{- include "headrace.section" (dict "path" $section "values" $values) -}}
{{- end -}}
{{- end -}}

{{/* A section as TOML: values first, then the sections inside it. Strings of JSON are strings of TOML. */}}
{{- define "headrace.section" -}}
{{- $path := .path -}}
[{{ $path }}]
{{ range $key, $value := .values -}}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) -}}
{{ $key | mustToRawJson }} = {{ include "headrace.value" $value }}
{{ end -}}
{{- end -}}
{{- range $key, $value := .values -}}
{{- if kindIs "map" $value -}}
{{ include "headrace.section" (dict "path" (printf "%s.%s" $path ($key | mustToRawJson)) "values" $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Numbers of values are floats to Helm: whole ones are written as such. */}}
{{- define "headrace.value" -}}
{{- if kindIs "float64" . -}}
{{- if eq . (floor .) -}}{{ printf "%.0f" . }}{{- else -}}{{ . }}{{- end -}}
{{- else if kindIs "slice" . -}}
[{{ range $index, $each := . }}{{ if $index }}, {{ end }}{{ include "headrace.value" $each }}{{ end }}]
{{- else -}}
{{- mustToRawJson . -}}
{{- end -}}
{{- end -}}

{{/* The settings whose text holds a login inside an address, by their names. */}}
{{- define "headrace.logins" -}}
{{- $path := .path -}}
{{- if kindIs "map" .value -}}
{{- range $key, $each := .value -}}
{{- include "headrace.logins" (dict "path" (printf "%s.%s" $path $key) "value" $each) -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range .value -}}
{{- include "headrace.logins" (dict "path" $path "value" .) -}}
{{- end -}}
{{- else if kindIs "string" .value -}}
{{- if regexMatch "://[^/@\\s]*:[^/@\\s]*@" .value -}}
{{ printf "%s " $path }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Secrets that are there, as variables. */}}
{{- define "headrace.env" -}}
{{- $sasl := .Values.kafka.sasl -}}
{{- if and $sasl.mechanism $sasl.existingSecret }}
- name: {{ ternary "HEADRACE_KAFKA__CLIENT__SASL.OAUTHBEARER.CLIENT.SECRET" "HEADRACE_KAFKA__CLIENT__SASL.PASSWORD" (eq $sasl.mechanism "OAUTHBEARER") }}
  valueFrom:
    secretKeyRef: {name: {{ $sasl.existingSecret | quote }}, key: {{ $sasl.secretKey | quote }}}
{{- end }}
{{- with .Values.target.existingSecret }}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $.Values.target.secretKey | quote }}}
{{- end }}
{{- with .Values.target.tls.mode }}
- name: PGSSLMODE
  value: {{ . | quote }}
{{- end }}
{{- if .Values.target.tls.caSecret }}
- name: PGSSLROOTCERT
  value: {{ printf "/etc/headrace/target-ca/%s" .Values.target.tls.caKey | quote }}
{{- end }}
{{- if .Values.target.tls.clientSecret }}
- name: PGSSLCERT
  value: /etc/headrace/target-client/tls.crt
- name: PGSSLKEY
  value: /etc/headrace/target-client/tls.key
{{- end }}
{{- range .Values.secrets }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key | quote }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "headrace.workerEnv" -}}
{{- if .Values.worker.staticMembership }}
- name: HEADRACE_KAFKA__CLIENT__GROUP.INSTANCE.ID
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
{{- end }}
{{- include "headrace.env" . }}
{{- end -}}

{{- define "headrace.adminEnv" -}}
{{- include "headrace.env" . }}
{{- with .Values.admin.sessionKeySecret }}
- name: HEADRACE_ADMIN__SESSION_KEY
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $.Values.admin.sessionKeyKey | quote }}}
{{- end }}
{{- with .Values.admin.oidcSecret }}
- name: HEADRACE_ADMIN__OIDC__CLIENT_SECRET
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $.Values.admin.oidcSecretKey | quote }}}
{{- end }}
{{- end -}}

{{/* With a connection string of its own the migration has nothing of the workers' login. */}}
{{- define "headrace.migrationEnv" -}}
{{- $found := include "headrace.env" . | fromYamlArray -}}
{{- with .Values.migration.dsnSecret -}}
{{- $login := dict "name" "HEADRACE_TARGET__DSN" "valueFrom" (dict "secretKeyRef" (dict "name" . "key" $.Values.migration.dsnKey)) -}}
{{- $kept := list $login -}}
{{- range $found -}}
{{- if not (has .name (list "HEADRACE_TARGET__DSN" "PGPASSWORD" "PGSSLCERT" "PGSSLKEY")) -}}
{{- $kept = append $kept . -}}
{{- end -}}
{{- end -}}
{{- $found = $kept -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "headrace.volumeMounts" -}}
- {name: settings, mountPath: /etc/headrace/headrace.toml, subPath: {{ .file | default "headrace.toml" }}, readOnly: true}
- {name: scratch, mountPath: /tmp}
{{- range include "headrace.certificates" . | fromJsonArray }}
- {name: {{ .name }}, mountPath: /etc/headrace/{{ .name }}, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "headrace.volumes" -}}
- name: settings
  configMap: {name: {{ .settings | default (include "headrace.fullname" .) }}}
- name: scratch
  emptyDir: {sizeLimit: 64Mi}
{{- range include "headrace.certificates" . | fromJsonArray }}
- name: {{ .name }}
  secret: {secretName: {{ .secret | quote }}, defaultMode: 0440}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Secrets that are mounted as files. */}}
{{- define "headrace.certificates" -}}
{{- $found := list -}}
{{- if .Values.kafka.tls.enabled -}}
{{- if .Values.kafka.tls.caSecret -}}
{{- $found = append $found (dict "name" "kafka-ca" "secret" .Values.kafka.tls.caSecret) -}}
{{- end -}}
{{- if .Values.kafka.tls.clientSecret -}}
{{- $found = append $found (dict "name" "kafka-client" "secret" .Values.kafka.tls.clientSecret) -}}
{{- end -}}
{{- end -}}
{{- if .Values.target.tls.caSecret -}}
{{- $found = append $found (dict "name" "target-ca" "secret" .Values.target.tls.caSecret) -}}
{{- end -}}
{{- if .Values.target.tls.clientSecret -}}
{{- $found = append $found (dict "name" "target-client" "secret" .Values.target.tls.clientSecret) -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}
