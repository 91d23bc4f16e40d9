//! The `rooms` claim of a token: roles in rooms.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use grandstand_types::id::RoomId;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::error::{AuthError, RuleError};
use crate::envelope::{Role, is_relayable};

/// Roles by room or prefix. Longer patterns come first, so that the first match is the most specific.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Rules(Arc<[Rule]>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Rule {
    text: Box<str>,
    prefix: bool,
    role: Granted,
    options: Option<Bytes>,
    params: Option<Bytes>,
}

/// The rights that a token grants in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomGrant {
    /// The highest role.
    pub role: Role,
    /// Options for the game: one JSON value as text.
    pub options: Option<Bytes>,
    /// The parameters with which the player creates the room, whatever the client sends: one JSON object as text.
    pub params: Option<Bytes>,
}

/// The role in a rule: that of a client, or of a back end that uses the HTTP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Granted {
    Spectator,
    Player,
    Service,
}

impl Granted {
    /// The role of a client; `None` for a service, which joins no room.
    fn of_client(self) -> Option<Role> {
        match self {
            Self::Spectator => Some(Role::Spectator),
            Self::Player => Some(Role::Player),
            Self::Service => None,
        }
    }
}

impl From<Role> for Granted {
    fn from(role: Role) -> Self {
        match role {
            Role::Spectator => Self::Spectator,
            Role::Player => Self::Player,
        }
    }
}

/// A rule in a token.
#[derive(Deserialize)]
struct RawRule {
    role: Granted,
    options: Option<Box<RawValue>>,
    params: Option<Box<RawValue>>,
}

impl Rules {
    pub(super) fn everything(role: Role) -> Self {
        Self(Arc::new([Rule {
            text: "".into(),
            prefix: true,
            role: role.into(),
            options: None,
            params: None,
        }]))
    }

    /// A token without `rooms` allows nothing.
    pub(super) fn parse(raw: Option<&RawValue>) -> Result<Self, AuthError> {
        let Some(raw) = raw else {
            return Ok(Self(Arc::default()));
        };
        let rooms: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(raw.get()).map_err(|_| AuthError::Claim {
                claim: "rooms",
                expected: "an object of room ids (or prefixes) to roles",
            })?;
        let rules = rooms.iter().map(|(pattern, value)| rule(pattern, value));
        let mut rules = rules.collect::<Result<Box<[_]>, _>>()?;
        // An exact id counts as longer than a prefix of the same letters.
        rules.sort_by_key(|rule| std::cmp::Reverse((rule.text.len(), !rule.prefix)));
        Ok(Self(rules.into()))
    }

    pub(super) fn find(&self, room: &RoomId) -> Option<RoomGrant> {
        let rule = self.of_room(room)?;
        Some(RoomGrant {
            role: rule.role.of_client()?,
            options: rule.options.clone(),
            params: rule.params.clone(),
        })
    }

    pub(super) fn serves(&self, room: &RoomId) -> bool {
        let rule = self.of_room(room);
        rule.is_some_and(|rule| rule.role == Granted::Service)
    }

    /// Whether the token is a service's in all rooms of a pattern.
    pub(super) fn serves_all(&self, pattern: &str) -> bool {
        let is_service = |rule: &Rule| rule.role == Granted::Service;
        let Some(prefix) = pattern.strip_suffix('*') else {
            let rule = self.0.iter().find(|rule| rule.has(pattern));
            return rule.is_some_and(is_service);
        };
        // The rules of some rooms of the pattern, and the most specific one of the others.
        let narrower = self.0.iter().filter(|rule| rule.text.starts_with(prefix));
        let wider = self
            .0
            .iter()
            .find(|rule| rule.prefix && prefix.starts_with(&*rule.text));
        wider.is_some_and(is_service) && narrower.into_iter().all(is_service)
    }

    /// Whether a rule makes the subject a service.
    pub(super) fn has_service(&self) -> bool {
        self.0.iter().any(|rule| rule.role == Granted::Service)
    }

    fn of_room(&self, room: &RoomId) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.has(room.as_str()))
    }
}

impl Rule {
    fn has(&self, room: &str) -> bool {
        if self.prefix {
            room.starts_with(&*self.text)
        } else {
            room == &*self.text
        }
    }
}

fn rule(pattern: &str, value: &RawValue) -> Result<Rule, AuthError> {
    check_pattern(pattern)?;
    let wrong = |why| AuthError::Rooms {
        pattern: pattern.to_owned(),
        why,
    };
    let RawRule {
        role,
        options,
        params,
    } = if value.get().starts_with('{') {
        serde_json::from_str(value.get()).map_err(|_| wrong(RuleError::Role))?
    } else {
        let role = serde_json::from_str(value.get()).map_err(|_| wrong(RuleError::Role))?;
        RawRule {
            role,
            options: None,
            params: None,
        }
    };
    if options.as_ref().is_some_and(|raw| !is_relayable(raw.get())) {
        return Err(wrong(RuleError::Options));
    }
    let is_object = |raw: &RawValue| raw.get().starts_with('{') && is_relayable(raw.get());
    if params.as_ref().is_some_and(|raw| !is_object(raw)) {
        return Err(wrong(RuleError::Params));
    }
    let text = |raw: Box<RawValue>| String::from(Box::<str>::from(raw)).into();
    Ok(Rule {
        text: pattern.strip_suffix('*').unwrap_or(pattern).into(),
        prefix: pattern.ends_with('*'),
        role,
        options: options.map(text),
        params: params.map(text),
    })
}

pub(super) fn check_pattern(pattern: &str) -> Result<(), AuthError> {
    let text = pattern.strip_suffix('*').unwrap_or(pattern);
    if pattern == "*" || text.parse::<RoomId>().is_ok() {
        return Ok(());
    }
    Err(AuthError::Rooms {
        pattern: pattern.to_owned(),
        why: RuleError::Pattern,
    })
}
