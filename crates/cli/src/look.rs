//! A complete inspection of a trained network: layer table, correct and wrong predictions, some images in detail, and
//! the files about it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use convscope_data::{Source, Split};
use convscope_inspect::{Choice, Inspector, Survey, SurveyOptions};
use convscope_report::html::{EvaluationSection, ReportPage, RunSection};
use convscope_report::{curves, findings, layers};

use crate::asked::{Asked, DataFlags};
use crate::console::Console;
use crate::course;
use crate::looking::{Closeup, HeatMapChoice, survey};
use crate::page_contents::PageContents;
use crate::run_page::{self, PAGE_FILE};

/// What to inspect.
#[derive(Clone, Debug, Default)]
pub(crate) struct LookOptions {
    /// At most this many images of each split.
    pub(crate) limit: Option<usize>,
    /// The requested images; if none, the first test image that the network gets right.
    pub(crate) choices: Vec<Choice>,
    /// The requested heat maps.
    pub(crate) heat_maps: HeatMapChoice,
}

/// The results.
pub(crate) struct Look {
    /// The layers, over the requested split.
    pub(crate) survey: Survey,
    /// Correct and wrong predictions on the test images, or the validation images if there are none; `None` if the
    /// survey has them.
    judged: Option<Survey>,
    /// The requested images.
    pub(crate) closeups: Vec<Closeup>,
    /// Further images for the page, some that the network gets right and some that it gets wrong.
    gallery: Vec<Closeup>,
    /// The names of the images that were requested by name.
    asked: Vec<String>,
}

/// Most further images of each kind.
const GALLERY: usize = 4;

impl Look {
    /// Inspects a network. Requested images come first, so that an unreadable one is reported before the long survey.
    ///
    /// # Errors
    /// Images that cannot be read or do not fit the network.
    pub(crate) fn at(
        inspector: &mut Inspector,
        asked: &Asked,
        flags: &DataFlags,
        options: &LookOptions,
        console: Console,
    ) -> Result<Look> {
        let Asked { source, split } = asked;
        let first = [Choice::default()];
        let choices = if options.choices.is_empty() { &first[..] } else { &options.choices };
        let closeups = choices
            .iter()
            .map(|choice| Closeup::of(inspector, source, choice, &options.heat_maps))
            .collect::<Result<Vec<_>>>()?;
        let of = |split| SurveyOptions { split, limit: options.limit, ..SurveyOptions::default() };
        let mut seen = survey(inspector, source, of(*split), console)?;
        let others = [Split::Test, Split::Val].into_iter().find(|&split| !source.is_empty(split));
        let judged = match others {
            Some(other) if *split == Split::Train => Some(survey(inspector, source, of(other), console)?),
            _ => None,
        };
        if let Some(run) = inspector.run_dir().filter(|_| flags.are_own()) {
            seen.findings.extend(course::findings(&run, &**source)?);
            seen.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        }
        let gallery = gallery(inspector, source, judged.as_ref().unwrap_or(&seen), &closeups)?;
        let names = closeups.iter().map(|closeup| closeup.maps.image.name.clone());
        let asked = if options.choices.is_empty() { Vec::new() } else { names.collect() };
        Ok(Look { survey: seen, judged, closeups, gallery, asked })
    }

    /// Its section on a page.
    ///
    /// # Errors
    /// A file of the run that cannot be read.
    pub(crate) fn section(&self, run: &Path) -> Result<RunSection> {
        let evaluation = self.judged.as_ref().map(EvaluationSection::from_survey);
        let section = RunSection { evaluation, ..run_page::section(run)? };
        let closeups = self.closeups.iter().chain(&self.gallery).map(Closeup::section).collect();
        Ok(RunSection { closeups, ..section.with_survey(&self.survey) })
    }

    /// The contents of its page.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub(crate) fn contents(&self, run: &Path) -> Result<PageContents> {
        let judged = self.judged.as_ref().unwrap_or(&self.survey);
        Ok(PageContents {
            layers: self.survey.images,
            judged: judged.images,
            images: format!("{} {}", self.survey.data, self.survey.split.adjective()),
            pictures: self.asked.clone(),
            ..PageContents::of_weights(run)?
        })
    }

    /// The page of this inspection.
    ///
    /// # Errors
    /// A file of the run that cannot be read.
    pub(crate) fn page(&self, run: &Path, source: &Arc<dyn Source>) -> Result<ReportPage> {
        let section = self.section(run)?;
        let title = format!("{} on {}", section.name, run_page::data_name(&**source));
        let contents = Some(self.contents(run)?.to_text());
        Ok(ReportPage { contents, ..run_page::page(title, source, run, vec![section])? })
    }

    /// Writes all results to a folder: tables, pictures and the page, with the same figures in all of them.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub(crate) fn save(&self, run: &Path, folder: &Path, source: &Arc<dyn Source>) -> Result<()> {
        convscope_files::create_folders(folder)
            .with_context(|| format!("{}: the folder cannot be created", folder.display()))?;
        let survey = &self.survey;
        layers::save_csv(&survey.layers, &folder.join("layers.csv"))?;
        layers::save_channels(&survey.layers, &folder.join("channels.csv"))?;
        layers::save_json(&survey.layers, &folder.join("layers.json"))?;
        findings::save_json(&survey.findings, &folder.join("findings.json"))?;
        let suffix = |index: usize| if index == 0 { String::new() } else { format!("_{}", index + 1) };
        for (index, closeup) in self.closeups.iter().enumerate() {
            closeup.save(folder, &suffix(index))?;
        }
        // Leftovers of an earlier inspection of more images would be mistaken for this one's.
        let mut old = self.closeups.len();
        while Closeup::remove(folder, &suffix(old))? {
            old += 1;
        }
        let section = run_page::section(run)?;
        curves::save_depth(&[(section.name.as_str(), &survey.layers)], &folder.join("depth.png"))?;
        if !section.metrics.is_empty() {
            let path = folder.join("curves.png");
            curves::save(&section.name, &section.metrics, &section.layer_metrics, &path)?;
        }
        self.page(run, source)?.save(&folder.join(PAGE_FILE))?;
        Ok(())
    }
}

/// Images that the network gets right, of different classes, and those that it gets wrong with the most confidence.
fn gallery(
    inspector: &mut Inspector,
    source: &Arc<dyn Source>,
    judged: &Survey,
    shown: &[Closeup],
) -> Result<Vec<Closeup>> {
    let wrong = judged.mistakes.iter().take(GALLERY).map(|mistake| (judged.split, mistake.index));
    let right = inspector.right_images(&**source, GALLERY)?;
    let is_shown = |place: &(Split, usize)| {
        shown.iter().any(|closeup| {
            (closeup.maps.image.split, closeup.maps.image.index) == (Some(place.0), Some(place.1))
        })
    };
    let places: Vec<(Split, usize)> =
        right.into_iter().chain(wrong).filter(|place| !is_shown(place)).collect();
    places
        .into_iter()
        .map(|(split, index)| Closeup::brief(inspector, source, &Choice::Index(split, index)))
        .collect()
}
