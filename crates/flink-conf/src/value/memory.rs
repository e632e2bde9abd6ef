use super::{ValueError, number_and_unit, quoted};

/// A memory size in bytes as Flink's `MemorySize.parseBytes` reads it: a number and a unit, a bare number being
/// bytes. All units are powers of 1024; Kubernetes' `Gi`, fractions and signs are errors.
pub fn parse_memory_bytes(text: &str) -> Result<u64, ValueError> {
    let error = || ValueError::Memory(quoted(text));
    let (number, unit) = number_and_unit(text);
    let power = match unit.as_str() {
        "" | "b" | "bytes" => 0,
        "k" | "kb" | "kibibytes" => 10,
        "m" | "mb" | "mebibytes" => 20,
        "g" | "gb" | "gibibytes" => 30,
        "t" | "tb" | "tebibytes" => 40,
        _ => return Err(error()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << power));
    bytes.filter(|bytes| i64::try_from(*bytes).is_ok()).ok_or_else(error)
}
