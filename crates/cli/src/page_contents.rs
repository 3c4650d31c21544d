//! What a page was made from, so that a fuller page is never replaced with a less complete one.

use std::path::Path;

use anyhow::{Context, Result};
use convscope_report::ReportPage;
use convscope_report::html::contents;
use convscope_train::model::weights_path;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a page of a run shows, as recorded in its head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageContents {
    /// The SHA-256 of the weights.
    pub(crate) weights: String,
    /// How many images the layer table is over; 0 if there is no table.
    pub(crate) layers: u64,
    /// How many images were evaluated.
    pub(crate) judged: u64,
    /// Which images the layer table is over.
    pub(crate) images: String,
    /// The names of the requested images.
    pub(crate) pictures: Vec<String>,
}

impl PageContents {
    /// An empty page for these weights.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub(crate) fn of_weights(run: &Path) -> Result<PageContents> {
        let path = weights_path(run)?;
        let bytes = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let weights = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(PageContents { weights, ..PageContents::default() })
    }

    /// In the form used in the page.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether this page shows everything that another one of the same weights would, and more.
    fn is_fuller_than(&self, other: &PageContents) -> bool {
        let has = |picture| self.pictures.contains(picture);
        self.weights == other.weights
            && (other.layers == 0 || self.images == other.images)
            && self.layers >= other.layers
            && self.judged >= other.judged
            && other.pictures.iter().all(has)
            && self != other
    }
}

/// Whether there is a page that shows everything that one made from `made_from` would, and more.
pub(crate) fn is_fuller(path: &Path, made_from: &PageContents) -> bool {
    let there = std::fs::read_to_string(path).ok().and_then(|html| contents(&html));
    let there = there.and_then(|text| serde_json::from_str::<PageContents>(&text).ok());
    there.is_some_and(|there| there.is_fuller_than(made_from))
}

/// Writes a page, unless a fuller one of the same weights is there. Returns whether it was written.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn save_unless_fuller(page: ReportPage, made_from: &PageContents, path: &Path) -> Result<bool> {
    if is_fuller(path, made_from) {
        return Ok(false);
    }
    ReportPage { contents: Some(made_from.to_text()), ..page }.save(path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_from(weights: &str, layers: u64, pictures: &[&str]) -> PageContents {
        PageContents {
            weights: weights.to_owned(),
            layers,
            judged: 10,
            images: "shapes training".to_owned(),
            pictures: pictures.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_fuller_page_stays_and_any_other_gives_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        let save = |made_from: &PageContents, title: &str| {
            let page = ReportPage { title: title.to_owned(), ..ReportPage::default() };
            save_unless_fuller(page, made_from, &path).unwrap()
        };
        let shows =
            |title: &str| std::fs::read_to_string(&path).unwrap().contains(&format!("<h1>{title}</h1>"));
        std::fs::write(&path, "no page of ours").unwrap();
        assert!(save(&made_from("a", 100, &["cat.jpg", "dog.jpg"]), "full") && shows("full"));
        for poorer in [
            made_from("a", 100, &["dog.jpg"]),
            made_from("a", 50, &["cat.jpg", "dog.jpg"]),
            PageContents { images: String::new(), ..made_from("a", 0, &[]) },
        ] {
            assert!(!save(&poorer, "poor") && shows("full"), "{poorer:?}");
        }
        // The same again, another image, other weights.
        assert!(save(&made_from("a", 100, &["cat.jpg", "dog.jpg"]), "again") && shows("again"));
        assert!(save(&made_from("a", 100, &["cow.jpg"]), "cow") && shows("cow"));
        assert!(save(&made_from("b", 0, &[]), "trained on") && shows("trained on"));
    }
}
