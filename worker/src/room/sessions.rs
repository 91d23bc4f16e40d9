//! Handling of entries by session: chains, repeats, gaps and presence (D1, D2, D4, D6).

use grandstand_common::data::Data;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, PlayerId};
use grandstand_common::wire::{self, Body, ItemKind};
use grandstand_game::host::Panicked;
use grandstand_game::{Event, Leave, Reject};

use super::emit::{Emit, Welcome};
use super::logged::Logged;
use super::machine::Room;
use super::players::{Player, Presence};
use super::sender::Sender;

impl Room {
    /// Handles the next entry of the log. After a panic the room must not be used again.
    pub(crate) fn handle(
        &mut self,
        logged: &Logged,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        self.last = logged.seq;
        self.handle_entry(logged, emits)?;
        self.send_invitations(emits);
        self.change_seats(emits);
        self.game.set_idle(self.connected_players() == 0)
    }

    fn handle_entry(&mut self, logged: &Logged, emits: &mut Vec<Emit>) -> Result<(), Panicked> {
        let entry = &logged.entry;
        match &entry.body {
            Some(Body::Timer(timer)) => return self.on_timer(logged.time_ms, timer, emits),
            Some(Body::Kick(kick)) => return self.on_kick(logged.time_ms, kick, emits),
            Some(Body::Message(message)) => {
                return self.on_message(logged.time_ms, message, emits);
            }
            Some(Body::Answer(answer)) => return self.on_answer(logged.time_ms, answer, emits),
            Some(Body::Close(_)) => {
                self.on_close(logged.time_ms);
                return Ok(());
            }
            Some(Body::Began(began)) => {
                self.on_began(began);
                return Ok(());
            }
            Some(Body::Commit(commit)) => return self.on_commit(logged.time_ms, commit, emits),
            Some(Body::BotInput(input)) => return self.on_bot_input(logged.time_ms, input, emits),
            _ => {}
        }
        let Some(sender) = Sender::from_entry(entry) else {
            return Ok(());
        };
        let before = self.connected_on(&sender.player);
        match &entry.body {
            Some(Body::EdgeLost(_)) => self.on_edge_lost(logged.time_ms, &sender, emits),
            Some(Body::Joined(joined)) => self.on_joined(logged.time_ms, &sender, joined, emits),
            _ => self.on_chained(logged, &sender, emits),
        }?;
        let now = self.connected_on(&sender.player);
        if now.is_some() {
            self.state.bots.remove(&sender.player);
        }
        self.connected.count(before, now);
        Ok(())
    }

    pub(super) fn connected_on(&self, player: &PlayerId) -> Option<EdgeId> {
        let player = self.state.players.get(player)?;
        (player.presence == Presence::Connected).then(|| player.edge.clone())
    }

    fn on_edge_lost(
        &mut self,
        time_ms: u64,
        sender: &Sender,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        let Some(player) = self.state.players.get_mut(&sender.player) else {
            return Ok(());
        };
        if player.session != sender.session || player.presence != Presence::Connected {
            return Ok(());
        }
        player.presence = Presence::Lost;
        let report = player.processed();
        let id = &sender.player;
        self.apply(time_ms, Event::Lost { player: id }, None, emits)?;
        let edge = sender.edge.clone();
        emits.push(Emit::ToEdge(edge, ItemKind::Processed(report)));
        emits.push(Emit::Presence);
        Ok(())
    }

    fn on_joined(
        &mut self,
        time_ms: u64,
        sender: &Sender,
        joined: &wire::Joined,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        let known = self.state.players.get(&sender.player);
        if let Some(player) = known {
            if player.session == sender.session {
                return self.on_repeat(sender, None, emits);
            }
            let same_page = !joined.client.is_empty() && joined.client == player.client;
            if player.sessions.contains(&sender.session)
                || (same_page && joined.attempt < player.attempt)
            {
                emits.push(sender.gone(ErrorKind::Replaced.code()));
                return Ok(());
            }
        }
        let mut refused = self.state.refused.iter();
        if let Some(refused) = refused.find(|r| r.session == sender.session) {
            emits.push(sender.refused(&refused.code, &refused.message));
            return Ok(());
        }
        let before = known.map(|p| (p.presence, p.ended, p.session, p.edge.clone()));
        let mut direct = None;
        match before {
            Some((Presence::Connected | Presence::Lost, ended, session, edge)) => {
                let returned = known.is_some_and(|p| p.presence == Presence::Lost);
                self.begin(sender, &joined.client);
                if !ended {
                    let gone = wire::Gone {
                        session: session.0,
                        code: ErrorKind::Replaced.code().to_owned(),
                        ..wire::Gone::default()
                    };
                    emits.push(Emit::ToEdge(edge, ItemKind::Gone(gone)));
                }
                if returned {
                    let id = &sender.player;
                    let kind = Event::Returned { player: id };
                    direct = self.apply(time_ms, kind, Some(id), emits)?.direct;
                }
            }
            Some((Presence::Left, ..)) | None => {
                let id = &sender.player;
                if !self.state.make_room(id, &sender.edge, &joined.client) {
                    let message = "the room has no space for another player";
                    let reject = Reject::new(ErrorKind::RoomFull.code(), message);
                    self.state.remember_refused(sender.session, &reject);
                    emits.push(sender.refused(&reject.code, &reject.message));
                    return Ok(());
                }
                let options = serde_json::from_slice(&joined.options).unwrap_or_default();
                let kind = Event::Joined {
                    player: id,
                    options: &options,
                };
                let applied = self.apply(time_ms, kind, Some(id), emits)?;
                if let Some(reject) = applied.reject {
                    self.state.remember_refused(sender.session, &reject);
                    emits.push(sender.refused(&reject.code, &reject.message));
                    return Ok(());
                }
                direct = applied.direct;
                self.begin(sender, &joined.client);
            }
        }
        if let Some(player) = self.state.players.get_mut(&sender.player) {
            player.client.clone_from(&joined.client);
            player.attempt = joined.attempt;
        }
        self.push_welcome(sender, direct, emits)
    }

    /// Handles an entry of a session's chain other than its first.
    fn on_chained(
        &mut self,
        logged: &Logged,
        sender: &Sender,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        let entry = &logged.entry;
        let known = self.state.players.get_mut(&sender.player);
        let Some(player) = known.filter(|p| p.session == sender.session) else {
            let code = if self.was_replaced(sender.session) {
                ErrorKind::Replaced
            } else {
                ErrorKind::NotJoined
            };
            emits.push(sender.gone(code.code()));
            return Ok(());
        };
        if player.ended || entry.n <= player.n {
            return self.on_repeat(sender, entry.body.as_ref(), emits);
        }
        if entry.n > player.n + 1 {
            if player.gap_round != Some(entry.round) {
                player.gap_round = Some(entry.round);
                let report = wire::Processed {
                    gap: Some(entry.round),
                    ..player.processed()
                };
                emits.push(Emit::ToEdge(
                    sender.edge.clone(),
                    ItemKind::Processed(report),
                ));
            }
            return Ok(());
        }
        player.n = entry.n;
        let id = &sender.player;
        let was = player.presence;
        match &entry.body {
            Some(Body::Left(_)) => {
                player.presence = Presence::Left;
                player.ended = true;
                player.left_at = self.game.state().events;
                self.state.bots.remove(id);
                self.state.reject_bytes -= player.drop_texts();
                self.apply(
                    logged.time_ms,
                    Event::Left {
                        player: id,
                        how: Leave::Left,
                    },
                    None,
                    emits,
                )?;
                emits.push(Emit::Presence);
            }
            Some(Body::Lost(_)) => {
                player.presence = Presence::Lost;
                player.ended = true;
                if was == Presence::Connected {
                    self.apply(logged.time_ms, Event::Lost { player: id }, None, emits)?;
                    emits.push(Emit::Presence);
                }
            }
            body => {
                let mut direct = None;
                if was == Presence::Lost {
                    player.presence = Presence::Connected;
                    let kind = Event::Returned { player: id };
                    direct = self.apply(logged.time_ms, kind, Some(id), emits)?.direct;
                }
                if let Some(Body::Input(input)) = body {
                    self.on_input(logged.time_ms, sender, input, emits)?;
                }
                if was == Presence::Lost {
                    return self.push_welcome(sender, direct, emits);
                }
            }
        }
        self.report(sender, emits);
        if let Some(Body::Left(_)) = &entry.body {
            self.state.forget_left();
        }
        Ok(())
    }

    fn on_input(
        &mut self,
        time_ms: u64,
        sender: &Sender,
        input: &wire::Input,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        let Some(player) = self.state.players.get_mut(&sender.player) else {
            return Ok(());
        };
        if input.seq != 0 && input.seq <= player.last_seq {
            push_kept(player, input.seq, &sender.edge, emits);
            return Ok(());
        }
        if input.seq != player.last_seq + 1 {
            // The entry counts as processed because the chain would block otherwise. The input was not applied, so the
            // client can use its seq again.
            let message = format!("the next seq is {}", player.last_seq + 1);
            let reject = wire::Rejected {
                session: sender.session.0,
                seq: input.seq,
                code: ErrorKind::BadSeq.code().to_owned(),
                message,
            };
            emits.push(Emit::ToEdge(
                sender.edge.clone(),
                ItemKind::Rejected(reject),
            ));
            return Ok(());
        }
        self.state.reject_bytes -= player.advance(input.seq);
        let reject = if !input.refused.is_empty() {
            Some(Reject::new(
                input.refused.clone(),
                "the edge refused the input",
            ))
        } else if self.game.state().finished {
            Some(Reject::new(ErrorKind::Finished.code(), "the room is over"))
        } else {
            let none = Data::Json(bytes::Bytes::from_static(b"null"));
            let kind = Event::Input {
                player: &sender.player,
                input: input.data.as_ref().unwrap_or(&none),
            };
            self.apply(time_ms, kind, None, emits)?.reject
        };
        if let Some(reject) = reject {
            self.state.keep_reject(&sender.player, &reject, self.last);
            let rejected = wire::Rejected {
                session: sender.session.0,
                seq: input.seq,
                code: reject.code.into_owned(),
                message: reject.message,
            };
            emits.push(Emit::ToEdge(
                sender.edge.clone(),
                ItemKind::Rejected(rejected),
            ));
        }
        Ok(())
    }

    fn begin(&mut self, sender: &Sender, client: &str) {
        let session = sender.session;
        let edge = sender.edge.clone();
        let fits = self.state.make_room(&sender.player, &edge, client);
        match self.state.players.get_mut(&sender.player) {
            Some(player) => {
                player.begin(session, edge);
                if !fits {
                    player.sessions.clear();
                }
            }
            None => {
                let player = Player::new(session, edge);
                self.state.players.insert(sender.player.clone(), player);
            }
        }
    }

    /// Repeats the answer to an entry that was processed before.
    fn on_repeat(
        &mut self,
        sender: &Sender,
        body: Option<&Body>,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        match (self.state.players.get(&sender.player), body) {
            (Some(player), Some(Body::Input(input))) => {
                push_kept(player, input.seq, &sender.edge, emits);
            }
            (Some(player), None) if !player.ended => return self.push_welcome(sender, None, emits),
            _ => {}
        }
        self.report(sender, emits);
        Ok(())
    }

    fn report(&self, sender: &Sender, emits: &mut Vec<Emit>) {
        let Some(player) = self.state.players.get(&sender.player) else {
            return;
        };
        emits.push(match player.kicked() {
            Some(code) => sender.gone(code),
            None => Emit::ToEdge(sender.edge.clone(), ItemKind::Processed(player.processed())),
        });
    }

    fn push_welcome(
        &self,
        sender: &Sender,
        direct: Option<Data>,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        if let Some(player) = self.state.players.get(&sender.player) {
            let private = self.game.private(&sender.player)?;
            emits.push(Emit::Joined(Box::new(Welcome::new(
                player,
                private.or(direct),
            ))));
            emits.push(Emit::Presence);
        }
        Ok(())
    }
}

fn push_kept(player: &Player, seq: u64, edge: &EdgeId, emits: &mut Vec<Emit>) {
    if let Some(rejected) = player.rejected(seq) {
        emits.push(Emit::ToEdge(edge.clone(), ItemKind::Rejected(rejected)));
    }
}
