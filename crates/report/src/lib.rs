//! Exporters for results: text tables, CSV, JSON and PNG files, and one page.
//!
//! This crate turns plain results into output for people and programs. It computes nothing about a network and prints
//! nothing: every function returns text or a picture, or writes the given files.
//!
//! | module | output |
//! |---|---|
//! | [`html`] | `report.html`: one page without requests, from a [`ReportPage`] |
//! | [`layers`], [`findings`] | the layer table and the findings, as text, CSV, JSON |
//! | [`feature_maps`], [`heat_map`] | what each layer sees and where the network looks, as PNG |
//! | [`contact_sheet`] | examples of every class, as a picture |
//! | [`augmentation`] | training images beside what training makes of them, as PNG |
//! | [`curves`], [`chart`] | training curves and depth plots, as PNG and SVG |
//! | [`plan`], [`benchmark`] | the steps of a plan with their work, and their times, as text |
//! | [`study`] | the results of a search: ranking, `study.csv`, plots, page |
//! | [`glance`] | the layers' outputs for a few images after each epoch, for TensorBoard |
//! | [`lr_curve`] | the loss against the growing learning rate |
//! | [`confusion`] | the confusion matrix of a classifier, as text or CSV |
//! | [`torch`] | a network as the source of a PyTorch module |
//! | [`torch_file`] | a trained network as a Python file that loads its weights |
//! | [`table`], [`number`] | aligned text tables; `294,810`, `1.23 M`, `12.3 MB`, `1m 05s`, `93.41 %` |
//! | [`escape`] | foreign names made safe for a terminal |
//! | [`csv`], [`json`], [`png`] | files of these kinds, written atomically |
//! | [`colour`] | viridis, and colours that colour-blind people can distinguish |

pub mod augmentation;
pub mod benchmark;
mod canvas;
pub mod chart;
pub mod colour;
pub mod confusion;
mod contact_sheet;
pub mod csv;
pub mod curves;
mod error;
pub mod escape;
pub mod feature_maps;
pub mod findings;
mod font;
pub mod glance;
pub mod heat_map;
pub mod html;
pub mod json;
pub mod layers;
pub mod lr_curve;
pub mod number;
mod picture;
pub mod plan;
pub mod png;
#[cfg(test)]
mod samples;
pub mod study;
mod style;
pub mod table;
pub mod torch;
pub mod torch_file;

pub use confusion::ConfusionMatrix;
pub use contact_sheet::contact_sheet;
pub use error::ReportError;
pub use html::ReportPage;
pub use table::{Cell, Colours, Column, Style, Table, Tone};
