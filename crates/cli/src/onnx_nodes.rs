//! `convscope verify --against-onnxruntime`: a network node by node.

use std::path::Path;

use anyhow::Result;
use convscope_onnx::{ComparedValue, NETWORK_TOLERANCE, against_onnxruntime};
use convscope_report::escape::escaped;
use convscope_report::table::{Cell, Column, Table, Tone};
use serde::Serialize;

use crate::console::Console;
use crate::exit::Exit;

/// What is compared with what.
pub(crate) struct Compared<'a> {
    /// The Python executable.
    pub(crate) python: &'a Path,
    /// The ONNX file.
    pub(crate) path: &'a Path,
    /// Rows and columns of the image if the file leaves them open.
    pub(crate) size: [usize; 2],
    /// The seed of the image.
    pub(crate) seed: u64,
}

/// The keys of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    tolerance: f32,
    /// The first node that differs.
    first: Option<&'a str>,
    nodes: &'a [ComparedValue],
}

/// Compares the network, and prints a table.
///
/// # Errors
/// A file that cannot be used, a Python without onnxruntime.
pub(crate) fn run(compared: &Compared<'_>, json: bool, console: Console) -> Result<Exit> {
    let Compared { python, path, size, seed } = *compared;
    console.note(&format!("running {} with onnxruntime in {}", path.display(), python.display()));
    let nodes = against_onnxruntime(python, path, size, seed)?;
    let first = nodes.iter().find(|node| node.differs());
    if json {
        let document = Document {
            tolerance: NETWORK_TOLERANCE,
            first: first.map(|node| node.node.as_str()),
            nodes: &nodes,
        };
        console.result(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        console.result(&format!("{}\n{}", table(&nodes).render(console.style()), ending(&nodes)))?;
    }
    Ok(if first.is_none() && !nodes.is_empty() { Exit::Done } else { Exit::Failed })
}

fn table(nodes: &[ComparedValue]) -> Table {
    let mut table = Table::new([
        Column::left("node"),
        Column::left("operator"),
        Column::left("value in the file"),
        Column::left("shape"),
        Column::right("largest error"),
        Column::left("verdict"),
    ]);
    for node in nodes {
        let verdict =
            if node.differs() { Cell::new("differs", Tone::Bad) } else { Cell::new("equal", Tone::Good) };
        table.row([
            Cell::from(&*escaped(&node.node)),
            Cell::from(node.operator.as_str()),
            Cell::from(&*escaped(&node.value)),
            Cell::from(shape(&node.shape)),
            Cell::from(format!("{:.1e}", node.error)),
            verdict,
        ]);
    }
    table
}

/// `1x64x56x56`.
fn shape(axes: &[usize]) -> String {
    axes.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// What the table says in a line.
fn ending(nodes: &[ComparedValue]) -> String {
    let count = nodes.len();
    let Some(first) = nodes.iter().find(|node| node.differs()) else {
        if count == 0 {
            return "no value of the file is one of this network\n".to_owned();
        }
        let worst = nodes.iter().fold(0f32, |worst, node| worst.max(node.error));
        return format!(
            "all {count} values agree with onnxruntime, off by at most {worst:.1e} of the largest number\n"
        );
    };
    let differing = nodes.iter().filter(|node| node.differs()).count();
    let how = if first.shape == first.expected_shape {
        format!("is off by {:.1e} of its largest number {:.4}", first.error, first.largest)
    } else {
        format!("has the shape {} instead of {}", shape(&first.shape), shape(&first.expected_shape))
    };
    format!(
        "{differing} of {count} values differ from onnxruntime by more than {NETWORK_TOLERANCE:.0e}; the first is that of {} \
         ({}), '{}' in the file, which {how}\n",
        escaped(&first.node),
        first.operator,
        escaped(&first.value),
    )
}
