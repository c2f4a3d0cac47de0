//! What Go's reader makes of a certificate (`x509.ParseCertificate`), and what it refuses to read.

use super::forms::{
    algorithm, aligned, boolean, check_name, distribution_points, info_access, is_domain, is_mapped, is_mask,
    is_minimal_oid, is_oid, number, public_key,
};
use super::{mailbox, uri};
use crate::trust::Certificate;
use crate::trust::cert::extension as ext;
use crate::trust::der::{self, Reader, tag};
use crate::trust::verify::crypto::{Key, Scheme};

/// `keyCertSign`, bit 5.
pub(super) const CERT_SIGN: u16 = 1 << 5;

const ANY_USAGE: &[u8] = &[0x55, 0x1d, 37, 0];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

/// A certificate as Go sees it.
#[derive(Clone, Debug)]
pub(super) struct Parsed<'a> {
    pub(super) certificate: &'a Certificate,
    pub(super) version: u64,
    /// `None`: no basic constraints.
    pub(super) ca: Option<bool>,
    pub(super) path_length: Option<u64>,
    pub(super) key_usage: Option<u16>,
    /// Object identifiers; `None` without the extension.
    pub(super) usages: Option<Vec<&'a [u8]>>,
    pub(super) subject_key_id: &'a [u8],
    pub(super) authority_key_id: &'a [u8],
    /// The value of the extension.
    pub(super) alternative_names: Option<&'a [u8]>,
    pub(super) dns_names: Vec<&'a str>,
    pub(super) emails: Vec<&'a str>,
    pub(super) addresses: Vec<&'a [u8]>,
    pub(super) uri_hosts: Vec<String>,
    pub(super) constraints: Option<Constraints>,
    pub(super) unhandled_critical: bool,
    pub(super) policies: Policies<'a>,
    pub(super) scheme: Scheme,
    pub(super) signature: Vec<u8>,
    /// `None`: a kind that Go does not know; it is read all the same.
    pub(super) key: Option<Key>,
}

/// Name constraints.
#[derive(Clone, Debug, Default)]
pub(super) struct Constraints {
    pub(super) permitted: Subtrees,
    pub(super) excluded: Subtrees,
}

/// Subtrees by kind of name; an address is followed by its mask.
#[derive(Clone, Debug, Default)]
pub(super) struct Subtrees {
    pub(super) dns: Vec<String>,
    pub(super) emails: Vec<String>,
    pub(super) uris: Vec<String>,
    pub(super) addresses: Vec<Vec<u8>>,
}

/// What certificate policies say.
#[derive(Clone, Debug, Default)]
pub(super) struct Policies<'a> {
    pub(super) held: Vec<&'a [u8]>,
    /// Issuer's policy, subject's policy.
    pub(super) mappings: Vec<(&'a [u8], &'a [u8])>,
    pub(super) require_explicit: Option<u64>,
    pub(super) inhibit_mapping: Option<u64>,
    pub(super) inhibit_any: Option<u64>,
}

/// What Go's reader gives, or why it refuses.
pub(super) type Read<T> = Result<T, &'static str>;

impl<'a> Parsed<'a> {
    pub(super) fn read(certificate: &'a Certificate) -> Read<Self> {
        let version = match certificate.version_field() {
            None => 1,
            Some(_) => certificate.version().ok_or("malformed version")?,
        };
        if version > 3 {
            return Err("invalid version");
        }
        let serial = certificate.serial();
        if !der::is_minimal_integer(serial) {
            return Err("malformed serial number");
        }
        if der::is_negative(serial) {
            return Err("negative serial number");
        }
        if certificate.inner_algorithm() != certificate.outer_algorithm() {
            return Err("inner and outer signature algorithm identifiers don't match");
        }
        let scheme = algorithm(certificate.inner_algorithm()).ok_or("malformed algorithm identifier")?;
        check_name(certificate.issuer())?;
        check_name(certificate.subject())?;
        let key = public_key(certificate.spki())?;
        let mut parsed = Self {
            certificate,
            version,
            ca: None,
            path_length: None,
            key_usage: None,
            usages: None,
            subject_key_id: &[],
            authority_key_id: &[],
            alternative_names: None,
            dns_names: Vec::new(),
            emails: Vec::new(),
            addresses: Vec::new(),
            uri_hosts: Vec::new(),
            constraints: None,
            unhandled_critical: false,
            policies: Policies::default(),
            scheme,
            signature: aligned(certificate.signature()).ok_or("malformed signature")?,
            key,
        };
        if version == 3
            && let Some(field) = certificate.extensions_field()
        {
            parsed.read_extensions(field)?;
        }
        Ok(parsed)
    }

    /// Its subject, for people.
    pub(super) fn name(&self) -> String {
        crate::trust::verify::shown(self.certificate)
    }

    /// Whether its extended key usages let it stand for a server, or under one.
    pub(super) fn serves(&self) -> bool {
        self.usages.as_ref().is_none_or(|usages| {
            usages.is_empty() || usages.iter().any(|usage| *usage == ANY_USAGE || *usage == SERVER_AUTH)
        })
    }

    fn read_extensions(&mut self, field: &'a [u8]) -> Read<()> {
        let mut list = Reader::new(field).inside(tag::SEQUENCE).ok_or("malformed extensions")?;
        let mut seen: Vec<(&[u8], bool, &'a [u8])> = Vec::new();
        while !list.is_empty() {
            let mut extension = list.inside(tag::SEQUENCE).ok_or("malformed extension")?;
            let oid = extension.take(tag::OID).filter(|oid| is_oid(oid)).ok_or("malformed extension OID field")?;
            let critical = boolean(&mut extension).ok_or("malformed extension critical field")?;
            let value = extension.take(tag::OCTET_STRING).ok_or("malformed extension value field")?;
            if seen.iter().any(|(other, ..)| *other == oid) {
                return Err("certificate contains duplicate extensions");
            }
            seen.push((oid, critical, value));
        }
        for (oid, critical, value) in seen {
            self.read_extension(oid, critical, value)?;
        }
        Ok(())
    }

    fn read_extension(&mut self, oid: &[u8], critical: bool, value: &'a [u8]) -> Read<()> {
        let handled = match oid {
            ext::KEY_USAGE => {
                let content = Reader::new(value).take(tag::BIT_STRING).ok_or("invalid key usage")?;
                let (_, bytes) = der::bits(content, true).ok_or("invalid key usage")?;
                let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
                self.key_usage = Some((0..9).filter(|at| bit(*at)).map(|at| 1 << at).sum());
                true
            }
            ext::BASIC_CONSTRAINTS => {
                let wrong = "invalid basic constraints";
                let mut reader = Reader::new(value).inside(tag::SEQUENCE).ok_or(wrong)?;
                self.ca = Some(boolean(&mut reader).ok_or(wrong)?);
                if reader.peek() == Some(tag::INTEGER) {
                    let limit = der::unsigned(reader.take(tag::INTEGER).ok_or(wrong)?).ok_or(wrong)?;
                    self.path_length =
                        Some(u64::try_from(i64::try_from(limit).map_err(|_| wrong)?).map_err(|_| wrong)?);
                }
                true
            }
            ext::SUBJECT_ALT_NAME => self.read_names(value)?,
            ext::NAME_CONSTRAINTS => {
                let (constraints, handled) = Constraints::read(value)?;
                self.constraints = Some(constraints);
                handled
            }
            ext::CRL_DISTRIBUTION_POINTS => {
                distribution_points(value).ok_or("invalid CRL distribution points")?;
                true
            }
            ext::AUTHORITY_KEY_ID => {
                if critical {
                    return Err("authority key identifier incorrectly marked critical");
                }
                let wrong = "invalid authority key identifier";
                let mut reader = Reader::new(value).inside(tag::SEQUENCE).ok_or(wrong)?;
                let id = reader.optional(tag::context(0)).ok_or(wrong)?;
                self.authority_key_id = id.map_or(&[], |element| element.content);
                true
            }
            ext::SUBJECT_KEY_ID => {
                if critical {
                    return Err("subject key identifier incorrectly marked critical");
                }
                let id = Reader::new(value).take(tag::OCTET_STRING).ok_or("invalid subject key identifier")?;
                self.subject_key_id = id;
                true
            }
            ext::EXT_KEY_USAGE => {
                let wrong = "invalid extended key usages";
                let mut reader = Reader::new(value).inside(tag::SEQUENCE).ok_or(wrong)?;
                let mut usages = Vec::new();
                while !reader.is_empty() {
                    usages.push(reader.take(tag::OID).filter(|oid| is_oid(oid)).ok_or(wrong)?);
                }
                self.usages = Some(usages);
                true
            }
            ext::AUTHORITY_INFO_ACCESS => {
                if critical {
                    return Err("authority info access incorrectly marked critical");
                }
                info_access(value).ok_or("invalid authority info access")?;
                true
            }
            _ => self.policies.read(oid, value)?,
        };
        self.unhandled_critical |= critical && !handled;
        Ok(())
    }

    /// Whether a name of a kind that Go handles is among them.
    fn read_names(&mut self, value: &'a [u8]) -> Read<bool> {
        self.alternative_names = Some(value);
        let mut reader = Reader::new(value).inside(tag::SEQUENCE).ok_or("invalid subject alternative names")?;
        let mut handled = false;
        while !reader.is_empty() {
            let element = reader.any().ok_or("invalid subject alternative name")?;
            let text = std::str::from_utf8(element.content).ok().filter(|text| text.is_ascii());
            match element.tag {
                0x81 => self.emails.push(text.ok_or("SAN rfc822Name is malformed")?),
                0x82 => self.dns_names.push(text.ok_or("SAN dNSName is malformed")?),
                0x86 => {
                    let text = text.ok_or("SAN uniformResourceIdentifier is malformed")?;
                    let host = uri::host(text).map_err(|()| "cannot parse URI")?;
                    if !host.is_empty() && !is_domain(&host, false) {
                        return Err("cannot parse URI: invalid domain");
                    }
                    self.uri_hosts.push(host);
                }
                0x87 if element.content.len() == 16 && is_mapped(element.content) => {
                    return Err("SAN iPAddress contains IPv4-mapped IPv6 address");
                }
                0x87 if matches!(element.content.len(), 4 | 16) => self.addresses.push(element.content),
                0x87 => return Err("cannot parse IP address of its length"),
                _ => continue,
            }
            handled = true;
        }
        Ok(handled)
    }
}

impl Constraints {
    /// The flag says whether all kinds of names in it are handled: directory names are not.
    fn read(value: &[u8]) -> Read<(Self, bool)> {
        let wrong = "invalid NameConstraints extension";
        let mut outer = Reader::new(value);
        let mut both = outer.inside(tag::SEQUENCE).ok_or(wrong)?;
        let permitted = both.optional(tag::constructed(0)).ok_or(wrong)?.map_or(&[][..], |element| element.content);
        let excluded = both.optional(tag::constructed(1)).ok_or(wrong)?.map_or(&[][..], |element| element.content);
        if !outer.is_empty() || !both.is_empty() {
            return Err(wrong);
        }
        if permitted.is_empty() && excluded.is_empty() {
            return Err("empty name constraints extension");
        }
        let (permitted, all) = Subtrees::read(permitted)?;
        let (excluded, every) = Subtrees::read(excluded)?;
        Ok((Self { permitted, excluded }, all && every))
    }
}

impl Subtrees {
    fn read(content: &[u8]) -> Read<(Self, bool)> {
        let mut reader = Reader::new(content);
        let mut trees = Self::default();
        let mut handled = true;
        while !reader.is_empty() {
            let mut tree = reader.inside(tag::SEQUENCE).ok_or("invalid NameConstraints extension")?;
            let base = tree.any().ok_or("invalid NameConstraints extension")?;
            let text = || std::str::from_utf8(base.content).ok().filter(|text| text.is_ascii());
            let text = || text().map(str::to_owned).ok_or("invalid constraint value");
            match base.tag {
                0x82 => {
                    let domain = text()?;
                    if !is_domain(&domain, true) {
                        return Err("failed to parse dnsName constraint");
                    }
                    trees.dns.push(domain);
                }
                0x87 => {
                    let (network, mask) = base.content.split_at(base.content.len() / 2);
                    if !matches!(base.content.len(), 8 | 32) || !is_mask(mask) || is_mapped(network) {
                        return Err("IP constraint contained a value of invalid length or mask");
                    }
                    trees.addresses.push(base.content.to_vec());
                }
                0x81 => {
                    let email = text()?;
                    let fits =
                        if email.contains('@') { mailbox::parse(&email).is_some() } else { is_domain(&email, true) };
                    if !fits {
                        return Err("failed to parse rfc822Name constraint");
                    }
                    trees.emails.push(email);
                }
                0x86 => {
                    let domain = text()?;
                    if domain.parse::<std::net::IpAddr>().is_ok() || !is_domain(&domain, true) {
                        return Err("failed to parse URI constraint");
                    }
                    trees.uris.push(domain);
                }
                _ => handled = false,
            }
        }
        Ok((trees, handled))
    }
}

impl<'a> Policies<'a> {
    /// Reads an extension about policies; `false`: it is none.
    fn read(&mut self, oid: &[u8], value: &'a [u8]) -> Read<bool> {
        match oid {
            ext::POLICIES => {
                let wrong = "invalid certificate policies";
                let mut reader = Reader::new(value).inside(tag::SEQUENCE).ok_or(wrong)?;
                while !reader.is_empty() {
                    let mut policy = reader.inside(tag::SEQUENCE).ok_or(wrong)?;
                    let oid = policy.take(tag::OID).ok_or(wrong)?;
                    if self.held.contains(&oid) || !is_minimal_oid(oid) {
                        return Err(wrong);
                    }
                    self.held.push(oid);
                }
            }
            ext::POLICY_MAPPINGS => {
                let wrong = "invalid policy mappings extension";
                let mut reader = Reader::new(value).inside(tag::SEQUENCE).ok_or(wrong)?;
                while !reader.is_empty() {
                    let mut pair = reader.inside(tag::SEQUENCE).ok_or(wrong)?;
                    let issuer = pair.take(tag::OID).ok_or(wrong)?;
                    self.mappings.push((issuer, pair.take(tag::OID).ok_or(wrong)?));
                }
            }
            ext::POLICY_CONSTRAINTS => {
                let wrong = "invalid policy constraints extension";
                let mut reader = Reader::new(value).inside(tag::SEQUENCE).ok_or(wrong)?;
                self.require_explicit = number(&mut reader, tag::context(0)).ok_or(wrong)?;
                self.inhibit_mapping = number(&mut reader, tag::context(1)).ok_or(wrong)?;
            }
            ext::INHIBIT_ANY_POLICY => {
                let wrong = "invalid inhibit any policy extension";
                Reader::new(value).take(tag::INTEGER).ok_or(wrong)?;
                self.inhibit_any = number(&mut Reader::new(value), tag::INTEGER).ok_or(wrong)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
