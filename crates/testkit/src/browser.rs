//! Headless Chromium, driven over the DevTools protocol: pages at any width, in light and dark mode, by keyboard, with
//! every console message and every request.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// A browser with one page. It ends when it is dropped.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    next: u64,
    /// The page's console messages and exceptions.
    pub console: Vec<String>,
    /// The addresses that the page requested, except files and data.
    pub requests: Vec<String>,
    loaded: bool,
}

/// Whether a page is light or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark text on a light page.
    Light,
    /// Light text on a dark page.
    Dark,
}

/// With this variable set, a test that finds no browser fails.
pub const REQUIRED: &str = "CONVSCOPE_NEEDS_BROWSER";
/// Longest time to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

impl Browser {
    /// Starts Chromium from `PATH`, with its files in `folder`; `None` if there is none.
    ///
    /// # Panics
    /// If there is none and [`REQUIRED`] is set, or if it does not start.
    pub fn start(folder: &Path) -> Option<Browser> {
        let Some(program) = chromium() else {
            assert!(
                std::env::var_os(REQUIRED).is_none(),
                "there is no chromium in PATH, and {REQUIRED} is set"
            );
            return None;
        };
        // Chromium reads commands from descriptor 3 and answers on 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#])
            .arg(program)
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--hide-scrollbars", "--disable-extensions", "--disable-dev-shm-usage", "--disable-quic"])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts");
        let input = child.stdin.take().expect("standard input is a pipe");
        let mut output = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while output.by_ref().read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { return };
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Browser {
            child,
            input,
            messages,
            session: String::new(),
            next: 0,
            console: Vec::new(),
            requests: Vec::new(),
            loaded: false,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Network", "Log", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        // Several browsers share no focus, and a page without it shows none.
        browser.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        Some(browser)
    }

    /// Sets the size of the window and the colours that the reader prefers.
    pub fn view(&mut self, width: u32, height: u32, scheme: Scheme) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if scheme == Scheme::Dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call("Emulation.setEmulatedMedia", json!({ "media": "screen", "features": features }));
    }

    /// Shows pages as they are printed, on paper that is `width` CSS pixels wide between its margins.
    pub fn view_print(&mut self, width: u32) {
        let size = json!({ "width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        self.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    }

    /// Opens a page of a file and waits until it is loaded. Messages and requests of earlier pages are dropped.
    pub fn open(&mut self, file: &Path) {
        // Leave the previous page, so that it sends no more messages.
        self.go("about:blank");
        (self.console, self.requests) = (Vec::new(), Vec::new());
        self.go(&format!("file://{}", file.canonicalize().expect("the page is there").display()));
    }

    fn go(&mut self, address: &str) {
        self.loaded = false;
        self.call("Page.navigate", json!({ "url": address }));
        while !self.loaded {
            let message = self.receive();
            self.note(&message);
        }
    }

    /// The value of an expression, awaited if it is a promise.
    ///
    /// # Panics
    /// If it throws.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", ask);
        assert!(answer.get("exceptionDetails").is_none(), "{}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Presses a key: `Tab`, `Enter`, `ArrowRight`, `Escape`.
    pub fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            " " => 32,
            _ => 0,
        };
        let text = match key {
            "Enter" => "\r",
            " " => " ",
            _ => "",
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// The page as a PDF, in base64.
    pub fn print(&mut self) -> String {
        let answer = self.call("Page.printToPDF", json!({ "printBackground": true }));
        answer["data"].as_str().expect("a document").to_owned()
    }

    /// The role and name of each node in the accessibility tree.
    pub fn accessibility(&mut self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        let text = |node: &Value, key: &str| node[key]["value"].as_str().unwrap_or_default().to_owned();
        let met = nodes.iter().filter(|node| node["ignored"] != true);
        met.map(|node| (text(node, "role"), text(node, "name"))).collect()
    }

    /// Sends a command of the protocol and returns its answer.
    ///
    /// # Panics
    /// If the browser rejects it, or is gone.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        let text = message.to_string() + "\0";
        self.input.write_all(text.as_bytes()).expect("the browser takes commands");
        loop {
            let answer = self.receive();
            if answer["id"] == id {
                assert!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn receive(&mut self) -> Value {
        self.messages.recv_timeout(PATIENCE).expect("the browser answers")
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Page.loadEventFired" => self.loaded = true,
            "Runtime.consoleAPICalled" => self.console.push(parameters["args"].to_string()),
            "Runtime.exceptionThrown" => self.console.push(parameters["exceptionDetails"].to_string()),
            "Log.entryAdded" => self.console.push(parameters["entry"]["text"].to_string()),
            "Network.requestWillBeSent" => {
                let address = parameters["request"]["url"].as_str().unwrap_or_default();
                if !["data:", "file:", "about:"].iter().any(|scheme| address.starts_with(scheme)) {
                    self.requests.push(address.to_owned());
                }
            }
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}
