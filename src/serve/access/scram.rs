//! A login by SCRAM-SHA-256 (RFC 5802 and 7677), where somebody may have several tokens: which of them they have shows at the end.
//!
//! Whoever is not known goes through the same steps with keys that no proof fits. Under TLS the proof may be bound to the server's
//! certificate (`-PLUS`), so that nobody in the middle can pass it on.

use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, random_nonce};
use tokio_rustls::rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use tokio_rustls::rustls::crypto::tls13::OkmBlock;

use super::base64;
use super::tokens::Verifier;

/// Longer names for a login are nobody's.
const NONCE_MOST: usize = 256;

/// Why an exchange ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Broken {
    /// What came is no message of SCRAM, or asks for what is not offered.
    Malformed,
    /// No token fits.
    Refused,
}

/// What can be proved, and by whom: somebody's salt, and a verifier for each of their tokens.
pub struct Secrets {
    pub(super) salt: Vec<u8>,
    pub(super) verifiers: Vec<Verifier>,
}

/// An exchange, once the client has begun it.
pub struct Exchange {
    secrets: Secrets,
    /// What the client said first, without the head about binding.
    bare: String,
    /// What was answered.
    challenge: String,
    nonce: String,
    /// What the client must repeat about binding.
    binding: String,
}

impl Exchange {
    /// Begins one; what is returned is sent to the client. `certificate` is the hash to which the proof is bound: given where that was
    /// offered, and `is_bound` where the client chose it.
    pub fn begin(said: &[u8], secrets: Secrets, certificate: Option<&[u8]>, is_bound: bool) -> Result<(String, Self), Broken> {
        let said = std::str::from_utf8(said).map_err(|_| Broken::Malformed)?;
        let mut parts = said.splitn(3, ',');
        let (Some(flag), Some(authorized), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Broken::Malformed);
        };
        // Nobody comes in for somebody else. "y" says that no binding was offered: where it was, somebody took the offer away.
        let fits = match (flag, certificate) {
            ("p=tls-server-end-point", Some(_)) => is_bound,
            ("y", None) | ("n", _) => !is_bound,
            _ => false,
        };
        let [name, nonce, ..] = bare.split(',').collect::<Vec<_>>()[..] else { return Err(Broken::Malformed) };
        let nonce = nonce.strip_prefix("r=").filter(|nonce| !nonce.is_empty() && nonce.len() <= NONCE_MOST);
        let (true, "", true, Some(nonce)) = (fits, authorized, name.starts_with("n="), nonce) else {
            return Err(Broken::Malformed);
        };
        let nonce = format!("{nonce}{}", random_nonce());
        let head = format!("{flag},{authorized},");
        let bound = [head.as_bytes(), certificate.filter(|_| is_bound).unwrap_or_default()].concat();
        let challenge = format!("r={nonce},s={},i={SCRAM_ITERATIONS}", base64::encoded(&secrets.salt));
        let exchange =
            Self { secrets, bare: bare.to_owned(), challenge: challenge.clone(), nonce, binding: base64::encoded(&bound) };
        Ok((challenge, exchange))
    }

    /// Ends it: which verifier the proof fits, and what is sent to the client, who knows by it that the server is no impostor.
    pub fn end(self, said: &[u8]) -> Result<(usize, String), Broken> {
        let said = std::str::from_utf8(said).map_err(|_| Broken::Malformed)?;
        let (without_proof, proof) = said.rsplit_once(",p=").ok_or(Broken::Malformed)?;
        let [binding, nonce, ..] = without_proof.split(',').collect::<Vec<_>>()[..] else { return Err(Broken::Malformed) };
        let proof = base64::decoded(proof).filter(|proof| proof.len() == 32).ok_or(Broken::Malformed)?;
        if binding.strip_prefix("c=") != Some(&self.binding) || nonce.strip_prefix("r=") != Some(&self.nonce) {
            return Err(Broken::Refused);
        }
        let message = format!("{},{},{without_proof}", self.bare, self.challenge);
        // All are looked at, whichever it is.
        let mut found = None;
        for (at, verifier) in self.secrets.verifiers.iter().enumerate() {
            let signature = signed(&verifier.stored_key, message.as_bytes());
            let key: Vec<u8> = proof.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
            if hashed(&key) == verifier.stored_key {
                found = Some((at, format!("v={}", base64::encoded(&signed(&verifier.server_key, message.as_bytes())))));
            }
        }
        found.ok_or(Broken::Refused)
    }
}

/// HMAC-SHA-256.
fn signed(key: &[u8], message: &[u8]) -> Vec<u8> {
    TLS13_AES_128_GCM_SHA256
        .tls13()
        .map(|suite| suite.hkdf_provider.hmac_sign(&OkmBlock::new(key), message).as_ref().to_vec())
        .unwrap_or_default()
}

/// SHA-256.
fn hashed(bytes: &[u8]) -> Vec<u8> {
    TLS13_AES_128_GCM_SHA256.tls13().map(|suite| suite.common.hash_provider.hash(bytes).as_ref().to_vec()).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

    use super::super::tokens::{Salts, Token};
    use super::*;

    fn secrets(tokens: &[&Token]) -> Secrets {
        let salt = Salts::from_hex(&"ab".repeat(32)).unwrap().of("ana");
        let verifiers = tokens.iter().map(|token| Verifier::of(token, salt.clone())).collect();
        Secrets { salt, verifiers }
    }

    /// What becomes of a login of somebody who has this token and sees (or does not see) this certificate.
    fn logged_in(token: &Token, known: &[&Token], offered: Option<&[u8]>, seen: Option<&[u8]>) -> Result<usize, Broken> {
        let binding = match seen {
            Some(certificate) => ChannelBinding::tls_server_end_point(certificate.to_vec()),
            None if offered.is_some() => ChannelBinding::unsupported(),
            None => ChannelBinding::unrequested(),
        };
        let mut client = ScramSha256::new(token.shown().as_bytes(), binding);
        let (challenge, exchange) = Exchange::begin(client.message(), secrets(known), offered, seen.is_some())?;
        client.update(challenge.as_bytes()).unwrap();
        let (which, last) = exchange.end(client.message())?;
        client.finish(last.as_bytes()).expect("the server is no impostor");
        Ok(which)
    }

    #[test]
    fn whoever_has_any_of_the_tokens_comes_in_and_nobody_else() {
        let [one, two, other] = [Token::new(), Token::new(), Token::new()];
        assert_eq!(logged_in(&one, &[&one, &two], None, None), Ok(0));
        assert_eq!(logged_in(&two, &[&one, &two], None, None), Ok(1));
        assert_eq!(logged_in(&other, &[&one, &two], None, None), Err(Broken::Refused));
        assert_eq!(logged_in(&one, &[], None, None), Err(Broken::Refused));
    }

    #[test]
    fn a_proof_is_bound_to_the_certificate_that_the_client_saw() {
        let token = Token::new();
        let known = [&token];
        assert_eq!(logged_in(&token, &known, Some(b"ours"), Some(b"ours")), Ok(0));
        assert_eq!(logged_in(&token, &known, Some(b"ours"), Some(b"of somebody in the middle")), Err(Broken::Refused));
        assert_eq!(logged_in(&token, &known, Some(b"ours"), None), Ok(0), "a client that cannot");
        assert_eq!(logged_in(&token, &known, None, Some(b"ours")), Err(Broken::Malformed), "it was not offered");
        let began = Exchange::begin(b"y,,n=,r=abc", secrets(&known), Some(b"ours"), false).err();
        assert_eq!(began, Some(Broken::Malformed), "the offer was taken away on the way");
    }

    #[test]
    fn what_is_no_message_of_scram_ends_it() {
        for said in
            ["", "n,,", "n,a=bob,n=,r=abc", "n,,n=,r=", "n,,r=abc,n=", "p=tls-unique,,n=,r=abc", "n,,m=x,n=,r=abc", "\u{0}"]
        {
            assert_eq!(Exchange::begin(said.as_bytes(), secrets(&[]), None, false).err(), Some(Broken::Malformed), "{said}");
        }
        let proof = base64::encoded(&[0; 32]);
        for said in [
            "",
            "c=biws",
            "c=biws,r=abc,p=",
            "c=biws,r=abc,p=AAAA",
            &format!("c=biws,r=abc,p={proof}"),
            &format!("c=biws,p={proof}"),
        ] {
            let (_, exchange) = Exchange::begin(b"n,,n=,r=abc", secrets(&[&Token::new()]), None, false).unwrap();
            assert!(exchange.end(said.as_bytes()).is_err(), "{said}");
        }
    }
}
