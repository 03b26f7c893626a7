//! TLS 1.3 with both sides pinned: the server has one certificate, whose SHA-256 the agent was given, and the agent has a key of
//! its machine's own, whose certificate the server knows. No authority signs either, and no clock is asked.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring as provider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};

/// What the agent proves itself with, and whom it believes.
#[derive(Clone)]
pub struct Keys(pub Arc<ServerConfig>);

impl Keys {
    /// Reads `key` (PKCS #8), `certificate` (both DER) and `client` (the SHA-256 of the server's certificate) of a folder, and
    /// removes them: from then on only this process has them.
    pub fn take(folder: &Path) -> io::Result<Keys> {
        let take = |name: &str| -> io::Result<Vec<u8>> {
            let path = folder.join(name);
            let bytes = fs::read(&path)?;
            fs::remove_file(&path)?;
            Ok(bytes)
        };
        let (key, certificate, client) = (take("key")?, take("certificate")?, take("client")?);
        let client = client.try_into().map_err(|_| io::Error::other("client is not a SHA-256"))?;
        Keys::new(key, certificate, client).map_err(io::Error::other)
    }

    fn new(key: Vec<u8>, certificate: Vec<u8>, client: [u8; 32]) -> Result<Keys, Error> {
        let provider = Arc::new(provider::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(OneClient { client, algorithms }))
            .with_single_cert(
                vec![CertificateDer::from(certificate)],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)),
            )?;
        // Each connection proves itself anew.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Keys(Arc::new(config)))
    }
}

/// Believes the client of one certificate.
#[derive(Debug)]
struct OneClient {
    client: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for OneClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if digest(&SHA256, end_entity).as_ref() == self.client {
            return Ok(ClientCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    /// Not reached: only TLS 1.3 is spoken.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
