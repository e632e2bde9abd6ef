use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// `spec.jobManager`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobManagerSpec {
    /// Number of `JobManager`s, 1 where it is absent.
    pub replicas: Option<i64>,
    /// Size in FKO's own form.
    pub resource: Option<Resource>,
    /// Size in the form of Kubernetes (FKO from 1.16 on); where it is there `resource` is not read.
    pub resources: Option<ResourceRequirements>,
    /// Merged over the common pod template; whoever looks at the process shares it.
    pub pod_template: Option<Arc<PodTemplate>>,
    /// Amazon EMR on EKS: the directory of high availability, which its operator then sets up.
    pub storage_dir: Option<String>,
}

/// `spec.taskManager`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskManagerSpec {
    /// Number of `TaskManager`s; absent, parallelism and slots give it.
    pub replicas: Option<i64>,
    /// Size in FKO's own form.
    pub resource: Option<Resource>,
    /// Size in the form of Kubernetes (FKO from 1.16 on); where it is there `resource` is not read.
    pub resources: Option<ResourceRequirements>,
    /// Merged over the common pod template.
    pub pod_template: Option<Arc<PodTemplate>>,
}

/// `resource` of a `JobManager` or `TaskManager`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Cores, a number or a quantity.
    pub cpu: Option<Value>,
    /// Memory as Flink or Kubernetes writes it: `2048m`, `2Gi`.
    pub memory: Option<String>,
}

/// Kubernetes' requests and limits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceRequirements {
    /// Quantities by resource name, as text or number.
    pub requests: Option<BTreeMap<String, Value>>,
    /// Quantities by resource name, as text or number.
    pub limits: Option<BTreeMap<String, Value>>,
}

/// What we read of a pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodTemplate {
    /// Metadata that every pod gets.
    pub metadata: Option<PodTemplateMetadata>,
    /// Containers and volumes that every pod gets.
    pub spec: Option<PodSpec>,
}

/// The metadata of a pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodTemplateMetadata {
    /// Annotations that every pod gets.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Labels that every pod gets.
    pub labels: Option<BTreeMap<String, String>>,
}

/// The spec of a pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodSpec {
    /// Containers; FKO merges its own into the one called `flink-main-container`.
    #[serde(default, deserialize_with = "or_empty")]
    pub containers: Vec<Container>,
    /// Volumes.
    #[serde(default, deserialize_with = "or_empty")]
    pub volumes: Vec<Volume>,
}

/// A container of a pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Where volumes are mounted.
    #[serde(default, deserialize_with = "or_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// Requests and limits.
    pub resources: Option<ResourceRequirements>,
}

/// A volume mounted into a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount {
    /// Name of the volume.
    #[serde(default)]
    pub name: String,
    /// Directory inside the container.
    #[serde(default)]
    pub mount_path: String,
}

/// A volume of a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Value>")]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Its one source, such as `emptyDir` or `persistentVolumeClaim`.
    #[serde(flatten)]
    pub source: BTreeMap<String, Value>,
}

/// `spec.ingress` (FKO: `IngressSpec.java`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// Host and path, with `{{name}}` and `{{namespace}}`.
    pub template: Option<String>,
    /// Class of the ingress controller.
    pub class_name: Option<String>,
    /// Annotations, where controllers keep authentication.
    pub annotations: Option<BTreeMap<String, String>>,
    /// TLS hosts and secrets.
    pub tls: Option<Vec<Value>>,
}

/// By hand, since a flattened map is read several times over, and a fleet has thousands of them.
impl TryFrom<BTreeMap<String, Value>> for Volume {
    type Error = &'static str;

    fn try_from(mut source: BTreeMap<String, Value>) -> Result<Self, Self::Error> {
        match source.remove("name") {
            None => Ok(Self { name: String::new(), source }),
            Some(Value::String(name)) => Ok(Self { name, source }),
            Some(_) => Err("the name of a volume is no text"),
        }
    }
}

/// A list whose null means empty, as the API server takes it.
fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl PodTemplate {
    /// The annotations that it gives to every pod.
    pub fn annotations(&self) -> Option<&BTreeMap<String, String>> {
        self.metadata.as_ref()?.annotations.as_ref()
    }
}
