//! One certificate, read leniently: what a strict reader refuses may still be what a gateway presents.
//!
//! Read here is only the outline that every verifier agrees on; what a client makes of its parts is decided in
//! [`verify`](super::verify).

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::der::{self, Reader, tag};
use super::name;
use crate::model::trust::{Anchor, Fingerprint};

/// Object identifiers of extensions, DER content.
pub(crate) mod extension {
    pub(crate) const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
    pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    pub(crate) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
    pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    pub(crate) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
    pub(crate) const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 31];
    pub(crate) const POLICIES: &[u8] = &[0x55, 0x1d, 32];
    pub(crate) const POLICY_MAPPINGS: &[u8] = &[0x55, 0x1d, 33];
    pub(crate) const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
    pub(crate) const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 36];
    pub(crate) const EXT_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
    pub(crate) const INHIBIT_ANY_POLICY: &[u8] = &[0x55, 0x1d, 54];
    pub(crate) const AUTHORITY_INFO_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
}

/// A certificate (RFC 5280) that parses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Arc<[u8]>,
    outline: Outline,
    aux: Option<Arc<Aux>>,
    anchor: Anchor,
    /// The SubjectPublicKeyInfo of the key that is taken for having signed it.
    supposed: Option<Arc<[u8]>>,
}

/// What OpenSSL's `TRUSTED CERTIFICATE` adds to a certificate: what it is trusted for, and what not
/// (object identifiers of extended key usages).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aux {
    pub(crate) trust: Option<Vec<Box<[u8]>>>,
    pub(crate) reject: Vec<Box<[u8]>>,
}

/// Where the parts stand in the DER form.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outline {
    tbs: Range<usize>,
    version: Option<Range<usize>>,
    serial: Range<usize>,
    inner_algorithm: Range<usize>,
    outer_algorithm: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    spki: Range<usize>,
    extensions: Option<Range<usize>>,
    signature: Range<usize>,
    not_before: Time,
    not_after: Time,
    trailing: bool,
}

/// A date of the validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    /// Seconds since 1970.
    pub(crate) seconds: i64,
    /// It has the one form that RFC 5280 allows: seconds, and `Z`.
    pub(crate) strict: bool,
}

/// One extension as it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension<'a> {
    pub(crate) oid: &'a [u8],
    /// The byte of its `critical`; 0 where it is left out.
    pub(crate) critical: u8,
    pub(crate) value: &'a [u8],
}

impl Certificate {
    /// Reads one certificate; nothing may follow it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(der: &[u8]) -> Result<Self, String> {
        let outline = Outline::read(der)?;
        let mut certificate = Self {
            der: der.into(),
            aux: None,
            supposed: None,
            anchor: Anchor {
                sha256: sha256(der),
                spki: sha256(part(der, &outline.spki)),
                subject: name::rfc4514(part(der, &outline.subject)).into(),
                issuer: name::rfc4514(part(der, &outline.issuer)).into(),
                key_id: None,
                not_before: outline.not_before.timestamp(),
                not_after: outline.not_after.timestamp(),
                ca: false,
                constrained: false,
                der: None,
            },
            outline,
        };
        let basic = certificate.extension(extension::BASIC_CONSTRAINTS).and_then(|e| basic_constraints(e.value));
        let key_id = certificate.extension(extension::SUBJECT_KEY_ID).and_then(|e| {
            let id = Reader::new(e.value).take(tag::OCTET_STRING)?;
            Some(id.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            }))
        });
        certificate.anchor.ca = basic.is_some_and(|(ca, _)| ca);
        certificate.anchor.key_id = key_id.map(Into::into);
        certificate.anchor.constrained = basic.is_some_and(|(_, length)| length.is_some())
            || certificate.extension(extension::NAME_CONSTRAINTS).is_some()
            || certificate.extension(extension::EXT_KEY_USAGE).is_some();
        Ok(certificate)
    }

    /// Reads what a `TRUSTED CERTIFICATE` block holds: a certificate, and what OpenSSL trusts it for.
    pub(crate) fn parse_trusted(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader::new(bytes);
        let certificate = reader.element(tag::SEQUENCE).ok_or("it is no DER")?;
        let aux =
            if reader.is_empty() { Aux::default() } else { Aux::read(&mut reader).ok_or("its trust is malformed")? };
        let mut certificate = Self::parse(certificate.full)?;
        certificate.aux = Some(Arc::new(aux));
        Ok(certificate)
    }

    /// Its DER form.
    pub fn der(&self) -> &Arc<[u8]> {
        &self.der
    }

    /// What is kept of it as a fact, without the certificate itself.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// What is kept of it as a fact, with the certificate itself: where it was read and not only reported.
    pub fn anchor_with_der(&self) -> Anchor {
        Anchor { der: Some(self.der.clone()), ..self.anchor.clone() }
    }

    /// The certificate of an anchor, if the anchor holds it.
    pub fn of_anchor(anchor: &Anchor) -> Option<Self> {
        Self::parse(anchor.der.as_ref()?).ok()
    }

    /// The DNS names and addresses that its subject alternative name lists, in order.
    pub fn names(&self) -> Vec<String> {
        let Some(extension) = self.extension(extension::SUBJECT_ALT_NAME) else { return Vec::new() };
        general_names(extension.value)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(tag, value)| match (tag, value.len()) {
                (0x82, _) => Some(value.iter().map(|&byte| char::from(byte)).collect()),
                (0x87, 4) => Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?).to_string()),
                (0x87, 16) => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?).to_string()),
                _ => None,
            })
            .collect()
    }

    /// The common names of its subject, in order.
    pub fn common_names(&self) -> Vec<String> {
        name::common_names(self.subject())
    }

    /// Whether its extended key usages, if it has some, let it stand for a server.
    pub(crate) fn may_serve(&self) -> bool {
        const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
        const ANY: &[u8] = &[0x55, 0x1d, 37, 0];
        let Some(extension) = self.extension(extension::EXT_KEY_USAGE) else { return true };
        let Some(mut usages) = Reader::new(extension.value).inside(tag::SEQUENCE) else { return true };
        while let Some(usage) = usages.take(tag::OID) {
            if usage == SERVER_AUTH || usage == ANY {
                return true;
            }
        }
        !usages.is_empty()
    }

    /// Whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// The same certificate, which no signature proves: the key of that SubjectPublicKeyInfo is taken for its issuer's.
    pub(crate) fn supposed_of(mut self, spki: &[u8]) -> Self {
        self.supposed = Some(spki.into());
        self
    }

    /// The SubjectPublicKeyInfo of the key that is taken for having signed it.
    pub(crate) fn supposed(&self) -> Option<&[u8]> {
        self.supposed.as_deref()
    }

    pub(crate) fn aux(&self) -> Option<&Aux> {
        self.aux.as_deref()
    }

    /// The signed part, header included.
    pub(crate) fn tbs(&self) -> &[u8] {
        part(&self.der, &self.outline.tbs)
    }

    /// Content of the explicit version field.
    pub(crate) fn version_field(&self) -> Option<&[u8]> {
        self.outline.version.as_ref().map(|range| part(&self.der, range))
    }

    /// 1, 2 or 3 if it is well-formed.
    pub(crate) fn version(&self) -> Option<u64> {
        let Some(field) = self.version_field() else { return Some(1) };
        let mut reader = Reader::new(field);
        let number = der::unsigned(reader.take(tag::INTEGER)?)?;
        reader.is_empty().then_some(number.saturating_add(1))
    }

    /// Content of the serial number.
    pub(crate) fn serial(&self) -> &[u8] {
        part(&self.der, &self.outline.serial)
    }

    /// Content of the signature algorithm inside the signed part.
    pub(crate) fn inner_algorithm(&self) -> &[u8] {
        part(&self.der, &self.outline.inner_algorithm)
    }

    /// Content of the signature algorithm beside the signature.
    pub(crate) fn outer_algorithm(&self) -> &[u8] {
        part(&self.der, &self.outline.outer_algorithm)
    }

    /// Issuer, header included.
    pub(crate) fn issuer(&self) -> &[u8] {
        part(&self.der, &self.outline.issuer)
    }

    /// Subject, header included.
    pub(crate) fn subject(&self) -> &[u8] {
        part(&self.der, &self.outline.subject)
    }

    /// SubjectPublicKeyInfo, header included.
    pub(crate) fn spki(&self) -> &[u8] {
        part(&self.der, &self.outline.spki)
    }

    /// Content of the signature's BIT STRING.
    pub(crate) fn signature(&self) -> &[u8] {
        part(&self.der, &self.outline.signature)
    }

    pub(crate) fn not_before(&self) -> Time {
        self.outline.not_before
    }

    pub(crate) fn not_after(&self) -> Time {
        self.outline.not_after
    }

    /// Something follows the last field of the signed part.
    pub(crate) fn has_trailing_fields(&self) -> bool {
        self.outline.trailing
    }

    /// What stands in the explicit field of the extensions.
    pub(crate) fn extensions_field(&self) -> Option<&[u8]> {
        self.outline.extensions.as_ref().map(|range| part(&self.der, range))
    }

    /// Its extensions as far as they can be read, in order; the flag says whether they all could.
    pub(crate) fn extensions(&self) -> (Vec<Extension<'_>>, bool) {
        let Some(field) = self.extensions_field() else { return (Vec::new(), true) };
        let mut outer = Reader::new(field);
        let Some(mut list) = outer.inside(tag::SEQUENCE) else { return (Vec::new(), false) };
        let mut all = Vec::new();
        while !list.is_empty() {
            let Some(extension) = list.take(tag::SEQUENCE).and_then(read_extension) else { return (all, false) };
            all.push(extension);
        }
        (all, outer.is_empty())
    }

    /// The first extension of that kind.
    pub(crate) fn extension(&self, oid: &[u8]) -> Option<Extension<'_>> {
        self.extensions().0.into_iter().find(|extension| extension.oid == oid)
    }
}

fn read_extension(content: &[u8]) -> Option<Extension<'_>> {
    let mut reader = Reader::new(content);
    let oid = reader.take(tag::OID)?;
    let critical = match reader.optional(tag::BOOLEAN)? {
        Some(element) => *element.content.first()?,
        None => 0,
    };
    let value = reader.take(tag::OCTET_STRING)?;
    reader.is_empty().then_some(Extension { oid, critical, value })
}

/// Whether it is a CA, and for how many below it.
fn basic_constraints(value: &[u8]) -> Option<(bool, Option<u64>)> {
    let mut reader = Reader::new(value).inside(tag::SEQUENCE)?;
    let ca = reader.optional(tag::BOOLEAN)?.is_some_and(|element| element.content != [0]);
    let length = reader.optional(tag::INTEGER)?.map(|element| der::unsigned(element.content).unwrap_or(0));
    Some((ca, length))
}

/// Tags and contents of a list of GeneralName.
pub(crate) fn general_names(value: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut reader = Reader::new(value).inside(tag::SEQUENCE)?;
    let mut all = Vec::new();
    while !reader.is_empty() {
        let element = reader.any()?;
        all.push((element.tag, element.content));
    }
    Some(all)
}

fn part<'a>(der: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    der.get(range.clone()).unwrap_or(&[])
}

impl Aux {
    /// `X509_CERT_AUX`: trusted uses, rejected uses, alias, key identifier.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = reader.inside(tag::SEQUENCE)?;
        let list = |content: &[u8]| {
            let mut reader = Reader::new(content);
            let mut all = Vec::new();
            while !reader.is_empty() {
                all.push(Box::from(reader.take(tag::OID)?));
            }
            Some(all)
        };
        let trust = match fields.optional(tag::SEQUENCE)? {
            Some(element) => Some(list(element.content)?),
            None => None,
        };
        let reject = match fields.optional(tag::constructed(0))? {
            Some(element) => list(element.content)?,
            None => Vec::new(),
        };
        Some(Self { trust, reject })
    }
}

impl Outline {
    fn read(der: &[u8]) -> Result<Self, String> {
        let range = |part: &[u8]| {
            let start = part.as_ptr() as usize - der.as_ptr() as usize;
            start..start + part.len()
        };
        let malformed = |what: &str| format!("its {what} is malformed");
        let mut outer = Reader::new(der);
        let mut certificate = outer.inside(tag::SEQUENCE).ok_or("it is no DER")?;
        if !outer.is_empty() {
            return Err("bytes follow the certificate".to_owned());
        }
        let tbs = certificate.element(tag::SEQUENCE).ok_or_else(|| malformed("signed part"))?;
        let outer_algorithm = certificate.take(tag::SEQUENCE).ok_or_else(|| malformed("signature algorithm"))?;
        let signature = certificate.take(tag::BIT_STRING).ok_or_else(|| malformed("signature"))?;
        let mut trailing = !certificate.is_empty();

        let mut fields = Reader::new(tbs.content);
        let version = fields.optional(tag::constructed(0)).ok_or_else(|| malformed("version"))?;
        let serial = fields.take(tag::INTEGER).ok_or_else(|| malformed("serial number"))?;
        let inner_algorithm = fields.take(tag::SEQUENCE).ok_or_else(|| malformed("signature algorithm"))?;
        let issuer = fields.element(tag::SEQUENCE).ok_or_else(|| malformed("issuer"))?;
        let mut validity = fields.inside(tag::SEQUENCE).ok_or_else(|| malformed("validity"))?;
        let not_before = validity.any().and_then(Time::read).ok_or_else(|| malformed("start of validity"))?;
        let not_after = validity.any().and_then(Time::read).ok_or_else(|| malformed("end of validity"))?;
        trailing |= !validity.is_empty();
        let subject = fields.element(tag::SEQUENCE).ok_or_else(|| malformed("subject"))?;
        let spki = fields.element(tag::SEQUENCE).ok_or_else(|| malformed("public key"))?;
        for unique in [1, 2] {
            fields.optional(tag::context(unique)).ok_or_else(|| malformed("unique identifier"))?;
        }
        let extensions = fields.optional(tag::constructed(3)).ok_or_else(|| malformed("list of extensions"))?;
        trailing |= !fields.is_empty();
        Ok(Self {
            tbs: range(tbs.full),
            version: version.map(|element| range(element.content)),
            serial: range(serial),
            inner_algorithm: range(inner_algorithm),
            outer_algorithm: range(outer_algorithm),
            issuer: range(issuer.full),
            subject: range(subject.full),
            spki: range(spki.full),
            extensions: extensions.map(|element| range(element.content)),
            signature: range(signature),
            not_before,
            not_after,
            trailing,
        })
    }
}

impl Time {
    /// UTCTime and GeneralizedTime, seconds and an offset from UTC as they may be (X.680); a UTCTime from 50 on is of
    /// the last century (RFC 5280, section 4.1.2.5.1).
    fn read(element: der::Element<'_>) -> Option<Self> {
        let text = std::str::from_utf8(element.content).ok()?;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (date, zone) = text.split_at_checked(digits)?;
        let number = |range: Range<usize>| date.get(range).and_then(|digits| digits.parse::<i16>().ok());
        let (year, rest) = match element.tag {
            tag::UTC_TIME => {
                let short = number(0..2)?;
                (if short < 50 { 2000 + short } else { 1900 + short }, 2)
            }
            tag::GENERALIZED_TIME => (number(0..4)?, 4),
            _ => return None,
        };
        let two = |at: usize| number(rest + at..rest + at + 2).and_then(|two| i8::try_from(two).ok());
        let seconds = match digits - rest {
            10 => two(8)?,
            8 => 0,
            _ => return None,
        };
        let offset = match zone.as_bytes() {
            b"Z" => 0,
            [sign @ (b'+' | b'-'), offset @ ..] if offset.len() == 4 && offset.iter().all(u8::is_ascii_digit) => {
                let digit = |at: usize| offset.get(at).map_or(0, |byte| i64::from(byte - b'0'));
                let minutes = (digit(0) * 10 + digit(1)) * 60 + digit(2) * 10 + digit(3);
                if *sign == b'-' { -60 * minutes } else { 60 * minutes }
            }
            _ => return None,
        };
        let date = jiff::civil::Date::new(year, two(0)?, two(2)?).ok()?;
        let time = jiff::civil::Time::new(two(4)?, two(6)?, seconds, 0).ok()?;
        let days = date.since(jiff::civil::Date::constant(1970, 1, 1)).ok()?.get_days();
        let within = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
        let seconds = i64::from(days) * 86_400 + within - offset;
        Some(Self { seconds, strict: zone == "Z" && digits - rest == 10 })
    }

    /// The nearest instant that can be told: 31 December 9999 stands for "never".
    fn timestamp(self) -> jiff::Timestamp {
        let bounded = self.seconds.clamp(jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        jiff::Timestamp::from_second(bounded).unwrap_or(jiff::Timestamp::MAX)
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Fingerprint {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    Fingerprint(out)
}
