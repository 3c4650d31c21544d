//! What the templates are given: the page's parts as text.

use minijinja::{Value, context};

use super::maps::maps_view;
use super::page::{DataOrigin, ExtraSection, Preview, ReportPage, RunSection};
use super::uri::picture_uri;
use super::{SCRIPTS, STYLES, evaluation, layers};
use crate::ReportError;
use crate::chart::{Chart, Stroke};
use crate::colour::OKABE_ITO;
use crate::curves::{accuracy_chart, depth_chart, learning_charts, loss_chart};

/// Everything that `page.html` names.
pub(super) fn view(page: &ReportPage) -> Result<Value, ReportError> {
    let mut sprites = Sprites::default();
    let several = page.runs.len() > 1;
    let budget = MAP_PIXELS / page.runs.iter().filter(|run| run.maps.is_some()).count().max(1);
    let runs = page.runs.iter().enumerate();
    let runs: Vec<Value> =
        runs.map(|(index, run)| run_view(index, run, &mut sprites, budget)).collect::<Result<_, _>>()?;
    let comparison = if several { Some(comparison_view(page, &runs)) } else { None };
    let previews: Vec<Value> = page.previews.iter().map(preview_view).collect::<Result<_, _>>()?;
    let extra: Vec<Value> = page.extra.iter().map(extra_view).collect::<Result<_, _>>()?;
    Ok(context! {
        title => if page.title.is_empty() { "Report".to_owned() } else { page.title.clone() },
        subtitle => page.subtitle.clone(),
        generator => page.generator.clone(),
        synthetic => page.origin == DataOrigin::Synthetic,
        styles => STYLES.concat(),
        scripts => SCRIPTS.concat(),
        sprites => sprites.rules,
        several,
        runs,
        comparison,
        previews,
        extra,
    })
}

/// The pictures of maps as rules of the style sheet, so that a picture which is shown in many places is there once.
#[derive(Default)]
pub(super) struct Sprites {
    rules: String,
    count: usize,
}

impl Sprites {
    /// Adds a picture; returns the class that has it as its background.
    pub(super) fn add(&mut self, uri: &str) -> String {
        let class = format!("m{}", self.count);
        self.count += 1;
        self.rules.push_str(&format!(".{class}{{background-image:url({uri})}}\n"));
        class
    }
}

/// A chart and its legend.
pub(super) fn chart_view(chart: &Chart) -> Value {
    let entry = |series: &crate::chart::Series| {
        context! {
            name => series.name.clone(),
            class => match series.stroke {
                Stroke::Faint => "faint".to_owned(),
                Stroke::Dashed => format!("s{} dashed", series.colour % OKABE_ITO.len()),
                Stroke::Solid | Stroke::Dots => format!("s{}", series.colour % OKABE_ITO.len()),
            },
            dots => series.stroke == Stroke::Dots,
        }
    };
    context! {
        title => chart.title.clone(),
        svg => chart.to_svg(),
        legend => chart.series.iter().map(entry).collect::<Vec<_>>(),
    }
}

/// A picture with its caption, its size and its bytes.
pub(super) fn preview_view(preview: &Preview) -> Result<Value, ReportError> {
    let (width, height) = preview.picture.dimensions();
    let uri = picture_uri(&preview.picture, &preview.caption)?;
    Ok(context! { caption => preview.caption.clone(), uri, width, height })
}

/// How many pixels the maps of all layers of all runs take together; a page of about twice as many bytes.
const MAP_PIXELS: usize = 1_500_000;

fn run_view(
    index: usize,
    run: &RunSection,
    sprites: &mut Sprites,
    budget: usize,
) -> Result<Value, ReportError> {
    let metrics = [(run.name.as_str(), run.metrics.as_slice())];
    let mut curves = Vec::new();
    if !run.metrics.is_empty() {
        curves.extend([chart_view(&loss_chart(&metrics)), chart_view(&accuracy_chart(&metrics))]);
    }
    curves.extend(learning_charts(&run.layer_metrics).iter().map(chart_view));
    curves.extend(run.charts.iter().map(chart_view));
    let layers = run.layers.as_ref().map(|table| {
        let depth = chart_view(&depth_chart(&[(run.name.as_str(), table)]));
        context! { depth, ..layers::table_view(table) }
    });
    let maps = match &run.maps {
        Some(maps) => Some(maps_view(maps, run, sprites, budget)?),
        None => None,
    };
    Ok(context! {
        id => format!("r{index}"),
        name => run.name.clone(),
        figures => run.figures.iter().map(|figure| {
            context! { label => figure.label.clone(), value => figure.value.clone() }
        }).collect::<Vec<_>>(),
        config => run.config.iter().map(|setting| {
            context! { key => setting.key.clone(), value => setting.value.clone() }
        }).collect::<Vec<_>>(),
        epochs => layers::epochs_view(&run.metrics),
        curves,
        evaluation => run.evaluation.as_ref().map(evaluation::view).transpose()?,
        is_calm => run.findings.iter().flatten().all(|finding| !finding.kind.is_unusual()),
        findings => run.findings.as_deref().map(layers::findings_view),
        layers,
        maps,
    })
}

fn comparison_view(page: &ReportPage, runs: &[Value]) -> Value {
    let trained: Vec<_> = page.runs.iter().filter(|run| !run.metrics.is_empty()).collect();
    let metrics: Vec<_> = trained.iter().map(|run| (run.name.as_str(), run.metrics.as_slice())).collect();
    let tables: Vec<_> =
        page.runs.iter().filter_map(|run| Some((run.name.as_str(), run.layers.as_ref()?))).collect();
    let mut charts = Vec::new();
    if !metrics.is_empty() {
        charts.extend([chart_view(&loss_chart(&metrics)), chart_view(&accuracy_chart(&metrics))]);
    }
    let depth = (tables.len() > 1).then(|| chart_view(&depth_chart(&tables)));
    let empty = super::page::ComparisonSection::default();
    let section = page.comparison.as_ref().unwrap_or(&empty);
    let results = page.runs.iter().map(|run| {
        let evaluation = run.evaluation.as_ref();
        context! {
            name => run.name.clone(),
            over => evaluation.map(|e| e.over.clone()),
            loss => evaluation.map(|e| crate::number::significant(e.loss)),
            accuracy => evaluation.map(|e| crate::number::percent(e.accuracy)),
            parameters => run.layers.as_ref().map(|table| {
                crate::number::thousands(table.parameters())
            }),
        }
    });
    context! {
        names => page.runs.iter().map(|run| run.name.clone()).collect::<Vec<_>>(),
        results => results.collect::<Vec<_>>(),
        differences => section.differences.iter().map(|difference| {
            context! { key => difference.key.clone(), values => difference.values.clone() }
        }).collect::<Vec<_>>(),
        statements => layers::findings_view(&section.statements),
        charts,
        depth,
        layers => layers::side_by_side(&tables),
        strips => runs.iter().filter(|run| run.get_attr("maps").is_ok_and(|maps| maps.is_true())).cloned().collect::<Vec<_>>(),
    }
}

fn extra_view(section: &ExtraSection) -> Result<Value, ReportError> {
    Ok(context! {
        title => section.title.clone(),
        text => section.text.clone(),
        charts => section.charts.iter().map(chart_view).collect::<Vec<_>>(),
        tables => section.tables.iter().map(|table| {
            context! {
                caption => table.caption.clone(),
                columns => table.columns.clone(),
                rows => table.rows.clone(),
            }
        }).collect::<Vec<_>>(),
        pictures => section.pictures.iter().map(preview_view).collect::<Result<Vec<_>, _>>()?,
    })
}
