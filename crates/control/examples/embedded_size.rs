//! What an embedded store costs: `embedded_size FILE JOBS` fills the file if it is new, then loads it.
//!
//! Prints the time to load, the memory of the process, and what a read takes. Budget: ten million jobs
//! within 1 GiB.

use std::path::Path;
use std::sync::Arc;

use narrows_control::stores::embedded::Embedded;
use narrows_gateway::clock;
use tokio::task::JoinSet;

/// Callers that set keys at the same time, so that they share commits.
const CALLERS: usize = 2048;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(jobs)) = (arguments.next(), arguments.next()) else {
        return Err("usage: embedded_size FILE JOBS".into());
    };
    let jobs: usize = jobs.parse()?;
    if !Path::new(&file).exists() {
        return fill(Path::new(&file), jobs).await;
    }
    let start = clock::now();
    let store = Embedded::open("jobs", Path::new(&file))?;
    let loaded = clock::now().since(start);
    println!("{} jobs loaded in {loaded:?}", store.store().table.len());
    let start = clock::now();
    let found = (0..1_000_000).filter(|n| {
        let key = key(n * 7919 % jobs);
        store.store().table.read(key.as_bytes(), |seen| seen.is_some())
    });
    let found = found.count();
    println!("{found} of 1000000 reads found their job, in {:?}", clock::now().since(start));
    let status = std::fs::read_to_string("/proc/self/status")?;
    for line in status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"))
    {
        println!("{line}");
    }
    Ok(())
}

async fn fill(file: &Path, jobs: usize) -> Result<(), Box<dyn std::error::Error>> {
    let store = Arc::new(Embedded::open("jobs", file)?);
    let start = clock::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = store.clone();
        callers.spawn(async move {
            for n in (caller..jobs).step_by(CALLERS) {
                let target = format!("10.{}.{}.7:50051", n % 40, n % 250);
                store.set(key(n).as_bytes(), &target, None).await.expect("the disk has room");
            }
        });
    }
    while callers.join_next().await.is_some() {}
    println!("{jobs} jobs set in {:?}, {} commits", clock::now().since(start), store.commits());
    println!("now run it again with the same file");
    Ok(())
}

fn key(n: usize) -> String {
    format!("job-{n:012}")
}
