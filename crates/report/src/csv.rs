//! CSV files as in RFC 4180: a line of names, commas, quotes if a cell needs them, line feeds.

use std::io;
use std::path::Path;

use convscope_files::write_whole;

use crate::ReportError;

/// Writes a line of names and then the lines of `records`. The file is written atomically and replaces one with the
/// same name.
///
/// # Errors
/// [`ReportError::Write`] if the file system refuses the file, or if a record's number of cells is not the number of
/// names.
///
/// ```no_run
/// # fn main() -> Result<(), convscope_report::ReportError> {
/// let precision = [("cat", 0.71), ("dog", 0.68)];
/// convscope_report::csv::save(
///     "classes.csv".as_ref(),
///     &["class", "precision"],
///     precision.iter().map(|(class, value)| [class.to_string(), value.to_string()]),
/// )?;
/// # Ok(())
/// # }
/// ```
pub fn save<Record>(
    path: &Path,
    names: &[&str],
    records: impl IntoIterator<Item = Record>,
) -> Result<(), ReportError>
where
    Record: IntoIterator,
    Record::Item: AsRef<[u8]>,
{
    write_whole(path, |file| {
        let mut writer = ::csv::Writer::from_writer(file);
        writer.write_record(names).map_err(io_error)?;
        for record in records {
            writer.write_record(record).map_err(io_error)?;
        }
        writer.flush()
    })
    .map_err(ReportError::write(path))
}

fn io_error(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        ::csv::ErrorKind::UnequalLengths { expected_len, len, .. } => io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a line has {len} cells under {expected_len} names"),
        ),
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        save(&path, &["class", "n"], [["red, round", "1"], ["so \"called\"", "22"]]).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "class,n\n\"red, round\",1\n\"so \"\"called\"\"\",22\n"
        );
    }

    #[test]
    fn a_line_of_another_length_leaves_the_former_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "former").unwrap();
        let error = save(&path, &["class", "n"], [vec!["a", "1"], vec!["b"]]).unwrap_err();
        assert!(error.to_string().contains("a line has 1 cells under 2 names"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "former");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}
