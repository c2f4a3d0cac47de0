//! One certificate, read leniently: what a strict reader refuses may still be what a gateway presents.

use std::sync::Arc;

use aws_lc_rs::digest;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::model::trust::{Anchor, Fingerprint};

/// A certificate (RFC 5280) that parses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Arc<[u8]>,
    anchor: Anchor,
}

impl Certificate {
    /// Reads one certificate; nothing may follow it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn parse(der: &[u8]) -> Result<Self, String> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the certificate", rest.len()));
        }
        let tbs = &parsed.tbs_certificate;
        let time = |t: &x509_parser::time::ASN1Time| {
            jiff::Timestamp::from_second(t.timestamp()).map_err(|error| error.to_string())
        };
        let basic = parsed.basic_constraints().ok().flatten();
        let anchor = Anchor {
            sha256: sha256(der),
            spki: sha256(tbs.subject_pki.raw),
            subject: tbs.subject.to_string().into(),
            issuer: tbs.issuer.to_string().into(),
            key_id: None,
            not_before: time(&tbs.validity.not_before)?,
            not_after: time(&tbs.validity.not_after)?,
            ca: basic.as_ref().is_some_and(|b| b.value.ca),
            constrained: false,
            der: None,
        };
        Ok(Self { der: der.into(), anchor })
    }

    /// Its DER form.
    pub fn der(&self) -> &Arc<[u8]> {
        &self.der
    }

    /// What is kept of it as a fact, without the certificate itself.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Fingerprint {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    Fingerprint(out)
}
