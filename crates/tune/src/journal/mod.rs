//! The journal of studies: a file in the format of Optuna's `JournalFileBackend`, one JSON object per line, only ever
//! appended to.

mod lock;
mod record;
mod replay;

pub(crate) use record::Record;
pub(crate) use replay::{REPEATS, Replay};

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use convscope_files::{AppendFile, create_folders};
use serde_json::Value;
use uuid::Uuid;

use crate::TuneError;
use lock::Lock;

/// An open journal and the state after its lines so far.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    /// Distinguishes what this object wrote from what others did.
    writer: String,
    /// How far the file has been read, in bytes and in lines.
    offset: u64,
    lines: u64,
    replay: Replay,
    waiting: fn(&Path),
}

impl Journal {
    /// Opens a journal, creating it if it does not exist. `waiting` is called if the lock takes long.
    pub(crate) fn open(path: &Path, waiting: fn(&Path)) -> Result<Journal, TuneError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            create_folders(folder).map_err(TuneError::io("create the folder", folder))?;
        }
        AppendFile::open(path).map_err(TuneError::io("open the journal", path))?;
        let mut journal = Journal {
            path: path.to_owned(),
            writer: Uuid::new_v4().to_string(),
            offset: 0,
            lines: 0,
            replay: Replay::default(),
            waiting,
        };
        journal.read()?;
        Ok(journal)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The state after the lines read so far.
    pub(crate) fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Reads what has been appended since the last time.
    pub(crate) fn read(&mut self) -> Result<(), TuneError> {
        let tail = self.tail()?;
        let whole = whole_lines(&tail);
        self.apply(&tail[..whole])
    }

    /// Decides under the lock what to append, knowing all that others have appended. The records are written in one
    /// piece and are on disk when this returns.
    pub(crate) fn update<T>(
        &mut self,
        decide: impl FnOnce(&Replay) -> (Vec<Record>, T),
    ) -> Result<T, TuneError> {
        let lock = Lock::acquire(&self.path, self.waiting)?;
        self.recover()?;
        let (records, result) = decide(&self.replay);
        if !records.is_empty() {
            let mut text = String::new();
            for record in &records {
                text.push_str(&record.to_line(&self.writer));
            }
            self.append(text.as_bytes()).map_err(TuneError::io("write the journal", &self.path))?;
        }
        drop(lock);
        self.read()?;
        Ok(result)
    }

    fn append(&self, text: &[u8]) -> io::Result<()> {
        AppendFile::open(&self.path)?.append(text)
    }

    /// Reads all lines and removes a last one that a killed writer left unfinished: under the lock, nobody is writing
    /// it.
    fn recover(&mut self) -> Result<(), TuneError> {
        let tail = self.tail()?;
        let whole = whole_lines(&tail);
        self.apply(&tail[..whole])?;
        if whole < tail.len() {
            if self.lines == 0 && !may_begin_a_journal(&tail) {
                let reason = "it is not complete".to_owned();
                return Err(TuneError::Journal { path: self.path.clone(), line: 1, reason });
            }
            let cut = AppendFile::open(&self.path).and_then(|mut file| file.truncate(self.offset));
            cut.map_err(TuneError::io("repair the journal", &self.path))?;
        }
        Ok(())
    }

    fn tail(&self) -> Result<Vec<u8>, TuneError> {
        let read = || {
            let mut file = convscope_files::open(&self.path)?;
            file.seek(SeekFrom::Start(self.offset))?;
            let mut tail = Vec::new();
            file.read_to_end(&mut tail)?;
            Ok(tail)
        };
        read().map_err(TuneError::io("read the journal", &self.path))
    }

    fn apply(&mut self, lines: &[u8]) -> Result<(), TuneError> {
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let problem =
                |reason: String| TuneError::Journal { path: self.path.clone(), line: self.lines + 1, reason };
            let entry = parse(line).map_err(problem)?;
            self.replay.apply(&entry).map_err(problem)?;
            self.offset += line.len() as u64;
            self.lines += 1;
        }
        Ok(())
    }
}

/// The length of the complete lines. A last one without a line feed does not count, because its writer was killed, nor
/// does one with zeros in it, which a power failure can leave.
fn whole_lines(tail: &[u8]) -> usize {
    let end_of_line = |text: &[u8]| text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let whole = end_of_line(tail);
    let last = end_of_line(&tail[..whole.saturating_sub(1)]);
    if tail[last..whole].contains(&0) { last } else { whole }
}

/// Whether this may be the rest of a first entry, rather than some other file that must not be truncated.
fn may_begin_a_journal(torn: &[u8]) -> bool {
    let begins = |entry: &[u8]| torn.starts_with(entry) || entry.starts_with(torn);
    torn[0] == 0 || begins(b"{\"op_code\":") || begins(b"{\"directions\":")
}

/// An entry. Python writes numbers that are not finite in a form that is not JSON; they become null.
fn parse(line: &[u8]) -> Result<Value, String> {
    let problem = match serde_json::from_slice(line) {
        Ok(entry) => return Ok(entry),
        Err(problem) => problem.to_string(),
    };
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    serde_json::from_str(&finite(text)).map_err(|_| problem)
}

fn finite(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    let (mut is_quoted, mut is_escaped) = (false, false);
    while let Some(next) = rest.chars().next() {
        let names = ["NaN", "Infinity", "-Infinity"];
        if let Some(name) = names.iter().find(|name| !is_quoted && rest.starts_with(**name)) {
            text.push_str("null");
            rest = &rest[name.len()..];
            continue;
        }
        is_quoted ^= next == '"' && !is_escaped;
        is_escaped = next == '\\' && !is_escaped;
        text.push(next);
        rest = &rest[next.len_utf8()..];
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Value as Setting;
    use crate::trial::TrialState;

    fn study(name: &str) -> Record {
        Record::CreateStudy { name: name.to_owned() }
    }

    fn names(journal: &Journal) -> Vec<Option<usize>> {
        ["a", "b", "c"].map(|name| journal.replay().study(name)).to_vec()
    }

    #[test]
    fn a_truncated_last_line_is_cut_off_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/journal.log");
        let mut journal = Journal::open(&path, |_| ()).unwrap();
        journal.update(|_| (vec![study("a"), study("b")], ())).unwrap();
        let whole = fs::read(&path).unwrap();
        let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for broken in
            [&whole[..whole.len() - 1], &whole[..first + 5], &[&whole[..first], b"\0\0\0\n"].concat()]
        {
            fs::write(&path, broken).unwrap();
            let mut journal = Journal::open(&path, |_| ()).unwrap();
            assert_eq!(names(&journal), [Some(0), None, None]);
            journal
                .update(|replay| {
                    assert_eq!(replay.study("b"), None);
                    (vec![study("c")], ())
                })
                .unwrap();
            assert_eq!(names(&journal), [Some(0), None, Some(1)]);
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.lines().count(), 2);
            assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
        }
    }

    #[test]
    fn nonsense_in_the_middle_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.log");
        let create = study("a").to_line("w");
        fs::write(&path, format!("{create}nonsense\n{create}")).unwrap();
        let error = Journal::open(&path, |_| ()).unwrap_err().to_string();
        assert!(error.contains("journal.log: line 2 is not an entry of an Optuna journal"), "{error}");
        for other in ["notes", "notes\n", "{\"name\": 1}", "{}\n"] {
            fs::write(&path, other).unwrap();
            let opened = Journal::open(&path, |_| ())
                .and_then(|mut journal| journal.update(|_| (vec![study("a")], ())));
            assert!(opened.unwrap_err().to_string().contains("line 1 is not an entry"), "{other}");
            assert_eq!(fs::read_to_string(&path).unwrap(), other, "some other file stays unchanged");
        }
        fs::write(&path, format!("{create}{{\"op_code\":77}}\n")).unwrap();
        let error = Journal::open(&path, |_| ()).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("77"), "{error}");
    }

    #[test]
    fn numbers_that_are_not_finite_are_read_as_python_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.log");
        let line = r#"{"op_code":4,"study_id":0,"user_attrs":{"a\\":"\"NaN","b":-Infinity},"intermediate_values":{"1":NaN,"2":0.5}}"#;
        fs::write(&path, format!("{}{line}\n", study("a").to_line("w"))).unwrap();
        let mut journal = Journal::open(&path, |_| ()).unwrap();
        journal.update(|_| (vec![study("b")], ())).unwrap();
        let trial = &journal.replay().trials(0)[0];
        assert_eq!((trial.attributes["a\\"].as_str(), trial.curve[&2]), (Some("\"NaN"), 0.5));
        assert!(trial.curve[&1].is_nan() && trial.attributes["b"].is_null());
        assert_eq!(journal.replay().study("b"), Some(1));
    }

    #[test]
    fn what_optuna_itself_writes_is_read() {
        // Recorded from Optuna 5.0: an enqueued trial that ran, a study of another name, a finished trial.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.log");
        fs::write(&path, include_str!("optuna.log")).unwrap();
        let journal = Journal::open(&path, |_| ()).unwrap();
        let trials = journal.replay().trials(journal.replay().study("x").unwrap());
        assert_eq!(trials.len(), 2);
        assert_eq!(
            (trials[0].number, trials[0].state, trials[0].value),
            (0, TrialState::Complete, Some(0.01))
        );
        assert_eq!(trials[0].parameters["lr"], Setting::Float(0.01));
        assert_eq!(trials[0].parameters["w"], Setting::Int(7));
        assert_eq!(trials[0].parameters["aug"], Setting::Int(3));
        assert_eq!(trials[0].curve, [(1, 0.5)].into());
        assert_eq!(trials[0].attributes["k"]["a"], 1);
        assert_eq!((trials[1].number, trials[1].value), (1, Some(0.3)));
        assert_eq!(trials[1].parameters["lr"], Setting::Float(0.02));
    }
}
