//! A TLS server that tells whether a client went on after the handshake: whoever sends a request has accepted it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

/// A CA with a server that presents a certificate of it.
pub(crate) struct Authority {
    pub(crate) der: Vec<u8>,
    pub(crate) pem: String,
    leaf: CertificateDer<'static>,
    key: Vec<u8>,
    accepted: Arc<AtomicBool>,
}

impl Authority {
    /// A CA of that name, and a certificate for the host.
    pub(crate) fn new(name: &str, host: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "Laboratory");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, host);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        Self {
            der: root.der().to_vec(),
            pem: root.pem(),
            leaf: leaf.der().clone(),
            key: key.serialize_der(),
            accepted: Arc::default(),
        }
    }

    /// Serves on port 443 of an address until the process ends.
    pub(crate) fn serve(&self, address: &str) {
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.leaf.clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind((address, 443)).unwrap();
        let accepted = Arc::clone(&self.accepted);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, accepted) = (Arc::clone(&config), Arc::clone(&accepted));
                std::thread::spawn(move || {
                    answer(stream, config, &accepted);
                });
            }
        });
    }

    /// Whether somebody accepted since the last question.
    pub(crate) fn was_accepted(&self) -> bool {
        self.accepted.swap(false, Ordering::SeqCst)
    }
}

/// Notes that a request came before it answers: a client that has its answer may end at once.
fn answer(mut stream: TcpStream, config: Arc<ServerConfig>, accepted: &AtomicBool) {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut tls = ServerConnection::new(config).unwrap();
    let mut tls = Stream::new(&mut tls, &mut stream);
    let mut request = [0; 4096];
    let came = tls.read(&mut request).is_ok_and(|count| count > 0);
    if came {
        accepted.store(true, Ordering::SeqCst);
        let _ = tls.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        tls.conn.send_close_notify();
        let _ = tls.flush();
    }
}
