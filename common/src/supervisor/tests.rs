use super::*;

fn dies() {
    panic!("as told");
}

#[tokio::test]
async fn d28_the_return_of_a_part_that_must_not_end_is_a_failure_with_its_name() {
    let (supervisor, mut failures) = channel();
    let shard = supervisor.scope("edge-0");
    shard.keep("batches", async {});
    let ended = failures.first().await.to_string();
    assert_eq!(ended, "the part `edge-0/batches` ended: it returned");
    assert!(shard.has_failed());
    assert!(!supervisor.has_failed() && !supervisor.scope("edge-1").has_failed());
}

#[tokio::test]
async fn d28_an_error_of_a_part_is_the_reason_of_its_end() {
    let (supervisor, mut failures) = channel();
    supervisor.keep("connections", async { Err::<(), _>("the poll failed") });
    let ended = failures.first().await.to_string();
    assert_eq!(ended, "the part `connections` ended: the poll failed");
}

#[tokio::test]
async fn d28_a_panic_of_a_part_a_job_a_guarded_part_or_a_thread_is_a_failure() {
    type Start = fn(&Supervisor);
    let starts: [Start; 3] = [
        |supervisor| drop(supervisor.keep("x", async { dies() })),
        |supervisor| drop(supervisor.run("x", async { dies() })),
        |supervisor| {
            let thread = supervisor.thread("x", dies);
            thread.unwrap().join().unwrap();
        },
    ];
    for start in starts {
        let (supervisor, mut failures) = channel();
        start(&supervisor);
        let ended = failures.first().await.to_string();
        assert_eq!(ended, "the part `x` panicked: as told");
    }
    let (supervisor, mut failures) = channel();
    let guarded = supervisor.guard("x", async { dies() });
    let ended = guarded.await.unwrap_err();
    assert_eq!(failures.first().await, ended);
    supervisor.failed().await;
}

#[tokio::test]
async fn d28_jobs_and_aborted_parts_may_end_and_all_parts_during_a_shutdown() {
    let (supervisor, failures) = channel();
    let (done, finished) = tokio::sync::oneshot::channel();
    supervisor.run("job", async { done.send(()).unwrap() });
    finished.await.unwrap();
    let (alive, dropped) = tokio::sync::oneshot::channel::<()>();
    let part = supervisor.keep("part", async {
        let _alive = alive;
        std::future::pending::<()>().await;
    });
    part.abort();
    dropped.await.unwrap_err();
    supervisor.stand_down();
    let part = supervisor.keep("part", async {});
    while !part.is_finished() {
        tokio::task::yield_now().await;
    }
    assert_eq!(failures.get(), None);
}

#[tokio::test]
async fn d28_parts_may_end_with_what_a_signal_drops() {
    let (supervisor, failures) = channel();
    let (owner, ended) = tokio::sync::oneshot::channel::<()>();
    let part = supervisor.keep("part", async { drop(ended.await) });
    let work = async {
        let _owner = owner;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = work => {}
        () = supervisor.stand_down_at(async {}) => while !part.is_finished() {
            tokio::task::yield_now().await;
        },
    }
    assert_eq!(failures.get(), None);
}

#[tokio::test]
async fn d28_only_parts_of_a_scope_that_is_replaced_may_return() {
    let (supervisor, mut failures) = channel();
    let replaced = supervisor.scope("");
    replaced.stand_down();
    let part = replaced.scope("edge").keep("leases", async {});
    while !part.is_finished() {
        tokio::task::yield_now().await;
    }
    assert_eq!(failures.get(), None);
    supervisor.scope("").scope("edge").keep("leases", async {});
    let ended = failures.first().await.to_string();
    assert_eq!(ended, "the part `edge/leases` ended: it returned");
}

#[tokio::test]
async fn d28_the_first_failure_counts() {
    let (supervisor, mut failures) = channel();
    supervisor.report("a", Ending::Returned("one".to_owned()));
    supervisor.report("b", Ending::Returned("two".to_owned()));
    assert_eq!(failures.first().await.part, "a");
}
