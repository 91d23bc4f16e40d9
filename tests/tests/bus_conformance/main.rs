//! One suite that holds both buses to what `grandstand_common::bus` says.
//!
//! Every case of `cases` runs against the embedded bus in memory, the embedded bus with a folder, and a real NATS server.

#![allow(clippy::unwrap_used)]

mod cases;
mod folder;
mod nats;
mod rig;

macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test] async fn $case() { super::cases::$case(super::rig::Rig::in_memory()).await; })*
        }
        mod in_folder {
            $(#[tokio::test] async fn $case() { super::cases::$case(super::rig::Rig::in_folder().await).await; })*
        }
        mod on_nats {
            $(#[tokio::test] async fn $case() { super::cases::$case(super::rig::Rig::on_nats().await).await; })*
        }
    };
}

conformance! {
    messages_keep_their_order,
    wildcards_match_and_others_do_not,
    nobody_listens_is_known_at_once,
    a_request_is_answered_or_times_out,
    a_full_subscription_drops_and_counts,
    what_is_too_big_is_refused,
    bad_subjects_are_refused,
    appends_are_stored_in_order_with_growing_sequences,
    partitions_share_a_stream_and_are_read_apart,
    a_log_is_read_from_a_sequence_and_then_live,
    an_empty_log_is_idle_at_once,
    many_readers_each_get_all,
    log_state_says_where_it_begins_and_ends,
    compare_and_swap_lets_one_win,
    pipelined_puts_keep_their_order,
    a_marker_has_a_revision_and_expires,
    a_prefix_is_read_up_to_ones_own_write,
    a_watch_goes_on_live,
    times_never_go_backwards,
    it_works_from_other_threads,
    counters_count,
}
