//! Pinned archives from the registries, each through the registry's own client, and the tools of
//! this machine.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

/// A published archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pin {
    pub(super) client: Client,
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) archive: &'static str,
    pub(super) sha256: &'static str,
}

/// What fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Npm,
    Pip,
    Cargo,
}

impl Pin {
    /// The archive, from this checkout's cache or from the registry; nothing, and a line that says
    /// so, if neither has it.
    pub(super) fn fetch(&self) -> Option<PathBuf> {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("third-party");
        let kept = cache.join(self.archive);
        if !kept.is_file() {
            fs::create_dir_all(&cache).unwrap();
            let folder = tempfile::tempdir_in(&cache).unwrap();
            let Some(fetched) = self.ask(folder.path()) else {
                skip(self.name, "offline");
                return None;
            };
            // Another test may do the same: the last one wins, with the same bytes.
            let beside = folder.path().join("whole");
            fs::copy(fetched, &beside).unwrap();
            fs::rename(beside, &kept).unwrap();
        }
        let digest = Sha256::digest(fs::read(&kept).unwrap());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, self.sha256, "{} is not what it was", kept.display());
        Some(kept)
    }

    /// Where the client put the archive.
    fn ask(&self, folder: &Path) -> Option<PathBuf> {
        let Self { name, version, .. } = self;
        match self.client {
            Client::Npm => {
                let package = format!("{name}@{version}");
                let pack = ["pack", "--silent", "--fetch-retries=0", &package];
                run("npm", &pack, folder).then(|| folder.join(self.archive))
            }
            Client::Pip => {
                // With its hash, since pip runs what it fetches to learn the name of it.
                let line = format!("{name}=={version} --hash=sha256:{}\n", self.sha256);
                fs::write(folder.join("pinned.txt"), line).unwrap();
                let words =
                    "-m pip download --quiet --retries=0 --timeout=20 --no-deps --no-binary";
                let mut words: Vec<&str> = words.split(' ').collect();
                words.extend([name, "-r", "pinned.txt"]);
                run("python3", &words, folder).then(|| folder.join(self.archive))
            }
            Client::Cargo => {
                let words = ["fetch", "--quiet", "--locked"];
                self.write_dependent(folder);
                run(&cargo(), &words, folder).then(|| self.in_cargo_home())?
            }
        }
    }

    /// A package that needs nothing but the crate, so that cargo fetches and checks that one.
    fn write_dependent(&self, folder: &Path) {
        let Self {
            name,
            version,
            sha256,
            ..
        } = self;
        let manifest = format!(
            "[package]\nname = \"dependent\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n\
             [dependencies]\n{name} = \"={version}\"\n\n[workspace]\n"
        );
        let lock = format!(
            "version = 4\n\n[[package]]\nname = \"dependent\"\nversion = \"0.0.0\"\ndependencies = [\n \"{name}\",\n]\n\n\
             [[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
             source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{sha256}\"\n"
        );
        fs::create_dir(folder.join("src")).unwrap();
        fs::write(folder.join("src/lib.rs"), "").unwrap();
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.join("Cargo.lock"), lock).unwrap();
    }

    fn in_cargo_home(&self) -> Option<PathBuf> {
        let (_, home) = toolchain().find(|(name, _)| *name == "CARGO_HOME")?;
        let registries = fs::read_dir(home.join("registry/cache")).ok()?;
        let mut archives = registries.map(|it| it.unwrap().path().join(self.archive));
        archives.find(|archive| archive.is_file())
    }
}

/// Runs a client with the settings of the user, who may have a mirror or a proxy.
fn run(program: &str, words: &[&str], folder: &Path) -> bool {
    let mut command = Command::new(program);
    command
        .args(words)
        .current_dir(folder)
        .env("CARGO_NET_RETRY", "0")
        .env("CARGO_HTTP_TIMEOUT", "20")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// The places that cargo and rustup find by the user's home, which a sandbox replaces.
pub(super) fn toolchain() -> impl Iterator<Item = (&'static str, PathBuf)> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let places = [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")];
    let places = places.into_iter().filter_map(move |(name, usual)| {
        let set = std::env::var_os(name).map(PathBuf::from);
        let place = set.or_else(|| Some(home.as_ref()?.join(usual)))?;
        Some((name, place))
    });
    let chosen = std::env::var_os("RUSTUP_TOOLCHAIN").map(PathBuf::from);
    places.chain(chosen.map(|chosen| ("RUSTUP_TOOLCHAIN", chosen)))
}

/// `PATH`, with the Python tools of this checkout before those of the machine.
pub(super) fn path() -> OsString {
    let usual = std::env::var_os("PATH").unwrap();
    let ours = super::root().join(".venv/bin");
    let ours = ours.canonicalize().ok();
    std::env::join_paths(ours.into_iter().chain(std::env::split_paths(&usual))).unwrap()
}

/// Whether there is such a program.
pub(super) fn can_run(program: &str) -> bool {
    let path = path();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Says that something is skipped, past the runner, which shows only the words of failed tests.
pub(super) fn skip(what: &str, why: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {why}: {what}").ok();
}
