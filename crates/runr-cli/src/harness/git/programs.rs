//! Other programs that the settings of a repository can name: those that merge, and those by which
//! another machine is reached. Git would start the latter for any object that a partial clone lacks.

use runr_core::mutant::without;

use super::filters::Setting;

/// What must stand in the configuration of a repository that names one.
pub(super) const SIGNS: [&str; 7] = [
    "[merge",
    "uploadpack",
    "sshcommand",
    "gitproxy",
    "askpass",
    "helper",
    "alternaterefscommand",
];

/// The keys, as git prints them, for a regular expression.
pub(super) const KEYS: [&str; 4] = [
    r"merge\..*\.driver",
    r"remote\..*\.uploadpack",
    r"core\.(sshcommand|gitproxy|askpass|alternaterefscommand)",
    r"credential\.(.*\.)?helper",
];

/// Git's own merge of three texts; whatever is no clean merge is a conflict. Without a command git
/// would refuse, and one that does nothing would take one side.
const MERGE: &str = "git merge-file --quiet --marker-size=%L %A %O %B || exit 1";

/// No way to another machine. To name another program would not do: of some of these keys the first
/// one counts, and the repository's stands before any that is given with a command.
const NOWHERE: [(&str, &str); 9] = [
    ("protocol.allow", "never"),
    ("protocol.file.allow", "never"),
    ("protocol.ftp.allow", "never"),
    ("protocol.ftps.allow", "never"),
    ("protocol.git.allow", "never"),
    ("protocol.http.allow", "never"),
    ("protocol.https.allow", "never"),
    ("protocol.ssh.allow", "never"),
    // A fetch would begin to tidy up, too.
    ("maintenance.auto", "false"),
];

/// What stands in place of a driver for merges.
pub(super) fn driver(key: &str) -> Option<&'static str> {
    let is_driver = key.starts_with("merge.") && key.ends_with(".driver");
    (is_driver && !without("repository-merge")).then_some(MERGE)
}

/// Whether a key names a program by which another machine is reached.
pub(super) fn leads_away(key: &str) -> bool {
    !key.starts_with("filter.") && driver(key).is_none()
}

/// The settings of a repository that names such programs.
pub(super) fn nowhere() -> impl Iterator<Item = Setting> {
    NOWHERE
        .into_iter()
        .filter(|_| !without("repository-fetch"))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
}
