//! A program with the games on the pages of the documents, compiled from there.
//!
//! The pages docs/coming-from have the same game, so that the program has it once.

use std::process::ExitCode;

/// The game of docs/games/first-game.md, with its tests.
#[allow(dead_code, clippy::items_after_test_module)]
mod quiz {
    include!(concat!(env!("OUT_DIR"), "/quiz.rs"));
}

/// The game of docs/coming-from/socket-io.md.
#[allow(dead_code)]
mod socket_io {
    include!(concat!(env!("OUT_DIR"), "/socket_io.rs"));
}

/// The game of docs/coming-from/colyseus.md.
#[allow(dead_code)]
mod colyseus {
    include!(concat!(env!("OUT_DIR"), "/colyseus.rs"));
}

fn main() -> ExitCode {
    grandstand::main(|games| {
        quiz::add(games);
        socket_io::add(games);
    })
}

#[cfg(test)]
mod tests {
    /// Otherwise the program would lack one of them.
    #[test]
    fn the_pages_have_the_same_game() {
        assert_eq!(
            include_str!(concat!(env!("OUT_DIR"), "/socket_io.rs")),
            include_str!(concat!(env!("OUT_DIR"), "/colyseus.rs")),
        );
    }
}
