//! Recorded cases in the form of ONNX's tests, and all of them on request:
//! `CONVSCOPE_ONNX_CASES=FOLDER cargo test -p convscope-onnx --test cases -- --ignored --nocapture`.

use std::path::Path;

use convscope_onnx::{Outcome, counts, find_cases};

#[test]
fn the_recorded_cases_give_their_outputs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let cases = find_cases(&folder).unwrap();
    assert!(cases.len() >= 20, "{}", cases.len());
    for case in cases {
        let report = case.run();
        assert!(matches!(report.outcome, Outcome::Executed { .. } | Outcome::Folded), "{report:?}");
    }
}

#[test]
#[ignore = "needs the folder that write_node_cases.py writes"]
fn no_case_gives_other_outputs() {
    let folder = std::env::var_os("CONVSCOPE_ONNX_CASES").expect("CONVSCOPE_ONNX_CASES is a folder");
    let reports: Vec<_> = find_cases(Path::new(&folder)).unwrap().iter().map(|case| case.run()).collect();
    assert!(!reports.is_empty());
    for report in &reports {
        match &report.outcome {
            Outcome::Executed { error } => eprintln!("{}: executed, off by {error:.1e}", report.case),
            other => eprintln!("{}: {other:?}", report.case),
        }
    }
    for (operator, counts) in counts(&reports) {
        eprintln!("{operator}: {counts:?}");
    }
    assert!(!reports.iter().any(|report| matches!(report.outcome, Outcome::Failed(_))));
}
