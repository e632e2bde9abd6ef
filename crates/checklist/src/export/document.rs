//! The two objects of an exported policy, with their fields in the order in which people read them.

use serde::Serialize;
use serde_json::Value;

/// The version that Kubernetes serves from 1.36 on.
pub(super) const API_VERSION: &str = "admissionregistration.k8s.io/v1";

/// What both objects begin with.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object<T> {
    /// Group and version.
    pub api_version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Name.
    pub metadata: Metadata,
    /// What it says.
    pub spec: T,
}

/// How an object is called.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Metadata {
    /// Its name.
    pub name: &'static str,
}

/// `MutatingAdmissionPolicy.spec`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicySpec {
    /// What becomes of a request where an expression fails.
    pub failure_policy: &'static str,
    /// Whether it is asked again when others have changed the object.
    pub reinvocation_policy: &'static str,
    /// The requests.
    pub match_constraints: Value,
    /// What has to be true of the object.
    pub match_conditions: Vec<Named>,
    /// Parts of the mutation.
    pub variables: Vec<Named>,
    /// The mutation.
    pub mutations: Vec<Mutation>,
}

/// An expression with a name.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// The expression.
    pub expression: String,
}

impl Named {
    /// Names an expression.
    pub(super) fn new(name: impl Into<String>, expression: impl Into<String>) -> Self {
        Self { name: name.into(), expression: expression.into() }
    }
}

/// A change of the object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mutation {
    /// `JSONPatch`.
    pub patch_type: &'static str,
    /// The expression that makes one.
    pub json_patch: Patch,
}

/// A patch by an expression.
#[derive(Clone, Debug, Serialize)]
pub struct Patch {
    /// The expression.
    pub expression: String,
}

/// `MutatingAdmissionPolicyBinding.spec`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BindingSpec {
    /// The policy that it puts in force, for all that it is about.
    pub policy_name: &'static str,
}
