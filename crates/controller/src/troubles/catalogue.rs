//! The troubles of the operator process.

use crate::troubles;

troubles! {
    /// What can go wrong while the operator runs.
    pub enum Trouble {
        "Start and end": {
            /// No pod's ServiceAccount and no kubeconfig tells how to reach a cluster.
            NoCluster = "no-cluster", "In a pod: do not switch `automountServiceAccountToken` off. Elsewhere: set KUBECONFIG, \
                or write `~/.kube/config`.";
            /// The kubeconfig or the ServiceAccount names a cluster in a way that no client can be made of: a certificate that
            /// cannot be read, or a way to log in that is not supported.
            ClusterUnusable = "cluster-unusable", "The message says which part. `kubectl get --raw /readyz` with the same \
                kubeconfig tells whether it works elsewhere.";
            /// `--as` names no ServiceAccount.
            NoServiceAccount = "no-service-account", "Write NAMESPACE/NAME, such as `--as=flink-remedy/flink-remedy`.";
            /// The file of `--policy` is missing, is no RemediationPolicy, or says something that is no policy. The process ends:
            /// nothing runs upon half a policy.
            PolicyFile = "policy-file", "`flink-remedy policy validate FILE` shows each mistake with line and column; \
                `flink-remedy policy default` prints a whole policy with its defaults.";
            /// The filter of `--log-level` or of PUT /log-level is none.
            LogFilter = "log-filter", "Write a level (error, warn, info, debug, trace), or directives such as \
                `info,controller=debug`.";
            /// The address to listen on is taken, or is none of this machine's.
            Listen = "listen", "Choose another with the flag that the message names (`--listen`, `--webhook`). As a sidecar, \
                mind the ports of the Flink operator: its own use 8085 and 9443.";
            /// The process cannot start its threads or wait for signals: the system gives it too little.
            Setup = "setup", "Look at the limits of the pod and the node: processes, threads, open files.";
            /// A part that should run for ever has ended or panicked. The process ends, and Kubernetes starts it anew: half an
            /// operator would be worse than none.
            PartEnded = "part-ended", "Once: nothing. Again and again: it is a mistake of flink-remedy; report it with the log \
                from the start on. `--mode=Advise` writes to no job meanwhile.";
            /// Asked to end, the process had more in progress than it could finish in its time. Nothing is half done: it is
            /// taken up again at the next start.
            EndedLate = "ended-late", "Nothing, if it ended for an upgrade. If it happens often, the API server is slow: see \
                `api-server-silent`.";
        }
        "Leader election": {
            /// The Lease could not be read or taken for a moment; it is tried again every few seconds. Until one replica leads,
            /// nothing is written.
            LeaseNotAcquired = "lease-not-acquired", "If it lasts, look at the API server and at NetworkPolicies that keep the \
                pod from it.";
            /// A renewal of the Lease failed. The process leads until its deadline, and writes nothing after it.
            LeaseNotRenewed = "lease-not-renewed", "Nothing, if it stays at that. If it lasts, the API server is slow or away, \
                or the right to update the Lease is gone (manifests/rbac/role.yaml).";
            /// The Lease could not be renewed before its deadline, so that another replica may lead. The process ends, which
            /// is on purpose: only who leads may write.
            LeaseLost = "lease-lost", "Nothing, if the other replica leads (metric `flink_remedy_leader`). If both lose it \
                again and again, the API server answers later than `--lease-duration` allows.";
            /// Another process has taken the Lease, so that this one ends: only one may write.
            LeaseTaken = "lease-taken", "Nothing, if it happens once. If it repeats, two installations share one Lease: give each \
                its own by `--lease-namespace` or `--lease-name`, and let only one of them watch a namespace.";
            /// The ServiceAccount may not use the Lease, and without leading nothing is ever written.
            LeaseForbidden = "lease-forbidden", "Grant get, create and update on leases.coordination.k8s.io in the namespace of \
                the Lease (manifests/rbac/role.yaml), and see that `--lease-namespace` is that namespace.";
            /// The process ended and could not give its Lease back; another replica leads when it has expired.
            LeaseNotReleased = "lease-not-released", "Nothing: it takes 15 seconds, or as long as `--lease-duration` says.";
        }
        "Reading the cluster": {
            /// A watch of the API server has ended or could not begin: the server is away, restarts, or has forgotten that old
            /// a version. What is known stays, and nothing is written upon it that the server would not confirm.
            WatchInterrupted = "watch-interrupted", "Nothing: it goes on by itself, later each time, up to a minute. If it \
                lasts, look at the API server and the network.";
            /// The ServiceAccount may not list and watch something without which nothing can be decided.
            MayNotWatch = "may-not-watch", "Grant the verbs that the message names (manifests/rbac). Where it says that this \
                account cannot impersonate, apply manifests/sidecar.";
            /// The cluster has no FlinkDeployments: the Flink Kubernetes Operator's definitions are not installed.
            NoFlinkOperator = "no-flink-operator", "Install the Flink Kubernetes Operator, or its CRDs. It goes on by itself \
                then.";
            /// FlinkSessionJobs or FlinkBlueGreenDeployments exist and cannot be read: they are left alone, and so are session
            /// clusters, whose jobs cannot be counted. All else goes on.
            KindUnread = "kind-unread", "Grant the verbs that the message names, or leave it so if that kind shall not be \
                filled.";
            /// The Flink operator's own configuration cannot be read or makes no sense, so that nobody knows which options jobs
            /// have from there. Nothing is filled until it is read.
            OperatorConfigUnread = "operator-config-unread", "Correct `--operator-config`: NAMESPACE/CONFIGMAP, a mounted \
                directory, or `none` if it has no configuration. For a ConfigMap in another namespace change \
                manifests/rbac/role-operator-config.yaml with it. What the message says of a file is a mistake in that file.";
            /// A job's namespace is not in the cache yet, and its annotations might opt the job out.
            NamespaceUnknown = "namespace-unknown", "Nothing: it is looked at again within seconds.";
            /// What was kept of a job, or of its report, between two looks does not come back as it was. The job is left
            /// alone, and its report as it stands.
            NotKept = "not-kept", "It is a mistake of flink-remedy, or of the machine's memory: report it with the log line. A                 restart of the pod reads everything anew.";
        }
        "Policies": {
            /// Nobody answers whether there are policies, so that none is taken for granted.
            PoliciesUnanswered = "policies-unanswered", "Nothing, if it ends. If it lasts, look at the API server.";
            /// The policies of the cluster may not be read, and a policy that says Off must not be passed over: nothing is
            /// decided before.
            PoliciesUnread = "policies-unread", "Grant list and watch on remediationpolicies.flink-remedy.dev \
                (manifests/rbac), or give a policy by `--policy`.";
            /// A RemediationPolicy says something that is no policy. Nothing is written to the jobs that it selects until it is
            /// corrected.
            PolicyInvalid = "policy-invalid", "`kubectl get remediationpolicies -o wide` shows the reason; \
                `flink-remedy policy validate FILE` checks a correction. With the webhook such a policy is refused at once.";
            /// A policy is in force, and something in it is worth a second look, such as a storage template without
            /// `{cluster}`.
            PolicyWarning = "policy-warning", "Read the message, and change the policy if it was not meant so.";
            /// What has become of a policy cannot be written onto it; its counts and its condition are out of date. All else
            /// goes on.
            PolicyStatusUnwritten = "policy-status-unwritten", "Grant patch on remediationpolicies/status (manifests/rbac), and \
                install the definitions of this version: `flink-remedy crd | kubectl apply -f -`.";
            /// The mode is Apply, and the Flink operator's version is unknown or older than 1.15, under which an upgrade can
            /// lose a job's state (FLINK-39270). Running jobs are held.
            RestartsNothing = "restarts-nothing", "Give `--operator-version`, or accept the version in the policy \
                (`rollout.acceptedOperatorVersions`).";
        }
        "Writing to a job": {
            /// Another field manager owns a value that would be filled. It keeps it.
            OwnedByAnother = "owned-by-another", "Take the field out of that manager's manifest to have it filled, or opt out \
                of the rule. The Event on the job names the manager.";
            /// `flinkConfiguration` of the job is text or a list instead of a map, so that no single option can be filled.
            NotAMap = "not-a-map", "Write `key: value` lines below `flinkConfiguration`.";
            /// The job has changed between reading and writing, or is another one by the same name. Nothing was written.
            Outdated = "outdated", "Nothing: it is planned anew on what is there now.";
            /// The job was deleted between reading and writing.
            JobGone = "job-gone", "Nothing.";
            /// The ServiceAccount may not patch this kind of job.
            MayNotPatch = "may-not-patch", "Grant the verb patch on the resource that the message names (manifests/rbac).";
            /// The API server refused the change: an admission webhook or policy, a quota, or the schema. Nothing was written,
            /// and it is tried again, later each time.
            Refused = "refused", "The message has the words of whoever refused: correct that, or opt out of the rule.";
            /// The API server did not answer in time, or with an error of its own. What was sent may have landed: the next look
            /// sees it.
            ApiServerSilent = "api-server-silent", "Nothing, if it ends. If it lasts, look at the API server's load, its \
                priority and fairness settings, and lower `--concurrency`.";
            /// The API server rejects requests (429), is overloaded or is away, so that less is written at a time, and nothing
            /// for a moment. Changes of jobs come first; Events and reports wait behind them.
            ServerOverloaded = "server-overloaded", "Nothing, if it ends. If it lasts (metric `flink_remedy_write_limit` stays \
                below `--concurrency`), look at the API server's load and at its priority and fairness settings for \
                flink-remedy's ServiceAccount.";
            /// This process does not lead any more, so that it did not send what it had decided.
            NotLeading = "not-leading", "Nothing: the replica that leads decides it again.";
        }
        "Telling": {
            /// An Event could not be posted and will not be tried again by itself: a right is missing, or the namespace is
            /// being deleted. What it says stands in the job's report too.
            EventRefused = "event-refused", "Grant create on events.events.k8s.io (manifests/rbac). In a namespace that is \
                being deleted: nothing.";
            /// An Event could not be posted yet; it is tried a few times, and again at the job's next look.
            EventDelayed = "event-delayed", "Nothing, if it ends.";
            /// No RemediationReports are kept, since the kind is not installed or the right to it is missing. All else goes on.
            ReportsOff = "reports-off", "`flink-remedy crd | kubectl apply -f -`, or grant list, watch, create and patch on \
                remediationreports.flink-remedy.dev (manifests/rbac).";
            /// A report could not be written. It is tried again at the job's next look.
            ReportUnwritten = "report-unwritten", "The message says what to grant, or that the installed definition is of \
                another version: `flink-remedy crd | kubectl apply -f -`.";
            /// `--open-reports` is set, and reports.openreports.io cannot be listed. All else goes on.
            OpenReportsOff = "open-reports-off", "Install the kind of openreports.io/v1alpha1, grant list, create and patch on \
                it (manifests/rbac), or leave `--open-reports` out.";
            /// A report for openreports.io could not be written. It is tried again at the job's next look.
            OpenReportUnwritten = "open-report-unwritten", "The message says why, and what to grant.";
            /// A JobManager did not tell of its checkpoints (`verification.askJobManager`), so that a restart may end as
            /// unverified. Logged at level debug.
            JobManagerSilent = "job-manager-silent", "Allow flink-remedy to reach port 8081 of JobManagers (NetworkPolicies), \
                and see that `verification.jobManagerAddress` fits; with TLS or authentication there, leave \
                `askJobManager` false.";
        }
        "Webhook": {
            /// A certificate could not be made, or what the Secret or the folder holds is none that can be served with. The
            /// webhook serves with the last good one; without any, the API server stores jobs as they were sent.
            CertificateUnusable = "certificate-unusable", "Own certificates: delete the Secret `flink-remedy-webhook`, and a new \
                one is made. Of cert-manager: look at the Certificate, and at the folder of `--webhook-certificate`.";
            /// The Secret or the MutatingWebhookConfiguration cannot be read or written: without it nobody knows the webhook's
            /// authority, and jobs are stored as they were sent.
            CertificateUnkept = "certificate-unkept", "Grant what manifests/webhook/rbac.yaml grants. If the watch was only \
                interrupted it goes on by itself.";
            /// There is no MutatingWebhookConfiguration of the name of `--webhook-configuration`, so that nobody asks the
            /// webhook.
            WebhookUnconfigured = "webhook-unconfigured", "Apply manifests/webhook, or leave `--webhook` out.";
            /// A connection to the webhook could not be accepted: most often too many open files.
            WebhookUnreachable = "webhook-unreachable", "Look at the limits of the pod, and at who opens so many connections.";
            /// Somebody sent the webhook something that is no `admission.k8s.io/v1` review. Logged at level debug.
            NotAReview = "not-a-review", "See that the MutatingWebhookConfiguration says `admissionReviewVersions: [v1]`, and \
                that only the API server reaches the port.";
        }
    }
}
