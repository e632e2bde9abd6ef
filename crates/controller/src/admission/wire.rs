//! The wire form of `admission.k8s.io/v1`, as far as it is needed.

use flink_api::Kind;
use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policies::POLICY_KIND;

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// Why a request body is no review.
#[derive(Debug, thiserror::Error)]
pub enum NoReview {
    /// No JSON of that form.
    #[error("the body is no {API_VERSION} {KIND}: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Something else.
    #[error("the body is a {kind} of {api_version}; a {KIND} of {API_VERSION} is expected")]
    Other {
        /// What it says of its version.
        api_version: String,
        /// What it says it is.
        kind: String,
    },
    /// Nothing is asked.
    #[error("the {KIND} has no request")]
    Empty,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Request>,
}

/// What the API server asks about.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub(crate) uid: String,
    kind: ObjectKind,
    #[serde(default)]
    pub(crate) namespace: String,
    pub(crate) operation: String,
    #[serde(default)]
    sub_resource: Option<String>,
    #[serde(default)]
    user_info: UserInfo,
    #[serde(default)]
    pub(crate) object: Value,
    #[serde(default)]
    pub(crate) old_object: Value,
    /// Whether nothing will be stored.
    #[serde(default)]
    pub(crate) dry_run: bool,
    #[serde(default)]
    options: Option<Options>,
}

#[derive(Clone, Debug, Deserialize)]
struct ObjectKind {
    kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct UserInfo {
    #[serde(default)]
    username: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    #[serde(default)]
    field_manager: Option<String>,
}

impl Request {
    /// Reads the body of a call.
    pub(crate) fn read(body: &[u8]) -> Result<Self, NoReview> {
        let review: Review = serde_json::from_slice(body)?;
        if review.api_version != API_VERSION || review.kind != KIND {
            return Err(NoReview::Other { api_version: review.api_version, kind: review.kind });
        }
        review.request.ok_or(NoReview::Empty)
    }

    /// Whether it is about a policy.
    pub(crate) fn is_of_policy(&self) -> bool {
        self.kind.kind == POLICY_KIND
    }

    /// The kind of the object, if it is one of FKO's with a job.
    pub(crate) fn kind(&self) -> Option<Kind> {
        Kind::of_name(&self.kind.kind)
    }

    pub(crate) fn is_create(&self) -> bool {
        self.operation == "CREATE"
    }

    /// Whether it changes an object itself, and no part of it that has an endpoint of its own.
    pub(crate) fn is_of_whole_object(&self) -> bool {
        matches!(self.operation.as_str(), "CREATE" | "UPDATE") && self.sub_resource.as_deref().unwrap_or("").is_empty()
    }

    /// Whether one of these asks: a user, or a `ServiceAccount` by its name, with or without a namespace.
    pub(crate) fn is_by(&self, accounts: &[String]) -> bool {
        let user = self.user_info.username.as_str();
        let account = user.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
        accounts.iter().any(|wanted| {
            user == wanted
                || account.is_some_and(|(namespace, name)| match wanted.split_once('/') {
                    Some(wanted) => wanted == (namespace, name),
                    None => wanted == name,
                })
        })
    }

    /// The field manager that asks.
    pub(crate) fn field_manager(&self) -> &str {
        self.options.as_ref().and_then(|options| options.field_manager.as_deref()).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'a str,
    kind: &'a str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<ByteString>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
    /// Why it is not allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Refusal<'a>>,
}

/// A `meta/v1.Status`, as far as a client shows it.
#[derive(Serialize)]
struct Refusal<'a> {
    code: u16,
    reason: &'a str,
    message: &'a str,
}

/// An answer that refuses the object, in these words.
pub(crate) fn refused(uid: &str, message: &str) -> serde_json::Result<Vec<u8>> {
    let status = Some(Refusal { code: 422, reason: "Invalid", message });
    let response = Response { uid, allowed: false, patch_type: None, patch: None, warnings: &[], status };
    serde_json::to_vec(&Answer { api_version: API_VERSION, kind: KIND, response })
}

/// An answer that allows.
pub(crate) fn allowed(uid: &str, patch: &json_patch::Patch, warnings: &[String]) -> serde_json::Result<Vec<u8>> {
    let patch = if patch.is_empty() { None } else { Some(ByteString(serde_json::to_vec(patch)?)) };
    let patch_type = patch.is_some().then_some("JSONPatch");
    let response = Response { uid, allowed: true, patch_type, patch, warnings, status: None };
    serde_json::to_vec(&Answer { api_version: API_VERSION, kind: KIND, response })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(edit: impl FnOnce(&mut Value)) -> Request {
        let mut review = json!({"apiVersion": API_VERSION, "kind": KIND, "request": {
            "uid": "u", "kind": {"group": "flink.apache.org", "version": "v1beta1", "kind": "FlinkDeployment"},
            "operation": "UPDATE", "userInfo": {"username": "system:serviceaccount:flink:flink-operator"},
        }});
        edit(&mut review["request"]);
        Request::read(review.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn an_account_is_known_by_its_name_with_or_without_its_namespace() {
        let by = |accounts: &[&str]| {
            request(|_| {}).is_by(&accounts.iter().map(|account| (*account).to_owned()).collect::<Vec<_>>())
        };
        assert!(by(&["flink-operator"]) && by(&["flink/flink-operator"]));
        assert!(by(&["other", "system:serviceaccount:flink:flink-operator"]));
        assert!(!by(&["other/flink-operator"]) && !by(&["operator"]) && !by(&[]));
    }

    #[test]
    fn parts_of_an_object_are_told_apart() {
        assert!(request(|_| {}).is_of_whole_object());
        assert!(!request(|request| request["subResource"] = json!("status")).is_of_whole_object());
        assert!(!request(|request| request["operation"] = json!("DELETE")).is_of_whole_object());
        assert_eq!(request(|request| request["kind"]["kind"] = json!("Pod")).kind(), None);
    }

    #[test]
    fn what_is_no_review_is_told_as_what_it_is() {
        let why = |body: &str| Request::read(body.as_bytes()).unwrap_err().to_string();
        assert!(why("{").contains("is no admission.k8s.io/v1 AdmissionReview: EOF"));
        assert!(
            why(r#"{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"}"#)
                .contains("of admission.k8s.io/v1beta1")
        );
        assert!(why(r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}"#).contains("has no request"));
    }

    #[test]
    fn the_patch_is_base64_text() {
        let patch: json_patch::Patch = serde_json::from_value(json!([{"op": "remove", "path": "/a"}])).unwrap();
        let answer: Value = serde_json::from_slice(&allowed("u", &patch, &[]).unwrap()).unwrap();
        assert_eq!(
            answer["response"],
            json!({"uid": "u", "allowed": true, "patchType": "JSONPatch",
            "patch": "W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2EifV0="})
        );
        let nothing: Value =
            serde_json::from_slice(&allowed("u", &json_patch::Patch::default(), &[]).unwrap()).unwrap();
        assert_eq!(nothing["response"], json!({"uid": "u", "allowed": true}));
    }
}
