//! The private certificate authority of a data folder and its server certificate.

use crate::{Error, FOLDER, Role, Tokens, files};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// The authority's certificate: what clients trust.
pub const CA_CERTIFICATE: &str = "ca.pem";
/// The authority's key.
pub const CA_KEY: &str = "ca.key";
/// The server's certificate, the authority's behind it.
pub const SERVER_CERTIFICATE: &str = "server.pem";
/// The server's key.
pub const SERVER_KEY: &str = "server.key";
/// The names and addresses that the server's certificate is for, one a line.
pub const SERVER_HOSTS: &str = "server.hosts";

const DAY: Duration = Duration::from_secs(86_400);
/// How long the authority's certificate holds.
const CA_DAYS: u32 = 3_650;
/// How long the server's holds: the longest that common clients accept.
const SERVER_DAYS: u32 = 825;

/// Names that every server certificate has.
const ALWAYS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What [`init`] made.
#[derive(Debug)]
pub struct Created {
    /// The administrator's token. It is nowhere else: show it once.
    pub token: String,
    /// The certificate that clients must trust.
    pub ca: PathBuf,
    /// The names and addresses that the server certificate is for.
    pub hosts: Vec<String>,
    /// Until when the server certificate holds.
    pub until: SystemTime,
}

/// Makes an authority, a server certificate for these host names and addresses, and a first token
/// named `admin`, all below the data folder. The token file comes last, so that what a crash
/// interrupts is made anew.
///
/// # Errors
/// They were made before, a name cannot stand in a certificate, or a file cannot be written.
pub fn init(data: &Path, hosts: &[String], now: SystemTime) -> Result<Created, Error> {
    let folder = data.join(FOLDER);
    if Tokens::exists(data) {
        return Err(Error::Exists(folder));
    }
    files::folder(&folder)?;
    let (authority, certificate) = authority(now)?;
    let ca = folder.join(CA_CERTIFICATE);
    files::write(
        &folder.join(CA_KEY),
        authority.key().serialize_pem().as_bytes(),
        true,
    )?;
    files::write(&ca, certificate.as_bytes(), false)?;
    let Renewed { hosts, until } = certify(&folder, hosts, &authority, &certificate, now)?;
    let token = Tokens::create(data)?.add("admin", Role::Admin, now)?;
    Ok(Created {
        token,
        ca,
        hosts,
        until,
    })
}

/// What [`renew`] made.
#[derive(Debug)]
pub struct Renewed {
    /// The names and addresses that the server certificate is for.
    pub hosts: Vec<String>,
    /// Until when it holds.
    pub until: SystemTime,
}

/// Makes a new server certificate by the same authority, for the names of the last one and these. A running
/// server goes on with the last one until it is restarted.
///
/// # Errors
/// [`init`] did not make an authority, a name cannot stand in a certificate, or a file cannot be written.
pub fn renew(data: &Path, hosts: &[String], now: SystemTime) -> Result<Renewed, Error> {
    let folder = data.join(FOLDER);
    let path = folder.join(CA_KEY);
    let key = text(&path)?;
    let key = KeyPair::from_pem(&key).map_err(|why| Error::Damaged {
        path,
        what: format!("it is no private key: {why}"),
    })?;
    let certificate = text(&folder.join(CA_CERTIFICATE))?;
    let noted = match text(&folder.join(SERVER_HOSTS)) {
        Err(Error::Absent(_)) => String::new(),
        other => other?,
    };
    let all: Vec<String> = noted
        .lines()
        .map(str::to_owned)
        .chain(hosts.iter().cloned())
        .collect();
    let authority = Issuer::new(authority_params(now), key);
    certify(&folder, &all, &authority, &certificate, now)
}

fn text(path: &Path) -> Result<String, Error> {
    String::from_utf8(files::read(path)?).map_err(|_| Error::Damaged {
        path: path.into(),
        what: "it is no text".into(),
    })
}

/// Writes a new server certificate, its key and the names that it is for.
fn certify(
    folder: &Path,
    hosts: &[String],
    authority: &Issuer<'_, KeyPair>,
    certificate: &str,
    now: SystemTime,
) -> Result<Renewed, Error> {
    let mut names: Vec<String> = ALWAYS.map(str::to_owned).to_vec();
    for host in hosts {
        if !names.contains(host) {
            names.push(host.clone());
        }
    }
    let until = now + DAY * SERVER_DAYS;
    let (server, key) = server(&names, authority, now, until)?;
    files::write(&folder.join(SERVER_KEY), key.as_bytes(), true)?;
    files::write(
        &folder.join(SERVER_CERTIFICATE),
        format!("{server}{certificate}").as_bytes(),
        false,
    )?;
    let noted = names.join("\n") + "\n";
    files::write(&folder.join(SERVER_HOSTS), noted.as_bytes(), false)?;
    Ok(Renewed {
        hosts: names,
        until,
    })
}

fn authority_params(now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Gemelli private authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * CA_DAYS).into();
    params
}

fn authority(now: SystemTime) -> Result<(Issuer<'static, KeyPair>, String), Error> {
    let params = authority_params(now);
    let key = KeyPair::generate().map_err(Error::crypto("making the authority's key"))?;
    let certificate = params
        .self_signed(&key)
        .map_err(Error::crypto("signing the authority's certificate"))?;
    Ok((Issuer::new(params, key), certificate.pem()))
}

fn server(
    names: &[String],
    authority: &Issuer<'_, KeyPair>,
    now: SystemTime,
    until: SystemTime,
) -> Result<(String, String), Error> {
    let mut params = CertificateParams::new(names)
        .map_err(Error::crypto("putting the host names into a certificate"))?;
    params.distinguished_name = named("Gemelli");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // A clock that is a little slow must not find the certificate in the future.
    params.not_before = (now - DAY).into();
    params.not_after = until.into();
    let key = KeyPair::generate().map_err(Error::crypto("making the server's key"))?;
    let certificate = params
        .signed_by(&key, authority)
        .map_err(Error::crypto("signing the server's certificate"))?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn named(name: &str) -> rcgen::DistinguishedName {
    let mut names = rcgen::DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
