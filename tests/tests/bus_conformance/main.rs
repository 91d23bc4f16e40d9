//! One suite that holds both buses to the contract of `grandstand_common::bus`.
//!
//! Every case of `messages`, `log` and `kv` runs against the embedded bus in memory, the embedded bus with a folder,
//! and a real NATS server.

#![allow(clippy::unwrap_used)]

mod cluster;
mod denied;
mod folder;
mod kv;
mod log;
mod logins;
mod messages;
mod nats;
mod out;
mod readers;
mod renewed;
mod rig;

macro_rules! conformance {
    ($($module:ident::$case:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test] async fn $case() { super::$module::$case(super::rig::Rig::in_memory()).await; })*
        }
        mod in_folder {
            $(#[tokio::test] async fn $case() { super::$module::$case(super::rig::Rig::in_folder().await).await; })*
        }
        mod on_nats {
            $(#[tokio::test] async fn $case() { super::$module::$case(super::rig::Rig::on_nats().await).await; })*
        }
    };
}

conformance! {
    messages::messages_keep_their_order,
    messages::wildcards_match_and_others_do_not,
    messages::a_request_without_a_listener_fails_at_once,
    messages::a_request_is_answered_or_times_out,
    messages::a_full_subscription_drops_and_counts,
    messages::d26_a_subscription_is_bounded_in_bytes,
    messages::payloads_over_the_limit_are_refused,
    messages::bad_subjects_are_refused,
    log::appends_are_stored_in_order_with_growing_sequences,
    log::partitions_that_share_a_stream_are_read_separately,
    log::a_log_is_read_from_a_sequence_and_then_live,
    log::an_empty_log_is_idle_at_once,
    log::many_readers_each_get_all,
    log::log_state_says_where_it_begins_and_ends,
    kv::compare_and_swap_lets_one_win,
    kv::pipelined_puts_keep_their_order,
    kv::a_marker_has_a_revision_and_expires,
    kv::a_value_with_a_time_to_live_is_removed,
    kv::a_prefix_is_read_up_to_ones_own_write,
    kv::several_prefixes_are_read_by_one_reader,
    kv::a_watch_goes_on_live,
    log::times_never_go_backwards,
    log::the_log_of_one_room_is_read_alone,
    out::items_are_stored_in_order_and_read_by_topic,
    out::a_repeated_id_is_stored_once,
    out::a_reader_goes_on_behind_a_position,
    out::a_position_in_another_stream_begins_again,
    out::bad_topics_and_ids_are_refused,
    messages::the_bus_works_from_other_threads,
    messages::counters_count_messages_appends_and_requests,
}
