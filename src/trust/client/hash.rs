//! The name under which OpenSSL looks for an issuer in a directory.
//!
//! `X509_NAME_hash` of OpenSSL 1.0 and later: the first four bytes, little endian, of the SHA-1 of the subject's
//! relative names, one after the other and without the outer SEQUENCE, each string value brought to a canonical form
//! (UTF8String, ASCII letters in lower case, outer spaces gone, runs of spaces as one). `openssl rehash` makes links of
//! eight hexadecimal digits, a dot and a number from 0.

use aws_lc_rs::digest;

use crate::trust::{Certificate, name};

/// The hash of a certificate's subject, as `openssl x509 -subject_hash` prints it; `None` if OpenSSL does not take such a
/// name.
pub fn subject_hash(certificate: &Certificate) -> Option<String> {
    let canonical = name::canonical(certificate.subject())?;
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &canonical);
    let first = digest.as_ref().first_chunk::<4>()?;
    Some(format!("{:08x}", u32::from_le_bytes(*first)))
}

/// Whether a file has a name that OpenSSL may look for: the hash and the number.
pub fn hashed_name(name: &str) -> Option<(&str, u32)> {
    let (hash, number) = name.split_once('.')?;
    let is_hash = hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_number = !number.is_empty() && (number == "0" || !number.starts_with('0'));
    (is_hash && is_number).then_some(())?;
    Some((hash, number.parse().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hashed_links() {
        assert_eq!(hashed_name("002c0b4f.0"), Some(("002c0b4f", 0)));
        assert_eq!(hashed_name("002c0b4f.12"), Some(("002c0b4f", 12)));
        for other in ["002c0b4f", "002c0b4f.", "002C0B4F.0", "002c0b4.0", "002c0b4f.r0", "ca.crt", "002c0b4f.01"] {
            assert_eq!(hashed_name(other), None, "{other}");
        }
    }

    /// `openssl x509 -subject_hash` of three public roots, one with a name in UTF-8.
    #[test]
    fn hashes_are_those_of_openssl() {
        let mut looked = 0;
        for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            let certificate = Certificate::parse(der.as_ref()).unwrap();
            let subject = &certificate.anchor().subject;
            for (part, hash) in
                [("ISRG Root X1", "4042bcee"), ("GTS Root R1,", "1001acf7"), ("NetLock Arany", "988a38cb")]
            {
                if format!("{subject},").contains(part) {
                    assert_eq!(subject_hash(&certificate).as_deref(), Some(hash), "{subject}");
                    looked += 1;
                }
            }
        }
        assert_eq!(looked, 3);
    }
}
