//! The process size that the Flink operator (FKO) writes into Flink's configuration
//! (`taskmanager.memory.process.size` and `jobmanager.memory.process.size`) from what a resource says of memory.
//!
//! Requests and limits of `flink-main-container` in a pod template say nothing: Flink (`KubernetesUtils`, which
//! FKO's standalone mode calls too) writes over them its own process size in whole mebibytes as the request, and
//! that times `kubernetes.taskmanager.memory.limit-factor` as the limit. Other containers there are beside Flink.

use flink_conf::parse_memory_bytes;

use crate::storage::shown;

/// The largest size that Flink can hold.
const MAX: u128 = i64::MAX as u128;

/// What a resource says of the memory of its `jobManager` or `taskManager`: plain texts, as they stand there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeclaredMemory<'a> {
    /// `resource.memory`.
    pub resource: Option<&'a str>,
    /// Whether `resources`, which FKO knows after 1.15, has a request or a limit of anything. If so, FKO does not
    /// look at `resource` at all.
    pub has_resources: bool,
    /// `resources.requests.memory`.
    pub request: Option<&'a str>,
    /// `resources.limits.memory`.
    pub limit: Option<&'a str>,
}

/// A memory size that FKO refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessSizeError {
    /// Neither Flink's notation nor a whole quantity of Kubernetes.
    #[error(
        "`{field}` is `{text}`, which the Flink operator cannot read as a memory size: write a whole number and a \
         unit, such as `2g` or `2048Mi`"
    )]
    Unreadable {
        /// Below `jobManager` or `taskManager`.
        field: &'static str,
        /// What stands there.
        text: String,
    },
    /// No memory at all.
    #[error("`{field}` is `{text}`, but it must be more than nothing")]
    Zero {
        /// Below `jobManager` or `taskManager`.
        field: &'static str,
        /// What stands there.
        text: String,
    },
    /// A request above its limit.
    #[error("`resources.requests.memory` ({request}) is more than `resources.limits.memory` ({limit})")]
    RequestAboveLimit {
        /// The request as it stands there.
        request: String,
        /// The limit as it stands there.
        limit: String,
    },
}

/// The process size in bytes that FKO derives (`FlinkConfigBuilder.applyResourceConfig`), if it derives one, after
/// the checks of its `DefaultValidator`: the request, otherwise the limit, otherwise `resource.memory`.
///
/// FKO reads every one of them in Flink's notation first, so that `2G` is 2 GiB here, though 2 GB to Kubernetes.
pub fn process_size(declared: &DeclaredMemory) -> Result<Option<u64>, ProcessSizeError> {
    if !declared.has_resources {
        return declared.resource.map(|text| read("resource.memory", text)).transpose();
    }
    let positive = |field, text: &str| match read(field, text)? {
        0 => Err(ProcessSizeError::Zero { field, text: shown(text) }),
        bytes => Ok((bytes, shown(text))),
    };
    let request = declared.request.map(|text| positive("resources.requests.memory", text)).transpose()?;
    let limit = declared.limit.map(|text| positive("resources.limits.memory", text)).transpose()?;
    match (request, limit) {
        (Some((bytes, request)), Some((most, limit))) if bytes > most => {
            Err(ProcessSizeError::RequestAboveLimit { request, limit })
        }
        (request, limit) => Ok(request.or(limit).map(|(bytes, _)| bytes)),
    }
}

/// `ResourceConfigUtils.parseResourceMemoryString`: Flink's notation, otherwise that of Kubernetes.
fn read(field: &'static str, text: &str) -> Result<u64, ProcessSizeError> {
    parse_memory_bytes(text)
        .ok()
        .or_else(|| quantity(text))
        .ok_or_else(|| ProcessSizeError::Unreadable { field, text: shown(text) })
}

/// The bytes of a quantity, if Flink reads the number that FKO makes of it: one without a fraction, even if that
/// is zero. The number is the product of two decimals with a scale each, as Java's `BigDecimal` has it.
fn quantity(text: &str) -> Option<u64> {
    let text = unified(text);
    let unit_at = text.find(['E', 'G', 'K', 'M', 'P', 'T', 'i']).unwrap_or(text.len());
    let (amount, unit) = text.split_at(unit_at);
    let (amount, amount_scale) = decimal(amount)?;
    let (factor, factor_scale) = factor(unit)?;
    let bytes = amount.checked_mul(factor).filter(|bytes| *bytes <= MAX)?;
    if amount_scale + factor_scale == 0 { u64::try_from(bytes).ok() } else { None }
}

/// In upper case, without spaces and the `b` of bytes; of `GI` the `I` small again.
fn unified(text: &str) -> String {
    let mut text: String = text.chars().filter(|c| !matches!(c, ' ' | '\t'..='\r')).collect::<String>().to_uppercase();
    if text.ends_with('B') {
        text.pop();
    }
    if text.ends_with('I') {
        text.pop();
        text.push('i');
    }
    text
}

/// A number as its digits and how many of them stand behind the point. None is negative but zero.
fn decimal(text: &str) -> Option<(u128, i64)> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let joined = format!("{whole}{fraction}");
    let number: u128 = if joined.starts_with('+') { None } else { joined.parse().ok() }?;
    let scale = i64::try_from(fraction.len()).ok()?;
    if is_negative && number > 0 { None } else { Some((number, scale)) }
}

/// What a unit multiplies by, in 16 digits at most (`Quantity.getMultiple`).
fn factor(unit: &str) -> Option<(u128, i64)> {
    Some(match unit {
        "" => (1, 0),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1_152_921_504_606_847, -3),
        "M" => power_of_ten(6),
        "G" => power_of_ten(9),
        "T" => power_of_ten(12),
        "P" => power_of_ten(15),
        "E" => power_of_ten(18),
        _ => power_of_ten(unit.get(1..)?.parse().ok()?),
    })
}

fn power_of_ten(exponent: i32) -> (u128, i64) {
    match u32::try_from(exponent) {
        Ok(exponent) => (10_u128.pow(exponent.min(15)), -i64::from(exponent.saturating_sub(15))),
        // A fraction of one: no product of it is without a fraction.
        Err(_) => (1, -i64::from(exponent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by `e2e/flink/memory/FkoSizes.java`: what FKO 1.7 and Flink make of texts.
    const TABLE: &str = include_str!("../data/fko-sizes.tsv");

    fn resource(text: &str) -> Result<Option<u64>, ProcessSizeError> {
        process_size(&DeclaredMemory { resource: Some(text), ..DeclaredMemory::default() })
    }

    fn resources(request: Option<&str>, limit: Option<&str>) -> Result<Option<u64>, ProcessSizeError> {
        process_size(&DeclaredMemory { resource: Some("1g"), has_resources: true, request, limit })
    }

    #[test]
    fn texts_are_read_as_the_operator_and_flink_read_them() {
        let mut wrong = Vec::new();
        for line in TABLE.lines() {
            let (text, expected) = line.rsplit_once('\t').unwrap();
            let text = text.replace("\\t", "\t").replace("\\n", "\n");
            let found = resource(&text).map_or_else(|_| "error".to_owned(), |bytes| bytes.unwrap().to_string());
            if found != expected {
                wrong.push(format!("`{text}`: {found}, FKO: {expected}"));
            }
        }
        assert!(TABLE.lines().count() > 80);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn the_request_counts_before_the_limit_and_both_before_the_old_field() {
        const GIB: u64 = 1 << 30;
        assert_eq!(process_size(&DeclaredMemory::default()), Ok(None));
        assert_eq!(resource("2Gi"), Ok(Some(2 * GIB)));
        assert_eq!(resources(Some("2Gi"), Some("3Gi")), Ok(Some(2 * GIB)));
        assert_eq!(resources(None, Some("3Gi")), Ok(Some(3 * GIB)));
        // Only CPU is declared: the old field still does not count.
        assert_eq!(resources(None, None), Ok(None));
    }

    #[test]
    fn what_the_operators_validator_refuses_is_an_error() {
        let message = |result: Result<_, ProcessSizeError>| result.unwrap_err().to_string();
        assert_eq!(
            message(resource("1.5Gi")),
            "`resource.memory` is `1.5Gi`, which the Flink operator cannot read as a memory size: write a whole \
             number and a unit, such as `2g` or `2048Mi`"
        );
        assert_eq!(
            message(resources(None, Some("0"))),
            "`resources.limits.memory` is `0`, but it must be more than nothing"
        );
        assert_eq!(
            message(resources(Some("2Gi"), Some("1Gi"))),
            "`resources.requests.memory` (2Gi) is more than `resources.limits.memory` (1Gi)"
        );
    }
}
