//! TLS for whoever listens: a certificate and its key from files, read again when they have changed.
//!
//! Each listener names its protocols (ALPN) and asks for an acceptor for each connection ([`Tls::acceptor`]), so that a new certificate
//! serves from the next connection on. Files that are broken when they are read again leave what was there before, and that is said.
//!
//! # Decisions
//! - 2026-11-29 **The provider of rustls is named here, and installed nowhere.** Other crates of the program ask rustls for other
//!   providers; what is installed for the process would be whoever came first.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::crypto::aws_lc_rs::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::tell::Tell;
use crate::error::{Context, Error, Result};

/// A longer file is no certificate and no key.
const MOST_BYTES: u64 = 1 << 20;

/// When both files were written last.
type Stamp = [Option<SystemTime>; 2];

/// A certificate that is served.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    held: RwLock<Held>,
    seen: Mutex<Stamp>,
    tell: Tell,
}

/// What was read.
#[derive(Clone)]
struct Held {
    key: Arc<CertifiedKey>,
    /// What a proof may be bound to: the hash of the certificate, by the algorithm that it was signed with; `None` where there is none
    /// that is agreed on.
    end_point: Option<Vec<u8>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).field("key", &self.key).finish_non_exhaustive()
    }
}

impl Tls {
    /// Of a certificate (with those it was signed by behind it) and its key, both in PEM; `tell` hears when they are broken later.
    ///
    /// # Errors
    /// Not found where there is no such file; invalid for what is none, a key that is another's, and one that everybody can read.
    pub fn load(certificate: &Path, key: &Path, tell: Tell) -> Result<Self> {
        let seen = stamp(certificate, key);
        let held = read(certificate, key)?;
        let (held, seen) = (RwLock::new(held), Mutex::new(seen));
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), held, seen, tell })
    }

    /// Reads the files again; `false` where what was served before is served on, because they are broken.
    pub fn reread(&self) -> bool {
        self.read(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files. Whoever holds `seen` meanwhile keeps others from taking the certificate of before for that of now.
    fn read(&self, seen: &mut Stamp) -> bool {
        *seen = stamp(&self.certificate, &self.key);
        match read(&self.certificate, &self.key) {
            Ok(held) => {
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
                true
            }
            Err(error) => {
                (self.tell)(&format!("the certificate of before is served on: {error}"));
                false
            }
        }
    }

    fn held(&self) -> Held {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen != stamp(&self.certificate, &self.key) {
            self.read(&mut seen);
        }
        drop(seen);
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For one connection that speaks one of these protocols, such as `b"postgresql"`; and the hash of the certificate it shows.
    ///
    /// # Errors
    /// Internal, where rustls refuses its own defaults.
    pub fn acceptor(&self, protocols: &[&[u8]]) -> Result<(TlsAcceptor, Option<Vec<u8>>)> {
        let Held { key, end_point } = self.held();
        let config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal(phrase!("TLS: {error}")))?;
        let resolver = Arc::new(tokio_rustls::rustls::sign::SingleCertAndKey::from(key));
        let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok((TlsAcceptor::from(Arc::new(config)), end_point))
    }
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

fn read(certificate: &Path, key: &Path) -> Result<Held> {
    let text = contents(certificate, "the certificate")?;
    let chain: std::result::Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let right = "give a certificate in PEM, with those it was signed by behind it";
    let wrong = || Error::invalid(phrase!("{} is no certificate; {right}", certificate.display()));
    let chain = chain.map_err(|_| wrong())?;
    let first = chain.first().ok_or_else(wrong)?;
    let end_point = end_point(first);
    is_not_everybodys(key)?;
    let text = contents(key, "the key")?;
    let its_key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| Error::invalid(phrase!("{} is no key; give a private key in PEM, without a password", key.display())))?;
    let pair = CertifiedKey::from_der(chain, its_key, &provider());
    let pair =
        pair.map_err(|error| Error::invalid(phrase!("{} is no key for {}: {error}", key.display(), certificate.display())))?;
    Ok(Held { key: Arc::new(pair), end_point })
}

fn contents(path: &Path, what: &str) -> Result<Vec<u8>> {
    let reading = || phrase!("cannot read {what} {}", path.display());
    if std::fs::metadata(path).context(reading)?.len() > MOST_BYTES {
        return Err(Error::invalid(phrase!("{} is too long to be {what}", path.display())));
    }
    std::fs::read(path).context(reading)
}

#[cfg(unix)]
fn is_not_everybodys(key: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let about = std::fs::metadata(key).context(|| phrase!("cannot read the key {}", key.display()))?;
    if about.permissions().mode() & 0o007 != 0 {
        let shown = key.display();
        return Err(Error::invalid(phrase!("everybody can read the key {shown}; take that away: chmod o-rwx {shown}")));
    }
    Ok(())
}

#[cfg(not(unix))]
fn is_not_everybodys(_: &Path) -> Result<()> {
    Ok(())
}

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|path| std::fs::metadata(path).ok()?.modified().ok())
}

/// Ways to sign a certificate (the bytes of their object identifiers), and whether SHA-384 goes with one (else SHA-256).
const SIGNATURES: [(&[u8], bool); 4] = [
    // RSA and ECDSA with SHA-256.
    (&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B], false),
    (&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02], false),
    // The same with SHA-384.
    (&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0C], true),
    (&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03], true),
];

/// The hash of a certificate that RFC 5929 calls `tls-server-end-point`; `None` for ways to sign for which there is none.
fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    // A certificate is a sequence: what is signed, how, and the signature.
    let (0x30, inner, _) = element(certificate)? else { return None };
    let (_, _, behind) = element(inner)?;
    let (0x30, algorithm, _) = element(behind)? else { return None };
    let (0x06, identifier, _) = element(algorithm)? else { return None };
    let (_, is_longer) = SIGNATURES.iter().find(|(known, _)| *known == identifier)?;
    let suite = if *is_longer { TLS13_AES_256_GCM_SHA384 } else { TLS13_AES_128_GCM_SHA256 };
    Some(suite.tls13()?.common.hash_provider.hash(certificate).as_ref().to_vec())
}

/// The first element of DER: its tag, what is in it, and what comes behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (inner, behind) = rest.split_at_checked(length)?;
    Some((tag, inner, behind))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn what_is_no_certificate_or_no_key_of_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ((one, key), (_, other_key)) = (made(), made());
        let (one, key) = (write(folder.path(), "cert.pem", &one), write(folder.path(), "key.pem", &key));
        let other_key = write(folder.path(), "other.pem", &other_key);
        let empty = write(folder.path(), "empty.pem", "");
        let load = |certificate: &Path, key: &Path| Tls::load(certificate, key, Arc::new(|_| {}));
        let (_, end_point) = load(&one, &key).unwrap().acceptor(&[b"postgresql"]).unwrap();
        assert_eq!(end_point.map(|hash| hash.len()), Some(32));
        for (certificate, key, says) in [
            (&one, &other_key, "is no key for"),
            (&one, &empty, "is no key"),
            (&empty, &key, "is no certificate"),
            (&key, &key, "is no certificate"),
            (&folder.path().join("none"), &key, "cannot read the certificate"),
        ] {
            let error = load(certificate, key).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        #[cfg(unix)]
        {
            std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
            assert!(load(&one, &key).unwrap_err().to_string().contains("chmod o-rwx"));
        }
    }

    #[test]
    fn a_new_certificate_is_served_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = made();
        let (cert_path, key_path) = (write(folder.path(), "c.pem", &certificate), write(folder.path(), "k.pem", &key));
        let told = Arc::new(Mutex::new(0));
        let heard = told.clone();
        let tls = Tls::load(&cert_path, &key_path, Arc::new(move |_| *heard.lock().unwrap() += 1)).unwrap();
        let first = tls.acceptor(&[]).unwrap().1;
        write(folder.path(), "c.pem", "nothing");
        assert!(!tls.reread());
        assert_eq!(tls.acceptor(&[]).unwrap().1, first);
        assert_eq!(*told.lock().unwrap(), 1);
        let (certificate, key) = made();
        write(folder.path(), "k.pem", &key);
        write(folder.path(), "c.pem", &certificate);
        assert!(tls.reread());
        assert_ne!(tls.acceptor(&[]).unwrap().1, first);
    }

    #[test]
    fn the_way_a_certificate_was_signed_is_read_from_any_bytes() {
        assert_eq!(end_point(b""), None);
        assert_eq!(end_point(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x00]), None);
        assert_eq!(element(&[0x30, 0x81, 0x02, 1, 2, 3]), Some((0x30, &[1, 2][..], &[3][..])));
    }
}
