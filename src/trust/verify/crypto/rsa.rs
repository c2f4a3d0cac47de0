//! RSA (RFC 8017) for the keys and parameters that aws-lc-rs does not take.

use aws_lc_rs::signature::{self, VerificationAlgorithm};

use super::number::{Modulus, Number};
use super::read::{Key, KeyKind, Pss};
use super::{Bad, Hash, by_library};
use crate::trust::der::tag;
use crate::trust::name::encode;

/// The message that a signature hides: signature^e mod n, as long as the modulus. Beside it, the bits of the modulus.
fn open(key: &Key, signature: &[u8]) -> Result<(Vec<u8>, usize), Bad> {
    let KeyKind::Rsa { n, e } = &key.kind else { return Err(Bad::Mismatch) };
    let (n, e) = (Number::from_be(n), Number::from_be(e));
    let length = n.bits().div_ceil(8);
    // OpenSSL and Go refuse both, and so keep the work small.
    if n.bits() > 16_384 || e.bits() > 64 {
        return Err(Bad::Unsupported);
    }
    let modulus = Modulus::new(&n).ok_or(Bad::Signature)?;
    let signature_number = Number::from_be(signature);
    if signature.len() != length || signature_number >= n {
        return Err(Bad::Signature);
    }
    let message = modulus.power(&signature_number, &e).to_be(length).ok_or(Bad::Signature)?;
    Ok((message, n.bits()))
}

/// RSASSA-PKCS1-v1_5 (section 8.2.2).
pub(super) fn pkcs1(key: &Key, hash: Hash, message: &[u8], signature: &[u8]) -> Result<(), Bad> {
    let digest = hash.digest(message).ok_or(Bad::Unsupported)?;
    let (opened, _) = open(key, signature)?;
    let algorithm = encode(tag::SEQUENCE, &[encode(tag::OID, hash.oid()), encode(tag::NULL, &[])].concat());
    let info = encode(tag::SEQUENCE, &[algorithm, encode(tag::OCTET_STRING, &digest)].concat());
    let padding = opened.len().checked_sub(info.len() + 3).filter(|padding| *padding >= 8).ok_or(Bad::Signature)?;
    let mut expected = vec![0, 1];
    expected.resize(2 + padding, 0xff);
    expected.push(0);
    expected.extend(info);
    if opened == expected { Ok(()) } else { Err(Bad::Signature) }
}

/// RSASSA-PSS (section 8.1.2).
pub(super) fn pss(key: &Key, pss: &Pss, message: &[u8], signature: &[u8]) -> Result<(), Bad> {
    let common: Option<&dyn VerificationAlgorithm> = match pss.hash {
        Hash::Sha256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Hash::Sha384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Hash::Sha512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    };
    if let Some(algorithm) = common
        && pss.mask == pss.hash
        && pss.salt == pss.hash.length() as u64
        && key.is_common_rsa()
    {
        return by_library(algorithm, &key.bits, message, signature);
    }
    let digest = pss.hash.digest(message).ok_or(Bad::Unsupported)?;
    let (opened, bits) = open(key, signature)?;
    let length = (bits - 1).div_ceil(8);
    let (surplus, encoded) = opened.split_at(opened.len() - length);
    if surplus.iter().any(|byte| *byte != 0) || encoded.last() != Some(&0xbc) {
        return Err(Bad::Signature);
    }
    let salt = usize::try_from(pss.salt).ok().filter(|salt| *salt <= length).ok_or(Bad::Signature)?;
    let masked_length = length.checked_sub(digest.len() + 1).ok_or(Bad::Signature)?;
    let (masked, rest) = encoded.split_at(masked_length);
    let hashed = &rest[..digest.len()];
    let mask = mask(pss.mask, hashed, masked_length).ok_or(Bad::Unsupported)?;
    let unused = 8 * length - (bits - 1);
    let mut block: Vec<u8> = masked.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let Some(first) = block.first_mut() else { return Err(Bad::Signature) };
    if masked.first().is_some_and(|byte| u16::from(*byte) >> (8 - unused) != 0) {
        return Err(Bad::Signature);
    }
    *first &= 0xff >> unused;
    let zeros = masked_length.checked_sub(salt + 1).ok_or(Bad::Signature)?;
    if block[..zeros].iter().any(|byte| *byte != 0) || block[zeros] != 1 {
        return Err(Bad::Signature);
    }
    let again = [&[0; 8], digest.as_slice(), &block[zeros + 1..]].concat();
    if pss.hash.digest(&again).is_some_and(|digest| digest == hashed) { Ok(()) } else { Err(Bad::Signature) }
}

/// MGF1 (appendix B.2.1).
fn mask(hash: Hash, seed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(length + hash.length());
    let mut counter = 0_u32;
    while out.len() < length {
        out.extend(hash.digest(&[seed, &counter.to_be_bytes()].concat())?);
        counter += 1;
    }
    out.truncate(length);
    Some(out)
}
