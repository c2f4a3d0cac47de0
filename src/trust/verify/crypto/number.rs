//! Numbers of any size, as much arithmetic as verifying signatures takes.

use std::cmp::Ordering;

/// A number that is not negative: words of 64 bits, the lowest first, none of the highest zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Number {
    words: Vec<u64>,
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let lengths = self.words.len().cmp(&other.words.len());
        lengths.then_with(|| self.words.iter().rev().cmp(other.words.iter().rev()))
    }
}

impl Number {
    fn of(mut words: Vec<u64>) -> Self {
        while words.last() == Some(&0) {
            words.pop();
        }
        Self { words }
    }

    pub(super) fn small(value: u64) -> Self {
        Self::of(vec![value])
    }

    pub(super) fn from_be(bytes: &[u8]) -> Self {
        let word = |chunk: &[u8]| chunk.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        Self::of(bytes.rchunks(8).map(word).collect())
    }

    /// Hexadecimal digits; the constants of curves are written so.
    pub(super) fn from_hex(digits: &str) -> Self {
        let digit = |byte: u8| u64::from(char::from(byte).to_digit(16).unwrap_or(0));
        let word = |chunk: &[u8]| chunk.iter().fold(0, |word, &byte| word << 4 | digit(byte));
        Self::of(digits.as_bytes().rchunks(16).map(word).collect())
    }

    /// The leftmost bits of a digest, as DSA and ECDSA take them.
    pub(super) fn leftmost(digest: &[u8], bits: usize) -> Self {
        let whole = digest.get(..bits.div_ceil(8)).unwrap_or(digest);
        let surplus = (8 * whole.len()).saturating_sub(bits);
        let mut number = Self::from_be(whole);
        for _ in 0..surplus {
            number = number.half();
        }
        number
    }

    fn half(&self) -> Self {
        let next = |at: usize| self.words.get(at + 1).copied().unwrap_or(0);
        Self::of(self.words.iter().enumerate().map(|(at, word)| word >> 1 | next(at) << 63).collect())
    }

    /// Big-endian, filled up with zeros from the left; `None` if it does not fit.
    pub(super) fn to_be(&self, length: usize) -> Option<Vec<u8>> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        if bytes.iter().skip(length).any(|byte| *byte != 0) {
            return None;
        }
        bytes.resize(length, 0);
        bytes.reverse();
        Some(bytes)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.words.is_empty()
    }

    pub(super) fn is_odd(&self) -> bool {
        self.words.first().is_some_and(|word| word & 1 == 1)
    }

    pub(super) fn bits(&self) -> usize {
        self.words.last().map_or(0, |top| 64 * self.words.len() - top.leading_zeros() as usize)
    }

    pub(super) fn bit(&self, at: usize) -> bool {
        self.words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut words = Vec::with_capacity(self.words.len().max(other.words.len()) + 1);
        let mut carry = false;
        for at in 0..self.words.len().max(other.words.len()) {
            let get = |number: &Self| number.words.get(at).copied().unwrap_or(0);
            let (sum, one) = get(self).overflowing_add(get(other));
            let (sum, two) = sum.overflowing_add(carry.into());
            carry = one || two;
            words.push(sum);
        }
        words.push(carry.into());
        Self::of(words)
    }

    /// The difference; zero where the other is larger.
    pub(super) fn minus(&self, other: &Self) -> Self {
        if *self < *other {
            return Self::default();
        }
        let mut borrow = false;
        let words = self.words.iter().enumerate().map(|(at, &word)| {
            let (difference, one) = word.overflowing_sub(other.words.get(at).copied().unwrap_or(0));
            let (difference, two) = difference.overflowing_sub(borrow.into());
            borrow = one || two;
            difference
        });
        Self::of(words.collect())
    }
}

/// An odd modulus, with what Montgomery multiplication needs.
#[derive(Clone, Debug)]
pub(super) struct Modulus {
    n: Number,
    /// Minus the inverse of `n` modulo 2^64.
    inverse: u64,
    /// 2^(2·64·words) modulo `n`.
    square: Number,
}

impl Modulus {
    /// `None` for an even modulus, and for one below 3.
    pub(super) fn new(n: &Number) -> Option<Self> {
        if !n.is_odd() || n.bits() < 2 {
            return None;
        }
        let low = n.words.first().copied().unwrap_or(1);
        // Newton's iteration doubles the bits that are right: 3, 6, 12, 24, 48, 96.
        let mut inverse = low.wrapping_mul(3) ^ 2;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(low.wrapping_mul(inverse)));
        }
        let mut square = Number::small(1);
        for _ in 0..128 * n.words.len() {
            square = square.plus(&square);
            if square >= *n {
                square = square.minus(n);
            }
        }
        Some(Self { n: n.clone(), inverse: inverse.wrapping_neg(), square })
    }

    /// The remainder of any number.
    pub(super) fn reduce(&self, number: &Number) -> Number {
        if *number < self.n {
            return number.clone();
        }
        let mut rest = Number::default();
        for at in (0..number.bits()).rev() {
            rest = rest.plus(&rest);
            if number.bit(at) {
                rest = rest.plus(&Number::small(1));
            }
            if rest >= self.n {
                rest = rest.minus(&self.n);
            }
        }
        rest
    }

    /// a·b/R: both in Montgomery form, or one of them.
    pub(super) fn montgomery(&self, a: &Number, b: &Number) -> Number {
        let length = self.n.words.len();
        let mut sum = vec![0_u64; length + 2];
        for at in 0..length {
            let factor = a.words.get(at).copied().unwrap_or(0);
            add_product(&mut sum, &b.words, factor);
            let reduction = sum[0].wrapping_mul(self.inverse);
            add_product(&mut sum, &self.n.words, reduction);
            sum.rotate_left(1);
            sum[length + 1] = 0;
        }
        let sum = Number::of(sum);
        if sum >= self.n { sum.minus(&self.n) } else { sum }
    }

    pub(super) fn enter(&self, number: &Number) -> Number {
        self.montgomery(number, &self.square)
    }

    pub(super) fn leave(&self, number: &Number) -> Number {
        self.montgomery(number, &Number::small(1))
    }

    /// a·b for reduced a and b.
    pub(super) fn multiply(&self, a: &Number, b: &Number) -> Number {
        self.montgomery(&self.enter(a), b)
    }

    pub(super) fn add(&self, a: &Number, b: &Number) -> Number {
        let sum = a.plus(b);
        if sum >= self.n { sum.minus(&self.n) } else { sum }
    }

    pub(super) fn subtract(&self, a: &Number, b: &Number) -> Number {
        if a >= b { a.minus(b) } else { a.plus(&self.n).minus(b) }
    }

    /// base^exponent for a reduced base.
    pub(super) fn power(&self, base: &Number, exponent: &Number) -> Number {
        let base = self.enter(base);
        let mut result = self.enter(&Number::small(1));
        for at in (0..exponent.bits()).rev() {
            result = self.montgomery(&result, &result);
            if exponent.bit(at) {
                result = self.montgomery(&result, &base);
            }
        }
        self.leave(&result)
    }

    /// The inverse where the modulus is prime (Fermat).
    pub(super) fn inverse_of_prime(&self, number: &Number) -> Number {
        self.power(&self.reduce(number), &self.n.minus(&Number::small(2)))
    }
}

#[allow(clippy::cast_possible_truncation)] // the two halves of a product
fn add_product(sum: &mut [u64], words: &[u64], factor: u64) {
    let mut carry = 0_u64;
    for (at, place) in sum.iter_mut().enumerate() {
        let word = words.get(at).copied().unwrap_or(0);
        let value = u128::from(word) * u128::from(factor) + u128::from(*place) + u128::from(carry);
        *place = value as u64;
        carry = (value >> 64) as u64;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

    use super::*;

    #[test]
    fn arithmetic_agrees_with_machine_words() {
        let n = 0xffff_ffff_ffc5_u64;
        let modulus = Modulus::new(&Number::small(n)).unwrap();
        for (a, b) in [(3_u64, 5_u64), (n - 1, n - 1), (0x1234_5678_9abc, 0xfedc_ba98), (0, 9)] {
            let expected = (u128::from(a) * u128::from(b) % u128::from(n)) as u64;
            assert_eq!(modulus.multiply(&Number::small(a), &Number::small(b)), Number::small(expected));
            let mut power = 1_u128;
            for _ in 0..b % 50 {
                power = power * u128::from(a) % u128::from(n);
            }
            assert_eq!(modulus.power(&Number::small(a), &Number::small(b % 50)), Number::small(power as u64));
        }
        assert!(Modulus::new(&Number::small(8)).is_none());
    }

    #[test]
    fn inverses_and_remainders_of_long_numbers() {
        let p = Number::from_hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
        let modulus = Modulus::new(&p).unwrap();
        let a = Number::from_hex("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        assert_eq!(modulus.multiply(&a, &modulus.inverse_of_prime(&a)), Number::small(1));
        assert_eq!(modulus.reduce(&p.plus(&p).plus(&a)), a);
        assert_eq!(modulus.add(&modulus.subtract(&Number::small(1), &a), &a), Number::small(1));
    }

    #[test]
    fn bytes_there_and_back() {
        let number = Number::from_be(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(number.to_be(9).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(number.to_be(8), None);
        assert_eq!(number.bits(), 65);
        assert_eq!(Number::leftmost(&[0xff, 0xff], 9), Number::small(0x1ff));
    }
}
