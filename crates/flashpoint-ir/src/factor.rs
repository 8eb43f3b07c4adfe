//! Which operands a checked product with a constant accepts: a test of the operand, which need not wait for the product.

/// The smallest and the largest signed `x` of `bits` bits (at most 64) for which `x * factor` does not overflow.
///
/// # Panics
/// If `factor` is 0, whose product never overflows.
pub fn exact_factors(factor: i128, bits: u32) -> (i128, i128) {
    let (min, max) = (-1i128 << (bits - 1), (1i128 << (bits - 1)) - 1);
    // Truncation rounds each end towards zero, which is inwards.
    let (a, b) = (min / factor, max / factor);
    (a.min(b), a.max(b).min(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_exact_for_all_factors_of_8_bits() {
        for factor in (-128..=127).filter(|factor| *factor != 0) {
            let fits = |x: i128| (-128..=127).contains(&(x * factor));
            let (lo, hi) = exact_factors(factor, 8);
            for x in -128..=127 {
                assert_eq!((lo..=hi).contains(&x), fits(x), "{x} * {factor}");
            }
        }
    }
}
