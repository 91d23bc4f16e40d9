//! The game of the scenario: a board of cells, each with an owner and a value.

use std::collections::BTreeMap;

use grandstand_game::{
    Auto, Effects, Game, Lane, PlayerId, Reject, Setup, Verdict, View, ViewUpdate, ensure,
};
use serde::{Deserialize, Serialize};

/// A board whose views are sent by updates of type `U`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) struct Board<U> {
    cells: BTreeMap<String, Cell>,
    moves: u64,
    #[serde(skip)]
    updates: std::marker::PhantomData<fn(U)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Cell {
    owner: String,
    value: u64,
}

/// The parameters: the number of cells.
#[derive(Debug, Deserialize)]
pub(super) struct Params {
    cells: usize,
}

/// An input: sets the value of a cell.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Move {
    pub(super) cell: String,
    pub(super) value: u64,
}

/// An update that the game makes.
#[derive(Debug, Serialize)]
pub(super) struct Moved {
    cell: String,
    owner: String,
    value: u64,
    moves: u64,
}

/// A type of updates, and how a move becomes one.
pub(super) trait Told: ViewUpdate + Sized + 'static {
    /// The name of the game.
    const NAME: &'static str;
    /// Sends the update of a move.
    fn tell(fx: &mut Effects<Self>, moved: impl FnOnce() -> Moved);
}

impl Told for Auto {
    const NAME: &'static str = "boardauto";
    fn tell(_: &mut Effects<Self>, _: impl FnOnce() -> Moved) {}
}

impl Told for Moved {
    const NAME: &'static str = "boardown";
    fn tell(fx: &mut Effects<Self>, moved: impl FnOnce() -> Moved) {
        fx.update(moved());
    }
}

/// The name of a cell.
pub(super) fn cell_name(cell: usize) -> String {
    format!("c{cell}")
}

impl<U: Told> Game for Board<U> {
    const NAME: &'static str = U::NAME;
    type Params = Params;
    type Input = Move;
    type Update = U;

    fn create(params: Params, _: &mut Setup<'_>) -> Result<Self, Reject> {
        let cell = Cell {
            owner: "nobody".to_owned(),
            value: 0,
        };
        let cells = (0..params.cells).map(|at| (cell_name(at), cell.clone()));
        Ok(Self {
            cells: cells.collect(),
            moves: 0,
            updates: std::marker::PhantomData,
        })
    }

    fn view(&self, _: Lane) -> View {
        View::of(self)
    }

    fn input(&mut self, player: &PlayerId, moved: Move, fx: &mut Effects<U>) -> Verdict {
        let cell = self.cells.get_mut(&moved.cell);
        ensure!(
            cell.is_some(),
            "no_such_cell",
            "there is no cell {}",
            moved.cell
        );
        self.moves += 1;
        if let Some(cell) = cell {
            cell.owner = player.to_string();
            cell.value = moved.value;
        }
        let moves = self.moves;
        U::tell(fx, || Moved {
            cell: moved.cell,
            owner: player.to_string(),
            value: moved.value,
            moves,
        });
        Ok(())
    }
}
