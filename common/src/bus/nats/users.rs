//! The users of NATS that a cluster needs, as a part of the configuration of nats-server.

use std::fmt::Write as _;

use crate::bus::nats::names::Names;
use crate::bus::nats::needed::{self, Need};
use crate::bus::nats::trial::Direction;
use crate::bus::options::BusOptions;
use crate::bus::types::BusRole;

/// The column of the comments.
const COLUMN: usize = 58;

/// The roles, and the programs that have them.
const ROLES: [(BusRole, &str); 7] = [
    (BusRole::Edge, "grandstand edge"),
    (BusRole::Worker, "grandstand worker"),
    (BusRole::Archive, "grandstand archive"),
    (BusRole::Outlet, "grandstand outlet"),
    (BusRole::Tool, "grandstand replay, which only reads"),
    (BusRole::Operator, "grandstand rooms"),
    (BusRole::Repartition, "grandstand cluster repartition"),
];

/// The block `authorization` for a cluster of this name, with one user for each role. Passwords are variables of the
/// server's environment.
pub fn authorization(cluster: &str) -> String {
    let names = Names::new(&BusOptions {
        cluster: cluster.to_owned(),
        ..BusOptions::default()
    });
    let mut text = "authorization {\n  users: [\n".to_owned();
    for (role, program) in ROLES {
        let needs = needed::all(&names, role);
        let needs_for = |direction| {
            needs
                .iter()
                .filter(move |need: &&Need| need.direction() == direction)
        };
        let password = format!("$GRANDSTAND_{}_PASSWORD", role.to_string().to_uppercase());
        let _ = writeln!(text, "    {{\n      # {program}");
        let _ = writeln!(text, "      user: {role}, password: {password}");
        text.push_str("      permissions: {\n");
        list(&mut text, "publish", needs_for(Direction::Publish));
        list(&mut text, "subscribe", needs_for(Direction::Subscribe));
        text.push_str("      }\n    }\n");
    }
    text.push_str("  ]\n}\n");
    text
}

fn list<'a>(text: &mut String, direction: &str, needs: impl Iterator<Item = &'a Need>) {
    let _ = writeln!(text, "        {direction}: [");
    for need in needs {
        let line = format!("          \"{}\"", need.permission());
        let _ = writeln!(text, "{line:COLUMN$} # {}", need.why);
    }
    text.push_str("        ]\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_nats_has_these_users() {
        let conf = include_str!("../../../../config/nats.conf");
        assert!(conf.contains(&authorization("")), "{}", authorization(""));
    }

    #[test]
    fn the_name_of_the_cluster_is_in_its_permissions() {
        let text = authorization("eu-1");
        for permission in [
            "\"eu-1.in.*.*\"",
            "\"_INBOX.eu-1.edge.>\"",
            "\"$JS.API.CONSUMER.CREATE.KV_eu-1_leases.>\"",
        ] {
            assert!(text.contains(permission), "{text}");
        }
    }
}
