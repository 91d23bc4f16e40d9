//! The versions of games that the partition's lease says its rooms need (D34).

use grandstand_common::record::{GameVersions, raise};

use super::tenure::Tenure;
use crate::command::Command;
use crate::context::Context;

/// The versions that the lease of a partition says its rooms need.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// The versions that the stored lease names.
    stored: GameVersions,
    /// The versions that the lease is to name.
    wanted: GameVersions,
}

impl Needs {
    /// Whether a state of this version of a game may be stored: the lease needs no less. It says nothing about first
    /// versions.
    pub(super) fn allows(&self, game: &str, version: u32) -> bool {
        version <= 1 || self.stored.get(game).is_some_and(|known| version <= *known)
    }

    /// Makes the lease need a version of a game, unless it is to already. Returns whether that is new.
    pub(super) fn raise(
        &mut self,
        cx: &mut Context,
        tenure: Tenure,
        game: &str,
        version: u32,
    ) -> bool {
        let known = self.wanted.get(game).or_else(|| self.stored.get(game));
        if known.is_some_and(|known| version <= *known) {
            return false;
        }
        self.wanted.insert(game.to_owned(), version);
        cx.commands.push_back(Command::RaiseNeeds {
            partition: tenure.id,
            epoch: tenure.epoch,
            needs: self.wanted.clone(),
        });
        true
    }

    /// Notes what the stored lease says.
    pub(super) fn on_stored(&mut self, needs: &GameVersions) {
        raise(&mut self.stored, needs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_versions_need_nothing() {
        let mut needs = Needs::default();
        assert!(needs.allows("memory", 1));
        assert!(!needs.allows("memory", 2));
        needs.on_stored(&GameVersions::from([("memory".to_owned(), 2)]));
        assert!(needs.allows("memory", 2));
        assert!(!needs.allows("memory", 3));
        assert!(!needs.allows("relay", 2));
    }
}
