//! Makes modules from the games on pages of the documents, for the program `grandstand-docs`.

use std::path::Path;
use std::{env, fs};

/// The pages with a whole game, and the names of their modules.
const PAGES: [(&str, &str); 3] = [
    ("games/first-game.md", "quiz"),
    ("coming-from/socket-io.md", "socket_io"),
    ("coming-from/colyseus.md", "colyseus"),
];

fn main() {
    let docs = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../docs");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    for (page, name) in PAGES {
        let path = docs.join(page);
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path).expect("the page is there");
        fs::write(Path::new(&out).join(name).with_extension("rs"), game(&text))
            .expect("the folder of the build can be written");
    }
}

/// All code in Rust on a page, and a function that adds its game.
fn game(page: &str) -> String {
    let mut code = String::new();
    for block in page.split("\n```rust").skip(1) {
        let (_, block) = block.split_once('\n').expect("a fence ends its line");
        code += block.split("```").next().unwrap_or_default();
    }
    let (_, added) = code.split_once("games.add::<").expect("a game is added");
    let (game, _) = added.split_once('>').expect("a type ends");
    let add = format!("pub(crate) fn add(games: &mut Games) {{ games.add::<{game}>(); }}\n");
    code + &add
}
