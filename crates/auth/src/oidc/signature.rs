//! Signatures of tokens, checked by ring: RSA, ECDSA and Ed25519. No shared secrets, no signing.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature::{self, Verifier},
};
use ring::signature as algorithms;

/// The algorithms that can be allowed.
pub const PUBLIC: [&str; 9] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

/// Whether who can check a signature of this algorithm cannot make one.
pub fn is_public(algorithm: Algorithm) -> bool {
    PUBLIC.contains(&format!("{algorithm:?}").as_str())
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Dummies that nothing here calls: keys are read from their parameters, never from PEM or DER.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes the library check signatures with ring. Doing so again changes nothing.
pub fn install() {
    // An error only says that it is done already.
    let _ = PROVIDER.install_default();
}

fn signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if !is_public(*algorithm) || algorithm.family() != key.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(Ring {
        algorithm: *algorithm,
        key: key.clone(),
    }))
}

struct Ring {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let rsa = |with: &'static algorithms::RsaParameters| match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                algorithms::RsaPublicKeyComponents { n, e }.verify(with, message, signature)
            }
            DecodingKeyKind::SecretOrDer(_) => Err(ring::error::Unspecified),
        };
        let point = |with: &'static dyn algorithms::VerificationAlgorithm| {
            let key = self
                .key
                .try_get_as_bytes()
                .map_err(|_| ring::error::Unspecified)?;
            algorithms::UnparsedPublicKey::new(with, key).verify(message, signature)
        };
        let checked = match self.algorithm {
            Algorithm::RS256 => rsa(&algorithms::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => rsa(&algorithms::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => rsa(&algorithms::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => rsa(&algorithms::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => rsa(&algorithms::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => rsa(&algorithms::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => point(&algorithms::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => point(&algorithms::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => point(&algorithms::ED25519),
            _ => Err(ring::error::Unspecified),
        };
        checked.map_err(|_| signature::Error::new())
    }
}
