//! Elliptic curves over prime fields (SEC 1), and ECDSA on those that aws-lc-rs does not verify on.

// The letters are those of the standards.
#![allow(clippy::many_single_char_names)]

use aws_lc_rs::signature::{self, VerificationAlgorithm};

use super::number::{Modulus, Number};
use super::{Bad, Hash};
use crate::trust::der::{self, Reader, tag};

/// A named curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P192,
    P224,
    P256,
    P384,
    P521,
    Secp256k1,
    Brainpool256,
    Brainpool320,
    Brainpool384,
    Brainpool512,
}

/// Its numbers in hexadecimal: field, coefficients, base point, order.
struct Parameters {
    p: &'static str,
    a: &'static str,
    b: &'static str,
    x: &'static str,
    y: &'static str,
    n: &'static str,
}

impl Curve {
    /// By the DER content of its object identifier.
    pub(crate) fn of_oid(oid: &[u8]) -> Option<Self> {
        Some(match oid {
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01] => Self::P192,
            [0x2b, 0x81, 0x04, 0x00, 0x21] => Self::P224,
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => Self::P256,
            [0x2b, 0x81, 0x04, 0x00, 0x22] => Self::P384,
            [0x2b, 0x81, 0x04, 0x00, 0x23] => Self::P521,
            [0x2b, 0x81, 0x04, 0x00, 0x0a] => Self::Secp256k1,
            [0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07] => Self::Brainpool256,
            [0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x09] => Self::Brainpool320,
            [0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0b] => Self::Brainpool384,
            [0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0d] => Self::Brainpool512,
            _ => return None,
        })
    }

    /// One of those that Go knows (`namedCurveFromOID`).
    pub(crate) fn is_of_go(self) -> bool {
        matches!(self, Self::P224 | Self::P256 | Self::P384 | Self::P521)
    }

    /// Whether a point lies on it.
    pub(crate) fn holds(self, point: &[u8]) -> bool {
        Field::of(self).is_some_and(|field| field.decode(point, self.bits().div_ceil(8)).is_some())
    }

    /// Bits of its field.
    pub(crate) fn bits(self) -> usize {
        match self {
            Self::P192 => 192,
            Self::P224 => 224,
            Self::P256 | Self::Secp256k1 | Self::Brainpool256 => 256,
            Self::Brainpool320 => 320,
            Self::P384 | Self::Brainpool384 => 384,
            Self::Brainpool512 => 512,
            Self::P521 => 521,
        }
    }

    fn parameters(self) -> Parameters {
        match self {
            Self::P192 => Parameters {
                p: "fffffffffffffffffffffffffffffffeffffffffffffffff",
                a: "fffffffffffffffffffffffffffffffefffffffffffffffc",
                b: "64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1",
                x: "188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012",
                y: "7192b95ffc8da78631011ed6b24cdd573f977a11e794811",
                n: "ffffffffffffffffffffffff99def836146bc9b1b4d22831",
            },
            Self::P224 => Parameters {
                p: "ffffffffffffffffffffffffffffffff000000000000000000000001",
                a: "fffffffffffffffffffffffffffffffefffffffffffffffffffffffe",
                b: "b4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4",
                x: "b70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21",
                y: "bd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34",
                n: "ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d",
            },
            Self::P256 => Parameters {
                p: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
                a: "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
                b: "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
                x: "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
                y: "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
                n: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
            },
            Self::P384 => Parameters {
                p: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
                a: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffc",
                b: "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
                x: "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
                y: "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
                n: "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
            },
            Self::P521 => Parameters {
                p: "1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                a: "1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc",
                b: "51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
                x: "c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
                y: "11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
                n: "1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
            },
            Self::Secp256k1 => Parameters {
                p: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
                a: "0",
                b: "7",
                x: "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
                y: "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
                n: "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            },
            Self::Brainpool256 => Parameters {
                p: "a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377",
                a: "7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9",
                b: "26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6",
                x: "8bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27e1e3bd23c23a4453bd9ace3262",
                y: "547ef835c3dac4fd97f8461a14611dc9c27745132ded8e545c1d54c72f046997",
                n: "a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7",
            },
            Self::Brainpool320 => Parameters {
                p: "d35e472036bc4fb7e13c785ed201e065f98fcfa6f6f40def4f92b9ec7893ec28fcd412b1f1b32e27",
                a: "3ee30b568fbab0f883ccebd46d3f3bb8a2a73513f5eb79da66190eb085ffa9f492f375a97d860eb4",
                b: "520883949dfdbc42d3ad198640688a6fe13f41349554b49acc31dccd884539816f5eb4ac8fb1f1a6",
                x: "43bd7e9afb53d8b85289bcc48ee5bfe6f20137d10a087eb6e7871e2a10a599c710af8d0d39e20611",
                y: "14fdd05545ec1cc8ab4093247f77275e0743ffed117182eaa9c77877aaac6ac7d35245d1692e8ee1",
                n: "d35e472036bc4fb7e13c785ed201e065f98fcfa5b68f12a32d482ec7ee8658e98691555b44c59311",
            },
            Self::Brainpool384 => Parameters {
                p: "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53",
                a: "7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826",
                b: "4a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a62e880ea53eeb62d57cb4390295dbc9943ab78696fa504c11",
                x: "1d1c64f068cf45ffa2a63a81b7c13f6b8847a3e77ef14fe3db7fcafe0cbd10e8e826e03436d646aaef87b2e247d4af1e",
                y: "8abe1d7520f9c2a45cb1eb8e95cfd55262b70b29feec5864e19c054ff99129280e4646217791811142820341263c5315",
                n: "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565",
            },
            Self::Brainpool512 => Parameters {
                p: "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3",
                a: "7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94ca",
                b: "3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94cadc083e67984050b75ebae5dd2809bd638016f723",
                x: "81aee4bdd82ed9645a21322e9c4c6a9385ed9f70b5d916c1b43b62eef4d0098eff3b1f78e2d0d48d50d1687b93b97d5f7c6d5047406a5e688b352209bcb9f822",
                y: "7dde385d566332ecc0eabfa9cf7822fdf209f70024a57b1aa000c55b881f8111b2dcde494a5f485e5bca4bd88a2763aed1ca2b2fa8f0540678cd1e0f3ad80892",
                n: "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069",
            },
        }
    }
}

/// What aws-lc-rs verifies with, for the pairs that it knows.
pub(super) fn by_library(curve: Curve, hash: Hash) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (curve, hash) {
        (Curve::P256, Hash::Sha1) => &signature::ECDSA_P256_SHA1_ASN1,
        (Curve::P256, Hash::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (Curve::P256, Hash::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
        (Curve::P256, Hash::Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
        (Curve::P384, Hash::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (Curve::P384, Hash::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (Curve::P384, Hash::Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
        (Curve::P521, Hash::Sha1) => &signature::ECDSA_P521_SHA1_ASN1,
        (Curve::P521, Hash::Sha224) => &signature::ECDSA_P521_SHA224_ASN1,
        (Curve::P521, Hash::Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
        (Curve::P521, Hash::Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
        (Curve::P521, Hash::Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
        (Curve::Secp256k1, Hash::Sha256) => &signature::ECDSA_P256K1_SHA256_ASN1,
        _ => return None,
    })
}

/// r and s of a DSA or ECDSA signature.
pub(super) fn signature_pair(signature: &[u8]) -> Option<[Number; 2]> {
    let mut outer = Reader::new(signature);
    let mut pair = outer.inside(tag::SEQUENCE)?;
    let mut number = || {
        let content = pair.take(tag::INTEGER)?;
        (der::is_minimal_integer(content) && !der::is_negative(content)).then(|| Number::from_be(content))
    };
    let both = [number()?, number()?];
    (pair.is_empty() && outer.is_empty()).then_some(both)
}

/// A point in Jacobian coordinates, Montgomery form; `z` zero is infinity.
#[derive(Clone)]
struct Point {
    x: Number,
    y: Number,
    z: Number,
}

struct Field {
    p: Modulus,
    prime: Number,
    a: Number,
    b: Number,
}

impl Field {
    fn of(curve: Curve) -> Option<Self> {
        let Parameters { p, a, b, .. } = curve.parameters();
        let prime = Number::from_hex(p);
        let p = Modulus::new(&prime)?;
        let (a, b) = (p.enter(&Number::from_hex(a)), p.enter(&Number::from_hex(b)));
        Some(Self { p, prime, a, b })
    }

    fn square(&self, a: &Number) -> Number {
        self.p.montgomery(a, a)
    }

    fn double(&self, point: &Point) -> Point {
        let f = &self.p;
        let yy = self.square(&point.y);
        let zz = self.square(&point.z);
        let s = twice(f, &twice(f, &f.montgomery(&point.x, &yy)));
        let xx = self.square(&point.x);
        let m = f.add(&f.add(&twice(f, &xx), &xx), &f.montgomery(&self.a, &self.square(&zz)));
        let x = f.subtract(&self.square(&m), &twice(f, &s));
        let yyyy8 = twice(f, &twice(f, &twice(f, &self.square(&yy))));
        let y = f.subtract(&f.montgomery(&m, &f.subtract(&s, &x)), &yyyy8);
        let z = twice(f, &f.montgomery(&point.y, &point.z));
        Point { x, y, z }
    }

    fn add(&self, one: &Point, two: &Point) -> Point {
        if one.z.is_zero() {
            return two.clone();
        }
        if two.z.is_zero() {
            return one.clone();
        }
        let f = &self.p;
        let (zz1, zz2) = (self.square(&one.z), self.square(&two.z));
        let (u1, u2) = (f.montgomery(&one.x, &zz2), f.montgomery(&two.x, &zz1));
        let s1 = f.montgomery(&one.y, &f.montgomery(&zz2, &two.z));
        let s2 = f.montgomery(&two.y, &f.montgomery(&zz1, &one.z));
        let (h, r) = (f.subtract(&u2, &u1), f.subtract(&s2, &s1));
        if h.is_zero() {
            return if r.is_zero() { self.double(one) } else { Point { z: Number::default(), ..one.clone() } };
        }
        let hh = self.square(&h);
        let hhh = f.montgomery(&hh, &h);
        let v = f.montgomery(&u1, &hh);
        let x = f.subtract(&f.subtract(&self.square(&r), &hhh), &twice(f, &v));
        let y = f.subtract(&f.montgomery(&r, &f.subtract(&v, &x)), &f.montgomery(&s1, &hhh));
        let z = f.montgomery(&h, &f.montgomery(&one.z, &two.z));
        Point { x, y, z }
    }

    /// a·one + b·two.
    fn combine(&self, a: &Number, one: &Point, b: &Number, two: &Point) -> Point {
        let both = self.add(one, two);
        let mut sum = Point { z: Number::default(), ..one.clone() };
        for at in (0..a.bits().max(b.bits())).rev() {
            sum = self.double(&sum);
            match (a.bit(at), b.bit(at)) {
                (true, true) => sum = self.add(&sum, &both),
                (true, false) => sum = self.add(&sum, one),
                (false, true) => sum = self.add(&sum, two),
                (false, false) => {}
            }
        }
        sum
    }

    fn point(&self, x: &Number, y: &Number) -> Point {
        Point { x: self.p.enter(x), y: self.p.enter(y), z: self.p.enter(&Number::small(1)) }
    }

    /// y² of a point with that x, in Montgomery form.
    fn right_side(&self, x: &Number) -> Number {
        let x = self.p.enter(x);
        let cube = self.p.montgomery(&self.square(&x), &x);
        self.p.add(&self.p.add(&cube, &self.p.montgomery(&self.a, &x)), &self.b)
    }

    /// A point as certificates hold it (SEC 1, section 2.3.4): whole, or compressed where p is 3 modulo 4.
    fn decode(&self, bytes: &[u8], length: usize) -> Option<Point> {
        let (&form, digits) = bytes.split_first()?;
        let x = Number::from_be(digits.get(..length)?);
        let y = match form {
            4 if digits.len() == 2 * length => Number::from_be(&digits[length..]),
            2 | 3 if digits.len() == length && self.prime.bit(1) => {
                let exponent = {
                    let four = self.prime.plus(&Number::small(1)).to_be(length + 1)?;
                    Number::leftmost(&four, 8 * four.len() - 2)
                };
                let y = self.p.power(&self.p.leave(&self.right_side(&x)), &exponent);
                if y.is_odd() == (form == 3) { y } else { self.p.subtract(&Number::default(), &y) }
            }
            _ => return None,
        };
        let fits = x < self.prime && y < self.prime;
        (fits && self.square(&self.p.enter(&y)) == self.right_side(&x)).then(|| self.point(&x, &y))
    }
}

fn twice(p: &Modulus, a: &Number) -> Number {
    p.add(a, a)
}

/// ECDSA (SEC 1, section 4.1.4) over a digest.
pub(super) fn ecdsa(curve: Curve, point: &[u8], digest: &[u8], signature: &[u8]) -> Result<(), Bad> {
    let Parameters { x, y, n, .. } = curve.parameters();
    let n = Number::from_hex(n);
    let (Some(field), Some(order)) = (Field::of(curve), Modulus::new(&n)) else { return Err(Bad::Unsupported) };
    let base = field.point(&Number::from_hex(x), &Number::from_hex(y));
    let public = field.decode(point, curve.bits().div_ceil(8)).ok_or(Bad::Unsupported)?;
    let [r, s] = signature_pair(signature).ok_or(Bad::Signature)?;
    if r.is_zero() || s.is_zero() || r >= n || s >= n {
        return Err(Bad::Signature);
    }
    let e = order.reduce(&Number::leftmost(digest, n.bits()));
    let inverse = order.inverse_of_prime(&s);
    let sum = field.combine(&order.multiply(&e, &inverse), &base, &order.multiply(&r, &inverse), &public);
    if sum.z.is_zero() {
        return Err(Bad::Signature);
    }
    let z = field.p.leave(&sum.z);
    let inverse = field.p.enter(&field.p.inverse_of_prime(&z));
    let x = field.p.leave(&field.p.montgomery(&sum.x, &field.square(&inverse)));
    if order.reduce(&x) == r { Ok(()) } else { Err(Bad::Signature) }
}
