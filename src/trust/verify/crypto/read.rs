//! Keys and signature algorithms as certificates write them.

use super::{Curve, Hash};
use crate::trust::der::{self, Reader, tag};

/// A public key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) kind: KeyKind,
    algorithm: Vec<u8>,
    /// Parameters of its algorithm as they stand, header included; empty if there are none.
    pub(crate) parameters: Vec<u8>,
    /// Content of `subjectPublicKey`.
    pub(crate) bits: Vec<u8>,
}

/// What kind of key it is, and its numbers (big-endian, without leading zeros).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// `curve`: `None` for one that is not known, or is written out.
    Ec {
        curve: Option<Curve>,
        point: Vec<u8>,
    },
    Dsa {
        p: Vec<u8>,
        q: Vec<u8>,
        g: Vec<u8>,
        y: Vec<u8>,
    },
    Ed25519,
    Ed448,
    MlDsa(MlDsa),
    /// X25519, or anything else that signs no certificates or that is not known.
    Other,
    /// The kind is known and the key is malformed.
    Malformed(&'static str),
}

/// FIPS 204, by parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MlDsa {
    L44,
    L65,
    L87,
}

/// Parameters of RSASSA-PSS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pss {
    pub(crate) hash: Hash,
    pub(crate) mask: Hash,
    pub(crate) salt: u64,
}

/// How a certificate is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Pkcs1(Hash),
    Pss(Pss),
    Ecdsa(Hash),
    Dsa(Hash),
    Ed25519,
    Ed448,
    MlDsa(MlDsa),
    Unknown,
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4];
const DSA_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];
const NIST: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3];
const MGF1: u8 = 8;

/// The object identifier and the parameters (header included) of an AlgorithmIdentifier, by its content.
pub(crate) fn algorithm(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader::new(content);
    let oid = reader.take(tag::OID)?;
    let parameters = if reader.is_empty() { &[] } else { reader.any()?.full };
    reader.is_empty().then_some((oid, parameters))
}

fn of_nist(oid: &[u8]) -> Option<MlDsa> {
    match oid.strip_prefix(NIST)? {
        [17] => Some(MlDsa::L44),
        [18] => Some(MlDsa::L65),
        [19] => Some(MlDsa::L87),
        _ => None,
    }
}

impl Scheme {
    /// By the content of an AlgorithmIdentifier.
    pub(crate) fn read(content: &[u8]) -> Self {
        Self::known(content).unwrap_or(Self::Unknown)
    }

    fn known(content: &[u8]) -> Option<Self> {
        let (oid, parameters) = algorithm(content)?;
        if let Some(last) = oid.strip_prefix(RSA) {
            return Some(match last {
                [4] => Self::Pkcs1(Hash::Md5),
                [5] => Self::Pkcs1(Hash::Sha1),
                [14] => Self::Pkcs1(Hash::Sha224),
                [11] => Self::Pkcs1(Hash::Sha256),
                [12] => Self::Pkcs1(Hash::Sha384),
                [13] => Self::Pkcs1(Hash::Sha512),
                [10] => Self::Pss(Pss::read(parameters)?),
                _ => return None,
            });
        }
        if let Some(last) = oid.strip_prefix(ECDSA) {
            return Some(Self::Ecdsa(match last {
                [1] => Hash::Sha1,
                [3, 1] => Hash::Sha224,
                [3, 2] => Hash::Sha256,
                [3, 3] => Hash::Sha384,
                [3, 4] => Hash::Sha512,
                _ => return None,
            }));
        }
        if let Some(kind) = of_nist(oid) {
            return Some(Self::MlDsa(kind));
        }
        Some(match oid {
            [0x2b, 0x0e, 3, 2, 0x1d] => Self::Pkcs1(Hash::Sha1),
            [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3] => Self::Dsa(Hash::Sha1),
            [0x2b, 0x65, 0x70] => Self::Ed25519,
            [0x2b, 0x65, 0x71] => Self::Ed448,
            _ => match oid.strip_prefix(NIST)? {
                [1] => Self::Dsa(Hash::Sha224),
                [2] => Self::Dsa(Hash::Sha256),
                [3] => Self::Dsa(Hash::Sha384),
                [4] => Self::Dsa(Hash::Sha512),
                [7] => Self::Dsa(Hash::Sha3Of256),
                [8] => Self::Dsa(Hash::Sha3Of384),
                [9] => Self::Dsa(Hash::Sha3Of512),
                [10] => Self::Ecdsa(Hash::Sha3Of256),
                [11] => Self::Ecdsa(Hash::Sha3Of384),
                [12] => Self::Ecdsa(Hash::Sha3Of512),
                [14] => Self::Pkcs1(Hash::Sha3Of256),
                [15] => Self::Pkcs1(Hash::Sha3Of384),
                [16] => Self::Pkcs1(Hash::Sha3Of512),
                _ => return None,
            },
        })
    }

    /// The digest of it, where it has one apart.
    pub(crate) fn hash(self) -> Option<Hash> {
        match self {
            Self::Pkcs1(hash) | Self::Ecdsa(hash) | Self::Dsa(hash) => Some(hash),
            Self::Pss(pss) => Some(pss.hash),
            Self::Ed25519 | Self::Ed448 | Self::MlDsa(_) | Self::Unknown => None,
        }
    }
}

impl Pss {
    /// RSASSA-PSS-params (RFC 4055, section 3.1); the defaults are SHA-1 and 20 bytes of salt.
    fn read(parameters: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(parameters).inside(tag::SEQUENCE)?;
        let identifier = |content: &[u8]| {
            let inner = Reader::new(content).take(tag::SEQUENCE)?;
            let (oid, parameters) = algorithm(inner)?;
            Some((oid.to_vec(), parameters.to_vec()))
        };
        let hash = match reader.optional(tag::constructed(0))? {
            Some(element) => Hash::of_oid(&identifier(element.content)?.0)?,
            None => Hash::Sha1,
        };
        let mask = match reader.optional(tag::constructed(1))? {
            Some(element) => {
                let (oid, inner) = identifier(element.content)?;
                if oid.strip_prefix(RSA) != Some([MGF1].as_slice()) {
                    return None;
                }
                Hash::of_oid(algorithm(Reader::new(&inner).take(tag::SEQUENCE)?)?.0)?
            }
            None => Hash::Sha1,
        };
        let mut number = |tag: u8, default: u64| match reader.optional(tag)? {
            Some(element) => der::unsigned(Reader::new(element.content).take(tag::INTEGER)?),
            None => Some(default),
        };
        let salt = number(tag::constructed(2), 20)?;
        let trailer = number(tag::constructed(3), 1)?;
        (trailer == 1 && reader.is_empty()).then_some(Self { hash, mask, salt })
    }
}

impl Key {
    /// By a SubjectPublicKeyInfo, header included; `None` if that is malformed.
    pub(crate) fn read(spki: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(spki).inside(tag::SEQUENCE)?;
        let (oid, parameters) = algorithm(reader.take(tag::SEQUENCE)?)?;
        let (unused, bits) = der::bits(reader.take(tag::BIT_STRING)?, false)?;
        if !reader.is_empty() || unused != 0 {
            return None;
        }
        let kind = kind(oid, parameters, bits);
        Some(Self { kind, algorithm: oid.to_vec(), parameters: parameters.to_vec(), bits: bits.to_vec() })
    }

    /// An RSA key that signs with RSASSA-PSS alone (RFC 4055, section 1.2).
    pub(crate) fn is_pss(&self) -> bool {
        self.algorithm.strip_prefix(RSA) == Some(&[10])
    }

    /// A key for key agreement (RFC 8410).
    pub(crate) fn is_x25519(&self) -> bool {
        self.algorithm == [0x2b, 0x65, 0x6e]
    }

    /// An RSA key of the sizes that aws-lc-rs verifies with.
    pub(super) fn is_common_rsa(&self) -> bool {
        match &self.kind {
            KeyKind::Rsa { n, e } => {
                let odd = |bytes: &[u8]| bytes.last().is_some_and(|byte| byte & 1 == 1);
                (2048..=8192).contains(&bit_length(n)) && (2..=33).contains(&bit_length(e)) && odd(n) && odd(e)
            }
            _ => false,
        }
    }
}

/// Bits of a number without leading zero bytes.
pub(crate) fn bit_length(bytes: &[u8]) -> usize {
    bytes.first().map_or(0, |first| 8 * bytes.len() - first.leading_zeros() as usize)
}

fn kind(oid: &[u8], parameters: &[u8], bits: &[u8]) -> KeyKind {
    if oid.strip_prefix(RSA).is_some_and(|last| matches!(last, [1 | 10])) {
        return rsa(bits).unwrap_or(KeyKind::Malformed("RSA key"));
    }
    if oid == EC_KEY {
        let curve = Reader::new(parameters).take(tag::OID).and_then(Curve::of_oid);
        return KeyKind::Ec { curve, point: bits.to_vec() };
    }
    if oid == DSA_KEY {
        return dsa(parameters, bits).unwrap_or(KeyKind::Malformed("DSA key"));
    }
    if let Some(kind) = of_nist(oid) {
        return KeyKind::MlDsa(kind);
    }
    match oid {
        [0x2b, 0x65, 0x70] if bits.len() == 32 => KeyKind::Ed25519,
        [0x2b, 0x65, 0x70] => KeyKind::Malformed("Ed25519 key"),
        [0x2b, 0x65, 0x71] => KeyKind::Ed448,
        _ => KeyKind::Other,
    }
}

fn positive<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let content = reader.take(tag::INTEGER)?;
    let digits = der::magnitude(content);
    (der::is_minimal_integer(content) && !der::is_negative(content) && !digits.is_empty()).then_some(digits)
}

fn rsa(bits: &[u8]) -> Option<KeyKind> {
    let mut reader = Reader::new(bits).inside(tag::SEQUENCE)?;
    let n = positive(&mut reader)?.to_vec();
    let e = positive(&mut reader)?.to_vec();
    Some(KeyKind::Rsa { n, e })
}

fn dsa(parameters: &[u8], bits: &[u8]) -> Option<KeyKind> {
    let mut reader = Reader::new(parameters).inside(tag::SEQUENCE)?;
    let p = positive(&mut reader)?.to_vec();
    let q = positive(&mut reader)?.to_vec();
    let g = positive(&mut reader)?.to_vec();
    let y = positive(&mut Reader::new(bits))?.to_vec();
    Some(KeyKind::Dsa { p, q, g, y })
}
