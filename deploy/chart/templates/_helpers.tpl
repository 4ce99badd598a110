{{- define "orgtrail.name" -}}
{{- printf "%s" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "orgtrail.labels" -}}
app.kubernetes.io/name: orgtrail
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "orgtrail.allLabels" -}}
{{ include "orgtrail.labels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* What every pod may do: nothing but its work. */}}
{{- define "orgtrail.pod" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end -}}

{{- define "orgtrail.container" -}}
image: {{ printf "%s:%s" .root.Values.image.repository (.root.Values.image.tag | default .root.Chart.AppVersion) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Connections. Passwords are files: variables are shown to whoever may see the pod. */}}
{{- define "orgtrail.env" -}}
{{- $v := .root.Values }}
{{- if .kafkaUser }}
- {name: ORGTRAIL_KAFKA_BROKERS, value: {{ required "set kafka.brokers" $v.kafka.brokers | quote }}}
- {name: ORGTRAIL_KAFKA_SECURITY_PROTOCOL, value: {{ $v.kafka.securityProtocol | quote }}}
{{- if $v.kafka.caSecret }}
- {name: ORGTRAIL_KAFKA_CA_FILE, value: /run/orgtrail/kafka-ca/ca.crt}
{{- end }}
{{- if hasPrefix "SASL" $v.kafka.securityProtocol }}
- {name: ORGTRAIL_KAFKA_SASL_MECHANISM, value: {{ $v.kafka.saslMechanism | quote }}}
- {name: ORGTRAIL_KAFKA_SASL_USERNAME, value: {{ .kafkaUser | quote }}}
- {name: ORGTRAIL_KAFKA_SASL_PASSWORD_FILE, value: /run/orgtrail/kafka-user/password}
{{- else if eq $v.kafka.securityProtocol "SSL" }}
- {name: ORGTRAIL_KAFKA_CERTIFICATE_FILE, value: /run/orgtrail/kafka-user/user.crt}
- {name: ORGTRAIL_KAFKA_KEY_FILE, value: /run/orgtrail/kafka-user/user.key}
{{- end }}
{{- end }}
- {name: ORGTRAIL_CLICKHOUSE_HOST, value: {{ required "set clickhouse.host" $v.clickhouse.host | quote }}}
- {name: ORGTRAIL_CLICKHOUSE_PORT, value: {{ $v.clickhouse.port | quote }}}
- {name: ORGTRAIL_CLICKHOUSE_SECURE, value: {{ $v.clickhouse.secure | quote }}}
{{- if $v.clickhouse.insertQuorum }}
- {name: ORGTRAIL_CLICKHOUSE_INSERT_QUORUM, value: {{ $v.clickhouse.insertQuorum | quote }}}
{{- end }}
{{- with $v.clickhouse.shards }}
- {name: ORGTRAIL_CLICKHOUSE_SHARDS, value: {{ join "," . | quote }}}
{{- end }}
{{- if $v.clickhouse.caSecret }}
- {name: ORGTRAIL_CLICKHOUSE_CA_FILE, value: /run/orgtrail/clickhouse-ca/ca.crt}
{{- end }}
{{- range .passwords }}
- {name: {{ printf "ORGTRAIL_CLICKHOUSE_%s_PASSWORD_FILE" (upper .) }}, value: {{ printf "/run/orgtrail/clickhouse/%s" . }}}
{{- end }}
{{- range $name, $value := .settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{- define "orgtrail.mounts" -}}
{{- $v := .root.Values }}
- {name: tmp, mountPath: /tmp}
- {name: clickhouse, mountPath: /run/orgtrail/clickhouse, readOnly: true}
{{- if $v.clickhouse.caSecret }}
- {name: clickhouse-ca, mountPath: /run/orgtrail/clickhouse-ca, readOnly: true}
{{- end }}
{{- if .kafkaUser }}
{{- if ne $v.kafka.securityProtocol "PLAINTEXT" }}
- {name: kafka-user, mountPath: /run/orgtrail/kafka-user, readOnly: true}
{{- end }}
{{- if $v.kafka.caSecret }}
- {name: kafka-ca, mountPath: /run/orgtrail/kafka-ca, readOnly: true}
{{- end }}
{{- end }}
{{- end -}}

{{- define "orgtrail.volumes" -}}
{{- $v := .root.Values }}
- {name: tmp, emptyDir: {}}
- name: clickhouse
  secret:
    secretName: {{ $v.clickhouse.passwordsSecret }}
    defaultMode: 0440
    items:
{{- range .passwords }}
      - {key: {{ . }}, path: {{ . }}}
{{- end }}
{{- if $v.clickhouse.caSecret }}
- name: clickhouse-ca
  secret: {secretName: {{ $v.clickhouse.caSecret }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- if .kafkaUser }}
{{- if ne $v.kafka.securityProtocol "PLAINTEXT" }}
- name: kafka-user
  secret: {secretName: {{ .kafkaUser }}, defaultMode: 0440}
{{- end }}
{{- if $v.kafka.caSecret }}
- name: kafka-ca
  secret: {secretName: {{ $v.kafka.caSecret }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- end }}
{{- end -}}
