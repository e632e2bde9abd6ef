//! What the validations speak of: what is allowed, what the object is and was, and what the request makes of it.

use flink_api::Kind;

use super::super::cel::{list, text};
use super::super::document::Named;
use super::{Guardrail, forbidden};
use crate::annotations::{FILLED, QUARANTINED};

/// A map of the spec of which flink-remedy may write single keys.
struct Place {
    /// What it is called here.
    name: &'static str,
    /// How its keys are told in the record and in messages ([`crate::Target`]).
    prefix: &'static str,
    /// Which of its keys may be written.
    listed: &'static str,
    /// What the record has behind the key of such a value.
    recorded: fn(&str) -> String,
}

/// What the record, JSON as [`crate::Filled`] writes it, has behind a key of this text.
fn by_value(value: &str) -> String {
    let escaped =
        [("\\", "\\\\"), ("\"", "\\\"")].map(|(c, escaped)| format!(".replace({}, {})", text(c), text(escaped)));
    format!("{} + {value}{} + {}", text("\":{\"value\":\""), escaped.concat(), text("\""))
}

/// Of a file it has the digest, which cannot be computed here.
fn by_digest(_: &str) -> String {
    text("\":{\"value\":\"sha256:")
}

const PLACES: &[Place] = &[
    Place {
        name: "Options",
        prefix: "",
        listed: "k in variables.fills.options || k in variables.settings",
        recorded: by_value,
    },
    Place {
        name: "LogFiles",
        prefix: "logConfiguration:",
        listed: "k in variables.fills.logFiles",
        recorded: by_digest,
    },
    Place {
        name: "PodAnnotations",
        prefix: "podTemplate.metadata.annotations:",
        listed: "k in variables.fills.podAnnotations",
        recorded: by_value,
    },
];

/// In expressions of [`MAPS`]: `new` or `old`.
const SIDE: &str = "SIDE";

/// The maps that are compared key by key.
const MAPS: &[(&str, &str)] = &[
    ("Options", "variables.SIDESpec.?flinkConfiguration"),
    ("LogFiles", "variables.SIDESpec.?logConfiguration"),
    ("Pod", "variables.SIDESpec.?podTemplate"),
    ("PodMetadata", "variables.SIDEPod.?metadata"),
    ("PodAnnotations", "variables.SIDEPodMetadata.?annotations"),
    ("Metadata", "variables.SIDE.?metadata"),
    ("Annotations", "variables.SIDEMetadata.?annotations"),
    ("Labels", "variables.SIDEMetadata.?labels"),
];

/// What the API server itself changes of an object's metadata.
const BY_SERVER: &[&str] = &["managedFields", "resourceVersion", "generation"];
/// The label that FKO's own admission webhook gives a session job in whosever request (`DefaultFlinkMutator`).
const SESSION_LABEL: &str = "target.session";

impl Guardrail {
    /// In the order in which people read them; what a platform adds comes first, where a patch finds it.
    pub(super) fn variables(&self) -> Vec<Named> {
        let mut variables = vec![
            Named::new("settings", list(&self.settings)),
            Named::new("fills", self.fills()),
            Named::new("forbidden", forbidden::lists()),
            // Nothing is typed: the kinds are not the same in every cluster.
            Named::new("new", "dyn(object)"),
            Named::new("old", "dyn(oldObject)"),
            Named::new("changesJob", changes_job()),
            Named::new("asksForSavepoint", asks_for_savepoint()),
        ];
        variables.extend(sides("Spec", spec));
        variables.extend(MAPS.iter().flat_map(|(name, of)| sides(name, |side| map_of(&of.replace(SIDE, side)))));
        variables.extend([
            Named::new("forbiddenKeys", forbidden_keys()),
            Named::new("changed", of_places(Place::changed)),
            Named::new("unlisted", of_places(Place::unlisted)),
        ]);
        variables.extend(sides("Record", |side| format!("variables.{side}Annotations[?{}].orValue('')", text(FILLED))));
        variables.extend([
            Named::new("claimed", of_places(Place::claimed)),
            Named::new("unrecorded", of_places(Place::unrecorded)),
            Named::new("noText", of_places(Place::no_text)),
            Named::new("restOfSpec", rest_of_spec()),
        ]);
        variables.extend(
            above_specs()
                .flat_map(|path| sides(&above(path), |side| map_of(&format!("variables.{side}{}", steps(path))))),
        );
        variables.extend([Named::new("aroundSpec", around_spec()), Named::new("restOfObject", rest_of_object())]);
        variables
    }

    fn fills(&self) -> String {
        format!(
            "{{\n  'options': {},\n  'logFiles': {},\n  'podAnnotations': {}}}",
            list(&self.options),
            list(&self.log_files),
            list(&self.pod_annotations)
        )
    }
}

fn changes_job() -> String {
    let jobs = list(Kind::ALL.iter().map(|kind| kind.plural()));
    format!(
        "request.operation == 'UPDATE' && request.?subResource.orValue('') == ''\n&& request.resource.resource in {jobs}"
    )
}

/// A savepoint before a restart, which stays when its object goes. One that is there already, or a path, could be somebody
/// else's.
fn asks_for_savepoint() -> String {
    "request.operation == 'CREATE' && request.?subResource.orValue('') == ''\n\
     && request.resource.resource == 'flinkstatesnapshots'\n\
     && variables.new.?spec.?savepoint.?disposeOnDelete.orValue(true) == false\n\
     && variables.new.?spec.?savepoint.?alreadyExists.orValue(false) == false\n\
     && variables.new.?spec.?savepoint.?path.orValue('') == ''\n\
     && !variables.new.?spec.?checkpoint.hasValue()"
        .to_owned()
}

/// One variable for what is, and one for what was.
fn sides(name: &str, of: impl Fn(&str) -> String) -> [Named; 2] {
    ["new", "old"].map(|side| Named::new(format!("{side}{name}"), of(side)))
}

/// A map that may be missing: nothing, an empty map and null are one.
fn map_of(found: &str) -> String {
    format!("{found}.orValue(null) == null ? dyn({{}}) : {found}.orValue({{}})")
}

/// Where an object of each kind keeps what rules judge.
fn spec(side: &str) -> String {
    let at = |kind: &Kind| format!("variables.{side}{}.orValue({{}})", steps(kind.spec()));
    let branch = |kind: &Kind| format!("request.resource.resource == {}\n? {}\n: ", text(kind.plural()), at(kind));
    let nested = Kind::ALL.iter().filter(|kind| is_nested(**kind));
    nested.map(branch).collect::<String>() + &at(&Kind::Deployment)
}

fn is_nested(kind: Kind) -> bool {
    kind.spec() != Kind::Deployment.spec()
}

fn steps(path: &[&str]) -> String {
    path.iter().fold(String::new(), |steps, step| steps + ".?" + step)
}

impl Place {
    /// What stands there and what stood there.
    fn sides(&self) -> [String; 2] {
        ["new", "old"].map(|side| format!("variables.{side}{}", self.name))
    }

    /// Keys of a map for which this holds, as messages name them.
    fn keys(&self, map: &str, condition: &str) -> String {
        let name = if self.prefix.is_empty() { String::new() } else { format!(".map(k, {} + k)", text(self.prefix)) };
        format!("{map}.filter(k, {condition}){name}")
    }

    fn unlisted(&self) -> String {
        let ([new, old], listed) = (self.sides(), self.listed);
        let added = self.keys(&new, &format!("!(k in {old}) && !({listed})"));
        let removed = self.keys(&old, &format!("!(k in {new}) && !({listed})"));
        format!("{added}\n+ {removed}")
    }

    fn changed(&self) -> String {
        let [new, old] = self.sides();
        self.keys(&new, &format!("k in {old} && {old}[k] != {new}[k]"))
    }

    /// Whether the record says that what stood there, text as all that we write, is ours.
    fn is_in(&self, record: &str) -> String {
        let [_, old] = self.sides();
        let (key, value) = (text(&format!("\"{}", self.prefix)), (self.recorded)(&format!("{old}[k]")));
        format!("(type({old}[k]) == string && variables.{record}.contains(\n    {key} + k + {value}))")
    }

    fn unrecorded(&self) -> String {
        let [new, old] = self.sides();
        self.keys(&old, &format!("!(k in {new})\n  && !{}", self.is_in("oldRecord")))
    }

    /// Otherwise a record could be written first that lets it be taken out.
    fn claimed(&self) -> String {
        let ([_, old], listed) = (self.sides(), self.listed);
        let (is, was) = (self.is_in("newRecord"), self.is_in("oldRecord"));
        self.keys(&old, &format!("({listed})\n  && {is}\n  && !{was}"))
    }

    fn no_text(&self) -> String {
        let [new, old] = self.sides();
        self.keys(&new, &format!("!(k in {old}) && type({new}[k]) != string"))
    }
}

/// The sum of what is said of each place.
fn of_places(said: impl Fn(&Place) -> String) -> String {
    PLACES.iter().map(said).collect::<Vec<_>>().join("\n+ ")
}

fn forbidden_keys() -> String {
    format!(
        "(variables.newOptions.filter(k,\n  !(k in variables.oldOptions && variables.oldOptions[k] == variables.newOptions[k]))\n\
         + variables.oldOptions.filter(k, !(k in variables.newOptions)))\n.filter(k, {})",
        forbidden::is_forbidden()
    )
}

/// Keys that differ between what is and what was, under a path.
fn differing(name: &str, except: &[&str], path: &str) -> String {
    let [new, old] = ["new", "old"].map(|side| format!("variables.{side}{name}"));
    let others = if except.is_empty() { String::new() } else { format!("!(k in {}) && ", list(except)) };
    format!(
        "({new}.filter(k,\n    {others}!(k in {old} && {old}[k] == {new}[k]))\n  + {old}.filter(k,\n    {others}!(k in {new})))\
         .map(k, {} + k)",
        text(path)
    )
}

/// All of a spec but the keys of the places.
fn rest_of_spec() -> String {
    [
        differing("Spec", &["flinkConfiguration", "logConfiguration", "podTemplate"], "spec."),
        differing("Pod", &["metadata"], "spec.podTemplate."),
        differing("PodMetadata", &["annotations"], "spec.podTemplate.metadata."),
    ]
    .join("\n+ ")
}

/// All of an object but its spec and our own two annotations.
fn rest_of_object() -> String {
    let by_fko = format!(
        "l != 'metadata.labels.{SESSION_LABEL}'\n    \
         || variables.newLabels[?'{SESSION_LABEL}'].orValue('-') != variables.newSpec.?deploymentName.orValue('')"
    );
    [
        differing("", &["metadata", "spec"], ""),
        differing("Metadata", &[BY_SERVER, &["annotations", "labels"]].concat(), "metadata."),
        differing("Annotations", &[FILLED, QUARANTINED], "metadata.annotations."),
        format!("{}\n  .filter(l, {by_fko})", differing("Labels", &[], "metadata.labels.")),
        "variables.aroundSpec".to_owned(),
    ]
    .join("\n+ ")
}

/// The steps to everything that a spec is below, of kinds that do not have it at the top.
fn above_specs() -> impl Iterator<Item = &'static [&'static str]> {
    let nested = Kind::ALL.iter().filter(|kind| is_nested(**kind)).map(|kind| kind.spec());
    nested.flat_map(|path| (1..path.len()).map(move |end| &path[..end]))
}

/// What the variables of such a part are called.
fn above(path: &[&str]) -> String {
    path.iter().fold("Object".to_owned(), |name, step| name + &step[..1].to_uppercase() + &step[1..])
}

/// What stands beside the steps to a spec.
fn around_spec() -> String {
    let branch = |kind: &Kind| {
        let path = kind.spec();
        let beside = |end: usize| differing(&above(&path[..end]), &path[end..=end], &(path[..end].join(".") + "."));
        let parts: Vec<String> = (1..path.len()).map(beside).collect();
        format!("request.resource.resource == {}\n? {}\n: ", text(kind.plural()), parts.join("\n+ "))
    };
    Kind::ALL.iter().filter(|kind| is_nested(**kind)).map(branch).collect::<String>() + "[]"
}
