//! A sum of doubles without any error until it is read.

/// Bits below the binary point: the smallest double is 2^-1074.
const FRACTION_BITS: i32 = 1_074;
/// Words of the accumulator: 1,074 bits below the point, 1,024 above, 64 for carries of as many
/// terms as can be counted, one for the sign.
const WORDS: usize = 35;

/// The exact sum of any number of finite doubles and 64-bit whole numbers: a fixed-point number
/// wide enough for all of them, in two's complement. Adding and taking away leave no trace, so the
/// same terms give the same bits in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactSum {
    words: Box<[u64; WORDS]>,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self {
            words: Box::new([0; WORDS]),
        }
    }
}

impl ExactSum {
    /// Adds a term. Not finite terms must be kept away by the caller; they are ignored.
    pub fn add(&mut self, x: f64) {
        if !x.is_finite() || x == 0.0 {
            return;
        }
        let bits = x.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as u32;
        let fraction = bits & ((1 << 52) - 1);
        // A normal number is (2^52 + fraction) · 2^(exponent − 1075), a subnormal one fraction · 2^−1074.
        let (mantissa, shift) = if exponent == 0 {
            (fraction, 0)
        } else {
            (fraction | 1 << 52, exponent - 1)
        };
        self.add_magnitude(mantissa, shift as usize, x < 0.0);
    }

    /// Takes a term away again.
    pub fn subtract(&mut self, x: f64) {
        self.add(-x);
    }

    /// Adds a whole number, exactly.
    pub fn add_int(&mut self, n: i64) {
        self.add_magnitude(n.unsigned_abs(), FRACTION_BITS as usize, n < 0);
    }

    /// Takes a whole number away again.
    pub fn subtract_int(&mut self, n: i64) {
        self.add_magnitude(n.unsigned_abs(), FRACTION_BITS as usize, n >= 0);
    }

    /// Adds ±mantissa · 2^(shift − 1074).
    fn add_magnitude(&mut self, mantissa: u64, shift: usize, negative: bool) {
        let wide = u128::from(mantissa) << (shift % 64);
        let parts = [wide as u64, (wide >> 64) as u64];
        let mut carry = false;
        for (i, word) in self.words.iter_mut().skip(shift / 64).enumerate() {
            let part = parts.get(i).copied().unwrap_or(0);
            if i >= parts.len() && !carry {
                break;
            }
            (*word, carry) = if negative {
                subtract_with_borrow(*word, part, carry)
            } else {
                add_with_carry(*word, part, carry)
            };
        }
    }

    /// The double nearest to the sum, ties to even; infinite if it is beyond all doubles.
    pub fn value(&self) -> f64 {
        let negative = self.words.last().is_some_and(|w| w >> 63 == 1);
        let mut magnitude = *self.words.clone();
        if negative {
            let mut carry = true;
            for word in &mut magnitude {
                (*word, carry) = add_with_carry(!*word, 0, carry);
            }
        }
        let unsigned = round(&magnitude);
        if negative { -unsigned } else { unsigned }
    }

    /// The sum as a 64-bit whole number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        let first = FRACTION_BITS as usize / 64;
        let shift = FRACTION_BITS as usize % 64;
        let low = self.words.get(first)?;
        let fractionless =
            self.words.iter().take(first).all(|w| *w == 0) && low & ((1 << shift) - 1) == 0;
        let word = (low >> shift) | (self.words.get(first + 1)? << (64 - shift));
        let fill = if word >> 63 == 1 { u64::MAX } else { 0 };
        let above = self.words.get(first + 1)? >> shift == fill >> shift
            && self.words.iter().skip(first + 2).all(|w| *w == fill);
        (fractionless && above).then_some(word as i64)
    }
}

/// The double nearest to magnitude · 2^−1074.
fn round(magnitude: &[u64; WORDS]) -> f64 {
    let Some(top_word) = magnitude.iter().rposition(|w| *w != 0) else {
        return 0.0;
    };
    let word = |i: usize| magnitude.get(i).copied().unwrap_or(0);
    let top_bit = top_word * 64 + 63 - word(top_word).leading_zeros() as usize;
    if top_bit < 53 {
        // Subnormal, or normal with the smallest exponent: the bits are the number.
        return f64::from_bits(word(0));
    }
    // The 53 bits from `top_bit` down, then whether what is cut off is more than, less than, or half.
    let lowest = top_bit - 52;
    let (at, offset) = (lowest / 64, lowest % 64);
    let pair = u128::from(word(at)) | u128::from(word(at + 1)) << 64;
    let mut mantissa = (pair >> offset) as u64 & ((1 << 53) - 1);
    let half_bit = lowest - 1;
    let half = word(half_bit / 64) >> (half_bit % 64) & 1 == 1;
    let rest = word(half_bit / 64) & ((1 << (half_bit % 64)) - 1) != 0
        || magnitude.iter().take(half_bit / 64).any(|w| *w != 0);
    if half && (rest || mantissa & 1 == 1) {
        mantissa += 1;
    }
    // lowest = shift of the mantissa; an overflow of the mantissa carries into the exponent by itself.
    let exponent = lowest as u64 + 1;
    if exponent >= 0x7ff {
        return f64::INFINITY;
    }
    f64::from_bits((exponent << 52) + (mantissa - (1 << 52)))
}

/// a + b + carry, and whether a carry goes on.
fn add_with_carry(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, over) = a.overflowing_add(b);
    let (sum, again) = sum.overflowing_add(u64::from(carry));
    (sum, over || again)
}

/// a − b − borrow, and whether a borrow goes on.
fn subtract_with_borrow(a: u64, b: u64, borrow: bool) -> (u64, bool) {
    let (difference, under) = a.overflowing_sub(b);
    let (difference, again) = difference.overflowing_sub(u64::from(borrow));
    (difference, under || again)
}
