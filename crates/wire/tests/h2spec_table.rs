//! The table of docs/http2.md that says which test covers which case of h2spec.
//!
//! A test that is renamed or removed must not leave a row behind that promises it.

use std::fs;
use std::path::Path;

/// Every row names a test that exists, and every case has its row.
#[test]
fn every_row_names_a_test_that_exists() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(here.join("../../docs/http2.md")).expect("docs/http2.md");
    let mut cases = 0;
    for line in page.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, case, _, test, _] = cells[..] else { continue };
        let groups = ["generic/", "http2/", "hpack/"];
        if !groups.iter().any(|group| case.starts_with(group)) {
            continue;
        }
        cases += 1;
        let (module, function) = test.trim_matches('`').split_once("::").expect("module::test");
        let file = |rfc: &str| here.join(format!("tests/{rfc}/{module}.rs"));
        let text = ["rfc9113", "rfc7541"].map(|rfc| fs::read_to_string(file(rfc)));
        let text = text.into_iter().find_map(Result::ok).unwrap_or_default();
        let wanted = format!("#[test]\nfn {function}() {{");
        assert!(text.contains(&wanted), "{case}: there is no test {module}::{function}");
    }
    assert_eq!(cases, 147);
}
