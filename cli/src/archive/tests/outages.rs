//! PostgreSQL that goes away, comes back, or refuses.

use std::time::Duration;

use grandstand_common::leaderboard::LeaderboardErrorCode;
use tokio::time::sleep;

use super::rig::{Place, Running, bus, emit, one, page, request, until};
use crate::archive::leaderboards::Leaderboards;
use crate::archive::metrics::Outcome;

async fn stored(place: &Place) -> i64 {
    place.number("SELECT count(*) FROM results").await
}

#[tokio::test]
async fn results_wait_while_the_database_restarts() {
    let mut place = Place::postgres().await;
    let bus = bus();
    let database = place.open();
    let running = Running::start(&bus, database.clone());
    let mut leaderboards = Leaderboards::new(database.clone());
    emit(&bus, "first.1", one("alice", 1)).await;
    until("a result is stored", || running.count(Outcome::Stored) == 1).await;
    leaderboards.page(&request("memory")).await.unwrap();
    for round in 0..3 {
        let emitting = async {
            for no in 0..200 {
                emit(&bus, &format!("r{round}.{no}"), one("alice", 1)).await;
                sleep(Duration::from_millis(2)).await;
            }
        };
        let stopping = async {
            sleep(Duration::from_millis(50)).await;
            place.server().stop().await;
            until("it is known", || running.metrics.database_up.get() == 0).await;
        };
        tokio::join!(emitting, stopping);
        assert!(!running.status.is_ready());
        let error = leaderboards.page(&request("memory")).await.unwrap_err();
        assert_eq!(error.code, LeaderboardErrorCode::Unavailable);
        until("the lag is known", || running.metrics.lag.get() > 0).await;
        place.server().restart().await;
        until("it is up", || running.metrics.database_up.get() == 1).await;
        until("everything is stored", || running.metrics.lag.get() == 0).await;
        // The connection of the questions was closed too.
        leaderboards.page(&request("memory")).await.unwrap();
    }
    running.end().await;
    assert_eq!(stored(&place).await, 601);
    let page = page(&database, &request("memory")).await;
    assert_eq!(page.rows[0].games, 601);
}

#[tokio::test]
async fn a_crash_of_the_database_neither_loses_nor_doubles() {
    let mut place = Place::postgres().await;
    let bus = bus();
    let running = Running::start(&bus, place.open());
    emit(&bus, "first.1", one("bob", 1)).await;
    until("a result is stored", || running.count(Outcome::Stored) == 1).await;
    for round in 0..2 {
        for no in 0..100 {
            emit(&bus, &format!("r{round}.{no}"), one("alice", 1)).await;
        }
        place.server().kill9();
        for no in 100..120 {
            emit(&bus, &format!("r{round}.{no}"), one("alice", 1)).await;
        }
        // Its children end a moment later, and hold the port and the files until then.
        let file = format!("/proc/{}", place.server().pid());
        until("it has ended", || !std::path::Path::new(&file).exists()).await;
        sleep(Duration::from_millis(500)).await;
        place.server().restart().await;
    }
    emit(&bus, "last.1", one("bob", 1)).await;
    let mut found = 0;
    for _ in 0..600 {
        found = stored(&place).await;
        if found == 242 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    running.end().await;
    assert_eq!(found, 242);
    let page = page(&place.open(), &request("memory")).await;
    assert_eq!(page.rows.iter().map(|row| row.games).sum::<u64>(), 242);
}

#[tokio::test]
async fn an_archive_waits_for_a_database_that_is_absent_at_its_start() {
    let mut place = Place::postgres().await;
    place.server().stop().await;
    let bus = bus();
    emit(&bus, "a.1", one("alice", 1)).await;
    let running = Running::start(&bus, place.open());
    until("it says so", || {
        running.status.to_string().contains("not ready")
    })
    .await;
    place.server().restart().await;
    until("a result is stored", || running.count(Outcome::Stored) == 1).await;
    assert!(running.status.is_ready());
    running.end().await;
}

#[tokio::test]
async fn an_archive_goes_on_when_the_database_accepts_writes_again() {
    let place = Place::postgres().await;
    let bus = bus();
    let running = Running::start(&bus, place.open());
    emit(&bus, "a.1", one("alice", 1)).await;
    until("a result is stored", || running.count(Outcome::Stored) == 1).await;
    let refuse = "ALTER SYSTEM SET default_transaction_read_only = on";
    place.execute(refuse).await;
    place.execute("SELECT pg_reload_conf()").await;
    let mut no = 0;
    while running.metrics.database_up.get() == 1 {
        no += 1;
        emit(&bus, &format!("b.{no}"), one("alice", 1)).await;
        sleep(Duration::from_millis(10)).await;
    }
    let before = running.count(Outcome::Stored);
    let status = running.status.to_string();
    assert!(status.contains("read-only transaction"), "{status}");
    let accept = "SET default_transaction_read_only = off";
    place.execute(accept).await;
    let reset = "ALTER SYSTEM RESET default_transaction_read_only";
    place.execute(reset).await;
    place.execute("SELECT pg_reload_conf()").await;
    until("everything is stored", || {
        running.count(Outcome::Stored) == 1 + no
    })
    .await;
    assert!(before <= 1 + no);
    running.end().await;
    assert_eq!(stored(&place).await as u64, 1 + no);
}

#[tokio::test]
async fn one_of_two_archives_stores_and_the_other_takes_over() {
    let place = Place::postgres().await;
    let bus = bus();
    let first = Running::start(&bus, place.open());
    until("the first one stores", || first.metrics.leads.get() == 1).await;
    let second = Running::start(&bus, place.open());
    until("the second one waits", || second.status.is_ready()).await;
    emit(&bus, "a.1", one("alice", 1)).await;
    until("a result is stored", || first.count(Outcome::Stored) == 1).await;
    assert_eq!(second.metrics.leads.get(), 0);
    first.end().await;
    emit(&bus, "a.2", one("alice", 1)).await;
    until("the second one stores", || {
        second.count(Outcome::Stored) == 1
    })
    .await;
    assert_eq!(second.metrics.leads.get(), 1);
    second.end().await;
    assert_eq!(stored(&place).await, 2);
}
