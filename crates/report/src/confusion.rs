//! The confusion matrix of a classifier.

use std::path::Path;

use crate::number::{percent, thousands};
use crate::table::{Cell, Column, Style, Table, Tone, shorten};
use crate::{ReportError, csv};

/// How often images of each class (rows) were predicted as each class (columns).
///
/// ```
/// use convscope_report::{ConfusionMatrix, Style};
///
/// let labels = ["cat".to_string(), "dog".to_string()];
/// let counts = [vec![90, 10], vec![25, 75]];
/// let matrix = ConfusionMatrix::new(&labels, &counts)?;
/// assert_eq!(
///     matrix.render(Style::PLAIN),
///     "true \\ predicted  cat  dog\n\
///      ──────────────────────────\n\
///      cat                90   10\n\
///      dog                25   75\n"
/// );
/// # Ok::<(), convscope_report::ReportError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ConfusionMatrix<'a> {
    labels: &'a [String],
    counts: &'a [Vec<u64>],
}

impl<'a> ConfusionMatrix<'a> {
    /// A matrix over `labels`, where `counts[t][p]` images of class `t` were predicted as class `p`.
    ///
    /// # Errors
    /// [`ReportError::NotSquare`] unless there is a row for every label with a count for every label.
    pub fn new(labels: &'a [String], counts: &'a [Vec<u64>]) -> Result<Self, ReportError> {
        let wrong = |found| ReportError::NotSquare { labels: labels.len(), found };
        if counts.len() != labels.len() {
            return Err(wrong(format!("there are {} rows", counts.len())));
        }
        if let Some((index, row)) = counts.iter().enumerate().find(|(_, row)| row.len() != labels.len()) {
            return Err(wrong(format!("row {index} has {} counts", row.len())));
        }
        Ok(Self { labels, counts })
    }

    /// A text table with the true class at the left and the predicted class above. Long labels are shortened above the
    /// columns; a count of 0 is shown as `.`, so that mistakes stand out. If the table does not fit into the style's
    /// lines, or has more than 20 classes, the most confused pairs are listed instead.
    pub fn render(&self, style: Style) -> String {
        let matrix = self.matrix();
        if self.labels.len() <= MOST_CLASSES && matrix.fits(style) {
            return matrix.render(style);
        }
        self.pairs(style)
    }

    fn matrix(&self) -> Table {
        let predicted = self.labels.iter().map(|label| Column::right(shorten(label, COLUMN_LABEL)));
        let mut table = Table::new([Column::left("true \\ predicted")].into_iter().chain(predicted));
        for (row, (label, counts)) in self.labels.iter().zip(self.counts).enumerate() {
            let cells = counts.iter().enumerate().map(|(column, &count)| match count {
                0 => Cell::new(".", Tone::Dim),
                _ if row == column => Cell::new(thousands(count), Tone::Good),
                _ => Cell::new(thousands(count), Tone::Normal),
            });
            table.row([Cell::from(shorten(label, ROW_LABEL))].into_iter().chain(cells));
        }
        table
    }

    /// The mistakes, the most frequent first.
    fn pairs(&self, style: Style) -> String {
        let mut pairs: Vec<(usize, usize, u64)> = Vec::new();
        for (label, counts) in self.counts.iter().enumerate() {
            let wrong =
                counts.iter().enumerate().filter(|&(prediction, &count)| prediction != label && count > 0);
            pairs.extend(wrong.map(|(prediction, &count)| (label, prediction, count)));
        }
        if pairs.is_empty() {
            return "no image was predicted as another class\n".to_owned();
        }
        pairs.sort_by_key(|&(.., count)| std::cmp::Reverse(count));
        let mut table = Table::new([
            Column::left("class"),
            Column::left("predicted as"),
            Column::right("images"),
            Column::right("of its class"),
        ]);
        for &(label, prediction, count) in pairs.iter().take(MOST_PAIRS) {
            let total: u64 = self.counts[label].iter().sum();
            table.row([
                Cell::from(shorten(&self.labels[label], ROW_LABEL)),
                shorten(&self.labels[prediction], ROW_LABEL).into(),
                thousands(count).into(),
                percent(count as f64 / total as f64).into(),
            ]);
        }
        let rest = pairs.len().saturating_sub(MOST_PAIRS);
        let more =
            if rest > 0 { format!("and {} more pairs\n", thousands(rest as u64)) } else { String::new() };
        format!("{}{more}", table.render(style))
    }

    /// Writes the matrix as CSV: `true` and the labels in the first line, then a line for each true class.
    ///
    /// # Errors
    /// [`ReportError::Write`] if the file system refuses the file.
    pub fn save_csv(&self, path: &Path) -> Result<(), ReportError> {
        let names: Vec<&str> = ["true"].into_iter().chain(self.labels.iter().map(String::as_str)).collect();
        let records = self
            .labels
            .iter()
            .zip(self.counts)
            .map(|(label, counts)| [label.clone()].into_iter().chain(counts.iter().map(u64::to_string)));
        csv::save(path, &names, records)
    }
}

/// A matrix of more classes cannot be read on a terminal.
const MOST_CLASSES: usize = 20;
const MOST_PAIRS: usize = 15;
/// How many characters of a label are shown above a column, and at the beginning of a line.
const COLUMN_LABEL: usize = 8;
const ROW_LABEL: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<String> {
        ["automobile", "cat", "飛行機"].map(String::from).to_vec()
    }

    fn counts() -> Vec<Vec<u64>> {
        vec![vec![1234, 5, 0], vec![6, 70, 8], vec![0, 0, 9]]
    }

    #[test]
    fn rows_are_the_true_classes() {
        let (labels, counts) = (labels(), counts());
        assert_eq!(
            ConfusionMatrix::new(&labels, &counts).unwrap().render(Style::PLAIN),
            "true \\ predicted  automob…  cat  飛行機\n\
             ───────────────────────────────────────\n\
             automobile           1,234    5       .\n\
             cat                      6   70       8\n\
             飛行機                   .    .       9\n"
        );
    }

    #[test]
    fn of_many_classes_the_most_confused_pairs_are_told() {
        let labels: Vec<String> = (0..21).map(|class| format!("class {class}")).collect();
        let mut counts = vec![vec![0; 21]; 21];
        counts[3][3] = 6;
        counts[3][20] = 2;
        counts[7][0] = 1;
        let text = ConfusionMatrix::new(&labels, &counts).unwrap().render(Style::PLAIN);
        assert_eq!(
            text,
            "class    predicted as  images  of its class\n\
             ───────────────────────────────────────────\n\
             class 3  class 20           2       25.00 %\n\
             class 7  class 0            1      100.00 %\n"
        );
        let (labels, counts) = (self::labels(), self::counts());
        let narrow = Style { width: Some(34), ..Style::PLAIN };
        let text = ConfusionMatrix::new(&labels, &counts).unwrap().render(narrow);
        assert!(text.starts_with("class"), "{text}");
    }

    #[test]
    fn only_the_right_answers_are_green() {
        let (labels, counts) = (labels(), counts());
        let text = ConfusionMatrix::new(&labels, &counts).unwrap().render(Style::ANSI);
        for green in ["1,234", "70", "9"] {
            assert!(text.contains(&format!("\x1b[32m{green}\x1b[0m")), "{text}");
        }
        assert_eq!(text.matches("\x1b[32m").count(), 3);
    }

    #[test]
    fn the_csv_has_every_count_and_whole_labels() {
        let (labels, counts) = (labels(), counts());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("confusion.csv");
        ConfusionMatrix::new(&labels, &counts).unwrap().save_csv(&path).unwrap();
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "true,automobile,cat,飛行機\nautomobile,1234,5,0\ncat,6,70,8\n飛行機,0,0,9\n"
        );
    }

    #[test]
    fn counts_that_do_not_fit_the_labels_are_refused() {
        let labels = labels();
        let error = ConfusionMatrix::new(&labels, &counts()[..2]).unwrap_err().to_string();
        assert_eq!(
            error,
            "confusion matrix: 3 labels need 3 rows of 3 counts, but there are 2 rows; \
             use the same classes for counts and labels"
        );
        let mut ragged = counts();
        ragged[1].push(1);
        let error = ConfusionMatrix::new(&labels, &ragged).unwrap_err().to_string();
        assert!(error.contains("but row 1 has 4 counts;"), "{error}");
    }
}
