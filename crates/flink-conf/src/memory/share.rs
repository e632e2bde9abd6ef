//! Shares of a size, in the arithmetic of Flink's `MemorySize`.

use super::MemoryError;

/// The largest size that Flink can hold.
pub(super) const MAX: u64 = i64::MAX as u64;

/// Beyond it a power of ten leaves nothing of any product here, and `u128` no room.
const MOST_DIGITS: u32 = 38;

/// A share with its bounds (`RangeFraction`): not below 0, below 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// Lower bound in bytes.
    pub(super) min: u64,
    /// Upper bound in bytes.
    pub(super) max: u64,
    /// The share. Flink reads it in single precision and goes on in double.
    pub(super) fraction: f64,
}

impl Range {
    /// The share of a whole.
    pub(super) fn of(self, whole: u64) -> Result<u64, MemoryError> {
        multiply(whole, self.fraction).map(|size| self.bounded(size))
    }

    /// The share of a whole of which the rest is known.
    pub(super) fn beside(self, rest: u64) -> Result<u64, MemoryError> {
        multiply(rest, self.fraction / (1.0 - self.fraction)).map(|size| self.bounded(size))
    }

    /// Whether a size lies within the bounds.
    pub(super) fn holds(self, size: u64) -> bool {
        (self.min..=self.max).contains(&size)
    }

    fn bounded(self, size: u64) -> u64 {
        size.clamp(self.min, self.max)
    }
}

/// The sum, unless Flink could not hold it.
pub(super) fn sum(sizes: &[u64]) -> Result<u64, MemoryError> {
    sizes
        .iter()
        .try_fold(0_u64, |total, size| total.checked_add(*size).filter(|total| *total <= MAX))
        .ok_or(MemoryError::TooLarge)
}

/// `MemorySize.multiply`: exact in the decimal digits that Java prints the factor with, then cut to whole bytes.
fn multiply(size: u64, factor: f64) -> Result<u64, MemoryError> {
    let text = digits(factor.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let number: u128 = format!("{whole}{decimals}").parse().map_err(|_| MemoryError::TooLarge)?;
    let places = i64::try_from(decimals.len()).unwrap_or(0) - exponent.parse::<i64>().unwrap_or(0);
    let product = number.checked_mul(u128::from(size)).ok_or(MemoryError::TooLarge)?;
    let power = u32::try_from(places.unsigned_abs()).unwrap_or(u32::MAX);
    let (bytes, is_cut) = if power > MOST_DIGITS && places > 0 {
        (0, true)
    } else {
        let ten = 10_u128.checked_pow(power).ok_or(MemoryError::TooLarge)?;
        if places > 0 {
            (product / ten, !product.is_multiple_of(ten))
        } else {
            (product.checked_mul(ten).ok_or(MemoryError::TooLarge)?, false)
        }
    };
    let bytes = u64::try_from(bytes).ok().filter(|bytes| *bytes < MAX || (*bytes == MAX && !is_cut));
    bytes.ok_or(MemoryError::TooLarge)
}

/// The fewest digits that stand for a number and no other, in scientific notation. Where two such texts are
/// equally near, Java takes the one that ends in an even digit, and Rust the larger one.
fn digits(number: f64) -> String {
    let shortest = format!("{number:e}");
    let decimals = shortest.split(['.', 'e']).nth(1).filter(|_| shortest.contains('.')).map_or(0, str::len);
    let even = format!("{number:.decimals$e}");
    if even.parse() == Ok(number) { even } else { shortest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_exact_in_the_digits_of_its_factor() {
        assert_eq!(multiply(1000, 0.5), Ok(500));
        assert_eq!(multiply(1_811_939_328, f64::from(0.1_f32)), Ok(181_193_935));
        assert_eq!(multiply(1_342_177_280, f64::from(0.4_f32)), Ok(536_870_920));
        // 0.12706375122070312 to Java, though ...2703125 is meant
        assert_eq!(multiply(1 << 31, f64::from(0.127_063_75_f32)), Ok(272_867_327));
        assert_eq!(multiply(7, 16_777_215.0), Ok(117_440_505));
        assert_eq!(multiply(MAX, 1e-45), Ok(0));
        assert_eq!(multiply(MAX, 0.0), Ok(0));
        assert_eq!(multiply(MAX, 1.5), Err(MemoryError::TooLarge));
    }

    #[test]
    fn a_sum_beyond_what_flink_holds_is_an_error() {
        assert_eq!(sum(&[MAX - 1, 1]), Ok(MAX));
        assert_eq!(sum(&[MAX, 1]), Err(MemoryError::TooLarge));
    }
}
