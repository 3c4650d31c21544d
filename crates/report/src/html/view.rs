//! The data for the templates: the page's parts as text.

use convscope_inspect::Quantity;
use minijinja::{Value, context};

use super::maps::maps_view;
use super::page::{DataOrigin, ExtraRow, ExtraSection, Preview, ReportPage, RunSection};
use super::sprites::Sprites;
use super::uri::picture_uri;
use super::{SCRIPTS, STYLES, evaluation, layers, words};
use crate::ReportError;
use crate::chart::diagram::Mark;
use crate::chart::{Chart, Diagram, class};
use crate::curves::{
    Scaling, accuracy_chart, depth_chart, layer_chart, learning_charts, loss_chart, quantity_name,
};

/// All variables of `page.html`.
pub(super) fn view(page: &ReportPage) -> Result<Value, ReportError> {
    let mut sprites = Sprites::default();
    let several = page.runs.len() > 1;
    let budget = MAP_PIXELS / page.runs.iter().filter(|run| !run.closeups.is_empty()).count().max(1);
    let runs = page.runs.iter().enumerate();
    let runs: Vec<Value> = runs
        .map(|(index, run)| run_view(index, run, several, &mut sprites, budget))
        .collect::<Result<_, _>>()?;
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
        contents => page.contents.clone(),
        terms => words::view(),
    })
}

/// A chart and its legend.
pub(super) fn chart_view(chart: &Chart) -> Value {
    diagram_view(&chart.diagram())
}

fn diagram_view(diagram: &Diagram) -> Value {
    let entry = |entry: &crate::chart::diagram::LegendEntry| {
        context! {
            name => entry.name.clone(),
            class => class(entry.ink),
            dot => entry.mark == Mark::Dot,
            dashed => entry.mark == Mark::Dashed,
        }
    };
    context! {
        title => diagram.title.clone(),
        svg => diagram.to_svg(),
        legend => diagram.legend.iter().map(entry).collect::<Vec<_>>(),
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
    several: bool,
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
        context! { depth, ..layers::table_view(table, &run.layers_over) }
    });
    let maps = maps_view(run, sprites, budget)?;
    Ok(context! {
        id => format!("r{index}"),
        name => run.name.clone(),
        // With several runs, the comparison matters most.
        open => if several { "" } else { " open" },
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

/// The quantities by which the layers of several runs are compared.
const QUANTITIES: [Quantity; 3] =
    [Quantity::MeanAbsWeight, Quantity::SumAbsWeight, Quantity::MeanAbsActivation];

/// A large whole number with its commas; any other value unchanged.
fn count(value: &str) -> String {
    match value.parse::<u64>() {
        Ok(number) if number >= 10_000 => crate::number::thousands(number),
        _ => value.to_owned(),
    }
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
    let quantity = |quantity: Quantity| {
        context! {
            title => quantity_name(quantity),
            raw => chart_view(&layer_chart(&tables, quantity, Scaling::Raw)),
            normalized => chart_view(&layer_chart(&tables, quantity, Scaling::Normalized)),
            rows => layers::side_by_side(&tables, quantity),
        }
    };
    let compared = if tables.len() > 1 { &QUANTITIES[..] } else { &[] };
    let over: Vec<&str> =
        page.runs.iter().map(|run| run.layers_over.as_str()).filter(|over| !over.is_empty()).collect();
    let layers_over =
        if over.windows(2).all(|pair| pair[0] == pair[1]) { over.first().copied() } else { None };
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
            let values: Vec<Option<String>> = difference.values.iter().map(|value| value.as_deref().map(count)).collect();
            context! { key => difference.key.clone(), values }
        }).collect::<Vec<_>>(),
        statements => layers::findings_view(&section.statements),
        charts,
        quantities => compared.iter().map(|&name| quantity(name)).collect::<Vec<_>>(),
        layers_over => layers_over.unwrap_or("the images of each run"),
        strips => runs.iter().filter(|run| run.get_attr("maps").is_ok_and(|maps| maps.is_true())).cloned().collect::<Vec<_>>(),
    }
}

fn extra_view(section: &ExtraSection) -> Result<Value, ReportError> {
    Ok(context! {
        title => section.title.clone(),
        text => section.text.clone(),
        charts => section.charts.iter().map(diagram_view).collect::<Vec<_>>(),
        tables => section.tables.iter().map(|table| {
            context! {
                caption => table.caption.clone(),
                columns => table.columns.clone(),
                rows => table.rows.iter().map(row_view).collect::<Vec<_>>(),
            }
        }).collect::<Vec<_>>(),
        pictures => section.pictures.iter().map(preview_view).collect::<Result<Vec<_>, _>>()?,
    })
}

fn row_view(row: &ExtraRow) -> Value {
    let cells =
        row.cells.iter().map(|cell| context! { text => cell.text.clone(), link => cell.link.clone() });
    context! { cells => cells.collect::<Vec<_>>(), is_marked => row.is_marked }
}
