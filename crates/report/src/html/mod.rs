//! `report.html`: one page that works offline, opens with a double-click, and makes no network requests.

mod atlas;
mod bars;
#[cfg(test)]
mod browser;
mod evaluation;
mod layers;
mod maps;
mod page;
mod pictures;
mod sprites;
mod uri;
mod view;
mod words;

pub use page::{
    CloseupSection, ComparisonSection, ConfigValue, DataOrigin, EvaluationSection, ExtraCell, ExtraRow,
    ExtraSection, ExtraTable, KeyFigure, Preview, ReportPage, RunSection, contents, settings,
};

use std::io::Write;
use std::path::Path;

use convscope_files::write_whole;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::ReportError;

impl ReportPage {
    /// The page as text. Pictures are embedded as `data:` URIs; names may contain any characters.
    ///
    /// # Errors
    /// [`ReportError::NoPixels`] for a picture without pixels; [`ReportError::Page`] for a mistake in the templates.
    pub fn render(&self) -> Result<String, ReportError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.add_filter("breakable", |name: String| {
            minijinja::Value::from_safe_string(layers::breakable(&name))
        });
        let wrong = |error: minijinja::Error| ReportError::Page { reason: format!("{error:#}") };
        for (name, text) in TEMPLATES {
            environment.add_template(name, text).map_err(wrong)?;
        }
        let view = view::view(self)?;
        environment.get_template("page.html").and_then(|page| page.render(view)).map_err(wrong)
    }

    /// Writes the page. The file is written atomically and replaces one with the same name.
    ///
    /// # Errors
    /// Those of [`render`](Self::render), and [`ReportError::Write`] if the file system refuses the file.
    pub fn save(&self, path: &Path) -> Result<(), ReportError> {
        let text = self.render()?;
        write_whole(path, |file| file.write_all(text.as_bytes())).map_err(ReportError::write(path))
    }
}

const TEMPLATES: [(&str, &str); 7] = [
    ("page.html", include_str!("page.html")),
    ("macros.html", include_str!("macros.html")),
    ("run.html", include_str!("run.html")),
    ("evaluation.html", include_str!("evaluation.html")),
    ("layers.html", include_str!("layers.html")),
    ("maps.html", include_str!("maps.html")),
    ("comparison.html", include_str!("comparison.html")),
];

/// Printing overrides the others, so it is last.
const STYLES: [&str; 4] = [
    include_str!("style/base.css"),
    include_str!("style/parts.css"),
    include_str!("style/maps.css"),
    include_str!("style/print.css"),
];

const SCRIPTS: [&str; 8] = [
    include_str!("script/theme.js"),
    include_str!("script/tables.js"),
    include_str!("script/charts.js"),
    include_str!("script/take.js"),
    include_str!("script/classes.js"),
    include_str!("script/maps.js"),
    include_str!("script/network.js"),
    include_str!("script/fold.js"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{layer_of, page};

    #[test]
    fn names_are_text_and_never_markup() {
        let html = page().render().unwrap();
        for hostile in
            ["<b>dog", "<img src=x", "<script>alert", "<friends>", "b <i>", "<dead>", "onerror=alert(1)>\""]
        {
            assert!(!html.contains(hostile), "{hostile}");
        }
        assert!(html.contains("&lt;script&gt;alert(1)"));
    }

    #[test]
    fn nothing_is_asked_of_the_network() {
        let html = page().render().unwrap();
        for part in
            ["src=\"http", "href=\"http", "url(http", "@import", "fetch(", "XMLHttpRequest", "src=\"//"]
        {
            assert!(!html.contains(part), "{part}");
        }
        let sources = html.split("src=\"").skip(1);
        assert!(sources.clone().count() > 10);
        assert!(sources.into_iter().all(|source| source.starts_with("data:image/png;base64,")));
    }

    #[test]
    fn what_a_page_was_made_from_is_found_in_it() {
        let made_from = r#"{"images": "<a> & 'b'/c"}"#;
        let page = ReportPage { contents: Some(made_from.to_owned()), ..page() };
        assert_eq!(contents(&page.render().unwrap()).as_deref(), Some(made_from));
        assert_eq!(contents(&ReportPage::default().render().unwrap()), None);
    }

    #[test]
    fn a_page_shows_what_there_is() {
        let empty = ReportPage::default().render().unwrap();
        assert!(empty.contains("<h1>Report</h1>") && !empty.contains("Synthetic data"));
        let mut one = page();
        one.runs.truncate(1);
        one.comparison = None;
        let sections = ["-findings", "-curves", "-evaluation", "-layers", "-maps", "-config"];
        let html = one.render().unwrap();
        assert!(sections.iter().all(|section| html.contains(&format!("id=\"r0{section}\""))));
        assert!(!html.contains("id=\"comparison\""));
        let run = RunSection { metrics: one.runs[0].metrics.clone(), ..RunSection::default() };
        let bare = ReportPage { runs: vec![run], ..ReportPage::default() }.render().unwrap();
        let shown: Vec<&&str> =
            sections.iter().filter(|section| bare.contains(&format!("id=\"r0{section}\""))).collect();
        assert_eq!(shown, [&"-curves"]);
    }

    #[test]
    fn maps_of_the_reference_network_and_of_large_pictures_stay_small() {
        // Noise, which cannot be compressed.
        let noise = |c: usize, y: usize, x: usize| {
            let mixed = (c as u32 * 7919 + y as u32 * 104_729 + x as u32).wrapping_mul(2_654_435_761);
            (mixed >> 8) as f32
        };
        let reference = [
            (16, 32),
            (16, 32),
            (16, 16),
            (32, 16),
            (32, 16),
            (32, 8),
            (64, 8),
            (64, 8),
            (64, 4),
            (128, 4),
            (128, 4),
        ];
        for shapes in [reference.to_vec(), vec![(64, 224); 4]] {
            let mut page = page();
            page.runs.truncate(1);
            let closeup = &mut page.runs[0].closeups[0];
            closeup.maps.layers =
                shapes.iter().map(|&(c, side)| layer_of("conv2d", [c, side, side], noise)).collect();
            // As many pictures to choose from as `inspect` offers.
            page.runs[0].closeups = vec![page.runs[0].closeups[0].clone(); 9];
            let size = page.render().unwrap().len();
            assert!((100_000..5_000_000).contains(&size), "{size}");
        }
    }

    #[test]
    fn a_picture_without_pixels_is_an_error_and_many_classes_are_a_picture() {
        let mut page = page();
        page.previews[0].picture = image::RgbImage::new(0, 4);
        assert!(matches!(page.render(), Err(ReportError::NoPixels { .. })));
        page.previews.clear();
        let evaluation = page.runs[0].evaluation.as_mut().unwrap();
        evaluation.confusion = convscope_train::metrics::Confusion::new(51);
        // Classes that do not occur would be left out.
        (0..51).for_each(|class| evaluation.confusion.record(class, class).unwrap());
        evaluation.confusion.record(50, 3).unwrap();
        let html = page.render().unwrap();
        assert!(
            html.contains("alt=\"Confusion matrix of 3 classes\"") && html.contains("[50,3,1]"),
            "{html}"
        );
    }
}
