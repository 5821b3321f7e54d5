//! The repository that the address of a remote means.

use super::target::Slug;

impl Slug {
    /// The last two parts of the path of an address with a host: `https://`, `ssh://`, `git://` or
    /// `user@host:path`. A path on this machine names nobody.
    ///
    /// ```
    /// use runr_core::ownership::Slug;
    ///
    /// let slug = Slug::of_origin("git@github.com:Acme/Shop.git");
    /// assert_eq!(slug.map(|slug| slug.to_string()).as_deref(), Some("acme/shop"));
    /// assert_eq!(Slug::of_origin("../shop.git"), None);
    /// ```
    #[must_use]
    pub fn of_origin(url: &str) -> Option<Self> {
        let path = path_of(url.trim())?.trim_end_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
        let (name, owner) = (parts.next()?, parts.next()?);
        Self::parse(&format!("{owner}/{name}")).ok()
    }
}

fn path_of(url: &str) -> Option<&str> {
    if let Some((scheme, rest)) = url.split_once("://") {
        let path = rest.split_once('/')?.1;
        return (!scheme.eq_ignore_ascii_case("file")).then_some(path);
    }
    let (host, path) = url.split_once(':')?;
    // A slash before the colon makes it a path, as git has it; a single letter is a drive.
    (!host.contains('/') && host.len() > 1).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_host_names_owner_and_repository() {
        for (url, slug) in [
            ("https://github.com/acme/shop", "acme/shop"),
            (
                "https://user:secret@example.org:8443/acme/shop.git/",
                "acme/shop",
            ),
            ("ssh://git@github.com:22/Acme/Shop.git", "acme/shop"),
            ("git@github.com:acme/shop.git", "acme/shop"),
            ("host:acme/shop", "acme/shop"),
            ("git://example.org/group/part/shop.git", "part/shop"),
            (" git@host:/srv/git/shop.git\n", "git/shop"),
            ("https://example.org/acme/.github", "acme/.github"),
        ] {
            let found = Slug::of_origin(url).map(|slug| slug.to_string());
            assert_eq!(found.as_deref(), Some(slug), "{url}");
        }
    }

    #[test]
    fn what_names_nobody_is_none() {
        for url in [
            "",
            "../shop.git",
            "/srv/git/shop.git",
            "./a:b/c",
            "C:/git/shop",
            "file:///srv/git/shop.git",
            "https://example.org",
            "https://example.org/shop.git",
            "git@host:shop",
            "https://example.org/a b/shop",
            "https://example.org/../shop",
        ] {
            assert_eq!(Slug::of_origin(url), None, "{url}");
        }
    }
}
