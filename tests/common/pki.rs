//! Certificates of any shape, right and wrong: a writer of DER that stops at nothing.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};

/// A value with its tag and length.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        length @ 0..0x80 => out.push(u8::try_from(length).unwrap()),
        length @ 0..0x100 => out.extend([0x81, u8::try_from(length).unwrap()]),
        length => {
            out.push(0x82);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// An object identifier from its dots.
pub fn oid(dots: &str) -> Vec<u8> {
    let parts: Vec<u64> = dots.split('.').map(|part| part.parse().unwrap()).collect();
    let mut out = Vec::new();
    for part in std::iter::once(parts[0] * 40 + parts[1]).chain(parts[2..].iter().copied()) {
        let mut digits = vec![u8::try_from(part & 0x7f).unwrap()];
        let mut rest = part >> 7;
        while rest > 0 {
            digits.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        digits.reverse();
        out.extend(digits);
    }
    tlv(6, &out)
}

/// A key that signs.
pub enum Key {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    pub fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_ASN1_SIGNING).unwrap())
    }

    pub fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// AlgorithmIdentifier of its signatures.
    pub fn algorithm(&self) -> Vec<u8> {
        match self {
            Self::P256(_) => sequence(&[oid("1.2.840.10045.4.3.2")]),
            Self::P384(_) => sequence(&[oid("1.2.840.10045.4.3.3")]),
            Self::Ed25519(_) => sequence(&[oid("1.3.101.112")]),
            Self::Rsa(_) => sequence(&[oid("1.2.840.113549.1.1.11"), tlv(5, &[])]),
        }
    }

    pub fn spki(&self) -> Vec<u8> {
        match self {
            Self::P256(key) | Self::P384(key) => key.public_key().as_der().unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.public_key().as_der().unwrap().as_ref().to_vec(),
            Self::Rsa(key) => key.public_key().as_der().unwrap().as_ref().to_vec(),
        }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::P256(key) | Self::P384(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut out = vec![0; key.public_modulus_len()];
                key.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut out).unwrap();
                out
            }
        }
    }
}

/// An attribute of a name: object identifier in dots, tag, value.
pub type Attribute = (&'static str, u8, String);

/// A name, one attribute a relative name.
pub fn name(attributes: &[Attribute]) -> Vec<u8> {
    let relative =
        attributes.iter().map(|(kind, tag, value)| tlv(0x31, &sequence(&[oid(kind), tlv(*tag, value.as_bytes())])));
    sequence(&relative.collect::<Vec<_>>())
}

pub const CN: &str = "2.5.4.3";
pub const O: &str = "2.5.4.10";

/// A name of a common name alone.
pub fn common_name(text: &str) -> Vec<u8> {
    name(&[(CN, 0x0c, text.to_owned())])
}

/// One extension.
#[derive(Clone, Debug)]
pub struct Extension {
    pub oid: &'static str,
    pub critical: bool,
    pub value: Vec<u8>,
}

/// What a certificate says.
#[derive(Clone, Debug)]
pub struct Spec {
    /// 0 for version 1, 2 for version 3.
    pub version: u8,
    pub serial: Vec<u8>,
    pub subject: Vec<u8>,
    pub issuer: Vec<u8>,
    /// `YYYYMMDDHHMMSSZ`.
    pub from: String,
    pub until: String,
    pub extensions: Vec<Extension>,
    /// Another algorithm beside the signature than inside.
    pub outer_algorithm: Option<Vec<u8>>,
    /// Bits of the signature are turned.
    pub broken: bool,
}

impl Spec {
    pub fn new(subject: Vec<u8>, issuer: Vec<u8>) -> Self {
        Self {
            version: 2,
            serial: vec![1],
            subject,
            issuer,
            from: "20260101000000Z".to_owned(),
            until: "20300101000000Z".to_owned(),
            extensions: Vec::new(),
            outer_algorithm: None,
            broken: false,
        }
    }

    pub fn with(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// The certificate of a key, signed by another.
    pub fn sign(&self, subject: &Key, issuer: &Key) -> Vec<u8> {
        let mut fields = Vec::new();
        if self.version > 0 {
            fields.push(tlv(0xa0, &tlv(2, &[self.version])));
        }
        fields.push(tlv(2, &self.serial));
        fields.push(issuer.algorithm());
        fields.push(self.issuer.clone());
        fields.push(sequence(&[tlv(0x18, self.from.as_bytes()), tlv(0x18, self.until.as_bytes())]));
        fields.push(self.subject.clone());
        fields.push(subject.spki());
        if !self.extensions.is_empty() && self.version == 2 {
            let all: Vec<Vec<u8>> = self
                .extensions
                .iter()
                .map(|extension| {
                    let critical = if extension.critical { tlv(1, &[0xff]) } else { Vec::new() };
                    sequence(&[oid(extension.oid), critical, tlv(4, &extension.value)])
                })
                .collect();
            fields.push(tlv(0xa3, &sequence(&all)));
        }
        let tbs = sequence(&fields);
        let mut signature = issuer.sign(&tbs);
        if self.broken {
            let last = signature.len() - 1;
            signature[last] ^= 1;
        }
        let outer = self.outer_algorithm.clone().unwrap_or_else(|| issuer.algorithm());
        sequence(&[tbs, outer, tlv(3, &[&[0], signature.as_slice()].concat())])
    }
}

pub fn extension(oid: &'static str, critical: bool, value: Vec<u8>) -> Extension {
    Extension { oid, critical, value }
}

pub fn basic_constraints(critical: bool, ca: bool, length: Option<u8>) -> Extension {
    let ca = if ca { tlv(1, &[0xff]) } else { Vec::new() };
    let length = length.map(|length| tlv(2, &[length])).unwrap_or_default();
    extension("2.5.29.19", critical, sequence(&[ca, length]))
}

/// Bits from `digitalSignature`, 0x80, to `encipherOnly`, 0x01.
pub fn key_usage(bits: u8) -> Extension {
    extension("2.5.29.15", true, tlv(3, &[u8::try_from(bits.trailing_zeros().min(7)).unwrap(), bits]))
}

pub fn ext_key_usage(usages: &[&str]) -> Extension {
    extension("2.5.29.37", false, sequence(&usages.iter().map(|usage| oid(usage)).collect::<Vec<_>>()))
}

pub const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
pub const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
pub const ANY_USAGE: &str = "2.5.29.37.0";

/// General names by kind: `DNS`, `IP`, `email`, `URI`, `dir`.
pub fn general_name(kind: &str, value: &str) -> Vec<u8> {
    match kind {
        "DNS" => tlv(0x82, value.as_bytes()),
        "email" => tlv(0x81, value.as_bytes()),
        "URI" => tlv(0x86, value.as_bytes()),
        "dir" => tlv(0xa4, &common_name(value)),
        "IP" => tlv(0x87, &octets(value)),
        "net" => {
            let (address, bits) = value.split_once('/').unwrap();
            let (address, bits): (Vec<u8>, usize) = (octets(address), bits.parse().unwrap());
            let mask = (0..address.len()).map(|at| {
                let ones = bits.saturating_sub(8 * at).min(8);
                u8::try_from(0xff00_u16 >> ones & 0xff).unwrap()
            });
            tlv(0x87, &address.iter().copied().chain(mask).collect::<Vec<_>>())
        }
        other => panic!("{other} is no kind of name"),
    }
}

fn octets(address: &str) -> Vec<u8> {
    match address.parse().unwrap() {
        std::net::IpAddr::V4(address) => address.octets().to_vec(),
        std::net::IpAddr::V6(address) => address.octets().to_vec(),
    }
}

pub fn alternative_names(names: &[(&str, &str)]) -> Extension {
    let names: Vec<_> = names.iter().map(|(kind, value)| general_name(kind, value)).collect();
    extension("2.5.29.17", false, sequence(&names))
}

pub fn name_constraints(permitted: &[(&str, &str)], excluded: &[(&str, &str)]) -> Extension {
    let trees = |tag: u8, trees: &[(&str, &str)]| {
        if trees.is_empty() {
            return Vec::new();
        }
        let trees: Vec<_> = trees.iter().map(|(kind, value)| sequence(&[general_name(kind, value)])).collect();
        tlv(tag, &trees.concat())
    };
    extension("2.5.29.30", true, sequence(&[trees(0xa0, permitted), trees(0xa1, excluded)]))
}

pub fn subject_key_id(id: &[u8]) -> Extension {
    extension("2.5.29.14", false, tlv(4, id))
}

pub fn authority_key_id(id: &[u8]) -> Extension {
    extension("2.5.29.35", false, sequence(&[tlv(0x80, id)]))
}

/// A CA of that name and what a server of `host` presents that it signed, both in PEM.
pub fn authority(ca: &str, host: &str) -> (String, String) {
    let (root, leaf) = (Key::p256(), Key::p256());
    let subject = common_name(ca);
    let certificate = Spec::new(subject.clone(), subject.clone())
        .with(basic_constraints(true, true, None))
        .with(key_usage(0x06))
        .with(subject_key_id(&[1, 2, 3, 4]))
        .sign(&root, &root);
    let server = Spec::new(common_name(host), subject)
        .with(alternative_names(&[("DNS", host)]))
        .with(ext_key_usage(&[SERVER_AUTH]))
        .with(authority_key_id(&[1, 2, 3, 4]))
        .sign(&leaf, &root);
    (pem(&certificate), pem(&server))
}

/// PEM of a certificate.
pub fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in base64(der, DIGITS).as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

fn base64(bytes: &[u8], digits: &[u8; 64]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = digits[(word >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// Base64 as JSON carries bytes for Go.
pub fn base64_of(bytes: &[u8]) -> String {
    base64(bytes, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}
