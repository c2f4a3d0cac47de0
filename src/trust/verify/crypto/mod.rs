//! Signatures of certificates: algorithms and keys as certificates write them, and whether a signature verifies.
//!
//! What aws-lc-rs verifies, it verifies. Keys and algorithms of old that some client still takes (RSA below 2048 bits,
//! MD5, DSA, curves out of use) are verified by arithmetic of our own: nothing here is secret, so it need not be
//! constant in time.

// The letters are those of the standards.
#![allow(clippy::many_single_char_names)]

mod curve;
mod hash;
mod number;
mod read;
mod rsa;

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

use crate::trust::Certificate;

pub(crate) use curve::Curve;
pub(crate) use hash::Hash;
use number::Number;
pub(crate) use read::{Key, KeyKind, MlDsa, Scheme, algorithm, bit_length};

/// Why a signature is not found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The signature is of another key or over other bytes.
    Signature,
    /// The key is of another kind than the signature.
    Mismatch,
    /// Nobody here can verify this algorithm or key.
    Unsupported,
}

/// Whether the key of one certificate signed another, whose scheme and signature its reader gives.
pub(crate) fn issued(
    issuer: &Certificate,
    key: &Key,
    child: &Certificate,
    (scheme, signature): (&Scheme, &[u8]),
) -> Result<(), Bad> {
    match child.supposed() {
        Some(spki) if spki == issuer.spki() => Ok(()),
        Some(_) => Err(Bad::Signature),
        None => verify(scheme, key, child.tbs(), signature),
    }
}

/// Whether a signature verifies: strength and fashion are the caller's to judge.
fn verify(scheme: &Scheme, key: &Key, message: &[u8], signature: &[u8]) -> Result<(), Bad> {
    match (scheme, &key.kind) {
        (Scheme::Pkcs1(hash), KeyKind::Rsa { .. }) => {
            let algorithm: Option<&dyn VerificationAlgorithm> = match hash {
                Hash::Sha1 => Some(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
                Hash::Sha256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
                Hash::Sha384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
                Hash::Sha512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
                _ => None,
            };
            match algorithm.filter(|_| key.is_common_rsa()) {
                Some(algorithm) => by_library(algorithm, &key.bits, message, signature),
                None => rsa::pkcs1(key, *hash, message, signature),
            }
        }
        (Scheme::Pss(pss), KeyKind::Rsa { .. }) => rsa::pss(key, pss, message, signature),
        (Scheme::Ecdsa(hash), KeyKind::Ec { curve: Some(curve), point }) => match curve::by_library(*curve, *hash) {
            Some(algorithm) => by_library(algorithm, point, message, signature),
            None => curve::ecdsa(*curve, point, &hash.digest(message).ok_or(Bad::Unsupported)?, signature),
        },
        (Scheme::Ed25519, KeyKind::Ed25519) => by_library(&signature::ED25519, &key.bits, message, signature),
        (Scheme::MlDsa(kind), KeyKind::MlDsa(of)) if kind == of => {
            let algorithm = match kind {
                MlDsa::L44 => &signature::ML_DSA_44,
                MlDsa::L65 => &signature::ML_DSA_65,
                MlDsa::L87 => &signature::ML_DSA_87,
            };
            by_library(algorithm, &key.bits, message, signature)
        }
        (Scheme::Dsa(hash), KeyKind::Dsa { .. }) => dsa(key, &hash.digest(message).ok_or(Bad::Unsupported)?, signature),
        (Scheme::Ecdsa(_), KeyKind::Ec { curve: None, .. })
        | (Scheme::Ed448, KeyKind::Ed448)
        | (Scheme::Unknown, _) => Err(Bad::Unsupported),
        _ => Err(Bad::Mismatch),
    }
}

fn by_library(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Bad> {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| Bad::Signature)
}

/// FIPS 186-4, section 4.7.
fn dsa(key: &Key, digest: &[u8], signature: &[u8]) -> Result<(), Bad> {
    let KeyKind::Dsa { p, q, g, y } = &key.kind else { return Err(Bad::Mismatch) };
    let [p, q, g, y] = [p, q, g, y].map(|bytes| Number::from_be(bytes));
    let [r, s] = curve::signature_pair(signature).ok_or(Bad::Signature)?;
    let (Some(by_p), Some(by_q)) = (number::Modulus::new(&p), number::Modulus::new(&q)) else {
        return Err(Bad::Unsupported);
    };
    if r.is_zero() || s.is_zero() || r >= q || s >= q || q >= p {
        return Err(Bad::Signature);
    }
    let z = Number::leftmost(digest, q.bits());
    let w = by_q.inverse_of_prime(&s);
    let u1 = by_q.multiply(&by_q.reduce(&z), &w);
    let u2 = by_q.multiply(&r, &w);
    let v = by_p.multiply(&by_p.power(&by_p.reduce(&g), &u1), &by_p.power(&by_p.reduce(&y), &u2));
    if by_q.reduce(&v) == r { Ok(()) } else { Err(Bad::Signature) }
}
