//! The embedded store as its users see it: durable, prompt, and clear about what is wrong.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use narrows_control::stores::embedded::{
    ChangeError, Embedded, Entry, KEY_BYTES_MAX, LIST_ENTRIES_MAX, OpenError,
};
use narrows_control::stores::{StoreOptions, Stores, jobs};
use narrows_gateway::control::{Answer, ControlPort, Handle, Job, Mailbox, Pin, Ticket, Written};
use narrows_gateway::lookup::{Outcome, Store};
use narrows_gateway::{clock, control};
use narrows_testkit::process::Scratch;

/// Set for the process that [`acknowledged_changes_survive_a_kill`] kills.
const VICTIM: &str = "NARROWS_TEST_STORE_VICTIM";
/// Set for the process that [`a_full_disk_is_told_and_changes_nothing`] limits.
const LIMITED: &str = "NARROWS_TEST_STORE_LIMITED";

#[tokio::test]
async fn a_change_is_seen_at_once_and_after_opening_again() {
    let dir = Scratch::new("embedded");
    let path = dir.path().join("new/jobs.redb");
    let store = open(&path);
    store.set(b"job-1", "10.0.0.1:50051", None).await.expect("set");
    store.set(b"job-2", "grpcs://node.local:1", None).await.expect("set");
    store.set(b"job-1", "10.0.0.2:50051", None).await.expect("set again");
    assert_eq!(worker_sees(&store, b"job-1").as_deref(), Some("10.0.0.2:50051"));
    assert_eq!(store.del(b"job-2").await, Ok(true));
    assert_eq!(store.del(b"job-2").await, Ok(false));
    assert_eq!(worker_sees(&store, b"job-2"), None);

    let store = reopen(store, &path).await;
    assert_eq!(worker_sees(&store, b"job-1").as_deref(), Some("10.0.0.2:50051"));
    assert_eq!(store.store().table.len(), 1);
    let entry = Entry { key: (*b"job-1").into(), target: "10.0.0.2:50051".into(), expires: None };
    assert_eq!(store.get(b"job-1"), Ok(Some(entry)));
    assert_eq!(store.get(b"job-2"), Ok(None));
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let dir = Scratch::new("embedded");
    let store = open(&dir.path().join("jobs.redb"));
    for key in ["a", "job-1", "job-2", "job-3", "z"] {
        store.set(key.as_bytes(), "10.0.0.1:1", None).await.expect("set");
    }
    let keys = |after: Option<&[u8]>, limit| -> Vec<Vec<u8>> {
        let page = store.list(b"job-", after, limit).expect("list");
        page.into_iter().map(|entry| entry.key.into()).collect()
    };
    assert_eq!(keys(None, 2), [b"job-1", b"job-2"]);
    assert_eq!(keys(Some(b"job-2"), 2), [b"job-3"]);
    assert_eq!(keys(Some(b"a"), LIST_ENTRIES_MAX + 1).len(), 3);
    assert!(keys(None, 0).is_empty());
}

#[tokio::test]
async fn what_can_not_be_stored_is_refused_with_the_reason() {
    let dir = Scratch::new("embedded");
    let store = open(&dir.path().join("jobs.redb"));
    let error = store.set(b"job-1", "10.0.0.1", None).await.expect_err("no port");
    assert_eq!(error.to_string(), r#""10.0.0.1" is no target: no port; expected host:port"#);
    let error = store.set(b"job-1", "a:1", Some(Duration::from_millis(999))).await;
    assert_eq!(error, Err(ChangeError::TimeToLive));
    let longest = vec![b'k'; KEY_BYTES_MAX];
    assert_eq!(store.set(&longest, "a:1", None).await, Ok(()));
    let longer = vec![b'k'; KEY_BYTES_MAX + 1];
    assert_eq!(store.set(&longer, "a:1", None).await, Err(ChangeError::Key(KEY_BYTES_MAX + 1)));
    assert_eq!(store.set(b"", "a:1", None).await, Err(ChangeError::Key(0)));
    assert_eq!(store.store().table.len(), 1);
}

#[tokio::test]
async fn an_entry_ends_with_its_time_and_is_then_removed() {
    let dir = Scratch::new("embedded");
    let path = dir.path().join("jobs.redb");
    let store = open(&path);
    store.set(b"short", "10.0.0.1:1", Some(Duration::from_secs(1))).await.expect("set");
    store.set(b"long", "10.0.0.1:1", Some(Duration::from_secs(3600))).await.expect("set");
    store.set(b"was-short", "10.0.0.1:1", Some(Duration::from_secs(1))).await.expect("set");
    store.set(b"was-short", "10.0.0.1:1", None).await.expect("set for good");
    until("workers see it end", || worker_sees(&store, b"short").is_none()).await;
    until("it is removed", || store.store().table.len() == 2).await;
    assert_eq!(store.get(b"short"), Ok(None));
    let left = store.get(b"long").expect("get").and_then(|entry| entry.expires);
    assert!(left.is_some());

    let store = reopen(store, &path).await;
    assert!(worker_sees(&store, b"long").is_some());
    assert!(worker_sees(&store, b"was-short").is_some());
    assert_eq!(store.store().table.len(), 2);
}

#[tokio::test]
async fn changes_that_come_together_share_commits() {
    let dir = Scratch::new("embedded");
    let store = Arc::new(open(&dir.path().join("jobs.redb")));
    let changes: Vec<_> = (0..1000_u32)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.set(&n.to_be_bytes(), "10.0.0.1:1", None).await })
        })
        .collect();
    for change in changes {
        change.await.expect("joined").expect("set");
    }
    assert_eq!(store.store().table.len(), 1000);
    assert!(store.commits() < 500, "{} commits for 1000 changes", store.commits());
}

#[tokio::test]
async fn a_session_is_pinned_by_the_first_and_moves_only_from_where_it_is() {
    let dir = Scratch::new("embedded");
    let path = dir.path().join("sessions.redb");
    let stores = Stores::new();
    let options = StoreOptions::Embedded { path: path.clone() };
    let store = stores.get_or_open("sessions", &options).expect("open");
    let hour = Duration::from_secs(3600);
    let pin = async |target, replaces, ttl| pinned(&stores, &store, target, replaces, ttl).await;
    assert_eq!(pin("a:1", None, hour).await, ("a:1".to_owned(), Written::Now));
    assert_eq!(pin("b:1", None, hour).await, ("a:1".to_owned(), Written::Before));
    assert_eq!(pin("b:1", Some("c:1"), hour).await, ("a:1".to_owned(), Written::Before));
    assert_eq!(pin("b:1", Some("a:1"), hour).await, ("b:1".to_owned(), Written::Now));
    let second = Duration::from_secs(1);
    assert_eq!(pin("b:1", Some("b:1"), second).await, ("b:1".to_owned(), Written::Now));
    let ended = async {
        while pin("c:1", None, hour).await != ("c:1".to_owned(), Written::Now) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it ends with its time");
}

#[tokio::test]
async fn a_file_can_be_open_only_once() {
    let dir = Scratch::new("embedded");
    let path = dir.path().join("jobs.redb");
    let _store = open(&path);
    let error = Embedded::open("jobs", &path).expect_err("in use");
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert!(error.to_string().contains("stop the other one"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_store_is_told_apart() {
    let dir = Scratch::new("embedded");
    let path = dir.path().join("jobs.redb");
    std::fs::write(&path, vec![b'x'; 100_000]).expect("write");
    let error = Embedded::open("jobs", &path).expect_err("damaged");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("put a copy in its place"), "{error}");
    let error = Embedded::open("jobs", dir.path()).expect_err("a directory");
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
}

#[tokio::test]
async fn a_file_damaged_inside_does_not_bring_the_process_down() {
    let dir = Scratch::new("embedded");
    let path = dir.path().join("jobs.redb");
    let store = open(&path);
    for n in 0..200_u32 {
        store.set(format!("job-{n}").as_bytes(), "10.0.0.1:1", None).await.expect("set");
    }
    close(store).await;
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[4096..].iter_mut().for_each(|b| *b ^= 0x5a);
    std::fs::write(&path, bytes).expect("write");
    let error = Embedded::open("jobs", &path).expect_err("damaged");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

/// A process is killed in the middle of its changes; each that it was told was made is there.
#[tokio::test]
async fn acknowledged_changes_survive_a_kill() {
    let dir = Scratch::new("embedded");
    let path = dir.path().join("jobs.redb");
    let mut victim = again("victim_changes_until_it_is_killed")
        .env(VICTIM, &path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("start");
    let mut lines = BufReader::new(victim.stdout.take().expect("piped")).lines();
    let mut made = Vec::new();
    while made.len() < 300 {
        let line = lines.next().expect("still running").expect("read");
        made.extend(line.strip_prefix("made ").map(str::to_owned));
    }
    victim.kill().expect("kill");
    victim.wait().expect("wait");
    for line in lines.map_while(Result::ok) {
        made.extend(line.strip_prefix("made ").map(str::to_owned));
    }
    let store = open(&path);
    for key in &made {
        let seen = worker_sees(&store, key.as_bytes());
        assert_eq!(seen.as_deref(), Some("10.0.0.1:50051"), "{key} of {}", made.len());
    }
}

/// The other process of [`acknowledged_changes_survive_a_kill`]; does nothing by itself.
#[tokio::test]
async fn victim_changes_until_it_is_killed() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let store = Arc::new(open(Path::new(&path)));
    let writers: Vec<_> = (0..8_u32)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..100_000_u32 {
                    let key = format!("job-{writer}-{n}");
                    store.set(key.as_bytes(), "10.0.0.1:50051", None).await.expect("set");
                    println!("made {key}");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("joined");
    }
}

/// A limit on the size of files stands in for a full disk.
#[tokio::test]
async fn a_full_disk_is_told_and_changes_nothing() {
    let dir = Scratch::new("embedded");
    let path = dir.path().join("jobs.redb");
    let test = again("limited_changes_until_nothing_fits");
    let args: Vec<_> = test.get_args().collect();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\""])
        .arg(test.get_program())
        .args(args)
        .env(LIMITED, &path)
        .output()
        .expect("run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let store = open(&path);
    assert!(worker_sees(&store, b"last").is_some());
}

/// The other process of [`a_full_disk_is_told_and_changes_nothing`]; does nothing by itself.
#[tokio::test]
async fn limited_changes_until_nothing_fits() {
    let Some(path) = std::env::var_os(LIMITED) else { return };
    let store = open(Path::new(&path));
    let target = format!("{}:1", "n".repeat(60));
    let mut refused = None;
    for n in 0..100_000_u32 {
        let key = format!("{n:0>1000}");
        if let Err(error) = store.set(key.as_bytes(), &target, None).await {
            assert_eq!(worker_sees(&store, key.as_bytes()), None);
            refused = Some((n, error.to_string()));
            break;
        }
    }
    let (n, text) = refused.expect("the limit is reached");
    assert!(text.contains("nothing was changed"), "{text}");
    // What was there is still there, and once something fits again it is taken.
    for n in 0..n {
        store.del(format!("{n:0>1000}").as_bytes()).await.ok();
    }
    store.set(b"last", &target, None).await.expect("there is space again");
}

/// What a call is told that pins its session.
async fn pinned(
    stores: &Arc<Stores>,
    store: &Arc<Store>,
    target: &str,
    replaces: Option<&str>,
    ttl: Duration,
) -> (String, Written) {
    let (mailbox, answers) = Mailbox::new(Arc::new(|| {}));
    let (port, queue) = jobs::channel(1);
    let queue = tokio::spawn(queue.run(Handle::new(vec![mailbox]), stores.clone()));
    let parsed = |text: &str| Arc::new(text.parse().expect("a target"));
    let pin = Pin { target: parsed(target), replaces: replaces.map(parsed), ttl };
    let ticket = Some(Ticket { worker: 0, exchange: 0 });
    let job = Job::Pin { store: store.clone(), key: (*b"session").into(), pin, ticket };
    port.submit(job).expect("the queue has room");
    let mut answer = None;
    until("the pin is answered", || {
        answer = answers.try_recv().ok();
        answer.is_some()
    })
    .await;
    queue.abort();
    match answer {
        Some(control::Command::Answer(
            _,
            Answer::Pinned(Ok((Outcome::Found(target), written))),
        )) => (target.to_string(), written),
        other => panic!("{other:?}"),
    }
}

fn open(path: &Path) -> Embedded {
    Embedded::open("jobs", path).expect("open")
}

/// The file is released by the writer's thread, a moment after the store is dropped.
async fn close(store: Embedded) {
    let path = store.path().to_owned();
    drop(store);
    until("the file is released", || redb::Database::open(&path).is_ok()).await;
}

async fn reopen(store: Embedded, path: &Path) -> Embedded {
    close(store).await;
    open(path)
}

fn worker_sees(store: &Embedded, key: &[u8]) -> Option<String> {
    let now = clock::now();
    store.store().table.read(key, |cached| match cached {
        Some(cached) if now < cached.fresh_until => match &cached.outcome {
            Outcome::Found(target) => Some(target.to_string()),
            Outcome::Missing | Outcome::Malformed(_) => None,
        },
        Some(_) | None => None,
    })
}

/// This test binary once more, to run one test only.
fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", test, "--nocapture"]);
    command
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect(what);
}
