//! The two objects of an exported policy, or of a guardrail, with their fields in the order in which people read them.

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

/// `ValidatingAdmissionPolicy.spec`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardedSpec {
    /// What becomes of a request where an expression fails.
    pub failure_policy: &'static str,
    /// The requests.
    pub match_constraints: Value,
    /// Whose requests.
    pub match_conditions: Vec<Named>,
    /// Parts of the validations.
    pub variables: Vec<Named>,
    /// What has to be true of them.
    pub validations: Vec<Validation>,
}

/// What has to be true of a request.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// The expression.
    pub expression: String,
    /// What is said where it is false and `message_expression` cannot be evaluated.
    pub message: String,
    /// What is said where it is false.
    pub message_expression: String,
    /// Decides the status of the answer.
    pub reason: &'static str,
}

/// `ValidatingAdmissionPolicyBinding.spec`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardingSpec {
    /// The policy that it puts in force, for all that it is about.
    pub policy_name: &'static str,
    /// What becomes of a request that it refuses.
    pub validation_actions: Vec<&'static str>,
}
