//! Files of certificates: PEM bundles with whatever else people leave in them, and DER.

use memchr::memmem;

use super::Certificate;
use super::der::{Reader, tag};

/// What a file of certificates holds.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Its certificates, in order.
    pub certificates: Vec<Certificate>,
    /// What was skipped: line from 1 (0: the file as a whole), and why.
    pub problems: Vec<(u32, String)>,
    /// How many private keys lie in it; they are not looked into.
    pub private_keys: u32,
    /// The first certificate of the file is among what was skipped: what follows is not the leaf of a chain.
    pub unread_first: Option<Unread>,
}

/// Why a certificate was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// In words.
    pub reason: String,
    /// Its bytes are known, and are no certificate: whoever verifies refuses it. Otherwise the file is damaged, and
    /// what it stands for is not known.
    pub malformed: bool,
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

impl Bundle {
    /// Reads PEM, or certificates in DER, one after another. A block that is malformed is skipped and reported; the
    /// rest is used.
    pub fn read(bytes: &[u8]) -> Self {
        let mut bundle = Self::default();
        if memmem::find(bytes, BEGIN).is_some() {
            bundle.read_pem(bytes);
        } else if bytes.first() == Some(&tag::SEQUENCE) {
            bundle.read_der(bytes);
        } else if bytes.iter().any(|byte| !byte.is_ascii_whitespace()) {
            bundle.problems.push((0, "neither PEM nor DER".to_owned()));
        }
        bundle
    }

    fn read_der(&mut self, bytes: &[u8]) {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let Some(element) = reader.element(tag::SEQUENCE) else {
                self.skip(0, "what is no DER follows or stands in it".to_owned(), false);
                return;
            };
            match Certificate::parse(element.full) {
                Ok(certificate) => self.certificates.push(certificate),
                Err(why) => self.skip(0, format!("a certificate in DER: {why}"), true),
            }
        }
    }

    fn read_pem(&mut self, bytes: &[u8]) {
        let mut at = 0;
        let mut lines = Lines { bytes, at: 0, line: 1 };
        while let Some(found) = bytes.get(at..).and_then(|rest| memmem::find(rest, BEGIN)) {
            let begin = at + found;
            let line = lines.at(begin);
            at = begin + BEGIN.len();
            let rest = &bytes[at..];
            let Some(length) = memmem::find(rest, DASHES).filter(|length| !rest[..*length].contains(&b'\n')) else {
                self.problems.push((line, "a BEGIN line without its end".to_owned()));
                continue;
            };
            let label = &rest[..length];
            let body = &rest[length + DASHES.len()..];
            let is_certificate = matches!(label, b"CERTIFICATE" | b"X509 CERTIFICATE" | b"TRUSTED CERTIFICATE");
            let is_key = label.ends_with(b"PRIVATE KEY");
            let end = memmem::find(body, END);
            let next = memmem::find(body, BEGIN);
            let Some(end) = end.filter(|end| next.is_none_or(|next| *end < next)) else {
                self.private_keys += u32::from(is_key);
                if is_certificate {
                    self.skip(line, "a certificate without its END line".to_owned(), false);
                }
                continue;
            };
            at += length + DASHES.len() + end + END.len();
            if is_key {
                self.private_keys += 1;
                continue;
            }
            if !is_certificate {
                continue;
            }
            let closing = &body[end + END.len()..];
            if !closing.strip_prefix(label).is_some_and(|rest| rest.starts_with(DASHES)) {
                self.skip(line, "its END line names something else".to_owned(), false);
                continue;
            }
            let trusted = label == b"TRUSTED CERTIFICATE";
            let der = match decode(&body[..end]) {
                Ok(der) => der,
                Err(why) => {
                    self.skip(line, why, false);
                    continue;
                }
            };
            match if trusted { Certificate::parse_trusted(&der) } else { Certificate::parse(&der) } {
                Ok(certificate) => self.certificates.push(certificate),
                Err(why) => self.skip(line, why, true),
            }
        }
    }

    fn skip(&mut self, line: u32, why: String, malformed: bool) {
        if self.certificates.is_empty() && self.unread_first.is_none() {
            self.unread_first = Some(Unread { reason: why.clone(), malformed });
        }
        self.problems.push((line, why));
    }
}

/// Counts lines as far as it is asked, so that a file is passed over once.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
}

impl Lines<'_> {
    fn at(&mut self, offset: usize) -> u32 {
        let passed = self.bytes.get(self.at..offset).unwrap_or(&[]);
        self.line += u32::try_from(memchr::memchr_iter(b'\n', passed).count()).unwrap_or(0);
        self.at = offset;
        self.line
    }
}

/// The bytes of a PEM body: base64 with line breaks and spaces wherever they are (RFC 7468, section 2, lax).
fn decode(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    let mut buffer = 0_u32;
    let mut have = 0;
    let mut padding = 0;
    for &byte in body {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            byte if byte.is_ascii_whitespace() => continue,
            b':' => return Err("it has headers, as encrypted blocks have".to_owned()),
            _ => return Err("what is no base64 stands in it".to_owned()),
        };
        if padding > 0 {
            return Err("base64 goes on after its padding".to_owned());
        }
        buffer = buffer << 6 | u32::from(digit);
        have += 1;
        if have == 4 {
            out.extend_from_slice(&buffer.to_be_bytes()[1..]);
            (buffer, have) = (0, 0);
        }
    }
    match (have, padding) {
        (0, 0) => {}
        (2, 2) => out.extend_from_slice(&(buffer >> 4).to_be_bytes()[3..]),
        (3, 1) => out.extend_from_slice(&(buffer >> 2).to_be_bytes()[2..]),
        _ => return Err("its base64 is cut off".to_owned()),
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn pem(name: &str) -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap().pem()
    }

    fn names(bundle: &Bundle) -> Vec<String> {
        bundle.certificates.iter().flat_map(Certificate::names).collect()
    }

    #[test]
    fn text_line_ends_and_missing_newlines_do_not_matter() {
        let (one, two) = (pem("one.test"), pem("two.test"));
        let file = format!(
            "\u{feff}# our CA\n{}Subject: whoever\n{}{}",
            one.replace('\n', "\r\n"),
            one.trim_end(),
            two.replace('\n', " \n")
        );
        let bundle = Bundle::read(file.as_bytes());
        assert_eq!(names(&bundle), ["one.test", "one.test", "two.test"]);
        assert_eq!(bundle.problems, []);
    }

    #[test]
    fn a_malformed_block_is_reported_with_its_line_and_the_rest_is_used() {
        let good = pem("good.test");
        let lines = u32::try_from(good.lines().count()).unwrap();
        let cut = good.lines().take(4).collect::<Vec<_>>().join("\n") + "\n";
        let odd = good.replacen("MII", "M!I", 1);
        let empty = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
        let bundle = Bundle::read(format!("{cut}{good}{odd}{empty}{good}").as_bytes());
        assert_eq!(names(&bundle), ["good.test", "good.test"]);
        let at: Vec<u32> = bundle.problems.iter().map(|(line, _)| *line).collect();
        assert_eq!(at, [1, 5 + lines, 5 + 2 * lines]);
        assert!(bundle.unread_first.is_some());
        assert_eq!(Bundle::read(format!("{good}{odd}").as_bytes()).unread_first, None);
    }

    #[test]
    fn private_keys_are_counted_and_other_blocks_passed_over() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n!\n-----END RSA PRIVATE KEY-----\n";
        let file = format!("{key}-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n{}", pem("a.test"));
        let bundle = Bundle::read(file.as_bytes());
        assert_eq!((bundle.private_keys, names(&bundle)), (1, vec!["a.test".to_owned()]));
        assert_eq!(bundle.problems, []);
    }

    #[test]
    fn der_one_after_another_and_garbage() {
        let two = Bundle::read((pem("a.test") + &pem("b.test")).as_bytes());
        let der: Vec<u8> = two.certificates.iter().flat_map(|c| c.der().to_vec()).collect();
        assert_eq!(names(&Bundle::read(&der)), ["a.test", "b.test"]);
        assert_eq!(Bundle::read(&der[..der.len() - 1]).problems.len(), 1);
        assert_eq!(Bundle::read(b"hello").problems.len(), 1);
        assert_eq!(Bundle::read(b" \n").problems.len(), 0);
    }

    #[test]
    fn base64_has_its_padding() {
        assert_eq!(decode(b"QUI=").unwrap(), b"AB");
        assert_eq!(decode(b"QQ==\n").unwrap(), b"A");
        for wrong in ["QQ", "QQ=", "QQ==QQ==", "Q", "QUI=="] {
            assert!(decode(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
