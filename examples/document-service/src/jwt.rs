//! Who may call with JSON Web Tokens: the options, and what is made of them.

use anyhow::Context as _;
use artos_http::{Jwt, JwtAlgorithm};
use clap::{Args, ValueEnum};

/// Options of `serve` for tokens that somebody else signs.
#[derive(Args, Debug, Clone)]
#[group(id = "jwt")]
pub struct JwtArguments {
    /// Take JSON Web Tokens of this issuer, exactly as it is in their claim `iss`, instead of
    /// --token. A token acts for the organization in its claim `org_id`.
    #[arg(
        long,
        value_name = "ISSUER",
        conflicts_with = "tokens",
        requires_all = ["jwt_audience", "jwt_keys"],
        env = "DOCUMENT_SERVICE_JWT_ISSUER"
    )]
    pub jwt_issuer: Option<String>,
    /// For whom the tokens have to be made: what has to be in their claim `aud`.
    #[arg(
        long,
        value_name = "AUDIENCE",
        requires = "jwt_issuer",
        env = "DOCUMENT_SERVICE_JWT_AUDIENCE"
    )]
    pub jwt_audience: Option<String>,
    /// The keys that the tokens are signed with, as a JSON Web Key Set: a file, or an `https://`
    /// address where the issuer publishes them. They are read again every ten minutes.
    #[arg(
        long,
        value_name = "FILE|URL",
        requires = "jwt_issuer",
        env = "DOCUMENT_SERVICE_JWT_KEYS"
    )]
    pub jwt_keys: Option<String>,
    /// How the tokens have to be signed.
    #[arg(
        long,
        value_name = "ALGORITHM",
        default_value = "RS256",
        ignore_case = true,
        env = "DOCUMENT_SERVICE_JWT_ALGORITHM"
    )]
    pub jwt_algorithm: Algorithm,
}

/// How tokens are signed.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
#[value(rename_all = "verbatim")]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[value(name = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[value(name = "PS256")]
    Ps256,
    /// ECDSA with P-256 and SHA-256.
    #[value(name = "ES256")]
    Es256,
    /// EdDSA with Ed25519.
    #[value(name = "EdDSA")]
    EdDsa,
}

impl JwtArguments {
    /// Returns what checks the tokens; `None` if there is no issuer.
    ///
    /// # Errors
    ///
    /// If the keys cannot be read, or are none for the algorithm. Those at an address are first
    /// asked for when the first token comes.
    pub fn checker(&self) -> anyhow::Result<Option<Jwt>> {
        let (Some(issuer), Some(audience), Some(keys)) =
            (&self.jwt_issuer, &self.jwt_audience, &self.jwt_keys)
        else {
            return Ok(None);
        };
        let algorithm = match self.jwt_algorithm {
            Algorithm::Rs256 => JwtAlgorithm::Rs256,
            Algorithm::Ps256 => JwtAlgorithm::Ps256,
            Algorithm::Es256 => JwtAlgorithm::Es256,
            Algorithm::EdDsa => JwtAlgorithm::EdDsa,
        };
        let jwt = Jwt::builder(issuer, audience, algorithm);
        let jwt =
            if keys.contains("://") { jwt.keys_from_url(keys) } else { jwt.keys_from_file(keys) };
        Ok(Some(jwt.build().context("--jwt-keys cannot be used")?))
    }
}
