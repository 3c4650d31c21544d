//! Looking inside networks: surveys with progress, and single images in detail.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use convscope_data::Source;
use convscope_inspect::{
    Choice, ExampleImage, FeatureMaps, HeatMap, HeatMapMethod, InspectError, Inspector, Question, Survey,
    SurveyOptions, SurveyProgress,
};
use convscope_report::escape::escaped;
use convscope_report::html::CloseupSection;
use convscope_report::number::percent;
use convscope_report::{feature_maps, heat_map};
use indicatif::{ProgressBar, ProgressStyle};

use crate::asked::Network;
use crate::console::Console;

/// What must be known about a network to open images for it.
pub(crate) fn network<'a>(path: &'a Path, inspector: &'a Inspector) -> Network<'a> {
    Network {
        path,
        classes: inspector.classes(),
        size: inspector.image_size(),
        channels: inspector.channels(),
        framing: inspector.framing(),
        data: inspector.data(),
    }
}

/// A bar on a terminal, otherwise a line at the start.
pub(crate) struct SurveyBar {
    console: Console,
    bar: Option<ProgressBar>,
}

impl SurveyBar {
    /// Starts the bar, with a word on what is surveyed.
    pub(crate) fn begin(name: &str, console: Console) -> SurveyBar {
        let bar = console.draws_bars().then(|| {
            let style = ProgressStyle::with_template(TEMPLATE).expect("the template is well-formed");
            ProgressBar::no_length()
                .with_style(style.progress_chars("=> "))
                .with_message(escaped(name).into_owned())
        });
        let shown = SurveyBar { console, bar };
        if shown.bar.is_none() {
            shown.console.note(&format!("looking at {name}"));
        }
        shown
    }

    /// Shows the progress.
    pub(crate) fn show(&self, progress: SurveyProgress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
        }
    }
}

impl Drop for SurveyBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

const TEMPLATE: &str = "{msg} [{bar:30}] {human_pos}/{human_len} images  {eta} left";

/// Surveys a network, with progress.
///
/// # Errors
/// Those of [`Inspector::survey`].
pub(crate) fn survey(
    inspector: &mut Inspector,
    source: &Arc<dyn Source>,
    options: SurveyOptions,
    console: Console,
) -> Result<Survey> {
    let name = format!("the {} images of {}", options.split.adjective(), source.name());
    let bar = SurveyBar::begin(&name, console);
    Ok(inspector.survey(Arc::clone(source), options, &mut |progress| bar.show(progress))?)
}

/// The requested heat maps.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeatMapChoice {
    /// The layers for Grad-CAM; if none is named, the one that suits the network.
    pub(crate) layers: Vec<String>,
    /// The classes; if none is named, the predicted one.
    pub(crate) classes: Vec<usize>,
}

/// One image with the output of each layer, and where the network looks in it.
pub(crate) struct Closeup {
    pub(crate) maps: FeatureMaps,
    /// The requested ones.
    pub(crate) heat_maps: Vec<HeatMap>,
    /// Grad-CAM at every layer, for each class that a reader is likely to want.
    pub(crate) grad_cams: Vec<HeatMap>,
}

impl Closeup {
    /// Inspects the chosen image.
    ///
    /// # Errors
    /// Those of [`Inspector::example`] and [`Inspector::attention`].
    pub(crate) fn of(
        inspector: &mut Inspector,
        source: &Arc<dyn Source>,
        choice: &Choice,
        wanted: &HeatMapChoice,
    ) -> Result<Closeup> {
        let image = inspector.example(Some(source), choice)?;
        let mut classes = wanted.classes.clone();
        if classes.is_empty() {
            classes.push(image.prediction);
        }
        let mut heat_maps = Vec::new();
        for &class in &classes {
            heat_maps.extend(heat_maps_of(inspector, &image, class, &wanted.layers)?);
        }
        let grad_cams = grad_cams_of(inspector, &image, classes)?;
        Ok(Closeup { maps: inspector.feature_maps(&image)?, heat_maps, grad_cams })
    }

    /// The same without the slow heat maps.
    ///
    /// # Errors
    /// Those of [`of`](Closeup::of).
    pub(crate) fn brief(
        inspector: &mut Inspector,
        source: &Arc<dyn Source>,
        choice: &Choice,
    ) -> Result<Closeup> {
        let image = inspector.example(Some(source), choice)?;
        let grad_cams = grad_cams_of(inspector, &image, vec![image.prediction])?;
        Ok(Closeup { maps: inspector.feature_maps(&image)?, heat_maps: Vec::new(), grad_cams })
    }

    /// Its section on a page.
    pub(crate) fn section(&self) -> CloseupSection {
        CloseupSection {
            maps: self.maps.clone(),
            heat_maps: self.heat_maps.clone(),
            grad_cams: self.grad_cams.clone(),
        }
    }

    /// Writes `feature_maps/*.png` and `heat_maps.png`, both with `suffix` after their names, into a folder.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn save(&self, folder: &Path, suffix: &str) -> Result<()> {
        feature_maps::save_all(&self.maps, &folder.join(format!("feature_maps{suffix}")))?;
        heat_map::save(&self.maps.image, &self.heat_maps, &folder.join(format!("heat_maps{suffix}.png")))?;
        Ok(())
    }

    /// Removes what [`save`](Closeup::save) wrote with this suffix; false if there was nothing.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub(crate) fn remove(folder: &Path, suffix: &str) -> Result<bool> {
        let (maps, heat_maps) =
            (folder.join(format!("feature_maps{suffix}")), folder.join(format!("heat_maps{suffix}.png")));
        if !heat_maps.is_file() {
            return Ok(false);
        }
        feature_maps::remove_all(&maps)?;
        fs::remove_file(&heat_maps)
            .with_context(|| format!("{}: the file cannot be removed", heat_maps.display()))?;
        Ok(true)
    }

    /// `test image 12 (cat): dog 93.41 %`, the true class in brackets.
    pub(crate) fn describe(&self) -> String {
        let image = &self.maps.image;
        let label = image.label.map_or_else(String::new, |label| format!(" ({})", image.classes[label]));
        let probability = f64::from(image.probabilities[image.prediction]);
        format!("{}{label}: {} {}", image.name, image.classes[image.prediction], percent(probability))
    }
}

/// Grad-CAM at every layer for these classes, for the two most probable ones, and for the true one.
fn grad_cams_of(
    inspector: &mut Inspector,
    image: &ExampleImage,
    mut classes: Vec<usize>,
) -> Result<Vec<HeatMap>> {
    let likely = |class: &usize| image.probabilities[*class];
    let second = (0..image.probabilities.len())
        .filter(|class| *class != image.prediction)
        .max_by(|a, b| likely(a).total_cmp(&likely(b)));
    classes.extend([Some(image.prediction), image.label, second].into_iter().flatten());
    let mut grad_cams = Vec::new();
    for (index, class) in classes.iter().enumerate() {
        if !classes[..index].contains(class) {
            grad_cams.extend(inspector.grad_cams(image, *class)?);
        }
    }
    Ok(grad_cams)
}

/// Grad-CAM at each of the layers, saliency and occlusion for a class.
fn heat_maps_of(
    inspector: &mut Inspector,
    image: &ExampleImage,
    class: usize,
    layers: &[String],
) -> Result<Vec<HeatMap>> {
    let ask = |node: Option<&String>| Question { class: Some(class), node: node.cloned() };
    let mut questions: Vec<_> =
        layers.iter().map(|layer| (HeatMapMethod::GradCam, ask(Some(layer)))).collect();
    if questions.is_empty() {
        questions.push((HeatMapMethod::GradCam, ask(None)));
    }
    questions.extend([HeatMapMethod::Saliency, HeatMapMethod::Occlusion].map(|method| (method, ask(None))));
    let mut found = Vec::new();
    for (method, question) in questions {
        match inspector.attention(image, method, &question) {
            Ok(heat_map) => found.push(heat_map),
            // A network without image-shaped outputs has no layer for Grad-CAM.
            Err(InspectError::NoPictures) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}
