//! The pages of `grandstand dev`: those of a folder of the author's, and the demo page, which is in the binary.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use grandstand_common::exit::{Exit, Failure};
use grandstand_edge::server::routes::{Page, Pages};
use percent_encoding::percent_decode_str;

use super::admin_link::AdminLink;

const HTML: &str = "text/html; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// The demo page: one file, which `clients/web` builds. `tests/run web` compares it with its sources.
const DEMO: &str = include_str!("../../../clients/web/dist/index.html");

/// The policy of the demo page, from the same build: it runs its own script and style alone, by their hashes, and connects to
/// its own server.
const DEMO_POLICY: &str = include_str!("../../../clients/web/dist/policy.txt");

/// The SDK as a module, for pages of authors that have no build step of their own.
const SDK: &str = include_str!("../../../clients/web/dist/grandstand.js");

/// The element in which the demo page gets the names of the games.
const GAMES: &str = r#"<meta name="grandstand-games" content="">"#;

/// The part of the policy that names the servers to which the demo page may connect.
const CONNECT: &str = "connect-src ";

/// The policy of an author's page, which may load what it likes.
const OWN_POLICY: &str = "frame-ancestors 'self'";

/// The largest file of a folder that is served. It is read in one piece, while clients of the same shard wait.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The folder that is served if none is named, and there is one.
const FOLDER: &str = "web";

/// The pages in the binary, for a server with these games.
fn demo(games: &[&str]) -> BTreeMap<&'static str, Page> {
    let told = format!(
        r#"<meta name="grandstand-games" content="{}">"#,
        games.join(" ")
    );
    let index = Page {
        content_type: HTML,
        policy: Cow::Borrowed(DEMO_POLICY),
        body: DEMO.replacen(GAMES, &told, 1).into(),
    };
    let sdk = Page {
        content_type: JS,
        policy: Cow::Borrowed(OWN_POLICY),
        body: Bytes::from_static(SDK.as_bytes()),
    };
    BTreeMap::from([
        ("/", index.clone()),
        ("/index.html", index),
        ("/grandstand.js", sdk),
    ])
}

/// Names the WebSockets of the page's own host in its policy, because some browsers do not take them for `'self'`.
fn with_sockets(page: Page, host: &[u8]) -> Page {
    let is_plain = |&b: &u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    let Some(host) = std::str::from_utf8(host)
        .ok()
        .filter(|host| !host.is_empty() && host.as_bytes().iter().all(is_plain))
    else {
        return page;
    };
    let allowed = format!("{CONNECT}ws://{host} wss://{host} ");
    Page {
        policy: page.policy.replacen(CONNECT, &allowed, 1).into(),
        ..page
    }
}

/// The pages of `grandstand dev`.
#[derive(Debug)]
pub(super) struct DevPages {
    demo: BTreeMap<&'static str, Page>,
    /// The author's files, which come before those of the demo page, and are read again for each request.
    folder: Option<PathBuf>,
    /// The address of the admin port, for pages that pull plugs.
    admin: Option<AdminLink>,
}

impl DevPages {
    /// The pages with those of a folder, for a server with these games. `None` stands for the folder `web`, if it has a page.
    ///
    /// # Errors
    /// If the named folder has no page.
    pub(super) fn open(folder: Option<PathBuf>, games: &[&str]) -> Result<Self, Failure> {
        let named = folder.is_some();
        let folder = folder.unwrap_or_else(|| PathBuf::from(FOLDER));
        let has_page = folder.join("index.html").is_file();
        if named && !has_page {
            let folder = folder.display();
            return Err(Failure::new(
                Exit::NoInput,
                format!("--pages: {folder} has no index.html"),
            ));
        }
        Ok(Self {
            demo: demo(games),
            folder: has_page.then_some(folder),
            admin: None,
        })
    }

    /// Tells pages the address of the admin port, if there is one for them.
    #[must_use]
    pub(super) fn with_admin(self, admin: Option<AdminLink>) -> Self {
        Self { admin, ..self }
    }

    /// The author's folder.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    fn own(&self, path: &str) -> Option<Page> {
        let folder = self.folder.as_ref()?;
        let path = percent_decode_str(path).decode_utf8().ok()?;
        let path = Path::new(path.strip_prefix('/')?);
        let is_shown = path.components().all(|part| match part {
            Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
            _ => false,
        });
        if !is_shown {
            return None;
        }
        let mut file = folder.join(path);
        if file.is_dir() {
            file.push("index.html");
        }
        // A link may lead out of the folder. A pipe would never end.
        let (real, folder) = (file.canonicalize().ok()?, folder.canonicalize().ok()?);
        let about = real.metadata().ok().filter(|about| about.is_file())?;
        if !real.starts_with(folder) || about.len() > MAX_FILE_BYTES {
            tracing::warn!(
                file = %file.display(),
                "a file is not served: it is outside of the folder of the pages, or has more than {MAX_FILE_BYTES} bytes"
            );
            return None;
        }
        let body = fs::read(&real).ok()?;
        Some(Page {
            content_type: content_type(&file),
            policy: OWN_POLICY.into(),
            body: body.into(),
        })
    }
}

impl Pages for DevPages {
    fn find(&self, path: &str, host: &[u8]) -> Option<Page> {
        let own = self.own(path);
        let is_demo = own.is_none() && matches!(path, "/" | "/index.html");
        let page = own.or_else(|| self.demo.get(path).cloned())?;
        let page = if is_demo {
            with_sockets(page, host)
        } else {
            page
        };
        Some(match &self.admin {
            Some(admin) if page.content_type == HTML => admin.put_into(page, is_demo, host),
            _ => page,
        })
    }
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        // With the encoding, which the table leaves out.
        Some("html") => HTML,
        Some("css") => CSS,
        Some("js" | "mjs") => JS,
        _ => mime_guess::from_path(file)
            .first_raw()
            .unwrap_or("application/octet-stream"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[u8] = b"127.0.0.1:8080";

    #[test]
    fn the_demo_page_is_one_file_that_knows_the_games_and_connects_to_its_own_server() {
        let pages = DevPages::open(None, &["dice", "memory"]).unwrap();
        let page = pages.find("/", HOST).unwrap();
        assert_eq!(pages.find("/index.html", HOST).unwrap(), page);
        let body = std::str::from_utf8(&page.body).unwrap();
        assert!(body.contains(r#"<meta name="grandstand-games" content="dice memory">"#));
        for other in ["src=", "<link rel=\"stylesheet\""] {
            assert!(!body.contains(other), "{other}");
        }
        let policy = &page.policy;
        assert!(
            policy.starts_with("default-src 'none'; script-src 'sha256-"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        let sockets = "connect-src ws://127.0.0.1:8080 wss://127.0.0.1:8080 'self'";
        assert!(policy.contains(sockets), "{policy}");
        assert_eq!(pages.find("/page.js", HOST), None);
    }

    #[test]
    fn a_host_that_would_change_the_policy_is_left_out() {
        let pages = DevPages::open(None, &[]).unwrap();
        for host in ["x; script-src *", "a b", "x,y", ""] {
            let policy = pages.find("/", host.as_bytes()).unwrap().policy;
            assert_eq!(policy, DEMO_POLICY, "{host}");
        }
    }

    #[test]
    fn the_author_s_files_come_first_and_only_those_of_the_folder() {
        let folder = std::env::temp_dir().join(format!("grandstand-pages-{}", std::process::id()));
        fs::create_dir_all(folder.join("web/img")).unwrap();
        fs::write(folder.join("web/index.html"), "mine").unwrap();
        fs::write(folder.join("web/img/a b.svg"), "<svg/>").unwrap();
        fs::write(folder.join("secret"), "not a page").unwrap();
        let pages = DevPages::open(Some(folder.join("web")), &[]).unwrap();
        let body = |path: &str| pages.find(path, b"").map(|page| page.body);
        assert_eq!(body("/").unwrap(), "mine");
        assert_eq!(body("/index.html").unwrap(), "mine");
        assert_eq!(
            pages.find("/img/a%20b.svg", b"").unwrap().content_type,
            "image/svg+xml"
        );
        assert_eq!(body("/grandstand.js").unwrap(), SDK);
        for path in [
            "/../secret",
            "/img/../../secret",
            "/%2e%2e/secret",
            "//etc/passwd",
            "/img",
            "/img/",
            "/none",
        ] {
            assert_eq!(body(path), None, "{path}");
        }
        fs::write(folder.join("web/.env"), "hidden").unwrap();
        std::os::unix::fs::symlink("../secret", folder.join("web/link")).unwrap();
        let large = fs::File::create(folder.join("web/large")).unwrap();
        large.set_len(MAX_FILE_BYTES + 1).unwrap();
        let pipe = folder.join("web/pipe");
        let made = std::process::Command::new("mkfifo").arg(pipe).status();
        assert!(made.unwrap().success());
        for path in ["/.env", "/link", "/large", "/pipe"] {
            assert_eq!(body(path), None, "{path}");
        }
        large.set_len(MAX_FILE_BYTES).unwrap();
        assert!(body("/large").is_some());
        fs::write(folder.join("web/index.html"), "changed").unwrap();
        assert_eq!(body("/").unwrap(), "changed");
        assert!(DevPages::open(Some(folder.join("web/img")), &[]).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
