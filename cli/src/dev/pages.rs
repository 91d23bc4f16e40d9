//! The demo pages, embedded in the binary.

use grandstand_edge::server::routes::{Page, Pages};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

macro_rules! files {
    ($($name:literal: $content_type:expr),* $(,)?) => {
        [$((
            concat!("/", $name),
            Page { content_type: $content_type, body: include_bytes!(concat!("../../../clients/web/", $name)) },
        )),*]
    };
}

/// All files of `clients/web`; `/` is `index.html`.
pub(super) fn pages() -> Pages {
    let files = files! {
        "index.html": HTML,
        "style.css": CSS,
        "page.js": JS,
        "grandstand.js": JS,
        "room.js": JS,
        "merge.js": JS,
        "table.js": JS,
        "state.js": JS,
        "memory.js": JS,
        "board.js": JS,
        "chat.js": JS,
        "arena.html": HTML,
        "arena.js": JS,
        "motion.js": JS,
    };
    let mut pages = Pages::from(files);
    if let Some(&index) = pages.get("/index.html") {
        pages.insert("/", index);
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/web");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| format!("/{}", entry.file_name().into_string().unwrap()))
            .filter(|name| name != "/package.json")
            .collect();
        names.push("/".to_owned());
        names.sort();
        let pages = pages();
        assert_eq!(names, pages.keys().copied().collect::<Vec<_>>());
        assert_eq!(pages["/"], pages["/index.html"]);
    }
}
