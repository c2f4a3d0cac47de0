//! Java's key stores: JKS, whose certificates need no password, and PKCS#12, whose certificates are plain or encrypted.

use crate::trust::Certificate;
use crate::trust::der::Reader;

/// What a key store holds of trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyStore {
    /// Certificates that Java takes for anchors.
    pub certificates: Vec<Certificate>,
    /// Parts of it are encrypted, and what is in them is not known.
    pub encrypted: bool,
    /// Certificates that are there and are not marked as trusted, so Java does not take them (PKCS#12 alone).
    pub unmarked: u32,
    /// Certificates that cannot be read.
    pub malformed: u32,
}

/// Longest chain and most entries that are read: a count in the file is no reason to ask for memory.
const MOST: u32 = 100_000;

/// `application/octet-stream` of `data` and of `encryptedData` (RFC 2315, section 14), in DER without the header.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x06];
/// `certBag` (RFC 7292, section 4.2).
const CERT_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03];
/// The attribute by which Java marks a certificate as trusted (2.16.840.1.113894.746875.1.1).
const TRUSTED: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 0x01, 0x01];

impl KeyStore {
    /// Reads either form.
    ///
    /// # Errors
    ///
    /// Why it is neither, in words.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        match bytes.first_chunk::<4>() {
            Some([0xfe, 0xed, 0xfe, 0xed]) => jks(&bytes[4..]).ok_or("a JKS key store that ends too early"),
            Some([0xce, 0xce, 0xce, 0xce]) => Err("a JCEKS key store, which is not read"),
            Some([0x30, ..]) => pkcs12(bytes).ok_or("no PKCS#12 key store that can be taken apart"),
            _ => Err("neither a JKS nor a PKCS#12 key store"),
        }
    }

    fn add(&mut self, der: &[u8]) {
        match Certificate::parse(der) {
            Ok(certificate) => self.certificates.push(certificate),
            Err(_) => self.malformed += 1,
        }
    }
}

/// Big-endian numbers and counted bytes, from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Bytes behind a length of two bytes.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        self.take(usize::from(length))
    }

    /// Bytes behind a length of four bytes.
    fn block(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }
}

fn jks(bytes: &[u8]) -> Option<KeyStore> {
    let mut bytes = Bytes(bytes);
    let version = bytes.number()?;
    let certificate = |bytes: &mut Bytes<'_>| {
        if version == 2 {
            bytes.text()?;
        }
        bytes.block().map(<[u8]>::to_vec)
    };
    let mut store = KeyStore::default();
    for _ in 0..bytes.number()?.min(MOST) {
        let kind = bytes.number()?;
        bytes.text()?;
        bytes.take(8)?;
        match kind {
            1 => {
                bytes.block()?;
                // Java trusts the first certificate of a private key's chain.
                for at in 0..bytes.number()?.min(MOST) {
                    let der = certificate(&mut bytes)?;
                    if at == 0 {
                        store.add(&der);
                    }
                }
            }
            2 => store.add(&certificate(&mut bytes)?),
            _ => return None,
        }
    }
    Some(store)
}

fn pkcs12(bytes: &[u8]) -> Option<KeyStore> {
    let mut store = KeyStore::default();
    let outer = children(bytes)?;
    let safe = content(outer.get(1)?, DATA)?;
    for info in children(&safe)? {
        if content_type(info)? == ENCRYPTED_DATA {
            store.encrypted = true;
            continue;
        }
        let Some(bags) = content(info, DATA) else { continue };
        for bag in children(&bags)? {
            bag_of_certificate(bag, &mut store);
        }
    }
    Some(store)
}

fn bag_of_certificate(bag: &[u8], store: &mut KeyStore) -> Option<()> {
    let parts = children(bag)?;
    let [kind, value, attributes @ ..] = &parts[..] else { return None };
    if data(kind)? != CERT_BAG {
        return None;
    }
    let attributes = attributes.first().map(|set| children(set)).unwrap_or_default().unwrap_or_default();
    let marked = attributes
        .iter()
        .filter_map(|attribute| children(attribute))
        .any(|attribute| attribute.first().and_then(|kind| data(kind)) == Some(TRUSTED));
    if !marked {
        store.unmarked += 1;
        return None;
    }
    let certificate = children(children(value)?.first()?)?;
    let wrapped = children(certificate.get(1)?)?;
    store.add(data(wrapped.first()?)?);
    Some(())
}

fn content_type(info: &[u8]) -> Option<&[u8]> {
    data(children(info)?.first()?)
}

/// The octets inside a `ContentInfo` of that type.
fn content(info: &[u8], kind: &[u8]) -> Option<Vec<u8>> {
    let parts = children(info)?;
    if data(parts.first()?)? != kind {
        return None;
    }
    let octets = children(parts.get(1)?)?;
    data(octets.first()?).map(<[u8]>::to_vec)
}

fn data(value: &[u8]) -> Option<&[u8]> {
    Reader::new(value).any().map(|element| element.content)
}

/// The elements of a constructed value, each with its header.
fn children(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut inside = Reader::new(data(value)?);
    let mut all = Vec::new();
    while !inside.is_empty() {
        all.push(inside.any()?.full);
    }
    Some(all)
}
