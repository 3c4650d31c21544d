//! The page in headless Chromium: nothing is cut off, everything is readable and reachable by keyboard, at four widths,
//! in light and dark mode; and every control does what it says.

use std::path::{Path, PathBuf};

use convscope_testkit::browser::{Browser, Scheme};
use convscope_train::metrics::Confusion;
use serde_json::Value;

use super::ReportPage;
use crate::samples::{layer_of, page, study, table};
use crate::study::StudyReport;

const WIDTHS: [u32; 4] = [390, 768, 1280, 1920];

/// Starts a browser, or reports that the test is skipped.
fn browser(folder: &Path) -> Option<Browser> {
    let browser = Browser::start(folder);
    if browser.is_none() {
        eprintln!("skipped: there is no chromium or google-chrome in PATH");
    }
    browser
}

fn save(page: &ReportPage, folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    page.save(&path).unwrap();
    path
}

fn one_run() -> ReportPage {
    let mut one = page();
    one.runs.truncate(1);
    one.comparison = None;
    one
}

/// Long names in several scripts, many classes, and a network with branches and many layers.
fn crowded() -> ReportPage {
    let mut page = one_run();
    let run = &mut page.runs[0];
    let evaluation = run.evaluation.as_mut().unwrap();
    let long = "a-class-with-a-name-of-a-hundred-and-twenty-letters-".repeat(3)[..120].to_owned();
    evaluation.classes = (0..120)
        .map(|class| match class {
            0 => long.clone(),
            1 => "łódź".to_owned(),
            2 => "Кот в мешке".to_owned(),
            3 => "日本語の名前".to_owned(),
            _ => format!("class number {class}"),
        })
        .collect();
    evaluation.confusion = Confusion::new(120);
    // Every class has images, as otherwise it would be left out.
    let right = (3..119).map(|class| (class, class));
    for (label, prediction) in [(0, 1), (0, 0), (1, 2), (2, 3), (119, 0)].into_iter().chain(right) {
        evaluation.confusion.record(label, prediction).unwrap();
    }
    evaluation.mistakes[0].path = Some(format!("photos/{long}/{long}.jpg"));
    let closeup = &mut run.closeups[0];
    closeup.maps.image.name.clone_from(&long);
    let layers = run.layers.as_mut().unwrap();
    // As many as in a DenseNet of 121 layers.
    layers.rows = (0..121)
        .map(|index| {
            let mut row = table().rows[0].clone();
            row.name = if index % 7 == 3 {
                format!("max_pooling2d_{index}")
            } else {
                format!("batch_normalization_{index}")
            };
            row.inputs = match index {
                0 => vec!["input".to_owned()],
                // Every tenth layer takes the one before it and an earlier one.
                _ if index % 10 == 9 => vec![row_name(index - 1), row_name(index - 6)],
                _ => vec![row_name(index - 1)],
            };
            row
        })
        .collect();
    for closeup in &mut run.closeups {
        closeup.maps.layers = layers
            .rows
            .iter()
            .map(|row| layer_of(&row.name, [3, 2, 2], |c, y, x| (c + y * x) as f32))
            .collect();
        closeup.grad_cams.clear();
    }
    page
}

fn row_name(index: usize) -> String {
    if index % 7 == 3 { format!("max_pooling2d_{index}") } else { format!("batch_normalization_{index}") }
}

fn study_page() -> ReportPage {
    let (space, trials) = study();
    let report = StudyReport { space: &space, trials: &trials, images: 2000 };
    let extra = report.sections(&|trial| Some(format!("trials/{}/report.html", trial.number)));
    ReportPage { title: "Search: plain8 on shapes".to_owned(), extra, ..ReportPage::default() }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn nothing_is_cut_off_and_everything_can_be_read_at_every_width() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = browser(folder.path()) else { return };
    let pages = [("several", page()), ("one", one_run()), ("crowded", crowded()), ("study", study_page())];
    let mut faults = Vec::new();
    for (name, page) in pages {
        let path = save(&page, folder.path(), &format!("{name}.html"));
        for (width, scheme) in
            WIDTHS.iter().flat_map(|&width| [(width, Scheme::Light), (width, Scheme::Dark)])
        {
            browser.view(width, 900, scheme);
            browser.open(&path);
            browser.evaluate(include_str!("page_audit.js"));
            browser
                .evaluate("document.querySelectorAll('main details').forEach((fold) => (fold.open = true))");
            browser
                .evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
            let found = texts(&browser.evaluate("audit()"));
            let said = browser.console.drain(..).chain(browser.requests.drain(..));
            faults.extend(
                found.into_iter().chain(said).map(|fault| format!("{name} at {width}, {scheme:?}: {fault}")),
            );
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn everything_is_reached_by_keyboard_and_has_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = browser(folder.path()) else { return };
    for (name, page) in [("several", page()), ("one", one_run())] {
        let path = save(&page, folder.path(), &format!("{name}.html"));
        for width in [390, 1280] {
            browser.view(width, 900, Scheme::Light);
            browser.open(&path);
            browser.evaluate(include_str!("page_audit.js"));
            let controls = browser.evaluate("controls().length").as_u64().unwrap();
            let mut reached = std::collections::BTreeSet::new();
            for _ in 0..2 * controls + 20 {
                browser.press("Tab");
                let at = browser.evaluate(
                    "(() => { const at = document.activeElement; const style = getComputedStyle(at); \
                     return [at.dataset.control ?? '', at.matches(':focus-visible') ? parseFloat(style.outlineWidth) : 0]; })()",
                );
                if let Some(control) = at[0].as_str().filter(|control| !control.is_empty()) {
                    assert!(
                        at[1].as_f64().unwrap() >= 2.0,
                        "{name} at {width}: control {control} shows no focus"
                    );
                    if !reached.insert(control.to_owned()) {
                        break;
                    }
                }
            }
            let missed = browser.evaluate(&format!(
                "[...document.querySelectorAll('[data-control]')].filter((e) => !{:?}.includes(e.dataset.control))\
                 .map((e) => e.outerHTML.slice(0, 80))",
                reached.iter().collect::<Vec<_>>()
            ));
            assert_eq!(texts(&missed), [""; 0], "{name} at {width}");
        }
        let nameless: Vec<_> = browser
            .accessibility()
            .into_iter()
            .filter(|(role, name)| {
                [
                    "button",
                    "link",
                    "img",
                    "image",
                    "combobox",
                    "searchbox",
                    "tab",
                    "tabpanel",
                    "table",
                    "region",
                    "dialog",
                ]
                .contains(&role.as_str())
                    && name.trim().is_empty()
            })
            .collect();
        assert_eq!(nameless, [], "{name}");
    }
}

#[test]
fn what_a_reader_clicks_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = browser(folder.path()) else { return };
    for (name, page) in [("several", page()), ("one", one_run())] {
        let path = save(&page, folder.path(), &format!("{name}.html"));
        for width in [1280, 390] {
            browser.view(width, 900, Scheme::Light);
            browser.open(&path);
            let wrong = texts(&browser.evaluate(include_str!("browser_test.js")));
            let said = browser.console.drain(..).chain(browser.requests.drain(..));
            let wrong: Vec<String> = wrong.into_iter().chain(said).collect();
            assert!(wrong.is_empty(), "{name} at {width}:\n{}", wrong.join("\n"));
        }
    }
    let path = save(&crowded(), folder.path(), "crowded.html");
    browser.view(1280, 900, Scheme::Light);
    browser.open(&path);
    let found = browser.evaluate(
        "(() => { const search = document.querySelector('.search input'); search.value = 'КОТ'; \
         search.dispatchEvent(new Event('input')); \
         return [...search.closest('div').querySelectorAll('tbody tr:not([hidden]) th')].map((cell) => cell.textContent); })()",
    );
    assert_eq!(texts(&found), ["Кот в мешке"]);
    browser.evaluate("document.querySelector('.matrix-window').focus()");
    browser.press("ArrowRight");
    let read = browser.evaluate("document.querySelector('.matrix [role=status]').textContent");
    assert!(read.as_str().unwrap().ends_with("predicted as łódź: 1"), "{read}");
}

#[test]
fn a_printed_page_has_every_section() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = browser(folder.path()) else { return };
    let path = save(&page(), folder.path(), "several.html");
    browser.view(1280, 900, Scheme::Light);
    browser.open(&path);
    browser.evaluate(
        "addEventListener('beforeprint', () => { window.printed = [...document.querySelectorAll('main details')].every((fold) => fold.open); })",
    );
    assert!(browser.print().len() > 50_000);
    assert_eq!(browser.evaluate("window.printed"), true);
    let folded = browser.evaluate("document.querySelectorAll('main details:not([open])').length");
    assert!(folded.as_u64().unwrap() > 0, "what was folded is folded again");
}

/// Nobody can scroll on paper.
#[test]
fn a_printed_table_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut browser) = browser(folder.path()) else { return };
    for (name, page) in
        [("one", one_run()), ("several", page()), ("crowded", crowded()), ("study", study_page())]
    {
        let path = save(&page, folder.path(), &format!("{name}.html"));
        // A4 less twice 14 mm.
        browser.view_print(688);
        browser.open(&path);
        let cut = browser.evaluate(
            "[...document.querySelectorAll('.scroll, .matrix-window, table')]
                .filter((box) => box.getClientRects().length > 0)
                .filter((box) => box.getBoundingClientRect().right > innerWidth + 1
                    || (getComputedStyle(box).overflowY !== 'visible' && box.scrollHeight > box.clientHeight + 1))
                .map((box) => `${box.className}: ${box.textContent.trim().slice(0, 60)}`)",
        );
        assert_eq!(texts(&cut), [""; 0], "{name}");
    }
}
