/// What the cluster shows around a job. `None` means that nobody looked, or that we may not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Names of the `NetworkPolicy`s that restrict what reaches the `JobManager`'s pods.
    pub network_policies: Option<Vec<String>>,
    /// Names of the `PrometheusRule`s that alert on the checklist's metrics; `None` also where the cluster has no
    /// such kind.
    pub alerts: Option<Vec<String>>,
}
