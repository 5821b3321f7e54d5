//! Which commands of which repository the user approved. Nothing of a repository runs before that.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::Document;
use runr_core::phase::config::Config;
use runr_core::phase::ops::to_text;
use runr_core::phase::shell::quoted;
use runr_core::{Code, Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::host::Host;

const FILE: &str = "trust.json";
/// The version of the file that is understood.
const VERSION: u32 = 1;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Approvals {
    schema_version: u32,
    approved: Vec<Approval>,
    /// Fields of a later version, kept.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Approval {
    sha256: String,
    path: Utf8PathBuf,
    approved_at: Timestamp,
    /// Fields of a later version, kept.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// The user's approvals.
pub(crate) struct TrustStore<'a> {
    host: &'a Host,
    dir: Utf8PathBuf,
}

impl<'a> TrustStore<'a> {
    /// # Errors
    /// `E_USAGE` when there is neither a home nor a configured directory.
    pub(crate) fn open(host: &'a Host) -> Result<Self> {
        let dir = host.config_dir().ok_or_else(|| {
            Error::new(Code::Usage, "no directory for approvals: HOME is not set")
                .hint("set HOME or RUNR_CONFIG_DIR")
        })?;
        Ok(Self { host, dir })
    }

    fn document(&self) -> Document {
        Document::new(self.host.storage.clone(), &self.dir, FILE).mode(0o600)
    }

    fn parse(&self, text: Option<&str>) -> Result<Approvals> {
        let Some(text) = text else {
            return Ok(Approvals {
                schema_version: VERSION,
                approved: Vec::new(),
                unknown: Map::new(),
            });
        };
        let path = self.dir.join(FILE);
        let approvals: Approvals = serde_json::from_str(text).map_err(|problem| {
            Error::new(Code::StoreCorrupt, format!("Run state is corrupt: {path}"))
                .at(path.clone())
                .with("line", problem.line())
                .with("reason", problem.to_string())
        })?;
        if approvals.schema_version > VERSION {
            let version = approvals.schema_version;
            let message = format!("Run state is corrupt: {path} has the later version {version}");
            return Err(Error::new(Code::StoreCorrupt, message)
                .at(path)
                .with("schema_version", version)
                .hint("use the runr that wrote it; nothing was changed"));
        }
        Ok(approvals)
    }

    /// Whether `sha256` is approved for the repository at `root`.
    pub(crate) fn is_approved(&self, root: &Utf8Path, sha256: &str) -> Result<bool> {
        let approvals = self.parse(self.document().read()?.as_deref())?;
        let real = real_path(root)?;
        Ok(approvals
            .approved
            .iter()
            .any(|a| a.sha256 == sha256 && a.path == real))
    }

    /// Approves `sha256` for the repository at `root`.
    pub(crate) fn approve(&self, root: &Utf8Path, sha256: &str) -> Result<()> {
        let real = real_path(root)?;
        self.host.make_dirs(&self.dir)?;
        self.document().update(|text| {
            let mut approvals = self.parse(text)?;
            if !approvals
                .approved
                .iter()
                .any(|a| a.sha256 == sha256 && a.path == real)
            {
                let approved_at = self.host.clock.now();
                approvals.approved.push(Approval {
                    sha256: sha256.to_owned(),
                    path: real.clone(),
                    approved_at,
                    unknown: Map::new(),
                });
            }
            to_text(&approvals)
        })?;
        Ok(())
    }
}

fn real_path(root: &Utf8Path) -> Result<Utf8PathBuf> {
    root.canonicalize_utf8()
        .map_err(|source| Error::io("resolve", root, source))
}

/// Refuses commands nobody approved.
///
/// # Errors
/// `E_UNTRUSTED` naming the command that approves them, those of `file` unless it is the usual one.
pub(crate) fn check(
    host: &Host,
    root: &Utf8Path,
    config: &Config,
    file: Option<&Utf8Path>,
) -> Result<()> {
    let hash = config.trust_hash();
    if host.var("RUNR_TRUST_CONFIG") == Some(hash.as_str())
        || TrustStore::open(host)?.is_approved(root, &hash)?
    {
        return Ok(());
    }
    let mut approve = format!("runr trust --root {}", quoted(root.as_str()));
    if let Some(file) = file {
        approve.push_str(&format!(" --config {}", quoted(file.as_str())));
    }
    Err(Error::new(
        Code::Untrusted,
        "Commands of this repository are not trusted",
    )
    .at(root)
    .with("commands", config.command_list())
    .with("sha256", hash)
    .hint(approve))
}
