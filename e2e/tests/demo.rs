//! `narrows demo`, which needs nothing.

use std::process::Command;

use narrows_testkit::servers::Narrows;

#[test]
fn the_demo_makes_its_calls_and_says_what_went_where() {
    let output = Command::new(Narrows::binary()).args(["demo", "--once"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}\n{told}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(told.lines().count() > 3, "{told}");
}
