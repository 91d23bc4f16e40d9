//! Results are stored once, whatever else is in the stream.

use grandstand_common::bus::{OutItem, OutPosition};
use grandstand_common::leaderboard::{LeaderboardAnswer, LeaderboardErrorCode, LeaderboardRequest};
use serde_json::{Value, json};

use super::for_both;
use super::rig::{Place, Running, bus, emit, emit_body, one, page, ranks, request, until};
use crate::archive::batch::{Batch, StoreError, Stored};
use crate::archive::metrics::Outcome;
use crate::archive::result::Item;
use crate::archive::schema::{MIGRATIONS, Migration};
use crate::archive::store::Database;

for_both!(
    a_result_is_on_the_leaderboard_soon_after_it_was_emitted,
    a_restart_neither_loses_nor_doubles_results,
    a_result_that_comes_again_counts_once,
    garbage_is_kept_and_blocks_nothing,
    an_older_schema_is_migrated_and_a_newer_one_is_an_error,
);

async fn a_result_is_on_the_leaderboard_soon_after_it_was_emitted(place: Place) {
    let bus = bus();
    let running = Running::start(&bus, place.open());
    let data = json!({"players": [
        {"player": "alice", "score": 12, "place": 1, "won": true},
        {"player": "bob", "score": 8, "place": 2},
    ], "season": "autumn"});
    emit(&bus, "a.1", data).await;
    until("a result is stored", || running.count(Outcome::Stored) == 1).await;
    assert!(running.status.is_ready());
    let mut asked = request("memory");
    let expected = [(1, "alice", 12), (2, "bob", 8)];
    assert_eq!(ranks(&page(&place.open(), &asked).await), expected);
    asked.season = Some("autumn".parse().unwrap());
    let answer = asked
        .ask(&bus, std::time::Duration::from_secs(10))
        .await
        .unwrap();
    let LeaderboardAnswer::Page(answer) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(
        (ranks(&answer).as_slice(), answer.players),
        (&expected[..], 2)
    );
    assert_eq!((answer.rows[0].games, answer.rows[0].wins), (1, 1));
    asked.season = Some("winter".parse().unwrap());
    assert_eq!(page(&place.open(), &asked).await.players, 0);
    asked.around = Some("alice".parse().unwrap());
    let code = async |request: &LeaderboardRequest| match request
        .ask(&bus, std::time::Duration::from_secs(10))
        .await
        .unwrap()
    {
        LeaderboardAnswer::Error(error) => error.code,
        LeaderboardAnswer::Page(page) => panic!("{page:?}"),
    };
    assert_eq!(code(&asked).await, LeaderboardErrorCode::NoSuchPlayer);
    asked.limit = 0;
    assert_eq!(code(&asked).await, LeaderboardErrorCode::BadRequest);
    running.end().await;
    assert_eq!(place.number("SELECT count(*) FROM results").await, 1);
    assert_eq!(place.number("SELECT count(*) FROM result_players").await, 2);
}

async fn a_restart_neither_loses_nor_doubles_results(place: Place) {
    let bus = bus();
    let mut sent = 0;
    for round in 0..3 {
        emit(&bus, &format!("before.{round}"), one("alice", 1)).await;
        sent += 1;
        let running = Running::start(&bus, place.open());
        until("what was there is stored", || {
            running.count(Outcome::Stored) > 0
        })
        .await;
        for no in 0..20 {
            emit(&bus, &format!("during-{round}.{no}"), one("alice", 1)).await;
            sent += 1;
        }
        // Some of them are under way.
        running.end().await;
    }
    let running = Running::start(&bus, place.open());
    emit(&bus, "last.1", one("zoe", 1)).await;
    until("everything is stored", || {
        running.metrics.lag.get() == 0 && running.count(Outcome::Stored) > 0
    })
    .await;
    let stored = async || place.number("SELECT count(*) FROM results").await;
    while stored().await < sent + 1 {
        tokio::task::yield_now().await;
    }
    running.end().await;
    assert_eq!(stored().await, sent + 1);
    let page = page(&place.open(), &request("memory")).await;
    let alice = page
        .rows
        .iter()
        .find(|row| row.player.as_str() == "alice")
        .unwrap();
    assert_eq!(alice.games as i64, sent);
}

/// A message of the stream.
fn item(seq: u64, id: &str, data: &Value) -> Item {
    let body = json!({
        "id": id, "room": "memory-1", "game": "memory", "topic": "results", "at_ms": 5, "data": data,
    });
    Item::from(OutItem {
        seq,
        time_ms: 5,
        topic: "results".parse().unwrap(),
        id: id.to_owned(),
        body: body.to_string().into(),
    })
}

/// A batch that moves the place in the stream from one sequence to another.
fn batch(before: u64, after: u64, items: Vec<Item>) -> Batch {
    let at = |seq| OutPosition { created_ms: 9, seq };
    Batch {
        before: (before > 0).then(|| at(before)),
        after: at(after),
        items,
    }
}

async fn a_result_that_comes_again_counts_once(place: Place) {
    let database = place.open();
    let mut store = database.store().await.unwrap();
    assert_eq!(store.position().await.unwrap(), None);
    let first = vec![
        item(1, "a.1", &one("alice", 3)),
        item(2, "a.1", &one("alice", 3)),
    ];
    let stored = store.store(&batch(0, 2, first)).await.unwrap();
    let expected = Stored {
        results: 1,
        repeated: 1,
        refused: 0,
    };
    assert_eq!(stored, expected);
    let again = vec![
        item(3, "a.1", &one("alice", 3)),
        item(4, "a.2", &one("alice", 5)),
    ];
    let stored = store.store(&batch(2, 4, again)).await.unwrap();
    assert_eq!((stored.results, stored.repeated), (1, 1));
    let at = store.position().await.unwrap().unwrap();
    assert_eq!((at.created_ms, at.seq), (9, 4));
    // Another process that has not seen the last batch stores nothing.
    let late = batch(2, 5, vec![item(5, "a.3", &one("alice", 9))]);
    assert_eq!(store.store(&late).await, Err(StoreError::Moved));
    let page = page(&database, &request("memory")).await;
    assert_eq!(ranks(&page), [(1, "alice", 5)]);
    assert_eq!(page.rows[0].games, 2);
}

async fn garbage_is_kept_and_blocks_nothing(place: Place) {
    let bus = bus();
    let running = Running::start(&bus, place.open());
    let mut refused = 0;
    for (no, body) in [
        &b"\xff\xfe\x00"[..],
        b"",
        b"null",
        b"{\"id\":\"g.3\"",
        br#"{"id":"other","room":"memory-1","game":"memory","topic":"results","at_ms":5,"data":{}}"#,
    ]
    .into_iter()
    .enumerate()
    {
        emit_body(&bus, &format!("g.{no}"), body.into()).await;
        emit(&bus, &format!("r.{no}"), one("alice\\N \"ö", 1)).await;
        refused += 1;
    }
    for (no, data) in [
        json!({"players": [{"player": "a", "score": 1e300}]}),
        json!({"players": [{"player": "a\u{0}", "score": 1}]}),
        json!({"players": [{"player": "a", "score": 1}], "more": "\u{0}"}),
        json!([]),
    ]
    .into_iter()
    .enumerate()
    {
        emit(&bus, &format!("h.{no}"), data).await;
        refused += 1;
    }
    emit(&bus, "last.1", json!({"players": [{"player": "bob", "score": 2}], "note": "a\\b\n\t\u{e9}\u{1f600}", "big": 1e300})).await;
    until("everything is taken", || {
        running.count(Outcome::Stored) == 6 && running.count(Outcome::Refused) == refused
    })
    .await;
    running.end().await;
    let kept = place
        .number("SELECT count(*) FROM refused_results WHERE length(reason) > 0")
        .await;
    assert_eq!(kept as u64, refused);
    assert_eq!(
        place
            .number("SELECT count(*) FROM refused_results WHERE id = 'g.0' AND length(body) = 3")
            .await,
        1
    );
    let page = page(&place.open(), &request("memory")).await;
    assert_eq!(ranks(&page), [(1, "bob", 2), (2, "alice\\N \"ö", 1)]);
}

/// A later program, with one more migration.
const LATER: &[Migration] = &[
    MIGRATIONS[0],
    Migration {
        postgres: "ALTER TABLE results ADD COLUMN later bigint NOT NULL DEFAULT 7",
        sqlite: "ALTER TABLE results ADD COLUMN later INTEGER NOT NULL DEFAULT 7",
    },
];

async fn an_older_schema_is_migrated_and_a_newer_one_is_an_error(place: Place) {
    let newer = |error: StoreError| matches!(error, StoreError::Newer { found: 2, known: 1 });
    let older = place.open();
    let mut store = older.store().await.unwrap();
    let first = batch(0, 1, vec![item(1, "a.1", &one("alice", 3))]);
    store.store(&first).await.unwrap();
    let later = place.open_with(LATER).unwrap();
    drop(later.store().await.unwrap());
    assert_eq!(place.number("SELECT later FROM results").await, 7);
    // The earlier program runs on and does not write to tables that it does not know.
    let second = batch(1, 2, vec![item(2, "a.2", &one("alice", 4))]);
    assert!(newer(store.store(&second).await.unwrap_err()));
    assert_eq!(place.number("SELECT count(*) FROM results").await, 1);
    drop(store);
    match place {
        Place::Postgres(_) => {
            assert!(newer(place.open().store().await.unwrap_err()));
            let bus = bus();
            let failed = Running::start(&bus, place.open()).failed().await;
            assert!(failed.to_string().contains("have version 2"), "{failed}");
        }
        Place::Sqlite(_) => assert!(newer(place.open_with(MIGRATIONS).unwrap_err())),
    }
    drop(later);
}

#[tokio::test]
async fn a_value_that_postgres_cannot_store_is_refused_alone() {
    let place = Place::postgres().await;
    let database = place.open();
    let Database::Postgres(_) = &database else {
        panic!("{database:?}");
    };
    let mut items: Vec<_> = (1..=9)
        .map(|seq| item(seq, &format!("a.{seq}"), &one("alice", seq as i64)))
        .collect();
    // No check of the archive knows it.
    items[4].result.as_mut().unwrap().data = r#""\u0000""#.to_owned();
    let bus = bus();
    let stored = super::rig::store_alone(&bus, &database, batch(0, 9, items)).await;
    let expected = Stored {
        results: 8,
        repeated: 0,
        refused: 1,
    };
    assert_eq!(stored, Ok(expected));
    assert_eq!(place.number("SELECT seq FROM refused_results").await, 5);
    assert_eq!(place.number("SELECT seq FROM positions").await, 9);
}
