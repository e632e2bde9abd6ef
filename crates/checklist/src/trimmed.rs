use std::collections::BTreeSet;
use std::sync::Arc;

use flink_api::{Field, FieldOwners, FlinkDeployment, ManagedByReport, Parsed, PodTemplate};
use serde_json::Value;

use crate::annotations::{FILLED, PREFIX};
use crate::log4j::root_lines;
use crate::platform::LOG4J_FILE;
use crate::storage::trim;
use crate::{Filled, Target};

/// So much of an object as the stages read of it: for a cache of thousands. Judged, held and told of, it is the same.
///
/// What goes are annotations that nobody here reads, which fields others own that are none of ours, what a client-side apply
/// last sent but for our values in it, of pods all but labels, annotations, mounts and kinds of volumes, and of log files that are
/// none of ours all but the root logger.
#[must_use]
pub fn trimmed(mut object: FlinkDeployment) -> FlinkDeployment {
    let values = values_of_ours(&object);
    object.retain_owned_fields(|field| match field {
        Field::Annotation(name) => name.starts_with(PREFIX),
        Field::Option(_) | Field::LogFile(_) | Field::PodAnnotation(_) => {
            Target::of_field(field).is_some_and(|target| values.contains(&target))
        }
    });
    object.retain_last_applied(|spec| {
        let mut kept = Value::Null;
        for target in values.iter().filter(|target| target.find(spec).is_some()) {
            *target.place(&mut kept) = Value::Bool(true);
        }
        kept
    });
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.retain(|name, _| name.starts_with(PREFIX) || ManagedByReport::reads(name));
    }
    if let Parsed::Ok(spec) = &mut object.spec {
        let of_job_manager = spec.job_manager.as_mut().and_then(|process| process.pod_template.as_mut());
        let of_task_manager = spec.task_manager.as_mut().and_then(|process| process.pod_template.as_mut());
        let templates = [spec.pod_template.as_mut(), of_job_manager, of_task_manager];
        let templates = templates.into_iter().flatten().map(Arc::make_mut);
        let pods = templates.filter_map(|template: &mut PodTemplate| template.spec.as_mut());
        pods.for_each(trim);
        let files = spec.log_configuration.iter_mut().flatten();
        for (name, text) in files.filter(|(name, _)| !values.contains(&Target::LogFile((*name).clone()))) {
            *text = if name == LOG4J_FILE { root_lines(text) } else { String::new() };
        }
    }
    object
}

/// Values that our apply owns, and those that the record on the object lists, whoever wrote it.
fn values_of_ours(object: &FlinkDeployment) -> BTreeSet<Target> {
    let owned = FieldOwners::of(object).ours;
    let record = object.annotation(FILLED).and_then(|text| serde_json::from_str::<Filled>(text).ok());
    let listed = record.into_iter().flat_map(|record| record.values.into_keys());
    owned.iter().filter_map(Target::of_field).chain(listed).collect()
}
