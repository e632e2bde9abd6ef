//! What of each manifest is the chart's values' to say.

/// A text of the manifest, which has to stand there once, and what stands for it in the template.
pub(super) type Edit = (&'static str, &'static str);

/// A manifest that the chart has too.
pub(super) struct Template<'a> {
    /// Its file under `manifests/`.
    pub(super) source: &'a str,
    /// The condition under which the chart has it; none if empty.
    pub(super) when: &'a str,
    pub(super) edits: &'a [Edit],
}

/// A folder of manifests that the value of its name switches on.
pub(super) struct Part {
    pub(super) folder: &'static str,
    /// What of its members, by their names, is for values to say.
    pub(super) edits: &'static [(&'static str, &'static [Edit])],
}

/// Every such folder.
pub(super) const PARTS: &[Part] = &[
    Part { folder: "guardrail", edits: &[("guardrail/policy", GUARDRAIL)] },
    Part { folder: "monitoring", edits: &[] },
];

/// Every template that is made of a manifest.
pub(super) const TEMPLATES: &[Template<'static>] = &[
    Template { source: "crd/remediationpolicies.yaml", when: ".Values.crds.install", edits: KEEP_POLICIES },
    Template { source: "crd/remediationreports.yaml", when: ".Values.crds.install", edits: KEEP_REPORTS },
    Template { source: "rbac/serviceaccount.yaml", when: "", edits: &[] },
    Template { source: "rbac/clusterrole.yaml", when: "", edits: CLUSTER_ROLE },
    Template { source: "rbac/role.yaml", when: "", edits: &[] },
    Template {
        source: "rbac/role-operator-config.yaml",
        when: ".Values.flinkOperator.config.enabled",
        edits: OPERATOR_CONFIG,
    },
    Template { source: "operator/deployment.yaml", when: "", edits: DEPLOYMENT },
    Template { source: "operator/poddisruptionbudget.yaml", when: ".Values.podDisruptionBudget.enabled", edits: &[] },
    Template { source: "operator/networkpolicy.yaml", when: ".Values.networkPolicy.enabled", edits: NETWORK_POLICY },
    Template { source: "webhook/service.yaml", when: ".Values.webhook.enabled", edits: &[] },
    Template {
        source: "webhook/rbac.yaml",
        when: "and .Values.webhook.enabled (not .Values.webhook.certManager.enabled)",
        edits: &[],
    },
    Template { source: "webhook/configuration.yaml", when: ".Values.webhook.enabled", edits: CONFIGURATION },
    Template {
        source: "webhook-cert-manager/certificates.yaml",
        when: "include \"flink-remedy.certManager\" .",
        edits: CERTIFICATES,
    },
];

const GUARDRAIL: &[Edit] = &[(
    "  - name: settings\n    expression: '[]'\n",
    "  - name: settings\n    expression: {{ .Values.guardrail.settings | toJson | quote }}\n",
)];

const KEEP_POLICIES: &[Edit] = &[(
    "  name: remediationpolicies.flink-remedy.dev\n",
    "  name: remediationpolicies.flink-remedy.dev
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
",
)];

const KEEP_REPORTS: &[Edit] = &[(
    "  name: remediationreports.flink-remedy.dev\n",
    "  name: remediationreports.flink-remedy.dev
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
",
)];

// Where namespaces are named, the rights are bound in them alone (watched-namespaces.yaml).
const CLUSTER_ROLE: &[Edit] = &[
    (
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n",
        "{{- if not .Values.watchNamespaces }}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n",
    ),
    (
        "subjects:
  - kind: ServiceAccount
    name: flink-remedy
    namespace: {{ .Release.Namespace }}
",
        "subjects:
  - kind: ServiceAccount
    name: flink-remedy
    namespace: {{ .Release.Namespace }}
{{- end }}
",
    ),
];

const OPERATOR_CONFIG: &[Edit] = &[
    (
        "kind: Role\nmetadata:\n  name: flink-remedy-operator-config\n  namespace: flink-operator\n",
        "kind: Role\nmetadata:\n  name: flink-remedy-operator-config\n  namespace: {{ .Values.flinkOperator.config.namespace }}\n",
    ),
    (
        "kind: RoleBinding\nmetadata:\n  name: flink-remedy-operator-config\n  namespace: flink-operator\n",
        "kind: RoleBinding\nmetadata:\n  name: flink-remedy-operator-config\n  namespace: {{ .Values.flinkOperator.config.namespace }}\n",
    ),
    ("resourceNames: [flink-operator-config]\n", "resourceNames: [{{ .Values.flinkOperator.config.name | quote }}]\n"),
];

const NETWORK_POLICY: &[Edit] = &[
    (
        "    # The webhook, which the API server calls, from wherever it or its tunnel into the cluster is.
    - ports:
        - protocol: TCP
          port: 9443
",
        "    {{- if .Values.webhook.enabled }}
    # The webhook, which the API server calls, from wherever it or its tunnel into the cluster is.
    - ports:
        - protocol: TCP
          port: 9443
    {{- end }}
",
    ),
    (
        "    - ports:
        - protocol: TCP
          port: 443
        - protocol: TCP
          port: 6443
        - protocol: TCP
          port: 8443
        - protocol: TCP
          port: 16443
",
        "    - ports:
        {{- range .Values.networkPolicy.apiServerPorts }}
        - protocol: TCP
          port: {{ . }}
        {{- end }}
      {{- with .Values.networkPolicy.apiServerCIDRs }}
      to:
        {{- range . }}
        - ipBlock:
            cidr: {{ . }}
        {{- end }}
      {{- end }}
",
    ),
];

const CONFIGURATION: &[Edit] = &[
    (
        "    app.kubernetes.io/name: flink-remedy\n",
        "    app.kubernetes.io/name: flink-remedy
  {{- if include \"flink-remedy.certManager\" . }}
  annotations:
    cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/flink-remedy-webhook
  {{- end }}
",
    ),
    (
        "    # Nobody's deployment waits for us",
        "    {{- with .Values.watchNamespaces }}
    namespaceSelector:
      matchExpressions:
        - key: kubernetes.io/metadata.name
          operator: In
          values:
            {{- toYaml . | nindent 12 }}
    {{- end }}
    # Nobody's deployment waits for us",
    ),
    (
        "          !request.userInfo.username.endsWith(':flink-operator') && ",
        "          {{ range .Values.flinkOperator.accounts }}!request.userInfo.username.endsWith(':{{ . | replace \"/\" \":\" }}') && {{ end }}",
    ),
];

const CERTIFICATES: &[Edit] = &[
    (
        "apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  name: flink-remedy-webhook-self-signed
",
        "{{- if not .Values.webhook.certManager.issuerRef }}
apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  name: flink-remedy-webhook-self-signed
",
    ),
    (
        "    secretName: flink-remedy-webhook-authority
---
",
        "    secretName: flink-remedy-webhook-authority
---
{{- end }}
",
    ),
    (
        "dnsNames: [flink-remedy-webhook.flink-remedy.svc]\n",
        "dnsNames: [flink-remedy-webhook.{{ .Release.Namespace }}.svc]\n",
    ),
    (
        "  issuerRef:
    group: cert-manager.io
    kind: Issuer
    name: flink-remedy-webhook
",
        "  issuerRef:
    {{- if .Values.webhook.certManager.issuerRef }}
    {{- toYaml .Values.webhook.certManager.issuerRef | nindent 4 }}
    {{- else }}
    group: cert-manager.io
    kind: Issuer
    name: flink-remedy-webhook
    {{- end }}
",
    ),
];

const DEPLOYMENT: &[Edit] = &[
    ("  replicas: 2\n", "  replicas: {{ .Values.replicas }}\n"),
    (
        "    metadata:
      labels:
        app.kubernetes.io/name: flink-remedy
",
        "    metadata:
      labels:
        app.kubernetes.io/name: flink-remedy
        {{- with .Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if or .Values.policies .Values.podAnnotations }}
      annotations:
        {{- with .Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- if .Values.policies }}
        # The file is read at the start.
        flink-remedy.dev/policies: {{ include \"flink-remedy.policies\" . | sha256sum }}
        {{- end }}
      {{- end }}
",
    ),
    (
        "      serviceAccountName: flink-remedy\n",
        "      serviceAccountName: flink-remedy
      {{- with .Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with .Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
",
    ),
    (
        "          image: flink-remedy:0.1.0\n",
        "          image: {{ include \"flink-remedy.image\" . }}
          {{- with .Values.image.pullPolicy }}
          imagePullPolicy: {{ . }}
          {{- end }}
",
    ),
    (
        "            - --mode=NextDeploy\n",
        "            {{- if .Values.policies }}
            - --policy=/etc/flink-remedy/policies/policies.yaml
            {{- else }}
            - --mode={{ .Values.mode }}
            {{- end }}
",
    ),
    (
        "            - --operator-config=flink-operator/flink-operator-config\n",
        "            {{- with .Values.flinkOperator.config }}
            - --operator-config={{ if .enabled }}{{ .namespace }}/{{ .name }}{{ else }}none{{ end }}
            {{- end }}
",
    ),
    (
        "            - --webhook=0.0.0.0:9443\n",
        "            {{- if .Values.webhook.enabled }}
            - --webhook=0.0.0.0:9443
            {{- end }}
",
    ),
    (
        "            - --log-format=json\n",
        "            - --log-format={{ .Values.log.format }}
            {{- if include \"flink-remedy.certManager\" . }}
            - --webhook-certificate=/etc/flink-remedy/webhook
            {{- end }}
            {{- if ne .Values.log.level \"info\" }}
            - {{ printf \"--log-level=%s\" .Values.log.level | quote }}
            {{- end }}
            {{- if .Values.dryRun }}
            - --dry-run
            {{- end }}
            {{- if .Values.openReports }}
            - --open-reports
            {{- end }}
            {{- with .Values.watchNamespaces }}
            - --watch-namespaces={{ join \",\" . }}
            {{- end }}
            {{- with .Values.flinkOperator.version }}
            - --operator-version={{ . }}
            {{- end }}
            {{- if ne (join \",\" .Values.flinkOperator.accounts) \"flink-operator\" }}
            - --operator-account={{ join \",\" .Values.flinkOperator.accounts }}
            {{- end }}
            {{- with .Values.extraArgs }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
",
    ),
    (
        "            - name: webhook
              containerPort: 9443
",
        "            {{- if .Values.webhook.enabled }}
            - name: webhook
              containerPort: 9443
            {{- end }}
",
    ),
    (
        "            requests:
              cpu: 50m
              memory: 64Mi
            limits:
              memory: 256Mi
",
        "            {{- toYaml .Values.resources | nindent 12 }}
",
    ),
    (
        "              drop: [ALL]\n",
        "              drop: [ALL]
          {{- if or .Values.policies (include \"flink-remedy.certManager\" .) }}
          volumeMounts:
            {{- if include \"flink-remedy.certManager\" . }}
            - name: webhook-certificate
              mountPath: /etc/flink-remedy/webhook
              readOnly: true
            {{- end }}
            {{- if .Values.policies }}
            - name: policies
              mountPath: /etc/flink-remedy/policies
              readOnly: true
            {{- end }}
      volumes:
        {{- if include \"flink-remedy.certManager\" . }}
        - name: webhook-certificate
          secret:
            secretName: flink-remedy-webhook-certificate
            # Jobs that are there are filled before cert-manager has made it; it is served as soon as it is mounted.
            optional: true
        {{- end }}
        {{- if .Values.policies }}
        - name: policies
          configMap:
            name: flink-remedy-policies
        {{- end }}
          {{- end }}
",
    ),
];
