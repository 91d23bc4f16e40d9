//! Stored states as files, so that later builds prove that they still read them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use grandstand_types::id::PlayerId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::replicas::Replicas;
use super::room::{BEGIN_MS, TestRoom};
use super::test_bot::TestBot;
use crate::game::Game;
use crate::host::erased::GameKind;

/// A room as a file: the state of its game, and what is around it.
#[derive(Debug, Serialize, Deserialize)]
struct Fixture {
    /// The version of the game.
    version: u32,
    /// The game's state, as it is stored.
    state: Box<RawValue>,
    /// The players who have not left, and whether they are connected.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    players: BTreeMap<PlayerId, bool>,
    /// The timers, each with the milliseconds that are left.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    timers: BTreeMap<String, u64>,
    /// The bots, each with the milliseconds for which it thinks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    bots: BTreeMap<PlayerId, u64>,
}

impl<G: Game> TestRoom<G> {
    /// A room that begins with a state of a version of the game, which is [migrated](Game::migrate) if it is an earlier
    /// one. It has neither players, timers nor bots.
    ///
    /// # Panics
    /// If the state cannot be loaded, or a check fails.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a test writes the state in the call"
    )]
    pub fn from_state(version: u32, state: serde_json::Value) -> Self {
        let read = serde_json::value::to_raw_value(&state).map_err(|error| error.to_string());
        let loaded = read.and_then(|state| {
            Self::try_load(&Fixture {
                version,
                state,
                players: BTreeMap::new(),
                timers: BTreeMap::new(),
                bots: BTreeMap::new(),
            })
        });
        match loaded {
            Ok(room) => room,
            Err(why) => panic!("{why}"),
        }
    }

    /// The room that [`save`](Self::save) wrote, with its players, timers and bots. A file needs only the members `version` and
    /// `state`.
    ///
    /// # Panics
    /// If the file cannot be read, the state cannot be loaded, or a check fails.
    #[track_caller]
    pub fn load(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        match read(path).and_then(|fixture| Self::try_load(&fixture)) {
            Ok(room) => room,
            Err(why) => panic!("{}: {why}", path.display()),
        }
    }

    /// Writes the room to a file, for [`loads_all`] and [`load`](Self::load) of later builds. Folders are made.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[track_caller]
    pub fn save(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        if let Err(why) = self.try_save(path) {
            panic!("{}: {why}", path.display());
        }
    }

    fn try_save(&self, path: &Path) -> Result<(), String> {
        let left = |due_ms: u64| due_ms.saturating_sub(self.now_ms());
        let timers = self.timers();
        let players = self.players();
        let bots = self.bots.iter();
        let fixture = Fixture {
            version: G::VERSION,
            state: self.stored_state().map_err(|f| f.to_string())?,
            players: players.map(|(id, is_here)| (id.clone(), is_here)).collect(),
            timers: timers
                .map(|(name, due_ms)| (name.to_owned(), left(due_ms)))
                .collect(),
            bots: bots.map(|(id, bot)| (id.clone(), bot.think_ms)).collect(),
        };
        let text = serde_json::to_string_pretty(&fixture).map_err(|error| error.to_string())?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        fs::write(path, text + "\n").map_err(|error| error.to_string())
    }

    fn try_load(fixture: &Fixture) -> Result<Self, String> {
        let timers = fixture.timers.iter();
        let timers: Vec<_> = timers
            .map(|(name, left_ms)| (name.clone(), BEGIN_MS.saturating_add(*left_ms)))
            .collect();
        let kind = GameKind::of::<G>();
        let loaded = Replicas::load(kind, fixture.version, &fixture.state, &timers, BEGIN_MS);
        let replicas = loaded.map_err(|failure| failure.to_string())?;
        let mut room = Self::begin(replicas, fixture.players.clone());
        let bots = fixture.bots.iter();
        room.bots = bots
            .map(|(id, ms)| (id.clone(), TestBot::new(*ms)))
            .collect();
        room.ask_bots().map_err(|failure| failure.to_string())?;
        Ok(room)
    }
}

/// Loads all files of a folder whose names end with `.json`, as [`TestRoom::save`] wrote them with this version of the
/// game or an earlier one. Each state must load or migrate, show the views of both lanes, and be the same after it was
/// stored and loaded once more.
///
/// # Panics
/// If the folder has no such file, or a file fails. The message names all files that fail, each with the reason.
#[track_caller]
pub fn loads_all<G: Game>(folder: impl AsRef<Path>) {
    let folder = folder.as_ref();
    let files = match files(folder) {
        Ok(files) => files,
        Err(error) => panic!("{}: {error}", folder.display()),
    };
    assert!(
        !files.is_empty(),
        "{} has no .json files; `TestRoom::save` writes one",
        folder.display()
    );
    let failures = files.iter().filter_map(|path| {
        let loaded = read(path).and_then(|fixture| TestRoom::<G>::try_load(&fixture));
        Some(format!("\n    {}: {}", path.display(), loaded.err()?))
    });
    let failures: Vec<_> = failures.collect();
    assert!(
        failures.is_empty(),
        "{} of {} stored states fail:{}",
        failures.len(),
        files.len(),
        failures.concat()
    );
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Fixture, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("is no stored state: {error}"))
}
