//! The page in headless Chromium: a script laid into a copy of the page clicks, types and looks, and writes what is
//! wrong into the document, which Chromium prints.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::samples::page;

#[test]
fn the_page_works_in_a_browser_on_a_wide_and_on_a_narrow_screen() {
    let Some(chromium) = chromium() else {
        eprintln!("skipped: there is no chromium or google-chrome in PATH");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut one = page();
    one.runs.truncate(1);
    one.comparison = None;
    for (name, page) in [("several", page()), ("one", one)] {
        for width in [1280, 390] {
            let test = include_str!("browser_test.js").replace("WIDTH", &width.to_string());
            let html = page.render().unwrap();
            // The watch for errors stands first; the checks come after the page's own scripts.
            let watch = "<script>window.wrong=[];onerror=(m)=>wrong.push(m);\
                         document.addEventListener('securitypolicyviolation',e=>wrong.push('refused '+e.blockedURI));\
                         for(const n of ['error','warn']){console[n]=(...m)=>wrong.push(m.join(' '))}</script>";
            let html = html.replacen("<title>", &format!("{watch}<title>"), 1);
            let html = html.replacen("</body>", &format!("<script>{test}</script></body>"), 1);
            // A window cannot be as narrow as a phone, a frame can.
            let inner = folder.path().join("inner.html");
            std::fs::write(&inner, &html).unwrap();
            let dom = dump(&chromium, folder.path(), &inner, width);
            let result = dom.split("<pre id=\"result\">").nth(1).and_then(|rest| rest.split("</pre>").next());
            assert_eq!(
                result,
                Some("all is well"),
                "{name} at {width}:\n{}",
                &dom[dom.len().saturating_sub(3000)..]
            );
        }
    }
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

/// What the document of an outer page is after its frame, which is `width` pixels wide and holds `inner`, reported.
fn dump(chromium: &Path, folder: &Path, inner: &Path, width: u32) -> String {
    let outer = folder.join("outer.html");
    let name = inner.file_name().unwrap().to_str().unwrap();
    std::fs::write(
        &outer,
        format!(
            "<!doctype html><body><iframe src=\"{name}\" width=\"{width}\" height=\"900\" style=\"border:0\"></iframe>\
             <pre id=\"result\">no answer</pre><script>onmessage=(e)=>{{document.getElementById('result').textContent=\
             e.data}}</script></body>"
        ),
    )
    .unwrap();
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-quic",
            "--disable-sync",
        ])
        .args(["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"])
        .args([
            "--force-prefers-reduced-motion",
            "--window-size=1400,1000",
            "--virtual-time-budget=8000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", outer.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
