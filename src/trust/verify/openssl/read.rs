//! What OpenSSL caches of a certificate (`ossl_x509v3_cache_extensions`).

use crate::trust::Certificate;
use crate::trust::cert::{extension as ext, general_names};
use crate::trust::der::{self, Reader, tag};
use crate::trust::name;
use crate::trust::verify::crypto::{Hash, Key, KeyKind, Scheme, bit_length};

pub(super) const DIGITAL_SIGNATURE: u16 = 1 << 7;
pub(super) const KEY_ENCIPHERMENT: u16 = 1 << 5;
pub(super) const KEY_AGREEMENT: u16 = 1 << 3;
pub(super) const CERT_SIGN: u16 = 1 << 2;
pub(super) const CRL_SIGN: u16 = 1 << 1;

/// A certificate as OpenSSL sees it.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // flags of their own, as OpenSSL has them
pub(super) struct Parsed<'a> {
    pub(super) certificate: &'a Certificate,
    /// Subject and issuer in the form in which they are compared.
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) version: u64,
    /// The extensions that decide are malformed: it can issue nothing and is issued by nobody.
    pub(super) invalid: bool,
    /// `None`: no basic constraints.
    pub(super) ca: Option<bool>,
    pub(super) ca_critical: bool,
    pub(super) path_length: Option<u64>,
    pub(super) key_usage: Option<u16>,
    /// Object identifiers; `None` without the extension.
    pub(super) usages: Option<Vec<&'a [u8]>>,
    pub(super) netscape: Option<u8>,
    pub(super) subject_key_id: Option<&'a [u8]>,
    pub(super) subject_key_id_critical: bool,
    pub(super) authority: Option<Authority<'a>>,
    pub(super) authority_critical: bool,
    /// Kinds and contents of the alternative names.
    pub(super) names: Option<Vec<(u8, &'a [u8])>>,
    pub(super) names_critical: bool,
    pub(super) constraints: Option<Constraints<'a>>,
    pub(super) is_proxy: bool,
    pub(super) unhandled_critical: bool,
    pub(super) has_extensions: bool,
    pub(super) scheme: Scheme,
    pub(super) signature: Vec<u8>,
    pub(super) key: Option<Key>,
}

/// Authority key identifier.
#[derive(Clone, Debug, Default)]
pub(super) struct Authority<'a> {
    pub(super) key_id: Option<&'a [u8]>,
    /// The first directory name among the issuers, as it is compared.
    pub(super) issuer: Option<Vec<u8>>,
    pub(super) serial: Option<&'a [u8]>,
}

/// Name constraints.
#[derive(Clone, Debug, Default)]
pub(super) struct Constraints<'a> {
    pub(super) permitted: Vec<Subtree<'a>>,
    pub(super) excluded: Vec<Subtree<'a>>,
}

/// One subtree: kind and content of its base, and whether it has bounds that OpenSSL does not take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subtree<'a> {
    pub(super) kind: u8,
    pub(super) base: &'a [u8],
    pub(super) bounded: bool,
}

const NETSCAPE_TYPE: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 1, 1];
const PROXY: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 14];
const IP_BLOCKS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 7];
const AS_NUMBERS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 8];
const OCSP_NO_CHECK: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1, 5];

/// Extensions that may be critical (`X509_supported_extension`).
const SUPPORTED: &[&[u8]] = &[
    NETSCAPE_TYPE,
    ext::KEY_USAGE,
    ext::SUBJECT_ALT_NAME,
    ext::BASIC_CONSTRAINTS,
    ext::POLICIES,
    ext::CRL_DISTRIBUTION_POINTS,
    ext::EXT_KEY_USAGE,
    IP_BLOCKS,
    AS_NUMBERS,
    OCSP_NO_CHECK,
    ext::POLICY_CONSTRAINTS,
    PROXY,
    ext::NAME_CONSTRAINTS,
    ext::POLICY_MAPPINGS,
    ext::INHIBIT_ANY_POLICY,
];

impl<'a> Parsed<'a> {
    pub(super) fn read(certificate: &'a Certificate) -> Result<Self, &'static str> {
        if certificate.has_trailing_fields() {
            return Err("fields too many");
        }
        if !der::is_minimal_integer(certificate.serial()) {
            return Err("serial number with padding");
        }
        let (extensions, whole) = certificate.extensions();
        if !whole {
            return Err("malformed extensions");
        }
        let (unused, signature) = der::bits(certificate.signature(), false).ok_or("malformed signature")?;
        let mut signature = signature.to_vec();
        if let Some(last) = signature.last_mut() {
            // Bits that do not count are read as zero.
            *last &= 0xff << unused;
        }
        let mut parsed = Self {
            certificate,
            subject: name::canonical(certificate.subject()).ok_or("malformed subject")?,
            issuer: name::canonical(certificate.issuer()).ok_or("malformed issuer")?,
            version: certificate.version().ok_or("malformed version")?,
            invalid: false,
            ca: None,
            ca_critical: false,
            path_length: None,
            key_usage: None,
            usages: None,
            netscape: None,
            subject_key_id: None,
            subject_key_id_critical: false,
            authority: None,
            authority_critical: false,
            names: None,
            names_critical: false,
            constraints: None,
            is_proxy: false,
            unhandled_critical: false,
            has_extensions: !extensions.is_empty(),
            scheme: Scheme::read(certificate.inner_algorithm()),
            signature,
            key: Key::read(certificate.spki()).filter(usable),
        };
        for (at, extension) in extensions.iter().enumerate() {
            let critical = extension.critical != 0;
            parsed.unhandled_critical |= critical && !SUPPORTED.contains(&extension.oid);
            let again = extensions[..at].iter().any(|other| other.oid == extension.oid);
            let read = if again && READ.contains(&extension.oid) {
                None
            } else {
                parsed.read_extension(extension.oid, extension.value, critical)
            };
            parsed.invalid |= read.is_none();
        }
        Ok(parsed)
    }

    /// `None`: it is malformed.
    fn read_extension(&mut self, oid: &[u8], value: &'a [u8], critical: bool) -> Option<()> {
        match oid {
            ext::BASIC_CONSTRAINTS => {
                let mut reader = structure(value, tag::SEQUENCE)?;
                let ca = reader.optional(tag::BOOLEAN)?.is_some_and(|element| element.content != [0]);
                let limit = reader.optional(tag::INTEGER)?;
                if !reader.is_empty() || limit.is_some_and(|element| der::is_negative(element.content)) {
                    return None;
                }
                self.path_length = limit.map(|element| der::unsigned(element.content).unwrap_or(u64::MAX));
                self.ca = Some(ca);
                self.ca_critical = critical;
            }
            ext::KEY_USAGE => {
                let (unused, bytes) = bit_string(value)?;
                let byte = |at: usize| {
                    let byte = bytes.get(at).copied().unwrap_or(0);
                    if at + 1 == bytes.len() { byte & (0xff << unused) } else { byte }
                };
                let usage = u16::from(byte(0)) | u16::from(byte(1)) << 8;
                self.key_usage = Some(usage);
                if usage == 0 {
                    return None;
                }
            }
            ext::EXT_KEY_USAGE => {
                let mut reader = structure(value, tag::SEQUENCE)?;
                let mut usages = Vec::new();
                while !reader.is_empty() {
                    usages.push(reader.take(tag::OID)?);
                }
                self.usages = Some(usages);
            }
            NETSCAPE_TYPE => self.netscape = Some(bit_string(value)?.1.first().copied().unwrap_or(0)),
            ext::SUBJECT_KEY_ID => {
                self.subject_key_id = Some(Reader::new(value).take(tag::OCTET_STRING)?);
                self.subject_key_id_critical = critical;
            }
            ext::AUTHORITY_KEY_ID => {
                self.authority_critical = critical;
                self.authority = Some(Authority::read(value)?);
            }
            ext::SUBJECT_ALT_NAME => {
                let names = general_names(value)?;
                if !names.iter().all(|(kind, content)| is_general_name(*kind, content)) {
                    return None;
                }
                self.names = Some(names);
                self.names_critical = critical;
            }
            ext::NAME_CONSTRAINTS => self.constraints = Some(Constraints::read(value)?),
            ext::CRL_DISTRIBUTION_POINTS => distribution_points(value)?,
            PROXY => self.is_proxy = true,
            _ => {}
        }
        Some(())
    }

    /// It has key usages, and none of these.
    pub(super) fn forbids(&self, usage: u16) -> bool {
        self.key_usage.is_some_and(|held| held & usage == 0)
    }

    /// Subject and issuer are the same name.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Self-issued, and its own key identifier and kind of key fit.
    pub(super) fn is_self_signed(&self) -> bool {
        self.is_self_issued() && super::build::likely_issued(self, self)
    }

    /// The algorithm beside the signature is the one inside: OpenSSL verifies no other.
    pub(super) fn algorithms_agree(&self) -> bool {
        self.certificate.inner_algorithm() == self.certificate.outer_algorithm()
    }
}

/// Extensions that may occur once (`X509_get_ext_d2i` fails on the second).
const READ: &[&[u8]] = &[
    ext::BASIC_CONSTRAINTS,
    ext::KEY_USAGE,
    ext::EXT_KEY_USAGE,
    NETSCAPE_TYPE,
    ext::SUBJECT_KEY_ID,
    ext::AUTHORITY_KEY_ID,
    ext::SUBJECT_ALT_NAME,
    ext::NAME_CONSTRAINTS,
    ext::CRL_DISTRIBUTION_POINTS,
    PROXY,
    IP_BLOCKS,
    AS_NUMBERS,
];

/// The inside of a value that is one structure. What follows it is not looked at (`X509V3_EXT_d2i`).
fn structure(value: &[u8], tag: u8) -> Option<Reader<'_>> {
    Reader::new(value).inside(tag)
}

fn bit_string(value: &[u8]) -> Option<(u8, &[u8])> {
    der::bits(Reader::new(value).take(tag::BIT_STRING)?, false)
}

/// CRL distribution points: each has a name or an issuer (`setup_crldp`).
fn distribution_points(value: &[u8]) -> Option<()> {
    let mut list = structure(value, tag::SEQUENCE)?;
    while !list.is_empty() {
        let mut point = list.inside(tag::SEQUENCE)?;
        let name = point.optional(tag::constructed(0))?;
        if let Some(name) = name {
            let mut inner = Reader::new(name.content);
            let choice = inner.any()?;
            if !inner.is_empty() || !matches!(choice.tag, 0xa0 | 0xa1) {
                return None;
            }
            if choice.tag == 0xa0 {
                general_name_list(choice.content)?;
            }
        }
        if let Some(reasons) = point.optional(tag::context(1))? {
            der::bits(reasons.content, false)?;
        }
        let issuers = match point.optional(tag::constructed(2))? {
            Some(issuers) => general_name_list(issuers.content)?,
            None => 0,
        };
        if !point.is_empty() || (name.is_none() && issuers == 0) {
            return None;
        }
    }
    Some(())
}

/// How many names a list holds; `None` if it is malformed.
fn general_name_list(content: &[u8]) -> Option<usize> {
    let mut list = Reader::new(content);
    let mut count = 0;
    while !list.is_empty() {
        let element = list.any()?;
        if !is_general_name(element.tag, element.content) {
            return None;
        }
        count += 1;
    }
    Some(count)
}

/// A GeneralName of a kind and a form that decode.
fn is_general_name(kind: u8, content: &[u8]) -> bool {
    match kind {
        0x81 | 0x82 | 0x86 | 0x87 | 0xa3 | 0xa5 => true,
        0x88 => !content.is_empty(),
        0xa4 => name::canonical(content).is_some(),
        0xa0 => Reader::new(content).take(tag::OID).is_some(),
        _ => false,
    }
}

impl<'a> Authority<'a> {
    fn read(value: &'a [u8]) -> Option<Self> {
        let mut reader = structure(value, tag::SEQUENCE)?;
        let mut authority = Self { key_id: reader.optional(tag::context(0))?.map(|e| e.content), ..Self::default() };
        if let Some(issuers) = reader.optional(tag::constructed(1))? {
            let mut list = Reader::new(issuers.content);
            while !list.is_empty() {
                let element = list.any()?;
                if element.tag == tag::constructed(4) && authority.issuer.is_none() {
                    authority.issuer = Some(name::canonical(element.content)?);
                }
            }
        }
        authority.serial = reader.optional(tag::context(2))?.map(|e| e.content);
        reader.is_empty().then_some(authority)
    }
}

impl<'a> Constraints<'a> {
    fn read(value: &'a [u8]) -> Option<Self> {
        let mut reader = structure(value, tag::SEQUENCE)?;
        let mut both = [Vec::new(), Vec::new()];
        for (number, trees) in (0..).zip(&mut both) {
            let Some(element) = reader.optional(tag::constructed(number))? else { continue };
            let mut list = Reader::new(element.content);
            while !list.is_empty() {
                let mut tree = list.inside(tag::SEQUENCE)?;
                let base = tree.any()?;
                let minimum = tree.optional(tag::context(0))?;
                let maximum = tree.optional(tag::context(1))?;
                let bounded = maximum.is_some() || minimum.is_some_and(|e| !der::magnitude(e.content).is_empty());
                if !tree.is_empty() || !is_general_name(base.tag, base.content) {
                    return None;
                }
                trees.push(Subtree { kind: base.tag, base: base.content, bounded });
            }
        }
        let [permitted, excluded] = both;
        reader.is_empty().then_some(Self { permitted, excluded })
    }
}

/// A key that OpenSSL decodes; explicit curve parameters are judged later.
fn usable(key: &Key) -> bool {
    match &key.kind {
        KeyKind::Malformed(_) | KeyKind::MlDsa(_) => false,
        KeyKind::Ec { curve: Some(curve), point } => curve.holds(point),
        KeyKind::Ed25519 | KeyKind::Ed448 => key.parameters.is_empty(),
        _ => true,
    }
}

/// Security of a key in bits, as `EVP_PKEY_get_security_bits` gives it.
pub(super) fn security_bits(key: &Key) -> Option<usize> {
    match &key.kind {
        KeyKind::Rsa { n, .. } => Some(factoring_bits(bit_length(n))),
        KeyKind::Dsa { p, q, .. } => Some(factoring_bits(bit_length(p)).min(bit_length(q) / 2)),
        KeyKind::Ec { curve, .. } => Some((curve.as_ref()?.bits() / 2).min(256)),
        KeyKind::Ed25519 => Some(128),
        KeyKind::Ed448 => Some(224),
        KeyKind::MlDsa(_) | KeyKind::Other | KeyKind::Malformed(_) => None,
    }
}

/// Strength of a modulus (NIST SP 800-56B, appendix D), in steps as far as levels ask.
fn factoring_bits(bits: usize) -> usize {
    match bits {
        0..512 => 0,
        512..1024 => 48,
        1024..2048 => 80,
        2048..3072 => 112,
        3072..7680 => 128,
        7680..15360 => 192,
        _ => 256,
    }
}

/// Security of a signature's digest in bits (`X509_get_signature_info`).
pub(super) fn signature_bits(scheme: &Scheme) -> usize {
    match scheme {
        Scheme::Ed25519 => 128,
        Scheme::Ed448 => 224,
        scheme => match scheme.hash() {
            Some(Hash::Md5) => 39,
            Some(Hash::Sha1) => 63,
            Some(hash) => hash.length() * 4,
            None => 0,
        },
    }
}
